/* worker.c - keeps the connectors, under one lock that is never held while something waits.
 *
 * Changes come one at a time, under a second lock, which may be held while one is stored: an entry that was
 * found under it stays. What is stored comes first, then what runs.
 *
 * connector_free drains and joins, which takes seconds; the undertaker thread does it. While a connector of a
 * name is being buried, its successor is there but not started: both would want the same slot. */
#include "worker.h"

#include "clock.h"
#include "config.h"
#include "log.h"
#include "metrics.h"
#include "sink.h"
#include "worker_entry.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REST_PRESET "http://127.0.0.1:8083"

enum { STOP_MS = 10000, STEP_MS = 20 };

struct worker {
    struct connector_env env;
    char *id;
    struct configs *configs; /* NULL: connectors end with the process */
    pthread_mutex_t change;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct entries live, dying; /* dying: entries that are on their way out, the first of them being buried */
    bool ending;
    bool starting; /* atomic */
    pthread_t undertaker;
};

/* ---- the undertaker ---- */

static void bury(struct worker *w, struct entry *dead)
{
    char *name = xstrdup(dead->name);
    pthread_mutex_unlock(&w->lock);
    connector_free(dead->connector);
    pthread_mutex_lock(&w->lock);
    entries_remove(&w->dying, dead);
    dead->connector = NULL;
    entry_free(dead);
    struct entry *next = entries_find(&w->live, name);
    if (next && next->waiting && !entries_find(&w->dying, name)) {
        next->waiting = false;
        entry_apply(next);
    }
    free(name);
}

static void *undertaker_run(void *arg)
{
    struct worker *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->dying.count && !w->ending)
            pthread_cond_wait(&w->wake, &w->lock);
        if (!w->dying.count)
            break;
        bury(w, w->dying.items[0]);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* With the lock held. */
static void hand_over(struct worker *w, struct entry *e)
{
    entries_remove(&w->live, e);
    if (!e->connector) {
        entry_free(e);
        return;
    }
    connector_stop(e->connector);
    entries_add(&w->dying, e);
    pthread_cond_signal(&w->wake);
}

/* ---- life ---- */

/* "http://127.0.0.1:8083,..." gives "127.0.0.1:8083"; the advertised name and port come first, as in Connect.
 */
static char *make_id(const struct props *props, struct err *e)
{
    const char *listener = props_get_or(props, "listeners", "none");
    if (strcmp(listener, "none") == 0 || !*listener)
        listener = REST_PRESET; /* without REST it is still the name in headers */
    const char *at = strstr(listener, "://");
    at = at ? at + 3 : listener;
    struct slice address = {at, strcspn(at, ", /")};
    const char *colon = memrchr(address.ptr, ':', address.len);
    if (!colon || colon + 1 == address.ptr + address.len) {
        err_set(e, ERR_CONFIG, "listeners=%s: no port in it; write http://127.0.0.1:8083", listener);
        return NULL;
    }
    struct slice host = {at, (size_t)(colon - at)},
                 port = {colon + 1, (size_t)(address.ptr + address.len - colon - 1)};
    const char *advertised_host = props_get(props, "rest.advertised.host.name");
    const char *advertised_port = props_get(props, "rest.advertised.port");
    host = advertised_host ? slice_of(advertised_host) : host.len ? host : SLICE("127.0.0.1");
    port = advertised_port ? slice_of(advertised_port) : port;
    return xasprintf(SLICE_FMT ":" SLICE_FMT, SLICE_ARG(host), SLICE_ARG(port));
}

struct worker *worker_new(const struct props *props, struct hub *hub, struct offsets *offsets, struct err *e)
{
    char *id = make_id(props, e);
    if (!id)
        return NULL;
    struct worker *w = xcalloc(1, sizeof *w);
    w->id = id;
    const struct sink_type *sink = props_get(props, "bootstrap.servers") ? &kafka_sink : &null_sink;
    w->env = (struct connector_env){
        .worker = props, .offsets = offsets, .hub = hub, .worker_id = id, .sink = sink};
    w->env.activity = activity_new();
    w->env.metrics = metrics_new();
    pthread_mutex_init(&w->change, NULL);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->undertaker, NULL, undertaker_run, w) != 0) {
        err_set(e, ERR_FATAL, "cannot start a thread");
        activity_free(w->env.activity);
        metrics_free(w->env.metrics);
        free(w->id);
        free(w);
        return NULL;
    }
    return w;
}

