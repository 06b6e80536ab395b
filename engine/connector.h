/* connector.h - one connector's life, on a pipeline thread of its own; with walwire.slots on several, each a
 * task.
 *
 *  CONNECT -> PREPARE -> SNAPSHOT -> STREAM -> (pause, stop, failure)
 *     ^___________ BACKOFF (retriable errors) ______|      other errors -> FAILED, visible, restartable
 *
 * All calls are thread-safe and return at once; the thread does the rest. */
#ifndef ENGINE_CONNECTOR_H
#define ENGINE_CONNECTOR_H

#include "err.h"
#include "lsn.h"
#include "offsets.h"
#include "props.h"

struct activity;
struct hub;
struct metrics;
struct sink_type;
struct connector;

/* What all connectors of a process share; must outlive them. */
struct connector_env {
    const struct props *worker;   /* expanded */
    struct offsets *offsets;      /* NULL with temporary */
    struct hub *hub;              /* NULL: no browsers */
    const char *worker_id;        /* host:port of the REST listener, as Connect's */
    const struct sink_type *sink; /* where records go; the browsers' hub is beside it */
    struct activity *activity;    /* NULL: nobody asks which topics were written to */
    struct metrics *metrics;      /* NULL: nobody measures */
    /* `walwire stream` only */
    bool temporary;           /* a temporary slot, gone with the connection; no offsets */
    const char *publications; /* quoted identifiers, comma separated; NULL: the configuration's one */
};

/* Connect's words for a state. */
enum connector_state {
    STATE_UNASSIGNED,
    STATE_RUNNING,
    STATE_PAUSED,
    STATE_STOPPED,
    STATE_FAILED,
    STATE_RESTARTING
};
const char *connector_state_name(enum connector_state s);

struct connector_status {
    enum connector_state state;
    char trace[1000]; /* why FAILED; "" otherwise */
    const char *step; /* "connect", "snapshot", "stream", ...: static text */
    bool snapshot_running;
    lsn_t received, flushed; /* end of what was read; what was acknowledged to PostgreSQL */
    int64_t lag_ms;          /* now - commit time of the last event; -1: none yet */
    uint64_t events, transactions, bytes;
};

/* Checks the configuration; starts nothing. ERR_CONFIG. `config` is copied. */
struct connector *connector_new(const struct connector_env *env, const char *name, const struct props *config,
                                struct err *e);
void connector_free(struct connector *c);  /* stops (draining, at most 10 s) and joins */
void connector_start(struct connector *c); /* or resume */
void connector_pause(struct connector *c);
void connector_stop(struct connector *c); /* asks; use connector_free to wait */
void connector_restart(struct connector *c);
void connector_status(struct connector *c, struct connector_status *out);
/* One of the tasks, from 0: as many as the connector has slots (walwire.slots). connector_status is their
 * sum: counters added up, the worst state and lag, the least flushed position. */
int connector_tasks(const struct connector *c);
void connector_task_status(struct connector *c, int task, struct connector_status *out);
void connector_task_restart(struct connector *c, int task);
const struct props *connector_config(const struct connector *c); /* as the user wrote it */
bool connector_wait(struct connector *c, int timeout_ms); /* true: its thread has ended (stopped or failed) */

#endif
