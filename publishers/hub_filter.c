/* hub_filter.c - channels with a filter: which changes are for them, and as what.
 *
 * Each new change is judged once for a channel, not for each of its subscriptions, and a channel is judged
 * only when it can be concerned: those that want a column to equal something are found by the values that the
 * change has in that column, before and after. What is for a channel is a hit in its list, so that its
 * subscriptions never walk over what is not for them.
 *
 * A rule is stricter than a client's filter: only what it is certain to allow goes out, and of a row that was
 * not certain to be seen not even that it is gone.
 *
 * A value that is not known concerns every channel of its column. With an old image that lacks the filter's
 * columns, each update is an exit for all channels that it does not match: that is the price of such a table.
 */
#include "hub_impl.h"

#include <stdlib.h>

#include "xmalloc.h"

/* A change as filters look at it: its values before and after, as far as they are known. */
struct sight {
    const struct entry *entry;
    const struct slice *row, *old;
};

/* ---- judging ---- */

bool shape_identifies(const struct shape *s, const uint16_t *columns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!s->identity[columns[i]])
            return false;
    return true;
}

static const char *cells_take(struct slice *cells, const char *at, const uint32_t *lengths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool known = lengths[i] < LENGTH_OMITTED;
        cells[i] = known ? (struct slice){at, lengths[i]} : (struct slice){NULL, 0};
        at += cells[i].len;
    }
    return at;
}

/* An update without an old image has left the identity as it was; unless that is the whole row, which a
 * partition with another identity than its table may have changed. */
static struct sight sight_of(struct hub *h, const struct entry *e)
{
    struct slice *row = h->cells->row, *old = h->cells->old;
    const struct shape *shape = &e->table->shape;
    size_t n = e->n_columns, n_row = e->has_row ? n : 0, n_old = e->has_old ? n : 0;
    const char *at = (const char *)(e->lengths + n_row + n_old);
    at = cells_take(row, at, e->lengths, n_row);
    cells_take(old, at, e->lengths + n_row, n_old);
    bool same = e->op == 'u' && e->has_row && !e->has_old && !shape_whole(shape);
    for (size_t i = 0; !e->has_old && i < n; i++)
        old[i] = same && shape->identity[i] ? row[i] : (struct slice){NULL, 0};
    for (size_t i = n; i < shape->n_columns; i++) /* added later */
        row[i] = old[i] = (struct slice){NULL, 0};
    return (struct sight){e, row, old};
}

static bool rule_allows(const struct channel_key *k, const struct slice *cells, bool present)
{
    return !k->rule || filter_judge(k->rule, cells, present) == FILTER_YES;
}

/* Where a rule cannot decide, the row is none of the client's. */
static enum filter_verdict judge_row(const struct channel_key *k, const struct sight *s)
{
    enum filter_verdict now = filter_judge(k->filter, s->row, true);
    return now == FILTER_UNDECIDED && !rule_allows(k, s->row, true) ? FILTER_NO : now;
}

/* Where it is not known whether the old row matched, the client finds out: it may not hold the key. */
static char update_op(const struct channel_key *k, const struct sight *s)
{
    enum filter_verdict now = judge_row(k, s);
    if (now == FILTER_UNDECIDED)
        return OP_UNDECIDED;
    enum filter_verdict before = filter_judge(k->filter, s->old, false);
    if (now == FILTER_YES)
        return before == FILTER_NO ? OP_ENTER : 'u';
    return before == FILTER_NO || !rule_allows(k, s->old, false) ? 0 : OP_EXIT;
}

static char sight_op(const struct channel_key *k, const struct sight *s)
{
    switch (s->entry->op) {
    case 'c': {
        enum filter_verdict now = judge_row(k, s);
        return now == FILTER_YES ? 'c' : now == FILTER_NO ? 0 : OP_UNDECIDED;
    }
    case 'd':
        return filter_judge(k->filter, s->old, false) == FILTER_NO || !rule_allows(k, s->old, false) ? 0
                                                                                                     : 'd';
    case 'u':
        return update_op(k, s);
    default:
        return s->entry->op;
    }
}

/* What enters is created, to the client, and what leaves is deleted. */
static bool op_wanted(const struct channel *c, char op)
{
    const char *letter = op ? strchr(OP_LETTERS, op == OP_ENTER ? 'c' : op == OP_EXIT ? 'd' : op) : NULL;
    return op == OP_UNDECIDED || (letter && c->key.ops >> (letter - OP_LETTERS) & 1);
}

char channel_op(struct hub *h, struct channel *c, const struct entry *e)
{
    if (!c->key.filter)
        return op_wanted(c, e->op) ? e->op : 0;
    struct sight s = sight_of(h, e);
    h->stats.judged++;
    char op = sight_op(&c->key, &s);
    return op_wanted(c, op) ? op : 0;
}

bool channel_saw(struct hub *h, const struct channel *c, const struct entry *e)
{
    if (!c->key.rule)
        return true;
    struct sight s = sight_of(h, e);
    return rule_allows(&c->key, s.old, false);
}

/* ---- hits ---- */

