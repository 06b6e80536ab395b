/* hub_index.c - the filtered channels of a table by the value that they want in a column.
 *
 * With a hundred thousand of them nothing of what a change is for is in the processor's caches, and each step
 * to it (value, channel, subscription, session) would wait for memory. So beside each value stands where all
 * of them are, and before a change is looked at they are asked for together (hits_ahead): it waits twice, for
 * the value's place and for the rest. What stands there is never looked at, since it may have gone. */
#include "hub_impl.h"

#include <stdlib.h>
#include <sys/random.h>

#include "xmalloc.h"

enum {
    FIRST_CAP = 16,
    LINE = 64,          /* bytes of a cache line */
    HOT = 2 * LINE,     /* what a change looks at of subscriptions and sessions */
    AHEAD_CHANGES = 32, /* more would push out what was brought in first */
    AHEAD_LEAST = 500,  /* values of an index: of fewer, all stay in the caches */
};

/* ---- a table from values to postings, with linear probing, at most three quarters full ---- */

static bool posting_is(const struct posting *p, struct slice key)
{
    const char *text = p->len > sizeof(p->text) ? p->longer : p->text;
    return p->len == key.len && memcmp(text, key.ptr, key.len) == 0;
}

static size_t spot_after(const struct column_index *x, size_t i)
{
    return (i + 1) & (x->cap - 1);
}

/* Where the value is, or the free one where it belongs. */
static struct spot *spot_of(const struct column_index *x, uint64_t hash, struct slice key)
{
    size_t i = hash & (x->cap - 1);
    while (x->spots[i].first && !(x->spots[i].hash == hash && posting_is(x->spots[i].first, key)))
        i = spot_after(x, i);
    return &x->spots[i];
}

static void spots_double(struct column_index *x)
{
    struct spot *old = x->spots;
    size_t n = x->cap;
    x->cap = n * 2;
    x->spots = xcalloc(x->cap, sizeof(*x->spots));
    for (size_t from = 0; from < n; from++) {
        if (!old[from].first)
            continue;
        size_t i = old[from].hash & (x->cap - 1);
        while (x->spots[i].first)
            i = spot_after(x, i);
        x->spots[i] = old[from];
    }
    free(old);
}

/* What stands behind it, and could stand here, moves up. */
static void spot_clear(struct column_index *x, struct spot *spot)
{
    size_t free_at = (size_t)(spot - x->spots), mask = x->cap - 1;
    for (size_t i = spot_after(x, free_at); x->spots[i].first; i = spot_after(x, i)) {
        size_t home = x->spots[i].hash & mask;
        if (((i - home) & mask) < ((i - free_at) & mask))
            continue;
        x->spots[free_at] = x->spots[i];
        free_at = i;
    }
    x->spots[free_at].first = NULL;
    x->n--;
}

struct posting *index_find(const struct column_index *x, struct slice key)
{
    return spot_of(x, map_hash(x->seed, key), key)->first;
}

/* ---- postings ---- */

static void posting_add(struct column_index *x, struct posting *p, struct slice key)
{
    if (x->n >= x->cap / 4 * 3)
        spots_double(x);
    p->hash = map_hash(x->seed, key);
    p->len = key.len;
    if (key.len > sizeof(p->text))
        p->longer = key.ptr; /* the filter's, which lives as long */
    else
        memcpy(p->text, key.ptr, key.len);
    struct spot *spot = spot_of(x, p->hash, key);
    x->n += !spot->first;
    p->next = spot->first;
    if (p->next)
        p->next->before = p;
    *spot = (struct spot){.hash = p->hash, .first = p};
}

static void posting_remove(struct column_index *x, struct posting *p, struct slice key)
{
    if (p->next)
        p->next->before = p->before;
    if (p->before) {
        p->before->next = p->next;
        return;
    }
    struct spot *spot = spot_of(x, p->hash, key);
    if (p->next)
        spot->first = p->next;
    else
        spot_clear(x, spot);
}

/* ---- channels ---- */

static struct column_index *index_get(struct hub_table *t, const struct filter_equal *equal)
{
    struct column_index *x;
    LIST_FOREACH(x, &t->indexes, in_table)
    if (x->column == equal->column)
        return x;
    x = xcalloc(1, sizeof(*x));
    x->column = equal->column;
    x->type = equal->type;
    x->cap = FIRST_CAP;
    x->spots = xcalloc(x->cap, sizeof(*x->spots));
    if (getrandom(&x->seed, sizeof(x->seed), 0) != sizeof(x->seed)) /* nobody shall choose colliding values */
        x->seed = (uint64_t)(uintptr_t)x->spots;
    LIST_INSERT_HEAD(&t->indexes, x, in_table);
    return x;
}

