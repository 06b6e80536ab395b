/* slot.h - the replication slot: look, create with an exported snapshot, drop. */
#ifndef ENGINE_SLOT_H
#define ENGINE_SLOT_H

#include "pg.h"

#include <stdatomic.h>

struct slot_state {
    bool exists;
    bool active;
    int active_pid;
    bool copy;       /* a standby's, of its primary's slot: not to be read from before a promotion */
    bool lost;       /* wal_status lost: it cannot be read from any more */
    char reason[32]; /* the server's word for why, from 16 on; "" */
    lsn_t confirmed, restart;
};

/* ERR_CONFIG when a slot of that name is of another plugin, type or database. */
bool slot_look(PGconn *conn, const char *name, const char *dbname, struct slot_state *out, struct err *e);
/* Why a lost slot is lost and what keeps the next one from it, to come after the slot's name. */
const char *slot_loss(const struct slot_state *slot);

struct slot_start {
    lsn_t consistent_point; /* transactions that commit from here on will be streamed; the snapshot has all
                               others */
    char snapshot[64];      /* name to import; valid until the connection runs its next command */
};

struct slot_request {
    const char *name;
    bool temporary;
    bool failover;           /* kept by standbys; left out before PostgreSQL 17 and on a standby */
    int timeout_ms;          /* 0: none */
    const atomic_bool *stop; /* gives up when it becomes true; may be NULL */
};

/* On a replication connection. Waits for running transactions to end, as the server must. ERR_RETRY:
 * timeout_ms has passed, or it was stopped. */
bool slot_create(PGconn *replication, const struct slot_request *request, struct slot_start *out,
                 struct err *e);
/* Moves a slot that nobody reads from forward. ERR_CONFIG, with SQLSTATE's kind, when the server refuses. */
bool slot_advance(PGconn *conn, const char *name, lsn_t to, struct err *e);
/* One that is not there is no error. ERR_RETRY: it is still in use some seconds later. */
bool slot_drop(PGconn *conn, const char *name, struct err *e);

#endif
