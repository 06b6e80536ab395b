/* hub_turn.c - how the web thread takes what the others left: all of it, in order, in one go. */
#include "hub_impl.h"

#include <stdlib.h>

#include "hub_spool.h"
#include "log.h"

void pos_append(struct buf *b, struct pos pos)
{
    buf_printf(b, "\"%016llX%08X\"", (unsigned long long)pos.lsn, pos.ordinal);
}

bool pos_parse(struct slice text, struct pos *out)
{
    *out = (struct pos){0};
    for (size_t i = 0; i < POS_TEXT && text.len == POS_TEXT; i++) {
        const char *digits = "0123456789ABCDEF", *digit = strchr(digits, text.ptr[i]);
        if (!digit || !*digit)
            return false;
        if (i < 16)
            out->lsn = out->lsn << 4 | (lsn_t)(digit - digits);
        else
            out->ordinal = out->ordinal << 4 | (uint32_t)(digit - digits);
    }
    return text.len == POS_TEXT;
}

struct pos source_pos(const struct source *s)
{
    struct pos streamed = {s->position, 0};
    return pos_compare(s->last, streamed) > 0 ? s->last : streamed;
}

static void tables_reset(struct hub *h, const struct source *s, const char *reason)
{
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == s)
            table_reset(t, reason);
}

/* Nothing of what was before counts any more. */
static void source_restart(struct hub *h, struct source *s, struct epoch_note *n, const char *reason)
{
    free(s->epoch);
    s->epoch = n->epoch;
    n->epoch = NULL;
    s->position = n->start;
    s->last = (struct pos){0};
    s->floor = (struct pos){n->start ? n->start : UINT64_MAX, 0};
    s->since = (struct pos){0};
    tables_reset(h, s, reason);
    log_drop_source(h, s);
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == s)
            table_forget(h, t);
}

static void take_epoch(struct hub *h, struct epoch_note *n)
{
    struct source *s = n->source;
    bool same = s->epoch && strcmp(s->epoch, n->epoch) == 0;
    if (same && s->position < n->reached)
        s->position = n->reached;
    bool back = !same && n->spooled && n->spooled->useful;
    if (same && n->start <= source_pos(s).lsn)
        return;
    source_restart(h, s, n, same ? "retention" : "epoch");
    if (back)
        spool_adopt(h, s, n->spooled);
    spool_begin(h, s, back, s->position);
}

static void take_end(struct hub *h, struct epoch_note *n)
{
    struct session *s;
    LIST_FOREACH(s, &h->sessions, in_hub)
    if (s->source == n->source)
        session_end(s, CLOSE_GONE, "the connector was removed");
    source_restart(h, n->source, n, "epoch");
    spool_drop(h, n->source);
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == n->source)
            t->known = false;
}

static void take_table(struct hub *h, struct table_note *n)
{
    struct hub_table *t = n->table;
    if (shape_same(&t->shape, &n->shape)) {
        t->known = true;
        return;
    }
    bool widens = t->shape.columns && shape_extends(&n->shape, &t->shape);
    if (t->shape.columns && !widens) {
        table_reset(t, "schema");
        log_drop_table(h, t);
        t->floor = source_pos(t->source);
        t->reshaped = true;
    } else if (!widens) {
        t->next = h->table_list;
        h->table_list = t;
        t->floor = t->source->since;
        table_passed(h, t);
    }
    struct shape old = t->shape;
    t->shape = n->shape;
    n->shape = old;
    t->known = true;
    if (widens)
        table_widened(t);
    if (h->spooler) {
        spool_digest(&t->shape, t->digest);
        spool_table(h, t);
    }
}

/* A stream that started again repeats what was not confirmed: that is here already. */
static void take_change(struct hub *h, struct entry *e)
{
    struct source *s = e->table->source;
    bool behind = pos_compare(e->pos, e->table->floor) <= 0;
    if (behind && s->epoch && pos_compare(e->pos, s->last) > 0)
        gone_note(&e->table->gone, e->pos, e->xid);
    if (!s->epoch || pos_compare(e->pos, s->last) <= 0 || behind ||
        e->n_columns != e->table->shape.n_columns) {
        free(e);
        return;
    }
    s->last = e->pos;
    if (s->position < e->pos.lsn)
        s->position = e->pos.lsn;
    h->stats.published++;
    e->at_ms = h->now_ms;
    if (e->expected)
        e->table->left_ms = h->now_ms;
    spool_change(h, e);
    log_add(h, e);
}

