/* hub_subscribe.c - `subscribe`: one row in a table for each of its members, and what becomes of them.
 *
 * What is not known here is refused by name, never accepted and left out. */
#include "hub_impl.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "json.h"
#include "log.h"
#include "xmalloc.h"

static const char *string_of(struct json_object *o)
{
    return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : NULL;
}

/* A subscription on its way; `columns` is filled from the end of the parsing on. */
struct wish {
    struct session *session;
    int64_t id;
    const char *table_name;
    struct hub_table *table;
    struct json_object *column_names, *where;
    uint16_t columns[COLUMNS_MAX];
    struct channel_key key;
    bool snapshot, paced, resume;
    const char *from_epoch;
    struct pos from;
    struct view view; /* of the table, once that is found */
};

static bool bad(const struct wish *w, const char *member, const char *expected)
{
    session_error(w->session, w->id, "bad_request", false, "%s must be %s", member, expected);
    return false;
}

static bool want_table(struct wish *w, struct json_object *value)
{
    w->table_name = string_of(value);
    return w->table_name || bad(w, "table", "a string: \"schema.table\"");
}

static bool want_columns(struct wish *w, struct json_object *value)
{
    size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
    if (value && (n == 0 || n > COLUMNS_MAX)) /* each is looked for among the table's */
        return bad(w, "columns", "an array of 1 to 1664 names");
    w->column_names = value;
    return true;
}

static bool want_snapshot(struct wish *w, struct json_object *value)
{
    w->snapshot = json_object_get_boolean(value);
    const char *none = w->session->hub->options.no_snapshots;
    if (w->snapshot && none) {
        session_error(w->session, w->id, "unsupported", false, "snapshot: %s", none);
        return false;
    }
    return json_object_is_type(value, json_type_boolean) || bad(w, "snapshot", "true or false");
}

static bool want_ops(struct wish *w, struct json_object *value)
{
    const char *ops = string_of(value);
    w->key.ops = 0;
    for (const char *at = ops; at && *at; at++) {
        const char *letter = strchr(OP_LETTERS, *at);
        if (!letter)
            return bad(w, "ops", "letters of \"" OP_LETTERS "\"");
        w->key.ops |= 1u << (letter - OP_LETTERS);
    }
    return w->key.ops || bad(w, "ops", "letters of \"" OP_LETTERS "\"");
}

static bool want_old(struct wish *w, struct json_object *value)
{
    static const char *const modes[] = {[OLD_KEY] = "key", [OLD_FULL] = "full", [OLD_NONE] = "none"};
    const char *mode = string_of(value);
    for (size_t i = 0; mode && i < sizeof(modes) / sizeof(*modes); i++)
        if (strcmp(mode, modes[i]) == 0) {
            w->key.old = (enum old_mode)i;
            return true;
        }
    return bad(w, "old", "\"key\", \"full\" or \"none\"");
}

static bool want_from(struct wish *w, struct json_object *value)
{
    const char *text = string_of(value);
    if (text && strcmp(text, "now") == 0)
        return true;
    if (json_object_is_type(value, json_type_object)) {
        const char *pos = string_of(json_object_object_get(value, "pos"));
        w->from_epoch = string_of(json_object_object_get(value, "epoch"));
        w->resume = w->from_epoch && pos && pos_parse(slice_of(pos), &w->from);
    }
    return w->resume || bad(w, "from", "\"now\", or an epoch and a pos that this server sent");
}

static bool want_format(struct wish *w, struct json_object *value)
{
    const char *format = string_of(value);
    w->key.envelope = format && strcmp(format, "debezium") == 0;
    return w->key.envelope || (format && strcmp(format, "row") == 0) ||
           bad(w, "format", "\"row\" or \"debezium\"");
}

static bool want_where(struct wish *w, struct json_object *value)
{
    w->where = value;
    return true;
}

