/* offsets_topic.c - a compacted topic, read from its beginning to the end that it has then.
 *
 * It is read once a start. No consumer group is used, so no right on a group is needed. Only what is
 * committed is taken. What stands behind a Kafka transaction that is still open, of any connector, is not to
 * be had before that has ended: it is waited for, or an older one would be taken for the newest, also by a
 * worker that has no transactions itself and shares the topic with one that has. Not so when none of the
 * records there has the key that is wanted: then nobody waits for another connector's transaction, nor for
 * one that a broker has forgotten to end.
 * Source: org.apache.kafka.connect.util.KafkaBasedLog. */
#include "offsets_topic.h"

#include "clock.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "log.h"
#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REACH_MS = 5000,
    READ_MS = 10000,
    OPEN_MS = 25000 /* a few tries together are longer than a transaction that nobody ends, 60 s and more */
};

/* The newest value of a key. */
struct latest {
    struct buf value;
    bool found;        /* false: it was deleted */
    int64_t stamp;     /* of the record taken, */
    int32_t partition; /* and where it was */
};

struct part {
    int64_t end;    /* with what is not committed yet, when the reading began */
    int64_t stable; /* up to where everything is decided, as last told */
    bool told;      /* that is known */
    bool ended;     /* read to its end; that is told again after each record that comes later */
};

struct reading {
    const struct offsets_source *from;
    struct slice only;  /* the one key that is wanted; .ptr NULL: all */
    struct map *latest; /* by key */
    struct part *parts;
    int open;    /* not yet ended */
    int untold;  /* not told */
    bool looked; /* at what is not decided */
    bool waits;  /* for a transaction's end, out of turn */
};

static void turn_leave(struct reading *r)
{
    if (!r->waits)
        pthread_mutex_unlock(r->from->turn);
    r->waits = true;
}

/* ---- records ---- */

/* A key is in one partition, unless something else than Connect has written it. */
static void record_take(struct reading *r, const rd_kafka_message_t *m)
{
    struct slice key = {m->key, m->key_len};
    if (!key.ptr || (r->only.ptr && !slice_eq(r->only, key)))
        return;
    int64_t stamp = rd_kafka_message_timestamp(m, NULL);
    struct latest *l = map_get(r->latest, key);
    if (l && l->partition != m->partition && stamp < l->stamp)
        return;
    if (!l)
        map_set(r->latest, key, l = xcalloc(1, sizeof *l));
    l->partition = m->partition;
    l->stamp = stamp;
    l->found = m->payload;
    buf_reset(&l->value);
    buf_append(&l->value, m->payload, m->len);
}

static void reading_free(struct reading *r)
{
    struct slice key;
    void *value;
    for (size_t at = 0; map_next(r->latest, &at, &key, &value);) {
        buf_free(&((struct latest *)value)->value);
        free(value);
    }
    map_free(r->latest);
    free(r->parts);
}

/* ---- consumers ---- */

static rd_kafka_t *consumer_make(const struct offsets_source *from, const char *isolation, struct err *e)
{
    const char *const settings[][2] = {
        {"isolation.level", isolation},  {"enable.partition.eof", "true"},
        {"enable.auto.commit", "false"}, {"fetch.wait.max.ms", "10"},
        {"check.crcs", "true"},          {"allow.auto.create.topics", "false"},
        {"auto.offset.reset", "error"}, /* it would go to the end, where there is nothing to find */
    };
    rd_kafka_conf_t *conf = kafka_settings_fixed(from->worker, "walwire-offsets-read", settings,
                                                 sizeof settings / sizeof *settings, e);
    return conf ? kafka_client_new(RD_KAFKA_CONSUMER, conf, e) : NULL;
}

/* Without it librdkafka finds no leader at first, and asks again after half a second. */
static bool leaders_learn(const struct offsets_source *from, rd_kafka_t *consumer, rd_kafka_topic_t *topic,
                          struct err *e)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(consumer, 0, topic, &metadata, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "%s cannot be read", from->setting);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static rd_kafka_resp_err_t ends_list(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *list,
                                     struct part *parts)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(consumer, list, REACH_MS);
    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
        parts[list->elems[i].partition].end = list->elems[i].offset;
    }
    return code;
}

