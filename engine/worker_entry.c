/* worker_entry.c - the worker's connectors one by one. */
#include "worker_entry.h"

#include "xmalloc.h"

#include <stdlib.h>

void entries_add(struct entries *l, struct entry *e)
{
    l->items = xrealloc(l->items, (l->count + 1) * sizeof(struct entry *));
    l->items[l->count++] = e;
}

struct entry *entries_find(const struct entries *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i]->name, name) == 0)
            return l->items[i];
    return NULL;
}

void entries_remove(struct entries *l, const struct entry *e)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i] == e) {
            memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(struct entry *));
            l->count--;
            return;
        }
}

void entry_aim(struct entry *e, enum connector_state target)
{
    e->target = target;
    e->tasked = target == STATE_RUNNING || (e->tasked && target == STATE_PAUSED);
}

struct entry *entry_new(const char *name, struct connector *connector, const struct props *given,
                        enum connector_state target)
{
    struct entry *e = xcalloc(1, sizeof *e);
    e->name = xstrdup(name);
    e->connector = connector;
    e->given = props_copy(given);
    entry_aim(e, target);
    return e;
}

void entry_free(struct entry *e)
{
    if (e->connector)
        connector_free(e->connector);
    props_free(e->given);
    free(e->name);
    free(e);
}

int entry_tasks(const struct entry *e)
{
    return e->connector && e->tasked ? connector_tasks(e->connector) : 0;
}

void entry_apply(struct entry *e)
{
    if (e->waiting || !e->connector)
        return;
    if (e->target == STATE_PAUSED)
        connector_pause(e->connector);
    else if (e->target == STATE_STOPPED)
        connector_stop(e->connector);
    else
        connector_start(e->connector);
}
