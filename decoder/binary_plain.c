/* binary_plain.c - a row a type: numbers, strings, network addresses, shapes. Times are binary_time.c's.
 *
 * Source: the send and output functions in PostgreSQL's src/backend/utils/adt. */
#include "binary_plain.h"

#include "binary_time.h"

#include <arpa/inet.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- numbers ---- */

static void write_int2(struct reader *r, struct buf *b)
{
    buf_i64(b, (int16_t)read_u16(r));
}

static void write_int4(struct reader *r, struct buf *b)
{
    buf_i64(b, (int32_t)read_u32(r));
}

static void write_int8(struct reader *r, struct buf *b)
{
    buf_i64(b, (int64_t)read_u64(r));
}

static void write_u32(struct reader *r, struct buf *b)
{
    buf_u64(b, read_u32(r));
}

static void write_u64(struct reader *r, struct buf *b)
{
    buf_u64(b, read_u64(r));
}

/* True for a decimal just in the middle between two numbers: read back it becomes the even one of them, and
 * PostgreSQL writes it for neither. */
static bool is_middle(const char *text, double d, double next)
{
    enum { DIGITS = 40 }; /* more than a decimal has that is tried here */
    char middle[DIGITS + 24], same[DIGITS + 24];
    if (isinf(next))
        return false;
    snprintf(middle, sizeof middle, "%.*Le", DIGITS, ((long double)d + (long double)next) / 2);
    snprintf(same, sizeof same, "%.*Le", DIGITS, strtold(text, NULL));
    return strcmp(middle, same) == 0;
}

static bool reads_back(const char *text, double d, bool single)
{
    float f = (float)d;
    if (single ? strtof(text, NULL) != f : strtod(text, NULL) != d)
        return false;
    return single
               ? !is_middle(text, d, nextafterf(f, INFINITY)) && !is_middle(text, d, nextafterf(f, -INFINITY))
               : !is_middle(text, d, nextafter(d, INFINITY)) && !is_middle(text, d, nextafter(d, -INFINITY));
}

/* `digits` as d.ddde+XX to what PostgreSQL writes: plain between 1e-4 and 1e15 (1e6 of a float4). */
static void write_decimal(struct buf *b, const char *digits, bool single)
{
    const char *e = strchr(digits, 'e');
    int exponent = atoi(e + 1), n = 0;
    char d[32];
    for (const char *at = digits; at < e; at++)
        if (*at >= '0' && *at <= '9')
            d[n++] = *at;
    while (n > 1 && d[n - 1] == '0')
        n--;
    if (*digits == '-')
        buf_char(b, '-');
    if (exponent < -4 || exponent >= (single ? FLT_DIG : DBL_DIG)) {
        buf_printf(b, "%c%s%.*se%c%02d", d[0], n > 1 ? "." : "", n - 1, d + 1, exponent < 0 ? '-' : '+',
                   abs(exponent));
    } else if (exponent < 0) {
        buf_printf(b, "0.%.*s%.*s", -exponent - 1, "000", n, d);
    } else {
        for (int i = 0; i <= exponent || i < n; i++)
            buf_printf(b, "%s%c", i == exponent + 1 ? "." : "", i < n ? d[i] : '0');
    }
}

/* The shortest decimal that reads back as the same number. */
static void write_real(struct buf *b, double d, bool single)
{
    char digits[40];
    if (isnan(d) || isinf(d)) {
        buf_str(b, isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, d);
        if (reads_back(digits, d, single))
            break;
    }
    write_decimal(b, digits, single);
}

static void write_float4(struct reader *r, struct buf *b)
{
    uint32_t bits = read_u32(r);
    float f;
    memcpy(&f, &bits, sizeof f);
    write_real(b, f, true);
}

static void write_float8(struct reader *r, struct buf *b)
{
    uint64_t bits = read_u64(r);
    double d;
    memcpy(&d, &bits, sizeof d);
    write_real(b, d, false);
}

/* Base 10000, the first digit standing for 10000^weight; `scale` decimals are shown. */
static void write_digits(struct buf *b, const uint16_t *digits, int n, int weight, int scale)
{
    if (weight < 0)
        buf_char(b, '0');
    for (int i = 0; i <= weight; i++)
        buf_printf(b, i ? "%04d" : "%d", i < n ? digits[i] : 0);
    if (scale)
        buf_char(b, '.');
    for (int i = weight + 1; scale > 0; i++, scale -= 4) {
        char four[8];
        snprintf(four, sizeof four, "%04d", i >= 0 && i < n ? digits[i] % 10000 : 0);
        buf_append(b, four, scale < 4 ? (size_t)scale : 4);
    }
}

