/* link.c - START_REPLICATION and its COPY BOTH loop.
 *
 *   server: 'w' i64 start, i64 end, i64 time, payload   'k' i64 end, i64 time, u8 reply wanted
 *   client: 'r' i64 written, i64 flushed, i64 applied, i64 time, u8 reply wanted
 *
 * The walsender sends once a row. Reading in small naps while data keeps coming lets its socket fill, so that
 * it makes fewer and larger sends; idle, every byte is taken at once. */
#include "link.h"

#include "clock.h"
#include "log.h"
#include "pg.h"
#include "reader.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH_BYTES  (256 << 10) /* handed over when this large, or when nothing more is there */
#define RING_BATCHES 16
#define NAP_US       100
#define BUSY_BYTES   16384 /* one round read at least this much: data keeps coming */

struct link {
    PGconn *conn;
    struct ring *ring, *spare; /* batches to the pipeline, and back from it */
    int wake_fd;               /* ours: acknowledge, ask, stop */
    int status_interval_ms;
    pthread_t thread;
    atomic_ullong flushed, received;
    atomic_size_t queued; /* bytes in the ring */
    atomic_bool stop, ask;
    char notice[300]; /* a warning that means data is being skipped */
};

void batch_free(struct batch *b)
{
    if (!b)
        return;
    buf_free(&b->bytes);
    free(b);
}

bool batch_next(const struct batch *b, size_t *at, struct slice *frame)
{
    uint32_t len;
    if (*at + sizeof len > b->bytes.len)
        return false;
    memcpy(&len, b->bytes.ptr + *at, sizeof len);
    *frame = (struct slice){b->bytes.ptr + *at + sizeof len, len};
    *at += sizeof len + len;
    return true;
}

static void batch_add(struct batch *b, const char *bytes, int n)
{
    uint32_t len = (uint32_t)n;
    buf_append(&b->bytes, &len, sizeof len);
    buf_append(&b->bytes, bytes, len);
}

/* ---- status ---- */

static char *put_u64(char *at, uint64_t n)
{
    for (int i = 7; i >= 0; i--)
        *at++ = (char)(n >> (8 * i));
    return at;
}

static bool send_status(struct link *l, bool reply, struct err *e)
{
    char msg[34], *at = msg;
    uint64_t flushed = atomic_load(&l->flushed), received = atomic_load(&l->received);
    *at++ = 'r';
    at = put_u64(at, received > flushed ? received : flushed);
    at = put_u64(at, flushed);
    at = put_u64(at, flushed);
    at = put_u64(at, (uint64_t)(clock_wall_us() - PG_EPOCH_US));
    *at++ = reply;
    if (PQputCopyData(l->conn, msg, (int)(at - msg)) == 1 && PQflush(l->conn) >= 0)
        return true;
    return err_set(e, ERR_RETRY, "sending status to PostgreSQL: %s", PQerrorMessage(l->conn));
}

/* ---- reading ---- */

static bool stream_ended(struct link *l, struct err *e)
{
    PGresult *res = PQgetResult(l->conn);
    ExecStatusType status = PQresultStatus(res);
    if (l->notice[0])
        err_set(e, ERR_CONFIG, "%s", l->notice);
    else if (status == PGRES_FATAL_ERROR || !res)
        pg_error(l->conn, res, e, "reading the replication stream");
    else
        err_set(e, ERR_RETRY, "PostgreSQL ended the replication stream: it is shutting down or restarting");
    PQclear(res);
    return false;
}

/* Notes how far the stream is, and whether the server wants to hear of us. */
static bool note_frame(struct link *l, struct slice frame, bool *reply, struct err *e)
{
    struct reader r = reader_of(frame);
    uint8_t tag = read_u8(&r);
    if (tag == 'w') {
        lsn_t start = read_u64(&r);
        if (start > atomic_load(&l->received)) /* 0 for R, Y and some B: never a step back */
            atomic_store(&l->received, start);
        read_u64(&r), read_u64(&r);
    } else if (tag == 'k') {
        lsn_t end = read_u64(&r);
        if (end > atomic_load(&l->received))
            atomic_store(&l->received, end);
        read_u64(&r);
        *reply |= read_u8(&r) != 0;
    } else {
        return err_set(e, ERR_DATA, "replication stream: unknown frame type 0x%02x", tag);
    }
    return reader_ok(&r) ||
           err_set(e, ERR_DATA, "replication stream: frame of %zu bytes is too short", frame.len);
}

/* Takes what libpq has into the batch, up to its size. */
static bool fill_batch(struct link *l, struct batch *b, bool *reply, struct err *e)
{
    while (b->bytes.len < BATCH_BYTES) {
        char *bytes;
        int n = PQgetCopyData(l->conn, &bytes, 1);
        if (n == 0)
            return true;
        if (n == -1)
            return stream_ended(l, e);
        if (n < 0)
            return pg_error(l->conn, NULL, e, "reading the replication stream");
        bool ok = note_frame(l, (struct slice){bytes, (size_t)n}, reply, e);
        if (ok)
            batch_add(b, bytes, n);
        PQfreemem(bytes);
        if (!ok)
            return false;
    }
    return true;
}

