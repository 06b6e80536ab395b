/* feed_record.h - Debezium's records, walwire's own or Debezium's, as what they tell: a row event with the
 * values that browsers get, or the end of a transaction.
 *
 * The records need schemas (JsonConverter with schemas.enable=true) and, in them, the transaction block
 * (provide.transaction.metadata=true). */
#ifndef ENGINE_FEED_RECORD_H
#define ENGINE_FEED_RECORD_H

#include "err.h"
#include "feed_order.h"
#include "feed_value.h"
#include "hub.h"
#include "pattern.h"

struct feed_shapes;

/* One version of a table, as its records' schemas have it. Lives as long as the shapes. */
struct feed_shape {
    const char *table; /* "schema.table" */
    struct feed_table *owner;
    size_t n_columns, n_key;
    struct hub_column *columns;
    struct feed_column *types;
    uint16_t *key;
    bool *identity; /* old images have it */
    /* Where tables are known otherwise (feed_modes): as what, NULL: not at all; and where in this shape its
     * columns are, NULL: not all of them can be told. */
    const struct hub_table_info *known;
    uint16_t *order;
};

struct feed_row {
    struct feed_event event; /* the first member */
    const struct feed_shape *shape;
    uint32_t xid;
    int64_t ts_ms;
    char op;
    bool has_row, has_old;
    uint32_t envelope; /* bytes of the record's payload, which comes behind the values */
    /* of the row's values, then of the old row's; FEED_NONE: not known. Then the values */
    uint32_t lengths[];
};

#define FEED_NONE UINT32_MAX

/* full: tables with REPLICA IDENTITY FULL; the records do not tell. All is borrowed for as long as this
 * lives. */
struct feed_shapes *feed_shapes_new(const struct feed_modes *modes, const struct pattern_list *full);
void feed_shapes_free(struct feed_shapes *s);

/* A record of a table's topic. True with *out NULL: it is none that the stream has (a tombstone, a row of a
 * snapshot, a message, one from before there was a transaction block). ERR_CONFIG: the connector has to be
 * told otherwise; ERR_DATA: malformed. free(*out). */
bool feed_row_read(struct feed_shapes *s, struct slice key, struct slice value, struct feed_row **out,
                   struct err *e);

/* The newest place of a change of the stream without a transaction block, by its source.lsn; 0: none was
 * seen. */
lsn_t feed_shapes_loose(const struct feed_shapes *s);

/* The values as hub_change wants them; room for n_columns each. Returns the payload. */
struct slice feed_row_cells(const struct feed_row *row, struct slice *values, struct slice *old);

/* The hub's table of a shape; tells the hub when the table has another shape than before. */
struct hub_table *feed_shape_table(const struct feed_shape *shape, struct hub *hub, int source);

/* Tells the hub of all tables that it has not heard of. */
void feed_shapes_tell(struct feed_shapes *s, struct hub *hub, int source);

/* A record of the topic of transactions, and what walwire puts beside it:
 * {"epoch","commit","after","changes", "ordinals"} or nothing. True with *found false: it is no END. epoch:
 * malloc'ed, NULL when there is no header; out->ordinals: malloc'ed. */
bool feed_end_read(struct slice value, struct slice header, bool *found, struct feed_end *out, char **epoch,
                   struct err *e);

#endif
