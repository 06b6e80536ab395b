/* kafka_settings.c - Kafka client settings under their Java names, for librdkafka.
 *
 * Every name that is known is a row: what becomes of it, or why nothing does. A setting that would let
 * messages be lost, reordered or placed differently is refused or told, never dropped in silence.
 * librdkafka's own names pass when they have a row; those that load code, run commands or print secrets have
 * none or are refused. */
#include "kafka_settings.h"

#include "kafka_client.h"
#include "kafka_security.h"
#include "log.h"
#include "map.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A row with a note and no function has no effect: the note says why. */
struct row {
    const char *name, *rd; /* rd NULL: the same name */
    bool (*apply)(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e);
    enum place {
        PRODUCER,
        SHARED,
        WORKER
    } place; /* SHARED: also without prefix; WORKER: so, and never in a connector */
    const char *note;
};

static const char *row_rd(const struct row *row)
{
    return row->rd ? row->rd : row->name;
}

static bool same(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_conf_put(conf, row_rd(row), value, e);
}

static bool number(const struct row *row, const char *value, long long *n, struct err *e)
{
    char *end;
    *n = strtoll(value, &end, 10);
    return (end != value && !*end) ||
           err_set(e, ERR_CONFIG, "Kafka setting %s=%s: not a number", row->name, value);
}

static bool put_number(rd_kafka_conf_t *conf, const struct row *row, long long n, struct err *e)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", n);
    return kafka_conf_put(conf, row_rd(row), text, e);
}

static bool kilobytes(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    long long n;
    return number(row, value, &n, e) && put_number(conf, row, n < 1024 ? 1 : n / 1024, e);
}

/* Java's -1 is librdkafka's 0: what the system has set. */
static bool socket_buffer(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    long long n;
    return number(row, value, &n, e) && put_number(conf, row, n < 0 ? 0 : n, e);
}

static bool at_least_one(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    long long n;
    return number(row, value, &n, e) && put_number(conf, row, n < 1 ? 1 : n, e);
}

/* The idempotent producer keeps the order of five requests and no more. */
static bool in_flight(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    long long n;
    return number(row, value, &n, e) && put_number(conf, row, n > 5 ? 5 : n, e);
}

static bool jaas(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_jaas_apply(conf, value, e);
}

static bool truststore(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_truststore_apply(conf, value, e);
}

static bool keystore(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_keystore_apply(conf, value, e);
}

static bool pem(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_pem_apply(conf, row_rd(row), value, e);
}

static bool host_check(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return kafka_conf_put(conf, row_rd(row), *value ? value : "none", e);
}

static bool refuse(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return err_set(e, ERR_CONFIG, "Kafka setting %s is refused: %s; remove it", row->name, row->note);
}

static bool refuse_unless_false(rd_kafka_conf_t *conf, const struct row *row, const char *value,
                                struct err *e)
{
    return strcasecmp(value, "false") == 0 || refuse(conf, row, value, e);
}

static bool java_partitioner(rd_kafka_conf_t *conf, const struct row *row, const char *value, struct err *e)
{
    return strcmp(value, "org.apache.kafka.clients.producer.internals.DefaultPartitioner") == 0 ||
           refuse(conf, row, value, e);
}

static const char JAVA_ONLY[] = "it names a Java class";
static const char NO_MATCH[] = "librdkafka has no such setting";
static const char OPENSSL[] = "OpenSSL chooses this by itself";

