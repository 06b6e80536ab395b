/* binary_plain.h - PostgreSQL's binary forms of types that hold no other types, as the text that the server
 * would have written under our session's settings. */
#ifndef DECODER_BINARY_PLAIN_H
#define DECODER_BINARY_PLAIN_H

#include "buf.h"
#include "reader.h"

struct binary_plain {
    const char *type; /* pg_type.typname */
    int skip;         /* text from this byte on; -1: `write` tells */
    void (*write)(struct reader *r,
                  struct buf *b); /* what it does not read is an error, as what is missing */
};

/* NULL: not known. */
const struct binary_plain *binary_plain_find(const char *type);

#endif
