/* feed_refill.c - the window of an engine's browsers after a restart, read back from Kafka. */
#include "feed_refill.h"

#include "clock.h"
#include "feed_kafka.h"
#include "feed_record.h"
#include "log.h"
#include "topic.h"
#include "xmalloc.h"

#include <stdlib.h>

enum {
    PATIENCE_MS = 5000, /* streaming begins so much later at most */
    BACK_MS = 600000,
    HELD_MOST = 64 << 20,
    WAIT_MS = 50,
};

struct refill {
    const struct feed_refill *to;
    struct feed_kafka *kafka;
    struct feed_shapes *shapes;
    struct feed_order *order;
    struct feed_transaction *list; /* whole ones, in order */
    size_t n, cap;
    lsn_t base, end; /* base: what is before is not taken; end: of the last one that is */
    uint64_t changes;
    struct slice row[1664], old[1664], mapped[1664], mapped_old[1664];
};

static void drop_event(struct feed_event *e)
{
    free(e);
}

static void transaction_free(struct feed_transaction *t)
{
    for (struct feed_event *e = t->events, *next; e; e = next) {
        next = e->next;
        drop_event(e);
    }
    free(t->end.ordinals);
}

/* Nothing of before `end` is taken. */
static void forget(struct refill *r, lsn_t end)
{
    while (r->n > 0)
        transaction_free(&r->list[--r->n]);
    r->base = r->end = end;
}

/* ---- reading ---- */

static bool take_end(struct refill *r, const rd_kafka_message_t *m, struct err *e)
{
    struct feed_end end;
    bool found;
    char *epoch;
    if (!feed_end_read((struct slice){m->payload, m->len}, feed_header(m), &found, &end, &epoch, e))
        return false;
    if (found && (!epoch || strcmp(epoch, r->to->epoch) != 0)) { /* of another history, or without a place */
        feed_order_renew(r->order);
        r->base = end.end;
    } else if (found) {
        (void)feed_order_end(r->order, &end);
    }
    free(epoch);
    free(end.ordinals);
    return true;
}

static bool take(void *ctx, const rd_kafka_message_t *m, struct err *e)
{
    struct refill *r = ctx;
    const struct slice key = {m->key, m->key_len}, value = {m->payload, m->len};
    struct feed_row *row;
    if (feed_kafka_is_transactions(r->kafka, m))
        return take_end(r, m, e);
    if (!feed_row_read(r->shapes, key, value, &row, e))
        return false;
    if (row)
        feed_order_event(r->order, row->xid, &row->event);
    return true;
}

static bool read_all(struct refill *r, int64_t deadline, struct err *e)
{
    while (!feed_kafka_caught_up(r->kafka)) {
        if (clock_mono_ms() >= deadline)
            return err_set(e, ERR_RETRY, "it takes too long");
        if (!feed_kafka_take(r->kafka, WAIT_MS, take, r, e))
            return false;
    }
    return true;
}

/* ---- what is certain ---- */

/* All changes that browsers of before were told have an event. */
static bool has_all(const struct feed_transaction *t)
{
    uint64_t n = 0;
    for (const struct feed_event *e = t->events; e; e = e->next)
        n++;
    return n == t->end.changes;
}

/* No transaction is between this one and the one before it. */
static bool follows(const struct refill *r, const struct feed_end *end)
{
    lsn_t before = r->end ? r->end : r->base, loose = feed_shapes_loose(r->shapes);
    return !before || (end->after && end->after <= before && !(loose > before && loose < end->end));
}

static void collect(struct refill *r)
{
    struct feed_transaction t;
    lsn_t broken = feed_order_settle(r->order, SIZE_MAX);
    if (broken)
        r->base = broken;
    while (feed_order_take(r->order, &t)) {
        if (!follows(r, &t.end))
            forget(r, t.end.commit);
        if (!has_all(&t)) {
            forget(r, t.end.end);
            transaction_free(&t);
            continue;
        }
        if (r->n == r->cap)
            r->list = xrealloc(r->list, (r->cap = r->cap ? 2 * r->cap : 64) * sizeof *r->list);
        r->list[r->n++] = t;
        r->end = t.end.end;
    }
}

/* All that was published before the start is in the topics, and they were read to their ends. Where the last
 * transaction of the stored position is the last one here, there was none in between. */
static bool reaches(const struct refill *r)
{
    return r->n > 0 && feed_shapes_loose(r->shapes) <= r->end &&
           (r->to->start <= r->end || (r->to->last_commit && r->to->last_commit <= r->end));
}

