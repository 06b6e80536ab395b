/* preflight.c - the steps of `walwire check`, their output, and the settings they are given. */
#include "preflight.h"

#include "command.h"
#include "command_settings.h"
#include "config_table.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "offsets.h"
#include "shard.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define KAFKA_TIMEOUT_MS 5000

static const char *const level_names[] = {"ok  ", "warn", "FAIL"};

void preflight_say(struct preflight *c, enum preflight_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(c->out, "%s  ", level_names[level]);
    vfprintf(c->out, format, args);
    fputc('\n', c->out);
    va_end(args);
    c->fails += level == PREFLIGHT_FAIL;
}

void preflight_mend(struct preflight *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("        ", c->out);
    vfprintf(c->out, format, args);
    fputc('\n', c->out);
    va_end(args);
}

/* ---- steps that need no server ---- */

static bool preflight_config(struct preflight *c, const char *name, const struct props *connector)
{
    struct err e = {0};
    struct props *expanded = props_expand(connector, &e);
    if (!expanded) {
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
        return false;
    }
    struct findings *f = config_findings(name, connector, expanded, c->worker);
    for (size_t i = 0; i < f->count; i++)
        preflight_say(c, PREFLIGHT_FAIL, "%s", f->items[i].text);
    findings_free(f);
    props_free(expanded);
    return c->fails == 0;
}

static void preflight_connection(struct preflight *c)
{
    struct err e = {0};
    struct buf info = {0};
    config_conninfo(c->config, "walwire check", false, &info);
    c->conn = pg_connect(info.ptr, &e);
    buf_free(&info);
    if (c->conn)
        preflight_say(c, PREFLIGHT_OK, "connected to %s:%s, database %s, as %s, %s", c->config->host,
                      c->config->port, c->config->dbname, c->config->user,
                      PQsslInUse(c->conn) ? "encrypted" : "not encrypted");
    else
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
}

static void preflight_kafka(struct preflight *c)
{
    const char *servers = props_get(c->worker, "bootstrap.servers");
    struct err e = {0};
    if (!servers) {
        preflight_say(c, PREFLIGHT_WARN,
                      "the worker file has no bootstrap.servers: nothing is written to Kafka");
        return;
    }
    rd_kafka_conf_t *conf = kafka_settings_client(c->worker, "walwire-check", &e);
    rd_kafka_t *kafka = conf ? kafka_client_new(RD_KAFKA_PRODUCER, conf, &e) : NULL;
    if (kafka && kafka_client_reach(kafka, KAFKA_TIMEOUT_MS, &e))
        preflight_say(c, PREFLIGHT_OK, "Kafka answers at %s", servers);
    else
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
    c->no_kafka = e.kind != ERR_NONE;
    if (kafka)
        rd_kafka_destroy(kafka);
}

static void check_offset(struct preflight *c, struct offsets *store, const struct config *config)
{
    struct err e = {0};
    struct offset at = {0};
    if (!offsets_load(store, config->name, config->offset_server, &at, &e) ||
        !shard_check_offset(store, config, &at, &e))
        preflight_say(c, PREFLIGHT_FAIL, "stored positions: %s", e.text);
    else if (at.present)
        preflight_say(c, PREFLIGHT_OK, "a position is stored for %s: it goes on at " LSN_FMT, config->label,
                      LSN_ARG(at.lsn));
    else
        preflight_say(c, PREFLIGHT_OK, "no position is stored for %s: it begins with its snapshot",
                      config->label);
}

static void preflight_offsets(struct preflight *c)
{
    struct err e = {0};
    if (c->no_kafka && !props_get(c->worker, "offset.storage.file.filename")) {
        preflight_say(c, PREFLIGHT_FAIL, "stored positions: they are in Kafka, and were not looked at");
        return;
    }
    struct offsets *store = offsets_open_own(c->worker, offsets_own(c->worker, c->config->offsets_topic), &e);
    if (!store)
        preflight_say(c, PREFLIGHT_FAIL, "stored positions: %s", e.text);
    for (int i = 0; store && i < c->config->slots; i++) {
        struct config *one = config_shard(c->config, c->worker, i);
        check_offset(c, store, one);
        config_free(one);
    }
    offsets_close(store);
}

