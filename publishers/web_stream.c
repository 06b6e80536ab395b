/* web_stream.c - subscriptions over plain HTTP: /v1/stream as server-sent events, /v1/snapshot as lines.
 *
 * A session as that of a WebSocket stands behind each; what it says is put in another form. The body is
 * chunked, by hand since libwebsockets would not: its end tells the whole from a part. */
#include "web_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "xmalloc.h"

enum {
    WRITE_BYTES = 65536,
    CHUNK_HEAD = 10, /* "0000ABCD\r\n" */
    TOO_MANY_REQUESTS = 429,
};

/* ---- refusals ---- */

static void header_add(struct http_reply *reply, const char *name, const struct buf *value)
{
    if (value->len)
        http_reply_header(reply, name, value->ptr);
}

/* What a page of another origin may read. */
static void cors_add(struct http_reply *reply, const struct buf *origin)
{
    if (!origin->len)
        return;
    header_add(reply, "access-control-allow-origin", origin);
    http_reply_header(reply, "access-control-expose-headers", "walwire-epoch, walwire-position");
    http_reply_header(reply, "vary", "origin");
}

static int reply_send(struct lws *wsi, struct conn *c, struct http_reply *reply, const struct buf *origin)
{
    if (reply->status == HTTP_STATUS_SERVICE_UNAVAILABLE || reply->status == TOO_MANY_REQUESTS)
        http_reply_header(reply, "retry-after", "2");
    if (reply->status == HTTP_STATUS_UNAUTHORIZED)
        http_reply_header(reply, "www-authenticate", "Bearer");
    if (reply->status == HTTP_STATUS_METHOD_NOT_ALLOWED)
        http_reply_header(reply, "allow", "GET, OPTIONS");
    http_reply_header(reply, "cache-control", "no-store");
    cors_add(reply, origin);
    int result = http_reply_send(wsi, c, reply);
    buf_free(&reply->body);
    buf_free(&reply->headers);
    return result;
}

/* In the form of the protocol's own errors. */
static int refuse(struct lws *wsi, struct conn *c, int status, const char *text, const struct buf *origin)
{
    struct http_reply reply = {.status = status, .content_type = "application/json"};
    BUF_LIT(&reply.body, "{\"type\":\"error\"");
    json_field(&reply.body, "code", "bad_request");
    json_field(&reply.body, "message", text);
    BUF_LIT(&reply.body, ",\"retry\":false}");
    return reply_send(wsi, c, &reply, origin);
}

/* Who is not let in is told as little as before an upgrade. */
static int turn_away(struct lws *wsi, struct conn *c, unsigned status, const struct buf *origin)
{
    struct http_reply reply = {.status = (int)status, .content_type = "application/json"};
    BUF_LIT(&reply.body, "{\"error\":\"refused\"}");
    return reply_send(wsi, c, &reply, origin);
}

static int message_status(struct slice message)
{
    static const struct {
        const char *code;
        int status;
    } known[] = {
        {"unknown_table", HTTP_STATUS_NOT_FOUND},
        {"unauthorized", HTTP_STATUS_UNAUTHORIZED},
        {"snapshot_failed", HTTP_STATUS_SERVICE_UNAVAILABLE},
        {"4029", TOO_MANY_REQUESTS},
        {"4100", HTTP_STATUS_UNAUTHORIZED},
    };
    struct slice code = message_text(message, "code");
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is(code, known[i].code))
            return known[i].status;
    return slice_is(message_text(message, "type"), "error") ? HTTP_STATUS_BAD_REQUEST
                                                            : HTTP_STATUS_SERVICE_UNAVAILABLE;
}

/* ---- life ---- */

static void want_write(void *user)
{
    struct stream *s = user;
    lws_callback_on_writable(s->wsi);
}

