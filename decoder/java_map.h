/* java_map.h - the order in which a java.util.HashMap hands out its entries: by bucket, within one in order
 * of insertion. Consumers see it in hstore's JSON and in sparse vectors. Buckets of more than eight entries,
 * which Java turns into trees, keep the order of a list here. */
#ifndef DECODER_JAVA_MAP_H
#define DECODER_JAVA_MAP_H

#include "slice.h"

#include <stdint.h>
#include <stdlib.h>

struct java_entry {
    uint32_t hash;  /* hashCode() of the key; java_map_order replaces it by the bucket */
    uint32_t index; /* in order of insertion */
};

static inline int java_entry_compare(const void *a, const void *b)
{
    const struct java_entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts the entries of a map whose table began with `capacity` buckets: 16, or a power of two. */
static inline void java_map_order(struct java_entry *entries, size_t n, uint32_t capacity)
{
    while (n > capacity / 4 * 3 + capacity % 4 * 3 / 4)
        capacity *= 2;
    for (size_t i = 0; i < n; i++)
        entries[i].hash = (entries[i].hash ^ entries[i].hash >> 16) & (capacity - 1);
    qsort(entries, n, sizeof *entries, java_entry_compare);
}

/* String.hashCode of UTF-8 text: over UTF-16 units. Bytes that are not UTF-8 give some number. */
static inline uint32_t java_string_hash(struct slice s)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < s.len;) {
        unsigned char lead = (unsigned char)s.ptr[i++];
        unsigned more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        uint32_t point = more ? lead & (0x3fu >> more) : lead;
        for (; more && i < s.len; more--)
            point = point << 6 | ((unsigned char)s.ptr[i++] & 0x3f);
        if (point >= 0x10000) {
            hash = 31 * hash + (0xd800 + ((point - 0x10000) >> 10 & 0x3ff));
            point = 0xdc00 + (point & 0x3ff);
        }
        hash = 31 * hash + point;
    }
    return hash;
}

#endif
