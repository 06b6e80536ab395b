/* test_types_numeric.c - numeric and money look as Debezium writes them, in every decimal.handling.mode. */
#include "sample.h"
#include "suite.h"

enum { MODES = 3 };

/* In the order of enum decimal_mode; NULL: cannot be converted. */
/* clang-format off */
static const struct {
    const char *type;
    int32_t typmod;
    const char *text;
    const char *want[MODES];
} EXAMPLES[] = {
    {"numeric", -1, "0", {"{\"scale\":0,\"value\":\"AA==\"}", "0.0", "\"0\""}},
    {"numeric", -1, "1", {"{\"scale\":0,\"value\":\"AQ==\"}", "1.0", "\"1\""}},
    {"numeric", -1, "-1", {"{\"scale\":0,\"value\":\"/w==\"}", "-1.0", "\"-1\""}},
    {"numeric", -1, "123.45", {"{\"scale\":2,\"value\":\"MDk=\"}", "123.45", "\"123.45\""}},
    {"numeric", -1, "-123.45", {"{\"scale\":2,\"value\":\"z8c=\"}", "-123.45", "\"-123.45\""}},
    {"numeric", -1, "0.000", {"{\"scale\":0,\"value\":\"AA==\"}", "0.0", "\"0.000\""}},
    {"numeric", -1, "100.00", {"{\"scale\":0,\"value\":\"ZA==\"}", "100.0", "\"100.00\""}},
    {"numeric", -1, "127", {"{\"scale\":0,\"value\":\"fw==\"}", "127.0", "\"127\""}},
    {"numeric", -1, "128", {"{\"scale\":0,\"value\":\"AIA=\"}", "128.0", "\"128\""}},
    {"numeric", -1, "-128", {"{\"scale\":0,\"value\":\"gA==\"}", "-128.0", "\"-128\""}},
    {"numeric", -1, "-129", {"{\"scale\":0,\"value\":\"/38=\"}", "-129.0", "\"-129\""}},
    {"numeric", -1, "32768", {"{\"scale\":0,\"value\":\"AIAA\"}", "32768.0", "\"32768\""}},
    {"numeric", -1, "-256", {"{\"scale\":0,\"value\":\"/wA=\"}", "-256.0", "\"-256\""}},
    {"numeric", -1, "-257", {"{\"scale\":0,\"value\":\"/v8=\"}", "-257.0", "\"-257\""}},
    {"numeric", -1, "99999999999999999999999999999999999999", {"{\"scale\":0,\"value\":\"SztMqFqGxHoJiiI//////w==\"}", "1.0E38", "\"99999999999999999999999999999999999999\""}},
    {"numeric", -1, "12345678901234567890123456789012345678901234567890.123456", {"{\"scale\":6,\"value\":\"AIDlGEqrHQpLJHE+xtlmmOYbXJFy3LrA\"}", "1.2345678901234567E49", "\"12345678901234567890123456789012345678901234567890.123456\""}},
    {"numeric", -1, "-12345678901234567890123456789012345678901234567890.5", {"{\"scale\":1,\"value\":\"q4cGHd9STaGy3n9zMkgwkBvxiZPH\"}", "-1.2345678901234567E49", "\"-12345678901234567890123456789012345678901234567890.5\""}},
    {"numeric", -1, "0.00000000000000000001", {"{\"scale\":20,\"value\":\"AQ==\"}", "1.0E-20", "\"0.00000000000000000001\""}},
    {"numeric", -1, "NaN", {NULL, "\"NaN\"", "\"NAN\""}},
    {"numeric", -1, "Infinity", {NULL, "\"Infinity\"", "\"POSITIVE_INFINITY\""}},
    {"numeric", -1, "-Infinity", {NULL, "\"-Infinity\"", "\"NEGATIVE_INFINITY\""}},
    {"numeric", -1, "123456789012345678", {"{\"scale\":0,\"value\":\"AbabS6Yw804=\"}", "1.2345678901234568E17", "\"123456789012345678\""}},
    {"numeric", -1, "-123456789012345678", {"{\"scale\":0,\"value\":\"/klktFnPDLI=\"}", "-1.2345678901234568E17", "\"-123456789012345678\""}},
    {"numeric", -1, "999999999999999999", {"{\"scale\":0,\"value\":\"DeC2s6dj//8=\"}", "1.0E18", "\"999999999999999999\""}},
    {"numeric", -1, "170141183460469231731687303715884105727", {"{\"scale\":0,\"value\":\"f////////////////////w==\"}", "1.7014118346046923E38", "\"170141183460469231731687303715884105727\""}},
    {"numeric", -1, "170141183460469231731687303715884105728", {"{\"scale\":0,\"value\":\"AIAAAAAAAAAAAAAAAAAAAAA=\"}", "1.7014118346046923E38", "\"170141183460469231731687303715884105728\""}},
    {"numeric", -1, "-170141183460469231731687303715884105728", {"{\"scale\":0,\"value\":\"gAAAAAAAAAAAAAAAAAAAAA==\"}", "-1.7014118346046923E38", "\"-170141183460469231731687303715884105728\""}},
    {"numeric", -1, "-170141183460469231731687303715884105729", {"{\"scale\":0,\"value\":\"/3////////////////////8=\"}", "-1.7014118346046923E38", "\"-170141183460469231731687303715884105729\""}},
    {"numeric", -1, "9223372036854775808", {"{\"scale\":0,\"value\":\"AIAAAAAAAAAA\"}", "9.223372036854776E18", "\"9223372036854775808\""}},
    {"numeric", -1, "-9223372036854775808", {"{\"scale\":0,\"value\":\"gAAAAAAAAAA=\"}", "-9.223372036854776E18", "\"-9223372036854775808\""}},
    {"numeric", -1, "12345.678900", {"{\"scale\":4,\"value\":\"B1vNFQ==\"}", "12345.6789", "\"12345.678900\""}},
    {"numeric", -1, "0.000001", {"{\"scale\":6,\"value\":\"AQ==\"}", "1.0E-6", "\"0.000001\""}},
    {"numeric", 327686, "123.45", {"\"MDk=\"", "123.45", "\"123.45\""}},
    {"numeric", 327686, "-0.01", {"\"/w==\"", "-0.01", "\"-0.01\""}},
    {"numeric", 327686, "0.00", {"\"AA==\"", "0.0", "\"0.00\""}},
    {"numeric", 327686, "1.00", {"\"ZA==\"", "1.0", "\"1.00\""}},
    {"numeric", 327686, "999.99", {"\"AYaf\"", "999.99", "\"999.99\""}},
    {"numeric", 327686, "-999.99", {"\"/nlh\"", "-999.99", "\"-999.99\""}},
    {"numeric", 327686, "0.01", {"\"AQ==\"", "0.01", "\"0.01\""}},
    {"numeric", 327686, "NaN", {NULL, "\"NaN\"", "\"NAN\""}},
    {"numeric", 1179652, "123456789012345678", {"\"AbabS6Yw804=\"", "1.2345678901234568E17", "\"123456789012345678\""}},
    {"numeric", 1179652, "-1", {"\"/w==\"", "-1.0", "\"-1\""}},
    {"numeric", 1179652, "0", {"\"AA==\"", "0.0", "\"0\""}},
    {"numeric", 1179652, "NaN", {NULL, "\"NaN\"", "\"NAN\""}},
    {"numeric", 2490375, "12345678901234567890123456789012345.678", {"\"CUmw9vACMxPESZBQ3jjzTg==\"", "1.234567890123457E34", "\"12345678901234567890123456789012345.678\""}},
    {"numeric", 2490375, "-0.001", {"\"/w==\"", "-0.001", "\"-0.001\""}},
    {"numeric", 3932174, "12345678901234567890123456789012345678901234567890.1234567890", {"\"E6r1BOS8HmIXP4ekN4w3tJyMz/GWzj8K0g==\"", "1.2345678901234567E49", "\"12345678901234567890123456789012345678901234567890.1234567890\""}},
    {"numeric", 3932174, "-1.0000000000", {"\"/av0HAA=\"", "-1.0", "\"-1.0000000000\""}},
    {"numeric", 131081, "0.00012", {"\"DA==\"", "1.2E-4", "\"0.00012\""}},
    {"numeric", 131081, "-0.00099", {"\"nQ==\"", "-9.9E-4", "\"-0.00099\""}},
    {"numeric", 131081, "0.00000", {"\"AA==\"", "0.0", "\"0.00000\""}},
    {"money", -1, "$1,234.50", {"\"AeI6\"", "1234.5", "\"1234.50\""}},
    {"money", -1, "-$0.01", {"\"/w==\"", "-0.01", "\"-0.01\""}},
    {"money", -1, "$0.00", {"\"AA==\"", "0.0", "\"0.00\""}},
    {"money", -1, "$92,233,720,368,547,758.07", {"\"f/////////8=\"", "9.223372036854776E16", "\"92233720368547758.07\""}},
    {"money", -1, "-$92,233,720,368,547,758.08", {"\"gAAAAAAAAAA=\"", "-9.223372036854776E16", "\"-92233720368547758.08\""}},
    {"money", -1, "$1.00", {"\"ZA==\"", "1.0", "\"1.00\""}},
    {"money", -1, "-$1,234,567.89", {"\"+KQy6w==\"", "-1234567.89", "\"-1234567.89\""}},
    {"money", -1, "$0.99", {"\"Yw==\"", "0.99", "\"0.99\""}},
    {"money", -1, "($0.01)", {"\"/w==\"", "-0.01", "\"-0.01\""}},
    {"money", -1, "1.50", {"\"AJY=\"", "1.5", "\"1.50\""}},
    {"money", -1, "€2.00", {"\"AMg=\"", "2.0", "\"2.00\""}},
};
/* clang-format on */

