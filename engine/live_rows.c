/* live_rows.c - reads a table in one REPEATABLE READ transaction, whose visibility the hub joins to the
 * stream.
 *
 * Several may be open at a time, each with a session of its own: whose client has enough to read, or has not
 * asked for more, waits while others are read on, a batch each in turn. A table may be locked, or take long
 * to be searched, and a connector that is to end waits for this thread: what the server is at is ended when
 * nobody wants its rows any more. */
#include "live_rows.h"

#include "catalog.h"
#include "json.h"
#include "log.h"
#include "pg.h"
#include "ring.h"
#include "row_json.h"
#include "sql.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TAKE_MS     200
#define FETCH_ROWS  500 /* at most: as many as make about FETCH_BYTES */
#define FETCH_FIRST 50
#define FETCH_BYTES (128 << 10)
#define TRIES_MOST  5 /* to take a snapshot on a standby while nothing is replayed */

/* A snapshot that is open. */
struct reading {
    struct reading *next;
    struct hub_request asked;
    PGconn *conn;
    struct types *types;
    struct arena arena;
    struct row_style *styles; /* by column; NULL before the first row */
    int rows;                 /* of the next batch */
};

struct live_rows {
    struct hub *hub;
    const struct config *config;
    int source, wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    struct reading *open;
    struct buf text; /* of one batch */
};

/* ---- visibility ---- */

/* "xmin:xmax:xip,xip" as pg_current_snapshot() prints it. The list is the caller's to free. */
static struct hub_visibility parse_visibility(const PGresult *res, uint64_t **list)
{
    char *at = PQgetvalue(res, 0, 0);
    struct hub_visibility v = {0};
    v.xmin = strtoull(at, &at, 10);
    v.xmax = strtoull(at + (*at == ':'), &at, 10);
    at += *at == ':';
    uint64_t *xip = xcalloc(strlen(at) / 2 + 2, sizeof *xip);
    while (*at) {
        xip[v.n_xip++] = strtoull(at, &at, 10);
        at += *at == ',';
    }
    v.xip = *list = xip;
    (void)lsn_parse(slice_of(PQgetvalue(res, 0, 1)), &v.insert_lsn);
    v.wal_segment_bytes = (uint32_t)strtoul(PQgetvalue(res, 0, 2), NULL, 10);
    return v;
}

/* Where a standby's replay stands; 0: the server is none. */
static lsn_t replayed(PGconn *conn, struct err *e)
{
    lsn_t at = 0;
    char *text = pg_on_standby(conn) ? pg_scalar(conn, e, "SELECT pg_last_wal_replay_lsn()") : NULL;
    if (text)
        (void)lsn_parse(slice_of(text), &at);
    free(text);
    return at;
}

/* Begins the transaction. In recovery pg_current_snapshot() lists nothing that is in progress. Whatever was
 * commits behind the replay position of before: with that one, nothing is taken for seen that is not. */
static PGresult *take_snapshot(PGconn *conn, lsn_t *before, struct err *e)
{
    for (int tries = 1;; tries++) {
        lsn_t after = 0;
        *before = replayed(conn, e);
        if (e->kind || !pg_run(conn, e, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            return NULL;
        PGresult *res = pg_query(conn, e, SQL_LIVE_SNAPSHOT, 0, NULL);
        if (!res || !*before || tries == TRIES_MOST ||
            (lsn_parse(slice_of(PQgetvalue(res, 0, 1)), &after) && after == *before))
            return res;
        PQclear(res);
        if (!pg_run(conn, e, "ROLLBACK"))
            return NULL;
    }
}

/* The hub waits here for the stream; the pipeline, woken, asks the server where it stands (hub_waits). */
static enum hub_verdict begin_rows(struct live_rows *r, PGconn *conn, uint64_t request, struct err *e)
{
    lsn_t before;
    PGresult *res = take_snapshot(conn, &before, e);
    if (!res)
        return HUB_CANCELLED;
    uint64_t *list;
    struct hub_visibility v = parse_visibility(res, &list);
    PQclear(res);
    if (before)
        v.insert_lsn = before;
    wake_signal(r->wake_fd);
    enum hub_verdict verdict = hub_rows_begin(r->hub, request, &v);
    free(list);
    return verdict;
}

/* ---- rows ---- */

/* "SELECT ... FROM ...". The stream tells of a column that was dropped, or has another name, with the table's
 * next change, and browsers are reset then. Until then it is left out: it is not in the table any more. */
static bool select_put(PGconn *conn, const struct hub_request *q, struct buf *sql, struct err *e)
{
    struct buf names = BUF_EMPTY;
    buf_char(&names, '[');
    for (size_t i = 0; i < q->n_columns; i++) {
        json_comma(&names);
        json_string(&names, slice_of(q->columns[i]));
    }
    buf_char(&names, ']');
    PGresult *res = pg_query(conn, e, SQL_TABLE_BY_NAME, 2, (const char *[]){q->table, names.ptr});
    bool found = res && PQntuples(res) && !PQgetisnull(res, 0, 1);
    if (found)
        buf_printf(sql, "SELECT %s FROM %s", PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 0));
    else if (res)
        err_set(e, ERR_CONFIG, "table %s is gone", q->table);
    PQclear(res);
    buf_free(&names);
    return found;
}

struct asked {
    struct live_rows *rows;
    uint64_t request;
};

static bool is_unwanted(void *ctx)
{
    const struct asked *a = ctx;
    return atomic_load(&a->rows->stop) || !hub_rows_wanted(a->rows->hub, a->request);
}

static bool declare_cursor(struct live_rows *r, PGconn *conn, const struct hub_request *q, struct err *e)
{
    struct asked asked = {r, q->id};
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "DECLARE walwire_rows NO SCROLL CURSOR FOR ");
    bool ok = select_put(conn, q, &sql, e);
    if (ok && q->where)
        buf_printf(&sql, " WHERE %s", q->where);
    if (ok) {
        PGresult *res = pg_query_while(conn, e, sql.ptr, is_unwanted, &asked);
        ok = res;
        PQclear(res);
    }
    buf_free(&sql);
    return ok;
}

