/* web_impl.h - the web server's inside, for web*.c only. All of it belongs to the web thread once that runs.
 */
#ifndef PUBLISHERS_WEB_IMPL_H
#define PUBLISHERS_WEB_IMPL_H

#include "session.h"
#include "web.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <sys/queue.h>

enum {
    LISTENERS_MAX = 16,         /* of each group */
    BODY_MAX = 1024 * 1024,     /* bytes of a request's body */
    FILE_MAX = 4 * 1024 * 1024, /* bytes of a file of the page */
    POOL_THREADS = 4,           /* that answer REST requests */
    POOL_QUEUE = 64,            /* requests that may wait for one */
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
    bool tls[LISTENERS_MAX], open[LISTENERS_MAX]; /* https; reached by other machines */
};

struct conn;

/* One REST request on its way through the pool. What is here belongs to the pool's thread from pool_put to
 * pool_done, but for conn and wsi, which are the web thread's always. */
struct job {
    struct job *next;
    struct conn *conn; /* NULL: the connection has gone meanwhile */
    struct lws *wsi;
    const char *method;
    bool secure;
    struct buf path, query, content_type, host, accept, authorization, body;
    struct http_reply reply;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[POOL_THREADS];
    size_t n_threads, n_waiting;
    struct job *waiting, **waiting_end, *done;
    bool ending;
};

struct web {
    struct hub *hub;
    void (*handler)(void *ctx, const struct http_request *request, struct http_reply *reply);
    void *handler_ctx;
    char *allowed_origins, *allowed_hosts, *web_dir;
    struct users *users;             /* NULL: no login */
    struct access *access;           /* NULL: no WebSockets */
    struct web_tls tls;              /* while the server is set up only */
    struct certificate *certificate; /* NULL: no https */
    void *ssl_ctx;                   /* of tls_vhost */
    struct site rest, page;
    struct pool pool;
    struct lws_context *context;
    void *loop; /* libev's; NULL: libwebsockets waits by itself */
    struct lws_vhost *vhost, *tls_vhost;
    lws_sorted_usec_list_t tick;
    pthread_t thread;
    bool stopping; /* atomic: another thread says so */
    bool woken;    /* atomic: the hub has something */
    bool reload;   /* atomic: certificate, keys and rules shall be read again */
    bool draining;
    int files; /* the first file that no connection may have */
    size_t n_sockets;
    struct buf frame, message; /* scratch: one that goes out, one that came in deflated */
    struct codec *codec;
    struct senders *senders;
    TAILQ_HEAD(, conn) queue; /* WebSockets that want to write */
    size_t n_queue;
};

/* What libwebsockets keeps for each connection; zeroed by it. Either of the two parts is in use. */
struct conn {
    /* WebSocket; first what each frame looks at */
    struct web *web;
    struct session *session;
    struct lws *wsi;
    TAILQ_ENTRY(conn) in_queue;
    bool queued, tls;
    bool deflate;  /* permessage-deflate was negotiated */
    bool deflated; /* the message that comes is */
    struct buf message;
    char address[64]; /* for its limits */
    /* HTTP: the request while its body comes, the reply while it goes */
    bool replied;
    const char *method;
    struct buf path, query, content_type, host, accept, authorization, body;
    size_t expected;              /* bytes of the body */
    struct job *asked, *answered; /* at most one of the two: in the pool, or back from it and to be sent */
    struct buf reply;
    size_t sent;
    struct stream *stream; /* NULL: another request than for one */
};

/* web_listen.c */
/* Binds every address of a list "http://host:port,..." ("" or NULL: none). ERR_CONFIG names the setting. */
bool site_listen(struct site *site, const char *listeners, struct err *e);
void site_close(struct site *site); /* those that were not adopted */

/* web_auth.c */
struct users;
struct users *users_read(const char *path, struct err *e); /* NULL and ERR_CONFIG: unreadable, a weak hash */
void users_free(struct users *u);
/* True when the Authorization header is one of the users' ("": none). May take a tenth of a second. u NULL:
 * anybody's. Any thread. */
bool users_allow(struct users *u, const char *authorization);
/* True when the Host header may come over this connection. */
bool host_allowed(const struct web *w, struct lws *wsi, const char *host);
bool address_is_loopback(const struct sockaddr_storage *at);
void web_warn(const struct web *w); /* what is open to other machines */
/* Whoever reaches the page from elsewhere is asked for a token, or shall not be: ERR_CONFIG. */
bool page_guarded(const struct web *w, bool anonymous, struct err *e);

