/* filter.c - trees of conditions: read from a client's JSON, judged on rows.
 *
 * An answer is the set of what may be true, so that a value that is not known spoils only what depends on it:
 * SQL's false, true and null are sets of one. */
#include "filter.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter_impl.h"
#include "hub_impl.h"
#include "json.h"
#include "xmalloc.h"

enum { IS_FALSE = 1, IS_TRUE = 2, IS_NULL = 4, IS_ANY = 7 };

static const struct {
    const char *name;
    enum condition op;
} operators[] = {
    {"eq", COND_EQ},     {"ne", COND_NE},           {"lt", COND_LT},     {"le", COND_LE},
    {"gt", COND_GT},     {"ge", COND_GE},           {"in", COND_IN},     {"nin", COND_NIN},
    {"null", COND_NULL}, {"notnull", COND_NOTNULL}, {"like", COND_LIKE}, {"prefix", COND_PREFIX},
};

/* ---- reading the tree ---- */

struct reading {
    struct filter *filter;
    const struct hub_column *columns;
    size_t n_columns, nodes;
    struct err *e;
    const bool *hidden; /* by column; NULL: none */
};

static struct node *node_of(struct reading *r, struct json_object *tree);

static struct node *node_new(struct reading *r, enum condition op)
{
    struct node *node = arena_zero(&r->filter->arena, sizeof(*node));
    node->op = op;
    return node;
}

static struct node *bad_node(struct reading *r, const char *text)
{
    err_set(r->e, ERR_DATA, "where: %s", text);
    return NULL;
}

static bool read_list(struct reading *r, struct node *node, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (n == 0 || n > FILTER_NODES)
        return bad_node(r, "\"and\" and \"or\" have an array of 1 to 32 conditions");
    node->children = arena_zero(&r->filter->arena, n * sizeof(*node->children));
    for (; node->n < n; node->n++)
        if (!(node->children[node->n] = node_of(r, json_object_array_get_idx(list, node->n))))
            return false;
    return true;
}

static struct node *connective(struct reading *r, struct json_object *tree)
{
    struct json_object *and = json_object_object_get(tree, "and"), * or = json_object_object_get(tree, "or");
    struct json_object *not = json_object_object_get(tree, "not");
    if (json_object_object_length(tree) != 1 || !(and || or || not ))
        return bad_node(r, "an object has one member: \"and\", \"or\" or \"not\"");
    struct node *node = node_new(r, and? COND_AND : or ? COND_OR : COND_NOT);
    if (not ) {
        node->children = arena_zero(&r->filter->arena, sizeof(*node->children));
        node->n = 1;
        return (node->children[0] = node_of(r, not )) ? node : NULL;
    }
    return read_list(r, node, and? and : or) ? node : NULL;
}

static bool misfit(struct reading *r, const struct node *node, const char *expected)
{
    const struct hub_column *c = &r->columns[node->column];
    bool other = c->base && strcmp(c->base, c->type) != 0;
    return err_set(r->e, ERR_DATA, "where: column %.100s is %.100s%s%.100s: %s", c->name, c->type,
                   other ? ", that is " : "",
                   other && c->base[0] ? c->base
                   : other             ? "of its own kind"
                                       : "",
                   expected);
}

static bool take_literal(struct reading *r, struct node *node, struct json_object *json, struct literal *out)
{
    out->null = !json;
    if (value_take(node->type.value, json, &r->filter->arena, &out->value, &out->sql))
        return true;
    if (node->type.array && out->null)
        return true;
    char text[200];
    snprintf(text, sizeof(text), "%s is compared with %s", node->type.array ? "each element" : "it",
             json ? node->type.value->expected : "a value; null has operators of its own");
    return misfit(r, node, text);
}

static int by_value(const void *a, const void *b, void *type)
{
    return value_compare(type, &((const struct literal *)a)->value, &((const struct literal *)b)->value);
}

/* Sorted for the search, and each value once. */
static void values_sort(struct node *node)
{
    void *type = (void *)node->type.value;
    size_t kept = 0;
    qsort_r(node->values, node->n, sizeof(*node->values), by_value, type);
    for (size_t i = 0; i < node->n; i++)
        if (i == 0 || by_value(&node->values[kept - 1], &node->values[i], type) != 0)
            node->values[kept++] = node->values[i];
    node->n = kept;
}