static void wait_for_work(struct link *l, bool full, int64_t due_ms)
{
    int64_t left = due_ms - clock_mono_ms();
    /* While the ring is full a broken socket must not wake us again and again: sending status will find it.
     */
    struct pollfd fds[] = {{full ? -1 : PQsocket(l->conn), POLLIN, 0},
                           {l->wake_fd, POLLIN, 0},
                           {ring_space_fd(l->ring), full ? POLLIN : 0, 0}};
    poll(fds, 3, left > 0 ? (int)left : 0);
    if (fds[1].revents)
        wake_clear(l->wake_fd);
    if (fds[2].revents)
        wake_clear(ring_space_fd(l->ring));
}

static struct batch *batch_new(struct link *l)
{
    struct batch *b = ring_pop(l->spare);
    return b ? b : xcalloc(1, sizeof *b);
}

/* Hands the batch over; false while the ring is full. */
static bool hand_over(struct link *l, struct batch **b)
{
    if (!(*b)->bytes.len)
        return true;
    size_t bytes = (*b)->bytes.len;
    if (!ring_push(l->ring, *b))
        return false;
    atomic_fetch_add(&l->queued, bytes);
    *b = batch_new(l); /* the other one is the pipeline's now */
    return true;
}

/* One round: read, hand over, tell the server, wait. */
static bool link_round(struct link *l, struct batch **b, int64_t *due_ms, lsn_t *told, struct err *e)
{
    bool reply = false;
    size_t before = (*b)->bytes.len;
    if (before < BATCH_BYTES && (!PQconsumeInput(l->conn) || !fill_batch(l, *b, &reply, e)))
        return e->kind ? false : pg_error(l->conn, NULL, e, "reading the replication stream");
    if (l->notice[0])
        return err_set(e, ERR_CONFIG, "%s", l->notice);
    size_t got = (*b)->bytes.len - before;
    bool more = (*b)->bytes.len >= BATCH_BYTES; /* libpq may hold more, of which the socket knows nothing */
    bool full = !hand_over(l, b);
    bool ask = atomic_exchange(&l->ask, false);
    lsn_t flushed = atomic_load(&l->flushed);
    if (reply || ask || flushed != *told || clock_mono_ms() >= *due_ms) {
        if (!send_status(l, ask, e))
            return false;
        *told = flushed;
        *due_ms = clock_mono_ms() + l->status_interval_ms;
    }
    if (full || (!more && got < BUSY_BYTES))
        wait_for_work(l, full, *due_ms);
    else if (!more)
        usleep(NAP_US);
    return true;
}

static void *link_run(void *arg)
{
    struct link *l = arg;
    struct err e = {0};
    struct batch *b = batch_new(l);
    int64_t due_ms = 0;
    lsn_t told = 0;
    while (!atomic_load(&l->stop) && link_round(l, &b, &due_ms, &told, &e))
        ;
    while (!atomic_load(&l->stop) && !hand_over(l, &b))
        wait_for_work(l, true, clock_mono_ms() + 1000);
    b->last = true;
    b->end = e;
    bool pushed;
    while (!(pushed = ring_push(l->ring, b)) && !atomic_load(&l->stop))
        wait_for_work(l, true, clock_mono_ms() + 1000);
    if (!pushed)
        batch_free(b);
    return NULL;
}

/* ---- opening ---- */

/* PostgreSQL 18 skips a missing publication with no more than a warning: what it skips would be lost. */
static void on_notice(void *arg, const PGresult *res)
{
    struct link *l = arg;
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION); /* the text may be translated */
    if ((function && strcmp(function, "LoadPublications") == 0) ||
        (text && strstr(text, "skipped loading publication")))
        snprintf(l->notice, sizeof l->notice,
                 "%s: its changes are not sent: create the publication again and take a new snapshot", text);
    else
        log_info("PostgreSQL says: %s", text ? text : "?");
}

static void add_params(struct buf *sql, const char *params)
{
    for (const char *at = params; at && *at;) {
        size_t n = strcspn(at, ";");
        const char *eq = memchr(at, '=', n);
        if (eq && strncmp(at, "proto_version=", 14) != 0) { /* that one is ours, and checked to be the same */
            char *name = xstrndup(at, (size_t)(eq - at)),
                 *value = xstrndup(eq + 1, n - (size_t)(eq - at) - 1);
            buf_str(sql, ", ");
            pg_ident(sql, name);
            buf_char(sql, ' ');
            pg_literal(sql, value);
            free(name);
            free(value);
        }
        at += n + (at[n] == ';');
    }
}

