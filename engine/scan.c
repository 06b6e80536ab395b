/* scan.c - the readers of a snapshot.
 *
 * A reader only waits in poll, for its socket, room in its ring, or the stop: none of its calls to libpq
 * blocks. A session left in the middle of a statement ends by itself when it writes next, or looks for its
 * client (client_connection_check_interval). */
#include "scan.h"

#include "pg.h"
#include "ring.h"
#include "sql.h"
#include "xmalloc.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_BYTES  (256 << 10)
#define RING_BATCHES 4
#define HELD_BYTES   (2 * (RING_BATCHES + 1) * BATCH_BYTES) /* with large rows there are fewer batches */

struct reader {
    struct scan *scan;
    PGconn *conn;
    struct ring *ring, *spare; /* batches to the pipeline, and back from it */
    struct scan_batch *batch;  /* being filled */
    atomic_size_t held;        /* bytes in the ring and in the pipeline's hands */
    _Atomic uint64_t row_from; /* what had been read when the last row was whole */
    pthread_mutex_t watched;   /* guards fd: whoever looks at the connection from outside must find it open */
    int fd;                    /* -1: closed */
    atomic_bool overrun;       /* scan_watch has cut the connection */
    int stop_fd;
    pthread_t thread;
    bool started;
};

struct scan {
    struct scan_options o;
    atomic_size_t next; /* item */
    atomic_bool stop;
    size_t turn; /* of whom to take from next */
    size_t n_readers;
    struct reader readers[];
};

static void batch_free(struct scan_batch *b)
{
    if (b) {
        buf_free(&b->bytes);
        free(b->replaced);
    }
    free(b);
}

static void batch_new(struct reader *r, size_t item)
{
    r->batch = ring_pop(r->spare);
    if (!r->batch)
        r->batch = xcalloc(1, sizeof *r->batch);
    r->batch->reader = (size_t)(r - r->scan->readers);
    r->batch->item = item;
    r->batch->last = false;
}

static bool stopping(struct reader *r)
{
    return atomic_load(&r->scan->stop);
}

/* False when told to stop. The stop's fd stays readable, so that no wait after it is long. */
static bool wait_for(struct reader *r, int fd)
{
    struct pollfd fds[] = {{fd, POLLIN, 0}, {r->stop_fd, POLLIN, 0}};
    poll(fds, 2, 1000);
    return !stopping(r);
}

static bool wait_for_room(struct reader *r)
{
    bool ok = wait_for(r, ring_space_fd(r->ring));
    if (ok)
        wake_clear(ring_space_fd(r->ring));
    return ok;
}

static bool hand_over(struct reader *r)
{
    size_t bytes = r->batch->bytes.len;
    while (atomic_load(&r->held) >= HELD_BYTES || !ring_push(r->ring, r->batch))
        if (!wait_for_room(r))
            return false;
    atomic_fetch_add(&r->held, bytes);
    r->batch = NULL;
    return true;
}

/* ---- one statement ---- */

/* Each reader's part of what is allowed; 0: any. */
static size_t row_most(const struct reader *r)
{
    return r->scan->o.most_row / r->scan->n_readers;
}

static bool row_refused(const struct reader *r, struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "a row has more than %zu bytes, for which walwire.memory.max.mb=%d leaves no room with "
                   "snapshot.max.threads=%zu: raise the limit",
                   row_most(r), r->scan->o.memory_max_mb, r->scan->n_readers);
}

static bool lost(struct reader *r, const PGresult *res, struct err *e)
{
    if (atomic_load(&r->overrun))
        return row_refused(r, e);
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    bool gone = state && (strcmp(state, "42P01") == 0 || strcmp(state, "42703") == 0);
    pg_error(r->conn, res, e, "reading the snapshot");
    if (pg_is_unsendable(res)) {
        struct err said = *e;
        return err_set(e, ERR_CONFIG,
                       "%s: a row is too large for PostgreSQL to send as text (1 GB, and a bytea has two "
                       "characters a byte), or the server's own memory request failed: leave it out with "
                       "snapshot.select.statement.overrides, or the "
                       "column with column.exclude.list",
                       said.text);
    }
    if (gone && r->batch && r->scan->o.items[r->batch->item].generated)
        e->kind = ERR_RETRY; /* the table was altered or dropped meanwhile */
    return false;
}

