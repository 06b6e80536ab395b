/* snapshot.c - the initial snapshot: every row of every table, in the slot's own snapshot, each with its
 * marker.
 *
 * Sessions beside the pipeline's own read the tables (scan.h) in the snapshot that the pipeline's transaction
 * exports; it stays open until they are done. This thread encodes what they bring. The last row of a table is
 * marked, and the last of all: a row that may be one is held until the next one is there. Of each batch that
 * can only be its last row. */
#include "snapshot_plan.h"

#include "clock.h"
#include "copy_text.h"
#include "failpoint.h"
#include "log.h"
#include "readings.h"
#include "row_size.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>

#define PROGRESS_MS 10000
#define WAIT_MS     1000
#define LOOK_ROWS   1024 /* delivery reports and a wish to stop are looked for after so many rows */

struct reading {
    struct pipeline *p;
    struct snapshot_plan plan;
    struct scan *scan;
    struct snapshot_table *ended; /* its last row is still held: the last of all, if no other comes */
    struct cell *cells;
    size_t n_cells;
    size_t items_left;
    uint64_t rows;
    int64_t told_ms;
};

/* ---- rows ---- */

static void tell_progress(struct reading *r, const struct snapshot_table *t)
{
    struct pipeline_face *face = r->p->face;
    pthread_mutex_lock(&face->mutex);
    face->status.events = r->p->events;
    face->status.bytes = r->p->bytes;
    pthread_mutex_unlock(&face->mutex);
    readings_table(r->p, t->rel, t->rows, false);
    if (clock_mono_ms() - r->told_ms < PROGRESS_MS)
        return;
    r->told_ms = clock_mono_ms();
    log_info("snapshot of %s.%s: %llu rows so far", t->rel->schema, t->rel->name,
             (unsigned long long)t->rows);
}

static bool look_around(struct reading *r, struct err *e)
{
    if (!claim_kept(r->p, false, e) || !r->p->sink_type->poll(r->p->sink, e) ||
        (r->p->exact.on && !checkpoint_tick(r->p, false, e)))
        return false;
    return !pipeline_stopping(r->p) ||
           err_set(e, ERR_RETRY, "stopped during the snapshot: it starts again with the connector");
}

/* With one reader as Debezium: an empty first table takes the `first` with it. */
static bool is_first(const struct reading *r, const struct snapshot_table *t)
{
    return r->rows == 0 && (r->plan.n_readers > 1 || t == r->plan.tables);
}

static const char *marker(const struct reading *r, const struct snapshot_table *t, bool last_of_table,
                          bool last)
{
    if (last)
        return "last";
    if (is_first(r, t))
        return "first";
    if (last_of_table)
        return "last_in_data_collection";
    return t->rows == 0 ? "first_in_data_collection" : "true";
}

/* Returns the position behind the row, or NULL. */
static char *publish(struct reading *r, struct snapshot_table *t, char *at, char *end, const char *mark,
                     struct err *e)
{
    char *begin = at;
    at = copy_text_row(at, end, r->cells, t->rel->n_columns, e);
    struct source *source = &r->p->source;
    struct change change = {.op = OP_READ,
                            .lsn = source->lsn,
                            .size = at ? (size_t)(at - begin) : 0,
                            .relation = t->rel,
                            .after = r->cells};
    source->snapshot = mark;
    source->ts_us = t->ts_us;
    if (!at || !pipeline_row(r->p, &change, t->rel, e)) {
        err_prefix(e, "snapshot of %s.%s", t->rel->schema, t->rel->name);
        return NULL;
    }
    t->rows++;
    if (FAILPOINT_ERROR("snapshot-row", e))
        return NULL;
    if (++r->rows % LOOK_ROWS == 0) {
        if (!look_around(r, e))
            return NULL;
        tell_progress(r, t);
    }
    return at;
}

static bool publish_held(struct reading *r, struct snapshot_table *t, bool last_of_table, bool last,
                         struct err *e)
{
    if (!t->held.len)
        return true;
    char *at = t->held.ptr, *end = at + t->held.len;
    bool ok = publish(r, t, at, end, marker(r, t, last_of_table, last), e);
    buf_reset(&t->held);
    return ok;
}

/* Another row has come: what was held is not the last. */
static bool release_held(struct reading *r, struct snapshot_table *t, struct err *e)
{
    struct snapshot_table *ended = r->ended;
    r->ended = NULL;
    return (!ended || publish_held(r, ended, true, false, e)) && publish_held(r, t, false, false, e);
}

