/* decimal.c - exact decimals: digits to two's complement and back; and the nearest float.
 *
 * Three lengths: what fits a register (nearly all there is), what fits two, and the rest in limbs of 64 bits,
 * each step taking 18 digits. Floats are read by strtod: the process stays in the C locale. */
#include "decimal.h"

#include "xmalloc.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

enum { CHUNK = 18, REGISTER_DIGITS = 18, PAIR_DIGITS = 38 };
enum { FLOAT_TEXT = 64 };     /* PostgreSQL's floats are shorter; numerics need not be */
enum { PLAIN_EXPONENT = -6 }; /* below, BigDecimal.toString turns scientific */
static const uint64_t CHUNK_BASE = UINT64_C(1000000000000000000);

/* A natural number in limbs, the lowest first. */
struct natural {
    uint64_t *limbs;
    size_t count;
};

static struct slice digits_at(struct slice text, size_t from)
{
    size_t end = from;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    return slice_cut(text, from, end - from);
}

static bool all_zeros(struct slice digits)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] != '0')
            return false;
    return true;
}

bool decimal_parse(struct slice text, struct decimal *out)
{
    bool sign = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    struct decimal d = {.whole = digits_at(text, sign), .fraction = {"", 0}};
    size_t at = sign + d.whole.len;
    if (at < text.len && text.ptr[at] == '.') {
        d.fraction = digits_at(text, at + 1);
        at += 1 + d.fraction.len;
    }
    if (at != text.len || d.whole.len + d.fraction.len == 0 || d.whole.len > DECIMAL_WHOLE_MOST ||
        d.fraction.len > DECIMAL_SCALE_MOST)
        return false;
    while (d.whole.len > 0 && d.whole.ptr[0] == '0')
        d.whole = slice_cut(d.whole, 1, d.whole.len);
    d.negative = text.ptr[0] == '-' && (d.whole.len > 0 || !all_zeros(d.fraction));
    *out = d;
    return true;
}

int decimal_scale(const struct decimal *d)
{
    size_t n = d->fraction.len;
    while (n > 0 && d->fraction.ptr[n - 1] == '0')
        n--;
    return (int)n;
}

/* The i-th digit of the unscaled value; behind the written ones come zeros. */
static unsigned digit_at(const struct decimal *d, size_t i)
{
    if (i < d->whole.len)
        return (unsigned)(d->whole.ptr[i] - '0');
    i -= d->whole.len;
    return i < d->fraction.len ? (unsigned)(d->fraction.ptr[i] - '0') : 0;
}

static uint64_t register_value(const struct decimal *d, int scale)
{
    uint64_t n = 0;
    for (size_t i = 0; i < d->whole.len; i++)
        n = n * 10 + (unsigned)(d->whole.ptr[i] - '0');
    for (size_t i = 0; i < (size_t)scale; i++)
        n = n * 10 + (i < d->fraction.len ? (unsigned)(d->fraction.ptr[i] - '0') : 0);
    return n;
}

static __int128 pair_value(const struct decimal *d, size_t digits)
{
    __int128 n = 0;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + digit_at(d, i);
    return n;
}

/* Writes n big-endian to the end of out; gives where its shortest two's complement begins. */
static int shortest(__int128 n, unsigned char out[DECIMAL_SMALL])
{
    for (int i = DECIMAL_SMALL - 1; i >= 0; i--, n >>= 8)
        out[i] = (unsigned char)n;
    int start = 0;
    while (start < DECIMAL_SMALL - 1 && out[start] == (out[start + 1] & 0x80 ? 0xFF : 0))
        start++;
    return start;
}

bool decimal_small(const struct decimal *d, int scale, char out[DECIMAL_SMALL], int *start)
{
    size_t digits = d->whole.len + (size_t)scale;
    if (digits > PAIR_DIGITS)
        return false;
    __int128 n = digits <= REGISTER_DIGITS ? (__int128)register_value(d, scale) : pair_value(d, digits);
    *start = shortest(d->negative ? -n : n, (unsigned char *)out);
    return true;
}

static void natural_step(struct natural *n, uint64_t base, uint64_t add)
{
    unsigned __int128 carry = add;
    for (size_t i = 0; i < n->count; i++) {
        carry += (unsigned __int128)n->limbs[i] * base;
        n->limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry)
        n->limbs[n->count++] = (uint64_t)carry;
}

static void natural_read(struct natural *n, const struct decimal *d, size_t digits)
{
    for (size_t i = 0; i < digits;) {
        uint64_t chunk = 0, base = 1;
        for (; i < digits && base < CHUNK_BASE; i++, base *= 10)
            chunk = chunk * 10 + digit_at(d, i);
        natural_step(n, base, chunk);
    }
}

/* Big-endian with one byte of sign in front, cut to what is needed. */
static struct slice natural_bytes(const struct natural *n, bool negative, struct arena *a)
{
    size_t size = n->count * 8 + 1;
    unsigned char *out = arena_alloc(a, size);
    out[0] = negative ? 0xFF : 0;
    unsigned carry = negative;
    for (size_t i = 1; i < size; i++) {
        unsigned byte = (unsigned char)(n->limbs[(i - 1) / 8] >> (i - 1) % 8 * 8);
        byte = negative ? (byte ^ 0xFF) + carry : byte;
        carry = byte >> 8;
        out[size - i] = (unsigned char)byte;
    }
    size_t start = 0;
    while (start < size - 1 && out[start] == (out[start + 1] & 0x80 ? 0xFF : 0))
        start++;
    return (struct slice){(char *)out + start, size - start};
}

