/* catalog.c - reads the catalogue. What it says is of now, while the stream may be in the past: columns are
 * matched by name, and what is not there keeps its preset. */
#include "catalog.h"

#include "config.h"
#include "sql.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <unistd.h>

#define FIRST_USER_OID 16384
enum {
    COL_NAME,
    COL_NOT_NULL,
    COL_PRESET,
    COL_COMMENT,
    COL_TYPE,
    COL_TYPMOD,
    COL_GENERATED,
    COL_RELATION,
    COL_DIMENSIONS,
    COL_IDENTITY,
    COL_NUMBER
};
enum { TYPE_LABELS = 8, TYPE_DIMENSIONS, TYPE_NAMES, TYPE_OIDS, TYPE_TYPMODS, TYPE_FIELD_DIMENSIONS };
enum { MOST_ROUNDS = 8 };
enum { KEY_COLUMN, KEY_RELATION };

/* Splits an array, PostgreSQL's text form, into the arena. */
static const char *const *split_array(const char *text, size_t *n, struct arena *a)
{
    size_t most = 1;
    for (const char *p = text; p && *p; p++)
        most += *p == ',';
    const char **labels = arena_alloc(a, most * sizeof *labels);
    *n = 0;
    for (const char *p = text ? text + 1 : ""; *p && *p != '}'; p += *p == ',') {
        struct buf b = BUF_EMPTY;
        bool quoted = *p == '"';
        for (p += quoted; *p && (quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
            p += *p == '\\' && p[1];
            buf_char(&b, *p);
        }
        p += quoted && *p == '"';
        labels[(*n)++] = arena_slice(a, buf_view(&b)).ptr;
        buf_free(&b);
    }
    return labels;
}

static void read_fields(const PGresult *res, int row, struct type *t, struct arena *a)
{
    size_t n, ignored;
    const char *const *names = split_array(PQgetvalue(res, row, TYPE_NAMES), &n, a),
                      *const *oids = split_array(PQgetvalue(res, row, TYPE_OIDS), &ignored, a),
                      *const *typmods = split_array(PQgetvalue(res, row, TYPE_TYPMODS), &ignored, a),
                      *const *dimensions =
                          split_array(PQgetvalue(res, row, TYPE_FIELD_DIMENSIONS), &ignored, a);
    struct type_field *fields = arena_alloc(a, n * sizeof *fields);
    for (size_t i = 0; i < n; i++)
        fields[i] = (struct type_field){.name = names[i],
                                        .oid = (uint32_t)strtoul(oids[i], NULL, 10),
                                        .typmod = atoi(typmods[i]),
                                        .dimensions = atoi(dimensions[i])};
    t->fields = fields;
    t->n_fields = n;
}

bool catalog_await(PGconn *conn, const char *xids, struct err *e)
{
    enum { TRIES = 200, PAUSE_US = 5000 };
    bool running = true;
    for (int i = 0; running && i < TRIES; i++) {
        PGresult *res = pg_query(conn, e, SQL_TRANSACTION_RUNNING, 1, &xids);
        if (!res)
            return err_prefix(e, "asking whether transactions %.40s have ended", xids);
        running = PQntuples(res) > 0;
        PQclear(res);
        if (running)
            usleep(PAUSE_US);
    }
    return true;
}

bool catalog_types(PGconn *conn, struct types *types, const char *oids, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_TYPES, 1, &oids);
    if (!res)
        return err_prefix(e, "reading types");
    struct arena a = {0};
    for (int i = 0; i < PQntuples(res); i++) {
        struct type t = {.oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
                         .schema = PQgetvalue(res, i, 1),
                         .name = PQgetvalue(res, i, 2),
                         .kind = PQgetvalue(res, i, 3)[0],
                         .element = (uint32_t)strtoul(PQgetvalue(res, i, 4), NULL, 10),
                         .base = (uint32_t)strtoul(PQgetvalue(res, i, 5), NULL, 10),
                         .typmod = atoi(PQgetvalue(res, i, 6)),
                         .not_null = pg_true(res, i, 7),
                         .dimensions = atoi(PQgetvalue(res, i, TYPE_DIMENSIONS))};
        if (!PQgetisnull(res, i, TYPE_LABELS))
            t.labels = split_array(PQgetvalue(res, i, TYPE_LABELS), &t.n_labels, &a);
        if (!PQgetisnull(res, i, TYPE_NAMES))
            read_fields(res, i, &t, &a);
        types_set(types, &t);
    }
    arena_free(&a);
    PQclear(res);
    return true;
}

