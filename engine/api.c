/* api.c - finds the route of a request, and answers for the process itself: version, health, metrics.
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

static const struct api_route *const tables[] = {api_routes_server, api_routes_connectors, api_routes_plugins,
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
    struct findings *f = config_findings(name, expanded, worker_props(call->worker));
    struct buf lines = {0};
    for (size_t i = 0; i < f->count; i++)
        buf_printf(&lines, "%s%s", i ? "\n" : "", f->items[i].text);
    bool bad = f->count > 0;
    if (bad)
        reject(call, f->count, lines.ptr);
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

void api_handle(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct api_call call = {.worker = ctx, .request = request, .reply = reply};
    bool path_known = false;
    for (int t = 0; tables[t]; t++)
        for (const struct api_route *r = tables[t]; r->method; r++) {
            if (!path_match(r->path, slice_of(request->path), &call))
                continue;
            path_known = true;
            if (!method_match(r->method, request->method))
                continue;
            if (body_is_json(request))
                r->handler(&call);
            else
                api_error(&call, 415, "HTTP 415 Unsupported Media Type");
            return;
        }
    if (path_known)
        api_error(&call, 405, "HTTP 405 Method Not Allowed");
    else
        api_error(&call, 404, "HTTP 404 Not Found");
}

/* ---- the process itself ---- */

static void get_root(struct api_call *call)
{
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "{");
    json_field(b, "version", CONNECT_VERSION);
    json_field(b, "commit", "walwire-" WALWIRE_VERSION);
    json_field(b, "kafka_cluster_id", props_get_or(worker_props(call->worker), "group.id", "walwire"));
    BUF_LIT(b, "}");
}

static void get_health(struct api_call *call)
{
    BUF_LIT(api_json(call, 200), "{\"status\":\"healthy\",\"message\":\"Worker has completed startup and is "
                                 "ready to handle requests.\"}");
}

/* ---- metrics ---- */

static double metric_events(const struct connector_status *s)
{
    return (double)s->events;
}
static double metric_transactions(const struct connector_status *s)
{
    return (double)s->transactions;
}
static double metric_bytes(const struct connector_status *s)
{
    return (double)s->bytes;
}
static double metric_lag(const struct connector_status *s)
{
    return (double)s->lag_ms;
}
static double metric_received(const struct connector_status *s)
{
    return (double)s->received;
}
static double metric_flushed(const struct connector_status *s)
{
    return (double)s->flushed;
}
static double metric_snapshot(const struct connector_status *s)
{
    return s->snapshot_running;
}
static double metric_connected(const struct connector_status *s)
{
    return s->state == STATE_RUNNING;
}

#define STREAMING ",plugin=\"postgres\",context=\"streaming\""
#define SNAPSHOT  ",plugin=\"postgres\",context=\"snapshot\""

/* The second half are the names under which Debezium's JMX beans are usually exported; their `name` is
 * topic.prefix. */
static const struct metric {
    const char *name, *type, *text, *labels;
    double (*value)(const struct connector_status *s);
} metrics[] = {
    {"walwire_events_total", "counter", "Events written.", NULL, metric_events},
    {"walwire_transactions_total", "counter", "Transactions read.", NULL, metric_transactions},
    {"walwire_bytes_total", "counter", "Bytes read from the server.", NULL, metric_bytes},
    {"walwire_lag_ms", "gauge", "Age of the last event's commit in milliseconds; -1: none yet.", NULL,
     metric_lag},
    {"walwire_received_lsn", "gauge", "End of what was read, as a byte position.", NULL, metric_received},
    {"walwire_flushed_lsn", "gauge", "What was acknowledged to the server, as a byte position.", NULL,
     metric_flushed},
    {"walwire_snapshot_running", "gauge", "1 while a snapshot is taken.", NULL, metric_snapshot},
    {"debezium_metrics_MilliSecondsBehindSource", "gauge", "As walwire_lag_ms.", STREAMING, metric_lag},
    {"debezium_metrics_TotalNumberOfEventsSeen", "counter", "As walwire_events_total.", STREAMING,
     metric_events},
    {"debezium_metrics_NumberOfCommittedTransactions", "counter", "As walwire_transactions_total.", STREAMING,
     metric_transactions},
    {"debezium_metrics_Connected", "gauge", "1 while running.", STREAMING, metric_connected},
    {"debezium_metrics_SnapshotRunning", "gauge", "As walwire_snapshot_running.", SNAPSHOT, metric_snapshot},
};

static void append_label(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_char(b, '\\');
        buf_str(b, *text == '\n' ? "\\n" : (char[]){*text, 0});
    }
}

static void append_metric(struct buf *b, const struct metric *m, const struct worker_view *views, size_t n)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->text, m->name, m->type);
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s{%s=\"", m->name, m->labels ? "name" : "connector");
        append_label(b, m->labels ? props_get_or(views[i].config, "topic.prefix", "") : views[i].name);
        buf_printf(b, "\"%s} %.17g\n", m->labels ? m->labels : "", m->value(&views[i].status));
    }
}

static void append_states(struct buf *b, const struct worker_view *views, size_t n)
{
    BUF_LIT(b, "# HELP walwire_connector_state 1 for the state that a connector is in.\n# TYPE "
               "walwire_connector_state gauge\n");
    for (size_t i = 0; i < n; i++)
        for (int s = STATE_UNASSIGNED; s <= STATE_RESTARTING; s++) {
            BUF_LIT(b, "walwire_connector_state{connector=\"");
            append_label(b, views[i].name);
            buf_printf(b, "\",state=\"%s\"} %d\n", connector_state_name(s), (int)views[i].status.state == s);
        }
}

static void get_metrics(struct api_call *call)
{
    char **names = worker_names(call->worker);
    size_t n = 0, found = 0;
    while (names[n])
        n++;
    struct worker_view *views = xcalloc(n + 1, sizeof *views);
    for (size_t i = 0; i < n; i++)
        found += worker_look(call->worker, names[i], &views[found]) == WORKER_OK;
    struct buf *b = api_json(call, 200);
    call->reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    append_states(b, views, found);
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        append_metric(b, &metrics[i], views, found);
    for (size_t i = 0; i < found; i++)
        worker_view_free(&views[i]);
    free(views);
    free(names);
}

const struct api_route api_routes_server[] = {
    {"GET", "/", get_root, "version"},
    {"GET", "/health", get_health, "whether the process answers"},
    {"GET", "/metrics", get_metrics, "counters and positions of all connectors, for Prometheus"},
    {NULL},
};
