/* connector.c - a connector's life: run the pipeline, wait, run again; say how it is going.
 *
 * A connector is as many tasks as it has slots (walwire.slots), each a thread with a pipeline of its own;
 * they share nothing but the wishes of their owner. One is the plain case. */
#include "connector.h"

#include "clock.h"
#include "config.h"
#include "log.h"
#include "pipeline.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum wish { WISH_RUN, WISH_PAUSE, WISH_STOP, WISH_RESTART, WISH_END };

struct task {
    const struct connector_env *env;
    struct config *config;
    struct live *live;
    struct pipeline_face face;
    pthread_t thread;
    bool started;
    pthread_cond_t changed; /* with face.mutex: wish, ended */
    enum wish wish;
    bool ended;
};

struct connector {
    struct props *given;
    int n;
    struct task *tasks;
};

static const char *const names[] = {"UNASSIGNED", "RUNNING", "PAUSED", "STOPPED", "FAILED", "RESTARTING"};

const char *connector_state_name(enum connector_state s)
{
    return names[s];
}

/* ---- the thread ---- */

static void set_state(struct task *t, enum connector_state state, const char *step, const char *trace)
{
    pthread_mutex_lock(&t->face.mutex);
    t->face.status.state = state;
    t->face.status.step = step;
    snprintf(t->face.status.trace, sizeof t->face.status.trace, "%s", trace);
    pthread_mutex_unlock(&t->face.mutex);
}

static enum wish wish_now(struct task *t)
{
    pthread_mutex_lock(&t->face.mutex);
    enum wish w = t->wish;
    pthread_mutex_unlock(&t->face.mutex);
    return w;
}

/* Waits until the wish is another than RUN, at most ms; a restart counts as done once it is seen. */
static enum wish wait_wish(struct task *t, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&t->face.mutex);
    while (t->wish == WISH_RUN && pthread_cond_timedwait(&t->changed, &t->face.mutex, &until) == 0)
        ;
    enum wish w = t->wish;
    pthread_mutex_unlock(&t->face.mutex);
    return w;
}

/* Rests as paused, stopped or failed until something else is wished. */
static enum wish rest(struct task *t, enum wish resting)
{
    pthread_mutex_lock(&t->face.mutex);
    if (t->wish == WISH_RUN && resting != WISH_RUN)
        t->wish = resting;
    t->ended = true;
    pthread_cond_broadcast(&t->changed);
    while (t->wish == resting)
        pthread_cond_wait(&t->changed, &t->face.mutex);
    enum wish w = t->wish;
    t->ended = false;
    pthread_mutex_unlock(&t->face.mutex);
    return w;
}

static void begin_run(struct task *t)
{
    pthread_mutex_lock(&t->face.mutex);
    if (t->wish == WISH_RESTART)
        t->wish = WISH_RUN;
    atomic_store(&t->face.stop, t->wish != WISH_RUN);
    t->face.renew = false; /* of a run that ended in a pause or stop */
    struct connector_status *s = &t->face.status;
    *s = (struct connector_status){.state = STATE_RUNNING, .step = "connect", .lag_ms = -1};
    pthread_mutex_unlock(&t->face.mutex);
}

/* A run that got as far as reading starts the counting of failed tries anew. */
static bool run_went_well(struct task *t)
{
    pthread_mutex_lock(&t->face.mutex);
    const char *step = t->face.status.step;
    bool well = strcmp(step, "stream") == 0 || strcmp(step, "snapshot") == 0 || strcmp(step, "drain") == 0 ||
                strcmp(step, "standby") == 0;
    pthread_mutex_unlock(&t->face.mutex);
    return well;
}

static bool may_retry(const struct task *t, const struct err *e, unsigned tries)
{
    int most = t->config->errors_max_retries;
    return e->kind == ERR_RETRY && (most < 0 || tries < (unsigned)most);
}

static void back_off(struct task *t, const struct err *e, unsigned tries)
{
    int most = t->config->retry_wait_ms;
    int ms = backoff_ms(tries, 500, most > 500 ? most : 500);
    log_warn("%s; trying again in %d ms", e->text, ms);
    set_state(t, STATE_RUNNING, "backoff", e->text);
    wait_wish(t, ms);
}

