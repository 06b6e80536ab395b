/* buf.h - growable bytes.
 *
 * Invariants: `ptr` is never NULL after buf_init, ptr[len] is always a NUL that is not counted, cap > len.
 * A zeroed struct buf is valid and empty for every call (it allocates on first append). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "slice.h"
#include "xmalloc.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
    char *ptr;
    size_t len, cap;
};

#define BUF_EMPTY ((struct buf){0})

void buf_free(struct buf *b);
void buf_grow(struct buf *b, size_t more); /* makes room for `more` bytes and the NUL */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *buf_take(struct buf *b); /* the bytes as a malloc'ed NUL-terminated string; the buf is empty again */
void buf_i64(struct buf *b, int64_t n); /* decimal */
void buf_u64(struct buf *b, uint64_t n);
void buf_utf8(struct buf *b, uint32_t c); /* a code point, at most 0x10FFFF */

static inline void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->ptr)
        b->ptr[0] = 0;
}

/* Room for n bytes right at the end, to be filled by the caller, who then calls buf_added. Hot path. */
static inline char *buf_room(struct buf *b, size_t n)
{
    if (b->cap - b->len <= n)
        buf_grow(b, n);
    return b->ptr + b->len;
}

static inline void buf_added(struct buf *b, size_t n)
{
    b->len += n;
    b->ptr[b->len] = 0;
}

static inline void buf_append(struct buf *b, const void *bytes, size_t n)
{
    char *at = buf_room(b, n);
    if (n)
        memcpy(at, bytes, n);
    buf_added(b, n);
}

static inline void buf_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.ptr, s.len);
}

static inline void buf_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

static inline void buf_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

#define BUF_LIT(b, literal) buf_append((b), (literal), sizeof(literal) - 1)

static inline struct slice buf_view(const struct buf *b)
{
    return (struct slice){b->ptr ? b->ptr : "", b->len};
}

#endif