static void write_rows(struct buf *b, const PGresult *res, const struct row_style *styles)
{
    buf_reset(b);
    buf_char(b, '[');
    for (int row = 0; row < PQntuples(res); row++) {
        buf_str(b, row ? ",{" : "{");
        for (int col = 0; col < PQnfields(res); col++) {
            if (col)
                buf_char(b, ',');
            json_string(b, slice_of(PQfname(res, col)));
            buf_char(b, ':');
            if (PQgetisnull(res, row, col))
                BUF_LIT(b, "null");
            else
                row_json(b, styles[col],
                         (struct slice){PQgetvalue(res, row, col), (size_t)PQgetlength(res, row, col)});
        }
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

static struct row_style *styles_of(const PGresult *res, const struct types *types, struct arena *a)
{
    struct row_style *styles = arena_alloc(a, sizeof *styles * ((size_t)PQnfields(res) + 1));
    for (int i = 0; i < PQnfields(res); i++)
        styles[i] = row_style_of(types, PQftype(res, i), a);
    return styles;
}

/* As many rows as make a message of a good size, judged by those before. */
static int rows_next(int before, size_t bytes)
{
    size_t most = (size_t)before * 4, fit = (size_t)before * FETCH_BYTES / (bytes + 1);
    fit = fit < most ? fit : most;
    return fit > FETCH_ROWS ? FETCH_ROWS : fit < 1 ? 1 : (int)fit;
}

/* The next batch. *more: there may be another, and somebody wants it. */
static bool send_rows(struct live_rows *r, struct reading *x, bool *more, struct err *e)
{
    char fetch[60];
    struct asked asked = {r, x->asked.id};
    snprintf(fetch, sizeof fetch, "FETCH %d FROM walwire_rows", x->rows);
    PGresult *res = pg_query_while(x->conn, e, fetch, is_unwanted, &asked);
    int n = res ? PQntuples(res) : 0;
    bool ok = res != NULL;
    *more = n == x->rows;
    if (n && !x->styles)
        x->styles = styles_of(res, x->types, &x->arena);
    if (n)
        write_rows(&r->text, res, x->styles);
    PQclear(res);
    if (n && !hub_rows(r->hub, x->asked.id, buf_view(&r->text), (size_t)n))
        *more = false;
    if (n)
        x->rows = rows_next(n, r->text.len);
    if (r->text.len > 8 * FETCH_BYTES)
        buf_free(&r->text);
    return ok;
}

/* The stream reaches the WAL position that the rows belong to only when that WAL is flushed, which on a quiet
 * server may take long: a commit of our own flushes it. A standby cannot, and need not. */
static void flush_wal(PGconn *conn)
{
    struct err ignored = {0};
    if (pg_run(conn, &ignored, "ROLLBACK") && pg_run(conn, &ignored, "BEGIN"))
        (void)(pg_run(conn, &ignored, "SELECT txid_current()") && pg_run(conn, &ignored, "COMMIT"));
}

/* Whoever waits for rows is told soon that the table is locked; a commit waits for no other server. */
static bool session_set(PGconn *conn, struct err *e)
{
    return pg_run(conn, e, "SET lock_timeout = '5s'") && pg_run(conn, e, "SET synchronous_commit = local");
}

static PGconn *rows_connect(const struct live_rows *r, struct err *e)
{
    struct buf info = BUF_EMPTY;
    config_conninfo(r->config, "walwire live rows", false, &info);
    PGconn *conn = pg_connect(info.ptr, e);
    explicit_bzero(info.ptr, info.len);
    buf_free(&info);
    return conn;
}

/* The transaction that reads cannot: it would end. */
static void flush_beside(const struct live_rows *r)
{
    struct err ignored = {0};
    PGconn *conn = rows_connect(r, &ignored);
    if (conn && session_set(conn, &ignored))
        flush_wal(conn);
    PQfinish(conn);
}

/* Up to where rows can be fetched. *wanted: they are. */
static bool reading_begin(struct live_rows *r, struct reading *x, bool *wanted, struct err *e)
{
    const struct hub_request *q = &x->asked;
    enum hub_verdict verdict = HUB_AGAIN;
    bool ok = session_set(x->conn, e) && catalog_types(x->conn, x->types, NULL, e);
    while (ok && verdict == HUB_AGAIN) {
        verdict = begin_rows(r, x->conn, q->id, e);
        ok = e->kind == ERR_NONE && (verdict != HUB_AGAIN || pg_run(x->conn, e, "ROLLBACK"));
    }
    *wanted = ok && verdict == HUB_GO;
    if (*wanted && q->place_first && hub_waits(r->hub, r->source))
        flush_beside(r);
    return ok && (!*wanted || declare_cursor(r, x->conn, q, e));
}

static void reading_end(struct live_rows *r, struct reading *x, bool ok, const struct err *e)
{
    struct reading **at = &r->open;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (ok)
        flush_wal(x->conn);
    if (!ok && !is_unwanted(&(struct asked){r, x->asked.id}))
        log_warn("reading %s for a browser: %s", x->asked.table, e->text);
    PQfinish(x->conn); /* before the next one may have its place */
    if (ok)
        hub_rows_end(r->hub, x->asked.id);
    else
        hub_rows_fail(r->hub, x->asked.id, "the table cannot be read now", e->kind == ERR_RETRY);
    types_free(x->types);
    arena_free(&x->arena);
    free(x);
}

static void reading_new(struct live_rows *r, const struct hub_request *q)
{
    struct err e = {0};
    bool wanted = false;
    struct reading *x = xcalloc(1, sizeof *x);
    x->asked = *q;
    x->rows = FETCH_FIRST;
    x->types = types_new();
    x->next = r->open;
    r->open = x;
    x->conn = rows_connect(r, &e);
    bool ok = x->conn && reading_begin(r, x, &wanted, &e);
    if (!wanted || !ok)
        reading_end(r, x, ok, &e);
}

static void reading_go_on(struct live_rows *r, uint64_t request)
{
    struct err e = {0};
    bool more = false;
    struct reading *x = r->open;
    while (x->asked.id != request)
        x = x->next;
    bool ok = hub_rows_wanted(r->hub, request) ? send_rows(r, x, &more, &e)
                                               : err_set(&e, ERR_RETRY, "nobody waits");
    if (!more || !ok)
        reading_end(r, x, ok, &e);
}

static void *rows_run(void *arg)
{
    struct live_rows *r = arg;
    struct hub_request q;
    bool again;
    log_set_context(r->config->label);
    while (!atomic_load(&r->stop))
        if (hub_request_next(r->hub, r->source, TAKE_MS, &q, &again)) {
            if (again)
                reading_go_on(r, q.id);
            else
                reading_new(r, &q);
        }
    while (r->open)
        reading_end(r, r->open, false, &(struct err){.kind = ERR_RETRY});
    buf_free(&r->text);
    return NULL;
}

struct live_rows *live_rows_new(struct hub *hub, int source, const struct config *config, int wake_fd)
{
    struct live_rows *r = xcalloc(1, sizeof *r);
    r->hub = hub;
    r->config = config;
    r->source = source;
    r->wake_fd = wake_fd;
    r->started = pthread_create(&r->thread, NULL, rows_run, r) == 0;
    if (!r->started)
        log_error("%s: the thread that reads tables for browsers cannot be started", config->label);
    return r;
}

void live_rows_free(struct live_rows *r)
{
    if (!r)
        return;
    atomic_store(&r->stop, true);
    if (r->started)
        pthread_join(r->thread, NULL);
    free(r);
}
