/* feed_rule.h - which PostgreSQL type a schema of Kafka Connect stands for, and how its values become that
 * type's text: for feed_value.c. */
#ifndef ENGINE_FEED_RULE_H
#define ENGINE_FEED_RULE_H

#include "feed_value.h"

/* What is special about a rule's values. */
enum feed_kind {
    FEED_PLAIN,
    FEED_STRING,  /* strings of which the schema says nothing more */
    FEED_BYTES,   /* base64 */
    FEED_INTEGER, /* numbers, of which an array may be a placeholder */
    FEED_BITS,    /* need a length */
};

struct feed_rule {
    const char *type, *name; /* of the schema; name "": none */
    const char *implies;     /* PostgreSQL's type */
    /* Appends PostgreSQL's text. false: the value is not what the schema says. */
    bool (*text)(const struct feed_column *c, struct json_object *v, struct buf *out);
    enum feed_kind kind;
};

/* source: the type's name, in capitals; "" when it is not told. binary: binary.handling.mode. NULL: values of
 * that schema cannot be told exactly; *why: what helps, or NULL. */
const struct feed_rule *feed_rule_find(const char *source, const char *type, const char *name,
                                       const char *binary, const char **why);

#endif
