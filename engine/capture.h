/* capture.h - what the engine keeps for each relation of the stream: its plan, its topic, its browsers'
 * table. */
#ifndef ENGINE_CAPTURE_H
#define ENGINE_CAPTURE_H

#include "config.h"
#include "live.h"
#include "map.h"
#include "plan.h"
#include "record.h"

/* A collection's events within one transaction. By name and for the whole run, since a relation may be
 * replaced inside a transaction. */
struct tally {
    char *collection; /* "schema.table", as in transaction records */
    int64_t events;   /* in transaction number tx */
    uint64_t tx;
};

struct capture {
    struct plan *plan;       /* NULL: not captured, its rows are passed over */
    struct topic *topic;     /* of the set below */
    struct live_table *live; /* NULL: no browsers */
    struct tally *tally;
    int64_t labels_asked;   /* the xid whose row the catalogue did not explain (it is ahead of the stream):
                               until that transaction's end it is not asked again; 0: none */
    uint64_t failures_told; /* unconvertible values of the plan that were counted */
    bool warned;            /* of the first of them, once a table */
};

/* Topics by name. They outlive relations: a sink's handle stays good when a table's definition changes. */
struct topics;
struct topics *topics_new(void);
struct topic *topics_get(struct topics *t, const char *name); /* made at first use */
void topics_free(struct topics *t, void (*forget)(void *ctx, struct topic *topic), void *ctx);

struct tallies;
struct tallies *tallies_new(void);
struct tally *tallies_get(struct tallies *t, const char *collection); /* made at first use */
void tallies_free(struct tallies *t);

struct capture_settings {
    const struct config *config;
    struct plan_settings plan;
    struct topics *topics;
    struct tallies *tallies;
    struct live *live; /* NULL: no browsers */
};

/* Makes the capture of a described relation and hangs it on rel->plan. ERR_DATA: unknown type. */
bool capture_make(const struct capture_settings *s, struct relation *rel, struct err *e);

static inline struct capture *capture_of(const struct relation *rel)
{
    return rel->plan;
}

#endif
