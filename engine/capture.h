/* capture.h - what the engine keeps for each relation of the stream: its plan, its topic, its browsers'
 * table. */
#ifndef ENGINE_CAPTURE_H
#define ENGINE_CAPTURE_H

#include "config.h"
#include "live.h"
#include "map.h"
#include "plan.h"
#include "record.h"

struct capture {
    struct plan *plan;       /* NULL: not captured, its rows are passed over */
    struct topic *topic;     /* of the set below */
    struct live_table *live; /* NULL: no browsers */
    char *collection;        /* "schema.table", as in transaction records */
    int64_t events;          /* in transaction number tx */
    uint64_t tx;
    uint64_t failures_told; /* unconvertible values that a warning was logged for */
};

/* Topics by name. They outlive relations: a sink's handle stays good when a table's definition changes. */
struct topics;
struct topics *topics_new(void);
struct topic *topics_get(struct topics *t, const char *name); /* made at first use */
void topics_free(struct topics *t, void (*forget)(void *ctx, struct topic *topic), void *ctx);

struct capture_settings {
    const struct config *config;
    struct plan_settings plan;
    struct topics *topics;
    struct live *live; /* NULL: no browsers */
};

/* Makes the capture of a described relation and hangs it on rel->plan. ERR_DATA: unknown type. */
bool capture_make(const struct capture_settings *s, struct relation *rel, struct err *e);

static inline struct capture *capture_of(const struct relation *rel)
{
    return rel->plan;
}

#endif
