/* api.c - finds the route of a request, and answers for the process itself: version, health.
 *
 * Bodies and codes were compared with Kafka Connect 4.3.1. Malformed bodies are 400 here, where Connect
 * answers 500. */
#include "api.h"

#include "config_table.h"
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONNECT_VERSION                                                                                      \
    "4.3.1" /* whose REST interface this is: clients decide by it what they may ask for                      \
             */

static const struct api_route *const tables[] = {api_routes_server,
                                                 api_routes_connectors,
                                                 api_routes_topics,
                                                 api_routes_offsets,
                                                 api_routes_plugins,
                                                 api_routes_admin,
                                                 NULL};

/* ---- answers ---- */

struct buf *api_json(struct api_call *call, int status)
{
    call->reply->status = status;
    call->reply->content_type = "application/json";
    buf_reset(&call->reply->body);
    return &call->reply->body;
}

void api_error(struct api_call *call, int status, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = xstrdup(format);
    va_end(args);
    struct buf *b = api_json(call, status);
    BUF_LIT(b, "{");
    json_field_i64(b, "error_code", status);
    json_field(b, "message", text);
    BUF_LIT(b, "}");
    free(text);
}

bool api_query(const struct api_call *call, const char *name, const char *value)
{
    struct slice rest = slice_of(call->request->query);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        struct slice pair = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len};
        rest = slice_cut(rest, pair.len + 1, rest.len);
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t at = equals ? (size_t)(equals - pair.ptr) : pair.len;
        if (slice_is(slice_cut(pair, 0, at), name) &&
            (!value || slice_is(slice_cut(pair, at + 1, pair.len), value)))
            return true;
    }
    return false;
}

void api_empty(struct api_call *call, int status)
{
    call->reply->status = status;
    call->reply->content_type = NULL;
}

void api_no_class(struct api_call *call, const struct props *config)
{
    struct buf text = {0};
    for (size_t i = 0; i < props_count(config); i++) {
        const char *name, *value;
        props_at(config, i, &name, &value);
        buf_printf(&text, "%s%s=%s", i ? ", " : "", name, props_is_secret(name) ? "********" : value);
    }
    api_error(call, 400, "Connector config {%s} contains no connector type", text.ptr ? text.ptr : "");
    buf_free(&text);
}

static void reject(struct api_call *call, size_t count, const char *lines)
{
    api_error(call, 400,
              "Connector configuration is invalid and contains the following %zu error(s):\n%s\nYou can also "
              "find the above "
              "list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
              count, lines);
}

bool api_reject_invalid(struct api_call *call, const char *name, const struct props *config)
{
    struct err e = {0};
    struct props *expanded = props_expand(config, &e);
    if (!expanded) {
        reject(call, 1, e.text);
        return true;
    }
    struct findings *f = config_findings(name, config, expanded, worker_props(call->worker));
    struct buf lines = {0};
    for (size_t i = 0; i < f->count; i++)
        buf_printf(&lines, "%s%s", i ? "\n" : "", f->items[i].text);
    for (size_t i = 0; i < call->nulls; i++)
        buf_printf(&lines, "%s" API_NULL_TEXT, f->count + i ? "\n" : "");
    bool bad = f->count + call->nulls > 0;
    if (bad)
        reject(call, f->count + call->nulls, lines.ptr);
    buf_free(&lines);
    findings_free(f);
    props_free(expanded);
    return bad;
}

/* ---- routing ---- */

/* false: badly encoded, empty, or too long for a name. */
static bool param_decode(struct slice s, char *out, size_t size)
{
    struct buf text = {0};
    bool ok = http_decode(&text, s) && text.len > 0 && text.len < size;
    if (ok)
        memcpy(out, text.ptr, text.len + 1);
    buf_free(&text);
    return ok;
}

static struct slice next_segment(struct slice *path)
{
    if (path->len && path->ptr[0] == '/')
        *path = slice_cut(*path, 1, path->len);
    const char *end = path->len ? memchr(path->ptr, '/', path->len) : NULL;
    struct slice segment = {path->ptr, end ? (size_t)(end - path->ptr) : path->len};
    *path = slice_cut(*path, segment.len, path->len);
    return segment;
}

