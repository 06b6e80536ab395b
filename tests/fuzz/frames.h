/* frames.h - cuts one fuzzer input into several messages: two bytes of length, then the bytes.
 *
 * Each message is handed over in an allocation of exactly its size, so that the address sanitizer sees a read
 * of one byte too many. */
#ifndef TESTS_FUZZ_FRAMES_H
#define TESTS_FUZZ_FRAMES_H

#include "slice.h"

#include <stdint.h>
#include <stdlib.h>

/* The next message, at most what is left, for the caller to free; ptr is NULL at the end. */
static inline struct slice frame_next(const uint8_t **data, size_t *size)
{
    if (*size < 2)
        return (struct slice){NULL, 0};
    size_t len = (size_t)((*data)[0] << 8 | (*data)[1]);
    *data += 2;
    *size -= 2;
    if (len > *size)
        len = *size;
    char *copy = malloc(len ? len : 1);
    if (copy && len)
        memcpy(copy, *data, len);
    *data += len;
    *size -= len;
    return (struct slice){copy, len};
}

/* Reads every byte, so that a slice that points outside is noticed here. */
static inline unsigned slice_touch(struct slice s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum = sum * 31 + (unsigned char)s.ptr[i];
    return sum;
}

#endif
