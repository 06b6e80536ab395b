/* relation.h - a table as the stream's last RELATION message and the catalogue describe it, and the cache of
 * them by oid.
 *
 * A new R message replaces the cached relation whole, at once (an older version is never merged). What the
 * message does not carry (NOT NULL, defaults, key) is filled in by the engine from the catalogue, which may
 * already be newer than the stream: columns that the message does not have are ignored. */
#ifndef DECODER_RELATION_H
#define DECODER_RELATION_H

#include "arena.h"
#include "types.h"

struct column {
    const char *name;
    uint32_t type_oid;
    int32_t typmod;
    bool identity; /* part of the replica identity (flag bit 0 of the R message) */
    /* from the catalogue; the presets hold where the catalogue has no such column any more */
    bool not_null;       /* false */
    int number;          /* attnum; 0: not known */
    int dimensions;      /* of an array: as declared; 0: not known */
    const char *preset;  /* pg_get_expr of the default; NULL: none, or generated */
    const char *comment; /* NULL: none */
};

struct relation {
    uint32_t oid;
    const char *schema, *name;
    char identity; /* pg_class.relreplident: d n f i */
    size_t n_columns;
    struct column *columns; /* in the order of the tuples */
    const uint16_t *key;    /* indexes into columns, in the key's order; the catalogue's PK or unique index */
    size_t n_key;           /* 0: no key */
    struct arena arena;     /* owns all of the above */
    uint64_t number;        /* among all that the cache has had */
    void *plan;             /* the engine's, freed by free_plan */
    void (*free_plan)(void *plan);
};

struct relation *relation_new(void);
void relation_free(struct relation *r);
int relation_column(const struct relation *r, const char *name); /* index, or -1 */

struct relations;
struct relations *relations_new(void);
void relations_free(struct relations *c);
struct relation *relations_find(const struct relations *c, uint32_t oid); /* NULL: unknown */
void relations_put(struct relations *c, struct relation *r); /* takes ownership; frees the one it replaces */
size_t relations_count(const struct relations *c);
/* Walks all of them in no order: start with *at = 0; NULL at the end. No put or drop meanwhile. */
const struct relation *relations_next(const struct relations *c, size_t *at);
void relations_drop(struct relations *c, uint32_t oid, uint64_t number); /* unless it was replaced since */

#endif
