/* kafka_play.h - a Kafka of librdkafka's own mock brokers, and what a sink before it needs: for the tests of
 * the Kafka sink. Each test runs in a process of its own, between kafka_play_begin and kafka_play_end. */
#ifndef TESTS_KAFKA_PLAY_H
#define TESTS_KAFKA_PLAY_H

#include "err.h"
#include "props.h"
#include "sink.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

extern rd_kafka_mock_cluster_t *cluster; /* one broker */
extern struct props *worker, *connector; /* worker: bootstrap.servers is set */
extern struct sink *sink;                /* closed at the end */
extern int wake;
extern struct err e;
extern struct topic topic; /* shop.public.orders */

void kafka_play_begin(void);
void kafka_play_end(void);

#endif
