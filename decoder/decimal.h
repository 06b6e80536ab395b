/* decimal.h - exact decimal numbers of any length: PostgreSQL's text, Java's BigDecimal, Kafka Connect's
 * bytes.
 *
 * Nothing here is bounded but by the text it is given; PostgreSQL ends at 131072 digits before the point and
 * 16383 behind it. Sources: java.math.BigDecimal; org.apache.kafka.connect.data.Decimal. */
#ifndef DECODER_DECIMAL_H
#define DECODER_DECIMAL_H

#include "arena.h"
#include "buf.h"

enum { DECIMAL_SCALE_MOST = 1 << 16 }; /* no column's scale comes near */

/* A number as its text says it, borrowed from that text. */
struct decimal {
    bool negative;         /* false for zero */
    struct slice whole;    /* digits without leading zeros; may be empty */
    struct slice fraction; /* digits as written */
};

/* [-+]digits[.digits] and nothing else; false otherwise. */
bool decimal_parse(struct slice text, struct decimal *out);

/* How many digits behind the point are needed to keep the value: the fraction without its trailing zeros. */
int decimal_scale(const struct decimal *d);

/* The unscaled value at `scale`, as the shortest big-endian two's complement. scale is not less than
 * decimal_scale(d). Up to 38 digits nothing is allocated but the result; beyond, time grows with the square
 * of the length. */
struct slice decimal_bytes(const struct decimal *d, int scale, struct arena *a);

/* The same for values of at most 18 digits, without an arena: `out` takes 8 bytes, *start is the first in
 * use. false: too many digits. */
bool decimal_small(const struct decimal *d, int scale, char out[8], int *start);

/* BigDecimal.toPlainString at that scale (not less than decimal_scale(d)): zeros are appended. */
void decimal_plain(struct buf *b, const struct decimal *d, int scale);

/* BigDecimal.toString of an unscaled two's complement: plain, or scientific from 1E-7 down. */
void decimal_number(struct buf *b, struct slice bytes, int scale);

/* The nearest double, or float if narrow, of a decimal text of any length, with or without exponent; also
 * NaN, Infinity and -Infinity. false: anything else. */
bool decimal_float(struct slice text, bool narrow, double *out);

#endif
