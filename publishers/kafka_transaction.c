/* kafka_transaction.c - Kafka transactions of one producer: begun, sealed with a position, committed.
 *
 * librdkafka flushes by itself when it commits, but waits for reports then that nobody would read meanwhile:
 * so all messages must be delivered before. A commit that got no answer may have been done or not; going on
 * calling it resumes it, and a new producer finds out by reading the position. */
#include "kafka_transaction.h"

#include "clock.h"
#include "failpoint.h"
#include "kafka_client.h"
#include "log.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <string.h>

enum { INIT_MS = 10000 };

struct kafka_transaction {
    rd_kafka_t *rk;
    rd_kafka_topic_t *positions; /* NULL before the first one: asking for a topic could create it */
    char *id, *topic;
    int timeout_ms; /* transaction.timeout.ms: after that the broker ends one by itself */
    bool standby;
    bool open;
    bool sealed;      /* its position is among the messages */
    int64_t begun_ms; /* when it was opened, by a clock that a suspended machine does not stop */
};

static bool conf_text(const rd_kafka_conf_t *conf, const char *name, char *text, size_t size)
{
    return rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK;
}

/* In another cluster the position would not be in the transaction, or not where it is looked for. */
static bool same_brokers(const rd_kafka_conf_t *conf, const struct props *worker, struct err *e)
{
    char servers[1000] = "";
    const char *theirs = props_get_or(worker, "bootstrap.servers", "");
    conf_text(conf, "bootstrap.servers", servers, sizeof servers);
    return strcmp(servers, theirs) == 0 ||
           err_set(
               e, ERR_CONFIG,
               "exactly.once.source.support=enabled keeps messages and positions in one Kafka cluster, but "
               "the producer's bootstrap.servers=%s are not the worker's %s: remove the override",
               servers, theirs);
}

/* A message that is given up must be given up before the broker ends its transaction. */
static bool times_put(rd_kafka_conf_t *conf, struct err *e)
{
    char limit[32] = "", message[32] = "";
    conf_text(conf, "transaction.timeout.ms", limit, sizeof limit);
    conf_text(conf, "message.timeout.ms", message, sizeof message);
    int most = atoi(limit), given = atoi(message);
    return (given > 0 && given <= most) || kafka_conf_put(conf, "message.timeout.ms", limit, e);
}

bool kafka_transaction_configure(rd_kafka_conf_t *conf, const char *id, const struct props *worker,
                                 struct err *e)
{
    char idempotence[8] = "";
    conf_text(conf, "enable.idempotence", idempotence, sizeof idempotence);
    if (strcmp(idempotence, "true") != 0)
        log_warn(
            "The value 'false' for the 'enable.idempotence' property will be ignored as it cannot be "
            "overridden for connectors when exactly-once source support is enabled. The value 'true' will "
            "be used instead.");
    return same_brokers(conf, worker, e) && kafka_conf_put(conf, "enable.idempotence", "true", e) &&
           kafka_conf_put(conf, "transactional.id", id, e) && times_put(conf, e);
}

/* ---- errors ---- */

static bool expired(const struct kafka_transaction *t)
{
    return t->open && clock_boot_ms() - t->begun_ms >= t->timeout_ms;
}

bool kafka_transaction_fatal(const struct kafka_transaction *t, rd_kafka_resp_err_t code, const char *said,
                             struct err *e)
{
    char why[400];
    if (code == RD_KAFKA_RESP_ERR__FATAL) { /* all calls say that once it has come */
        code = rd_kafka_fatal_error(t->rk, why, sizeof why);
        said = why;
    }
    bool fenced = code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                  code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    if (!fenced)
        return kafka_error_set(e, code, said, "Kafka transactions of %s", t->id);
    if (expired(t))
        return err_set(e, ERR_RETRY,
                       "Kafka ended a transaction of %s that was open for longer than "
                       "transaction.timeout.ms=%d; going on from the last stored position",
                       t->id, t->timeout_ms);
    if (t->standby)
        return err_set(e, ERR_RETRY,
                       "another process has taken over: Kafka has fenced off this one, which has written "
                       "nothing since (transactional.id=%s)",
                       t->id);
    return err_set(e, ERR_CONFIG,
                   "another process runs this connector: Kafka has fenced off this one, which has written "
                   "nothing since (transactional.id=%s); stop one of them, or give them different names or "
                   "group.id",
                   t->id);
}