static void write_numeric(struct reader *r, struct buf *b)
{
    enum { NEGATIVE = 0x4000, NOT_A_NUMBER = 0xC000, PLUS = 0xD000, MINUS = 0xF000, MOST_WEIGHT = 0x7fff };
    int n = read_u16(r), weight = (int16_t)read_u16(r), sign = read_u16(r), scale = read_u16(r) & 0x3fff;
    if (sign == NOT_A_NUMBER || sign == PLUS || sign == MINUS) {
        buf_str(b, sign == PLUS ? "Infinity" : sign == MINUS ? "-Infinity" : "NaN");
        return;
    }
    if (!reader_ok(r) || (size_t)(r->end - r->at) < (size_t)n * 2) {
        r->bad = true;
        return;
    }
    uint16_t *digits = xcalloc((size_t)n + 1, sizeof *digits);
    for (int i = 0; i < n; i++)
        digits[i] = read_u16(r) % 10000;
    if (sign == NEGATIVE)
        buf_char(b, '-');
    write_digits(b, digits, n, weight, scale);
    free(digits);
}

/* lc_monetary is C. */
static void write_money(struct reader *r, struct buf *b)
{
    int64_t cents = (int64_t)read_u64(r);
    uint64_t amount = cents < 0 ? -(uint64_t)cents : (uint64_t)cents;
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)(amount / 100));
    buf_str(b, cents < 0 ? "-$" : "$");
    for (int i = 0; i < n; i++)
        buf_printf(b, "%s%c", i && (n - i) % 3 == 0 ? "," : "", digits[i]);
    buf_printf(b, ".%02d", (int)(amount % 100));
}

static void write_bool(struct reader *r, struct buf *b)
{
    buf_char(b, read_u8(r) ? 't' : 'f');
}

/* ---- bytes ---- */

static struct slice rest(struct reader *r)
{
    return read_bytes(r, (size_t)(r->end - r->at));
}

static void write_hex(struct buf *b, struct slice bytes, const char *digits)
{
    char *at = buf_room(b, bytes.len * 2);
    for (size_t i = 0; i < bytes.len; i++) {
        *at++ = digits[(unsigned char)bytes.ptr[i] >> 4];
        *at++ = digits[(unsigned char)bytes.ptr[i] & 15];
    }
    buf_added(b, bytes.len * 2);
}

#define LOWER "0123456789abcdef"

static void write_bytea(struct reader *r, struct buf *b)
{
    BUF_LIT(b, "\\x");
    write_hex(b, rest(r), LOWER);
}

/* PostGIS: hex of the very bytes that are sent. */
static void write_geometry(struct reader *r, struct buf *b)
{
    write_hex(b, rest(r), "0123456789ABCDEF");
}

/* One byte; bytes that are no ASCII are told in octal, as servers from 16 on do. */
static void write_char(struct reader *r, struct buf *b)
{
    uint8_t c = read_u8(r);
    if (c & 0x80)
        buf_printf(b, "\\%03o", c);
    else if (c)
        buf_char(b, (char)c);
}

static void write_uuid(struct reader *r, struct buf *b)
{
    static const int parts[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i)
            buf_char(b, '-');
        write_hex(b, read_bytes(r, (size_t)parts[i]), LOWER);
    }
}

static void write_bits(struct reader *r, struct buf *b)
{
    uint32_t n = read_u32(r);
    struct slice bytes = rest(r);
    if (bytes.len != ((size_t)n + 7) / 8) {
        r->bad = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        buf_char(b, (unsigned char)bytes.ptr[i / 8] >> (7 - i % 8) & 1 ? '1' : '0');
}

/* ---- network ---- */

static void write_mac(struct reader *r, struct buf *b)
{
    struct slice bytes = rest(r);
    r->bad |= bytes.len != 6 && bytes.len != 8;
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(b, "%s%02x", i ? ":" : "", (unsigned char)bytes.ptr[i]);
}

static void write_inet(struct reader *r, struct buf *b)
{
    enum { V4 = 2, V6 = 3 };
    int family = read_u8(r), bits = read_u8(r), cidr = read_u8(r);
    struct slice address = read_bytes(r, read_u8(r));
    size_t len = family == V4 ? 4 : 16;
    char text[INET6_ADDRSTRLEN] = "";
    if ((family != V4 && family != V6) || address.len != len) {
        r->bad = true;
        return;
    }
    inet_ntop(family == V4 ? AF_INET : AF_INET6, address.ptr, text, sizeof text);
    buf_str(b, text);
    if (cidr || bits != (int)len * 8)
        buf_printf(b, "/%d", bits);
}

static void write_lsn(struct reader *r, struct buf *b)
{
    uint32_t high = read_u32(r);
    buf_printf(b, "%X/%X", high, read_u32(r));
}

static void write_tid(struct reader *r, struct buf *b)
{
    uint32_t block = read_u32(r);
    buf_printf(b, "(%u,%u)", block, read_u16(r));
}

/* ---- shapes ---- */

static void write_point(struct reader *r, struct buf *b)
{
    buf_char(b, '(');
    write_float8(r, b);
    buf_char(b, ',');
    write_float8(r, b);
    buf_char(b, ')');
}

static void write_points(struct reader *r, struct buf *b, uint32_t n)
{
    if (n > (size_t)(r->end - r->at) / 16)
        r->bad = true;
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        if (i)
            buf_char(b, ',');
        write_point(r, b);
    }
}

