/* column_size.h - how long Debezium believes a column to be: the length and scale that a JDBC driver reports.
 *
 * They decide whether column.truncate.to.<n>.chars touches a column, where a hash is cut, and what
 * column.propagate.source.type writes. Source: pgjdbc's TypeInfoCache (getPrecision, getDisplaySize,
 * getScale), io.debezium.connector.postgresql.PostgresType, .connection.pgoutput.ColumnMetaData and
 * .connection.PostgresConnection. */
#ifndef DECODER_COLUMN_SIZE_H
#define DECODER_COLUMN_SIZE_H

#include "relation.h"
#include "types.h"

enum { COLUMN_UNSET = -1 };

struct column_size {
    int length, scale; /* COLUMN_UNSET: none */
};

/* Debezium asks another source for a snapshot's rows than for the stream's, and they disagree on a numeric
 * without precision and on modifiers of extensions' types. */
struct column_size column_size_of(const struct column *column, const struct types *types, bool snapshot);

/* The type's name as the driver gives it: a domain's own, serial for an integer that counts by a sequence. */
const char *column_type_name(const struct column *column, const struct types *types);

/* True for the types that masks and hashes apply to: character types, enums, and domains over them. */
bool column_is_text(const struct column *column, const struct types *types);

#endif
