/* feed_order.c - transactions put together again, in the order of their commits.
 *
 * Of a transaction that is larger than what may be held only the number is kept: it is skipped when its turn
 * comes, and whoever reads is reset. */
#include "feed_order.h"

#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { DONE_KEPT = 65536 /* transactions remembered: what a connector that begins again repeats */ };

/* Events of one partition come in order, and so do all where there is one. Those of several are put in order
 * when all are there: a place for each as it comes would be looked for among all that came before. */
struct open {
    struct feed_event *first, *last; /* as they came */
    uint64_t count;
    size_t bytes;
    struct map_u32 *seen; /* by total_order; NULL: they are in order so far */
    bool too_large;
};

struct waiting {
    struct waiting *next;
    struct feed_end end;
};

struct done {
    uint32_t xid;
    lsn_t end;
};

struct feed_order {
    size_t most, bytes, n_waiting, n_open;
    void (*drop)(struct feed_event *e);
    struct map_u32 *open;          /* by xid */
    struct map_u32 *known;         /* xids of the ring and of those that wait */
    struct waiting *first, **tail; /* ENDs in order */
    lsn_t newest;
    struct done done[DONE_KEPT];
    uint64_t n_done; /* ever */
};

struct feed_order *feed_order_new(size_t most, void (*drop)(struct feed_event *e))
{
    struct feed_order *o = xcalloc(1, sizeof *o);
    o->most = most;
    o->drop = drop;
    o->open = map_u32_new();
    o->known = map_u32_new();
    o->tail = &o->first;
    return o;
}

static void events_free(struct feed_order *o, struct feed_event *e)
{
    for (struct feed_event *next; e; e = next) {
        next = e->next;
        o->drop(e);
    }
}

/* Out of the map; NULL: there is none. */
static struct open *open_remove(struct feed_order *o, uint32_t xid)
{
    struct open *t = map_u32_remove(o->open, xid);
    o->n_open -= t != NULL;
    return t;
}

static void open_free(struct feed_order *o, struct open *t)
{
    if (!t)
        return;
    o->bytes -= t->bytes;
    events_free(o, t->first);
    map_u32_free(t->seen);
    free(t);
}

void feed_order_free(struct feed_order *o)
{
    if (!o)
        return;
    size_t at = 0;
    uint32_t xid;
    void *value;
    while (map_u32_next(o->open, &at, &xid, &value))
        open_free(o, value);
    for (struct waiting *w = o->first, *next; w; w = next) {
        next = w->next;
        free(w->end.ordinals);
        free(w);
    }
    map_u32_free(o->open);
    map_u32_free(o->known);
    free(o);
}

/* ---- events ---- */

static void note_all(struct open *t)
{
    t->seen = map_u32_new();
    for (struct feed_event *e = t->first; e; e = e->next)
        map_u32_set(t->seen, (uint32_t)e->total_order, e);
}

/* false: it is there. */
static bool event_append(struct open *t, struct feed_event *e)
{
    if (!t->seen && t->last && t->last->total_order >= e->total_order)
        note_all(t);
    if (t->seen && map_u32_get(t->seen, (uint32_t)e->total_order))
        return false;
    if (t->seen)
        map_u32_set(t->seen, (uint32_t)e->total_order, e);
    *(t->last ? &t->last->next : &t->first) = e;
    t->last = e;
    t->count++;
    t->bytes += e->size;
    return true;
}

static int by_total_order(const void *a, const void *b)
{
    const struct feed_event *x = *(struct feed_event *const *)a, *y = *(struct feed_event *const *)b;
    return (x->total_order > y->total_order) - (x->total_order < y->total_order);
}

/* The events in order. */
static struct feed_event *events_sorted(const struct open *t)
{
    size_t n = 0;
    if (!t->seen)
        return t->first;
    struct feed_event **all = xcalloc(t->count, sizeof(struct feed_event *));
    for (struct feed_event *e = t->first; e; e = e->next)
        all[n++] = e;
    qsort(all, n, sizeof(struct feed_event *), by_total_order);
    struct feed_event *first = NULL;
    while (n > 0) {
        all[--n]->next = first;
        first = all[n];
    }
    free(all);
    return first;
}