/* Only who reads uncommitted is told of the real ends. */
static bool ends_ask(struct reading *r, struct err *e)
{
    const struct offsets_source *from = r->from;
    rd_kafka_t *consumer = consumer_make(from, "read_uncommitted", e);
    if (!consumer)
        return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(from->partitions);
    for (int i = 0; i < from->partitions; i++)
        rd_kafka_topic_partition_list_add(list, from->topic, i);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int64_t deadline = clock_mono_ms() + REACH_MS; code && clock_mono_ms() < deadline;) {
        code = ends_list(consumer, list, r->parts);
        if (code)
            usleep(50000); /* a topic just made: its leaders have yet to learn of it */
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
    return !code || kafka_error_set(e, code, NULL, "%s cannot be read", from->setting);
}

/* ---- what is not decided ---- */

/* Everything before `offset` is decided and read. */
static void stable_take(struct reading *r, int32_t partition, int64_t offset)
{
    struct part *p = &r->parts[partition];
    r->untold -= !p->told;
    p->told = true;
    p->stable = offset;
    if (offset < p->end)
        return;
    r->open -= !p->ended;
    p->ended = true;
}

/* Whether the key is in what is not decided yet, committed or not. */
static bool part_look(struct reading *r, rd_kafka_topic_t *topic, int32_t partition, bool *found,
                      struct err *e)
{
    const struct part *p = &r->parts[partition];
    rd_kafka_resp_err_t code = 0;
    *found = false;
    if (rd_kafka_consume_start(topic, partition, p->stable) != 0)
        return kafka_error_set(e, rd_kafka_last_error(), NULL, "%s cannot be read", r->from->setting);
    int64_t at = p->stable, deadline = clock_mono_ms() + READ_MS;
    while (!code && !*found && at < p->end) {
        int64_t left = deadline - clock_mono_ms();
        rd_kafka_message_t *m = left > 0 ? rd_kafka_consume(topic, partition, (int)left) : NULL;
        code = !m ? RD_KAFKA_RESP_ERR__TIMED_OUT : m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF ? m->err : 0;
        if (m && !code) {
            at = m->err ? m->offset : m->offset + 1;
            *found = !m->err && m->key && slice_eq(r->only, (struct slice){m->key, m->key_len});
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_consume_stop(topic, partition);
    return !code || kafka_error_set(e, code, NULL, "%s cannot be read", r->from->setting);
}

/* Partitions where nothing of the key can change any more are done. */
static bool parts_look(struct reading *r, struct err *e)
{
    const struct offsets_source *from = r->from;
    rd_kafka_t *consumer = consumer_make(from, "read_uncommitted", e);
    if (!consumer)
        return false;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, from->topic, NULL);
    bool ok = leaders_learn(from, consumer, topic, e), found;
    for (int i = 0; ok && i < from->partitions; i++) {
        struct part *p = &r->parts[i];
        if (p->ended || !(ok = part_look(r, topic, i, &found, e)) || found)
            continue;
        log_info("%s: partition %d has a Kafka transaction that is open since offset %lld; nothing of this "
                 "connector's is behind it",
                 from->setting, i, (long long)p->stable);
        stable_take(r, i, p->end);
    }
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    return ok;
}

/* Of what is open now only the transactions of others are to come. */
static bool undecided_look(struct reading *r, struct err *e)
{
    r->looked = true;
    if (r->only.ptr && !parts_look(r, e))
        return false;
    if (r->open)
        turn_leave(r);
    return true;
}

/* ---- reading ---- */

static bool not_answered(struct reading *r, rd_kafka_t *consumer, int wait_ms, struct err *e)
{
    char servers[200];
    const struct offsets_source *from = r->from;
    if (!kafka_client_reach(consumer, 1000, e))
        return false;
    for (int i = 0; i < from->partitions; i++) {
        const struct part *p = &r->parts[i];
        if (p->told && !p->ended)
            return err_set(e, ERR_RETRY,
                           "%s: a Kafka transaction in partition %d stays open, since offset %lld, and the "
                           "newest position may be behind it. If it is open for longer than its "
                           "transaction.timeout.ms, the broker has lost it: kafka-transactions.sh "
                           "--bootstrap-server %s abort --topic %s --partition %d --start-offset %lld",
                           from->setting, i, (long long)p->stable,
                           kafka_client_servers(consumer, servers, sizeof servers), from->topic, i,
                           (long long)p->stable);
    }
    return err_set(e, ERR_RETRY, "%s: no answer within %d s", from->setting, wait_ms / 1000);
}

/* While others write without a pause no end is told: a record there tells it too. */
static rd_kafka_resp_err_t message_take(struct reading *r, const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        stable_take(r, m->partition, m->offset);
        return 0;
    }
    if (m->err)
        return m->err;
    record_take(r, m);
    if (m->offset + 1 >= r->parts[m->partition].end)
        stable_take(r, m->partition, m->offset + 1);
    return 0;
}

