/* test_better.c - what the options of docs/BETTER.md put right in the types that Debezium knows. */
#include "sample.h"
#include "suite.h"

#define P            "__debezium_unavailable_value"
#define INT          "{\"type\":\"int32\",\"optional\":true}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items ",\"optional\":true}"
#define INNER(items) "{\"type\":\"array\",\"items\":" items ",\"optional\":false}"

static const struct codec *deep(struct sample *s, const char *type, int dimensions, bool not_null)
{
    struct column column = {
        .name = "c", .type_oid = sample_type(s, type), .typmod = -1, .not_null = not_null};
    const struct codec *c;
    column.dimensions = dimensions;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    return c;
}

START_TEST(nested_arrays_are_as_deep_as_declared)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(sample_schema(s, deep(s, "int4[]", 2, false)), ARRAY(INT));
    s->modes.better.nested_arrays = true;
    ck_assert_str_eq(sample_schema(s, deep(s, "int4[]", 0, false)), ARRAY(INT));
    ck_assert_str_eq(sample_schema(s, deep(s, "int4[]", 1, false)), ARRAY(INT));
    ck_assert_str_eq(sample_schema(s, deep(s, "int4[]", 2, false)), ARRAY(INNER(INT)));
    ck_assert_str_eq(sample_schema(s, deep(s, "int4[]", 3, false)), ARRAY(INNER(INNER(INT))));
    sample_free(s);
}
END_TEST

START_TEST(nested_values)
{
    static const struct {
        const char *type;
        int dimensions;
        const char *text, *json;
    } cases[] = {
        {"int4[]", 2, "{{1,2},{3,NULL}}", "[[1,2],[3,null]]"},
        {"int4[]", 3, "{{{1},{2}}}", "[[[1],[2]]]"},
        {"int4[]", 2, "[1:2][3:3]={{1},{2}}", "[[1],[2]]"},
        {"int4[]", 2, "{}", "[]"},
        {"int4[]", 1, "{1,NULL}", "[1,null]"},
        {"text[]", 2, "{{a,\"b \\\"c\\\"\"},{\"{x,y}\",NULL}}", "[[\"a\",\"b \\\"c\\\"\"],[\"{x,y}\",null]]"},
        {"bytea[]", 2, "{{\"\\\\x01\"}}", "[[\"AQ==\"]]"},
        {"timetz[]", 2, "{{12:00:00+00}}", "[[\"12:00:00Z\"]]"},
        {"mood[]", 2, "{{ok},{sad}}", "[[\"ok\"],[\"sad\"]]"},
        {"mood[]", 2, "{{ok},{NULL}}", "error"},
        /* PostgreSQL lets a column hold other dimensions than it declares: no item is lost */
        {"int4[]", 2, "{1,2}", "[[1,2]]"},
        {"int4[]", 3, "{1}", "[[[1]]]"},
        {"int4[]", 1, "{{1,2},{3,4}}", "[1,2,3,4]"},
        {"int4[]", 2, "{{{1},{2}},{{3},{4}}}", "[[1],[2],[3],[4]]"},
        {"int4[]", 1, "{{{1,2}},{{3,4}}}", "[1,2,3,4]"},
        {"int4[]", 2, "{1,{2}}", "error"},
        {"int4[]", 2, "{{1},2}", "error"},
        {"int4[]", 2, "{{1}", "error"},
        {"int4[]", 2, "{{1}}x", "error"},
        {"int4[]", 6, "{{{{{{{1}}}}}}}", "error"},
    };
    struct sample *s = sample_new();
    s->modes.better.nested_arrays = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_json(s, deep(s, cases[i].type, cases[i].dimensions, false), cases[i].text),
                         cases[i].json);
    ck_assert_str_eq(sample_unavailable(s, deep(s, "text[]", 2, false)), "[[\"" P "\"]]");
    ck_assert_str_eq(sample_absent(s, deep(s, "text[]", 2, true)), "[]");
    sample_free(s);
}
END_TEST

