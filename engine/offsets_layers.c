/* offsets_layers.c - positions of a connector with a topic of its own (offsets.storage.topic).
 *
 * What its topic lacks is looked for in the worker's, so that a connector goes on where it was when it gets a
 * topic. Nothing is written to the worker's but the end of a position: a deleted one must not come back from
 * there. Source: org.apache.kafka.connect.storage.ConnectorOffsetBackingStore. */
#include "offsets_store.h"

#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

struct layers {
    struct offsets_store base;
    struct offsets_store *own, *workers;
};

static bool layers_load(struct offsets_store *store, struct slice key, struct buf *value, bool *found,
                        struct err *e)
{
    struct layers *l = (struct layers *)store;
    if (!l->own->type->load(l->own, key, value, found, e))
        return false;
    return *found || l->workers->type->load(l->workers, key, value, found, e);
}

static bool layers_save(struct offsets_store *store, struct slice key, struct slice value, struct err *e)
{
    struct layers *l = (struct layers *)store;
    return (value.ptr || l->workers->type->save(l->workers, key, value, e)) &&
           l->own->type->save(l->own, key, value, e);
}

struct walk {
    struct map *seen; /* keys of the connector's own topic */
    offsets_each *take;
    void *ctx;
};

static void take_own(void *ctx, struct slice key, struct slice value)
{
    struct walk *w = ctx;
    map_set(w->seen, key, w);
    w->take(w->ctx, key, value);
}

static void take_workers(void *ctx, struct slice key, struct slice value)
{
    struct walk *w = ctx;
    if (!map_get(w->seen, key))
        w->take(w->ctx, key, value);
}

static bool layers_each(struct offsets_store *store, offsets_each *take, void *ctx, struct err *e)
{
    struct layers *l = (struct layers *)store;
    struct walk w = {map_new(), take, ctx};
    bool ok = l->own->type->each(l->own, take_own, &w, e) &&
              l->workers->type->each(l->workers, take_workers, &w, e);
    map_free(w.seen);
    return ok;
}

static char *layers_cluster(struct offsets_store *store)
{
    struct layers *l = (struct layers *)store;
    return l->own->type->cluster(l->own);
}

static void layers_close(struct offsets_store *store)
{
    struct layers *l = (struct layers *)store;
    l->own->type->close(l->own);
    l->workers->type->close(l->workers);
    free(l);
}

static const struct offsets_store_type LAYERS_TYPE = {layers_load, layers_save, layers_each, layers_cluster,
                                                      layers_close};

struct offsets_store *offsets_layers_open(struct offsets_store *own, struct offsets_store *workers)
{
    struct layers *l = xcalloc(1, sizeof *l);
    *l = (struct layers){{&LAYERS_TYPE}, own, workers};
    return &l->base;
}
