/* checkpoint.c - the order of durability: delivery reports, then the checkpoint, then the LSN to PostgreSQL.
 *
 * Rows and positions are saved as Debezium would (its offset of a COMMIT). While nothing is on its way, the
 * stream's own position is saved beside it, so that WAL of other tables and databases does not pile up behind
 * an idle slot. */
#include "clock.h"
#include "failpoint.h"
#include "json.h"
#include "log.h"
#include "pipeline.h"
#include "shard.h"

#define IDLE_SAVE_MS    10000
#define IDLE_SAVE_BYTES (16 << 20)
#define COMMIT_STEP_MS  500
#define COMMIT_STOP_MS  8000
#define KEPT_MS         2000

/* The LSN that a snapshot begins with is where its rows stand, not what has been streamed: changes before it
 * come first when it broke off. */
static bool snapshot_only(const struct offset *o)
{
    return offset_snapshot_open(o) && !o->lsn_commit && !o->lsn_proc;
}

lsn_t checkpoint_position(const struct offset *o)
{
    lsn_t lsn = snapshot_only(o) ? 0 : o->lsn;
    lsn_t at = o->lsn_commit ? o->lsn_commit : o->lsn_proc ? o->lsn_proc : lsn;
    return o->reached > at ? o->reached : at;
}

bool checkpoint_load(struct pipeline *p, struct err *e)
{
    p->offset = (struct offset){.tx_id = -1};
    if (!p->offsets)
        return true;
    if (!offsets_load(p->offsets, p->config->name, p->config->offset_server, &p->offset, e))
        return err_prefix(e, "reading the stored offset");
    if (!shard_check_offset(p->offsets, p->config, &p->offset, e))
        return false;
    p->source.last_commit = p->offset.lsn_commit;
    resume_init(&p->resume, &p->offset);
    return true;
}

/* Everything that the sink was given so far is behind this position, delivered or not: they become visible
 * together. */
static bool commit(struct pipeline *p, const struct offset *o, struct err *e)
{
    struct buf key = BUF_EMPTY, value = BUF_EMPTY;
    offsets_record(p->config->name, p->config->offset_server, o, &key, &value);
    enum sink_result r;
    do
        r = p->sink_type->commit(p->sink, buf_view(&key), buf_view(&value), COMMIT_STEP_MS, e);
    while (r == SINK_FULL && pipeline_stopping_ms(p) < COMMIT_STOP_MS);
    buf_free(&key);
    buf_free(&value);
    if (r == SINK_FULL)
        return err_set(e, ERR_RETRY, "stopped while Kafka did not confirm a transaction");
    p->exact.dirty = r != SINK_OK;
    return r == SINK_OK;
}

bool checkpoint_save(struct pipeline *p, const struct offset *offset, struct err *e)
{
    struct offset o = *offset;
    /* Whoever has the slot now may have stored a later one. In transactions Kafka sees to it. */
    if (!p->exact.on && p->link && link_is_cut(p->link, e))
        return err_prefix(e, "the position is not stored");
    o.slots = p->config->slots;
    lineage_sign(&p->lineage, &o);
    if (FAILPOINT_ERROR("checkpoint", e))
        return false;
    if (p->exact.on
            ? !commit(p, &o, e)
            : p->offsets && !offsets_save(p->offsets, p->config->name, p->config->offset_server, &o, e))
        return err_prefix(e, "storing the offset");
    p->offset = o;
    p->offset.transaction = NULL;
    p->saved_ms = clock_mono_ms();
    p->put_off = false;
    p->counts.checkpoints++;
    FAILPOINT("checkpoint-stored");
    if (p->link && p->config->lsn_flush_mode != FLUSH_MANUAL)
        link_acknowledge(p->link, checkpoint_position(offset));
    log_debug("checkpoint at " LSN_FMT, LSN_ARG(checkpoint_position(offset)));
    return true;
}

/* A message outside a transaction: Debezium's position is its beginning, so that what is behind it is said
 * apart. */
