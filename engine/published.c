/* published.c - a table's changes are those that a publication has.
 *
 * Of a partitioned table either its partitions have changes or the table itself; a publication may also name
 * the columns that it has, or lack a table that the connector's lists match. */
#include "published.h"

#include "sql.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { OID, COLUMN };

struct published {
    PGresult *rows; /* by oid */
};

struct published *published_read(PGconn *conn, const char *publication, const struct tables *tables,
                                 struct err *e)
{
    struct buf oids = BUF_EMPTY;
    buf_char(&oids, '{');
    for (size_t i = 0; i < tables->count; i++)
        buf_printf(&oids, "%s%u", i ? "," : "", tables->list[i].oid);
    buf_char(&oids, '}');
    const char *sql = PQserverVersion(conn) < 150000 ? SQL_PUBLISHED_TABLES_13 : SQL_PUBLISHED_TABLES;
    PGresult *rows = pg_query(conn, e, sql, 2, (const char *[]){oids.ptr, publication});
    buf_free(&oids);
    if (!rows)
        return NULL;
    struct published *p = xcalloc(1, sizeof *p);
    p->rows = rows;
    return p;
}

static uint32_t oid_at(const struct published *p, int row)
{
    return (uint32_t)strtoul(PQgetvalue(p->rows, row, OID), NULL, 10);
}

/* The first row of the relation; PQntuples: there is none. */
static int first_of(const struct published *p, uint32_t oid)
{
    int from = 0;
    for (int end = PQntuples(p->rows); from < end;) {
        int middle = from + (end - from) / 2;
        if (oid_at(p, middle) < oid)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

/* As a RELATION message without it would be described. */
static void column_drop(struct relation *rel, const char *name)
{
    int at = relation_column(rel, name);
    if (at < 0)
        return;
    uint16_t *key = arena_zero(&rel->arena, sizeof *key * (rel->n_key + 1));
    size_t n = 0;
    for (size_t i = 0; i < rel->n_key; i++)
        if (rel->key[i] != at)
            key[n++] = (uint16_t)(rel->key[i] - (rel->key[i] > at));
    rel->key = key;
    rel->n_key = n;
    rel->n_columns--;
    memmove(&rel->columns[at], &rel->columns[at + 1], (rel->n_columns - (size_t)at) * sizeof *rel->columns);
}

bool published_has(const struct published *p, struct relation *rel)
{
    if (!p)
        return true;
    int n = PQntuples(p->rows), from = first_of(p, rel->oid), i = from;
    for (; i < n && oid_at(p, i) == rel->oid; i++)
        if (!PQgetisnull(p->rows, i, COLUMN))
            column_drop(rel, PQgetvalue(p->rows, i, COLUMN));
    return i > from;
}

void published_free(struct published *p)
{
    if (!p)
        return;
    PQclear(p->rows);
    free(p);
}
