/* test_types_interval.c - intervals in both interval.handling.modes. */
#include "sample.h"
#include "suite.h"

/* clang-format off */
static const struct {
    const char *type;
    int32_t typmod;
    const char *text;
    const char *want[2];
} EXAMPLES[] = {
    {"interval", -1, "1 year 2 mons 3 days 04:05:06.789", {"37091106789000", "\"P1Y2M3DT4H5M6.789S\""}},
    {"interval", -1, "00:00:00", {"0", "\"P0Y0M0DT0H0M0S\""}},
    {"interval", -1, "-1 years", {"-31557600000000", "\"P-1Y0M0DT0H0M0S\""}},
    {"interval", -1, "1 mon", {"2629800000000", "\"P0Y1M0DT0H0M0S\""}},
    {"interval", -1, "-1 mons -2 days +03:00:00", {"-2791800000000", "\"P0Y-1M-2DT3H0M0S\""}},
    {"interval", -1, "00:00:00.000001", {"1", "\"P0Y0M0DT0H0M0.000001S\""}},
    {"interval", -1, "-00:00:00.000001", {"-1", "\"P0Y0M0DT0H0M-0.000001S\""}},
    {"interval", -1, "-00:00:01.5", {"-1500000", "\"P0Y0M0DT0H0M-1.5S\""}},
    {"interval", -1, "178000000 years", {"9223372036854775807", "\"P178000000Y0M0DT0H0M0S\""}},
    {"interval", -1, "-178000000 years", {"-9223372036854775808", "\"P-178000000Y0M0DT0H0M0S\""}},
    {"interval", -1, "2147483647 days", {"9223372036854775807", "\"P0Y0M2147483647DT0H0M0S\""}},
    {"interval", -1, "-04:05:06.789", {"-14706789000", "\"P0Y0M0DT-4H-5M-6.789S\""}},
    {"interval", -1, "1 day -00:00:00.5", {"86399500000", "\"P0Y0M1DT0H0M-0.5S\""}},
    {"interval", -1, "11 mons", {"28927800000000", "\"P0Y11M0DT0H0M0S\""}},
    {"interval", -1, "100:00:00", {"360000000000", "\"P0Y0M0DT100H0M0S\""}},
    {"interval", -1, "1 mon -1 days", {"2543400000000", "\"P0Y1M-1DT0H0M0S\""}},
    {"interval", -1, "3 years 7 mons 15 days 23:59:59.999999", {"114463799999999", "\"P3Y7M15DT23H59M59.999999S\""}},
    {"interval", -1, "-1 days +00:00:01", {"-86399000000", "\"P0Y0M-1DT0H0M1S\""}},
    {"interval", -1, "00:00:59.999999", {"59999999", "\"P0Y0M0DT0H0M59.999999S\""}},
    {"interval", -1, "00:01:00", {"60000000", "\"P0Y0M0DT0H1M0S\""}},
    {"interval", -1, "00:00:01", {"1000000", "\"P0Y0M0DT0H0M1S\""}},
    {"interval", -1, "10:00:00.1", {"36000100000", "\"P0Y0M0DT10H0M0.1S\""}},
    {"interval", -1, "9 mons", {"23668200000000", "\"P0Y9M0DT0H0M0S\""}},
    {"interval", -1, "infinity", {"0", "\"P0Y0M0DT0H0M0S\""}},
};
/* clang-format on */

START_TEST(values_in_both_modes)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++)
        for (int mode = 0; mode < 2; mode++) {
            s->modes.interval = (enum interval_mode)mode;
            ck_assert_str_eq(sample_json(s, sample_codec(s, "interval", -1, false), EXAMPLES[i].text),
                             EXAMPLES[i].want[mode]);
        }
    sample_free(s);
}
END_TEST

/* Java adds 0.1 and 9 as doubles; where the sum lies below the decimal, cutting it to nanoseconds shows. */
START_TEST(seconds_are_cut_as_java_cuts_them)
{
    struct sample *s = sample_new();
    s->modes.interval = INTERVAL_STRING;
    const struct codec *c = sample_codec(s, "interval", -1, false);
    int cut = 0;
    for (int us = 0; us < 1000000; us += 997) {
        double sum = 4 + us / 1000000.0, nearest = (4000000 + us) / 1e6;
        const char *text = arena_printf(&s->arena, "00:00:04.%06d", us);
        const char *got = sample_json(s, c, text);
        bool nines = strstr(got, "999S") != NULL && us % 1000 != 999;
        ck_assert_msg(nines == (sum < nearest), "%s", got);
        cut += nines;
        arena_reset(&s->arena);
        c = sample_codec(s, "interval", -1, false);
    }
    ck_assert_int_gt(cut, 0);
    sample_free(s);
}
END_TEST

START_TEST(schema_and_fallback)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "interval", -1, true);
    ck_assert_str_eq(sample_schema(s, c), "{\"type\":\"int64\",\"optional\":false,"
                                          "\"name\":\"io.debezium.time.MicroDuration\",\"version\":1}");
    ck_assert_str_eq(sample_absent(s, c), "0");
    s->modes.interval = INTERVAL_STRING;
    c = sample_codec(s, "interval", -1, true);
    ck_assert_str_eq(
        sample_schema(s, c),
        "{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.time.Interval\",\"version\":1}");
    ck_assert_str_eq(sample_absent(s, c), "\"P0Y0M0DT0H0M0S\"");
    sample_free(s);
}
END_TEST

START_TEST(noise_is_a_value_or_an_error)
{
    struct sample *s = sample_new();
    static const char *const bad[] = {"",        "1",         "1 hour", "1 day 2", "1  day",
                                      "00:0:00", "00:00:00.", "1 day,", "--1 day"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(strcmp(sample_json(s, sample_codec(s, "interval", -1, false), bad[i]), "error") == 0,
                      "%s", bad[i]);
    for (unsigned i = 0; i < 4000; i++) {
        s->modes.interval = (enum interval_mode)(i % 2);
        const char *like = EXAMPLES[i % (sizeof EXAMPLES / sizeof *EXAMPLES)].text;
        sample_json_bytes(s, sample_codec(s, "interval", -1, false), sample_noise(s, like, i));
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_interval", values_in_both_modes, seconds_are_cut_as_java_cuts_them, schema_and_fallback,
           noise_is_a_value_or_an_error)
