/* reader.h - a big-endian cursor that stays broken: read a whole message, ask once whether it was all there.
 * Once `bad`, every read gives 0 or an empty slice and the cursor does not move. */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "slice.h"

#include <stdint.h>

struct reader {
    const char *at, *end;
    bool bad;
};

static inline struct reader reader_of(struct slice s)
{
    const char *start = s.ptr ? s.ptr : "";
    return (struct reader){start, start + s.len, false};
}

static inline const unsigned char *reader_take(struct reader *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->at) < n) {
        r->bad = true;
        return NULL;
    }
    const unsigned char *p = (const unsigned char *)r->at;
    r->at += n;
    return p;
}

static inline uint8_t read_u8(struct reader *r)
{
    const unsigned char *p = reader_take(r, 1);
    return p ? p[0] : 0;
}

static inline uint16_t read_u16(struct reader *r)
{
    const unsigned char *p = reader_take(r, 2);
    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t read_u32(struct reader *r)
{
    const unsigned char *p = reader_take(r, 4);
    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t read_u64(struct reader *r)
{
    uint64_t high = read_u32(r);
    return high << 32 | read_u32(r);
}

static inline struct slice read_bytes(struct reader *r, size_t n)
{
    const unsigned char *p = reader_take(r, n);
    return p ? (struct slice){(const char *)p, n} : (struct slice){"", 0};
}

/* A NUL-terminated string; the slice is without the NUL, which is there behind it. */
static inline struct slice read_cstr(struct reader *r)
{
    const char *nul = r->bad || r->at == r->end ? NULL : memchr(r->at, 0, (size_t)(r->end - r->at));
    if (!nul) {
        r->bad = true;
        return (struct slice){"", 0};
    }
    struct slice s = {r->at, (size_t)(nul - r->at)};
    r->at = nul + 1;
    return s;
}

static inline bool reader_ok(const struct reader *r)
{
    return !r->bad;
}

static inline bool reader_done(const struct reader *r)
{
    return !r->bad && r->at == r->end;
}

#endif
