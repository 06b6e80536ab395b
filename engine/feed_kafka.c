/* feed_kafka.c - all partitions of a connector's topics as one queue.
 *
 * Where to begin is found by the records' time. Of a topic in which nothing was written since then the last
 * few records are read too: they tell what its table looks like, and where the transactions stand. */
#include "feed_kafka.h"

#include "clock.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "log.h"
#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 512,
    REACH_MS = 10000,
    TAIL = 16,         /* records before the end that are read in any case */
    EARLIER_MS = 60000 /* an END comes behind its events, which are looked for from so much earlier on */
};

struct part {
    struct topic_part *topic;
    int32_t number;
    int64_t high; /* where it ended when reading began */
    bool ended;   /* was read up to there */
};

struct topic_part {
    char *name;
    rd_kafka_topic_t *handle;
    bool transactions;
    int started; /* partitions */
    struct part **parts;
};

struct feed_kafka {
    struct feed_topics options;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    struct map *topics; /* by name */
    char *cluster;
    size_t n_parts, n_ended;
    int64_t deadline_ms; /* for the opening; 0: none */
    bool opened;         /* what comes from now on is new */
};

/* ---- the consumer ---- */

static rd_kafka_t *consumer_make(const struct feed_topics *t, struct err *e)
{
    static const char *const settings[][2] = {
        {"isolation.level", "read_committed"},   {"enable.partition.eof", "true"},
        {"enable.auto.commit", "false"},         {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},   {"auto.offset.reset", "error"},
        {"queued.max.messages.kbytes", "32768"}, {"fetch.wait.max.ms", "100"},
        {"fetch.message.max.bytes", "262144"}, /* schemas compress well: a full queue rests for a second */
    };
    rd_kafka_conf_t *conf =
        kafka_settings_fixed(t->settings, "walwire-gateway", settings, sizeof settings / sizeof *settings, e);
    return conf ? kafka_client_new(RD_KAFKA_CONSUMER, conf, e) : NULL;
}

/* ---- where to begin ---- */

/* The first record of a time or later, but the last few in any case; the beginning for what is new. */
static bool begin_at(struct feed_kafka *k, struct topic_part *t, int32_t partition, int64_t *at,
                     int64_t *high, struct err *e)
{
    int64_t low;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(k->consumer, t->name, partition, &low, high, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "topic %s", t->name);
    *at = low;
    if (k->opened)
        return true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, t->name, partition);
    p->offset = clock_wall_ms() - k->options.back_ms - (t->transactions ? 0 : EARLIER_MS);
    code = rd_kafka_offsets_for_times(k->consumer, list, REACH_MS);
    code = code ? code : p->err;
    int64_t found = p->offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        return kafka_error_set(e, code, NULL, "topic %s", t->name);
    int64_t tail = *high - TAIL;
    *at = found >= 0 && found < tail ? found : tail;
    if (*at < low)
        *at = low;
    return true;
}

static bool part_start(struct feed_kafka *k, struct topic_part *t, struct err *e)
{
    int64_t at = 0, high = 0;
    if (k->deadline_ms && clock_mono_ms() > k->deadline_ms)
        return err_set(e, ERR_RETRY, "it takes too long to find where to begin");
    if (!begin_at(k, t, t->started, &at, &high, e))
        return false;
    if (rd_kafka_consume_start_queue(t->handle, t->started, at, k->queue) != 0)
        return kafka_error_set(e, rd_kafka_last_error(), NULL, "topic %s", t->name);
    struct part *p = xcalloc(1, sizeof *p);
    *p = (struct part){.topic = t, .number = t->started, .high = high, .ended = at >= high};
    t->parts = xrealloc(t->parts, (size_t)(t->started + 1) * sizeof(struct part *));
    t->parts[t->started++] = p;
    k->n_parts++;
    k->n_ended += p->ended;
    return true;
}

