/* test_json.c - escaping as Jackson does it, numbers as Java writes them, base64 and hex. */
#include "json.h"
#include "suite.h"

#include <float.h>
#include <math.h>

static void text_is(struct buf *b, const char *expected)
{
    ck_assert_str_eq(buf_view(b).ptr, expected);
    buf_free(b);
}

static void string_is(struct slice in, const char *expected)
{
    struct buf b = BUF_EMPTY;
    json_string(&b, in);
    text_is(&b, expected);
}

START_TEST(escapes_are_jacksons)
{
    string_is(SLICE("\b\t\n\f\r\"\\/"), "\"\\b\\t\\n\\f\\r\\\"\\\\/\"");
    string_is(SLICE("\0\1\x0B\x1A\x1F"), "\"\\u0000\\u0001\\u000B\\u001A\\u001F\"");
    string_is(SLICE("\x7F caf\xC3\xA9 \xE2\x80\xA8 \xEF\xBF\xBF"),
              "\"\x7F caf\xC3\xA9 \xE2\x80\xA8 \xEF\xBF\xBF\"");
    string_is(SLICE("a\xF0\x9F\x98\x80z"), "\"a\\uD83D\\uDE00z\"");
    string_is(SLICE("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"");
    string_is(SLICE("\xF0\x9F\x98"), "\"\xF0\x9F\x98\""); /* not UTF-8: as it is */
    string_is(SLICE("\xFF twenty more characters"), "\"\xFF twenty more characters\"");
    string_is((struct slice){NULL, 0}, "\"\"");
}
END_TEST

/* JSON inside a string, which is escaped once more. */
START_TEST(text_for_a_string_keeps_its_characters)
{
    struct buf b = BUF_EMPTY;
    json_text(&b, SLICE("\xF0\x9F\x98\x80 a\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\n"));
    text_is(&b, "\"\xF0\x9F\x98\x80 a\\\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\\n\"");
}
END_TEST

/* The code point above U+FFFF that four bytes stand for; 0: they are none. */
static unsigned wide_char(struct slice s)
{
    if (s.len < 4 || (unsigned char)s.ptr[0] >> 3 != 0x1E)
        return 0;
    unsigned c = s.ptr[0] & 7;
    for (size_t i = 1; i < 4; i++) {
        if ((unsigned char)s.ptr[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s.ptr[i] & 63);
    }
    return c >= 0x10000 && c <= 0x10FFFF ? c : 0;
}

/* The plainest way to escape, to compare with. */
static void escape_plainly(struct buf *b, struct slice s)
{
    static const char FROM[] = "\b\t\n\f\r\"\\", TO[] = "btnfr\"\\";
    for (size_t i = 0; i < s.len; i++) {
        const char *at = s.ptr[i] ? strchr(FROM, s.ptr[i]) : NULL;
        unsigned wide = wide_char(slice_cut(s, i, s.len));
        if (wide) {
            buf_printf(b, "\\u%04X\\u%04X", 0xD800 + ((wide - 0x10000) >> 10), 0xDC00 + (wide & 0x3FF));
            i += 3;
        } else if (at)
            buf_printf(b, "\\%c", TO[at - FROM]);
        else if ((unsigned char)s.ptr[i] < 0x20)
            buf_printf(b, "\\u%04X", s.ptr[i]);
        else
            buf_char(b, s.ptr[i]);
    }
}

static void same_as_plain(struct slice s)
{
    struct buf plain = BUF_EMPTY, fast = BUF_EMPTY;
    escape_plainly(&plain, s);
    json_escaped(&fast, s);
    ck_assert(slice_eq(buf_view(&plain), buf_view(&fast)));
    buf_free(&plain);
    buf_free(&fast);
}

/* Text is handled in chunks: each byte at each place of texts of each length around the chunk's. The copy is
 * of exact size, so that reading behind its end shows under a sanitizer. */
START_TEST(any_byte_at_any_place_is_escaped)
{
    for (size_t len = 1; len <= 40; len++) {
        char *text = xmalloc(len);
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'x', len);
                text[at] = (char)c;
                text[len - 1 - at] = (char)c;
                same_as_plain((struct slice){text, len});
            }
        free(text);
    }
}
END_TEST

START_TEST(long_texts_with_many_escapes_are_whole)
{
    uint32_t seed = 1;
    for (size_t len = 4000; len < 30000; len += 1237) {
        char *text = xmalloc(len);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = (char)(seed >> 24 & (len % 2 ? 0xFF : 0x1F));
        }
        same_as_plain((struct slice){text, len});
        for (size_t i = 0; i + 4 <= len; i += 4) /* across the ends of chunks and blocks */
            memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        memmove(text + len % 7, text, len - 7);
        same_as_plain((struct slice){text, len});
        free(text);
    }
}
END_TEST

