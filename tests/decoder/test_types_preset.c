/* test_types_preset.c - a column default's expression gives the schema's default as Debezium reads it. */
#include "sample.h"
#include "suite.h"

/* What pg_get_expr prints; NULL: the schema carries no default. */
/* clang-format off */
static const struct {
    const char *type;
    int32_t typmod;
    const char *expression;
    const char *want;
} EXAMPLES[] = {
    {"bool", -1, "true", "true"},
    {"bool", -1, "false", "false"},
    {"bool", -1, "(1 = 1)", "false"},
    {"bool", -1, "(NOT true)", "false"},
    {"int2", -1, "42", "42"},
    {"int2", -1, "'-5'::integer", "-5"},
    {"int2", -1, "(1 + 1)", NULL},
    {"int2", -1, "'7'::smallint", "7"},
    {"int4", -1, "42", "42"},
    {"int4", -1, "'-5'::integer", "-5"},
    {"int4", -1, "nextval('v.sq'::regclass)", "0"},
    {"int4", -1, "12", "12"},
    {"int4", -1, "length('abc'::text)", "0"},
    {"int4", -1, "(1)::bigint", NULL},
    {"int8", -1, "42", "42"},
    {"int8", -1, "'-5'::integer", "-5"},
    {"int8", -1, "'9007199254740993'::bigint", "9007199254740993"},
    {"int8", -1, "'-9223372036854775808'::bigint", "-9223372036854775808"},
    {"int8", -1, "nextval('v.sq'::regclass)", "0"},
    {"int8", -1, "(1)::smallint", NULL},
    {"oid", -1, "42", NULL},
    {"oid", -1, "'pg_class'::regclass", NULL},
    {"float4", -1, "1.5", "1.5"},
    {"float4", -1, "'-1.5'::numeric", "-1.5"},
    {"float4", -1, "1", "1.0"},
    {"float4", -1, "'10000000000'::numeric", "1.0E10"},
    {"float4", -1, "'NaN'::real", "\"NaN\""},
    {"float4", -1, "'Infinity'::real", "\"Infinity\""},
    {"float4", -1, "random()", "0.0"},
    {"float4", -1, "'1.5'::real", "1.5"},
    {"float4", -1, "'-Infinity'::real", "\"-Infinity\""},
    {"float4", -1, "0.1", "0.1"},
    {"float8", -1, "1.5", "1.5"},
    {"float8", -1, "'-1.5'::numeric", "-1.5"},
    {"float8", -1, "1", "1.0"},
    {"float8", -1, "'10000000000'::numeric", "1.0E10"},
    {"float8", -1, "'NaN'::double precision", "\"NaN\""},
    {"float8", -1, "'-Infinity'::double precision", "\"-Infinity\""},
    {"float8", -1, "random()", "0.0"},
    {"float8", -1, "'1.5'::double precision", "1.5"},
    {"float8", -1, "0.1", "0.1"},
    {"float8", -1, "pi()", "0.0"},
    {"numeric", -1, "1.5", NULL},
    {"numeric", -1, "'-1.5'::numeric", NULL},
    {"numeric", -1, "1", NULL},
    {"numeric", -1, "1.50", NULL},
    {"numeric", -1, "'NaN'::numeric", NULL},
    {"numeric", -1, "random()", NULL},
    {"numeric", -1, "100", NULL},
    {"numeric", -1, "'10000000000'::numeric", NULL},
    {"numeric", 327686, "1.5", "\"AJY=\""},
    {"numeric", 327686, "'-1.5'::numeric", "\"/2o=\""},
    {"numeric", 327686, "1", "\"ZA==\""},
    {"numeric", 327686, "1.505", NULL},
    {"numeric", 327686, "'NaN'::numeric", NULL},
    {"numeric", 327686, "1.005", NULL},
    {"numeric", 327686, "1.015", NULL},
    {"numeric", 327686, "abs(1.2)", "\"AA==\""},
    {"numeric", 1179652, "1", "\"AQ==\""},
    {"numeric", 1179652, "2.5", NULL},
    {"numeric", 1179652, "3.5", NULL},
    {"numeric", 1179652, "'1'::numeric", "\"AQ==\""},
    {"bpchar", 9, "'ab'::bpchar", "\"ab\""},
    {"bpchar", 9, "'ab   '::bpchar", "\"ab   \""},
    {"bpchar", 9, "upper('a'::text)", "\"\""},
    {"varchar", 14, "'dflt'::character varying", "\"dflt\""},
    {"varchar", 14, "''::character varying", "\"\""},
    {"varchar", 14, "'it''s'::character varying", "\"it's\""},
    {"varchar", 14, "upper('a'::text)", "\"\""},
    {"varchar", 14, "CURRENT_USER", "\"CURRENT_USER\""},
    {"varchar", 14, "'a''''b'::character varying", "\"a''b\""},
    {"varchar", 14, "('x'::text || 'y'::text)", "\"x\""},
    {"varchar", 14, "NULL::character varying", NULL},
    {"varchar", 14, "'a\\b'::character varying", "\"a\\\\b\""},
    {"varchar", 14, "'(a)'::character varying", "\"(a)\""},
    {"varchar", 14, "'f(x)'::character varying", "\"f(x)\""},
    {"varchar", 14, "'NULL'::character varying", "\"NULL\""},
    {"text", -1, "'dflt'::text", "\"dflt\""},
    {"text", -1, "''::text", "\"\""},
    {"text", -1, "'it''s'::text", "\"it's\""},
    {"text", -1, "(now())::text", "\"\""},
    {"text", -1, "SESSION_USER", "\"SESSION_USER\""},
    {"text", -1, "(CURRENT_DATE)::text", "\"(CURRENT_DATE)::text\""},
    {"text", -1, "'a,b'::text", "\"a,b\""},
    {"text", -1, "md5('x'::text)", "\"\""},
    {"text", -1, "42", "\"42\""},
    {"text", -1, "'nextval(''x'')'::text", "\"nextval('x')\""},
    {"text", -1, "'üñ'::text", "\"üñ\""},
    {"text", -1, "'a'::character varying", "\"a\""},
    {"text", -1, "concat('a', 'b')", "\"\""},
    {"text", -1, "\nCASE\n    WHEN true THEN 'a'::text\n    ELSE 'b'::text\nEND", "\"a\""},
    {"text", -1, "'::text'::text", "\"::text\""},
    {"text", -1, "'line\nbreak'::text", "\"line\\nbreak\""},
    {"name", -1, "'nm'::name", NULL},
    {"char", -1, "'c'::\"char\"", NULL},
    {"bytea", -1, "'\\xdead'::bytea", NULL},
    {"bit", 1, "'1'::\"bit\"", "true"},
    {"bit", 1, "'0'::\"bit\"", "false"},
    {"bit", 8, "'10101010'::\"bit\"", "\"qg==\""},
    {"bit", 8, "'00000001'::\"bit\"", "\"AQ==\""},
    {"bit", 12, "'100000000001'::\"bit\"", "\"AQg=\""},
    {"varbit", 12, "'101'::bit varying", "\"BQ==\""},
    {"varbit", 12, "'1'::\"bit\"", "\"AQ==\""},
    {"varbit", 12, "''::bit varying", "\"\""},
    {"varbit", -1, "'1010101010101'::bit varying", "\"VRU=\""},
    {"varbit", 1, "'1'::\"bit\"", "true"},
    {"date", -1, "'2020-02-29'::date", "18321"},
    {"date", -1, "now()", "0"},
    {"date", -1, "CURRENT_DATE", "0"},
    {"date", -1, "'infinity'::date", "169560311"},
    {"date", -1, "'1970-01-01'::date", "0"},
    {"date", -1, "('2020-01-01'::date + 1)", "18262"},
    {"date", -1, "'0044-03-15 BC'::date", "-735160"},
    {"date", -1, "'10000-01-01'::date", "2932897"},
    {"date", -1, "'-infinity'::date", "-170999002"},
    {"date", -1, "('today'::text)::date", NULL},
    {"time", -1, "'12:34:56.789'::time without time zone", "45296789000"},
    {"time", -1, "CURRENT_TIME", "0"},
    {"time", -1, "(now())::time without time zone", "0"},
    {"time", -1, "LOCALTIME", "0"},
    {"time", -1, "'24:00:00'::time without time zone", "86399999999"},
    {"time", -1, "'12:34:00'::time without time zone", "45240000000"},
    {"time", -1, "'12:34:56.123456'::time without time zone", "45296123456"},
    {"time", 3, "'12:34:56.789'::time without time zone", "45296789"},
    {"time", 3, "LOCALTIME", "0"},
    {"timetz", -1, "'12:34:56+02'::time with time zone", NULL},
    {"timetz", -1, "CURRENT_TIME", NULL},
    {"timetz", -1, "'12:34:56.5+02'::time with time zone", NULL},
    {"timestamp", -1, "'2020-02-29 12:34:56.123456'::timestamp without time zone", "1582979696123456"},
    {"timestamp", -1, "now()", "0"},
    {"timestamp", -1, "CURRENT_TIMESTAMP", "0"},
    {"timestamp", -1, "LOCALTIMESTAMP", "0"},
    {"timestamp", -1, "'infinity'::timestamp without time zone", "-9223372036853775810"},
    {"timestamp", -1, "'-infinity'::timestamp without time zone", "-9223372036854775808"},
    {"timestamp", -1, "(now() - '1 day'::interval)", "0"},
    {"timestamp", -1, "'1970-01-01 00:00:00'::timestamp without time zone", "0"},
    {"timestamp", -1, "'0044-03-15 00:00:00 BC'::timestamp without time zone", "-63517824000000000"},
    {"timestamp", -1, "'12020-01-01 00:00:00'::timestamp without time zone", "317147356800000000"},
    {"timestamp", -1, "timezone('utc'::text, now())", "0"},
    {"timestamp", -1, "'2020-02-29 00:00:00'::timestamp without time zone", "1582934400000000"},
    {"timestamp", -1, "clock_timestamp()", "0"},
    {"timestamp", -1, "(CURRENT_TIMESTAMP + '2 days'::interval)", NULL},
    {"timestamp", 3, "'2020-02-29 12:34:56.123'::timestamp without time zone", "1582979696123"},
    {"timestamp", 3, "now()", "0"},
    {"timestamp", 3, "CURRENT_TIMESTAMP", "0"},
    {"timestamp", 0, "'2020-02-29 12:34:56'::timestamp without time zone", "1582979696000"},
    {"timestamptz", -1, "'2020-02-29 10:34:56.123456+00'::timestamp with time zone", "\"2020-02-29T10:34:56.123456Z\""},
    {"timestamptz", -1, "now()", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "CURRENT_TIMESTAMP", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "(now() - '1 day'::interval)", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "'infinity'::timestamp with time zone", NULL},
    {"timestamptz", -1, "'2020-02-29 12:34:56+00'::timestamp with time zone", "\"2020-02-29T12:34:56.000000Z\""},
    {"timestamptz", -1, "'1970-01-01 00:00:00+00'::timestamp with time zone", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "'0044-03-15 00:00:00+00 BC'::timestamp with time zone", "\"-0043-03-15T00:00:00.000000Z\""},
    {"timestamptz", -1, "clock_timestamp()", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "CURRENT_TIMESTAMP(3)", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "'2020-02-29 12:34:56.5+00'::timestamp with time zone", "\"2020-02-29T12:34:56.500000Z\""},
    {"timestamptz", -1, "'2020-01-01'::date", "\"2020-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "'12020-01-01 00:00:00+00'::timestamp with time zone", "\"+12020-01-01T00:00:00.000000Z\""},
    {"timestamptz", 3, "'2020-02-29 12:34:56.123+00'::timestamp with time zone", "\"2020-02-29T12:34:56.123Z\""},
    {"timestamptz", 3, "now()", "\"1970-01-01T00:00:00.000Z\""},
    {"timestamptz", 3, "'2020-02-29 12:34:56+00'::timestamp with time zone", "\"2020-02-29T12:34:56.000Z\""},
    {"timestamptz", 0, "'2020-02-29 12:34:56+00'::timestamp with time zone", "\"2020-02-29T12:34:56Z\""},
    {"timestamptz", 0, "now()", "\"1970-01-01T00:00:00Z\""},
    {"interval", -1, "'1 year 2 mons 3 days 04:05:06.789'::interval", "37091106789000"},
    {"interval", -1, "'1 day'::interval", "86400000000"},
    {"interval", -1, "'00:00:00'::interval", "0"},
    {"interval", -1, "(now() - now())", "0"},
    {"interval", -1, "'-00:00:01.5'::interval", "-1500000"},
    {"uuid", -1, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
    {"uuid", -1, "gen_random_uuid()", "\"00000000-0000-0000-0000-000000000000\""},
    {"json", -1, "'{}'::json", "\"{}\""},
    {"json", -1, "'{\"a\": 1}'::json", "\"{\\\"a\\\": 1}\""},
    {"json", -1, "to_json(1)", "\"{}\""},
    {"json", -1, "'[]'::json", "\"[]\""},
    {"jsonb", -1, "'{}'::jsonb", "\"{}\""},
    {"jsonb", -1, "'{\"a\": 1}'::jsonb", "\"{\\\"a\\\": 1}\""},
    {"jsonb", -1, "'[]'::jsonb", "\"[]\""},
    {"jsonb", -1, "'null'::jsonb", "\"null\""},
    {"jsonb", -1, "jsonb_build_object('a', 1)", "\"{}\""},
    {"jsonb", -1, "'{\"a\": \"it''s\"}'::jsonb", "\"{\\\"a\\\": \\\"it's\\\"}\""},
    {"xml", -1, "'<a/>'::xml", "\"<a/>\""},
    {"inet", -1, "'10.0.0.1'::inet", NULL},
    {"point", -1, "'(1,2)'::point", NULL},
    {"int4", -1, "nextval('v.p_c61_0_seq'::regclass)", "0"},
    {"int8", -1, "nextval('v.p_c62_0_seq'::regclass)", "0"},
    {"int2", -1, "nextval('v.p_c63_0_seq'::regclass)", "0"},
    {"int4", -1, "v.\"MyFunc\"(1)", NULL},
    {"numeric", -1, "'1e+20'::double precision", NULL},
    {"numeric", 1966086, "('100000000000000000000'::numeric)::double precision", "\"Ah4Z4Mm6skAAAA==\""},
    {"int4", -1, "(5)::smallint", NULL},
    {"int4", -1, "('-5'::integer)::smallint", "-5"},
    {"text", -1, "('a'::text || 'b'::text)", "\"a\""},
    {"text", -1, "COALESCE(NULL::text, 'x'::text)", "\"\""},
    {"bool", -1, "(now() > '2020-01-01 00:00:00+00'::timestamp with time zone)", "false"},
    {"varchar", 9, "'a'::bpchar", "\"a\""},
    {"bpchar", 7, "''::bpchar", "\"\""},
    {"int4", -1, "(5)::numeric", NULL},
    {"float8", -1, "0.0000001", "1.0E-7"},
    {"float8", -1, "'10000000000000000000000'::numeric", "1.0E22"},
    {"float4", -1, "16777217", "1.6777216E7"},
    {"float4", -1, "'1e-45'::real", "1.4E-45"},
    {"float8", -1, "'5e-324'::double precision", "4.9E-324"},
    {"time", -1, "('12:00:00'::time without time zone - '01:00:00'::interval)", "43200000000"},
    {"date", -1, "'2020-01-01 00:00:00'::timestamp without time zone", "18262"},
    {"date", -1, "(now())::date", "0"},
    {"date", -1, "('2020-01-01 10:00:00+00'::timestamp with time zone)::date", "18262"},
    {"timestamp", -1, "'2020-01-01 08:00:00+00'::timestamp with time zone", "1577865600000000"},
    {"timestamp", -1, "('2020-01-01'::date + '10:00:00'::time without time zone)", "1577836800000000"},
    {"timestamptz", -1, "('2020-01-01'::date + '10:00:00'::time without time zone)", "\"2020-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "timezone('Europe/Berlin'::text, '2020-01-01 10:00:00+00'::timestamp with time zone)", "\"1970-01-01T00:00:00.000000Z\""},
    {"interval", -1, "make_interval(days => 1)", "0"},
    {"interval", -1, "('1 day'::interval * (2)::double precision)", "86400000000"},
    {"interval", -1, "'-1 days -02:00:00.000001'::interval", "-93600000001"},
    {"bit", 8, "(5)::bit(8)", "\"\""},
    {"int4", -1, "'9999999999'::bigint", NULL},
    {"text", -1, "(('a'::text || chr(10)) || 'b'::text)", "\"a\""},
    {"text", -1, "upper('a\n)b'::text)", "\"a\\n)b\""},
    {"text", -1, "upper('ab'::text)", "\"\""},
    {"text", -1, "'x\ny'::text", "\"x\\ny\""},
    {"int4", -1, "(+ 5)", NULL},
    {"int8", -1, "'2147483648'::bigint", "2147483648"},
    {"int8", -1, "'-2147483649'::bigint", "-2147483649"},
    {"numeric", -1, "'-0.5'::numeric", NULL},
    {"numeric", 196613, "0", "\"AA==\""},
    {"numeric", -1, "12345678901234567890.5", NULL},
    {"text", -1, "current_setting('search_path'::text)", "\"\""},
    {"text", -1, "CURRENT_TIMESTAMP", "\"\""},
    {"text", -1, "(CURRENT_TIMESTAMP)::text", "\"(CURRENT_TIMESTAMP)::text\""},
    {"timestamptz", -1, "statement_timestamp()", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamptz", -1, "('now'::text)::timestamp with time zone", NULL},
    {"timestamptz", -1, "(now() AT TIME ZONE 'utc'::text)", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamp", -1, "(now() AT TIME ZONE 'utc'::text)", "0"},
    {"timestamptz", -1, "date_trunc('day'::text, now())", "\"1970-01-01T00:00:00.000000Z\""},
    {"date", -1, "((now() + '1 day'::interval))::date", NULL},
    {"timestamptz", -1, "LOCALTIMESTAMP", "\"1970-01-01T00:00:00.000000Z\""},
    {"timestamp", 3, "LOCALTIMESTAMP(3)", "0"},
    {"time", 0, "'12:34:56.789'::time without time zone", "45296789"},
    {"timestamp", 0, "'2020-01-01 00:00:00.9'::timestamp without time zone", "1577836800900"},
    {"timestamptz", 0, "'2020-01-01 00:00:00.9+00'::timestamp with time zone", "\"2020-01-01T00:00:00.9Z\""},
    {"timestamptz", 6, "'2020-01-01 00:00:00.9+00'::timestamp with time zone", "\"2020-01-01T00:00:00.900000Z\""},
    {"date", -1, "'0001-01-01'::date", "-719162"},
    {"date", -1, "'5874897-12-31'::date", "2145042905"},
    {"timestamp", -1, "'294276-12-31 23:59:59.999999'::timestamp without time zone", "-9223372036853775810"},
    {"timestamp", -1, "'4713-01-01 00:00:00 BC'::timestamp without time zone", "-210863520000000000"},
    {"timestamptz", -1, "'294276-12-31 23:59:59.999999+00'::timestamp with time zone", "\"+294276-12-31T23:59:59.999999Z\""},
    {"time", -1, "'00:00:00.000001'::time without time zone", "1"},
    {"oid", -1, "5", NULL},
    {"bpchar", 7, "NULL::bpchar", NULL},
    {"jsonb", -1, "'\"\"'::jsonb", "\"\\\"\\\"\""},
    {"xml", -1, "XMLELEMENT(NAME a)", "\"\""},
    {"text", -1, "'a'::text", "\"a\""},
    {"text", -1, "lower(('A'::character varying)::text)", "\"\""},
    {"int4", -1, "1", "1"},
    {"int4", -1, "((1)::bigint)::integer", NULL},
    {"numeric", 327686, "5", "\"AfQ=\""},
    {"numeric", 327686, "(5)::double precision", NULL},
    {"text", -1, "(pg_backend_pid())::text", "\"\""},
    {"bpchar", 5, "'x'::bpchar", "\"x\""},
    {"varchar", 7, "USER", "\"USER\""},
    {"date", -1, "make_date(2020, 1, 1)", "0"},
    {"date", -1, "to_date('2020'::text, 'YYYY'::text)", "0"},
    {"timestamp", -1, "to_timestamp((0)::double precision)", "0"},
    {"bit", 3, "'101'::\"bit\"", "\"BQ==\""},
    {"varbit", 3, "''::\"bit\"", "\"\""},
    {"int4", -1, "('0x1F'::text)::integer", NULL},
    {"float8", -1, "'-0'::double precision", "-0.0"},
    {"float4", -1, "(0.1)::double precision", NULL},
    {"bool", -1, "((1 = 1) AND true)", "false"},
};
/* clang-format on */

static const char *preset_of(struct sample *s, const char *type, int32_t typmod, const char *expression)
{
    struct column column = {
        .name = "c", .type_oid = sample_type(s, type), .typmod = typmod, .preset = expression};
    const struct codec *c;
    ck_assert_msg(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err), "%s", s->err.text);
    return c->schema->preset ? sample_value(s, c, c->schema->preset) : "none";
}

START_TEST(defaults_of_every_type)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        const char *got = preset_of(s, EXAMPLES[i].type, EXAMPLES[i].typmod, EXAMPLES[i].expression);
        const char *want = EXAMPLES[i].want ? EXAMPLES[i].want : "none";
        ck_assert_msg(strcmp(got, want) == 0, "%s %s: %s, not %s", EXAMPLES[i].type, EXAMPLES[i].expression,
                      got, want);
    }
    sample_free(s);
}
END_TEST

