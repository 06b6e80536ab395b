/* offsets_store.h - where positions are kept: a row of functions for each kind of store. Used by offsets.c
 * only.
 *
 * Keys and values are Connect's bytes; a store knows nothing of what they mean. Calls come one at a time. */
#ifndef ENGINE_OFFSETS_STORE_H
#define ENGINE_OFFSETS_STORE_H

#include "buf.h"
#include "err.h"
#include "props.h"

struct offsets_store {
    const struct offsets_store_type *type; /* first member of each store's own struct */
};

struct offsets_store_type {
    /* The newest value of the key is put into *value (emptied first), *found tells whether there is one. */
    bool (*load)(struct offsets_store *s, struct slice key, struct buf *value, bool *found, struct err *e);
    /* Durable when it returns. value.ptr NULL: the key is deleted. */
    bool (*save)(struct offsets_store *s, struct slice key, struct slice value, struct err *e);
    void (*close)(struct offsets_store *s);
};

/* offset.storage.file.filename; ERR_CONFIG: the file or its directory cannot be used. */
struct offsets_store *offsets_file_open(const char *path, struct err *e);

/* offset.storage.topic; no broker is asked yet. The worker file is copied. ERR_CONFIG. */
struct offsets_store *offsets_kafka_open(const struct props *worker, struct err *e);

#endif
