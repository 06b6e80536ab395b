/* kafka_client.c - one librdkafka client: made, reached, and its errors put into our words.
 *
 * librdkafka retries every connection by itself and for ever, so an unreachable or refusing broker is only
 * ever seen as error events beside a request that gets no answer. */
#include "kafka_client.h"

#include "clock.h"
#include "log.h"
#include "props.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    rd_kafka_resp_err_t code;
    enum err_kind kind;
    const char *advice;
} ERRORS[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_CONFIG, "check sasl.mechanism and sasl.jaas.config"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERR_CONFIG, "check sasl.mechanism and sasl.jaas.config"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, ERR_CONFIG, "check sasl.mechanism"},
    {RD_KAFKA_RESP_ERR__SSL, ERR_RETRY, "check security.protocol and ssl.truststore.location"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_CONFIG, "grant Write and Describe on the topic"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERR_CONFIG,
     "grant IdempotentWrite (and Create) on the cluster, or set producer.enable.idempotence=false"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_CONFIG,
     "raise max.message.bytes of the topic (message.max.bytes of the broker)"},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ERR_CONFIG, "raise segment.bytes of the topic"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, ERR_CONFIG,
     "a topic with cleanup.policy=compact takes no messages without a key: use cleanup.policy=delete or "
     "message.key.columns"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERR_CONFIG, "the topic's name is not one that Kafka allows"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, ERR_CONFIG,
     "ask for no more replicas than there are brokers"},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, ERR_CONFIG, ""},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, ERR_CONFIG, ""},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ERR_CONFIG, "the cluster's policy forbids it"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, ERR_CONFIG, "choose another compression.type"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERR_RETRY,
     "create it, or set topic.creation.default.partitions and topic.creation.default.replication.factor"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_RETRY,
     "create it, or set topic.creation.default.partitions and topic.creation.default.replication.factor"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ERR_RETRY, "the topic has fewer partitions"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERR_CONFIG,
     "grant Write and Describe on the transactional id (group.id-connector-task)"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, ERR_CONFIG,
     "lower producer.override.transaction.timeout.ms, or raise transaction.max.timeout.ms of the broker"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, ERR_CONFIG, ""},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ERR_RETRY,
     "fewer replicas are in sync than min.insync.replicas asks for"},
};

enum { N_ERRORS = sizeof ERRORS / sizeof *ERRORS };

enum err_kind kafka_error_kind(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < N_ERRORS; i++)
        if (ERRORS[i].code == code)
            return ERRORS[i].kind;
    return ERR_RETRY;
}

static const char *error_advice(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < N_ERRORS; i++)
        if (ERRORS[i].code == code)
            return ERRORS[i].advice;
    return "";
}

bool kafka_error_set(struct err *e, rd_kafka_resp_err_t code, const char *said, const char *context, ...)
{
    char text[400];
    va_list args;
    va_start(args, context);
    vsnprintf(text, sizeof text, context, args);
    va_end(args);
    const char *advice = error_advice(code);
    return err_set(e, kafka_error_kind(code), "%s: %s%s%s", text, said ? said : rd_kafka_err2str(code),
                   *advice ? "; " : "", advice);
}

bool kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *e)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    if (props_is_secret(name))
        return err_set(e, ERR_CONFIG, "Kafka setting %s: not accepted by librdkafka %s", name,
                       rd_kafka_version_str());
    return err_set(e, ERR_CONFIG, "Kafka setting %s=%s: %s", name, value, why);
}

enum { SYSLOG_WARNING = 4 }; /* syslog.h and log.h claim the same names */

/* What these tell comes as an error event or an error code too, and is told from there. */
static const char *const TOLD_ELSEWHERE[] = {"FAIL", "ERROR", "FATAL", "GETPID", "TERMINATE", "TXNERR"};

static void log_forward(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    bool told = level > SYSLOG_WARNING;
    for (size_t i = 0; i < sizeof TOLD_ELSEWHERE / sizeof *TOLD_ELSEWHERE; i++)
        told = told || strcmp(facility, TOLD_ELSEWHERE[i]) == 0;
    log_line(told ? LOG_DEBUG : LOG_WARN, "Kafka client %s: %s: %s", rd_kafka_name(rk), facility, text);
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct err *e)
{
    char why[512];
    rd_kafka_conf_set_log_cb(conf, log_forward);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk)
        return rk;
    rd_kafka_conf_destroy(conf);
    err_set(e, ERR_CONFIG, "Kafka client: %s", why);
    return NULL;
}

const char *kafka_client_servers(const rd_kafka_t *rk, char *text, size_t size)
{
    size_t len = size;
    if (rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)rk), "bootstrap.servers", text, &len) !=
        RD_KAFKA_CONF_OK)
        snprintf(text, size, "?");
    return text;
}

/* What error events have told so far. */
struct trouble {
    rd_kafka_resp_err_t code;
    bool refused; /* trying again will not help */
    char text[400];
};

/* "1/1 brokers are down" says less than what went before it. */
static void trouble_add(struct trouble *t, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(ev);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && t->text[0])
        return;
    if (t->refused)
        return;
    t->code = code;
    snprintf(t->text, sizeof t->text, "%s", rd_kafka_event_error_string(ev));
    char *detail = strstr(t->text, " (after ");
    if (detail)
        *detail = 0;
    /* A handshake may also break because the broker is just stopping. */
    t->refused = kafka_error_kind(code) == ERR_CONFIG ||
                 (code == RD_KAFKA_RESP_ERR__SSL && strstr(t->text, "certificate"));
}

static void trouble_collect(struct trouble *t, rd_kafka_t *rk)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
    for (rd_kafka_event_t *ev; (ev = rd_kafka_queue_poll(queue, 0)); rd_kafka_event_destroy(ev))
        if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
            trouble_add(t, ev);
    rd_kafka_queue_destroy(queue);
}

static bool unreachable(rd_kafka_t *rk, const struct trouble *t, rd_kafka_resp_err_t last, struct err *e)
{
    char servers[200];
    kafka_client_servers(rk, servers, sizeof servers);
    const char *what = t->text[0] ? t->text : rd_kafka_err2str(last);
    if (t->refused) {
        kafka_error_set(e, t->code, what, "Kafka at %s refused", servers);
        e->kind = ERR_CONFIG;
        return false;
    }
    return err_set(e, ERR_RETRY,
                   "Kafka at %s is not reachable: %s; start it or correct bootstrap.servers "
                   "(and security.protocol)",
                   servers, what);
}

/* Asks in growing slices, so that a refused login is noticed long before the whole time has passed. */
bool kafka_client_reach(rd_kafka_t *rk, int timeout_ms, struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    struct trouble trouble = {0};
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int slice = 250; clock_mono_ms() < deadline; slice *= 2) {
        int left = (int)(deadline - clock_mono_ms());
        const struct rd_kafka_metadata *metadata;
        code = rd_kafka_metadata(rk, 0, NULL, &metadata, slice < left ? slice : left > 0 ? left : 1);
        if (!code) {
            rd_kafka_metadata_destroy(metadata);
            return true;
        }
        trouble_collect(&trouble, rk);
        if (trouble.refused)
            break;
    }
    return unreachable(rk, &trouble, code, e);
}
