/* worker.h - the connectors of one process, by name: what Kafka Connect calls a worker.
 *
 * All calls are thread-safe. Checking a configuration opens no connection; a change waits until it is stored,
 * which takes some seconds while Kafka does not answer. A connector
 * that is removed or given a new configuration drains on a thread of the worker's own; one of the same name
 * starts only after that. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include "activity.h"
#include "configs.h"
#include "connector.h"

struct worker;

/* Records go to Kafka when bootstrap.servers is set, otherwise to the hub alone. props: the worker file,
 * expanded, and hub (NULL: no browsers) and offsets must outlive the worker. worker_id is made from
 * rest.advertised.host.name and .port, or the first of listeners. ERR_CONFIG: listeners that cannot be read.
 */
struct worker *worker_new(const struct props *props, struct hub *hub, struct offsets *offsets, struct err *e);
/* Keeps connectors there from now on; must outlive the worker. Before the first connector is added. */
void worker_keep(struct worker *w, struct configs *configs);
/* Adds the connectors that are kept, but for those whose names are in use already. One that cannot be made of
 * its configuration is there, and failed. ERR_CONFIG, ERR_RETRY: Kafka does not answer. */
bool worker_restore(struct worker *w, struct err *e);
/* True until the process has begun all connectors that it starts with: REST answers 503 so long. Preset:
 * false.
 */
void worker_set_starting(struct worker *w, bool starting);
bool worker_starting(const struct worker *w);
/* Stops and drains all connectors, side by side, and waits some seconds for it. Browsers may still be told of
 * their last changes. */
void worker_stop(struct worker *w);
void worker_free(struct worker *w); /* stops all connectors, drains them side by side, waits */

/* "host:port" of the REST listener; owned by the worker. */
const char *worker_id(const struct worker *w);
const struct props *worker_props(const struct worker *w);

struct metrics *worker_metrics(const struct worker *w);
struct activity *worker_activity(const struct worker *w); /* topics written to; the worker's */
struct offsets *worker_offsets(const struct worker *w);
struct hub *worker_hub(const struct worker *w); /* NULL: no browsers */

/* UNKEPT: nothing was changed, for it could not be stored. RUNS: it is not stopped. */
enum worker_result {
    WORKER_OK,
    WORKER_EXISTS,
    WORKER_UNKNOWN,
    WORKER_INVALID,
    WORKER_UNKEPT,
    WORKER_RUNS,
};

/* Adds a connector and brings it to the target state: RUNNING, PAUSED or STOPPED. The props are copied.
 * WORKER_EXISTS, also for the name of a kept connector of another class; WORKER_INVALID, WORKER_UNKEPT: *e
 * says what is wrong. */
enum worker_result worker_add(struct worker *w, const char *name, const struct props *config,
                              enum connector_state target, struct err *e);
/* The same for a connector that a file describes: it is not kept, nor what is changed in it later. */
enum worker_result worker_add_given(struct worker *w, const char *name, const struct props *config,
                                    enum connector_state target, struct err *e);
/* Replaces the configuration of a connector, which keeps its target state. Secrets given as the mask keep
 * their value. WORKER_UNKNOWN, WORKER_INVALID (the connector goes on as it was). */
enum worker_result worker_update(struct worker *w, const char *name, const struct props *config,
                                 struct err *e);
enum worker_result worker_remove(struct worker *w, const char *name, struct err *e);

enum worker_action { ACTION_PAUSE, ACTION_RESUME, ACTION_STOP, ACTION_RESTART, ACTION_RESTART_FAILED };
enum worker_result worker_act(struct worker *w, const char *name, enum worker_action action, struct err *e);

/* Calls fn while the connector is stopped, its sessions closed, and nothing can start it. WORKER_RUNS: it is
 * not to be stopped, or did not end within ten seconds; else fn's own result. */
typedef enum worker_result worker_stopped(void *ctx, const struct props *config);
enum worker_result worker_while_stopped(struct worker *w, const char *name, worker_stopped *fn, void *ctx);

/* Starts one task again. WORKER_UNKNOWN: no such connector or task. */
enum worker_result worker_restart_task(struct worker *w, const char *name, long task);

/* What one connector looks like now. config: a copy, to be freed by the caller with worker_view_free. */
struct worker_view {
    char *name;
    struct props *config;
    struct connector_status status; /* of the tasks together */
    struct connector_status *tasks; /* each one's */
    int n_tasks;
    bool broken;  /* it cannot be made of its configuration: status.state is FAILED, there are no tasks */
    bool waiting; /* for the former connector of that name to end; status.state is then UNASSIGNED */
};
enum worker_result worker_look(struct worker *w, const char *name, struct worker_view *out);
void worker_view_free(struct worker_view *v);

/* The names in the order of their adding, NULL-terminated, one allocation: free it. */
char **worker_names(struct worker *w);

#endif
