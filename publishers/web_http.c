/* web_http.c - requests in, replies out.
 *
 * A request without a body, or with `Content-Length: 0`, is answered at once: libwebsockets would wait for
 * the body of a PUT that names no length, and that is what curl sends for Kafka Connect's pause and resume.
 */
#include "web_impl.h"

#include <stdlib.h>

#include "json.h"

enum { HEADER_BYTES = 8192, WRITE_BYTES = 65536 };

/* ---- what handlers use ---- */

void http_reply_header(struct http_reply *reply, const char *name, const char *value)
{
    size_t len = 0;
    while ((unsigned char)value[len] >= 0x20 && value[len] != 0x7F)
        len++;
    buf_printf(&reply->headers, "%s:%c%.*s%c", name, 0, (int)len, value, 0);
}

bool http_decode(struct buf *out, struct slice text)
{
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            buf_char(out, text.ptr[i]);
            continue;
        }
        if (text.len - i < 3 || !hex_decode(out, slice_cut(text, i + 1, 2)) || !out->ptr[out->len - 1]) {
            out->len = start;
            buf_append(out, "", 0); /* the NUL behind it */
            return false;
        }
        i += 2;
    }
    return true;
}

/* ---- the request ---- */

bool header_copy(struct lws *wsi, enum lws_token_indexes token, struct buf *out)
{
    int len = lws_hdr_total_length(wsi, token);
    buf_reset(out);
    buf_room(out, (size_t)(len > 0 ? len : 0) + 1);
    if (len > 0 && lws_hdr_copy(wsi, out->ptr, len + 1, token) == len)
        buf_added(out, (size_t)len);
    return out->len > 0;
}

/* It comes decoded: a % is encoded again, so that who decodes it gets what was meant. */
static void path_append(struct buf *out, struct slice decoded)
{
    buf_append(out, "", 0); /* the NUL, if there is nothing */
    for (size_t i = 0; i < decoded.len; i++)
        if (decoded.ptr[i] == '%')
            BUF_LIT(out, "%25");
        else
            buf_char(out, decoded.ptr[i]);
}

