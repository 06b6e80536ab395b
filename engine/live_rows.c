/* live_rows.c - reads a table in one REPEATABLE READ transaction, whose visibility the hub joins to the
 * stream.
 *
 * Several may be open at a time, each with a session of its own: whose client has enough to read, or has not
 * asked for more, waits while others are read on, a batch each in turn. A table may be locked, or take long
 * to be searched: others are read meanwhile, since what they have open holds up whoever wants to alter their
 * tables. A connector that is to end waits for this thread: what the server is at is ended when nobody wants
 * its rows any more. */
#include "live_rows.h"

#include "catalog.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "pg.h"
#include "ring.h"
#include "row_json.h"
#include "sql.h"
#include "xmalloc.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TAKE_MS     200
#define FETCH_ROWS  500 /* at most: as many as make about FETCH_BYTES */
#define FETCH_FIRST 50
#define FETCH_BYTES (128 << 10)
#define ANSWER_MS   10 /* so long the server's answer for one is waited for, before others are looked at */
#define TRIES_MOST  5  /* to take a snapshot on a standby while nothing is replayed */

/* A snapshot that is open. */
struct reading {
    struct reading *next;
    struct hub_request asked;
    PGconn *conn;
    struct types *types;
    struct arena arena;
    struct row_style *styles; /* by column; NULL before the first row */
    int rows;                 /* of the next batch */
    struct buf select;        /* of its cursor */
    bool open;                /* the cursor is there */
    bool busy;                /* the server is at a statement */
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

/* Those rows that the client wants, of those whose changes there are. */
static void where_put(struct buf *sql, const char *published, const char *wanted)
{
    if (published)
        buf_printf(sql, " WHERE (%s)%s", published, wanted ? " AND " : "");
    else if (wanted)
        BUF_LIT(sql, " WHERE ");
    if (wanted)
        buf_printf(sql, "(%s)", wanted);
}

/* "SELECT ... FROM ... WHERE ...". The stream tells of a column that was dropped, or has another name, with
 * the table's next change, and browsers are reset then. Until then it is left out: it is not in the table any
 * more. */
static bool select_put(PGconn *conn, const struct hub_request *q, const char *publication, struct buf *sql,
                       struct err *e)
{
    enum { TABLE, COLUMNS, ROWS };
    struct buf names = BUF_EMPTY;
    buf_char(&names, '[');
    for (size_t i = 0; i < q->n_columns; i++) {
        json_comma(&names);
        json_string(&names, slice_of(q->columns[i]));
    }
    buf_char(&names, ']');
    const char *params[] = {q->table, names.ptr, publication};
    PGresult *res = pg_query(conn, e, SQL_TABLE_BY_NAME, 3, params);
    bool found = res && PQntuples(res) && !PQgetisnull(res, 0, COLUMNS);
    if (found) {
        buf_printf(sql, "SELECT %s FROM %s", PQgetvalue(res, 0, COLUMNS), PQgetvalue(res, 0, TABLE));
        where_put(sql, pg_cell(res, 0, ROWS), q->where);
    } else if (res)
        err_set(e, ERR_CONFIG, "table %s is gone", q->table);
    PQclear(res);
    buf_free(&names);
    return found;
}

/* Does not wait: the table may be locked, by what itself waits for a client in the middle of its rows, or
 * take long to be searched. */
static bool statement_ask(struct reading *x, const char *sql, struct err *e)
{
    x->busy = pg_ask(x->conn, sql, 0, NULL) || pg_error(x->conn, NULL, e, "asking for rows");
    return x->busy;
}

/* False: the server is still at it. */
static bool statement_answered(struct reading *x, PGresult **res)
{
    struct pollfd fd = {PQsocket(x->conn), POLLIN, 0};
    for (int64_t now = clock_mono_ms(), until = now + ANSWER_MS; !pg_answered(x->conn, res);) {
        if ((now = clock_mono_ms()) >= until)
            return false;
        poll(&fd, 1, (int)(until - now));
    }
    for (PGresult *more; (more = PQgetResult(x->conn));) /* to its end, which comes with it */
        PQclear(more);
    x->busy = false;
    return true;
}

/* TRUNCATE, and an ALTER TABLE that writes the rows anew, are not hidden from an older snapshot: the table is
 * empty to it, and of such an ALTER the stream tells no rows. Behind the cursor's lock there can be none. */
static bool is_as_seen(PGconn *conn, const struct hub_request *q, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_TABLE_REPLACED, 1, &q->table);
    bool replaced = res && PQntuples(res);
    PQclear(res);
    return res && (!replaced || err_set(e, ERR_RETRY, "its rows were written anew, or truncated, meanwhile"));
}

