/* api_connectors.c - /connectors and what is below it.
 *
 * A walwire connector is its tasks, one a slot; Connect shows a connector beside them. A failed one therefore
 * looks as Debezium's would: connector RUNNING, task FAILED with a trace. */
#include "api.h"

#include "config.h"
#include "json.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- bodies ---- */

static bool has_task(const struct worker_view *v)
{
    bool standby =
        v->status.state == STATE_UNASSIGNED && !v->waiting && strcmp(v->status.step, "standby") == 0;
    return standby || (v->status.state != STATE_STOPPED && v->status.state != STATE_UNASSIGNED);
}

static void append_info(struct buf *b, const struct worker_view *v, bool tasks)
{
    BUF_LIT(b, "{");
    json_field(b, "name", v->name);
    json_key(b, "config");
    config_json_masked(b, v->config);
    json_key(b, "tasks");
    BUF_LIT(b, "[");
    for (int i = 0; tasks && i < v->n_tasks; i++) {
        buf_str(b, i ? ",{" : "{");
        json_field(b, "connector", v->name);
        json_field_i64(b, "task", i);
        BUF_LIT(b, "}");
    }
    BUF_LIT(b, "]");
    json_field(b, "type", "source");
    BUF_LIT(b, "}");
}

/* {"state":..,"worker_id":..,"version":..,"trace":..}; id < 0: not a task. */
static void append_state(struct buf *b, const struct api_call *call, enum connector_state state, int id,
                         const char *trace)
{
    BUF_LIT(b, "{");
    if (id >= 0)
        json_field_i64(b, "id", id);
    json_field(b, "state", connector_state_name(state));
    json_field(b, "worker_id", worker_id(call->worker));
    json_field(b, "version", WALWIRE_VERSION);
    if (*trace)
        json_field(b, "trace", trace);
    BUF_LIT(b, "}");
}

static void append_task(struct buf *b, const struct api_call *call, const struct worker_view *v, int task)
{
    append_state(b, call, v->tasks[task].state, task, v->tasks[task].trace);
}

/* A connector fails as such only when it cannot be made of its configuration; else its task does. */
static void append_connector(struct buf *b, const struct api_call *call, const struct worker_view *v)
{
    bool task_failed = v->status.state == STATE_FAILED && !v->broken;
    append_state(b, call, task_failed ? STATE_RUNNING : v->status.state, -1,
                 v->broken ? v->status.trace : "");
}

static void append_status(struct buf *b, const struct api_call *call, const struct worker_view *v)
{
    BUF_LIT(b, "{");
    json_field(b, "name", v->name);
    json_key(b, "connector");
    append_connector(b, call, v);
    json_key(b, "tasks");
    BUF_LIT(b, "[");
    for (int i = 0; has_task(v) && i < v->n_tasks; i++) {
        buf_str(b, i ? "," : "");
        append_task(b, call, v, i);
    }
    BUF_LIT(b, "]");
    json_field(b, "type", "source");
    BUF_LIT(b, "}");
}

/* The connector of the path; false: answered 404 in the given words. */
static bool look(struct api_call *call, struct worker_view *v, const char *before, const char *after)
{
    if (worker_look(call->worker, call->params[0], v) == WORKER_OK)
        return true;
    api_error(call, 404, "%s%s%s", before, call->params[0], after);
    return false;
}

static bool look_connector(struct api_call *call, struct worker_view *v)
{
    return look(call, v, "Connector ", " not found");
}

/* ---- reading ---- */

static void append_expanded(struct buf *b, struct api_call *call, const char *name)
{
    struct worker_view v;
    if (worker_look(call->worker, name, &v) != WORKER_OK)
        return;
    json_comma(b);
    json_string(b, slice_of(name));
    BUF_LIT(b, ":{");
    if (api_query(call, "expand", "status")) {
        BUF_LIT(b, "\"status\":");
        append_status(b, call, &v);
    }
    if (api_query(call, "expand", "info")) {
        json_key(b, "info");
        append_info(b, &v, true);
    }
    BUF_LIT(b, "}");
    worker_view_free(&v);
}

