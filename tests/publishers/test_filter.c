/* test_filter.c - what a client's `where` means, row by row: the values are those that changes have. */
#include "filter.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* One table of all kinds; a test fills the cells that it is about. */
static const struct hub_column columns[] = {
    {"i2", "int2"},
    {"i4", "int4"},
    {"i8", "int8"},
    {"o", "oid"},
    {"n", "numeric"},
    {"f4", "float4"},
    {"f8", "float8"},
    {"b", "bool"},
    {"t", "text"},
    {"c", "bpchar"},
    {"u", "uuid"},
    {"x", "bytea"},
    {"ts", "timestamp"},
    {"tz", "timestamptz"},
    {"d", "date"},
    {"tm", "time"},
    {"j", "jsonb"},
    {"a", "int4[]"},
    {"ta", "text[]"},
    {"m", "mood", ""},
    {"dom", "price", "numeric"},
    {"pa", "point[]", "point[]"},
};

enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static struct filter *compile(const char *where, struct err *e)
{
    struct json_object *tree = json_tokener_parse(where);
    ck_assert_msg(tree, "not JSON: %s", where);
    struct filter *f = filter_new(tree, columns, COLUMNS, e);
    json_object_put(tree);
    return f;
}

static size_t column_of(const char *name)
{
    size_t i = 0;
    while (strcmp(columns[i].name, name) != 0)
        ck_assert_uint_lt(++i, COLUMNS);
    return i;
}

/* Two cells at most; all others are NULL. A cell of NULL is not known. */
struct cell {
    const char *column, *json;
};

static enum filter_verdict judge(const char *where, struct cell one, struct cell two, bool present)
{
    struct slice cells[COLUMNS];
    struct err e = {0};
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = SLICE("null");
    cells[column_of(one.column)] = slice_of(one.json);
    if (two.column)
        cells[column_of(two.column)] = slice_of(two.json);
    struct filter *f = compile(where, &e);
    ck_assert_msg(f, "%s: %s", where, e.text);
    enum filter_verdict verdict = filter_judge(f, cells, present);
    filter_free(f);
    return verdict;
}

static void expect(const char *where, const char *column, const char *json, bool match)
{
    enum filter_verdict verdict = judge(where, (struct cell){column, json}, (struct cell){0}, true);
    ck_assert_msg(verdict == (match ? FILTER_YES : FILTER_NO), "%s of %s = %s: %d", where, column, json,
                  verdict);
}

/* A list from low to high: each pair must compare as its places do. The client's form and the change's are
 * the same unless two lists are given. */
