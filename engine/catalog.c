/* catalog.c - reads the catalogue. What it says is of now, while the stream may be in the past: columns are
 * matched by name, and what is not there keeps its preset. */
#include "catalog.h"

#include "config.h"
#include "sql.h"
#include "xmalloc.h"

#include <stdlib.h>

#define FIRST_USER_OID 16384
enum { COL_NAME, COL_NOT_NULL, COL_PRESET, COL_COMMENT, COL_TYPE, COL_TYPMOD, COL_GENERATED };

/* Splits an enum's label array, PostgreSQL's text form, into the arena. */
static const char *const *split_labels(const char *text, size_t *n, struct arena *a)
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
                         .not_null = pg_true(res, i, 7)};
        if (!PQgetisnull(res, i, 8))
            t.labels = split_labels(PQgetvalue(res, i, 8), &t.n_labels, &a);
        types_set(types, &t);
    }
    arena_free(&a);
    PQclear(res);
    return true;
}

/* Enums grow and types are replaced without a word in the stream, so those of a relation are read again with
 * it. The element or base of a type that is new here follows in a second round. */
static bool refresh_types(PGconn *conn, const struct relation *rel, struct types *types, struct err *e)
{
    struct buf oids = BUF_EMPTY;
    for (size_t i = 0; i < rel->n_columns; i++) {
        uint32_t oid = rel->columns[i].type_oid;
        for (int depth = 0; oid >= FIRST_USER_OID && depth < 8; depth++) {
            const struct type *t = types_find(types, oid);
            buf_printf(&oids, "%s%u", oids.len ? "," : "{", oid);
            oid = !t ? 0 : t->element ? t->element : t->base;
        }
    }
    bool ok = true;
    if (oids.len) {
        buf_char(&oids, '}');
        ok = catalog_types(conn, types, oids.ptr, e);
    }
    buf_free(&oids);
    return ok;
}

static bool has_unknown_type(const struct relation *rel, const struct types *types)
{
    for (size_t i = 0; i < rel->n_columns; i++) {
        int32_t typmod = -1;
        bool not_null;
        const struct type *t = types_root(types, rel->columns[i].type_oid, &typmod, &not_null);
        if (!t || (t->element && !types_find(types, t->element)))
            return true;
    }
    return false;
}

static PGresult *query_by_oid(PGconn *conn, const char *sql, uint32_t oid, struct err *e)
{
    char text[16];
    snprintf(text, sizeof text, "%u", oid);
    const char *params[] = {text};
    return pg_query(conn, e, sql, 1, params);
}

static void fill_column(struct relation *rel, struct column *c, const PGresult *res, int row)
{
    c->not_null = pg_true(res, row, COL_NOT_NULL);
    c->preset = arena_strdup(&rel->arena, pg_cell(res, row, COL_PRESET));
    c->comment = arena_strdup(&rel->arena, pg_cell(res, row, COL_COMMENT));
}

/* A key with a column that the stream does not have yet, or no longer, is no key of these tuples. */
static void fill_key(struct relation *rel, const PGresult *res)
{
    uint16_t *key = arena_alloc(&rel->arena, sizeof *key * ((size_t)PQntuples(res) + 1));
    rel->n_key = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        int at = relation_column(rel, PQgetvalue(res, i, 0));
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

static bool describe_key(PGconn *conn, struct relation *rel, struct err *e)
{
    PGresult *res = query_by_oid(conn, SQL_RELATION_KEY, rel->oid, e);
    if (!res)
        return false;
    fill_key(rel, res);
    PQclear(res);
    return true;
}

bool catalog_describe(PGconn *conn, struct relation *rel, struct types *types, struct err *e)
{
    PGresult *res = query_by_oid(conn, SQL_RELATION_COLUMNS, rel->oid, e);
    if (!res)
        return err_prefix(e, "describing %s.%s", rel->schema, rel->name);
    int n = PQntuples(res);
    for (int i = 0; i < n; i++) {
        int at = relation_column(rel, PQgetvalue(res, i, COL_NAME));
        if (at >= 0)
            fill_column(rel, &rel->columns[at], res, i);
    }
    PQclear(res);
    if (n == 0)
        key_from_identity(rel);
    else if (!describe_key(conn, rel, e))
        return false;
    return refresh_types(conn, rel, types, e) &&
           (!has_unknown_type(rel, types) || catalog_types(conn, types, NULL, e));
}

struct relation *catalog_relation(PGconn *conn, uint32_t oid, const char *schema, const char *name,
                                  char identity, struct types *types, struct err *e)
{
    PGresult *res = query_by_oid(conn, SQL_RELATION_COLUMNS, oid, e);
    if (!res)
        return NULL;
    struct relation *rel = relation_new();
    rel->oid = oid;
    rel->schema = arena_strdup(&rel->arena, schema);
    rel->name = arena_strdup(&rel->arena, name);
    rel->identity = identity;
    rel->columns = arena_zero(&rel->arena, sizeof *rel->columns * ((size_t)PQntuples(res) + 1));
    for (int i = 0; i < PQntuples(res); i++) {
        if (pg_true(res, i, COL_GENERATED))
            continue;
        struct column *c = &rel->columns[rel->n_columns++];
        c->name = arena_strdup(&rel->arena, PQgetvalue(res, i, COL_NAME));
        c->type_oid = (uint32_t)strtoul(PQgetvalue(res, i, COL_TYPE), NULL, 10);
        c->typmod = atoi(PQgetvalue(res, i, COL_TYPMOD));
        fill_column(rel, c, res, i);
    }
    PQclear(res);
    if (describe_key(conn, rel, e) && refresh_types(conn, rel, types, e))
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
