/* kafka.c - the Kafka sink: messages to topics, delivery reports to marks.
 *
 * librdkafka keeps order and retries by itself (idempotent producer, no time limit). So a report with an
 * error means that the stream has a hole: the sink is then dead, and the connector starts again from its
 * checkpoint with a new one. Reports come as events, thousands at a time, and are read on the pipeline's own
 * thread; no lock is ours. */
#include "sink.h"

#include "clock.h"
#include "failpoint.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "kafka_size.h"
#include "kafka_topics.h"
#include "kafka_transaction.h"
#include "log.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ANNOUNCE_MS = 2000, /* the longest */
    ANNOUNCE_WAIT_US = 5000,
    ANNOUNCE_TIMEOUT_MS = 500,
    MOST_ASKED = 32, /* partitions whose leader is asked */
    OPEN_TIMEOUT_MS = 5000,
    CREATE_TIMEOUT_MS = 10000,
    ABORT_MS = 3000,
    MOST_OVERHEAD = 4096 /* of headers and framing; more is not worth a closer look */
};

/* What hangs on a topic; the sink has a list of them, because a closed sink must leave no handle behind. */
struct handle {
    struct topic *topic;
    rd_kafka_topic_t *rkt; /* NULL: not there until the request to create it is answered */
    bool announced;
    size_t most; /* the largest batch of one message, before compression; 0: as the producer says */
    struct handle *next, **link;
};

struct sink {
    rd_kafka_t *rk;
    rd_kafka_queue_t *reports;
    rd_kafka_headers_t *context; /* copied into each message */
    struct kafka_topics *topics;
    struct handle *handles;
    uint64_t in_flight, in_flight_bytes; /* messages without a report */
    struct histogram latency;
    bool sequenced; /* an idempotent producer, whose confirmations tell an offset */
    bool troubled;  /* a warning was given that Kafka does not answer */
    bool compresses;
    struct limits *limits;   /* not ours; NULL: not remembered */
    size_t most, most_queue; /* message.max.bytes, queue.buffering.max.kbytes in bytes */
    struct refusal refusal;
    struct kafka_transaction *transaction; /* NULL: messages are visible one by one */
    struct mark position;                  /* of the message that holds it */
    struct err failed;
};

static bool sink_failed(struct sink *s, struct err *e)
{
    if (s->failed.kind)
        *e = s->failed;
    return s->failed.kind;
}

static void handle_free(struct handle *h)
{
    if (h->rkt)
        rd_kafka_topic_destroy(h->rkt);
    h->topic->handle = NULL;
    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    free(h);
}

static struct handle *handle_new(struct sink *s, struct topic *topic)
{
    struct handle *h = xcalloc(1, sizeof *h);
    *h = (struct handle){.topic = topic, .next = s->handles, .link = &s->handles};
    h->most = kafka_size_most(limits_of(s->limits, topic->name), s->compresses);
    if (h->next)
        h->next->link = &h->next;
    s->handles = h;
    topic->handle = h;
    return h;
}

static bool handle_open(struct sink *s, struct handle *h)
{
    h->rkt = rd_kafka_topic_new(s->rk, h->topic->name, NULL);
    return h->rkt ||
           kafka_error_set(&s->failed, rd_kafka_last_error(), NULL, "Kafka topic %s", h->topic->name);
}

/* The number of the topic's partitions; 0: it is not there yet; -1: no answer. */
static int partitions_now(struct sink *s, const struct handle *h)
{
    const struct rd_kafka_metadata *m;
    if (rd_kafka_metadata(s->rk, 0, h->rkt, &m, ANNOUNCE_TIMEOUT_MS))
        return -1;
    int n = m->topic_cnt == 1 && !m->topics[0].err ? m->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(m);
    return n;
}

/* True when its leader answers for it: metadata may name one that has yet to learn of it. */
static bool partition_serves(struct sink *s, const struct handle *h, int partition)
{
    int64_t low, high;
    return !rd_kafka_query_watermark_offsets(s->rk, h->topic->name, partition, &low, &high,
                                             ANNOUNCE_TIMEOUT_MS);
}

