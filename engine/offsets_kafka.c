/* offsets_kafka.c - positions in Kafka Connect's offsets topic.
 *
 * A load reads the topic from its beginning to the end that it has then: the topic is compacted, and it is
 * read once a start. No consumer group is used, so no right on a group is needed. Topics are never created by
 * asking for them: the broker's own creation would make a topic that forgets positions. Source:
 * org.apache.kafka.connect.storage.KafkaOffsetBackingStore, KafkaBasedLog. */
#include "offsets_store.h"

#include "clock.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "kafka_topics.h"
#include "xmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REACH_MS = 5000,
    CREATE_MS = 10000,
    SAVE_MS = 10000,
    READ_MS = 10000,
    ASK_MS = 2000,
    MOST_PARTITIONS = 10000
};

struct kafka_store {
    struct offsets_store base;
    struct props *worker;
    char *topic;
    rd_kafka_t *producer; /* NULL: to be made at the next use */
    rd_kafka_topic_t *target;
    rd_kafka_queue_t *events;
    int partitions; /* 0: not known to exist */
};

static void producer_close(struct kafka_store *s)
{
    if (!s->producer)
        return;
    rd_kafka_purge(s->producer,
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    if (s->target)
        rd_kafka_topic_destroy(s->target);
    rd_kafka_queue_destroy(s->events);
    rd_kafka_destroy(s->producer);
    s->producer = NULL;
    s->target = NULL;
    s->partitions = 0;
}

static bool puts_all(rd_kafka_conf_t *conf, const char *const (*settings)[2], size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (!kafka_conf_put(conf, settings[i][0], settings[i][1], e))
            return false;
    return true;
}

static bool producer_make(struct kafka_store *s, struct err *e)
{
    static const char *const SETTINGS[][2] = {
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"linger.ms", "0"},
        {"partitioner", "murmur2_random"},
        {"message.timeout.ms", "10000"},
        {"allow.auto.create.topics", "false"},
    };
    rd_kafka_conf_t *conf = kafka_settings_client(s->worker, "walwire-offsets", e);
    if (!conf)
        return false;
    if (!puts_all(conf, SETTINGS, sizeof SETTINGS / sizeof *SETTINGS, e)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    if (!(s->producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, e)))
        return false;
    s->events = rd_kafka_queue_get_main(s->producer);
    s->target = rd_kafka_topic_new(s->producer, s->topic, NULL);
    return s->target || kafka_error_set(e, rd_kafka_last_error(), NULL, "offset.storage.topic=%s", s->topic);
}

/* *brokers and s->partitions (0: there is no such topic). */
static bool topic_look(struct kafka_store *s, int *brokers, struct err *e)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->producer, 0, s->target, &metadata, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "offset.storage.topic=%s", s->topic);
    *brokers = metadata->broker_cnt;
    const struct rd_kafka_metadata_topic *topic = metadata->topics;
    code = metadata->topic_cnt ? topic->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    s->partitions = code ? 0 : topic->partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return true;
    return !code || kafka_error_set(e, code, NULL, "offset.storage.topic=%s", s->topic);
}

static int worker_number(struct kafka_store *s, const char *name, const char *preset)
{
    int n = atoi(props_get_or(s->worker, name, preset));
    return n == 0 || n < -1 || n > MOST_PARTITIONS ? atoi(preset) : n;
}

static bool creation_wait(struct kafka_store *s, rd_kafka_queue_t *queue, struct err *e)
{
    const char *name;
    rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, CREATE_MS + 1000);
    bool ok = ev ? kafka_topic_answer(ev, &name, e)
                 : err_set(e, ERR_RETRY, "Kafka did not answer the request to create topic %s", s->topic);
    if (ev)
        rd_kafka_event_destroy(ev);
    return ok;
}

static bool topic_create(struct kafka_store *s, int brokers, struct err *e)
{
    struct props *config = props_new();
    props_set(config, "cleanup.policy", "compact");
    struct kafka_topic_shape shape = {.partitions = worker_number(s, "offset.storage.partitions", "25"),
                                      .replicas = worker_number(s, "offset.storage.replication.factor", "3"),
                                      .config = config};
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->producer);
    bool ok =
        kafka_topic_ask(s->producer, queue, s->topic, &shape, CREATE_MS, e) && creation_wait(s, queue, e);
    rd_kafka_queue_destroy(queue);
    props_free(config);
    if (ok || shape.replicas <= brokers || e->kind != ERR_CONFIG)
        return ok;
    return err_set(e, ERR_CONFIG,
                   "offset.storage.topic=%s cannot be created with %d replicas (Connect's preset is 3) on %d "
                   "broker%s; add to the worker file: offset.storage.replication.factor=%d",
                   s->topic, shape.replicas, brokers, brokers == 1 ? "" : "s", brokers);
}