static bool save_message(struct pipeline *p, struct ledger_position at, struct err *e)
{
    struct offset o = {.present = true,
                       .lsn = at.lsn - 1,
                       .lsn_proc = at.lsn - 1,
                       .lsn_commit = at.lsn - 1,
                       .tx_id = -1,
                       .ts_usec = at.commit_us,
                       .message_type = "MESSAGE",
                       .reached = at.lsn};
    return checkpoint_save(p, &o, e);
}

/* A snapshot is still to be read: a start after this position must know. */
static void keep_snapshot(const struct pipeline *p, struct offset *o)
{
    if (p->snapshot_at)
        offset_keep_snapshot(o, &p->offset);
}

static bool save_commit(struct pipeline *p, struct ledger_position at, struct err *e)
{
    struct offset o = {.present = true,
                       .lsn = at.lsn,
                       .lsn_proc = at.lsn,
                       .lsn_commit = at.lsn,
                       .tx_id = at.tx_id,
                       .ts_usec = at.commit_us,
                       .message_type = "COMMIT"};
    keep_snapshot(p, &o);
    return checkpoint_save(p, &o, e);
}

static bool idle_save_due(struct pipeline *p, bool now)
{
    lsn_t at = checkpoint_position(&p->offset);
    if (p->mark || p->seen <= at || !ledger_idle(p->ledger) || p->snapshot_at)
        return false;
    return now || p->seen - at >= IDLE_SAVE_BYTES || clock_mono_ms() - p->saved_ms >= IDLE_SAVE_MS;
}

static bool save_idle(struct pipeline *p, struct err *e)
{
    struct offset o = p->offset;
    o.present = true;
    o.reached = p->seen;
    if (!o.lsn) {
        o.lsn = p->seen;
        o.ts_usec = clock_wall_us();
    }
    return checkpoint_save(p, &o, e);
}

static bool save_closed(struct pipeline *p, struct ledger_position at, struct err *e)
{
    return at.tx_id < 0 && !p->snapshot_at ? save_message(p, at, e) : save_commit(p, at, e);
}

/* Debezium goes on counting from these in the events of the transaction. */
static void write_transaction(struct pipeline *p, struct buf *b)
{
    buf_printf(b, ",\"transaction_id\":\"%lld\"", (long long)p->source.tx_id);
    for (size_t i = 0; i < p->n_touched; i++) {
        BUF_LIT(b, ",\"transaction_data_collection_order_");
        json_escaped(b, slice_of(p->touched[i]->collection));
        buf_printf(b, "\":%lld", (long long)p->touched[i]->events);
    }
}

/* Inside the open transaction, behind the last change at an LSN. exact: and what is before it is in one Kafka
 * transaction with the position. */
static bool save_place(struct pipeline *p, const struct place *at, bool exact, struct err *e)
{
    struct buf transaction = BUF_EMPTY;
    if (p->config->transaction_metadata)
        write_transaction(p, &transaction);
    lsn_t lsn = at->lsn ? at->lsn : p->begin;
    bool counts = at->op != OP_MESSAGE && at->op != OP_BEGIN; /* Debezium's own count */
    struct offset o = {.present = true,
                       .lsn = lsn,
                       .lsn_proc = lsn,
                       .lsn_commit = p->source.last_commit,
                       .tx_id = p->source.tx_id,
                       .ts_usec = p->source.ts_us,
                       .lsn_events = counts ? (int64_t)at->events : 0,
                       .transaction = transaction.ptr,
                       .counted = exact,
                       .events = exact ? (int64_t)at->events : 0,
                       .reached = p->offset.reached > p->source.last_commit ? p->offset.reached : 0};
    snprintf(o.message_type, sizeof o.message_type, "%s", resume_message_type(at->op));
    keep_snapshot(p, &o);
    bool ok = checkpoint_save(p, &o, e);
    buf_free(&transaction);
    return ok;
}

/* What is stored is further on in this transaction. */
static bool still_before(const struct resume *r, const struct place *at)
{
    return r->armed && r->inside && (at->lsn < r->lsn || (at->lsn == r->lsn && r->events > 0));
}

