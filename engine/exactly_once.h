/* exactly_once.h - exactly once into Kafka: whether, under which name, and when a Kafka transaction ends.
 *
 * Records and the position behind them are one Kafka transaction, so that a start after any end finds exactly
 * what is not there yet. Source: KIP-618, org.apache.kafka.connect.runtime.ExactlyOnceWorkerSourceTask. */
#ifndef ENGINE_EXACTLY_ONCE_H
#define ENGINE_EXACTLY_ONCE_H

#include "config.h"
#include "resume.h"

/* exactly.once.source.support of the worker file. */
enum exactly_once_support { SUPPORT_DISABLED, SUPPORT_PREPARING, SUPPORT_ENABLED };
/* ERR_CONFIG: no such word, in Connect's wording; or enabled, and positions are kept in a file. */
bool exactly_once_worker(const struct props *worker, enum exactly_once_support *out, struct err *e);
bool exactly_once_enabled(const struct props *worker); /* worker may be NULL */

/* <group.id>-<connector>-<task>, as Connect names it. Owned by the caller. */
char *exactly_once_id(const struct props *worker, const struct config *config);
int exactly_once_timeout_ms(const struct props *worker,
                            const struct config *config); /* transaction.timeout.ms */

/* Shuts out whoever may still write for this connector, which is stopped here: before its positions are
 * changed. Nothing to do where the worker is not enabled. Waits for Kafka some seconds for each slot. */
bool exactly_once_fence(const struct props *worker, const char *name, const struct props *connector,
                        struct err *e);

/* A run's. */
struct exactly_once {
    bool on;
    bool dirty;         /* the sink was given something since the last commit */
    int64_t begun_ms;   /* when it was given the first of it */
    int gap_ms;         /* between two commits at ends of transactions */
    int hold_ms;        /* the longest that a transaction or a snapshot is kept in one Kafka transaction */
    struct place place; /* of the last change of the open transaction */
};
void exactly_once_init(struct exactly_once *x, const struct props *worker, const struct config *config);

#endif
