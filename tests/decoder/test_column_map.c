/* test_column_map.c - what masks, hashes and cuts make of values, by both ways. */
#include "column_map.h"

#include "digest.h"
#include "suite.h"

enum { TEXT = 25, VARCHAR = 1043, INT4 = 23, BYTEA = 17 };

static struct types *types;
static struct type_modes modes = {.money_digits = 2};
static struct arena arena;
static struct err e;

static void open_types(void)
{
    static const struct type all[] = {
        {TEXT, "pg_catalog", "text", 'b', 0, 0, -1, false, NULL, 0},
        {VARCHAR, "pg_catalog", "varchar", 'b', 0, 0, -1, false, NULL, 0},
        {INT4, "pg_catalog", "int4", 'b', 0, 0, -1, false, NULL, 0},
        {BYTEA, "pg_catalog", "bytea", 'b', 0, 0, -1, false, NULL, 0},
    };
    types = types_new();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        types_set(types, &all[i]);
}

static void close_types(void)
{
    arena_free(&arena);
    types_free(types);
}

static const struct column_map *map;

static const struct codec *mapped(const struct column_rule *rule, uint32_t oid, int typmod)
{
    struct column *c = arena_zero(&arena, sizeof *c);
    *c = (struct column){.name = "c", .type_oid = oid, .typmod = typmod};
    const struct codec *plain;
    ck_assert(codec_make(c, types, &modes, &arena, &plain, &e));
    return column_map_codec(rule, c, plain, &arena, &map);
}

/* The JSON of a text, the same by both ways. */
static bool gives(const struct codec *c, const char *text, const char *json)
{
    static const struct json_style style;
    struct buf fast = BUF_EMPTY, slow = BUF_EMPTY;
    struct value v;
    ck_assert_msg(codec_write(c, slice_of(text), &fast, &arena, &style, &e), "%s", e.text);
    ck_assert(codec_value(c, slice_of(text), &arena, &v, &e));
    value_json(&slow, c->schema, &v, &style);
    ck_assert_str_eq(fast.ptr, slow.ptr);
    bool same = strcmp(fast.ptr, json) == 0;
    buf_free(&fast);
    buf_free(&slow);
    return same;
}

static bool schema_has(const struct codec *c, const char *params)
{
    struct buf b = BUF_EMPTY;
    schema_json(&b, c->schema, NULL);
    bool has = strstr(b.ptr, params) != NULL;
    buf_free(&b);
    return has;
}

START_TEST(without_a_rule_the_codec_is_the_columns_own)
{
    open_types();
    const struct codec *c = mapped(NULL, TEXT, -1);
    ck_assert(gives(c, "abc", "\"abc\"") && !map && !schema_has(c, "parameters"));
    close_types();
}
END_TEST

START_TEST(a_mask_covers_texts_and_null)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_MASK, .chars = 3}, none = {.change = COLUMN_MASK};
    const struct codec *c = mapped(&rule, TEXT, -1);
    ck_assert(gives(c, "abc\"", "\"***\""));
    ck_assert(schema_has(c, "\"parameters\":{\"masked\":\"true\"}"));
    struct value v = value_null();
    column_map_value(map, &v, &arena);
    ck_assert(v.kind == VALUE_STRING && slice_is(v.bytes, "***"));
    ck_assert(gives(mapped(&none, TEXT, -1), "abc", "\"\""));
    close_types();
}
END_TEST

START_TEST(other_types_pass_but_their_schema_says_masked)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_MASK, .chars = 3};
    const struct codec *c = mapped(&rule, INT4, -1);
    ck_assert(gives(c, "7", "7") && !map && schema_has(c, "\"masked\":\"true\""));
    close_types();
}
END_TEST

START_TEST(a_cut_counts_javas_characters)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_TRUNCATE, .chars = 2};
    const struct codec *c = mapped(&rule, TEXT, -1);
    ck_assert(gives(c, "abc", "\"ab\"") && gives(c, "ab", "\"ab\"") && gives(c, "", "\"\""));
    ck_assert(gives(c, "\xC3\xA9\xE2\x82\xACx", "\"\xC3\xA9\xE2\x82\xAC\""));
    ck_assert(gives(c, "\xF0\x9F\x98\x80x", "\"\\uD83D\\uDE00\""));
    ck_assert_msg(gives(c, "a\xF0\x9F\x98\x80", "\"a\\uD83D\""), "half of a pair stays, as in Java");
    ck_assert(schema_has(c, "\"truncateLength\":\"2\""));
    ck_assert(gives(mapped(&rule, BYTEA, -1), "\\x010203", "\"AQI=\""));
    close_types();
}
END_TEST

START_TEST(a_column_that_is_short_enough_is_not_cut)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_TRUNCATE, .chars = 5};
    const struct codec *c = mapped(&rule, VARCHAR, 5 + 4);
    ck_assert(!map && !schema_has(c, "truncateLength"));
    c = mapped(&rule, VARCHAR, 6 + 4);
    ck_assert(map && schema_has(c, "truncateLength"));
    close_types();
}
END_TEST

START_TEST(a_hash_is_cut_to_its_column_and_null_stays)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_HASH_V2,
                                     .digest = digest_new(SLICE("MD5"), SLICE("s"), &e)};
    const struct codec *c = mapped(&rule, VARCHAR, 8 + 4);
    ck_assert(gives(c, "value", "\"7a6c8502\""));
    struct value v = value_null();
    column_map_value(map, &v, &arena);
    ck_assert_int_eq(v.kind, VALUE_NULL);
    digest_free(rule.digest);
    close_types();
}
END_TEST

START_TEST(a_propagated_type_is_in_the_schema)
{
    open_types();
    const struct column_rule rule = {.change = COLUMN_PROPAGATE};
    const struct codec *c = mapped(&rule, VARCHAR, 8 + 4);
    ck_assert(gives(c, "value", "\"value\"") && !map);
    ck_assert(schema_has(c,
                         "\"parameters\":{\"__debezium.source.column.type\":\"VARCHAR\","
                         "\"__debezium.source.column.length\":\"8\",\"__debezium.source.column.scale\":\"0\","
                         "\"__debezium.source.column.name\":\"c\"}"));
    close_types();
}
END_TEST

SUITE_MAIN("column_map", without_a_rule_the_codec_is_the_columns_own, a_mask_covers_texts_and_null,
           other_types_pass_but_their_schema_says_masked, a_cut_counts_javas_characters,
           a_column_that_is_short_enough_is_not_cut, a_hash_is_cut_to_its_column_and_null_stays,
           a_propagated_type_is_in_the_schema)
