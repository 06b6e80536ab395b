/* test_types_number.c - booleans, integers and floats look as Debezium writes them. */
#include "sample.h"
#include "suite.h"

/* clang-format off */
static const struct {
    const char *type;
    int32_t typmod;
    const char *text;
    const char *want[1];
} EXAMPLES[] = {
    {"int2", -1, "-32768", {"-32768"}},
    {"int2", -1, "32767", {"32767"}},
    {"int2", -1, "0", {"0"}},
    {"int4", -1, "-2147483648", {"-2147483648"}},
    {"int4", -1, "2147483647", {"2147483647"}},
    {"int8", -1, "-9223372036854775808", {"-9223372036854775808"}},
    {"int8", -1, "9223372036854775807", {"9223372036854775807"}},
    {"oid", -1, "0", {"0"}},
    {"oid", -1, "4294967295", {"4294967295"}},
    {"bool", -1, "t", {"true"}},
    {"bool", -1, "f", {"false"}},
    {"float4", -1, "1.5", {"1.5"}},
    {"float4", -1, "NaN", {"\"NaN\""}},
    {"float4", -1, "Infinity", {"\"Infinity\""}},
    {"float4", -1, "-Infinity", {"\"-Infinity\""}},
    {"float4", -1, "0", {"0.0"}},
    {"float4", -1, "-0", {"-0.0"}},
    {"float4", -1, "1e+10", {"1.0E10"}},
    {"float4", -1, "1e-05", {"1.0E-5"}},
    {"float4", -1, "3.4028235e+38", {"3.4028235E38"}},
    {"float4", -1, "1e-45", {"1.4E-45"}},
    {"float4", -1, "1.6777216e+07", {"1.6777216E7"}},
    {"float4", -1, "0.1", {"0.1"}},
    {"float4", -1, "123456.7", {"123456.7"}},
    {"float4", -1, "1e+07", {"1.0E7"}},
    {"float4", -1, "9.999999e+06", {"9999999.0"}},
    {"float4", -1, "0.001", {"0.001"}},
    {"float4", -1, "0.0001", {"1.0E-4"}},
    {"float4", -1, "0.002", {"0.002"}},
    {"float4", -1, "3.3554432e+07", {"3.3554432E7"}},
    {"float4", -1, "100", {"100.0"}},
    {"float4", -1, "1e+22", {"1.0E22"}},
    {"float8", -1, "0.1", {"0.1"}},
    {"float8", -1, "NaN", {"\"NaN\""}},
    {"float8", -1, "Infinity", {"\"Infinity\""}},
    {"float8", -1, "-Infinity", {"\"-Infinity\""}},
    {"float8", -1, "0", {"0.0"}},
    {"float8", -1, "-0", {"-0.0"}},
    {"float8", -1, "10000000000", {"1.0E10"}},
    {"float8", -1, "1e-05", {"1.0E-5"}},
    {"float8", -1, "1.7976931348623157e+308", {"1.7976931348623157E308"}},
    {"float8", -1, "5e-324", {"4.9E-324"}},
    {"float8", -1, "10000000", {"1.0E7"}},
    {"float8", -1, "9999999", {"9999999.0"}},
    {"float8", -1, "12345678.9", {"1.23456789E7"}},
    {"float8", -1, "0.001", {"0.001"}},
    {"float8", -1, "0.0001", {"1.0E-4"}},
    {"float8", -1, "0.002", {"0.002"}},
    {"float8", -1, "2.2250738585072014e-308", {"2.2250738585072014E-308"}},
    {"float8", -1, "9.007199254740992e+15", {"9.007199254740992E15"}},
    {"float8", -1, "100", {"100.0"}},
    {"float8", -1, "1e+22", {"1.0E22"}},
    {"float8", -1, "2.9802322387695312e-08", {"2.9802322387695312E-8"}},
    {"int2vector", -1, "1 2", {"[]"}},
    {"oidvector", -1, "1 2", {"[]"}},
};
/* clang-format on */

START_TEST(values)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++)
        ck_assert_str_eq(sample_json(s, sample_codec(s, EXAMPLES[i].type, -1, false), EXAMPLES[i].text),
                         EXAMPLES[i].want[0]);
    sample_free(s);
}
END_TEST

START_TEST(schemas_and_fallbacks)
{
    static const char *const some[][3] = {
        {"bool", "boolean", "false"}, {"int2", "int16", "0"}, {"int4", "int32", "0"},
        {"int8", "int64", "0"},       {"oid", "int64", "0"},  {"float4", "float", "0.0"},
        {"float8", "double", "0.0"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const struct codec *c = sample_codec(s, some[i][0], -1, true);
        ck_assert_str_eq(sample_schema(s, c),
                         arena_printf(&s->arena, "{\"type\":\"%s\",\"optional\":false}", some[i][1]));
        ck_assert_str_eq(sample_absent(s, c), some[i][2]);
        ck_assert_str_eq(sample_absent(s, sample_codec(s, some[i][0], -1, false)), "null");
    }
    ck_assert_str_eq(
        sample_schema(s, sample_codec(s, "int2vector", -1, false)),
        "{\"type\":\"array\",\"items\":{\"type\":\"int16\",\"optional\":false},\"optional\":true}");
    sample_free(s);
}
END_TEST

/* Leading zeros would not be JSON. */
START_TEST(integers_are_written_as_numbers)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(sample_json(s, sample_codec(s, "int4", -1, false), "007"), "7");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "int4", -1, false), "-0"), "0");
    sample_free(s);
}
END_TEST

START_TEST(what_does_not_fit_is_an_error)
{
    static const char *const bad[][2] = {
        {"bool", ""},
        {"bool", "true"},
        {"bool", "x"},
        {"int2", "32768"},
        {"int2", "-32769"},
        {"int4", "2147483648"},
        {"int4", "-2147483649"},
        {"int8", "9223372036854775808"},
        {"int8", "-9223372036854775809"},
        {"int8", ""},
        {"int8", "-"},
        {"int8", "1a"},
        {"int8", " 1"},
        {"int8", "+1"},
        {"int8", "111111111111111111111"},
        {"float8", ""},
        {"float8", "."},
        {"float8", "1e"},
        {"float8", "0x1p3"},
        {"float8", "nan"},
        {"float8", "inf"},
        {"float8", " 1"},
        {"float8", "1.2.3"},
        {"float4", "1f"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(strcmp(sample_json(s, sample_codec(s, bad[i][0], -1, false), bad[i][1]), "error") == 0,
                      "%s", bad[i][1]);
    sample_free(s);
}
END_TEST

START_TEST(noise_is_a_value_or_an_error)
{
    struct sample *s = sample_new();
    for (unsigned i = 0; i < 8000; i++) {
        size_t n = i % (sizeof EXAMPLES / sizeof *EXAMPLES);
        sample_json_bytes(s, sample_codec(s, EXAMPLES[n].type, -1, false),
                          sample_noise(s, EXAMPLES[n].text, i));
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_number", values, schemas_and_fallbacks, integers_are_written_as_numbers,
           what_does_not_fit_is_an_error, noise_is_a_value_or_an_error)