static void write_box(struct reader *r, struct buf *b)
{
    write_points(r, b, 2);
}

static void write_lseg(struct reader *r, struct buf *b)
{
    buf_char(b, '[');
    write_points(r, b, 2);
    buf_char(b, ']');
}

static void write_line(struct reader *r, struct buf *b)
{
    for (int i = 0; i < 3; i++) {
        buf_char(b, i ? ',' : '{');
        write_float8(r, b);
    }
    buf_char(b, '}');
}

static void write_path(struct reader *r, struct buf *b)
{
    bool closed = read_u8(r);
    buf_char(b, closed ? '(' : '[');
    write_points(r, b, read_u32(r));
    buf_char(b, closed ? ')' : ']');
}

static void write_polygon(struct reader *r, struct buf *b)
{
    buf_char(b, '(');
    write_points(r, b, read_u32(r));
    buf_char(b, ')');
}

static void write_circle(struct reader *r, struct buf *b)
{
    buf_char(b, '<');
    write_point(r, b);
    buf_char(b, ',');
    write_float8(r, b);
    buf_char(b, '>');
}

/* ---- text search ---- */

static void write_quoted(struct buf *b, struct slice text)
{
    buf_char(b, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'' || text.ptr[i] == '\\')
            buf_char(b, text.ptr[i]);
        buf_char(b, text.ptr[i]);
    }
    buf_char(b, '\'');
}

static void write_tsvector(struct reader *r, struct buf *b)
{
    static const char weights[][2] = {"", "C", "B", "A"};
    uint32_t n = read_u32(r);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        if (i)
            buf_char(b, ' ');
        write_quoted(b, read_cstr(r));
        unsigned positions = read_u16(r);
        for (unsigned k = 0; k < positions && reader_ok(r); k++) {
            unsigned at = read_u16(r);
            buf_printf(b, "%c%u%s", k ? ',' : ':', at & 0x3fff, weights[at >> 14]);
        }
    }
}

/* ---- the rows ---- */

#define TEXT(name, from)                                                                                     \
    {                                                                                                        \
        name, from, NULL                                                                                     \
    }
#define MADE(name, how)                                                                                      \
    {                                                                                                        \
        name, -1, how                                                                                        \
    }

static const struct binary_plain ROWS[] = {
    TEXT("text", 0),
    TEXT("varchar", 0),
    TEXT("bpchar", 0),
    TEXT("name", 0),
    TEXT("json", 0),
    TEXT("xml", 0),
    TEXT("citext", 0),
    TEXT("jsonb", 1), /* a version goes before */
    TEXT("jsonpath", 1),
    TEXT("ltree", 1),
    TEXT("lquery", 1),
    TEXT("ltxtquery", 1),
    MADE("bool", write_bool),
    MADE("char", write_char),
    MADE("int2", write_int2),
    MADE("int4", write_int4),
    MADE("int8", write_int8),
    MADE("oid", write_u32),
    MADE("xid", write_u32),
    MADE("cid", write_u32),
    MADE("xid8", write_u64),
    MADE("float4", write_float4),
    MADE("float8", write_float8),
    MADE("numeric", write_numeric),
    MADE("money", write_money),
    MADE("bytea", write_bytea),
    MADE("geometry", write_geometry),
    MADE("geography", write_geometry),
    MADE("uuid", write_uuid),
    MADE("bit", write_bits),
    MADE("varbit", write_bits),
    MADE("date", binary_date),
    MADE("time", binary_time),
    MADE("timetz", binary_timetz),
    MADE("timestamp", binary_timestamp),
    MADE("timestamptz", binary_timestamptz),
    MADE("interval", binary_interval),
    MADE("inet", write_inet),
    MADE("cidr", write_inet),
    MADE("macaddr", write_mac),
    MADE("macaddr8", write_mac),
    MADE("pg_lsn", write_lsn),
    MADE("tid", write_tid),
    MADE("point", write_point),
    MADE("box", write_box),
    MADE("lseg", write_lseg),
    MADE("line", write_line),
    MADE("path", write_path),
    MADE("polygon", write_polygon),
    MADE("circle", write_circle),
    MADE("tsvector", write_tsvector),
};

const struct binary_plain *binary_plain_find(const char *type)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (strcmp(ROWS[i].type, type) == 0)
            return &ROWS[i];
    return NULL;
}