/* librdkafka asks for a topic that it does not know only once a second: asking here makes the broker create
 * it, and tells its leader, within milliseconds. Messages that a leader refuses at first may be overtaken by
 * later ones (only_implied), so it is waited for. Best effort: without an answer the first message waits for
 * that second. */
static void announce(struct sink *s, struct handle *h)
{
    int n = 0, served = 0;
    for (int64_t end = clock_mono_ms() + ANNOUNCE_MS; n >= 0 && clock_mono_ms() < end;) {
        n = partitions_now(s, h); /* each time: librdkafka would go on believing what it heard first */
        while (served < n && served < MOST_ASKED && partition_serves(s, h, served))
            served++;
        if (n > 0 && (served == n || served == MOST_ASKED))
            return;
        usleep(ANNOUNCE_WAIT_US);
    }
}

/* The first message of a topic. */
static enum sink_result topic_first(struct sink *s, struct topic *topic, struct err *e)
{
    const struct kafka_topic_shape *shape = kafka_topics_shape(s->topics, topic->name);
    struct handle *h = handle_new(s, topic);
    if (!shape)
        return handle_open(s, h) ? SINK_OK : (sink_failed(s, e), SINK_FAIL);
    if (kafka_topic_ask(s->rk, s->reports, topic->name, shape, CREATE_TIMEOUT_MS, &s->failed))
        return SINK_FULL;
    return sink_failed(s, e), SINK_FAIL;
}

static void take_created(struct sink *s, rd_kafka_event_t *ev)
{
    const char *name;
    if (!kafka_topic_answer(ev, &name, &s->failed))
        return;
    for (struct handle *h = s->handles; h; h = h->next)
        if (!h->rkt && (!name || strcmp(h->topic->name, name) == 0) && !handle_open(s, h))
            return;
}

/* A later request was confirmed before this one's answer, so librdkafka takes it that this one was written,
 * too. But a broker that knows nothing of the producer yet takes whatever sequence number comes first: with a
 * topic that is just being made, or after a long silence, the earlier request was refused. No offset was
 * told: it must be sent again. */
static bool only_implied(const struct sink *s, const rd_kafka_message_t *m)
{
    return s->sequenced && m->offset < 0;
}

static void implied_refuse(struct sink *s, const rd_kafka_message_t *m)
{
    err_set(&s->failed, ERR_RETRY,
            "Kafka topic %s, partition %d: a message before a confirmed one may not have been written; "
            "sending again "
            "from the last stored position",
            rd_kafka_topic_name(m->rkt), m->partition);
}

static void fatal_set(struct sink *s)
{
    char why[400];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->rk, why, sizeof why);
    if (s->transaction)
        kafka_transaction_fatal(s->transaction, code, why, &s->failed);
    else
        err_set(&s->failed, kafka_error_kind(code), "Kafka producer gave up: %s: %s", rd_kafka_err2name(code),
                why);
}

static void report_failed(struct sink *s, const rd_kafka_message_t *m)
{
    /* What waits is given up once a message of its transaction was refused, and that may be told first: the
     * reason comes with that message, or with the commit. */
    if (s->transaction && m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE && !rd_kafka_fatal_error(s->rk, NULL, 0))
        return;
    if (s->transaction && rd_kafka_fatal_error(s->rk, NULL, 0)) { /* what it does to messages tells less */
        fatal_set(s);
        return;
    }
    if (m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        kafka_size_refused(s->rk, m, s->limits, &s->failed);
        return;
    }
    kafka_error_set(&s->failed, m->err, NULL, "Kafka topic %s, partition %d: a message was not taken",
                    rd_kafka_topic_name(m->rkt), m->partition);
}

static void take_reports(struct sink *s, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *m, *last = NULL;
    if (FAILPOINT_ERROR("reports", &s->failed))
        return;
    while ((m = rd_kafka_event_message_next(ev))) {
        last = m;
        s->in_flight--;
        s->in_flight_bytes -= m->len + m->key_len;
        if (m->err && !s->failed.kind)
            report_failed(s, m);
        else if (!m->err && only_implied(s, m))
            implied_refuse(s, m);
        else if (!m->err)
            ((struct mark *)m->_private)->pending--;
    }
    if (last && !last->err)
        histogram_add(&s->latency, rd_kafka_message_latency(last));
    FAILPOINT("reported");
    if (s->troubled && !s->failed.kind) {
        s->troubled = false;
        log_info("Kafka takes messages again");
    }
}