/* web_tls.c */
bool tls_check(const struct web_tls *tls, const char *setting, struct err *e);
void tls_apply(const struct web_tls *tls, struct lws_context_creation_info *info);
struct certificate;
struct certificate *certificate_new(const struct web_tls *tls, struct err *e); /* ERR_CONFIG names the file */
void certificate_free(struct certificate *c);
/* From now on handshakes of this SSL_CTX show the certificate as it is then. */
void certificate_serve(struct certificate *c, void *ssl_ctx);
/* Reads the file again when it has changed, or `forced`; one that is no good is logged and changes nothing.
 */
void certificate_turn(struct certificate *c, bool forced);

/* web_http.c: return what the callback shall */
int http_begin(struct site *site, struct lws *wsi, struct conn *c);
int http_body(struct site *site, struct lws *wsi, struct conn *c, struct slice bytes);
int http_body_end(struct site *site, struct lws *wsi, struct conn *c);
int http_writable(struct lws *wsi, struct conn *c);
void http_answered(struct web *w); /* takes what the pool has answered */
void http_end(struct conn *c);     /* frees what the request left; it may be followed by another one */
bool header_copy(struct lws *wsi, enum lws_token_indexes token, struct buf *out); /* false: not there */
bool path_copy(struct lws *wsi, struct buf *out, const char **method);
/* Sends a reply and takes its body; headers stay the caller's to free. */
int http_reply_send(struct lws *wsi, struct conn *c, struct http_reply *reply);
/* Only status and headers: a body comes behind, and what frames it is one of the headers. */
int http_head_send(struct lws *wsi, const struct http_reply *reply);

/* web_stream.c: what a session has to say, over plain HTTP; as above */
struct stream;
bool stream_is(const struct conn *c); /* by the path */
int stream_answer(struct web *w, struct lws *wsi, struct conn *c);
int stream_writable(struct lws *wsi, struct conn *c);
void stream_close(struct stream *s); /* NULL is allowed */

/* web_pool.c */
bool pool_start(struct web *w, struct err *e);
void pool_stop(struct web *w); /* waits for handlers that run; nothing that waits is begun any more */
void pool_free(struct web *w); /* what was left; after the connections, which point to it */
/* Takes the request over. false: too many wait already, nothing was taken. */
bool pool_put(struct web *w, struct job *job);
struct job *pool_done(struct web *w); /* a list of what has been answered; the caller's */
void job_free(struct job *job);

/* web_files.c */
void file_reply(const struct web *w, const struct http_request *request, struct http_reply *reply);

/* web_status.c: the live page's look at the server */
/* True when this request of a page is one for REST's handler; its query is set. */
bool status_passed_on(const struct web *w, struct lws *wsi, struct conn *c);
/* How many subscribers there are. false: another path, or a reader who may not know. */
bool status_reply(const struct web *w, struct lws *wsi, const struct conn *c, struct http_reply *reply);

/* web_socket.c */
/* True when a page of this origin may talk to this host. `origin` "" stands for no browser. */
bool origin_allowed(const struct web *w, struct lws *wsi, const char *origin, const char *host);
/* 0: this connection may become one of the hub's. The address is for its limits, the claims are the caller's
 * (NULL: it showed no token). Else the status that refuses it. */
unsigned entry_status(const struct web *w, struct lws *wsi, char *address, size_t size, struct claims **out);
int socket_confirm(struct site *site, struct lws *wsi); /* before the upgrade: who is not let in */
int socket_open(struct site *site, struct lws *wsi, struct conn *c);
int socket_receive(struct lws *wsi, struct conn *c, struct slice bytes);
int socket_writable(struct lws *wsi, struct conn *c);
void socket_close(struct site *site, struct conn *c);

/* web_loop.c */
bool loop_open(struct web *w, const struct lws_context_creation_info *info); /* makes the context */
bool loop_turn(struct web *w,
               bool wait);      /* what has happened; wait: until something has. false: it is over */
void loop_close(struct web *w); /* and the context */

/* web_write.c */
bool senders_start(struct web *w, size_t threads,
                   struct err *e); /* threads: that send, with the web thread */
void senders_stop(struct web *w);
void socket_want(struct conn *c);   /* it wants to write; once is enough */
void socket_unwant(struct conn *c); /* it is going */
void sockets_write(struct web *w);  /* a frame of some of those that want to, in turn */

/* web_deflate.c */
extern const struct lws_extension web_extensions[];
bool deflate_acceptable(struct slice offer);          /* one of Sec-WebSocket-Extensions */
int deflate_confirm(struct lws *wsi, struct conn *c); /* 0: it is accepted */
int deflate_answer(struct conn *c, struct lws_process_html_args *args);

#endif