static void open_give_up(struct feed_order *o, struct open *t)
{
    o->bytes -= t->bytes;
    events_free(o, t->first);
    map_u32_free(t->seen);
    *t = (struct open){.too_large = true};
}

struct aged {
    uint32_t age; /* numbers wrap: the distance to the newest */
    struct open *tx;
};

static int aged_compare(const void *a, const void *b)
{
    uint32_t x = ((const struct aged *)a)->age, y = ((const struct aged *)b)->age;
    return (x < y) - (x > y);
}

/* What is too large by itself goes first, then the oldest, until there is room again. */
static void shrink(struct feed_order *o, uint32_t newest)
{
    size_t at = 0, n = 0;
    uint32_t xid;
    void *value;
    if (o->bytes <= o->most)
        return;
    struct aged *all = xcalloc(o->n_open, sizeof *all);
    while (map_u32_next(o->open, &at, &xid, &value)) {
        struct open *t = value;
        if (t->bytes > o->most / 2)
            open_give_up(o, t);
        all[n++] = (struct aged){newest - xid + (1u << 31), t};
    }
    qsort(all, n, sizeof *all, aged_compare);
    for (size_t i = 0; i < n && o->bytes > o->most / 4 * 3; i++)
        if (all[i].tx->bytes)
            open_give_up(o, all[i].tx);
    free(all);
}

/* What `known` has of a number. */
static char marks[2];
#define MARK_WAITING ((void *)&marks[0])
#define MARK_DONE    ((void *)&marks[1])

void feed_order_event(struct feed_order *o, uint32_t xid, struct feed_event *e)
{
    struct open *t = map_u32_get(o->open, xid);
    e->next = NULL;
    if (map_u32_get(o->known, xid) == MARK_DONE) {
        o->drop(e);
        return;
    }
    if (!t) {
        map_u32_set(o->open, xid, t = xcalloc(1, sizeof *t));
        o->n_open++;
    }
    if (t->too_large || !event_append(t, e)) {
        o->drop(e);
        return;
    }
    o->bytes += e->size;
    shrink(o, xid);
}

/* ---- ENDs ---- */

static bool is_known(const struct feed_order *o, const struct feed_end *end)
{
    for (const struct waiting *w = o->first; w; w = w->next)
        if (w->end.xid == end->xid && w->end.end == end->end)
            return true;
    for (uint64_t i = o->n_done; i > 0 && o->n_done - i < DONE_KEPT; i--) {
        const struct done *d = &o->done[(i - 1) % DONE_KEPT];
        if (d->xid == end->xid && d->end == end->end)
            return true;
    }
    return false;
}

/* Before all that is remembered: that it is none of these tells nothing. */
static bool is_old(const struct feed_order *o, lsn_t end)
{
    lsn_t oldest = o->n_done  ? o->done[o->n_done > DONE_KEPT ? o->n_done % DONE_KEPT : 0].end
                   : o->first ? o->first->end.end
                              : 0;
    return end < oldest;
}

enum feed_end_result feed_order_end(struct feed_order *o, const struct feed_end *end)
{
    if (end->end <= o->newest) {
        enum feed_end_result result =
            is_old(o, end->end) || is_known(o, end) ? FEED_END_AGAIN : FEED_END_BACKWARD;
        struct open *late = map_u32_get(o->known, end->xid) ? NULL : open_remove(o, end->xid);
        open_free(o, late);
        return result;
    }
    struct waiting *w = xcalloc(1, sizeof *w);
    w->end = *end;
    w->end.ordinals = end->ordinals ? xstrdup(end->ordinals) : NULL;
    *o->tail = w;
    o->tail = &w->next;
    o->n_waiting++;
    o->newest = end->end;
    map_u32_set(o->known, end->xid, MARK_WAITING);
    return FEED_END_NEW;
}

