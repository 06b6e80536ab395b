/* offsets.h - the checkpoint: where a connector would go on after a restart, in Debezium's own words.
 *
 * Stored in the Kafka Connect offsets topic (offset.storage.topic) with Connect's key and Debezium's value,
 * so that a connector can be taken over from Debezium and handed back, or in a file
 * (offset.storage.file.filename). A save has returned only when it is durable; the caller acknowledges the
 * LSN to PostgreSQL after that, never before. Source: io.debezium.connector.postgresql.PostgresOffsetContext.
 */
#ifndef ENGINE_OFFSETS_H
#define ENGINE_OFFSETS_H

#include "buf.h"
#include "err.h"
#include "lsn.h"
#include "props.h"

struct offset {
    bool present;                    /* false: nothing stored for this connector */
    lsn_t lsn, lsn_proc, lsn_commit; /* 0: member absent */
    int64_t tx_id;                   /* -1: absent */
    int64_t ts_usec;                 /* 0: absent */
    int64_t lsn_events;              /* "lsn_events_processed": rows delivered at lsn; 0: absent */
    char message_type[16];           /* "COMMIT" ...; "": absent */
    char snapshot[16];               /* "INITIAL" while a snapshot runs; "": absent */
    bool snapshot_completed, last_snapshot_record;
    int slots; /* "walwire_slots", ours: one of so many shards; 0, 1: absent, of a connector with one slot */
    /* Only written: members of an open transaction's counters as JSON text, each with a comma before it;
     * NULL: none. Borrowed. */
    const char *transaction;
    /* Ours: with `counted` ("walwire_events") the position is inside transaction tx_id, and exactly: so many
     * of the changes at lsn are done. */
    bool counted;
    int64_t events;
    lsn_t reached; /* "walwire_lsn", ours, ignored by Debezium: nothing to publish up to here; 0: absent */
    /* Ours too: the server that the position is of ("walwire_system", "walwire_timeline"). A position without
     * them was stored by Debezium, or by hand. */
    char system[24];   /* "": absent */
    uint32_t timeline; /* 0: absent */
};

/* A snapshot has begun, and its rows are not all told. */
static inline bool offset_snapshot_open(const struct offset *o)
{
    return o->snapshot[0] && !o->snapshot_completed;
}

/* What `from` says of its snapshot. */
static inline void offset_keep_snapshot(struct offset *to, const struct offset *from)
{
    memcpy(to->snapshot, from->snapshot, sizeof to->snapshot);
    to->snapshot_completed = from->snapshot_completed;
    to->last_snapshot_record = from->last_snapshot_record;
}

void offset_json(struct buf *b, const struct offset *offset); /* Debezium's JSON object */
bool offset_parse(struct slice json, struct offset *out, struct err *e);

struct offsets; /* one a worker; its calls may come from any thread, and may block up to some seconds */

/* Chooses the store by the worker file. ERR_CONFIG: neither store configured, directory not writable. */
struct offsets *offsets_open(const struct props *worker, struct err *e);
/* offsets.storage.topic, when it means another place than the worker's; else NULL. Any of both may be NULL.
 */
const char *offsets_own(const struct props *worker, const char *topic);
/* Those of a connector with such a topic: in there, and where it has none, the worker's. topic NULL: the
 * worker's alone. */
struct offsets *offsets_open_own(const struct props *worker, const char *topic, struct err *e);
void offsets_close(struct offsets *o);
/* connector: its name; server: topic.prefix. */
bool offsets_load(struct offsets *o, const char *connector, const char *server, struct offset *out,
                  struct err *e);
bool offsets_save(struct offsets *o, const char *connector, const char *server, const struct offset *offset,
                  struct err *e);
bool offsets_delete(struct offsets *o, const char *connector, const char *server,
                    struct err *e); /* tombstone */

/* Everything that is stored for a connector, whoever wrote it: JSON texts, valid during the call. */
typedef void offsets_entry(void *ctx, struct slice partition, struct slice value);
bool offsets_list(struct offsets *o, const char *connector, offsets_entry *take, void *ctx, struct err *e);
/* Stores a position as given; value.ptr NULL deletes it. partition: JSON as Connect writes it, without
 * blanks. */
bool offsets_put(struct offsets *o, const char *connector, struct slice partition, struct slice value,
                 struct err *e);
/* The record that offsets_save would write, for whoever writes it himself. */
void offsets_record(const char *connector, const char *server, const struct offset *offset, struct buf *key,
                    struct buf *value);
/* The Kafka topic that it is written to. own: offsets.storage.topic; NULL: the worker's. */
const char *offsets_topic(const struct props *worker, const char *own);
/* The id of the Kafka cluster that keeps the positions; NULL: a file does, or Kafka does not answer. Owned by
 * the caller. */
char *offsets_cluster(struct offsets *o);

#endif