bool index_add(struct channel *c)
{
    struct filter_equal equal;
    if (!filter_equal(c->key.filter, &equal))
        return false;
    c->index = index_get(c->table, &equal);
    c->equal = equal.all;
    c->postings = equal.n == 1 ? &c->posting : xcalloc(equal.n, sizeof(*c->postings));
    LIST_INSERT_HEAD(&c->index->all, c, in_index);
    for (size_t i = 0; i < equal.n; i++) {
        c->postings[i].channel = c;
        posting_add(c->index, &c->postings[i], filter_equal_key(c->key.filter, i));
    }
    return true;
}

void index_remove(struct channel *c)
{
    struct column_index *x = c->index;
    struct filter_equal equal = {0};
    filter_equal(c->key.filter, &equal);
    LIST_REMOVE(c, in_index);
    for (size_t i = 0; i < equal.n; i++)
        posting_remove(x, &c->postings[i], filter_equal_key(c->key.filter, i));
    if (c->postings != &c->posting)
        free(c->postings);
    if (!LIST_EMPTY(&x->all))
        return;
    LIST_REMOVE(x, in_table);
    free(x->spots);
    free(x);
}

void index_lead(struct channel *c, const struct sub *sub)
{
    struct filter_equal equal = {0};
    if (!c->index || !filter_equal(c->key.filter, &equal))
        return;
    for (size_t i = 0; i < equal.n; i++) {
        struct spot *spot = spot_of(c->index, c->postings[i].hash, filter_equal_key(c->key.filter, i));
        spot->channel = c;
        spot->sub = sub;
        spot->session = sub->session;
        spot->user = sub->session->user;
    }
}

/* ---- ahead ---- */

/* What a change will lead to. */
struct glance {
    const struct column_index *index;
    uint64_t hash;
};

static void fetch(const void *at, size_t bytes)
{
    for (uintptr_t line = (uintptr_t)at & -(uintptr_t)LINE; line < (uintptr_t)at + bytes; line += LINE)
        __builtin_prefetch((const void *)line);
}

/* The value of a row or an old row, whose lengths begin at `lengths`. ptr NULL: not known. */
static struct slice cell_at(const char *at, const uint32_t *lengths, size_t column)
{
    for (size_t i = 0; i < column; i++)
        at += lengths[i] < LENGTH_OMITTED ? lengths[i] : 0;
    return lengths[column] < LENGTH_OMITTED ? (struct slice){at, lengths[column]} : (struct slice){NULL, 0};
}

/* After an update that moved a row only its new place is looked at. */
static struct slice entry_cell(const struct entry *e, size_t column)
{
    const char *values = (const char *)(e->lengths + e->n_columns * ((size_t)e->has_row + e->has_old));
    return e->has_row || e->has_old ? cell_at(values, e->lengths, column) : (struct slice){NULL, 0};
}

static size_t glance_at(struct hub *h, const struct entry *e, struct glance *out, size_t room)
{
    const struct column_index *x;
    struct filter_value value;
    size_t n = 0;
    if (e->n_columns != e->table->shape.n_columns)
        return 0;
    LIST_FOREACH(x, &e->table->indexes, in_table)
    {
        struct slice cell = x->n < AHEAD_LEAST ? (struct slice){NULL, 0} : entry_cell(e, x->column);
        if (n == room || !cell.ptr || slice_is(cell, "null") ||
            !value_read(x->type.value, cell, &h->scratch, &value))
            continue;
        out[n] = (struct glance){.index = x, .hash = map_hash(x->seed, value_key(x->type.value, &value))};
        fetch(&x->spots[out[n++].hash & (x->cap - 1)], sizeof(struct spot));
    }
    return n;
}

static const struct spot *glance_spot(const struct glance *g)
{
    size_t at = g->hash & (g->index->cap - 1);
    while (g->index->spots[at].first && g->index->spots[at].hash != g->hash)
        at = spot_after(g->index, at);
    return &g->index->spots[at];
}

/* All that the spot of each leads to: nothing of it is needed to ask for the rest. */
static void glances_follow(const struct glance *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct spot *spot = glance_spot(&list[i]);
        if (!spot->first)
            continue;
        fetch(spot->first, sizeof(struct posting));
        fetch(spot->channel, sizeof(struct channel));
        fetch(spot->sub, HOT);
        fetch(spot->session, HOT);
        fetch(spot->user, LINE);
    }
}

size_t hits_ahead(struct hub *h, const struct note *notes)
{
    struct glance list[AHEAD_CHANGES * 2];
    size_t seen = 0, n = 0, most = sizeof(list) / sizeof(*list);
    for (; notes && notes->kind == NOTE_CHANGE && seen < AHEAD_CHANGES; notes = notes->next, seen++)
        n += glance_at(h, (const struct entry *)notes, list + n, most - n);
    glances_follow(list, n);
    return seen ? seen : 1;
}
