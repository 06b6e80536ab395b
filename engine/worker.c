/* worker.c - keeps the connectors, under one lock that is never held while something waits.
 *
 * connector_free drains and joins, which takes seconds; the undertaker thread does it. While a connector of a
 * name is being buried, its successor is there but not started: both would want the same slot. */
#include "worker.h"

#include "config.h"
#include "sink.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdlib.h>

#define REST_PRESET "http://127.0.0.1:8083"

struct entry {
    char *name;
    struct connector *connector;
    enum connector_state target; /* RUNNING, PAUSED or STOPPED */
    bool waiting;                /* not started: the former one is still being buried */
};

struct list {
    struct entry **items;
    size_t count;
};

struct worker {
    struct connector_env env;
    char *id;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list live, dying; /* dying: entries that are on their way out, the first of them being buried */
    bool ending;
    pthread_t undertaker;
};

/* ---- lists ---- */

static void list_add(struct list *l, struct entry *e)
{
    l->items = xrealloc(l->items, (l->count + 1) * sizeof(struct entry *));
    l->items[l->count++] = e;
}

static struct entry *list_find(const struct list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i]->name, name) == 0)
            return l->items[i];
    return NULL;
}

static void list_remove(struct list *l, const struct entry *e)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i] == e) {
            memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(struct entry *));
            l->count--;
            return;
        }
}

static struct entry *entry_new(const char *name, struct connector *connector, enum connector_state target)
{
    struct entry *e = xcalloc(1, sizeof *e);
    e->name = xstrdup(name);
    e->connector = connector;
    e->target = target;
    return e;
}

static void entry_free(struct entry *e)
{
    connector_free(e->connector);
    free(e->name);
    free(e);
}

static void entry_apply(struct entry *e)
{
    if (e->waiting)
        return;
    if (e->target == STATE_PAUSED)
        connector_pause(e->connector);
    else if (e->target == STATE_STOPPED)
        connector_stop(e->connector);
    else
        connector_start(e->connector);
}

/* ---- the undertaker ---- */

static void bury(struct worker *w, struct entry *dead)
{
    char *name = xstrdup(dead->name);
    pthread_mutex_unlock(&w->lock);
    connector_free(dead->connector);
    pthread_mutex_lock(&w->lock);
    list_remove(&w->dying, dead);
    free(dead->name);
    free(dead);
    struct entry *next = list_find(&w->live, name);
    if (next && next->waiting && !list_find(&w->dying, name)) {
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
    list_remove(&w->live, e);
    connector_stop(e->connector);
    list_add(&w->dying, e);
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
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->undertaker, NULL, undertaker_run, w) != 0) {
        err_set(e, ERR_FATAL, "cannot start a thread");
        free(w->id);
        free(w);
        return NULL;
    }
    return w;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    for (size_t i = 0; i < w->live.count; i++)
        connector_stop(w->live.items[i]->connector);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->undertaker, NULL);
    for (size_t i = 0; i < w->live.count; i++)
        entry_free(w->live.items[i]);
    free(w->live.items);
    free(w->dying.items);
    free(w->id);
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

/* ---- adding and removing ---- */

/* With the lock held: a new entry, started unless one of that name is still being buried. */
static void enter(struct worker *w, const char *name, struct connector *connector,
                  enum connector_state target)
{
    struct entry *entry = entry_new(name, connector, target);
    entry->waiting = list_find(&w->dying, name) != NULL;
    list_add(&w->live, entry);
    entry_apply(entry);
}

enum worker_result worker_add(struct worker *w, const char *name, const struct props *config,
                              enum connector_state target, struct err *e)
{
    pthread_mutex_lock(&w->lock);
    enum worker_result result = WORKER_OK;
    struct connector *connector = NULL;
    if (list_find(&w->live, name))
        result = WORKER_EXISTS;
    else if (!(connector = connector_new(&w->env, name, config, e)))
        result = WORKER_INVALID;
    else
        enter(w, name, connector, target);
    pthread_mutex_unlock(&w->lock);
    return result;
}

/* With the lock held: the new entry takes the old one's place in the order. */
static void replace(struct worker *w, struct entry *old, struct connector *connector)
{
    size_t at = 0;
    while (w->live.items[at] != old)
        at++;
    struct entry *entry = entry_new(old->name, connector, old->target);
    entry->waiting = true;
    hand_over(w, old);
    list_add(&w->live, entry);
    memmove(&w->live.items[at + 1], &w->live.items[at], (w->live.count - at - 1) * sizeof(struct entry *));
    w->live.items[at] = entry;
}

enum worker_result worker_update(struct worker *w, const char *name, const struct props *config,
                                 struct err *e)
{
    struct props *next = props_copy(config);
    pthread_mutex_lock(&w->lock);
    enum worker_result result = WORKER_OK;
    struct entry *old = list_find(&w->live, name);
    struct connector *connector = NULL;
    if (old)
        config_keep_masked(next, connector_config(old->connector));
    if (!old)
        result = WORKER_UNKNOWN;
    else if (!(connector = connector_new(&w->env, name, next, e)))
        result = WORKER_INVALID;
    else
        replace(w, old, connector);
    pthread_mutex_unlock(&w->lock);
    props_free(next);
    return result;
}

enum worker_result worker_remove(struct worker *w, const char *name)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = list_find(&w->live, name);
    if (entry)
        hand_over(w, entry);
    pthread_mutex_unlock(&w->lock);
    return entry ? WORKER_OK : WORKER_UNKNOWN;
}

/* ---- acting and looking ---- */

static void restart(struct entry *entry, bool failed_only)
{
    struct connector_status status;
    connector_status(entry->connector, &status);
    if (!entry->waiting && entry->target == STATE_RUNNING && (!failed_only || status.state == STATE_FAILED))
        connector_restart(entry->connector);
}

static void act(struct entry *entry, enum worker_action action)
{
    static const enum connector_state targets[] = {STATE_PAUSED, STATE_RUNNING, STATE_STOPPED};
    if (action == ACTION_RESTART || action == ACTION_RESTART_FAILED) {
        restart(entry, action == ACTION_RESTART_FAILED);
        return;
    }
    entry->target = targets[action];
    entry_apply(entry);
}

enum worker_result worker_act(struct worker *w, const char *name, enum worker_action action)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = list_find(&w->live, name);
    if (entry)
        act(entry, action);
    pthread_mutex_unlock(&w->lock);
    return entry ? WORKER_OK : WORKER_UNKNOWN;
}

enum worker_result worker_look(struct worker *w, const char *name, struct worker_view *out)
{
    pthread_mutex_lock(&w->lock);
    struct entry *entry = list_find(&w->live, name);
    if (entry) {
        *out = (struct worker_view){.name = xstrdup(name), .waiting = entry->waiting};
        out->config = props_copy(connector_config(entry->connector));
        connector_status(entry->connector, &out->status);
        if (entry->waiting)
            out->status.state = STATE_UNASSIGNED;
    }
    pthread_mutex_unlock(&w->lock);
    return entry ? WORKER_OK : WORKER_UNKNOWN;
}

void worker_view_free(struct worker_view *v)
{
    props_free(v->config);
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
