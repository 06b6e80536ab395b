/* link.h - the replication link: a thread that reads the stream into batches and answers the server's
 * keepalives.
 *
 * It waits for nothing but its socket, its wake-ups and its timer: not for Kafka, disk, or a lock held
 * elsewhere. When the ring is full it stops reading (the server then waits) and goes on sending status. */
#ifndef ENGINE_LINK_H
#define ENGINE_LINK_H

#include "buf.h"
#include "err.h"
#include "lsn.h"
#include "ring.h"

#include <libpq-fe.h>

/* Frames in the order they came: u32 length (native), then the CopyData payload ('w' or 'k' message). */
struct batch {
    struct buf bytes;
    bool last; /* the stream ended; `end` says why */
    struct err end;
};
void batch_free(struct batch *b);
/* Walks the frames: *at starts at 0; false at the end. */
bool batch_next(const struct batch *b, size_t *at, struct slice *frame);

struct link_options {
    const char *slot, *publications; /* publications: a quoted, comma separated list of identifiers */
    const char *params;              /* slot.stream.params, "k=v;k=v"; NULL: none */
    lsn_t start;                     /* 0: where the slot stands */
    bool messages;                   /* logical messages too */
    int status_interval_ms;
    int wake_fd; /* signalled when a batch is ready */
};

struct link;

/* Starts replication on the connection (taken over, also on failure) and the thread. NULL: *e; ERR_RETRY when
 * the slot is in use. */
struct link *link_open(PGconn *replication, const struct link_options *options, struct err *e);
/* The next batch; NULL: none yet. To be given back, so that its memory is used again. */
struct batch *link_take(struct link *l);
void link_return(struct link *l, struct batch *b);
void link_acknowledge(struct link *l, lsn_t flushed); /* durable up to here; never goes back */
void link_ask(struct link *l);                        /* asks the server for a keepalive now */
lsn_t link_received(const struct link *l);
struct link_queue {
    size_t batches, capacity; /* handed over and not taken yet; most */
    size_t bytes, most_bytes; /* in them; about as many as there can be */
};
void link_look(struct link *l, struct link_queue *out);
void link_close(struct link *l); /* a last status, CopyDone, join */

#endif
