/* modes.h - type modes and JSON styles by the bits of two bytes. */
#ifndef TESTS_FUZZ_MODES_H
#define TESTS_FUZZ_MODES_H

#include "codec.h"

/* better: everything that walwire puts right, or nothing. */
static inline struct type_modes modes_of(unsigned a, unsigned b)
{
    bool better = b & 0x40;
    return (struct type_modes){
        .decimal = (enum decimal_mode)((a & 3) % 3),
        .time = (enum time_mode)((a >> 2 & 7) % 6),
        .interval = (enum interval_mode)(a >> 5 & 1),
        .hstore = (enum hstore_mode)(a >> 6 & 1),
        .include_unknown = a >> 7 & 1,
        .binary = (enum binary_mode)(b & 3),
        .money_digits = (int)(b >> 2 & 3),
        .snapshot = b >> 4 & 1,
        .better = {better, better, better, better, better, better, better, better, better},
        .placeholder = SLICE("__debezium_unavailable_value")};
}

static inline struct json_style style_of(unsigned b)
{
    return (struct json_style){
        .schemas = b & 0x20, .null_as_default = !(b & 0x80), .decimal_as_number = b & 0x08};
}

#endif