static void take_error(struct sink *s, rd_kafka_event_t *ev)
{
    if (rd_kafka_event_error_is_fatal(ev) || rd_kafka_event_error(ev) == RD_KAFKA_RESP_ERR__FATAL) {
        fatal_set(s);
    } else if (!s->troubled) {
        s->troubled = true;
        char servers[200];
        log_warn("Kafka at %s does not answer; messages wait: %s",
                 kafka_client_servers(s->rk, servers, sizeof servers), rd_kafka_event_error_string(ev));
    }
}

static void take_events(struct sink *s, int wait_ms)
{
    rd_kafka_event_t *ev;
    while (!s->failed.kind && (ev = rd_kafka_queue_poll(s->reports, wait_ms))) {
        switch (rd_kafka_event_type(ev)) {
        case RD_KAFKA_EVENT_DR:
            take_reports(s, ev);
            break;
        case RD_KAFKA_EVENT_ERROR:
            take_error(s, ev);
            break;
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
            take_created(s, ev);
            break;
        }
        rd_kafka_event_destroy(ev);
        wait_ms = 0;
    }
}

static void headers_add(rd_kafka_headers_t *list, const struct header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(list, headers[i].name.ptr, (ssize_t)headers[i].name.len, headers[i].value.ptr,
                            (ssize_t)headers[i].value.len);
}

static rd_kafka_headers_t *headers_of(struct sink *s, const struct message *m)
{
    rd_kafka_headers_t *context = m->context ? s->context : NULL;
    if (!m->n_headers)
        return context ? rd_kafka_headers_copy(context) : NULL;
    rd_kafka_headers_t *list = rd_kafka_headers_new(m->n_headers + 4);
    headers_add(list, m->headers, m->n_headers);
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0; context && !rd_kafka_header_get_all(context, i, &name, &value, &len); i++)
        rd_kafka_header_add(list, name, -1, value, (ssize_t)len);
    return list;
}

static ssize_t length_of(struct slice s)
{
    return s.ptr ? (ssize_t)s.len : -1;
}

static size_t message_size(struct sink *s, const struct message *m)
{
    rd_kafka_headers_t *headers = headers_of(s, m);
    size_t size = kafka_size(length_of(m->key), length_of(m->value), headers);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return size;
}

static void kafka_room(const struct sink *s, const struct topic *topic, struct refusal *out)
{
    const struct handle *h = topic->handle;
    size_t own = h ? h->most : kafka_size_most(limits_of(s->limits, topic->name), s->compresses);
    *out = (struct refusal){.limit = s->most,
                            .limit_name = "max.request.size",
                            .advice = "raise producer.override.max.request.size of the connector (and "
                                      "max.message.bytes of the topic)"};
    if (s->most_queue < out->limit)
        *out = (struct refusal){.limit = s->most_queue,
                                .limit_name = "buffer.memory",
                                .advice = "raise producer.override.buffer.memory of the connector"};
    if (own && own < out->limit)
        *out = (struct refusal){.limit = own,
                                .told = limits_of(s->limits, topic->name).batch,
                                .limit_name = "max.message.bytes",
                                .advice = "raise max.message.bytes of the topic"};
}

static enum sink_result too_large(struct sink *s, const struct message *m, struct err *e)
{
    kafka_room(s, m->topic, &s->refusal);
    s->refusal.size = message_size(s, m);
    refusal_set(&s->refusal, m, e);
    return SINK_TOO_LARGE;
}

static enum sink_result refused(struct sink *s, const struct message *m, rd_kafka_resp_err_t code,
                                struct err *e)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && s->in_flight)
        return SINK_FULL;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL || code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return too_large(s, m, e);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        fatal_set(s);
    else
        kafka_error_set(&s->failed, code, NULL, "Kafka topic %s", m->topic->name);
    return sink_failed(s, e), SINK_FAIL;
}

