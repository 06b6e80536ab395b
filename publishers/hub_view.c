/* hub_view.c - what a session may see of a table: the rules, held against its token and the table's columns.
 *
 * Whatever does not fit closes: a rule that hides the key, that filters on a column which is not there, or
 * compares one with a claim of another type, shows nothing, and the log says so. */
#include "hub_impl.h"

#include <json-c/json.h>
#include <stdlib.h>

static bool listed(struct json_object *names, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(names); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(names, i)), name) == 0)
            return true;
    return false;
}

/* A change is told by its key: who may not see that sees nothing. */
static bool hide_columns(struct view *v, const struct hub_table *t, struct json_object *names, struct err *e)
{
    size_t shown = 0;
    for (size_t i = 0; i < t->shape.n_columns; i++) {
        v->hidden[i] = names && !listed(names, t->shape.columns[i].name);
        v->hides |= v->hidden[i];
        shown += !v->hidden[i];
    }
    for (size_t i = 0; i < t->shape.n_key; i++)
        if (v->hidden[t->shape.key[i]])
            return err_set(e, ERR_DATA, "rule %zu hides %s, which is in the key", v->rule,
                           t->shape.columns[t->shape.key[i]].name);
    return shown || err_set(e, ERR_DATA, "rule %zu shows no column", v->rule);
}

bool view_take(const struct session *s, const struct hub_table *t, struct view *out, struct err *e)
{
    struct allowance a;
    *out = (struct view){0};
    if (!s->hub->access || !access_ruled(s->hub->access))
        return true;
    if (!access_allows(s->hub->access, t->name, s->claims, &a, e))
        return false;
    out->rule = a.rule;
    out->where = a.where;
    bool ok = hide_columns(out, t, a.columns, e);
    if (ok && out->where) {
        out->filter = filter_new(out->where, t->shape.columns, t->shape.n_columns, e);
        ok = out->filter || err_prefix(e, "rule %zu", a.rule);
    }
    if (!ok)
        view_clear(out);
    return ok;
}

void view_clear(struct view *v)
{
    json_object_put(v->where);
    filter_free(v->filter);
    v->where = NULL;
    v->filter = NULL;
}

char *view_text(const struct session *s, const struct hub_table *t, const struct view *v)
{
    struct buf b = BUF_EMPTY;
    if (!v->rule)
        return NULL;
    for (size_t i = 0; v->hides && i < t->shape.n_columns; i++)
        if (!v->hidden[i])
            buf_printf(&b, "%zu,", i);
    buf_char(&b, '|');
    if (v->filter)
        buf_str(&b, filter_text(v->filter));
    return buf_take(&b);
}