static bool publish_rows(struct reading *r, struct snapshot_table *t, struct buf *rows, struct err *e)
{
    if (!t->ts_us)
        t->ts_us = clock_wall_us();
    if (!rows->len)
        return true;
    char *at = rows->ptr, *end = at + rows->len;
    char *before = memrchr(at, '\n', rows->len - 1);
    char *last = before ? before + 1 : at;
    if (!release_held(r, t, e))
        return false;
    while (at && at < last)
        at = publish(r, t, at, last, marker(r, t, false, false), e);
    if (at)
        buf_append(&t->held, last, (size_t)(end - last));
    return at != NULL;
}

static bool end_table(struct reading *r, struct snapshot_table *t, struct err *e)
{
    readings_table(r->p, t->rel, t->rows + (t->held.len > 0), true);
    log_info("snapshot of %s.%s: %llu rows", t->rel->schema, t->rel->name,
             (unsigned long long)t->rows + (t->held.len > 0));
    if (!t->held.len)
        return true;
    struct snapshot_table *ended = r->ended;
    r->ended = t;
    return !ended || publish_held(r, ended, true, false, e);
}

static bool on_batch(struct reading *r, struct scan_batch *b, struct err *e)
{
    struct snapshot_table *t = &r->plan.tables[r->plan.items[b->item].table];
    if (b->end.kind) {
        *e = b->end;
        return err_prefix(e, "snapshot of %s.%s", t->table->schema, t->table->name);
    }
    if (b->replaced && t->items_left == 1 && !snapshot_whole(r->p, t->table, b->replaced, e))
        return false;
    if (!publish_rows(r, t, &b->bytes, e))
        return false;
    if (b->last)
        r->items_left--;
    return !b->last || --t->items_left > 0 || end_table(r, t, e);
}

/* ---- readers ---- */

static void wait_for_rows(struct pipeline *p, int64_t most_ms)
{
    struct pollfd fd = {p->face->wake_fd, POLLIN, 0};
    poll(&fd, 1, most_ms < WAIT_MS ? (int)most_ms : WAIT_MS);
    wake_clear(p->face->wake_fd);
}

static bool read_all(struct reading *r, struct err *e)
{
    int patience_ms = r->p->config->memory_max_mb ? SCAN_WATCH_MS : WAIT_MS;
    while (r->items_left) {
        scan_watch(r->scan);
        struct scan_batch *b = scan_take(r->scan);
        bool ok = !b || on_batch(r, b, e);
        if (b)
            scan_return(r->scan, b);
        if (!ok || !look_around(r, e))
            return false;
        if (!b)
            wait_for_rows(r->p, patience_ms);
    }
    return (!r->ended || publish_held(r, r->ended, true, true, e)) && !FAILPOINT_ERROR("snapshot-end", e);
}

/* From version 14 on a session looks now and then whether its client is still there; some systems cannot. */
static void watch_client(PGconn *conn)
{
    struct err ignored = {0};
    if (PQserverVersion(conn) >= 140000)
        (void)pg_run(conn, &ignored, "SET client_connection_check_interval = '1s'");
}

/* libpq's input buffer starts at 16 KiB, grows only for a large message, and then stays large. */
static bool grow_input_buffer(PGconn *conn, struct err *e)
{
    return pg_run(conn, e, "SELECT repeat('x', 1 << 20)");
}

static bool import_snapshot(PGconn *conn, const char *snapshot, struct err *e)
{
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "SET TRANSACTION SNAPSHOT ");
    pg_literal(&sql, snapshot);
    bool ok = pg_run(conn, e, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") && pg_run(conn, e, sql.ptr);
    buf_free(&sql);
    return ok;
}

static bool lock_at_once(PGconn *conn, const struct buf *locks, struct err *e)
{
    if (!locks->len)
        return true;
    char *sql = xasprintf("%s NOWAIT", locks->ptr);
    bool ok = pg_run(conn, e, sql);
    free(sql);
    return ok;
}

static PGconn *open_reader(struct reading *r, const char *snapshot, struct err *e)
{
    PGconn *conn = prepare_session(r->p, e);
    if (!conn)
        return NULL;
    watch_client(conn);
    if (pg_run(conn, e, "SET statement_timeout = 0") && grow_input_buffer(conn, e) &&
        import_snapshot(conn, snapshot, e) && lock_at_once(conn, &r->plan.locks, e))
        return conn;
    PQfinish(conn);
    return NULL;
}

