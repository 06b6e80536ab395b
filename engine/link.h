/* link.h - the replication link: a thread that reads the stream into batches and answers the server's
 * keepalives.
 *
 * It waits for nothing but its socket, its wake-ups and its timer: not for Kafka, disk, or a lock held
 * elsewhere. When the ring is full it stops reading (the server then waits) and goes on sending status. */
#ifndef ENGINE_LINK_H
#define ENGINE_LINK_H

#include "batch.h"
#include "lsn.h"
#include "ring.h"

#include <libpq-fe.h>

struct link_options {
    const char *slot, *publications; /* publications: a quoted, comma separated list of identifiers */
    const char *params;              /* slot.stream.params, "k=v;k=v"; NULL: none */
    lsn_t start;                     /* 0: where the slot stands */
    bool messages;                   /* logical messages too */
    bool binary;                     /* values in binary form, where their types have one */
    size_t most_row;                 /* a row of more bytes ends the stream, ERR_CONFIG; 0: any size */
    int memory_max_mb;               /* what that comes from */
    int status_interval_ms;
    int wake_fd;    /* signalled when a batch is ready, or the server shuts down */
    int session_fd; /* socket of another session with this server, for which its end is looked for; -1: none
                     */
};

struct link;

/* Starts replication on the connection (taken over, also on failure) and the thread. NULL: *e; ERR_RETRY when
 * the slot is in use. */
struct link *link_open(PGconn *replication, const struct link_options *options, struct err *e);
/* Whether slot.stream.params ("k=v;k=v", may be NULL) says something of this option of the plugin. */
bool link_has_param(const char *params, const char *name);
/* The next batch; NULL: none yet. To be given back, so that its memory is used again. */
struct batch *link_take(struct link *l);
void link_return(struct link *l, struct batch *b);
void link_acknowledge(struct link *l, lsn_t flushed); /* durable up to here; never goes back */
void link_ask(struct link *l);                        /* asks the server for a keepalive now */
/* True once the other session has ended: the server may be shutting down and wait for what is durable to be
 * acknowledged. When nothing moves for some seconds, the link ends. */
bool link_leaving(struct link *l);
/* True, and *e is why, when the connection is gone, and with it the hold on the slot: somebody else may have
 * it already, so nothing more should be published, also not what was read before. */
bool link_is_cut(struct link *l, struct err *e);
/* False while the server is silent for so long that it may not hear us either, as when something between the
 * two keeps the connection but lets nothing through: whoever has the slot then may have stored a position. */
bool link_heard(struct link *l);
lsn_t link_received(const struct link *l);
/* Cuts the connection when a row that is coming in is larger than allowed: libpq reads for as long as there
 * is something, so the link itself may notice late. For the pipeline's thread, often. */
void link_watch(struct link *l);
struct link_queue {
    size_t batches, capacity; /* handed over and not taken yet; most */
    size_t bytes, most_bytes; /* in them; about as many as there can be */
};
void link_look(struct link *l, struct link_queue *out);
void link_close(struct link *l); /* a last status, CopyDone, join */

#endif