static bool path_match(const char *pattern, struct slice path, struct api_call *call)
{
    struct slice rest = slice_of(pattern);
    int n = 0;
    for (;;) {
        struct slice want = next_segment(&rest), got = next_segment(&path);
        if (!want.len || !got.len)
            return !want.len && !got.len && !path.len;
        if (want.ptr[0] != '{') {
            if (!slice_eq(want, got))
                return false;
        } else if (!param_decode(got, call->params[n++], sizeof call->params[0])) {
            return false;
        }
    }
}

static bool method_match(const char *method, const char *asked)
{
    return strcmp(asked, method) == 0 || (strcmp(asked, "HEAD") == 0 && strcmp(method, "GET") == 0);
}

/* A form on some web page can post text/plain to a port of this machine, but not application/json. */
static bool body_is_json(const struct http_request *request)
{
    const char *type = request->content_type;
    return !request->body.len || (strncasecmp(type, "application/json", 16) == 0 && strchr("; ", type[16]));
}

/* "application/json", "application/..." or anything in one of its parts. */
static bool accepts_json(const char *accept)
{
    if (!accept || !*accept)
        return true;
    for (const char *at = accept; *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " ");
        size_t n = strcspn(at, ",; ");
        if ((n == 16 && strncasecmp(at, "application/json", n) == 0) ||
            (n == 13 && strncasecmp(at, "application/*", n) == 0) || (n == 3 && strncmp(at, "*/*", n) == 0))
            return true;
    }
    return false;
}

static void call_route(struct api_call *call, const struct api_route *r)
{
    if (!r->text_answer && !accepts_json(call->request->accept))
        api_error(call, 406, "HTTP 406 Not Acceptable");
    else if (body_is_json(call->request))
        r->handler(call);
    else
        api_error(call, 415, "HTTP 415 Unsupported Media Type");
}

/* Connect's answers before it has its connectors. */
static void answer_starting(struct api_call *call)
{
    if (strcmp(call->request->path, "/health") == 0)
        BUF_LIT(api_json(call, 503),
                "{\"status\":\"starting\",\"message\":\"Worker is still starting up.\"}");
    else
        api_error(call, 503, "Worker is still starting up.");
}

static void answer_options(struct api_call *call, struct buf *allowed)
{
    BUF_LIT(allowed, "OPTIONS");
    http_reply_header(call->reply, "Allow", allowed->ptr);
    buf_slice(api_json(call, 200), buf_view(allowed));
    call->reply->content_type = "text/plain";
}

void api_handle(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct api_call call = {.worker = ctx, .request = request, .reply = reply};
    struct buf allowed = {0}; /* what may be asked of this path */
    if (worker_starting(call.worker)) {
        answer_starting(&call);
        return;
    }
    for (int t = 0; tables[t]; t++)
        for (const struct api_route *r = tables[t]; r->method; r++) {
            if (!path_match(r->path, slice_of(request->path), &call))
                continue;
            buf_printf(&allowed, "%s, %s", r->method, strcmp(r->method, "GET") == 0 ? "HEAD, " : "");
            if (method_match(r->method, request->method)) {
                call_route(&call, r);
                buf_free(&allowed);
                return;
            }
        }
    if (!allowed.len)
        api_error(&call, 404, "HTTP 404 Not Found");
    else if (strcmp(request->method, "OPTIONS") == 0)
        answer_options(&call, &allowed);
    else
        api_error(&call, 405, "HTTP 405 Method Not Allowed");
    buf_free(&allowed);
}

/* ---- the process itself ---- */

/* Without Kafka the cluster is whatever group.id says. */
static void get_root(struct api_call *call)
{
    struct offsets *offsets = worker_offsets(call->worker);
    char *cluster = offsets ? offsets_cluster(offsets) : NULL;
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "{");
    json_field(b, "version", CONNECT_VERSION);
    json_field(b, "commit", "walwire-" WALWIRE_VERSION);
    json_field(b, "kafka_cluster_id",
               cluster ? cluster : props_get_or(worker_props(call->worker), "group.id", "walwire"));
    BUF_LIT(b, "}");
    free(cluster);
}

static void get_health(struct api_call *call)
{
    BUF_LIT(api_json(call, 200), "{\"status\":\"healthy\",\"message\":\"Worker has completed startup and is "
                                 "ready to handle requests.\"}");
}

const struct api_route api_routes_server[] = {
    {"GET", "/", get_root, "version"},
    {"GET", "/health", get_health, "whether the process answers"},
    {"GET", "/metrics", api_metrics, "counters and positions of all connectors, for Prometheus",
     .text_answer = true},
    {NULL},
};