static void hit_free(struct hub *h, struct hit *hit)
{
    LIST_REMOVE(hit, in_entry);
    TAILQ_REMOVE(&hit->channel->hits, hit, in_channel);
    h->bytes -= sizeof(*hit);
    free(hit);
}

static void hit_release(struct hub *h, struct hit *hit)
{
    if (--hit->waiting == 0)
        hit_free(h, hit);
}

static void sub_at(struct sub *sub, struct hit *hit)
{
    sub->hit = hit;
    sub->next = hit->entry;
    sub->next_seq = hit->entry->seq;
}

static void hit_new(struct hub *h, struct channel *c, struct entry *e, char op)
{
    struct hit *hit = xmalloc(sizeof(*hit));
    *hit = (struct hit){.entry = e, .channel = c, .waiting = c->followers, .op = op};
    LIST_INSERT_HEAD(&e->hits, hit, in_entry);
    TAILQ_INSERT_TAIL(&c->hits, hit, in_channel);
    h->bytes += sizeof(*hit);
    for (struct sub *sub; (sub = LIST_FIRST(&c->idle)); session_want(sub->session)) {
        sub_start(sub, e);
        sub_at(sub, hit);
    }
}

/* certain: the row matches wherever the change has one, before and after. */
static void consider(struct hub *h, struct channel *c, const struct sight *s, bool certain)
{
    if (c->judged == s->entry->seq || c->followers == 0)
        return;
    c->judged = s->entry->seq;
    h->stats.judged++;
    char op = certain ? s->entry->op : sight_op(&c->key, s);
    if (op_wanted(c, op))
        hit_new(h, c, (struct entry *)s->entry, op);
}

/* False: the value is not known, and may be any. `same`: the change has no other value in this column. */
static bool consider_value(struct hub *h, struct column_index *x, struct slice cell, bool same,
                           const struct sight *s)
{
    struct filter_value value;
    if (!cell.ptr)
        return false;
    if (slice_is(cell, "null"))
        return true;
    if (!value_read(x->type.value, cell, &h->scratch, &value))
        return false;
    struct posting *p = index_find(x, value_key(x->type.value, &value));
    for (; p; p = p->next)
        consider(h, p->channel, s, same && p->channel->equal);
    return true;
}

static void index_consider(struct hub *h, struct column_index *x, const struct sight *s)
{
    const struct entry *e = s->entry;
    struct slice row = e->has_row ? s->row[x->column] : SLICE("null");
    struct slice old = e->op == 'c' ? SLICE("null") : s->old[x->column];
    struct channel *c;
    bool same = e->op != 'u' || (row.ptr && old.ptr && slice_eq(old, row));
    bool known = consider_value(h, x, row, same, s);
    if (known && !(e->op == 'u' && same))
        known = consider_value(h, x, old, same, s);
    if (!known)
        LIST_FOREACH(c, &x->all, in_index)
    consider(h, c, s, false);
}

void hits_add(struct hub *h, struct entry *e)
{
    struct hub_table *t = e->table;
    struct sight s = sight_of(h, e);
    struct column_index *x;
    struct channel *c;
    if (!e->has_row && !e->has_old) { /* a truncate, or a delete of nobody knows what */
        LIST_FOREACH(c, &t->channels, in_table)
        if (c->key.filter)
            consider(h, c, &s, false);
        return;
    }
    LIST_FOREACH(x, &t->indexes, in_table)
    index_consider(h, x, &s);
    LIST_FOREACH(c, &t->unindexed, in_index)
    consider(h, c, &s, false);
}

void hits_free(struct hub *h, struct entry *e)
{
    for (struct hit *hit; (hit = LIST_FIRST(&e->hits));)
        hit_free(h, hit);
}

/* Of a cursor that was evicted only later hits are left. */
void hits_leave(struct sub *sub)
{
    struct hub *h = sub->session->hub;
    struct channel *c = sub->channel;
    struct hit *hit = sub->hit && sub_lost(sub) ? TAILQ_FIRST(&c->hits) : sub->hit;
    for (struct hit *after; hit; hit = after) {
        after = TAILQ_NEXT(hit, in_channel);
        hit_release(h, hit);
    }
    c->followers -= sub->follows;
    sub->follows = false;
    sub->hit = NULL;
}

void sub_advance(struct sub *sub)
{
    struct hit *hit = sub->hit;
    if (!hit) {
        sub_start(sub, sub->next->next_same);
        return;
    }
    struct hit *after = TAILQ_NEXT(hit, in_channel);
    hit_release(sub->session->hub, hit);
    if (after)
        sub_at(sub, after);
    else
        sub_start(sub, NULL);
}

void channel_index(struct channel *c)
{
    c->table->n_filtered++;
    if (!index_add(c))
        LIST_INSERT_HEAD(&c->table->unindexed, c, in_index);
}

void channel_unindex(struct hub *h, struct channel *c)
{
    c->table->n_filtered--;
    for (struct hit *hit; (hit = TAILQ_FIRST(&c->hits));)
        hit_free(h, hit);
    if (c->index)
        index_remove(c);
    else
        LIST_REMOVE(c, in_index);
}
