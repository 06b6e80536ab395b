/* pattern.h - Debezium's include and exclude lists: comma separated Java regular expressions, by PCRE2.
 *
 * Each expression is anchored (it must match the whole name) and case-insensitive; "\," is a literal comma.
 * Source: io.debezium.function.Predicates, io.debezium.util.Strings.setOfRegex. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "err.h"
#include "slice.h"

struct pattern_list;

/* NULL or blank text gives an empty list, which matches nothing. NULL and ERR_CONFIG for a bad expression,
 * naming it. */
struct pattern_list *pattern_list_new(const char *text, struct err *e);
void pattern_list_free(struct pattern_list *p);
size_t pattern_list_count(const struct pattern_list *p);
/* An expression that gives up, because matching would take too long, does not match. Any thread may ask. */
bool pattern_list_match(const struct pattern_list *p, struct slice name);
/* The index of the first expression that matches, or -1. */
int pattern_list_find(const struct pattern_list *p, struct slice name);
/* True for an expression with a Java character class that PCRE2 would read as something else. */
bool pattern_java_only(const char *expression);

#endif
