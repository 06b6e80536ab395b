/* decimal.h - exact decimals of any length: PostgreSQL's text, Java's BigDecimal, Kafka Connect's bytes.
 *
 * PostgreSQL ends at 131072 digits before the point and 16383 behind it; longer texts are refused.
 * Sources: java.math.BigDecimal; org.apache.kafka.connect.data.Decimal. */
#ifndef DECODER_DECIMAL_H
#define DECODER_DECIMAL_H

#include "arena.h"
#include "buf.h"

enum { DECIMAL_WHOLE_MOST = 1 << 17, DECIMAL_SCALE_MOST = 1 << 16 };
enum { DECIMAL_SMALL = 16 };

/* A number as its text says it, borrowed from that text. */
struct decimal {
    bool negative;         /* false for zero */
    struct slice whole;    /* digits without leading zeros; may be empty */
    struct slice fraction; /* digits as written */
};

/* [-+]digits[.digits] and nothing else, of bounded length; false otherwise. */
bool decimal_parse(struct slice text, struct decimal *out);

/* How many digits behind the point are needed to keep the value: the fraction without its trailing zeros. */
int decimal_scale(const struct decimal *d);

/* The unscaled value at `scale`, as the shortest big-endian two's complement. scale is not less than
 * decimal_scale(d). Beyond 38 digits the time grows with the square of the length. */
struct slice decimal_bytes(const struct decimal *d, int scale, struct arena *a);

/* The same for at most 38 digits, without an arena: the bytes are out[*start] to the end. false: too many. */
bool decimal_small(const struct decimal *d, int scale, char out[DECIMAL_SMALL], int *start);

/* BigDecimal.toPlainString at that scale (not less than decimal_scale(d)): zeros are appended. */
void decimal_plain(struct buf *b, const struct decimal *d, int scale);

/* BigDecimal.toString of an unscaled two's complement: plain, or scientific from 1E-7 down. */
void decimal_number(struct buf *b, struct slice bytes, int scale);

/* The nearest double, or float if narrow, of a decimal text of any length, with or without exponent; also
 * NaN, Infinity and -Infinity. false: anything else. */
bool decimal_float(struct slice text, bool narrow, double *out);

#endif