static bool want_transactions(struct wish *w, struct json_object *value)
{
    w->key.transactions = json_object_get_boolean(value);
    return json_object_is_type(value, json_type_boolean) || bad(w, "transactions", "true or false");
}

static bool want_pace(struct wish *w, struct json_object *value)
{
    w->paced = json_object_get_boolean(value);
    return json_object_is_type(value, json_type_boolean) || bad(w, "paced", "true or false");
}

static bool want_known(struct wish *w, struct json_object *value)
{
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct wish *w, struct json_object *value);
} members[] = {
    {"type", want_known},
    {"id", want_known},
    {"table", want_table},
    {"columns", want_columns},
    {"snapshot", want_snapshot},
    {"from", want_from},
    {"ops", want_ops},
    {"old", want_old},
    {"format", want_format},
    {"where", want_where},
    {"transactions", want_transactions},
    {"paced", want_pace},
};

static bool wish_member(struct wish *w, const char *name, struct json_object *value)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (strcmp(members[i].name, name) == 0)
            return members[i].take(w, value);
    session_error(w->session, w->id, "unsupported", false, "subscribe has no member %.100s here", name);
    return false;
}

static const char *elsewhere(const struct session *s, const char *table)
{
    for (const struct hub_table *t = s->hub->table_list; t; t = t->next)
        if (t->known && t->source != s->source && strcmp(t->name, table) == 0) {
            struct view view;
            struct err e = {0};
            if (!view_take(s, t, &view, &e))
                continue;
            view_clear(&view);
            return t->source->name;
        }
    return NULL;
}

/* A table that it may not see is answered as one that is not there. */
static bool may_see(struct wish *w)
{
    struct err e = {0};
    struct session *s = w->session;
    if (view_take(s, w->table, &w->view, &e))
        return true;
    access_log(s->hub->access, "browser %.100s [%s] subject %.100s may not read %s: %s", s->client, s->name,
               s->claims ? s->claims->subject : "", w->table->name, e.text);
    return false;
}

static bool find_table(struct wish *w)
{
    struct session *s = w->session;
    if (!w->table_name)
        return bad(w, "table", "given");
    for (struct hub_table *t = s->hub->table_list; t && !w->table; t = t->next)
        if (t->known && t->source == s->source && strcmp(t->name, w->table_name) == 0)
            w->table = t;
    if (w->table && may_see(w))
        return true;
    const char *other = elsewhere(s, w->table_name);
    if (other)
        session_error(s, w->id, "unknown_table", false,
                      "%.200s belongs to another connector: open /ws?connector=%s", w->table_name, other);
    else
        session_error(s, w->id, "unknown_table", false, "connector %s captures no table %.200s",
                      s->source->name, w->table_name);
    return false;
}

static bool mark_column(const struct wish *w, struct json_object *value, bool *wanted)
{
    const char *name = string_of(value);
    const struct shape *shape = &w->table->shape;
    for (size_t i = 0; name && i < shape->n_columns; i++)
        if (strcmp(shape->columns[i].name, name) == 0 && !w->view.hidden[i]) {
            wanted[i] = true;
            return true;
        }
    session_error(w->session, w->id, "unknown_column", false, "%s has no column %.200s", w->table->name,
                  name ? name : "of that kind: names are strings");
    return false;
}

/* In the table's order, so that the same columns in another order are the same channel. */
static bool find_columns(struct wish *w)
{
    bool wanted[COLUMNS_MAX] = {false};
    size_t n = w->column_names ? json_object_array_length(w->column_names) : 0;
    for (size_t i = 0; i < n; i++)
        if (!mark_column(w, json_object_array_get_idx(w->column_names, i), wanted))
            return false;
    w->key.columns = w->columns;
    for (size_t i = 0; i < w->table->shape.n_columns; i++)
        if (w->column_names ? wanted[i] : !w->view.hidden[i])
            w->columns[w->key.n_columns++] = (uint16_t)i;
    if (w->key.n_columns == 0)
        session_error(w->session, w->id, "unknown_column", false, "%s has no columns", w->table->name);
    return w->key.n_columns > 0;
}