static void get_connectors(struct api_call *call)
{
    bool expand = api_query(call, "expand", NULL);
    char **names = worker_names(call->worker);
    struct buf *b = api_json(call, 200);
    buf_char(b, expand ? '{' : '[');
    for (size_t i = 0; names[i]; i++) {
        if (expand) {
            append_expanded(b, call, names[i]);
        } else {
            json_comma(b);
            json_string(b, slice_of(names[i]));
        }
    }
    buf_char(b, expand ? '}' : ']');
    free(names);
}

static void get_connector(struct api_call *call)
{
    struct worker_view v;
    if (!look_connector(call, &v))
        return;
    append_info(api_json(call, 200), &v, true);
    worker_view_free(&v);
}

static void get_config(struct api_call *call)
{
    struct worker_view v;
    if (!look_connector(call, &v))
        return;
    config_json_masked(api_json(call, 200), v.config);
    worker_view_free(&v);
}

static void get_status(struct api_call *call)
{
    struct worker_view v;
    if (!look(call, &v, "No status found for connector ", ""))
        return;
    append_status(api_json(call, 200), call, &v);
    worker_view_free(&v);
}

static void get_tasks(struct api_call *call)
{
    struct worker_view v;
    if (!look_connector(call, &v))
        return;
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "[");
    props_set(v.config, "task.class", "io.debezium.connector.postgresql.PostgresConnectorTask");
    for (int i = 0; i < v.n_tasks; i++) {
        buf_str(b, i ? ",{\"id\":{" : "{\"id\":{");
        json_field(b, "connector", v.name);
        json_field_i64(b, "task", i);
        BUF_LIT(b, "},\"config\":");
        config_json_masked(b, v.config);
        BUF_LIT(b, "}");
    }
    BUF_LIT(b, "]");
    worker_view_free(&v);
}

/* The task of the path as a number; false: answered 404, as Connect does where it expects one. */
static bool task_number(struct api_call *call, long *number)
{
    char *end;
    *number = strtol(call->params[1], &end, 10);
    if (!*end && *number >= INT32_MIN && *number <= INT32_MAX)
        return true;
    api_error(call, 404, "HTTP 404 Not Found");
    return false;
}

static void get_task_status(struct api_call *call)
{
    struct worker_view v;
    long number;
    if (!task_number(call, &number))
        return;
    bool known = worker_look(call->worker, call->params[0], &v) == WORKER_OK;
    if (known && number >= 0 && number < v.n_tasks && has_task(&v))
        append_task(api_json(call, 200), call, &v, (int)number);
    else
        api_error(call, 404, "No status found for task %s-%ld", call->params[0], number);
    if (known)
        worker_view_free(&v);
}

/* ---- writing ---- */

/* Puts the name into the configuration, as Connect does; false: answered 400. */
static bool settle_name(struct api_call *call, const char *name, struct props *config)
{
    const char *own = props_get(config, "name");
    if (own && strcmp(own, name) != 0) {
        api_error(call, 400, "Connector name configuration (%s) doesn't match connector name in the URL (%s)",
                  own, name);
        return false;
    }
    props_set(config, "name", name);
    const char *class_name = props_get(config, "connector.class");
    if (!class_name)
        api_no_class(call, config);
    else if (!configs_our_class(class_name))
        api_error(call, 400,
                  "Failed to find any class that implements Connector and which name matches %s, available "
                  "connectors are: PluginDesc{name='io.debezium.connector.postgresql.PostgresConnector', "
                  "version='" WALWIRE_VERSION "', type=source}",
                  class_name);
    return class_name && configs_our_class(class_name);
}

