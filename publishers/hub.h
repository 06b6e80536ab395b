/* hub.h - the fan-out to browsers: a window of recent changes that all sessions read at their own pace.
 *
 * Pipeline threads (one a connector, here a "source") publish into it; the web thread owns the window and the
 * sessions (session.h); a reader thread runs the snapshot queries that subscriptions ask for. The hub never
 * holds a source back: what does not fit in the window goes, oldest first, and whoever had not read it is
 * told so. Source: docs/PROTOCOL.md. */
#ifndef PUBLISHERS_HUB_H
#define PUBLISHERS_HUB_H

#include "err.h"
#include "lsn.h"
#include "slice.h"

#include <stdint.h>

struct hub;

struct hub_options {      /* 0 stands for the preset */
    size_t window_bytes;  /* memory for changes: 64 MiB */
    int64_t retention_ms; /* how long they are kept; 0: as long as there is room */
    size_t
        message_bytes; /* greatest message: 1 MiB; larger rows lose their largest columns, which are named */
    size_t max_subscriptions; /* a session: 100 */
    size_t rate;              /* messages a second that a client may send: 100 */
    int heartbeat_ms;         /* 15000 */
    const char *no_snapshots; /* why there are none; NULL: somebody calls hub_request_take */
    bool keep_unread; /* tables that nobody reads have their part of the window too: their readers may come
                         from another node */
    int64_t (*clock_ms)(void), (*wall_ms)(void); /* for tests; NULL: the machine's */
};

struct hub *hub_new(const struct hub_options *options);
/* Sessions must be closed and the other threads gone or done with the hub. */
void hub_free(struct hub *h);
/* Keeps a copy of the window in files of that directory, from which hub_epoch takes what is still of use
 * after a restart. Before the first hub_source. ERR_CONFIG: the directory cannot be made or written to, or
 * another process has it. */
bool hub_keep(struct hub *h, const char *dir, struct err *e);
/* Called from any thread when the web thread has something to do in hub_turn; not again before that turn. Set
 * once, before other threads use the hub, or with NULL after the web thread ended. */
void hub_set_wake(struct hub *h, void (*wake)(void *ctx), void *ctx);

/* ---- pipeline threads ---- */

/* A connector comes, or comes again: the same name gives the same number, from 0 up. */
int hub_source(struct hub *h, const char *name);
/* The connector is gone for good (deleted): its sessions are closed, its window is dropped. The number stays
 * valid. */
void hub_source_end(struct hub *h, int source);

/* Says which history the changes that follow belong to ("system identifier-timeline-slot", any text), and
 * that every transaction whose commit record is at `start` or later will be published: where
 * START_REPLICATION really begins (0: not known, then nobody resumes from before). To be called before each
 * start of streaming. The same epoch again keeps the window, and changes that were published before are
 * ignored; another epoch drops the window and resets all subscriptions. With hub_keep the first call reads
 * what was kept, some 100 MB a second. */
void hub_epoch(struct hub *h, int source, const char *epoch, lsn_t start);

struct hub_column {
    const char *name, *type; /* type as PostgreSQL writes it: "int8", "timestamptz", "text[]" */
    const char *base;        /* the built-in type beneath, as above; "" for none; NULL: it is `type` */
    uint64_t version; /* another number is another column: of that type in another width, or made anew */
};

struct hub_table_info {
    const char *name; /* "schema.table" */
    const struct hub_column *columns;
    size_t n_columns;    /* at most 1664 */
    const uint16_t *key; /* indexes into columns, in the key's order */
    size_t n_key;        /* 0: no key */
    /* Which of the columns `old` has: the replica identity. A change 'u' without `old` has not changed them.
     * NULL: the key's. */
    const bool *identity;
};

struct hub_table; /* a handle; valid as long as the hub */

/* A table that may be subscribed to: at start for all captured tables, and for every RELATION message.
 * Copied. Columns that stand behind those of before are added: subscriptions go on. With any other difference
 * in columns, key or identity they get `reset` with reason "schema". From the source's thread. */
struct hub_table *hub_table_set(struct hub *h, int source, const struct hub_table_info *info);

struct hub_change {
    const struct hub_table *table;
    char op;          /* c u d t; an update that changes the key is d and c, with an ordinal each */
    lsn_t commit_lsn; /* of its BEGIN */
    uint32_t ordinal; /* of the change in its transaction, from 0 */
    uint32_t xid;
    int64_t ts_ms; /* commit time since 1970 */
    /* n_columns JSON values each, in the table's order; SQL's NULL is the text null. A NULL ptr: the value is
     * not known (in `row` an unchanged TOAST value, in `old` not part of the replica identity). row: NULL for
     * d and t; old: NULL when the server did not send one. JSON holds no raw newline. */
    const struct slice *row, *old;
    /* What Kafka gets of it, as JSON without a schema; ptr NULL: nothing. Only where `enveloped`, which a
     * change is when hub_enveloped said so. */
    struct slice envelope;
    bool enveloped;
    bool expected; /* its readers were here before a restart: the table counts as one that was asked for */
};

/* To be asked once for each transaction's changes of a table, before the first is written as JSON. false:
 * nobody reads the table, its changes in this transaction need not be published, and the hub knows that they
 * went by. */
bool hub_follows(struct hub *h, const struct hub_table *table, lsn_t commit_lsn, uint32_t xid);

