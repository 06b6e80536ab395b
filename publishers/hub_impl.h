/* hub_impl.h - the hub's inside, for hub*.c and session.c only.
 *
 * What `mutex` guards is said; everything else in these structs belongs to the web thread. Other threads
 * leave notes in the inbox, in order; hub_turn takes them all at once, so the window needs no lock.
 *
 * A subscription is a cursor into the list of its table's changes. It is idle when it has seen all of them;
 * the next change wakes it. With a filter it judges the changes of the window one by one until it has seen
 * all; from then on it is a cursor into the list of its channel's hits (hub_filter.c). A session sends the
 * smallest sequence number of its cursors first, so changes of different tables come in commit order, and one
 * that resumes far back catches up before the others go on. */
#ifndef PUBLISHERS_HUB_IMPL_H
#define PUBLISHERS_HUB_IMPL_H

#include "access.h"
#include "buf.h"
#include "filter.h"
#include "frame.h"
#include "hub_split.h"
#include "map.h"
#include "session.h"

#include <json-c/json_types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum {
    GONE_KEPT = 64,     /* transactions remembered behind the window, for each table */
    UNREAD_PART = 16,   /* this part of the window is for tables that nobody reads */
    POS_TEXT = 24,      /* characters of a position */
    COLUMNS_MAX = 1664, /* PostgreSQL's own limit of a target list; tables have at most 1600 */
    SHAPE_DIGEST = 32,
};

/* A place in a source's history: (lsn, 0) is before everything that committed at lsn or later. */
struct pos {
    lsn_t lsn;
    uint32_t ordinal;
};

static inline int pos_compare(struct pos a, struct pos b)
{
    if (a.lsn != b.lsn)
        return a.lsn < b.lsn ? -1 : 1;
    return (a.ordinal > b.ordinal) - (a.ordinal < b.ordinal);
}

/* A change's values; ptr NULL: not known. */
struct cells {
    struct slice row[COLUMNS_MAX], old[COLUMNS_MAX];
    bool omitted[COLUMNS_MAX], old_omitted[COLUMNS_MAX]; /* left out of a message, too large */
    bool with_row;                                       /* the message has a row */
    bool with_old;                                       /* and what it was before, if that is known */
    struct slice envelope;                               /* ptr NULL: there is none */
    bool envelope_omitted;
};

enum note_kind { NOTE_CHANGE, NOTE_TABLE, NOTE_EPOCH, NOTE_END };

struct note {
    struct note *next;
    enum note_kind kind;
};

LIST_HEAD(hit_list, hit);

/* A change. Its values stand one after the other behind the lengths: those of the row, then those of the old
 * row. */
struct entry {
    struct note note;        /* note.next: the next one in the window, too */
    struct entry *next_same; /* of the same table */
    struct hub_table *table;
    struct encoded *encoded;
    struct block *blocks; /* that begin with it */
    struct hit_list hits;
    struct segment *segment; /* of the spool; NULL: it is not there */
    uint64_t seq;
    struct pos pos;
    int64_t ts_ms, at_ms; /* at_ms: when it came, by the hub's clock */
    size_t size;
    uint32_t xid, n_columns; /* n_columns: fewer than the table's, of before a column was added */
    uint32_t envelope;       /* its length, behind the values; 0: Kafka gets none; UNKNOWN: not made */
    char op;
    bool has_row, has_old, expected;
    uint32_t lengths[]; /* LENGTH_UNKNOWN, LENGTH_OMITTED */
};

#define LENGTH_UNKNOWN UINT32_MAX
#define LENGTH_OMITTED (UINT32_MAX - 1)

/* A change that is for a filtered channel; kept as long as somebody is to read it. */
struct hit {
    LIST_ENTRY(hit) in_entry;
    TAILQ_ENTRY(hit) in_channel;
    struct entry *entry;
    struct channel *channel;
    size_t waiting; /* subscriptions that have not read it */
    char op;
};

/* What a change is to a filtered channel, beside c u d t. */
enum { OP_ENTER = 'e', OP_EXIT = 'x', OP_UNDECIDED = '?' };