/* An envelope holds whole rows, before and after. */
static bool may_envelope(struct wish *w)
{
    if (!w->key.envelope)
        return true;
    w->key.old = OLD_NONE;
    if (w->column_names)
        session_error(w->session, w->id, "bad_request", false, "an envelope has all columns: name none");
    else if (w->view.hides || w->view.where)
        session_error(w->session, w->id, "unsupported", false,
                      "format \"debezium\" is for those who may read the whole table");
    return !w->column_names && !w->view.hides && !w->view.where;
}

static bool find_filter(struct wish *w)
{
    struct err e = {0};
    const struct shape *shape = &w->table->shape;
    if (!w->where && !w->view.where)
        return true;
    w->key.filter = filter_ruled(w->view.where, w->where, w->view.hides ? w->view.hidden : NULL,
                                 shape->columns, shape->n_columns, &e);
    if (!w->key.filter)
        session_error(w->session, w->id, "bad_filter", false, "%s", e.text);
    return w->key.filter;
}

static bool id_is_free(const struct wish *w)
{
    const struct session *s = w->session;
    const struct sub *sub;
    if (s->n_subs >= s->hub->options.max_subscriptions) {
        session_error(w->session, w->id, "too_many_subscriptions", false, "limits.subscriptions is %zu",
                      s->hub->options.max_subscriptions);
        return false;
    }
    LIST_FOREACH(sub, &s->subs, in_session)
    if (sub->id == w->id) {
        session_error(w->session, w->id, "bad_request", false, "this id is in use");
        return false;
    }
    return true;
}

/* Why the changes behind a position are not all there; NULL: they are. */
static const char *resume_obstacle(const struct wish *w)
{
    const struct hub_table *t = w->table;
    if (strcmp(w->from_epoch, t->source->epoch) != 0)
        return "epoch";
    if (pos_compare(w->from, t->floor) < 0)
        return t->reshaped ? "schema" : "retention";
    return pos_compare(w->from, t->source->floor) < 0 ? "retention" : NULL;
}

/* All columns that these conditions read are in old images. */
static bool identified(const struct shape *shape, const struct filter *filter)
{
    size_t n = 0;
    const uint16_t *read = filter ? filter_columns(filter, &n) : NULL;
    return shape_identifies(shape, read, n);
}

void subscribed_append(struct buf *b, const struct sub *sub, const char *mode, struct pos pos)
{
    const struct channel *c = sub->channel;
    const struct shape *shape = &c->table->shape;
    buf_printf(b, "{\"type\":\"subscribed\",\"id\":%lld,\"channel\":%llu,\"mode\":\"%s\",\"pos\":",
               (long long)sub->id, (unsigned long long)c->number, mode);
    pos_append(b, pos);
    json_key(b, "key");
    key_append(b, shape);
    json_key(b, "columns");
    columns_append(b, shape, c->key.columns, c->key.n_columns);
    bool filtered = c->key.filter && identified(shape, c->key.filter);
    buf_printf(b, ",\"deletes\":\"%s\"}",
               !identified(shape, c->key.rule) ? "none"
               : filtered                      ? "filtered"
                                               : "unfiltered");
}

static void subscribed(const struct sub *sub, const char *mode, struct pos pos)
{
    session_line(sub->session);
    subscribed_append(&sub->session->control, sub, mode, pos);
}

