/* topic.h - names of topics, as Debezium's naming strategies make them.
 * Source: io.debezium.schema.AbstractTopicNamingStrategy, AbstractRegexTopicNamingStrategy and their
 * subclasses. */
#ifndef DECODER_TOPIC_H
#define DECODER_TOPIC_H

#include "buf.h"
#include "err.h"

struct topic_options {
    const char *prefix, *delimiter;          /* topic.prefix, topic.delimiter */
    const char *transaction;                 /* topic.transaction */
    const char *heartbeat_prefix;            /* topic.heartbeat.prefix */
    const char *heartbeat;                   /* topic.heartbeat.name; NULL: made from the prefixes */
    bool without_schema;                     /* Default...: <prefix>.<table> */
    bool unicode;                            /* ...Unicode...: _uXXXX instead of _ */
    const char *regex, *replacement;         /* ...Regex...: topic.regex, topic.replacement; NULL: none */
    const char *key_field;                   /* topic.key.field.name; NULL: keys stay as they are */
    const char *key_regex, *key_replacement; /* topic.key.field.regex, .replacement; NULL: none */
};

struct topic_naming;

/* ERR_CONFIG for a bad regular expression or replacement. The options are copied. */
struct topic_naming *topic_naming_new(const struct topic_options *options, struct err *e);
void topic_naming_free(struct topic_naming *n);

/* Each replaces what is in `out`.
 *
 * A table's topic: its parts joined by the delimiter, empty ones left out; every character outside
 * [A-Za-z0-9._-] becomes _ (Java's characters: one beyond U+FFFF counts as two); cut to 249; then the regular
 * expression. */
void topic_of_table(const struct topic_naming *n, const char *schema, const char *table, struct buf *out);
void topic_of_transactions(const struct topic_naming *n, struct buf *out);
void topic_of_heartbeats(const struct topic_naming *n, struct buf *out);
/* Logical messages go to <prefix>.message, whatever the delimiter. */
void topic_of_messages(const struct topic_naming *n, struct buf *out);

/* The field that tells the tables of one topic apart in its keys, and its value for a table. NULL, and
 * nothing in `out`: there is none. */
const char *topic_key_field(const struct topic_naming *n, const char *schema, const char *table,
                            struct buf *out);

#endif
