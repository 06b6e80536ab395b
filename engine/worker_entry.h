/* worker_entry.h - one connector of a worker and what it is to do. For worker.c only. */
#ifndef ENGINE_WORKER_ENTRY_H
#define ENGINE_WORKER_ENTRY_H

#include "connector.h"

struct entry {
    char *name;
    struct connector *connector; /* NULL: could not be made of given */
    struct props *given;
    struct err broken; /* why there is no connector */
    bool kept;
    bool tasked; /* has run since it was last stopped: only then Connect has tasks to speak of */
    enum connector_state target; /* RUNNING, PAUSED or STOPPED */
    bool waiting;                /* not started: the former one is still being buried */
};

struct entries {
    struct entry **items;
    size_t count;
};

/* given is copied, connector (may be NULL) is taken over. */
struct entry *entry_new(const char *name, struct connector *connector, const struct props *given,
                        enum connector_state target);
void entry_free(struct entry *e);                             /* waits until the connector has drained */
void entry_aim(struct entry *e, enum connector_state target); /* says what is to be done */
void entry_apply(struct entry *e);                            /* does it, unless it is waiting */
int entry_tasks(const struct entry *e);                       /* how many tasks REST shows */

void entries_add(struct entries *l, struct entry *e);
struct entry *entries_find(const struct entries *l, const char *name); /* NULL: there is none */
void entries_remove(struct entries *l, const struct entry *e);         /* frees nothing */

#endif
