/* kafka_size.h - how large a message is for Kafka, and what it teaches when a broker refuses one. */
#ifndef PUBLISHERS_KAFKA_SIZE_H
#define PUBLISHERS_KAFKA_SIZE_H

#include "err.h"
#include "topic_limits.h"

#include <librdkafka/rdkafka.h>

/* Bytes of a batch of record format 2 with this message alone, before compression: what the topic's
 * max.message.bytes is compared with. key_len, value_len -1: null. headers may be NULL. Source: Kafka's
 * protocol, "Record Batch". */
size_t kafka_size(ssize_t key_len, ssize_t value_len, rd_kafka_headers_t *headers);

/* The largest such batch that a topic takes; 0: any, as far as is known. */
size_t kafka_size_most(struct limit limit, bool compresses);

/* A delivery report says MSG_SIZE_TOO_LARGE: asks for the topic's limit, and learns it. Always false.
 * ERR_RETRY: something was learned, so that the next producer keeps to it; ERR_CONFIG: nothing new, an
 * operator must raise the limit. A message no larger than the limit known so far teaches no size of
 * messages, for the limit was not its own: the topic is asked again. */
bool kafka_size_refused(rd_kafka_t *rk, const rd_kafka_message_t *m, struct limits *limits, struct err *e);

#endif
