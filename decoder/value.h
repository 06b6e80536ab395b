/* value.h - one Kafka Connect value as a tagged tree, in an arena; its shape is told by its schema.
 *
 * The tree is the slow path (transforms, Avro) and the reference: the plan writer must give the same bytes.
 */
#ifndef DECODER_VALUE_H
#define DECODER_VALUE_H

#include "schema.h"

#include <stdint.h>

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,    /* all integer schema types */
    VALUE_FLOAT,  /* both float schema types; FLOAT32 values are exact floats */
    VALUE_STRING, /* bytes of UTF-8 */
    VALUE_BYTES,
    VALUE_LIST, /* ARRAY: items; STRUCT: the fields in schema order; MAP: key, value, key, value, ... */
};

struct value {
    enum value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct slice bytes; /* STRING and BYTES; borrowed or in the arena */
        struct {
            struct value *items;
            size_t count;
        } list;
    };
};

/* How JsonConverter was told to write values. */
struct json_style {
    bool schemas;           /* schemas.enable: {"schema":..,"payload":..} */
    bool null_as_default;   /* replace.null.with.default: a null in a field with a default is written as the
                               default */
    bool decimal_as_number; /* decimal.format=NUMERIC */
};

/* Appends the JSON of a value under its schema. Maps with string keys become objects, others arrays of pairs.
 * Source: JsonConverter.convertToJson. */
void value_json(struct buf *b, const struct schema *s, const struct value *v, const struct json_style *style);

/* Appends a value as it stands in a header's text, a null as the field's default where there is one. Source:
 * org.apache.kafka.connect.data.Values.convertToString. */
void value_text(struct buf *b, const struct schema *s, const struct value *v);

static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}

static inline struct value value_int(int64_t n)
{
    return (struct value){.kind = VALUE_INT, .integer = n};
}

static inline struct value value_bool(bool v)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = v};
}

static inline struct value value_real(double d)
{
    return (struct value){.kind = VALUE_FLOAT, .real = d};
}

static inline struct value value_string(struct slice s)
{
    return (struct value){.kind = VALUE_STRING, .bytes = s};
}

static inline struct value value_bytes(struct slice s)
{
    return (struct value){.kind = VALUE_BYTES, .bytes = s};
}

static inline struct value value_list(struct value *items, size_t count)
{
    return (struct value){.kind = VALUE_LIST, .list = {items, count}};
}

#endif
