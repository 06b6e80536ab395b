/* name_adjust.h - schema and field names as Avro takes them. Source: io.debezium.schema.SchemaNameAdjuster.
 */
#ifndef DECODER_NAME_ADJUST_H
#define DECODER_NAME_ADJUST_H

#include "arena.h"

enum name_adjust { NAME_ADJUST_NONE, NAME_ADJUST_AVRO_UNICODE, NAME_ADJUST_AVRO };

/* The name with what Avro does not take replaced: by _ for each UTF-16 unit (avro), or by _u and its number
 * in hexadecimal (avro_unicode, where _ itself is replaced too). A dot is good in a schema's name and not in
 * a field's. `name` is UTF-8; the result is `name` itself or in the arena. */
const char *name_adjust(enum name_adjust how, bool field, const char *name, struct arena *a);

#endif