/* A broker that does not answer is not waited for as long as a transaction. */
static int patience_ms(const struct reading *r)
{
    return r->looked ? OPEN_MS : READ_MS;
}

static bool messages_read(struct reading *r, rd_kafka_t *consumer, rd_kafka_queue_t *queue, struct err *e)
{
    int64_t from = clock_mono_ms();
    while (r->open) {
        int64_t left = from + patience_ms(r) - clock_mono_ms();
        rd_kafka_message_t *m = left > 0 ? rd_kafka_consume_queue(queue, (int)left) : NULL;
        if (!m)
            return not_answered(r, consumer, patience_ms(r), e);
        if (!m->err &&
            !r->parts[m->partition].ended) /* what comes behind an end brings no other one nearer */
            from = clock_mono_ms();
        rd_kafka_resp_err_t code = message_take(r, m);
        rd_kafka_message_destroy(m);
        if (code)
            return kafka_error_set(e, code, NULL, "%s cannot be read", r->from->setting);
        if (r->open && !r->untold && !r->looked && !undecided_look(r, e))
            return false;
    }
    return true;
}

static bool partitions_read(struct reading *r, rd_kafka_t *consumer, rd_kafka_topic_t *topic, struct err *e)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    int started = 0, all = r->from->partitions;
    while (started < all &&
           rd_kafka_consume_start_queue(topic, started, RD_KAFKA_OFFSET_BEGINNING, queue) == 0)
        started++;
    bool ok = started == all
                  ? messages_read(r, consumer, queue, e)
                  : kafka_error_set(e, rd_kafka_last_error(), NULL, "%s cannot be read", r->from->setting);
    while (started-- > 0)
        rd_kafka_consume_stop(topic, started);
    rd_kafka_queue_destroy(queue);
    return ok;
}

static bool topic_read(struct reading *r, struct err *e)
{
    const struct offsets_source *from = r->from;
    rd_kafka_t *consumer = ends_ask(r, e) ? consumer_make(from, "read_committed", e) : NULL;
    if (!consumer)
        return false;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, from->topic, NULL);
    bool ok = leaders_learn(from, consumer, topic, e) && partitions_read(r, consumer, topic, e);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    return ok;
}

bool offsets_topic_read(const struct offsets_source *from, struct slice only, offsets_each *take, void *ctx,
                        struct err *e)
{
    struct reading r = {.from = from,
                        .only = only,
                        .latest = map_new(),
                        .parts = xcalloc((size_t)from->partitions, sizeof *r.parts),
                        .open = from->partitions,
                        .untold = from->partitions};
    pthread_mutex_lock(from->turn);
    bool ok = topic_read(&r, e);
    turn_leave(&r);
    struct slice key;
    void *value;
    for (size_t at = 0; ok && map_next(r.latest, &at, &key, &value);) {
        const struct latest *l = value;
        char *text = xstrndup(key.ptr, key.len);
        if (l->found)
            take(ctx, slice_of(text), buf_view(&l->value));
        free(text);
    }
    reading_free(&r);
    return ok;
}
