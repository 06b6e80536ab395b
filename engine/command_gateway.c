/* command_gateway.c - a node that serves browsers from Kafka: hub, feeds, web, until a signal. Nothing of it
 * is kept, and the database does not know of it. docs/GATEWAY.md. */
#include "command.h"
#include "command_settings.h"
#include "feed.h"
#include "json.h"
#include "log.h"
#include "metrics.h"
#include "retention.h"
#include "security.h"
#include "xmalloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_PRESET  "http://127.0.0.1:8000"
#define HEARTBEAT_MS 2000
#define NO_SNAPSHOTS "this gateway has no engine to ask for rows (gateway.upstream)"

enum { FEEDS_MOST = 16, LOOK_MS = 250 };

struct gateway {
    struct props *props;
    struct hub *hub;
    struct feed *feeds[FEEDS_MOST];
    char *names[FEEDS_MOST], *prefixes[FEEDS_MOST];
    size_t n;
    struct web *web;
};

static const char help[] =
    "Usage: walwire gateway GATEWAY.properties\n\n"
    "Serves the WebSocket protocol from the topics that walwire or Debezium writes. The connector needs\n"
    "provide.transaction.metadata=true and JsonConverter with schemas; docs/GATEWAY.md tells the rest.\n\n"
    "  bootstrap.servers                   Kafka; security.protocol, sasl.* and ssl.* as in a worker file\n"
    "  topic.prefix                        of the connector; several with commas\n"
    "  gateway.names                       the connectors' names for browsers, one for each prefix; preset: "
    "the prefixes\n"
    "  gateway.topics                      expressions for the tables' topics; preset: all of the prefix\n"
    "  gateway.identity.full               expressions for tables with REPLICA IDENTITY FULL\n"
    "  gateway.retention.ms                how far back a start reads, preset 600000\n"
    "  gateway.held.bytes                  for transactions that are not complete, preset 268435456\n"
    "  gateway.stall.ms                    how long one may wait for its events, preset 150000\n"
    "  gateway.upstream                    an engine's websocket.listeners, http://engine:8000: snapshots "
    "are\n"
    "                                      asked of it; also .token, .token.file, .ca.file\n"
    "  gateway.epoch                       to be changed when a database was restored under Debezium\n"
    "  topic.transaction, unavailable.value.placeholder, binary.handling.mode   as for the connector\n"
    "  websocket.listeners                 live page and WebSockets, preset " PAGE_PRESET "\n"
    "  listeners                           GET /health and /metrics, preset none\n"
    "  websocket.*, web.dir, log.*         as in a worker file: origins, tokens, rules, limits (walwire "
    "serve "
    "--help)\n";

/* ---- health and metrics ---- */

static void put_health(const struct gateway *g, struct http_reply *reply)
{
    bool all = true;
    BUF_LIT(&reply->body, "{\"connectors\":[");
    for (size_t i = 0; i < g->n; i++) {
        struct feed_status s;
        feed_look(g->feeds[i], &s);
        all = all && s.streaming && !s.failed;
        buf_str(&reply->body, i ? ",{" : "{");
        json_field(&reply->body, "name", feed_name(g->feeds[i]));
        json_field(&reply->body, "state", s.failed ? "FAILED" : s.streaming ? "STREAMING" : "STARTING");
        if (s.text[0])
            json_field(&reply->body, "trouble", s.text);
        buf_char(&reply->body, '}');
    }
    buf_printf(&reply->body, "],\"status\":\"%s\"}", all ? "UP" : "DOWN");
    reply->status = all ? 200 : 503;
}

static const struct {
    const char *name, *type, *help;
    size_t at;
} readings[] = {
    {"walwire_gateway_transactions_total", "counter", "transactions published",
     offsetof(struct feed_status, transactions)},
    {"walwire_gateway_changes_total", "counter", "changes published", offsetof(struct feed_status, changes)},
    {"walwire_gateway_skipped_total", "counter", "transactions left out, with a reset for everybody",
     offsetof(struct feed_status, skipped)},
    {"walwire_gateway_restarts_total", "counter", "how often reading began anew",
     offsetof(struct feed_status, restarts)},
    {"walwire_gateway_partitions", "gauge", "partitions that are read",
     offsetof(struct feed_status, partitions)},
    {"walwire_gateway_held_bytes", "gauge", "events of transactions that are not complete",
     offsetof(struct feed_status, held_bytes)},
    {"walwire_gateway_waiting", "gauge", "transactions whose end is known and that wait",
     offsetof(struct feed_status, waiting)},
};

