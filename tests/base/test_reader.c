/* test_reader.c - a short or hostile message never leads to a read beyond it, and is known as broken. */
#include "reader.h"
#include "suite.h"

START_TEST(numbers_are_big_endian)
{
    struct reader r = reader_of(SLICE("\x01\x02\x03\xFF\xFE\xFD\xFC\x80\0\0\0\0\0\0\x01"));
    ck_assert_uint_eq(read_u8(&r), 1);
    ck_assert_uint_eq(read_u16(&r), 0x0203);
    ck_assert_uint_eq(read_u32(&r), 0xFFFEFDFC);
    ck_assert_uint_eq(read_u64(&r), UINT64_C(0x8000000000000001));
    ck_assert(reader_done(&r));
}
END_TEST

START_TEST(strings_and_bytes_are_borrowed)
{
    struct reader r = reader_of(SLICE("public\0\0abc"));
    struct slice name = read_cstr(&r);
    ck_assert(slice_is(name, "public"));
    ck_assert_int_eq(name.ptr[name.len], 0);
    ck_assert_uint_eq(read_cstr(&r).len, 0);
    ck_assert(slice_is(read_bytes(&r, 2), "ab"));
    ck_assert(reader_ok(&r) && !reader_done(&r));
}
END_TEST

START_TEST(a_broken_reader_stays_broken)
{
    struct reader r = reader_of(SLICE("\x01\x02\x03"));
    ck_assert_uint_eq(read_u32(&r), 0);
    ck_assert_uint_eq(read_u8(&r), 0);
    ck_assert_uint_eq(read_u64(&r), 0);
    ck_assert_uint_eq(read_bytes(&r, 0).len, 0);
    ck_assert_uint_eq(read_cstr(&r).len, 0);
    ck_assert(!reader_ok(&r) && !reader_done(&r));
}
END_TEST

START_TEST(lengths_beyond_the_end_are_refused)
{
    struct reader r = reader_of(SLICE("abc"));
    ck_assert_uint_eq(read_bytes(&r, SIZE_MAX).len, 0);
    ck_assert(!reader_ok(&r));
    r = reader_of(SLICE("no end"));
    ck_assert_uint_eq(read_cstr(&r).len, 0);
    ck_assert(!reader_ok(&r));
    r = reader_of((struct slice){NULL, 0});
    ck_assert(reader_done(&r));
    read_cstr(&r);
    ck_assert(!reader_ok(&r));
}
END_TEST

START_TEST(slices_are_cut_within_their_bounds)
{
    struct slice s = SLICE("abcdef");
    ck_assert(slice_is(slice_cut(s, 2, 2), "cd"));
    ck_assert(slice_is(slice_cut(s, 4, SIZE_MAX), "ef"));
    ck_assert_uint_eq(slice_cut(s, 7, 1).len, 0);
    ck_assert(slice_starts(s, "abc") && slice_starts(s, "") && !slice_starts(s, "abcdefg"));
    ck_assert(slice_eq(slice_of(NULL), SLICE("")));
}
END_TEST

SUITE_MAIN("reader", numbers_are_big_endian, strings_and_bytes_are_borrowed, a_broken_reader_stays_broken,
           lengths_beyond_the_end_are_refused, slices_are_cut_within_their_bounds)
