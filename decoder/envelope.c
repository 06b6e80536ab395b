/* envelope.c - which records a change becomes, and their keys, values and headers. */
#include "envelope.h"

#include "xmalloc.h"

#include <stdlib.h>

struct envelope {
    const struct envelope_rules *rules;
    struct buf old_key, new_key, old_header, new_header, first, second;
    struct envelope_record records[3];
    const struct plan *plan; /* of them */
    int n;
    bool key_changed;
};

/* What all records of one change have in common. */
struct work {
    struct envelope *env;
    struct plan *plan;
    const struct change *change;
    const struct source *source;
    struct order_counter *counter;
    int64_t ts_ns;
};

struct envelope *envelope_new(const struct envelope_rules *rules)
{
    struct envelope *env = xcalloc(1, sizeof *env);
    env->rules = rules;
    return env;
}

void envelope_trim(struct envelope *env)
{
    struct buf *all[] = {&env->old_key,    &env->new_key, &env->old_header,
                         &env->new_header, &env->first,   &env->second};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
    env->n = 0;
}

void envelope_free(struct envelope *env)
{
    if (!env)
        return;
    envelope_trim(env);
    free(env);
}

bool envelope_key_changed(const struct envelope *env)
{
    return env->key_changed;
}

struct slice envelope_payload(const struct envelope *env, enum change_op op)
{
    for (int i = 0; i < env->n; i++)
        if (env->records[i].op == op)
            return plan_payload(env->plan, env->records[i].value);
    return (struct slice){NULL, 0};
}

static struct slice key_of(const struct plan *plan, const struct buf *key)
{
    return plan_has_key(plan) ? buf_view(key) : (struct slice){NULL, 0};
}

static bool check_same(struct slice fast, const struct buf *slow, const char *what, struct err *e)
{
    return slice_eq(fast, buf_view(slow)) ||
           err_set(e, ERR_FATAL, "the plan and the value tree give different bytes of a %s: %.400s", what,
                   slow->ptr);
}

/* Both ways to the same, and with them both schemas. */
static bool check_tree(struct work *w, const struct event *event, struct slice value, struct err *e)
{
    struct arena arena = {0};
    struct buf b = BUF_EMPTY;
    bool ok = plan_tree_json(w->plan, event, &arena, &b, e) && check_same(value, &b, "value", e);
    buf_free(&b);
    arena_free(&arena);
    return ok;
}

static bool check_key(struct plan *plan, const struct cell *cells, struct slice key, struct err *e)
{
    struct arena arena = {0};
    struct buf b = BUF_EMPTY;
    bool ok = plan_key_tree_json(plan, cells, &arena, &b, e) && check_same(key, &b, "key", e);
    buf_free(&b);
    arena_free(&arena);
    return ok;
}

static bool make_key(const struct work *w, const struct cell *cells, struct buf *key, struct err *e)
{
    buf_reset(key);
    return !plan_has_key(w->plan) ||
           (plan_key(w->plan, cells, key, e) &&
            (!w->env->rules->check_tree || check_key(w->plan, cells, buf_view(key), e)));
}

static bool add_event(struct work *w, enum change_op op, struct buf *key, struct buf *value, struct err *e)
{
    struct order order, *at = NULL;
    if (w->counter) {
        order =
            (struct order){w->counter->xid, w->change->lsn, ++w->counter->total, ++*w->counter->collection};
        at = &order;
    }
    const struct change *c = w->change;
    const struct event event = {
        .op = op,
        .before = op == OP_UPDATE || op == OP_DELETE ? c->before : NULL,
        .after = op == OP_DELETE || op == OP_TRUNCATE ? NULL : c->after,
        .source = w->source,
        .order = at,
        .ts_ns = w->ts_ns,
    };
    buf_reset(value);
    if (!plan_value(w->plan, &event, value, e))
        return false;
    if (w->env->rules->check_tree && !check_tree(w, &event, buf_view(value), e))
        return false;
    struct slice key_view = op == OP_TRUNCATE ? (struct slice){NULL, 0} : key_of(w->plan, key);
    w->env->records[w->env->n++] = (struct envelope_record){op, key_view, buf_view(value), {{0}, {0}}};
    return true;
}