/* One run and what follows from how it ended. */
static enum wish run_once(struct task *t, unsigned *tries)
{
    struct err e = {0};
    begin_run(t);
    bool ok = pipeline_run(t->env, t->config, t->live, &t->face, &e);
    if (run_went_well(t))
        *tries = 0;
    enum wish w = wish_now(t);
    if (w != WISH_RUN)
        return w;
    if (ok || t->face.renew) {
        if (!ok)
            log_info("%s", e.text);
        return WISH_RUN;
    }
    if (may_retry(t, &e, *tries)) {
        back_off(t, &e, (*tries)++);
        return wish_now(t);
    }
    if (!t->env->temporary) /* whose command tells it, and knows what is no error to its user */
        log_error("%s", e.text);
    set_state(t, STATE_FAILED, "failed", e.text);
    *tries = 0;
    return rest(t, WISH_RUN);
}

static void *task_run(void *arg)
{
    struct task *t = arg;
    unsigned tries = 0;
    log_set_context(t->config->label);
    for (enum wish w = wish_now(t); w != WISH_END;) {
        switch (w) {
        case WISH_RUN:
        case WISH_RESTART:
            w = run_once(t, &tries);
            break;
        case WISH_PAUSE:
            set_state(t, STATE_PAUSED, "paused", "");
            w = rest(t, WISH_PAUSE);
            break;
        case WISH_STOP:
            set_state(t, STATE_STOPPED, "stopped", "");
            w = rest(t, WISH_STOP);
            break;
        case WISH_END:
            break;
        }
    }
    set_state(t, STATE_STOPPED, "stopped", "");
    pthread_mutex_lock(&t->face.mutex);
    t->ended = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->face.mutex);
    return NULL;
}

/* ---- a task from outside ---- */

static void wish(struct task *t, enum wish w)
{
    pthread_mutex_lock(&t->face.mutex);
    bool rests = t->ended;
    /* The thread rests as failed under the wish RUN: only another wish wakes it. */
    t->wish = w == WISH_RUN && rests && t->face.status.state == STATE_FAILED ? WISH_RESTART : w;
    atomic_store(&t->face.stop, w != WISH_RUN);
    struct connector_status *s = &t->face.status;
    if (t->wish == WISH_RESTART &&
        s->state == STATE_FAILED) /* who asks right after must not hear of the old failure */
        *s = (struct connector_status){.state = STATE_RUNNING, .step = "connect", .lag_ms = -1};
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->face.mutex);
    wake_signal(t->face.wake_fd);
}

/* The hub knows a connector by its name: one that never starts must not end the browsers of the running one
 * of the same name. */
static void task_start(struct task *t)
{
    if (t->env->hub && !t->live)
        t->live = live_new(t->env->hub, t->config, t->face.wake_fd);
    pthread_mutex_lock(&t->face.mutex);
    t->ended = false;
    pthread_mutex_unlock(&t->face.mutex);
    t->started = pthread_create(&t->thread, NULL, task_run, t) == 0;
    if (t->started)
        return;
    set_state(t, STATE_FAILED, "failed", "cannot start a thread");
    pthread_mutex_lock(&t->face.mutex);
    t->ended = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->face.mutex);
    log_error("connector %s: cannot start a thread", t->config->label);
}

/* The thread keeps the state, so a connector that begins as paused or stopped has one too. */
static void wish_started(struct task *t, enum wish w)
{
    wish(t, w);
    if (!t->started)
        task_start(t);
}

static void task_init(struct task *t, const struct connector_env *env, struct config *config)
{
    t->env = env;
    t->config = config;
    pthread_mutex_init(&t->face.mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    t->face.wake_fd = wake_new();
    t->face.status = (struct connector_status){.state = STATE_UNASSIGNED, .step = "new", .lag_ms = -1};
    t->face.limits = limits_new();
    t->face.meter = meter_new(env->metrics, config->name, config->shard, config->slot_name);
}

static void task_free(struct task *t)
{
    if (t->started)
        pthread_join(t->thread, NULL);
    live_free(t->live);
    meter_free(t->face.meter);
    limits_free(t->face.limits);
    close(t->face.wake_fd);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->face.mutex);
    config_free(t->config);
}