static void remember(struct feed_order *o, const struct feed_end *end)
{
    struct done *d = &o->done[o->n_done % DONE_KEPT];
    if (o->n_done >= DONE_KEPT && map_u32_get(o->known, d->xid) == MARK_DONE)
        map_u32_remove(o->known, d->xid);
    *d = (struct done){end->xid, end->end};
    o->n_done++;
    map_u32_set(o->known, end->xid, MARK_DONE);
}

static struct feed_end pop(struct feed_order *o)
{
    struct waiting *w = o->first;
    struct feed_end end = w->end;
    o->first = w->next;
    if (!o->first)
        o->tail = &o->first;
    o->n_waiting--;
    free(w);
    remember(o, &end);
    return end;
}

static uint64_t missing_of(const struct feed_order *o, const struct feed_end *end)
{
    const struct open *t = map_u32_get(o->open, end->xid);
    if ((t && t->too_large) || end->events == UINT64_MAX)
        return UINT64_MAX;
    uint64_t there = t ? t->count : 0;
    return there < end->events ? end->events - there : 0;
}

bool feed_order_missing(const struct feed_order *o, uint64_t *missing, struct feed_end *end)
{
    if (!o->first)
        return false;
    *end = o->first->end;
    *missing = missing_of(o, end);
    return true;
}

bool feed_order_take(struct feed_order *o, struct feed_transaction *out)
{
    if (!o->first || missing_of(o, &o->first->end) > 0)
        return false;
    struct open *t = open_remove(o, o->first->end.xid);
    *out = (struct feed_transaction){.end = pop(o)};
    if (t) {
        out->events = events_sorted(t);
        o->bytes -= t->bytes;
        map_u32_free(t->seen);
        free(t);
    }
    return true;
}

void feed_order_skip(struct feed_order *o)
{
    struct open *t = open_remove(o, o->first->end.xid);
    struct feed_end end = pop(o);
    free(end.ordinals);
    open_free(o, t);
}

/* The number of the last one of the first n that is not complete; 0: all are. */
static size_t last_broken(const struct feed_order *o, size_t n, lsn_t *end)
{
    size_t at = 0, last = 0;
    for (const struct waiting *w = o->first; w && at++ < n; w = w->next)
        if (missing_of(o, &w->end) > 0) {
            last = at;
            *end = w->end.end;
        }
    return last;
}

bool feed_order_whole(const struct feed_order *o, size_t n)
{
    lsn_t end;
    return last_broken(o, n, &end) == 0;
}

lsn_t feed_order_settle(struct feed_order *o, size_t n)
{
    lsn_t end = 0;
    for (size_t last = last_broken(o, n, &end); last > 0; last--)
        feed_order_skip(o);
    return end;
}

void feed_order_renew(struct feed_order *o)
{
    while (o->first) {
        struct feed_end end = pop(o);
        free(end.ordinals);
    }
    map_u32_free(o->known);
    o->known = map_u32_new();
    o->newest = 0;
    o->n_done = 0;
}

void feed_order_sweep(struct feed_order *o, int64_t now_ms, int64_t age_ms)
{
    size_t at = 0, n = 0;
    uint32_t xid, *old = xcalloc(o->n_open + 1, sizeof *old);
    void *value;
    while (map_u32_next(o->open, &at, &xid, &value)) {
        const struct open *t = value;
        if (!map_u32_get(o->known, xid) && (!t->last || now_ms - t->last->came_ms > age_ms))
            old[n++] = xid;
    }
    while (n > 0)
        open_free(o, open_remove(o, old[--n]));
    free(old);
}

size_t feed_order_bytes(const struct feed_order *o)
{
    return o->bytes;
}

size_t feed_order_waiting(const struct feed_order *o)
{
    return o->n_waiting;
}

uint32_t feed_ordinal(const char *runs, uint64_t total_order)
{
    uint64_t from = 1, ordinal = 0;
    while (runs && *runs) {
        char *end;
        uint64_t total = strtoull(runs, &end, 10), first = *end == ':' ? strtoull(end + 1, &end, 10) : 0;
        if (total > total_order)
            break;
        from = total;
        ordinal = first;
        runs = *end == ',' ? end + 1 : "";
    }
    return (uint32_t)(ordinal + total_order - from);
}
