/* snapshot.c - the initial snapshot: COPY of each table inside the slot's own snapshot, a row a time.
 *
 * COPY's text form is the form of pgoutput's values: tab between columns, newline after a row, \N for NULL,
 * backslash escapes. A row is held back until the next one is there, because the last of a table and the last
 * of all are marked. */
#include "clock.h"
#include "log.h"
#include "pipeline.h"
#include "selection.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>

#define PROGRESS_MS 10000

/* The row that waits for its marker. */
struct held {
    bool full;
    struct relation *rel; /* owned; set for the first row of a table */
    bool first, first_of_table;
    struct buf bytes;
    struct cell *cells;
    size_t cap; /* of cells */
};

struct reading {
    struct pipeline *p;
    struct type_modes modes; /* the connector's, for snapshots */
    struct capture_settings capture;
    struct held held, next;
    struct relation **relations; /* of all tables read, freed at the end */
    size_t n_relations;
    uint64_t rows;
    int64_t told_ms;
};

/* ---- COPY text ---- */

static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* One column's text into out, undone; returns the position behind it. */
static const char *copy_column(const char *at, const char *end, struct buf *out)
{
    while (at < end && *at != '\t' && *at != '\n') {
        const char *run = at;
        while (at < end && *at != '\t' && *at != '\n' && *at != '\\')
            at++;
        buf_append(out, run, (size_t)(at - run));
        if (at < end && *at == '\\' && at + 1 < end) {
            buf_char(out, unescape(at[1]));
            at += 2;
        } else if (at < end && *at == '\\') {
            at++;
        }
    }
    return at;
}

/* Splits a COPY line into the relation's cells. The bytes hold the values one behind another; their pointers
 * are set when all are in, since the buffer may move while it grows. */
static bool copy_row(struct slice line, size_t n_columns, struct held *h, struct err *e)
{
    const char *at = line.ptr, *end = line.ptr + line.len;
    buf_reset(&h->bytes);
    if (h->cap <= n_columns)
        h->cells = xrealloc(h->cells, (h->cap = n_columns + 1) * sizeof *h->cells);
    size_t n = 0;
    for (; n < n_columns; n++) {
        size_t from = h->bytes.len;
        bool null = end - at >= 2 && at[0] == '\\' && at[1] == 'N' &&
                    (end - at == 2 || at[2] == '\t' || at[2] == '\n');
        at = null ? at + 2 : copy_column(at, end, &h->bytes);
        h->cells[n] = (struct cell){null ? 'n' : 't', {NULL, h->bytes.len - from}};
        bool more = at < end && *at == '\t';
        at += more;
        if (!more && n + 1 < n_columns)
            break;
    }
    if (n != n_columns || (at < end && *at != '\n'))
        return err_set(e, ERR_DATA, "snapshot: a COPY row has not %zu columns", n_columns);
    size_t offset = 0;
    for (size_t i = 0; i < n_columns; i++) {
        h->cells[i].data.ptr = buf_view(&h->bytes).ptr + offset;
        offset += h->cells[i].data.len;
    }
    return true;
}

/* ---- rows ---- */

static const char *marker(const struct held *h, bool last_of_table, bool last)
{
    if (last)
        return "last";
    if (h->first)
        return "first";
    if (last_of_table)
        return "last_in_data_collection";
    return h->first_of_table ? "first_in_data_collection" : "true";
}

static bool publish_held(struct reading *r, bool last_of_table, bool last, struct err *e)
{
    struct held *h = &r->held;
    if (!h->full)
        return true;
    r->p->source.snapshot = marker(h, last_of_table, last);
    struct change change = {.op = OP_READ, .lsn = r->p->source.lsn, .relation = h->rel, .after = h->cells};
    h->full = false;
    r->rows++;
    return pipeline_row(r->p, &change, h->rel, e);
}

static bool on_row(struct reading *r, struct slice line, struct relation *rel, bool first_of_table,
                   struct err *e)
{
    if (!copy_row(line, rel->n_columns, &r->next, e))
        return err_prefix(e, "%s.%s", rel->schema, rel->name);
    if (!publish_held(r, r->held.rel != rel, false, e))
        return false;
    struct held spare = r->held;
    r->held = r->next;
    r->next = spare;
    r->held.full = true;
    r->held.rel = rel;
    r->held.first = r->rows == 0;
    r->held.first_of_table = first_of_table;
    return true;
}

