/* feed_shape.h - tables as the schemas of their records have them. */
#ifndef ENGINE_FEED_SHAPE_H
#define ENGINE_FEED_SHAPE_H

#include "feed_record.h"

/* The JSON text of a record's schemas; key: ptr NULL without a key. */
struct feed_schemas {
    struct slice value, key;
};

/* NULL: ERR_CONFIG or ERR_DATA. A column whose values cannot be told exactly is not in it; the log says so,
 * once for each shape. */
const struct feed_shape *feed_shape_find(struct feed_shapes *s, const char *table,
                                         const struct feed_schemas *schemas, struct err *e);
/* A change without a transaction block was seen. */
void feed_shape_loose(struct feed_shapes *s, lsn_t lsn);

#endif
