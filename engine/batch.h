/* batch.h - frames of the stream on their way from the link to the pipeline, many at once. */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "buf.h"
#include "err.h"

#define BATCH_BYTES (256 << 10) /* full when this large, or when it has a large frame */

/* Frames in the order they came: u32 length (native), then the CopyData payload ('w' or 'k' message). One of
 * more than BATCH_BYTES is not copied: it stays in libpq's own memory, behind the others. */
struct batch {
    struct buf bytes;
    char *large; /* NULL: none */
    size_t large_len;
    bool last; /* the stream ended; `end` says why */
    struct err end;
    bool unsendable; /* it ended because the server cannot send the next row: it is too large */
};

void batch_free(struct batch *b); /* NULL is fine */
void batch_reset(struct batch *b);
/* Takes over what PQgetCopyData gave. Not on a full batch. */
void batch_add(struct batch *b, char *bytes, size_t n);
bool batch_full(const struct batch *b);
size_t batch_size(const struct batch *b); /* bytes */
/* Walks the frames: *at starts at 0; false at the end. */
bool batch_next(const struct batch *b, size_t *at, struct slice *frame);

#endif
