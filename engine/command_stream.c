/* command_stream.c - changes to stdout from a temporary slot: one command, no configuration, nothing left
 * behind.
 *
 * The slot goes with its connection. The publication is ours by its name and an advisory lock held while we
 * live, so that the next run can drop what a killed one has left. Tables without a usable replica identity
 * are published for inserts and truncates only: otherwise publishing them would make the application's own
 * updates and deletes fail. */
#include "catalog.h"
#include "command.h"
#include "config.h"
#include "connector.h"
#include "log.h"
#include "security.h"
#include "sink.h"
#include "sql.h"
#include "xmalloc.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 3000

static const char help[] =
    "Usage: walwire stream CONNINFO [--table SCHEMA.TABLE ...] [--snapshot] [--set NAME=VALUE ...] "
    "[--verbose]\n\n"
    "Prints each change as one JSON line (Debezium's envelope) until interrupted.\n\n"
    "  CONNINFO              'postgresql://user@host:port/database' or 'host=... dbname=...'\n"
    "  --table SCHEMA.TABLE  only this table; may be repeated. Without it: all tables\n"
    "  --snapshot            first the rows that are there, as op \"r\"\n"
    "  --set NAME=VALUE      any connector option, such as decimal.handling.mode=string\n"
    "  --verbose             say what is being done\n\n"
    "Needs wal_level=logical, the REPLICATION privilege, CREATE on the database, and ownership of the tables "
    "(a superuser has\n"
    "all of it). A temporary slot and publication are used and gone afterwards; after kill -9 the next run "
    "removes the\n"
    "publication.\n";

struct streaming {
    struct props *props, *worker;
    char **asked; /* schema.table of each --table */
    size_t n_asked;
    char name[64]; /* slot and publication */
    PGconn *conn;  /* holds the lock */
    struct buf publications;
};

/* ---- options ---- */

static void ask_table(struct streaming *s, const char *name)
{
    s->asked = xrealloc(s->asked, (s->n_asked + 1) * sizeof *s->asked);
    s->asked[s->n_asked++] = strchr(name, '.') ? xstrdup(name) : xasprintf("public.%s", name);
}

/* A plain name as an expression that matches it alone. */
static void add_table(struct buf *list, const char *name)
{
    buf_str(list, list->len ? "," : "");
    for (; *name; name++) {
        if (strchr(".\\+*?[^]$(){}=!<>|:-#,", *name))
            buf_char(list, '\\');
        buf_char(list, *name);
    }
}

static bool set_option(struct props *p, const char *text, struct err *e)
{
    const char *eq = strchr(text, '=');
    if (!eq)
        return err_set(e, ERR_CONFIG, "--set %s: write NAME=VALUE", text);
    char *name = xstrndup(text, (size_t)(eq - text));
    props_set(p, name, eq + 1);
    free(name);
    return true;
}