START_TEST(arrays_of_every_type)
{
    static const char *const cases[][3] = {
        {"money[]", "{$1.50,NULL,-$2.25}", "[\"AJY=\",null,\"/x8=\"]"},
        {"interval[]", "{\"1 day\"}", "[86400000000]"},
        {"name[]", "{a,NULL}", "[\"a\",null]"},
        {"bit[]", "{1,0}", "[true,false]"},
        {"xml[]", "{<a/>}", "[\"<a/>\"]"},
        {"point[]", "{\"(1,2)\"}",
         "[{\"x\":1.0,\"y\":2.0,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null}]"},
        {"line[]", "{NULL}", "[null]"},
        {"int2vector[]", "{\"1 -2\",NULL}", "[[1,-2],null]"},
        {"money[]", "{{$1.50},{$2.00}}", "[\"AJY=\",\"AMg=\"]"},
        {"int2vector", "1 -2 3", "[1,-2,3]"},
        {"oidvector", "4294967295", "[4294967295]"},
        {"oidvector", "", "[]"},
        {"oidvector", "1,2", "error"},
    };
    struct sample *s = sample_new();
    s->modes.better.all_arrays = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_json(s, sample_codec(s, cases[i][0], -1, false), cases[i][1]), cases[i][2]);
    ck_assert_str_eq(sample_json(s, sample_codec(s, "int4[]", -1, false), "{{1}}"), "[null]");
    s->modes.decimal = DECIMAL_STRING;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "money[]", -1, false), "{$1.50}"), "[\"1.50\"]");
    s->modes.decimal = DECIMAL_DOUBLE;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "money[]", -1, false), "{$1.50}"), "[1.5]");
    sample_free(s);
}
END_TEST

START_TEST(arrays_of_domains)
{
    struct sample *s = sample_new();
    struct type types[] = {
        {.oid = 23, .name = "int4", .kind = 'b', .typmod = -1},
        {.oid = 200, .name = "age", .kind = 'd', .base = 23, .typmod = -1},
        {.oid = 201, .name = "_age", .kind = 'b', .element = 200, .typmod = -1},
    };
    for (size_t i = 0; i < 3; i++) {
        types[i].schema = "t";
        types_set(s->types, &types[i]);
    }
    struct column column = {.name = "c", .type_oid = 201, .typmod = -1};
    const struct codec *c;
    s->modes.better.all_arrays = true;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_str_eq(sample_schema(s, c), ARRAY(INT));
    ck_assert_str_eq(sample_json(s, c, "{1,NULL}"), "[1,null]");
    ck_assert_str_eq(sample_json(s, c, "{{1,2},{3,4}}"), "[1,2,3,4]");
    column.dimensions = 2;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_str_eq(sample_schema(s, c), ARRAY(INNER(INT)));
    ck_assert_str_eq(sample_json(s, c, "{{1,2},{3,4}}"), "[[1,2],[3,4]]");
    sample_free(s);
}
END_TEST

START_TEST(a_null_beside_other_items)
{
    static const char *const cases[][3] = {
        {"mood[]", "{ok,NULL}", "[\"ok\",null]"},
        {"isbn[]", "{NULL}", "[null]"},
        {"tsvector[]", "{'a',NULL}", "[\"'a'\",null]"},
        {"ltree[]", "{a.b,NULL}", "[\"a.b\",null]"},
        {"vector[]", "{\"[1,2]\",NULL}", "[[1.0,2.0],null]"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s->modes.better.array_nulls = false;
        ck_assert_str_eq(sample_json(s, sample_codec(s, cases[i][0], -1, false), cases[i][1]), "error");
        s->modes.better.array_nulls = true;
        ck_assert_str_eq(sample_json(s, sample_codec(s, cases[i][0], -1, false), cases[i][1]), cases[i][2]);
    }
    sample_free(s);
}
END_TEST

START_TEST(names_ranges_and_other_types_as_text)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, false), "x"), "null");
    s->modes.better.names = true;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, false), "x"), "\"x\"");
    types_set(s->types, &(struct type){.oid = 300, .schema = "t", .name = "m", .kind = 'm', .typmod = -1});
    types_set(s->types,
              &(struct type){.oid = 20000, .schema = "t", .name = "int4range", .kind = 'r', .typmod = -1});
    for (uint32_t oid = 300; oid <= 20000; oid += 20000 - 300) {
        struct column column = {.name = "c", .type_oid = oid, .typmod = -1};
        const struct codec *c;
        s->modes.better.ranges = false;
        ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
        ck_assert_ptr_null(c);
        s->modes.better.ranges = true;
        ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
        ck_assert_str_eq(sample_schema(s, c), "{\"type\":\"string\",\"optional\":true}");
        ck_assert_str_eq(sample_json(s, c, "{[1,3),[5,8)}"), "\"{[1,3),[5,8)}\"");
        ck_assert_str_eq(sample_unavailable(s, c), "\"" P "\"");
    }
    ck_assert_ptr_null(sample_codec(s, "pg_lsn", -1, false));
    s->modes.include_unknown = s->modes.better.all_types = true;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "pg_lsn", -1, false), "0/1"), "\"0/1\"");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "pg_lsn[]", -1, false), "{0/1,NULL}"), "[\"0/1\",null]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "money[]", -1, false), "{$1.50}"), "[\"AJY=\"]");
    sample_free(s);
}
END_TEST