static bool take_values(struct reading *r, struct node *node, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    bool elements = node->op == COND_EQ || node->op == COND_NE;
    if (!json_object_is_type(list, json_type_array) || (n == 0 && !elements) || n > FILTER_VALUES)
        return misfit(r, node,
                      elements ? "it is compared with an array of at most 256 elements"
                               : "in and nin have an array of 1 to 256 values");
    node->values = arena_zero(&r->filter->arena, (n + 1) * sizeof(*node->values));
    for (; node->n < n; node->n++)
        if (!take_literal(r, node, json_object_array_get_idx(list, node->n), &node->values[node->n]))
            return false;
    if (!elements)
        values_sort(node);
    return true;
}

static bool take_one(struct reading *r, struct node *node, struct json_object *json)
{
    node->values = arena_zero(&r->filter->arena, sizeof(*node->values));
    node->n = 1;
    return take_literal(r, node, json, node->values);
}

static bool take_pattern(struct reading *r, struct node *node, struct json_object *json)
{
    if (!take_one(r, node, json))
        return false;
    struct slice text = {json_object_get_string(json), (size_t)json_object_get_string_len(json)};
    size_t escapes = 0;
    while (escapes < text.len && text.ptr[text.len - 1 - escapes] == '\\')
        escapes++;
    node->values->value.text = arena_slice(&r->filter->arena, text); /* spaces at the end count here */
    node->values->sql = node->values->value.text; /* also in what two filters are told apart by */
    if (node->op == COND_LIKE && (escapes % 2 || text.len > FILTER_PATTERN))
        return misfit(r, node,
                      escapes % 2 ? "a like pattern does not end in a single \\"
                                  : "a like pattern has at most 256 bytes");
    return true;
}

/* What the type can be asked; then its values are taken. */
static bool read_values(struct reading *r, struct node *node, struct json_object *json)
{
    enum value_kind kind = node->type.value->kind;
    if (node->op == COND_NULL || node->op == COND_NOTNULL)
        return true;
    if (kind == VALUE_JSON || (node->type.array && kind == VALUE_OTHER))
        return misfit(r, node, "only null and notnull are for it");
    if (node->type.array)
        return (node->op == COND_EQ || node->op == COND_NE)
                   ? take_values(r, node, json)
                   : misfit(r, node, "only eq, ne, null and notnull are for it");
    if (node->op == COND_LIKE || node->op == COND_PREFIX)
        return kind == VALUE_TEXT || kind == VALUE_PADDED ? take_pattern(r, node, json)
                                                          : misfit(r, node, "like and prefix are for text");
    if (node->op >= COND_LT && node->op <= COND_GE && !value_ordered(node->type.value))
        return misfit(r, node, "its order is not known here: lt, le, gt and ge are not for it");
    return node->op == COND_IN || node->op == COND_NIN ? take_values(r, node, json) : take_one(r, node, json);
}

static bool find_column(struct reading *r, const char *name, struct node *node)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->columns[i].name, name) == 0 && !(r->hidden && r->hidden[i])) {
            node->column = (uint16_t)i;
            node->type = filter_type_of(&r->columns[i]);
            return true;
        }
    return err_set(r->e, ERR_DATA, "where: there is no column %.200s", name);
}

static struct node *predicate(struct reading *r, struct json_object *tree)
{
    size_t n = json_object_array_length(tree);
    struct json_object *column = json_object_array_get_idx(tree, 0), *op = json_object_array_get_idx(tree, 1);
    if (!json_object_is_type(column, json_type_string) || !json_object_is_type(op, json_type_string) || n > 3)
        return bad_node(r, "a condition is [\"column\",\"operator\",value]");
    struct node *node = NULL;
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (strcmp(operators[i].name, json_object_get_string(op)) == 0)
            node = node_new(r, operators[i].op);
    if (!node)
        return bad_node(r, "the operators are eq ne lt le gt ge in nin null notnull like prefix");
    bool valued = node->op != COND_NULL && node->op != COND_NOTNULL;
    if (n != (valued ? 3u : 2u) && (valued || json_object_array_get_idx(tree, 2)))
        return bad_node(r, "null and notnull have no value, the other operators have one");
    bool good = find_column(r, json_object_get_string(column), node) &&
                read_values(r, node, json_object_array_get_idx(tree, 2));
    return good ? node : NULL;
}

static struct node *node_of(struct reading *r, struct json_object *tree)
{
    if (++r->nodes > FILTER_NODES)
        return bad_node(r, "a filter has at most 32 conditions, and, or and not");
    if (json_object_is_type(tree, json_type_object))
        return connective(r, tree);
    if (json_object_is_type(tree, json_type_array))
        return predicate(r, tree);
    return bad_node(r, "a condition is an array, and, or and not are objects");
}

