/* lineage.h - which server and which timeline a position is of.
 *
 * The same LSN of another server, or of the same one behind a fork (a promotion, a restore to a point in
 * time), is another place: what was published may not exist there, and what exists there would be skipped.
 * Source: PostgreSQL's IDENTIFY_SYSTEM and TIMELINE_HISTORY. */
#ifndef ENGINE_LINEAGE_H
#define ENGINE_LINEAGE_H

#include "err.h"
#include "lsn.h"
#include "offsets.h"

#include <libpq-fe.h>

struct lineage {
    char system[24];   /* the system identifier in decimal; "": not asked */
    uint32_t timeline; /* 0: not asked */
    bool standby;      /* it may change its timeline under an open connection, when it is promoted */
    lsn_t flushed;     /* how far the server's WAL reaches; 0: not asked */
};

/* On a replication connection. */
bool lineage_ask(PGconn *replication, struct lineage *out, struct err *e);
/* Puts into a position what it is to be compared with later. */
void lineage_sign(const struct lineage *l, struct offset *o);
/* False when the server's WAL does not lead on from the position `at` of the stored offset. ERR_CONFIG: it
 * never will, with the reason; ERR_RETRY: the server did not answer, or is a standby behind it. An offset
 * that Debezium wrote names no server, so only that `at` is not ahead of the server can be checked. */
bool lineage_holds(PGconn *replication, const struct lineage *l, const struct offset *o, lsn_t at,
                   struct err *e);
/* Where a timeline was left, of a timeline history file: lines "<timeline>\t<lsn>\t<reason>". False: it is
 * not one of its ancestors. */
bool lineage_fork(struct slice history, uint32_t timeline, lsn_t *left);

#endif