/* What a snapshot and an array say of a date is what the stream's column says. */
START_TEST(one_calendar)
{
    static const char *const texts[] = {"0044-03-15 BC", "1582-10-05", "infinity", "-infinity", "2024-02-29"};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char array[40], want[60];
        s->modes.snapshot = s->modes.better.calendar = false;
        snprintf(array, sizeof array, "{\"%s\"}", texts[i]);
        snprintf(want, sizeof want, "[%s]", sample_json(s, sample_codec(s, "date", -1, false), texts[i]));
        s->modes.snapshot = s->modes.better.calendar = true;
        ck_assert_str_eq(sample_json(s, sample_codec(s, "date[]", -1, false), array), want);
        want[strlen(want) - 1] = 0;
        ck_assert_str_eq(sample_json(s, sample_codec(s, "date", -1, false), texts[i]), want + 1);
    }
    ck_assert_str_eq(sample_json(s, sample_codec(s, "timestamp[]", -1, false), "{\"1500-02-28 12:00:00\"}"),
                     "[-14826715200000000]");
    ck_assert_str_eq(
        sample_json(s, sample_codec(s, "timestamptz[]", -1, false), "{\"0044-03-15 12:00:00+00 BC\"}"),
        "[\"-0043-03-15T12:00:00.000000Z\"]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "timestamptz[]", -1, false), "{-infinity}"),
                     "[\"-infinity\"]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "time[]", -1, false), "{24:00:00,12:34:56.123999}"),
                     "[86400000000,45296123999]");
    sample_free(s);
}
END_TEST

/* A default in the schema would stand for the null, here and in every sink. */
START_TEST(null_stays_null)
{
    struct sample *s = sample_new();
    struct column column = {.name = "c", .type_oid = sample_type(s, "int4"), .typmod = -1, .preset = "7"};
    struct value null = value_null();
    for (int i = 0; i < 4; i++) {
        const struct codec *c;
        s->modes.better.nulls = i % 2;
        column.not_null = i / 2;
        ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
        ck_assert_str_eq(sample_value(s, c, &null), i == 1 ? "null" : "7");
        ck_assert_int_eq(strstr(sample_schema(s, c), "default") != NULL, i != 1);
    }
    sample_free(s);
}
END_TEST

START_TEST(any_bytes_give_a_value_or_an_error)
{
    static const char *const cases[][2] = {
        {"text[]", "[1:2]={{a,\"b\"},{c,d}}"},
        {"int4[]", "{{{1},{NULL}},{{3},{4}}}"},
        {"oidvector", "1 2 3"},
        {"box[]", "{(3,4),(1,2)}"},
        {"mood[]", "{{ok},{NULL}}"},
    };
    struct sample *s = sample_new();
    s->modes.better = (struct type_better){true, true, true, true, true, true, true, true, true};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned seed = 0; seed < 3000; seed++) {
            sample_json_bytes(s, deep(s, cases[i][0], (int)(seed % 4), false),
                              sample_noise(s, cases[i][1], seed));
            arena_reset(&s->arena);
        }
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("better", nested_arrays_are_as_deep_as_declared, nested_values, arrays_of_every_type,
           arrays_of_domains, a_null_beside_other_items, names_ranges_and_other_types_as_text, one_calendar,
           null_stays_null, any_bytes_give_a_value_or_an_error)