static void tell_progress(struct reading *r, const struct relation *rel, uint64_t rows)
{
    struct pipeline_face *face = r->p->face;
    pthread_mutex_lock(&face->mutex);
    face->status.events = r->p->events;
    face->status.bytes = r->p->bytes;
    pthread_mutex_unlock(&face->mutex);
    if (clock_mono_ms() - r->told_ms < PROGRESS_MS)
        return;
    r->told_ms = clock_mono_ms();
    log_info("snapshot of %s.%s: %llu rows so far", rel->schema, rel->name, (unsigned long long)rows);
}

/* Waits for more COPY data, serving delivery reports meanwhile. */
static bool wait_for_copy(struct pipeline *p, struct err *e)
{
    struct pollfd fds[] = {{PQsocket(p->conn), POLLIN, 0}, {p->face->wake_fd, POLLIN, 0}};
    poll(fds, 2, 1000);
    wake_clear(p->face->wake_fd);
    if (!PQconsumeInput(p->conn))
        return pg_error(p->conn, NULL, e, "reading the snapshot");
    return true;
}

static bool copy_finish(struct pipeline *p, struct err *e)
{
    bool ok = true;
    for (PGresult *res; (res = PQgetResult(p->conn)); PQclear(res))
        if (ok && PQresultStatus(res) != PGRES_COMMAND_OK)
            ok = pg_error(p->conn, res, e, "reading the snapshot");
    return ok;
}

static bool copy_rows(struct reading *r, struct relation *rel, uint64_t *rows, struct err *e)
{
    struct pipeline *p = r->p;
    for (;;) {
        char *line;
        int n = PQgetCopyData(p->conn, &line, 1);
        if (n == -1)
            return copy_finish(p, e);
        if (n < -1)
            return pg_error(p->conn, NULL, e, "reading the snapshot");
        if (n > 0) {
            bool ok = on_row(r, (struct slice){line, (size_t)n}, rel, *rows == 0, e);
            PQfreemem(line);
            if (!ok)
                return false;
            if (++*rows % 1024 != 0)
                continue;
        }
        if (!p->sink_type->poll(p->sink, e) || (n == 0 && !wait_for_copy(p, e)))
            return false;
        if (pipeline_stopping(p))
            return err_set(e, ERR_RETRY, "stopped during the snapshot: it starts again with the connector");
        tell_progress(r, rel, *rows);
    }
}

/* ---- tables ---- */

static const char *override_of(const struct config *c, const struct table *t)
{
    struct buf name = BUF_EMPTY;
    buf_printf(&name, "snapshot.select.statement.overrides.%s.%s", t->schema, t->name);
    const char *sql = c->snapshot_overrides ? props_get(c->props, name.ptr) : NULL;
    buf_free(&name);
    return sql;
}

static void copy_statement(struct buf *sql, const struct config *c, const struct table *t,
                           const struct relation *rel)
{
    const char *override = override_of(c, t);
    BUF_LIT(sql, "COPY (SELECT ");
    for (size_t i = 0; i < rel->n_columns; i++) {
        buf_str(sql, i ? ", " : "");
        pg_ident(sql, rel->columns[i].name);
    }
    BUF_LIT(sql, " FROM ");
    if (override)
        buf_printf(sql, "(%s) AS walwire_override", override);
    else
        pg_table(sql, t->schema, t->name);
    BUF_LIT(sql, ") TO STDOUT");
}

static bool wants_table(const struct config *c, const struct table *t)
{
    if (!c->snapshot_include || !pattern_list_count(c->snapshot_include))
        return true;
    struct buf name = BUF_EMPTY;
    buf_printf(&name, "%s.%s", t->schema, t->name);
    bool wanted = pattern_list_match(c->snapshot_include, buf_view(&name));
    buf_free(&name);
    return wanted;
}

static struct relation *open_table(struct reading *r, const struct table *t, struct err *e)
{
    struct pipeline *p = r->p;
    struct relation *rel = catalog_relation(p->conn, t->oid, t->schema, t->name, t->identity, p->types, e);
    if (!rel)
        return NULL;
    r->relations[r->n_relations++] = rel;
    return capture_make(&r->capture, rel, e) ? rel : NULL;
}

