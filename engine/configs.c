/* configs.c - connectors as records of Kafka Connect's config topic.
 *
 * connector-NAME holds the configuration, target-state-NAME what it is to do, task-NAME-N and commit-NAME
 * what Connect's tasks would be started with. The order of records is Connect's: state before a new
 * connector, tasks before their commit. A removed connector's task records stay, there as here. */
#include "configs.h"

#include "json.h"
#include "log.h"
#include "map.h"
#include "offsets_store.h"
#include "xmalloc.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTOR  "connector-"
#define TARGET     "target-state-"
#define TASK_CLASS "io.debezium.connector.postgresql.PostgresConnectorTask"

struct configs {
    pthread_mutex_t lock;
    struct offsets_store *store;
    const struct props *worker;
    struct map *foreign; /* names of connectors that are not ours */
    bool topic;
    char *place;
};

bool configs_our_class(const char *class_name)
{
    static const char *const names[] = {"io.debezium.connector.postgresql.PostgresConnector",
                                        "PostgresConnector", "Postgres"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(class_name, names[i]) == 0)
            return true;
    return false;
}

/* ---- life ---- */

static struct offsets_store *store_open(struct configs *c, const struct props *worker, struct err *e)
{
    const char *topic = props_get_or(worker, "config.storage.topic", "");
    if (!*topic)
        return offsets_file_open("config.storage.file.filename", strchr(c->place, '=') + 1, e);
    c->topic = true;
    return offsets_kafka_open(worker,
                              &(struct offsets_topic){.kind = "config", .name = topic, .partitions = 1}, e);
}

/* NULL: nowhere. */
static char *place_of(const struct props *worker)
{
    const char *topic = props_get_or(worker, "config.storage.topic", "");
    const char *file = props_get_or(worker, "config.storage.file.filename", "");
    const char *offsets = props_get_or(worker, "offset.storage.file.filename", "");
    if (*topic)
        return xasprintf("config.storage.topic=%s", topic);
    if (*file)
        return xasprintf("config.storage.file.filename=%s", file);
    return *offsets ? xasprintf("config.storage.file.filename=%s.connectors", offsets) : NULL;
}

bool configs_open(const struct props *worker, struct configs **out, struct err *e)
{
    const char *topic = props_get_or(worker, "config.storage.topic", "");
    const char *file = props_get_or(worker, "config.storage.file.filename", "");
    *out = NULL;
    if (*topic && *file)
        return err_set(
            e, ERR_CONFIG,
            "both config.storage.topic and config.storage.file.filename are set; remove one of them");
    if (*topic && !props_get(worker, "bootstrap.servers"))
        return err_set(e, ERR_CONFIG, "config.storage.topic=%s needs bootstrap.servers", topic);
    char *place = place_of(worker);
    if (!place)
        return true;
    struct configs *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->worker = worker;
    c->place = place;
    c->foreign = map_new();
    if ((c->store = store_open(c, worker, e)))
        *out = c;
    else
        configs_close(c);
    return *out != NULL;
}

void configs_close(struct configs *c)
{
    if (!c)
        return;
    if (c->store)
        c->store->type->close(c->store);
    map_free(c->foreign);
    pthread_mutex_destroy(&c->lock);
    free(c->place);
    free(c);
}

const char *configs_place(const struct configs *c)
{
    return c->place;
}

/* ---- reading ---- */

struct found {
    char *name;
    struct props *config; /* NULL: only a state was found */
    enum connector_state target;
};

struct reading {
    struct map *by_name;
};

static struct found *found_get(struct reading *r, struct slice name)
{
    struct found *f = map_get(r->by_name, name);
    if (!f) {
        f = xcalloc(1, sizeof *f);
        f->name = xstrndup(name.ptr, name.len);
        f->target = STATE_RUNNING;
        map_set(r->by_name, name, f);
    }
    return f;
}

/* {"properties":{"name":"value",...}}; NULL: not that. */
static struct props *properties_parse(struct slice value)
{
    json_object *root = json_tokener_parse(value.ptr), *properties;
    struct props *p = NULL;
    if (json_object_object_get_ex(root, "properties", &properties) &&
        json_object_is_type(properties, json_type_object)) {
        p = props_new();
        json_object_object_foreach(properties, name, text) if (text)
            props_set(p, name, json_object_get_string(text));
    }
    json_object_put(root);
    return p;
}

/* STOPPED is known to "state.v2" only; a Connect that does not know it reads "state". */
static enum connector_state target_parse(struct slice value)
{
    json_object *root = json_tokener_parse(value.ptr), *state;
    const char *text = "";
    if (json_object_object_get_ex(root, "state.v2", &state) ||
        json_object_object_get_ex(root, "state", &state))
        text = json_object_get_string(state);
    enum connector_state target = !text                          ? STATE_RUNNING
                                  : strcmp(text, "STOPPED") == 0 ? STATE_STOPPED
                                  : strcmp(text, "PAUSED") == 0  ? STATE_PAUSED
                                                                 : STATE_RUNNING;
    json_object_put(root);
    return target;
}