static void add_location(struct api_call *call, const char *name)
{
    struct buf b = {0};
    const char *host = call->request->host;
    buf_printf(&b, "%s://%s/connectors/", call->request->secure ? "https" : "http",
               *host ? host : worker_id(call->worker));
    for (; *name; name++)
        buf_printf(&b, isalnum((unsigned char)*name) || strchr("-_.~:@!$&'()*+,;=", *name) ? "%c" : "%%%02X",
                   (unsigned char)*name);
    http_reply_header(call->reply, "Location", b.ptr);
    buf_free(&b);
}

static void answer_change(struct api_call *call, const char *name, enum worker_result result, bool created,
                          const struct err *e)
{
    struct worker_view v;
    if (result == WORKER_EXISTS)
        api_error(call, 409, "Connector %s already exists", name);
    else if (result == WORKER_INVALID || result == WORKER_UNKEPT)
        api_error(call, result == WORKER_INVALID ? 400 : 500, "%s", e->text);
    else if (result == WORKER_UNKNOWN || worker_look(call->worker, name, &v) != WORKER_OK)
        api_error(call, 404, "Connector %s not found", name);
    else {
        append_info(api_json(call, created ? 201 : 200), &v, !created);
        worker_view_free(&v);
        if (created)
            add_location(call, name);
    }
}

static void create(struct api_call *call, const char *name, struct props *config, enum connector_state target)
{
    struct err e = {0};
    if (settle_name(call, name, config) && !api_reject_invalid(call, name, config))
        answer_change(call, name, worker_add(call->worker, name, config, target, &e), true, &e);
}

/* Connect takes any name; one that no path can hold could never be looked at or deleted. */
static bool addressable(struct api_call *call, const char *name)
{
    bool good = !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                strlen(name) < sizeof call->params[0];
    if (!good)
        api_error(call, 400,
                  "Connector name %.300s cannot be written in a path: it is too long, . or .., or holds a /",
                  name);
    return good;
}

static void post_connectors(struct api_call *call)
{
    struct api_create body = {0};
    if (api_body_create(call, &body) && addressable(call, body.name))
        create(call, body.name, body.config, body.target);
    free(body.name);
    props_free(body.config);
}

/* Takes over the configuration, in place of what is stored, or as a new connector. */
static void put_props(struct api_call *call, struct props *next)
{
    const char *name = call->params[0];
    struct worker_view v;
    struct err e = {0};
    if (worker_look(call->worker, name, &v) != WORKER_OK) {
        create(call, name, next, STATE_RUNNING);
        return;
    }
    config_keep_masked(next, v.config);
    worker_view_free(&v);
    if (settle_name(call, name, next) && !api_reject_invalid(call, name, next))
        answer_change(call, name, worker_update(call->worker, name, next, &e), false, &e);
}

/* Requests are answered by several threads: of two that change a part of one configuration, none may be
 * lost. */
static pthread_mutex_t one_change = PTHREAD_MUTEX_INITIALIZER;

static void put_config(struct api_call *call)
{
    struct props *next = api_body_props(call);
    pthread_mutex_lock(&one_change);
    if (next)
        put_props(call, next);
    pthread_mutex_unlock(&one_change);
    props_free(next);
}

static void patch_config(struct api_call *call)
{
    struct worker_view v;
    pthread_mutex_lock(&one_change);
    if (look_connector(call, &v)) {
        if (api_body_patch(call, v.config))
            put_props(call, v.config);
        worker_view_free(&v);
    }
    pthread_mutex_unlock(&one_change);
}

static void delete_connector(struct api_call *call)
{
    struct err e = {0};
    enum worker_result result = worker_remove(call->worker, call->params[0], &e);
    if (result == WORKER_OK)
        api_empty(call, 204);
    else if (result == WORKER_UNKEPT)
        api_error(call, 500, "%s", e.text);
    else
        api_error(call, 404, "Connector %s not found", call->params[0]);
}

static void change_state(struct api_call *call, enum worker_action action, int status)
{
    struct err e = {0};
    enum worker_result result = worker_act(call->worker, call->params[0], action, &e);
    if (result == WORKER_OK)
        api_empty(call, status);
    else if (result == WORKER_UNKEPT)
        api_error(call, 500, "%s", e.text);
    else
        api_error(call, 404, "Unknown connector %s", call->params[0]);
}

