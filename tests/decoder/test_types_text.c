/* test_types_text.c - strings, bytes and bit strings look as Debezium writes them. */
#include "java_map.h"
#include "sample.h"
#include "suite.h"

#define P "__debezium_unavailable_value"

START_TEST(text_types_are_the_text)
{
    struct sample *s = sample_new();
    static const char *const plain[] = {"text",      "varchar",  "bpchar",   "char",    "citext",
                                        "isbn",      "inet",     "cidr",     "macaddr", "macaddr8",
                                        "int4range", "numrange", "tstzrange"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const struct codec *c = sample_codec(s, plain[i], -1, false);
        ck_assert_str_eq(sample_schema(s, c), "{\"type\":\"string\",\"optional\":true}");
        ck_assert_str_eq(sample_json(s, c, "vc\"x\\y\ttëxt\n\1"), "\"vc\\\"x\\\\y\\ttëxt\\n\\u0001\"");
        ck_assert_str_eq(sample_json(s, c, ""), "\"\"");
        ck_assert_str_eq(sample_absent(s, c), "null");
        ck_assert_str_eq(sample_unavailable(s, c), "\"" P "\"");
    }
    sample_free(s);
}
END_TEST

START_TEST(semantic_names)
{
    struct sample *s = sample_new();
    static const char *const named[][2] = {{"json", "Json"}, {"jsonb", "Json"},  {"xml", "Xml"},
                                           {"uuid", "Uuid"}, {"ltree", "Ltree"}, {"tsvector", "Tsvector"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        char want[100];
        snprintf(want, sizeof want,
                 "{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.data.%s\",\"version\":1}",
                 named[i][1]);
        const struct codec *c = sample_codec(s, named[i][0], -1, true);
        ck_assert_str_eq(sample_schema(s, c), want);
        ck_assert_str_eq(sample_absent(s, c), "\"\"");
    }
    ck_assert_str_eq(sample_json(s, sample_codec(s, "json", -1, false), "{\"a\":\n1}"),
                     "\"{\\\"a\\\":\\n1}\"");
    sample_free(s);
}
END_TEST

START_TEST(a_uuid_is_checked)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "uuid", -1, false);
    ck_assert_str_eq(sample_json(s, c, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
                     "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"");
    ck_assert_str_eq(sample_json(s, c, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"), "error");
    ck_assert_str_eq(sample_json(s, c, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\""), "error");
    sample_free(s);
}
END_TEST

/* A slip of Debezium's: the field is there, its value comes only where unknown types are included. */
START_TEST(a_name_has_no_value)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "name", -1, false);
    ck_assert_str_eq(sample_schema(s, c), "{\"type\":\"string\",\"optional\":true}");
    ck_assert_str_eq(sample_json(s, c, "nm"), "null");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, true), "nm"), "\"\"");
    s->modes.include_unknown = true;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, false), "nm"), "\"nm\"");
    sample_free(s);
}
END_TEST

START_TEST(bytea_in_every_mode)
{
    static const struct {
        enum binary_mode mode;
        const char *type, *json, *unavailable;
    } modes[] = {
        {BINARY_BYTES, "bytes", "\"AP/77w==\"", "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\""},
        {BINARY_BASE64, "string", "\"AP/77w==\"", "null"},
        {BINARY_BASE64_URL, "string", "\"AP_77w==\"", "null"},
        {BINARY_HEX, "string", "\"00fffbef\"", "\"" P "\""},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        s->modes.binary = modes[i].mode;
        const struct codec *c = sample_codec(s, "bytea", -1, false);
        ck_assert(strstr(sample_schema(s, c), modes[i].type));
        ck_assert_str_eq(sample_json(s, c, "\\x00fffbef"), modes[i].json);
        ck_assert_str_eq(sample_json(s, c, "\\x"), "\"\"");
        ck_assert_str_eq(sample_json(s, c, "\\x0"), "error");
        ck_assert_str_eq(sample_json(s, c, "\\x0g"), "error");
        ck_assert_str_eq(sample_json(s, c, "\\000"), "error");
        ck_assert_str_eq(sample_unavailable(s, c), modes[i].unavailable);
    }
    sample_free(s);
}
END_TEST

/* The shortcut works in parts; no padding may come in between, and a bad digit in a later part takes all
 * back. */
START_TEST(a_long_bytea)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "bytea", -1, false);
    char *text = arena_zero(&s->arena, 2 + 2 * 2000 + 1);
    memcpy(text, "\\x", 2);
    for (size_t n = 0; n < 2000; n++) {
        memcpy(text + 2 + 2 * n, n % 2 ? "fB" : "7a", 2);
        if (n % 97 == 0 || (n > 760 && n < 776))
            ck_assert_uint_eq(strlen(sample_json(s, c, text)), 2 + (n + 3) / 3 * 4);
    }
    text[3000] = 'x';
    ck_assert_str_eq(sample_json(s, c, text), "error");
    sample_free(s);
}
END_TEST

