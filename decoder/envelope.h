/* envelope.h - one row change to the one, two or three records that Debezium writes for it.
 *
 * insert, read, truncate: one. delete: the event, and a tombstone. An update that changes the key: a delete
 * of the old key, its tombstone, and a create with the new key, told apart from real ones by the headers
 * __debezium.newkey and .oldkey. Source: io.debezium.pipeline.RelationalChangeRecordEmitter. */
#ifndef DECODER_ENVELOPE_H
#define DECODER_ENVELOPE_H

#include "plan.h"
#include "record.h"

struct envelope_rules {
    bool tombstones;                                           /* tombstones.on.delete */
    bool skip_create, skip_update, skip_delete, skip_truncate; /* skipped.operations */
    bool skip_unchanged;                                       /* skip.messages.without.change */
    bool check_tree; /* for tests: also build each event, key and schema as a tree; ERR_FATAL unless it gives
                        the same bytes */
};

/* The transaction's counters, raised for every event (a tombstone is none); NULL: no transaction block. */
struct order_counter {
    uint32_t xid;
    int64_t total;
    int64_t *collection; /* the relation's within the transaction */
};

/* The records of one change; the slices live until the next envelope_make with the same envelope. */
struct envelope_record {
    enum change_op op; /* 0: tombstone */
    struct slice key, value;
    struct header header; /* name.ptr NULL: none */
};

struct envelope;
struct envelope *envelope_new(const struct envelope_rules *rules); /* rules must outlive it */
void envelope_free(struct envelope *env);

/* `change` is a row change (c u d r) or, with op t, a truncate of the plan's relation. source: schema, table
 * ignored. Returns the number of records, at most 3 (0: all skipped), or -1 with ERR_DATA. */
int envelope_make(struct envelope *env, struct plan *plan, const struct change *change,
                  const struct source *source, struct order_counter *counter, int64_t ts_ns,
                  const struct envelope_record **records, struct err *e);

/* The value of the last call's record with this op, without its schema; ptr NULL: there is none. */
struct slice envelope_payload(const struct envelope *env, enum change_op op);
/* True when an update's key differs between the old tuple and the new one. */
bool envelope_key_changed(const struct envelope *env);
/* Gives back the memory that a large record has left; the records of the last call are gone. */
void envelope_trim(struct envelope *env);

#endif
