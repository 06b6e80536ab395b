/* hub_spool.c - what of the window goes to disk, and when: records, segments, and taking over what was read
 * back.
 *
 * A segment belongs to the window as long as one of its changes does. A spool that broke off, for want of
 * room or because the disk is too slow, is deleted, and begins again after a while from what is then. */
#include "hub_spool.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "log.h"

enum {
    AGAIN_MS = 60000,
    BLOCK_BYTES = 256 * 1024,
    SEGMENTS = 16,  /* of a full window */
    STATE_PART = 4, /* at most this part of a segment is the state that it begins with */
    SEGMENT_LEAST = 2048,
};

/* ---- records ---- */

static struct segment *newest(const struct spool *sp)
{
    return TAILQ_LAST(&sp->segments, segment_list);
}

static void block_push(struct spool *sp)
{
    if (sp->open)
        (void)spooler_put(sp->spooler, sp->open); /* spool_turn asks */
    sp->open = NULL;
}

static struct spool_block *block_new(struct spool *sp, uint64_t number)
{
    struct spool_block *b = xcalloc(1, sizeof *b);
    b->spool = sp;
    b->number = number;
    return b;
}

static void record(struct spool *sp, const void *head, size_t head_size, struct slice rest)
{
    struct segment *g = newest(sp);
    const struct spool_frame frame = {.len = (uint32_t)(head_size + rest.len)};
    if (sp->open && sp->open->bytes.len >= BLOCK_BYTES)
        block_push(sp);
    if (!sp->open)
        sp->open = block_new(sp, g->number);
    buf_append(&sp->open->bytes, &frame, sizeof frame);
    buf_append(&sp->open->bytes, head, head_size);
    buf_slice(&sp->open->bytes, rest);
    g->bytes += sizeof frame + frame.len;
    sp->bytes += sizeof frame + frame.len;
    sp->marked = false;
}

static void record_position(struct spool *sp, lsn_t lsn)
{
    const struct spool_position r = {RECORD_POSITION, lsn};
    if (sp->marked && sp->marked_lsn == lsn)
        return;
    size_t again = sp->marked ? sizeof(struct spool_frame) + sizeof r : 0;
    record(sp, &r, sizeof r, (struct slice){0});
    sp->open->lsn = lsn;
    newest(sp)->bytes -= again;
    sp->bytes -= again;
    sp->marked = true;
    sp->marked_lsn = lsn;
}

static void record_table(struct hub *h, struct hub_table *t, struct pos floor)
{
    struct spool *sp = t->source->spool;
    if (t->spool_segment != newest(sp)->number) {
        t->spool_segment = newest(sp)->number;
        t->spool_id = sp->tables++;
    }
    t->spool_read = table_is_read(h, t);
    struct spool_table r = {.kind = RECORD_TABLE,
                            .id = t->spool_id,
                            .n_columns = (uint32_t)t->shape.n_columns,
                            .reshaped = t->reshaped,
                            .read = t->spool_read,
                            .floor_lsn = floor.lsn,
                            .floor_ordinal = floor.ordinal};
    if (t->last) {
        r.newest_lsn = t->last->pos.lsn;
        r.newest_ordinal = t->last->pos.ordinal;
    }
    pthread_mutex_lock(&h->mutex);
    r.unfollowed = t->unfollowed;
    pthread_mutex_unlock(&h->mutex);
    memcpy(r.digest, t->digest, sizeof r.digest);
    record(sp, &r, sizeof r, slice_cut(slice_of(t->name), 0, NAME_MOST));
}

void spool_digest(const struct shape *shape, uint8_t digest[SHAPE_DIGEST])
{
    struct buf b = BUF_EMPTY;
    for (size_t i = 0; i < shape->n_columns; i++) {
        const struct hub_column *c = &shape->columns[i];
        buf_append(&b, c->name, strlen(c->name) + 1);
        buf_append(&b, c->type, strlen(c->type) + 1);
        const char *base = c->base ? c->base : c->type;
        buf_append(&b, base, strlen(base) + 1);
        buf_append(&b, &c->version, sizeof c->version);
        buf_char(&b, shape->identity[i] ? '+' : '-');
    }
    buf_append(&b, shape->key, shape->n_key * sizeof *shape->key);
    memset(digest, 0, SHAPE_DIGEST);
    EVP_Digest(buf_view(&b).ptr, b.len, digest, NULL, EVP_sha256(), NULL);
    buf_free(&b);
}

/* ---- segments ---- */