static void set_presets(struct streaming *s)
{
    snprintf(s->name, sizeof s->name, "walwire_stream_%d_%ld", (int)getpid(), (long)time(NULL));
    props_set(s->props, "connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    props_set(s->props, "plugin.name", "pgoutput");
    props_set(s->props, "slot.name", s->name);
    props_set(s->props, "publication.name", s->name);
    props_set(s->props, "publication.autocreate.mode", "disabled");
    props_set(s->props, "topic.prefix", "walwire");
    props_set(s->props, "snapshot.mode", "no_data");
    props_set(s->props, "errors.max.retries", "0"); /* a new temporary slot would leave a gap */
    props_set(s->worker, "value.converter.schemas.enable", "false");
    props_set(s->worker, "key.converter.schemas.enable", "false");
}

/* Returns -1 to go on, otherwise the exit status. */
static int read_args(struct streaming *s, int argc, char **argv, struct err *e)
{
    static const struct option longs[] = {
        {"table", required_argument, NULL, 't'}, {"snapshot", no_argument, NULL, 's'},
        {"set", required_argument, NULL, 'S'},   {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},        {0}};
    set_presets(s);
    log_set_level(LOG_WARN);
    for (int c; (c = getopt_long(argc, argv, "t:sS:vh", longs, NULL)) != -1;) {
        if (c == 't')
            ask_table(s, optarg);
        else if (c == 's')
            props_set(s->props, "snapshot.mode", "initial");
        else if (c == 'v')
            log_set_level(LOG_INFO);
        else if (c == 'S' && !set_option(s->props, optarg, e))
            return command_fail(e);
        else if (c == 'h' || c == '?') {
            fputs(help, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (optind + 1 != argc) {
        fputs(help, stderr);
        return 2;
    }
    struct buf list = BUF_EMPTY;
    for (size_t i = 0; i < s->n_asked; i++)
        add_table(&list, s->asked[i]);
    if (list.len)
        props_set(s->props, "table.include.list", list.ptr);
    buf_free(&list);
    return config_take_conninfo(s->props, argv[optind], e) ? -1 : command_fail(e);
}

/* ---- publications ---- */

static bool run_printf(PGconn *conn, struct err *e, const char *verb, const char *name, const char *rest)
{
    struct buf sql = BUF_EMPTY;
    buf_str(&sql, verb);
    pg_ident(&sql, name);
    buf_str(&sql, rest);
    bool ok = pg_run(conn, e, sql.ptr);
    buf_free(&sql);
    return ok;
}

static bool drop_stale(PGconn *conn, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_STREAM_STALE, 0, NULL);
    for (int i = 0; res && i < PQntuples(res); i++) {
        struct err why = {0};
        if (run_printf(conn, &why, "DROP PUBLICATION IF EXISTS ", PQgetvalue(res, i, 0), ""))
            log_info("dropped publication %s that a former run left", PQgetvalue(res, i, 0));
        else
            log_warn("%s", why.text);
    }
    PQclear(res);
    return res && pg_run(conn, e, "SELECT pg_advisory_unlock_all()");
}

/* What may be updated and deleted without the server's refusal. */
static bool has_identity(const struct table *t)
{
    return t->identity == 'f' || t->identity == 'i' || (t->identity == 'd' && t->has_primary_key);
}

static bool publish(struct streaming *s, const struct tables *tables, bool identity, const char *suffix,
                    const char *options, struct err *e)
{
    struct buf list = BUF_EMPTY;
    for (size_t i = 0; i < tables->count; i++) {
        if (has_identity(&tables->list[i]) != identity)
            continue;
        buf_str(&list, list.len ? ", " : " FOR TABLE ");
        pg_table(&list, tables->list[i].schema, tables->list[i].name);
    }
    bool ok = true;
    if (list.len) {
        char *name = xasprintf("%s%s", s->name, suffix);
        buf_str(&list, options);
        ok = run_printf(s->conn, e, "CREATE PUBLICATION ", name, list.ptr);
        buf_str(&s->publications, s->publications.len ? "," : "");
        pg_ident(&s->publications, name);
        free(name);
    }
    buf_free(&list);
    return ok;
}

static bool has_table(const struct tables *tables, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < tables->count && !found; i++) {
        char *full = xasprintf("%s.%s", tables->list[i].schema, tables->list[i].name);
        found = strcasecmp(full, name) == 0; /* as expressions match */
        free(full);
    }
    return found;
}

static bool check_tables(const struct streaming *s, const struct tables *tables, struct err *e)
{
    for (size_t i = 0; i < s->n_asked; i++)
        if (!has_table(tables, s->asked[i]))
            return err_set(e, ERR_CONFIG, "there is no table %s in database %s: write --table schema.table",
                           s->asked[i], PQdb(s->conn));
    return tables->count ||
           err_set(e, ERR_CONFIG, "there is no table to stream in database %s", PQdb(s->conn));
}

static bool publish_all(struct streaming *s, const struct tables *tables, struct err *e)
{
    if (!check_tables(s, tables, e))
        return false;
    for (size_t i = 0; i < tables->count; i++)
        if (!has_identity(&tables->list[i]))
            log_warn("%s.%s has no replica identity: only its inserts and truncates are shown (ALTER TABLE "
                     "... REPLICA IDENTITY FULL shows all)",
                     tables->list[i].schema, tables->list[i].name);
    return publish(s, tables, true, "", "", e) &&
           publish(s, tables, false, "_inserts", " WITH (publish = 'insert,truncate')", e);
}

static bool open_publications(struct streaming *s, struct err *e)
{
    struct config *config = config_new(s->name, s->props, s->worker, e);
    if (!config)
        return false;
    struct buf info = BUF_EMPTY;
    struct tables tables = {0};
    config_conninfo(config, "walwire stream", false, &info);
    bool ok = (s->conn = pg_connect(info.ptr, e)) && drop_stale(s->conn, e);
    if (ok) {
        char *lock = xasprintf("SELECT pg_advisory_lock(hashtext('%s'))", s->name);
        ok = pg_run(s->conn, e, lock) && catalog_tables(s->conn, config, &tables, e) &&
             publish_all(s, &tables, e);
        free(lock);
    }
    tables_free(&tables);
    explicit_bzero(info.ptr, info.len);
    buf_free(&info);
    config_free(config);
    return ok;
}

static void drop_publications(struct streaming *s)
{
    struct err ignored = {0};
    char *inserts = xasprintf("%s_inserts", s->name);
    if (s->conn) {
        (void)run_printf(s->conn, &ignored, "DROP PUBLICATION IF EXISTS ", s->name, "");
        (void)run_printf(s->conn, &ignored, "DROP PUBLICATION IF EXISTS ", inserts, "");
        PQfinish(s->conn);
    }
    free(inserts);
}

/* ---- running ---- */

/* As after `| head -1`: no change has to come first for this to be noticed. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* Until a signal (0), until nobody reads any more (0), or until the connector gives up (1). */
static int follow(struct connector *c)
{
    while (!command_wait_signal(100) && !reader_is_gone()) {
        struct connector_status status;
        connector_status(c, &status);
        if (status.state != STATE_FAILED)
            continue;
        if (strstr(status.trace, "stdout was closed"))
            return 0;
        fprintf(stderr, "walwire: %s\n", status.trace);
        return 1;
    }
    return 0;
}

static int run(struct streaming *s)
{
    struct err e = {0};
    if (!open_publications(s, &e))
        return command_fail(&e);
    const struct connector_env env = {.worker = s->worker,
                                      .worker_id = "stream",
                                      .sink = &stdout_sink,
                                      .temporary = true,
                                      .publications = s->publications.ptr};
    struct connector *c = connector_new(&env, s->name, s->props, &e);
    if (!c)
        return command_fail(&e);
    connector_start(c);
    int status = follow(c);
    connector_stop(c);
    if (!connector_wait(c, STOP_MS)) { /* a reader that takes nothing, such as a pager, holds it up */
        drop_publications(s);
        _exit(status);
    }
    connector_free(c);
    return status;
}

int command_stream(int argc, char **argv)
{
    struct err e = {0};
    struct streaming s = {.props = props_new(), .worker = props_new()};
    security_undumpable();
    int status = read_args(&s, argc, argv, &e);
    if (status < 0) {
        command_block_signals();
        status = run(&s);
    }
    drop_publications(&s);
    props_free(s.props);
    props_free(s.worker);
    for (size_t i = 0; i < s.n_asked; i++)
        free(s.asked[i]);
    free(s.asked);
    buf_free(&s.publications);
    return status;
}
