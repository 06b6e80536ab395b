/* test_moment.c - the calendar: every day goes to its number and back, from 4713 BC to 5874897. */
#include "moment.h"
#include "suite.h"

#include <stdio.h>

START_TEST(days_and_dates_go_together)
{
    for (int64_t day = -2440588; day < 2145042906; day += day < 800000 ? 1 : 99991) {
        char iso[MOMENT_TEXT_MOST], text[MOMENT_TEXT_MOST];
        char *end = moment_put_date(iso, day);
        struct slice written = {iso, (size_t)(end - iso)};
        int year = atoi(iso + (iso[0] == '+'));
        int n = snprintf(text, sizeof text, "%04d%.6s%s", year > 0 ? year : 1 - year, end - 6,
                         year > 0 ? "" : " BC");
        struct moment m;
        ck_assert_msg(moment_parse((struct slice){text, (size_t)n}, MOMENT_DATE, &m), "%s", text);
        ck_assert_msg(m.days == day, "%.*s", (int)written.len, written.ptr);
    }
}
END_TEST

START_TEST(offsets_move_to_utc)
{
    static const struct {
        const char *text;
        int64_t days, us;
    } some[] = {{"2020-01-01 00:00:00+02", 18261, INT64_C(79200000000)},
                {"2020-01-01 23:30:00-01:30", 18263, INT64_C(3600000000)},
                {"1970-01-01 00:00:00+00:53:28", -1, DAY_US - INT64_C(3208000000)},
                {"2020-01-01 24:00:00+00", 18263, 0}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct moment m;
        ck_assert(moment_parse(slice_of(some[i].text), MOMENT_DATE | MOMENT_TIME | MOMENT_OFFSET, &m));
        moment_utc(&m);
        ck_assert_int_eq(m.days, some[i].days);
        ck_assert_int_eq(m.us, some[i].us);
    }
}
END_TEST

START_TEST(fractions)
{
    static const struct {
        int64_t us;
        int digits;
        const char *want;
    } some[] = {{0, -1, "00:00:00"},       {500000, -1, "00:00:00.5"},  {1, -1, "00:00:00.000001"},
                {0, 6, "00:00:00.000000"}, {123456, 3, "00:00:00.123"}, {DAY_US - 1, 0, "23:59:59"}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        char out[MOMENT_TEXT_MOST];
        *moment_put_time(out, some[i].us, some[i].digits) = 0;
        ck_assert_str_eq(out, some[i].want);
    }
}
END_TEST

START_TEST(parts_that_may_be_missing)
{
    struct moment m;
    unsigned lax = MOMENT_DATE | MOMENT_TIME | MOMENT_OFFSET | MOMENT_LAX;
    ck_assert(moment_parse(SLICE("2020-02-29"), lax, &m) && m.days == 18321 && m.us == 0);
    ck_assert(moment_parse(SLICE("0044-03-15 BC"), lax, &m) && m.days == -735160);
    ck_assert(moment_parse(SLICE("2020-02-29 12:00"), lax, &m) && m.us == DAY_US / 2);
    ck_assert(moment_parse(SLICE("12:34"), MOMENT_TIME | MOMENT_LAX, &m) && m.us == INT64_C(45240000000));
    ck_assert(!moment_parse(SLICE("2020-02-29"), lax & ~(unsigned)MOMENT_LAX, &m));
    ck_assert(moment_parse(SLICE("-infinity"), lax, &m) && m.infinity == -1);
    ck_assert(!moment_parse(SLICE("infinity"), MOMENT_TIME, &m));
    ck_assert(!moment_parse(SLICE("today"), lax, &m));
}
END_TEST

static int64_t day_of(const char *text)
{
    struct moment m;
    ck_assert_msg(moment_parse(slice_of(text), MOMENT_DATE, &m), "%s", text);
    return m.days;
}

START_TEST(days_of_sql_lose_their_era)
{
    static const char *const cases[][2] = {
        {"2024-02-29", "2024-02-29"},    {"0001-01-01", "0001-01-01"}, {"0044-03-15 BC", "0044-03-15"},
        {"4713-02-28 BC", "4713-02-28"}, {"1582-10-04", "1582-10-04"}, {"1582-10-05", "1582-10-15"},
        {"1582-10-14", "1582-10-24"},    {"1582-10-15", "1582-10-15"},
    };
    int64_t day;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(moment_sql_date(day_of(cases[i][0]), &day));
        ck_assert_int_eq(day, day_of(cases[i][1]));
    }
    ck_assert(!moment_sql_date(day_of("0005-02-29 BC"), &day));
}
END_TEST

START_TEST(days_of_the_julian_calendar)
{
    static const char *const cases[][2] = {
        {"1582-10-15", "1582-10-15"},       {"1582-10-14", "1582-10-24"},
        {"1582-10-04", "1582-10-14"},       {"1000-02-28", "1000-03-05"},
        {"0004-02-29", "0004-02-27"},       {"0001-01-01", "0001-12-30 BC"},
        {"0044-03-15 BC", "0044-03-13 BC"}, {"4713-01-01 BC", "4714-11-24 BC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(moment_julian(day_of(cases[i][0])), day_of(cases[i][1]));
}
END_TEST

SUITE_MAIN("moment", days_of_sql_lose_their_era, days_of_the_julian_calendar, days_and_dates_go_together,
           offsets_move_to_utc, fractions, parts_that_may_be_missing)