static void segment_detach(struct spool *sp, struct segment *g)
{
    TAILQ_REMOVE(&sp->segments, g, link);
    sp->n_segments--;
    sp->bytes -= g->bytes;
    g->detached = true;
    if (g->live == 0)
        free(g);
}

static void segment_add(struct spool *sp, struct segment *g)
{
    TAILQ_INSERT_TAIL(&sp->segments, g, link);
    sp->n_segments++;
    sp->bytes += g->bytes;
}

static void segment_start(struct hub *h, struct source *s, bool follows, lsn_t rewind)
{
    struct spool *sp = s->spool;
    struct spool_header r = {.kind = RECORD_HEADER,
                             .version = SPOOL_VERSION,
                             .number = sp->next++,
                             .follows = follows,
                             .rewind = rewind,
                             .floor_lsn = s->floor.lsn,
                             .floor_ordinal = s->floor.ordinal};
    memcpy(r.magic, SPOOL_MAGIC, sizeof r.magic);
    block_push(sp);
    struct segment *g = xcalloc(1, sizeof *g);
    g->number = r.number;
    segment_add(sp, g);
    sp->tables = 0;
    sp->marked = false;
    record(sp, &r, sizeof r, slice_of(s->epoch));
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == s && t->known)
            record_table(h, t, t->floor);
    record_position(sp, s->position);
    sp->state = g->bytes;
}

static bool segment_full(const struct hub *h, const struct spool *sp)
{
    size_t most = h->options.window_bytes / SEGMENTS;
    if (most < STATE_PART * sp->state)
        most = STATE_PART * sp->state;
    return newest(sp)->bytes >= (most > SEGMENT_LEAST ? most : SEGMENT_LEAST);
}

/* Nobody can resume from them, or they are more than the window may be. */
static void segments_trim(struct hub *h, struct spool *sp)
{
    struct segment *g;
    while ((g = TAILQ_FIRST(&sp->segments)) != newest(sp) &&
           (g->live == 0 || sp->n_segments > SEGMENTS_MOST || sp->bytes > h->options.window_bytes)) {
        struct spool_block *b = block_new(sp, g->number);
        b->kind = BLOCK_DELETE;
        (void)spooler_put(sp->spooler, b);
        segment_detach(sp, g);
    }
}

/* ---- life ---- */

static void spool_clear(struct spool *sp)
{
    struct segment *g;
    while ((g = TAILQ_FIRST(&sp->segments)))
        segment_detach(sp, g);
    if (sp->open)
        buf_free(&sp->open->bytes);
    free(sp->open);
    sp->open = block_new(sp, 0);
    sp->open->kind = BLOCK_CLEAR;
    block_push(sp);
    sp->on = false;
    sp->again_ms = 0;
}

void spool_begin(struct hub *h, struct source *s, bool follows, lsn_t rewind)
{
    struct spool *sp = s->spool;
    if (!sp)
        return;
    if (!follows)
        spool_clear(sp);
    sp->on = s->epoch && strlen(s->epoch) <= EPOCH_MOST;
    if (sp->on)
        segment_start(h, s, follows, rewind);
}

void spool_drop(struct hub *h, struct source *s)
{
    if (s->spool)
        spool_clear(s->spool);
}

void spool_change(struct hub *h, struct entry *e)
{
    struct source *s = e->table->source;
    struct spool *sp = s->spool;
    if (!sp || !sp->on)
        return;
    struct slice values = {(const char *)e->lengths, e->size - sizeof *e};
    if (values.len > SPOOL_RECORD_MOST - sizeof(struct spool_change)) {
        record_table(h, e->table, e->pos);
        return;
    }
    if (segment_full(h, sp))
        segment_start(h, s, true, SPOOL_NO_REWIND);
    if (e->table->spool_segment != newest(sp)->number)
        record_table(h, e->table, e->table->floor);
    const struct spool_change r = {.kind = RECORD_CHANGE,
                                   .op = e->op,
                                   .has_row = e->has_row,
                                   .has_old = e->has_old,
                                   .table = e->table->spool_id,
                                   .n_columns = e->n_columns,
                                   .xid = e->xid,
                                   .envelope = e->envelope,
                                   .lsn = e->pos.lsn,
                                   .ordinal = e->pos.ordinal,
                                   .ts_ms = e->ts_ms,
                                   .at_ms = e->at_ms + h->wall_ahead_ms};
    e->segment = newest(sp);
    e->segment->live++;
    record(sp, &r, sizeof r, values);
}

void spool_release(struct hub *h, struct entry *e)
{
    struct segment *g = e->segment;
    if (g && --g->live == 0 && g->detached)
        free(g);
}