#define NUMERIC(precision, scale) ((precision)*65536 + (scale) + 4)

START_TEST(values_in_every_mode)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++)
        for (int mode = 0; mode < MODES; mode++) {
            s->modes.decimal = (enum decimal_mode)mode;
            const struct codec *c = sample_codec(s, EXAMPLES[i].type, EXAMPLES[i].typmod, false);
            const char *got = sample_json(s, c, EXAMPLES[i].text), *want = EXAMPLES[i].want[mode];
            want = want ? want : "error";
            ck_assert_msg(strcmp(got, want) == 0, "%s mode %d: %s, not %s", EXAMPLES[i].text, mode, got,
                          want);
        }
    sample_free(s);
}
END_TEST

START_TEST(schemas)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(sample_schema(s, sample_codec(s, "numeric", NUMERIC(5, 2), false)),
                     "{\"type\":\"bytes\",\"optional\":true,\"name\":\"org.apache.kafka.connect.data."
                     "Decimal\",\"version\":1,"
                     "\"parameters\":{\"scale\":\"2\",\"connect.decimal.precision\":\"5\"}}");
    ck_assert_str_eq(
        sample_schema(s, sample_codec(s, "numeric", -1, false)),
        "{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},"
        "{\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}],\"optional\":true,"
        "\"name\":\"io.debezium.data.VariableScaleDecimal\",\"version\":1,\"doc\":\"Variable scaled "
        "decimal\"}");
    ck_assert_str_eq(sample_schema(s, sample_codec(s, "money", -1, true)),
                     "{\"type\":\"bytes\",\"optional\":false,\"name\":\"org.apache.kafka.connect.data."
                     "Decimal\",\"version\":1,"
                     "\"parameters\":{\"scale\":\"2\"}}");
    s->modes.decimal = DECIMAL_DOUBLE;
    ck_assert_str_eq(sample_schema(s, sample_codec(s, "numeric", -1, true)),
                     "{\"type\":\"double\",\"optional\":false}");
    s->modes.decimal = DECIMAL_STRING;
    ck_assert_str_eq(sample_schema(s, sample_codec(s, "money", -1, true)),
                     "{\"type\":\"string\",\"optional\":false}");
    sample_free(s);
}
END_TEST

