/* web_socket.c - WebSocket connections: who may open one, and what goes between it and its session. */
#include "web_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"
#include "utf8.h"

enum { TOO_MANY_REQUESTS = 429, PROTOCOLS_MOST = 126, DEFLATED = 0x40 /* of the reserved bits */ };

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

/* What came without TLS may have come with it as far as a proxy; what has it here is of another origin than
 * the page that anybody on the way could have written. */
bool origin_allowed(const struct web *w, struct lws *wsi, const char *origin, const char *host)
{
    if (!origin[0])
        return true;
    struct slice from = origin_host(origin);
    bool same =
        from.len && same_text(from, host) && (!lws_is_ssl(wsi) || strncasecmp(origin, "https://", 8) == 0);
    return same || listed(w->allowed_origins, origin);
}

/* The id in /ws/{id}, "" for /ws, NULL for any other path. */
static const char *client_of(const char *path)
{
    if (strncmp(path, "/ws", 3) != 0 || (path[3] != 0 && path[3] != '/'))
        return NULL;
    return path[3] ? path + 4 : path + 3;
}

/* All are told the same. The connection ends: libwebsockets 4.1 is not to go on with it. */
static int refuse(struct lws *wsi, unsigned status)
{
    static const char body[] = "{\"error\":\"refused\"}";
    unsigned char space[LWS_PRE + 1024], *start = space + LWS_PRE, *at = start;
    unsigned char *end = space + sizeof(space) - sizeof(body);
    bool later = status == HTTP_STATUS_SERVICE_UNAVAILABLE || status == TOO_MANY_REQUESTS;
    const char *name = status == HTTP_STATUS_UNAUTHORIZED ? "www-authenticate:" : "retry-after:";
    const char *value = status == HTTP_STATUS_UNAUTHORIZED ? "Bearer" : "2";
    bool more = later || status == HTTP_STATUS_UNAUTHORIZED;
    if (lws_add_http_common_headers(wsi, status, "application/json", sizeof(body) - 1, &at, end) == 0 &&
        lws_add_http_header_by_name(wsi, (const unsigned char *)"connection:", (const unsigned char *)"close",
                                    5, &at, end) == 0 &&
        (!more || lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                              (int)strlen(value), &at, end) == 0) &&
        lws_finalize_http_header(wsi, &at, end) == 0) {
        memcpy(at, body, sizeof(body) - 1);
        at += sizeof(body) - 1;
        lws_write(wsi, start, (size_t)(at - start), LWS_WRITE_HTTP);
    }
    return -1;
}

/* The token of "Authorization: Bearer ...". false: there is none. */
static bool bearer(struct lws *wsi, struct buf *out)
{
    if (!header_copy(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, out) || strncasecmp(out->ptr, "Bearer ", 7) != 0)
        return false;
    size_t skip = 7 + strspn(out->ptr + 7, " ");
    memmove(out->ptr, out->ptr + skip, out->len - skip + 1);
    out->len -= skip;
    return true;
}

static void bearer_free(struct buf *token)
{
    if (token->ptr)
        explicit_bzero(token->ptr, token->cap);
    buf_free(token);
}

/* 0: the token that came along is good, or none did. *out: NULL for none. */
static unsigned token_status(const struct web *w, struct lws *wsi, const char *who, struct claims **out)
{
    struct buf token = BUF_EMPTY;
    enum token_verdict verdict = TOKEN_GOOD;
    *out = NULL;
    if (access_asks(w->access) && bearer(wsi, &token))
        verdict = access_verify(w->access, buf_view(&token), who, out);
    bearer_free(&token);
    return verdict == TOKEN_GOOD    ? 0
           : verdict == TOKEN_LATER ? HTTP_STATUS_SERVICE_UNAVAILABLE
                                    : HTTP_STATUS_UNAUTHORIZED;
}

/* Limits are for a site's whole range of IPv6. */
static void address_of(struct lws *wsi, char *out, size_t size)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    struct in6_addr *ip = &((struct sockaddr_in6 *)&at)->sin6_addr;
    snprintf(out, size, "?");
    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&at, &len) != 0)
        return;
    if (at.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&at)->sin_addr, out, (socklen_t)size);
    if (at.ss_family != AF_INET6)
        return;
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        inet_ntop(AF_INET, ip->s6_addr + 12, out, (socklen_t)size);
        return;
    }
    memset(ip->s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, ip, out, (socklen_t)size);
}

/* libwebsockets offers "h2c", too: the streams of such a connection belong to no site. What else it was asked
 * for it has answered already, and the headers are gone. */
static bool asks_for_websocket(struct lws *wsi)
{
    struct buf upgrade = BUF_EMPTY;
    bool asks = header_copy(wsi, WSI_TOKEN_UPGRADE, &upgrade) && strcasecmp(upgrade.ptr, "websocket") == 0;
    buf_free(&upgrade);
    return asks;
}

static bool page_allowed(const struct web *w, struct lws *wsi)
{
    struct buf origin = BUF_EMPTY, host = BUF_EMPTY;
    header_copy(wsi, WSI_TOKEN_HOST, &host);
    bool allowed =
        !header_copy(wsi, WSI_TOKEN_ORIGIN, &origin) || origin_allowed(w, wsi, origin.ptr, host.ptr);
    allowed = allowed && host_allowed(w, wsi, host.ptr);
    buf_free(&origin);
    buf_free(&host);
    return allowed;
}