#define BITS(length)                                                                                         \
    "{\"type\":\"bytes\",\"optional\":true,\"name\":\"io.debezium.data.Bits\",\"version\":1,"                \
    "\"parameters\":{\"length\":\"" length "\"}}"

START_TEST(bit_strings_are_little_endian_and_cut)
{
    static const struct {
        const char *type;
        int32_t typmod;
        const char *schema, *text, *json;
    } cases[] = {
        {"bit", 1, "{\"type\":\"boolean\",\"optional\":true}", "1", "true"},
        {"varbit", 1, "{\"type\":\"boolean\",\"optional\":true}", "0", "false"},
        {"varbit", 1, "{\"type\":\"boolean\",\"optional\":true}", "", "error"},
        {"bit", 8, BITS("8"), "10000001", "\"gQ==\""},
        {"bit", 16, BITS("16"), "0000000000000001", "\"AQ==\""},
        {"bit", 16, BITS("16"), "0000000000000000", "\"\""},
        {"bit", 70, BITS("70"), "1010101010101010101010101010101010101010101010101010101010101010101010",
         "\"qqqqqqqqqqoq\""},
        {"varbit", -1, BITS("2147483647"), "1000000000001", "\"ARA=\""},
        {"varbit", 12, BITS("12"), "", "\"\""},
        {"varbit", 12, BITS("12"), "012", "error"},
    };
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct codec *c = sample_codec(s, cases[i].type, cases[i].typmod, false);
        ck_assert_str_eq(sample_schema(s, c), cases[i].schema);
        ck_assert_str_eq(sample_json(s, c, cases[i].text), cases[i].json);
        ck_assert_str_eq(sample_unavailable(s, c), "null");
    }
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "bit", 1, true)), "false");
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "bit", 9, true)), "\"\"");
    sample_free(s);
}
END_TEST

static const char hstore_text[] = "\"\"=>\"\", \"z\"=>\"1\", \"BB\"=>\"3\", \"aa\"=>\"2\", \"a\\\\b\"=>NULL, "
                                  "\"AaAa\"=>\"4\", \"AaBB\"=>\"6\", "
                                  "\"BBAa\"=>\"7\", \"BBBB\"=>\"5\", \"é😀\"=>\"x\\\"y\", \"漢字\"=>\"a\tb\"";

START_TEST(hstore_comes_in_the_order_of_a_hash_map)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "hstore", -1, false);
    ck_assert_str_eq(
        sample_schema(s, c),
        "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Json\",\"version\":1}");
    ck_assert_str_eq(
        sample_json(s, c, hstore_text),
        "\"{\\\"\\\":\\\"\\\",\\\"BB\\\":\\\"3\\\",\\\"aa\\\":\\\"2\\\",\\\"é\\uD83D\\uDE00\\\":"
        "\\\"x\\\\\\\"y\\\","
        "\\\"a\\\\\\\\b\\\":null,\\\"漢字\\\":\\\"a\\\\tb\\\",\\\"z\\\":\\\"1\\\",\\\"AaAa\\\":\\\"4\\\","
        "\\\"AaBB\\\":\\\"6\\\",\\\"BBAa\\\":\\\"7\\\",\\\"BBBB\\\":\\\"5\\\"}\"");
    ck_assert_str_eq(sample_json(s, c, ""), "\"{}\"");
    ck_assert_str_eq(sample_json(s, c, "\"a\"=>\"1\","), "error");
    ck_assert_str_eq(sample_json(s, c, "\"a\\"), "error");
    ck_assert_str_eq(sample_unavailable(s, c), "\"{\\\"" P "\\\":\\\"" P "\\\"}\"");
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "hstore", -1, true)), "\"{}\"");
    sample_free(s);
}
END_TEST

START_TEST(hstore_as_a_map)
{
    struct sample *s = sample_new();
    s->modes.hstore = HSTORE_MAP;
    const struct codec *c = sample_codec(s, "hstore", -1, false);
    ck_assert_str_eq(sample_schema(s, c),
                     "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":false},"
                     "\"values\":{\"type\":\"string\",\"optional\":true},\"optional\":true}");
    ck_assert_str_eq(sample_json(s, c, "\"b\"=>NULL, \"a\"=>\"1\""), "{\"a\":\"1\",\"b\":null}");
    ck_assert_str_eq(sample_unavailable(s, c), "{\"" P "\":\"" P "\"}");
    ck_assert_str_eq(sample_absent(s, sample_codec(s, "hstore", -1, true)), "{}");
    sample_free(s);
}
END_TEST

/* Beyond twelve entries the table grows, and the order changes. */
START_TEST(a_grown_hash_map)
{
    static const int order[] = {1,  2,  5,  6,  3,  4,  9,  7,  8,  22, 21, 20, 15, 14, 13,
                                12, 19, 18, 17, 16, 11, 10, 30, 26, 25, 24, 23, 29, 28, 27};
    struct java_entry entries[30];
    for (uint32_t i = 0; i < 30; i++) {
        char key[8];
        snprintf(key, sizeof key, "key%u", i + 1);
        entries[i] = (struct java_entry){java_string_hash(slice_of(key)), i};
    }
    java_map_order(entries, 30, 16);
    for (size_t i = 0; i < 30; i++)
        ck_assert_int_eq(entries[i].index + 1, order[i]);
}
END_TEST

