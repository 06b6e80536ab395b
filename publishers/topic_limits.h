/* topic_limits.h - what topics were found to take, remembered from one producer to the next.
 *
 * A broker refuses a batch that is larger than the topic's max.message.bytes, and the stream has a hole then:
 * the run ends and begins again at its checkpoint. What the refusal taught must outlive the run, or it would
 * end the same way for ever. One thread at a time. */
#ifndef PUBLISHERS_TOPIC_LIMITS_H
#define PUBLISHERS_TOPIC_LIMITS_H

#include "err.h"
#include "record.h"

/* Of a topic, in bytes; 0: not known. */
struct limit {
    size_t batch;   /* its max.message.bytes: the largest batch, as compressed */
    size_t message; /* the smallest message that was refused though it was sent alone, before compression */
};

struct limits;
struct limits *limits_new(void);
void limits_free(struct limits *l); /* NULL is fine */

/* What is known of a topic. `l` may be NULL. */
struct limit limits_of(const struct limits *l, const char *topic);
/* The smallest `batch` of all topics; 0: none is known. */
size_t limits_batch(const struct limits *l);
/* Takes what is new and smaller; false: nothing is, so another try would end as the last one. */
bool limits_learn(struct limits *l, const char *topic, struct limit found);

/* Why a message is too large. */
struct refusal {
    size_t size, limit; /* bytes */
    size_t told;        /* what the setting says, where the limit was found by trying; 0: the limit itself */
    bool estimated;     /* the message was not made: it would have at least `size` */
    const char *limit_name, *advice;
};

/* Says so of a message, by topic and key; nothing of its value is told. Always false, ERR_DATA. */
bool refusal_set(const struct refusal *r, const struct message *m, struct err *e);

#endif
