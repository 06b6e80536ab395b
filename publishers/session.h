/* session.h - one client of the hub: its subscriptions, what it says, and what is to be written to it.
 *
 * No socket in here: web.c feeds it with texts and asks it for frames. Everything in this file belongs to the
 * web thread. now_ms is the monotonic clock's. Source: docs/PROTOCOL.md. */
#ifndef PUBLISHERS_SESSION_H
#define PUBLISHERS_SESSION_H

#include "access.h"
#include "buf.h"
#include "frame.h"
#include "hub.h"

/* Close codes. Below 4100 the client may come back. */
enum close_code {
    CLOSE_SHUTDOWN = 4001,
    CLOSE_GONE = 4003,    /* the connector was removed */
    CLOSE_EXPIRED = 4005, /* the token has, or its key is not accepted any more */
    CLOSE_SLOW = 4008,
    CLOSE_NOT_YET = 4013, /* no connector is streaming */
    CLOSE_TOO_MANY = 4029,
    CLOSE_BAD_TOKEN = 4100,
    CLOSE_PROTOCOL = 4101,
};

enum { SESSION_MESSAGE_MAX = 64 * 1024 }; /* bytes of one message from a client */

struct session;

struct session_options {
    const char *client;    /* names the client in logs; "" for none; copied */
    const char *connector; /* which one to follow; NULL: the first that there is */
    struct claims *claims; /* of the token that came with it; NULL: none. The session's from now on */
    bool place_first;      /* a `placed` with `id` and `pos` comes before the rows of a snapshot: that of its
                              `ready` */
    bool deflate;          /* it reads deflated frames, too */
    void (*want_write)(void *user); /* there is something to gather; once until session_gather */
    void (*cut)(void *user);        /* it did not read for 30 seconds although there was something: drop it */
    void *user;
};

/* Queues `welcome`, or `closing` when no such connector is streaming; where a token is asked for, not before
 * that has come. Takes a turn of the hub. */
struct session *session_open(struct hub *h, const struct session_options *options, int64_t now_ms);
void session_close(struct session *s);

/* What the client said: messages with newlines between them, SESSION_MESSAGE_MAX bytes at most. */
void session_receive(struct session *s, struct slice text, int64_t now_ms);

/* Queues `closing` behind which nothing follows; with CLOSE_SHUTDOWN it comes behind the changes that wait.
 * The first code stays. */
void session_end(struct session *s, enum close_code code, const char *reason);

/* Appends the next frame: messages separated by newlines, about 32 KiB (a single message may be larger),
 * nothing when nothing is waiting. True: there is more; call again when the socket can take it. */
bool session_gather(struct session *s, struct buf *out, int64_t now_ms);

/* The next frame when others get the same: messages of one channel, whole, deflated where the client reads
 * that. The caller releases it. NULL: session_gather has what is next, if there is anything. */
struct ws_frame *session_frame(struct session *s, int64_t now_ms);
/* There is more to write, and want_write will not say so again. */
bool session_wants(const struct session *s);

/* The code once `closing` was gathered: close the socket after it is written. 0 before. */
int session_closed(const struct session *s);

const char *session_client(const struct session *s);
/* When a client that is cut off should come back: another time for each. */
int session_retry_ms(const struct session *s);

/* ---- the web thread's part of the hub ---- */

/* Takes what the other threads left: moves the window, the cursors and the snapshots forward. */
void hub_turn(struct hub *h);
/* Heartbeats that are due, clients that are stuck; to be called about once a second. */
void hub_tick(struct hub *h, int64_t now_ms);
/* Who may read what, from now on; used until hub_free. Once, before the first session. */
void hub_set_access(struct hub *h, struct access *a);
/* After access_turn said so: sessions whose token is of no key any more end, and subscriptions that would be
 * others now are reset. */
void hub_access_changed(struct hub *h);
/* session_end for all. */
void hub_end_sessions(struct hub *h, enum close_code code, const char *reason);

#endif
