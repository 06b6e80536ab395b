/* feed.c - a connector's topics to the browsers' hub.
 *
 * A start reads back as far as gateway.retention.ms says, gives up what is not complete there, and publishes
 * from then on. A transaction whose events do not come, or that is larger than what may be held, is not
 * passed over in silence: everybody is reset, as if the window had moved on.
 *
 * A transaction's place is its commit record's start, as in the engine, where walwire has put that beside the
 * END record. Debezium's have only the place behind the commit record: one less than that lies between the
 * start of this transaction's record and that of the next one, so it sorts the same. */
#include "feed.h"

#include "clock.h"
#include "feed_kafka.h"
#include "feed_record.h"
#include "feed_rows.h"
#include "log.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WAIT_MS = 50,
    DISCOVER_MS = 10000, /* how often topics that are new are looked for, */
    EAGER_MS = 1000,     /* and when a transaction waits for events */
    GRACE_MS = 3000,
    TELL_MS = 10000,
    RETRY_MS = 2000,
    LEFTOVER_MS = 3600000,
};

struct feed {
    struct feed_options options;
    int source;
    char *transactions;
    struct pattern_list *topics, *full;
    struct feed_modes modes;
    int64_t retention_ms, stall_ms;
    size_t held_most;
    struct feed_rows *rows; /* NULL: there are no snapshots */
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t mutex;
    struct feed_status status; /* guarded by the mutex */
    /* the thread's */
    struct feed_kafka *kafka;
    struct feed_shapes *shapes;
    struct feed_order *order;
    char *epoch;        /* of the newest END; NULL: none yet */
    bool primed, told;  /* told: the hub knows the epoch */
    lsn_t last;         /* the end of the last transaction that was published; 0: none */
    lsn_t base;         /* the end of the last transaction that was given up before the first was published */
    int64_t looked_ms;  /* when topics were last looked for */
    size_t caught;      /* transactions that were known then */
    int64_t caught_ms;  /* when the start had read all that was there; 0: not yet */
    int64_t stalled_ms; /* since when the next transaction waits; 0: it does not */
    int64_t warned_ms;
    struct slice *row, *old; /* scratch */
    size_t width;
};

/* ---- state ---- */

static void set_trouble(struct feed *f, const struct err *e, bool failed)
{
    pthread_mutex_lock(&f->mutex);
    snprintf(f->status.text, sizeof f->status.text, "%s", e ? e->text : "");
    f->status.failed = failed;
    pthread_mutex_unlock(&f->mutex);
}

static void show(struct feed *f)
{
    pthread_mutex_lock(&f->mutex);
    f->status.streaming = f->told;
    f->status.partitions = f->kafka ? feed_kafka_partitions(f->kafka) : 0;
    f->status.held_bytes = feed_order_bytes(f->order);
    f->status.waiting = feed_order_waiting(f->order);
    pthread_mutex_unlock(&f->mutex);
}

static void count(struct feed *f, uint64_t changes, bool skipped, int64_t lag_ms)
{
    pthread_mutex_lock(&f->mutex);
    f->status.transactions += !skipped;
    f->status.skipped += skipped;
    f->status.changes += changes;
    if (lag_ms >= 0)
        f->status.lag_ms = lag_ms;
    pthread_mutex_unlock(&f->mutex);
}

/* ---- to the hub ---- */

static lsn_t place_of(const struct feed_end *end)
{
    return end->commit ? end->commit : end->end - 1;
}

static void tell_epoch(struct feed *f, lsn_t start)
{
    hub_epoch(f->options.hub, f->source, f->epoch, start);
    if (!f->told)
        log_info("gateway %s: streaming; epoch %s", f->options.name, f->epoch);
    f->told = true;
}

static void make_room(struct feed *f, size_t n)
{
    if (n <= f->width)
        return;
    f->row = xrealloc(f->row, n * sizeof *f->row);
    f->old = xrealloc(f->old, n * sizeof *f->old);
    f->width = n;
}

static void publish_row(struct feed *f, const struct feed_end *end, const struct feed_row *r)
{
    struct hub *hub = f->options.hub;
    struct hub_table *table = feed_shape_table(r->shape, hub, f->source);
    if (!hub_follows(hub, table, place_of(end), end->xid))
        return;
    make_room(f, r->shape->n_columns + 1);
    struct slice payload = feed_row_cells(r, f->row, f->old);
    const struct hub_change c = {.table = table,
                                 .op = r->op,
                                 .commit_lsn = place_of(end),
                                 .ordinal = feed_ordinal(end->ordinals, r->event.total_order),
                                 .xid = end->xid,
                                 .ts_ms = r->ts_ms,
                                 .row = r->has_row ? f->row : NULL,
                                 .old = r->has_old ? f->old : NULL,
                                 .envelope = payload,
                                 .enveloped = hub_enveloped(table)};
    hub_publish(hub, f->source, &c);
}