/* ---- what is known of it then ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The parts of `and` and `or` in an order of their own: another order is the same filter. */
static char *node_text(const struct node *node)
{
    struct buf b = BUF_EMPTY;
    buf_printf(&b, "[%d", (int)node->op);
    if (node->op < COND_EQ) {
        char *parts[FILTER_NODES];
        for (size_t i = 0; i < node->n; i++)
            parts[i] = node_text(node->children[i]);
        qsort(parts, node->n, sizeof(*parts), by_text);
        for (size_t i = 0; i < node->n; free(parts[i++]))
            buf_printf(&b, ",%s", parts[i]);
    } else {
        buf_printf(&b, ",%u", node->column);
        for (size_t i = 0; i < node->n; i++) {
            buf_char(&b, ',');
            if (node->values[i].null)
                BUF_LIT(&b, "null");
            else
                json_string(&b, node->values[i].sql);
        }
    }
    buf_char(&b, ']');
    return buf_take(&b);
}

static void note_columns(struct filter *f, const struct node *node)
{
    size_t i = 0;
    for (size_t k = 0; node->op < COND_EQ && k < node->n; k++)
        note_columns(f, node->children[k]);
    if (node->op < COND_EQ)
        return;
    while (i < f->n_columns && f->columns[i] != node->column)
        i++;
    if (i == f->n_columns)
        f->columns[f->n_columns++] = node->column;
}

/* The condition with the fewest values among those that every matching row must meet. */
static const struct node *equal_node(const struct node *node)
{
    const struct node *found = NULL;
    if ((node->op == COND_EQ || node->op == COND_IN) && !node->type.array)
        return node;
    for (size_t i = 0; node->op == COND_AND && i < node->n; i++) {
        const struct node *one = equal_node(node->children[i]);
        if (one && (!found || one->n < found->n))
            found = one;
    }
    return found;
}

bool filter_operator(const char *name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (strcmp(operators[i].name, name) == 0)
            return true;
    return false;
}

struct filter *filter_new(struct json_object *where, const struct hub_column *columns, size_t n_columns,
                          struct err *e)
{
    return filter_ruled(NULL, where, NULL, columns, n_columns, e);
}

/* Each of the two has as many nodes as a filter may have, and their `and` is not counted. */
static struct node *both_of(struct reading *r, struct json_object *rule, struct json_object *where,
                            const bool *hidden)
{
    struct node *first = rule ? node_of(r, rule) : NULL, *second;
    r->nodes = 0;
    r->hidden = hidden;
    if (!where || (rule && !first))
        return first;
    second = node_of(r, where);
    if (!rule || !second)
        return second;
    struct node *both = node_new(r, COND_AND);
    both->children = arena_zero(&r->filter->arena, 2 * sizeof(*both->children));
    both->children[both->n++] = first;
    both->children[both->n++] = second;
    return both;
}

struct filter *filter_ruled(struct json_object *rule, struct json_object *where, const bool *hidden,
                            const struct hub_column *columns, size_t n_columns, struct err *e)
{
    struct filter *f = xcalloc(1, sizeof(*f));
    struct reading r = {f, columns, n_columns, 0, e};
    f->root = both_of(&r, rule, where, hidden);
    if (!f->root) {
        filter_free(f);
        return NULL;
    }
    f->names = arena_zero(&f->arena, n_columns * sizeof(*f->names));
    note_columns(f, f->root);
    for (size_t i = 0; i < f->n_columns; i++)
        f->names[f->columns[i]] = arena_strdup(&f->arena, columns[f->columns[i]].name);
    f->text = node_text(f->root);
    f->equal = equal_node(f->root);
    return f;
}

struct filter *filter_share(struct filter *f)
{
    if (f)
        f->shared++;
    return f;
}

void filter_free(struct filter *f)
{
    if (!f || f->shared-- > 0)
        return;
    arena_free(&f->arena);
    buf_free(&f->scratch);
    free(f->text);
    free(f);
}

const char *filter_text(const struct filter *f)
{
    return f->text;
}

const uint16_t *filter_columns(const struct filter *f, size_t *n)
{
    *n = f->n_columns;
    return f->columns;
}

bool filter_equal(const struct filter *f, struct filter_equal *out)
{
    if (f->equal)
        *out = (struct filter_equal){f->equal->column, f->equal->type, f->equal->n, f->equal == f->root};
    return f->equal;
}

struct slice filter_equal_key(const struct filter *f, size_t i)
{
    return value_key(f->equal->type.value, &f->equal->values[i].value);
}

/* ---- judging ---- */

static unsigned invert(unsigned a)
{
    return (a & IS_NULL) | (a & IS_FALSE ? IS_TRUE : 0) | (a & IS_TRUE ? IS_FALSE : 0);
}

