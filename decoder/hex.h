/* hex.h - bytea's digits into bytes; the hot loops of it, without a buffer in between. */
#ifndef DECODER_HEX_H
#define DECODER_HEX_H

#include "slice.h"

/* A digit's value; 16: not a digit. */
static inline unsigned hex_digit(char c)
{
    unsigned digit = (unsigned)c - '0', letter = ((unsigned)c | 0x20) - 'a';
    return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}

/* Twice as many digits as bytes; false: other characters among them. */
static inline bool hex_bytes(const char *digits, size_t bytes, char *out)
{
    unsigned seen = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
        seen |= high | low;
        out[i] = (char)(high << 4 | low);
    }
    return seen < 16;
}

/* Cuts "\x" off a bytea's text; false: not in hex. */
static inline bool hex_bytea(struct slice *text)
{
    if (!slice_starts(*text, "\\x") || text->len % 2)
        return false;
    *text = slice_cut(*text, 2, text->len);
    return true;
}

#endif