static bool open_readers(struct reading *r, const char *snapshot, struct err *e)
{
    size_t n = r->plan.n_readers, open = 0;
    PGconn **readers = xcalloc(n + 1, sizeof(PGconn *));
    while (open < n && (readers[open] = open_reader(r, snapshot, e)))
        open++;
    const struct config *c = r->p->config;
    const struct scan_options o = {.items = r->plan.items,
                                   .n_items = r->plan.n_items,
                                   .wake_fd = r->p->face->wake_fd,
                                   .most_row = row_size_most(c),
                                   .memory_max_mb = c->memory_max_mb};
    if (open == n)
        r->scan = scan_open(readers, n, &o, e);
    else
        for (size_t i = 0; i < open; i++)
            PQfinish(readers[i]);
    free(readers);
    if (open == n)
        return r->scan;
    return err_prefix(e, "opening reader %zu of %zu (snapshot.max.threads)", open + 1, n);
}

static bool lock_tables(struct reading *r, struct err *e)
{
    struct pipeline *p = r->p;
    if (!r->plan.locks.len)
        return true;
    int ms = p->config->snapshot_lock_timeout_ms;
    char limit[64];
    snprintf(limit, sizeof limit, "SET LOCAL lock_timeout = %d", ms > 0 ? ms : 0);
    PGresult *res = pg_run(p->conn, e, limit) ? snapshot_query(p, r->plan.locks.ptr, 0, NULL, e) : NULL;
    PQclear(res);
    return (res && pg_run(p->conn, e, "SET LOCAL lock_timeout = 0")) ||
           err_prefix(e, "locking the snapshot's tables (snapshot.lock.timeout.ms)");
}

/* A table may have come while the slot was waiting for running transactions: what is in the slot's snapshot
 * is read, because its stream has it from there on. Other publications have only what was listed when they
 * were made. */
static bool list_tables_again(struct pipeline *p, struct err *e)
{
    if (p->config->slots > 1 || p->env->publications || p->config->publication_mode == PUBLICATION_FILTERED)
        return true;
    tables_free(&p->tables);
    return catalog_tables(p->conn, p->config, &p->tables, e);
}

static bool read_tables(struct reading *r, struct err *e)
{
    struct pipeline *p = r->p;
    if (FAILPOINT_ERROR("snapshot-read", e) || !list_tables_again(p, e) ||
        !snapshot_plan_make(p, &p->capture, &r->plan, e) || !lock_tables(r, e))
        return false;
    for (size_t i = 0; i < r->plan.n_tables; i++)
        if (r->plan.tables[i].rel->n_columns > r->n_cells)
            r->n_cells = r->plan.tables[i].rel->n_columns;
    r->cells = xcalloc(r->n_cells + 1, sizeof *r->cells);
    r->items_left = r->plan.n_items;
    readings_tables(p, r->plan.n_tables);
    log_info("reading %zu tables in %zu parts by %zu sessions", r->plan.n_tables, r->plan.n_items,
             r->plan.n_readers);
    char *snapshot = pg_scalar(p->conn, e, "SELECT pg_export_snapshot()");
    bool ok = snapshot && open_readers(r, snapshot, e) && read_all(r, e);
    free(snapshot);
    scan_close(r->scan);
    return ok;
}

static void reading_free(struct reading *r)
{
    snapshot_plan_free(&r->plan);
    free(r->cells);
}

/* In a session of its own: the snapshot's transaction must not have a number, for whoever makes a slot would
 * wait for its end. */
static bool transaction_id(struct pipeline *p, int64_t *out, struct err *e)
{
    *out = -1;
    PGconn *conn = prepare_session(p, e);
    if (!conn)
        return false;
    const char *sql = PQserverVersion(p->conn) >= 130000
                          ? "select case when not pg_is_in_recovery() then pg_current_xact_id()::text end"
                          : "select case when not pg_is_in_recovery() then txid_current()::text end";
    char *text = pg_scalar(conn, e, sql);
    if (text)
        *out = strtoll(text, NULL, 10);
    free(text);
    PQfinish(conn);
    return e->kind == ERR_NONE;
}

/* ---- the whole ---- */

