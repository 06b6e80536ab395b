/* test_feed_value.c - values of Kafka Connect's schemas come out as the engine writes PostgreSQL's own text;
 * what cannot be told exactly is refused. */
#include "feed_value.h"

#include "suite.h"

static struct types *types;

static struct json_object *parse(const char *text)
{
    struct json_object *o = json_tokener_parse(text);
    ck_assert_msg(o || strcmp(text, "null") == 0, "%s", text);
    return o;
}

static bool column(const char *schema, const char *binary, struct arena *a, struct feed_column *out,
                   struct err *e)
{
    if (!types)
        types = feed_types_new();
    const struct feed_modes modes = {"__gone", binary, types};
    struct json_object *o = parse(schema);
    bool ok = feed_column_of(o, NULL, &modes, a, out, e);
    json_object_put(o);
    return ok;
}

/* result NULL: not known; "!": not what the schema says. */
static void check(const char *schema, const char *value, const char *result)
{
    struct arena a = {0};
    struct err e = {0};
    struct feed_column c;
    struct buf b = BUF_EMPTY;
    ck_assert_msg(column(schema, "bytes", &a, &c, &e), "%s: %s", schema, e.text);
    struct json_object *v = parse(value);
    enum feed_known known = feed_value(&c, v, &b);
    const char *got = known == FEED_UNKNOWN ? NULL : known == FEED_BAD ? "!" : buf_view(&b).ptr;
    ck_assert_msg(got && result ? strcmp(got, result) == 0 : got == result, "%s of %s: %s instead of %s",
                  value, schema, got ? got : "unknown", result ? result : "unknown");
    json_object_put(v);
    buf_free(&b);
    arena_free(&a);
}

#define TYPE(type, name) "{\"type\":\"" type "\",\"name\":\"" name "\"}"
#define PLAIN(type)      "{\"type\":\"" type "\"}"
#define SOURCE(type, pg)                                                                                     \
    "{\"type\":\"" type "\",\"parameters\":{\"__debezium.source.column.type\":\"" pg "\"}}"
#define TIME(type, name) TYPE(type, "io.debezium.time." name)

START_TEST(plain_values)
{
    check(PLAIN("boolean"), "true", "true");
    check(PLAIN("boolean"), "null", "null");
    check(PLAIN("int32"), "-5", "-5");
    check(PLAIN("int64"), "9007199254740992", "9007199254740992");
    check(PLAIN("int64"), "9007199254740993", "\"9007199254740993\"");
    check(PLAIN("string"), "\"a\\\"b\"", "\"a\\\"b\"");
    check(PLAIN("string"), "\"__gone\"", NULL);
    check(PLAIN("bytes"), "\"3q2+7w==\"", "\"3q2+7w==\"");
    check(PLAIN("bytes"), "\"X19nb25l\"", NULL); /* __gone */
    check(TYPE("string", "io.debezium.data.Json"), "\"{\\\"a\\\": 1}\"", "{\"a\": 1}");
    check(PLAIN("int32"), "\"5\"", "!");
    check(PLAIN("bytes"), "\"%\"", "!");
}
END_TEST

/* As float8out and float4out, which change to an exponent elsewhere than Java. */
START_TEST(floats_are_written_as_postgresql_does)
{
    check(PLAIN("double"), "100.0", "100");
    check(PLAIN("double"), "1.0E15", "1e+15");
    check(PLAIN("double"), "1.23456789012345E14", "123456789012345");
    check(PLAIN("double"), "1.0E-4", "0.0001");
    check(PLAIN("double"), "1.0E-5", "1e-05");
    check(PLAIN("double"), "4.9E-324", "5e-324");
    check(PLAIN("double"), "0.1", "0.1");
    check(PLAIN("double"), "-0.0", "-0");
    check(PLAIN("double"), "\"NaN\"", "\"NaN\"");
    check(PLAIN("float"), "123456.0", "123456");
    check(PLAIN("float"), "1234567.0", "1.234567e+06");
    check(PLAIN("float"), "3.4028235E38", "3.4028235e+38");
}
END_TEST

