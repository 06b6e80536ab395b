/* filter_impl.h - a filter's inside, for filter.c and filter_sql.c. */
#ifndef PUBLISHERS_FILTER_IMPL_H
#define PUBLISHERS_FILTER_IMPL_H

#include "filter.h"

enum condition {
    COND_AND,
    COND_OR,
    COND_NOT,
    COND_EQ, /* from here on they have a column */
    COND_NE,
    COND_LT,
    COND_LE,
    COND_GT,
    COND_GE,
    COND_IN,
    COND_NIN,
    COND_NULL,
    COND_NOTNULL,
    COND_LIKE,
    COND_PREFIX,
};

struct literal {
    struct filter_value value;
    struct slice sql; /* what PostgreSQL reads it from */
    bool null;        /* elements of arrays only */
};

struct node {
    enum condition op;
    uint16_t column;
    struct filter_type type;
    size_t n;
    struct node **children;
    struct literal *values; /* of `in` and `nin` ascending; of an array its elements */
};

struct filter {
    size_t shared; /* owners beside the first */
    struct arena arena;
    struct buf scratch; /* of judging */
    struct node *root;
    const struct node *equal; /* NULL: there is none */
    char *text;
    const char **names;                 /* by column; NULL where it is not read */
    uint16_t columns[2 * FILTER_NODES]; /* of a rule and of a client's filter */
    size_t n_columns;
};

#endif
