/* column_map.h - a column's rule at work: masks, hashes, shortened values, and what schemas say of them.
 * Source: io.debezium.relational.mapping.MaskStrings, TruncateColumn,
 * PropagateSourceMetadataToSchemaParameter. */
#ifndef DECODER_COLUMN_MAP_H
#define DECODER_COLUMN_MAP_H

#include "codec.h"
#include "column_rules.h"

/* The codec of a column under its rule: the same values and bytes, but changed, and its schema with the
 * rule's parameters. *map is what to apply to values that do not come from a cell's text (NULL, absent,
 * unavailable), or NULL when the rule changes none. In the arena; `rule` and `plain` must outlive it. `rule`
 * NULL: `plain` itself. NULL: the column is to be left out, for it cannot be hidden as the rule wants. */
struct column_map;
const struct codec *column_map_codec(const struct column_rule *rule, const struct column *column,
                                     const struct codec *plain, struct arena *a,
                                     const struct column_map **map);

/* Changes a value that the plain codec made; `a` takes what is new. */
void column_map_value(const struct column_map *map, struct value *value, struct arena *a);

#endif