static void put_pause(struct api_call *call)
{
    change_state(call, ACTION_PAUSE, 202);
}

static void put_resume(struct api_call *call)
{
    change_state(call, ACTION_RESUME, 202);
}

static void put_stop(struct api_call *call)
{
    change_state(call, ACTION_STOP, 204);
}

/* As Connect's plan of a restart: what it takes is shown as what it is about to be. */
static bool mark_restarting(struct worker_view *v, bool tasks_too, bool failed_only)
{
    bool any = !failed_only || v->broken;
    if (!has_task(v))
        v->n_tasks = 0;
    for (int i = 0; tasks_too && i < v->n_tasks; i++)
        if (!failed_only || v->tasks[i].state == STATE_FAILED) {
            v->tasks[i].state = STATE_RESTARTING;
            any = true;
        }
    if (!failed_only || v->broken)
        v->status.state = STATE_RESTARTING;
    v->broken = false;
    return any;
}

static bool query_true(const struct api_call *call, const char *name)
{
    return api_query(call, name, "true") || api_query(call, name, "TRUE") || api_query(call, name, "True");
}

/* Connect restarts tasks only when asked to; here the two are one, and a plain restart takes them too. With a
 * query the answer is a status, as Connect's. */
static void post_restart(struct api_call *call)
{
    struct worker_view v;
    struct err e = {0};
    if (!look(call, &v, "Unknown connector: ", ""))
        return;
    bool failed_only = query_true(call, "onlyFailed"), tasks_too = query_true(call, "includeTasks");
    if (mark_restarting(&v, tasks_too, failed_only))
        worker_act(call->worker, v.name, failed_only ? ACTION_RESTART_FAILED : ACTION_RESTART, &e);
    api_empty(call, 204);
    if (failed_only || tasks_too)
        append_status(api_json(call, 202), call, &v);
    worker_view_free(&v);
}

static void post_task_restart(struct api_call *call)
{
    struct worker_view v;
    long number;
    if (!task_number(call, &number) || !look(call, &v, "Unknown connector: ", ""))
        return;
    if (has_task(&v) && worker_restart_task(call->worker, v.name, number) == WORKER_OK) {
        api_empty(call, 204);
    } else {
        api_error(call, 404, "Unknown task: %s-%ld", v.name, number);
    }
    worker_view_free(&v);
}

const struct api_route api_routes_connectors[] = {
    {"GET", "/connectors", get_connectors, "names; with ?expand=status and ?expand=info all about them"},
    {"POST", "/connectors", post_connectors, "creates a connector"},
    {"GET", "/connectors/{name}", get_connector, "configuration and tasks"},
    {"DELETE", "/connectors/{name}", delete_connector,
     "removes a connector; its slot, publication and position stay"},
    {"GET", "/connectors/{name}/config", get_config, "configuration"},
    {"PUT", "/connectors/{name}/config", put_config, "replaces the configuration, or creates the connector"},
    {"PATCH", "/connectors/{name}/config", patch_config, "changes some options; null removes one"},
    {"GET", "/connectors/{name}/status", get_status, "state, and why it failed"},
    {"PUT", "/connectors/{name}/pause", put_pause, "pauses reading"},
    {"PUT", "/connectors/{name}/resume", put_resume, "goes on after pause or stop"},
    {"PUT", "/connectors/{name}/stop", put_stop, "stops and closes all sessions"},
    {"POST", "/connectors/{name}/restart", post_restart, "starts again; ?onlyFailed=true only if it failed"},
    {"GET", "/connectors/{name}/tasks", get_tasks, "the tasks: one, or walwire.slots"},
    {"GET", "/connectors/{name}/tasks/{task}/status", get_task_status, "its state"},
    {"POST", "/connectors/{name}/tasks/{task}/restart", post_task_restart, "starts it again"},
    {NULL},
};
