/* filter_text.c - strings of changes without their escapes, and LIKE. */
#include "filter_value.h"

static unsigned hex_unit(const char *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
    return unit;
}

/* The escape at `at`, which stands behind a backslash; returns where it ends. */
static const char *escape_read(const char *at, const char *end, struct buf *out)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *letter = *at ? strchr(letters, *at) : NULL;
    if (*at != 'u' || end - at < 5) {
        buf_char(out, letter ? meant[letter - letters] : *at);
        return at + 1;
    }
    unsigned unit = hex_unit(at + 1);
    at += 5;
    if (unit >= 0xD800 && unit < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (hex_unit(at + 2) - 0xDC00);
        at += 6;
    }
    buf_utf8(out, unit);
    return at;
}

bool value_string(struct slice cell, struct buf *scratch, struct slice *out)
{
    if (cell.len < 2 || cell.ptr[0] != '"' || cell.ptr[cell.len - 1] != '"')
        return false;
    *out = slice_cut(cell, 1, cell.len - 2);
    if (!memchr(out->ptr, '\\', out->len))
        return true;
    const char *at = out->ptr, *end = at + out->len;
    buf_reset(scratch);
    for (const char *stop; at < end; at = stop) {
        stop = memchr(at, '\\', (size_t)(end - at));
        if (!stop)
            stop = end;
        buf_append(scratch, at, (size_t)(stop - at));
        if (stop < end - 1)
            stop = escape_read(stop + 1, end, scratch);
        else
            stop = end;
    }
    *out = buf_view(scratch);
    return true;
}

static size_t char_length(struct slice s, size_t at)
{
    size_t n = 1;
    while (at + n < s.len && ((unsigned char)s.ptr[at + n] & 0xC0) == 0x80)
        n++;
    return n;
}

/* Only the last % that was passed is ever tried again: an earlier one could match no more than it did. */
bool text_like(struct slice s, struct slice p)
{
    size_t i = 0, k = 0, again = 0, behind = SIZE_MAX;
    while (i < s.len) {
        char c = k < p.len ? p.ptr[k] : 0;
        if (k < p.len && c == '%') {
            behind = ++k;
            again = i;
            continue;
        }
        size_t escaped = k < p.len && c == '\\' && k + 1 < p.len;
        if (k < p.len && c == '_') {
            i += char_length(s, i);
            k++;
        } else if (k < p.len && p.ptr[k + escaped] == s.ptr[i]) {
            i++;
            k += 1 + escaped;
        } else if (behind != SIZE_MAX) {
            again += char_length(s, again);
            i = again;
            k = behind;
        } else {
            return false;
        }
    }
    while (k < p.len && p.ptr[k] == '%')
        k++;
    return k == p.len;
}
