/* pipeline.c - one run: open everything, stream, close everything; and the way of one row to its sinks. */
#include "pipeline.h"

#include "activity.h"
#include "clock.h"
#include "dead_letter.h"
#include "failpoint.h"
#include "log.h"
#include "readings.h"
#include "row_size.h"
#include "xmalloc.h"

#include <openssl/rand.h>
#include <poll.h>
#include <stdlib.h>

#define DRAIN_MS   8000
#define GIVE_UP_MS 4000

bool pipeline_stopping(const struct pipeline *p)
{
    return atomic_load(&p->face->stop);
}

void pipeline_step(struct pipeline *p, const char *step)
{
    pthread_mutex_lock(&p->face->mutex);
    p->face->status.step = step;
    p->face->status.snapshot_running = strcmp(step, "snapshot") == 0;
    pthread_mutex_unlock(&p->face->mutex);
    readings_step(p, step);
}

bool pipeline_limit(struct pipeline *p, int timeout_ms, struct err *e)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SET statement_timeout = %d", timeout_ms);
    return pg_run(p->conn, e, sql);
}

/* ---- records ---- */

static void wait_for_sink(struct pipeline *p)
{
    struct pollfd fd = {p->face->wake_fd, POLLIN, 0};
    poll(&fd, 1, 100);
    wake_clear(p->face->wake_fd);
}

int64_t pipeline_stopping_ms(struct pipeline *p)
{
    if (!pipeline_stopping(p))
        return -1;
    if (!p->stop_ms)
        p->stop_ms = clock_mono_ms();
    return clock_mono_ms() - p->stop_ms;
}

/* A stop finishes what it is at, unless Kafka takes too little for that. */
static bool given_up(struct pipeline *p)
{
    int64_t ms = pipeline_stopping_ms(p);
    p->halt.wanted |= ms >= FINISH_TX_MS;
    return ms >= GIVE_UP_MS;
}

static void note_topic(struct pipeline *p, struct topic *topic)
{
    struct activity *a = p->env->activity;
    if (a && topic->noted != activity_round(a))
        topic->noted = activity_note(a, p->config->name, topic->name);
}

/* Of a Kafka transaction. */
static void note_first(struct pipeline *p)
{
    if (!p->exact.dirty)
        p->exact.begun_ms = clock_mono_ms();
    p->exact.dirty = true;
}

bool pipeline_put(struct pipeline *p, const struct message *message, struct err *e)
{
    if (p->muted)
        return true;
    if (FAILPOINT_ERROR("produce", e))
        return false;
    for (bool polled = false;; polled = !polled) {
        switch (p->sink_type->put(p->sink, message, e)) {
        case SINK_OK:
            p->bytes += message->key.len + message->value.len;
            note_topic(p, message->topic);
            if (p->exact.on)
                note_first(p);
            FAILPOINT("produced");
            return true;
        case SINK_FAIL:
            return false;
        case SINK_TOO_LARGE:
            return dead_letter_take(p, message, e);
        case SINK_FULL:
            if (!p->sink_type->poll(p->sink, e))
                return false;
            if (given_up(p))
                return err_set(e, ERR_RETRY, "stopped while Kafka took no more records");
            if (p->link && link_is_cut(p->link, e))
                return false;
            if (polled) /* the reports just taken have made no room */
                wait_for_sink(p);
        }
    }
}

static bool put_record(struct pipeline *p, struct capture *c, const struct envelope_record *r, struct err *e)
{
    const struct message m = {
        .topic = c->topic,
        .key = r->key,
        .value = r->value,
        .headers = &r->header,
        .n_headers = r->header.name.ptr ? 1 : 0,
        .context = p->config->extended_headers,
        .partition = -1,
        .mark = p->mark,
        .table = c->tally->collection,
        .op = (char)r->op,
    };
    return pipeline_put(p, &m, e);
}