static enum sink_result kafka_put(struct sink *s, const struct message *m, struct err *e)
{
    if (sink_failed(s, e))
        return SINK_FAIL;
    enum sink_result first = m->topic->handle ? SINK_OK : topic_first(s, m->topic, e);
    if (first != SINK_OK)
        return first;
    struct handle *h = m->topic->handle;
    if (!h->rkt)
        return SINK_FULL;
    if (!h->announced)
        announce(s, h);
    h->announced = true;
    if (h->most && m->key.len + m->value.len + MOST_OVERHEAD > h->most && message_size(s, m) > h->most)
        return too_large(s, m, e);
    if (s->transaction && !kafka_transaction_begin(s->transaction, &s->failed))
        return sink_failed(s, e), SINK_FAIL;
    rd_kafka_headers_t *headers = headers_of(s, m);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        s->rk, RD_KAFKA_V_RKT(h->rkt), RD_KAFKA_V_PARTITION(m->partition),
        RD_KAFKA_V_KEY((void *)m->key.ptr, m->key.len), RD_KAFKA_V_VALUE((void *)m->value.ptr, m->value.len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(m->mark),
        RD_KAFKA_V_END);
    if (!code) {
        m->mark->pending++;
        s->in_flight++;
        s->in_flight_bytes += m->key.len + m->value.len;
        return SINK_OK;
    }
    /* Some releases free the headers when there is no such partition, though the caller still owns them. */
    if (headers && code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        rd_kafka_headers_destroy(headers);
    return refused(s, m, code, e);
}

static bool kafka_poll(struct sink *s, struct err *e)
{
    take_events(s, 0);
    return !sink_failed(s, e);
}

static bool kafka_flush(struct sink *s, int timeout_ms, struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (int64_t left = timeout_ms; s->in_flight && left > 0 && !s->failed.kind;
         left = deadline - clock_mono_ms())
        take_events(s, (int)left);
    if (sink_failed(s, e))
        return false;
    char servers[200];
    return !s->in_flight || err_set(e, ERR_RETRY, "Kafka at %s has not confirmed %llu messages within %d ms",
                                    kafka_client_servers(s->rk, servers, sizeof servers),
                                    (unsigned long long)s->in_flight, timeout_ms);
}

static enum sink_result position_put(struct sink *s, struct slice key, struct slice value)
{
    enum sink_result r = kafka_transaction_seal(s->transaction, key, value, &s->position, &s->failed);
    s->in_flight += r == SINK_OK;
    s->in_flight_bytes += r == SINK_OK ? key.len + value.len : 0;
    s->position.pending += r == SINK_OK;
    return r;
}

static enum sink_result kafka_commit(struct sink *s, struct slice key, struct slice value, int timeout_ms,
                                     struct err *e)
{
    enum sink_result r =
        s->failed.kind || kafka_transaction_sealed(s->transaction) ? SINK_OK : position_put(s, key, value);
    struct err late = {0};
    if (r != SINK_FAIL && !kafka_flush(s, timeout_ms, &late) && !s->failed.kind)
        r = SINK_FULL;
    if (sink_failed(s, e))
        return SINK_FAIL;
    if (r == SINK_OK)
        r = kafka_transaction_commit(s->transaction, timeout_ms, &s->failed);
    return sink_failed(s, e) ? SINK_FAIL : r;
}

static void kafka_look(struct sink *s, uint64_t *in_flight, uint64_t *bytes, struct histogram *latency)
{
    *bytes = s->in_flight_bytes;
    *in_flight = s->in_flight;
    *latency = s->latency;
}

static void kafka_refusal(const struct sink *s, struct refusal *out)
{
    *out = s->refusal;
}

static void kafka_forget(struct sink *s, struct topic *topic)
{
    if (topic->handle)
        handle_free(topic->handle);
}

/* What is on its way must have arrived or been refused first: it would be part of the next transaction. */
static void transaction_end(struct sink *s)
{
    s->failed = (struct err){0};
    rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (int64_t until = clock_mono_ms() + ABORT_MS; s->in_flight && clock_mono_ms() < until;) {
        take_events(s, 100);
        s->failed = (struct err){0};
    }
    if (!s->in_flight)
        kafka_transaction_abort(s->transaction, ABORT_MS);
}

static void kafka_close(struct sink *s)
{
    if (s->transaction && s->reports)
        transaction_end(s);
    kafka_transaction_close(s->transaction);
    while (s->handles)
        handle_free(s->handles);
    if (s->reports) {
        rd_kafka_queue_io_event_enable(s->reports, -1, NULL, 0);
        rd_kafka_queue_destroy(s->reports);
    }
    if (s->rk) {
        rd_kafka_purge(s->rk,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(s->rk);
    }
    if (s->context)
        rd_kafka_headers_destroy(s->context);
    kafka_topics_free(s->topics);
    free(s);
}

static size_t conf_number(rd_kafka_conf_t *conf, const char *name)
{
    char text[32] = "";
    size_t size = sizeof text;
    rd_kafka_conf_get(conf, name, text, &size);
    return strtoull(text, NULL, 10);
}

/* Batches stay below what the narrowest topic was found to take: there is one size for all topics. */
static void sizes_take(struct sink *s, rd_kafka_conf_t *conf)
{
    enum { SLACK = 1024 };
    char codec[16] = "", number[32];
    size_t size = sizeof codec, batch = limits_batch(s->limits);
    s->compresses = rd_kafka_conf_get(conf, "compression.codec", codec, &size) == RD_KAFKA_CONF_OK &&
                    strcmp(codec, "none") != 0;
    s->most = conf_number(conf, "message.max.bytes");
    s->most_queue = conf_number(conf, "queue.buffering.max.kbytes") * 1024;
    if (!batch || batch >= conf_number(conf, "batch.size") + SLACK)
        return;
    snprintf(number, sizeof number, "%zu", batch > SLACK ? batch - SLACK : 1);
    rd_kafka_conf_set(conf, "batch.size", number, NULL, 0);
}

static bool producer_open(struct sink *s, const struct sink_options *options, struct err *e)
{
    rd_kafka_conf_t *conf = kafka_settings_producer(options->worker, options->connector, options->name, e);
    if (!conf)
        return false;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    char idempotence[8] = "";
    size_t size = sizeof idempotence;
    s->sequenced = rd_kafka_conf_get(conf, "enable.idempotence", idempotence, &size) == RD_KAFKA_CONF_OK &&
                   strcmp(idempotence, "true") == 0;
    sizes_take(s, conf);
    const char *id = options->transactional_id;
    if (id && !kafka_transaction_configure(conf, id, options->worker, e)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    s->sequenced |= id != NULL;
    s->rk = kafka_client_new(RD_KAFKA_PRODUCER, conf, e);
    if (!s->rk || !kafka_client_reach(s->rk, OPEN_TIMEOUT_MS, e))
        return false;
    s->transaction =
        id ? kafka_transaction_open(s->rk, id, options->positions_topic, options->standby, e) : NULL;
    return !id || s->transaction;
}

/* The worker may forbid it for all connectors, as in Kafka Connect. */
static struct kafka_topics *topics_open(const struct sink_options *options, struct err *e)
{
    if (!options->worker || props_get_bool(options->worker, "topic.creation.enable", true))
        return kafka_topics_new(options->connector, e);
    struct props *none = props_new();
    struct kafka_topics *topics = kafka_topics_new(none, e);
    props_free(none);
    return topics;
}

static struct sink *kafka_open(const struct sink_options *options, struct err *e)
{
    static const uint64_t ONE = 1; /* what an eventfd wants to be written */
    struct sink *s = xcalloc(1, sizeof *s);
    s->limits = options->limits;
    if (!(s->topics = topics_open(options, e)) || !producer_open(s, options, e)) {
        kafka_close(s);
        return NULL;
    }
    s->reports = rd_kafka_queue_get_main(s->rk);
    if (options->wake_fd >= 0)
        rd_kafka_queue_io_event_enable(s->reports, options->wake_fd, &ONE, sizeof ONE);
    if (options->n_context) {
        s->context = rd_kafka_headers_new(options->n_context);
        headers_add(s->context, options->context, options->n_context);
    }
    return s;
}

const struct sink_type kafka_sink = {
    .name = "kafka",
    .open = kafka_open,
    .put = kafka_put,
    .poll = kafka_poll,
    .flush = kafka_flush,
    .commit = kafka_commit,
    .look = kafka_look,
    .refusal = kafka_refusal,
    .room = kafka_room,
    .forget = kafka_forget,
    .close = kafka_close,
};