static void double_is(double d, const char *expected)
{
    struct buf b = BUF_EMPTY;
    json_double(&b, d);
    text_is(&b, expected);
}

static void float_is(float f, const char *expected)
{
    struct buf b = BUF_EMPTY;
    json_float(&b, f);
    text_is(&b, expected);
}

START_TEST(doubles_are_plain_from_a_thousandth_to_ten_million)
{
    double_is(0.0, "0.0");
    double_is(-0.0, "-0.0");
    double_is(1, "1.0");
    double_is(100, "100.0");
    double_is(0.001, "0.001");
    double_is(0.002, "0.002");
    double_is(0.01, "0.01");
    double_is(-0.0625, "-0.0625");
    double_is(3.14159265358979, "3.14159265358979");
    double_is(1234567, "1234567.0");
    double_is(9999999.999999998, "9999999.999999998");
    double_is(0.1 + 0.2, "0.30000000000000004");
    double_is(1.0 / 3, "0.3333333333333333");
}
END_TEST

START_TEST(other_doubles_are_scientific)
{
    double_is(1e7, "1.0E7");
    double_is(1e10, "1.0E10");
    double_is(-12345678.5, "-1.23456785E7");
    double_is(0.00099, "9.9E-4");
    double_is(1e-5, "1.0E-5");
    double_is(2e23, "2.0E23");
    double_is(9007199254740993.0, "9.007199254740992E15");
    double_is(DBL_MAX, "1.7976931348623157E308");
    double_is(DBL_MIN, "2.2250738585072014E-308");
}
END_TEST

/* Where one digit would do, Java takes the nearest of two: 4.9E-324, not 5.0E-324. */
START_TEST(the_smallest_doubles_have_two_digits)
{
    double_is(0x1p-1074, "4.9E-324");
    double_is(0x2p-1074, "9.9E-324");
    double_is(0x3p-1074, "1.5E-323");
    double_is(0x4p-1074, "2.0E-323");
    double_is(2.2250738585072011e-308, "2.225073858507201E-308");
}
END_TEST

/* Below a power of two numbers lie closer: the nearest decimal of 16 digits misses, the next one reads back.
 */
START_TEST(the_shortest_decimal_of_a_power_of_two_is_found)
{
    double_is(0x1p-44, "5.684341886080802E-14");
    double_is(0x1p+89, "6.189700196426902E26");
    float_is(0x1p-96f, "1.2621775E-29");
    float_is(0x1p+90f, "1.2379401E27");
}
END_TEST

START_TEST(floats_have_their_own_shortest_digits)
{
    float_is(0.1f, "0.1");
    float_is(100.0f, "100.0");
    float_is(3.1415927f, "3.1415927");
    float_is(16777216.0f, "1.6777216E7");
    float_is(1.17549435E-38f, "1.1754944E-38");
    float_is(FLT_MAX, "3.4028235E38");
    float_is(0x1p-149f, "1.4E-45");
    float_is(-2.5e-3f, "-0.0025");
    float_is(9999999.0f, "9999999.0");
}
END_TEST

START_TEST(numbers_that_json_does_not_know_are_strings)
{
    double_is(NAN, "\"NaN\"");
    double_is(INFINITY, "\"Infinity\"");
    double_is(-INFINITY, "\"-Infinity\"");
    float_is(-INFINITY, "\"-Infinity\"");
    float_is(NAN, "\"NaN\"");
}
END_TEST

/* No value may be lost on the way to a consumer. */
START_TEST(any_number_reads_back_as_itself)
{
    uint64_t seed = 88172645463325252u;
    struct buf b = BUF_EMPTY;
    for (int i = 0; i < 50000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double d;
        float f;
        memcpy(&d, &seed, sizeof d);
        memcpy(&f, &seed, sizeof f);
        d = i % 2 ? d : (double)(int64_t)seed / 1e15;
        buf_reset(&b);
        json_double(&b, d);
        ck_assert(!isfinite(d) || strtod(b.ptr, NULL) == d);
        buf_reset(&b);
        json_float(&b, f);
        ck_assert(!isfinite(f) || strtof(b.ptr, NULL) == f);
    }
    buf_free(&b);
}
END_TEST

