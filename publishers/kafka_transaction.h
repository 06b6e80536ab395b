/* kafka_transaction.h - Kafka transactions of one producer: messages and the position behind them become
 * visible together, and only one process of the same transactional id can write. Used by kafka.c only.
 *
 * A transaction begins with its first message and ends with a position. After any error but a time limit the
 * producer is to be closed, and a new one begins where the last position says. Source: KIP-98, KIP-618. */
#ifndef PUBLISHERS_KAFKA_TRANSACTION_H
#define PUBLISHERS_KAFKA_TRANSACTION_H

#include "err.h"
#include "props.h"
#include "sink.h"

#include <librdkafka/rdkafka.h>

struct kafka_transaction;

/* Makes the settings of a producer those of a transactional one. ERR_CONFIG: they ask for something else, or
 * for other brokers than the worker's, where the positions are. */
bool kafka_transaction_configure(rd_kafka_conf_t *conf, const char *id, const struct props *worker,
                                 struct err *e);
/* Fences off whoever used the id before, and has the broker end what that one left open: blocks until it has,
 * some seconds at most. topic: of the positions; standby: as in sink_options. ERR_RETRY, ERR_CONFIG: no
 * right, or a time limit that the broker does not allow. rk stays the caller's, and must live longer. */
struct kafka_transaction *kafka_transaction_open(rd_kafka_t *rk, const char *id, const char *topic,
                                                 bool standby, struct err *e);
/* For each message: begins a transaction where none is open. */
bool kafka_transaction_begin(struct kafka_transaction *t, struct err *e);
/* The last message of a transaction: the position; its delivery report has `mark` as its opaque. SINK_FULL:
 * take reports and come again. */
enum sink_result kafka_transaction_seal(struct kafka_transaction *t, struct slice key, struct slice value,
                                        struct mark *mark, struct err *e);
bool kafka_transaction_sealed(const struct kafka_transaction *t);
/* When all its messages are delivered. SINK_FULL: not done within timeout_ms: call again, or give the
 * producer up. */
enum sink_result kafka_transaction_commit(struct kafka_transaction *t, int timeout_ms, struct err *e);
/* Ends an open transaction without its messages, when none of them is on its way; best effort. */
void kafka_transaction_abort(struct kafka_transaction *t, int timeout_ms);
void kafka_transaction_close(struct kafka_transaction *t); /* NULL is fine */
/* What a fatal error of the producer means. Always false. ERR_CONFIG: another process has taken over;
 * ERR_RETRY: it has, and `standby`; or the transaction was open for too long, or any other error. */
bool kafka_transaction_fatal(const struct kafka_transaction *t, rd_kafka_resp_err_t code, const char *said,
                             struct err *e);

#endif
