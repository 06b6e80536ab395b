/* command_serve.c - the server: hub, offsets, worker, web, until a signal. */
#include "api.h"
#include "command.h"
#include "command_settings.h"
#include "config.h"
#include "configs.h"
#include "exactly_once.h"
#include "log.h"
#include "offsets.h"
#include "retention.h"
#include "security.h"
#include "web.h"
#include "worker.h"
#include "xmalloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REST_PRESET  "http://127.0.0.1:8083"
#define PAGE_PRESET  "http://127.0.0.1:8000"
#define HEARTBEAT_MS 2000 /* how often browsers hear of position and lag */
#define STOP_SECONDS 9    /* a stop is done within ten */
#define RETRY_MS     2000

struct server {
    struct props *worker_props;
    struct hub *hub;
    struct offsets *offsets;
    struct configs *configs; /* NULL: connectors created by REST end with the process */
    struct worker *worker;
    struct web *web;
};

static const char help[] =
    "Usage: walwire serve WORKER.properties [CONNECTOR.json ...]\n\n"
    "WORKER.properties has Kafka Connect's own keys:\n"
    "  bootstrap.servers                   Kafka; without it changes go to browsers only\n"
    "  security.protocol, sasl.*, ssl.*    the way to Kafka, under their Java names\n"
    "  listeners                           REST API, preset " REST_PRESET "; \"none\": no REST\n"
    "  ssl.keystore.location               for https listeners: PEM, certificate chain and private key\n"
    "  key.converter, value.converter      JsonConverter, with .schemas.enable\n"
    "  offset.storage.topic                checkpoints in Kafka, as Debezium's (preset with Kafka: "
    "connect-offsets)\n"
    "  offset.storage.replication.factor   of that topic when it is made, preset 3; also "
    "config.storage.replication.factor\n"
    "  offset.storage.file.filename        checkpoints in a file instead\n"
    "  config.storage.topic                connectors in Kafka, as Connect's; without it REST's end with the "
    "process\n"
    "  config.storage.file.filename        connectors in a file instead (preset with a file of checkpoints)\n"
    "  offset.flush.interval.ms            how often a checkpoint is made, preset 1000\n"
    "  exactly.once.source.support         enabled: records and positions in Kafka transactions\n"
    "  group.id                            Connect's, for those transactions and for config.storage.topic\n"
    "  producer.*                          producer settings under their Java names\n"
    "  config.providers.*                  what ${env:..}, ${file:..} and ${dir:..} may read "
    "(docs/SECURITY.md)\n"
    "and walwire's:\n"
    "  websocket.listeners                 live page and WebSockets, preset " PAGE_PRESET
    "; \"none\": no browsers\n"
    "  websocket.allowed.origins           pages of other hosts that may connect\n"
    "  websocket.auth.jwt.public.key.file  whose tokens browsers must show; also .secret.file, .jwks.file, "
    ".jwks.url\n"
    "  websocket.auth.anonymous            true: clients without a token too, from wherever they come\n"
    "  websocket.auth.*, websocket.max.*   more about tokens, and how many connections (docs/SECURITY.md)\n"
    "  websocket.retention.ms              how far back browsers may resume, preset 3600000 (an hour); 0: as "
    "far "
    "as .bytes go\n"
    "  websocket.retention.bytes           memory for that, of all connectors, preset 67108864\n"
    "  websocket.retention.dir             keeps it in files as well, across restarts (docs/PROTOCOL.md)\n"
    "  websocket.threads                   that write to browsers, preset half of the machine's cores, 1 to "
    "4\n"
    "  websocket.rules.file                who may read which tables, columns and rows (docs/SECURITY.md)\n"
    "  walwire.rest.users.file             a login for REST: NAME:HASH lines, as htpasswd -B makes them\n"
    "  walwire.allowed.hosts               names by which listeners on loopback may be called\n"
    "  web.dir                             where the live page's files are\n"
    "  log.level, log.format               error warn info debug; text json (also WALWIRE_LOG_LEVEL, "
    "WALWIRE_LOG_FORMAT)\n\n"
    "CONNECTOR.json is what would be sent to POST /connectors, or its config alone with a \"name\".\n";

/* ---- connectors of the command line ---- */

static bool add_connector(struct server *s, const char *path, struct err *e)
{
    char *name = NULL;
    struct props *p = config_load(path, &name, e);
    bool ok = p != NULL;
    if (ok) {
        enum worker_result result = worker_add_given(s->worker, name, p, STATE_RUNNING, e);
        if (result == WORKER_EXISTS)
            err_set(e, ERR_CONFIG, "connector %s is given twice", name);
        ok = result == WORKER_OK || err_prefix(e, "%s", path);
    }
    props_free(p);
    free(name);
    return ok;
}

/* ---- life ---- */