static void stop_all(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->live.count; i++)
        if (w->live.items[i]->connector)
            connector_stop(w->live.items[i]->connector);
    pthread_mutex_unlock(&w->lock);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    stop_all(w);
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->undertaker, NULL);
    for (size_t i = 0; i < w->live.count; i++)
        entry_free(w->live.items[i]);
    free(w->live.items);
    free(w->dying.items);
    free(w->id);
    activity_free(w->env.activity);
    metrics_free(w->env.metrics);
    pthread_mutex_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w);
}

const char *worker_id(const struct worker *w)
{
    return w->id;
}

const struct props *worker_props(const struct worker *w)
{
    return w->env.worker;
}

struct activity *worker_activity(const struct worker *w)
{
    return w->env.activity;
}

struct metrics *worker_metrics(const struct worker *w)
{
    return w->env.metrics;
}

struct offsets *worker_offsets(const struct worker *w)
{
    return w->env.offsets;
}

struct hub *worker_hub(const struct worker *w)
{
    return w->env.hub;
}

void worker_keep(struct worker *w, struct configs *configs)
{
    w->configs = configs;
}

void worker_set_starting(struct worker *w, bool starting)
{
    __atomic_store_n(&w->starting, starting, __ATOMIC_RELEASE);
}

bool worker_starting(const struct worker *w)
{
    return __atomic_load_n(&w->starting, __ATOMIC_ACQUIRE);
}

/* With the lock for changes held. */
static struct entry *find(struct worker *w, const char *name)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = entries_find(&w->live, name);
    pthread_mutex_unlock(&w->lock);
    return entry;
}

/* ---- adding and removing ---- */

/* A new entry, started unless one of that name is still being buried. */
static void enter(struct worker *w, struct entry *entry)
{
    pthread_mutex_lock(&w->lock);
    entry->waiting = entries_find(&w->dying, entry->name) != NULL;
    entries_add(&w->live, entry);
    entry_apply(entry);
    pthread_mutex_unlock(&w->lock);
}

static enum worker_result add(struct worker *w, const char *name, const struct props *config,
                              enum connector_state target, bool kept, struct err *e)
{
    if (find(w, name) || (w->configs && configs_foreign(w->configs, name)))
        return WORKER_EXISTS;
    struct connector *connector = connector_new(&w->env, name, config, e);
    if (!connector)
        return WORKER_INVALID;
    int tasks = target == STATE_RUNNING ? connector_tasks(connector) : 0;
    if (kept && !configs_put(w->configs, name, config, target, tasks, true, e)) {
        connector_free(connector);
        return WORKER_UNKEPT;
    }
    struct entry *entry = entry_new(name, connector, config, target);
    entry->kept = kept;
    enter(w, entry);
    return WORKER_OK;
}

enum worker_result worker_add(struct worker *w, const char *name, const struct props *config,
                              enum connector_state target, struct err *e)
{
    pthread_mutex_lock(&w->change);
    enum worker_result result = add(w, name, config, target, w->configs != NULL, e);
    pthread_mutex_unlock(&w->change);
    return result;
}

enum worker_result worker_add_given(struct worker *w, const char *name, const struct props *config,
                                    enum connector_state target, struct err *e)
{
    pthread_mutex_lock(&w->change);
    enum worker_result result = add(w, name, config, target, false, e);
    pthread_mutex_unlock(&w->change);
    return result;
}

static void restore(void *ctx, const char *name, struct props *config, enum connector_state target)
{
    struct worker *w = ctx;
    if (find(w, name)) {
        log_info("connector %s is taken from its file; the one in %s is left alone", name,
                 configs_place(w->configs));
    } else {
        struct err e = {0};
        struct entry *entry = entry_new(name, connector_new(&w->env, name, config, &e), config, target);
        entry->kept = true;
        entry->tasked = target != STATE_STOPPED;
        entry->broken = e;
        if (!entry->connector)
            log_error("connector %s of %s cannot be started: %s", name, configs_place(w->configs), e.text);
        enter(w, entry);
    }
    props_free(config);
}

bool worker_restore(struct worker *w, struct err *e)
{
    pthread_mutex_lock(&w->change);
    bool ok = !w->configs || configs_load(w->configs, restore, w, e);
    pthread_mutex_unlock(&w->change);
    return ok;
}

