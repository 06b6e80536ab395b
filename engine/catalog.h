/* catalog.h - what the catalogue tells: types, columns, keys, tables. Ordinary queries on an ordinary
 * connection. */
#ifndef ENGINE_CATALOG_H
#define ENGINE_CATALOG_H

#include "pg.h"
#include "relation.h"
#include "types.h"

struct config;

/* Loads all types, or with `oids` (text of an oid[] literal such as "{16400,16401}") those, into the
 * registry. */
bool catalog_types(PGconn *conn, struct types *types, const char *oids, struct err *e);

/* Fills in what the RELATION message does not carry: NOT NULL, defaults, comments, key; refreshes the
 * user-defined types of its columns. A relation that the catalogue no longer has keeps the message's shape,
 * its key the replica identity. */
bool catalog_describe(PGconn *conn, struct relation *rel, struct types *types, struct err *e);

/* A relation made from the catalogue alone, for snapshots; columns in attnum order, generated ones left out.
 * NULL: *e. */
struct relation *catalog_relation(PGconn *conn, uint32_t oid, const char *schema, const char *name,
                                  char identity, struct types *types, struct err *e);

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

/* The tables that the configuration captures, in its order: by the expressions of table.include.list, names
 * sorted inside each; without a list by name. Free with tables_free. */
bool catalog_tables(PGconn *conn, const struct config *config, struct tables *out, struct err *e);
void tables_free(struct tables *t);

#endif
