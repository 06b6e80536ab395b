/* resume.h - going on, and leaving, in the middle of a transaction.
 *
 * Debezium stores the position of the last row that was delivered, which is nearly always inside a
 * transaction, even when its COMMIT has been read too. The stream begins with that transaction again, so what
 * the position says is done must not be published twice. Source: io.debezium.connector.postgresql.connection
 * .WalPositionLocator, PostgresOffsetContext (lsn_events_processed). One thread only. */
#ifndef ENGINE_RESUME_H
#define ENGINE_RESUME_H

#include "change.h"
#include "offsets.h"

/* The last change of a transaction, exactly: its LSN, and which of the changes at that LSN it is. */
struct place {
    lsn_t lsn;       /* 0: none since BEGIN */
    uint64_t events; /* so many at it; a TRUNCATE is one */
    enum change_op op;
};
void place_note(struct place *p, const struct change *c); /* for every change, in stream order */

/* What of the stream was published before this start. */
struct resume {
    bool armed;      /* false: nothing of what comes */
    bool exact;      /* the position is a struct place: nothing to guess, a TRUNCATE is one change */
    bool in_row;     /* the position is of something inside transaction xid */
    bool inside;     /* that transaction is open */
    uint32_t xid;    /* whose beginning is done */
    lsn_t lsn;       /* rows before are done ... */
    uint64_t events; /* ... and so many at it; UINT64_MAX: all */
    lsn_t message;   /* messages outside transactions are done up to here; 0: none */
};
void resume_init(struct resume *r, const struct offset *offset);
/* True when the change was published before. For every change in stream order; unless the position is exact,
 * a TRUNCATE once for each of its captured relations. */
bool resume_done(struct resume *r, const struct change *c);

/* Where to leave a transaction that is too long to be waited for: only between two WAL records, and not right
 * behind several rows that share the LSN of BEGIN, of which Debezium would send the last one again. */
struct halt {
    bool wanted, reached;
    bool whole; /* all rows at lsn were seen */
    lsn_t lsn;  /* of the last row; 0: none seen since a halt is wanted */
    uint64_t events;
    enum change_op op;
};
/* True: leave before this change; lsn, events and op then are the position. begin: LSN of the BEGIN. */
bool halt_before(struct halt *h, const struct change *c, lsn_t begin);
const char *resume_message_type(enum change_op op); /* Debezium's word */

#endif
