/* json.c - append-only JSON text, base64 and hex.
 *
 * Text is escaped while it is copied, a chunk at a time: store the chunk, then look whether all of it was
 * clean. What was stored too much is overwritten by the next step, which is why blocks ask for room beyond
 * their worst case. As Jackson does, characters above U+FFFF become two \uXXXX, in upper case: keys must
 * have the same bytes, or they go to another partition.
 *
 * Numbers are Java's: the shortest decimal that reads back as the same number, and of those the nearest. Any
 * decimal of at most 15 digits (float: 6) survives the way through a normal double, so printing that many
 * digits and cutting the zeros finds the shortest one if there is one so short; only 16 and 17 (7 to 9) are
 * left to try. */
#include "json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 4096 };

/* What follows the backslash; 0: the byte is clean; 'u': \u00XX; 'U': the first byte of four. */
/* clang-format off */
static const char ESCAPES[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
    ['"'] = '"', ['\\'] = '\\', [0xF0] = 'U', 'U', 'U', 'U', 'U',
};
/* clang-format on */

#ifdef __SSE2__
enum { CHUNK = 16 };

/* Copies CHUNK bytes; the index of the first that needs an escape, CHUNK if none does. */
static unsigned chunk_copy(char *out, const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, bytes);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    __m128i wide = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8((char)0xF0)), bytes);
    unsigned dirty = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, marks), wide));
    return (unsigned)__builtin_ctz(dirty | 1u << CHUNK);
}
#else
enum { CHUNK = 8 };
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Each term has the top bits of bytes that are low, a quote, a backslash, 0xF0 or more; above the first it
 * may be wrong. */
static unsigned chunk_copy(char *out, const char *in)
{
    uint64_t word;
    memcpy(&word, in, CHUNK);
    memcpy(out, in, CHUNK);
    uint64_t quote = word ^ EACH('"'), backslash = word ^ EACH('\\');
    uint64_t dirty = ((word - EACH(0x20)) & ~word) | ((quote - EACH(1)) & ~quote) |
                     ((backslash - EACH(1)) & ~backslash) | (word & word << 1 & word << 2 & word << 3);
    if (!(dirty & EACH(0x80)))
        return CHUNK;
    unsigned i = 0;
    while (i < CHUNK && !ESCAPES[(unsigned char)in[i]]) /* all, when it was a byte that is in no UTF-8 */
        i++;
    return i;
}
#endif

static char *unit_put(char *out, unsigned unit)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = DIGITS[unit >> shift & 15];
    return out;
}

/* Four bytes as a pair of surrogates; what is not UTF-8 stays as it is. */
static char *pair_put(char *out, const char **at, const char *end)
{
    const unsigned char *in = (const unsigned char *)*at;
    bool whole = end - *at >= 4 && (in[1] & 0xC0) == 0x80 && (in[2] & 0xC0) == 0x80 && (in[3] & 0xC0) == 0x80;
    unsigned c = whole ? (in[0] & 7u) << 18 | (in[1] & 63u) << 12 | (in[2] & 63u) << 6 | (in[3] & 63u) : 0;
    if (c < 0x10000 || c > 0x10FFFF) {
        *out++ = *(*at)++;
        return out;
    }
    *at += 4;
    return unit_put(unit_put(out, 0xD800 + ((c - 0x10000) >> 10)), 0xDC00 + ((c - 0x10000) & 0x3FF));
}

static char *escape_put(char *out, const char **in, const char *end)
{
    unsigned char c = (unsigned char)**in;
    if (ESCAPES[c] == 'U')
        return pair_put(out, in, end);
    ++*in;
    if (ESCAPES[c] == 'u')
        return unit_put(out, c);
    *out++ = '\\';
    *out++ = ESCAPES[c];
    return out;
}

static char *block_escape(char *out, const char *in, const char *end)
{
    while (end - in >= CHUNK) {
        unsigned clean = chunk_copy(out, in);
        in += clean;
        out += clean;
        if (clean < CHUNK && ESCAPES[(unsigned char)*in])
            out = escape_put(out, &in, end);
        else if (clean < CHUNK)
            *out++ = *in++; /* a byte that is in no UTF-8 */
    }
    while (in < end) {
        if (ESCAPES[(unsigned char)*in])
            out = escape_put(out, &in, end);
        else
            *out++ = *in++;
    }
    return out;
}

