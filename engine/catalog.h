/* catalog.h - what the catalogue tells: types, columns, keys, tables. Ordinary queries on an ordinary
 * connection. */
#ifndef ENGINE_CATALOG_H
#define ENGINE_CATALOG_H

#include "pg.h"
#include "relation.h"
#include "types.h"

struct config;
struct catalog_ahead;

/* Loads all types, or with `oids` (text of an oid[] literal such as "{16400,16401}") those, into the
 * registry. */
bool catalog_types(PGconn *conn, struct types *types, const char *oids, struct err *e);

/* What the catalogue says now of several relations, in two queries instead of two for each. NULL: *e. */
struct catalog_ahead *catalog_ahead_read(PGconn *conn, const uint32_t *oids, size_t n, struct err *e);
bool catalog_ahead_has(const struct catalog_ahead *a, uint32_t oid); /* false for NULL */
void catalog_ahead_free(struct catalog_ahead *a);

/* Waits until what transactions did can be seen here: the stream may have it first. `xids` is an array's
 * text,
 * "{700,701}". A second at most, which a synchronous standby that is away can take from it. */
bool catalog_await(PGconn *conn, const char *xids, struct err *e);

/* Fills in what the RELATION message does not carry: NOT NULL, defaults, comments, key; refreshes the
 * user-defined types of its columns. A relation that the catalogue no longer has keeps the message's shape,
 * its key the replica identity. `ahead` (or NULL) is used for those it has. */
bool catalog_describe(PGconn *conn, struct relation *rel, const struct catalog_ahead *ahead,
                      struct types *types, struct err *e);

struct table {
    char *schema, *name;
    uint32_t oid;
    char kind;     /* r table, p partitioned */
    char identity; /* pg_class.relreplident */
    bool has_primary_key;
};

struct tables {
    struct table *list;
    size_t count;
};

/* What of list[0] and the next ones is not in *a yet: reads some hundreds at once, and frees what was there.
 */
bool catalog_ahead_tables(PGconn *conn, const struct table *list, size_t n, struct catalog_ahead **a,
                          struct err *e);

/* A relation made from the catalogue alone; columns in attnum order, generated ones only if wanted: Debezium
 * has them in snapshots, and the stream never. `ahead` must have it. NULL: *e. */
struct relation *catalog_relation(PGconn *conn, const struct table *t, const struct catalog_ahead *ahead,
                                  bool generated, struct types *types, struct err *e);

/* The tables that the configuration captures, in its order: by the expressions of table.include.list, names
 * sorted inside each; without a list by name. Free with tables_free. */
bool catalog_tables(PGconn *conn, const struct config *config, struct tables *out, struct err *e);
void tables_free(struct tables *t);

#endif
