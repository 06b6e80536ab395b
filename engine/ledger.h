/* ledger.h - which prefix of what was read is durable: one mark for each transaction, in commit order.
 *
 * Messages of different topics are acknowledged out of order; a position is safe only when its transaction
 * and all before it are done. One thread only. */
#ifndef ENGINE_LEDGER_H
#define ENGINE_LEDGER_H

#include "record.h"

struct ledger;
struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

/* The transaction that now begins. The pointer lives until it is closed and nothing of it is pending. */
struct mark *ledger_open(struct ledger *l);
void ledger_close(struct ledger *l, lsn_t end_lsn, int64_t tx_id, int64_t commit_us); /* it has committed */

struct ledger_position {
    lsn_t lsn; /* 0: nothing yet */
    int64_t tx_id, commit_us;
};
struct ledger_position ledger_safe(struct ledger *l);      /* forgets the marks of the finished prefix */
struct ledger_position ledger_end(const struct ledger *l); /* of what was closed last, delivered or not */
bool ledger_idle(struct ledger *l);                        /* nothing open, nothing unacknowledged */

#endif