START_TEST(defaults_follow_the_modes)
{
    struct sample *s = sample_new();
    s->modes =
        (struct type_modes){.decimal = DECIMAL_STRING, .time = TIME_ISOSTRING, .interval = INTERVAL_STRING};
    ck_assert_str_eq(preset_of(s, "numeric", -1, "1.50"), "\"1.50\"");
    ck_assert_str_eq(preset_of(s, "numeric", -1, "random()"), "\"0.0\"");
    ck_assert_str_eq(preset_of(s, "numeric", 327686, "abs(1.2)"), "\"0.00\"");
    ck_assert_str_eq(preset_of(s, "numeric", -1, "'NaN'::numeric"), "none");
    ck_assert_str_eq(preset_of(s, "date", -1, "'infinity'::date"), "\"+999999999-12-31Z\"");
    ck_assert_str_eq(preset_of(s, "date", -1, "'-infinity'::date"), "\"-999999999-01-01Z\"");
    ck_assert_str_eq(preset_of(s, "time", -1, "'24:00:00'::time without time zone"),
                     "\"23:59:59.999999999Z\"");
    ck_assert_str_eq(preset_of(s, "timestamp", -1, "'infinity'::timestamp"),
                     "\"+999999999-12-31T23:59:59.999999999Z\"");
    ck_assert_str_eq(preset_of(s, "timestamp", -1, "now()"), "\"1970-01-01T00:00:00Z\"");
    ck_assert_str_eq(preset_of(s, "interval", -1, "'-00:00:01.5'::interval"), "\"P0Y0M0DT0H0M-1.5S\"");
    s->modes = (struct type_modes){.decimal = DECIMAL_DOUBLE, .time = TIME_CONNECT};
    ck_assert_str_eq(preset_of(s, "numeric", 327686, "'-1.5'::numeric"), "-1.5");
    ck_assert_str_eq(preset_of(s, "timestamp", -1, "'infinity'::timestamp"), "none");
    ck_assert_str_eq(preset_of(s, "time", -1, "'24:00:00'::time without time zone"), "86399999");
    s->modes.time = TIME_NANOS;
    ck_assert_str_eq(preset_of(s, "time", -1, "'24:00:00'::time without time zone"), "86399999999999");
    ck_assert_str_eq(preset_of(s, "timestamp", -1, "'12020-01-01 00:00:00'::timestamp"), "none");
    sample_free(s);
}
END_TEST

