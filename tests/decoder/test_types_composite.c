/* test_types_composite.c - composite types as structs: PostgreSQL's text of a row, whatever is in it. */
#include "sample.h"
#include "suite.h"

enum { INT4 = 23, TEXT = 25, PAIR = 300, OUTER, PAIRS, LATER };

static void set_type(struct sample *s, uint32_t oid, const char *name, char kind, uint32_t element,
                     const struct type_field *fields, size_t n)
{
    struct type t = {.oid = oid, .schema = "t", .name = name, .kind = kind, .typmod = -1};
    t.element = element;
    t.fields = fields;
    t.n_fields = n;
    types_set(s->types, &t);
}

static struct sample *composites(void)
{
    static const struct type_field pair[] = {{"a", INT4, -1, 0}, {"b c", TEXT, -1, 0}};
    static const struct type_field outer[] = {{"p", PAIR, -1, 0}, {"ps", PAIRS, -1, 1}, {"x", LATER, -1, 0}};
    struct sample *s = sample_new();
    s->modes.better.composites = true;
    set_type(s, INT4, "int4", 'b', 0, NULL, 0);
    set_type(s, TEXT, "text", 'b', 0, NULL, 0);
    set_type(s, PAIR, "pair", 'c', 0, pair, 2);
    set_type(s, PAIRS, "_pair", 'b', PAIR, NULL, 0);
    set_type(s, OUTER, "outer", 'c', 0, outer, 3);
    return s;
}

static const struct codec *codec(struct sample *s, uint32_t oid, bool not_null)
{
    struct column column = {.name = "c", .type_oid = oid, .typmod = -1, .not_null = not_null};
    const struct codec *c;
    ck_assert_msg(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err), "%s", s->err.text);
    return c;
}

#define PAIR_SCHEMA(optional)                                                                                \
    "{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"optional\":true,\"field\":\"a\"},"               \
    "{\"type\":\"string\",\"optional\":true,\"field\":\"b c\"}],\"optional\":" optional                      \
    ",\"name\":\"t.pair\"}"

START_TEST(a_struct_with_the_types_name)
{
    struct sample *s = composites();
    ck_assert_str_eq(sample_schema(s, codec(s, PAIR, false)), PAIR_SCHEMA("true"));
    ck_assert_str_eq(sample_schema(s, codec(s, PAIR, true)), PAIR_SCHEMA("false"));
    ck_assert_str_eq(sample_schema(s, codec(s, PAIRS, false)),
                     "{\"type\":\"array\",\"items\":" PAIR_SCHEMA("true") ",\"optional\":true}");
    s->modes.schema_names = s->modes.field_names = NAME_ADJUST_AVRO;
    ck_assert(strstr(sample_schema(s, codec(s, PAIR, false)), "\"field\":\"b_c\""));
    sample_free(s);
}
END_TEST

START_TEST(left_out_as_in_debezium_without_the_option)
{
    struct sample *s = composites();
    s->modes.better.composites = false;
    ck_assert_ptr_null(codec(s, PAIR, false));
    ck_assert_ptr_null(codec(s, PAIRS, false));
    sample_free(s);
}
END_TEST

START_TEST(fields)
{
    static const char *const cases[][2] = {
        {"(1,x)", "{\"a\":1,\"b c\":\"x\"}"},
        {"(,)", "{\"a\":null,\"b c\":null}"},
        {"(-5,\"\")", "{\"a\":-5,\"b c\":\"\"}"},
        {"(1,\"a,b\")", "{\"a\":1,\"b c\":\"a,b\"}"},
        {"(1,\"(\"\"x\"\")\")", "{\"a\":1,\"b c\":\"(\\\"x\\\")\"}"},
        {"(1,\"back\\\\slash\")", "{\"a\":1,\"b c\":\"back\\\\slash\"}"},
        {"(1, lead )", "{\"a\":1,\"b c\":\" lead \"}"},
        {"(1,é)", "{\"a\":1,\"b c\":\"é\"}"},
        {"(1)", "{\"a\":1,\"b c\":null}"},
        {"()", "{\"a\":null,\"b c\":null}"},
        {"(1,x,y)", "error"},
        {"(x,y)", "error"},
        {"(1,\"x)", "error"},
        {"1,x", "error"},
        {"", "error"},
        {"(", "error"},
    };
    struct sample *s = composites();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(sample_json(s, codec(s, PAIR, false), cases[i][0]), cases[i][1]);
    ck_assert_str_eq(sample_json(s, codec(s, PAIRS, false), "{\"(1,x)\",NULL,\"(2,\\\"y,z\\\")\"}"),
                     "[{\"a\":1,\"b c\":\"x\"},null,{\"a\":2,\"b c\":\"y,z\"}]");
    sample_free(s);
}
END_TEST