/* The new entry takes the old one's place in the order. */
static void replace(struct worker *w, struct entry *old, struct connector *connector,
                    const struct props *given)
{
    pthread_mutex_lock(&w->lock);
    size_t at = 0;
    while (w->live.items[at] != old)
        at++;
    struct entry *entry = entry_new(old->name, connector, given, old->target);
    entry->kept = old->kept;
    entry->tasked = old->tasked;
    hand_over(w, old);
    entry->waiting = entries_find(&w->dying, entry->name) != NULL;
    entries_add(&w->live, entry);
    memmove(&w->live.items[at + 1], &w->live.items[at], (w->live.count - at - 1) * sizeof(struct entry *));
    w->live.items[at] = entry;
    entry_apply(entry);
    pthread_mutex_unlock(&w->lock);
}

static enum worker_result update(struct worker *w, struct entry *old, const struct props *next, struct err *e)
{
    struct connector *connector = connector_new(&w->env, old->name, next, e);
    if (!connector)
        return WORKER_INVALID;
    if (old->kept && !configs_put(w->configs, old->name, next, old->target,
                                  old->tasked ? connector_tasks(connector) : 0, false, e)) {
        connector_free(connector);
        return WORKER_UNKEPT;
    }
    replace(w, old, connector, next);
    return WORKER_OK;
}

enum worker_result worker_update(struct worker *w, const char *name, const struct props *config,
                                 struct err *e)
{
    struct props *next = props_copy(config);
    pthread_mutex_lock(&w->change);
    enum worker_result result = WORKER_UNKNOWN;
    struct entry *old = find(w, name);
    if (old) {
        config_keep_masked(next, old->given);
        result = update(w, old, next, e);
    }
    pthread_mutex_unlock(&w->change);
    props_free(next);
    return result;
}

enum worker_result worker_remove(struct worker *w, const char *name, struct err *e)
{
    pthread_mutex_lock(&w->change);
    struct entry *entry = find(w, name);
    enum worker_result result = !entry ? WORKER_UNKNOWN : WORKER_OK;
    if (entry && entry->kept && !configs_remove(w->configs, name, e))
        result = WORKER_UNKEPT;
    if (result == WORKER_OK) {
        pthread_mutex_lock(&w->lock);
        hand_over(w, entry);
        pthread_mutex_unlock(&w->lock);
        activity_forget(w->env.activity, name);
    }
    pthread_mutex_unlock(&w->change);
    return result;
}

/* ---- acting and looking ---- */

/* What a broken one lacked, such as a variable of the environment, may be there now. */
static void mend(struct worker *w, struct entry *entry)
{
    entry->broken = (struct err){0};
    entry->connector = connector_new(&w->env, entry->name, entry->given, &entry->broken);
    entry_apply(entry);
}

/* With the lock held. */
static void restart(struct worker *w, struct entry *entry, bool failed_only)
{
    if (!entry->connector)
        mend(w, entry);
    if (!entry->connector || entry->waiting || entry->target != STATE_RUNNING)
        return;
    for (int i = 0; i < connector_tasks(entry->connector); i++) {
        struct connector_status status;
        connector_task_status(entry->connector, i, &status);
        if (!failed_only || status.state == STATE_FAILED)
            connector_task_restart(entry->connector, i);
    }
}

static enum worker_result act(struct worker *w, struct entry *entry, enum worker_action action, struct err *e)
{
    static const enum connector_state targets[] = {STATE_PAUSED, STATE_RUNNING, STATE_STOPPED};
    bool restarts = action == ACTION_RESTART || action == ACTION_RESTART_FAILED;
    if (!restarts && entry->kept && entry->target != targets[action] &&
        !configs_target(w->configs, entry->name, entry->given, targets[action],
                        action == ACTION_RESUME && entry->connector ? connector_tasks(entry->connector) : 0,
                        e))
        return WORKER_UNKEPT;
    pthread_mutex_lock(&w->lock);
    if (restarts) {
        restart(w, entry, action == ACTION_RESTART_FAILED);
    } else {
        entry_aim(entry, targets[action]);
        entry_apply(entry);
    }
    pthread_mutex_unlock(&w->lock);
    return WORKER_OK;
}

