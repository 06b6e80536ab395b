/* hub_log.c - the window: changes in the order in which they came, each also in its table's list.
 *
 * The window drops from the front when it is too large. Cursors are not told: they find out when they go on
 * (sub_lost), because a table may have thousands of them. */
#include "hub_impl.h"

#include <stdlib.h>

static void wake_idle(struct hub_table *t, struct entry *e)
{
    for (struct sub *sub; (sub = LIST_FIRST(&t->idle)); session_want(sub->session))
        sub_start(sub, e);
}

void log_add(struct hub *h, struct entry *e)
{
    struct hub_table *t = e->table;
    e->seq = h->next_seq++;
    e->note.next = NULL;
    if (h->last)
        h->last->note.next = &e->note;
    else
        h->first = e;
    h->last = e;
    if (t->last)
        t->last->next_same = e;
    else
        t->first = e;
    t->last = e;
    h->bytes += e->size;
    h->stats.window_changes++;
    wake_idle(t, e);
}

static void entry_free(struct hub *h, struct entry *e)
{
    h->bytes -= e->size;
    h->stats.window_changes--;
    encoded_free(h, e);
    free(e);
}

static void evict_note(struct hub_table *t, const struct entry *e)
{
    t->evicted = t->floor = e->pos;
    t->reshaped = false;
    if (t->n_evicted == 0 || t->evicted_xids[(t->n_evicted - 1) % EVICTED_KEPT] != e->xid)
        t->evicted_xids[t->n_evicted++ % EVICTED_KEPT] = e->xid;
}

void log_evict(struct hub *h)
{
    while (h->bytes > h->options.window_bytes && h->first != h->last) {
        struct entry *e = h->first;
        struct hub_table *t = e->table;
        h->first = (struct entry *)e->note.next;
        t->first = e->next_same;
        if (!t->first)
            t->last = NULL;
        evict_note(t, e);
        entry_free(h, e);
    }
}

/* Takes out the changes of one table, or of all tables of a source. */
static void log_drop(struct hub *h, const struct hub_table *t, const struct source *s)
{
    struct entry *kept = NULL, *next;
    struct entry *e = h->first;
    h->first = NULL;
    for (; e; e = next) {
        next = (struct entry *)e->note.next;
        if (e->table == t || e->table->source == s) {
            e->table->first = e->table->last = NULL;
            entry_free(h, e);
            continue;
        }
        e->note.next = NULL;
        if (kept)
            kept->note.next = &e->note;
        else
            h->first = e;
        kept = e;
    }
    h->last = kept;
}

void log_drop_table(struct hub *h, const struct hub_table *t)
{
    log_drop(h, t, NULL);
}

void log_drop_source(struct hub *h, const struct source *s)
{
    log_drop(h, NULL, s);
}

void log_free(struct hub *h)
{
    for (struct entry *e = h->first, *next; e; e = next) {
        next = (struct entry *)e->note.next;
        entry_free(h, e);
    }
}
