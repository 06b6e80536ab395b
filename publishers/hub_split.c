/* hub_split.c - takes JSON text apart without reading it: rows of a batch, members of a row.
 *
 * The text is the reader's own, so it is well-formed, and must come out as it went in: a parser would change
 * numbers. */
#include "hub_split.h"

/* Behind the string that begins at i. */
static size_t string_end(struct slice s, size_t i)
{
    for (i++; i < s.len && s.ptr[i] != '"'; i++)
        if (s.ptr[i] == '\\')
            i++;
    return i + 1;
}

/* Where the first `stop` outside of strings, objects and arrays is; the end when there is none. */
static size_t item_end(struct slice s, char stop)
{
    size_t i = 0;
    int depth = 0;
    while (i < s.len && !(depth == 0 && s.ptr[i] == stop)) {
        char c = s.ptr[i];
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        i = c == '"' ? string_end(s, i) : i + 1;
    }
    return i < s.len ? i : s.len;
}

bool json_item(struct slice *items, struct slice *item)
{
    if (items->len == 0)
        return false;
    size_t end = item_end(*items, ',');
    *item = slice_cut(*items, 0, end);
    *items = slice_cut(*items, end + 1, items->len);
    return true;
}

struct slice json_items(struct slice text)
{
    return slice_cut(text, 0, item_end(text, ']'));
}

/* The size of the largest member that is smaller than `below`. */
static size_t largest_below(struct slice members, size_t below)
{
    struct slice member;
    size_t largest = 0;
    while (json_item(&members, &member))
        if (member.len < below && member.len > largest)
            largest = member.len;
    return largest;
}

/* What the object would have when only members shorter than `limit` stay. */
static size_t size_below(struct slice members, size_t limit)
{
    struct slice member;
    size_t size = 2;
    while (json_item(&members, &member))
        size += member.len < limit ? member.len + 1 : 0;
    return size;
}

static void name_append(struct buf *names, struct slice member)
{
    buf_char(names, names->len ? ',' : '[');
    buf_slice(names, slice_cut(member, 0, item_end(member, ':')));
}

void row_shrink(struct buf *out, struct slice object, size_t most, struct buf *names)
{
    struct slice members = slice_cut(object, 1, object.len - 2), member;
    size_t limit = SIZE_MAX;
    while (limit > 0 && size_below(members, limit) > most)
        limit = largest_below(members, limit);
    buf_char(out, '{');
    for (bool first = true; json_item(&members, &member);) {
        if (member.len >= limit) {
            name_append(names, member);
            continue;
        }
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_slice(out, member);
    }
    buf_char(out, '}');
    if (names->len)
        buf_char(names, ']');
}
