/* pipeline.h - one run of a connector, from connect to stop: frames in, records out, positions back.
 *
 * Everything here happens on the connector's pipeline thread, except where a comment says otherwise. */
#ifndef ENGINE_PIPELINE_H
#define ENGINE_PIPELINE_H

#include "capture.h"
#include "catalog.h"
#include "connector.h"
#include "envelope.h"
#include "exactly_once.h"
#include "gone.h"
#include "ledger.h"
#include "lineage.h"
#include "link.h"
#include "metrics.h"
#include "pgoutput.h"
#include "records.h"
#include "resume.h"
#include "sink.h"
#include "slot.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a run leaves for others to see and gets told by them; owned by the connector. */
struct pipeline_face {
    pthread_mutex_t mutex; /* guards status */
    struct connector_status status;
    struct meter *meter;   /* NULL: nobody measures */
    struct limits *limits; /* what Kafka's topics were found to take; NULL: not remembered */
    bool renew;            /* the run ended to begin anew at once: that is no failure */
    lsn_t binary_until;    /* the stream is read in binary form until this is done; 0: as text (row_size.h) */
    atomic_bool stop;      /* leave as soon as what is in flight has been delivered */
    int wake_fd;           /* eventfd: frames, delivery reports, commands */
};

/* What the pipeline has counted since it told its meter. */
#define COUNT_OF(op) ((unsigned)(op)&31)
struct counts {
    uint64_t by_op[32]; /* at COUNT_OF(op) */
    uint64_t filtered, erroneous, checkpoints, too_large;
    uint64_t transactions, bytes; /* the pipeline's own then */
};

struct pipeline {
    const struct connector_env *env;
    const struct config *config;
    struct pipeline_face *face;
    const char *run_id;  /* __debezium.context.runId */
    PGconn *conn;        /* ordinary session: catalogue, snapshot */
    PGconn *replication; /* until the link takes it */
    PGconn *action;      /* for heartbeat.action.query, from the first one on */
    struct tables tables;
    struct types *types;
    struct pgoutput *decoder;
    struct capture_settings capture;
    struct envelope_rules rules;
    struct envelope *envelope;
    struct record_style records;
    struct topics *topics;
    struct tallies *tallies;
    const struct sink_type *sink_type;
    struct sink *sink;
    struct ledger *ledger;
    struct link *link;
    struct live *live;               /* NULL: no browsers */
    struct gone gone;                /* tables that were dropped */
    struct catalog_ahead *ahead;     /* of the relations that the batch in hand still has; NULL: not asked */
    struct arena scratch, converted; /* converted: the text of a row's binary values */
    struct buf key, value;
    struct lineage lineage; /* the server as the run found it */
    char epoch[128];        /* system identifier, timeline, slot */
    /* position */
    struct offset offset; /* as last saved */
    lsn_t start;          /* where the stream begins */
    lsn_t seen;           /* end of what was decoded: last COMMIT or keepalive */
    int64_t saved_ms;
    struct ledger_position unkept; /* to be stored once the browsers' files have what is before it */
    bool put_off;                  /* storing a position is tried again, and that was said */
    struct resume resume;          /* what the start position says is done */
    struct offsets *offsets;       /* where positions are kept; NULL: nowhere */
    struct offsets
        *own_offsets;          /* the same, where the connector has a topic of its own; closed with the run */
    struct exactly_once exact; /* all zero: records are visible one by one */
    struct halt halt;          /* leaving in the middle of a transaction */
    bool muted;                /* the change at hand was published before: count it, send nothing */
    int64_t stop_ms;           /* when a stop was first seen; 0: not yet */
    /* the open transaction */
    lsn_t begin, commit;
    lsn_t
        bulky; /* the commit of the last transaction with a row that has left libpq large buffers; 0: none */
    int64_t bulky_done_ms; /* since when it has been stored; 0: it is not */
    struct mark *mark;     /* NULL: none */
    struct source source;  /* of the next event */
    struct order_counter counter;
    uint64_t tx;            /* counts transactions */
    struct tally **touched; /* collections with events in it, for its END record */
    size_t n_touched, cap_touched;
    uint32_t collections_capacity; /* of Debezium's HashMap of them, which decides their order */
    uint32_t ordinal;              /* of the next change, as browsers count them */
    lsn_t ended;                   /* the last COMMIT in this run; 0: none yet */
    struct buf ordinals;           /* where that and the events' total_order part: "total:ordinal,..." */
    int64_t apart;                 /* by how much, at the last event */
    /* a snapshot in the middle of the stream (snapshot.mode=always): runs when everything before this is out
     */
    lsn_t snapshot_at; /* 0: none waiting */
    int64_t heartbeat_due_ms, xmin_due_ms;
    uint64_t events, transactions, bytes;
    struct counts counts;
    struct readings readings;
    int64_t slot_due_ms; /* when the server is asked for the slot's state */
    bool slot_asked;     /* and has not answered yet */
};