bool snapshot_import(struct pipeline *p, const struct slot_start *at, struct err *e)
{
    if (FAILPOINT_ERROR("snapshot-import", e) || !pg_run(p->conn, e, "BEGIN ISOLATION LEVEL REPEATABLE READ"))
        return false;
    if (!at->snapshot[0])
        return true;
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "SET TRANSACTION SNAPSHOT ");
    pg_literal(&sql, at->snapshot);
    bool ok = pg_run(p->conn, e, sql.ptr);
    buf_free(&sql);
    return ok || err_prefix(e, "importing the slot's snapshot");
}

/* Stored before the first row goes out, so that a start after a crash knows that some may be. */
static bool begin(struct pipeline *p, lsn_t lsn, struct err *e)
{
    if (FAILPOINT_ERROR("snapshot-begin", e))
        return false;
    struct offset o = {.present = true,
                       .lsn = lsn,
                       .tx_id = p->source.tx_id,
                       .ts_usec = clock_wall_us(),
                       .snapshot = "INITIAL"};
    return p->offset.present || checkpoint_save(p, &o, e);
}

/* Only what has been delivered may be called done. */
static bool finish(struct pipeline *p, lsn_t lsn, struct err *e)
{
    while (!p->sink_type->flush(p->sink, 1000, e)) {
        if (e->kind != ERR_NONE && e->kind != ERR_RETRY)
            return false;
        if (pipeline_stopping(p))
            return err_set(e, ERR_RETRY,
                           "stopped before the snapshot was delivered: it starts again with the connector");
        if (!claim_kept(p, false, e) || !p->sink_type->poll(p->sink, e))
            return false;
    }
    *e = (struct err){0};
    ledger_close(p->ledger, lsn, p->source.tx_id, p->source.ts_us);
    p->mark = NULL;
    struct offset o = {.present = true, .lsn = lsn, .tx_id = p->source.tx_id, .ts_usec = p->source.ts_us};
    return !FAILPOINT_ERROR("snapshot-store", e) && claim_kept(p, true, e) && checkpoint_save(p, &o, e) &&
           !FAILPOINT_ERROR("snapshot-done", e);
}

/* False when told to stop. */
static bool pause_for(struct pipeline *p, int ms, const char *what)
{
    int64_t until = clock_mono_ms() + ms;
    if (ms > 0)
        log_info("%s in %d ms", what, ms);
    while (!pipeline_stopping(p) && clock_mono_ms() < until)
        wait_for_rows(p, until - clock_mono_ms());
    return !pipeline_stopping(p);
}

bool snapshot_delay(struct pipeline *p, struct err *e)
{
    pipeline_step(p, "delay");
    bool ok = pause_for(p, p->config->snapshot_delay_ms, "snapshot.delay.ms: the snapshot begins");
    pipeline_step(p, "prepare");
    return ok || err_set(e, ERR_RETRY, "stopped before the snapshot");
}

bool snapshot_read(struct pipeline *p, lsn_t lsn, struct err *e)
{
    struct reading r = {.p = p, .told_ms = clock_mono_ms()};
    struct source streaming = p->source;
    struct type_modes modes = p->config->modes;
    const struct capture_settings streaming_settings = p->capture;
    modes.snapshot = true;
    p->capture.plan.modes = &modes; /* also for a relation described again, when an enum has grown */
    p->capture.live = NULL;         /* browsers have the stream's columns, none that are generated */
    pipeline_step(p, "snapshot");
    p->source.lsn = lsn;
    p->source.last_commit = 0;
    p->mark = ledger_open(p->ledger);
    bool ok = transaction_id(p, &p->source.tx_id, e) && begin(p, lsn, e) && read_tables(&r, e) &&
              pg_run(p->conn, e, "COMMIT") && finish(p, lsn, e);
    readings_snapshot(p, ok);
    if (ok)
        log_info("snapshot complete: %llu rows of %zu tables", (unsigned long long)r.rows, r.plan.n_tables);
    reading_free(&r);
    p->capture = streaming_settings;
    p->source = streaming;
    if (ok)
        p->source.last_commit =
            0; /* as a start from the snapshot's position, so that a repeat says the same */
    if (ok && p->config->snapshot_mode != SNAPSHOT_INITIAL_ONLY)
        (void)pause_for(p, p->config->streaming_delay_ms, "streaming.delay.ms: streaming begins");
    pipeline_step(p, "stream");
    return ok;
}

bool snapshot_take(struct pipeline *p, const struct slot_start *at, struct err *e)
{
    return snapshot_import(p, at, e) && snapshot_read(p, at->consistent_point, e);
}
