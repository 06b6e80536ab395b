/* hub_split.h - takes JSON text of our own apart without reading it. */
#ifndef PUBLISHERS_HUB_SPLIT_H
#define PUBLISHERS_HUB_SPLIT_H

#include "buf.h"

bool json_item(struct slice *items, struct slice *item); /* cuts off the first of a,b,c; false: none left */
struct slice json_items(struct slice text);              /* of "a,b,c]...", what is before the bracket */
/* Appends an object without its largest members, so that it has at most `most` bytes; names: ["a","b"] or
 * nothing. */
void row_shrink(struct buf *out, struct slice object, size_t most, struct buf *names);

#endif
