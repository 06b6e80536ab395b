/* feed_kafka.h - all partitions of a connector's topics as one queue: from some time ago to their present
 * end, and on. No group: every node reads everything, and keeps no position. */
#ifndef ENGINE_FEED_KAFKA_H
#define ENGINE_FEED_KAFKA_H

#include "err.h"
#include "pattern.h"
#include "props.h"
#include "slice.h"

#include <librdkafka/rdkafka.h>

struct feed_topics {
    const struct props *settings;      /* bootstrap.servers, security ... */
    const char *transactions;          /* the topic with the END records */
    const char *prefix;                /* topics named "prefix.*" are read, */
    const struct pattern_list *chosen; /* or those; NULL: by the prefix */
    int64_t back_ms;                   /* how far to go back */
    int patience_ms;                   /* for the opening; 0: as long as it takes */
};

struct feed_kafka;

/* ERR_RETRY: Kafka does not answer; there is no topic of transactions yet, which the text says what to do
 * about. */
struct feed_kafka *feed_kafka_open(const struct feed_topics *topics, struct err *e);
void feed_kafka_close(struct feed_kafka *k);

/* Takes up topics and partitions that are new since, from their beginnings. */
bool feed_kafka_discover(struct feed_kafka *k, struct err *e);

/* Gives the messages that are there to `take`, in order, until it fails; waits for the first. ERR_RETRY: the
 * reading has to begin anew; else the error is that of `take`. */
bool feed_kafka_take(struct feed_kafka *k, int timeout_ms,
                     bool (*take)(void *ctx, const rd_kafka_message_t *m, struct err *e), void *ctx,
                     struct err *e);
/* The header that walwire puts beside an END; ptr NULL: there is none. */
struct slice feed_header(const rd_kafka_message_t *m);
bool feed_kafka_is_transactions(const struct feed_kafka *k, const rd_kafka_message_t *m);

/* Every partition was read to where it ended once. */
bool feed_kafka_caught_up(const struct feed_kafka *k);
size_t feed_kafka_partitions(const struct feed_kafka *k);
/* Not of a partition but of the cluster; "" when it does not say. */
const char *feed_kafka_cluster(struct feed_kafka *k);

#endif