/* A change as the subscribers of one channel get it. */
struct encoded {
    TAILQ_ENTRY(encoded) by_age;
    struct encoded *next; /* of the same entry */
    struct entry *entry;
    uint64_t channel;
    size_t len;
    char text[];
};

struct shape {
    size_t n_columns, n_key;
    struct hub_column *columns;
    uint16_t *key;
    bool *identity;
};

struct table_note {
    struct note note;
    struct hub_table *table;
    struct shape shape;
};

struct epoch_note {
    struct note note; /* NOTE_EPOCH, NOTE_END */
    struct source *source;
    char *epoch;
    lsn_t start, reached;    /* the position that the stream before it had reached */
    struct spooled *spooled; /* what was read back; NULL: this is not the first one, or there is no spool */
};

LIST_HEAD(sub_list, sub);
LIST_HEAD(channel_list, channel);

struct source {
    struct source *next; /* the one that came before it; never changes */
    int number;
    char *name;
    struct spool *spool; /* NULL: there is none; hub_spool.h says whose its parts are */
    /* guarded by the mutex */
    char *epoch_in;
    lsn_t position_in;
    int64_t lag_in;
    struct pos dropped_in;   /* the newest change that the inbox had no room for */
    size_t open, open_paced; /* snapshots that readers are at */
    bool one_by_one;         /* its reader waits for a client before it is at the next */
    /* the web thread's */
    char *epoch;      /* NULL: not streaming yet, or gone */
    lsn_t position;   /* everything that committed before it is here */
    struct pos last;  /* of the newest change */
    struct pos floor; /* every change behind it came into the window */
    struct pos since; /* the same for tables that are not known yet */
    struct pos dropped;
    lsn_t reached; /* position_in as hub_turn found it */
    int64_t lag_ms;
};

/* Changes that nobody can read any more. */
struct gone {
    struct pos upto; /* the newest of them */
    uint32_t xids[GONE_KEPT];
    size_t n_xids; /* ever */
};

struct hub_table {
    struct source *source;
    char *name;
    size_t width;          /* columns of the newest shape: the source's thread's */
    atomic_bool enveloped; /* somebody reads envelopes; set by the web thread */
    /* guarded by the mutex */
    bool unfollowed;    /* its changes are not published */
    struct gone passed; /* those that went by meanwhile, or that the inbox gave up, in this epoch */
    size_t taken;       /* of passed.xids: those that are in `gone` already */
    /* the web thread's */
    struct hub_table *next; /* in the hub's list */
    bool known;             /* it has a shape */
    struct shape shape;
    struct entry *first, *last;
    struct entry *resumed; /* where the last one who came back goes on; may dangle when resumed_seq says so */
    uint64_t resumed_seq;  /* 0: nobody has */
    struct pos floor;      /* changes up to here are gone, or had another shape */
    bool reshaped;         /* that is why */
    struct gone gone;      /* dropped by the window, or passed */
    int64_t left_ms;       /* when it was last asked for, or its last subscription went; 0: never */
    uint8_t digest[SHAPE_DIGEST]; /* of the shape */
    uint64_t spool_segment;       /* that has its state, as number spool_id */
    uint32_t spool_id;
    bool spool_read;            /* what the state there says of readers */
    bool spooled;               /* while a spool is taken over: its changes there count */
    struct sub_list idle, busy; /* idle: those without a filter */
    struct channel_list channels;
    LIST_HEAD(, column_index) indexes;
    struct channel_list unindexed; /* with a filter that no index finds */
    size_t n_filtered;
    size_t n_enveloped;        /* channels with envelopes */
    int64_t enveloped_left_ms; /* when the last one of them went */
};

enum old_mode { OLD_KEY, OLD_FULL, OLD_NONE };

/* A channel among those that want the same value. */
struct posting {
    struct posting *next, *before; /* before: NULL for the first, which is what the index holds */
    struct channel *channel;
    uint64_t hash;
    size_t len; /* of the value */
    union {
        char text[16];
        const char *longer;
    };
};

