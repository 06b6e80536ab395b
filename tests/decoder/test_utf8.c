/* test_utf8.c - bytes become text as in Java. */
#include "utf8.h"

#include "suite.h"

static bool becomes(struct slice bytes, const char *text)
{
    struct arena a = {0};
    bool same = slice_is(utf8_mended(bytes, &a), text);
    arena_free(&a);
    return same;
}

START_TEST(good_text_stays)
{
    struct arena a = {0};
    struct slice s = SLICE("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    ck_assert_ptr_eq(utf8_mended(s, &a).ptr, s.ptr);
    arena_free(&a);
}
END_TEST

START_TEST(each_broken_sequence_is_one_replacement)
{
    ck_assert(becomes(SLICE("\xFF"
                            "A"),
                      "\xEF\xBF\xBD"
                      "A"));
    ck_assert(becomes(SLICE("\xE2\x82"), "\xEF\xBF\xBD"));
    ck_assert(becomes(SLICE("\xF0\x9F"
                            "x\x80"),
                      "\xEF\xBF\xBD"
                      "x\xEF\xBF\xBD"));
    ck_assert_msg(becomes(SLICE("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"),
                  "half of a pair is no character");
    ck_assert_msg(becomes(SLICE("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD"), "nor is a longer form than needed");
}
END_TEST

START_TEST(text_is_utf8)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xc3\xa9z"};
    static const char *const bad[] = {
        "\x80",     "\xc3",          "\xc0\xaf",         "\xc1\xbf",         "\xe0\x80\xaf",
        "\xe2\x82", "\xed\xa0\x80",  "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",     "a\xe2\x28\xa1", "\xf0\x9f\x98\x28"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        ck_assert_msg(utf8_valid(slice_of(good[i])), "good %zu", i);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!utf8_valid(slice_of(bad[i])), "bad %zu", i);
}
END_TEST

SUITE_MAIN("utf8", good_text_stays, each_broken_sequence_is_one_replacement, text_is_utf8)
