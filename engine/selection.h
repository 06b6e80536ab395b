/* selection.h - which columns of a relation are captured, and which make its key. */
#ifndef ENGINE_SELECTION_H
#define ENGINE_SELECTION_H

#include "config.h"
#include "relation.h"

/* Fills rel->n_columns flags by column.include.list and column.exclude.list. */
void selection_columns(const struct config *config, const struct relation *rel, bool *columns);

/* The key's columns: message.key.columns where an entry matches the table, otherwise rel->key. ERR_CONFIG: an
 * entry names a column that the table does not have. Source: io.debezium.relational.Key.CustomKeyMapper. */
bool selection_key(const struct config *config, const struct relation *rel, uint16_t *key, size_t *n,
                   struct err *e);

#endif
