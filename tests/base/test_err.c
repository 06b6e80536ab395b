/* test_err.c - an error is one tidy line of valid UTF-8 whatever went into it. */
#include "err.h"
#include "suite.h"

#include <string.h>

START_TEST(setting_says_false_and_keeps_kind_and_text)
{
    struct err e = {0};
    ck_assert(!err_set(&e, ERR_RETRY, "connect to %s:%d", "db", 5432));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_str_eq(e.text, "connect to db:5432");
}
END_TEST

/* libpq's messages have several lines and end in a newline. */
START_TEST(control_characters_become_spaces_and_the_end_is_trimmed)
{
    struct err e = {0};
    err_set(&e, ERR_DATA, "ERROR:  bad\nDETAIL:\tit\r\nis\x7F so \n\n");
    ck_assert_str_eq(e.text, "ERROR:  bad DETAIL: it  is  so");
    err_set(&e, ERR_DATA, "%s", "\n \n");
    ck_assert_str_eq(e.text, "");
}
END_TEST

START_TEST(a_prefix_goes_in_front_and_keeps_the_kind)
{
    struct err e = {0};
    err_set(&e, ERR_CONFIG, "no such slot");
    ck_assert(!err_prefix(&e, "connector %s", "inventory"));
    ck_assert_str_eq(e.text, "connector inventory: no such slot");
    ck_assert_int_eq(e.kind, ERR_CONFIG);
}
END_TEST

START_TEST(the_old_text_may_be_an_argument)
{
    struct err e = {0};
    err_set(&e, ERR_RETRY, "lost");
    err_set(&e, ERR_FATAL, "gave up: %s", e.text);
    err_prefix(&e, "%s again", e.text);
    ck_assert_str_eq(e.text, "gave up: lost again: gave up: lost");
}
END_TEST

/* Four bytes a character, shifted: three of the four cuts would fall inside one. */
START_TEST(a_long_text_is_cut_between_characters)
{
    char text[3000];
    for (int shift = 0; shift < 4; shift++) {
        struct err e = {0};
        memset(text, 'x', 4);
        for (int i = shift; i + 4 < (int)sizeof text; i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        err_set(&e, ERR_DATA, "%s", text);
        size_t len = strlen(e.text);
        ck_assert(len > sizeof e.text - 5 && len < sizeof e.text);
        ck_assert_uint_eq((len - (size_t)shift) % 4, 0);
        err_prefix(&e, "%s", text);
        ck_assert_uint_eq((strlen(e.text) - (size_t)shift) % 4, 0);
    }
}
END_TEST

START_TEST(a_text_that_just_fits_is_whole)
{
    struct err e = {0};
    char text[1000];
    memset(text, 'x', sizeof text);
    memcpy(text + 997, "\xC3\xA9", 3);
    err_set(&e, ERR_DATA, "%s", text);
    ck_assert_str_eq(e.text, text);
}
END_TEST

START_TEST(kinds_have_names)
{
    ck_assert_str_eq(err_kind_name(ERR_NONE), "none");
    ck_assert_str_eq(err_kind_name(ERR_RETRY), "retry");
    ck_assert_str_eq(err_kind_name(ERR_CONFIG), "config");
    ck_assert_str_eq(err_kind_name(ERR_DATA), "data");
    ck_assert_str_eq(err_kind_name(ERR_FATAL), "fatal");
}
END_TEST

SUITE_MAIN("err", setting_says_false_and_keeps_kind_and_text,
           control_characters_become_spaces_and_the_end_is_trimmed, a_prefix_goes_in_front_and_keeps_the_kind,
           the_old_text_may_be_an_argument, a_long_text_is_cut_between_characters,
           a_text_that_just_fits_is_whole, kinds_have_names)