static bool failed(const struct kafka_transaction *t, rd_kafka_error_t *error, struct err *e)
{
    kafka_transaction_fatal(t, rd_kafka_error_code(error), rd_kafka_error_string(error), e);
    rd_kafka_error_destroy(error);
    return false;
}

/* ---- life ---- */

/* Placed as Connect's own producer places it: what another worker reads last must be what was written last.
 */
static bool positions_open(struct kafka_transaction *t, struct err *e)
{
    if (t->positions)
        return true;
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(t->rk);
    rd_kafka_topic_conf_set(conf, "partitioner", "murmur2_random", NULL, 0);
    t->positions = rd_kafka_topic_new(t->rk, t->topic, conf);
    return t->positions ||
           kafka_error_set(e, rd_kafka_last_error(), NULL, "offset.storage.topic=%s", t->topic);
}

struct kafka_transaction *kafka_transaction_open(rd_kafka_t *rk, const char *id, const char *topic,
                                                 bool standby, struct err *e)
{
    char limit[32] = "";
    struct kafka_transaction *t = xcalloc(1, sizeof *t);
    t->rk = rk;
    t->id = xstrdup(id);
    t->topic = xstrdup(topic);
    t->standby = standby;
    conf_text(rd_kafka_conf(rk), "transaction.timeout.ms", limit, sizeof limit);
    t->timeout_ms = atoi(limit);
    rd_kafka_error_t *error = rd_kafka_init_transactions(rk, INIT_MS);
    if (!error || failed(t, error, e))
        return t;
    kafka_transaction_close(t);
    return NULL;
}

void kafka_transaction_close(struct kafka_transaction *t)
{
    if (!t)
        return;
    if (t->positions)
        rd_kafka_topic_destroy(t->positions);
    free(t->id);
    free(t->topic);
    free(t);
}

bool kafka_transaction_begin(struct kafka_transaction *t, struct err *e)
{
    if (t->open)
        return true;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(t->rk);
    if (error)
        return failed(t, error, e);
    t->open = true;
    t->begun_ms = clock_boot_ms();
    return true;
}

enum sink_result kafka_transaction_seal(struct kafka_transaction *t, struct slice key, struct slice value,
                                        struct mark *mark, struct err *e)
{
    if (!positions_open(t, e) || !kafka_transaction_begin(t, e))
        return SINK_FAIL;
    if (rd_kafka_produce(t->positions, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)value.ptr,
                         value.len, key.ptr, key.len, mark) == 0) {
        t->sealed = true;
        return SINK_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return SINK_FULL;
    kafka_transaction_fatal(t, code, NULL, e);
    return SINK_FAIL;
}

bool kafka_transaction_sealed(const struct kafka_transaction *t)
{
    return t->sealed;
}

enum sink_result kafka_transaction_commit(struct kafka_transaction *t, int timeout_ms, struct err *e)
{
    if (FAILPOINT_ERROR("kafka-commit", e))
        return SINK_FAIL;
    rd_kafka_error_t *error = rd_kafka_commit_transaction(t->rk, timeout_ms);
    if (!error) {
        FAILPOINT("kafka-committed");
        t->open = t->sealed = false;
        return SINK_OK;
    }
    bool again = rd_kafka_error_is_retriable(error) && !expired(t);
    if (again)
        rd_kafka_error_destroy(error);
    else
        failed(t, error, e);
    return again ? SINK_FULL : SINK_FAIL;
}

/* Without it consumers would wait for the transaction's end until the broker ends it. */
void kafka_transaction_abort(struct kafka_transaction *t, int timeout_ms)
{
    if (!t || !t->open || rd_kafka_fatal_error(t->rk, NULL, 0))
        return;
    rd_kafka_error_t *error = rd_kafka_abort_transaction(t->rk, timeout_ms);
    if (error) {
        log_debug("Kafka transaction of %s was not aborted: %s", t->id, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    t->open = false;
}