/* A field whose type nobody knows is left out; the others stay what they are. */
START_TEST(composites_in_composites)
{
    struct sample *s = composites();
    const char *text =
        "(\"(1,\"\"a \"\"\"\"b\"\"\"\"\"\")\",\"{\"\"(2,c)\"\",\"\"(3,\\\\\"\"d,\\\\\"\")\"\"}\",skipped)";
    ck_assert_str_eq(sample_json(s, codec(s, OUTER, false), text),
                     "{\"p\":{\"a\":1,\"b c\":\"a \\\"b\\\"\"},\"ps\":[{\"a\":2,\"b c\":\"c\"},"
                     "{\"a\":3,\"b c\":\"d,\"}]}");
    sample_free(s);
}
END_TEST

/* Types that contain themselves cannot be made, but a catalogue is read in several steps. */
START_TEST(a_type_inside_of_itself_ends)
{
    static const struct type_field self[] = {{"me", PAIR, -1, 0}, {"n", INT4, -1, 0}};
    struct sample *s = composites();
    set_type(s, PAIR, "pair", 'c', 0, self, 2);
    ck_assert_str_eq(sample_json(s, codec(s, PAIR, false), "(\"(,2)\",1)") + 1,
                     "\"me\":{\"me\":null,\"n\":2},\"n\":1}");
    sample_free(s);
}
END_TEST

/* Types of two of the type before are small in the catalogue, and a schema of 2^n structs. */
START_TEST(a_type_that_is_too_wide_is_left_out)
{
    enum { T0 = 400 };
    struct type_field of[26][2];
    struct sample *s = composites();
    set_type(s, T0, "t0", 'c', 0, (const struct type_field[]){{"n", INT4, -1, 0}}, 1);
    for (unsigned i = 1; i < 26; i++) {
        of[i][0] = (struct type_field){"a", T0 + i - 1, -1, 0};
        of[i][1] = (struct type_field){"b", T0 + i - 1, -1, 0};
        set_type(s, T0 + i, "twice", 'c', 0, of[i], 2);
    }
    set_type(s, PAIRS, "_twice", 'b', T0 + 25, NULL, 0);
    ck_assert_ptr_nonnull(codec(s, T0 + 8, false));
    ck_assert_ptr_null(codec(s, T0 + 25, false));
    ck_assert_ptr_null(codec(s, PAIRS, false));
    ck_assert_ptr_nonnull(codec(s, PAIR, false));
    s->modes.better.all_types = true;
    ck_assert_str_eq(sample_json(s, codec(s, T0 + 25, false), "(,)"), "\"(,)\"");
    sample_free(s);
}
END_TEST

START_TEST(what_stands_for_no_value)
{
    struct sample *s = composites();
    ck_assert_str_eq(sample_absent(s, codec(s, PAIR, true)), "{\"a\":null,\"b c\":null}");
    ck_assert_str_eq(sample_absent(s, codec(s, PAIR, false)), "null");
    ck_assert_str_eq(sample_unavailable(s, codec(s, PAIR, false)), "null");
    sample_free(s);
}
END_TEST

/* The stream does not tell of ALTER TYPE ... ADD ATTRIBUTE: the first row with more fields does. */
START_TEST(a_type_that_grew_is_noticed)
{
    struct sample *s = composites();
    const struct codec *c = codec(s, PAIR, false);
    ck_assert(c->rule->knows(c, SLICE("(1,x)")));
    ck_assert(c->rule->knows(c, SLICE("(1,\"x,y\")")));
    ck_assert(!c->rule->knows(c, SLICE("(1,x,)")));
    ck_assert(!c->rule->knows(c, SLICE("(1)")));
    c = codec(s, OUTER, false);
    ck_assert(c->rule->knows(c, SLICE("(\"(1,x)\",\"{\"\"(2,c)\"\"}\",)")));
    ck_assert(!c->rule->knows(c, SLICE("(\"(1,x,)\",\"{\"\"(2,c)\"\"}\",)")));
    ck_assert(!c->rule->knows(c, SLICE("(\"(1,x)\",\"{\"\"(2,c,)\"\"}\",)")));
    sample_free(s);
}
END_TEST

START_TEST(any_bytes_give_a_value_or_an_error)
{
    struct sample *s = composites();
    for (unsigned seed = 0; seed < 4000; seed++) {
        const struct codec *c = codec(s, seed % 2 ? PAIR : OUTER, false);
        struct slice text =
            sample_noise(s, seed % 2 ? "(1,\"a \"\"b\\\\\",)" : "(\"(1,x)\",\"{\"\"(2,c)\"\"}\",)", seed);
        c->rule->knows(c, text);
        sample_json_bytes(s, c, text);
        arena_reset(&s->arena);
    }
    sample_free(s);
}
END_TEST

SUITE_MAIN("types_composite", a_struct_with_the_types_name, left_out_as_in_debezium_without_the_option,
           fields, composites_in_composites, a_type_inside_of_itself_ends,
           a_type_that_is_too_wide_is_left_out, what_stands_for_no_value, a_type_that_grew_is_noticed,
           any_bytes_give_a_value_or_an_error)
