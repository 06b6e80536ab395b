/* test_lsn.c - positions are read as PostgreSQL writes them, and nothing else is. */
#include "lsn.h"
#include "suite.h"

#include <stdio.h>

START_TEST(positions_are_read_and_written)
{
    static const lsn_t SOME[] = {0, 1, 0x16B374D848, 0x100000000, 0xFFFFFFFFFFFFFFFF, 0xABCDEF};
    for (size_t i = 0; i < sizeof SOME / sizeof *SOME; i++) {
        char text[LSN_TEXT_SIZE];
        lsn_t back = 7;
        snprintf(text, sizeof text, LSN_FMT, LSN_ARG(SOME[i]));
        ck_assert(lsn_parse(slice_of(text), &back));
        ck_assert_uint_eq(back, SOME[i]);
    }
}
END_TEST

START_TEST(either_case_and_leading_zeros_are_read)
{
    lsn_t lsn;
    ck_assert(lsn_parse(SLICE("16/b374d848"), &lsn));
    ck_assert_uint_eq(lsn, 0x16B374D848);
    ck_assert(lsn_parse(SLICE("00000016/00000001"), &lsn));
    ck_assert_uint_eq(lsn, 0x1600000001);
}
END_TEST

START_TEST(anything_else_is_refused_and_leaves_the_value)
{
    static const char *const BAD[] = {"",     "/",    "16",          "16/",         "/16",  "16/1/2", "1G/1",
                                      " 1/1", "1/1 ", "100000000/0", "0/100000000", "-1/1", "0x1/1",  "1/+1"};
    lsn_t lsn = 42;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        ck_assert_msg(!lsn_parse(slice_of(BAD[i]), &lsn), "%s", BAD[i]);
    ck_assert(!lsn_parse((struct slice){NULL, 0}, &lsn));
    ck_assert_uint_eq(lsn, 42);
}
END_TEST

SUITE_MAIN("lsn", positions_are_read_and_written, either_case_and_leading_zeros_are_read,
           anything_else_is_refused_and_leaves_the_value)