/* numeric(5,-2) of PostgreSQL 15: the modifier's low bits read unsigned. */
START_TEST(a_negative_scale_is_a_huge_one)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "numeric", (5 << 16 | 0x7FE) + 4, false);
    ck_assert_str_eq(c->schema->params[0].value, "2046");
    ck_assert_str_eq(sample_json(s, c, "0"), "\"AA==\"");
    s->modes.decimal = DECIMAL_STRING;
    const char *text = sample_json(s, sample_codec(s, "numeric", (5 << 16 | 0x7FE) + 4, false), "-700");
    ck_assert_uint_eq(strlen(text), 2 + 4 + 1 + 2046);
    ck_assert(strncmp(text, "\"-700.000", 9) == 0);
    sample_free(s);
}
END_TEST

START_TEST(absent_and_unchanged_values)
{
    static const char *const absent[MODES][3] = {{"\"AA==\"", "{\"scale\":0,\"value\":\"AA==\"}", "\"AA==\""},
                                                 {"0.0", "0.0", "0.0"},
                                                 {"\"0.00\"", "\"0\"", "\"0.00\""}};
    struct sample *s = sample_new();
    for (int mode = 0; mode < MODES; mode++) {
        s->modes.decimal = (enum decimal_mode)mode;
        const struct codec *fixed = sample_codec(s, "numeric", NUMERIC(5, 2), true),
                           *open = sample_codec(s, "numeric", -1, true);
        ck_assert_str_eq(sample_absent(s, fixed), absent[mode][0]);
        ck_assert_str_eq(sample_absent(s, open), absent[mode][1]);
        ck_assert_str_eq(sample_absent(s, sample_codec(s, "money", -1, true)), absent[mode][2]);
        const char *unchanged = mode == DECIMAL_STRING ? "\"__debezium_unavailable_value\"" : "null";
        ck_assert_str_eq(sample_unavailable(s, fixed), unchanged);
        ck_assert_str_eq(sample_unavailable(s, open), unchanged);
    }
    sample_free(s);
}
END_TEST

