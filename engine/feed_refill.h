/* feed_refill.h - the window of an engine's browsers after a restart, read back from the topics that the
 * engine wrote before. Browsers then go on from where they were, as after a restart with
 * websocket.retention.dir.
 *
 * Only what is certain is taken: transactions that are whole in the topics, of the same history, and behind
 * the last one with a change that the topics do not have. It counts only when nothing can be missing between
 * its end and where streaming begins. */
#ifndef ENGINE_FEED_REFILL_H
#define ENGINE_FEED_REFILL_H

#include "config.h"
#include "hub.h"

struct feed_refill {
    const struct props *worker;
    const struct config *config;
    struct hub *hub;
    int source;
    const char *epoch;
    lsn_t start;       /* where streaming begins */
    lsn_t last_commit; /* the stored position's: the end of the last transaction that was published; 0: not
                          told */
    /* A captured table as the hub was told of it; NULL: none of that name. */
    const struct hub_table_info *(*table)(void *ctx, const char *name, struct hub_table **handle);
    void *ctx;
};

/* Before hub_epoch is called for the stream, which drops what does not reach to its start. Takes a few
 * seconds at most. What does not work is told in the log, and leaves the window empty. */
void feed_refill(const struct feed_refill *r);

#endif
