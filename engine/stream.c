/* stream.c - the stream: batches from the link, frames to changes, changes to records, positions back. */
#include "clock.h"
#include "failpoint.h"
#include "java_map.h"
#include "json.h"
#include "log.h"
#include "pipeline.h"
#include "reader.h"
#include "readings.h"
#include "row_size.h"
#include "sql.h"
#include "topic.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>

#define IDLE_MS     1000 /* the longest sleep */
#define WATCH_MS    20   /* while rows may not be of any size */
#define ASK_MS      100  /* while a browser waits for the stream to reach a position */
#define HALT_MS     4000 /* a stop waits so long for a place inside a transaction to stop at */
#define LOOK_FRAMES 64   /* after so many of a batch it is asked whether the slot is still ours */

/* ---- records beside the rows ---- */

static struct topic *own_topic(struct pipeline *p, void (*name_it)(const struct topic_naming *, struct buf *))
{
    struct buf name = BUF_EMPTY;
    name_it(p->config->naming, &name);
    struct topic *t = topics_get(p->topics, name.ptr);
    buf_free(&name);
    return t;
}

static bool put_with(struct pipeline *p, struct topic *topic, int32_t partition, const struct header *header,
                     struct err *e)
{
    const struct message m = {.topic = topic,
                              .key = buf_view(&p->key),
                              .value = buf_view(&p->value),
                              .headers = header,
                              .n_headers = header != NULL,
                              .partition = partition,
                              .mark = p->mark};
    bool ok = pipeline_put(p, &m, e);
    buf_reset(&p->key);
    buf_reset(&p->value);
    arena_reset(&p->scratch);
    return ok;
}

static bool put_own(struct pipeline *p, struct topic *topic, int32_t partition, struct err *e)
{
    return put_with(p, topic, partition, NULL, e);
}

static bool put_begin(struct pipeline *p, const struct change *c, struct err *e)
{
    if (!p->config->transaction_metadata)
        return true;
    const struct order order = {.xid = c->tx->xid, .lsn = c->lsn};
    record_begin(&p->key, &p->value, &p->records, &order, p->source.ts_us / 1000, &p->scratch);
    return put_own(p, own_topic(p, topic_of_transactions), -1, e);
}

/* The collection of logical messages; a table's has a dot in it. */
#define MESSAGES "message"

static bool is_messages(const struct tally *t)
{
    return strcmp(t->collection, MESSAGES) == 0;
}

/* In this transaction. */
static size_t count_messages(const struct pipeline *p)
{
    for (size_t i = 0; i < p->n_touched; i++)
        if (is_messages(p->touched[i]))
            return (size_t)p->touched[i]->events;
    return 0;
}

/* Debezium counts in a HashMap: its order is that of the names' hashes, in a table that only grows. Each
 * message is a collection of its own there, at a place that chance gives; here they come last. */
static size_t count_collections(struct pipeline *p, struct collection_count *counts)
{
    struct java_entry *entries = arena_alloc(&p->scratch, (p->n_touched + 1) * sizeof *entries);
    size_t n = 0, messages = count_messages(p);
    for (size_t i = 0; i < p->n_touched; i++)
        if (p->touched[i]->events && !is_messages(p->touched[i])) /* skipped operations leave none */
            entries[n++] =
                (struct java_entry){java_string_hash(slice_of(p->touched[i]->collection)), (uint32_t)i};
    while (n + messages > p->collections_capacity / 4 * 3)
        p->collections_capacity *= 2;
    java_map_order(entries, n, p->collections_capacity);
    for (size_t i = 0; i < n; i++) {
        const struct tally *t = p->touched[entries[i].index];
        counts[i] = (struct collection_count){t->collection, t->events};
    }
    for (; messages > 0; messages--)
        counts[n++] = (struct collection_count){MESSAGES, 1};
    return n;
}

/* What gateways need beside an END: where browsers of this server would be. */
static struct slice position_text(struct pipeline *p, const struct change *c)
{
    struct buf b = BUF_EMPTY;
    if (!p->config->transaction_position)
        return SLICE("");
    buf_char(&b, '{');
    json_field(&b, "epoch", p->epoch);
    json_field_i64(&b, "commit", (int64_t)c->tx->commit_lsn);
    json_field_i64(&b, "after", (int64_t)(p->ended ? p->ended : p->source.last_commit));
    json_field_i64(&b, "changes", p->ordinal);
    if (p->ordinals.len)
        json_field(&b, "ordinals", p->ordinals.ptr);
    buf_char(&b, '}');
    struct slice text = arena_slice(&p->scratch, buf_view(&b));
    buf_free(&b);
    return text;
}

