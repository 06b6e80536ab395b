/* lsn.c - reading a position in the write-ahead log; writing one is LSN_FMT. */
#include "lsn.h"

#include <ctype.h>

/* One to eight hex digits, all of `text`. */
static bool half_parse(struct slice text, uint32_t *out)
{
    if (text.len < 1 || text.len > 8)
        return false;
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = tolower((unsigned char)text.ptr[i]);
        if (!isxdigit(c))
            return false;
        n = n << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = n;
    return true;
}

bool lsn_parse(struct slice text, lsn_t *out)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (!slash)
        return false;
    size_t at = (size_t)(slash - text.ptr);
    uint32_t high, low;
    if (!half_parse(slice_cut(text, 0, at), &high) || !half_parse(slice_cut(text, at + 1, text.len), &low))
        return false;
    *out = (lsn_t)high << 32 | low;
    return true;
}
