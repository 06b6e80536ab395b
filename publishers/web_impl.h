/* web_impl.h - the web server's inside, for web*.c only. All of it belongs to the web thread once that runs.
 */
#ifndef PUBLISHERS_WEB_IMPL_H
#define PUBLISHERS_WEB_IMPL_H

#include "session.h"
#include "web.h"

#include <libwebsockets.h>
#include <pthread.h>

enum {
    LISTENERS_MAX = 16,         /* of each group */
    BODY_MAX = 1024 * 1024,     /* bytes of a request's body */
    FILE_MAX = 4 * 1024 * 1024, /* bytes of a file of the page */
};

/* A group of listeners. Connections carry theirs as opaque data: libwebsockets would choose among virtual
 * hosts by the Host header. */
struct site {
    struct web *web;
    const char *setting;    /* that names its listeners */
    int fds[LISTENERS_MAX]; /* libwebsockets' own once they are adopted */
    struct lws *wsi[LISTENERS_MAX];
    size_t n;
    int ports[LISTENERS_MAX];
};

struct web {
    struct hub *hub;
    void (*handler)(void *ctx, const struct http_request *request, struct http_reply *reply);
    void *handler_ctx;
    char *allowed_origins, *web_dir;
    struct site rest, page;
    struct lws_context *context;
    struct lws_vhost *vhost;
    lws_sorted_usec_list_t tick;
    pthread_t thread;
    bool stopping; /* atomic: another thread says so */
    bool woken;    /* atomic: the hub has something */
    bool draining;
    size_t n_sockets;
    struct buf frame;
};

/* What libwebsockets keeps for each connection; zeroed by it. Either of the two parts is in use. */
struct conn {
    /* HTTP: the request while its body comes, the reply while it goes */
    bool replied;
    const char *method;
    struct buf path, query, content_type, host, body;
    size_t expected; /* bytes of the body */
    struct buf reply;
    size_t sent;
    /* WebSocket */
    struct session *session;
    struct lws *wsi;
    struct buf message;
};

/* web_listen.c */
/* Binds every address of a list "http://host:port,..." ("" or NULL: none). ERR_CONFIG names the setting. */
bool site_listen(struct site *site, const char *listeners, struct err *e);
void site_close(struct site *site); /* those that were not adopted */

/* web_http.c: return what the callback shall */
int http_begin(struct site *site, struct lws *wsi, struct conn *c);
int http_body(struct site *site, struct lws *wsi, struct conn *c, struct slice bytes);
int http_body_end(struct site *site, struct lws *wsi, struct conn *c);
int http_writable(struct lws *wsi, struct conn *c);
void http_end(struct conn *c); /* frees what the request left; it may be followed by another one */
bool header_copy(struct lws *wsi, enum lws_token_indexes token, struct buf *out); /* false: not there */
bool path_copy(struct lws *wsi, struct buf *out, const char **method);

/* web_files.c */
void file_reply(const struct web *w, const struct http_request *request, struct http_reply *reply);

/* web_socket.c */
/* True when a page of this origin may talk to this host. `origin` "" stands for no browser. */
bool origin_allowed(const char *allowed, const char *origin, const char *host);
int socket_confirm(struct site *site, struct lws *wsi); /* before the upgrade: refuses foreign pages */
int socket_open(struct site *site, struct lws *wsi, struct conn *c);
int socket_receive(struct lws *wsi, struct conn *c, struct slice bytes);
int socket_writable(struct site *site, struct lws *wsi, struct conn *c);
void socket_close(struct site *site, struct conn *c);

#endif
