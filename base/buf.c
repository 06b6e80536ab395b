/* buf.c - growable bytes: what is not on the hot path. */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

void buf_free(struct buf *b)
{
    free(b->ptr);
    *b = BUF_EMPTY;
}

void buf_grow(struct buf *b, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(b->len, more, &need) || __builtin_add_overflow(need, (size_t)1, &need))
        need = SIZE_MAX; /* which xrealloc refuses */
    if (need <= b->cap)
        return;
    size_t cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    if (cap < need)
        cap = need;
    b->ptr = xrealloc(b->ptr, cap);
    b->cap = cap;
    b->ptr[b->len] = 0;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *at = buf_room(b, FIRST_CAP);
    int n = vsnprintf(at, FIRST_CAP, format, args);
    if (n >= FIRST_CAP) {
        at = buf_room(b, (size_t)n);
        n = vsnprintf(at, (size_t)n + 1, format, again);
    }
    buf_added(b, n > 0 ? (size_t)n : 0);
    va_end(again);
    va_end(args);
}

char *buf_take(struct buf *b)
{
    char *text = b->ptr ? b->ptr : xstrdup("");
    *b = BUF_EMPTY;
    return text;
}

void buf_u64(struct buf *b, uint64_t n)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof digits;
    for (; n >= 100; n /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + n % 100 * 2, 2);
    }
    if (n >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + n * 2, 2);
    } else {
        digits[--at] = (char)('0' + n);
    }
    buf_append(b, digits + at, sizeof digits - at);
}

void buf_i64(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_char(b, '-');
    buf_u64(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_char(b, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_char(b, (char)(0xC0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_char(b, (char)(0xE0 | c >> 12));
        } else {
            buf_char(b, (char)(0xF0 | c >> 18));
            buf_char(b, (char)(0x80 | (c >> 12 & 0x3F)));
        }
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3F)));
    }
    buf_char(b, (char)(0x80 | (c & 0x3F)));
}