START_TEST(decimals)
{
#define DECIMAL(scale)                                                                                       \
    "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":"      \
    "\"" scale "\"}}"
    check(DECIMAL("2"), "\"MDk=\"", "\"123.45\"");
    check(DECIMAL("0"), "\"MDk=\"", "\"12345\"");
    check(DECIMAL("7"), "\"MDk=\"", "\"0.0012345\"");
    check(DECIMAL("2"), "\"/w==\"", "\"-0.01\"");
    check(DECIMAL("3"), "\"AA==\"", "\"0.000\"");
    check(TYPE("struct", "io.debezium.data.VariableScaleDecimal"), "{\"scale\":1,\"value\":\"Dw==\"}",
          "\"1.5\"");
    check(SOURCE("string", "NUMERIC"), "\"NAN\"", "\"NaN\"");
    check(SOURCE("string", "NUMERIC"), "\"1.50\"", "\"1.50\"");
}
END_TEST

START_TEST(dates_and_times)
{
    check(TIME("int32", "Date"), "18321", "\"2020-02-29\"");
    check(TIME("int32", "Date"), "-719163", "\"0001-12-31 BC\"");
    check(TIME("int32", "Date"), "2146033979", "\"infinity\"");
    check(TIME("int32", "Date"), "-622191234", "\"infinity\"");
    check(TIME("int32", "Date"), "-625821272", "\"-infinity\"");
    check(TIME("string", "IsoDate"), "\"+292269055-12-02Z\"", "\"-infinity\"");
    check(TIME("string", "IsoDate"), "\"+12024-01-01Z\"", "\"12024-01-01\"");
    check(TIME("string", "IsoDate"), "\"-0043-03-15Z\"", "\"0044-03-15 BC\"");
    check(TIME("int32", "Time"), "45296700", "\"12:34:56.7\"");
    check(TIME("int64", "MicroTime"), "86400000000", "\"24:00:00\"");
    check(TIME("int64", "NanoTime"), "45296123456000", "\"12:34:56.123456\"");
    check(TIME("string", "IsoTime"), "\"12:34:56.7Z\"", "\"12:34:56.7\"");
    check(TIME("int64", "Timestamp"), "1582979696500", "\"2020-02-29T12:34:56.500000\"");
    check(TIME("int64", "MicroTimestamp"), "-1", "\"1969-12-31T23:59:59.999999\"");
    check(TIME("int64", "MicroTimestamp"), "9223372036854775807", "\"infinity\"");
    check(TIME("int64", "NanoTimestamp"), "1000", "\"1970-01-01T00:00:00.000001\"");
    check(TIME("string", "ZonedTimestamp"), "\"2020-02-29T12:34:56.1Z\"", "\"2020-02-29T12:34:56.100000Z\"");
    check(TIME("string", "ZonedTimestamp"), "\"infinity\"", "\"infinity\"");
    check(TIME("string", "ZonedTimestamp"), "\"+292269055-12-02T23:00:00.000000Z\"", "\"-infinity\"");
    check(TIME("string", "ZonedTime"), "\"10:34:56.123456Z\"", "\"10:34:56.123456+00\"");
    check(TIME("string", "ZonedTimestamp"), "\"yesterday\"", "!");
    check(TIME("int64", "MicroTime"), "-1", "!");
}
END_TEST

START_TEST(intervals)
{
    check(TIME("string", "Interval"), "\"P1Y2M-3DT4H5M6.789S\"", "\"1 year 2 mons -3 days +04:05:06.789\"");
    check(TIME("string", "Interval"), "\"P0Y0M1DT0H0M0S\"", "\"1 day\"");
    check(TIME("string", "Interval"), "\"P0Y0M0DT0H0M-1.5S\"", "\"-00:00:01.5\"");
    check(TIME("string", "Interval"), "\"P0Y0M0DT0H0M0S\"", "\"00:00:00\"");
    check(TIME("string", "Interval"), "\"1 day\"", "!");
}
END_TEST