static const struct row ROWS[] = {
    /* reaching the brokers */
    {"bootstrap.servers", NULL, same, SHARED, NULL},
    {"client.id", NULL, same, PRODUCER, NULL},
    {"client.rack", NULL, same, SHARED, NULL},
    {"client.dns.lookup", NULL, NULL, SHARED, "all addresses of a name are tried anyway"},
    {"metadata.max.age.ms", NULL, same, SHARED, NULL},
    {"metadata.max.idle.ms", NULL, NULL, PRODUCER, NO_MATCH},
    {"metadata.recovery.strategy", NULL, NULL, SHARED, "the bootstrap servers are always tried again"},
    {"metadata.recovery.rebootstrap.trigger.ms", NULL, NULL, SHARED,
     "the bootstrap servers are always tried again"},
    {"connections.max.idle.ms", NULL, same, SHARED, NULL},
    {"reconnect.backoff.ms", NULL, same, SHARED, NULL},
    {"reconnect.backoff.max.ms", NULL, same, SHARED, NULL},
    {"reconnect.backoff.jitter.ms", NULL, same, SHARED, NULL},
    {"socket.connection.setup.timeout.ms", NULL, same, SHARED, NULL},
    {"socket.connection.setup.timeout.max.ms", NULL, NULL, SHARED, NO_MATCH},
    {"send.buffer.bytes", "socket.send.buffer.bytes", socket_buffer, SHARED, NULL},
    {"receive.buffer.bytes", "socket.receive.buffer.bytes", socket_buffer, SHARED, NULL},
    {"socket.send.buffer.bytes", NULL, same, SHARED, NULL},
    {"socket.receive.buffer.bytes", NULL, same, SHARED, NULL},
    {"socket.keepalive.enable", NULL, same, SHARED, NULL},
    {"socket.nagle.disable", NULL, same, SHARED, NULL},
    {"socket.timeout.ms", NULL, same, SHARED, NULL},
    {"socket.max.fails", NULL, same, SHARED, NULL},
    {"broker.address.ttl", NULL, same, SHARED, NULL},
    {"broker.address.family", NULL, same, SHARED, NULL},
    {"api.version.request.timeout.ms", NULL, same, SHARED, NULL},
    {"log.connection.close", NULL, same, SHARED, NULL},
    /* security */
    {"security.protocol", NULL, same, SHARED, NULL},
    {"security.providers", NULL, NULL, SHARED, JAVA_ONLY},
    {"sasl.mechanism", NULL, same, SHARED, NULL},
    {"sasl.mechanisms", NULL, same, SHARED, NULL},
    {"sasl.jaas.config", NULL, jaas, SHARED, NULL},
    {"sasl.username", NULL, same, SHARED, NULL},
    {"sasl.password", NULL, same, SHARED, NULL},
    {"sasl.kerberos.service.name", NULL, same, SHARED, NULL},
    {"sasl.kerberos.principal", NULL, same, WORKER, NULL},
    {"sasl.kerberos.keytab", NULL, same, WORKER, NULL},
    {"sasl.kerberos.min.time.before.relogin", NULL, same, SHARED, NULL},
    {"sasl.kerberos.kinit.cmd", NULL, same, WORKER, NULL},
    {"sasl.kerberos.ticket.renew.jitter", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.kerberos.ticket.renew.window.factor", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.oauthbearer.method", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.config", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.client.id", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.client.secret", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.scope", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.extensions", NULL, same, SHARED, NULL},
    {"sasl.oauthbearer.token.endpoint.url", NULL, same, WORKER, NULL},
    {"enable.sasl.oauthbearer.unsecure.jwt", NULL, same, WORKER, NULL},
    {"sasl.client.callback.handler.class", NULL, NULL, SHARED, JAVA_ONLY},
    {"sasl.login.callback.handler.class", NULL, NULL, SHARED, JAVA_ONLY},
    {"sasl.login.class", NULL, NULL, SHARED, JAVA_ONLY},
    {"sasl.login.connect.timeout.ms", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.read.timeout.ms", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.refresh.buffer.seconds", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.refresh.min.period.seconds", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.refresh.window.factor", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.refresh.window.jitter", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.retry.backoff.max.ms", NULL, NULL, SHARED, NO_MATCH},
    {"sasl.login.retry.backoff.ms", NULL, NULL, SHARED, NO_MATCH},
    {"ssl.truststore.location", NULL, truststore, SHARED, NULL},
    {"ssl.truststore.certificates", "ssl.ca.pem", pem, SHARED, NULL},
    {"ssl.truststore.type", NULL, NULL, SHARED, NULL},
    {"ssl.truststore.password", NULL, NULL, SHARED, NULL},
    {"ssl.keystore.location", NULL, keystore, SHARED, NULL},
    {"ssl.keystore.password", NULL, same, SHARED, NULL},
    {"ssl.keystore.certificate.chain", "ssl.certificate.pem", pem, SHARED, NULL},
    {"ssl.keystore.key", "ssl.key.pem", pem, SHARED, NULL},
    {"ssl.keystore.type", NULL, NULL, SHARED, NULL},
    {"ssl.key.password", NULL, same, SHARED, NULL},
    {"ssl.key.location", NULL, same, SHARED, NULL},
    {"ssl.key.pem", NULL, pem, SHARED, NULL},
    {"ssl.certificate.location", NULL, same, SHARED, NULL},
    {"ssl.certificate.pem", NULL, pem, SHARED, NULL},
    {"ssl.ca.location", NULL, same, SHARED, NULL},
    {"ssl.ca.pem", NULL, pem, SHARED, NULL},
    {"ssl.crl.location", NULL, same, SHARED, NULL},
    {"ssl.cipher.suites", NULL, same, SHARED, NULL},
    {"ssl.curves.list", NULL, same, SHARED, NULL},
    {"ssl.sigalgs.list", NULL, same, SHARED, NULL},
    {"ssl.endpoint.identification.algorithm", NULL, host_check, SHARED, NULL},
    {"enable.ssl.certificate.verification", NULL, same, WORKER, NULL},
    {"ssl.protocol", NULL, NULL, SHARED, OPENSSL},
    {"ssl.enabled.protocols", NULL, NULL, SHARED, OPENSSL},
    {"ssl.provider", NULL, NULL, SHARED, JAVA_ONLY},
    {"ssl.engine.factory.class", NULL, NULL, SHARED, JAVA_ONLY},
    {"ssl.keymanager.algorithm", NULL, NULL, SHARED, JAVA_ONLY},
    {"ssl.trustmanager.algorithm", NULL, NULL, SHARED, JAVA_ONLY},
    {"ssl.secure.random.implementation", NULL, NULL, SHARED, JAVA_ONLY},
    /* producing */
    {"acks", NULL, same, PRODUCER, NULL},
    {"enable.idempotence", NULL, same, PRODUCER, NULL},
    {"linger.ms", NULL, same, PRODUCER, NULL},
    {"batch.size", NULL, at_least_one, PRODUCER, NULL},
    {"compression.type", NULL, same, PRODUCER, NULL},
    {"compression.codec", NULL, same, PRODUCER, NULL},
    {"compression.level", NULL, same, PRODUCER, NULL},
    {"compression.gzip.level", NULL, NULL, PRODUCER, "use compression.level"},
    {"compression.lz4.level", NULL, NULL, PRODUCER, "use compression.level"},
    {"compression.zstd.level", NULL, NULL, PRODUCER, "use compression.level"},
    {"max.request.size", "message.max.bytes", same, PRODUCER, NULL},
    {"message.max.bytes", NULL, same, PRODUCER, NULL},
    {"message.copy.max.bytes", NULL, same, PRODUCER, NULL},
    {"receive.message.max.bytes", NULL, same, PRODUCER, NULL},
    {"buffer.memory", "queue.buffering.max.kbytes", kilobytes, PRODUCER, NULL},
    {"queue.buffering.max.kbytes", NULL, same, PRODUCER, NULL},
    {"queue.buffering.max.messages", NULL, same, PRODUCER, NULL},
    {"queue.buffering.max.ms", NULL, same, PRODUCER, NULL},
    {"queue.buffering.backpressure.threshold", NULL, same, PRODUCER, NULL},
    {"batch.num.messages", NULL, same, PRODUCER, NULL},
    {"max.block.ms", NULL, NULL, PRODUCER, "nothing here waits for the producer"},
    {"max.in.flight.requests.per.connection", NULL, in_flight, PRODUCER, NULL},
    {"max.in.flight", NULL, in_flight, PRODUCER, NULL},
    {"request.timeout.ms", NULL, same, PRODUCER, NULL},
    {"delivery.timeout.ms", NULL, same, PRODUCER, NULL},
    {"message.timeout.ms", NULL, same, PRODUCER, NULL},
    {"retries", NULL, same, PRODUCER, NULL},
    {"message.send.max.retries", NULL, same, PRODUCER, NULL},
    {"retry.backoff.ms", NULL, at_least_one, PRODUCER, NULL},
    {"retry.backoff.max.ms", NULL, NULL, PRODUCER, NO_MATCH},
    {"sticky.partitioning.linger.ms", NULL, same, PRODUCER, NULL},
    {"topic.metadata.refresh.interval.ms", NULL, same, PRODUCER, NULL},
    {"topic.metadata.propagation.max.ms", NULL, same, PRODUCER, NULL},
    {"allow.auto.create.topics", NULL, same, PRODUCER, NULL},
    {"partitioner", NULL, same, PRODUCER, NULL},
    {"partitioner.class", NULL, java_partitioner, PRODUCER,
     "keys would be placed on other partitions than it chooses"},
    {"partitioner.ignore.keys", NULL, refuse_unless_false, PRODUCER,
     "the changes of a row would lose their order"},
    {"partitioner.adaptive.partitioning.enable", NULL, NULL, PRODUCER, NO_MATCH},
    {"partitioner.availability.timeout.ms", NULL, NULL, PRODUCER, NO_MATCH},
    {"key.serializer", NULL, NULL, PRODUCER, JAVA_ONLY},
    {"value.serializer", NULL, NULL, PRODUCER, JAVA_ONLY},
    {"interceptor.classes", NULL, NULL, PRODUCER, JAVA_ONLY},
    {"metric.reporters", NULL, NULL, PRODUCER, "metrics are at /metrics"},
    {"metrics.num.samples", NULL, NULL, PRODUCER, "metrics are at /metrics"},
    {"metrics.recording.level", NULL, NULL, PRODUCER, "metrics are at /metrics"},
    {"metrics.sample.window.ms", NULL, NULL, PRODUCER, "metrics are at /metrics"},
    {"auto.include.jmx.reporter", NULL, NULL, PRODUCER, "metrics are at /metrics"},
    {"enable.metrics.push", NULL, NULL, PRODUCER, NO_MATCH},
    {"config.providers", NULL, NULL, PRODUCER, "${env:..}, ${file:..} and ${dir:..} are always there"},
    {"transactional.id", NULL, refuse, PRODUCER,
     "it is made of group.id, the connector's name and the task (exactly.once.source.support)"},
    {"transaction.timeout.ms", NULL, same, PRODUCER, NULL},
    {"plugin.library.paths", NULL, refuse, PRODUCER, "it would load code"},
    {"ssl.engine.location", NULL, refuse, SHARED, "it would load code"},
    {"ssl.engine.id", NULL, refuse, SHARED, "it would load code"},
    {"ssl.providers", NULL, refuse, SHARED, "it would load code"},
    {"debug", NULL, refuse, PRODUCER, "librdkafka's debug lines may hold secrets"},
};

static const struct preset {
    const char *name, *value;
} CLIENT_PRESETS[] =
    {
        {"socket.keepalive.enable", "true"},
        {"socket.nagle.disable", "true"},
        {"reconnect.backoff.max.ms", "1000"},
        {"log.connection.close", "false"},
},
  PRODUCER_PRESETS[] = {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"message.timeout.ms", "0"}, /* never: a message that timed out would be a hole in the stream */
      {"partitioner", "murmur2_random"},
      {"compression.type", "lz4"},
      {"linger.ms", "1"},
      {"batch.size", "1000000"},
      {"batch.num.messages", "100000"},
      /* Enough to keep a broker busy; more costs memory and the processor's caches (docs/why/performance.md).
       */
      {"queue.buffering.max.messages", "12000"},
      {"queue.buffering.max.kbytes", "16384"},
      {"message.max.bytes", "1048576"},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (strcmp(ROWS[i].name, name) == 0)
            return &ROWS[i];
    return NULL;
}

