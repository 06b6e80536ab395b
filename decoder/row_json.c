/* row_json.c - column values as browsers want them.
 *
 * Text that does not look as PostgreSQL writes it is never put into the JSON as it is: it becomes a string.
 * json and jsonb are the exception, the server has checked them. */
#include "row_json.h"

#include "hex.h"
#include "json.h"
#include "types_array.h"

/* Kinds of style. An array's kind is the delimiter of its elements: , ; or : */
enum {
    STYLE_TEXT = 't',
    STYLE_BOOL = 'b',
    STYLE_NUMBER = 'n', /* int2, int4, float4, float8: a number where JSON has one */
    STYLE_LONG = 'l',   /* int8, oid: a number where a double holds it */
    STYLE_BYTES = 'x',
    STYLE_JSON = 'j',
    STYLE_TIMESTAMP = 's',
    STYLE_INSTANT = 'z', /* timestamptz */
};

enum { MOST_NESTED = 8 }; /* arrays of domains over arrays of ... */

static const struct {
    const char *type;
    struct row_style style;
} styles[] = {
    {"bool", {STYLE_BOOL, NULL}},
    {"int2", {STYLE_NUMBER, NULL}},
    {"int4", {STYLE_NUMBER, NULL}},
    {"float4", {STYLE_NUMBER, NULL}},
    {"float8", {STYLE_NUMBER, NULL}},
    {"int8", {STYLE_LONG, NULL}},
    {"oid", {STYLE_LONG, NULL}},
    {"bytea", {STYLE_BYTES, NULL}},
    {"json", {STYLE_JSON, NULL}},
    {"jsonb", {STYLE_JSON, NULL}},
    {"timestamp", {STYLE_TIMESTAMP, NULL}},
    {"timestamptz", {STYLE_INSTANT, NULL}},
};

static struct row_style scalar_style(const char *type)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (strcmp(styles[i].type, type) == 0)
            return styles[i].style;
    return (struct row_style){STYLE_TEXT, NULL};
}

static struct row_style style_of(const struct types *types, uint32_t type_oid, int nested, struct arena *a)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *type = types_root(types, type_oid, &typmod, &not_null);
    if (!type || nested == MOST_NESTED)
        return (struct row_style){STYLE_TEXT, NULL};
    if (!type->element || type->name[0] != '_')
        return scalar_style(type->kind == 'b' ? type->name : "");
    struct row_style *item = arena_alloc(a, sizeof *item);
    const struct type *element = types_root(types, type->element, &typmod, &not_null);
    *item = style_of(types, type->element, nested + 1, a);
    return (struct row_style){array_delimiter(element), item};
}

struct row_style row_style_of(const struct types *types, uint32_t type_oid, struct arena *a)
{
    return style_of(types, type_oid, 0, a);
}

static size_t digits_at(struct slice s, size_t from)
{
    size_t n = 0;
    while (from + n < s.len && s.ptr[from + n] >= '0' && s.ptr[from + n] <= '9')
        n++;
    return n;
}

/* The length of a JSON number's integer part at the start; 0: none. */
static size_t integer_length(struct slice s)
{
    size_t sign = s.len && s.ptr[0] == '-', n = digits_at(s, sign);
    return n == 0 || (n > 1 && s.ptr[sign] == '0') ? 0 : sign + n;
}

static bool is_number(struct slice s)
{
    size_t at = integer_length(s), n;
    if (!at)
        return false;
    if (at < s.len && s.ptr[at] == '.') {
        if (!(n = digits_at(s, ++at)))
            return false;
        at += n;
    }
    if (at < s.len && s.ptr[at] == 'e') {
        at++;
        at += at < s.len && (s.ptr[at] == '+' || s.ptr[at] == '-');
        if (!(n = digits_at(s, at)))
            return false;
        at += n;
    }
    return at == s.len;
}

/* At most 2^53 away from zero. */
static bool is_exact(struct slice s)
{
    static const char most[] = "9007199254740992";
    if (!s.len || integer_length(s) != s.len)
        return false;
    size_t sign = s.ptr[0] == '-', n = s.len - sign;
    return n < sizeof most - 1 || (n == sizeof most - 1 && memcmp(s.ptr + sign, most, n) <= 0);
}

static void bool_json(struct buf *b, struct slice text)
{
    if (slice_is(text, "t"))
        BUF_LIT(b, "true");
    else if (slice_is(text, "f"))
        BUF_LIT(b, "false");
    else
        json_string(b, text);
}