struct oids {
    uint32_t *list;
    size_t n, room;
};

static bool oids_add(struct oids *o, uint32_t oid)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i] == oid)
            return false;
    if (o->n == o->room) {
        o->room = o->room ? 2 * o->room : 16;
        o->list = xrealloc(o->list, o->room * sizeof *o->list);
    }
    o->list[o->n++] = oid;
    return true;
}

/* The user's types that a type is made of, as far as the registry knows them. */
static void oids_reach(struct oids *o, const struct types *types, uint32_t oid)
{
    const struct type *t = types_find(types, oid);
    if (oid < FIRST_USER_OID || !oids_add(o, oid) || !t)
        return;
    oids_reach(o, types, t->element);
    oids_reach(o, types, t->base);
    for (size_t i = 0; i < t->n_fields; i++)
        oids_reach(o, types, t->fields[i].oid);
}

/* Enums and composites grow and types are replaced without a word in the stream, so those of a relation are
 * read again with it. What a type that is new here is made of follows in another round. */
static bool refresh_types(PGconn *conn, const struct relation *rel, struct types *types, struct err *e)
{
    struct oids asked = {0};
    bool ok = true, more = true;
    for (int round = 0; ok && more && round < MOST_ROUNDS; round++) {
        struct oids now = {0};
        struct buf text = BUF_EMPTY;
        for (size_t i = 0; i < rel->n_columns; i++)
            oids_reach(&now, types, rel->columns[i].type_oid);
        for (size_t i = 0; i < now.n; i++)
            if (oids_add(&asked, now.list[i]))
                buf_printf(&text, "%s%u", text.len ? "," : "{", now.list[i]);
        more = text.len > 0;
        if (more) {
            buf_char(&text, '}');
            ok = catalog_types(conn, types, text.ptr, e);
        }
        buf_free(&text);
        free(now.list);
    }
    free(asked.list);
    return ok;
}

static bool has_unknown_type(const struct relation *rel, const struct types *types)
{
    for (size_t i = 0; i < rel->n_columns; i++) {
        int32_t typmod = -1;
        bool not_null = false;
        const struct type *t = types_root(types, rel->columns[i].type_oid, &typmod, &not_null);
        if (!t || (t->element && !types_find(types, t->element)))
            return true;
    }
    return false;
}

struct catalog_ahead {
    PGresult *columns, *keys; /* of all relations, by oid */
    size_t n;
    uint32_t oids[]; /* that were asked for */
};

