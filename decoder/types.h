/* types.h - PostgreSQL's types as the catalogue describes them, by oid.
 *
 * Filled by the engine from pg_type, pg_enum and pg_range; the decoder only looks up. Builtin types need no
 * entry to be found: types_new adds none, the engine loads all. Not thread-safe: one registry a connector. */
#ifndef DECODER_TYPES_H
#define DECODER_TYPES_H

#include "err.h"
#include "slice.h"

#include <stddef.h>
#include <stdint.h>

/* One field of a composite type. */
struct type_field {
    const char *name;
    uint32_t oid;
    int32_t typmod; /* -1: none */
    int dimensions; /* of arrays: as declared */
};

struct type {
    uint32_t oid;
    const char *schema; /* namespace: "pg_catalog", "public", ... */
    const char *name;   /* pg_type.typname: "int4", "_int4", "hstore", "mood" */
    char kind; /* pg_type.typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange */
    uint32_t element;          /* arrays: the element's oid, otherwise 0 */
    uint32_t base;             /* domains: the base type's oid, otherwise 0 */
    int32_t typmod;            /* domains: typmod to apply to the base, otherwise -1 */
    bool not_null;             /* domains: NOT NULL */
    const char *const *labels; /* enums: in enumsortorder */
    size_t n_labels;
    int dimensions;                  /* domains over arrays: as declared */
    const struct type_field *fields; /* composites: in their order */
    size_t n_fields;
};

struct types;
struct types *types_new(void);
void types_free(struct types *t);
void types_set(struct types *t, const struct type *type); /* copies all; replaces the entry of that oid */

/* NULL: unknown. What is found lives as long as t and does not change: after a types_set of that oid with
 * other contents there is another one to find. */
const struct type *types_find(const struct types *t, uint32_t oid);

/* As it was when that name was first set. */
const struct type *types_first(const struct types *t, uint32_t oid);

/* Follows domains to the type they stand on; *typmod becomes the domain's where the domain has one, *not_null
 * is set when any domain on the way is NOT NULL. NULL: unknown oid, or a chain longer than 32. */
const struct type *types_root(const struct types *t, uint32_t oid, int32_t *typmod, bool *not_null);

#endif