/* Between two changes of the open transaction. Of a snapshot there is no such position: its rows are visible,
 * and come again when it breaks off. Where what is stored is further on, it stays: Kafka's transaction must
 * end all the same. */
static bool save_inside(struct pipeline *p, struct err *e)
{
    const struct place *at = &p->exact.place;
    bool reading = p->capture.plan.modes->snapshot;
    if (reading || still_before(&p->resume, at))
        return checkpoint_save(p, &p->offset, e);
    return save_place(p, at, true, e);
}

/* At the end of a transaction as soon as may be; inside one when it takes too long. */
static bool tick_exactly(struct pipeline *p, bool now, struct err *e)
{
    const struct exactly_once *x = &p->exact;
    struct ledger_position at = ledger_end(p->ledger);
    int64_t ms = clock_mono_ms();
    (void)ledger_safe(p->ledger);
    if (p->mark)
        return !x->dirty || (!now && ms - x->begun_ms < x->hold_ms) || save_inside(p, e);
    bool due = now || ms - p->saved_ms >= (x->dirty ? x->gap_ms : p->config->offset_flush_ms);
    if (due && at.lsn > checkpoint_position(&p->offset))
        return save_closed(p, at, e);
    if (due && x->dirty)
        return checkpoint_save(p, &p->offset, e); /* a heartbeat */
    return x->dirty || !idle_save_due(p, now) || save_idle(p, e);
}

/* It may be so: what is safe is stored later, once that is known, or comes again. */
static bool replaced(const struct pipeline *p)
{
    return p->config->standby && p->link && !link_heard(p->link);
}

/* Were the process killed between the two, what browsers resume from would end before the stream begins: the
 * position waits for their files, which takes some milliseconds, but not for a disk that hangs. */
static bool wait_kept(struct pipeline *p, struct ledger_position *at)
{
    if (!p->live)
        return false;
    if (p->unkept.lsn <= checkpoint_position(&p->offset))
        p->unkept = *at;
    *at = p->unkept;
    return live_kept(p->live) < at->lsn &&
           clock_mono_ms() - p->saved_ms < p->config->offset_flush_ms + KEPT_MS;
}

bool checkpoint_waits(const struct pipeline *p)
{
    return !p->put_off && p->unkept.lsn > checkpoint_position(&p->offset);
}

static bool tick(struct pipeline *p, bool now, struct err *e)
{
    struct ledger_position at = ledger_safe(p->ledger);
    bool due = now || clock_mono_ms() - p->saved_ms >= p->config->offset_flush_ms;
    if (due && at.lsn > checkpoint_position(&p->offset)) {
        if (!now && wait_kept(p, &at))
            return true;
        FAILPOINT("ledger-safe");
        return save_closed(p, at, e);
    }
    return !idle_save_due(p, now) || save_idle(p, e);
}

/* Where positions are stored does not answer: they wait, nothing is acknowledged, and the stream goes on, so
 * that an outage does not end the connection to PostgreSQL. */
static bool put_off(struct pipeline *p, struct err *e)
{
    struct err cut = {0};
    if (e->kind != ERR_RETRY || pipeline_stopping(p) || (p->link && link_is_cut(p->link, &cut)))
        return false;
    if (!p->put_off)
        log_warn("%s; the position waits", e->text);
    p->put_off = true;
    p->saved_ms = clock_mono_ms();
    *e = (struct err){0};
    return true;
}

bool checkpoint_tick(struct pipeline *p, bool now, struct err *e)
{
    if (p->exact.on)
        return tick_exactly(p, now, e);
    return replaced(p) || tick(p, now, e) || (!now && put_off(p, e));
}

bool checkpoint_halt(struct pipeline *p, struct err *e)
{
    const struct halt *h = &p->halt;
    if (p->exact.on || !h->reached || !p->mark || p->mark->pending || p->snapshot_at)
        return true;
    if (replaced(p))
        return true;
    if (p->resume.armed && p->resume.inside && h->lsn < p->resume.lsn)
        return true; /* what is stored is further on in this transaction */
    const struct place at = {.lsn = h->lsn, .events = h->events, .op = h->op};
    return save_place(p, &at, false, e);
}
