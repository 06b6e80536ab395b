/* web_stream.h - subscriptions over plain HTTP, for web_*.c only: what a request asks for, and what its
 * answer makes of the messages that a session has for it. Source: docs/PROTOCOL.md, "HTTP beside it". */
#ifndef PUBLISHERS_WEB_STREAM_H
#define PUBLISHERS_WEB_STREAM_H

#include "web_impl.h"

/* What a message is to the answer. */
enum stream_step {
    STREAM_WAITS,   /* nothing can be sent yet */
    STREAM_GOES,    /* the answer begins, or goes on */
    STREAM_ENDS,    /* it was the last one */
    STREAM_REFUSED, /* the answer is a refusal; only before the first STREAM_GOES */
    STREAM_BROKEN,  /* what was sent is not the whole */
};

struct stream;

/* A kind of answer. */
struct stream_form {
    const char *path, *content_type;
    bool snapshot; /* rows and nothing else, behind a position that is known before them */
    /* Appends to s->out. */
    enum stream_step (*take)(struct stream *s, struct slice type, struct slice message);
};

extern const struct stream_form form_events, form_rows;

struct stream {
    const struct stream_form *form;
    struct web *web;
    struct lws *wsi;
    struct session *session;
    char address[64];
    struct buf origin; /* of the page that asks, which may; empty: there is none */
    struct buf epoch;  /* what `welcome` said */
    struct buf pos;    /* of a snapshot */
    struct buf last;   /* events: of the last id; empty: none yet */
    bool granted;      /* events: `subscribed` came */
    bool placed;       /* a position stands for all that came before it */
    bool begun, ended; /* the headers are on their way; nothing is to come */
    struct buf out;    /* space for a head, and what waits to be written */
    bool sealed;       /* out is a whole chunk, of which `sent` is written */
    size_t sent;
};

/* web_wish.c: what a request asks for. */

/* Writes the `subscribe` message with id 1 and finds the connector ("" for none). resume: Last-Event-ID, or
 * "". ERR_CONFIG: a parameter that is unknown, given twice or malformed. */
bool wish_read(const struct stream_form *form, struct slice query, const char *resume, struct buf *subscribe,
               struct buf *connector, struct err *e);

/* web_event.c: the messages as events, web_ndjson.c: the rows alone.
 *
 * The text of a member of one of the hub's messages, as it stands there without its quotes; empty: not there.
 * Only for members that come before anything that a client has chosen. */
struct slice message_text(struct slice message, const char *member);

#endif
