/* web_socket.c - WebSocket connections: who may open one, and what goes between it and its session. */
#include "web_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "clock.h"
#include "log.h"

/* The host and port of "http://host:port", or "" for origins of another form ("null"). */
static struct slice origin_host(const char *origin)
{
    const char *at = strstr(origin, "://");
    return at ? slice_of(at + 3) : SLICE("");
}

static bool same_text(struct slice a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.ptr, b, a.len) == 0;
}

static bool listed(const char *list, const char *origin)
{
    for (const char *at = list; *at; at += strspn(at, ", \t")) {
        struct slice one = {at, strcspn(at, ", \t")};
        if (slice_is(one, "*") || same_text(one, origin))
            return true;
        at += one.len;
    }
    return false;
}

bool origin_allowed(const char *allowed, const char *origin, const char *host)
{
    if (!origin[0])
        return true;
    struct slice from = origin_host(origin);
    return (from.len && same_text(from, host)) || listed(allowed, origin);
}

/* The id in /ws/{id}, "" for /ws, NULL for any other path. */
static const char *client_of(const char *path)
{
    if (strncmp(path, "/ws", 3) != 0 || (path[3] != 0 && path[3] != '/'))
        return NULL;
    return path[3] ? path + 4 : path + 3;
}

static int refuse(struct lws *wsi, unsigned status)
{
    lws_return_http_status(wsi, status, NULL);
    return 1; /* answered; libwebsockets ends the request */
}

int socket_confirm(struct site *site, struct lws *wsi)
{
    struct web *w = site->web;
    struct buf path = BUF_EMPTY, origin = BUF_EMPTY, host = BUF_EMPTY;
    const char *method = NULL;
    bool here = site == &w->page && w->hub && path_copy(wsi, &path, &method) && client_of(path.ptr);
    header_copy(wsi, WSI_TOKEN_HOST, &host);
    bool allowed = !header_copy(wsi, WSI_TOKEN_ORIGIN, &origin) ||
                   origin_allowed(w->allowed_origins, origin.ptr, host.ptr);
    allowed = allowed && host_allowed(w, wsi, host.ptr);
    buf_free(&path);
    buf_free(&origin);
    buf_free(&host);
    if (!here)
        return refuse(wsi, HTTP_STATUS_NOT_FOUND);
    return allowed ? 0 : refuse(wsi, HTTP_STATUS_FORBIDDEN);
}

static void want_write(void *user)
{
    struct conn *c = user;
    lws_callback_on_writable(c->wsi);
}

/* It cannot even be told: its buffers are full. */
static void cut(void *user)
{
    struct conn *c = user;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

int socket_open(struct site *site, struct lws *wsi, struct conn *c)
{
    struct web *w = site->web;
    struct buf path = BUF_EMPTY;
    const char *method;
    char argument[256];
    http_end(c);
    *c = (struct conn){.wsi = wsi};
    const char *client = path_copy(wsi, &path, &method) ? client_of(path.ptr) : NULL;
    struct session_options options = {
        .client = client ? client : "",
        .connector = lws_get_urlarg_by_name(wsi, "connector=", argument, sizeof(argument)),
        .want_write = want_write,
        .cut = cut,
        .user = c};
    c->session = session_open(w->hub, &options, clock_mono_ms());
    w->n_sockets++;
    log_debug("browser %s connected", session_client(c->session));
    buf_free(&path);
    return 0;
}

/* Messages may come in several pieces. */
int socket_receive(struct lws *wsi, struct conn *c, struct slice bytes)
{
    if (lws_frame_is_binary(wsi)) {
        session_end(c->session, CLOSE_PROTOCOL, "messages are text, not binary");
    } else if (c->message.len + bytes.len + lws_remaining_packet_payload(wsi) > SESSION_MESSAGE_MAX) {
        session_end(c->session, CLOSE_PROTOCOL, "a message is larger than 64 KiB");
    } else {
        buf_slice(&c->message, bytes);
        if (!lws_is_final_fragment(wsi))
            return 0;
        session_receive(c->session, buf_view(&c->message), clock_mono_ms());
    }
    buf_free(&c->message);
    return 0;
}

int socket_writable(struct site *site, struct lws *wsi, struct conn *c)
{
    struct buf *frame = &site->web->frame;
    char header[LWS_PRE] = {0};
    if (!c->session)
        return 0;
    buf_reset(frame);
    buf_append(frame, header, sizeof(header));
    bool more = session_gather(c->session, frame, clock_mono_ms());
    size_t len = frame->len - LWS_PRE;
    if (len && lws_write(wsi, (unsigned char *)frame->ptr + LWS_PRE, len, LWS_WRITE_TEXT) < 0)
        return -1;
    if (session_closed(c->session)) {
        lws_close_reason(wsi, (enum lws_close_status)session_closed(c->session), NULL, 0);
        return -1;
    }
    if (more)
        lws_callback_on_writable(wsi);
    return 0;
}

void socket_close(struct site *site, struct conn *c)
{
    if (!c->session)
        return;
    log_debug("browser %s disconnected", session_client(c->session));
    session_close(c->session);
    c->session = NULL;
    buf_free(&c->message);
    site->web->n_sockets--;
}
