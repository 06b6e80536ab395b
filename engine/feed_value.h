/* feed_value.h - a column of a Kafka record: from what Kafka Connect's schema says it is, and its JSON, to
 * the value that browsers get.
 *
 * Each kind of schema is a row in a table: which PostgreSQL type it stands for, and how its values become
 * that type's text. The text is written by row_json, as the engine writes what it reads from the stream, so
 * both give the same bytes. What cannot be told exactly is refused with a reason and never guessed.
 * Sources: io.debezium.time, io.debezium.data, org.apache.kafka.connect.data. */
#ifndef ENGINE_FEED_VALUE_H
#define ENGINE_FEED_VALUE_H

#include "arena.h"
#include "err.h"
#include "props.h"
#include "row_json.h"

#include <json-c/json.h>

struct feed_rule;
struct hub_table_info;

/* How the connector was told to write. */
struct feed_modes {
    const char *placeholder; /* unavailable.value.placeholder */
    const char *binary;      /* binary.handling.mode */
    struct types *types;     /* as feed_types_new made them */
    /* What is known of a table otherwise: its columns' types are taken from there. NULL: nothing */
    const struct hub_table_info *(*known)(void *ctx, const char *table);
    void *ctx;
};

struct feed_column {
    const char
        *label; /* the type's name: PostgreSQL's where the schema has it, else what the schema implies */
    const char *base; /* as in hub_column */
    const struct feed_rule *rule;
    int scale;
    const char *placeholder;
    struct row_style style;
    const struct feed_column *item; /* of an array's elements; NULL: no array */
};

/* The builtin types that values are written by. types_free. */
struct types *feed_types_new(void);
/* As the connector's settings of the same names say; the types are the caller's. */
struct feed_modes feed_modes_of(const struct props *p);

/* type: as hub_column has it, where that is known otherwise; NULL: as the schema says. false: values of this
 * schema cannot be told exactly; ERR_CONFIG says why, and which option of the connector
 * helps. All that `out` has is in the arena. */
bool feed_column_of(struct json_object *schema, const char *type, const struct feed_modes *modes,
                    struct arena *a, struct feed_column *out, struct err *e);

enum feed_known { FEED_KNOWN, FEED_UNKNOWN, FEED_BAD };

/* Appends the value as browsers get it. FEED_UNKNOWN: it is the placeholder of a large value that did not
 * change; FEED_BAD: it is not what its schema says. Nothing is appended then. */
enum feed_known feed_value(const struct feed_column *c, struct json_object *value, struct buf *out);

#endif
