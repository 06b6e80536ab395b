/* test_pattern.c - include and exclude lists match as Debezium's do. */
#include "pattern.h"
#include "suite.h"

static bool matches(const char *text, const char *name)
{
    struct err e = {0};
    struct pattern_list *p = pattern_list_new(text, &e);
    ck_assert_msg(p != NULL, "%s", e.text);
    bool found = pattern_list_match(p, slice_of(name));
    pattern_list_free(p);
    return found;
}

START_TEST(an_expression_matches_the_whole_name)
{
    ck_assert(matches("public.orders", "public.orders"));
    ck_assert(!matches("public.orders", "public.orders_old"));
    ck_assert(!matches("public.orders", "my.public.orders"));
    ck_assert(!matches("a|ab", "abc"));
    ck_assert(matches("a|ab", "ab"));
    ck_assert(matches("public\\..*", "public.any"));
    ck_assert(!matches("public\\.orders", "publicXorders"));
}
END_TEST

START_TEST(case_does_not_count)
{
    ck_assert(matches("Public.ORDERS", "public.orders"));
    ck_assert(matches("public.orders", "PUBLIC.Orders"));
}
END_TEST

START_TEST(blanks_and_empty_items_are_left_out)
{
    struct err e = {0};
    struct pattern_list *p = pattern_list_new(" a , ,\tb\n,,c d,", &e);
    ck_assert_uint_eq(pattern_list_count(p), 3);
    ck_assert_int_eq(pattern_list_find(p, SLICE("a")), 0);
    ck_assert_int_eq(pattern_list_find(p, SLICE("b")), 1);
    ck_assert_int_eq(pattern_list_find(p, SLICE("c d")), 2);
    ck_assert_int_eq(pattern_list_find(p, SLICE("")), -1);
    pattern_list_free(p);
}
END_TEST

START_TEST(an_empty_list_matches_nothing)
{
    ck_assert(!matches(NULL, "a") && !matches("", "") && !matches(" , ", ""));
    pattern_list_free(NULL);
}
END_TEST

START_TEST(an_escaped_comma_belongs_to_the_expression)
{
    ck_assert(matches("a\\,b", "a,b"));
    ck_assert(matches("t\\d{1\\,3}", "t12"));
    ck_assert(!matches("t\\d{1\\,3}", "t1234"));
    ck_assert(matches("a\\\\,b", "a\\") && matches("a\\\\,b", "b"));
}
END_TEST

START_TEST(the_first_that_matches_is_found)
{
    struct err e = {0};
    struct pattern_list *p = pattern_list_new("public.a,public.*,.*", &e);
    ck_assert_int_eq(pattern_list_find(p, SLICE("public.a")), 0);
    ck_assert_int_eq(pattern_list_find(p, SLICE("public.b")), 1);
    ck_assert_int_eq(pattern_list_find(p, SLICE("x")), 2);
    pattern_list_free(p);
}
END_TEST

START_TEST(names_are_utf8)
{
    ck_assert(matches("caf.", "caf\xC3\xA9"));
    ck_assert(!matches("caf.", "caf\xC3"));
}
END_TEST

static void refused(const char *text, const char *part)
{
    struct err e = {0};
    ck_assert_ptr_null(pattern_list_new(text, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, part) != NULL, "%s", e.text);
}

START_TEST(a_bad_expression_is_named)
{
    refused("good,ba(d", "\"ba(d\"");
    refused("*", "\"*\"");
    refused("end\\", "\"end\\\"");
    refused("\xFF", "UTF-8");
}
END_TEST

/* Java would read these as a union and an intersection, PCRE2 as something else: neither is to be guessed. */
START_TEST(classes_that_only_java_has_are_refused)
{
    refused("[a-z&&[^b]]+", "[a-z&&[^b]]+");
    refused("[a[bc]]", "nested");
    ck_assert(matches("[a\\[]+", "a["));
    ck_assert(matches("[^]a]&&[b]", "x&&b"));
    ck_assert(matches("\\Q[[\\E[a]", "[[a"));
}
END_TEST

/* Without a limit this takes longer than anyone would wait: there are 2^59 ways to cut the name up. */
START_TEST(a_malicious_expression_ends)
{
    ck_assert(!matches("(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc"));
}
END_TEST

SUITE_MAIN("pattern", an_expression_matches_the_whole_name, case_does_not_count,
           blanks_and_empty_items_are_left_out, an_empty_list_matches_nothing,
           an_escaped_comma_belongs_to_the_expression, the_first_that_matches_is_found, names_are_utf8,
           a_bad_expression_is_named, classes_that_only_java_has_are_refused, a_malicious_expression_ends)