/* Connects, prepares slot and publication, takes the snapshot where one is due, then streams until told to
 * stop (true) or something fails (false). Closes everything in any case. */
bool pipeline_run(const struct connector_env *env, const struct config *config, struct live *live,
                  struct pipeline_face *face, struct err *e);

/* -- for its own files -- */

/* Gives a record to the sink, waiting while it is full. */
bool pipeline_put(struct pipeline *p, const struct message *message, struct err *e);
/* The records of a row change or a truncate of one relation: sink and browsers. */
bool pipeline_row(struct pipeline *p, const struct change *change, struct relation *rel, struct err *e);
/* The transaction's counters for one more event of `t`; NULL: no transaction block. */
struct order_counter *pipeline_counter(struct pipeline *p, struct tally *t);
bool pipeline_describe(struct pipeline *p, struct relation *rel, struct err *e);
#define FINISH_TX_MS 2000 /* a stop waits so long for the open transaction's end */
bool pipeline_stopping(const struct pipeline *p);
int64_t pipeline_stopping_ms(struct pipeline *p); /* since it was first seen; -1: not stopping */
void pipeline_step(struct pipeline *p, const char *step);
/* The time limit of statements in the ordinary session; 0: none. */
bool pipeline_limit(struct pipeline *p, int timeout_ms, struct err *e);
/* stream.c */
bool stream_run(struct pipeline *p, struct err *e);
/* checkpoint.c */
bool checkpoint_load(struct pipeline *p, struct err *e);
bool checkpoint_save(struct pipeline *p, const struct offset *offset,
                     struct err *e);             /* durable, then acknowledged */
bool checkpoint_waits(const struct pipeline *p); /* for some milliseconds: to be asked again soon */
bool checkpoint_tick(struct pipeline *p, bool now,
                     struct err *e);                     /* saves what has become safe, when it is time */
bool checkpoint_halt(struct pipeline *p, struct err *e); /* saves a position inside the open transaction */
lsn_t checkpoint_position(const struct offset *offset);
/* snapshot.c */
bool snapshot_take(struct pipeline *p, const struct slot_start *at,
                   struct err *e); /* imports, reads, delivers, saves */
bool snapshot_import(struct pipeline *p, const struct slot_start *at, struct err *e);
bool snapshot_read(struct pipeline *p, lsn_t lsn, struct err *e);
bool snapshot_delay(struct pipeline *p, struct err *e); /* snapshot.delay.ms; false: told to stop */
/* prepare.c */
bool prepare(struct pipeline *p, struct err *e);
/* Another ordinary session, database.initial.statements run, without a time limit of statements. The
 * caller's. */
PGconn *prepare_session(struct pipeline *p, struct err *e);
/* heartbeat.c */
bool heartbeat_action(struct pipeline *p, struct err *e);
/* claim.c */
/* Waits until the slot, which need not be there, is ours alone, for as long as the replication connection
 * lives: before anything is read that its former owner may still change. ERR_RETRY after slot.max.retries
 * times slot.retry.delay.ms; with walwire.standby it waits until it is told to stop. */
bool claim_hold(struct pipeline *p, struct err *e);
/* ERR_RETRY: the connection that holds the slot is gone, as far as is known here. ask: the server is asked as
 * well, where the connection is not streaming yet. */
bool claim_kept(struct pipeline *p, bool ask, struct err *e);
/* ERR_RETRY: another session reads from it. */
bool claim_look(struct pipeline *p, struct slot_state *slot, struct err *e);
bool claim_create(struct pipeline *p, const char *name, PGconn *conn, bool temporary, struct slot_start *at,
                  struct err *e);
/* Whether the stored position is of this server, which must not be ahead of it. ERR_CONFIG: it is not, and
 * offset.mismatch.strategy does not say to go on from the slot. */
bool claim_lineage(struct pipeline *p, const struct slot_state *slot, struct err *e);
/* offset.mismatch.strategy: moves the slot, or the position to begin at. */
bool claim_reconcile(struct pipeline *p, const struct slot_state *slot, struct err *e);

#endif
