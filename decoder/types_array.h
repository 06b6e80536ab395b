/* types_array.h - PostgreSQL's array output, read piece by piece.
 *
 * Shared by the codecs and row_json. The reader does not allocate and takes any bytes: text that array_out
 * could not have written ends in ARRAY_BAD. Source: array_out in PostgreSQL's arrayfuncs.c. */
#ifndef DECODER_TYPES_ARRAY_H
#define DECODER_TYPES_ARRAY_H

#include "buf.h"
#include "types.h"

enum array_piece { ARRAY_OPEN, ARRAY_CLOSE, ARRAY_NULL, ARRAY_ITEM, ARRAY_DONE, ARRAY_BAD };

struct array_reader {
    const char *at, *end;
    char delimiter;
    unsigned depth;    /* 1 inside the outermost braces */
    char expect;       /* private: what may come next */
    struct slice item; /* of ARRAY_ITEM: without quotes, but with the backslashes that escape */
    bool escaped;      /* item holds such backslashes */
};

/* Skips a bounds prefix ("[2:4]="). */
struct array_reader array_reader_of(struct slice text, char delimiter);
enum array_piece array_next(struct array_reader *r);

/* Writes the item without its escapes to `into`, which has room for item.len bytes; returns how many it
 * wrote. */
size_t array_item_plain(const struct array_reader *r, char *into);

/* The character between elements of this type: pg_type.typdelim, which the registry does not carry. */
char array_delimiter(const struct type *element);

#endif
