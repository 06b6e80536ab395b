/* kafka_topics.h - topics that are made before their first message: topic.creation.* of the connector.
 *
 * Making one does not wait: a request is sent, and its answer is an event on the given queue.
 * Source: Connect's SourceConnectorConfig, TopicCreationConfig. */
#ifndef PUBLISHERS_KAFKA_TOPICS_H
#define PUBLISHERS_KAFKA_TOPICS_H

#include "err.h"
#include "props.h"

#include <librdkafka/rdkafka.h>

/* One topic as it is to be made. */
struct kafka_topic_shape {
    int partitions, replicas;   /* -1: as the broker has it preset */
    const struct props *config; /* cleanup.policy ...; NULL: none */
};

struct kafka_topics;

/* Reads topic.creation.groups, .default.* and .<group>.*. ERR_CONFIG. */
struct kafka_topics *kafka_topics_new(const struct props *connector, struct err *e);
void kafka_topics_free(struct kafka_topics *t);
/* The shape of a topic of this name; NULL: left to the broker's auto.create.topics.enable. */
const struct kafka_topic_shape *kafka_topics_shape(const struct kafka_topics *t, const char *topic);

/* Asks for a topic; RD_KAFKA_EVENT_CREATETOPICS_RESULT will come to the queue within timeout_ms. ERR_CONFIG.
 */
bool kafka_topic_ask(rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *topic,
                     const struct kafka_topic_shape *shape, int timeout_ms, struct err *e);
/* Reads that event, which is of one topic. *topic is valid as long as the event, NULL when there was no
 * answer at all. A topic that is already there is fine; one that we may not create is left to the broker,
 * with a warning, as Connect does. ERR_CONFIG, ERR_RETRY. */
bool kafka_topic_answer(rd_kafka_event_t *ev, const char **topic, struct err *e);

/* One setting of a topic, waiting for the answer at most timeout_ms. false: not known (no such topic, no
 * right to ask, no answer). */
bool kafka_topic_setting(rd_kafka_t *rk, const char *topic, const char *name, int timeout_ms, char *value,
                         size_t size);
/* The same of the first broker that is known. */
bool kafka_broker_setting(rd_kafka_t *rk, const char *name, int timeout_ms, char *value, size_t size);

#endif
