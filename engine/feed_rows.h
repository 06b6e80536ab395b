/* feed_rows.h - snapshots at a gateway: the rows are asked of an engine, by GET /v1/snapshot of its live
 * page's listener, with the position that they stand for. docs/PROTOCOL.md, HTTP beside it. */
#ifndef ENGINE_FEED_ROWS_H
#define ENGINE_FEED_ROWS_H

#include "err.h"
#include "hub.h"

struct feed_rows_options {
    struct hub *hub;
    int source;
    const char *url;        /* "https://engine:8000" */
    const char *connector;  /* its name there */
    const char *token;      /* to be shown there; NULL: none */
    const char *token_file; /* the same in a file, read for each snapshot; NULL: none */
    const char *ca_file;    /* NULL: the system's */
};

struct feed_rows;
/* Several threads, each of which has one snapshot in hand. Options are copied. ERR_CONFIG: no URL of http or
 * https. */
struct feed_rows *feed_rows_start(const struct feed_rows_options *options, struct err *e);
void feed_rows_stop(struct feed_rows *r); /* behind hub_stop; NULL is fine */

#endif
