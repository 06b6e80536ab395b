/* hub.c - what the other threads leave for the web thread, and how that takes it.
 *
 * Producers append notes to the inbox and wake the web thread once; it takes the whole list in one go. An
 * inbox that grows beyond a window's size, because the web thread does not get to run, loses its oldest
 * changes as the window would: subscriptions are reset, nobody waits. */
#include "hub_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "hub_spool.h"

#include "xmalloc.h"

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *h = xcalloc(1, sizeof(*h));
    h->options = *options;
    h->options.window_bytes = options->window_bytes ? options->window_bytes : (size_t)64 << 20;
    h->options.message_bytes = options->message_bytes ? options->message_bytes : (size_t)1 << 20;
    h->options.max_subscriptions = options->max_subscriptions ? options->max_subscriptions : 100;
    h->options.rate = options->rate ? options->rate : 100;
    h->options.heartbeat_ms = options->heartbeat_ms ? options->heartbeat_ms : 15000;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->readers, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->inbox_end = &h->inbox;
    h->tables = map_new();
    h->channels = map_new();
    h->cells = xcalloc(1, sizeof(*h->cells));
    TAILQ_INIT(&h->requests);
    TAILQ_INIT(&h->reading);
    TAILQ_INIT(&h->encoded);
    TAILQ_INIT(&h->blocks);
    h->codec = codec_new();
    h->next_seq = 1;
    return h;
}

int64_t hub_clock(const struct hub *h)
{
    return h->options.clock_ms ? h->options.clock_ms() : clock_mono_ms();
}

int64_t hub_wall(const struct hub *h)
{
    return h->options.wall_ms ? h->options.wall_ms() : clock_wall_ms();
}

/* On the spool's thread. */
static void on_due(void *ctx)
{
    struct hub *h = ctx;
    pthread_mutex_lock(&h->mutex);
    hub_wake_locked(h);
    pthread_mutex_unlock(&h->mutex);
}

bool hub_keep(struct hub *h, const char *dir, struct err *e)
{
    size_t most = h->options.window_bytes > SPOOL_RECORD_MOST ? h->options.window_bytes : SPOOL_RECORD_MOST;
    h->spooler = spooler_open(dir, most, on_due, h, e);
    if (h->spooler && h->options.retention_ms)
        spooler_expire(h->spooler, hub_wall(h) / 1000 - h->options.retention_ms / 1000);
    return h->spooler;
}

void shape_clear(struct shape *s)
{
    for (size_t i = 0; i < s->n_columns; i++) {
        free((char *)s->columns[i].name);
        free((char *)s->columns[i].type);
        free((char *)s->columns[i].base);
    }
    free(s->columns);
    free(s->key);
    free(s->identity);
    *s = (struct shape){0};
}

void note_free(struct note *n)
{
    if (n->kind == NOTE_TABLE) {
        shape_clear(&((struct table_note *)n)->shape);
    } else if (n->kind != NOTE_CHANGE) {
        spooled_free(((struct epoch_note *)n)->spooled);
        free(((struct epoch_note *)n)->epoch);
    }
    free(n);
}

static void tables_free(struct hub *h)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(h->tables, &at, &key, &value)) {
        struct hub_table *t = value;
        shape_clear(&t->shape);
        free(t->name);
        free(t);
    }
    map_free(h->tables);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    spooler_close(h->spooler);
    for (struct note *n = h->inbox, *next; n; n = next) {
        next = n->next;
        note_free(n);
    }
    log_free(h);
    requests_free(h);
    tables_free(h);
    map_free(h->channels);
    free(h->cells);
    buf_free(&h->scratch);
    buf_free(&h->text);
    codec_free(h->codec);
    for (size_t i = 0; i < h->n_sources; i++) {
        spool_free(h->sources[i]->spool);
        free(h->sources[i]->name);
        free(h->sources[i]->epoch);
        free(h->sources[i]->epoch_in);
        free(h->sources[i]);
    }
    free(h->sources);
    pthread_cond_destroy(&h->readers);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

void hub_set_wake(struct hub *h, void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&h->mutex);
    h->wake = wake;
    h->wake_ctx = ctx;
    h->woken = false;
    if (h->inbox)
        hub_wake_locked(h);
    pthread_mutex_unlock(&h->mutex);
}

void hub_wake_locked(struct hub *h)
{
    if (h->woken || !h->wake)
        return;
    h->woken = true;
    h->wake(h->wake_ctx);
}

/* ---- pipeline threads ---- */

int hub_source(struct hub *h, const char *name)
{
    pthread_mutex_lock(&h->mutex);
    size_t i = 0;
    while (i < h->n_sources && strcmp(h->sources[i]->name, name) != 0)
        i++;
    if (i == h->n_sources) {
        struct source *s = xcalloc(1, sizeof(*s));
        s->number = (int)i;
        s->name = xstrdup(name);
        s->spool = h->spooler ? spool_new(h->spooler, name) : NULL;
        s->next = h->source_list;
        h->source_list = s;
        h->sources = xrealloc(h->sources, (i + 1) * sizeof(*h->sources));
        h->sources[h->n_sources++] = s;
    }
    pthread_mutex_unlock(&h->mutex);
    return (int)i;
}