static bool topic_start(struct feed_kafka *k, const char *name, int partitions, struct err *e)
{
    struct topic_part *t = map_get(k->topics, slice_of(name));
    if (!t) {
        t = xcalloc(1, sizeof *t);
        t->name = xstrdup(name);
        t->transactions = strcmp(name, k->options.transactions) == 0;
        rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
        rd_kafka_topic_conf_set_opaque(conf, t);
        t->handle = rd_kafka_topic_new(k->consumer, name, conf);
        map_set(k->topics, slice_of(name), t);
    }
    while (t->started < partitions)
        if (!part_start(k, t, e))
            return false;
    return true;
}

/* ---- topics ---- */

static bool is_ours(const struct feed_kafka *k, const char *name)
{
    const struct feed_topics *o = &k->options;
    size_t n = strlen(o->prefix);
    if (strcmp(name, o->transactions) == 0)
        return true;
    if (o->chosen)
        return pattern_list_match(o->chosen, slice_of(name));
    return strncmp(name, o->prefix, n) == 0 && name[n] == '.';
}

/* The topic of transactions first: what it has when it is read, the others have too, or soon. */
static bool topics_start(struct feed_kafka *k, const struct rd_kafka_metadata *m, bool spine, struct err *e)
{
    for (int i = 0; i < m->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &m->topics[i];
        bool is_spine = strcmp(t->topic, k->options.transactions) == 0;
        if (t->err || is_spine != spine || !is_ours(k, t->topic))
            continue;
        if (spine && t->partition_cnt != 1)
            return err_set(
                e, ERR_CONFIG,
                "topic %s has %d partitions, so the order of its records is not told: it must have one "
                "(topic.creation.groups=tx, topic.creation.tx.include=.*\\.transaction, "
                "topic.creation.tx.partitions=1 and .replication.factor)",
                t->topic, t->partition_cnt);
        if (!topic_start(k, t->topic, t->partition_cnt, e))
            return false;
    }
    return true;
}

bool feed_kafka_discover(struct feed_kafka *k, struct err *e)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_resp_err_t code = rd_kafka_metadata(k->consumer, 1, NULL, &m, REACH_MS);
    if (code)
        return kafka_error_set(e, code, NULL, "Kafka's topics cannot be listed");
    bool ok = topics_start(k, m, true, e) && topics_start(k, m, false, e);
    rd_kafka_metadata_destroy(m);
    return ok;
}

static bool open_topics(struct feed_kafka *k, struct err *e)
{
    int patience = k->options.patience_ms ? k->options.patience_ms : REACH_MS;
    if (!kafka_client_reach(k->consumer, patience, e) || !feed_kafka_discover(k, e))
        return false;
    if (!map_get(k->topics, slice_of(k->options.transactions)))
        return err_set(e, ERR_RETRY,
                       "there is no topic %s: set provide.transaction.metadata=true for the connector (and "
                       "topic.prefix or topic.transaction here as there); it appears with the first "
                       "transaction",
                       k->options.transactions);
    char *cluster = rd_kafka_clusterid(k->consumer, REACH_MS);
    k->cluster = xstrdup(cluster ? cluster : "");
    if (cluster)
        rd_kafka_mem_free(k->consumer, cluster);
    k->opened = true;
    k->deadline_ms = 0;
    return true;
}

struct feed_kafka *feed_kafka_open(const struct feed_topics *topics, struct err *e)
{
    rd_kafka_t *consumer = consumer_make(topics, e);
    if (!consumer)
        return NULL;
    struct feed_kafka *k = xcalloc(1, sizeof *k);
    k->options = *topics;
    k->deadline_ms = topics->patience_ms ? clock_mono_ms() + topics->patience_ms : 0;
    k->consumer = consumer;
    k->queue = rd_kafka_queue_new(consumer);
    k->topics = map_new();
    if (open_topics(k, e))
        return k;
    feed_kafka_close(k);
    return NULL;
}

static void topic_stop(struct topic_part *t)
{
    while (t->started > 0) {
        rd_kafka_consume_stop(t->handle, --t->started);
        free(t->parts[t->started]);
    }
    rd_kafka_topic_destroy(t->handle);
    free(t->parts);
    free(t->name);
    free(t);
}

