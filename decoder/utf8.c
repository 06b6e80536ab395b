/* utf8.c - what is UTF-8, and what Java makes of bytes that are not. */
#include "utf8.h"

#include "buf.h"

/* The length of the sequence at `at`; *good says whether it is whole. What is broken ends before the first
 * byte that cannot go on. */
static size_t sequence(const unsigned char *at, size_t left, bool *good)
{
    unsigned char lead = at[0];
    size_t want = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    unsigned char low = lead == 0xE0   ? 0xA0
                        : lead == 0xF0 ? 0x90
                                       : 0x80,
                  high = lead == 0xED   ? 0x9F
                         : lead == 0xF4 ? 0x8F
                                        : 0xBF;
    size_t n = 1;
    for (; n < want && n < left && at[n] >= low && at[n] <= high; n++) {
        low = 0x80;
        high = 0xBF;
    }
    *good = n == want;
    return n;
}

bool utf8_valid(struct slice s)
{
    bool good = true;
    for (size_t i = 0; good && i < s.len;)
        i += sequence((const unsigned char *)s.ptr + i, s.len - i, &good);
    return good;
}

struct slice utf8_mended(struct slice s, struct arena *a)
{
    struct buf b = BUF_EMPTY;
    bool all_good = true;
    for (size_t i = 0, n; i < s.len; i += n) {
        bool good;
        n = sequence((const unsigned char *)s.ptr + i, s.len - i, &good);
        if (good)
            buf_append(&b, s.ptr + i, n);
        else
            BUF_LIT(&b, "\xEF\xBF\xBD");
        all_good &= good;
    }
    struct slice mended = all_good ? s : arena_slice(a, buf_view(&b));
    buf_free(&b);
    return mended;
}
