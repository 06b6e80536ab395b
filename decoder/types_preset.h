/* types_preset.h - a column default's expression as the schema's default value.
 * Source: io.debezium.connector.postgresql.connection.PostgresDefaultValueConverter. */
#ifndef DECODER_TYPES_PRESET_H
#define DECODER_TYPES_PRESET_H

#include "codec.h"

/* `declared` is the column's own type (a domain has no defaults), `expression` the text of pg_get_expr. The
 * codec is complete but for the schema's preset. false: the schema carries no default. */
bool types_preset(const struct codec *c, const struct type *declared, const char *expression, struct arena *a,
                  struct value *out);

#endif
