/* pipeline.c - one run: open everything, stream, close everything; and the way of one row to its sinks. */
#include "pipeline.h"

#include "clock.h"
#include "log.h"
#include "xmalloc.h"

#include <openssl/rand.h>
#include <poll.h>
#include <stdlib.h>

#define DRAIN_MS 8000

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
}

/* ---- records ---- */

static void wait_for_sink(struct pipeline *p)
{
    struct pollfd fd = {p->face->wake_fd, POLLIN, 0};
    poll(&fd, 1, 100);
    wake_clear(p->face->wake_fd);
}

bool pipeline_put(struct pipeline *p, const struct message *message, struct err *e)
{
    for (bool polled = false;; polled = !polled) {
        switch (p->sink_type->put(p->sink, message, e)) {
        case SINK_OK:
            p->bytes += message->key.len + message->value.len;
            return true;
        case SINK_FAIL:
            return false;
        case SINK_FULL:
            if (!p->sink_type->poll(p->sink, e))
                return false;
            if (pipeline_stopping(p))
                return err_set(e, ERR_RETRY, "stopped while Kafka took no more records");
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

static void tell_failures(struct capture *c)
{
    uint64_t n = plan_failures(c->plan);
    if (n == c->failures_told)
        return;
    if (c->failures_told == 0)
        log_warn(
            "%s: a value cannot be converted and is written as null, as Debezium does (told once a table)",
            plan_last_failure(c->plan));
    c->failures_told = n;
}

static bool knows_labels(const struct capture *c, const struct change *change)
{
    return c->labels_final ||
           (plan_knows_labels(c->plan, change->before) && plan_knows_labels(c->plan, change->after));
}

/* An enum grew since the relation was described. */
static bool refresh_labels(struct pipeline *p, const struct change *change, struct relation *rel,
                           struct err *e)
{
    rel->free_plan(rel->plan);
    rel->plan = NULL;
    if (!pipeline_describe(p, rel, e))
        return false;
    struct capture *c = capture_of(rel);
    c->labels_final = !knows_labels(c, change);
    return true;
}

bool pipeline_row(struct pipeline *p, const struct change *change, struct relation *rel, struct err *e)
{
    struct capture *c = capture_of(rel);
    if (!c || !c->plan)
        return true;
    if (!knows_labels(c, change) && !refresh_labels(p, change, rel, e))
        return false;
    c = capture_of(rel);
    p->source.lsn = change->lsn;
    const struct envelope_record *records;
    int n = envelope_make(p->envelope, c->plan, change, &p->source,
                          change->op == OP_READ ? NULL : pipeline_counter(p, c->tally), clock_wall_ns(),
                          &records, e);
    for (int i = 0; i < n; i++)
        if (!put_record(p, c, &records[i], e))
            return false;
    if (n < 0)
        return err_prefix(e, "%s", c->tally->collection);
    if (c->live && change->op != OP_READ)
        live_change(c->live, change, &p->ordinal, envelope_key_changed(p->envelope));
    tell_failures(c);
    p->events++;
    return true;
}

bool pipeline_describe(struct pipeline *p, struct relation *rel, struct err *e)
{
    return catalog_describe(p->conn, rel, p->types, e) && capture_make(&p->capture, rel, e);
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
    p->rules =
        (struct envelope_rules){c->tombstones,  c->skip_create,   c->skip_update,
                                c->skip_delete, c->skip_truncate, getenv("WALWIRE_CHECK_TREE") != NULL};
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
    tables_free(&p->tables);
    if (p->conn)
        PQfinish(p->conn);
    arena_free(&p->scratch);
    buf_free(&p->key);
    buf_free(&p->value);
    free(p->touched);
}

/* What is on its way is delivered and acknowledged, so that a clean stop leaves no duplicates. */
static bool drain(struct pipeline *p, struct err *e)
{
    pipeline_step(p, "drain");
    return p->sink_type->flush(p->sink, DRAIN_MS, e) && checkpoint_tick(p, true, e);
}

static bool drop_slot_on_stop(struct pipeline *p, struct err *e)
{
    if (!p->config->slot_drop_on_stop || p->env->temporary)
        return true;
    link_close(p->link);
    p->link = NULL;
    return slot_drop(p->conn, p->config->slot_name, e);
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
    bool ok = prepare(&p, e) && stream_run(&p, e) && drain(&p, e) && drop_slot_on_stop(&p, e);
    if (!ok && pipeline_stopping(&p))
        log_info("stopping: %s", e->text);
    pipeline_close(&p);
    return ok;
}
