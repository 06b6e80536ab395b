/* pipeline.h - one run of a connector, from connect to stop: frames in, records out, positions back.
 *
 * Everything here happens on the connector's pipeline thread, except where a comment says otherwise. */
#ifndef ENGINE_PIPELINE_H
#define ENGINE_PIPELINE_H

#include "capture.h"
#include "catalog.h"
#include "connector.h"
#include "envelope.h"
#include "ledger.h"
#include "link.h"
#include "pgoutput.h"
#include "records.h"
#include "sink.h"
#include "slot.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a run leaves for others to see and gets told by them; owned by the connector. */
struct pipeline_face {
    pthread_mutex_t mutex; /* guards status */
    struct connector_status status;
    atomic_bool stop; /* leave as soon as what is in flight has been delivered */
    int wake_fd;      /* eventfd: frames, delivery reports, commands */
};

struct pipeline {
    const struct connector_env *env;
    const struct config *config;
    struct pipeline_face *face;
    const char *run_id;  /* __debezium.context.runId */
    PGconn *conn;        /* ordinary session: catalogue, snapshot */
    PGconn *replication; /* until the link takes it */
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
    struct live *live; /* NULL: no browsers */
    struct arena scratch;
    struct buf key, value;
    char epoch[128]; /* system identifier, timeline, slot */
    /* position */
    struct offset offset; /* as last saved */
    lsn_t start;          /* where the stream begins */
    lsn_t seen;           /* end of what was decoded: last COMMIT or keepalive */
    int64_t saved_ms;
    /* the open transaction */
    struct mark *mark;    /* NULL: none */
    struct source source; /* of the next event */
    struct order_counter counter;
    uint64_t tx;            /* counts transactions */
    struct tally **touched; /* collections with events in it, for its END record */
    size_t n_touched, cap_touched;
    uint32_t collections_capacity; /* of Debezium's HashMap of them, which decides their order */
    uint32_t ordinal;
    /* a snapshot in the middle of the stream (snapshot.mode=always): runs when everything before this is out
     */
    lsn_t snapshot_at; /* 0: none waiting */
    int64_t heartbeat_due_ms;
    uint64_t events, transactions, bytes;
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
bool pipeline_stopping(const struct pipeline *p);
void pipeline_step(struct pipeline *p, const char *step);
/* stream.c */
bool stream_run(struct pipeline *p, struct err *e);
/* checkpoint.c */
bool checkpoint_load(struct pipeline *p, struct err *e);
bool checkpoint_save(struct pipeline *p, const struct offset *offset,
                     struct err *e); /* durable, then acknowledged */
bool checkpoint_tick(struct pipeline *p, bool now,
                     struct err *e); /* saves what has become safe, when it is time */
lsn_t checkpoint_position(const struct offset *offset);
/* snapshot.c */
bool snapshot_take(struct pipeline *p, const struct slot_start *at,
                   struct err *e); /* imports, reads, delivers, saves */
bool snapshot_import(struct pipeline *p, const struct slot_start *at, struct err *e);
bool snapshot_read(struct pipeline *p, lsn_t lsn, struct err *e);
/* prepare.c */
bool prepare(struct pipeline *p, struct err *e);

#endif
