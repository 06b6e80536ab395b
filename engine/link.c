/* link.c - START_REPLICATION and its COPY BOTH loop.
 *
 *   server: 'w' i64 start, i64 end, i64 time, payload   'k' i64 end, i64 time, u8 reply wanted
 *   client: 'r' i64 written, i64 flushed, i64 applied, i64 time, u8 reply wanted
 *
 * The walsender sends once a row. Reading in small naps while data keeps coming lets its socket fill, so that
 * it makes fewer and larger sends; idle, every byte is taken at once. */
#include "link.h"

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "pg.h"
#include "reader.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BATCHES 16
#define HELD_BYTES   (2 * RING_BATCHES * BATCH_BYTES) /* of batches that have a large row there are fewer */
#define NAP_US       100
#define BUSY_BYTES   16384 /* one round read at least this much: data keeps coming */
#define LEAVE_MS     3000  /* a server that shuts down is kept waiting so long for what is not durable */

/* Publications are looked up as they were when a change was made: one that is created again later does not
 * help. */
#define NO_PUBLICATION                                                                                       \
    ": it was dropped, and what changed while it was missing cannot be read from the slot any more: create " \
    "it again, then stop the connector and delete its offsets, so that it begins with a new snapshot"

struct link {
    PGconn *conn;
    struct ring *ring, *spare; /* batches to the pipeline, and back from it */
    int wake_fd;               /* ours: acknowledge, ask, stop */
    int pipeline_fd;           /* the pipeline's */
    int status_interval_ms;
    int session_fd; /* the other session's, a copy; -1: none, or it has ended */
    int lease_ms;   /* the server gives the slot away when it has not heard of us for so long; 0: never */
    pthread_t thread;
    atomic_ullong flushed, received;
    atomic_size_t queued, held; /* bytes in the ring; these and those in the pipeline's hands */
    size_t most_row;            /* 0: any size */
    int memory_max_mb;
    int fd;                 /* of conn */
    atomic_ullong row_from; /* what had been read when the last row was whole */
    atomic_bool overrun;    /* link_watch has cut the connection */
    bool unsendable;
    atomic_bool stop, ask, leaving, cut;
    struct err why;         /* it was cut; written before `cut` */
    atomic_llong alive_ms;  /* when the last status began to go out; the server heard of us later than that */
    atomic_llong silent_ms; /* when the server was last found silent for long */
    struct {
        int64_t since_ms;
        lsn_t flushed;
    } quiet;          /* while leaving: since when nothing more has become durable */
    char notice[500]; /* a warning that means data is being skipped */
};

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
    int64_t now = clock_boot_ms();
    *at++ = 'r';
    at = put_u64(at, received > flushed ? received : flushed);
    at = put_u64(at, flushed);
    at = put_u64(at, flushed);
    at = put_u64(at, (uint64_t)(clock_wall_us() - PG_EPOCH_US));
    *at++ = reply;
    int unsent = PQputCopyData(l->conn, msg, (int)(at - msg)) == 1 ? PQflush(l->conn) : -1;
    if (unsent == 0)
        atomic_store(&l->alive_ms, now);
    return unsent >= 0 || err_set(e, ERR_RETRY, "sending status to PostgreSQL: %s", PQerrorMessage(l->conn));
}

/* ---- reading ---- */

/* PostgreSQL 18 skips a missing publication with no more than a warning: what it skips would be lost. Before,
 * it was an error. */
static bool lacks_publication(const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION); /* the text may be translated */
    return (function &&
            (strcmp(function, "LoadPublications") == 0 || strcmp(function, "get_publication_oid") == 0)) ||
           (text && strstr(text, "skipped loading publication"));
}

static void note_lack(struct link *l, const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    snprintf(l->notice, sizeof l->notice, "%s" NO_PUBLICATION, text ? text : "a publication is missing");
}

