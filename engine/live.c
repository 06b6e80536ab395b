/* live.c - changes to the hub, in the browsers' form. The rows of a snapshot are live_rows.c's. */
#include "live.h"

#include "clock.h"
#include "feed_refill.h"
#include "live_rows.h"
#include "log.h"
#include "map.h"
#include "published.h"
#include "row_json.h"
#include "selection.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { FIRST_NORMAL_OID = 16384 }; /* PostgreSQL's own types are below */

struct live {
    struct hub *hub;
    const struct config *config;
    int source;
    struct live_rows *rows;
    struct live_table **known; /* of live_tables, until the first live_epoch */
    size_t n_known;
    struct map *oids; /* of relations, by the names of their tables */
    bool begun;
};

/* Of a relation's columns those that are captured, each with the way its values are written. */
struct live_table {
    struct live *live;
    struct hub_table *handle;
    struct hub_table_info info; /* as it was told */
    struct arena arena;
    size_t n;
    uint16_t *column; /* index into the tuple */
    struct row_style *style;
    bool *identity;
    struct slice *row, *old; /* scratch of live_change */
    size_t *offsets;
    struct buf bytes;
    lsn_t asked; /* the transaction that `follows` is for */
    bool follows;
};

struct live *live_new(struct hub *hub, const struct config *config, int wake_fd)
{
    struct live *l = xcalloc(1, sizeof *l);
    l->hub = hub;
    l->config = config;
    l->source = hub_source(hub, config->label);
    l->oids = map_new();
    l->rows = live_rows_new(hub, l->source, config, wake_fd);
    return l;
}

static void known_free(struct live *l)
{
    while (l->n_known > 0)
        live_table_free(l->known[--l->n_known]);
    free(l->known);
    l->known = NULL;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    hub_source_end(l->hub, l->source);
    live_rows_free(l->rows);
    known_free(l);
    map_free(l->oids);
    free(l);
}

static const struct hub_table_info *known_find(void *ctx, const char *name, struct hub_table **handle)
{
    const struct live *l = ctx;
    for (size_t i = 0; i < l->n_known; i++)
        if (strcmp(l->known[i]->info.name, name) == 0) {
            *handle = l->known[i]->handle;
            return &l->known[i]->info;
        }
    return NULL;
}

void live_refill(struct live *l, const struct props *worker, const char *epoch, lsn_t start,
                 lsn_t last_commit)
{
    const struct feed_refill refill = {worker, l->config,   l->hub,     l->source, epoch,
                                       start,  last_commit, known_find, l};
    if (l->begun || !l->n_known || hub_kept(l->hub, l->source) != UINT64_MAX)
        return;
    if (worker)
        feed_refill(&refill);
    else
        log_info("browsers of before a restart begin anew: set websocket.retention.dir, or "
                 "provide.transaction.metadata and walwire.transaction.position (docs/GATEWAY.md)");
}

void live_epoch(struct live *l, const char *epoch, lsn_t start)
{
    l->begun = true;
    known_free(l);
    hub_epoch(l->hub, l->source, epoch, start);
}

void live_position(struct live *l, lsn_t lsn, int64_t commit_us)
{
    hub_position(l->hub, l->source, lsn, commit_us ? clock_wall_ms() - commit_us / 1000 : 0);
}

lsn_t live_kept(const struct live *l)
{
    return hub_kept(l->hub, l->source);
}

bool live_wants_position(const struct live *l)
{
    return hub_waits(l->hub, l->source);
}

static void known_add(struct live *l, struct live_table *t)
{
    if (l->begun) {
        live_table_free(t);
        return;
    }
    l->known = xrealloc(l->known, (l->n_known + 1) * sizeof *l->known);
    l->known[l->n_known++] = t;
}

void live_tables(struct live *l, PGconn *conn, const struct tables *tables, struct types *types)
{
    struct err ignored = {0};
    struct catalog_ahead *ahead = NULL;
    struct published *published = published_read(conn, l->config->publication_name, tables, &ignored);
    for (size_t i = 0; i < tables->count; i++) {
        const struct table *t = &tables->list[i];
        if (!catalog_ahead_tables(conn, t, tables->count - i, &ahead, &ignored))
            break;
        struct relation *rel = catalog_relation(conn, t, ahead, false, types, &ignored);
        if (rel && published_has(published, rel))
            known_add(l, live_table_new(l, rel, types));
        relation_free(rel);
    }
    catalog_ahead_free(ahead);
    published_free(published);
}

/* ---- a table ---- */

static const char *type_label(const struct types *types, uint32_t oid, struct arena *a)
{
    const struct type *t = types_find(types, oid);
    const struct type *item = t && t->element ? types_find(types, t->element) : NULL;
    if (item)
        return arena_printf(a, "%s[]", item->name);
    return t ? arena_strdup(a, t->name) : "unknown";
}

