/* connector.c - a connector's life: run the pipeline, wait, run again; say how it is going. */
#include "connector.h"

#include "clock.h"
#include "config.h"
#include "log.h"
#include "pipeline.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKOFF_MOST_MS 30000
#define FIRST_TRIES     3 /* a server that was never reached counts as a wrong address after so many */

enum wish { WISH_RUN, WISH_PAUSE, WISH_STOP, WISH_RESTART, WISH_END };

struct connector {
    const struct connector_env *env;
    struct props *given;
    struct config *config;
    struct live *live;
    struct pipeline_face face;
    pthread_t thread;
    bool started;
    pthread_cond_t changed; /* with face.mutex: wish, ended */
    enum wish wish;
    bool ended;
    bool was_up; /* has streamed or taken a snapshot in this process */
};

static const char *const names[] = {"UNASSIGNED", "RUNNING", "PAUSED", "STOPPED", "FAILED", "RESTARTING"};

const char *connector_state_name(enum connector_state s)
{
    return names[s];
}

/* ---- the thread ---- */

static void set_state(struct connector *c, enum connector_state state, const char *step, const char *trace)
{
    pthread_mutex_lock(&c->face.mutex);
    c->face.status.state = state;
    c->face.status.step = step;
    snprintf(c->face.status.trace, sizeof c->face.status.trace, "%s", trace);
    pthread_mutex_unlock(&c->face.mutex);
}

static enum wish wish_now(struct connector *c)
{
    pthread_mutex_lock(&c->face.mutex);
    enum wish w = c->wish;
    pthread_mutex_unlock(&c->face.mutex);
    return w;
}

/* Waits until the wish is another than RUN, at most ms; a restart counts as done once it is seen. */
static enum wish wait_wish(struct connector *c, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&c->face.mutex);
    while (c->wish == WISH_RUN && pthread_cond_timedwait(&c->changed, &c->face.mutex, &until) == 0)
        ;
    enum wish w = c->wish;
    pthread_mutex_unlock(&c->face.mutex);
    return w;
}

/* Rests as paused, stopped or failed until something else is wished. */
static enum wish rest(struct connector *c, enum wish resting)
{
    pthread_mutex_lock(&c->face.mutex);
    if (c->wish == WISH_RUN && resting != WISH_RUN)
        c->wish = resting;
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    while (c->wish == resting)
        pthread_cond_wait(&c->changed, &c->face.mutex);
    enum wish w = c->wish;
    c->ended = false;
    pthread_mutex_unlock(&c->face.mutex);
    return w;
}

static void begin_run(struct connector *c)
{
    pthread_mutex_lock(&c->face.mutex);
    if (c->wish == WISH_RESTART)
        c->wish = WISH_RUN;
    atomic_store(&c->face.stop, c->wish != WISH_RUN);
    struct connector_status *s = &c->face.status;
    *s = (struct connector_status){.state = STATE_RUNNING, .step = "connect", .lag_ms = -1};
    pthread_mutex_unlock(&c->face.mutex);
}

/* A run that got as far as reading starts the counting of failed tries anew. */
static bool run_went_well(struct connector *c)
{
    pthread_mutex_lock(&c->face.mutex);
    const char *step = c->face.status.step;
    bool well = strcmp(step, "stream") == 0 || strcmp(step, "snapshot") == 0 || strcmp(step, "drain") == 0;
    pthread_mutex_unlock(&c->face.mutex);
    c->was_up |= well;
    return well;
}

static bool may_retry(const struct connector *c, const struct err *e, unsigned tries)
{
    int most = c->config->errors_max_retries;
    if (e->kind != ERR_RETRY || (most >= 0 && tries >= (unsigned)most))
        return false;
    return c->was_up || tries < FIRST_TRIES;
}

static void back_off(struct connector *c, const struct err *e, unsigned tries)
{
    int most = c->config->retry_wait_ms < BACKOFF_MOST_MS ? c->config->retry_wait_ms : BACKOFF_MOST_MS;
    int ms = backoff_ms(tries, 500, most > 500 ? most : 500);
    log_warn("%s; trying again in %d ms", e->text, ms);
    set_state(c, STATE_RUNNING, "backoff", e->text);
    wait_wish(c, ms);
}

