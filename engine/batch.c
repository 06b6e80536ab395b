/* batch.c - frames of the stream on their way from the link to the pipeline. */
#include "batch.h"

#include <libpq-fe.h>
#include <stdlib.h>

void batch_reset(struct batch *b)
{
    buf_reset(&b->bytes);
    PQfreemem(b->large);
    b->large = NULL;
    b->large_len = 0;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    batch_reset(b);
    buf_free(&b->bytes);
    free(b);
}

void batch_add(struct batch *b, char *bytes, size_t n)
{
    uint32_t len = (uint32_t)n;
    if (n > BATCH_BYTES) {
        b->large = bytes;
        b->large_len = n;
        return;
    }
    buf_append(&b->bytes, &len, sizeof len);
    buf_append(&b->bytes, bytes, n);
    PQfreemem(bytes);
}

bool batch_full(const struct batch *b)
{
    return b->large || b->bytes.len >= BATCH_BYTES;
}

size_t batch_size(const struct batch *b)
{
    return b->bytes.len + b->large_len;
}

bool batch_next(const struct batch *b, size_t *at, struct slice *frame)
{
    uint32_t len;
    if (*at == b->bytes.len && b->large) {
        *frame = (struct slice){b->large, b->large_len};
        *at = b->bytes.len + 1;
        return true;
    }
    if (*at + sizeof len > b->bytes.len)
        return false;
    memcpy(&len, b->bytes.ptr + *at, sizeof len);
    *frame = (struct slice){b->bytes.ptr + *at + sizeof len, len};
    *at += sizeof len + len;
    return true;
}