void spool_table(struct hub *h, struct hub_table *t)
{
    struct spool *sp = t->source->spool;
    if (sp && sp->on && t->known)
        record_table(h, t, t->floor);
}

static void spool_stop(struct hub *h, struct source *s, const char *why)
{
    log_warn("connector %s: browsers could not resume after a restart now: %s; trying again in %d seconds",
             s->name, why, AGAIN_MS / 1000);
    spool_clear(s->spool);
    s->spool->again_ms = h->now_ms + AGAIN_MS;
}

size_t spool_turn(struct hub *h, struct source *s)
{
    struct spool *sp = s->spool;
    char why[sizeof sp->failure];
    if (sp && sp->on && spool_failed(sp, why, sizeof why))
        spool_stop(h, s, why);
    if (sp && !sp->on && sp->again_ms && h->now_ms >= sp->again_ms)
        spool_begin(h, s, false, SPOOL_NO_REWIND);
    if (!sp || !sp->on)
        return 0;
    record_position(sp, s->position);
    block_push(sp);
    segments_trim(h, sp);
    return sp->bytes;
}

void spool_free(struct spool *sp)
{
    struct segment *g;
    if (!sp)
        return;
    while ((g = TAILQ_FIRST(&sp->segments)))
        segment_detach(sp, g);
    if (sp->open)
        buf_free(&sp->open->bytes);
    free(sp->open);
    spool_file_close(sp);
    free(sp->dir);
    free(sp);
}

/* ---- taking over ---- */

/* But for columns that were added, as in the window. */
static bool looks_the_same(const struct shape *now, const struct spooled_table *x)
{
    struct shape was = *now;
    uint8_t digest[SHAPE_DIGEST];
    if (x->n_columns > now->n_columns)
        return false;
    was.n_columns = x->n_columns;
    spool_digest(&was, digest);
    return memcmp(digest, x->digest, sizeof digest) == 0 &&
           (was.n_columns == now->n_columns || shape_extends(now, &was));
}

/* What is on disk of a table counts when it is the same table, and nothing of it went by. */
static void table_adopt(struct hub *h, const struct spooled_table *x, struct pos start)
{
    struct hub_table *t = x->table;
    bool same = looks_the_same(&t->shape, x);
    if (!t->known || !x->listed)
        return;
    t->reshaped = !same || (x->reshaped && !x->unfollowed);
    if (!same || x->unfollowed)
        return;
    t->spooled = true;
    if (pos_compare(x->floor, start) < 0)
        t->floor = x->floor;
    if (x->read)
        t->left_ms = h->now_ms ? h->now_ms : 1;
}

static bool entry_counts(const struct entry *e)
{
    const struct hub_table *t = e->table;
    return t->spooled && pos_compare(e->pos, t->floor) > 0 && e->n_columns <= t->shape.n_columns;
}

/* Those that do not count are gone. */
static void entries_sift(struct hub *h, struct spooled *x)
{
    struct entry *kept = NULL, *next, *e = x->first;
    x->first = NULL;
    x->n = x->bytes = 0;
    for (; e; e = next) {
        next = (struct entry *)e->note.next;
        if (!entry_counts(e)) {
            spool_release(h, e);
            free(e);
            continue;
        }
        e->note.next = NULL;
        if (kept)
            kept->note.next = &e->note;
        else
            x->first = e;
        kept = e;
        x->n++;
        x->bytes += e->size;
        if (e->envelope != LENGTH_UNKNOWN)
            e->table->enveloped_left_ms = hub_clock(h);
    }
    x->last = kept;
}

static void segments_adopt(struct spool *sp, struct spooled *x)
{
    struct segment *g;
    while ((g = TAILQ_FIRST(&x->segments))) {
        TAILQ_REMOVE(&x->segments, g, link);
        segment_add(sp, g);
    }
    sp->next = x->next;
    sp->sealed = x->sealed;
}

void spool_adopt(struct hub *h, struct source *s, struct spooled *x)
{
    struct pos start = {s->position, 0};
    s->floor = x->floor;
    s->since = start;
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->source == s) {
            t->floor = start;
            t->spooled = false;
        }
    for (size_t i = 0; i < x->n_tables; i++)
        table_adopt(h, &x->tables[i], start);
    entries_sift(h, x);
    segments_adopt(s->spool, x);
    log_info(
        "connector %s: %zu changes of its window, %zu bytes, were read back from %s: browsers may resume",
        s->name, x->n, x->bytes, spooler_path(h->spooler));
    if (x->last)
        s->last = x->last->pos;
    log_adopt(h, x->first);
    x->first = x->last = NULL;
}