static unsigned both(unsigned a, unsigned b)
{
    return ((a | b) & IS_FALSE) | (a & b & IS_TRUE) |
           ((a & IS_NULL && b & (IS_NULL | IS_TRUE)) || (b & IS_NULL && a & (IS_NULL | IS_TRUE)) ? IS_NULL
                                                                                                 : 0);
}

static unsigned boolean(bool truth)
{
    return truth ? IS_TRUE : IS_FALSE;
}

static unsigned judge_order(const struct node *node, int order)
{
    switch (node->op) {
    case COND_EQ:
        return boolean(order == 0);
    case COND_NE:
        return boolean(order != 0);
    case COND_LT:
        return boolean(order < 0);
    case COND_LE:
        return boolean(order <= 0);
    case COND_GT:
        return boolean(order > 0);
    default:
        return boolean(order >= 0);
    }
}

static bool among(const struct node *node, const struct filter_value *value)
{
    size_t from = 0, to = node->n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = value_compare(node->type.value, value, &node->values[middle].value);
        if (order == 0)
            return true;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return false;
}

static unsigned judge_text(struct filter *f, const struct node *node, struct slice cell)
{
    struct slice text, wanted = node->values->value.text;
    if (!value_string(cell, &f->scratch, &text))
        return IS_ANY;
    if (node->op == COND_LIKE)
        return boolean(text_like(text, wanted));
    return boolean(text.len >= wanted.len && memcmp(text.ptr, wanted.ptr, wanted.len) == 0);
}

/* One dimension, element by element; NULL is equal to NULL here, as in PostgreSQL. */
static unsigned judge_array(struct filter *f, const struct node *node, struct slice cell)
{
    if (cell.len < 2 || cell.ptr[0] != '[')
        return IS_ANY;
    struct slice items = slice_cut(cell, 1, cell.len - 2), item;
    size_t i = 0;
    bool equal = true;
    for (; equal && json_item(&items, &item); i++) {
        struct filter_value value;
        bool null = slice_is(item, "null"), nested = slice_starts(item, "[");
        if (i >= node->n || nested || null || node->values[i].null)
            equal = i < node->n && !nested && null && node->values[i].null;
        else if (!value_read(node->type.value, item, &f->scratch, &value))
            return IS_ANY;
        else
            equal = value_compare(node->type.value, &value, &node->values[i].value) == 0;
    }
    equal = equal && i == node->n;
    return boolean(equal == (node->op == COND_EQ));
}

static unsigned judge_value(struct filter *f, const struct node *node, struct slice cell)
{
    struct filter_value value;
    if (node->type.array)
        return judge_array(f, node, cell);
    if (node->op == COND_LIKE || node->op == COND_PREFIX)
        return judge_text(f, node, cell);
    if (!value_read(node->type.value, cell, &f->scratch, &value))
        return IS_ANY;
    if (node->op == COND_IN || node->op == COND_NIN)
        return boolean(among(node, &value) == (node->op == COND_IN));
    return judge_order(node, value_compare(node->type.value, &value, &node->values->value));
}

static unsigned judge_predicate(struct filter *f, const struct node *node, struct slice cell, bool present)
{
    bool null = cell.ptr && slice_is(cell, "null"), asked = node->op == COND_NULL || node->op == COND_NOTNULL;
    if (asked && (cell.ptr || present))
        return boolean(null == (node->op == COND_NULL));
    if (asked || (!cell.ptr && present))
        return IS_FALSE | IS_TRUE;
    if (!cell.ptr)
        return IS_ANY;
    return null ? IS_NULL : judge_value(f, node, cell);
}

static unsigned judge(struct filter *f, const struct node *node, const struct slice *cells, bool present)
{
    if (node->op >= COND_EQ)
        return judge_predicate(f, node, cells[node->column], present);
    if (node->op == COND_NOT)
        return invert(judge(f, node->children[0], cells, present));
    bool or = node->op == COND_OR;
    unsigned all = IS_TRUE;
    for (size_t i = 0; i < node->n && all != IS_FALSE; i++) {
        unsigned one = judge(f, node->children[i], cells, present);
        all = both(all, or ? invert(one) : one);
    }
    return or ? invert(all) : all;
}

enum filter_verdict filter_judge(struct filter *f, const struct slice *cells, bool present)
{
    unsigned truth = judge(f, f->root, cells, present);
    return truth == IS_TRUE ? FILTER_YES : truth & IS_TRUE ? FILTER_UNDECIDED : FILTER_NO;
}