static PGresult *query_by_oids(PGconn *conn, const char *sql, const uint32_t *oids, size_t n, struct err *e)
{
    struct buf list = BUF_EMPTY;
    buf_char(&list, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%u", i ? "," : "", oids[i]);
    buf_char(&list, '}');
    const char *params[] = {list.ptr};
    PGresult *res = pg_query(conn, e, sql, 1, params);
    buf_free(&list);
    return res;
}

static uint32_t oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

/* The rows [from, to) of one relation in a result that is sorted by it. */
static int rows_of(const PGresult *res, int column, uint32_t oid, int *to)
{
    int from = 0;
    for (int end = PQntuples(res); from < end;) {
        int middle = from + (end - from) / 2;
        if (oid_at(res, middle, column) < oid)
            from = middle + 1;
        else
            end = middle;
    }
    for (*to = from; *to < PQntuples(res) && oid_at(res, *to, column) == oid;)
        ++*to;
    return from;
}

struct catalog_ahead *catalog_ahead_read(PGconn *conn, const uint32_t *oids, size_t n, struct err *e)
{
    struct catalog_ahead *a = xcalloc(1, sizeof *a + n * sizeof *oids);
    a->n = n;
    memcpy(a->oids, oids, n * sizeof *oids);
    a->columns = query_by_oids(conn, SQL_RELATION_COLUMNS, oids, n, e);
    a->keys = a->columns ? query_by_oids(conn, SQL_RELATION_KEY, oids, n, e) : NULL;
    if (a->keys)
        return a;
    catalog_ahead_free(a);
    return NULL;
}

void catalog_ahead_free(struct catalog_ahead *a)
{
    if (!a)
        return;
    PQclear(a->columns);
    PQclear(a->keys);
    free(a);
}

bool catalog_ahead_has(const struct catalog_ahead *a, uint32_t oid)
{
    for (size_t i = 0; a && i < a->n; i++)
        if (a->oids[i] == oid)
            return true;
    return false;
}

static void fill_column(struct relation *rel, struct column *c, const PGresult *res, int row)
{
    c->not_null = pg_true(res, row, COL_NOT_NULL);
    c->number = atoi(PQgetvalue(res, row, COL_NUMBER));
    c->dimensions = atoi(PQgetvalue(res, row, COL_DIMENSIONS));
    c->preset = arena_strdup(&rel->arena, pg_cell(res, row, COL_PRESET));
    c->comment = arena_strdup(&rel->arena, pg_cell(res, row, COL_COMMENT));
}

/* A key with a column that the stream does not have yet, or no longer, is no key of these tuples. */
static void fill_key(struct relation *rel, const PGresult *res)
{
    int to, from = rows_of(res, KEY_RELATION, rel->oid, &to);
    uint16_t *key = arena_alloc(&rel->arena, sizeof *key * ((size_t)(to - from) + 1));
    rel->n_key = 0;
    for (int i = from; i < to; i++) {
        int at = relation_column(rel, PQgetvalue(res, i, KEY_COLUMN));
        if (at >= 0)
            key[rel->n_key++] = (uint16_t)at;
    }
    rel->key = key;
}

/* The table is gone while its rows are still in the WAL: its identity columns are the best key there is. */
static void key_from_identity(struct relation *rel)
{
    uint16_t *key = arena_alloc(&rel->arena, sizeof *key * (rel->n_columns + 1));
    rel->n_key = 0;
    for (size_t i = 0; rel->identity != 'f' && i < rel->n_columns; i++)
        if (rel->columns[i].identity)
            key[rel->n_key++] = (uint16_t)i;
    rel->key = key;
}

static void describe(struct relation *rel, const struct catalog_ahead *a)
{
    int to, from = rows_of(a->columns, COL_RELATION, rel->oid, &to);
    for (int i = from; i < to; i++) {
        int at = relation_column(rel, PQgetvalue(a->columns, i, COL_NAME));
        if (at >= 0)
            fill_column(rel, &rel->columns[at], a->columns, i);
    }
    if (from == to)
        key_from_identity(rel);
    else
        fill_key(rel, a->keys);
}

bool catalog_describe(PGconn *conn, struct relation *rel, const struct catalog_ahead *ahead,
                      struct types *types, struct err *e)
{
    struct catalog_ahead *own = NULL;
    if (!catalog_ahead_has(ahead, rel->oid) && !(own = catalog_ahead_read(conn, &rel->oid, 1, e)))
        return err_prefix(e, "describing %s.%s", rel->schema, rel->name);
    describe(rel, own ? own : ahead);
    catalog_ahead_free(own);
    return refresh_types(conn, rel, types, e) &&
           (!has_unknown_type(rel, types) || catalog_types(conn, types, NULL, e));
}

#define AHEAD_TABLES 256

bool catalog_ahead_tables(PGconn *conn, const struct table *list, size_t n, struct catalog_ahead **a,
                          struct err *e)
{
    if (n == 0 || catalog_ahead_has(*a, list[0].oid))
        return true;
    uint32_t oids[AHEAD_TABLES];
    size_t count = n < AHEAD_TABLES ? n : AHEAD_TABLES;
    for (size_t i = 0; i < count; i++)
        oids[i] = list[i].oid;
    catalog_ahead_free(*a);
    *a = catalog_ahead_read(conn, oids, count, e);
    return *a;
}

static void fill_columns(struct relation *rel, const struct catalog_ahead *a, bool generated)
{
    const PGresult *res = a->columns;
    int to, from = rows_of(res, COL_RELATION, rel->oid, &to);
    rel->columns = arena_zero(&rel->arena, sizeof *rel->columns * ((size_t)(to - from) + 1));
    for (int i = from; i < to; i++) {
        if (pg_true(res, i, COL_GENERATED) && !generated)
            continue;
        struct column *c = &rel->columns[rel->n_columns++];
        c->name = arena_strdup(&rel->arena, PQgetvalue(res, i, COL_NAME));
        c->type_oid = oid_at(res, i, COL_TYPE);
        c->typmod = atoi(PQgetvalue(res, i, COL_TYPMOD));
        c->identity = pg_true(res, i, COL_IDENTITY);
        fill_column(rel, c, res, i);
    }
}

struct relation *catalog_relation(PGconn *conn, const struct table *t, const struct catalog_ahead *a,
                                  bool generated, struct types *types, struct err *e)
{
    struct relation *rel = relation_new();
    rel->oid = t->oid;
    rel->schema = arena_strdup(&rel->arena, t->schema);
    rel->name = arena_strdup(&rel->arena, t->name);
    rel->identity = t->identity;
    fill_columns(rel, a, generated);
    fill_key(rel, a->keys);
    if (refresh_types(conn, rel, types, e))
        return rel;
    relation_free(rel);
    return NULL;
}

/* ---- tables ---- */

static struct table table_of(const PGresult *res, int i)
{
    return (struct table){.schema = xstrdup(PQgetvalue(res, i, 0)),
                          .name = xstrdup(PQgetvalue(res, i, 1)),
                          .oid = (uint32_t)strtoul(PQgetvalue(res, i, 2), NULL, 10),
                          .kind = PQgetvalue(res, i, 3)[0],
                          .identity = PQgetvalue(res, i, 4)[0],
                          .has_primary_key = pg_true(res, i, 5)};
}

struct ranked {
    struct table table;
    int rank;  /* of the include expression */
    size_t at; /* keeps the order by name */
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->rank != y->rank ? x->rank - y->rank : (x->at > y->at) - (x->at < y->at);
}

static int rank_of(const struct config *config, const struct table *t)
{
    struct buf name = BUF_EMPTY;
    buf_printf(&name, "%s.%s", t->schema, t->name);
    int rank = config->table_include ? pattern_list_find(config->table_include, buf_view(&name)) : 0;
    buf_free(&name);
    return rank;
}

bool catalog_tables(PGconn *conn, const struct config *config, struct tables *out, struct err *e)
{
    *out = (struct tables){0};
    PGresult *res = pg_query(conn, e, SQL_TABLES, 0, NULL);
    if (!res)
        return err_prefix(e, "listing tables");
    size_t n = (size_t)PQntuples(res), kept = 0;
    struct ranked *all = xcalloc(n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        if (!config_captures(config, PQgetvalue(res, (int)i, 0), PQgetvalue(res, (int)i, 1)))
            continue;
        all[kept] = (struct ranked){.table = table_of(res, (int)i), .at = kept};
        all[kept].rank = rank_of(config, &all[kept].table);
        kept++;
    }
    PQclear(res);
    qsort(all, kept, sizeof *all, by_rank);
    out->list = xcalloc(kept + 1, sizeof *out->list);
    out->count = kept;
    for (size_t i = 0; i < kept; i++)
        out->list[i] = all[i].table;
    free(all);
    return true;
}

void tables_free(struct tables *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->list[i].schema);
        free(t->list[i].name);
    }
    free(t->list);
    *t = (struct tables){0};
}
