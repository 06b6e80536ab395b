/* codec.h - how one column's text becomes a Kafka Connect value or its JSON, as Debezium's would be.
 *
 * A type's rule is one row: a shape (schema), a value (the tree), and where it is hot a shortcut straight to
 * JSON bytes. The shortcut must give the bytes that value + value_json give; a test runs both. Adding a type
 * is adding a row in its family's file (types_number.c, types_numeric.c, types_time.c, types_interval.c,
 * types_text.c, types_shape.c). Source: io.debezium.connector.postgresql.PostgresValueConverter,
 * io.debezium.jdbc.JdbcValueConverters. */
#ifndef DECODER_CODEC_H
#define DECODER_CODEC_H

#include "err.h"
#include "name_adjust.h"
#include "relation.h"
#include "types.h"
#include "value.h"

enum decimal_mode { DECIMAL_PRECISE, DECIMAL_DOUBLE, DECIMAL_STRING };
enum time_mode { TIME_ADAPTIVE, TIME_ADAPTIVE_MICROS, TIME_CONNECT, TIME_ISOSTRING, TIME_MICROS, TIME_NANOS };
enum interval_mode { INTERVAL_NUMERIC, INTERVAL_STRING };
enum hstore_mode { HSTORE_JSON, HSTORE_MAP };
enum binary_mode { BINARY_BYTES, BINARY_BASE64, BINARY_BASE64_URL, BINARY_HEX };

/* What walwire puts right where Debezium loses it, each behind an option of its own (docs/BETTER.md). */
struct type_better {
    bool nested_arrays; /* walwire.arrays.nested */
    bool all_arrays;    /* walwire.arrays.all */
    bool array_nulls;   /* walwire.arrays.nulls */
    bool names;         /* walwire.names */
    bool composites;    /* walwire.composites */
    bool ranges;        /* walwire.ranges */
    bool all_types;     /* walwire.types.all */
    bool calendar;      /* walwire.calendar */
    bool nulls;         /* walwire.nulls */
};

/* The connector's settings that change how values look. */
struct type_modes {
    enum decimal_mode decimal;
    enum time_mode time;
    enum interval_mode interval;
    enum hstore_mode hstore;
    enum binary_mode binary;
    int money_digits; /* money.fraction.digits, preset 2 */
    bool snapshot; /* rows of a snapshot: Debezium reads some types there that it does not read in the stream
                    */
    bool include_unknown; /* include.unknown.datatypes */
    struct type_better better;
    enum name_adjust schema_names, field_names; /* of composites */
    struct slice placeholder;                   /* unavailable.value.placeholder, decoded */
};

struct type_rule;

struct codec {
    const struct type_rule *rule;
    const struct schema *schema; /* of the field, with optional and default */
    const struct type *type;     /* domains followed */
    int32_t typmod;              /* -1: none */
    int precision, scale; /* the rule's: numeric's p and s, time's fraction digits, bit's length; -1: none */
    bool not_null;
    bool domain; /* the column's declared type is a domain over `type` */
    bool nested; /* of an array's elements */
    const struct type_modes *modes;
    const struct types *types;
    const struct codec *item;           /* arrays */
    int item_kind;                      /* arrays: how Debezium treats the declared type of the elements */
    int dimensions;                     /* arrays: how deep they are declared, at least 1 */
    const struct codec *const *members; /* composites: one a field of the type, NULL where it is left out */
    int depth;                          /* how many composites it is inside of */
    size_t *width; /* of the whole column: how many fields its composites have, each as often as it occurs */
};

struct type_rule {
    const char *name; /* pg_type.typname; for arrays see codec.c */
    /* Fills precision, scale and the schema's type, name, version, doc, params, items (not optional nor
     * default). false: this column cannot be expressed in these modes and is left out of the row. */
    bool (*shape)(struct codec *c, struct schema *s, struct arena *a);
    /* Text (PostgreSQL's output under our pinned settings) to value; may borrow from the text. ERR_DATA: not
     * convertible. */
    bool (*value)(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                  struct err *e);
    /* Shortcut: the same as JSON. NULL: value + value_json. On false nothing was appended. */
    bool (*write)(const struct codec *c, struct slice text, struct buf *b, const struct json_style *style,
                  struct err *e);
    /* What a NOT NULL column holds when no value came (key-only old tuples). NULL: by schema type: 0, false,
     * "", empty. */
    void (*absent)(const struct codec *c, struct arena *a, struct value *out);
    /* Unchanged TOAST. NULL: the placeholder string for STRING, its bytes for BYTES, otherwise null. */
    void (*unavailable)(const struct codec *c, struct arena *a, struct value *out);
    /* The column default's literal (pg_get_expr cut to its literal part) as value; NULL: such columns carry
     * no default. */
    bool (*preset)(const struct codec *c, struct slice literal, struct arena *a, struct value *out);
    /* False when the text shows that the type has changed since it was read, which the stream does not tell.
     * NULL: it cannot show. */
    bool (*knows)(const struct codec *c, struct slice text);
};

/* The families' rows, each ended by a row without name. */
extern const struct type_rule type_rules_number[];
extern const struct type_rule type_rules_numeric[];
extern const struct type_rule type_rules_time[];
extern const struct type_rule type_rules_interval[];
extern const struct type_rule type_rules_text[];
extern const struct type_rule type_rules_shape[];
extern const struct type_rule type_rule_enum, type_rule_unknown, type_rule_other, type_rule_array,
    type_rule_composite;

/* Builds the codec of a column, with everything in the arena (types, modes must outlive it). not_null is the
 * column's or a domain's. *out is NULL when the column is to be left out, as Debezium leaves it out
 * (unsupported type). ERR_DATA: an oid that the registry does not know (the caller reloads the catalogue and
 * tries once more). */
bool codec_make(const struct column *column, const struct types *types, const struct type_modes *modes,
                struct arena *a, const struct codec **out, struct err *e);

/* A codec for a type inside another (array items, range bounds): no default, optional. NULL: unsupported. */
const struct codec *codec_nested(uint32_t oid, int32_t typmod, const struct codec *outer, struct arena *a);

/* Adds the fields of a composite to those of the column; false: too many, the column is to be left out. Types
 * that hold others twice, which hold others twice, are small in the catalogue only. */
bool codec_widen(const struct codec *c, size_t n);

/* The same for what Debezium has nothing to do with: domains are followed, and all of struct type_better
 * holds inside. NULL: unsupported, or nested too deep. */
const struct codec *codec_within(const struct type_field *field, const struct codec *outer, int depth,
                                 struct arena *a);

bool codec_value(const struct codec *c, struct slice text, struct arena *a, struct value *out, struct err *e);
bool codec_write(const struct codec *c, struct slice text, struct buf *b, struct arena *scratch,
                 const struct json_style *style, struct err *e);
void codec_absent(const struct codec *c, struct arena *a,
                  struct value *out); /* null when optional, else default or fallback */
void codec_unavailable(const struct codec *c, struct arena *a, struct value *out);

#endif