/* The channels of one table that want a column to equal something. */
struct column_index {
    LIST_ENTRY(column_index) in_table;
    uint16_t column;
    struct filter_type type;
    struct channel_list all;
    struct spot {
        uint64_t hash;
        struct posting *first;                      /* NULL: the spot is free */
        const void *channel, *sub, *session, *user; /* of the newest there: to be fetched, they may be gone */
    } * spots;
    size_t cap, n; /* n: values; cap is a power of two */
    uint64_t seed;
};

/* What makes messages of two subscriptions the same. */
struct channel_key {
    const uint16_t *columns; /* ascending indexes */
    size_t n_columns;
    unsigned ops; /* bits of OP_LETTERS */
    enum old_mode old;
    struct filter *filter; /* NULL: none; what a rule asks is a part of it */
    struct filter *rule;   /* that part alone; NULL: none */
    bool transactions;     /* `begin` and `commit` around the changes of each */
    bool envelope;         /* in place of row and old */
    unsigned copy; /* the n-th such subscription within its session: each has a channel of its own there */
};

#define OP_LETTERS "cudt"

struct channel {
    /* of a filtered one; first what each change looks at */
    uint64_t judged;  /* the last change that was */
    size_t followers; /* members that hits are for: idle, or at one */
    TAILQ_HEAD(, hit) hits;
    struct sub_list idle;
    struct posting posting;     /* of the one value that most of them want */
    struct posting *postings;   /* where the index has it */
    bool equal;                 /* an equality is all of its filter */
    struct column_index *index; /* NULL: unindexed */
    LIST_ENTRY(channel) in_index;

    struct channel_key key; /* filter and rule: owned */
    LIST_ENTRY(channel) in_table;
    struct hub_table *table;
    uint64_t number;
    size_t members, deflaters; /* deflaters: of sessions that read what is deflated */
    uint16_t columns[];        /* key.columns */
};

struct visibility {
    uint64_t xmin, xmax;
    lsn_t insert_lsn, wait_lsn; /* wait_lsn: what the stream must reach */
    size_t n_xip;
    uint64_t xip[];
};

/* Of a subscription with `transactions`: the one of which it was told something, but not yet the end. */
struct transaction_told {
    LIST_ENTRY(transaction_told) in_hub; /* while one is open */
    struct sub *sub;
    lsn_t lsn; /* of its commit; 0: none is open */
    uint32_t xid;
    uint64_t count; /* changes since its `begin` */
};

struct sub {
    /* first what each change looks at */
    struct session *session;
    struct channel *channel;
    LIST_ENTRY(sub) in_table, in_ready;
    bool idle, follows; /* follows: one of the channel's followers */
    bool all;           /* it named no columns: it gets those that are added */
    bool paced;
    uint32_t width;  /* columns of the table, of which it knows */
    struct hit *hit; /* where the cursor is, of one that follows and is not idle; may dangle as `next` */
    struct visibility *unseen; /* after a snapshot: changes that it saw are left out; NULL: none any more */
    struct pos after;          /* changes up to here are left out */
    struct entry *next;        /* may dangle when next_seq says that it was evicted */
    uint64_t next_seq;         /* 0: there is none; else it is in the session's list `ready` */
    struct transaction_told *told; /* NULL: without `transactions` */

    LIST_ENTRY(sub) in_session, in_snapshots;
    int64_t id;
    uint64_t number;           /* the n-th of its session */
    struct request *request;   /* NULL: no snapshot, or it is complete */
    uint64_t count;            /* rows of the snapshot */
    bool ordered;              /* what they have does not stand behind what they lack */
    bool placed;               /* where they stand was said before them */
    char *view;                /* what a rule allowed, as view_text; NULL: there are no rules */
    int64_t began_ms, turn_ms; /* of a paced snapshot; turn_ms: since when it is the client's; 0: it is not */
};

struct session {
    bool wanted, heartbeat_due, closed; /* closed: `closing` was gathered */
    enum close_code code;
    int64_t wanted_ms; /* when it asked to write */
    void (*want_write)(void *user), (*cut)(void *user);
    void *user;
    struct sub_list ready; /* those that have something to read: of hundreds nearly always one */
    struct hub *hub;
    size_t n_requests;  /* snapshots that are not complete */
    size_t n_told;      /* transactions that are open */
    struct buf control; /* messages that are not changes */
    struct source *source;

