/* scan.h - COPY statements run by several sessions at once, each on a thread of its own.
 *
 * A reader takes the next statement, reads its rows into batches and hands them over through a bounded ring;
 * when the ring is full it waits, and the server with it. Statements are begun in their order; with one
 * reader their rows come in that order too. */
#ifndef ENGINE_SCAN_H
#define ENGINE_SCAN_H

#include "buf.h"
#include "err.h"

#include <libpq-fe.h>

#define SCAN_WATCH_MS 20

struct scan_item {
    char *sql;      /* COPY ... TO STDOUT, text form */
    size_t table;   /* the caller's */
    bool generated; /* made from the catalogue: a column or table that is not there has gone since */
    uint32_t oid;   /* of the table, which is looked at once it was read */
};

/* Whole rows of one statement, in order. */
struct scan_batch {
    struct buf bytes;
    size_t item;
    bool last;      /* of its item; may hold no row */
    char *replaced; /* then, of tables_replaced.sql: the table is not what the snapshot sees; NULL: it is */
    struct err end; /* kind set: the reader has failed and these rows are not all of its statement's */
    size_t reader;  /* scan.c's own */
};

struct scan_options {
    const struct scan_item *items; /* live until scan_close */
    size_t n_items;
    int wake_fd; /* signalled when a batch is ready */
    size_t
        most_row; /* of all readers together; a row of more bytes ends its reader, ERR_CONFIG; 0: any size */
    int memory_max_mb; /* what that comes from */
};

struct scan;
/* Starts a thread for each connection. They are taken over, the array is not; each is inside a transaction,
 * and is closed as soon as its reader finds no more work. */
struct scan *scan_open(PGconn *const *connections, size_t n, const struct scan_options *options,
                       struct err *e);
/* The next batch of any reader; NULL: none yet. To be given back, so that its memory is used again. */
struct scan_batch *scan_take(struct scan *s);
void scan_return(struct scan *s, struct scan_batch *b);
/* To be called every SCAN_WATCH_MS where rows may not be of any size: cuts the connection of a reader whose
 * row has long been too large. */
void scan_watch(struct scan *s);
/* Stops and joins the readers, wherever they are. */
void scan_close(struct scan *s);

#endif
