/* fake_connector.h - connectors that only remember what they were told, in place of engine/connector.c, so
 * that the worker and the REST interface can be tested without a server. connector_free can be held up by a
 * gate. */
#ifndef TESTS_ENGINE_FAKE_CONNECTOR_H
#define TESTS_ENGINE_FAKE_CONNECTOR_H

#include "config.h"
#include "connector.h"
#include "xmalloc.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct connector {
    struct props *config;
    enum connector_state state;
    char trace[1000];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool gate_closed; /* connector_free waits until it is opened */
    int freed, restarted;
    char log[500]; /* what was called, in order, but for stopping */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static inline void fake_note(const char *what, const struct connector *c)
{
    size_t n = strlen(fake.log);
    snprintf(fake.log + n, sizeof fake.log - n, "%s %s;", what, props_get(c->config, "slot.name"));
    pthread_cond_broadcast(&fake.wake);
}

struct connector *connector_new(const struct connector_env *env, const char *name, const struct props *config,
                                struct err *e)
{
    struct config *parsed = config_new(name, config, env->worker, e);
    if (!parsed)
        return NULL;
    config_free(parsed);
    struct connector *c = xcalloc(1, sizeof *c);
    c->config = props_copy(config);
    return c;
}

void connector_free(struct connector *c)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.gate_closed)
        pthread_cond_wait(&fake.wake, &fake.lock);
    fake.freed++;
    fake_note("free", c);
    pthread_mutex_unlock(&fake.lock);
    props_free(c->config);
    free(c);
}

static inline void fake_to(struct connector *c, enum connector_state state, const char *what)
{
    pthread_mutex_lock(&fake.lock);
    c->state = state;
    c->trace[0] = 0;
    if (what)
        fake_note(what, c);
    pthread_mutex_unlock(&fake.lock);
}

void connector_start(struct connector *c)
{
    fake_to(c, STATE_RUNNING, "start");
}

void connector_pause(struct connector *c)
{
    fake_to(c, STATE_PAUSED, "pause");
}

void connector_stop(struct connector *c)
{
    fake_to(c, STATE_STOPPED, NULL);
}

void connector_restart(struct connector *c)
{
    fake_to(c, STATE_RUNNING, "restart");
    fake.restarted++;
}

/* snapshot.delay.ms=13 in its configuration makes a connector fail. */
void connector_status(struct connector *c, struct connector_status *out)
{
    pthread_mutex_lock(&fake.lock);
    *out = (struct connector_status){.state = c->state,
                                     .step = "stream",
                                     .received = 0x2000,
                                     .flushed = 0x1000,
                                     .lag_ms = 7,
                                     .events = 42,
                                     .transactions = 5,
                                     .bytes = 999};
    if (c->state == STATE_RUNNING && strcmp(props_get_or(c->config, "snapshot.delay.ms", ""), "13") == 0) {
        out->state = STATE_FAILED;
        snprintf(out->trace, sizeof out->trace, "it broke");
    }
    pthread_mutex_unlock(&fake.lock);
}

/* walwire.slots tasks, of which the last is the one that fails. */
int connector_tasks(const struct connector *c)
{
    return atoi(props_get_or(c->config, "walwire.slots", "1"));
}

void connector_task_status(struct connector *c, int task, struct connector_status *out)
{
    connector_status(c, out);
    if (out->state == STATE_FAILED && task != connector_tasks(c) - 1) {
        out->state = STATE_RUNNING;
        out->trace[0] = 0;
    }
}

void connector_task_restart(struct connector *c, int task)
{
    connector_restart(c);
}

const struct props *connector_config(const struct connector *c)
{
    return c->config;
}

bool connector_wait(struct connector *c, int timeout_ms)
{
    return true;
}

const char *connector_state_name(enum connector_state s)
{
    static const char *const names[] = {"UNASSIGNED", "RUNNING", "PAUSED", "STOPPED", "FAILED", "RESTARTING"};
    return names[s];
}

static inline void fake_gate(bool closed)
{
    pthread_mutex_lock(&fake.lock);
    fake.gate_closed = closed;
    pthread_cond_broadcast(&fake.wake);
    pthread_mutex_unlock(&fake.lock);
}

/* Waits until the log reads as expected; Check's timeout ends a wait in vain. */
static inline void fake_wait_log(const char *expected)
{
    pthread_mutex_lock(&fake.lock);
    while (strcmp(fake.log, expected) != 0)
        pthread_cond_wait(&fake.wake, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

/* A sound configuration; slot tells connectors of one name apart in the log. */
static inline struct props *fake_config(const char *slot)
{
    struct props *p = props_new();
    props_set(p, "connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    props_set(p, "database.hostname", "db");
    props_set(p, "database.user", "u");
    props_set(p, "database.password", "geheim");
    props_set(p, "database.dbname", "d");
    props_set(p, "topic.prefix", "shop");
    props_set(p, "slot.name", slot);
    return p;
}

#endif
