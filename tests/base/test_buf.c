/* test_buf.c - growable bytes keep their content, their NUL, and accept a zeroed struct everywhere. */
#include "buf.h"
#include "suite.h"

START_TEST(a_zeroed_buf_is_valid_everywhere)
{
    struct buf b = BUF_EMPTY;
    buf_reset(&b);
    ck_assert_str_eq(buf_view(&b).ptr, "");
    buf_append(&b, NULL, 0);
    ck_assert_str_eq(b.ptr, "");
    buf_free(&b);
    buf_free(&b);
    char *taken = buf_take(&b);
    ck_assert_str_eq(taken, "");
    free(taken);
}
END_TEST

START_TEST(bytes_survive_growing)
{
    struct buf b = BUF_EMPTY;
    for (int i = 0; i < 100000; i++) {
        buf_char(&b, (char)('a' + i % 26));
        ck_assert(b.cap > b.len && b.ptr[b.len] == 0);
    }
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(b.ptr[i], 'a' + i % 26);
    buf_free(&b);
}
END_TEST

START_TEST(binary_bytes_are_kept)
{
    struct buf b = BUF_EMPTY;
    buf_append(&b, "a\0b", 3);
    BUF_LIT(&b, "\0c");
    ck_assert_mem_eq(b.ptr, "a\0b\0c", 5);
    ck_assert_uint_eq(b.len, 5);
    buf_free(&b);
}
END_TEST

START_TEST(numbers_are_decimal_to_their_limits)
{
    struct buf b = BUF_EMPTY;
    buf_i64(&b, INT64_MIN);
    buf_char(&b, ' ');
    buf_i64(&b, INT64_MAX);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_char(&b, ' ');
    buf_i64(&b, 0);
    buf_i64(&b, -1);
    ck_assert_str_eq(b.ptr, "-9223372036854775808 9223372036854775807 18446744073709551615 0-1");
    buf_free(&b);
}
END_TEST

/* Lengths around the first guess of the room, where a cut or a lost NUL would hide. */
START_TEST(printf_of_any_length_is_whole)
{
    for (int n = 0; n < 300; n++) {
        struct buf b = BUF_EMPTY;
        buf_str(&b, "<");
        buf_printf(&b, "%*s", n, "");
        ck_assert_uint_eq(b.len, (size_t)n + 1);
        ck_assert_uint_eq(strlen(b.ptr), (size_t)n + 1);
        buf_free(&b);
    }
}
END_TEST

START_TEST(taking_leaves_an_empty_buf)
{
    struct buf b = BUF_EMPTY;
    buf_str(&b, "mine");
    char *taken = buf_take(&b);
    buf_str(&b, "next");
    ck_assert_str_eq(taken, "mine");
    ck_assert_str_eq(b.ptr, "next");
    free(taken);
    buf_free(&b);
}
END_TEST

START_TEST(code_points_are_utf8_at_each_length)
{
    struct buf b = BUF_EMPTY;
    const uint32_t points[] = {0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFD, 0x10000, 0x10FFFF};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        buf_utf8(&b, points[i]);
    ck_assert_str_eq(b.ptr, "A\x7F"
                            "\xC2\x80"
                            "\xDF\xBF"
                            "\xE0\xA0\x80"
                            "\xEF\xBF\xBD"
                            "\xF0\x90\x80\x80"
                            "\xF4\x8F\xBF\xBF");
    buf_free(&b);
}
END_TEST

SUITE_MAIN("buf", a_zeroed_buf_is_valid_everywhere, bytes_survive_growing, binary_bytes_are_kept,
           numbers_are_decimal_to_their_limits, printf_of_any_length_is_whole, taking_leaves_an_empty_buf,
           code_points_are_utf8_at_each_length)