/* What a topic forgets, a connector would begin anew. Who may not read its settings is believed. */
static bool topic_keeps(struct kafka_store *s, struct err *e)
{
    char policy[64];
    if (!kafka_topic_setting(s->producer, s->topic, "cleanup.policy", ASK_MS, policy, sizeof policy) ||
        strcmp(policy, "compact") == 0)
        return true;
    s->partitions = 0;
    return err_set(
        e, ERR_CONFIG,
        "offset.storage.topic=%s has cleanup.policy=%s, so positions in it would be forgotten; set "
        "cleanup.policy=compact: kafka-configs --alter --topic %s --add-config cleanup.policy=compact",
        s->topic, policy, s->topic);
}

/* A created topic is not known to every broker at once. */
static bool topic_ensure(struct kafka_store *s, struct err *e)
{
    int brokers = 0;
    if (s->partitions)
        return true;
    if (!topic_look(s, &brokers, e))
        return false;
    if (s->partitions)
        return topic_keeps(s, e);
    if (!topic_create(s, brokers, e))
        return false;
    for (int64_t deadline = clock_mono_ms() + REACH_MS; !s->partitions && clock_mono_ms() < deadline;) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(s->events, 50);
        if (ev)
            rd_kafka_event_destroy(ev);
        if (!topic_look(s, &brokers, e) && e->kind != ERR_RETRY)
            return false;
    }
    return s->partitions || err_set(e, ERR_RETRY,
                                    "offset.storage.topic=%s does not appear; create it with "
                                    "cleanup.policy=compact",
                                    s->topic);
}

static bool producer_ready(struct kafka_store *s, struct err *e)
{
    if (s->producer && topic_ensure(s, e))
        return true;
    producer_close(s);
    if (producer_make(s, e) && kafka_client_reach(s->producer, REACH_MS, e) && topic_ensure(s, e))
        return true;
    producer_close(s);
    return false;
}

/* One record is on its way at a time, so the first report is its own. */
static bool report_wait(struct kafka_store *s, struct err *e)
{
    int64_t deadline = clock_mono_ms() + SAVE_MS;
    for (int64_t left = SAVE_MS; left > 0; left = deadline - clock_mono_ms()) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(s->events, (int)left);
        const rd_kafka_message_t *m =
            ev && rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DR ? rd_kafka_event_message_next(ev) : NULL;
        bool done = m;
        rd_kafka_resp_err_t code = m ? m->err : 0;
        if (ev)
            rd_kafka_event_destroy(ev);
        if (done)
            return !code ||
                   kafka_error_set(e, code, NULL, "offset.storage.topic=%s: position not stored", s->topic);
    }
    return err_set(e, ERR_RETRY, "offset.storage.topic=%s: position not stored: no answer within %d s",
                   s->topic, SAVE_MS / 1000);
}

static bool kafka_save(struct offsets_store *store, struct slice key, struct slice value, struct err *e)
{
    struct kafka_store *s = (struct kafka_store *)store;
    if (!producer_ready(s, e))
        return false;
    bool ok = rd_kafka_produce(s->target, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)value.ptr,
                               value.len, key.ptr, key.len, NULL) == 0;
    ok = ok ? report_wait(s, e)
            : kafka_error_set(e, rd_kafka_last_error(), NULL, "offset.storage.topic=%s: position not stored",
                              s->topic);
    if (!ok)
        producer_close(s);
    return ok;
}

/* -- reading
 * ---------------------------------------------------------------------------------------------------- */

struct reading {
    struct slice key;
    struct buf *value;
    bool found;
    int64_t newest;    /* timestamp of the record taken, */
    int32_t partition; /* and where it was; -1: none yet */
    int open;          /* partitions not yet read to their end */
    bool *ended;       /* which; an end is told again after each record that comes later */
};

/* The key is in one partition, unless something else than Connect has written it. */
static void record_take(struct reading *r, const rd_kafka_message_t *m)
{
    if (!slice_eq(r->key, (struct slice){m->key, m->key_len}))
        return;
    int64_t stamp = rd_kafka_message_timestamp(m, NULL);
    if (r->partition >= 0 && r->partition != m->partition && stamp < r->newest)
        return;
    r->partition = m->partition;
    r->newest = stamp;
    r->found = m->payload;
    buf_reset(r->value);
    buf_append(r->value, m->payload, m->len);
}

