/* test_types_shape.c - shapes become structs with the well-known binary that Debezium writes. */
#include "sample.h"
#include "suite.h"

#define WKB_FIELDS(more)                                                                                     \
    "{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,"       \
    "\"field\":\"srid\"}" more
#define GEOMETRY                                                                                             \
    "{\"type\":\"struct\",\"fields\":[" WKB_FIELDS(",{\"type\":\"map\",\"keys\":{\"type\":\"string\","       \
                                                   "\"optional\":false},\"values\":{\"type\":\"string\","    \
                                                   "\"optional\":false},\"optional\":true,\"field\":"        \
                                                   "\"extensions\"}") "],\"optional\":true,"                 \
                                                                      "\"name\":\"io.debezium.data."         \
                                                                      "geometry.Geometry\",\"version\":2,"   \
                                                                      "\"doc\":\"Geometry\"}"
#define DOUBLE(name) "{\"type\":\"double\",\"optional\":false,\"field\":\"" name "\"}"
#define POINT(optional, field)                                                                               \
    "{\"type\":\"struct\",\"fields\":[" DOUBLE("x") "," DOUBLE(                                              \
        "y") ",{\"type\":\"bytes\",\"optional\":true,"                                                       \
             "\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}],"                \
             "\"optional\":" optional ","                                                                    \
             "\"name\":\"io.debezium.data.geometry.Point\",\"version\":1,\"doc\":\"Geometry (POINT)\"" field \
             "}"
#define SHAPE(wkb, type) "{\"wkb\":\"" wkb "\",\"srid\":null,\"extensions\":{\"type\":\"" type "\"}}"
#define PATH(wkb, closed)                                                                                    \
    "{\"wkb\":\"" wkb "\",\"srid\":null,\"extensions\":{\"type\":\"path\",\"closed\":\"" closed "\"}}"

/* All but point stay optional in a NOT NULL column, and still have a fallback there. */
static const struct {
    const char *type, *schema, *absent;
} shapes[] = {
    {"point", POINT("false", ""),
     "{\"x\":0.0,\"y\":0.0,\"wkb\":\"AQEAAAAAAAAAAAAAAAAAAAAAAAAA\",\"srid\":null}"},
    {"line",
     "{\"type\":\"struct\",\"fields\":[" DOUBLE("a") "," DOUBLE("b") "," DOUBLE(
         "c") "],\"optional\":true,\"name\":\"io.debezium.data.geometry.Line\",\"version\":1,\"doc\":"
              "\"Geometry (LINE)\"}",
     "{\"a\":0.0,\"b\":1.0,\"c\":0.0}"},
    {"circle",
     "{\"type\":\"struct\",\"fields\":[" POINT("false", ",\"field\":\"center\"") "," DOUBLE(
         "radius") "],\"optional\":true,\"name\":\"io.debezium.data.geometry.Circle\",\"version\":1,"
                   "\"doc\":\"Geometry (CIRCLE)\"}",
     "{\"center\":{\"x\":0.0,\"y\":0.0,\"wkb\":\"AQEAAAAAAAAAAAAAAAAAAAAAAAAA\",\"srid\":null},\"radius\":0."
     "0}"},
    {"lseg", GEOMETRY, SHAPE("AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAAAAA=", "lseg")},
    {"path", GEOMETRY, SHAPE("AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAAAAA=", "path")},
    {"box", GEOMETRY,
     SHAPE("AQMAAAABAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/"
           "AAAAAAAAAAAAAAAAAAAA"
           "AAAAAAAAAAAA",
           "box")},
    {"polygon", GEOMETRY,
     SHAPE("AQMAAAABAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAA"
           "AAAAAA=",
           "polygon")},
    {"geometry", GEOMETRY, "{\"wkb\":\"AQcAAAAAAAAA\",\"srid\":null,\"extensions\":null}"},
    {"geography",
     "{\"type\":\"struct\",\"fields\":[" WKB_FIELDS(
         "") "],\"optional\":false,"
             "\"name\":\"io.debezium.data.geometry.Geography\",\"version\":1,"
             "\"doc\":\"Geography\"}",
     "{\"wkb\":\"AQcAAAAAAAAA\",\"srid\":null}"},
};