static bool put_end(struct pipeline *p, const struct change *c, struct err *e)
{
    if (!p->config->transaction_metadata)
        return true;
    struct collection_count *counts =
        arena_alloc(&p->scratch, (p->n_touched + count_messages(p) + 1) * sizeof *counts);
    size_t n = count_collections(p, counts);
    const struct order order = {.xid = c->tx->xid, .lsn = c->lsn, .total = p->counter.total};
    record_end(&p->key, &p->value, &p->records, &order, p->source.ts_us / 1000, counts, n, &p->scratch);
    const struct header position = {SLICE("walwire.position"), position_text(p, c)};
    return put_with(p, own_topic(p, topic_of_transactions), -1,
                    p->config->transaction_position ? &position : NULL, e);
}

static bool heartbeat(struct pipeline *p, struct err *e)
{
    int64_t now = clock_mono_ms();
    if (p->config->heartbeat_interval_ms <= 0 || now < p->heartbeat_due_ms || p->mark)
        return true;
    p->heartbeat_due_ms = now + p->config->heartbeat_interval_ms;
    if (!heartbeat_action(p, e))
        return false;
    record_heartbeat(&p->key, &p->value, &p->records, p->config->topic_prefix, clock_wall_ms(), &p->scratch);
    p->mark = ledger_open(p->ledger);
    bool ok = put_own(p, own_topic(p, topic_of_heartbeats), 0, e);
    ledger_close(p->ledger, p->source.last_commit, p->source.tx_id, p->source.ts_us); /* moves nothing */
    p->mark = NULL;
    return ok;
}

/* ---- changes ---- */

/* source.xmin, where it is wanted; asked for again while there is none. */
static bool refresh_xmin(struct pipeline *p, struct err *e)
{
    int64_t now = p->config->xmin_interval_ms > 0 ? clock_mono_ms() : 0;
    if (!now || (p->source.xmin && now < p->xmin_due_ms))
        return true;
    p->xmin_due_ms = now + p->config->xmin_interval_ms;
    const char *slot = p->config->slot_name;
    PGresult *res = pg_query(p->conn, e, SQL_SLOT_XMIN, 1, &slot);
    if (res && PQntuples(res) && !PQgetisnull(res, 0, 0))
        p->source.xmin = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return res != NULL;
}

static bool on_begin(struct pipeline *p, const struct change *c, struct err *e)
{
    if (FAILPOINT_ERROR("transaction-begin", e))
        return false;
    p->mark = ledger_open(p->ledger);
    p->begin = c->lsn;
    p->commit = c->tx->commit_lsn;
    p->tx++;
    p->n_touched = 0;
    p->ordinal = 0;
    p->apart = 0;
    buf_reset(&p->ordinals);
    p->counter = (struct order_counter){.xid = c->tx->xid};
    p->source.ts_us = c->tx->commit_us;
    p->source.tx_id = c->tx->xid;
    p->source.origin = NULL;
    return put_begin(p, c, e);
}

static bool on_commit(struct pipeline *p, const struct change *c, struct err *e)
{
    if (!put_end(p, c, e) || FAILPOINT_ERROR("transaction-end", e))
        return false;
    ledger_close(p->ledger, c->tx->end_lsn, c->tx->xid, c->tx->commit_us);
    p->mark = NULL;
    p->source.last_commit = p->ended = c->lsn;
    p->seen = c->tx->end_lsn;
    p->transactions++;
    FAILPOINT("transaction-ended");
    if (p->live)
        live_position(p->live, p->seen, c->tx->commit_us);
    return !p->exact.on || checkpoint_tick(p, false, e);
}

static bool wants_prefix(const struct config *c, struct slice prefix)
{
    if (c->prefix_include && pattern_list_count(c->prefix_include))
        return pattern_list_match(c->prefix_include, prefix);
    return !c->prefix_exclude || !pattern_list_match(c->prefix_exclude, prefix);
}

/* A message outside a transaction is a transaction of its own for the ledger, one byte behind its beginning:
 * where it ends is not said. */