static void drop_event(struct feed_event *e)
{
    free(e);
}

/* Something committed before this transaction, and behind the one before it, of which there is no END: the
 * connector was told for a while to write none, or its slot was made anew. What it sends again after a
 * restart may name a transaction that comes later. */
static bool is_behind_gap(const struct feed *f, const struct feed_end *end)
{
    lsn_t before = f->last ? f->last : f->base, loose = feed_shapes_loose(f->shapes);
    if (!before)
        return false;
    return (loose > before && loose < end->end) ||
           (end->commit && (!end->after || (end->after > before && end->after < end->commit)));
}

static void publish(struct feed *f, struct feed_transaction *t)
{
    uint64_t changes = 0;
    int64_t lag_ms = clock_wall_ms() - t->end.ts_ms;
    bool gap = is_behind_gap(f, &t->end);
    if (gap)
        log_warn("gateway %s: there are transactions before " LSN_FMT
                 " that the topics do not tell (provide.transaction.metadata was off, or the slot is new): "
                 "everybody is reset",
                 f->options.name, LSN_ARG(t->end.end));
    if (!f->told || gap)
        tell_epoch(f, f->base && !gap ? f->base : place_of(&t->end));
    f->last = t->end.end;
    for (struct feed_event *e = t->events, *next; e; e = next, changes++) {
        next = e->next;
        publish_row(f, &t->end, (struct feed_row *)e);
        drop_event(e);
    }
    hub_position(f->options.hub, f->source, t->end.end, lag_ms);
    count(f, changes, false, lag_ms);
    free(t->end.ordinals);
}

/* Everybody is reset: what comes next is behind a gap. */
static void skip(struct feed *f, const struct feed_end *end, const char *why)
{
    log_error("gateway %s: transaction %u, which ended at " LSN_FMT
              ", is left out, and everybody is reset: %s",
              f->options.name, end->xid, LSN_ARG(end->end), why);
    tell_epoch(f, end->end);
    f->last = end->end;
    feed_order_skip(f->order);
    count(f, 0, true, -1);
}

/* ---- what waits ---- */

static void tell_stall(struct feed *f, const struct feed_end *end, uint64_t missing, int64_t now)
{
    if (now - f->warned_ms < TELL_MS)
        return;
    f->warned_ms = now;
    log_warn("gateway %s: transaction %u waits for %llu of %llu events since %lld s; are all of the "
             "connector's topics read (gateway.topics)?",
             f->options.name, end->xid, (unsigned long long)missing, (unsigned long long)end->events,
             (long long)(now - f->stalled_ms) / 1000);
}

static void watch_stall(struct feed *f)
{
    struct feed_end end;
    uint64_t missing;
    int64_t now = clock_mono_ms();
    if (!feed_order_missing(f->order, &missing, &end) || !missing) {
        f->stalled_ms = 0;
        return;
    }
    if (!f->stalled_ms)
        f->stalled_ms = f->warned_ms = now;
    if (missing == UINT64_MAX)
        skip(f, &end,
             end.events == UINT64_MAX ? "its changes cannot be placed"
                                      : "it is larger than gateway.held.bytes allows");
    else if (now - f->stalled_ms > f->stall_ms)
        skip(f, &end, "its events have not come (retention, compaction, or a topic that is not read)");
    else
        tell_stall(f, &end, missing, now);
}

static void drain(struct feed *f)
{
    struct feed_transaction t;
    while (feed_order_take(f->order, &t)) {
        publish(f, &t);
        f->stalled_ms = 0;
    }
    watch_stall(f);
}

/* What was read begins somewhere in the past, on each partition elsewhere; what is not complete there is
 * given up. A topic that is only just there, or an event that comes behind its END, gets a moment. */