struct slice decimal_bytes(const struct decimal *d, int scale, struct arena *a)
{
    char small[DECIMAL_SMALL];
    int start;
    if (decimal_small(d, scale, small, &start))
        return arena_slice(a, (struct slice){small + start, (size_t)(DECIMAL_SMALL - start)});
    size_t digits = d->whole.len + (size_t)scale;
    struct natural n = {.limbs = arena_alloc(a, (digits / CHUNK + 2) * sizeof *n.limbs)};
    natural_read(&n, d, digits);
    return natural_bytes(&n, d->negative, a);
}

void decimal_plain(struct buf *b, const struct decimal *d, int scale)
{
    if (d->negative)
        buf_char(b, '-');
    if (d->whole.len == 0)
        buf_char(b, '0');
    buf_slice(b, d->whole);
    if (scale == 0)
        return;
    buf_char(b, '.');
    struct slice fraction = slice_cut(d->fraction, 0, (size_t)scale);
    buf_slice(b, fraction);
    size_t zeros = (size_t)scale - fraction.len;
    memset(buf_room(b, zeros), '0', zeros);
    buf_added(b, zeros);
}

/* Divides by CHUNK_BASE; gives the remainder. */
static uint64_t natural_divide(struct natural *n)
{
    unsigned __int128 rest = 0;
    for (size_t i = n->count; i-- > 0;) {
        rest = rest << 64 | n->limbs[i];
        n->limbs[i] = (uint64_t)(rest / CHUNK_BASE);
        rest %= CHUNK_BASE;
    }
    while (n->count > 0 && n->limbs[n->count - 1] == 0)
        n->count--;
    return (uint64_t)rest;
}

/* The decimal digits of a magnitude, without leading zeros, "0" for zero; the caller frees. */
static char *magnitude_digits(struct slice bytes, bool negative)
{
    struct natural n = {.limbs = xcalloc(bytes.len / 8 + 1, sizeof *n.limbs), .count = bytes.len / 8 + 1};
    unsigned carry = negative;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.ptr[bytes.len - 1 - i];
        byte = negative ? (byte ^ 0xFF) + carry : byte;
        carry = byte >> 8;
        n.limbs[i / 8] |= (uint64_t)(byte & 0xFF) << i % 8 * 8;
    }
    if (carry)
        n.limbs[bytes.len / 8] |= UINT64_C(1) << bytes.len % 8 * 8;
    size_t size = bytes.len * 5 / 2 + 2 * CHUNK, at = size - 1;
    char *digits = xmalloc(size);
    digits[at] = 0;
    while (n.count > 0) {
        uint64_t chunk = natural_divide(&n);
        for (int i = 0; i < CHUNK; i++, chunk /= 10)
            digits[--at] = (char)('0' + chunk % 10);
    }
    free(n.limbs);
    while (at < size - 1 && digits[at] == '0')
        at++;
    if (at == size - 1)
        digits[--at] = '0';
    memmove(digits, digits + at, size - at);
    return digits;
}

static void number_scientific(struct buf *b, struct slice digits, long exponent)
{
    buf_append(b, digits.ptr, 1);
    if (digits.len > 1) {
        buf_char(b, '.');
        buf_slice(b, slice_cut(digits, 1, digits.len));
    }
    buf_printf(b, "E%+ld", exponent);
}

/* "0." and the zeros in front of fewer digits than the scale, or the point inside them. */
static void number_plain(struct buf *b, struct slice digits, size_t scale)
{
    if (digits.len > scale) {
        buf_slice(b, slice_cut(digits, 0, digits.len - scale));
        if (scale > 0)
            buf_char(b, '.');
        buf_slice(b, slice_cut(digits, digits.len - scale, scale));
    } else {
        BUF_LIT(b, "0.");
        buf_append(b, "000000", scale - digits.len);
        buf_slice(b, digits);
    }
}

void decimal_number(struct buf *b, struct slice bytes, int scale)
{
    bool negative = bytes.len > 0 && (bytes.ptr[0] & 0x80);
    char *text = magnitude_digits(bytes, negative);
    struct slice digits = slice_of(text);
    long exponent = (long)digits.len - 1 - scale;
    if (negative)
        buf_char(b, '-');
    if (scale < 0 || exponent < PLAIN_EXPONENT)
        number_scientific(b, digits, exponent);
    else
        number_plain(b, digits, (size_t)scale);
    free(text);
}

/* A decimal floating point number in C's syntax, without what strtod would also take: blanks, hex, words. */
static bool float_syntax(struct slice text)
{
    size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'), digits = 0;
    for (; i < text.len && (isdigit((unsigned char)text.ptr[i]) || text.ptr[i] == '.'); i++)
        digits += text.ptr[i] != '.';
    if (digits == 0)
        return false;
    if (i < text.len && (text.ptr[i] | 0x20) == 'e') {
        i++;
        i += i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+');
        if (i == text.len)
            return false;
        while (i < text.len && isdigit((unsigned char)text.ptr[i]))
            i++;
    }
    return i == text.len;
}

static bool float_word(struct slice text, double *out)
{
    if (slice_is(text, "NaN"))
        *out = __builtin_nan("");
    else if (slice_is(text, "Infinity"))
        *out = __builtin_inf();
    else if (slice_is(text, "-Infinity"))
        *out = -__builtin_inf();
    else
        return false;
    return true;
}

bool decimal_float(struct slice text, bool narrow, double *out)
{
    char few[FLOAT_TEXT];
    if (float_word(text, out))
        return true;
    if (!float_syntax(text))
        return false;
    char *z = text.len < sizeof few ? few : xmalloc(text.len + 1), *end;
    memcpy(z, text.ptr, text.len);
    z[text.len] = 0;
    *out = narrow ? strtof(z, &end) : strtod(z, &end);
    bool whole = *end == 0;
    if (z != few)
        free(z);
    return whole;
}
