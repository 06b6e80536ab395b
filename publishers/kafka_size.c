/* kafka_size.c - sizes as a broker measures them.
 *
 * A broker measures the batch as it comes, compressed; which message of it was too much it does not say. So
 * what is learned first is how large a batch may be. Batches of several messages then stay below it, even
 * uncompressed, so that a refused message larger than that was alone in its batch. One that is not larger
 * says that the topic takes less by now. */
#include "kafka_size.h"

#include "kafka_client.h"
#include "kafka_topics.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_HEAD = 61, ASK_TIMEOUT_MS = 5000 };

/* Zigzag and seven bits a byte; -1 has one byte. */
static size_t number_size(ssize_t n)
{
    size_t coded = n < 0 ? 1 : (size_t)n * 2, bytes = 1;
    while (coded >>= 7)
        bytes++;
    return bytes;
}

static size_t field_size(ssize_t len)
{
    return number_size(len) + (len > 0 ? (size_t)len : 0);
}

static size_t headers_size(rd_kafka_headers_t *headers)
{
    size_t size = 0, n = 0, len;
    const char *name;
    const void *value;
    for (; headers && !rd_kafka_header_get_all(headers, n, &name, &value, &len); n++)
        size += field_size((ssize_t)strlen(name)) + field_size(value ? (ssize_t)len : -1);
    return size + number_size((ssize_t)n);
}

size_t kafka_size(ssize_t key_len, ssize_t value_len, rd_kafka_headers_t *headers)
{
    enum {
        ATTRIBUTES = 1,
        TIME = 1,
        OFFSET = 1
    }; /* both relative to the batch's, of which it is the first */
    size_t record =
        ATTRIBUTES + TIME + OFFSET + field_size(key_len) + field_size(value_len) + headers_size(headers);
    return BATCH_HEAD + number_size((ssize_t)record) + record;
}

size_t kafka_size_most(struct limit limit, bool compresses)
{
    size_t sent = limit.message ? limit.message - 1 : 0, told = compresses ? 0 : limit.batch;
    return sent && told ? (sent < told ? sent : told) : sent + told;
}

static size_t size_of_sent(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(m, &headers))
        headers = NULL;
    return kafka_size(m->key ? (ssize_t)m->key_len : -1, m->payload ? (ssize_t)m->len : -1, headers);
}

static bool refused_for_good(const rd_kafka_message_t *m, const char *more, struct err *e)
{
    return kafka_error_set(e, m->err, NULL, "Kafka topic %s, partition %d: a message was not taken%s",
                           rd_kafka_topic_name(m->rkt), m->partition, more);
}

static bool learn_batch(rd_kafka_t *rk, const rd_kafka_message_t *m, struct limits *limits, struct err *e)
{
    char text[32];
    const char *topic = rd_kafka_topic_name(m->rkt);
    size_t most = 0;
    if (kafka_topic_setting(rk, topic, "max.message.bytes", ASK_TIMEOUT_MS, text, sizeof text))
        most = strtoull(text, NULL, 10);
    if (!most)
        return refused_for_good(
            m, " (which one is not known: grant DescribeConfigs on the topic to have its limit kept to)", e);
    if (!limits_learn(limits, topic, (struct limit){.batch = most}))
        return refused_for_good(m, ", though its batch is within the topic's max.message.bytes", e);
    return err_set(e, ERR_RETRY,
                   "Kafka topic %s, partition %d, refused a batch: it takes %zu bytes (max.message.bytes); "
                   "sending again from the last stored position, in smaller batches",
                   topic, m->partition, most);
}

bool kafka_size_refused(rd_kafka_t *rk, const rd_kafka_message_t *m, struct limits *limits, struct err *e)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    if (!limits)
        return refused_for_good(m, "", e);
    size_t batch = limits_of(limits, topic).batch, size = size_of_sent(m);
    if (!batch || size <= batch)
        return learn_batch(rk, m, limits, e);
    if (!limits_learn(limits, topic, (struct limit){.message = size}))
        return refused_for_good(m, ", as before", e);
    return err_set(
        e, ERR_RETRY,
        "Kafka topic %s, partition %d, refused a message of %zu bytes, though sent alone and "
        "compressed: it takes %zu (max.message.bytes); starting again from the last stored position",
        topic, m->partition, size, batch);
}