static void put_readings(const struct gateway *g, struct buf *b)
{
    struct feed_status all[FEEDS_MOST];
    for (size_t i = 0; i < g->n; i++)
        feed_look(g->feeds[i], &all[i]);
    for (size_t k = 0; k < sizeof readings / sizeof *readings; k++) {
        buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", readings[k].name, readings[k].help, readings[k].name,
                   readings[k].type);
        for (size_t i = 0; i < g->n; i++) {
            uint64_t n;
            memcpy(&n, (const char *)&all[i] + readings[k].at, sizeof n);
            buf_printf(b, "%s{connector=\"%s\"} %llu\n", readings[k].name, feed_name(g->feeds[i]),
                       (unsigned long long)n);
        }
    }
    buf_printf(b, "# HELP walwire_gateway_lag_ms from the last transaction's commit to its publication\n"
                  "# TYPE walwire_gateway_lag_ms gauge\n");
    for (size_t i = 0; i < g->n; i++)
        if (all[i].lag_ms >= 0)
            buf_printf(b, "walwire_gateway_lag_ms{connector=\"%s\"} %lld\n", feed_name(g->feeds[i]),
                       (long long)all[i].lag_ms);
}

static void put_metrics(const struct gateway *g, struct http_reply *reply)
{
    reply->content_type = "text/plain; version=0.0.4";
    put_readings(g, &reply->body);
    metrics_hub(g->hub, &reply->body);
}

static void handle(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    const struct gateway *g = ctx;
    bool read = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (read && strcmp(request->path, "/health") == 0)
        put_health(g, reply);
    else if (read && strcmp(request->path, "/metrics") == 0)
        put_metrics(g, reply);
    else
        reply->status = 404;
}

/* ---- life ---- */

/* Cuts a list at its commas; returns how many there are. */
static size_t list_split(const char *text, char **out, size_t most)
{
    size_t n = 0;
    struct slice rest = slice_of(text);
    while (rest.len && n < most) {
        struct slice item = slice_trim(slice_take(&rest, ','));
        out[n++] = xstrndup(item.ptr, item.len);
    }
    return n;
}

/* A slip of the pen would leave a setting at its preset. */
static bool settings_known(const struct props *p, struct err *e)
{
    static const char *const known[] = {
        "names", "topics",   "identity.full",  "retention.ms",        "held.bytes",      "stall.ms",
        "epoch", "upstream", "upstream.token", "upstream.token.file", "upstream.ca.file"};
    static const char prefix[] = "gateway.";
    for (size_t i = 0; i < props_count(p); i++) {
        const char *name, *value;
        bool found = false;
        props_at(p, i, &name, &value);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= strncmp(name, prefix, sizeof prefix - 1) == 0 &&
                     strcmp(name + sizeof prefix - 1, known[k]) == 0;
        if (!found && strncmp(name, prefix, sizeof prefix - 1) == 0)
            return err_set(e, ERR_CONFIG, "%s: there is no such setting", name);
    }
    return true;
}

static bool take_names(struct gateway *g, struct err *e)
{
    const char *prefixes = props_get_or(g->props, "topic.prefix", "");
    if (!props_get(g->props, "bootstrap.servers"))
        return err_set(e, ERR_CONFIG, "bootstrap.servers is missing");
    g->n = list_split(prefixes, g->prefixes, FEEDS_MOST);
    if (!g->n)
        return err_set(e, ERR_CONFIG, "topic.prefix is missing: that of the connector whose topics to serve");
    size_t n = list_split(props_get_or(g->props, "gateway.names", prefixes), g->names, FEEDS_MOST);
    return n == g->n || err_set(e, ERR_CONFIG, "gateway.names: %zu names for %zu of topic.prefix", n, g->n);
}

