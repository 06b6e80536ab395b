/* selection.h - which columns of a relation are captured, and which make its key. */
#ifndef ENGINE_SELECTION_H
#define ENGINE_SELECTION_H

#include "config.h"
#include "relation.h"

/* Fills rel->n_columns flags by column.include.list and column.exclude.list. */
void selection_columns(const struct config *config, const struct relation *rel, bool *columns);

/* The columns that may be shown as they are, to browsers: those captured, without the ones that are masked,
 * hashed or shortened. The key stays, as it stays in the records' keys. */
void selection_shown(const struct config *config, const struct relation *rel, const struct types *types,
                     bool *columns);

/* message.key.columns, read once. ERR_CONFIG: an entry that is none, a bad expression. Owned by the caller.
 */
struct key_columns *key_columns_new(const char *text, struct err *e);
void key_columns_free(struct key_columns *k);

/* The key's columns: those that message.key.columns gives the table, if any, otherwise rel->key. `key` has
 * room for rel->n_columns. ERR_CONFIG: a column is named twice. Source:
 * io.debezium.relational.Key.CustomKeyMapper. */
bool selection_key(const struct config *config, const struct relation *rel, uint16_t *key, size_t *n,
                   struct err *e);

#endif