static void settle(struct feed *f)
{
    int64_t now = clock_mono_ms();
    if (!feed_kafka_caught_up(f->kafka))
        return;
    if (!f->caught_ms) {
        f->caught_ms = now;
        f->caught = feed_order_waiting(f->order);
    }
    if (!feed_order_whole(f->order, f->caught) && now - f->caught_ms < GRACE_MS) {
        f->stalled_ms = now; /* topics that are new are looked for */
        return;
    }
    f->stalled_ms = 0;
    f->base = feed_order_settle(f->order, f->caught);
    f->primed = true;
    feed_shapes_tell(f->shapes, f->options.hub, f->source);
    if (f->base && f->epoch)
        tell_epoch(f, f->base);
}

/* ---- records ---- */

/* Positions of another epoch are not compared, and may go back. */
static void take_epoch(struct feed *f, char *epoch)
{
    if (!epoch)
        epoch = xasprintf("%s-%s%s%s", feed_kafka_cluster(f->kafka), f->options.prefix,
                          props_get(f->options.props, "gateway.epoch") ? "-" : "",
                          props_get_or(f->options.props, "gateway.epoch", ""));
    if (f->epoch && strcmp(f->epoch, epoch) == 0) {
        free(epoch);
        return;
    }
    if (f->epoch) {
        log_warn("gateway %s: another history begins: epoch %s", f->options.name, epoch);
        feed_order_renew(f->order);
        f->told = false;
        f->base = f->last = 0;
    }
    free(f->epoch);
    f->epoch = epoch;
}

static bool take_end(struct feed *f, const rd_kafka_message_t *m, struct err *e)
{
    struct feed_end end;
    bool found;
    char *epoch;
    if (!feed_end_read((struct slice){m->payload, m->len}, feed_header(m), &found, &end, &epoch, e))
        return false;
    if (!found)
        return true;
    take_epoch(f, epoch);
    bool ok = feed_order_end(f->order, &end) != FEED_END_BACKWARD ||
              err_set(e, ERR_CONFIG,
                      "transaction %u goes back to " LSN_FMT ": these are records of another history "
                      "(a restored server?); set gateway.epoch to a new value on all gateways",
                      end.xid, LSN_ARG(end.end));
    free(end.ordinals);
    return ok;
}

static bool take_row(struct feed *f, const rd_kafka_message_t *m, struct err *e)
{
    struct feed_row *row;
    const struct slice key = {m->key, m->key_len}, value = {m->payload, m->len};
    if (!feed_row_read(f->shapes, key, value, &row, e))
        return false;
    if (row) {
        row->event.came_ms = clock_mono_ms();
        feed_order_event(f->order, row->xid, &row->event);
    }
    return true;
}

static bool take(void *ctx, const rd_kafka_message_t *m, struct err *e)
{
    struct feed *f = ctx;
    bool ok = feed_kafka_is_transactions(f->kafka, m) ? take_end(f, m, e) : take_row(f, m, e);
    return ok || err_prefix(e, "topic %s, partition %d, offset %lld", rd_kafka_topic_name(m->rkt),
                            m->partition, (long long)m->offset);
}

/* ---- the thread ---- */

static bool discover(struct feed *f, struct err *e)
{
    int64_t now = clock_mono_ms();
    if (now - f->looked_ms < (f->stalled_ms ? EAGER_MS : DISCOVER_MS))
        return true;
    f->looked_ms = now;
    feed_order_sweep(f->order, now, LEFTOVER_MS);
    if (feed_kafka_discover(f->kafka, e) || e->kind != ERR_RETRY)
        return !e->kind;
    log_warn("gateway %s: %s", f->options.name, e->text);
    *e = (struct err){0};
    return true;
}

static bool step(struct feed *f, struct err *e)
{
    if (!feed_kafka_take(f->kafka, WAIT_MS, take, f, e))
        return false;
    if (!f->primed)
        settle(f);
    if (f->primed)
        drain(f);
    show(f);
    return discover(f, e);
}

static void begin(struct feed *f)
{
    feed_order_free(f->order);
    f->order = feed_order_new(f->held_most, drop_event);
    f->primed = f->told = false;
    f->base = f->last = 0;
    f->caught_ms = f->stalled_ms = 0;
    f->looked_ms = clock_mono_ms();
}

/* Reads until told to stop, or something fails. */
static void run(struct feed *f, struct err *e)
{
    const struct feed_topics topics = {.settings = f->options.props,
                                       .transactions = f->transactions,
                                       .prefix = f->options.prefix,
                                       .chosen = f->topics,
                                       .back_ms = f->retention_ms};
    begin(f);
    f->kafka = feed_kafka_open(&topics, e);
    if (f->kafka)
        set_trouble(f, NULL, false);
    while (f->kafka && !atomic_load(&f->stop) && step(f, e))
        ;
    feed_kafka_close(f->kafka);
    f->kafka = NULL;
}