static const char *builtin_name(const struct type *t)
{
    return t && t->oid < FIRST_NORMAL_OID && t->kind == 'b' ? t->name : "";
}

/* What a filter compares: the type beneath a domain, or beneath an array's elements where these are none. */
static const char *base_label(const struct types *types, uint32_t oid, struct arena *a)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *t = types_root(types, oid, &typmod, &not_null);
    if (t && t->element && t->name[0] == '_')
        return arena_printf(a, "%s[]", builtin_name(types_find(types, t->element)));
    return builtin_name(t);
}

static void take_columns(struct live_table *t, const struct relation *rel, const struct types *types,
                         const bool *wanted, struct hub_column *columns)
{
    for (size_t i = 0; i < rel->n_columns; i++) {
        if (!wanted[i])
            continue;
        t->column[t->n] = (uint16_t)i;
        t->style[t->n] = row_style_of(types, rel->columns[i].type_oid, &t->arena);
        t->identity[t->n] = rel->columns[i].identity;
        const struct column *c = &rel->columns[i];
        columns[t->n++] =
            (struct hub_column){arena_strdup(&t->arena, c->name), type_label(types, c->type_oid, &t->arena),
                                base_label(types, c->type_oid, &t->arena),
                                (uint64_t)(unsigned)c->number << 32 | (uint32_t)c->typmod};
    }
}

/* Of these columns of the relation those that are shown. */
static size_t shown_of(const struct live_table *t, const uint16_t *all, size_t n_all, uint16_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < n_all; i++)
        for (size_t k = 0; k < t->n; k++)
            if (t->column[k] == all[i])
                out[n++] = (uint16_t)k;
    return n;
}

static bool is_identified(const struct live_table *t, const uint16_t *key, size_t n)
{
    size_t i = 0;
    while (i < n && t->identity[key[i]])
        i++;
    return n > 0 && i == n;
}

/* The columns by which PostgreSQL itself tells rows apart, which are unique and not null. 0: not all of them
 * are shown, or there are none but the whole row. */
static size_t take_identity(const struct live_table *t, const struct relation *rel, uint16_t *key)
{
    uint16_t *all = xcalloc(rel->n_columns + 1, sizeof *all);
    size_t n_all = 0;
    for (size_t i = 0; rel->identity != 'f' && i < rel->n_columns; i++)
        if (rel->columns[i].identity)
            all[n_all++] = (uint16_t)i;
    size_t n = shown_of(t, all, n_all, key);
    free(all);
    return n == n_all ? n : 0;
}

/* Only keys whose columns are all shown can be told to a browser. One that old rows do not have could not be
 * told of a row that goes, nor that it has changed: the replica identity takes its place. */
static size_t take_key(const struct live_table *t, const struct config *config, const struct relation *rel,
                       uint16_t *key)
{
    struct err ignored;
    uint16_t *all = xcalloc(rel->n_columns + 1, sizeof *all);
    size_t n_all = 0, n = 0, n_identity = 0;
    bool ok = selection_key(config, rel, all, &n_all, &ignored);
    if (ok)
        n = shown_of(t, all, n_all, key);
    n = n == n_all ? n : 0;
    if (!is_identified(t, key, n) && (n_identity = take_identity(t, rel, all))) {
        memcpy(key, all, n_identity * sizeof *key);
        n = n_identity;
    }
    free(all);
    return n;
}

/* Another table under a name that is known, made anew or swapped by renaming: nothing was said of the rows of
 * the one before, so nobody may go on from them, however alike the two look. */
static void told_apart(struct live *l, const char *name, uint32_t oid)
{
    const struct hub_table_info none = {.name = name};
    const uintptr_t before = (uintptr_t)map_get(l->oids, slice_of(name));
    if (before && before != oid)
        hub_table_set(l->hub, l->source, &none);
    map_set(l->oids, slice_of(name), (void *)(uintptr_t)oid);
}

struct live_table *live_table_new(struct live *l, const struct relation *rel, const struct types *types)
{
    struct live_table *t = xcalloc(1, sizeof *t);
    size_t n = rel->n_columns + 1;
    t->live = l;
    t->column = arena_zero(&t->arena, n * sizeof *t->column);
    t->style = arena_zero(&t->arena, n * sizeof *t->style);
    t->identity = arena_zero(&t->arena, n * sizeof *t->identity);
    t->row = arena_zero(&t->arena, n * sizeof *t->row);
    t->old = arena_zero(&t->arena, n * sizeof *t->old);
    t->offsets = arena_zero(&t->arena, 2 * n * sizeof *t->offsets);
    bool *wanted = arena_zero(&t->arena, n);
    struct hub_column *columns = arena_zero(&t->arena, n * sizeof *columns);
    uint16_t *key = arena_zero(&t->arena, n * sizeof *key);
    selection_shown(l->config, rel, types, wanted);
    take_columns(t, rel, types, wanted, columns);
    char *name = arena_printf(&t->arena, "%s.%s", rel->schema, rel->name);
    told_apart(l, name, rel->oid);
    t->info =
        (struct hub_table_info){name, columns, t->n, key, take_key(t, l->config, rel, key), t->identity};
    t->handle = hub_table_set(l->hub, l->source, &t->info);
    return t;
}

