/* web.h - the web server: one thread that serves REST, the live page and its WebSockets with libwebsockets.
 *
 * REST requests are answered on threads beside it (web_pool.c). Two groups of listeners, each of which may be
 * absent: REST (everything goes to the handler) and the live page with /ws and /ws/{client_id} beside it (the
 * hub's sessions). */
#ifndef PUBLISHERS_WEB_H
#define PUBLISHERS_WEB_H

#include "access.h"
#include "buf.h"
#include "err.h"
#include "hub.h"

struct http_request {
    const char *method; /* GET POST PUT PATCH DELETE HEAD OPTIONS */
    const char
        *path; /* percent-decoded but for %25, dots resolved, without the query: "/connectors/a b/status" */
    const char *query; /* behind the ?: "a=1&b=x%26y", for http_decode piece by piece (+ is a blank already);
                          "" when there is none */
    const char *content_type; /* "" when there is none */
    bool secure;              /* it came by https */
    const char *host;         /* the Host header, "" when there is none */
    struct slice body;  /* at most 1 MiB; larger ones are refused with 413 before the handler sees them */
    const char *accept; /* the Accept header, NULL or "" when there is none */
};

/* Filled in by the handler, freed by the server. Preset: 200, application/json, empty. */
struct http_reply {
    int status;
    const char *content_type; /* static text; NULL: none (with an empty body) */
    struct buf body;          /* not sent for HEAD and 204 */
    struct buf headers;       /* through http_reply_header */
};

/* Adds a header such as Location. Control characters in the value end it. */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);

/* Appends the percent-decoded text (a + stays a +). false: a malformed escape or %00; the buffer is then as
 * before. */
bool http_decode(struct buf *out, struct slice text);

/* https in a list of listeners; files of PEM. Kafka Connect's settings of the same names. */
struct web_tls {
    const char *keystore;      /* ssl.keystore.location: certificate chain and private key; NULL: no https */
    const char *keystore_type; /* ssl.keystore.type; NULL: PEM */
    const char *key_password;  /* ssl.key.password; NULL: none */
    const char *truststore;    /* ssl.truststore.location: whose clients are let in */
    bool client_required;      /* ssl.client.auth=required: clients show a certificate */
};

struct web_options {
    const char
        *listeners; /* of REST: "http://127.0.0.1:8083,https://[::1]:8443"; NULL or "": none. Port 0: any */
    const char *websocket_listeners; /* of the live page, the same form */
    const char *allowed_origins;     /* of web pages that may open /ws, comma separated, "*": all; NULL: the
                                        page's own host */
    const char *allowed_hosts; /* names by which what listens on loopback may be called, comma separated, "*":
                                  all; localhost, addresses and the machine's own name always may; NULL: only
                                  those */
    const char *users_file;    /* of REST: htpasswd's form; NULL: no login */
    struct access_options access; /* of /ws: who is let in, and what he may read; without keys, and not
                                     anonymous, the page's listeners must be this machine's own: ERR_CONFIG */
    struct web_tls tls;
    const char *web_dir;      /* where index.html, app.js, walwire.js ... are */
    struct hub *hub;          /* NULL: no WebSockets */
    size_t websocket_threads; /* that write to WebSockets, with the web thread; 0: 1 */
    /* Called for each REST request on one of a few threads of the server's own, several at a time; it may
     * block for seconds, which holds up neither browsers nor, while a thread is free, other requests. */
    void (*handler)(void *ctx, const struct http_request *request, struct http_reply *reply);
    void *handler_ctx;
};

struct web;

/* Binds all listeners and starts the thread. Options are copied, hub and handler are used until web_stop
 * returns. ERR_CONFIG: a listener that cannot be parsed or bound, an unreadable web_dir, users_file or tls
 * file; the text names the setting. */
struct web *web_start(const struct web_options *options, struct err *e);
/* The port of the i-th listener of REST, or of the live page; 0: there is none. */
int web_rest_port(const struct web *w, size_t i);
int web_page_port(const struct web *w, size_t i);
/* Reads the certificate, and keys and rules of /ws, again, soon; what is no good is logged and changes
 * nothing. Any thread. */
void web_reload(struct web *w);
/* Tells the sessions `closing` 4001, waits at most a second for that to be sent, ends and joins the thread,
 * frees. Not from the handler. NULL is allowed. */
void web_stop(struct web *w);

#endif
