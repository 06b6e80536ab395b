/* source.h - the source block of an event: where in the database, and when, it comes from.
 * Source: io.debezium.connector.postgresql.PostgresSourceInfoStructMaker, SourceInfo. */
#ifndef DECODER_SOURCE_H
#define DECODER_SOURCE_H

#include "lsn.h"
#include "value.h"

#define DEBEZIUM_VERSION "3.7.0.Final" /* whose records these are: written as source.version */

struct source {
    const char *name; /* topic.prefix */
    const char *db;
    const char *snapshot; /* "first", "true", ...; NULL: streaming */
    int64_t ts_us;        /* commit time, or the server's time when a table's snapshot began */
    lsn_t last_commit;    /* position of the last COMMIT before; 0: none yet */
    lsn_t lsn;
    int64_t tx_id; /* -1: none */
    const char *schema, *table;
    const char *origin; /* NULL: local */
    lsn_t origin_lsn;
    int64_t xmin; /* catalog_xmin of the slot; 0: not looked up */
};

extern const struct schema source_schema;

/* The block as a value under source_schema, in the arena. */
struct value source_value(const struct source *s, struct arena *a);

/* The same as JSON text, with the parts that stay the same within a transaction kept from call to call. A
 * zeroed stamp is empty; table_json is the `"schema":"s","table":"t"` part of the text, already escaped. */
struct stamp {
    struct source of; /* what the texts below were made for */
    bool null_as_default, filled;
    struct buf head, middle, tail;
};
void stamp_json(struct stamp *stamp, struct buf *b, const struct source *s, struct slice table_json,
                bool null_as_default);
void stamp_free(struct stamp *stamp);

#endif
