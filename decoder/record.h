/* record.h - what leaves the decoder for the publishers: one message's bytes, and the mark of the transaction
 * it is of. */
#ifndef DECODER_RECORD_H
#define DECODER_RECORD_H

#include "lsn.h"
#include "slice.h"

/* A topic by name; the sink hangs its own handle on it at first use (sink->forget releases it). */
struct topic {
    char *name;
    void *handle;
    unsigned noted; /* the round of engine/activity.h that knows of it */
    bool overran;   /* it was told that a message for it was too large */
};

struct header {
    struct slice name, value;
};

/* One transaction (or snapshot) on its way: how many of its messages are not yet known to be durable. */
struct mark {
    lsn_t end_lsn;    /* acknowledged once this and all earlier marks are done */
    uint32_t pending; /* messages given to a sink without a delivery report yet */
    bool closed;      /* no message will be added */
};

struct message {
    struct topic *topic;
    struct slice key;             /* ptr NULL: no key */
    struct slice value;           /* ptr NULL: tombstone */
    const struct header *headers; /* extra ones, before the context headers */
    size_t n_headers;
    bool context;      /* also carries the connector's constant context headers */
    int32_t partition; /* -1: by key */
    struct mark *mark;
    const char *table; /* schema.table that it is of; NULL: none */
    char op;           /* enum change_op; 0: none, as of a tombstone */
};

#endif
