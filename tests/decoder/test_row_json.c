/* test_row_json.c - values in rows for browsers keep the WebSocket protocol's promises. */
#include "row_json.h"
#include "sample.h"
#include "suite.h"

#include <json-c/json.h>

static const char *row(struct sample *s, const char *type, struct slice text)
{
    struct buf b = BUF_EMPTY;
    buf_str(&b, "x");
    row_json(&b, row_style_of(s->types, sample_type(s, type), &s->arena), text);
    return sample_kept(s, &b) + 1;
}

struct row_case {
    const char *type, *text, *json;
};

static void check_rows(const struct row_case *cases, size_t n)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(row(s, cases[i].type, slice_of(cases[i].text)), cases[i].json);
    sample_free(s);
}

#define CHECK_ROWS(cases) check_rows(cases, sizeof(cases) / sizeof *(cases))

START_TEST(scalars)
{
    static const struct row_case cases[] = {
        {"bool", "t", "true"},
        {"bool", "f", "false"},
        {"int2", "-7", "-7"},
        {"int4", "2147483647", "2147483647"},
        {"float8", "1e-05", "1e-05"},
        {"float8", "1.5e+300", "1.5e+300"},
        {"float8", "-0", "-0"},
        {"float4", "NaN", "\"NaN\""},
        {"float8", "-Infinity", "\"-Infinity\""},
        {"numeric", "1.50", "\"1.50\""},
        {"money", "$1.50", "\"$1.50\""},
        {"text", "a\"b\n", "\"a\\\"b\\n\""},
        {"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
        {"date", "2024-01-02", "\"2024-01-02\""},
        {"time", "10:11:12.5", "\"10:11:12.5\""},
        {"interval", "1 day", "\"1 day\""},
        {"mood", "ok", "\"ok\""},
        {"pair", "(1,x)", "\"(1,x)\""},
        {"int4range", "[1,2)", "\"[1,2)\""},
        {"bytea", "\\x00fffbef", "\"AP/77w==\""},
        {"bytea", "\\x", "\"\""},
    };
    CHECK_ROWS(cases);
}
END_TEST

/* JavaScript's numbers are doubles. */
START_TEST(long_integers_stay_exact)
{
    static const struct row_case cases[] = {
        {"int8", "0", "0"},
        {"int8", "9007199254740992", "9007199254740992"},
        {"int8", "-9007199254740992", "-9007199254740992"},
        {"int8", "9007199254740993", "\"9007199254740993\""},
        {"int8", "-9007199254740993", "\"-9007199254740993\""},
        {"int8", "9223372036854775807", "\"9223372036854775807\""},
        {"oid", "4294967295", "4294967295"},
    };
    CHECK_ROWS(cases);
}
END_TEST

START_TEST(timestamps_are_iso_8601)
{
    static const struct row_case cases[] = {
        {"timestamptz", "2024-01-02 03:04:05.678901+00", "\"2024-01-02T03:04:05.678901Z\""},
        {"timestamptz", "2024-01-02 03:04:05.5+00", "\"2024-01-02T03:04:05.500000Z\""},
        {"timestamptz", "2024-01-02 03:04:05+00", "\"2024-01-02T03:04:05.000000Z\""},
        {"timestamp", "2024-01-02 03:04:05.678901", "\"2024-01-02T03:04:05.678901\""},
        {"timestamp", "2024-01-02 03:04:05", "\"2024-01-02T03:04:05.000000\""},
        {"timestamp", "infinity", "\"infinity\""},
        {"timestamptz", "-infinity", "\"-infinity\""},
        {"timestamptz", "0044-03-15 00:00:00+00 BC", "\"0044-03-15 00:00:00+00 BC\""},
        {"timestamp", "12024-01-02 03:04:05", "\"12024-01-02 03:04:05\""},
        {"timestamptz", "2024-01-02 03:04:05+01", "\"2024-01-02 03:04:05+01\""},
        {"timestamp", "2024-01-02 03:04:05.", "\"2024-01-02 03:04:05.\""},
        {"timestamp", "2024-01-02 03:04:05.1234567", "\"2024-01-02 03:04:05.1234567\""},
    };
    CHECK_ROWS(cases);
}
END_TEST

START_TEST(json_is_embedded_on_one_line)
{
    static const struct row_case cases[] = {
        {"jsonb", "{\"a\": [1, null]}", "{\"a\": [1, null]}"},
        {"json", "{\r\n\t\"a\":\n\"x\\ny\"}", "{   \"a\": \"x\\ny\"}"},
        {"json", "null", "null"},
    };
    CHECK_ROWS(cases);
}
END_TEST

START_TEST(arrays_are_arrays)
{
    static const struct row_case cases[] = {
        {"int4[]", "{1,NULL,-3}", "[1,null,-3]"},
        {"int4[]", "{}", "[]"},
        {"int4[]", "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
        {"int4[]", "[0:1][2:2]={{1},{2}}", "[[1],[2]]"},
        {"int8[]", "{1,9007199254740993}", "[1,\"9007199254740993\"]"},
        {"text[]", "{a,\"b \\\"c\",\"\",NULL,\"NULL\"}", "[\"a\",\"b \\\"c\",\"\",null,\"NULL\"]"},
        {"text[]", "{{[,a},{b,c}}", "[[\"[\",\"a\"],[\"b\",\"c\"]]"},
        {"jsonb[]", "{\"{\\\"a\\\": 1}\",NULL,\"null\"}", "[{\"a\": 1},null,null]"},
        {"bytea[]", "{\"\\\\x00ff\"}", "[\"AP8=\"]"},
        {"timestamptz[]", "{\"2024-01-02 03:04:05+00\"}", "[\"2024-01-02T03:04:05.000000Z\"]"},
        {"box[]", "{(3,4),(1,2);(7,8),(5,6)}", "[\"(3,4),(1,2)\",\"(7,8),(5,6)\"]"},
        {"money[]", "{$1.00}", "[\"$1.00\"]"},
        {"int4[]", "{1,2", "\"{1,2\""},
        {"int4[]", "{1}x", "\"{1}x\""},
    };
    CHECK_ROWS(cases);
}
END_TEST

START_TEST(domains_go_by_their_base)
{
    struct sample *s = sample_new();
    types_set(s->types,
              &(struct type){.oid = 23, .schema = "pg_catalog", .name = "int4", .kind = 'b', .typmod = -1});
    types_set(s->types, &(struct type){
                            .oid = 200, .schema = "t", .name = "age", .kind = 'd', .base = 23, .typmod = -1});
    types_set(
        s->types,
        &(struct type){.oid = 201, .schema = "t", .name = "_age", .kind = 'b', .element = 200, .typmod = -1});
    struct buf b = BUF_EMPTY;
    row_json(&b, row_style_of(s->types, 200, &s->arena), SLICE("5"));
    row_json(&b, row_style_of(s->types, 201, &s->arena), SLICE("{5,6}"));
    row_json(&b, row_style_of(s->types, 999, &s->arena), SLICE("5"));
    ck_assert_str_eq(b.ptr, "5[5,6]\"5\"");
    buf_free(&b);
    sample_free(s);
}
END_TEST

/* Whatever comes, except for json itself, is one line of JSON. */
START_TEST(any_bytes_give_json)
{
    static const char *const cases[][2] = {
        {"bool", "t"},
        {"int4", "-17"},
        {"int8", "9007199254740992"},
        {"float8", "-1.5e+300"},
        {"bytea", "\\x00ff\n"},
        {"timestamp", "2024-01-02 03:04:05.678901"},
        {"timestamptz", "2024-01-02 03:04:05.678901+00"},
        {"text[]", "[1:2]={{a,\"b \\\"\n\\\\\",NULL},{c,d,e}}"},
        {"int4[]", "{{1,NULL},{-3,4}}"},
        {"text", "a\n\"\\"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned seed = 0; seed < 3000; seed++) {
            struct slice text = sample_noise(s, cases[i][1], seed);
            for (size_t at = 0; at < text.len; at++)
                if ((unsigned char)text.ptr[at] >= 0x80)
                    ((char *)text.ptr)[at] = '?';
            const char *json = row(s, cases[i][0], text);
            enum json_tokener_error problem;
            struct json_object *parsed = json_tokener_parse_verbose(json, &problem);
            ck_assert_msg(problem == json_tokener_success, "%s", json);
            ck_assert_ptr_null(strchr(json, '\n'));
            json_object_put(parsed);
            arena_reset(&s->arena);
        }
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("row_json", scalars, long_integers_stay_exact, timestamps_are_iso_8601,
           json_is_embedded_on_one_line, arrays_are_arrays, domains_go_by_their_base, any_bytes_give_json)