    int64_t heartbeat_ms; /* when the last one went */
    LIST_ENTRY(session) in_hub;
    struct sub_list subs;
    size_t n_subs;
    uint64_t last_sub; /* number */
    int64_t second;    /* of the rate */
    size_t received;   /* in that second */
    int64_t heard_ms;  /* when the message came that is being taken */
    char *client;
    char name[17];
    char reason[120];
    /* who it is */
    bool place_first;      /* session_options */
    bool deflate;          /* the same */
    bool admitted;         /* `welcome` was sent: it may ask for tables */
    struct claims *claims; /* NULL: nobody has said */
    int64_t auth_until_ms; /* until when a token must come; 0: none must */
    int64_t expires_ms;    /* when the token ends, by the monotonic clock */
    int64_t auths_ms;      /* since when its tokens are counted */
    size_t auths;
    char *connector; /* the one it wants; NULL: any */
};

struct batch {
    STAILQ_ENTRY(batch) link;
    size_t n_rows, len;
    char *omitted; /* JSON array, or NULL */
    char text[];
};

enum request_state {
    REQUEST_QUEUED,
    REQUEST_TAKEN,
    REQUEST_ASKING, /* rows_begin waits for the verdict */
    REQUEST_READING,
    REQUEST_ENDED,
    REQUEST_FAILED,
};

/* A snapshot; guarded by the mutex, but for what never changes. */
struct request {
    TAILQ_ENTRY(request) link;
    uint64_t id;
    struct source *source;
    char *table;
    char **columns;
    size_t n_columns;
    char *where, *filter;
    enum request_state state;
    bool is_at;    /* another server has read the rows, */
    struct pos at; /* which stand for this */
    bool place_first;
    bool cancelled; /* the subscription is gone */
    bool released;  /* the reader is done with it */
    bool paced;
    unsigned credit;     /* paced: batches that the client asked for and has not got */
    const void *session; /* whose it is; only to be compared */
    enum hub_verdict verdict;
    unsigned tries;
    struct visibility *visibility; /* replaced only after HUB_AGAIN */
    STAILQ_HEAD(, batch) batches;
    size_t bytes;
    char *error;
    bool retry;
};

/* What is being written; the caller's buffer may hold something before it. */
struct frame {
    struct buf *out;
    size_t start;
};

static inline void frame_line(const struct frame *f)
{
    if (f->out->len > f->start)
        buf_char(f->out, '\n');
}

struct hub {
    struct hub_options options;
    struct access *access; /* NULL: everybody may read everything; the web thread's */
    pthread_mutex_t mutex;
    /* guarded by the mutex */
    pthread_cond_t readers;
    void (*wake)(void *ctx);
    void *wake_ctx;
    bool woken, stopping, attended; /* attended: there are sessions */
    struct note *inbox, **inbox_end;
    size_t inbox_bytes;
    struct source **sources; /* by number */
    size_t n_sources;
    struct source *source_list;
    struct map *tables;             /* "number/schema.table" */
    TAILQ_HEAD(, request) requests; /* that no reader has taken yet */
    TAILQ_HEAD(, request) reading;  /* the others; those that were served longest ago first */
    uint64_t last_request;
    struct hub_stats shown;
    struct spooler *spooler; /* NULL: nothing is kept on disk; never changes while threads run */
    /* the web thread's */
    int64_t now_ms;        /* of this turn, by hub_clock */
    int64_t wall_ahead_ms; /* what the wall clock is ahead of it */
    struct hub_table *table_list;
    struct entry *first, *last;
    size_t bytes;
    uint64_t next_seq, last_channel;
    TAILQ_HEAD(, encoded) encoded;
    size_t encoded_bytes;
    TAILQ_HEAD(, block) blocks;
    size_t block_bytes;
    struct buf text; /* scratch for one block */
    struct codec *codec;
    LIST_HEAD(, session) sessions;
    struct sub_list snapshots; /* subscriptions whose snapshot is not complete */
    LIST_HEAD(, transaction_told) told;
    struct map *channels; /* by what makes them the same */
    struct cells *cells;  /* scratch for one change: too large for the stack of each call */
    struct buf scratch;
    struct hub_stats stats;
};