static bool on_message(struct pipeline *p, const struct change *c, struct err *e)
{
    bool own_mark = !p->mark;
    if (!c->transactional)
        p->source.last_commit = c->lsn;
    if (!wants_prefix(p->config, c->prefix))
        return true;
    struct order_counter *counter =
        c->transactional ? pipeline_counter(p, tallies_get(p->tallies, MESSAGES)) : NULL;
    struct order order = {.lsn = c->lsn};
    if (counter)
        order = (struct order){counter->xid, c->lsn, ++counter->total, 1};
    if (counter)
        ++*counter->collection;
    int64_t tx_id = p->source.tx_id;
    p->source.tx_id = c->transactional ? tx_id : -1;
    p->source.lsn = c->lsn;
    if (own_mark)
        p->mark = ledger_open(p->ledger);
    record_message(&p->key, &p->value, &p->records, c, &p->source, counter ? &order : NULL, clock_wall_ms(),
                   &p->scratch);
    uint64_t dropped = p->counts.too_large;
    bool ok = put_own(p, own_topic(p, topic_of_messages), -1, e);
    if (counter && p->counts.too_large != dropped) { /* it was too large: no event, as with rows */
        counter->total--;
        --*counter->collection;
    }
    p->source.tx_id = tx_id;
    if (own_mark && ok) {
        p->seen = p->seen > c->lsn ? p->seen : c->lsn + 1;
        ledger_close(p->ledger, c->lsn + 1, -1, p->source.ts_us);
        p->mark = NULL;
        if (p->live)
            live_position(p->live, p->seen, 0);
    }
    p->events++;
    p->counts.by_op[COUNT_OF(OP_MESSAGE)]++;
    return ok;
}

static bool on_truncate(struct pipeline *p, const struct change *c, struct err *e)
{
    bool ok = true, each = p->resume.armed && !p->resume.exact;
    for (size_t i = 0; ok && i < c->n_truncated; i++) {
        const struct capture *captured = capture_of(c->truncated[i]);
        if (!captured || !captured->plan)
            continue;
        if (each)
            p->muted = resume_done(&p->resume, c);
        ok = pipeline_row(p, c, c->truncated[i], e);
    }
    return ok;
}

static bool change_make(struct pipeline *p, const struct change *c, struct err *e)
{
    if (c->tx && c->tx->origin && p->mark) {
        p->source.origin = c->tx->origin;
        p->source.origin_lsn = c->tx->origin_lsn;
    }
    if (!refresh_xmin(p, e))
        return false;
    switch (c->op) {
    case OP_NONE:
    case OP_READ:
        return true;
    case OP_BEGIN:
        return on_begin(p, c, e);
    case OP_COMMIT:
        return on_commit(p, c, e);
    case OP_RELATION:
        return pipeline_describe(p, c->relation, e);
    case OP_INSERT:
    case OP_UPDATE:
    case OP_DELETE:
        return pipeline_row(p, c, c->relation, e);
    case OP_TRUNCATE:
        return on_truncate(p, c, e);
    case OP_MESSAGE:
        return on_message(p, c, e);
    }
    return true;
}

/* What was published before this start is gone through again, for its counters and for the browsers. */
static bool on_change(struct pipeline *p, const struct change *c, struct err *e)
{
    if (p->exact.on)
        place_note(&p->exact.place, c);
    if (!p->resume.armed)
        return change_make(p, c, e);
    p->muted = (p->resume.exact || c->op != OP_TRUNCATE) && resume_done(&p->resume, c);
    bool ok = change_make(p, c, e);
    p->muted = false;
    return ok;
}

/* ---- frames ---- */

/* snapshot.mode=always on a slot that has more to tell: the snapshot is read where the stream has reached its
 * position. */
static bool snapshot_when_due(struct pipeline *p, lsn_t upto, struct err *e)
{
    if (!p->snapshot_at || p->mark || upto < p->snapshot_at)
        return true;
    p->source.xmin = 0;
    if (p->exact.on &&
        !checkpoint_tick(p, true, e)) /* its rows are committed without a position of their own */
        return false;
    if (!pipeline_limit(p, 0, e) || !snapshot_read(p, p->snapshot_at, e))
        return false; /* it stays due: what a stop stores now must still say so */
    p->snapshot_at = 0;
    return pipeline_limit(p, p->config->query_timeout_ms, e);
}

static bool on_data(struct pipeline *p, struct reader *r, struct err *e)
{
    struct change change;
    lsn_t lsn = read_u64(r);
    read_u64(r), read_u64(r);
    struct slice payload = {r->at, (size_t)(r->end - r->at)};
    if (!pgoutput_parse(p->decoder, lsn, payload, &change, e))
        return false;
    if (p->halt.wanted && (!p->mark || halt_before(&p->halt, &change, p->begin))) {
        p->halt.reached = true;
        return true;
    }
    bool alone = change.op == OP_MESSAGE && !change.transactional;
    if ((change.op == OP_BEGIN || alone) && !snapshot_when_due(p, alone ? lsn : change.tx->commit_lsn, e))
        return false;
    return on_change(p, &change, e);
}