START_TEST(enums_tell_their_labels)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "mood", -1, true);
    ck_assert_str_eq(sample_schema(s, c),
                     "{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.data.Enum\","
                     "\"version\":1,\"parameters\":{\"allowed\":\"sad,ok,a,b\"}}");
    ck_assert_str_eq(sample_json(s, c, "ok"), "\"ok\"");
    ck_assert_str_eq(sample_absent(s, c), "\"\"");
    sample_free(s);
}
END_TEST

START_TEST(system_vectors_are_empty)
{
    struct sample *s = sample_new();
    const struct codec *c = sample_codec(s, "int2vector", -1, false);
    ck_assert_str_eq(
        sample_schema(s, c),
        "{\"type\":\"array\",\"items\":{\"type\":\"int16\",\"optional\":false},\"optional\":true}");
    ck_assert_str_eq(sample_json(s, c, "1 2"), "[]");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "oidvector", -1, true), "1 2"), "[]");
    sample_free(s);
}
END_TEST

START_TEST(unknown_types_only_on_demand)
{
    static const char *const left_out[] = {"pg_lsn", "pair",           "tsquery",
                                           "issn",   "int4multirange", "refcursor"};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        s->modes.include_unknown = false;
        ck_assert_ptr_null(sample_codec(s, left_out[i], -1, false));
        s->modes.include_unknown = true;
        const struct codec *c = sample_codec(s, left_out[i], -1, false);
        ck_assert_str_eq(sample_schema(s, c), "{\"type\":\"bytes\",\"optional\":true}");
        ck_assert_str_eq(sample_json(s, c, "(1,x)"), "\"KDEseCk=\"");
    }
    s->modes.binary = BINARY_HEX;
    ck_assert_str_eq(sample_json(s, sample_codec(s, "pair", -1, false), "(1,x)"), "\"28312c7829\"");
    ck_assert_str_eq(sample_unavailable(s, sample_codec(s, "pair", -1, false)), "\"" P "\"");
    sample_free(s);
}
END_TEST

static const char *preset_json(struct sample *s, const char *type, int32_t typmod, const char *expression)
{
    struct column column = {
        .name = "c", .type_oid = sample_type(s, type), .typmod = typmod, .preset = expression};
    const struct codec *c;
    ck_assert(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    return c->schema->preset ? sample_value(s, c, c->schema->preset) : "none";
}

START_TEST(defaults_become_the_schemas)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(preset_json(s, "text", -1, "'it''s'::text"), "\"it's\"");
    ck_assert_str_eq(preset_json(s, "bpchar", 9, "'c'::bpchar"), "\"c\"");
    ck_assert_str_eq(preset_json(s, "jsonb", -1, "'{\"a\": [1, 2]}'::jsonb"), "\"{\\\"a\\\": [1, 2]}\"");
    ck_assert_str_eq(preset_json(s, "uuid", -1, "gen_random_uuid()"),
                     "\"00000000-0000-0000-0000-000000000000\"");
    ck_assert_str_eq(preset_json(s, "mood", -1, "'ok'::t.mood"), "\"ok\"");
    ck_assert_str_eq(preset_json(s, "bit", 1, "'1'::\"bit\""), "true");
    ck_assert_str_eq(preset_json(s, "bit", 16, "'0000000000000001'::\"bit\""), "\"AQ==\"");
    ck_assert_str_eq(preset_json(s, "bit", 3, "(5)::bit(3)"), "\"\"");
    ck_assert_str_eq(preset_json(s, "citext", -1, "'c'::citext"), "none");
    ck_assert_str_eq(preset_json(s, "bytea", -1, "'\\xff'::bytea"), "none");
    ck_assert_str_eq(preset_json(s, "hstore", -1, "''::hstore"), "none");
    sample_free(s);
}
END_TEST

START_TEST(any_bytes_give_a_value_or_an_error)
{
    static const struct {
        const char *type, *like;
    } cases[] = {{"text", "a\"\\\n"},
                 {"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
                 {"bytea", "\\x00fffbef0123456789"},
                 {"varbit", "010101110001"},
                 {"hstore", hstore_text},
                 {"mood", "ok"}};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned seed = 0; seed < 2000; seed++) {
            const struct codec *c = sample_codec(s, cases[i].type, -1, false);
            sample_json_bytes(s, c, sample_noise(s, cases[i].like, seed));
            arena_reset(&s->arena);
        }
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_text", text_types_are_the_text, semantic_names, a_uuid_is_checked, a_name_has_no_value,
           bytea_in_every_mode, a_long_bytea, bit_strings_are_little_endian_and_cut,
           hstore_comes_in_the_order_of_a_hash_map, hstore_as_a_map, a_grown_hash_map,
           enums_tell_their_labels, system_vectors_are_empty, unknown_types_only_on_demand,
           defaults_become_the_schemas, any_bytes_give_a_value_or_an_error)
