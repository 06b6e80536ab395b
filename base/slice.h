/* slice.h - borrowed bytes: a pointer and a length, never freed through the slice, not NUL-terminated. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_FMT      "%.*s" /* with SLICE_ARG in printf */
#define SLICE_ARG(s)   (int)(s).len, (s).ptr

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

static inline bool slice_starts(struct slice a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.len >= n && memcmp(a.ptr, prefix, n) == 0;
}

/* The part from offset `from`, at most `len` bytes; clipped to what is there. */
static inline struct slice slice_cut(struct slice a, size_t from, size_t len)
{
    if (from > a.len)
        from = a.len;
    if (len > a.len - from)
        len = a.len - from;
    return (struct slice){from ? a.ptr + from : a.ptr, len};
}

/* Cuts what is before the next `mark`, or all of it, off the front, and the mark with it. */
static inline struct slice slice_take(struct slice *rest, char mark)
{
    const char *at = rest->len ? memchr(rest->ptr, mark, rest->len) : NULL;
    struct slice item = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    *rest = slice_cut(*rest, item.len + 1, rest->len);
    return item;
}

/* Without white space at both ends. */
static inline struct slice slice_trim(struct slice a)
{
    while (a.len && isspace((unsigned char)*a.ptr))
        a = slice_cut(a, 1, a.len);
    while (a.len && isspace((unsigned char)a.ptr[a.len - 1]))
        a.len--;
    return a;
}

#endif
