/* test_rewrite.c - names are rewritten as Java's Matcher.replaceFirst would. */
#include "rewrite.h"
#include "suite.h"

#include <stdio.h>

static const char *rewritten(const char *expression, const char *replacement, const char *text)
{
    static char out[200];
    struct err e = {0};
    struct buf b = BUF_EMPTY;
    struct rewrite *r = rewrite_new(expression, replacement, &e);
    ck_assert_msg(r != NULL, "%s", e.text);
    bool ok = rewrite_apply(r, slice_of(text), &b);
    ck_assert(ok || b.len == 0);
    snprintf(out, sizeof out, "%s", ok ? b.ptr : "no match");
    buf_free(&b);
    rewrite_free(r);
    return out;
}

static void refused(const char *expression, const char *replacement, const char *why)
{
    struct err e = {0};
    ck_assert_ptr_null(rewrite_new(expression, replacement, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, why) != NULL, "%s", e.text);
}

START_TEST(groups_stand_for_what_they_matched)
{
    ck_assert_str_eq(rewritten("(.*)_shard_(\\d+)", "$1.all", "shop.t_shard_7"), "shop.t.all");
    ck_assert_str_eq(rewritten("(?<a>[^.]*)[.](.*)", "${a}-$2", "x.y.z"), "x-y.z");
    ck_assert_str_eq(rewritten("(a)(b)?", "<$2$1>", "a"), "<a>");
    ck_assert_str_eq(rewritten("a.*", "$0!", "abc"), "abc!");
}
END_TEST

/* $12 is the twelfth group only where there is one. */
START_TEST(digits_belong_to_a_group_as_long_as_there_is_one)
{
    ck_assert_str_eq(rewritten("(a)", "$12", "a"), "a2");
    ck_assert_str_eq(rewritten("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)", "$12$1", "abcdefghijkl"), "la");
}
END_TEST

START_TEST(a_backslash_makes_the_next_character_plain)
{
    ck_assert_str_eq(rewritten("a", "\\$1 \\\\ x", "a"), "$1 \\ x");
}
END_TEST

START_TEST(only_a_whole_match_counts_and_case_does)
{
    ck_assert_str_eq(rewritten("a", "x", "ab"), "no match");
    ck_assert_str_eq(rewritten("A", "x", "a"), "no match");
    ck_assert_str_eq(rewritten("", "x", ""), "x");
}
END_TEST

/* matches() tries all ways to match the whole; replaceFirst then replaces what is found first. */
START_TEST(the_first_find_is_replaced_as_in_java)
{
    ck_assert_str_eq(rewritten("a|ab", "x", "ab"), "xb");
}
END_TEST

START_TEST(what_cannot_work_is_refused)
{
    refused("(", "x", "\"(\"");
    refused("(a)", "$2", "no such group");
    refused("(a)", "${b}", "no such group");
    refused("(a)", "$", "no such group");
    refused("a", "x\\", "backslash");
    refused("[a&&b]", "x", "not supported");
}
END_TEST

SUITE_MAIN("rewrite", groups_stand_for_what_they_matched, digits_belong_to_a_group_as_long_as_there_is_one,
           a_backslash_makes_the_next_character_plain, only_a_whole_match_counts_and_case_does,
           the_first_find_is_replaced_as_in_java, what_cannot_work_is_refused)