/* The first event of a collection puts it on the list for the END record. */
struct order_counter *pipeline_counter(struct pipeline *p, struct tally *t)
{
    if (!p->config->transaction_metadata || !p->mark || !p->tx)
        return NULL;
    if (t->tx != p->tx) {
        t->tx = p->tx;
        t->events = 0;
        if (p->n_touched == p->cap_touched) {
            p->cap_touched = p->cap_touched * 2 + 16;
            p->touched = xrealloc(p->touched, p->cap_touched * sizeof *p->touched);
        }
        p->touched[p->n_touched++] = t;
    }
    p->counter.collection = &t->events;
    return &p->counter;
}

static void tell_failures(const struct config *config, struct capture *c)
{
    uint64_t n = plan_failures(c->plan);
    if (n == c->failures_told)
        return;
    if (!c->warned && config->converting_failure != FAILURE_SKIP)
        log_warn("%s: a value cannot be converted and is written as null, or as what stands for null (told "
                 "once a table)",
                 plan_last_failure(c->plan));
    c->warned = true;
    c->failures_told = n;
}

static bool knows_labels(const struct pipeline *p, const struct capture *c, const struct change *change)
{
    return c->labels_asked == p->source.tx_id ||
           (plan_knows_labels(c->plan, change->before) && plan_knows_labels(c->plan, change->after));
}

/* An enum or a composite changed since the relation was described. */
static bool refresh_labels(struct pipeline *p, const struct change *change, struct relation *rel,
                           struct err *e)
{
    bool warned = capture_of(rel)->warned;
    rel->free_plan(rel->plan);
    rel->plan = NULL;
    if (!pipeline_describe(p, rel, e))
        return false;
    struct capture *c = capture_of(rel);
    c->warned = warned;
    c->labels_asked = knows_labels(p, c, change) ? 0 : p->source.tx_id;
    return true;
}

/* event.processing.failure.handling.mode: an event that cannot be written stops the connector or is left out.
 */
static bool row_failed(struct pipeline *p, struct capture *c, struct err *e)
{
    err_prefix(e, "%s", c->tally->collection);
    if (e->kind != ERR_DATA || p->config->processing_failure == FAILURE_FAIL)
        return false;
    if (p->config->processing_failure == FAILURE_WARN)
        log_warn("%s; the event is left out, as event.processing.failure.handling.mode says", e->text);
    *e = (struct err){0};
    p->counts.erroneous++;
    return true;
}

/* An event that was too large is none: the next one takes its number. Of two events of one change, which have
 * their numbers already, only the last one can give it back. */
static bool put_records(struct pipeline *p, struct capture *c, const struct envelope_record *records, int n,
                        struct order_counter *counter, struct err *e)
{
    int last = n - 1;
    while (last > 0 && !records[last].op) /* a tombstone is no event */
        last--;
    for (int i = 0; i < n; i++) {
        uint64_t dropped = p->counts.too_large;
        if (!put_record(p, c, &records[i], e))
            return false;
        if (p->counts.too_large == dropped || !counter || !records[i].op || i != last)
            continue;
        counter->total--;
        --*counter->collection;
    }
    return true;
}

static bool publish(struct pipeline *p, struct capture *c, const struct change *change, struct err *e)
{
    const struct envelope_record *records;
    struct order_counter *counter = change->op == OP_READ ? NULL : pipeline_counter(p, c->tally);
    int n = envelope_make(p->envelope, c->plan, change, &p->source, counter, clock_wall_ns(), &records, e);
    p->counts.erroneous += n >= 0 && plan_failures(c->plan) != c->failures_told;
    if (!put_records(p, c, records, n, counter, e))
        return false;
    if (n < 0 && !row_failed(p, c, e))
        return false;
    tell_failures(p->config, c);
    p->events++;
    p->counts.by_op[COUNT_OF(change->op)]++;
    p->counts.filtered += n == 0;
    return true;
}

/* Binary values become text where they came in; those of more than `most` bytes do not yet. */
static bool as_text(struct pipeline *p, const struct change *change, size_t most, struct err *e)
{
    return !change->binary || pgoutput_to_text(p->decoder, change, p->types, most, &p->converted, e);
}