/* hub.c */
void hub_wake_locked(struct hub *h);
void shape_clear(struct shape *s);
void note_free(struct note *n);
int64_t hub_clock(const struct hub *h);                                         /* ms, monotonic */
int64_t hub_wall(const struct hub *h);                                          /* ms since 1970 */
struct hub_table *hub_table_named(struct hub *h, int source, const char *name); /* takes the mutex */

/* hub_shape.c */
bool shape_same(const struct shape *a, const struct shape *b);
bool shape_extends(const struct shape *wide, const struct shape *narrow); /* columns were added, at the end */
void table_widened(struct hub_table *t);
bool shape_whole(const struct shape *s); /* its replica identity has all columns */
/* Before its next change is written: where that has columns of which the subscription does not know, those
 * become its own, as a `subscribed` in the frame says. */
void sub_widen(struct sub *sub, const struct frame *f);

/* hub_transaction.c */
void told_change(struct sub *sub,
                 const struct frame *f); /* its next change goes out: `begin`, where it is the first */
/* `commit` of those that committed before `upto`, which is where the session's next change is, or where the
 * stream stands when none waits. */
void told_end(struct session *s, lsn_t upto, const struct frame *f);
void told_turn(struct hub *h); /* wakes the sessions that have one to write */
void told_free(struct sub *sub);

/* hub_turn.c */
void pos_append(struct buf *b, struct pos pos); /* quoted */
bool pos_parse(struct slice text, struct pos *out);
struct pos source_pos(const struct source *s); /* everything up to here was published */

/* hub_log.c */
void log_add(struct hub *h, struct entry *e);
void log_evict(struct hub *h);
void log_adopt(struct hub *h, struct entry *first); /* a list of changes of a source that has none */
bool table_is_read(const struct hub *h, const struct hub_table *t);
void gone_note(struct gone *g, struct pos pos, uint32_t xid);
void table_follow(struct hub *h, struct hub_table *t); /* from the next transaction on */
void table_passed(struct hub *h, struct hub_table *t); /* takes over what it did not get to see */
void table_forget(struct hub *h, struct hub_table *t); /* another history: nothing of it is here */
void log_drop_table(struct hub *h, const struct hub_table *t);
void log_drop_source(struct hub *h, const struct source *s);
void log_free(struct hub *h);

/* hub_encode.c */
void change_append(struct hub *h, struct channel *channel, struct entry *e, char op, struct buf *out);
void encoded_free(struct hub *h, struct entry *e);

/* hub_block.c */
void blocks_free(struct hub *h, struct entry *e);

/* hub_channel.c */
/* A channel that no other subscription of the session has. Takes filter and rule of the key. */
struct channel *channel_get(struct session *s, struct hub_table *t, struct channel_key *key);
void channel_leave(struct hub *h, struct channel *c);
void channels_tick(struct hub *h); /* envelopes that nobody wants any more are not made */
struct sub *sub_new(struct session *s, int64_t id, struct channel *channel);
void sub_free(struct sub *sub);
void sub_move(struct sub *sub, struct channel *to);  /* of one that is not idle: it stays where it is */
void sub_start(struct sub *sub, struct entry *from); /* the cursor; NULL: waits for the next change */
void sub_advance(struct sub *sub);                   /* to the next change */
void sub_reset(struct sub *sub, const char *reason);
void sub_reset_to(struct sub *sub, const char *reason, const char *action);
void table_reset(struct hub_table *t, const char *reason);
bool sub_lost(const struct sub *sub); /* its cursor fell out of the window */

/* hub_index.c */
bool index_add(struct channel *c); /* false: no equality that its filter must have finds it */
void index_remove(struct channel *c);
void index_lead(struct channel *c, const struct sub *sub); /* its values lead to this one from now on */
struct posting *index_find(const struct column_index *x, struct slice key); /* the first; NULL: none */
/* Brings what the next changes of a turn will be held against into the processor's caches. Returns for how
 * many of the notes, at least 1. */
size_t hits_ahead(struct hub *h, const struct note *notes);

/* hub_filter.c */
void channel_index(struct channel *c);
void channel_unindex(struct hub *h, struct channel *c);
void hits_add(struct hub *h,
              struct entry *e); /* for all channels that a new change is for; wakes their idle ones */
