/* command_serve.c - the server: hub, offsets, worker, web, until a signal. */
#include "api.h"
#include "command.h"
#include "config.h"
#include "configs.h"
#include "exactly_once.h"
#include "log.h"
#include "offsets.h"
#include "security.h"
#include "web.h"
#include "worker.h"
#include "xmalloc.h"

#include <libgen.h>
#include <limits.h>
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
    "  listeners                           REST API, preset " REST_PRESET "; \"none\": no REST\n"
    "  ssl.keystore.location               for https listeners: PEM, certificate chain and private key\n"
    "  key.converter, value.converter      JsonConverter, with .schemas.enable\n"
    "  offset.storage.topic                checkpoints in Kafka, as Debezium's (preset with Kafka: "
    "connect-offsets)\n"
    "  offset.storage.file.filename        checkpoints in a file instead\n"
    "  config.storage.topic                connectors in Kafka, as Connect's; without it REST's end with the "
    "process\n"
    "  config.storage.file.filename        connectors in a file instead (preset with a file of checkpoints)\n"
    "  offset.flush.interval.ms            how often a checkpoint is made, preset 1000\n"
    "  exactly.once.source.support         enabled: records and positions in Kafka transactions\n"
    "  producer.*                          producer settings under their Java names\n"
    "and walwire's:\n"
    "  websocket.listeners                 live page and WebSockets, preset " PAGE_PRESET
    "; \"none\": no browsers\n"
    "  websocket.allowed.origins           pages of other hosts that may connect\n"
    "  websocket.auth.jwt.public.key.file  whose tokens browsers must show; also .secret.file, .jwks.file, "
    ".jwks.url\n"
    "  websocket.rules.file                who may read which tables, columns and rows (docs/SECURITY.md)\n"
    "  walwire.rest.users.file             a login for REST: NAME:HASH lines, as htpasswd -B makes them\n"
    "  walwire.allowed.hosts               names by which listeners on loopback may be called\n"
    "  web.dir                             where the live page's files are\n"
    "  log.level, log.format               error warn info debug; text json (also WALWIRE_LOG_LEVEL, "
    "WALWIRE_LOG_FORMAT)\n\n"
    "CONNECTOR.json is what would be sent to POST /connectors, or its config alone with a \"name\".\n";

/* ---- settings ---- */

static const char *listeners_of(const struct props *p, const char *name, const char *preset)
{
    const char *text = props_get_or(p, name, preset);
    return strcmp(text, "none") == 0 ? "" : text;
}

/* Beside the binary in a checkout (build/walwire, web/), or where `make install` puts it. */
static char *web_dir_of(const struct props *p)
{
    const char *given = props_get(p, "web.dir");
    if (given)
        return xstrdup(given);
    char exe[PATH_MAX], real[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = 0;
    const char *dir = dirname(exe);
    static const char *const places[] = {"../web", "../share/walwire/web"};
    for (size_t i = 0; i < 2; i++) {
        char *path = xasprintf("%s/%s", dir, places[i]);
        bool found = realpath(path, real) && access(real, R_OK) == 0;
        free(path);
        if (found)
            return xstrdup(real);
    }
    return xstrdup("web");
}

static const char *env_or(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value && *value ? value : preset;
}

static bool apply_log(const struct props *p, struct err *e)
{
    enum log_level level;
    const char *name = props_get_or(p, "log.level", env_or("WALWIRE_LOG_LEVEL", "info"));
    const char *format = props_get_or(p, "log.format", env_or("WALWIRE_LOG_FORMAT", "text"));
    if (!log_level_parse(name, &level))
        return err_set(e, ERR_CONFIG, "log.level=%s: use error, warn, info or debug", name);
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return err_set(e, ERR_CONFIG, "log.format=%s: use text or json", format);
    log_set_level(level);
    log_set_json(strcmp(format, "json") == 0);
    return true;
}

static struct props *read_worker(const char *path, struct err *e)
{
    struct props *raw = props_new(), *expanded = NULL;
    if (props_read_file(raw, path, e) && props_confine(raw, e))
        expanded = props_expand(raw, e);
    props_free(raw);
    return expanded;
}

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
    char *dir = web_dir_of(s->worker_props);
    struct web_options o = {.listeners = listeners_of(s->worker_props, "listeners", REST_PRESET),
                            .websocket_listeners =
                                s->hub ? listeners_of(s->worker_props, "websocket.listeners", PAGE_PRESET)
                                       : "",
                            .allowed_origins = props_get(s->worker_props, "websocket.allowed.origins"),
                            .web_dir = dir,
                            .hub = s->hub,
                            .handler = api_handle,
                            .handler_ctx = s->worker};
    bool ok = security_web(s->worker_props, &o, e) && security_access(s->worker_props, &o.access, e);
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

static bool server_open(struct server *s, int n, char **connectors, struct err *e)
{
    enum exactly_once_support support;
    if (!apply_log(s->worker_props, e) || !exactly_once_worker(s->worker_props, &support, e) ||
        !(s->offsets = offsets_open(s->worker_props, e)) || !configs_open(s->worker_props, &s->configs, e))
        return false;
    if (*listeners_of(s->worker_props, "websocket.listeners", PAGE_PRESET))
        s->hub = hub_new(&(struct hub_options){.heartbeat_ms = HEARTBEAT_MS});
    if (!(s->worker = worker_new(s->worker_props, s->hub, s->offsets, e)))
        return false;
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
    sigset_t set;
    int sig = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    while (sigwait(&set, &sig) == 0 && sig == SIGHUP) {
        log_info("SIGHUP: keys and rules of browsers are read again");
        web_reload(s->web);
    }
}

static void block_hangup(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int command_serve(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    struct err e = {0};
    security_undumpable();
    struct server s = {.worker_props = read_worker(argv[1], &e)};
    if (!s.worker_props)
        return command_fail(&e);
    command_block_signals();
    block_hangup();
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