static bool open_web(struct server *s, struct err *e)
{
    char *dir = settings_web_dir(s->worker_props);
    struct web_options o = {
        .listeners = settings_listeners(s->worker_props, "listeners", REST_PRESET),
        .websocket_listeners =
            s->hub ? settings_listeners(s->worker_props, "websocket.listeners", PAGE_PRESET) : "",
        .allowed_origins = props_get(s->worker_props, "websocket.allowed.origins"),
        .web_dir = dir,
        .hub = s->hub,
        .handler = api_handle,
        .handler_ctx = s->worker};
    bool ok = settings_threads(s->worker_props, &o.websocket_threads, e) &&
              security_web(s->worker_props, &o, e) && security_access(s->worker_props, &o.access, e);
    s->web = ok ? web_start(&o, e) : NULL;
    free(dir);
    if (s->web && web_rest_port(s->web, 0))
        log_info("REST API on %s", o.listeners);
    if (s->web && web_page_port(s->web, 0))
        log_info("live page on %s", o.websocket_listeners);
    return s->web != NULL;
}

/* Kafka may come up after this process: it is waited for, until a signal. */
static bool restore(struct server *s, struct err *e)
{
    if (!s->configs) {
        log_info("connectors created by REST end with this process; set config.storage.topic to keep them");
        return true;
    }
    while (!worker_restore(s->worker, e)) {
        if (e->kind != ERR_RETRY)
            return false;
        log_warn("connectors cannot be read: %s; trying again", e->text);
        if (command_wait_signal(RETRY_MS))
            return false;
        *e = (struct err){0};
    }
    log_info("connectors are kept in %s", configs_place(s->configs));
    return true;
}

static bool open_hub(struct server *s, struct err *e)
{
    struct hub_options window = {.heartbeat_ms = HEARTBEAT_MS};
    if (!retention_options(s->worker_props, &window, e))
        return false;
    if (!*settings_listeners(s->worker_props, "websocket.listeners", PAGE_PRESET))
        return true;
    s->hub = hub_new(&window);
    return retention_keep(s->worker_props, s->hub, e);
}

/* It may be meant, or a slip in the setting's name: what nobody gets is acknowledged all the same. */
static void say_where_to(const struct server *s)
{
    if (!props_get(s->worker_props, "bootstrap.servers"))
        log_info("bootstrap.servers is not set: nothing is written to Kafka, changes go %s",
                 s->hub ? "to browsers only" : "nowhere");
}

static bool server_open(struct server *s, int n, char **connectors, struct err *e)
{
    enum exactly_once_support support;
    if (!settings_log(s->worker_props, e) || !exactly_once_worker(s->worker_props, &support, e) ||
        !(s->offsets = offsets_open(s->worker_props, e)) || !configs_open(s->worker_props, &s->configs, e))
        return false;
    if (!open_hub(s, e) || !(s->worker = worker_new(s->worker_props, s->hub, s->offsets, e)))
        return false;
    say_where_to(s);
    worker_keep(s->worker, s->configs);
    worker_set_starting(s->worker, true);
    if (!open_web(s, e)) /* first: a connector that has begun may have made a slot */
        return false;
    for (int i = 0; i < n; i++)
        if (!add_connector(s, connectors[i], e))
            return false;
    if (!restore(s, e))
        return false;
    worker_set_starting(s->worker, false);
    return true;
}

static void server_close(struct server *s)
{
    worker_stop(s->worker); /* first, so that a browser's last position is where the next start begins */
    if (s->hub)
        hub_stop(s->hub);
    web_stop(s->web);
    worker_free(s->worker);
    if (s->hub)
        hub_free(s->hub);
    if (s->offsets)
        offsets_close(s->offsets);
    configs_close(s->configs);
    props_free(s->worker_props);
}

/* Kafka or PostgreSQL does not answer. What is not delivered was not acknowledged, so the next start sends
 * it. */
static void stop_now(int sig)
{
    static const char text[] = "walwire: stopped without waiting any longer for Kafka and PostgreSQL\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(0);
}

/* SIGHUP stays blocked, and pending, until here. */
static void wait_for_end(struct server *s)
{
    while (command_wait_signal(-1) == SIGHUP) {
        log_info("SIGHUP: certificate, keys and rules are read again");
        web_reload(s->web);
    }
}

int command_serve(int argc, char **argv)
{
    if (argc < 2 || command_asks_help(argv[1])) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    struct err e = {0};
    security_undumpable();
    struct server s = {.worker_props = settings_read(argv[1], &e)};
    if (!s.worker_props)
        return command_fail(&e);
    command_take_hangup();
    bool ok = server_open(&s, argc - 2, argv + 2, &e);
    if (ok) {
        log_info("walwire %s is up", WALWIRE_VERSION);
        wait_for_end(&s);
        log_info("stopping");
        signal(SIGALRM, stop_now);
        alarm(STOP_SECONDS);
    }
    server_close(&s);
    return ok ? 0 : command_fail(&e);
}
