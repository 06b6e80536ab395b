/* hub_log.c - the window: changes in the order in which they came, each also in its table's list.
 *
 * The window drops from the front when it is too large. Cursors are not told: they find out when they go on
 * (sub_lost), because a table may have thousands of them. */
#include "hub_impl.h"

#include "hub_spool.h"

#include <stdlib.h>

static void wake_idle(struct hub_table *t, struct entry *e)
{
    for (struct sub *sub; (sub = LIST_FIRST(&t->idle)); session_want(sub->session))
        sub_start(sub, e);
}

static void log_append(struct hub *h, struct entry *e)
{
    e->note.next = NULL;
    if (h->last)
        h->last->note.next = &e->note;
    else
        h->first = e;
    h->last = e;
}

static void table_append(struct hub *h, struct entry *e)
{
    struct hub_table *t = e->table;
    e->seq = h->next_seq++;
    if (t->last)
        t->last->next_same = e;
    else
        t->first = e;
    t->last = e;
    h->bytes += e->size;
    h->stats.window_changes++;
}

void log_add(struct hub *h, struct entry *e)
{
    struct hub_table *t = e->table;
    log_append(h, e);
    table_append(h, e);
    wake_idle(t, e);
    if (t->n_filtered)
        hits_add(h, e);
    if (h->bytes > h->options.window_bytes) /* hits may be many more bytes than the change */
        log_evict(h);
}

static void entry_free(struct hub *h, struct entry *e)
{
    h->bytes -= e->size;
    h->stats.window_changes--;
    encoded_free(h, e);
    blocks_free(h, e);
    hits_free(h, e);
    spool_release(h, e);
    free(e);
}

void gone_note(struct gone *g, struct pos pos, uint32_t xid)
{
    if (pos_compare(g->upto, pos) < 0)
        g->upto = pos;
    if (g->n_xids == 0 || g->xids[(g->n_xids - 1) % GONE_KEPT] != xid)
        g->xids[g->n_xids++ % GONE_KEPT] = xid;
}

static void floor_raise(struct hub_table *t, struct pos to)
{
    if (pos_compare(t->floor, to) >= 0)
        return;
    t->floor = to;
    t->reshaped = false;
}

/* With the mutex held. */
static void passed_take(struct hub_table *t)
{
    const struct gone *p = &t->passed;
    size_t oldest = p->n_xids > GONE_KEPT ? p->n_xids - GONE_KEPT : 0;
    for (size_t i = t->taken > oldest ? t->taken : oldest; i < p->n_xids; i++)
        gone_note(&t->gone, p->upto, p->xids[i % GONE_KEPT]);
    t->taken = p->n_xids;
    if (pos_compare(t->gone.upto, p->upto) < 0)
        t->gone.upto = p->upto;
    floor_raise(t, p->upto);
}

void table_passed(struct hub *h, struct hub_table *t)
{
    pthread_mutex_lock(&h->mutex);
    passed_take(t);
    pthread_mutex_unlock(&h->mutex);
}

void table_follow(struct hub *h, struct hub_table *t)
{
    pthread_mutex_lock(&h->mutex);
    bool missed = t->unfollowed;
    if (missed)
        passed_take(t);
    t->unfollowed = false;
    pthread_mutex_unlock(&h->mutex);
    t->left_ms = hub_clock(h);
    if (missed || !t->spool_read)
        spool_table(h, t);
}

void table_forget(struct hub *h, struct hub_table *t)
{
    t->floor = (struct pos){0};
    t->gone = (struct gone){0};
    t->reshaped = false;
    pthread_mutex_lock(&h->mutex);
    t->taken = 0;
    passed_take(t);
    pthread_mutex_unlock(&h->mutex);
}

static void table_unfollow(struct hub *h, struct hub_table *t)
{
    pthread_mutex_lock(&h->mutex);
    t->unfollowed = true;
    pthread_mutex_unlock(&h->mutex);
    spool_table(h, t);
}

/* Who has been told of a change may come back for the next one as long as the window goes back. */
bool table_is_read(const struct hub *h, const struct hub_table *t)
{
    int64_t most = h->options.retention_ms;
    return h->options.keep_unread || !LIST_EMPTY(&t->channels) ||
           (t->left_ms && (!most || hub_clock(h) - t->left_ms < most));
}

static void evict_first(struct hub *h)
{
    struct entry *e = h->first;
    struct hub_table *t = e->table;
    h->first = (struct entry *)e->note.next;
    if (!h->first)
        h->last = NULL;
    t->first = e->next_same;
    if (!t->first)
        t->last = NULL;
    gone_note(&t->gone, e->pos, e->xid);
    floor_raise(t, e->pos);
    entry_free(h, e);
}

static bool first_is_old(const struct hub *h)
{
    return h->options.retention_ms && h->first && h->now_ms - h->first->at_ms >= h->options.retention_ms;
}

/* What nobody reads is kept in a small part of the window, for those who come back after a restart; once that
 * is full such a table is not followed until somebody asks for it. */
void log_evict(struct hub *h)
{
    size_t most = h->options.window_bytes;
    while (first_is_old(h))
        evict_first(h);
    while (h->first != h->last && h->bytes > most / UNREAD_PART) {
        bool read = table_is_read(h, h->first->table);
        if (read && h->bytes <= most)
            return;
        if (!read)
            table_unfollow(h, h->first->table);
        evict_first(h);
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
            gone_note(&e->table->gone, e->pos, e->xid);
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

/* What several sources bring stands in the order in which it came. */
static void log_merge(struct hub *h, struct entry *first)
{
    struct entry *old = h->first;
    h->first = h->last = NULL;
    while (old || first) {
        struct entry **next = !first || (old && old->at_ms <= first->at_ms) ? &old : &first, *e = *next;
        *next = (struct entry *)e->note.next;
        log_append(h, e);
    }
}

void log_adopt(struct hub *h, struct entry *first)
{
    for (struct entry *e = first; e; e = (struct entry *)e->note.next)
        table_append(h, e);
    log_merge(h, first);
}

void log_free(struct hub *h)
{
    for (struct entry *e = h->first, *next; e; e = next) {
        next = (struct entry *)e->note.next;
        entry_free(h, e);
    }
}
