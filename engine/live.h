/* live.h - a connector's face to the browsers' hub: its tables, its changes as browsers want them, and the
 * thread that reads a table's rows for those who subscribe with a snapshot. Lives as long as its connector,
 * across restarts. */
#ifndef ENGINE_LIVE_H
#define ENGINE_LIVE_H

#include "catalog.h"
#include "change.h"
#include "config.h"
#include "envelope.h"
#include "hub.h"

struct live;
struct live *live_new(struct hub *hub, const struct config *config,
                      int wake_fd); /* wake_fd: the pipeline's */
void live_free(struct live *l);     /* its sessions are closed, the thread ends */

/* ---- for the pipeline thread ---- */

/* Once, between live_tables and live_epoch: what browsers were told before a restart comes back from Kafka,
 * where nothing else has kept it. worker NULL: the topics do not have what that needs, which is told.
 * last_commit: see feed_refill.h. */
void live_refill(struct live *l, const struct props *worker, const char *epoch, lsn_t start,
                 lsn_t last_commit);
void live_epoch(struct live *l, const char *epoch, lsn_t start);
/* Tells the hub of all captured tables that the publication has; one that cannot be described is left for its
 * first change. */
void live_tables(struct live *l, PGconn *conn, const struct tables *tables, struct types *types);
/* Everything that commits before lsn was given; commit_us 0: a keepalive. */
void live_position(struct live *l, lsn_t lsn, int64_t commit_us);
lsn_t live_kept(const struct live *l); /* as hub_kept */
bool live_wants_position(
    const struct live *l); /* somebody waits for the stream to reach a position: ask for a keepalive */

struct live_table;
struct live_table *live_table_new(struct live *l, const struct relation *rel, const struct types *types);
void live_table_free(struct live_table *t);
void live_table_trim(struct live_table *t); /* what a large row has left; NULL is fine */
/* A row change or truncate. *ordinal counts the transaction's changes, and is raised: by two when the key
 * changed. made: what Kafka gets of it; NULL: nothing. */
void live_change(struct live_table *t, const struct change *change, uint32_t *ordinal,
                 const struct envelope *made);

#endif
