/* plan.h - a relation's compiled way from tuples to bytes, and the same as value trees.
 *
 * One plan for each relation version: schema texts, field names, null and placeholder texts are written once;
 * a row is then a walk over its cells. plan_value and plan_tree + value_json give the same bytes (a test
 * compares them). Source: io.debezium.relational.TableSchemaBuilder, io.debezium.data.Envelope; Kafka's
 * JsonConverter. */
#ifndef DECODER_PLAN_H
#define DECODER_PLAN_H

#include "change.h"
#include "codec.h"
#include "column_rules.h"
#include "name_adjust.h"
#include "source.h"

/* What all plans of a connector share; must outlive them. */
struct plan_settings {
    const struct types *types;
    const struct type_modes *modes;
    struct json_style key_style, value_style;
};

/* Which columns of a relation go where; arrays of relation->n_columns flags, or NULL for all. */
struct plan_choice {
    const char *topic;                /* schema names are made from it: <topic>.Envelope */
    const bool *columns;              /* false: not in the value */
    const uint16_t *key;              /* indexes in the key's order */
    size_t n_key;                     /* 0: null key, unless there is a key_field */
    const char *key_field, *key_text; /* a field of the same text behind those of the key; NULL: none */
    const struct column_rules *rules; /* NULL: none; must outlive the plan */
    enum name_adjust schema_names, field_names;
    bool strict; /* event.converting.failure.handling.mode=fail: a value of a NOT NULL column that cannot be
                    converted fails its event */
};

/* The transaction block of an event. */
struct order {
    uint32_t xid;
    lsn_t lsn;
    int64_t total, collection; /* total_order, data_collection_order; from 1 */
};

struct event {
    enum change_op op;
    const struct cell *before, *after; /* NULL: null */
    const struct source *source;       /* schema and table are filled in by the plan */
    const struct order *order;         /* NULL: null */
    int64_t ts_ns;                     /* processing time since 1970 */
};

struct plan;

/* ERR_DATA: a column's type oid is not in the registry. ERR_CONFIG: two fields get one name. NULL on errors.
 * The relation must outlive the plan.
 */
struct plan *plan_new(const struct plan_settings *settings, const struct relation *rel,
                      const struct plan_choice *choice, struct err *e);
void plan_free(struct plan *p);

bool plan_has_key(const struct plan *p);
/* False when a cell holds an enum label that the types did not have when the plan was made, or another number
 * of a composite's fields: types change without a word in the stream, so the relation is to be described
 * anew. cells may be NULL. */
bool plan_knows_labels(const struct plan *p, const struct cell *cells);
/* True when no field of the value differs between the tuples, as java.util.Objects.equals would see the two
 * structs: skip.messages.without.change. */
bool plan_unchanged(struct plan *p, const struct cell *before, const struct cell *after);
/* The key's bytes of a tuple, appended. */
bool plan_key(struct plan *p, const struct cell *cells, struct buf *key, struct err *e);
/* The key struct as SimpleHeaderConverter writes it (no schema): for __debezium.newkey and .oldkey. */
bool plan_key_header(struct plan *p, const struct cell *cells, struct buf *out, struct err *e);
bool plan_value(struct plan *p, const struct event *event, struct buf *value, struct err *e);

/* The part of plan_value's bytes that is the value, without the schema before it. */
struct slice plan_payload(const struct plan *p, struct slice value);

/* The least number of bytes that the value of such an event will have; tuples may be NULL. */
size_t plan_least_size(const struct plan *p, const struct cell *before, const struct cell *after);
/* Gives back the memory that a large row has left. */
void plan_trim(struct plan *p);

/* The slow way to the same: trees in the arena, and their schemas. */
bool plan_key_tree(struct plan *p, const struct cell *cells, struct arena *a, struct value *out,
                   struct err *e);
bool plan_tree(struct plan *p, const struct event *event, struct arena *a, struct value *out, struct err *e);
/* The trees and their schemas as JSON: what plan_value and plan_key must give. */
bool plan_tree_json(struct plan *p, const struct event *event, struct arena *a, struct buf *value,
                    struct err *e);
bool plan_key_tree_json(struct plan *p, const struct cell *cells, struct arena *a, struct buf *key,
                        struct err *e);
const struct schema *plan_key_schema(const struct plan *p); /* NULL: no key */
const struct schema *plan_value_schema(const struct plan *p);

/* Values that could not be converted and were written as null (event.converting.failure.handling.mode=warn).
 */
uint64_t plan_failures(const struct plan *p);
const char *plan_last_failure(const struct plan *p);

extern const struct schema order_schema;                              /* event.block */
struct value order_value(const struct order *order, struct arena *a); /* NULL order: null */

#endif
