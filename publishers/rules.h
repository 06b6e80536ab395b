/* rules.h - who may read which table, which columns and which rows of it: the file of websocket.rules.file.
 *
 * Pure text: nothing in here knows tables or columns, so a rule is compiled where it is used (filter.h).
 * Source: docs/SECURITY.md. */
#ifndef PUBLISHERS_RULES_H
#define PUBLISHERS_RULES_H

#include "err.h"

#include <stddef.h>

struct json_object;
struct rules;

/* NULL and ERR_CONFIG: unreadable, or one of its rules cannot be understood; the text names file and rule. */
struct rules *rules_read(const char *path, struct err *e);
struct rules *rules_parse(const char *text, size_t len, struct err *e);
void rules_free(struct rules *r);

/* What a rule allows. */
struct allowance {
    size_t rule;                 /* its number in the file, from 1 */
    struct json_object *columns; /* names; NULL: all. Lives as long as the rules */
    struct json_object *where;   /* claims replaced by their values; NULL: all rows. Owned */
};

/* The first rule for this table whose roles and claims the token meets. claims: an object, NULL: nobody has
 * said who he is. false: none, or its `where` asks for a claim that is not there; e says why, for the log. */
bool rules_allow(const struct rules *r, const char *table, struct json_object *claims, struct allowance *out,
                 struct err *e);
void allowance_clear(struct allowance *a);

#endif
