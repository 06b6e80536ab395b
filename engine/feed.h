/* feed.h - a connector's topics to the browsers' hub: a thread that reads what Debezium or walwire has
 * written to Kafka and publishes it as the engine would, whole transactions in the order of their commits.
 * docs/GATEWAY.md. */
#ifndef ENGINE_FEED_H
#define ENGINE_FEED_H

#include "err.h"
#include "hub.h"
#include "props.h"

struct feed_options {
    const struct props *props; /* of gateway.properties; must outlive the feed */
    struct hub *hub;
    const char *name;   /* of the connector, for browsers */
    const char *prefix; /* its topic.prefix */
};

struct feed;

/* ERR_CONFIG: a setting that is no good. Kafka need not be there: it is waited for. */
struct feed *feed_start(const struct feed_options *options, struct err *e);
void feed_stop(struct feed *f); /* NULL is fine */

struct feed_status {
    bool streaming; /* browsers may connect */
    bool failed;    /* for good; `text` says why */
    uint64_t transactions, changes, skipped, restarts;
    uint64_t partitions, held_bytes, waiting; /* now; waiting: transactions that are not complete */
    int64_t lag_ms;                           /* of the last transaction, from its commit; -1: none yet */
    char text[1000];                          /* the last trouble; "" */
};

/* Any thread. */
void feed_look(struct feed *f, struct feed_status *out);
const char *feed_name(const struct feed *f);

#endif