/* ---- to the hub ---- */

/* The values in the order of the hub's columns. */
static void arrange(const struct feed_shape *s, const struct slice *from, struct slice *to)
{
    for (size_t i = 0; i < s->known->n_columns; i++)
        to[i] = from[s->order[i]];
}

/* A table with a change that cannot be told in its present columns is as one that was just made. */
static void table_renew(struct refill *r, const char *name)
{
    struct hub_table *handle;
    const struct hub_table_info *info = r->to->table(r->to->ctx, name, &handle);
    const struct hub_table_info none = {.name = name};
    hub_table_set(r->to->hub, r->to->source, &none);
    hub_table_set(r->to->hub, r->to->source, info);
}

static void publish_row(struct refill *r, const struct feed_end *end, struct feed_row *row)
{
    const struct feed_shape *s = row->shape;
    struct hub_table *handle = NULL;
    if (!s->known || !s->order || !r->to->table(r->to->ctx, s->table, &handle))
        return;
    struct slice payload = feed_row_cells(row, r->row, r->old);
    if (row->has_row)
        arrange(s, r->row, r->mapped);
    if (row->has_old)
        arrange(s, r->old, r->mapped_old);
    const struct hub_change c = {.table = handle,
                                 .op = row->op,
                                 .commit_lsn = end->commit,
                                 .ordinal = feed_ordinal(end->ordinals, row->event.total_order),
                                 .xid = end->xid,
                                 .ts_ms = row->ts_ms,
                                 .row = row->has_row ? r->mapped : NULL,
                                 .old = row->has_old ? r->mapped_old : NULL,
                                 .envelope = payload,
                                 .enveloped = true,
                                 .expected = true};
    hub_publish(r->to->hub, r->to->source, &c);
    r->changes++;
}

static void renew_unfit(struct refill *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (const struct feed_event *e = r->list[i].events; e; e = e->next) {
            const struct feed_shape *s = ((const struct feed_row *)e)->shape;
            if (s->known && !s->order)
                table_renew(r, s->table);
        }
}

static void publish(struct refill *r)
{
    lsn_t start = r->base ? r->base : r->list[0].end.commit;
    hub_epoch(r->to->hub, r->to->source, r->to->epoch, start);
    for (size_t i = 0; i < r->n; i++) {
        for (struct feed_event *e = r->list[i].events; e; e = e->next)
            publish_row(r, &r->list[i].end, (struct feed_row *)e);
        hub_position(r->to->hub, r->to->source, r->list[i].end.end, -1);
    }
    if (r->to->start > r->end)
        hub_position(r->to->hub, r->to->source, r->to->start, -1);
    renew_unfit(r);
    log_info("%llu changes of before are back from Kafka: browsers may go on from " LSN_FMT,
             (unsigned long long)r->changes, LSN_ARG(start));
}

/* ---- one refill ---- */

static const struct hub_table_info *known_table(void *ctx, const char *name)
{
    const struct feed_refill *to = ctx;
    struct hub_table *handle;
    return to->table(to->ctx, name, &handle);
}

static bool run(struct refill *r, const char *transactions, struct err *e)
{
    const struct feed_topics topics = {.settings = r->to->worker,
                                       .transactions = transactions,
                                       .prefix = r->to->config->topic_prefix,
                                       .back_ms = BACK_MS,
                                       .patience_ms = PATIENCE_MS};
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    r->kafka = feed_kafka_open(&topics, e);
    bool ok = r->kafka && read_all(r, deadline, e);
    feed_kafka_close(r->kafka);
    if (ok)
        collect(r);
    return ok;
}

void feed_refill(const struct feed_refill *to)
{
    struct refill *r = xcalloc(1, sizeof *r);
    struct err e = {0};
    struct buf transactions = BUF_EMPTY;
    struct feed_modes modes = feed_modes_of(to->config->props);
    modes.known = known_table;
    modes.ctx = (void *)to;
    r->to = to;
    r->shapes = feed_shapes_new(&modes, NULL);
    r->order = feed_order_new(HELD_MOST, drop_event);
    topic_of_transactions(to->config->naming, &transactions);
    if (!run(r, transactions.ptr, &e))
        log_info("browsers begin anew: the topics cannot be read back: %s", e.text);
    else if (!reaches(r))
        log_info("browsers begin anew: the topics do not reach to where streaming begins");
    else
        publish(r);
    forget(r, 0);
    feed_order_free(r->order);
    feed_shapes_free(r->shapes);
    types_free(modes.types);
    buf_free(&transactions);
    free(r->list);
    free(r);
}