static void bytes_json(struct buf *b, struct slice text)
{
    char bytes[768]; /* a multiple of three, so that only the last part is padded */
    size_t start = b->len;
    struct slice rest = text;
    if (!hex_bytea(&rest)) {
        json_string(b, text);
        return;
    }
    buf_char(b, '"');
    while (rest.len) {
        size_t n = rest.len / 2 < sizeof bytes ? rest.len / 2 : sizeof bytes;
        if (!hex_bytes(rest.ptr, n, bytes)) {
            b->len = start;
            json_string(b, text);
            return;
        }
        base64_append(b, (struct slice){bytes, n}, false);
        rest = slice_cut(rest, 2 * n, rest.len);
    }
    buf_char(b, '"');
}

/* Raw line breaks and tabs are only ever white space in JSON. */
static void embed_json(struct buf *b, struct slice text)
{
    if (!text.len) {
        json_string(b, text);
        return;
    }
    char *at = buf_room(b, text.len);
    for (size_t i = 0; i < text.len; i++)
        at[i] = (unsigned char)text.ptr[i] < 0x20 ? ' ' : text.ptr[i];
    buf_added(b, text.len);
}

/* 2024-01-02 03:04:05[.6][+00] with a four-digit year; anything else (infinity, BC, far years) stays text. */
static void timestamp_json(struct buf *b, struct slice text, bool utc)
{
    static const char like[] = "0000-00-00 00:00:00";
    size_t zone = utc ? 3 : 0, base = sizeof like - 1;
    bool ok = text.len >= base + zone && (!utc || memcmp(text.ptr + text.len - 3, "+00", 3) == 0);
    for (size_t i = 0; ok && i < base; i++)
        ok = like[i] == '0' ? text.ptr[i] >= '0' && text.ptr[i] <= '9' : text.ptr[i] == like[i];
    size_t fraction = ok ? text.len - zone - base : 0;
    if (fraction &&
        (fraction > 7 || fraction == 1 || text.ptr[base] != '.' || digits_at(text, base + 1) != fraction - 1))
        ok = false;
    if (!ok) {
        json_string(b, text);
        return;
    }
    char *at = buf_room(b, 29);
    memcpy(at, "\"2000-01-01T00:00:00.000000Z\"", 29);
    memcpy(at + 1, text.ptr, 10);
    memcpy(at + 12, text.ptr + 11, 8 + fraction);
    if (!utc)
        at[27] = '"';
    buf_added(b, utc ? 29 : 28);
}

/* false: malformed, and part of it may have been written. */
static bool array_pieces(struct buf *b, struct array_reader *r, struct row_style item, struct buf *plain)
{
    for (bool first = true;; first = false) {
        enum array_piece piece = array_next(r);
        if (piece == ARRAY_DONE || piece == ARRAY_BAD)
            return piece == ARRAY_DONE;
        if (piece == ARRAY_CLOSE) {
            buf_char(b, ']');
            continue;
        }
        if (!first && b->ptr[b->len - 1] != '[')
            buf_char(b, ',');
        if (piece == ARRAY_OPEN) {
            buf_char(b, '[');
        } else if (piece == ARRAY_NULL) {
            BUF_LIT(b, "null");
        } else if (!r->escaped) {
            row_json(b, item, r->item);
        } else {
            buf_reset(plain);
            buf_added(plain, array_item_plain(r, buf_room(plain, r->item.len)));
            row_json(b, item, buf_view(plain));
        }
    }
}

static void array_json(struct buf *b, struct row_style style, struct slice text)
{
    struct array_reader r = array_reader_of(text, style.kind);
    struct buf plain = BUF_EMPTY;
    size_t start = b->len;
    if (!array_pieces(b, &r, *style.item, &plain)) {
        b->len = start;
        json_string(b, text);
    }
    buf_free(&plain);
}

void row_json(struct buf *b, struct row_style style, struct slice text)
{
    switch (style.kind) {
    case STYLE_BOOL:
        bool_json(b, text);
        break;
    case STYLE_NUMBER:
        if (is_number(text))
            buf_slice(b, text);
        else
            json_string(b, text);
        break;
    case STYLE_LONG:
        if (is_exact(text))
            buf_slice(b, text);
        else
            json_string(b, text);
        break;
    case STYLE_BYTES:
        bytes_json(b, text);
        break;
    case STYLE_JSON:
        embed_json(b, text);
        break;
    case STYLE_TIMESTAMP:
    case STYLE_INSTANT:
        timestamp_json(b, text, style.kind == STYLE_INSTANT);
        break;
    case ',':
    case ';':
    case ':':
        array_json(b, style, text);
        break;
    default:
        json_string(b, text);
    }
}
