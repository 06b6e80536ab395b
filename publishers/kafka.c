/* kafka.c - the Kafka sink: messages to topics, delivery reports to marks.
 *
 * librdkafka keeps order and retries by itself (idempotent producer, no time limit). So a report with an
 * error means that the stream has a hole: the sink is then dead, and the connector starts again from its
 * checkpoint with a new one. Reports come as events, thousands at a time, and are read on the pipeline's own
 * thread; no lock is ours. */
#include "sink.h"

#include "clock.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "kafka_topics.h"
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
    MOST_KEY_SHOWN = 80
};

/* What hangs on a topic; the sink has a list of them, because a closed sink must leave no handle behind. */
struct handle {
    struct topic *topic;
    rd_kafka_topic_t *rkt; /* NULL: not there until the request to create it is answered */
    bool announced;
    struct handle *next, **link;
};

struct sink {
    rd_kafka_t *rk;
    rd_kafka_queue_t *reports;
    rd_kafka_headers_t *context; /* copied into each message */
    struct kafka_topics *topics;
    struct handle *handles;
    uint64_t in_flight;
    struct histogram latency;
    bool sequenced; /* an idempotent producer, whose confirmations tell an offset */
    bool troubled;  /* a warning was given that Kafka does not answer */
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

static void report_failed(struct sink *s, const rd_kafka_message_t *m)
{
    kafka_error_set(&s->failed, m->err, NULL, "Kafka topic %s, partition %d: a message was not taken",
                    rd_kafka_topic_name(m->rkt), m->partition);
}

static void take_reports(struct sink *s, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *m, *last = NULL;
    while ((m = rd_kafka_event_message_next(ev))) {
        last = m;
        s->in_flight--;
        if (m->err && !s->failed.kind)
            report_failed(s, m);
        else if (!m->err && only_implied(s, m))
            implied_refuse(s, m);
        else if (!m->err)
            ((struct mark *)m->_private)->pending--;
    }
    if (last && !last->err)
        histogram_add(&s->latency, rd_kafka_message_latency(last));
    if (s->troubled && !s->failed.kind) {
        s->troubled = false;
        log_info("Kafka takes messages again");
    }
}

static void fatal_set(struct sink *s)
{
    char why[400];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->rk, why, sizeof why);
    err_set(&s->failed, kafka_error_kind(code), "Kafka producer gave up: %s: %s", rd_kafka_err2name(code),
            why);
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

static size_t headers_size(struct sink *s, const struct message *m)
{
    size_t size = 0;
    rd_kafka_headers_t *list = headers_of(s, m);
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0; list && !rd_kafka_header_get_all(list, i, &name, &value, &len); i++)
        size += strlen(name) + len;
    if (list)
        rd_kafka_headers_destroy(list);
    return size;
}

static bool too_large(struct sink *s, const struct message *m, const char *limit_name, const char *option,
                      struct err *e)
{
    char limit[32] = "?";
    size_t size = sizeof limit;
    rd_kafka_conf_get(rd_kafka_conf(s->rk), limit_name, limit, &size);
    struct slice key = slice_cut(m->key, 0, MOST_KEY_SHOWN); /* the one way to the row; its values stay out */
    return err_set(e, ERR_DATA,
                   "Kafka topic %s: the message with key " SLICE_FMT
                   "%s has %zu bytes, more than %s=%s allows; "
                   "raise producer.override.%s of the connector (and max.message.bytes of the topic)",
                   m->topic->name, SLICE_ARG(key), m->key.len > key.len ? "..." : "",
                   m->key.len + m->value.len + headers_size(s, m), limit_name, limit, option);
}

static enum sink_result refused(struct sink *s, const struct message *m, rd_kafka_resp_err_t code,
                                struct err *e)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && s->in_flight)
        return SINK_FULL;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return too_large(s, m, "queue.buffering.max.kbytes", "buffer.memory", e), SINK_FAIL;
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return too_large(s, m, "message.max.bytes", "max.request.size", e), SINK_FAIL;
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
    rd_kafka_headers_t *headers = headers_of(s, m);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        s->rk, RD_KAFKA_V_RKT(h->rkt), RD_KAFKA_V_PARTITION(m->partition),
        RD_KAFKA_V_KEY((void *)m->key.ptr, m->key.len), RD_KAFKA_V_VALUE((void *)m->value.ptr, m->value.len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(m->mark),
        RD_KAFKA_V_END);
    if (!code) {
        m->mark->pending++;
        s->in_flight++;
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

static void kafka_look(struct sink *s, uint64_t *in_flight, struct histogram *latency)
{
    *in_flight = s->in_flight;
    *latency = s->latency;
}

static void kafka_forget(struct sink *s, struct topic *topic)
{
    if (topic->handle)
        handle_free(topic->handle);
}

static void kafka_close(struct sink *s)
{
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
    s->rk = kafka_client_new(RD_KAFKA_PRODUCER, conf, e);
    return s->rk && kafka_client_reach(s->rk, OPEN_TIMEOUT_MS, e);
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
    .look = kafka_look,
    .forget = kafka_forget,
    .close = kafka_close,
};
