/* ranges.c - ranges of blocks.
 *
 * Several for each reader, since blocks hold unequal work: who is done early takes another one. Not too
 * small: a range costs a statement. */
#include "ranges.h"

#define MIN_BLOCKS 1024 /* 8 MB */
#define A_READER   8    /* ranges of a table for each reader, at most */

size_t ranges_count(uint64_t blocks, size_t readers)
{
    uint64_t most = readers > SIZE_MAX / A_READER ? SIZE_MAX : readers * A_READER;
    uint64_t n = blocks / MIN_BLOCKS;
    if (readers < 2 || n < 2)
        return 1;
    return (size_t)(n < most ? n : most);
}

static uint64_t range_start(uint64_t blocks, size_t n, size_t i)
{
    return blocks / n * i + blocks % n * i / n;
}

void ranges_condition(struct buf *sql, uint64_t blocks, size_t n, size_t i)
{
    if (n < 2)
        return;
    buf_str(sql, " WHERE ");
    if (i > 0)
        buf_printf(sql, "ctid >= '(%llu,0)'", (unsigned long long)range_start(blocks, n, i));
    if (i > 0 && i + 1 < n)
        buf_str(sql, " AND ");
    if (i + 1 < n)
        buf_printf(sql, "ctid < '(%llu,0)'", (unsigned long long)range_start(blocks, n, i + 1));
}
