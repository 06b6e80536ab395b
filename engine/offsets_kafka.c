/* offsets_kafka.c - positions or connectors in one of Kafka Connect's compacted topics.
 *
 * Topics are never created by asking for them: the broker's own creation would make a topic that forgets
 * positions. How one is read: offsets_topic.c. Source:
 * org.apache.kafka.connect.storage.KafkaOffsetBackingStore, KafkaBasedLog. */
#include "offsets_store.h"

#include "clock.h"
#include "failpoint.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "kafka_topics.h"
#include "offsets_topic.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REACH_MS = 5000, CREATE_MS = 10000, SAVE_MS = 10000, ASK_MS = 2000, MOST_PARTITIONS = 10000 };

struct kafka_store {
    struct offsets_store base;
    struct props *worker;
    const char *kind; /* "offset", "config" */
    char *setting;    /* "offset.storage.topic=NAME", for errors */
    char *topic;
    int wanted;           /* partitions of a new one; 0: as the worker says */
    rd_kafka_t *producer; /* NULL: to be made at the next use */
    rd_kafka_topic_t *target;
    rd_kafka_queue_t *events;
    int partitions;       /* 0: not known to exist */
    pthread_mutex_t lock; /* guards the producer and what comes with it */
    pthread_mutex_t turn; /* of who reads the topic */
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
    rd_kafka_conf_t *conf =
        kafka_settings_fixed(s->worker, "walwire-offsets", SETTINGS, sizeof SETTINGS / sizeof *SETTINGS, e);
    if (!conf)
        return false;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    if (!(s->producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, e)))
        return false;
    s->events = rd_kafka_queue_get_main(s->producer);
    s->target = rd_kafka_topic_new(s->producer, s->topic, NULL);
    return s->target || kafka_error_set(e, rd_kafka_last_error(), NULL, "%s", s->setting);
}

/* *brokers and s->partitions (0: there is no such topic). */
static bool topic_look(struct kafka_store *s, int *brokers, struct err *e)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->producer, 0, s->target, &metadata, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "%s", s->setting);
    *brokers = metadata->broker_cnt;
    const struct rd_kafka_metadata_topic *topic = metadata->topics;
    code = metadata->topic_cnt ? topic->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    s->partitions = code ? 0 : topic->partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return true;
    return !code || kafka_error_set(e, code, NULL, "%s", s->setting);
}

static int worker_number(struct kafka_store *s, const char *what, const char *preset)
{
    char name[64];
    snprintf(name, sizeof name, "%s.storage.%s", s->kind, what);
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
    struct kafka_topic_shape shape = {.partitions =
                                          s->wanted ? s->wanted : worker_number(s, "partitions", "25"),
                                      .replicas = worker_number(s, "replication.factor", "3"),
                                      .config = config};
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->producer);
    bool ok =
        kafka_topic_ask(s->producer, queue, s->topic, &shape, CREATE_MS, e) && creation_wait(s, queue, e);
    rd_kafka_queue_destroy(queue);
    props_free(config);
    if (ok || shape.replicas <= brokers || e->kind != ERR_CONFIG)
        return ok;
    return err_set(e, ERR_CONFIG,
                   "%s cannot be created with %d replicas (Connect's preset is 3) on %d broker%s; add to the "
                   "worker file: %s.storage.replication.factor=%d",
                   s->setting, shape.replicas, brokers, brokers == 1 ? "" : "s", s->kind, brokers);
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
        "%s has cleanup.policy=%s, so what is in it would be forgotten; set "
        "cleanup.policy=compact: kafka-configs --alter --topic %s --add-config cleanup.policy=compact",
        s->setting, policy, s->topic);
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
    return s->partitions ||
           err_set(e, ERR_RETRY, "%s does not appear; create it with cleanup.policy=compact", s->setting);
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
            return !code || kafka_error_set(e, code, NULL, "%s: not stored", s->setting);
    }
    return err_set(e, ERR_RETRY, "%s: not stored: no answer within %d s", s->setting, SAVE_MS / 1000);
}