bool path_copy(struct lws *wsi, struct buf *out, const char **method)
{
    static const char *const methods[] = {
        [LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",     [LWSHUMETH_PUT] = "PUT",
        [LWSHUMETH_PATCH] = "PATCH",     [LWSHUMETH_DELETE] = "DELETE", [LWSHUMETH_HEAD] = "HEAD",
        [LWSHUMETH_OPTIONS] = "OPTIONS",
    };
    char *uri;
    int len, n = lws_http_get_uri_and_method(wsi, &uri, &len);
    bool known = n >= 0 && (size_t)n < sizeof(methods) / sizeof(*methods) && methods[n];
    buf_reset(out);
    if (known) {
        path_append(out, (struct slice){uri, (size_t)len});
        *method = methods[n];
    }
    return known;
}

/* The parts between & come decoded: what would be ambiguous is encoded again. */
static void query_copy(struct lws *wsi, struct buf *out)
{
    struct buf part = BUF_EMPTY;
    buf_reset(out);
    buf_room(out, 1);
    for (int i = 0, n; (n = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++) {
        char *text = buf_room(&part, (size_t)n + 1);
        n = lws_hdr_copy_fragment(wsi, text, n + 1, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (i)
            buf_char(out, '&');
        for (int at = 0; at < n; at++)
            if (text[at] == '&' || text[at] == '%')
                buf_printf(out, "%%%02X", (unsigned char)text[at]);
            else
                buf_char(out, text[at]);
    }
    buf_free(&part);
}

void http_end(struct conn *c)
{
    buf_free(&c->path);
    buf_free(&c->query);
    buf_free(&c->content_type);
    buf_free(&c->host);
    buf_free(&c->accept);
    if (c->authorization.len)
        explicit_bzero(c->authorization.ptr, c->authorization.len);
    buf_free(&c->authorization);
    buf_free(&c->body);
    buf_free(&c->reply);
    if (c->asked)
        c->asked->conn = NULL;
    job_free(c->answered);
    stream_close(c->stream);
    c->stream = NULL;
    c->asked = c->answered = NULL;
    c->replied = false;
    c->sent = c->expected = 0;
}

/* ---- the reply ---- */

static bool header_put(struct lws *wsi, const char *name, const char *value, unsigned char **at,
                       unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                       (int)strlen(value), at, end) == 0;
}

static bool headers_put(struct lws *wsi, const struct http_reply *reply, unsigned char **at,
                        unsigned char *end)
{
    for (size_t i = 0; i < reply->headers.len;) {
        const char *name = reply->headers.ptr + i;
        size_t value = i + strlen(name) + 1;
        if (!header_put(wsi, name, reply->headers.ptr + value, at, end))
            return false;
        i = value + strlen(reply->headers.ptr + value) + 1;
    }
    return header_put(wsi, "x-content-type-options:", "nosniff", at, end);
}

/* Sends the headers, and keeps the body for when the socket can take it. */
int http_reply_send(struct lws *wsi, struct conn *c, struct http_reply *reply)
{
    unsigned char space[LWS_PRE + HEADER_BYTES], *start = space + LWS_PRE, *at = start;
    unsigned char *end = space + sizeof(space) - 1;
    bool body = reply->body.len && reply->status != 204;
    c->replied = true;
    if (lws_add_http_common_headers(wsi, (unsigned)reply->status, body ? reply->content_type : NULL,
                                    body ? reply->body.len : 0, &at, end) != 0 ||
        !headers_put(wsi, reply, &at, end) || lws_finalize_write_http_header(wsi, start, &at, end) != 0)
        return -1;
    if (!body || strcmp(c->method, "HEAD") == 0)
        return c->expected == SIZE_MAX || lws_http_transaction_completed(wsi) ? -1 : 0;
    buf_free(&c->reply);
    c->reply = reply->body;
    reply->body = BUF_EMPTY;
    c->sent = 0;
    lws_callback_on_writable(wsi);
    return 0;
}

int http_head_send(struct lws *wsi, const struct http_reply *reply)
{
    unsigned char space[LWS_PRE + HEADER_BYTES], *start = space + LWS_PRE, *at = start;
    unsigned char *end = space + sizeof(space) - 1;
    bool sent = lws_add_http_header_status(wsi, (unsigned)reply->status, &at, end) == 0 &&
                headers_put(wsi, reply, &at, end) &&
                lws_finalize_write_http_header(wsi, start, &at, end) == 0;
    return sent ? 0 : -1;
}

static void refuse(struct http_reply *reply, int status, const char *message)
{
    reply->status = status;
    buf_printf(&reply->body, "{\"error_code\":%d,\"message\":\"%s\"}", status, message);
}

static struct buf moved(struct buf *b)
{
    struct buf taken = *b;
    *b = BUF_EMPTY;
    return taken;
}

/* Hands the request to the pool; the answer comes back by http_answered. false: it is full. */
static bool ask(struct web *w, struct lws *wsi, struct conn *c)
{
    struct job *job = xcalloc(1, sizeof *job);
    *job = (struct job){.conn = c,
                        .wsi = wsi,
                        .method = c->method,
                        .secure = lws_is_ssl(wsi),
                        .path = moved(&c->path),
                        .query = moved(&c->query),
                        .content_type = moved(&c->content_type),
                        .host = moved(&c->host),
                        .accept = moved(&c->accept),
                        .authorization = moved(&c->authorization),
                        .body = moved(&c->body),
                        .reply = {.status = 200, .content_type = "application/json"}};
    c->asked = job;
    if (pool_put(w, job)) {
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* that of the headers goes on without a body */
        return true;
    }
    c->asked = NULL;
    job_free(job);
    return false;
}

void http_answered(struct web *w)
{
    for (struct job *job = pool_done(w), *next; job; job = next) {
        next = job->next;
        struct conn *c = job->conn;
        if (!c) {
            job_free(job);
            continue;
        }
        c->asked = NULL;
        c->answered = job;
        lws_callback_on_writable(job->wsi);
    }
}

static int send_answered(struct lws *wsi, struct conn *c)
{
    struct job *job = c->answered;
    c->answered = NULL;
    int result = http_reply_send(wsi, c, &job->reply);
    job_free(job);
    return result;
}

static int answer(struct site *site, struct lws *wsi, struct conn *c, int status, const char *refusal)
{
    struct http_reply reply = {.status = 200, .content_type = "application/json"};
    struct http_request request = {.method = c->method, .path = c->path.ptr, .host = c->host.ptr};
    struct web *w = site->web;
    if (!refusal && site == &w->page && w->hub && stream_is(c))
        return stream_answer(w, wsi, c);
    if (refusal)
        refuse(&reply, status, refusal);
    else if (site == &w->page && !status_passed_on(w, wsi, c)) {
        if (!status_reply(w, wsi, c, &reply))
            file_reply(w, &request, &reply);
    } else if (ask(w, wsi, c))
        return 0;
    else
        refuse(&reply, 503, "too many requests wait for an answer");
    int result = http_reply_send(wsi, c, &reply);
    buf_free(&reply.body);
    buf_free(&reply.headers);
    return result;
}

/* A web page of another origin may read, as far as its browser lets it, but not change anything. */
static bool foreign(const struct web *w, struct lws *wsi, const struct conn *c)
{
    struct buf origin = BUF_EMPTY;
    bool reads =
        strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0 || strcmp(c->method, "OPTIONS") == 0;
    bool refused = !reads && header_copy(wsi, WSI_TOKEN_ORIGIN, &origin) &&
                   !origin_allowed(w, wsi, origin.ptr, c->host.ptr);
    buf_free(&origin);
    return refused;
}

/* false: not one plain number. What reads such a header in another way than who passed the request on sees
 * other requests than they did. */
static bool content_length(struct lws *wsi, size_t *out)
{
    struct buf text = BUF_EMPTY;
    bool there = header_copy(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, &text);
    bool plain = !there || strspn(text.ptr, "0123456789") == text.len;
    *out = there ? text.len > 18 ? SIZE_MAX : (size_t)strtoull(text.ptr, NULL, 10) : 0;
    buf_free(&text);
    return plain && lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, 1) == 0;
}

/* What was refused before its body was read: the rest of the connection cannot be understood. */
static int refuse_and_close(struct site *site, struct lws *wsi, struct conn *c, int status, const char *text)
{
    struct http_reply reply = {.status = status, .content_type = "application/json"};
    refuse(&reply, status, text);
    http_reply_header(&reply, "connection", "close");
    c->expected = SIZE_MAX;
    int result = http_reply_send(wsi, c, &reply);
    buf_free(&reply.body);
    buf_free(&reply.headers);
    return result;
}

int http_begin(struct site *site, struct lws *wsi, struct conn *c)
{
    http_end(c);
    c->method = "GET";
    bool known = path_copy(wsi, &c->path, &c->method);
    query_copy(wsi, &c->query);
    header_copy(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, &c->content_type);
    header_copy(wsi, WSI_TOKEN_HOST, &c->host);
    header_copy(wsi, WSI_TOKEN_HTTP_ACCEPT, &c->accept);
    header_copy(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, &c->authorization);
    bool encoded = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    if (!content_length(wsi, &c->expected) || (encoded && c->expected))
        return refuse_and_close(site, wsi, c, 400, "the length of the body is not clear");
    if (c->expected > BODY_MAX)
        return refuse_and_close(site, wsi, c, 413, "the body is larger than 1 MiB");
    if (encoded)
        return refuse_and_close(site, wsi, c, 411, "a body needs a Content-Length");
    if (!(site == &site->web->rest && site->web->users) && !host_allowed(site->web, wsi, c->host.ptr))
        return refuse_and_close(site, wsi, c, 403,
                                "this server is not known by that name: set walwire.allowed.hosts");
    if (!known)
        return answer(site, wsi, c, 405, "HTTP 405 Method Not Allowed");
    if (c->expected && site == &site->web->page && stream_is(c))
        return refuse_and_close(site, wsi, c, strcmp(c->method, "GET") == 0 ? 400 : 405,
                                "this is asked for with GET and no body");
    if (foreign(site->web, wsi, c))
        return refuse_and_close(site, wsi, c, 403, "this page may not do that");
    return c->expected ? 0 : answer(site, wsi, c, 0, NULL);
}

static bool underway(const struct conn *c)
{
    return c->replied || c->asked || c->answered;
}

int http_body(struct site *site, struct lws *wsi, struct conn *c, struct slice bytes)
{
    if (underway(c))
        return 0;
    if (c->body.len + bytes.len > BODY_MAX)
        return -1;
    buf_slice(&c->body, bytes);
    return 0;
}

int http_body_end(struct site *site, struct lws *wsi, struct conn *c)
{
    return underway(c) ? 0 : answer(site, wsi, c, 0, NULL);
}

int http_writable(struct lws *wsi, struct conn *c)
{
    if (c->stream)
        return stream_writable(wsi, c);
    if (c->answered)
        return send_answered(wsi, c);
    if (!c->replied || c->sent >= c->reply.len)
        return 0;
    unsigned char chunk[LWS_PRE + WRITE_BYTES];
    struct slice part = slice_cut(buf_view(&c->reply), c->sent, WRITE_BYTES);
    memcpy(chunk + LWS_PRE, part.ptr, part.len);
    c->sent += part.len;
    bool last = c->sent == c->reply.len;
    if (lws_write(wsi, chunk + LWS_PRE, part.len, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)part.len)
        return -1;
    if (!last) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    return c->expected == SIZE_MAX || lws_http_transaction_completed(wsi) ? -1 : 0;
}
