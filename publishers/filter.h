/* filter.h - the `where` of a subscription: a tree of conditions, compiled once for a table's columns and
 * then judged on the values of changes, or written as SQL for the rows of a snapshot. Both say the same.
 *
 * SQL's three-valued logic, and beyond it values that are not known: then the answer is known only when it
 * does not depend on them. Source: docs/PROTOCOL.md, Filters. */
#ifndef PUBLISHERS_FILTER_H
#define PUBLISHERS_FILTER_H

#include "buf.h"
#include "err.h"
#include "filter_value.h"
#include "hub.h"

struct json_object;
struct filter;

enum {
    FILTER_NODES = 32,   /* conditions and connectives in one filter */
    FILTER_VALUES = 256, /* values of one `in`, elements of an array */
    FILTER_PATTERN =
        256 /* bytes of a `like` pattern: a match costs at most so many times the text's length */
};

/* Compiles a tree for a table with these columns; all that is kept is copied. NULL: the text of *e is for the
 * client, and names column and type where a value does not fit. */
struct filter *filter_new(struct json_object *where, const struct hub_column *columns, size_t n_columns,
                          struct err *e);
/* Rule and client's filter, each of which may be NULL, but not both: both must be true. The client's does not
 * find the columns that are `hidden` (by column; NULL: none). The rule is good: filter_new took it. */
struct filter *filter_ruled(struct json_object *rule, struct json_object *where, const bool *hidden,
                            const struct hub_column *columns, size_t n_columns, struct err *e);
struct filter *filter_share(struct filter *f); /* one more owner, of the same thread; NULL is fine */
void filter_free(struct filter *f);
bool filter_operator(const char *name); /* there is one of that name */

/* Filters with the same text judge the same. */
const char *filter_text(const struct filter *f);
/* Indexes of the columns that it reads, each once. */
const uint16_t *filter_columns(const struct filter *f, size_t *n);

enum filter_verdict { FILTER_NO, FILTER_YES, FILTER_UNDECIDED };

/* cells: a JSON value for each of the table's columns, in the form of hub_change. A NULL ptr is a value that
 * is not known; with `present` it is at least not NULL (an unchanged TOAST value). */
enum filter_verdict filter_judge(struct filter *f, const struct slice *cells, bool present);

/* A condition for WHERE, of the same meaning. */
void filter_sql(const struct filter *f, struct buf *sql);

/* What a row must have to match: one of the values in that column. False: nothing of that kind. */
struct filter_equal {
    uint16_t column;
    struct filter_type type;
    size_t n;
    bool all; /* and that is the whole filter */
};
bool filter_equal(const struct filter *f, struct filter_equal *out);
/* The i-th of these values as bytes: equal values have equal bytes. */
struct slice filter_equal_key(const struct filter *f, size_t i);

#endif