static void add_tombstone(struct work *w, struct header header)
{
    if (w->env->rules->tombstones)
        w->env->records[w->env->n++] =
            (struct envelope_record){0, key_of(w->plan, &w->env->old_key), {NULL, 0}, header};
}

static bool make_delete(struct work *w, struct err *e)
{
    struct envelope *env = w->env;
    if (!w->change->before)
        return err_set(e, ERR_DATA, "DELETE without an old tuple, LSN " LSN_FMT, LSN_ARG(w->change->lsn));
    if (!make_key(w, w->change->before, &env->old_key, e) ||
        !add_event(w, OP_DELETE, &env->old_key, &env->first, e))
        return false;
    add_tombstone(w, (struct header){{0}, {0}});
    return true;
}

/* A consumer that compacts by key must see the old key go and the new one come. */
static bool make_move(struct work *w, struct err *e)
{
    struct envelope *env = w->env;
    buf_reset(&env->old_header);
    buf_reset(&env->new_header);
    if (!plan_key_header(w->plan, w->change->before, &env->old_header, e) ||
        !plan_key_header(w->plan, w->change->after, &env->new_header, e))
        return false;
    if (!env->rules->skip_delete) {
        struct header to = {SLICE("__debezium.newkey"), buf_view(&env->new_header)};
        if (!add_event(w, OP_DELETE, &env->old_key, &env->first, e))
            return false;
        env->records[env->n - 1].header = to;
        add_tombstone(w, to);
    }
    if (!env->rules->skip_create) {
        if (!add_event(w, OP_INSERT, &env->new_key, &env->second, e))
            return false;
        env->records[env->n - 1].header =
            (struct header){SLICE("__debezium.oldkey"), buf_view(&env->old_header)};
    }
    return true;
}

static bool make_update(struct work *w, struct err *e)
{
    struct envelope *env = w->env;
    if (!make_key(w, w->change->after, &env->new_key, e))
        return false;
    if (w->change->before && plan_has_key(w->plan)) {
        if (!make_key(w, w->change->before, &env->old_key, e))
            return false;
        env->key_changed = !slice_eq(buf_view(&env->old_key), buf_view(&env->new_key));
    }
    if (env->rules->skip_unchanged && w->change->before &&
        plan_unchanged(w->plan, w->change->before, w->change->after))
        return true;
    if (env->key_changed)
        return make_move(w, e);
    return env->rules->skip_update || add_event(w, OP_UPDATE, &env->new_key, &env->first, e);
}

static bool make_by_op(struct work *w, struct err *e)
{
    struct envelope *env = w->env;
    const struct envelope_rules *rules = env->rules;
    switch (w->change->op) {
    case OP_INSERT:
    case OP_READ:
        if (w->change->op == OP_INSERT && rules->skip_create)
            return true;
        return make_key(w, w->change->after, &env->new_key, e) &&
               add_event(w, w->change->op, &env->new_key, &env->first, e);
    case OP_UPDATE:
        return make_update(w, e);
    case OP_DELETE:
        return rules->skip_delete || make_delete(w, e);
    case OP_TRUNCATE:
        return rules->skip_truncate || add_event(w, OP_TRUNCATE, &env->new_key, &env->first, e);
    default:
        return err_set(e, ERR_FATAL, "envelope: op '%c' is not a row change", w->change->op);
    }
}

int envelope_make(struct envelope *env, struct plan *plan, const struct change *change,
                  const struct source *source, struct order_counter *counter, int64_t ts_ns,
                  const struct envelope_record **records, struct err *e)
{
    struct work w = {env, plan, change, source, counter, ts_ns};
    int64_t total = counter ? counter->total : 0, collection = counter ? *counter->collection : 0;
    env->n = 0;
    env->plan = plan;
    env->key_changed = false;
    *records = env->records;
    if (make_by_op(&w, e))
        return env->n;
    if (counter) { /* an event that failed is none */
        counter->total = total;
        *counter->collection = collection;
    }
    return -1;
}
