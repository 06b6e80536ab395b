/* selection.c - column lists and message.key.columns ("table_regex:col1,col2;table_regex:col").
 *
 * Each column of an entry is an expression of its own: the table's, a dot, and the column's. All that match
 * give the key, in the order of the setting; a column that a table does not have is no error. */
#include "selection.h"

#include "column_size.h"
#include "xmalloc.h"

#include <stdlib.h>

struct key_columns {
    size_t count;
    struct pattern_list **list;
};

void selection_columns(const struct config *config, const struct relation *rel, bool *columns)
{
    for (size_t i = 0; i < rel->n_columns; i++)
        columns[i] = config_captures_column(config, rel->schema, rel->name, rel->columns[i].name);
}

void selection_shown(const struct config *config, const struct relation *rel, const struct types *types,
                     bool *columns)
{
    uint16_t *key = xcalloc(rel->n_columns + 1, sizeof *key);
    bool *of_key = xcalloc(rel->n_columns + 1, sizeof *of_key);
    size_t n = 0;
    struct err ignored;
    selection_columns(config, rel, columns);
    if (selection_key(config, rel, key, &n, &ignored))
        for (size_t i = 0; i < n; i++)
            of_key[key[i]] = true;
    for (size_t i = 0; i < rel->n_columns; i++) {
        const struct column *c = &rel->columns[i];
        columns[i] &=
            of_key[i] || !column_rule_hides(column_rules_find(config->column_rules, rel->schema, rel->name,
                                                              c->name, column_type_name(c, types)));
    }
    free(of_key);
    free(key);
}

/* ---- message.key.columns ---- */

static struct slice part_next(const char **at, const char *end, char separator)
{
    const char *from = *at, *to = memchr(from, separator, (size_t)(end - from));
    *at = to ? to + 1 : end;
    return (struct slice){from, (size_t)((to ? to : end) - from)};
}

static bool add_column(struct key_columns *k, struct slice table, struct slice column, struct err *e)
{
    struct buf text = BUF_EMPTY;
    buf_printf(&text, SLICE_FMT "." SLICE_FMT, SLICE_ARG(table), SLICE_ARG(slice_trim(column)));
    struct pattern_list *p = pattern_list_new(text.ptr, e);
    buf_free(&text);
    if (!p)
        return err_prefix(e, "message.key.columns");
    k->list = xrealloc(k->list, (k->count + 1) * sizeof *k->list);
    k->list[k->count++] = p;
    return true;
}

static bool add_entry(struct key_columns *k, struct slice entry, struct err *e)
{
    const char *at = entry.ptr, *end = entry.ptr + entry.len;
    struct slice table = part_next(&at, end, ':');
    if (table.len == entry.len)
        return err_set(e, ERR_CONFIG,
                       "message.key.columns: " SLICE_FMT " is not of the form table:column,column",
                       SLICE_ARG(entry));
    while (at < end)
        if (!add_column(k, table, part_next(&at, end, ','), e))
            return false;
    return true;
}

struct key_columns *key_columns_new(const char *text, struct err *e)
{
    struct key_columns *k = xcalloc(1, sizeof *k);
    const char *at = text ? text : "", *end = at + strlen(at);
    while (at < end) {
        struct slice entry = part_next(&at, end, ';');
        if (slice_trim(entry).len && !add_entry(k, entry, e)) {
            key_columns_free(k);
            return NULL;
        }
    }
    return k;
}

void key_columns_free(struct key_columns *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++)
        pattern_list_free(k->list[i]);
    free(k->list);
    free(k);
}

static bool is_taken(const uint16_t *key, size_t n, size_t column)
{
    for (size_t i = 0; i < n; i++)
        if (key[i] == column)
            return true;
    return false;
}

static bool take_columns(const struct pattern_list *p, const struct relation *rel, uint16_t *key, size_t *n,
                         struct err *e)
{
    for (size_t i = 0; i < rel->n_columns; i++) {
        char *name = xasprintf("%s.%s.%s", rel->schema, rel->name, rel->columns[i].name);
        bool matches = pattern_list_match(p, slice_of(name));
        free(name);
        if (matches && is_taken(key, *n, i))
            return err_set(e, ERR_CONFIG, "message.key.columns: column %s of table %s.%s is named twice",
                           rel->columns[i].name, rel->schema, rel->name);
        if (matches)
            key[(*n)++] = (uint16_t)i;
    }
    return true;
}

bool selection_key(const struct config *config, const struct relation *rel, uint16_t *key, size_t *n,
                   struct err *e)
{
    const struct key_columns *k = config->key_columns;
    *n = 0;
    for (size_t i = 0; k && i < k->count; i++)
        if (!take_columns(k->list[i], rel, key, n, e))
            return false;
    if (*n == 0)
        for (; *n < rel->n_key; (*n)++)
            key[*n] = rel->key[*n];
    return true;
}