START_TEST(money_is_rounded_half_up)
{
    static const struct {
        int digits;
        const char *text, *want;
    } some[] = {{0, "$1.49", "\"AQ==\""},
                {0, "$1.50", "\"Ag==\""},
                {0, "-$9.50", "\"9g==\""},
                {1, "$9.95", "\"ZA==\""},
                {3, "$0.01", "\"Cg==\""}};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        s->modes.money_digits = some[i].digits;
        ck_assert_str_eq(sample_json(s, sample_codec(s, "money", -1, false), some[i].text), some[i].want);
    }
    sample_free(s);
}
END_TEST

/* decimal.format=NUMERIC: BigDecimal.toString. */
START_TEST(decimals_as_numbers)
{
    static const struct {
        int scale;
        const char *text, *want;
    } some[] = {
        {2, "123.45", "123.45"},
        {10, "0", "0E-10"},
        {8, "0.00000001", "1E-8"},
        {8, "0.00000100", "0.00000100"},
        {20, "-0.00000123", "-0.00000123000000000000"},
        {10, "0.0000001234", "1.234E-7"},
        {0, "5", "5"},
        {2, "-0.5", "-0.50"},
        {20, "12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"}};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const struct codec *c = sample_codec(s, "numeric", NUMERIC(40, some[i].scale), false);
        struct buf b = BUF_EMPTY;
        ck_assert(codec_write(c, slice_of(some[i].text), &b, &s->arena,
                              &(struct json_style){.decimal_as_number = true}, &s->err));
        ck_assert_str_eq(sample_kept(s, &b), some[i].want);
    }
    sample_free(s);
}
END_TEST

START_TEST(noise_is_a_value_or_an_error)
{
    static const char *const bad[] = {"",   "-",    ".",   "1.2.3", "1e5", " 1",
                                      "1 ", "0x10", "nan", "Inf",   "+-1", "1,000"};
    struct sample *s = sample_new();
    for (int mode = 0; mode < MODES; mode++) {
        s->modes.decimal = (enum decimal_mode)mode;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            ck_assert_str_eq(sample_json(s, sample_codec(s, "numeric", -1, false), bad[i]), "error");
        ck_assert_str_eq(sample_json(s, sample_codec(s, "numeric", NUMERIC(5, 2), false), "0.001"), "error");
    }
    for (unsigned i = 0; i < 8000; i++) {
        size_t n = i % (sizeof EXAMPLES / sizeof *EXAMPLES);
        s->modes.decimal = (enum decimal_mode)(i % MODES);
        const struct codec *c = sample_codec(s, EXAMPLES[n].type, EXAMPLES[n].typmod, false);
        sample_json_bytes(s, c, sample_noise(s, EXAMPLES[n].text, i));
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_numeric", values_in_every_mode, schemas, a_negative_scale_is_a_huge_one,
           absent_and_unchanged_values, money_is_rounded_half_up, decimals_as_numbers,
           noise_is_a_value_or_an_error)