void hits_free(struct hub *h, struct entry *e);
void hits_leave(struct sub *sub); /* of one that goes */
/* What a change is to a channel: an op, 0 when it is not for it. */
char channel_op(struct hub *h, struct channel *c, const struct entry *e);
bool shape_identifies(const struct shape *s, const uint16_t *columns,
                      size_t n); /* old images have all of them */
/* Under a rule: the row before was one that it allows, as far as can be told. Without one: true. */
bool channel_saw(struct hub *h, const struct channel *c, const struct entry *e);

/* hub_reader.c; with the mutex held */
bool has_place(const struct request *r);                 /* one more may be open */
bool is_in_turn(struct hub *h, const struct request *r); /* its session has no other paced one open */

/* hub_rows.c */
void request_free(struct hub *h, struct request *r);      /* with the mutex held */
void request_new(struct sub *sub, char *filter);          /* takes the filter's JSON */
struct request *request_find(struct hub *h, uint64_t id); /* one that a reader has taken; with the mutex */
void request_drop(struct sub *sub);
void snapshot_turn(struct sub *sub); /* of one that has a request; may free it */
void requests_turn(struct hub *h);
void requests_tick(struct hub *h, int64_t now_ms); /* clients that let their turn pass */
void rows_more(struct sub *sub);                   /* the client asks for the next batch */
void requests_free(struct hub *h);
bool rows_append(struct sub *sub, struct buf *out); /* the next batch as a message; false: none there */

/* hub_placed.c */
void placed_turn(struct sub *sub, enum request_state state, bool empty, bool due); /* may free it */

/* hub_visible.c */
struct visibility *visibility_copy(const struct hub_visibility *v);
bool visibility_sees(const struct visibility *v, uint32_t xid, lsn_t commit_lsn);
bool visibility_in_order(const struct visibility *v, const struct hub_table *t);
bool visibility_lost(const struct visibility *v,
                     const struct hub_table *t); /* a change that it does not see is gone */
struct pos visibility_pos(const struct visibility *v, const struct hub_table *t);

/* hub_subscribe.c */
void subscribe_message(struct session *s, struct json_object *message);
/* `subscribed`, as the channel is now. */
void subscribed_append(struct buf *b, const struct sub *sub, const char *mode, struct pos pos);

/* hub_client.c */
struct slice client_message(struct session *s, struct slice text); /* the first one; what stands behind it */
int64_t client_id(struct json_object *message); /* the member `id`; -1: none that a client may give */

/* hub_view.c: what a session may see of a table */
struct view {
    size_t rule; /* its number in the file; 0: there are no rules */
    bool hides, hidden[COLUMNS_MAX];
    struct json_object *where; /* NULL: all rows. Owned */
    struct filter *filter;     /* the same. Owned */
};
bool view_take(const struct session *s, const struct hub_table *t, struct view *out,
               struct err *e); /* false: nothing; e says why, for the log */
void view_clear(struct view *v);
/* Two views with the same text show the same; NULL where there are no rules. The caller's. */
char *view_text(const struct session *s, const struct hub_table *t, const struct view *v);

/* session_auth.c */
void auth_open(struct session *s, struct claims *claims, int64_t now_ms); /* takes the claims */
void auth_close(struct session *s);
void auth_tick(struct session *s, int64_t now_ms);
void auth_message(struct session *s, struct slice token, int64_t now_ms);

/* session.c */
void session_want(struct session *s);
void session_tick(struct session *s, int64_t now_ms);
void session_line(struct session *s);  /* begins a message in s->control */
void session_admit(struct session *s); /* `welcome`, or `closing` when there is nothing to read */
void tables_append(struct session *s, struct buf *b); /* "tables":[...]: those that it may see */
void session_error(struct session *s, int64_t id, const char *code, bool retry, const char *format, ...)
    __attribute__((format(printf, 5, 6))); /* id -1: none */
void columns_append(struct buf *b, const struct shape *shape, const uint16_t *indexes,
                    size_t n);                             /* [{name,type}] */
void key_append(struct buf *b, const struct shape *shape); /* [names] */

#endif