/* The next result, without blocking; *res is NULL behind the last one. */
static bool next_result(struct reader *r, PGresult **res, struct err *e)
{
    while (PQisBusy(r->conn)) {
        if (!wait_for(r, PQsocket(r->conn)))
            return false;
        if (!PQconsumeInput(r->conn))
            return lost(r, NULL, e);
    }
    *res = PQgetResult(r->conn);
    return true;
}

static bool copy_begin(struct reader *r, const char *sql, struct err *e)
{
    PGresult *res;
    if (!PQsendQuery(r->conn, sql))
        return lost(r, NULL, e);
    if (!next_result(r, &res, e))
        return false;
    bool ok = PQresultStatus(res) == PGRES_COPY_OUT || lost(r, res, e);
    PQclear(res);
    return ok;
}

static bool copy_end(struct reader *r, struct err *e)
{
    PGresult *res;
    bool ok = true;
    while (ok && (ok = next_result(r, &res, e)) && res) {
        ok = PQresultStatus(res) == PGRES_COMMAND_OK || lost(r, res, e);
        PQclear(res);
    }
    return ok;
}

/* libpq has no whole row any more. As the link does it (link.c): a row is measured by what has come since the
 * last one. */
static bool row_fits(struct reader *r, bool whole, struct err *e)
{
    size_t most = row_most(r);
    uint64_t received = most ? pg_received(PQsocket(r->conn)) : 0;
    if (whole)
        atomic_store(&r->row_from, received);
    return !received || received - atomic_load(&r->row_from) <= most || row_refused(r, e);
}

/* A large row in the pipeline's hands is waited for: the next one would need as much again. */
static bool read_more(struct reader *r, struct err *e)
{
    while (atomic_load(&r->held) >= HELD_BYTES)
        if (!wait_for_room(r))
            return false;
    return wait_for(r, PQsocket(r->conn)) && (PQconsumeInput(r->conn) || lost(r, NULL, e));
}

static bool copy_rows(struct reader *r, struct err *e)
{
    size_t item = r->batch->item;
    bool whole = true;
    while (!stopping(r)) {
        char *row;
        int n = PQgetCopyData(r->conn, &row, 1);
        if (n == -1)
            return true;
        if (n < -1)
            return lost(r, NULL, e);
        if (n == 0) {
            if (!row_fits(r, whole, e) || !read_more(r, e))
                return false;
            whole = false;
            continue;
        }
        whole = true;
        buf_append(&r->batch->bytes, row, (size_t)n);
        PQfreemem(row);
        if (r->batch->bytes.len < BATCH_BYTES)
            continue;
        if (!hand_over(r))
            return false;
        batch_new(r, item);
    }
    return false;
}

/* While the table is still locked by what was read of it: what changes it waits. */
static bool table_look(struct reader *r, uint32_t oid, struct err *e)
{
    PGresult *res;
    char oids[16];
    const char *params[] = {oids};
    snprintf(oids, sizeof oids, "{%u}", oid);
    if (!PQsendQueryParams(r->conn, SQL_TABLES_REPLACED, 1, NULL, params, NULL, NULL, 0))
        return lost(r, NULL, e);
    if (!next_result(r, &res, e))
        return false;
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK || lost(r, res, e);
    if (ok && !PQgetisnull(res, 0, 0))
        r->batch->replaced = xstrdup(PQgetvalue(res, 0, 0));
    PQclear(res);
    return ok && copy_end(r, e);
}

/* False with e->kind ERR_NONE when told to stop. */
static bool read_item(struct reader *r, size_t item, struct err *e)
{
    const struct scan_item *i = &r->scan->o.items[item];
    batch_new(r, item);
    if (!copy_begin(r, i->sql, e) || !copy_rows(r, e) || !copy_end(r, e) || !table_look(r, i->oid, e))
        return false;
    r->batch->last = true;
    return hand_over(r);
}