static void inbox_put(struct hub *h, struct note *n, size_t bytes)
{
    n->next = NULL;
    *h->inbox_end = n;
    h->inbox_end = &n->next;
    h->inbox_bytes += bytes;
    if (h->attended || h->inbox_bytes > h->options.window_bytes / UNREAD_PART / 2)
        hub_wake_locked(h);
}

/* With the mutex held: another history. What passed by in the former one does not count, and who was there is
 * expected back. */
static void tables_renew(struct hub *h, const struct source *s)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(h->tables, &at, &key, &value)) {
        struct hub_table *t = value;
        if (t->source == s) {
            t->unfollowed = false;
            t->passed = (struct gone){0};
            t->taken = 0;
        }
    }
}

static struct source *source_numbered(struct hub *h, int source)
{
    pthread_mutex_lock(&h->mutex);
    struct source *s = h->sources[source];
    pthread_mutex_unlock(&h->mutex);
    return s;
}

static struct spooled *read_back(struct hub *h, struct source *s, const char *epoch, lsn_t start)
{
    if (!s->spool || s->spool->read_back || strlen(epoch) > EPOCH_MOST)
        return NULL;
    s->spool->read_back = true;
    return spool_read(h, s, epoch, start);
}

static void epoch_put(struct hub *h, int source, enum note_kind kind, const char *epoch, lsn_t start)
{
    struct epoch_note *n = xcalloc(1, sizeof(*n));
    n->note.kind = kind;
    n->epoch = epoch ? xstrdup(epoch) : NULL;
    n->start = start;
    n->source = source_numbered(h, source);
    if (epoch)
        n->spooled = read_back(h, n->source, epoch, start);
    pthread_mutex_lock(&h->mutex);
    n->reached = n->source->position_in;
    n->source->position_in = 0;
    if (!epoch || !n->source->epoch_in || strcmp(epoch, n->source->epoch_in) != 0) {
        tables_renew(h, n->source);
        free(n->source->epoch_in);
        n->source->epoch_in = epoch ? xstrdup(epoch) : NULL;
    }
    inbox_put(h, &n->note, 0);
    pthread_mutex_unlock(&h->mutex);
}

void hub_epoch(struct hub *h, int source, const char *epoch, lsn_t start)
{
    epoch_put(h, source, NOTE_EPOCH, epoch, start);
}

void hub_source_end(struct hub *h, int source)
{
    epoch_put(h, source, NOTE_END, NULL, 0);
}

static struct hub_table *table_find(struct hub *h, int source, const char *name)
{
    char *key = xasprintf("%d/%s", source, name);
    struct hub_table *t = map_get(h->tables, slice_of(key));
    if (!t) {
        t = xcalloc(1, sizeof(*t));
        t->source = h->sources[source];
        t->name = xstrdup(name);
        map_set(h->tables, slice_of(key), t);
    }
    free(key);
    return t;
}

struct hub_table *hub_table_named(struct hub *h, int source, const char *name)
{
    pthread_mutex_lock(&h->mutex);
    struct hub_table *t = table_find(h, source, name);
    pthread_mutex_unlock(&h->mutex);
    return t;
}

static struct shape shape_of(const struct hub_table_info *info)
{
    struct shape s = {info->n_columns, info->n_key, xcalloc(info->n_columns, sizeof(struct hub_column)),
                      xcalloc(info->n_key, sizeof(uint16_t)), xcalloc(info->n_columns + 1, sizeof(bool))};
    for (size_t i = 0; i < info->n_columns; i++) {
        const struct hub_column *c = &info->columns[i];
        s.columns[i] = (struct hub_column){xstrdup(c->name), xstrdup(c->type),
                                           c->base ? xstrdup(c->base) : NULL, c->version};
        s.identity[i] = info->identity && info->identity[i];
    }
    for (size_t i = 0; i < info->n_key; i++) {
        s.key[i] = info->key[i];
        s.identity[s.key[i]] = s.identity[s.key[i]] || !info->identity;
    }
    return s;
}

struct hub_table *hub_table_set(struct hub *h, int source, const struct hub_table_info *info)
{
    struct table_note *n = xcalloc(1, sizeof(*n));
    n->note.kind = NOTE_TABLE;
    n->shape = shape_of(info);
    pthread_mutex_lock(&h->mutex);
    n->table = table_find(h, source, info->name);
    n->table->width = info->n_columns;
    inbox_put(h, &n->note, 0);
    struct hub_table *t = n->table;
    pthread_mutex_unlock(&h->mutex);
    return t;
}

/* A value that no message could hold is not kept: it would be left out of every one. */
static uint32_t cell_length(struct slice cell, size_t most)
{
    return !cell.ptr ? LENGTH_UNKNOWN : cell.len >= most ? LENGTH_OMITTED : (uint32_t)cell.len;
}