void feed_kafka_close(struct feed_kafka *k)
{
    if (!k)
        return;
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(k->topics, &at, &name, &value))
        topic_stop(value);
    map_free(k->topics);
    rd_kafka_queue_destroy(k->queue);
    rd_kafka_destroy(k->consumer);
    free(k->cluster);
    free(k);
}

/* ---- reading ---- */

static struct topic_part *topic_of(const rd_kafka_message_t *m)
{
    return m->rkt ? rd_kafka_topic_opaque(m->rkt) : NULL;
}

bool feed_kafka_is_transactions(const struct feed_kafka *k, const rd_kafka_message_t *m)
{
    const struct topic_part *t = topic_of(m);
    return t && t->transactions;
}

/* A partition that is written to all the time is never found empty: what was there at the beginning counts.
 * What stands at its end may be no record (Kafka's own marks of a transaction), and is told as the end only.
 */
static void part_passed(struct feed_kafka *k, const rd_kafka_message_t *m)
{
    struct topic_part *t = topic_of(m);
    struct part *p = t && m->partition < t->started ? t->parts[m->partition] : NULL;
    if (!p || p->ended || (!m->err && m->offset + 1 < p->high))
        return;
    p->ended = true;
    k->n_ended++;
}

struct slice feed_header(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(m, &headers) ||
        rd_kafka_header_get_last(headers, "walwire.position", &value, &size))
        return (struct slice){NULL, 0};
    return (struct slice){value, size};
}

/* What librdkafka goes on from by itself is only told. */
static bool error_take(struct feed_kafka *k, const rd_kafka_message_t *m, struct err *e)
{
    const struct topic_part *t = topic_of(m);
    const char *name = t ? t->name : "?";
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        part_passed(k, m);
        return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        kafka_error_set(e, m->err, rd_kafka_message_errstr(m), "topic %s", name);
        e->kind = ERR_RETRY;
        return false;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return err_set(e, ERR_CONFIG, "topic %s: grant Read and Describe on it", name);
    default:
        log_warn("topic %s: %s", name, rd_kafka_message_errstr(m));
        return true;
    }
}

/* The next messages, of which -1 says that some had an error; those are dealt with here. */
static int next(struct feed_kafka *k, rd_kafka_message_t **messages, int timeout_ms, struct err *e)
{
    ssize_t got = (messages[0] = rd_kafka_consume_queue(k->queue, timeout_ms)) != NULL, more = 0;
    int kept = 0;
    if (got && (more = rd_kafka_consume_batch_queue(k->queue, 0, messages + 1, BATCH - 1)) > 0)
        got += more;
    bool ok = true;
    for (ssize_t i = 0; i < got; i++) {
        rd_kafka_message_t *m = messages[i];
        if (!m->err) {
            part_passed(k, m);
            messages[kept++] = m;
            continue;
        }
        ok = (ok && error_take(k, m, e)) && ok;
        rd_kafka_message_destroy(m);
    }
    while (!ok && kept > 0)
        rd_kafka_message_destroy(messages[--kept]);
    return ok ? kept : -1;
}

bool feed_kafka_take(struct feed_kafka *k, int timeout_ms,
                     bool (*take)(void *ctx, const rd_kafka_message_t *m, struct err *e), void *ctx,
                     struct err *e)
{
    rd_kafka_message_t *messages[BATCH];
    int n = next(k, messages, timeout_ms, e);
    bool ok = n >= 0;
    for (int i = 0; i < n; i++) {
        ok = ok && take(ctx, messages[i], e);
        rd_kafka_message_destroy(messages[i]);
    }
    return ok;
}

bool feed_kafka_caught_up(const struct feed_kafka *k)
{
    return k->n_ended == k->n_parts;
}

size_t feed_kafka_partitions(const struct feed_kafka *k)
{
    return k->n_parts;
}

const char *feed_kafka_cluster(struct feed_kafka *k)
{
    return k->cluster;
}