static void connection_close(struct reader *r)
{
    pthread_mutex_lock(&r->watched);
    r->fd = -1;
    pthread_mutex_unlock(&r->watched);
    PQfinish(r->conn);
}

static void *reader_run(void *arg)
{
    struct reader *r = arg;
    struct err e = {0};
    size_t item;
    while (!stopping(r) && (item = atomic_fetch_add(&r->scan->next, 1)) < r->scan->o.n_items)
        if (!read_item(r, item, &e))
            break;
    connection_close(r);
    if (e.kind && r->batch) {
        r->batch->end = e;
        (void)hand_over(r);
    }
    return NULL;
}

/* ---- all of them ---- */

struct scan *scan_open(PGconn *const *connections, size_t n, const struct scan_options *options,
                       struct err *e)
{
    struct scan *s = xcalloc(1, sizeof *s + n * sizeof *s->readers);
    s->o = *options;
    s->n_readers = n;
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        struct reader *r = &s->readers[i];
        *r = (struct reader){.scan = s,
                             .conn = connections[i],
                             .watched = PTHREAD_MUTEX_INITIALIZER,
                             .fd = PQsocket(connections[i]),
                             .row_from = pg_received(PQsocket(connections[i])),
                             .ring = ring_new(RING_BATCHES, options->wake_fd),
                             .spare = ring_new(RING_BATCHES + 2, -1),
                             .stop_fd = wake_new()};
        r->started = pthread_create(&r->thread, NULL, reader_run, r) == 0;
        all &= r->started;
    }
    if (all)
        return s;
    scan_close(s);
    err_set(e, ERR_RETRY, "cannot start %zu threads (snapshot.max.threads)", n);
    return NULL;
}

/* In turn, so that no reader has to wait while another is served. */
struct scan_batch *scan_take(struct scan *s)
{
    for (size_t i = 0; i < s->n_readers; i++) {
        struct scan_batch *b = ring_pop(s->readers[s->turn].ring);
        s->turn = (s->turn + 1) % s->n_readers;
        if (b)
            return b;
    }
    return NULL;
}

/* libpq reads for as long as the server has something, so a reader may see a row only when all of it is
 * there. That one reading may take small rows too: hence twice the size. */
static void reader_watch(struct reader *r)
{
    pthread_mutex_lock(&r->watched);
    uint64_t from = atomic_load(&r->row_from);
    uint64_t received = r->fd >= 0 ? pg_received(r->fd) : 0;
    if (received > from && received - from > 2 * row_most(r) && from == atomic_load(&r->row_from)) {
        atomic_store(&r->overrun, true);
        shutdown(r->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&r->watched);
}

void scan_watch(struct scan *s)
{
    for (size_t i = 0; s->o.most_row && i < s->n_readers; i++)
        reader_watch(&s->readers[i]);
}

void scan_return(struct scan *s, struct scan_batch *b)
{
    struct reader *r = &s->readers[b->reader];
    if (atomic_fetch_sub(&r->held, b->bytes.len) >= HELD_BYTES)
        wake_signal(ring_space_fd(r->ring)); /* it may wait for room that the ring knows nothing of */
    buf_reset(&b->bytes);
    free(b->replaced);
    b->replaced = NULL;
    if (b->bytes.cap > 2 * BATCH_BYTES || !ring_push(r->spare, b))
        batch_free(b);
}

static void reader_free(struct reader *r)
{
    if (r->started)
        pthread_join(r->thread, NULL);
    else
        PQfinish(r->conn);
    for (struct scan_batch *b; (b = ring_pop(r->ring));)
        batch_free(b);
    for (struct scan_batch *b; (b = ring_pop(r->spare));)
        batch_free(b);
    batch_free(r->batch);
    ring_free(r->ring);
    ring_free(r->spare);
    close(r->stop_fd);
}

void scan_close(struct scan *s)
{
    if (!s)
        return;
    atomic_store(&s->stop, true);
    for (size_t i = 0; i < s->n_readers; i++)
        wake_signal(s->readers[i].stop_fd);
    for (size_t i = 0; i < s->n_readers; i++)
        reader_free(&s->readers[i]);
    free(s);
}
