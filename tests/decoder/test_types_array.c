/* test_types_array.c - arrays as Debezium writes them, and the reader of PostgreSQL's array text. */
#include "sample.h"
#include "suite.h"
#include "types_array.h"

#define P            "__debezium_unavailable_value"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items ",\"optional\":true}"
#define STRINGS      ARRAY("{\"type\":\"string\",\"optional\":true}")

START_TEST(items_take_the_schema_of_the_element)
{
    static const struct {
        const char *type, *schema;
    } cases[] = {
        {"text[]", STRINGS},
        {"inet[]", STRINGS},
        {"numrange[]", STRINGS},
        {"int4[]", ARRAY("{\"type\":\"int32\",\"optional\":true}")},
        {"float4[]", ARRAY("{\"type\":\"float\",\"optional\":true}")},
        {"uuid[]",
         ARRAY("{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Uuid\",\"version\":1}")},
        {"bytea[]", ARRAY("{\"type\":\"bytes\",\"optional\":true}")},
        {"mood[]",
         ARRAY("{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.data.Enum\",\"version\":1,"
               "\"parameters\":{\"allowed\":\"sad,ok,a,b\"}}")},
        {"isbn[]", ARRAY("{\"type\":\"string\",\"optional\":false}")},
        {"bit[]", "{\"type\":\"boolean\",\"optional\":true}"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_schema(s, sample_codec(s, cases[i].type, -1, false)), cases[i].schema);
    const struct codec *c = sample_codec(s, "numeric[]", (6 << 16 | 2) + 4, false);
    ck_assert(strstr(sample_schema(s, c), "{\"scale\":\"2\",\"connect.decimal.precision\":\"6\"}"));
    sample_free(s);
}
END_TEST

START_TEST(elements)
{
    static const struct {
        const char *type, *text, *json;
    } cases[] = {
        {"text[]", "{a,\"b c\",NULL,\"NULL\",null,\"\",\"a\\\"b\",\"c\\\\d\",\"x,y\",\"{z}\",é,\" lead\"}",
         "[\"a\",\"b c\",null,\"NULL\",\"null\",\"\",\"a\\\"b\",\"c\\\\d\",\"x,y\",\"{z}\",\"é\",\" lead\"]"},
        {"text[]", "{}", "[]"},
        {"int4[]", "{1,NULL,-3}", "[1,null,-3]"},
        {"int4[]", "[2:4]={7,8,9}", "[7,8,9]"},
        {"int8[]", "{9007199254740993}", "[9007199254740993]"},
        {"float8[]", "{0.1,NULL,NaN,-Infinity}", "[0.1,null,\"NaN\",\"-Infinity\"]"},
        {"bool[]", "{t,f,NULL}", "[true,false,null]"},
        {"jsonb[]", "{\"{\\\"a\\\": 1}\",NULL,\"null\"}", "[\"{\\\"a\\\": 1}\",null,\"null\"]"},
        {"bytea[]", "{\"\\\\x00ff\",NULL}", "[\"AP8=\",null]"},
        {"date[]", "{2020-01-01,NULL}", "[18262,null]"},
        {"timestamptz[]", "{\"2020-01-01 10:34:56.789+00\"}", "[\"2020-01-01T10:34:56.789000Z\"]"},
        {"timestamptz[]", "{infinity,-infinity}", "[\"infinity\",\"+292269055-12-02T23:00:00.000000Z\"]"},
        {"time[]", "{24:00:00,12:34:56.123999}", "[0,45296123000]"},
        {"hstore[]", "{\"\\\"a\\\"=>\\\"1\\\", \\\"b\\\"=>NULL\",NULL}",
         "[\"{\\\"a\\\":\\\"1\\\",\\\"b\\\":null}\",null]"},
        {"mood[]", "{ok,\"a,b\"}", "[\"ok\",\"a,b\"]"},
        {"int2vector[]", "{}", "[]"},
        {"geometry[]", "{0101000000000000000000F03F0000000000000040:NULL}",
         "[{\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null,\"extensions\":null},null]"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_json(s, sample_codec(s, cases[i].type, -1, false), cases[i].text),
                         cases[i].json);
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "int4[]", -1, true)), "[]");
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "int4[]", -1, false)), "null");
    sample_free(s);
}
END_TEST

/* Inner arrays become null; where the items are strings they are kept as text (Debezium has an object's
 * identity). */