static size_t cells_size(const struct slice *cells, size_t n, size_t most)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += cell_length(cells[i], most) < LENGTH_OMITTED ? cells[i].len : 0;
    return total;
}

static char *cells_copy(char *to, const struct slice *cells, size_t n, uint32_t *lengths, size_t most)
{
    for (size_t i = 0; i < n; i++) {
        lengths[i] = cell_length(cells[i], most);
        if (lengths[i] < LENGTH_OMITTED) {
            memcpy(to, cells[i].ptr, cells[i].len);
            to += cells[i].len;
        }
    }
    return to;
}

static uint32_t envelope_length(const struct hub_change *c, size_t most)
{
    return !c->enveloped ? LENGTH_UNKNOWN : !c->envelope.ptr ? 0 : cell_length(c->envelope, most);
}

static struct entry *entry_new(const struct hub_change *c, size_t most)
{
    size_t width = c->table->width, n_row = c->row ? width : 0, n_old = c->old ? width : 0;
    uint32_t envelope = envelope_length(c, most);
    size_t bytes = cells_size(c->row, n_row, most) + cells_size(c->old, n_old, most) +
                   (envelope < LENGTH_OMITTED ? envelope : 0);
    size_t size = sizeof(struct entry) + (n_row + n_old) * sizeof(uint32_t) + bytes;
    struct entry *e = xmalloc(size);
    *e = (struct entry){.note.kind = NOTE_CHANGE,
                        .table = (struct hub_table *)c->table,
                        .pos = {c->commit_lsn, c->ordinal + 1},
                        .ts_ms = c->ts_ms,
                        .size = size,
                        .xid = c->xid,
                        .n_columns = (uint32_t)width,
                        .envelope = envelope,
                        .op = c->op,
                        .has_row = c->row,
                        .has_old = c->old,
                        .expected = c->expected};
    char *to = (char *)(e->lengths + n_row + n_old);
    to = cells_copy(to, c->row, n_row, e->lengths, most);
    to = cells_copy(to, c->old, n_old, e->lengths + n_row, most);
    if (envelope && envelope < LENGTH_OMITTED)
        memcpy(to, c->envelope.ptr, envelope);
    return e;
}

/* Gives up the oldest changes of an inbox that nobody empties. */
static void inbox_shrink(struct hub *h)
{
    struct note **at = &h->inbox;
    while (h->inbox_bytes > h->options.window_bytes && *at && (*at)->next) {
        struct entry *e = (struct entry *)*at;
        if (e->note.kind != NOTE_CHANGE) {
            at = &(*at)->next;
            continue;
        }
        h->inbox_bytes -= e->size;
        e->table->source->dropped_in = e->pos;
        gone_note(&e->table->passed, e->pos, e->xid);
        *at = e->note.next;
        free(e);
    }
}

bool hub_follows(struct hub *h, const struct hub_table *table, lsn_t commit_lsn, uint32_t xid)
{
    struct hub_table *t = (struct hub_table *)table;
    pthread_mutex_lock(&h->mutex);
    bool follows = !t->unfollowed;
    if (!follows)
        gone_note(&t->passed, (struct pos){commit_lsn, UINT32_MAX}, xid);
    pthread_mutex_unlock(&h->mutex);
    return follows;
}

bool hub_enveloped(const struct hub_table *table)
{
    return atomic_load_explicit(&table->enveloped, memory_order_relaxed);
}

void hub_publish(struct hub *h, int source, const struct hub_change *change)
{
    struct entry *e = entry_new(change, h->options.message_bytes);
    pthread_mutex_lock(&h->mutex);
    inbox_put(h, &e->note, e->size);
    inbox_shrink(h);
    pthread_mutex_unlock(&h->mutex);
}

void hub_position(struct hub *h, int source, lsn_t lsn, int64_t lag_ms)
{
    pthread_mutex_lock(&h->mutex);
    struct source *s = h->sources[source];
    if (lsn > s->position_in)
        s->position_in = lsn;
    if (lag_ms >= 0)
        s->lag_in = lag_ms;
    if (h->attended)
        hub_wake_locked(h);
    else if (h->spooler)
        spooler_due(h->spooler);
    pthread_mutex_unlock(&h->mutex);
}

lsn_t hub_kept(struct hub *h, int source)
{
    struct source *s = source_numbered(h, source);
    return s->spool ? spool_kept(s->spool) : UINT64_MAX;
}

void hub_stop(struct hub *h)
{
    pthread_mutex_lock(&h->mutex);
    h->stopping = true;
    pthread_cond_broadcast(&h->readers);
    pthread_mutex_unlock(&h->mutex);
}

void hub_stats(struct hub *h, struct hub_stats *out)
{
    pthread_mutex_lock(&h->mutex);
    *out = h->shown;
    pthread_mutex_unlock(&h->mutex);
}