void live_table_free(struct live_table *t)
{
    if (!t)
        return;
    buf_free(&t->bytes);
    arena_free(&t->arena);
    free(t);
}

void live_table_trim(struct live_table *t)
{
    if (t)
        buf_free(&t->bytes);
}

/* ---- a change ---- */

#define UNKNOWN ((size_t)-1)

/* Writes the values behind one another; offsets[i] to offsets[i + 1] is the i-th, an unknown one is marked in
 * its slice. */
static void write_values(struct live_table *t, const struct cell *cells, bool key_only, size_t *offsets,
                         struct slice *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct cell *c = &cells[t->column[i]];
        bool known = c->kind == 't' || (c->kind == 'n' && (!key_only || t->identity[i]));
        offsets[i] = t->bytes.len;
        out[i].len = known ? 0 : UNKNOWN;
        if (known && c->kind == 't')
            row_json(&t->bytes, t->style[i], c->data);
        else if (known)
            BUF_LIT(&t->bytes, "null");
    }
    offsets[t->n] = t->bytes.len;
}

/* The buffer may have moved while it grew, so the slices are made when all is written. */
static void bind_values(struct live_table *t, const size_t *offsets, struct slice *out)
{
    for (size_t i = 0; i < t->n; i++) {
        bool unknown = out[i].len == UNKNOWN;
        out[i].ptr = unknown ? NULL : buf_view(&t->bytes).ptr + offsets[i];
        out[i].len = unknown ? 0 : offsets[i + 1] - offsets[i];
    }
}

/* What is written for this part of a change. */
struct part {
    char op;
    bool row, old;
};

static void publish(struct live_table *t, const struct change *c, struct part part, uint32_t *ordinal,
                    const struct envelope *made)
{
    bool enveloped = hub_enveloped(t->handle);
    struct hub_change change = {.table = t->handle,
                                .op = part.op,
                                .commit_lsn = c->tx->commit_lsn,
                                .ordinal = (*ordinal)++,
                                .xid = c->tx->xid,
                                .ts_ms = c->tx->commit_us / 1000,
                                .row = part.row ? t->row : NULL,
                                .old = part.old ? t->old : NULL,
                                .enveloped = enveloped};
    if (enveloped && made)
        change.envelope = envelope_payload(made, (enum change_op)part.op);
    if (enveloped && made && !change.envelope.ptr && part.op == OP_INSERT) /* an update, by Kafka's key */
        change.envelope = envelope_payload(made, OP_UPDATE);
    hub_publish(t->live->hub, t->live->source, &change);
}

static bool is_followed(struct live_table *t, const struct change *c)
{
    if (c->tx->commit_lsn != t->asked) {
        t->asked = c->tx->commit_lsn;
        t->follows = hub_follows(t->live->hub, t->handle, t->asked, c->tx->xid);
    }
    return t->follows;
}

/* Of the key that browsers are told, which may be another one than Kafka's. */
static bool is_moved(const struct live_table *t, const struct change *c)
{
    bool moved = false;
    for (size_t i = 0; c->before && c->after && i < t->info.n_key; i++) {
        size_t at = t->column[t->info.key[i]];
        moved |= c->before[at].kind == 't' && c->after[at].kind == 't' &&
                 !slice_eq(c->before[at].data, c->after[at].data);
    }
    return moved;
}

void live_change(struct live_table *t, const struct change *c, uint32_t *ordinal, const struct envelope *made)
{
    bool key_changed = (made && envelope_key_changed(made)) || is_moved(t, c);
    if (!is_followed(t, c)) {
        *ordinal += key_changed ? 2 : 1;
        return;
    }
    bool row = c->op != OP_TRUNCATE && c->after, old = c->op != OP_TRUNCATE && c->before;
    size_t *row_offsets = t->offsets, *old_offsets = t->offsets + t->n + 1;
    buf_reset(&t->bytes);
    if (row)
        write_values(t, c->after, false, row_offsets, t->row);
    if (old)
        write_values(t, c->before, c->before_kind == 'K', old_offsets, t->old);
    if (row)
        bind_values(t, row_offsets, t->row);
    if (old)
        bind_values(t, old_offsets, t->old);
    if (key_changed) {
        publish(t, c, (struct part){.op = 'd', .old = true}, ordinal, made);
        publish(t, c, (struct part){.op = 'c', .row = true}, ordinal, made);
    } else {
        publish(t, c, (struct part){(char)c->op, row, old}, ordinal, made);
    }
}
