/* worker.h - the connectors of one process, by name: what Kafka Connect calls a worker.
 *
 * All calls are thread-safe and return at once (checking a configuration opens no connection). A connector
 * that is removed or given a new configuration drains on a thread of the worker's own; one of the same name
 * starts only after that. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include "connector.h"

struct worker;

/* Records go to Kafka when bootstrap.servers is set, otherwise to the hub alone. props: the worker file,
 * expanded, and hub (NULL: no browsers) and offsets must outlive the worker. worker_id is made from
 * rest.advertised.host.name and .port, or the first of listeners. ERR_CONFIG: listeners that cannot be read.
 */
struct worker *worker_new(const struct props *props, struct hub *hub, struct offsets *offsets, struct err *e);
void worker_free(struct worker *w); /* stops all connectors, drains them side by side, waits */

/* "host:port" of the REST listener; owned by the worker. */
const char *worker_id(const struct worker *w);
const struct props *worker_props(const struct worker *w);

enum worker_result { WORKER_OK, WORKER_EXISTS, WORKER_UNKNOWN, WORKER_INVALID };

/* Adds a connector and brings it to the target state: RUNNING, PAUSED or STOPPED. The props are copied.
 * WORKER_EXISTS; WORKER_INVALID: *e says what is wrong. */
enum worker_result worker_add(struct worker *w, const char *name, const struct props *config,
                              enum connector_state target, struct err *e);
/* Replaces the configuration of a connector, which keeps its target state. Secrets given as the mask keep
 * their value. WORKER_UNKNOWN, WORKER_INVALID (the connector goes on as it was). */
enum worker_result worker_update(struct worker *w, const char *name, const struct props *config,
                                 struct err *e);
enum worker_result worker_remove(struct worker *w, const char *name);

enum worker_action { ACTION_PAUSE, ACTION_RESUME, ACTION_STOP, ACTION_RESTART, ACTION_RESTART_FAILED };
enum worker_result worker_act(struct worker *w, const char *name, enum worker_action action);

/* What one connector looks like now. config: a copy, to be freed by the caller with worker_view_free. */
struct worker_view {
    char *name;
    struct props *config;
    struct connector_status status;
    bool waiting; /* for the former connector of that name to end; status.state is then UNASSIGNED */
};
enum worker_result worker_look(struct worker *w, const char *name, struct worker_view *out);
void worker_view_free(struct worker_view *v);

/* The names in the order of their adding, NULL-terminated, one allocation: free it. */
char **worker_names(struct worker *w);

#endif