static bool read_table(struct reading *r, const struct table *t, struct err *e)
{
    struct pipeline *p = r->p;
    struct relation *rel = open_table(r, t, e);
    if (!rel)
        return err_prefix(e, "snapshot of %s.%s", t->schema, t->name);
    p->source.ts_us = clock_wall_us();
    struct buf sql = BUF_EMPTY;
    copy_statement(&sql, p->config, t, rel);
    PGresult *res = PQexec(p->conn, sql.ptr);
    buf_free(&sql);
    bool ok = PQresultStatus(res) == PGRES_COPY_OUT;
    if (!ok)
        pg_error(p->conn, res, e, "reading the snapshot");
    PQclear(res);
    uint64_t rows = 0;
    if (!ok || !copy_rows(r, rel, &rows, e))
        return err_prefix(e, "snapshot of %s.%s", t->schema, t->name);
    log_info("snapshot of %s.%s: %llu rows", t->schema, t->name, (unsigned long long)rows);
    return true;
}

static bool read_tables(struct reading *r, struct err *e)
{
    struct pipeline *p = r->p;
    for (size_t i = 0; i < p->tables.count; i++)
        if (wants_table(p->config, &p->tables.list[i]) && !read_table(r, &p->tables.list[i], e))
            return false;
    return publish_held(r, true, true, e);
}

static void reading_free(struct reading *r)
{
    for (size_t i = 0; i < r->n_relations; i++)
        relation_free(r->relations[i]);
    free(r->relations);
    free(r->held.cells);
    free(r->next.cells);
    buf_free(&r->held.bytes);
    buf_free(&r->next.bytes);
}

static bool transaction_id(struct pipeline *p, int64_t *out, struct err *e)
{
    *out = -1;
    const char *sql = PQserverVersion(p->conn) >= 130000
                          ? "select case when not pg_is_in_recovery() then pg_current_xact_id()::text end"
                          : "select case when not pg_is_in_recovery() then txid_current()::text end";
    char *text = pg_scalar(p->conn, e, sql);
    if (text)
        *out = strtoll(text, NULL, 10);
    free(text);
    return e->kind == ERR_NONE;
}

/* ---- the whole ---- */

bool snapshot_import(struct pipeline *p, const struct slot_start *at, struct err *e)
{
    if (!pg_run(p->conn, e, "BEGIN ISOLATION LEVEL REPEATABLE READ"))
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
        if (!p->sink_type->poll(p->sink, e))
            return false;
    }
    *e = (struct err){0};
    ledger_close(p->ledger, lsn, p->source.tx_id, p->source.ts_us);
    p->mark = NULL;
    struct offset o = {.present = true, .lsn = lsn, .tx_id = p->source.tx_id, .ts_usec = p->source.ts_us};
    return checkpoint_save(p, &o, e);
}

bool snapshot_read(struct pipeline *p, lsn_t lsn, struct err *e)
{
    struct reading r = {.p = p, .told_ms = clock_mono_ms()};
    struct source streaming = p->source;
    r.modes = p->config->modes;
    r.modes.snapshot = true;
    r.capture = p->capture;
    r.capture.plan.modes = &r.modes;
    r.relations = xcalloc(p->tables.count + 1, sizeof *r.relations);
    pipeline_step(p, "snapshot");
    p->source.lsn = lsn;
    p->source.last_commit = 0;
    p->mark = ledger_open(p->ledger);
    bool ok = transaction_id(p, &p->source.tx_id, e) && begin(p, lsn, e) && read_tables(&r, e) &&
              pg_run(p->conn, e, "COMMIT") && finish(p, lsn, e);
    if (ok)
        log_info("snapshot complete: %llu rows of %zu tables", (unsigned long long)r.rows, r.n_relations);
    reading_free(&r);
    p->source = streaming;
    pipeline_step(p, "stream");
    return ok;
}

bool snapshot_take(struct pipeline *p, const struct slot_start *at, struct err *e)
{
    return snapshot_import(p, at, e) && snapshot_read(p, at->consistent_point, e);
}