START_TEST(more_than_one_dimension)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "int4[]", -1, false);
    ck_assert_str_eq(sample_json(s, c, "{{1,2},{3,4}}"), "[null,null]");
    ck_assert_str_eq(sample_json(s, c, "[1:2][3:3]={{1},{2}}"), "[null,null]");
    ck_assert_str_eq(sample_json(s, c, "{{{1,2}},{{3,4}},{{5,6}}}"), "[null,null,null]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "timestamptz[]", -1, false), "{{NULL},{NULL}}"),
                     "[null,null]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "text[]", -1, false), "{{a,\"b c\"},{NULL,d}}"),
                     "[\"{a,\\\"b c\\\"}\",\"{NULL,d}\"]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "mood[]", -1, true), "{{{ok}},{{sad}}}"),
                     "[\"{{ok}}\",\"{{sad}}\"]");
    sample_free(s);
}
END_TEST

START_TEST(arrays_that_lose_their_value)
{
    static const char *const cases[][2] = {
        {"mood[]", "{ok,NULL}"},
        {"isbn[]", "{NULL}"},
        {"tsvector[]", "{'a',NULL}"},
        {"ltree[]", "{a.b,NULL}"},
        {"bit[]", "{1,0}"},
        {"box[]", "{(3,4),(1,2);(7,8),(5,6)}"},
        {"path[]", "{\"[(1,2)]\"}"},
        {"line[]", "{NULL}"},
        {"int2vector[]", "{\"1 2\"}"},
        {"circle[]", "{\"<(1,2),3>\"}"},
        {"timetz[]", "{{12:00:00+00}}"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_json(s, sample_codec(s, cases[i][0], -1, false), cases[i][1]), "error");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "box[]", -1, false), "{}"), "[]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "ltree[]", -1, false), "{a.b,c}"), "[\"a.b\",\"c\"]");
    sample_free(s);
}
END_TEST

START_TEST(columns_that_are_left_out)
{
    static const char *const never[] = {"money[]", "name[]",  "interval[]", "varbit[]",
                                        "xml[]",   "point[]", "refcursor[]"};
    static const char *const on_demand[] = {"pg_lsn[]", "pair[]", "int4multirange[]", "issn[]", "tsquery[]"};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof on_demand / sizeof *on_demand; i++)
        ck_assert_ptr_null(sample_codec(s, on_demand[i], -1, false));
    s->modes.include_unknown = true;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        ck_assert_ptr_null(sample_codec(s, never[i], -1, false));
    for (size_t i = 0; i < sizeof on_demand / sizeof *on_demand; i++) {
        const struct codec *c = sample_codec(s, on_demand[i], -1, false);
        ck_assert_str_eq(sample_schema(s, c), ARRAY("{\"type\":\"bytes\",\"optional\":false}"));
        ck_assert_str_eq(sample_json(s, c, "{\"(1,x)\"}"), "[\"KDEseCk=\"]");
        ck_assert_str_eq(sample_unavailable(s, c), "null");
    }
    sample_free(s);
}
END_TEST

/* To Debezium a domain over an enum is an enum without labels. */
START_TEST(arrays_of_domains_over_enums)
{
    static const char *const labels[] = {"a", "b"};
    struct sample *s = sample_new();
    types_set(s->types, &(struct type){.oid = 200,
                                       .schema = "t",
                                       .name = "mood",
                                       .kind = 'e',
                                       .typmod = -1,
                                       .labels = labels,
                                       .n_labels = 2});
    types_set(
        s->types,
        &(struct type){.oid = 201, .schema = "t", .name = "own", .kind = 'd', .base = 200, .typmod = -1});
    types_set(
        s->types,
        &(struct type){.oid = 202, .schema = "t", .name = "_own", .kind = 'b', .element = 201, .typmod = -1});
    struct column column = {.name = "c", .type_oid = 202, .typmod = -1};
    const struct codec *c;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_str_eq(sample_schema(s, c),
                     ARRAY("{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.data.Enum\","
                           "\"version\":1,\"parameters\":{\"allowed\":\"\"}}"));
    ck_assert_str_eq(sample_json(s, c, "{a,b}"), "[\"a\",\"b\"]");
    sample_free(s);
}
END_TEST

/* An array of any other domain is of an unknown type to Debezium. */
START_TEST(arrays_of_domains)
{
    struct sample *s = sample_new();
    types_set(s->types,
              &(struct type){.oid = 23, .schema = "pg_catalog", .name = "int4", .kind = 'b', .typmod = -1});
    types_set(s->types, &(struct type){
                            .oid = 200, .schema = "t", .name = "age", .kind = 'd', .base = 23, .typmod = -1});
    types_set(
        s->types,
        &(struct type){.oid = 201, .schema = "t", .name = "_age", .kind = 'b', .element = 200, .typmod = -1});
    struct column column = {.name = "c", .type_oid = 201, .typmod = -1};
    const struct codec *c;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_ptr_null(c);
    s->modes.include_unknown = true;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_str_eq(sample_schema(s, c), ARRAY("{\"type\":\"bytes\",\"optional\":false}"));
    ck_assert_str_eq(sample_json(s, c, "{1}"), "[\"MQ==\"]");
    sample_free(s);
}
END_TEST

