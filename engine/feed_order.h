/* feed_order.h - transactions put together again from topics and partitions, in the order of their commits.
 *
 * The topic of transactions, which has one partition, is the spine: its END records come in commit order, and
 * tell how many events a transaction has. Events come from anywhere, in any order between partitions, and are
 * held by the transaction's number until all of it is there. What was sent twice, because a connector
 * began again, is taken once. Nothing in here knows of Kafka or of columns.
 * Source: io.debezium.pipeline.txmetadata. */
#ifndef ENGINE_FEED_ORDER_H
#define ENGINE_FEED_ORDER_H

#include "lsn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One row event. The owner embeds it; it is given back by `drop`, or by feed_order_take. */
struct feed_event {
    struct feed_event *next; /* in total_order's order */
    uint64_t total_order;    /* in its transaction, from 1 */
    int64_t came_ms;         /* by the monotonic clock */
    size_t size;             /* bytes, all in all */
};

struct feed_end {
    uint32_t xid;
    lsn_t end;        /* behind the commit record */
    lsn_t commit;     /* the commit record's start; 0: not told */
    uint64_t events;  /* of tables; UINT64_MAX: its changes cannot be placed */
    lsn_t after;      /* the end of the transaction before, with `commit`; 0: the slot is new */
    uint64_t changes; /* that browsers of the engine saw, also those without an event; 0: not told */
    int64_t ts_ms;
    char *ordinals; /* see feed_ordinal; NULL: none. The order's */
};

/* A transaction that is complete; the caller frees the events. */
struct feed_transaction {
    struct feed_end end;
    struct feed_event *events; /* ascending by total_order */
};

struct feed_order;
/* most: bytes of events to hold; drop: frees an event that is not wanted. */
struct feed_order *feed_order_new(size_t most, void (*drop)(struct feed_event *e));
void feed_order_free(struct feed_order *o);

/* Takes the event over. */
void feed_order_event(struct feed_order *o, uint32_t xid, struct feed_event *e);

enum feed_end_result {
    FEED_END_NEW,
    FEED_END_AGAIN,    /* it is known */
    FEED_END_BACKWARD, /* its position is among those that are known, but it is none of them: another history
                        */
};
/* Copies. */
enum feed_end_result feed_order_end(struct feed_order *o, const struct feed_end *end);

/* The next transaction when all of it is there; free(out->end.ordinals) afterwards. */
bool feed_order_take(struct feed_order *o, struct feed_transaction *out);

/* The next transaction, when its END is known: how many of its events are missing (0: none; UINT64_MAX: it
 * was larger than what may be held). false: no END waits. */
bool feed_order_missing(const struct feed_order *o, uint64_t *missing, struct feed_end *end);

/* Gives up the next transaction, and what is there of it. */
void feed_order_skip(struct feed_order *o);

/* The first n transactions whose END is known are complete. */
bool feed_order_whole(const struct feed_order *o, size_t n);

/* Of the first n gives up everything up to the last one that is not complete. Returns its end; 0: all are. */
lsn_t feed_order_settle(struct feed_order *o, size_t n);

/* Another history begins: ENDs of before count no more, neither those that wait. Events stay. */
void feed_order_renew(struct feed_order *o);

/* Drops events that came more than age_ms ago and whose END never did: leftovers of before the start. */
void feed_order_sweep(struct feed_order *o, int64_t now_ms, int64_t age_ms);

size_t feed_order_bytes(const struct feed_order *o);
size_t feed_order_waiting(const struct feed_order *o); /* ENDs */

/* The ordinal of a change in its transaction, from 0, as the engine's own clients see it: total_order - 1,
 * unless `runs` says otherwise: "total:ordinal,..." ascending, each from that event on. */
uint32_t feed_ordinal(const char *runs, uint64_t total_order);

#endif