/* At most a block, and no character of four bytes cut in two. */
static size_t block_length(struct slice s)
{
    if (s.len <= BLOCK)
        return s.len;
    size_t len = BLOCK;
    while (len > BLOCK - 4 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void json_escaped(struct buf *b, struct slice s)
{
    while (s.len) {
        size_t len = block_length(s);
        char *at = buf_room(b, len * 6 + CHUNK);
        buf_added(b, (size_t)(block_escape(at, s.ptr, s.ptr + len) - at));
        s = slice_cut(s, len, s.len);
    }
}

void json_string(struct buf *b, struct slice s)
{
    buf_char(b, '"');
    json_escaped(b, s);
    buf_char(b, '"');
}

void json_text(struct buf *b, struct slice s)
{
    buf_char(b, '"');
    for (size_t i = 0, n; i < s.len; i += n) {
        bool wide = (unsigned char)s.ptr[i] >= 0xF0;
        for (n = 1; i + n < s.len && ((unsigned char)s.ptr[i + n] >= 0xF0) == wide; n++)
            ;
        if (wide)
            buf_append(b, s.ptr + i, n);
        else
            json_escaped(b, (struct slice){s.ptr + i, n});
    }
    buf_char(b, '"');
}

void json_base64(struct buf *b, struct slice bytes)
{
    buf_char(b, '"');
    base64_append(b, bytes, false);
    buf_char(b, '"');
}

/* ---- numbers ---- */

/* d1.d2d3... * 10^exponent, without trailing zeros. */
struct decimal {
    char digits[24];
    int count, exponent;
    bool negative;
};

static void decimal_put(struct buf *b, const struct decimal *d)
{
    static const char ZEROS[] = "0000000";
    int whole = d->exponent + 1; /* digits before the point */
    bool plain = d->exponent >= -3 && d->exponent < 7;
    if (d->negative)
        buf_char(b, '-');
    if (!plain)
        whole = 1;
    int given = whole < 0 ? 0 : whole < d->count ? whole : d->count;
    buf_append(b, d->digits, (size_t)given);
    if (whole > given)
        buf_append(b, ZEROS, (size_t)(whole - given));
    if (whole <= 0)
        buf_char(b, '0');
    buf_char(b, '.');
    if (whole < 0)
        buf_append(b, ZEROS, (size_t)-whole);
    if (d->count > given)
        buf_append(b, d->digits + given, (size_t)(d->count - given));
    else
        buf_char(b, '0');
    if (!plain) {
        buf_char(b, 'E');
        buf_i64(b, d->exponent);
    }
}

static void decimal_trim(struct decimal *d)
{
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

/* n * 10^power, n > 0 */
static void decimal_set(struct decimal *d, uint64_t n, int power)
{
    while (n % 10 == 0) {
        n /= 10;
        power++;
    }
    char *end = d->digits + sizeof d->digits, *at = end;
    for (; n; n /= 10)
        *--at = (char)('0' + n % 10);
    d->count = (int)(end - at);
    d->exponent = power + d->count - 1;
    memmove(d->digits, at, (size_t)d->count);
}

/* Reads printf's %e. */
static void decimal_read(struct decimal *d, const char *text)
{
    d->negative = *text == '-';
    d->count = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            d->digits[d->count++] = *text;
    d->exponent = atoi(text + 1);
    decimal_trim(d);
}

/* The next decimal away from zero, in place; false: there is none with that many digits and that exponent. */
static bool text_increment(char *text)
{
    char *at = strchr(text, 'e');
    while (at-- > text) {
        if (*at >= '0' && *at < '9') {
            ++*at;
            return true;
        }
        if (*at == '9')
            *at = '0';
    }
    return false;
}

static bool reads_back(const char *text, double value, bool is_float)
{
    return is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* The nearest decimal is the one printf gives. Only at a power of two, below which numbers lie closer than
 * above, can it be too far off while the next one above reads back. */
static bool try_digits(struct decimal *d, double value, int digits, bool is_float)
{
    char text[40];
    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    int exponent;
    bool found =
        reads_back(text, value, is_float) ||
        (fabs(frexp(value, &exponent)) == 0.5 && text_increment(text) && reads_back(text, value, is_float));
    if (found)
        decimal_read(d, text);
    return found;
}

/* Subnormal numbers have fewer digits, so every length is tried. One digit is not: Java looks at two if one
 * would do. */
static void decimal_shortest(struct decimal *d, double value, bool is_float)
{
    bool normal = fabs(value) >= (is_float ? (double)FLT_MIN : DBL_MIN);
    int digits = !normal ? 2 : is_float ? FLT_DIG : DBL_DIG;
    while (!try_digits(d, value, digits, is_float) && digits < DBL_DECIMAL_DIG)
        digits++;
}

static const double POWERS[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

/* The common case without printf: if n / 10^k, both exact, divides to the value, then n's digits read back as
 * it. For 0.001 <= |value| < 10^7 and at most 15 digits (float: 6). */
static bool decimal_quick(struct decimal *d, double value, bool is_float)
{
    double size = fabs(value);
    if (!(size >= 1e-3 && size < 1e7))
        return false;
    int k =
        is_float ? FLT_DIG + 2 : DBL_DIG + 2; /* so that 10^k * 0.001 has all the digits that are allowed */
    for (int i = 0; size * 100 >= POWERS[i]; i++)
        k--;
    if (k < 0)
        k = 0;
    int64_t n = llrint(size * POWERS[k]);
    double back = is_float ? (double)((float)n / (float)POWERS[k]) : (double)n / POWERS[k];
    if (back != size || n == 0)
        return false;
    d->negative = value < 0;
    decimal_set(d, (uint64_t)n, -k);
    return true;
}

static void number_put(struct buf *b, double value, bool is_float)
{
    struct decimal d = {0};
    if (isnan(value)) {
        BUF_LIT(b, "\"NaN\"");
    } else if (isinf(value)) {
        buf_str(b, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    } else if (value == 0) {
        buf_str(b, signbit(value) ? "-0.0" : "0.0");
    } else {
        if (!decimal_quick(&d, value, is_float))
            decimal_shortest(&d, value, is_float);
        decimal_put(b, &d);
    }
}

void json_float(struct buf *b, float f)
{
    number_put(b, (double)f, true);
}

void json_double(struct buf *b, double d)
{
    number_put(b, d, false);
}

void json_boolean(struct buf *b, bool v)
{
    buf_str(b, v ? "true" : "false");
}

/* ---- objects ---- */

void json_comma(struct buf *b)
{
    if (b->len && b->ptr[b->len - 1] != '{' && b->ptr[b->len - 1] != '[')
        buf_char(b, ',');
}

void json_key(struct buf *b, const char *key)
{
    json_comma(b);
    json_string(b, slice_of(key));
    buf_char(b, ':');
}

void json_field(struct buf *b, const char *key, const char *text)
{
    json_key(b, key);
    if (text)
        json_string(b, slice_of(text));
    else
        BUF_LIT(b, "null");
}

void json_field_i64(struct buf *b, const char *key, int64_t n)
{
    json_key(b, key);
    buf_i64(b, n);
}

/* ---- base64 and hex ---- */

void base64_append(struct buf *b, struct slice bytes, bool url_safe)
{
    const char *letters = url_safe ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                                   : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    size_t size = bytes.len / 3 * 4 + (bytes.len % 3 ? 4 : 0);
    char *out = buf_room(b, size);
    for (size_t i = 0; i < bytes.len; i += 3, out += 4) {
        size_t left = bytes.len - i;
        uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0);
        word |= left > 2 ? in[i + 2] : 0;
        out[0] = letters[word >> 18];
        out[1] = letters[word >> 12 & 63];
        out[2] = left > 1 ? letters[word >> 6 & 63] : '=';
        out[3] = left > 2 ? letters[word & 63] : '=';
    }
    buf_added(b, size);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Both alphabets, with all of the padding or none; bits that stand for nothing must be zero. */
bool base64_decode(struct buf *b, struct slice text)
{
    if (text.len && text.len % 4 == 0 && text.ptr[text.len - 1] == '=')
        text.len -= text.ptr[text.len - 2] == '=' ? 2 : 1;
    unsigned char *start = (unsigned char *)buf_room(b, text.len), *out = start;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            return buf_added(b, 0), false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (unsigned char)(bits >> have);
        }
    }
    bool whole = text.len % 4 != 1 && (bits & ((1u << have) - 1)) == 0;
    buf_added(b, whole ? (size_t)(out - start) : 0);
    return whole;
}

static unsigned hex_value(char c)
{
    unsigned char lower = (unsigned char)c | 0x20;
    return c >= '0' && c <= '9'           ? (unsigned)(c - '0')
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10u
                                          : 16u;
}

bool hex_decode(struct buf *b, struct slice text)
{
    if (text.len % 2)
        return false;
    unsigned char *out = (unsigned char *)buf_room(b, text.len / 2);
    unsigned all = 0;
    for (size_t i = 0; i < text.len; i += 2) {
        unsigned high = hex_value(text.ptr[i]), low = hex_value(text.ptr[i + 1]);
        all |= high | low;
        *out++ = (unsigned char)(high << 4 | low);
    }
    buf_added(b, all < 16 ? text.len / 2 : 0);
    return all < 16;
}