/* Reconnecting repeats all this every few seconds, for ever. */
static void tell_once(const char *name, const char *why)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct map *told;
    pthread_mutex_lock(&lock);
    if (!told)
        told = map_new();
    bool first = !map_set(told, slice_of(name), told);
    pthread_mutex_unlock(&lock);
    if (first)
        log_warn("Kafka setting %s: %s", name, why);
}

static void tell_no_effect(const char *name, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "without effect: %s", why);
    tell_once(name, text);
}

static bool presets_apply(rd_kafka_conf_t *conf, const struct preset *presets, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (!kafka_conf_put(conf, presets[i].name, presets[i].value, e))
            return false;
    return true;
}

static void collect_shared(struct props *set, const struct props *worker)
{
    for (size_t i = 0; i < props_count(worker); i++) {
        const char *name, *value;
        props_at(worker, i, &name, &value);
        const struct row *row = row_find(name);
        if (row && row->place != PRODUCER)
            props_set(set, name, value);
    }
}

static bool collect_section(struct props *set, const struct props *from, const char *prefix, bool connector,
                            struct err *e)
{
    struct props *section = props_section(from, prefix);
    bool ok = true;
    for (size_t i = 0; ok && i < props_count(section); i++) {
        const char *name, *value;
        props_at(section, i, &name, &value);
        if (!connector && strncmp(name, "override.", 9) == 0)
            continue;
        const struct row *row = row_find(name);
        if (connector && row && row->place == WORKER)
            ok = err_set(e, ERR_CONFIG, "%s%s may stand in the worker file only", prefix, name);
        else
            props_set(set, name, value);
    }
    props_free(section);
    return ok;
}

