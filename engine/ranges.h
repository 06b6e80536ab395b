/* ranges.h - how a big table is cut into ranges of blocks that several sessions read at once.
 *
 * The ranges of a table follow one another without a gap; the first has no lower and the last no upper end,
 * so that together they hold every row there is, whatever the table's size was believed to be. */
#ifndef ENGINE_RANGES_H
#define ENGINE_RANGES_H

#include "buf.h"

/* How many ranges for a table of so many blocks and so many readers, at least 1; 1: read it whole. */
size_t ranges_count(uint64_t blocks, size_t readers);
/* Appends the condition of range i of n: " WHERE ctid >= '(a,0)' AND ctid < '(b,0)'"; nothing when n is 1. */
void ranges_condition(struct buf *sql, uint64_t blocks, size_t n, size_t i);

#endif