/* made: what Kafka gets of it; NULL: nothing. */
static void show_change(struct pipeline *p, struct capture *c, const struct change *change,
                        const struct envelope *made)
{
    if (c->live)
        live_change(c->live, change, &p->ordinal, made);
    else
        p->ordinal += made && envelope_key_changed(made) ? 2 : 1;
}

enum { ORDINALS_MOST = 64 * 1024 }; /* bytes of a header */

/* Changes without an event, and messages, let the two counts part. `before`: of the events. */
static void note_ordinals(struct pipeline *p, int64_t before)
{
    int64_t apart = (int64_t)p->ordinal - p->counter.total;
    if (!p->config->transaction_position || p->counter.total == before || apart == p->apart)
        return;
    p->apart = apart;
    if (p->ordinals.len > ORDINALS_MOST) { /* no gateway can place its changes */
        buf_reset(&p->ordinals);
        buf_char(&p->ordinals, '?');
    }
    if (p->ordinals.len && p->ordinals.ptr[0] == '?')
        return;
    buf_printf(&p->ordinals, "%s%lld:%lld", p->ordinals.len ? "," : "", (long long)before + 1,
               (long long)(before + apart));
}

bool pipeline_row(struct pipeline *p, const struct change *change, struct relation *rel, struct err *e)
{
    struct capture *c = capture_of(rel);
    if (!c || !c->plan) {
        p->counts.filtered++;
        return true;
    }
    if (change->binary)
        arena_reset(&p->converted);
    if (!as_text(p, change, ROW_LARGE, e) ||
        (!knows_labels(p, c, change) && !refresh_labels(p, change, rel, e)))
        return false;
    if (change->op != OP_READ && FAILPOINT_ERROR("row", e))
        return false;
    c = capture_of(rel);
    p->source.lsn = change->lsn;
    bool taken = false, large = change->size >= ROW_LARGE;
    int64_t total = p->counter.total;
    if ((large && !row_size_check(p, c, change, &taken, e)) ||
        (!taken && (!as_text(p, change, SIZE_MAX, e) || !publish(p, c, change, e))))
        return false;
    if (change->op != OP_READ) {
        show_change(p, c, change, taken ? NULL : p->envelope);
        note_ordinals(p, total);
    }
    if (large)
        row_size_done(p, c);
    return true;
}

bool pipeline_describe(struct pipeline *p, struct relation *rel, struct err *e)
{
    return catalog_describe(p->conn, rel, p->ahead, p->types, e) && capture_make(&p->capture, rel, e);
}

/* ---- a run ---- */

static void forget_topic(void *ctx, struct topic *topic)
{
    struct pipeline *p = ctx;
    if (p->sink)
        p->sink_type->forget(p->sink, topic);
}

static void pipeline_init(struct pipeline *p)
{
    const struct config *c = p->config;
    p->types = types_new();
    p->decoder = pgoutput_new();
    p->ledger = ledger_new();
    p->topics = topics_new();
    p->tallies = tallies_new();
    p->collections_capacity = 16;
    p->rules = (struct envelope_rules){.tombstones = c->tombstones,
                                       .skip_create = c->skip_create,
                                       .skip_update = c->skip_update,
                                       .skip_delete = c->skip_delete,
                                       .skip_truncate = c->skip_truncate,
                                       .skip_unchanged = c->skip_unchanged,
                                       .check_tree = getenv("WALWIRE_CHECK_TREE") != NULL};
    p->envelope = envelope_new(&p->rules);
    p->records = (struct record_style){c->key_style, c->value_style, c->modes.binary};
    p->sink_type = p->env->sink;
    p->capture = (struct capture_settings){
        c, {p->types, &c->modes, c->key_style, c->value_style}, p->topics, p->tallies, p->live};
    p->source = (struct source){.name = c->topic_prefix, .db = c->dbname, .tx_id = -1};
}

