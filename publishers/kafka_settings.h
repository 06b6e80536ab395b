/* kafka_settings.h - Kafka client settings under their Java names, for librdkafka.
 *
 * A setting is looked for, the later place winning, in the worker file without a prefix (only what concerns
 * reaching the brokers: security.protocol, sasl.*, ssl.* ...), in the worker file under "producer.", and in
 * the connector's configuration under "producer.override.". Source: Kafka's ProducerConfig, Connect's
 * WorkerConfig. */
#ifndef PUBLISHERS_KAFKA_SETTINGS_H
#define PUBLISHERS_KAFKA_SETTINGS_H

#include "err.h"
#include "props.h"

#include <librdkafka/rdkafka.h>

/* For the producer of one connector's messages; name is the connector's. NULL: ERR_CONFIG. What has no effect
 * here is logged once a process. The caller gives the result to kafka_client_new. */
rd_kafka_conf_t *kafka_settings_producer(const struct props *worker, const struct props *connector,
                                         const char *name, struct err *e);

/* For any other client: only how to reach the brokers. */
rd_kafka_conf_t *kafka_settings_client(const struct props *worker, const char *client_id, struct err *e);
/* The same, and behind it n settings {name, value} that such a client must have. */
rd_kafka_conf_t *kafka_settings_fixed(const struct props *worker, const char *client_id,
                                      const char *const (*settings)[2], size_t n, struct err *e);

#endif
