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

struct sink;

enum sink_result {
    SINK_OK,
    SINK_FULL, /* nothing was taken: call poll, then put the same message again */
    SINK_FAIL, /* *e is set */
};

struct sink_options {
    const struct props *worker; /* expanded worker file: bootstrap.servers, producer.* ... */
    const struct props
        *connector;   /* expanded connector configuration: producer.override.*, topic.creation.* ... */
    const char *name; /* of the connector; client.id is made from it */
    const struct header *context; /* constant headers of every message with `context` set; copied */
    size_t n_context;
    int wake_fd; /* eventfd to signal when poll has something to do; -1: none */
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
    /* How many messages are on their way, and how long they took. NULL: nothing to say. */
    void (*look)(struct sink *s, uint64_t *in_flight, struct histogram *latency);
    void (*forget)(struct sink *s, struct topic *topic); /* the topic is about to be freed */
    void (*close)(struct sink *s);                       /* drops what is not delivered */
};

extern const struct sink_type kafka_sink, stdout_sink, null_sink;

#endif