static void rest(struct feed *f)
{
    for (int left = RETRY_MS; left > 0 && !atomic_load(&f->stop); left -= WAIT_MS)
        usleep(WAIT_MS * 1000);
}

static void *feed_main(void *ctx)
{
    struct feed *f = ctx;
    while (!atomic_load(&f->stop)) {
        struct err e = {0};
        run(f, &e);
        if (!e.kind)
            break;
        bool failed = e.kind != ERR_RETRY;
        set_trouble(f, &e, failed);
        if (failed)
            break;
        log_warn("gateway %s: %s; trying again", f->options.name, e.text);
        pthread_mutex_lock(&f->mutex);
        f->status.restarts++;
        pthread_mutex_unlock(&f->mutex);
        rest(f);
    }
    return NULL;
}

/* ---- its life ---- */

static bool number_of(const struct props *p, const char *name, int64_t preset, int64_t most, int64_t *out,
                      struct err *e)
{
    const char *text = props_get(p, name);
    char *end = NULL;
    *out = text ? strtoll(text, &end, 10) : preset;
    return (*out > 0 && *out <= most && !(end && (*end || end == text))) ||
           err_set(e, ERR_CONFIG, "%s=%s: use a number from 1 to %lld", name, text, (long long)most);
}

static bool patterns_of(const struct props *p, const char *name, struct pattern_list **out, struct err *e)
{
    const char *text = props_get(p, name);
    *out = text && *text ? pattern_list_new(text, e) : NULL;
    return *out || !e->kind || err_prefix(e, "%s", name);
}

static bool settings_take(struct feed *f, struct err *e)
{
    const struct props *p = f->options.props;
    int64_t held = 0;
    f->transactions =
        xasprintf("%s.%s", f->options.prefix, props_get_or(p, "topic.transaction", "transaction"));
    f->modes = feed_modes_of(p);
    bool ok = number_of(p, "gateway.retention.ms", 600000, INT64_C(604800000), &f->retention_ms, e) &&
              number_of(p, "gateway.stall.ms", 150000, INT64_C(86400000), &f->stall_ms, e) &&
              number_of(p, "gateway.held.bytes", 268435456, INT64_C(1) << 40, &held, e) &&
              patterns_of(p, "gateway.topics", &f->topics, e) &&
              patterns_of(p, "gateway.identity.full", &f->full, e);
    f->held_most = (size_t)held;
    return ok;
}

static bool rows_start(struct feed *f, struct err *e)
{
    const struct props *p = f->options.props;
    const char *url = props_get(p, "gateway.upstream");
    const struct feed_rows_options o = {.hub = f->options.hub,
                                        .source = f->source,
                                        .url = url,
                                        .connector = f->options.name,
                                        .token = props_get(p, "gateway.upstream.token"),
                                        .token_file = props_get(p, "gateway.upstream.token.file"),
                                        .ca_file = props_get(p, "gateway.upstream.ca.file")};
    return !url || !*url || (f->rows = feed_rows_start(&o, e));
}

static void feed_free(struct feed *f)
{
    feed_order_free(f->order);
    feed_shapes_free(f->shapes);
    pattern_list_free(f->topics);
    pattern_list_free(f->full);
    types_free(f->modes.types);
    pthread_mutex_destroy(&f->mutex);
    free(f->transactions);
    free(f->epoch);
    free(f->row);
    free(f->old);
    free(f);
}

struct feed *feed_start(const struct feed_options *options, struct err *e)
{
    struct feed *f = xcalloc(1, sizeof *f);
    f->options = *options;
    f->status.lag_ms = -1;
    pthread_mutex_init(&f->mutex, NULL);
    f->source = hub_source(options->hub, options->name);
    if (!settings_take(f, e) || !rows_start(f, e)) {
        feed_free(f);
        return NULL;
    }
    f->shapes = feed_shapes_new(&f->modes, f->full);
    pthread_create(&f->thread, NULL, feed_main, f);
    return f;
}

void feed_stop(struct feed *f)
{
    if (!f)
        return;
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    feed_rows_stop(f->rows);
    feed_free(f);
}

void feed_look(struct feed *f, struct feed_status *out)
{
    pthread_mutex_lock(&f->mutex);
    *out = f->status;
    pthread_mutex_unlock(&f->mutex);
}

const char *feed_name(const struct feed *f)
{
    return f->options.name;
}
