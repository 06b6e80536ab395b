/* column_rules.h - the options that change single columns: column.truncate.to.<n>.chars,
 * column.mask.with.<n>.chars, column.mask.hash[.v2].<algorithm>.with.salt.<salt>,
 * column.propagate.source.type and datatype.propagate.source.type.
 *
 * One column has at most one rule: the first that names it, in Debezium's order. Source:
 * io.debezium.relational.mapping.ColumnMappers. */
#ifndef DECODER_COLUMN_RULES_H
#define DECODER_COLUMN_RULES_H

#include "err.h"
#include "props.h"
#include "slice.h"

/* In the order in which they are asked. */
enum column_change {
    COLUMN_TRUNCATE,
    COLUMN_MASK,
    COLUMN_PROPAGATE,
    COLUMN_PROPAGATE_TYPE,
    COLUMN_HASH,
    COLUMN_HASH_V2
};

struct digest;

struct column_rule {
    enum column_change change;
    int chars;             /* of TRUNCATE and MASK */
    struct digest *digest; /* of HASH and HASH_V2: used by one thread at a time */
};

/* What is wrong with one option; others than these are good. ERR_CONFIG: a number that is none or too large,
 * an algorithm that is not known, a bad expression. */
bool column_rule_check(const char *name, const char *columns, struct err *e);

struct column_rules;
/* The rules of a connector's options; others are passed over. ERR_CONFIG as above. Owned by the caller. */
struct column_rules *column_rules_new(const struct props *options, struct err *e);
void column_rules_free(struct column_rules *r);

/* The rule of a column, or NULL. `type` is the type's name as in the database. `rules` may be NULL. Valid as
 * long as the rules. */
const struct column_rule *column_rules_find(const struct column_rules *rules, const char *schema,
                                            const char *table, const char *column, const char *type);

/* True when the rule may change values: what browsers, who get the rows as they are, must not see. */
bool column_rule_hides(const struct column_rule *rule);

#endif
