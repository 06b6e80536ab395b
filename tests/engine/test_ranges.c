/* test_ranges.c - the ranges of a table meet without a gap or an overlap, and hold every block there can be.
 */
#include "ranges.h"
#include "suite.h"

#include <stdio.h>

#define LAST_BLOCK UINT64_C(4294967294)

/* Reads a condition back: from is 0 and to is 0 where it names none. */
static void parse(const char *sql, unsigned long long *from, unsigned long long *to)
{
    const char *lower = strstr(sql, ">= '("), *upper = strstr(sql, "< '(");
    *from = *to = 0;
    ck_assert(!lower || sscanf(lower, ">= '(%llu,0)'", from) == 1);
    ck_assert(!upper || sscanf(upper, "< '(%llu,0)'", to) == 1);
    ck_assert(!lower || !upper || strstr(lower, "' AND ctid < "));
}

static void check_meet(uint64_t blocks, size_t n)
{
    struct buf sql = BUF_EMPTY;
    unsigned long long from, to, at = 0;
    for (size_t i = 0; i < n; i++) {
        buf_reset(&sql);
        ranges_condition(&sql, blocks, n, i);
        ck_assert_int_eq(strncmp(sql.ptr, " WHERE ctid ", 12), 0);
        parse(sql.ptr, &from, &to);
        ck_assert_uint_eq(from, at);
        if (i + 1 < n)
            ck_assert_uint_gt(to, from);
        else
            ck_assert_uint_eq(to, 0);
        at = to;
    }
    buf_free(&sql);
}

START_TEST(ranges_follow_one_another)
{
    check_meet(2048, 2);
    check_meet(2049, 2);
    check_meet(100003, 7);
    check_meet(LAST_BLOCK, 4096);
}
END_TEST

START_TEST(ranges_differ_by_one_block_at_most)
{
    unsigned long long from, to;
    for (size_t i = 0; i + 1 < 7; i++) {
        struct buf sql = BUF_EMPTY;
        ranges_condition(&sql, 100003, 7, i);
        parse(sql.ptr, &from, &to);
        ck_assert_uint_ge(to - from, 100003 / 7);
        ck_assert_uint_le(to - from, 100003 / 7 + 1);
        buf_free(&sql);
    }
}
END_TEST

START_TEST(small_tables_and_single_readers_read_whole)
{
    struct buf sql = BUF_EMPTY;
    ck_assert_uint_eq(ranges_count(0, 4), 1);
    ck_assert_uint_eq(ranges_count(2047, 4), 1);
    ck_assert_uint_eq(ranges_count(LAST_BLOCK, 1), 1);
    ranges_condition(&sql, 500, 1, 0);
    ck_assert_uint_eq(sql.len, 0);
    buf_free(&sql);
}
END_TEST

START_TEST(big_tables_are_cut_for_all_readers)
{
    ck_assert_uint_eq(ranges_count(2048, 4), 2);
    ck_assert_uint_ge(ranges_count(1 << 20, 4), 4);
    for (size_t readers = 2; readers <= 64; readers *= 2) {
        size_t n = ranges_count(LAST_BLOCK, readers);
        ck_assert_uint_ge(n, readers);
        ck_assert_uint_le(n, 1000); /* a range costs a statement */
        check_meet(LAST_BLOCK, n);
    }
    ck_assert_uint_ge(ranges_count(LAST_BLOCK, SIZE_MAX), 1);
}
END_TEST

SUITE_MAIN("ranges", ranges_follow_one_another, ranges_differ_by_one_block_at_most,
           small_tables_and_single_readers_read_whole, big_tables_are_cut_for_all_readers)
