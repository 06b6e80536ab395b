/* test_name_adjust.c - names are adjusted as Debezium does it. */
#include "name_adjust.h"

#include "suite.h"

static bool field(enum name_adjust how, const char *name, const char *expected)
{
    struct arena a = {0};
    bool same = strcmp(name_adjust(how, true, name, &a), expected) == 0;
    arena_free(&a);
    return same;
}

static bool schema(enum name_adjust how, const char *name, const char *expected)
{
    struct arena a = {0};
    bool same = strcmp(name_adjust(how, false, name, &a), expected) == 0;
    arena_free(&a);
    return same;
}

START_TEST(without_a_mode_names_stay)
{
    ck_assert(field(NAME_ADJUST_NONE, "a-b.c", "a-b.c"));
}
END_TEST

START_TEST(avro_puts_underscores)
{
    ck_assert(field(NAME_ADJUST_AVRO, "a-b c.d_e1", "a_b_c_d_e1"));
    ck_assert(field(NAME_ADJUST_AVRO, "$x", "_x"));
    ck_assert_msg(field(NAME_ADJUST_AVRO, "1st", "_1st"), "a digit in front is kept behind the underscore");
    ck_assert_msg(field(NAME_ADJUST_AVRO, "\xD9\xA3x", "_\xD9\xA3x"), "and so is another script's");
    ck_assert_msg(field(NAME_ADJUST_AVRO, "x\xF0\x9F\x98\x80y", "x__y"), "Java sees two units");
    ck_assert(schema(NAME_ADJUST_AVRO, "p-q.s.t-u.Value", "p_q.s.t_u.Value"));
}
END_TEST

START_TEST(avro_unicode_writes_the_number)
{
    ck_assert(field(NAME_ADJUST_AVRO_UNICODE, "a-b_c.d", "a_u002db_u005fc_u002ed"));
    ck_assert(field(NAME_ADJUST_AVRO_UNICODE, "1st", "_u0031st"));
    ck_assert(field(NAME_ADJUST_AVRO_UNICODE, "\xC8\x80\xE2\x82\xAC", "_u200_u20ac"));
    ck_assert(field(NAME_ADJUST_AVRO_UNICODE, "\xF0\x9F\x98\x80", "_ud83d_ude00"));
    ck_assert(schema(NAME_ADJUST_AVRO_UNICODE, "p.s_t.Key", "p.s_u005ft.Key"));
}
END_TEST

SUITE_MAIN("name_adjust", without_a_mode_names_stay, avro_puts_underscores, avro_unicode_writes_the_number)