static void pipeline_close(struct pipeline *p)
{
    link_close(p->link);
    if (p->replication)
        PQfinish(p->replication);
    topics_free(p->topics, forget_topic, p);
    tallies_free(p->tallies);
    if (p->sink)
        p->sink_type->close(p->sink);
    pgoutput_free(p->decoder);
    envelope_free(p->envelope);
    ledger_free(p->ledger);
    types_free(p->types);
    catalog_ahead_free(p->ahead);
    gone_free(&p->gone);
    tables_free(&p->tables);
    if (p->conn)
        PQfinish(p->conn);
    if (p->action)
        PQfinish(p->action);
    arena_free(&p->scratch);
    arena_free(&p->converted);
    buf_free(&p->key);
    buf_free(&p->ordinals);
    buf_free(&p->value);
    offsets_close(p->own_offsets);
    free(p->touched);
}

/* What is on its way is delivered and acknowledged, so that a clean stop leaves no duplicates. */
static bool drain(struct pipeline *p, struct err *e)
{
    pipeline_step(p, "drain");
    if (FAILPOINT_ERROR("drain", e) || !p->sink_type->flush(p->sink, DRAIN_MS, e) ||
        FAILPOINT_ERROR("drain-flushed", e) || !checkpoint_tick(p, true, e) || !checkpoint_halt(p, e))
        return false;
    FAILPOINT("drain-stored");
    return true;
}

/* A stop that broke off: what is whole and delivered need not be sent again. */
static void save_what_is_out(struct pipeline *p)
{
    struct err ignored = {0};
    if (p->sink && p->link && !p->exact.on) /* what is not whole must not become visible */
        (void)(p->sink_type->poll(p->sink, &ignored) && checkpoint_tick(p, true, &ignored));
}

/* The run will not be tried again by itself, and the next one fails at the same place: what came before it is
 * delivered now, or never. */
static void deliver_what_came_before(struct pipeline *p)
{
    struct err ignored = {0};
    if (p->sink && p->link && !p->exact.on)
        (void)(p->sink_type->flush(p->sink, GIVE_UP_MS, &ignored) && checkpoint_tick(p, true, &ignored));
}

static bool drop_slot_on_stop(struct pipeline *p, struct err *e)
{
    if (!p->config->slot_drop_on_stop || p->env->temporary)
        return true;
    link_close(p->link);
    p->link = NULL;
    if (slot_drop(p->conn, p->config->slot_name, e))
        return true;
    log_warn("slot.drop.on.stop: %s; the slot keeps WAL until it is dropped", e->text);
    return false;
}

/* A random id for each start, as a UUID. */
static void make_run_id(char out[37])
{
    unsigned char b[16];
    if (RAND_bytes(b, sizeof b) != 1)
        memset(b, 0, sizeof b);
    b[6] = (unsigned char)(0x40 | (b[6] & 0x0f));
    b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
    for (size_t i = 0, at = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        at += (size_t)snprintf(out + at, 3, "%02x", b[i]);
    }
}

bool pipeline_run(const struct connector_env *env, const struct config *config, struct live *live,
                  struct pipeline_face *face, struct err *e)
{
    char run_id[37];
    make_run_id(run_id);
    struct pipeline p = {.env = env, .config = config, .live = live, .face = face, .run_id = run_id};
    pipeline_init(&p);
    readings_begin(&p);
    log_set_position(&p.source.lsn);
    bool ok = prepare(&p, e) && stream_run(&p, e) && drain(&p, e) && drop_slot_on_stop(&p, e);
    if (!ok && pipeline_stopping(&p)) {
        log_info("stopping: %s", e->text);
        save_what_is_out(&p);
    } else if (!ok && e->kind != ERR_RETRY) {
        deliver_what_came_before(&p);
    }
    readings_end(&p, !ok && !pipeline_stopping(&p) && !face->renew);
    log_set_position(NULL);
    pipeline_close(&p);
    return ok;
}