static bool record_save(struct kafka_store *s, struct slice key, struct slice value, struct err *e)
{
    if (!producer_ready(s, e) || FAILPOINT_ERROR("offset-produce", e))
        return false;
    bool ok = rd_kafka_produce(s->target, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)value.ptr,
                               value.len, key.ptr, key.len, NULL) == 0;
    ok = ok ? !FAILPOINT_ERROR("offset-produced", e) && report_wait(s, e)
            : kafka_error_set(e, rd_kafka_last_error(), NULL, "%s: not stored", s->setting);
    FAILPOINT("offset-reported");
    if (!ok)
        producer_close(s);
    return ok;
}

static bool kafka_save(struct offsets_store *store, struct slice key, struct slice value, struct err *e)
{
    struct kafka_store *s = (struct kafka_store *)store;
    pthread_mutex_lock(&s->lock);
    bool ok = record_save(s, key, value, e);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* ---- reading ---- */

/* One connector may have to wait for a transaction's end: the others do not wait with it. */
static bool read_all(struct kafka_store *s, struct slice only, offsets_each *take, void *ctx, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    bool ready = producer_ready(s, e);
    const struct offsets_source from = {.worker = s->worker,
                                        .setting = s->setting,
                                        .topic = s->topic,
                                        .partitions = s->partitions,
                                        .turn = &s->turn};
    pthread_mutex_unlock(&s->lock);
    return ready && offsets_topic_read(&from, only, take, ctx, e);
}

struct loading {
    struct buf *value;
    bool found;
};

static void loading_take(void *ctx, struct slice key, struct slice value)
{
    struct loading *l = ctx;
    (void)key;
    l->found = true;
    buf_slice(l->value, value);
}

static bool kafka_load(struct offsets_store *store, struct slice key, struct buf *value, bool *found,
                       struct err *e)
{
    struct loading l = {.value = value};
    buf_reset(value);
    bool ok = read_all((struct kafka_store *)store, key, loading_take, &l, e);
    *found = l.found;
    return ok;
}

static bool kafka_each(struct offsets_store *store, offsets_each *take, void *ctx, struct err *e)
{
    return read_all((struct kafka_store *)store, (struct slice){NULL, 0}, take, ctx, e);
}

static char *kafka_cluster(struct offsets_store *store)
{
    struct kafka_store *s = (struct kafka_store *)store;
    struct err ignored = {0};
    pthread_mutex_lock(&s->lock);
    char *theirs = producer_ready(s, &ignored) ? rd_kafka_clusterid(s->producer, ASK_MS) : NULL;
    char *id = theirs ? xstrdup(theirs) : NULL;
    if (theirs)
        rd_kafka_mem_free(s->producer, theirs);
    pthread_mutex_unlock(&s->lock);
    return id;
}

static void kafka_close(struct offsets_store *store)
{
    struct kafka_store *s = (struct kafka_store *)store;
    producer_close(s);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->turn);
    props_free(s->worker);
    free(s->setting);
    free(s->topic);
    free(s);
}

static const struct offsets_store_type KAFKA_TYPE = {kafka_load,    kafka_save,  kafka_each,
                                                     kafka_cluster, kafka_close, .concurrent = true};

struct offsets_store *offsets_kafka_open(const struct props *worker, const struct offsets_topic *topic,
                                         struct err *e)
{
    rd_kafka_conf_t *conf = kafka_settings_client(worker, "walwire-offsets", e);
    if (!conf)
        return NULL;
    rd_kafka_conf_destroy(conf);
    struct kafka_store *s = xcalloc(1, sizeof *s);
    s->base.type = &KAFKA_TYPE;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->turn, NULL);
    s->worker = props_copy(worker);
    s->kind = topic->kind;
    s->topic = xstrdup(topic->name);
    s->setting = xasprintf("%s.storage.topic=%s", topic->kind, topic->name);
    s->wanted = topic->partitions;
    return &s->base;
}