static void take_note(struct hub *h, struct note *n)
{
    switch (n->kind) {
    case NOTE_CHANGE:
        take_change(h, (struct entry *)n);
        return;
    case NOTE_TABLE:
        take_table(h, (struct table_note *)n);
        break;
    case NOTE_EPOCH:
        take_epoch(h, (struct epoch_note *)n);
        break;
    case NOTE_END:
        take_end(h, (struct epoch_note *)n);
        break;
    }
    note_free(n);
}

/* Changes that the inbox could not keep are lost to everybody, as if the window had dropped them. */
static void source_dropped(struct hub *h, struct source *s)
{
    log_warn("browsers lost their place in connector %s: its changes came faster than they could be taken",
             s->name);
    tables_reset(h, s, "slow");
    log_drop_source(h, s);
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == s)
            table_passed(h, t);
}

static void source_advance(struct hub *h, struct source *s)
{
    if (s->epoch && s->position < s->reached)
        s->position = s->reached;
    for (struct hub_table *t = h->table_list; t && s->dropped.lsn; t = t->next)
        if (t->source == s && pos_compare(t->floor, s->dropped) < 0)
            t->floor = s->dropped;
    if (s->dropped.lsn)
        spool_begin(h, s, false, SPOOL_NO_REWIND);
}

/* Empties what the mutex guards into the web thread's own fields. */
static struct note *inbox_take(struct hub *h, struct source **sources)
{
    pthread_mutex_lock(&h->mutex);
    struct note *notes = h->inbox;
    h->woken = false;
    h->inbox = NULL;
    h->inbox_end = &h->inbox;
    h->inbox_bytes = 0;
    h->attended = !LIST_EMPTY(&h->sessions);
    *sources = h->source_list;
    for (struct source *s = h->source_list; s; s = s->next) {
        s->reached = s->position_in;
        s->lag_ms = s->lag_in;
        s->dropped = s->dropped_in;
        s->dropped_in = (struct pos){0};
    }
    pthread_mutex_unlock(&h->mutex);
    return notes;
}

static void stats_show(struct hub *h)
{
    h->stats.window_bytes = h->bytes;
    h->stats.window_age_ms = h->first ? (uint64_t)(h->now_ms - h->first->at_ms) : 0;
    pthread_mutex_lock(&h->mutex);
    h->shown = h->stats;
    pthread_mutex_unlock(&h->mutex);
}

void hub_turn(struct hub *h)
{
    struct source *sources;
    struct note *notes = inbox_take(h, &sources);
    size_t ahead = hits_ahead(h, notes); /* the clocks are read meanwhile */
    h->now_ms = hub_clock(h);
    h->wall_ahead_ms = hub_wall(h) - h->now_ms;
    for (struct source *s = sources; s; s = s->next)
        if (s->dropped.lsn)
            source_dropped(h, s);
    for (struct note *next; notes; notes = next, ahead--) {
        if (ahead == 0)
            ahead = hits_ahead(h, notes);
        next = notes->next;
        take_note(h, notes);
    }
    for (struct source *s = sources; s; s = s->next)
        source_advance(h, s);
    log_evict(h);
    h->stats.spool_bytes = 0;
    for (struct source *s = sources; s; s = s->next)
        h->stats.spool_bytes += spool_turn(h, s);
    requests_turn(h);
    told_turn(h);
    stats_show(h);
}

void hub_tick(struct hub *h, int64_t now_ms)
{
    struct session *s;
    LIST_FOREACH(s, &h->sessions, in_hub)
    session_tick(s, now_ms);
    requests_tick(h, now_ms);
    channels_tick(h);
    stats_show(h);
}

void hub_set_access(struct hub *h, struct access *a)
{
    h->access = a;
}

void hub_end_sessions(struct hub *h, enum close_code code, const char *reason)
{
    struct session *s;
    LIST_FOREACH(s, &h->sessions, in_hub)
    session_end(s, code, reason);
}