/* True when slot.stream.params says something of this option: it may be given once. */
static bool has_param(const char *params, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = params; at && *at; at += strcspn(at, ";"), at += *at == ';')
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return true;
    return false;
}

static bool start_replication(PGconn *conn, const struct link_options *o, struct err *e)
{
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "START_REPLICATION SLOT ");
    pg_ident(&sql, o->slot);
    buf_printf(&sql, " LOGICAL " LSN_FMT " (proto_version '1', publication_names ", LSN_ARG(o->start));
    pg_literal(&sql, o->publications);
    if (o->messages && PQserverVersion(conn) >= 140000 && !has_param(o->params, "messages"))
        BUF_LIT(&sql, ", messages 'true'");
    add_params(&sql, o->params);
    buf_char(&sql, ')');
    PGresult *res = PQexec(conn, sql.ptr);
    buf_free(&sql);
    bool ok = PQresultStatus(res) == PGRES_COPY_BOTH;
    if (!ok) {
        pg_error(conn, res, e, "starting replication");
        err_prefix(e, "slot %s", o->slot);
    }
    PQclear(res);
    return ok;
}

/* libpq's input buffer starts at 16 KiB, grows only for a large message, and then stays large. */
static bool grow_input_buffer(PGconn *conn, struct err *e)
{
    return pg_run(conn, e, "SELECT repeat('x', 1 << 18)");
}

/* While the ring is full nothing is read, also no request for an answer: so status goes out often enough for
 * a server that waits less long than status.update.interval.ms. */
static int status_interval(PGconn *conn, int wished_ms)
{
    struct err ignored = {0};
    char *text =
        pg_scalar(conn, &ignored, "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'");
    int most = text ? atoi(text) / 3 : 0;
    free(text);
    return most > 0 && most < wished_ms ? (most < 100 ? 100 : most) : wished_ms;
}

static void link_free(struct link *l)
{
    PQfinish(l->conn);
    for (struct batch *b; (b = ring_pop(l->ring));)
        batch_free(b);
    for (struct batch *b; (b = ring_pop(l->spare));)
        batch_free(b);
    ring_free(l->ring);
    ring_free(l->spare);
    close(l->wake_fd);
    free(l);
}

struct link *link_open(PGconn *conn, const struct link_options *o, struct err *e)
{
    int status_ms = status_interval(conn, o->status_interval_ms);
    if (!grow_input_buffer(conn, e) || !start_replication(conn, o, e)) {
        PQfinish(conn);
        return NULL;
    }
    struct link *l = xcalloc(1, sizeof *l);
    l->conn = conn;
    l->ring = ring_new(RING_BATCHES, o->wake_fd);
    l->spare = ring_new(RING_BATCHES, -1);
    l->wake_fd = wake_new();
    l->status_interval_ms = status_ms;
    PQsetNoticeReceiver(conn, on_notice, l);
    if (pthread_create(&l->thread, NULL, link_run, l) == 0)
        return l;
    err_set(e, ERR_RETRY, "cannot start a thread for the replication stream");
    link_free(l);
    return NULL;
}

struct batch *link_take(struct link *l)
{
    struct batch *b = ring_pop(l->ring);
    if (b && !b->last)
        atomic_fetch_sub(&l->queued, b->bytes.len);
    return b;
}

void link_return(struct link *l, struct batch *b)
{
    buf_reset(&b->bytes);
    if (b->last || b->bytes.cap > 2 * BATCH_BYTES || !ring_push(l->spare, b))
        batch_free(b);
}

void link_acknowledge(struct link *l, lsn_t flushed)
{
    if (flushed > atomic_load(&l->flushed)) {
        atomic_store(&l->flushed, flushed);
        wake_signal(l->wake_fd);
    }
}

void link_ask(struct link *l)
{
    atomic_store(&l->ask, true);
    wake_signal(l->wake_fd);
}

lsn_t link_received(const struct link *l)
{
    return atomic_load(&((struct link *)l)->received);
}

void link_look(struct link *l, struct link_queue *out)
{
    size_t bytes = atomic_load(&l->queued);
    *out = (struct link_queue){.batches = ring_count(l->ring),
                               .capacity = RING_BATCHES,
                               .bytes = bytes > SIZE_MAX / 2 ? 0 : bytes, /* taken before it was added */
                               .most_bytes = (size_t)RING_BATCHES * BATCH_BYTES};
}

void link_close(struct link *l)
{
    if (!l)
        return;
    struct err ignored = {0};
    atomic_store(&l->stop, true);
    wake_signal(l->wake_fd);
    pthread_join(l->thread, NULL);
    if (PQstatus(l->conn) == CONNECTION_OK && send_status(l, false, &ignored)) {
        PQputCopyEnd(l->conn, NULL);
        PQflush(l->conn);
    }
    link_free(l);
}