static void record_take(void *ctx, struct slice key, struct slice value)
{
    struct reading *r = ctx;
    if (slice_starts(key, CONNECTOR)) {
        struct found *f = found_get(r, slice_cut(key, strlen(CONNECTOR), key.len));
        f->config = properties_parse(value);
        if (!f->config)
            log_warn("the stored connector %s cannot be read, and is left alone", f->name);
    } else if (slice_starts(key, TARGET)) {
        found_get(r, slice_cut(key, strlen(TARGET), key.len))->target = target_parse(value);
    }
}

static int found_compare(const void *a, const void *b)
{
    return strcmp((*(struct found *const *)a)->name, (*(struct found *const *)b)->name);
}

static void found_give(struct configs *c, struct found *f, configs_take *take, void *ctx)
{
    const char *class_name = f->config ? props_get_or(f->config, "connector.class", "") : "";
    if (f->config && configs_our_class(class_name)) {
        take(ctx, f->name, f->config, f->target);
    } else if (f->config) {
        log_info("the stored connector %s is a %s, and is left alone", f->name, class_name);
        map_set(c->foreign, slice_of(f->name), c);
        props_free(f->config);
    }
    free(f->name);
    free(f);
}

bool configs_load(struct configs *c, configs_take *take, void *ctx, struct err *e)
{
    struct reading r = {.by_name = map_new()};
    pthread_mutex_lock(&c->lock);
    bool ok =
        (!c->topic || configs_guard(c->worker, e)) && c->store->type->each(c->store, record_take, &r, e);
    pthread_mutex_unlock(&c->lock);
    size_t n = 0, at = 0;
    struct found **all = xcalloc(map_count(r.by_name) + 1, sizeof(struct found *));
    struct slice key;
    for (void *value; map_next(r.by_name, &at, &key, &value);)
        all[n++] = value;
    qsort(all, n, sizeof(struct found *), found_compare);
    for (size_t i = 0; i < n; i++)
        found_give(c, all[i], take, ctx);
    free(all);
    map_free(r.by_name);
    return ok;
}

bool configs_foreign(struct configs *c, const char *name)
{
    return map_get(c->foreign, slice_of(name)) != NULL;
}

/* ---- writing ---- */

/* value NULL: deletes the key. */
static bool save(struct configs *c, const char *kind, const char *name, const char *value, struct err *e)
{
    char *key = xasprintf("%s%s", kind, name);
    bool ok = c->store->type->save(c->store, slice_of(key), slice_of(value), e);
    free(key);
    return ok;
}

static bool save_properties(struct configs *c, const char *kind, const char *name, const struct props *p,
                            const char *task_class, struct err *e)
{
    struct buf b = {0};
    BUF_LIT(&b, "{\"properties\":{");
    for (size_t i = 0; i < props_count(p); i++) {
        const char *option, *value;
        props_at(p, i, &option, &value);
        json_field(&b, option, value);
    }
    if (task_class)
        json_field(&b, "task.class", task_class);
    BUF_LIT(&b, "}}");
    bool ok = save(c, kind, name, b.ptr, e);
    buf_free(&b);
    return ok;
}

static bool save_target(struct configs *c, const char *name, enum connector_state target, struct err *e)
{
    const char *state = target == STATE_RUNNING  ? "{\"state\":\"STARTED\",\"state.v2\":\"STARTED\"}"
                        : target == STATE_PAUSED ? "{\"state\":\"PAUSED\",\"state.v2\":\"PAUSED\"}"
                                                 : "{\"state\":\"PAUSED\",\"state.v2\":\"STOPPED\"}";
    return save(c, TARGET, name, state, e);
}

/* A file has no use for them: only Connect reads what its tasks are started with. */
static bool save_tasks(struct configs *c, const char *name, const struct props *config, int tasks,
                       struct err *e)
{
    bool ok = true;
    for (int i = 0; c->topic && ok && i < tasks; i++) {
        char *task = xasprintf("%s-%d", name, i);
        ok = save_properties(c, "task-", task, config, TASK_CLASS, e);
        free(task);
    }
    char *commit = xasprintf("{\"tasks\":%d}", tasks);
    ok = ok && (!c->topic || save(c, "commit-", name, commit, e));
    free(commit);
    return ok;
}

static bool put(struct configs *c, const char *name, const struct props *config, enum connector_state target,
                int tasks, bool created, struct err *e)
{
    if (created && target != STATE_RUNNING && !save_target(c, name, target, e))
        return false;
    return save_properties(c, CONNECTOR, name, config, NULL, e) &&
           (!tasks || save_tasks(c, name, config, tasks, e));
}

bool configs_put(struct configs *c, const char *name, const struct props *config, enum connector_state target,
                 int tasks, bool created, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    bool ok = put(c, name, config, target, tasks, created, e);
    pthread_mutex_unlock(&c->lock);
    return ok;
}

/* Connect takes the tasks away before it says that a connector is stopped, and gives them back after it says
 * that one is started. */
bool configs_target(struct configs *c, const char *name, const struct props *config,
                    enum connector_state target, int tasks, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    bool ok = (target != STATE_STOPPED || save_tasks(c, name, config, 0, e)) &&
              save_target(c, name, target, e) && (!tasks || save_tasks(c, name, config, tasks, e));
    pthread_mutex_unlock(&c->lock);
    return ok;
}

bool configs_remove(struct configs *c, const char *name, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    bool ok = save(c, CONNECTOR, name, NULL, e) && save(c, TARGET, name, NULL, e);
    pthread_mutex_unlock(&c->lock);
    return ok;
}