#define BYTES_OF_P                                                                                           \
    "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,"    \
    "101]"

START_TEST(placeholders)
{
    static const char *const cases[][2] = {
        {"text[]", "[\"" P "\"]"},   {"varchar[]", "[\"" P "\"]"},
        {"bpchar[]", "[\"" P "\"]"}, {"json[]", "[\"" P "\"]"},
        {"jsonb[]", "[\"" P "\"]"},  {"bytea[]", "[\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"]"},
        {"int4[]", BYTES_OF_P},      {"int8[]", BYTES_OF_P},
        {"date[]", BYTES_OF_P},      {"int2[]", "null"},
        {"citext[]", "null"},        {"mood[]", "null"},
        {"numeric[]", "null"},       {"uuid[]", "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]"},
        {"bit[]", "null"},           {"hstore[]", "null"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_unavailable(s, sample_codec(s, cases[i][0], -1, false)), cases[i][1]);
    s->modes.binary = BINARY_HEX;
    ck_assert_str_eq(sample_unavailable(s, sample_codec(s, "bytea[]", -1, false)), "null");
    /* nameUUIDFromBytes of 70 bytes: more than one block of MD5. */
    s->modes.placeholder = SLICE("0123456789012345678901234567890123456789012345678901234567890123456789");
    ck_assert_str_eq(sample_unavailable(s, sample_codec(s, "uuid[]", -1, false)),
                     "[\"109eb12c-10c4-3d94-9dac-8eca7b818bed\"]");
    sample_free(s);
}
END_TEST

START_TEST(malformed_text_is_refused)
{
    static const char *const bad[] = {
        "",       "1",     "{",      "{1",   "{1,",    "{1,}",     "{,1}",
        "{1}2",   "{1}}",  "}",      "{\"a", "{\"a\\", "{\"a\"b}", "{a\"b}",
        "{a\\b}", "[1:2]", "[1:2]=", "{{1}", "{1{2}}", "{{1},2",   "{{{{{{{1}}}}}}}"};
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "text[]", -1, false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(strcmp(sample_json(s, c, bad[i]), "error") == 0, "%s", bad[i]);
    ck_assert_str_eq(sample_json(s, sample_codec(s, "int4[]", -1, false), "{1,x}"), "error");
    sample_free(s);
}
END_TEST

START_TEST(the_reader_tells_pieces)
{
    struct array_reader r = array_reader_of(SLICE("[0:1]={{\"a\\\"b\",NULL}}"), ',');
    char plain[8];
    ck_assert_int_eq(array_next(&r), ARRAY_OPEN);
    ck_assert_int_eq(array_next(&r), ARRAY_OPEN);
    ck_assert_uint_eq(r.depth, 2);
    ck_assert_int_eq(array_next(&r), ARRAY_ITEM);
    ck_assert(r.escaped && slice_is(r.item, "a\\\"b"));
    ck_assert_uint_eq(array_item_plain(&r, plain), 3);
    ck_assert_mem_eq(plain, "a\"b", 3);
    ck_assert_int_eq(array_next(&r), ARRAY_NULL);
    ck_assert_int_eq(array_next(&r), ARRAY_CLOSE);
    ck_assert_int_eq(array_next(&r), ARRAY_CLOSE);
    ck_assert_int_eq(array_next(&r), ARRAY_DONE);
}
END_TEST

START_TEST(any_bytes_give_a_value_or_an_error)
{
    static const char *const cases[][2] = {
        {"text[]", "{a,\"b \\\"c\\\\\",NULL}"},
        {"text[]", "[1:2]={{a,\"b\"},{c,d}}"},
        {"int4[]", "{1,NULL,-3}"},
        {"mood[]", "{ok,{sad}}"},
        {"bytea[]", "{\"\\\\x00ff\"}"},
        {"box[]", "{(3,4),(1,2)}"},
        {"hstore[]", "{\"\\\"a\\\"=>\\\"1\\\"\"}"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned seed = 0; seed < 2000; seed++) {
            const struct codec *c = sample_codec(s, cases[i][0], -1, false);
            sample_json_bytes(s, c, sample_noise(s, cases[i][1], seed));
            arena_reset(&s->arena);
        }
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_array", items_take_the_schema_of_the_element, elements, more_than_one_dimension,
           arrays_that_lose_their_value, columns_that_are_left_out, arrays_of_domains,
           arrays_of_domains_over_enums, placeholders, malformed_text_is_refused, the_reader_tells_pieces,
           any_bytes_give_a_value_or_an_error)