/* Who reads what, and what he asks for: columns, never values. */
static void audit(const struct wish *w, const struct sub *sub)
{
    const struct session *s = w->session;
    const struct filter *filter = sub->channel->key.filter;
    struct buf names = BUF_EMPTY;
    size_t n = 0;
    const uint16_t *read = filter ? filter_columns(filter, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        buf_printf(&names, "%s%s", i ? "," : " by ", w->table->shape.columns[read[i]].name);
    log_info("browser %.100s [%s] subject %.100s reads %s: rule %zu, %s%s%s", s->client, s->name,
             s->claims ? s->claims->subject : "", w->table->name, w->view.rule,
             filter ? "filtered" : "all rows", names.len ? names.ptr : "",
             identified(&w->table->shape, sub->channel->key.rule)
                 ? ""
                 : "; no deletes: the replica identity lacks columns of the rule");
    buf_free(&names);
}

/* Most who come back have missed nothing; and when many come at once, as behind a restart, they were at the
 * same place: what is before that need not be walked over for each. */
static struct entry *first_behind(struct hub_table *t, struct pos pos)
{
    if (!t->first || pos_compare(t->last->pos, pos) <= 0)
        return NULL;
    bool hint = t->resumed_seq >= t->first->seq && pos_compare(t->resumed->pos, pos) <= 0;
    struct entry *e = hint ? t->resumed : t->first, *before = NULL;
    for (; e && pos_compare(e->pos, pos) <= 0; e = e->next_same)
        before = e;
    if (before) {
        t->resumed = before;
        t->resumed_seq = before->seq;
    }
    return e;
}

/* Rule and filter as they were written; NULL: there is neither. */
static char *wish_filter(const struct wish *w)
{
    enum { PLAIN = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE };
    const char *rule = w->view.where ? json_object_to_json_string_ext(w->view.where, PLAIN) : NULL;
    const char *where = w->where ? json_object_to_json_string_ext(w->where, PLAIN) : NULL;
    if (rule && where)
        return xasprintf("{\"and\":[%s,%s]}", rule, where);
    return rule || where ? xstrdup(rule ? rule : where) : NULL;
}

static void wish_grant(struct wish *w)
{
    char *view = view_text(w->session, w->table, &w->view);
    w->key.rule = w->view.filter;
    w->view.filter = NULL;
    struct sub *sub = sub_new(w->session, w->id, channel_get(w->session, w->table, &w->key));
    sub->view = view;
    sub->all = !w->column_names;
    sub->paced = w->paced;
    audit(w, sub);
    struct pos now = source_pos(w->table->source);
    if (pos_compare(now, w->table->floor) < 0)
        now = w->table->floor; /* of a transaction that is passing by */
    if (w->resume) {
        sub->after = w->from;
        subscribed(sub, "resume", w->from);
        sub_start(sub, first_behind(w->table, w->from));
    } else if (w->snapshot) {
        subscribed(sub, "snapshot", now);
        request_new(sub, wish_filter(w));
    } else {
        sub->after = now;
        subscribed(sub, "live", now);
        sub_start(sub, NULL);
    }
}

static void refuse_resume(const struct wish *w, const char *reason)
{
    struct buf *b = &w->session->control;
    session_line(w->session);
    buf_printf(b, "{\"type\":\"reset\",\"id\":%lld,\"reason\":\"%s\",\"action\":\"resubscribe\"",
               (long long)w->id, reason);
    json_field(b, "epoch", w->session->source->epoch);
    buf_char(b, '}');
    w->session->hub->stats.resets++;
}

static void wish_take(struct wish *w)
{
    table_follow(w->session->hub, w->table);
    const char *obstacle = w->resume ? resume_obstacle(w) : NULL;
    if (!obstacle) {
        wish_grant(w);
        return;
    }
    refuse_resume(w, obstacle);
    filter_free(w->key.filter);
}

void subscribe_message(struct session *s, struct json_object *message)
{
    struct wish w = {.session = s, .id = client_id(message), .key = {.ops = (1u << strlen(OP_LETTERS)) - 1}};
    if (w.id < 0) {
        bad(&w, "id", "a whole number from 0 up");
        return;
    }
    json_object_object_foreach(message, name, value) if (!wish_member(&w, name, value)) return;
    if (find_table(&w) && find_columns(&w) && may_envelope(&w) && id_is_free(&w) && find_filter(&w))
        wish_take(&w);
    view_clear(&w.view);
}
