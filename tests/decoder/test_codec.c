/* test_codec.c - a column finds its rule: by its root type, or is left out. */
#include "sample.h"
#include "suite.h"

static void type_add(struct sample *s, uint32_t oid, const char *name, char kind, uint32_t base,
                     int32_t typmod, bool not_null)
{
    types_set(s->types, &(struct type){.oid = oid,
                                       .schema = "s",
                                       .name = name,
                                       .kind = kind,
                                       .base = base,
                                       .typmod = typmod,
                                       .not_null = not_null});
}

static const struct codec *made(struct sample *s, struct column column)
{
    const struct codec *c;
    column.name = "c";
    ck_assert_msg(codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err), "%s", s->err.text);
    return c;
}

START_TEST(domains_are_their_root_type)
{
    struct sample *s = sample_new();
    type_add(s, 1700, "numeric", 'b', 0, -1, false);
    type_add(s, 20000, "price", 'd', 1700, 8 * 65536 + 3 + 4, false);
    type_add(s, 20001, "must", 'd', 20000, -1, true);
    const struct codec *c = made(s, (struct column){.type_oid = 20001, .typmod = -1, .preset = "1.5"});
    ck_assert_str_eq(c->schema->params[0].value, "3");
    ck_assert_str_eq(c->schema->params[1].value, "8");
    ck_assert(!c->schema->optional && c->not_null);
    ck_assert_str_eq(sample_json(s, c, "1.500"), "\"Bdw=\"");
    ck_assert_msg(c->schema->preset == NULL, "a domain carries no default");
    sample_free(s);
}
END_TEST

START_TEST(what_is_not_supported_is_left_out)
{
    static const struct {
        uint32_t oid;
        const char *name;
        char kind;
    } none[] = {{3220, "pg_lsn", 'b'},      {3615, "tsquery", 'b'},    {4072, "jsonpath", 'b'},
                {20000, "pair", 'c'},       {20001, "text", 'c'},      {4451, "int4multirange", 'm'},
                {20002, "floatrange", 'r'}, {20003, "int4range", 'r'}, {2249, "record", 'p'}};
    struct sample *s = sample_new();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        type_add(s, none[i].oid, none[i].name, none[i].kind, 0, -1, false);
        ck_assert_msg(!made(s, (struct column){.type_oid = none[i].oid, .typmod = -1}), "%s", none[i].name);
    }
    s->modes.include_unknown = true;
    const struct codec *c = made(s, (struct column){.type_oid = 3220, .typmod = -1});
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(c->schema->type, SCHEMA_BYTES);
    sample_free(s);
}
END_TEST

START_TEST(an_unknown_oid_is_an_error)
{
    struct sample *s = sample_new();
    const struct codec *c;
    struct column column = {.name = "price", .type_oid = 4711, .typmod = -1};
    ck_assert(!codec_make(&column, s->types, &s->modes, &s->arena, &c, &s->err));
    ck_assert_int_eq(s->err.kind, ERR_DATA);
    ck_assert_ptr_nonnull(strstr(s->err.text, "4711"));
    ck_assert_ptr_nonnull(strstr(s->err.text, "price"));
    sample_free(s);
}
END_TEST

START_TEST(absent_values)
{
    struct sample *s = sample_new();
    type_add(s, 23, "int4", 'b', 0, -1, false);
    ck_assert_str_eq(
        sample_absent(s, made(s, (struct column){.type_oid = 23, .typmod = -1, .not_null = true})), "0");
    ck_assert_str_eq(
        sample_absent(
            s, made(s, (struct column){.type_oid = 23, .typmod = -1, .not_null = true, .preset = "42"})),
        "42");
    struct value v;
    codec_absent(made(s, (struct column){.type_oid = 23, .typmod = -1, .preset = "42"}), &s->arena, &v);
    ck_assert_int_eq(v.kind, VALUE_NULL);
    sample_free(s);
}
END_TEST

/* A name has a value in snapshots alone; in a NOT NULL column the fallback stands for it. */
START_TEST(a_value_that_is_never_there)
{
    struct sample *s = sample_new();
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, false), "x"), "null");
    ck_assert_str_eq(sample_json(s, sample_codec(s, "name", -1, true), "x"), "\"\"");
    sample_free(s);
}
END_TEST

START_TEST(codecs_inside_codecs)
{
    struct sample *s = sample_new();
    type_add(s, 1700, "numeric", 'b', 0, -1, false);
    type_add(s, 20000, "price", 'd', 1700, -1, true);
    type_add(s, 3220, "pg_lsn", 'b', 0, -1, false);
    const struct codec *outer = made(s, (struct column){.type_oid = 1700, .typmod = -1, .not_null = true});
    const struct codec *inner = codec_nested(1700, 5 * 65536 + 2 + 4, outer, &s->arena);
    ck_assert(inner->schema->optional && !inner->not_null);
    ck_assert_str_eq(sample_json(s, inner, "1.23"), "\"ew==\"");
    ck_assert_ptr_null(codec_nested(20000, -1, outer, &s->arena));
    ck_assert_ptr_null(codec_nested(3220, -1, outer, &s->arena));
    ck_assert_ptr_null(codec_nested(4711, -1, outer, &s->arena));
    sample_free(s);
}
END_TEST

SUITE_MAIN("codec", domains_are_their_root_type, what_is_not_supported_is_left_out,
           an_unknown_oid_is_an_error, absent_values, a_value_that_is_never_there, codecs_inside_codecs)
