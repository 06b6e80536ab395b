/* hub_shape.c - what a table looks like, and what happens when it looks otherwise.
 *
 * Columns that are added stand behind the others, so all that is known by a column's number stays good: the
 * changes in the window, channels, compiled filters. Whoever asked for all columns gets the new ones at the
 * first change that has them. Every other difference begins the table anew. */
#include "hub_impl.h"

#include <stdlib.h>

static bool column_same(const struct hub_column *a, const struct hub_column *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 && a->version == b->version &&
           strcmp(a->base ? a->base : a->type, b->base ? b->base : b->type) == 0;
}

static bool begins_as(const struct shape *wide, const struct shape *narrow)
{
    if (wide->n_columns < narrow->n_columns || wide->n_key != narrow->n_key)
        return false;
    for (size_t i = 0; i < narrow->n_columns; i++)
        if (!column_same(&wide->columns[i], &narrow->columns[i]) || wide->identity[i] != narrow->identity[i])
            return false;
    return narrow->n_key == 0 || memcmp(wide->key, narrow->key, narrow->n_key * sizeof(*narrow->key)) == 0;
}

bool shape_same(const struct shape *a, const struct shape *b)
{
    return a->n_columns == b->n_columns && begins_as(a, b);
}

static bool any_identity(const struct shape *s, size_t from, size_t to)
{
    while (from < to && !s->identity[from])
        from++;
    return from < to;
}

bool shape_extends(const struct shape *wide, const struct shape *narrow)
{
    size_t old = narrow->n_columns, all = wide->n_columns;
    if (old == 0 || all <= old || !begins_as(wide, narrow))
        return false;
    return !any_identity(wide, old, all) || shape_whole(narrow);
}

bool shape_whole(const struct shape *s)
{
    size_t i = 0;
    while (i < s->n_columns && s->identity[i])
        i++;
    return i == s->n_columns;
}

/* A rule that names columns may hide the new ones; what is seen of the others stays the same. */
static void sub_review(struct sub *sub)
{
    const struct hub_table *t = sub->channel->table;
    struct view view;
    struct err ignored = {0};
    if (!sub->view || !view_take(sub->session, t, &view, &ignored))
        return;
    free(sub->view);
    sub->view = view_text(sub->session, t, &view);
    view_clear(&view);
}

void table_widened(struct hub_table *t)
{
    struct sub *sub;
    struct channel *c;
    LIST_FOREACH(sub, &t->idle, in_table)
    sub_review(sub);
    LIST_FOREACH(sub, &t->busy, in_table)
    sub_review(sub);
    LIST_FOREACH(c, &t->channels, in_table)
    LIST_FOREACH(sub, &c->idle, in_table)
    sub_review(sub);
}

/* Those among the first `width` that the session may see. */
static size_t columns_seen(const struct sub *sub, size_t width, uint16_t *columns)
{
    struct view view;
    struct err ignored = {0};
    size_t n = 0;
    if (!view_take(sub->session, sub->channel->table, &view, &ignored))
        return 0;
    for (size_t i = 0; i < width; i++)
        if (!view.hidden[i])
            columns[n++] = (uint16_t)i;
    view_clear(&view);
    return n;
}

/* Apart, since what it has on the stack is written to before it is used. */
static __attribute__((noinline)) void columns_learn(struct sub *sub, const struct frame *f)
{
    const struct entry *e = sub->next;
    uint16_t columns[COLUMNS_MAX];
    sub->width = e->n_columns;
    struct channel_key key = sub->channel->key;
    size_t n = sub->all ? columns_seen(sub, sub->width, columns) : 0;
    if (n <= key.n_columns)
        return;
    key.columns = columns;
    key.n_columns = n;
    key.filter = filter_share(key.filter);
    key.rule = filter_share(key.rule);
    sub_move(sub, channel_get(sub->session, sub->channel->table, &key));
    frame_line(f);
    subscribed_append(f->out, sub, "live", (struct pos){e->pos.lsn, e->pos.ordinal - 1});
}

void sub_widen(struct sub *sub, const struct frame *f)
{
    if (sub->next->n_columns > sub->width)
        columns_learn(sub, f);
}