/* Java's rule: who asks for less than all acknowledgements or no retries, and does not insist on idempotence,
 * gives it up. */
static void idempotence_relax(struct props *set)
{
    const char *acks = props_get(set, "acks"), *retries = props_get(set, "retries");
    bool fewer = acks && strcmp(acks, "all") != 0 && strcmp(acks, "-1") != 0;
    bool none = retries && strcmp(retries, "0") == 0;
    if ((fewer || none) && !props_get(set, "enable.idempotence"))
        props_set(set, "enable.idempotence", "false");
    if (props_get_bool(set, "enable.idempotence", true))
        return;
    tell_once("enable.idempotence", "off, so messages may be doubled or, with acks other than all, lost");
    if (!props_get(set, "max.in.flight.requests.per.connection") && !props_get(set, "max.in.flight"))
        props_set(set, "max.in.flight.requests.per.connection", "1");
}

static bool set_apply(rd_kafka_conf_t *conf, const struct props *set, struct err *e)
{
    for (size_t i = 0; i < props_count(set); i++) {
        const char *name, *value;
        props_at(set, i, &name, &value);
        const struct row *row = row_find(name);
        if (!row)
            tell_no_effect(name, "it is not known");
        else if (!row->apply && row->note)
            tell_no_effect(name, row->note);
        else if (row->apply && (*value || row->apply == host_check) && !row->apply(conf, row, value, e))
            return false;
    }
    return true;
}