static void end_take(struct reading *r, int32_t partition)
{
    if (!r->ended[partition])
        r->open--;
    r->ended[partition] = true;
}

static bool messages_read(struct kafka_store *s, rd_kafka_t *consumer, rd_kafka_queue_t *queue,
                          struct reading *r, struct err *e)
{
    while (r->open) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(queue, READ_MS);
        if (!m)
            return kafka_client_reach(consumer, 1000, e) &&
                   err_set(e, ERR_RETRY, "offset.storage.topic=%s: no answer within %d s", s->topic,
                           READ_MS / 1000);
        rd_kafka_resp_err_t code = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? 0 : m->err;
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            end_take(r, m->partition);
        else if (!code)
            record_take(r, m);
        rd_kafka_message_destroy(m);
        if (code)
            return kafka_error_set(e, code, NULL, "offset.storage.topic=%s cannot be read", s->topic);
    }
    return true;
}

/* Without it librdkafka finds no leader at first, and asks again after half a second. */
static bool leaders_learn(struct kafka_store *s, rd_kafka_t *consumer, rd_kafka_topic_t *topic, struct err *e)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(consumer, 0, topic, &metadata, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "offset.storage.topic=%s cannot be read", s->topic);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static bool partitions_read(struct kafka_store *s, rd_kafka_t *consumer, rd_kafka_topic_t *topic,
                            struct reading *r, struct err *e)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    int started = 0;
    while (started < s->partitions &&
           rd_kafka_consume_start_queue(topic, started, RD_KAFKA_OFFSET_BEGINNING, queue) == 0)
        started++;
    bool ok = started == s->partitions ? messages_read(s, consumer, queue, r, e)
                                       : kafka_error_set(e, rd_kafka_last_error(), NULL,
                                                         "offset.storage.topic=%s cannot be read", s->topic);
    while (started-- > 0)
        rd_kafka_consume_stop(topic, started);
    rd_kafka_queue_destroy(queue);
    return ok;
}

static rd_kafka_t *consumer_make(struct kafka_store *s, struct err *e)
{
    static const char *const SETTINGS[][2] = {
        {"enable.partition.eof", "true"}, {"enable.auto.commit", "false"},       {"fetch.wait.max.ms", "10"},
        {"check.crcs", "true"},           {"allow.auto.create.topics", "false"},
    };
    rd_kafka_conf_t *conf = kafka_settings_client(s->worker, "walwire-offsets-read", e);
    if (!conf)
        return NULL;
    if (puts_all(conf, SETTINGS, sizeof SETTINGS / sizeof *SETTINGS, e))
        return kafka_client_new(RD_KAFKA_CONSUMER, conf, e);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static bool kafka_load(struct offsets_store *store, struct slice key, struct buf *value, bool *found,
                       struct err *e)
{
    struct kafka_store *s = (struct kafka_store *)store;
    rd_kafka_t *consumer = producer_ready(s, e) ? consumer_make(s, e) : NULL;
    if (!consumer)
        return false;
    struct reading r = {.key = key, .value = value, .partition = -1, .open = s->partitions};
    r.ended = xcalloc((size_t)s->partitions, sizeof *r.ended);
    buf_reset(value);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, s->topic, NULL);
    bool ok = leaders_learn(s, consumer, topic, e) && partitions_read(s, consumer, topic, &r, e);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    free(r.ended);
    *found = r.found;
    return ok;
}

static void kafka_close(struct offsets_store *store)
{
    struct kafka_store *s = (struct kafka_store *)store;
    producer_close(s);
    props_free(s->worker);
    free(s->topic);
    free(s);
}

static const struct offsets_store_type KAFKA_TYPE = {kafka_load, kafka_save, kafka_close};

struct offsets_store *offsets_kafka_open(const struct props *worker, struct err *e)
{
    rd_kafka_conf_t *conf = kafka_settings_client(worker, "walwire-offsets", e);
    if (!conf)
        return NULL;
    rd_kafka_conf_destroy(conf);
    struct kafka_store *s = xcalloc(1, sizeof *s);
    const char *topic = props_get_or(worker, "offset.storage.topic", "");
    s->base.type = &KAFKA_TYPE;
    s->worker = props_copy(worker);
    s->topic = xstrdup(*topic ? topic : "connect-offsets");
    return &s->base;
}
