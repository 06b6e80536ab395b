/* topic.h - names of topics. Source: io.debezium.schema.SchemaTopicNamingStrategy,
 * AbstractTopicNamingStrategy. */
#ifndef DECODER_TOPIC_H
#define DECODER_TOPIC_H

#include "buf.h"

/* prefix.schema.table; every character outside [A-Za-z0-9._-] becomes _, cut to 249. Empty parts are left
 * out. */
void topic_name(struct buf *out, const char *prefix, const char *schema, const char *table);

#endif