static bool on_keepalive(struct pipeline *p, struct reader *r, struct err *e)
{
    lsn_t end = read_u64(r);
    if (p->mark)
        return true;
    if (end > p->seen)
        p->seen = end;
    if (p->live)
        live_position(p->live, p->seen, 0);
    return snapshot_when_due(p, p->seen, e);
}

static bool on_frame(struct pipeline *p, struct slice frame, struct err *e)
{
    struct reader r = reader_of(frame);
    return read_u8(&r) == 'w' ? on_data(p, &r, e) : on_keepalive(p, &r, e);
}

#define PLUGIN_AT 25 /* where the plugin's message begins in a frame 'w' */

static bool is_relation(struct slice frame)
{
    return frame.len >= PLUGIN_AT + 5 && frame.ptr[0] == 'w' && frame.ptr[PLUGIN_AT] == 'R';
}

static uint32_t relation_oid(struct slice frame)
{
    struct reader r = reader_of((struct slice){frame.ptr + PLUGIN_AT + 1, 4});
    return read_u32(&r);
}

/* 0: the frame begins no transaction. */
static uint32_t begun_xid(struct slice frame)
{
    enum { XID_AT = PLUGIN_AT + 1 + 8 + 8 };
    if (frame.len < XID_AT + 4 || frame.ptr[0] != 'w' || frame.ptr[PLUGIN_AT] != 'B')
        return 0;
    struct reader r = reader_of((struct slice){frame.ptr + XID_AT, 4});
    return read_u32(&r);
}

/* A RELATION message is described from the catalogue. When the batch has more of them, all are asked for at
 * once: a start with thousands of tables would wait for as many answers. They are of now, as one would be,
 * but not of before the batch's transactions, and forgotten with the batch. */
static bool read_ahead(struct pipeline *p, const struct batch *b, size_t at, struct slice frame,
                       struct err *e)
{
    if (!is_relation(frame) || catalog_ahead_has(p->ahead, relation_oid(frame)))
        return true;
    size_t n = 0, cap = 16;
    uint32_t *oids = xmalloc(cap * sizeof *oids), xid;
    struct buf xids = BUF_EMPTY;
    buf_printf(&xids, "{%u", (unsigned)p->counter.xid);
    do {
        if ((xid = begun_xid(frame)))
            buf_printf(&xids, ",%u", xid);
        if (!is_relation(frame))
            continue;
        if (n == cap)
            oids = xrealloc(oids, (cap *= 2) * sizeof *oids);
        oids[n++] = relation_oid(frame);
    } while (batch_next(b, &at, &frame));
    catalog_ahead_free(p->ahead);
    buf_char(&xids, '}');
    p->ahead = catalog_await(p->conn, xids.ptr, e) ? catalog_ahead_read(p->conn, oids, n, e) : NULL;
    free(oids);
    buf_free(&xids);
    return p->ahead || err_prefix(e, "describing %zu tables", n);
}

static bool on_batch(struct pipeline *p, struct batch *b, struct err *e)
{
    size_t at = 0, n = 0;
    struct slice frame;
    bool ok = !FAILPOINT_ERROR("batch-taken", e);
    while (ok && !p->halt.reached && batch_next(b, &at, &frame))
        ok = (n++ % LOOK_FRAMES || !link_is_cut(p->link, e)) && read_ahead(p, b, at, frame, e) &&
             on_frame(p, frame, e);
    catalog_ahead_free(p->ahead);
    p->ahead = NULL;
    if (ok && b->last) {
        *e = b->end;
        ok = b->unsendable && row_size_switch(p, e);
    }
    link_return(p->link, b);
    return ok;
}

/* ---- the loop ---- */

static void tell_status(struct pipeline *p)
{
    lsn_t received = link_received(p->link);
    pthread_mutex_lock(&p->face->mutex);
    struct connector_status *s = &p->face->status;
    s->received = received;
    s->flushed = checkpoint_position(&p->offset);
    s->events = p->events;
    s->transactions = p->transactions;
    s->bytes = p->bytes;
    s->lag_ms = p->transactions ? clock_wall_ms() - p->source.ts_us / 1000 : -1;
    pthread_mutex_unlock(&p->face->mutex);
    readings_look(p);
    readings_publish(p);
}

