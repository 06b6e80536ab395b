/* kafka_client.h - one librdkafka client: made, reached, and its errors put into our words. */
#ifndef PUBLISHERS_KAFKA_CLIENT_H
#define PUBLISHERS_KAFKA_CLIENT_H

#include "err.h"

#include <librdkafka/rdkafka.h>

/* rd_kafka_conf_set. ERR_CONFIG names the setting, and its value unless it is a secret. */
bool kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *e);

/* Takes conf over, also when it fails. Log lines go to log_debug and log_warn. NULL: ERR_CONFIG, settings
 * that contradict each other. Freed by rd_kafka_destroy. */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct err *e);

/* Waits until a broker has answered, at most timeout_ms. ERR_RETRY: none did; ERR_CONFIG: refused for good
 * (login, certificate). The text names bootstrap.servers and what to do. */
bool kafka_client_reach(rd_kafka_t *rk, int timeout_ms, struct err *e);

/* "host:9092,..." as configured; text is filled and returned. */
const char *kafka_client_servers(const rd_kafka_t *rk, char *text, size_t size);

/* What an error means for the connector: ERR_CONFIG when an operator must change something first, else
 * ERR_RETRY. */
enum err_kind kafka_error_kind(rd_kafka_resp_err_t code);

/* Sets kind, "context: what the error says; what the operator can do". said NULL: librdkafka's text for the
 * code. Always returns false. */
bool kafka_error_set(struct err *e, rd_kafka_resp_err_t code, const char *said, const char *context, ...)
    __attribute__((format(printf, 4, 5)));

#endif