START_TEST(schemas_and_fallbacks)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct codec *c = sample_codec(s, shapes[i].type, -1, true);
        ck_assert_str_eq(sample_schema(s, c), shapes[i].schema);
        ck_assert_str_eq(sample_absent(s, c), shapes[i].absent);
        ck_assert_str_eq(sample_absent(s, sample_codec(s, shapes[i].type, -1, false)), "null");
        ck_assert_str_eq(sample_unavailable(s, c), "null");
    }
    ck_assert_str_eq(sample_schema(s, sample_codec(s, "point", -1, false)), POINT("true", ""));
    sample_free(s);
}
END_TEST

static const struct {
    const char *type, *text, *json;
} values[] = {
    {"point", "(1.5,2.5)", "{\"x\":1.5,\"y\":2.5,\"wkb\":\"AQEAAAAAAAAAAAD4PwAAAAAAAARA\",\"srid\":null}"},
    {"point", "(NaN,Infinity)",
     "{\"x\":\"NaN\",\"y\":\"Infinity\",\"wkb\":\"AQEAAAAAAAAAAAD4fwAAAAAAAPB/\",\"srid\":null}"},
    {"point", "(-0,1e-320)",
     "{\"x\":-0.0,\"y\":1.0E-320,\"wkb\":\"AQEAAAAAAAAAAAAAgOgHAAAAAAAA\",\"srid\":null}"},
    {"line", "{1.5,-1e-05,1e+21}", "{\"a\":1.5,\"b\":-1.0E-5,\"c\":1.0E21}"},
    {"circle", "<(1,2),3>",
     "{\"center\":{\"x\":1.0,\"y\":2.0,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null},\"radius\":3."
     "0}"},
    {"lseg", "[(1,2),(3,4)]", SHAPE("AQIAAAACAAAAAAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEA=", "lseg")},
    {"box", "(3,4),(1,2)",
     SHAPE("AQMAAAABAAAABQAAAAAAAAAAAAhAAAAAAAAAEEAAAAAAAAAIQAAAAAAAAABAAAAAAAAA8D8AAAAAAAAAQAAAAAAAAPA/"
           "AAAAAAAAEEAAAAAAAAAI"
           "QAAAAAAAABBA",
           "box")},
    {"path", "((1,2),(3,4))", PATH("AQIAAAACAAAAAAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEA=", "true")},
    {"path", "[(0,0),(1,1)]", PATH("AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8=", "false")},
    {"polygon", "((0,0),(1,1),(1,0))",
     SHAPE("AQMAAAABAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAPA/"
           "AAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
           "polygon")},
    {"polygon", "((1,2),(3,4),(1,2))",
     SHAPE("AQMAAAABAAAAAwAAAAAAAAAAAPA/AAAAAAAAAEAAAAAAAAAIQAAAAAAAABBAAAAAAAAA8D8AAAAAAAAAQA==",
           "polygon")},
    {"polygon", "((1,2))", SHAPE("AQMAAAABAAAAAQAAAAAAAAAAAPA/AAAAAAAAAEA=", "polygon")},
    {"geometry", "0101000000000000000000F03F0000000000000040",
     "{\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null,\"extensions\":null}"},
    {"geometry", "0101000020E6100000000000000000F83F0000000000000040",
     "{\"wkb\":\"AQEAACDmEAAAAAAAAAAA+D8AAAAAAAAAQA==\",\"srid\":4326,\"extensions\":null}"},
    {"geography", "0101000020E6100000000000000000F03F0000000000000040",
     "{\"wkb\":\"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==\",\"srid\":4326}"},
    {"geometry", "0020000001000010E63FF80000000000004000000000000000",
     "{\"wkb\":\"ACAAAAEAABDmP/gAAAAAAABAAAAAAAAAAA==\",\"srid\":4326,\"extensions\":null}"},
};

