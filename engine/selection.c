/* selection.c - column lists and message.key.columns ("table_regex:col1,col2;table_regex:col"). */
#include "selection.h"

#include "xmalloc.h"

#include <stdlib.h>

void selection_columns(const struct config *config, const struct relation *rel, bool *columns)
{
    for (size_t i = 0; i < rel->n_columns; i++)
        columns[i] = config_captures_column(config, rel->schema, rel->name, rel->columns[i].name);
}

static bool entry_matches(const char *expression, const struct relation *rel, bool *matches, struct err *e)
{
    struct pattern_list *p = pattern_list_new(expression, e);
    if (!p)
        return err_prefix(e, "message.key.columns");
    char *name = xasprintf("%s.%s", rel->schema, rel->name);
    *matches = pattern_list_match(p, slice_of(name));
    free(name);
    pattern_list_free(p);
    return true;
}

static bool take_columns(char *columns, const struct relation *rel, uint16_t *key, size_t *n, struct err *e)
{
    char *rest = NULL;
    for (char *c = strtok_r(columns, ", ", &rest); c; c = strtok_r(NULL, ", ", &rest)) {
        int at = relation_column(rel, c);
        if (at < 0)
            return err_set(e, ERR_CONFIG, "message.key.columns: table %s.%s has no column %s", rel->schema,
                           rel->name, c);
        if (*n < rel->n_columns)
            key[(*n)++] = (uint16_t)at;
    }
    return true;
}

static bool take_entry(char *entry, const struct relation *rel, uint16_t *key, size_t *n, struct err *e)
{
    char *colon = strchr(entry, ':');
    if (!colon)
        return err_set(e, ERR_CONFIG, "message.key.columns: %s is not of the form table:column,column",
                       entry);
    *colon = 0;
    bool matches = false;
    return entry_matches(entry, rel, &matches, e) && (!matches || take_columns(colon + 1, rel, key, n, e));
}

bool selection_key(const struct config *config, const struct relation *rel, uint16_t *key, size_t *n,
                   struct err *e)
{
    *n = 0;
    char *copy = config->message_key_columns ? xstrdup(config->message_key_columns) : NULL, *rest = NULL;
    bool ok = true;
    for (char *entry = copy ? strtok_r(copy, ";", &rest) : NULL; ok && entry && *n == 0;
         entry = strtok_r(NULL, ";", &rest))
        ok = take_entry(entry, rel, key, n, e);
    free(copy);
    if (ok && *n == 0)
        for (; *n < rel->n_key; (*n)++)
            key[*n] = rel->key[*n];
    return ok;
}