static bool task_wait(struct task *t, const struct timespec *until)
{
    pthread_mutex_lock(&t->face.mutex);
    while (!t->ended && pthread_cond_timedwait(&t->changed, &t->face.mutex, until) == 0)
        ;
    bool ended = t->ended;
    pthread_mutex_unlock(&t->face.mutex);
    return ended;
}

/* ---- the connector ---- */

struct connector *connector_new(const struct connector_env *env, const char *name, const struct props *given,
                                struct err *e)
{
    struct config *config = config_new(name, given, env->worker, e);
    if (!config)
        return NULL;
    if (config->slots > 1 && env->temporary) {
        err_set(e, ERR_CONFIG, "walwire.slots=%d: a temporary slot is always one", config->slots);
        config_free(config);
        return NULL;
    }
    struct connector *c = xcalloc(1, sizeof *c);
    c->given = props_copy(given);
    c->n = config->slots;
    c->tasks = xcalloc((size_t)c->n, sizeof *c->tasks);
    for (int i = 0; i < c->n; i++)
        task_init(&c->tasks[i], env, config_shard(config, env->worker, i));
    config_free(config);
    return c;
}

void connector_free(struct connector *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n; i++)
        wish(&c->tasks[i], WISH_END);
    for (int i = 0; i < c->n; i++)
        task_free(&c->tasks[i]);
    free(c->tasks);
    props_free(c->given);
    free(c);
}

static void wish_all(struct connector *c, enum wish w)
{
    for (int i = 0; i < c->n; i++)
        wish_started(&c->tasks[i], w);
}

void connector_start(struct connector *c)
{
    wish_all(c, WISH_RUN);
}

void connector_pause(struct connector *c)
{
    wish_all(c, WISH_PAUSE);
}

void connector_stop(struct connector *c)
{
    wish_all(c, WISH_STOP);
}

void connector_restart(struct connector *c)
{
    for (int i = 0; i < c->n; i++)
        connector_task_restart(c, i);
}

void connector_task_restart(struct connector *c, int task)
{
    wish_started(&c->tasks[task], WISH_RESTART);
}

int connector_tasks(const struct connector *c)
{
    return c->n;
}

void connector_task_status(struct connector *c, int task, struct connector_status *out)
{
    struct task *t = &c->tasks[task];
    pthread_mutex_lock(&t->face.mutex);
    *out = t->face.status;
    pthread_mutex_unlock(&t->face.mutex);
}

/* Adds one task's status to that of the others: what needs a person first shows. */
static void status_join(struct connector_status *all, const struct connector_status *one)
{
    static const int weight[] = {[STATE_FAILED] = 5, [STATE_RESTARTING] = 4, [STATE_RUNNING] = 3,
                                 [STATE_PAUSED] = 2, [STATE_UNASSIGNED] = 1, [STATE_STOPPED] = 0};
    if (weight[one->state] > weight[all->state]) {
        all->state = one->state;
        all->step = one->step;
        memcpy(all->trace, one->trace, sizeof all->trace);
    }
    all->snapshot_running |= one->snapshot_running;
    all->received = one->received > all->received ? one->received : all->received;
    all->flushed = one->flushed < all->flushed ? one->flushed : all->flushed;
    all->lag_ms = one->lag_ms > all->lag_ms ? one->lag_ms : all->lag_ms;
    all->events += one->events;
    all->transactions += one->transactions;
    all->bytes += one->bytes;
}

void connector_status(struct connector *c, struct connector_status *out)
{
    connector_task_status(c, 0, out);
    for (int i = 1; i < c->n; i++) {
        struct connector_status one;
        connector_task_status(c, i, &one);
        status_join(out, &one);
    }
}

const struct props *connector_config(const struct connector *c)
{
    return c->given;
}

bool connector_wait(struct connector *c, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    bool ended = true;
    for (int i = 0; i < c->n; i++)
        ended &= task_wait(&c->tasks[i], &until);
    return ended;
}