static void expect_order(const char *column, const char *const *mine, const char *const *cells, size_t n)
{
    static const char *const ops[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    char where[400];
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            for (size_t o = 0; o < 6; o++) {
                bool match[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
                snprintf(where, sizeof(where), "[\"%s\",\"%s\",%s]", column, ops[o], mine[b]);
                expect(where, column, cells[a], match[o]);
            }
}

#define ORDER(column, ...)                                                                                   \
    do {                                                                                                     \
        static const char *const list[] = {__VA_ARGS__};                                                     \
        expect_order(column, list, list, sizeof(list) / sizeof(*list));                                      \
    } while (0)

/* Every type in PostgreSQL's order; whole numbers beyond a double's precision, and decimals, exactly. */
START_TEST(values_compare_by_their_type)
{
    ORDER("i2", "-32768", "-1", "0", "9", "10", "32767");
    ORDER("i8", "\"-9223372036854775808\"", "-5", "5", "\"9007199254740993\"", "\"9007199254740994\"",
          "\"9223372036854775807\"");
    ORDER("o", "0", "10", "4294967295");
    ORDER("n", "\"-Infinity\"", "\"-10.5\"", "\"-10.25\"", "\"-9\"", "\"-0.001\"", "\"0\"", "\"0.0009\"",
          "\"0.001\"", "\"9\"", "\"10\"", "\"12345678901234567890.123456789012345678901\"",
          "\"12345678901234567890.123456789012345678902\"", "\"Infinity\"", "\"NaN\"");
    ORDER("f8", "\"-Infinity\"", "-1e300", "-1", "0", "1e-300", "0.1", "1e+20", "\"Infinity\"", "\"NaN\"");
    ORDER("b", "false", "true");
    ORDER("t", "\"\"", "\"A\"", "\"AB\"", "\"B\"", "\"a\"", "\"a\\nb\"", "\"a b\"", "\"\u00fc\"",
          "\"\\uD83D\\uDE00\"");
    ORDER("u", "\"00000000-0000-0000-0000-000000000001\"", "\"9f000000-0000-0000-0000-000000000000\"",
          "\"a0000000-0000-0000-0000-000000000000\"");
    ORDER("x", "\"\"", "\"AA==\"", "\"AAA=\"", "\"AAAA\"", "\"AAE=\"", "\"AQ==\"", "\"+w==\"", "\"/w==\"");
    ORDER("d", "\"-infinity\"", "\"0044-03-15 BC\"", "\"0001-01-01\"", "\"1999-12-31\"", "\"2024-02-29\"",
          "\"12024-01-01\"", "\"infinity\"");
    ORDER("ts", "\"-infinity\"", "\"0044-03-15 00:00:00 BC\"", "\"1999-12-31T23:59:59.999999\"",
          "\"2000-01-01T00:00:00.000000\"", "\"12024-01-01 00:00:00\"", "\"infinity\"");
    ORDER("tz", "\"1999-12-31T23:59:59.999999Z\"", "\"2000-01-01T00:00:00.000000Z\"",
          "\"12024-01-01 00:00:00+00\"");
    ORDER("tm", "\"00:00:00\"", "\"09:30:00\"", "\"09:30:00.5\"", "\"10:00:00\"", "\"24:00:00\"");
}
END_TEST

/* What a client may write in more than one way is the same value. */
START_TEST(a_value_has_more_than_one_form)
{
    expect("[\"i8\",\"eq\",\"007\"]", "i8", "7", true);
    expect("[\"i8\",\"eq\",9007199254740993]", "i8", "\"9007199254740993\"", true);
    expect("[\"i8\",\"eq\",9007199254740993]", "i8", "9007199254740992", false);
    expect("[\"n\",\"eq\",1.10]", "n", "\"1.1000\"", true);
    expect("[\"n\",\"eq\",\"-0.0\"]", "n", "\"0.00\"", true);
    expect("[\"n\",\"eq\",12.5e2]", "n", "\"1250\"", true);
    expect("[\"n\",\"eq\",\"1.25e-3\"]", "n", "\"0.00125\"", true);
    expect("[\"n\",\"eq\",\"0001e-2\"]", "n", "\"0.01\"", true);
    expect("[\"n\",\"eq\",0.1]", "n", "\"0.1000000000000000055\"", false);
    expect("[\"dom\",\"gt\",10]", "dom", "\"9.5\"", false);
    expect("[\"f4\",\"eq\",0.1]", "f4", "0.1", true);
    expect("[\"f8\",\"eq\",0]", "f8", "-0", true);
    expect("[\"f8\",\"eq\",\"NaN\"]", "f8", "\"NaN\"", true);
    expect("[\"c\",\"eq\",\"ab\"]", "c", "\"ab   \"", true);
    expect("[\"c\",\"eq\",\"ab \"]", "c", "\"ab   \"", true);
    expect("[\"c\",\"like\",\"ab\"]", "c", "\"ab   \"", false);
    expect("[\"t\",\"eq\",\"ab\"]", "t", "\"ab \"", false);
    expect("[\"t\",\"eq\",\"\\ud83d\\ude00\\t\\\"\"]", "t", "\"\\uD83D\\uDE00\\t\\\"\"", true);
    expect("[\"u\",\"eq\",\"ABCDEF00-0000-0000-0000-000000000000\"]", "u",
           "\"abcdef00-0000-0000-0000-000000000000\"", true);
    expect("[\"x\",\"eq\",\"AP8\"]", "x", "\"AP8=\"", true);
    expect("[\"ts\",\"eq\",\"2024-01-02\"]", "ts", "\"2024-01-02T00:00:00.000000\"", true);
    expect("[\"tz\",\"eq\",\"2024-01-02T01:30:00+01:30\"]", "tz", "\"2024-01-02T00:00:00.000000Z\"", true);
    expect("[\"tz\",\"eq\",\"2024-01-01 19:00-05\"]", "tz", "\"2024-01-02T00:00:00.000000Z\"", true);
    expect("[\"m\",\"eq\",\"so so\"]", "m", "\"so so\"", true);
    expect("[\"m\",\"in\",[\"good\",\"bad\"]]", "m", "\"so so\"", false);
}
END_TEST

START_TEST(lists_patterns_and_arrays)
{
    expect("[\"i4\",\"in\",[30,1,20,20]]", "i4", "20", true);
    expect("[\"i4\",\"in\",[30,1,20]]", "i4", "2", false);
    expect("[\"i4\",\"nin\",[30,1]]", "i4", "2", true);
    expect("[\"n\",\"in\",[\"1.50\",\"NaN\"]]", "n", "\"1.5\"", true);
    expect("[\"t\",\"prefix\",\"a%\"]", "t", "\"a%b\"", true);
    expect("[\"t\",\"prefix\",\"a%\"]", "t", "\"axb\"", false);
    expect("[\"t\",\"prefix\",\"\"]", "t", "\"\"", true);
    expect("[\"t\",\"like\",\"a%b_\"]", "t", "\"axxbxb\u00fc\"", true);
    expect("[\"t\",\"like\",\"a%b_\"]", "t", "\"ab\"", false);
    expect("[\"t\",\"like\",\"a\\\\%\"]", "t", "\"a%\"", true);
    expect("[\"t\",\"like\",\"a\\\\%\"]", "t", "\"ab\"", false);
    expect("[\"t\",\"like\",\"%\"]", "t", "\"\"", true);
    expect("[\"t\",\"like\",\"\"]", "t", "\"a\"", false);
    expect("[\"t\",\"like\",\"%\\n%\"]", "t", "\"a\\nb\"", true);
    expect("[\"t\",\"like\",\"%ab%ab\"]", "t", "\"xabxxabab\"", true);
    expect("[\"a\",\"eq\",[1,null,3]]", "a", "[1,null,3]", true);
    expect("[\"a\",\"eq\",[1,null,3]]", "a", "[1,2,3]", false);
    expect("[\"a\",\"eq\",[1]]", "a", "[1,2]", false);
    expect("[\"a\",\"eq\",[1,2]]", "a", "[[1,2]]", false);
    expect("[\"a\",\"ne\",[1,2]]", "a", "[[1,2]]", true);
    expect("[\"a\",\"eq\",[]]", "a", "[]", true);
    expect("[\"ta\",\"eq\",[\"null\",\"a,]\\\"\"]]", "ta", "[\"null\",\"a,]\\\"\"]", true);
}
END_TEST

/* NULL matches nothing, and what is not a match is not its opposite. */
START_TEST(logic_has_three_values)
{
    expect("[\"i4\",\"eq\",1]", "i4", "null", false);
    expect("[\"i4\",\"ne\",1]", "i4", "null", false);
    expect("{\"not\":[\"i4\",\"eq\",1]}", "i4", "null", false);
    expect("[\"i4\",\"nin\",[1]]", "i4", "null", false);
    expect("[\"i4\",\"null\"]", "i4", "null", true);
    expect("[\"i4\",\"notnull\",null]", "i4", "null", false);
    expect("{\"not\":[\"j\",\"null\"]}", "j", "{}", true);
    expect("{\"or\":[[\"i2\",\"eq\",1],[\"i4\",\"eq\",5]]}", "i4", "5", true);
    expect("{\"not\":{\"or\":[[\"i2\",\"eq\",1],[\"i4\",\"eq\",5]]}}", "i4", "6", false);
    expect("{\"not\":{\"and\":[[\"i2\",\"eq\",1],[\"i4\",\"eq\",5]]}}", "i4", "6", true);
    expect("{\"and\":[[\"i2\",\"null\"],{\"not\":[\"i4\",\"lt\",5]}]}", "i4", "6", true);
}
END_TEST

/* A value that is not known spoils only what depends on it; an unchanged one at least is not NULL. */
START_TEST(unknown_values_are_a_fourth_thing)
{
    const struct cell unknown = {"t", NULL}, five = {"i4", "5"};
    ck_assert_int_eq(judge("[\"t\",\"eq\",\"a\"]", unknown, five, true), FILTER_UNDECIDED);
    ck_assert_int_eq(judge("{\"not\":[\"t\",\"eq\",\"a\"]}", unknown, five, true), FILTER_UNDECIDED);
    ck_assert_int_eq(judge("{\"and\":[[\"t\",\"eq\",\"a\"],[\"i4\",\"eq\",6]]}", unknown, five, true),
                     FILTER_NO);
    ck_assert_int_eq(judge("{\"and\":[[\"t\",\"eq\",\"a\"],[\"i4\",\"eq\",5]]}", unknown, five, true),
                     FILTER_UNDECIDED);
    ck_assert_int_eq(judge("{\"or\":[[\"t\",\"eq\",\"a\"],[\"i4\",\"eq\",5]]}", unknown, five, true),
                     FILTER_YES);
    ck_assert_int_eq(judge("{\"and\":[[\"t\",\"eq\",\"a\"],[\"i2\",\"eq\",5]]}", unknown, five, true),
                     FILTER_NO);
    ck_assert_int_eq(judge("[\"t\",\"notnull\"]", unknown, five, true), FILTER_YES);
    ck_assert_int_eq(judge("[\"t\",\"null\"]", unknown, five, true), FILTER_NO);
    ck_assert_int_eq(judge("[\"t\",\"null\"]", unknown, five, false), FILTER_UNDECIDED);
    ck_assert_int_eq(judge("[\"t\",\"notnull\"]", unknown, five, false), FILTER_UNDECIDED);
}
END_TEST

static const struct {
    const char *where, *text;
} refused[] = {
    {"[\"i4\",\"eq\",1.5]", "column i4 is int4: it is compared with a whole number of 32 bits"},
    {"[\"i4\",\"eq\",2147483648]", "column i4 is int4"},
    {"[\"i4\",\"eq\",\"x\"]", "column i4 is int4"},
    {"[\"i4\",\"eq\",true]", "column i4 is int4"},
    {"[\"i4\",\"eq\",null]", "null has operators of its own"},
    {"[\"i4\",\"in\",[1,null]]", "null has operators of its own"},
    {"[\"i4\",\"in\",[]]", "1 to 256 values"},
    {"[\"i4\",\"in\",7]", "1 to 256 values"},
    {"[\"i4\",\"like\",\"1%\"]", "like and prefix are for text"},
    {"[\"o\",\"eq\",-1]", "column o is oid"},
    {"[\"i8\",\"eq\",\"9223372036854775808\"]", "column i8 is int8"},
    {"[\"n\",\"eq\",\"1e999999\"]", "column n is numeric"},
    {"[\"n\",\"eq\",\"\"]", "column n is numeric"},
    {"[\"n\",\"eq\",\".\"]", "column n is numeric"},
    {"[\"dom\",\"eq\",\"x\"]", "column dom is price, that is numeric"},
    {"[\"f8\",\"eq\",\"1e400\"]", "column f8 is float8"},
    {"[\"f8\",\"eq\",\"0x10\"]", "column f8 is float8"},
    {"[\"f4\",\"eq\",1e-60]", "column f4 is float4"},
    {"[\"b\",\"eq\",\"true\"]", "column b is bool: it is compared with true or false"},
    {"[\"t\",\"eq\",5]", "column t is text: it is compared with a string"},
    {"[\"t\",\"eq\",\"a\\u0000b\"]", "column t is text"},
    {"[\"t\",\"like\",\"a\\\\\"]", "does not end in a single"},
    {"[\"u\",\"eq\",\"abc\"]", "column u is uuid"},
    {"[\"x\",\"eq\",\"?\"]", "column x is bytea"},
    {"[\"ts\",\"eq\",\"2024-01-02T00:00:00Z\"]", "without a zone"},
    {"[\"tz\",\"eq\",\"2024-01-02T00:00:00\"]", "with a zone"},
    {"[\"d\",\"eq\",\"2023-02-29\"]", "column d is date"},
    {"[\"tm\",\"eq\",\"25:00:00\"]", "column tm is time"},
    {"[\"j\",\"eq\",\"1\"]", "column j is jsonb: only null and notnull"},
    {"[\"a\",\"lt\",[1]]", "column a is int4[]: only eq, ne, null and notnull"},
    {"[\"a\",\"eq\",1]", "an array of at most 256"},
    {"[\"a\",\"eq\",[[1]]]", "each element is compared with a whole number"},
    {"[\"pa\",\"eq\",[\"(1,2)\"]]", "only null and notnull"},
    {"[\"m\",\"lt\",\"good\"]", "column m is mood, that is of its own kind: its order is not known"},
    {"[\"nothing\",\"eq\",1]", "there is no column nothing"},
    {"[\"i4\",\"equals\",1]", "the operators are"},
    {"[\"i4\",\"eq\"]", "the other operators have one"},
    {"[\"i4\",\"null\",1]", "null and notnull have no value"},
    {"[\"i4\",\"eq\",1,2]", "a condition is"},
    {"[7,\"eq\",1]", "a condition is"},
    {"7", "a condition is an array"},
    {"{}", "an object has one member"},
    {"{\"and\":[],\"or\":[]}", "an object has one member"},
    {"{\"xor\":[]}", "an object has one member"},
    {"{\"and\":[]}", "an array of 1 to 32 conditions"},
    {"{\"or\":{}}", "an array of 1 to 32 conditions"},
    {"{\"not\":[[\"i4\",\"null\"]]}", "a condition is"},
};

START_TEST(what_makes_no_sense_is_refused)
{
    struct err e = {0};
    ck_assert_msg(!compile(refused[_i].where, &e), "%s is taken", refused[_i].where);
    ck_assert_msg(strstr(e.text, refused[_i].text), "%s: %s", refused[_i].where, e.text);
}
END_TEST

/* 32 conditions and connectives, 256 values, 256 bytes of a pattern. */
START_TEST(a_filter_has_bounds)
{
    struct err e = {0};
    for (int extra = 0; extra < 2; extra++) {
        struct buf nodes = BUF_EMPTY, values = BUF_EMPTY, pattern = BUF_EMPTY;
        buf_str(&nodes, "{\"and\":[[\"i4\",\"null\"]");
        for (int i = 1; i < 31 + extra; i++)
            buf_str(&nodes, ",[\"i4\",\"null\"]");
        buf_str(&nodes, "]}");
        buf_str(&values, "[\"i4\",\"in\",[0");
        for (int i = 1; i < 256 + extra; i++)
            buf_printf(&values, ",%d", i);
        buf_str(&values, "]]");
        buf_printf(&pattern, "[\"t\",\"like\",\"%0*d\"]", 256 + extra, 0);
        const char *list[] = {nodes.ptr, values.ptr, pattern.ptr};
        for (size_t i = 0; i < 3; i++) {
            struct filter *f = compile(list[i], &e);
            ck_assert_msg((f == NULL) == extra, "%s: %s", list[i], e.text);
            filter_free(f);
        }
        buf_free(&nodes);
        buf_free(&values);
        buf_free(&pattern);
    }
}
END_TEST

static void expect_same(const char *one, const char *two, bool same)
{
    struct err e = {0};
    struct filter *a = compile(one, &e), *b = compile(two, &e);
    ck_assert_msg((strcmp(filter_text(a), filter_text(b)) == 0) == same, "%s, %s", filter_text(a),
                  filter_text(b));
    filter_free(a);
    filter_free(b);
}

/* The same filter written in another way shares its channel. */
START_TEST(filters_have_one_text)
{
    expect_same("[\"n\",\"eq\",1.50]", "[\"n\",\"eq\",\"1.5\"]", true);
    expect_same("[\"i4\",\"in\",[3,1,2]]", "[\"i4\",\"in\",[1,2,2,3]]", true);
    expect_same("{\"and\":[[\"i4\",\"eq\",1],[\"t\",\"null\"]]}",
                "{\"and\":[[\"t\",\"null\"],[\"i4\",\"eq\",1]]}", true);
    expect_same("[\"i4\",\"eq\",1]", "[\"i8\",\"eq\",1]", false);
    expect_same("[\"i4\",\"lt\",1]", "[\"i4\",\"le\",1]", false);
    expect_same("[\"ta\",\"eq\",[\"null\"]]", "[\"ta\",\"eq\",[null]]", false);
    expect_same("[\"t\",\"eq\",\"a\"]", "[\"t\",\"eq\",\"b\"]", false);
}
END_TEST

/* What cannot be right in PostgreSQL is not sent there: quotes, escapes, collation, types. */
START_TEST(filters_are_sql)
{
    static const char *const pairs[][2] = {
        {"[\"i4\",\"eq\",5]", "(\"i4\" = '5'::pg_catalog.int4)"},
        {"[\"t\",\"lt\",\"o'\\\\x\"]",
         "(\"t\"::pg_catalog.text COLLATE pg_catalog.\"C\" <  E'o''\\\\x'::pg_catalog.text)"},
        {"{\"not\":{\"or\":[[\"b\",\"eq\",true],[\"d\",\"null\"]]}}",
         "(NOT ((\"b\" = 'true'::pg_catalog.bool) OR (\"d\" IS NULL)))"},
        {"[\"tz\",\"ge\",\"2024-01-01T00:00:00+01:00\"]",
         "(\"tz\" >= '2023-12-31 23:00:00.000000+00'::pg_catalog.timestamptz)"},
        {"[\"x\",\"ne\",\"AP8=\"]", "NOT (\"x\" =  E'\\\\x00ff'::pg_catalog.bytea)"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct err e = {0};
        struct buf sql = BUF_EMPTY;
        struct filter *f = compile(pairs[i][0], &e);
        filter_sql(f, &sql);
        ck_assert_str_eq(sql.ptr, pairs[i][1]);
        buf_free(&sql);
        filter_free(f);
    }
}
END_TEST

/* The index looks for the condition with the fewest values among those that every match must meet. */
START_TEST(an_index_finds_equalities)
{
    static const struct {
        const char *where;
        size_t n;
        const char *column;
    } cases[] = {
        {"[\"i4\",\"eq\",5]", 1, "i4"},
        {"[\"i4\",\"in\",[5,6]]", 2, "i4"},
        {"{\"and\":[[\"i4\",\"in\",[5,6]],{\"and\":[[\"t\",\"eq\",\"a\"]]}]}", 1, "t"},
        {"{\"or\":[[\"i4\",\"eq\",5],[\"t\",\"eq\",\"a\"]]}", 0, ""},
        {"{\"not\":[\"i4\",\"eq\",5]}", 0, ""},
        {"[\"i4\",\"ne\",5]", 0, ""},
        {"[\"a\",\"eq\",[5]]", 0, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err e = {0};
        struct filter_equal equal = {0};
        struct filter *f = compile(cases[i].where, &e);
        ck_assert_int_eq(filter_equal(f, &equal), cases[i].n > 0);
        ck_assert_uint_eq(equal.n, cases[i].n);
        if (equal.n)
            ck_assert_str_eq(columns[equal.column].name, cases[i].column);
        filter_free(f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tcase = tcase_create("filter");
    tcase_add_test(tcase, values_compare_by_their_type);
    tcase_add_test(tcase, a_value_has_more_than_one_form);
    tcase_add_test(tcase, lists_patterns_and_arrays);
    tcase_add_test(tcase, logic_has_three_values);
    tcase_add_test(tcase, unknown_values_are_a_fourth_thing);
    tcase_add_loop_test(tcase, what_makes_no_sense_is_refused, 0, sizeof(refused) / sizeof(*refused));
    tcase_add_test(tcase, a_filter_has_bounds);
    tcase_add_test(tcase, filters_have_one_text);
    tcase_add_test(tcase, filters_are_sql);
    tcase_add_test(tcase, an_index_finds_equalities);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