/* libwebsockets 4.1 takes at most 126 bytes of subprotocols, which no token fits in. */
static bool token_in_protocols(struct lws *wsi)
{
    struct buf list = BUF_EMPTY;
    bool found = header_copy(wsi, WSI_TOKEN_PROTOCOL, &list) &&
                 (list.len > PROTOCOLS_MOST || strstr(list.ptr, "bearer."));
    buf_free(&list);
    return found;
}

unsigned entry_status(const struct web *w, struct lws *wsi, char *address, size_t size, struct claims **out)
{
    *out = NULL;
    if (!page_allowed(w, wsi))
        return HTTP_STATUS_FORBIDDEN;
    if (token_in_protocols(wsi))
        return HTTP_STATUS_BAD_REQUEST;
    address_of(wsi, address, size);
    enum entry_verdict entry = access_entry(w->access, address);
    if (entry != ENTRY_GRANTED)
        return entry == ENTRY_FULL ? HTTP_STATUS_SERVICE_UNAVAILABLE : TOO_MANY_REQUESTS;
    unsigned status = token_status(w, wsi, address, out);
    if (!status && *out && access_subject_full(w->access, *out))
        status = TOO_MANY_REQUESTS;
    return status;
}

int socket_confirm(struct site *site, struct lws *wsi)
{
    struct web *w = site->web;
    struct buf path = BUF_EMPTY;
    const char *method = NULL;
    if (!asks_for_websocket(wsi))
        return -1;
    bool here = site == &w->page && w->hub && path_copy(wsi, &path, &method) && client_of(path.ptr);
    buf_free(&path);
    char address[64];
    struct claims *claims = NULL;
    unsigned status = here ? entry_status(w, wsi, address, sizeof(address), &claims) : HTTP_STATUS_NOT_FOUND;
    claims_free(claims);
    return status ? refuse(wsi, status) : 0;
}

static void want_write(void *user)
{
    socket_want(user);
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
    *c = (struct conn){.web = w, .wsi = wsi, .tls = lws_is_ssl(wsi), .deflate = c->deflate};
    const char *client = path_copy(wsi, &path, &method) ? client_of(path.ptr) : NULL;
    struct claims *claims;
    address_of(wsi, c->address, sizeof(c->address));
    token_status(w, wsi, c->address, &claims);
    access_entered(w->access, c->address);
    struct session_options options = {
        .client = client ? client : "",
        .claims = claims,
        .connector = lws_get_urlarg_by_name(wsi, "connector=", argument, sizeof(argument)),
        .deflate = c->deflate,
        .want_write = want_write,
        .cut = cut,
        .user = c};
    c->session = session_open(w->hub, &options, clock_mono_ms());
    w->n_sockets++;
    log_debug("browser %s connected", session_client(c->session));
    buf_free(&path);
    return 0;
}

/* The message as the client wrote it; false: it is told why not. */
static bool message_open(struct conn *c, struct slice *text)
{
    struct buf *plain = &c->web->message;
    *text = buf_view(&c->message);
    if (c->deflated) {
        buf_reset(plain);
        if (!codec_inflate(c->web->codec, *text, SESSION_MESSAGE_MAX, plain)) {
            session_end(c->session, CLOSE_PROTOCOL, "a message cannot be inflated, or is larger than 64 KiB");
            return false;
        }
        *text = buf_view(plain);
    }
    if (utf8_valid(*text))
        return true;
    session_end(c->session, CLOSE_PROTOCOL, "a message is not UTF-8");
    return false;
}

/* Messages may come in several pieces. */
int socket_receive(struct lws *wsi, struct conn *c, struct slice bytes)
{
    struct slice text;
    if (lws_is_first_fragment(wsi))
        c->deflated = lws_get_reserved_bits(wsi) & DEFLATED;
    if (lws_frame_is_binary(wsi)) {
        session_end(c->session, CLOSE_PROTOCOL, "messages are text, not binary");
    } else if (c->message.len + bytes.len + lws_remaining_packet_payload(wsi) > SESSION_MESSAGE_MAX) {
        session_end(c->session, CLOSE_PROTOCOL, "a message is larger than 64 KiB");
    } else {
        buf_slice(&c->message, bytes);
        if (!lws_is_final_fragment(wsi))
            return 0;
        if (message_open(c, &text))
            session_receive(c->session, text, clock_mono_ms());
    }
    buf_free(&c->message);
    return 0;
}

/* The socket takes more, or the last that it was to take is on its way. */
int socket_writable(struct lws *wsi, struct conn *c)
{
    if (!c->session)
        return 0;
    if (session_closed(c->session)) {
        lws_close_reason(wsi, (enum lws_close_status)session_closed(c->session), NULL, 0);
        return -1;
    }
    if (session_wants(c->session))
        socket_want(c);
    return 0;
}

void socket_close(struct site *site, struct conn *c)
{
    if (!c->session)
        return;
    log_debug("browser %s disconnected", session_client(c->session));
    socket_unwant(c);
    session_close(c->session);
    c->session = NULL;
    buf_free(&c->message);
    access_left(site->web->access, c->address);
    site->web->n_sockets--;
}