START_TEST(arrays)
{
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
    check(ARRAY(PLAIN("int32")), "[1,null,3]", "[1,null,3]");
    check(ARRAY(PLAIN("string")), "[\"__gone\"]", NULL);
    check(ARRAY(PLAIN("int32")), "[95,95,103,111,110,101]", NULL);
    check(ARRAY(PLAIN("int32")), "[]", "[]");
    check(ARRAY(ARRAY(PLAIN("int32"))), "[[1,2],[3,null]]", "[[1,2],[3,null]]");
    check(ARRAY(TIME("int64", "MicroTimestamp")), "[0]", "[\"1970-01-01T00:00:00.000000\"]");
    check(ARRAY(PLAIN("int32")), "5", "!");
}
END_TEST

START_TEST(types_are_named_as_the_schema_says)
{
    static const struct {
        const char *schema, *label, *base;
    } cases[] = {
        {PLAIN("int32"), "int4", "int4"},
        {SOURCE("int32", "INT4"), "int4", "int4"},
        {SOURCE("int32", "SERIAL"), "int4", "int4"},
        {SOURCE("int32", "POSITIVE"), "positive", "int4"},
        {SOURCE("string", "BPCHAR"), "bpchar", NULL},
        {SOURCE("string", "INET"), "inet", NULL},
        {SOURCE("boolean", "BIT"), "bit", "bit"},
        {SOURCE("array", "_TEXT") "", NULL, NULL},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"parameters\":{\"__debezium.source.column."
         "type\":"
         "\"_VARCHAR\"}}",
         "varchar[]", NULL},
        {TYPE("string", "io.debezium.data.Enum"), "enum", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct err e = {0};
        struct feed_column c;
        if (!column(cases[i].schema, "bytes", &a, &c, &e)) {
            ck_assert_ptr_null(cases[i].label);
            arena_free(&a);
            continue;
        }
        ck_assert_str_eq(c.label, cases[i].label);
        ck_assert_msg(c.base == cases[i].base ||
                          (c.base && cases[i].base && strcmp(c.base, cases[i].base) == 0),
                      "%s: base %s", cases[i].schema, c.base ? c.base : "NULL");
        arena_free(&a);
    }
}
END_TEST

START_TEST(what_cannot_be_told_is_refused_with_advice)
{
    static const char *const cases[][2] = {
        {TIME("int64", "MicroDuration"), "interval.handling.mode=string"},
        {SOURCE("double", "NUMERIC"), "decimal.handling.mode"},
        {TYPE("bytes", "io.debezium.data.Bits"), "column.propagate.source.type"},
        {SOURCE("string", "HSTORE"), "hstore"},
        {SOURCE("string", "BYTEA"), "binary.handling.mode"},
        {PLAIN("map"), "schema map"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct err e = {0};
        struct feed_column c;
        ck_assert(!column(cases[i][0], "bytes", &a, &c, &e));
        ck_assert_msg(strstr(e.text, cases[i][1]), "%s", e.text);
        arena_free(&a);
    }
}
END_TEST

START_TEST(a_bytea_as_text_is_read_by_its_mode)
{
    static const char *const modes[][2] = {
        {"hex", "\"deadbeef\""}, {"base64", "\"3q2+7w==\""}, {"base64-url-safe", "\"3q2-7w==\""}};
    for (size_t i = 0; i < 3; i++) {
        struct arena a = {0};
        struct err e = {0};
        struct feed_column c;
        struct buf b = BUF_EMPTY;
        ck_assert(column(SOURCE("string", "BYTEA"), modes[i][0], &a, &c, &e));
        struct json_object *v = parse(modes[i][1]);
        ck_assert_int_eq(feed_value(&c, v, &b), FEED_KNOWN);
        ck_assert_str_eq(b.ptr, "\"3q2+7w==\"");
        json_object_put(v);
        buf_free(&b);
        arena_free(&a);
    }
}
END_TEST

SUITE_MAIN("feed_value", plain_values, floats_are_written_as_postgresql_does, decimals, dates_and_times,
           intervals, arrays, types_are_named_as_the_schema_says, what_cannot_be_told_is_refused_with_advice,
           a_bytea_as_text_is_read_by_its_mode)
