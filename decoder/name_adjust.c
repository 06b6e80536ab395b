/* name_adjust.c - Avro's names: letters, digits but not first, the underscore.
 *
 * Java looks at UTF-16 units, so a character beyond U+FFFF is replaced twice. Two names may become one;
 * Debezium finds that out for fields only, when the schema is made. */
#include "name_adjust.h"

#include "buf.h"

struct naming {
    enum name_adjust how;
    bool field;
};

/* The zeros of the digits that Java's Character.isDigit knows in one unit. */
static const uint16_t ZEROS[] = {
    '0',    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10};

static bool is_digit(unsigned unit)
{
    for (size_t i = 0; i < sizeof ZEROS / sizeof *ZEROS; i++)
        if (unit >= ZEROS[i] && unit < ZEROS[i] + 10u)
            return true;
    return false;
}

static bool good_first(const struct naming *n, unsigned unit)
{
    return (unit >= 'a' && unit <= 'z') || (unit >= 'A' && unit <= 'Z') ||
           (unit == '_' && n->how == NAME_ADJUST_AVRO);
}

static bool good_later(const struct naming *n, unsigned unit)
{
    return good_first(n, unit) || (unit >= '0' && unit <= '9') || (unit == '.' && !n->field);
}

/* The code point at *at, which is valid UTF-8 (PostgreSQL sends no other); *at moves behind it. */
static unsigned next_point(const unsigned char **at)
{
    unsigned char lead = *(*at)++;
    unsigned point = lead < 0x80   ? lead
                     : lead < 0xE0 ? lead & 0x1Fu
                     : lead < 0xF0 ? lead & 0x0Fu
                                   : lead & 0x07u;
    while ((**at & 0xC0) == 0x80)
        point = point << 6 | (*(*at)++ & 0x3Fu);
    return point;
}

static void put_unit(const struct naming *n, struct buf *out, unsigned unit)
{
    if (n->how == NAME_ADJUST_AVRO_UNICODE)
        buf_printf(out, unit < 0x100 ? "_u00%x" : "_u%x", unit); /* Integer.toHexString: 3 digits stay 3 */
    else
        buf_char(out, '_');
}

static void put_bad(const struct naming *n, struct buf *out, unsigned point)
{
    if (point >= 0x10000) {
        put_unit(n, out, 0xD800 + ((point - 0x10000) >> 10));
        put_unit(n, out, 0xDC00 + (point & 0x3FF));
    } else {
        put_unit(n, out, point);
    }
}

static void adjust(const struct naming *n, const char *name, struct buf *out)
{
    for (const unsigned char *at = (const unsigned char *)name, *from = at; *from; from = at) {
        bool first = from == (const unsigned char *)name;
        unsigned point = next_point(&at);
        bool good = first ? good_first(n, point) : good_later(n, point);
        if (!good)
            put_bad(n, out, point);
        if (good || (first && n->how == NAME_ADJUST_AVRO && is_digit(point)))
            buf_append(out, from, (size_t)(at - from));
    }
}

const char *name_adjust(enum name_adjust how, bool field, const char *name, struct arena *a)
{
    if (how == NAME_ADJUST_NONE || !*name)
        return name;
    struct naming n = {how, field};
    struct buf out = BUF_EMPTY;
    adjust(&n, name, &out);
    const char *kept = arena_slice(a, buf_view(&out)).ptr;
    buf_free(&out);
    return kept;
}