static bool servers_check(const struct props *set, struct err *e)
{
    const char *servers = props_get(set, "bootstrap.servers");
    return (servers && *servers) ||
           err_set(e, ERR_CONFIG,
                   "bootstrap.servers is not set; add to the worker file: bootstrap.servers=HOST:9092");
}

/* Connect's own name for a source connector's producer, so that quotas by client id stay; librdkafka
 * before 2.5 writes beyond the end of a buffer with very long ones. */
static bool client_id_put(rd_kafka_conf_t *conf, const char *format, const char *name, struct err *e)
{
    char id[200];
    snprintf(id, sizeof id, "%s%.150s%s", format, name, *format ? "-0" : "");
    return kafka_conf_put(conf, "client.id", id, e);
}

rd_kafka_conf_t *kafka_settings_producer(const struct props *worker, const struct props *connector,
                                         const char *name, struct err *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct props *set = props_new();
    collect_shared(set, worker);
    bool ok = collect_section(set, worker, "producer.", false, e) &&
              collect_section(set, connector, "producer.override.", true, e) && servers_check(set, e);
    if (ok)
        idempotence_relax(set);
    ok = ok && presets_apply(conf, CLIENT_PRESETS, COUNT(CLIENT_PRESETS), e) &&
         presets_apply(conf, PRODUCER_PRESETS, COUNT(PRODUCER_PRESETS), e) &&
         client_id_put(conf, "connector-producer-", name, e) && set_apply(conf, set, e);
    props_free(set);
    if (ok)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_conf_t *kafka_settings_client(const struct props *worker, const char *client_id, struct err *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct props *set = props_new();
    collect_shared(set, worker);
    bool ok = servers_check(set, e) && presets_apply(conf, CLIENT_PRESETS, COUNT(CLIENT_PRESETS), e) &&
              client_id_put(conf, "", client_id, e) && set_apply(conf, set, e);
    props_free(set);
    if (ok)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_conf_t *kafka_settings_fixed(const struct props *worker, const char *client_id,
                                      const char *const (*settings)[2], size_t n, struct err *e)
{
    rd_kafka_conf_t *conf = kafka_settings_client(worker, client_id, e);
    bool ok = conf;
    for (size_t i = 0; ok && i < n; i++)
        ok = kafka_conf_put(conf, settings[i][0], settings[i][1], e);
    if (ok || !conf)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}
