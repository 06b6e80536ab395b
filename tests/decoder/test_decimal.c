/* test_decimal.c - decimals of any length keep their value on the way to bytes and back. */
#include "decimal.h"
#include "suite.h"

static struct arena arena;

static struct decimal parsed(const char *text)
{
    struct decimal d;
    ck_assert_msg(decimal_parse(slice_of(text), &d), "%s", text);
    return d;
}

/* Through the bytes and back as a number at that scale. */
static const char *around(const char *text, int scale)
{
    struct decimal d = parsed(text);
    struct buf b = BUF_EMPTY;
    decimal_number(&b, decimal_bytes(&d, scale, &arena), scale);
    const char *back = arena_slice(&arena, buf_view(&b)).ptr;
    buf_free(&b);
    return back;
}

START_TEST(every_length_survives)
{
    for (size_t n = 1; n < 400; n++)
        for (int sign = 0; sign < 2; sign++) {
            char *text = arena_zero(&arena, n + 2);
            text[0] = '-';
            for (size_t i = 0; i < n; i++)
                text[i + 1] = (char)('1' + (i * 7 + n) % 9);
            ck_assert_str_eq(around(text + sign, 0), text + sign);
        }
    arena_free(&arena);
}
END_TEST

/* The edges between one byte more and less, by widths that take each of the three ways. */
START_TEST(the_bytes_are_the_shortest)
{
    static const struct {
        const char *text;
        size_t len;
    } some[] = {{"0", 1},
                {"127", 1},
                {"128", 2},
                {"-128", 1},
                {"-129", 2},
                {"9223372036854775807", 8},
                {"9223372036854775808", 9},
                {"-9223372036854775808", 8},
                {"-9223372036854775809", 9},
                {"170141183460469231731687303715884105727", 16},
                {"170141183460469231731687303715884105728", 17},
                {"-170141183460469231731687303715884105728", 16},
                {"-170141183460469231731687303715884105729", 17}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct decimal d = parsed(some[i].text);
        ck_assert_uint_eq(decimal_bytes(&d, 0, &arena).len, some[i].len);
        ck_assert_str_eq(around(some[i].text, 0), some[i].text);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(the_longest_numeric)
{
    size_t n = 131072;
    char *text = malloc(n + 1 + 16383 + 1);
    memset(text, '9', n + 1 + 16383);
    text[n] = '.';
    text[n + 1 + 16383] = 0;
    ck_assert_str_eq(around(text, 16383), text);
    free(text);
    arena_free(&arena);
}
END_TEST

START_TEST(small_ones_need_no_arena)
{
    static const char *const some[] = {"0", "-0.01", "999999999999999999", "-999999999999999999",
                                       "1234567.891"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct decimal d = parsed(some[i]);
        int scale = decimal_scale(&d), start;
        char out[DECIMAL_SMALL];
        struct slice whole = decimal_bytes(&d, scale, &arena);
        ck_assert(decimal_small(&d, scale, out, &start));
        ck_assert(slice_eq((struct slice){out + start, (size_t)(DECIMAL_SMALL - start)}, whole));
    }
    struct decimal long_one = parsed("100000000000000000000000000000000000000");
    ck_assert(!decimal_small(&long_one, 0, (char[DECIMAL_SMALL]){0}, &(int){0}));
    arena_free(&arena);
}
END_TEST

START_TEST(parts_of_a_text)
{
    struct decimal d = parsed("-0012.3400");
    ck_assert(d.negative && slice_is(d.whole, "12") && slice_is(d.fraction, "3400"));
    ck_assert_int_eq(decimal_scale(&d), 2);
    d = parsed("-0.00");
    ck_assert(!d.negative && d.whole.len == 0);
    ck_assert_int_eq(decimal_scale(&d), 0);
    d = parsed(".5");
    ck_assert(slice_is(d.fraction, "5"));
    static const char *const bad[] = {"", "-", ".", "1e5", "1.2.3", "NaN", "1 ", "--1", "1,0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!decimal_parse(slice_of(bad[i]), &d), "%s", bad[i]);
}
END_TEST

START_TEST(plain_text_has_the_scale)
{
    static const struct {
        const char *text;
        int scale;
        const char *want;
    } some[] = {{"1.5", 2, "1.50"}, {"-1.5", 1, "-1.5"},  {"0", 0, "0"},      {"0", 2, "0.00"},
                {".5", 1, "0.5"},   {"-0.00", 2, "0.00"}, {"1.500", 1, "1.5"}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct decimal d = parsed(some[i].text);
        struct buf b = BUF_EMPTY;
        decimal_plain(&b, &d, some[i].scale);
        ck_assert_str_eq(b.ptr, some[i].want);
        buf_free(&b);
    }
}
END_TEST

START_TEST(numbers_turn_scientific_as_java_has_it)
{
    ck_assert_str_eq(around("0.000001", 6), "0.000001");
    ck_assert_str_eq(around("0.0000001", 7), "1E-7");
    ck_assert_str_eq(around("-0.00000012", 8), "-1.2E-7");
    ck_assert_str_eq(around("0", 6), "0.000000");
    ck_assert_str_eq(around("0", 7), "0E-7");
    ck_assert_str_eq(around("100", 0), "100");
    ck_assert_str_eq(around("12.5", 3), "12.500");
    arena_free(&arena);
}
END_TEST

START_TEST(the_nearest_float)
{
    double d;
    char text[2000];
    memset(text, '9', sizeof text - 1);
    text[sizeof text - 1] = 0;
    ck_assert(decimal_float(slice_of(text), false, &d) && d == __builtin_inf());
    text[0] = '.';
    ck_assert(decimal_float(slice_of(text), false, &d) && d == 1);
    ck_assert(decimal_float(SLICE("0.1"), true, &d) && d == (double)0.1f);
    ck_assert(decimal_float(SLICE("1e-5"), false, &d) && d == 1e-5);
    ck_assert(decimal_float(SLICE("NaN"), false, &d) && d != d);
    ck_assert(!decimal_float(SLICE("0x1"), false, &d) && !decimal_float(SLICE(""), false, &d));
}
END_TEST

SUITE_MAIN("decimal", every_length_survives, the_bytes_are_the_shortest, the_longest_numeric,
           small_ones_need_no_arena, parts_of_a_text, plain_text_has_the_scale,
           numbers_turn_scientific_as_java_has_it, the_nearest_float)