/* The context of an error while decoding has the position of the change. */
static void stream_error(PGconn *conn, const PGresult *res, struct err *e)
{
    const char *context = res ? PQresultErrorField(res, PG_DIAG_CONTEXT) : NULL;
    pg_error(conn, res, e, "reading the replication stream");
    if (context)
        err_set(e, e->kind, "%s; %s", e->text, context);
}

static bool stream_ended(struct link *l, struct err *e)
{
    PGresult *res = PQgetResult(l->conn);
    ExecStatusType status = PQresultStatus(res);
    if (!l->notice[0] && res && lacks_publication(res))
        note_lack(l, res);
    l->unsendable = pg_is_unsendable(res);
    if (l->notice[0])
        err_set(e, ERR_CONFIG, "%s", l->notice);
    else if (status == PGRES_FATAL_ERROR || !res)
        stream_error(l->conn, res, e);
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

/* Takes what libpq has into the batch, up to its size, and then, once, what the socket has. In this order:
 * each reading moves all that libpq still holds, and after a large row that is up to as much again. */
static bool fill_batch(struct link *l, struct batch *b, bool *reply, struct err *e)
{
    bool read = false;
    while (!batch_full(b)) {
        char *bytes;
        int n = PQgetCopyData(l->conn, &bytes, 1);
        if (n == 0 && read)
            return true;
        if (n == 0 && !PQconsumeInput(l->conn))
            return pg_error(l->conn, NULL, e, "reading the replication stream");
        read |= n == 0;
        if (n == 0)
            continue;
        if (n == -1)
            return stream_ended(l, e);
        if (n < 0)
            return pg_error(l->conn, NULL, e, "reading the replication stream");
        /* What comes behind such a warning is past the data that was skipped. */
        bool ok = l->notice[0] ? err_set(e, ERR_CONFIG, "%s", l->notice)
                               : note_frame(l, (struct slice){bytes, (size_t)n}, reply, e);
        ok = ok && !FAILPOINT_ERROR("frame-read", e);
        if (!ok) {
            PQfreemem(bytes);
            return false;
        }
        batch_add(b, bytes, (size_t)n);
    }
    return true;
}

/* A server that shuts down ends ordinary sessions at once, but waits for this one until all that it has sent
 * is acknowledged: for as long as Kafka is down, if it were up to us. */
static void leave_begin(struct link *l)
{
    close(l->session_fd);
    l->session_fd = -1;
    l->quiet.since_ms = clock_mono_ms();
    atomic_store(&l->leaving, true);
    wake_signal(l->pipeline_fd); /* what is durable is to be stored now */
}

/* False when it is time to leave. */
static bool leave_later(struct link *l, struct err *e)
{
    lsn_t flushed = atomic_load(&l->flushed);
    int64_t now = clock_mono_ms();
    if (!atomic_load(&l->leaving))
        return true;
    if (flushed != l->quiet.flushed) {
        l->quiet.since_ms = now;
        l->quiet.flushed = flushed;
    }
    if (now - l->quiet.since_ms < LEAVE_MS)
        return true;
    shutdown(PQsocket(l->conn), SHUT_RDWR);
    return err_set(e, ERR_RETRY,
                   "PostgreSQL has ended this connector's other session, as when it shuts down, and nothing "
                   "more becomes durable: the slot was left, so that it need not be waited for");
}

/* False when this process has stood still (SIGSTOP, a suspended machine), or could send nothing, for so long
 * that the server has given the slot away: somebody else may be writing what we would write now. */
static bool lease_holds(struct link *l, struct err *e)
{
    int64_t silent = clock_boot_ms() - atomic_load(&l->alive_ms);
    return !l->lease_ms || silent <= l->lease_ms ||
           err_set(e, ERR_RETRY,
                   "nothing was sent to PostgreSQL for %lld s, longer than it waits (wal_sender_timeout): "
                   "this process stood still",
                   (long long)silent / 1000);
}

/* The server is asked before half the time has passed after which it gives the slot away. */
static int64_t note_silence(struct link *l)
{
    int64_t ms = pg_silent_ms(l->fd);
    if (ms > l->lease_ms / 2)
        atomic_store(&l->silent_ms, clock_boot_ms());
    return ms;
}

static void wait_for_work(struct link *l, bool full, int64_t due_ms)
{
    int64_t left = due_ms - clock_mono_ms();
    /* While the ring is full a broken socket must not wake us again and again: sending status will find it.
     */
    struct pollfd fds[] = {{full ? -1 : PQsocket(l->conn), POLLIN, 0},
                           {l->wake_fd, POLLIN, 0},
                           {ring_space_fd(l->ring), full ? POLLIN : 0, 0},
                           {l->session_fd, POLLRDHUP, 0}};
    poll(fds, 4, left > 0 ? (int)left : 0);
    if (fds[3].revents)
        leave_begin(l);
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

static bool row_refused(const struct link *l, struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "a row behind LSN " LSN_FMT " has more than %zu bytes, for which walwire.memory.max.mb=%d "
                   "leaves no room; it was not read, so its table is not known: raise the limit",
                   LSN_ARG(atomic_load(&l->received)), l->most_row, l->memory_max_mb);
}

/* A row is in libpq's buffer until it is whole. How large it has become there is not to be known, but how
 * much has come since the last one. Sockets other than TCP do not tell: there a row is measured when it is
 * read. */
static bool row_fits(struct link *l, bool whole, struct err *e)
{
    uint64_t received = pg_received(l->fd);
    if (whole)
        atomic_store(&l->row_from, received);
    return !received || received - atomic_load(&l->row_from) <= l->most_row || row_refused(l, e);
}

/* Hands the batch over; false while the ring is full. */
static bool hand_over(struct link *l, struct batch **b)
{
    size_t bytes = batch_size(*b);
    if (!bytes)
        return true;
    FAILPOINT("batch-over");
    if (atomic_load(&l->held) >= HELD_BYTES || !ring_push(l->ring, *b))
        return false;
    atomic_fetch_add(&l->queued, bytes);
    atomic_fetch_add(&l->held, bytes);
    *b = batch_new(l); /* the other one is the pipeline's now */
    return true;
}

/* One round: read, hand over, tell the server, wait. */
static bool link_round(struct link *l, struct batch **b, int64_t *due_ms, lsn_t *told, struct err *e)
{
    bool reply = false;
    size_t before = batch_size(*b);
    if (!lease_holds(l, e) || !leave_later(l, e))
        return false;
    bool held = atomic_load(&l->held) >= HELD_BYTES; /* a large row: the next one waits until it is done */
    if (!held && !fill_batch(l, *b, &reply, e))
        return false;
    if (l->notice[0])
        return err_set(e, ERR_CONFIG, "%s", l->notice);
    size_t got = batch_size(*b) - before;
    if (l->most_row && !row_fits(l, got > 0, e))
        return false;
    bool more = batch_full(*b); /* libpq may hold more, of which the socket knows nothing */
    bool full = !hand_over(l, b) || held;
    bool ask = atomic_exchange(&l->ask, false);
    lsn_t flushed = atomic_load(&l->flushed);
    if (reply || ask || flushed != *told || clock_mono_ms() >= *due_ms) {
        bool news = flushed != *told;
        bool silent = note_silence(l) >= l->status_interval_ms / 8; /* it is asked to say something */
        if ((news && FAILPOINT_ERROR("acknowledge", e)) || !send_status(l, ask || silent, e))
            return false;
        if (news)
            FAILPOINT("acknowledged");
        *told = flushed;
        *due_ms = clock_mono_ms() + l->status_interval_ms;
    }
    if (full || (!more && got < BUSY_BYTES))
        wait_for_work(l, full, atomic_load(&l->leaving) ? clock_mono_ms() + LEAVE_MS / 10 : *due_ms);
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
    if (atomic_load(&l->overrun))
        row_refused(l, &e);
    atomic_store(&l->alive_ms, INT64_MAX / 2); /* from here on it is the pipeline that takes its time */
    l->why = e;
    atomic_store(&l->cut, e.kind == ERR_RETRY);
    while (!atomic_load(&l->stop) && !hand_over(l, &b))
        wait_for_work(l, true, clock_mono_ms() + 1000);
    b->last = true;
    b->end = e;
    b->unsendable = l->unsendable;
    bool pushed;
    while (!(pushed = ring_push(l->ring, b)) && !atomic_load(&l->stop))
        wait_for_work(l, true, clock_mono_ms() + 1000);
    if (!pushed)
        batch_free(b);
    return NULL;
}

/* ---- opening ---- */

static void on_notice(void *arg, const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    if (lacks_publication(res))
        note_lack(arg, res);
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

/* An option may be given once. */
bool link_has_param(const char *params, const char *name)
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
    if (o->messages && PQserverVersion(conn) >= 140000 && !link_has_param(o->params, "messages"))
        BUF_LIT(&sql, ", messages 'true'");
    if (o->binary && !link_has_param(o->params, "binary"))
        BUF_LIT(&sql, ", binary 'true'");
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

/* 0: none. */
static int sender_timeout(PGconn *conn)
{
    struct err ignored = {0};
    char *text =
        pg_scalar(conn, &ignored, "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'");
    int ms = text ? atoi(text) : 0;
    free(text);
    return ms;
}

/* While the ring is full nothing is read, also no request for an answer: so status goes out often enough for
 * a server that waits less long than status.update.interval.ms. */
static int status_interval(int timeout_ms, int wished_ms)
{
    int most = timeout_ms / 3;
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
    if (l->session_fd >= 0)
        close(l->session_fd);
    close(l->wake_fd);
    free(l);
}

struct link *link_open(PGconn *conn, const struct link_options *o, struct err *e)
{
    int lease_ms = sender_timeout(conn), status_ms = status_interval(lease_ms, o->status_interval_ms);
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
    l->lease_ms = lease_ms;
    l->most_row = o->most_row;
    l->memory_max_mb = o->memory_max_mb;
    l->fd = PQsocket(conn);
    atomic_store(&l->row_from, pg_received(l->fd));
    /* Of our own: libpq closes its one when it finds the end first. */
    l->session_fd = o->session_fd < 0 ? -1 : fcntl(o->session_fd, F_DUPFD_CLOEXEC, 0);
    l->pipeline_fd = o->wake_fd;
    atomic_store(&l->alive_ms, clock_boot_ms());
    atomic_store(&l->silent_ms, INT64_MIN / 2);
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
        atomic_fetch_sub(&l->queued, batch_size(b));
    return b;
}

void link_return(struct link *l, struct batch *b)
{
    if (!b->last && atomic_fetch_sub(&l->held, batch_size(b)) >= HELD_BYTES)
        wake_signal(l->wake_fd); /* the link may wait for room that the ring knows nothing of */
    batch_reset(b);
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

bool link_leaving(struct link *l)
{
    return atomic_load(&l->leaving);
}

bool link_is_cut(struct link *l, struct err *e)
{
    if (atomic_load(&l->cut)) {
        *e = l->why;
        return true;
    }
    return !lease_holds(l, e);
}

/* What comes after a silence may have been held up on its way, and the end behind it: so it is to last. The
 * silence is noted at each status. */
bool link_heard(struct link *l)
{
    int64_t now = clock_boot_ms();
    bool ended = atomic_load(&l->alive_ms) > now;
    (void)note_silence(l);
    return !l->lease_ms || ended || now - atomic_load(&l->silent_ms) > 2 * l->status_interval_ms;
}

void link_watch(struct link *l)
{
    uint64_t from = atomic_load(&l->row_from);
    uint64_t received = l->most_row ? pg_received(l->fd) : 0;
    /* libpq's buffer is up to twice as large as the largest row, and one reading may fill it with small ones.
     */
    if (received <= from || received - from <= 2 * l->most_row || from != atomic_load(&l->row_from))
        return;
    atomic_store(&l->overrun, true);
    shutdown(l->fd, SHUT_RDWR);
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