/* One run and what follows from how it ended. */
static enum wish run_once(struct connector *c, unsigned *tries)
{
    struct err e = {0};
    begin_run(c);
    bool ok = pipeline_run(c->env, c->config, c->live, &c->face, &e);
    if (run_went_well(c))
        *tries = 0;
    enum wish w = wish_now(c);
    if (w != WISH_RUN)
        return w;
    if (ok)
        return WISH_RUN;
    if (may_retry(c, &e, *tries)) {
        back_off(c, &e, (*tries)++);
        return wish_now(c);
    }
    log_error("%s", e.text);
    set_state(c, STATE_FAILED, "failed", e.text);
    *tries = 0;
    return rest(c, WISH_RUN);
}

static void *connector_run(void *arg)
{
    struct connector *c = arg;
    unsigned tries = 0;
    log_set_context(c->config->name);
    for (enum wish w = wish_now(c); w != WISH_END;) {
        switch (w) {
        case WISH_RUN:
        case WISH_RESTART:
            w = run_once(c, &tries);
            break;
        case WISH_PAUSE:
            set_state(c, STATE_PAUSED, "paused", "");
            w = rest(c, WISH_PAUSE);
            break;
        case WISH_STOP:
            set_state(c, STATE_STOPPED, "stopped", "");
            w = rest(c, WISH_STOP);
            break;
        case WISH_END:
            break;
        }
    }
    set_state(c, STATE_STOPPED, "stopped", "");
    pthread_mutex_lock(&c->face.mutex);
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->face.mutex);
    return NULL;
}

/* ---- from outside ---- */

static void wish(struct connector *c, enum wish w)
{
    pthread_mutex_lock(&c->face.mutex);
    bool rests = c->ended;
    /* The thread rests as failed under the wish RUN: only another wish wakes it. */
    c->wish = w == WISH_RUN && rests && c->face.status.state == STATE_FAILED ? WISH_RESTART : w;
    atomic_store(&c->face.stop, w != WISH_RUN);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->face.mutex);
    wake_signal(c->face.wake_fd);
}

struct connector *connector_new(const struct connector_env *env, const char *name, const struct props *given,
                                struct err *e)
{
    struct config *config = config_new(name, given, env->worker, e);
    if (!config)
        return NULL;
    struct connector *c = xcalloc(1, sizeof *c);
    c->env = env;
    c->given = props_copy(given);
    c->config = config;
    pthread_mutex_init(&c->face.mutex, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->face.wake_fd = wake_new();
    c->face.status = (struct connector_status){.state = STATE_UNASSIGNED, .step = "new", .lag_ms = -1};
    if (env->hub)
        c->live = live_new(env->hub, config, c->face.wake_fd);
    return c;
}

void connector_free(struct connector *c)
{
    if (!c)
        return;
    wish(c, WISH_END);
    if (c->started)
        pthread_join(c->thread, NULL);
    live_free(c->live);
    close(c->face.wake_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->face.mutex);
    config_free(c->config);
    props_free(c->given);
    free(c);
}

/* The thread keeps the state, so a connector that begins as paused or stopped has one too. */
static void wish_started(struct connector *c, enum wish w)
{
    wish(c, w);
    if (!c->started) {
        c->started = true;
        pthread_create(&c->thread, NULL, connector_run, c);
    }
}

void connector_start(struct connector *c)
{
    wish_started(c, WISH_RUN);
}

void connector_pause(struct connector *c)
{
    wish_started(c, WISH_PAUSE);
}

void connector_stop(struct connector *c)
{
    wish_started(c, WISH_STOP);
}

void connector_restart(struct connector *c)
{
    wish(c, WISH_RESTART);
}

void connector_status(struct connector *c, struct connector_status *out)
{
    pthread_mutex_lock(&c->face.mutex);
    *out = c->face.status;
    pthread_mutex_unlock(&c->face.mutex);
}

const struct props *connector_config(const struct connector *c)
{
    return c->given;
}

bool connector_wait(struct connector *c, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&c->face.mutex);
    while (!c->ended && pthread_cond_timedwait(&c->changed, &c->face.mutex, &until) == 0)
        ;
    bool ended = c->ended;
    pthread_mutex_unlock(&c->face.mutex);
    return ended;
}