START_TEST(objects_get_their_commas)
{
    struct buf b = BUF_EMPTY;
    buf_char(&b, '{');
    json_field(&b, "na\"me", "x\ny");
    json_field(&b, "none", NULL);
    json_field_i64(&b, "n", -5);
    json_key(&b, "list");
    buf_char(&b, '[');
    json_comma(&b);
    json_boolean(&b, true);
    json_comma(&b);
    json_boolean(&b, false);
    buf_str(&b, "]}");
    text_is(&b, "{\"na\\\"me\":\"x\\ny\",\"none\":null,\"n\":-5,\"list\":[true,false]}");
}
END_TEST

/* The vectors of RFC 4648, section 10. */
START_TEST(base64_goes_both_ways)
{
    static const char *const PAIRS[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        struct buf coded = BUF_EMPTY, back = BUF_EMPTY;
        base64_append(&coded, slice_of(PAIRS[i][0]), false);
        ck_assert_str_eq(buf_view(&coded).ptr, PAIRS[i][1]);
        ck_assert(base64_decode(&back, buf_view(&coded)));
        ck_assert_str_eq(buf_view(&back).ptr, PAIRS[i][0]);
        buf_free(&coded);
        buf_free(&back);
    }
}
END_TEST

START_TEST(base64_has_two_alphabets)
{
    struct buf b = BUF_EMPTY;
    base64_append(&b, SLICE("\xFB\xFF\xFE"), false);
    base64_append(&b, SLICE("\xFB\xFF\xFE"), true);
    json_base64(&b, SLICE("\xFB"));
    ck_assert_str_eq(b.ptr, "+//+-__-\"+w==\"");
    buf_reset(&b);
    ck_assert(base64_decode(&b, SLICE("-__-+//+-w")));
    ck_assert_mem_eq(b.ptr, "\xFB\xFF\xFE\xFB\xFF\xFE\xFB", 7);
    buf_free(&b);
}
END_TEST

START_TEST(what_is_not_base64_or_hex_is_refused_and_adds_nothing)
{
    static const char *const BAD64[] = {
        "A", "AAAAA", "AA=A", "A===", "====", "=", "Zm9v\n", "Zh==", "Zm9=", "Z g="};
    static const char *const BADHEX[] = {"0", "abc", "0g", "0x00", " 00 ", "\xC3\xA9"};
    struct buf b = BUF_EMPTY;
    buf_str(&b, "kept");
    for (size_t i = 0; i < sizeof BAD64 / sizeof *BAD64; i++)
        ck_assert_msg(!base64_decode(&b, slice_of(BAD64[i])), "%s", BAD64[i]);
    for (size_t i = 0; i < sizeof BADHEX / sizeof *BADHEX; i++)
        ck_assert_msg(!hex_decode(&b, slice_of(BADHEX[i])), "%s", BADHEX[i]);
    text_is(&b, "kept");
}
END_TEST

START_TEST(hex_is_decoded_in_either_case)
{
    struct buf b = BUF_EMPTY;
    ck_assert(hex_decode(&b, SLICE("00ff7FaBCd")));
    ck_assert(hex_decode(&b, (struct slice){NULL, 0}));
    ck_assert_uint_eq(b.len, 5);
    ck_assert_mem_eq(b.ptr, "\x00\xFF\x7F\xAB\xCD", 5);
    buf_free(&b);
}
END_TEST

SUITE_MAIN("json", escapes_are_jacksons, text_for_a_string_keeps_its_characters,
           any_byte_at_any_place_is_escaped, long_texts_with_many_escapes_are_whole,
           doubles_are_plain_from_a_thousandth_to_ten_million, other_doubles_are_scientific,
           the_smallest_doubles_have_two_digits, the_shortest_decimal_of_a_power_of_two_is_found,
           floats_have_their_own_shortest_digits, numbers_that_json_does_not_know_are_strings,
           any_number_reads_back_as_itself, objects_get_their_commas, base64_goes_both_ways,
           base64_has_two_alphabets, what_is_not_base64_or_hex_is_refused_and_adds_nothing,
           hex_is_decoded_in_either_case)
