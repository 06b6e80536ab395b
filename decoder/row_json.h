/* row_json.h - column values as browsers want them: the WebSocket protocol's value rules.
 *
 * int8 and oid as strings unless they fit a double exactly, numeric always strings, bytea base64, timestamps
 * ISO-8601 in UTC with microseconds, json embedded as JSON, arrays as arrays, everything else PostgreSQL's
 * text. The output never holds a raw newline, so that messages may be separated by one. */
#ifndef DECODER_ROW_JSON_H
#define DECODER_ROW_JSON_H

#include "arena.h"
#include "buf.h"
#include "types.h"

/* How values of a type are written; computed once a column. */
struct row_style {
    char kind;                    /* private to row_json.c */
    const struct row_style *item; /* arrays; static or in the arena */
};

struct row_style row_style_of(const struct types *types, uint32_t type_oid, struct arena *a);
void row_json(struct buf *b, struct row_style style, struct slice text); /* text is PostgreSQL's output */

#endif
