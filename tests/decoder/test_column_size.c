/* test_column_size.c - lengths, scales and type names as a JDBC driver reports them; what is expected was
 * read from the schemas that Debezium writes with column.propagate.source.type. */
#include "column_size.h"

#include "suite.h"

#include <limits.h>

enum {
    NUMERIC = 1700,
    VARCHAR = 1043,
    TEXT = 25,
    INT4 = 23,
    TIME = 1083,
    INTERVAL = 1186,
    NUMERICS = 1231,
    MINE = 20000,
    DEEPER,
    MOOD,
    VECTOR,
    PLAIN
};

static struct types *types;

static void open_types(void)
{
    static const struct type all[] = {
        {NUMERIC, "pg_catalog", "numeric", 'b', 0, 0, -1, false, NULL, 0},
        {VARCHAR, "pg_catalog", "varchar", 'b', 0, 0, -1, false, NULL, 0},
        {TEXT, "pg_catalog", "text", 'b', 0, 0, -1, false, NULL, 0},
        {INT4, "pg_catalog", "int4", 'b', 0, 0, -1, false, NULL, 0},
        {TIME, "pg_catalog", "time", 'b', 0, 0, -1, false, NULL, 0},
        {INTERVAL, "pg_catalog", "interval", 'b', 0, 0, -1, false, NULL, 0},
        {NUMERICS, "pg_catalog", "_numeric", 'b', NUMERIC, 0, -1, false, NULL, 0},
        {MINE, "public", "label", 'd', 0, VARCHAR, 12 + 4, false, NULL, 0},
        {DEEPER, "public", "tag", 'd', 0, MINE, -1, false, NULL, 0},
        {MOOD, "public", "mood", 'e', 0, 0, -1, false, NULL, 0},
        {VECTOR, "public", "vector", 'b', 0, 0, -1, false, NULL, 0},
        {PLAIN, "public", "amount", 'd', 0, NUMERIC, -1, false, NULL, 0},
    };
    types = types_new();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        types_set(types, &all[i]);
}

static bool is(uint32_t oid, int typmod, bool snapshot, int length, int scale)
{
    const struct column c = {.name = "c", .type_oid = oid, .typmod = typmod};
    struct column_size s = column_size_of(&c, types, snapshot);
    return s.length == length && s.scale == scale;
}

START_TEST(types_have_the_drivers_sizes)
{
    open_types();
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        ck_assert(is(INT4, -1, snapshot, 10, 0));
        ck_assert(is(TEXT, -1, snapshot, INT_MAX, 0));
        ck_assert(is(VARCHAR, 5 + 4, snapshot, 5, 0));
        ck_assert(is(VARCHAR, -1, snapshot, INT_MAX, 0));
        ck_assert(is(NUMERIC, (20 << 16 | 5) + 4, snapshot, 20, 5));
        ck_assert(is(NUMERICS, (7 << 16 | 3) + 4, snapshot, 7, 3));
        ck_assert(is(TIME, -1, snapshot, 15, 6));
        ck_assert(is(TIME, 3, snapshot, 12, 3));
        ck_assert(is(INTERVAL, 0x7fff << 16 | 1, snapshot, 49, 1));
        ck_assert(is(MOOD, -1, snapshot, INT_MAX, 0));
        ck_assert(is(VECTOR, 3, snapshot, 3, 0));
        ck_assert(is(VECTOR, -1, snapshot, COLUMN_UNSET, 0));
    }
    types_free(types);
}
END_TEST

START_TEST(a_domain_has_the_size_of_the_nearest_modifier)
{
    open_types();
    ck_assert(is(MINE, -1, false, 12, 0));
    ck_assert(is(DEEPER, -1, true, 12, 0));
    ck_assert(is(PLAIN, -1, true, 131089, 0));
    types_free(types);
}
END_TEST

START_TEST(a_numeric_without_precision_differs_between_snapshot_and_stream)
{
    open_types();
    ck_assert(is(NUMERIC, -1, true, 0, COLUMN_UNSET));
    ck_assert(is(NUMERIC, -1, false, 131089, 0));
    types_free(types);
}
END_TEST

START_TEST(an_integer_that_counts_is_serial)
{
    open_types();
    struct column c = {.name = "c", .type_oid = INT4, .typmod = -1, .preset = "nextval('s'::regclass)"};
    ck_assert_str_eq(column_type_name(&c, types), "serial");
    c.preset = "7";
    ck_assert_str_eq(column_type_name(&c, types), "int4");
    c.type_oid = MINE;
    ck_assert_str_eq(column_type_name(&c, types), "label");
    types_free(types);
}
END_TEST

START_TEST(text_is_what_masks_apply_to)
{
    static const uint32_t text[] = {TEXT, VARCHAR, MINE, DEEPER, MOOD},
                          other[] = {INT4, NUMERIC, NUMERICS, VECTOR, 4711};
    open_types();
    for (int i = 0; i < 5; i++) {
        ck_assert(column_is_text(&(struct column){.type_oid = text[i], .typmod = -1}, types));
        ck_assert(!column_is_text(&(struct column){.type_oid = other[i], .typmod = -1}, types));
    }
    types_free(types);
}
END_TEST

SUITE_MAIN("column_size", types_have_the_drivers_sizes, a_domain_has_the_size_of_the_nearest_modifier,
           a_numeric_without_precision_differs_between_snapshot_and_stream, an_integer_that_counts_is_serial,
           text_is_what_masks_apply_to)
