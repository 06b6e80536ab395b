/* offsets_topic.h - one of Kafka Connect's compacted topics, read from its beginning to its end. Used by
 * offsets_kafka.c only. */
#ifndef ENGINE_OFFSETS_TOPIC_H
#define ENGINE_OFFSETS_TOPIC_H

#include "offsets_store.h"

#include <pthread.h>

struct offsets_source {
    const struct props *worker;
    const char *setting; /* "offset.storage.topic=NAME", for errors */
    const char *topic;
    int partitions;
    pthread_mutex_t
        *turn; /* one reads at a time, but whoever waits for a transaction's end holds up nobody */
};

/* Shows the newest committed value of `only`, or with .ptr NULL of each key, in no order; keys end with a
 * NUL, and deleted ones are left out. ERR_RETRY: no answer, or what could be the newest value stands in a
 * Kafka transaction that stays open. */
bool offsets_topic_read(const struct offsets_source *from, struct slice only, offsets_each *take, void *ctx,
                        struct err *e);

#endif
