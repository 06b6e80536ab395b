/* schema.h - Kafka Connect's schemas, and how JsonConverter writes them.
 *
 * Built once for each version of a relation, in its arena; read-only afterwards. */
#ifndef DECODER_SCHEMA_H
#define DECODER_SCHEMA_H

#include "arena.h"
#include "buf.h"

enum schema_type {
    SCHEMA_BOOLEAN,
    SCHEMA_INT8,
    SCHEMA_INT16,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_FLOAT32,
    SCHEMA_FLOAT64,
    SCHEMA_STRING,
    SCHEMA_BYTES,
    SCHEMA_ARRAY,
    SCHEMA_MAP,
    SCHEMA_STRUCT,
};

struct value;
struct schema;

struct schema_param {
    const char *name, *value;
};

struct schema_field {
    const char *name;
    const struct schema *schema;
};

struct schema {
    enum schema_type type;
    bool optional;
    const char *name;                  /* semantic name; NULL: none */
    int version;                       /* 0: none */
    const char *doc;                   /* NULL: none */
    const struct schema_param *params; /* in the order of writing */
    size_t n_params;
    const struct value *preset;        /* default value; NULL: none */
    const struct schema *key;          /* MAP */
    const struct schema *item;         /* MAP's values, ARRAY's items */
    const struct schema_field *fields; /* STRUCT */
    size_t n_fields;
};

/* Writes the schema as JsonConverter does: type, items|keys,values|fields, optional, name, version, doc,
 * parameters, default, and last "field" when `field` is not NULL. Source:
 * org.apache.kafka.connect.json.JsonConverter.asJsonSchema. */
void schema_json(struct buf *b, const struct schema *s, const char *field);

/* The same with the converter's style, which the defaults of decimals follow (decimal.format). */
struct json_style;
void schema_json_as(struct buf *b, const struct schema *s, const char *field, const struct json_style *style);

/* A copy in the arena whose optional flag is as given. */
const struct schema *schema_optional(const struct schema *s, bool optional, struct arena *a);

/* A copy in the arena with more parameters behind its own; `params` is copied, its texts are not. */
const struct schema *schema_params(const struct schema *s, const struct schema_param *params, size_t n,
                                   struct arena *a);

#endif