static void cut(void *user)
{
    struct stream *s = user;
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static struct stream *stream_open(struct web *w, struct lws *wsi, const struct stream_form *form,
                                  const char *address, struct claims *claims, const struct buf *connector)
{
    struct stream *s = xcalloc(1, sizeof(*s));
    s->form = form;
    s->web = w;
    s->wsi = wsi;
    snprintf(s->address, sizeof(s->address), "%s", address);
    access_entered(w->access, address);
    w->n_sockets++;
    struct session_options options = {.client = form->path + 1,
                                      .claims = claims,
                                      .connector = connector->len ? connector->ptr : NULL,
                                      .place_first = form->snapshot,
                                      .want_write = want_write,
                                      .cut = cut,
                                      .user = s};
    s->session = session_open(w->hub, &options, clock_mono_ms());
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* that of the headers */
    return s;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    session_close(s->session);
    access_left(s->web->access, s->address);
    s->web->n_sockets--;
    buf_free(&s->origin);
    buf_free(&s->epoch);
    buf_free(&s->pos);
    buf_free(&s->last);
    buf_free(&s->out);
    free(s);
}

/* ---- the body ---- */

static void chunk_open(struct stream *s)
{
    static const char space[LWS_PRE + CHUNK_HEAD] = {0};
    if (!s->out.len)
        buf_append(&s->out, space, sizeof(space));
}

/* The last chunk has no bytes. */
static void chunk_seal(struct stream *s)
{
    size_t n = s->out.len - LWS_PRE - CHUNK_HEAD;
    char head[CHUNK_HEAD + 1];
    snprintf(head, sizeof(head), "%08zx\r\n", n);
    memcpy(s->out.ptr + LWS_PRE, head, CHUNK_HEAD);
    if (n)
        BUF_LIT(&s->out, "\r\n");
    s->sent = LWS_PRE + (n ? 0 : CHUNK_HEAD);
    if (s->ended)
        BUF_LIT(&s->out, "0\r\n\r\n");
    s->sealed = s->out.len > s->sent;
    if (!s->sealed)
        buf_free(&s->out);
}

static int chunk_write(struct lws *wsi, struct stream *s)
{
    struct slice part = slice_cut(buf_view(&s->out), s->sent, WRITE_BYTES);
    s->sent += part.len;
    bool last = s->ended && s->sent == s->out.len;
    if (lws_write(wsi, (unsigned char *)part.ptr, part.len, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)part.len)
        return -1;
    if (s->sent == s->out.len) {
        buf_free(&s->out); /* most streams have nothing to say for long */
        s->sealed = false;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int headers_send(struct lws *wsi, struct stream *s)
{
    struct http_reply reply = {.status = HTTP_STATUS_OK};
    s->begun = true;
    http_reply_header(&reply, "content-type", s->form->content_type);
    http_reply_header(&reply, "transfer-encoding", "chunked");
    http_reply_header(&reply, "cache-control", "no-store");
    http_reply_header(&reply, "x-accel-buffering", "no"); /* nginx would keep it back */
    if (s->form->snapshot)
        header_add(&reply, "walwire-epoch", &s->epoch);
    header_add(&reply, "walwire-position", &s->pos);
    cors_add(&reply, &s->origin);
    int result = http_head_send(wsi, &reply);
    buf_free(&reply.headers);
    if (result == 0)
        lws_callback_on_writable(wsi);
    return result;
}

/* ---- messages ---- */

/* Takes the next frame. *refusal: the message that is the answer to STREAM_REFUSED. */
static enum stream_step stream_gather(struct stream *s, struct buf *refusal)
{
    struct buf frame = BUF_EMPTY;
    enum stream_step step = STREAM_WAITS;
    bool more = session_gather(s->session, &frame, clock_mono_ms());
    struct slice rest = buf_view(&frame);
    while (rest.len && step < STREAM_ENDS) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct slice message = slice_cut(rest, 0, end ? (size_t)(end - rest.ptr) : rest.len);
        rest = slice_cut(rest, message.len + 1, rest.len);
        enum stream_step taken = s->form->take(s, message_text(message, "type"), message);
        step = taken > step ? taken : step;
        if (step == STREAM_REFUSED)
            buf_slice(refusal, message);
    }
    buf_free(&frame);
    if (more)
        lws_callback_on_writable(s->wsi);
    return step;
}

static int stream_refuse(struct lws *wsi, struct conn *c, struct buf *message)
{
    struct stream *s = c->stream;
    struct http_reply reply = {
        .status = message_status(buf_view(message)), .content_type = "application/json", .body = *message};
    struct buf origin = s->origin;
    *message = s->origin = BUF_EMPTY;
    c->stream = NULL;
    stream_close(s);
    int result = reply_send(wsi, c, &reply, &origin);
    buf_free(&origin);
    return result;
}

static int stream_go_on(struct lws *wsi, struct conn *c)
{
    struct stream *s = c->stream;
    struct buf refusal = BUF_EMPTY;
    chunk_open(s);
    enum stream_step step = stream_gather(s, &refusal);
    if (step == STREAM_REFUSED)
        return stream_refuse(wsi, c, &refusal);
    if (step == STREAM_BROKEN)
        return -1;
    s->ended = step == STREAM_ENDS;
    if (step == STREAM_WAITS && !s->begun)
        return 0;
    chunk_seal(s);
    if (!s->begun)
        return headers_send(wsi, s);
    return s->sealed ? chunk_write(wsi, s) : 0;
}

static int stream_end(struct lws *wsi, struct conn *c)
{
    stream_close(c->stream);
    c->stream = NULL;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

int stream_writable(struct lws *wsi, struct conn *c)
{
    struct stream *s = c->stream;
    if (s->sealed)
        return chunk_write(wsi, s);
    return s->ended ? stream_end(wsi, c) : stream_go_on(wsi, c);
}

/* ---- the request ---- */

static const struct stream_form *form_of(const char *path)
{
    static const struct stream_form *const forms[] = {&form_events, &form_rows};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (strcmp(path, forms[i]->path) == 0)
            return forms[i];
    return NULL;
}

bool stream_is(const struct conn *c)
{
    return form_of(c->path.ptr);
}

/* libwebsockets knows it by no name of its own. */
static void resume_copy(struct lws *wsi, struct buf *out)
{
    static const char name[] = "last-event-id:";
    int n = lws_hdr_custom_length(wsi, name, sizeof(name) - 1);
    buf_append(out, "", 0);
    if (n > 0 && lws_hdr_custom_copy(wsi, buf_room(out, (size_t)n), n + 1, name, sizeof(name) - 1) == n)
        buf_added(out, (size_t)n);
}

/* A part of an older protocol's body cannot be told from the whole. */
static bool is_chunkable(struct lws *wsi)
{
    struct buf version = BUF_EMPTY;
    bool is = header_copy(wsi, WSI_TOKEN_HTTP, &version) && strcmp(version.ptr, "HTTP/1.1") == 0;
    buf_free(&version);
    return is;
}

static int preflight(struct lws *wsi, struct conn *c, const struct buf *origin)
{
    struct http_reply reply = {.status = HTTP_STATUS_NO_CONTENT};
    http_reply_header(&reply, "access-control-allow-methods", "GET");
    http_reply_header(&reply, "access-control-allow-headers", "authorization, last-event-id");
    http_reply_header(&reply, "access-control-max-age", "600");
    return reply_send(wsi, c, &reply, origin);
}

/* Who has come in; takes the claims. */
static int stream_begin(struct web *w, struct lws *wsi, struct conn *c, const char *address,
                        struct claims *claims, struct buf *origin)
{
    const struct stream_form *form = form_of(c->path.ptr);
    struct buf subscribe = BUF_EMPTY, connector = BUF_EMPTY, resume = BUF_EMPTY;
    struct err e = {0};
    int result;
    resume_copy(wsi, &resume);
    if (wish_read(form, buf_view(&c->query), form->snapshot ? "" : resume.ptr, &subscribe, &connector, &e)) {
        c->stream = stream_open(w, wsi, form, address, claims, &connector);
        c->stream->origin = *origin;
        *origin = BUF_EMPTY;
        session_receive(c->stream->session, buf_view(&subscribe), clock_mono_ms());
        result = stream_go_on(wsi, c);
    } else {
        claims_free(claims);
        result = refuse(wsi, c, HTTP_STATUS_BAD_REQUEST, e.text, origin);
    }
    buf_free(&subscribe);
    buf_free(&connector);
    buf_free(&resume);
    return result;
}

static int stream_enter(struct web *w, struct lws *wsi, struct conn *c, struct buf *origin)
{
    char address[64];
    struct claims *claims = NULL;
    unsigned status = entry_status(w, wsi, address, sizeof(address), &claims);
    if (!status && !claims && !access_open(w->access))
        status = HTTP_STATUS_UNAUTHORIZED;
    if (!status)
        return stream_begin(w, wsi, c, address, claims, origin);
    claims_free(claims);
    return turn_away(wsi, c, status, origin);
}

int stream_answer(struct web *w, struct lws *wsi, struct conn *c)
{
    struct buf origin = BUF_EMPTY;
    int result;
    c->replied = true;
    if (header_copy(wsi, WSI_TOKEN_ORIGIN, &origin) && !origin_allowed(w, wsi, origin.ptr, c->host.ptr)) {
        buf_reset(&origin);
        result = turn_away(wsi, c, HTTP_STATUS_FORBIDDEN, &origin);
    } else if (strcmp(c->method, "OPTIONS") == 0)
        result = preflight(wsi, c, &origin);
    else if (strcmp(c->method, "GET") != 0)
        result = refuse(wsi, c, HTTP_STATUS_METHOD_NOT_ALLOWED, "this can only be read, with GET", &origin);
    else if (!is_chunkable(wsi))
        result = refuse(wsi, c, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is needed here", &origin);
    else
        result = stream_enter(w, wsi, c, &origin);
    buf_free(&origin);
    return result;
}