enum worker_result worker_act(struct worker *w, const char *name, enum worker_action action, struct err *e)
{
    pthread_mutex_lock(&w->change);
    struct entry *entry = find(w, name);
    enum worker_result result = entry ? act(w, entry, action, e) : WORKER_UNKNOWN;
    pthread_mutex_unlock(&w->change);
    return result;
}

enum worker_result worker_restart_task(struct worker *w, const char *name, long task)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = entries_find(&w->live, name);
    bool known = entry && task >= 0 && task < entry_tasks(entry);
    if (known && !entry->waiting && entry->target == STATE_RUNNING)
        connector_task_restart(entry->connector, (int)task);
    pthread_mutex_unlock(&w->lock);
    return known ? WORKER_OK : WORKER_UNKNOWN;
}

/* With the lock for changes held, so that the connector stays. */
static bool wait_stopped(struct worker *w, struct entry *entry)
{
    for (int64_t end = clock_mono_ms() + STOP_MS; clock_mono_ms() < end;) {
        pthread_mutex_lock(&w->lock);
        bool waiting = entry->waiting;
        pthread_mutex_unlock(&w->lock);
        if (!waiting && (!entry->connector || connector_wait(entry->connector, STOP_MS)))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
    }
    return false;
}

void worker_stop(struct worker *w)
{
    if (!w)
        return;
    stop_all(w); /* a change may wait for Kafka: they need not wait for it */
    pthread_mutex_lock(&w->change);
    stop_all(w);
    for (size_t i = 0; i < w->live.count; i++)
        wait_stopped(w, w->live.items[i]);
    pthread_mutex_unlock(&w->change);
}

enum worker_result worker_while_stopped(struct worker *w, const char *name, worker_stopped *fn, void *ctx)
{
    pthread_mutex_lock(&w->change);
    struct entry *entry = find(w, name);
    enum worker_result result = WORKER_UNKNOWN;
    if (entry && (entry->target != STATE_STOPPED || !wait_stopped(w, entry)))
        result = WORKER_RUNS;
    else if (entry)
        result = fn(ctx, entry->given);
    pthread_mutex_unlock(&w->change);
    return result;
}

static void look_at_tasks(struct connector *c, int n_tasks, struct worker_view *out)
{
    out->n_tasks = n_tasks;
    out->tasks = xcalloc((size_t)out->n_tasks, sizeof *out->tasks);
    for (int i = 0; i < out->n_tasks; i++) {
        connector_task_status(c, i, &out->tasks[i]);
        if (out->waiting)
            out->tasks[i].state = STATE_UNASSIGNED;
    }
}

static void look_at(struct connector *c, int n_tasks, struct worker_view *out)
{
    connector_status(c, &out->status);
    look_at_tasks(c, n_tasks, out);
    if (out->waiting)
        out->status.state = STATE_UNASSIGNED;
}

static void look_at_broken(const struct entry *entry, struct worker_view *out)
{
    out->broken = entry->target != STATE_STOPPED;
    out->status =
        (struct connector_status){.state = out->broken ? STATE_FAILED : STATE_STOPPED, .lag_ms = -1};
    snprintf(out->status.trace, sizeof out->status.trace, "%s", out->broken ? entry->broken.text : "");
}

enum worker_result worker_look(struct worker *w, const char *name, struct worker_view *out)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = entries_find(&w->live, name);
    if (entry) {
        *out = (struct worker_view){.name = xstrdup(name), .waiting = entry->waiting};
        out->config = props_copy(entry->given);
        if (entry->connector)
            look_at(entry->connector, entry_tasks(entry), out);
        else
            look_at_broken(entry, out);
    }
    pthread_mutex_unlock(&w->lock);
    return entry ? WORKER_OK : WORKER_UNKNOWN;
}

void worker_view_free(struct worker_view *v)
{
    props_free(v->config);
    free(v->tasks);
    free(v->name);
}

char **worker_names(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    size_t bytes = 0, n = w->live.count;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(w->live.items[i]->name) + 1;
    char **names = xmalloc((n + 1) * sizeof *names + bytes), *at = (char *)(names + n + 1);
    for (size_t i = 0; i < n; i++) {
        names[i] = at;
        at = stpcpy(at, w->live.items[i]->name) + 1;
    }
    names[n] = NULL;
    pthread_mutex_unlock(&w->lock);
    return names;
}
