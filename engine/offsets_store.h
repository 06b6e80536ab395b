/* offsets_store.h - where positions and connectors are kept: a row of functions for each kind of store. Used
 * by offsets.c and configs.c only.
 *
 * Keys and values are Connect's bytes; a store knows nothing of what they mean. Calls come one at a time,
 * unless it says that it can do with others. */
#ifndef ENGINE_OFFSETS_STORE_H
#define ENGINE_OFFSETS_STORE_H

#include "buf.h"
#include "err.h"
#include "props.h"

struct offsets_store {
    const struct offsets_store_type *type; /* first member of each store's own struct */
};

/* value: text, as are keys; both valid during the call. */
typedef void offsets_each(void *ctx, struct slice key, struct slice value);

struct offsets_store_type {
    /* The newest value of the key is put into *value (emptied first), *found tells whether there is one. */
    bool (*load)(struct offsets_store *s, struct slice key, struct buf *value, bool *found, struct err *e);
    /* Durable when it returns. value.ptr NULL: the key is deleted. */
    bool (*save)(struct offsets_store *s, struct slice key, struct slice value, struct err *e);
    /* Shows the newest value of every key that has one, in no order. */
    bool (*each)(struct offsets_store *s, offsets_each *take, void *ctx, struct err *e);
    /* The Kafka cluster's id, owned by the caller; NULL: not known. */
    char *(*cluster)(struct offsets_store *s);
    void (*close)(struct offsets_store *s);
    bool concurrent; /* calls, but for close, may come at the same time */
};

/* setting: the name of the worker's option, for errors. ERR_CONFIG: the file or its directory cannot be used.
 */
struct offsets_store *offsets_file_open(const char *setting, const char *path, struct err *e);

/* A compacted topic of Connect's. kind: "offset" or "config", the first word of the worker's
 * <kind>.storage.topic, .partitions and .replication.factor. */
struct offsets_topic {
    const char *kind, *name;
    int partitions; /* that a new one gets; 0: <kind>.storage.partitions, preset 25 */
};

/* No broker is asked yet. The worker file is copied. ERR_CONFIG. */
struct offsets_store *offsets_kafka_open(const struct props *worker, const struct offsets_topic *topic,
                                         struct err *e);

/* A connector's own store before the worker's; both are taken over. */
struct offsets_store *offsets_layers_open(struct offsets_store *own, struct offsets_store *workers);

#endif