static bool open_feeds(struct gateway *g, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct feed_options o = {
            .props = g->props, .hub = g->hub, .name = g->names[i], .prefix = g->prefixes[i]};
        if (!(g->feeds[i] = feed_start(&o, e))) {
            g->n = i;
            return false;
        }
    }
    return true;
}

static bool open_web(struct gateway *g, struct err *e)
{
    char *dir = settings_web_dir(g->props);
    struct web_options o = {.listeners = settings_listeners(g->props, "listeners", "none"),
                            .websocket_listeners =
                                settings_listeners(g->props, "websocket.listeners", PAGE_PRESET),
                            .allowed_origins = props_get(g->props, "websocket.allowed.origins"),
                            .web_dir = dir,
                            .hub = g->hub,
                            .handler = handle,
                            .handler_ctx = g};
    bool ok = settings_threads(g->props, &o.websocket_threads, e) && security_web(g->props, &o, e) &&
              security_access(g->props, &o.access, e);
    g->web = ok ? web_start(&o, e) : NULL;
    free(dir);
    if (g->web)
        log_info("live page on %s", o.websocket_listeners);
    return g->web;
}

static bool gateway_open(struct gateway *g, struct err *e)
{
    if (!settings_log(g->props, e) || !settings_known(g->props, e) || !take_names(g, e))
        return false;
    const char *upstream = props_get(g->props, "gateway.upstream");
    struct hub_options window = {.heartbeat_ms = HEARTBEAT_MS,
                                 .keep_unread = true,
                                 .no_snapshots = upstream && *upstream ? NULL : NO_SNAPSHOTS};
    if (!retention_options(g->props, &window, e))
        return false;
    if (props_get(g->props, "websocket.retention.dir"))
        return err_set(e, ERR_CONFIG,
                       "websocket.retention.dir: a gateway keeps nothing; its window is read "
                       "from Kafka (gateway.retention.ms)");
    g->hub = hub_new(&window);
    return open_feeds(g, e) && open_web(g, e);
}

static void gateway_close(struct gateway *g)
{
    if (g->hub)
        hub_stop(g->hub);
    web_stop(g->web); /* first: its threads look at the feeds */
    for (size_t i = 0; i < g->n; i++)
        feed_stop(g->feeds[i]);
    if (g->hub)
        hub_free(g->hub);
    for (size_t i = 0; i < FEEDS_MOST; i++) {
        free(g->names[i]);
        free(g->prefixes[i]);
    }
    props_free(g->props);
}

static bool feeds_work(const struct gateway *g, struct err *e)
{
    struct feed_status s;
    for (size_t i = 0; i < g->n; i++) {
        feed_look(g->feeds[i], &s);
        if (s.failed)
            return err_set(e, ERR_CONFIG, "%s: %s", feed_name(g->feeds[i]), s.text);
    }
    return true;
}

/* Until a signal, or until a feed gives up. */
static bool wait_for_end(struct gateway *g, struct err *e)
{
    for (;;) {
        int sig = command_wait_signal(LOOK_MS);
        if (sig == SIGHUP)
            web_reload(g->web);
        else if (sig)
            return true;
        if (!feeds_work(g, e))
            return false;
    }
}

int command_gateway(int argc, char **argv)
{
    if (argc != 2 || command_asks_help(argv[1])) {
        fputs(help, argc != 2 ? stderr : stdout);
        return argc != 2 ? 2 : 0;
    }
    struct err e = {0};
    security_undumpable();
    struct gateway g = {.props = settings_read(argv[1], &e)};
    if (!g.props)
        return command_fail(&e);
    command_take_hangup();
    bool ok = gateway_open(&g, &e);
    if (ok) {
        log_info("walwire %s is up, as a gateway", WALWIRE_VERSION);
        ok = wait_for_end(&g, &e);
        log_info("stopping");
    }
    gateway_close(&g);
    return ok ? 0 : command_fail(&e);
}