START_TEST(values_of_shapes)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const struct codec *c = sample_codec(s, values[i].type, -1, false);
        ck_assert_str_eq(sample_json(s, c, values[i].text), values[i].json);
    }
    sample_free(s);
}
END_TEST

START_TEST(malformed_shapes_are_refused)
{
    static const char *const bad[][2] = {
        {"point", "(1)"},
        {"point", "(1,2,3)"},
        {"point", "(1,x)"},
        {"line", "{1,2}"},
        {"box", ""},
        {"path", "((1,2),(3))"},
        {"polygon", "()"},
        {"circle", "<>"},
        {"geometry", "01"},
        {"geometry", "01010000000"},
        {"geometry", "zz01000000000000000000"},
        {"vector", "[]"},
        {"vector", "1,2"},
        {"sparsevec", "{1:2}"},
        {"sparsevec", "{1:2}/70000"},
        {"sparsevec", "{70000:2}/5"},
        {"point", "(11111111111111111111111111111111111111111111111111111111111111111,1)"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_str_eq(sample_json(s, sample_codec(s, bad[i][0], -1, false), bad[i][1]), "error");
    sample_free(s);
}
END_TEST

START_TEST(vectors)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "vector", 3, false);
    ck_assert_str_eq(sample_schema(s, c),
                     "{\"type\":\"array\",\"items\":{\"type\":\"double\",\"optional\":false},"
                     "\"optional\":true,\"name\":\"io.debezium.data.DoubleVector\",\"version\":1}");
    ck_assert_str_eq(sample_json(s, c, "[101,102.5,-1e-05]"), "[101.0,102.5,-1.0E-5]");
    c = sample_codec(s, "halfvec", 3, true);
    ck_assert(
        strstr(sample_schema(s, c), "\"items\":{\"type\":\"float\",\"optional\":false},\"optional\":false"));
    ck_assert_str_eq(sample_json(s, c, "[0.1,2]"), "[0.1,2.0]");
    ck_assert_str_eq(sample_absent(s, c), "[]");
    c = sample_codec(s, "sparsevec", 25, false);
    ck_assert_str_eq(sample_json(s, c, "{1:10,11:20}/25"),
                     "{\"dimensions\":25,\"vector\":[[1,10.0],[11,20.0]]}");
    ck_assert_str_eq(sample_json(s, c, "{}/25"), "{\"dimensions\":25,\"vector\":[]}");
    /* A map made for two entries has two buckets, and four once they are in: 2, 5, not 5, 2. */
    ck_assert_str_eq(sample_json(s, c, "{2:1,5:2}/25"), "{\"dimensions\":25,\"vector\":[[5,2.0],[2,1.0]]}");
    sample_free(s);
}
END_TEST

START_TEST(any_bytes_give_a_value_or_an_error)
{
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (unsigned seed = 0; seed < 1000; seed++) {
            const struct codec *c = sample_codec(s, values[i].type, -1, false);
            sample_json_bytes(s, c, sample_noise(s, values[i].text, seed));
            arena_reset(&s->arena);
        }
    }
    for (unsigned seed = 0; seed < 2000; seed++) {
        sample_json_bytes(s, sample_codec(s, "sparsevec", -1, false),
                          sample_noise(s, "{1:10,11:20.5}/25", seed));
        sample_json_bytes(s, sample_codec(s, "vector", -1, false), sample_noise(s, "[1,2.5,-1e-05]", seed));
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_shape", schemas_and_fallbacks, values_of_shapes, malformed_shapes_are_refused, vectors,
           any_bytes_give_a_value_or_an_error)