static bool cursor_ask(const struct live_rows *r, struct reading *x, struct err *e)
{
    if (!select_put(x->conn, &x->asked, r->config->publication_name, &x->select, e))
        return false;
    char *sql = xasprintf("DECLARE walwire_rows NO SCROLL CURSOR FOR %s", x->select.ptr);
    bool ok = statement_ask(x, sql, e);
    free(sql);
    return ok;
}

/* Its columns are others than when the cursor was asked for. */
static bool is_altered(const struct live_rows *r, const struct reading *x)
{
    struct err ignored = {0};
    struct buf now = BUF_EMPTY;
    bool altered = pg_run(x->conn, &ignored, "ROLLBACK") &&
                   select_put(x->conn, &x->asked, r->config->publication_name, &now, &ignored) &&
                   !slice_eq(buf_view(&now), buf_view(&x->select));
    buf_free(&now);
    return altered;
}

static bool cursor_take(const struct live_rows *r, struct reading *x, const PGresult *res, struct err *e)
{
    x->open = PQresultStatus(res) == PGRES_COMMAND_OK || pg_error(x->conn, res, e, "opening a cursor");
    if (!x->open && e->kind == ERR_CONFIG && is_altered(r, x))
        e->kind = ERR_RETRY;
    return x->open && is_as_seen(x->conn, &x->asked, e);
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

static bool rows_ask(struct reading *x, struct err *e)
{
    char fetch[60];
    snprintf(fetch, sizeof fetch, "FETCH %d FROM walwire_rows", x->rows);
    return statement_ask(x, fetch, e);
}

/* The next batch. *more: there may be another, and somebody wants it. */
static bool rows_take(struct live_rows *r, struct reading *x, const PGresult *res, bool *more, struct err *e)
{
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return pg_error(x->conn, res, e, "reading rows");
    int n = PQntuples(res);
    *more = n == x->rows;
    if (n && !x->styles)
        x->styles = styles_of(res, x->types, &x->arena);
    if (n)
        write_rows(&r->text, res, x->styles);
    if (n && !hub_rows(r->hub, x->asked.id, buf_view(&r->text), (size_t)n))
        *more = false;
    if (n)
        x->rows = rows_next(n, r->text.len);
    if (r->text.len > 8 * FETCH_BYTES)
        buf_free(&r->text);
    return true;
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
    return ok && (!*wanted || cursor_ask(r, x, e));
}

static void reading_end(struct live_rows *r, struct reading *x, bool ok, const struct err *e)
{
    struct reading **at = &r->open;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (ok)
        flush_wal(x->conn);
    if (!ok && !atomic_load(&r->stop) && hub_rows_wanted(r->hub, x->asked.id))
        log_warn("reading %s for a browser: %s", x->asked.table, e->text);
    if (x->busy)
        pg_give_up(x->conn);
    PQfinish(x->conn); /* before the next one may have its place */
    if (ok)
        hub_rows_end(r->hub, x->asked.id);
    else
        hub_rows_fail(r->hub, x->asked.id, "the table cannot be read now", e->kind == ERR_RETRY);
    types_free(x->types);
    arena_free(&x->arena);
    buf_free(&x->select);
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
    PGresult *res;
    bool more = true;
    struct reading *x = r->open;
    while (x->asked.id != request)
        x = x->next;
    bool ok = (hub_rows_wanted(r->hub, request) || err_set(&e, ERR_RETRY, "nobody waits")) &&
              (x->busy || rows_ask(x, &e));
    if (ok && statement_answered(x, &res)) {
        ok = x->open ? rows_take(r, x, res, &more, &e) : cursor_take(r, x, res, &e);
        PQclear(res);
    }
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
