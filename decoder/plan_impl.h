/* plan_impl.h - what plan.c and plan_tree.c share. */
#ifndef DECODER_PLAN_IMPL_H
#define DECODER_PLAN_IMPL_H

#include "column_map.h"
#include "plan.h"

struct field {
    size_t column; /* index into the tuple */
    const struct codec *codec;
    struct slice label;           /* ,"name": (the first without its comma is label + 1) */
    struct slice null;            /* JSON of SQL NULL, and of what a key-only tuple does not hold */
    struct slice unavailable;     /* JSON of an unchanged TOAST value */
    const struct codec *plain;    /* the codec without the column's rule */
    const struct column_map *map; /* NULL: values stay as they are */
    const char *name;             /* of the column, adjusted */
    bool of_key;
    bool unplaced; /* field_lacks_placeholder */
};

struct plan {
    const struct relation *rel;
    struct json_style key_style, value_style;
    struct arena arena, scratch;
    struct field *fields, *key;
    size_t n_fields, n_key;
    bool keyed;            /* by columns, even if none of them has a field: then the key is an empty struct */
    bool grows, strict;    /* grows: has types that grow without a word in the stream */
    const char *key_field; /* behind the key's columns; NULL: none */
    struct slice key_text, key_tail;
    const struct schema *key_schema, *value_schema;
    struct slice key_head, value_head, table_json;
    struct stamp stamp;
    struct buf left, right; /* of plan_unchanged */
    uint64_t failures;
    struct err last_failure;
};

/* What a NULL (or a value that an old tuple does not hold) and an unchanged TOAST value are under the field's
 * schema. */
void field_null(const struct field *f, struct arena *a, struct value *out);
void field_unavailable(const struct field *f, struct arena *a, struct value *out);

/* Neither a placeholder nor null may stand for an unchanged TOAST value. */
bool field_lacks_placeholder(const struct field *f, struct arena *a);

/* Counts an unchanged TOAST value of a field that is `unplaced`: what stands for null is written. */
__attribute__((cold, noinline)) void plan_unplaced(struct plan *p, const struct field *f);

/* A value cannot be converted: true when it is to be written as null or default, false with ERR_DATA when its
 * event fails. Source: io.debezium.relational.TableSchemaBuilder, JdbcValueConverters.handleUnknownData. */
__attribute__((cold, noinline)) bool plan_failed(struct plan *p, const struct field *f, const struct err *why,
                                                 struct err *e);
/* ERR_DATA: a value came in a binary form that has no way to text (binary_text.h). */
__attribute__((cold, noinline)) bool plan_not_text(const struct plan *p, const struct field *f,
                                                   struct err *e);

#endif