/* To be asked for each change: somebody wants the envelopes of the table. Costs nothing. */
bool hub_enveloped(const struct hub_table *table);

/* Copies the change; takes the hub's mutex for a moment. Changes of a source come in order of (commit_lsn,
 * ordinal). */
void hub_publish(struct hub *h, int source, const struct hub_change *change);

/* Everything whose commit record is before `lsn` has been published: after each COMMIT with its end_lsn, and
 * for keepalives between transactions. lag_ms: now - commit time; 0 for a keepalive; -1: as before. Snapshots
 * wait for it. */
void hub_position(struct hub *h, int source, lsn_t lsn, int64_t lag_ms);

/* What was committed before it is on disk, for those who resume after a restart; UINT64_MAX where nothing is
 * kept there, or cannot be. A position that is stored no later leaves no gap, however the process ends. */
lsn_t hub_kept(struct hub *h, int source);

/* True while a snapshot of this source waits, or will wait, for the stream to reach its insert position: the
 * stream should ask the server where it stands, every 100 ms or so, and tell hub_position. */
bool hub_waits(struct hub *h, int source);

/* ---- the reader thread (one for all sources, or one each) ----
 *
 * A reader either reads one table after the other (hub_request_take, and hub_rows waits for the client) or
 * has several open at a time, so that nobody waits for a client that takes its time (hub_request_next). */

enum { HUB_SNAPSHOTS = 8, HUB_SNAPSHOTS_PACED = 6 }; /* open at a time, of a source; paced ones among them */

struct hub_request {
    uint64_t id;
    int source;
    const char *table;          /* "schema.table", as given to hub_table_set */
    const char *const *columns; /* what to select, never empty */
    size_t n_columns;
    const char *where;  /* a condition for WHERE; NULL: all rows */
    const char *filter; /* the same as the protocol has it, with what a rule asks; NULL: all rows */
    bool place_first;   /* no row goes out before the stream is there: while hub_waits, somebody should have
                           the WAL up to the snapshot flushed */
};

/* What a transaction sees: pg_current_snapshot() (xid8), and then, in the same statement,
 * pg_current_wal_insert_lsn(). WAL up to there must get flushed without somebody else's help. A standby does
 * not list what is in progress: there insert_lsn is pg_last_wal_replay_lsn(), of before the snapshot. */
struct hub_visibility {
    uint64_t xmin, xmax;
    const uint64_t *xip; /* in progress, ascending */
    size_t n_xip;
    lsn_t insert_lsn;
    uint32_t wal_segment_bytes; /* setting wal_segment_size; 0: unknown */
};

enum hub_verdict {
    HUB_GO,    /* read the rows in this transaction */
    HUB_AGAIN, /* end the transaction, take a new snapshot, call hub_rows_begin again: at most three times */
    HUB_CANCELLED, /* nobody wants the rows any more */
};

/* The next request of this source (-1: of any); false after timeout_ms without one, or at once after
 * hub_stop. What `out` points to lives until hub_rows_end or hub_rows_fail, one of which must be called, also
 * when cancelled. */
bool hub_request_take(struct hub *h, int source, int timeout_ms, struct hub_request *out);
/* The next thing to do for the only reader of this source: a new request, as above, or, with *again, one that
 * it has open: the client can take rows now, and hub_rows will not wait, or nobody wants them any more. In
 * turn; new ones first, as long as there is a place for them, and of paced ones one for each session. */
bool hub_request_next(struct hub *h, int source, int timeout_ms, struct hub_request *out, bool *again);
/* In a REPEATABLE READ transaction, before the first row. May wait up to a quarter of a second for the
 * stream. */
enum hub_verdict hub_rows_begin(struct hub *h, uint64_t request, const struct hub_visibility *v);
/* Instead of hub_rows_begin, for rows that another server has read: they stand for that position of that
 * epoch, as it said. false: nobody wants them any more, or the epoch is another one, or the position is none:
 * hub_rows_fail comes next. */
bool hub_rows_at(struct hub *h, uint64_t request, const char *epoch, const char *pos);
/* A JSON array of row objects, columns as in row_json.h, without raw newlines; 16 to 256 KiB are a good size.
 * Waits while the client has 4 MiB to read, or, when it is paced, has not asked for them. false: cancelled.
 */
bool hub_rows(struct hub *h, uint64_t request, struct slice json_array, size_t n_rows);
/* false: nobody wants the rows any more. For while the server takes its time. */
bool hub_rows_wanted(struct hub *h, uint64_t request);
void hub_rows_end(struct hub *h, uint64_t request);
/* The client gets an `error` "snapshot_failed" with the text. */
void hub_rows_fail(struct hub *h, uint64_t request, const char *text, bool retry);

/* ---- any thread ---- */

/* Wakes the reader threads for good: their calls return false or HUB_CANCELLED from now on. */
void hub_stop(struct hub *h);

struct hub_stats {
    uint64_t sessions, subscriptions, channels; /* now */
    uint64_t window_changes, window_bytes;      /* now */
    uint64_t window_age_ms, spool_bytes;        /* now */
    uint64_t published, encoded, sent, resets, sessions_total;
    uint64_t judged; /* how often a channel's filter was held against a change */
};
void hub_stats(struct hub *h, struct hub_stats *out);

#endif
