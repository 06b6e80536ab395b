/* filter_value.h - values of columns as filters compare them: by PostgreSQL's type, not by their text.
 *
 * A value comes from a client's filter (any JSON that fits the type) or from a change (the JSON that
 * row_json.h writes). Reading the latter allocates nothing once the scratch has grown. */
#ifndef PUBLISHERS_FILTER_VALUE_H
#define PUBLISHERS_FILTER_VALUE_H

#include "arena.h"
#include "buf.h"
#include "hub.h"

#include <stdint.h>

struct json_object;

enum value_kind {
    VALUE_INTEGER,
    VALUE_NUMERIC,
    VALUE_FLOAT4,
    VALUE_FLOAT8,
    VALUE_BOOL,
    VALUE_TEXT,   /* text, varchar, name */
    VALUE_PADDED, /* bpchar: spaces at the end do not count */
    VALUE_UUID,
    VALUE_BYTES,
    VALUE_TIMESTAMP,
    VALUE_INSTANT, /* timestamptz */
    VALUE_DATE,
    VALUE_TIME,
    VALUE_JSON,  /* NULL or not is all that can be asked */
    VALUE_OTHER, /* PostgreSQL's text, equal or not */
};

struct value_type {
    const char *name; /* "int4"; VALUE_OTHER: "" */
    enum value_kind kind;
    int64_t least, most; /* VALUE_INTEGER */
    const char *expected;
};

struct filter_type {
    const struct value_type *value; /* of an array: its elements' */
    bool array;
};

struct filter_type filter_type_of(const struct hub_column *column);

struct filter_value {
    int64_t number; /* integers, bool; moments in microseconds, dates in days since 2000 */
    double real;
    struct slice text; /* all others; bytes in base64 */
};

/* From a client's filter: *out, and in *sql the text that PostgreSQL reads the same value from; both live in
 * the arena, which `json` may not outlive. False: it does not fit the type. */
bool value_take(const struct value_type *type, struct json_object *json, struct arena *a,
                struct filter_value *out, struct slice *sql);
/* From a change's cell, which is not null; *out may point into it or into the scratch. False: not of that
 * form. */
bool value_read(const struct value_type *type, struct slice cell, struct buf *scratch,
                struct filter_value *out);
/* The cell's string without quotes and escapes, in the cell or in the scratch. */
bool value_string(struct slice cell, struct buf *scratch, struct slice *out);

/* PostgreSQL's order; text bytewise. */
int value_compare(const struct value_type *type, const struct filter_value *a, const struct filter_value *b);
bool value_ordered(const struct value_type *type);
/* Bytes in *v that are the same for equal values. */
struct slice value_key(const struct value_type *type, const struct filter_value *v);

/* filter_moment.c: ISO-8601 or PostgreSQL's text; "infinity" is INT64_MAX. False: another form, or out of
 * range. */
bool moment_read(enum value_kind kind, struct slice text, int64_t *out);
void moment_write(enum value_kind kind, int64_t moment, char out[48]);

/* PostgreSQL's LIKE with its escape \, on UTF-8. */
bool text_like(struct slice text, struct slice pattern);

#endif