static int sleep_ms(const struct pipeline *p)
{
    int most = p->config->offset_flush_ms < IDLE_MS ? p->config->offset_flush_ms : IDLE_MS;
    int beat = p->config->heartbeat_interval_ms;
    most = beat > 0 && beat < most ? beat : most;
    if (p->exact.dirty && p->exact.gap_ms < most)
        most = p->exact.gap_ms;
    if (p->live && live_wants_position(p->live))
        most = ASK_MS;
    if (p->config->memory_max_mb || checkpoint_waits(p))
        most = WATCH_MS;
    return most < 10 ? 10 : most;
}

static void wait_for_work(struct pipeline *p)
{
    struct pollfd fd = {p->face->wake_fd, POLLIN, 0};
    poll(&fd, 1, sleep_ms(p));
    wake_clear(p->face->wake_fd);
}

static bool stream_round(struct pipeline *p, struct err *e)
{
    if (link_is_cut(p->link, e))
        return false;
    link_watch(p->link);
    struct batch *b = link_take(p->link);
    if (b && !on_batch(p, b, e))
        return false;
    if (!p->sink_type->poll(p->sink, e) || !checkpoint_tick(p, link_leaving(p->link), e) || !heartbeat(p, e))
        return false;
    if (!row_size_past(p, !b, e))
        return false;
    gone_tick(p);
    tell_status(p);
    if (!b && p->live && live_wants_position(p->live))
        link_ask(p->link);
    if (!b)
        wait_for_work(p);
    return true;
}

/* Nothing to stream (snapshot.mode=initial_only): wait for a command. */
static void idle(struct pipeline *p)
{
    pipeline_step(p, "idle");
    while (!pipeline_stopping(p))
        wait_for_work(p);
}

/* What browsers were told before a restart is read back from Kafka, where it is whole. */
static void refill(struct pipeline *p)
{
    const struct config *c = p->config;
    if (!p->live || !p->source.last_commit || p->sink_type != &kafka_sink)
        return;
    if (c->transaction_metadata && c->transaction_position && c->slots == 1)
        live_refill(p->live, p->env->worker, p->epoch, p->start, p->source.last_commit);
    else
        live_refill(p->live, NULL, p->epoch, p->start, 0);
}

static bool stream_open(struct pipeline *p, struct err *e)
{
    struct buf quoted = BUF_EMPTY;
    refill(p);
    pg_ident(&quoted, p->config->publication_name);
    const struct link_options o = {.slot = p->config->slot_name,
                                   .publications = p->env->publications ? p->env->publications : quoted.ptr,
                                   .params = p->config->slot_stream_params,
                                   .start = p->start,
                                   .messages = p->config->shard == 0, /* every slot has them all */
                                   .status_interval_ms = p->config->status_interval_ms,
                                   .wake_fd = p->face->wake_fd,
                                   .session_fd = PQsocket(p->conn),
                                   .binary = row_size_binary(p),
                                   .most_row = row_size_most(p->config),
                                   .memory_max_mb = p->config->memory_max_mb};
    p->link = link_open(p->replication, &o, e);
    p->replication = NULL;
    buf_free(&quoted);
    if (!p->link)
        return false;
    FAILPOINT("stream-open");
    lsn_t stored = checkpoint_position(&p->offset);
    if (p->config->lsn_flush_mode != FLUSH_MANUAL)
        link_acknowledge(p->link, stored < p->start ? stored : p->start);
    if (p->live)
        live_epoch(p->live, p->epoch, p->start);
    return true;
}

/* The open transaction is finished, or left at a place that a position can name. */
static bool stream_leave(struct pipeline *p, struct err *e)
{
    while (p->mark && !p->halt.reached && pipeline_stopping_ms(p) < HALT_MS) {
        p->halt.wanted |= pipeline_stopping_ms(p) >= FINISH_TX_MS;
        if (!stream_round(p, e))
            return false;
    }
    return true;
}

bool stream_run(struct pipeline *p, struct err *e)
{
    if (pipeline_stopping(p))
        return true;
    if (p->config->snapshot_mode == SNAPSHOT_INITIAL_ONLY) {
        idle(p);
        return true;
    }
    if (!pipeline_limit(p, p->config->query_timeout_ms, e) || FAILPOINT_ERROR("stream-start", e) ||
        !stream_open(p, e))
        return false;
    log_info("streaming from " LSN_FMT, LSN_ARG(p->start));
    pipeline_step(p, "stream");
    if (p->snapshot_at)
        link_ask(p->link);
    while (!pipeline_stopping(p) &&
           !p->stop_ms) /* a run that has begun to stop ends, also when that is taken back */
        if (!stream_round(p, e))
            return false;
    return stream_leave(p, e);
}