START_TEST(labels_of_enums)
{
    static const char *const some[][2] = {
        {"'sad'::mood", "\"sad\""},
        {"'sad'::v.mood", "\"sad\""},
        {"'sad'::\"V\".\"mood\"", "\"sad\""},
        {"'a,b'::mood", "\"a,b\""},
        {"'it''s'::mood", "\"it''s\""},
        {"'x::y'::mood", "\"x::y\""},
        {"fmood()", "none"},
        {"'sad'::other", "none"},
        {"('sad'::text)::mood", "none"},
        {"NULL::mood", "none"},
        {"'sad'", "none"},
        {"", "none"},
        {"::mood", "none"},
        {"'::mood", "none"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        ck_assert_str_eq(preset_of(s, "mood", -1, some[i][0]), some[i][1]);
    sample_free(s);
}
END_TEST

START_TEST(noise_is_harmless)
{
    struct sample *s = sample_new();
    for (unsigned i = 0; i < 20 * sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        size_t n = i % (sizeof EXAMPLES / sizeof *EXAMPLES);
        const char *text = arena_slice(&s->arena, sample_noise(s, EXAMPLES[n].expression, i)).ptr;
        preset_of(s, EXAMPLES[n].type, EXAMPLES[n].typmod, text);
        preset_of(s, "mood", -1, text);
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_preset", defaults_of_every_type, defaults_follow_the_modes, labels_of_enums,
           noise_is_harmless)