/* ---- running ---- */

static const struct {
    void (*run)(struct preflight *c);
    bool server, worker; /* what it needs */
} steps[] = {
    {preflight_connection},
    {preflight_server, .server = true},
    {preflight_role, .server = true},
    {preflight_replication, .server = true},
    {preflight_slot, .server = true},
    {preflight_tables, .server = true},
    {preflight_identity, .server = true},
    {preflight_publication, .server = true},
    {preflight_kafka, .worker = true},
    {preflight_exactly_once, .worker = true},
    {preflight_offsets, .worker = true},
};

static void run_steps(struct preflight *c)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if ((!steps[i].server || c->conn) && (!steps[i].worker || c->worker))
            steps[i].run(c);
    tables_free(&c->tables);
    PQclear(c->server);
    PQfinish(c->conn);
}

int preflight_run(const char *name, const struct props *connector, const struct props *worker, FILE *out)
{
    struct err e = {0};
    struct preflight c = {.worker = worker, .out = out};
    struct config *config =
        preflight_config(&c, name, connector) ? config_new(name, connector, worker, &e) : NULL;
    c.config = config;
    if (!config) {
        if (!c.fails)
            preflight_say(&c, PREFLIGHT_FAIL, "%s", e.text);
        return c.fails;
    }
    preflight_say(&c, PREFLIGHT_OK, "the configuration of %s is sound", name);
    run_steps(&c);
    config_free(config);
    return c.fails;
}

/* ---- the command ---- */

static struct props *read_target(const char *text, char **name, struct err *e)
{
    if (access(text, F_OK) == 0)
        return config_load(text, name, e);
    if (!strchr(text, '=') && !strstr(text, "://")) {
        err_set(e, ERR_CONFIG, "%s: no such file, and not a connection string either", text);
        return NULL;
    }
    struct props *p = props_new();
    *name = xstrdup("check");
    props_set(p, "topic.prefix", "check");
    if (config_take_conninfo(p, text, e))
        return p;
    props_free(p);
    return NULL;
}

static int run_command(const char *target, const char *worker_path)
{
    struct err e = {0};
    char *name = NULL;
    struct props *worker = worker_path ? settings_read(worker_path, &e) : NULL;
    struct props *connector = worker_path && !worker ? NULL : read_target(target, &name, &e);
    int code = 2;
    if (connector)
        code = preflight_run(name, connector, worker, stdout) ? 1 : 0;
    else
        fprintf(stderr, "walwire check: %s\n", e.text);
    props_free(connector);
    props_free(worker);
    free(name);
    return code;
}

static const char usage[] = "Usage: walwire check FILE|CONNINFO [--worker WORKER.properties]\n\n"
                            "Tells what would stand in a connector's way, and below each finding the command "
                            "that mends it. FILE is a\n"
                            "connector's JSON or properties; CONNINFO is libpq's, such as \"host=db "
                            "dbname=shop user=walwire\". With a worker\n"
                            "file Kafka and the stored positions are checked too. Nothing is changed. Exits "
                            "with 0 when nothing fails, 1 when\n"
                            "something does, 2 when the command is wrong.\n";

int preflight_main(int argc, char **argv)
{
    const char *target = NULL, *worker = NULL;
    bool bad = false, help = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--worker") == 0 && i + 1 < argc)
            worker = argv[++i];
        else if (command_asks_help(argv[i]))
            help = true;
        else if (!target && argv[i][0] != '-')
            target = argv[i];
        else
            bad = true;
    }
    if (help || !target || bad) {
        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    return run_command(target, worker);
}
