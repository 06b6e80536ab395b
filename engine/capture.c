/* capture.c - from a relation to its capture: is it wanted, which columns, which key, which topic. */
#include "capture.h"

#include "selection.h"
#include "topic.h"
#include "xmalloc.h"

#include <stdlib.h>

struct topics {
    struct map *by_name;
};

struct topics *topics_new(void)
{
    struct topics *t = xcalloc(1, sizeof *t);
    t->by_name = map_new();
    return t;
}

struct topic *topics_get(struct topics *t, const char *name)
{
    struct topic *topic = map_get(t->by_name, slice_of(name));
    if (!topic) {
        topic = xcalloc(1, sizeof *topic);
        topic->name = xstrdup(name);
        map_set(t->by_name, slice_of(name), topic);
    }
    return topic;
}

void topics_free(struct topics *t, void (*forget)(void *ctx, struct topic *topic), void *ctx)
{
    if (!t)
        return;
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(t->by_name, &at, &name, &value)) {
        struct topic *topic = value;
        if (forget && topic->handle)
            forget(ctx, topic);
        free(topic->name);
        free(topic);
    }
    map_free(t->by_name);
    free(t);
}

struct tallies {
    struct map *by_name;
};

struct tallies *tallies_new(void)
{
    struct tallies *t = xcalloc(1, sizeof *t);
    t->by_name = map_new();
    return t;
}

struct tally *tallies_get(struct tallies *t, const char *collection)
{
    struct tally *tally = map_get(t->by_name, slice_of(collection));
    if (!tally) {
        tally = xcalloc(1, sizeof *tally);
        tally->collection = xstrdup(collection);
        map_set(t->by_name, slice_of(collection), tally);
    }
    return tally;
}

void tallies_free(struct tallies *t)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (t && map_next(t->by_name, &at, &name, &value)) {
        free(((struct tally *)value)->collection);
        free(value);
    }
    if (t)
        map_free(t->by_name);
    free(t);
}

static void capture_free(void *arg)
{
    struct capture *c = arg;
    plan_free(c->plan);
    live_table_free(c->live);
    free(c);
}

static bool make_plan(const struct capture_settings *s, struct relation *rel, struct capture *c,
                      struct err *e)
{
    bool *columns = xcalloc(rel->n_columns + 1, sizeof *columns);
    uint16_t *key = xcalloc(rel->n_columns + 1, sizeof *key);
    struct buf topic = BUF_EMPTY, key_text = BUF_EMPTY;
    topic_of_table(s->config->naming, rel->schema, rel->name, &topic);
    selection_columns(s->config, rel, columns);
    struct plan_choice choice = {.topic = topic.ptr, .columns = columns, .key = key};
    choice.key_field = topic_key_field(s->config->naming, rel->schema, rel->name, &key_text);
    choice.key_text = key_text.ptr;
    choice.rules = s->config->column_rules;
    choice.schema_names = s->config->schema_names;
    choice.field_names = s->config->field_names;
    choice.strict = s->config->converting_failure == FAILURE_FAIL;
    bool ok = selection_key(s->config, rel, key, &choice.n_key, e);
    if (ok) {
        c->plan = plan_new(&s->plan, rel, &choice, e);
        c->topic = topics_get(s->topics, topic.ptr);
        ok = c->plan != NULL;
    }
    free(columns);
    free(key);
    buf_free(&topic);
    buf_free(&key_text);
    return ok;
}

bool capture_make(const struct capture_settings *s, struct relation *rel, struct err *e)
{
    struct capture *c = xcalloc(1, sizeof *c);
    char *collection = xasprintf("%s.%s", rel->schema, rel->name);
    c->tally = tallies_get(s->tallies, collection);
    free(collection);
    rel->plan = c;
    rel->free_plan = capture_free;
    if (!config_captures(s->config, rel->schema, rel->name))
        return true;
    if (!make_plan(s, rel, c, e))
        return false;
    if (s->live)
        c->live = live_table_new(s->live, rel, s->plan.types);
    return true;
}
