/* sink.h - where messages go: the interface of a sink that holds the position (Kafka, stdout, null).
 *
 * All calls come from the one pipeline thread that opened it. A sink counts mark->pending up in put and down
 * when the message is durable, in poll. Browsers are not a sink of this kind: the hub never holds the
 * position (hub.h). */
#ifndef PUBLISHERS_SINK_H
#define PUBLISHERS_SINK_H

#include "err.h"
#include "histogram.h"
#include "props.h"
#include "record.h"
#include "topic_limits.h"

struct sink;

enum sink_result {
    SINK_OK,
    SINK_FULL,      /* nothing was taken: call poll, then put the same message again */
    SINK_FAIL,      /* *e is set */
    SINK_TOO_LARGE, /* *e is set: this message never fits (refusal tells more); others may follow */
};

struct sink_options {
    const struct props *worker; /* expanded worker file: bootstrap.servers, producer.* ... */
    const struct props
        *connector;   /* expanded connector configuration: producer.override.*, topic.creation.* ... */
    const char *name; /* of the connector; client.id is made from it */
    const struct header *context; /* constant headers of every message with `context` set; copied */
    size_t n_context;
    int wake_fd;           /* eventfd to signal when poll has something to do; -1: none */
    struct limits *limits; /* what topics were found to take, before and from now on; NULL: not remembered */
    /* Exactly once: messages become visible in Kafka transactions of this id, each with a position in that
     * topic. NULL: one by one. */
    const char *transactional_id, *positions_topic;
    bool standby; /* another process may take over, and be followed again: being fenced off is ERR_RETRY */
};

struct sink_type {
    const char *name;
    struct sink *(*open)(const struct sink_options *options, struct err *e); /* NULL: *e is set */
    /* Copies what it needs before it returns; never blocks. */
    enum sink_result (*put)(struct sink *s, const struct message *message, struct err *e);
    /* Takes delivery reports without blocking. false: a message was lost for good (R10): stop, reopen from
     * the checkpoint. */
    bool (*poll)(struct sink *s, struct err *e);
    /* Pushes out what is buffered and waits for its reports, at most timeout_ms. false: not all durable, or
     * poll's error. */
    bool (*flush)(struct sink *s, int timeout_ms, struct err *e);
    /* Makes what was put since the last time durable and visible, all of it or nothing, together with this
     * position; waits for it, at most timeout_ms. SINK_FULL: not yet: call again with the same, or close.
     * NULL: no such sink. */
    enum sink_result (*commit)(struct sink *s, struct slice key, struct slice value, int timeout_ms,
                               struct err *e);
    /* How many messages are on their way, how many bytes of keys and values, and how long they took. NULL:
     * nothing to say. */
    void (*look)(struct sink *s, uint64_t *in_flight, uint64_t *bytes, struct histogram *latency);
    /* Of the last message that was too large. NULL: none is. */
    void (*refusal)(const struct sink *s, struct refusal *out);
    /* Fills in the limit of the topic: a message with a larger value is too large for sure. NULL: no limit.
     */
    void (*room)(const struct sink *s, const struct topic *topic, struct refusal *out);
    void (*forget)(struct sink *s, struct topic *topic); /* the topic is about to be freed */
    void (*close)(struct sink *s);                       /* drops what is not delivered */
};

extern const struct sink_type kafka_sink, stdout_sink, null_sink;

#endif
