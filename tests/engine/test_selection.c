/* test_selection.c - which columns make the key: message.key.columns before the table's own. */
#include "selection.h"

#include "suite.h"

static struct relation *table(void)
{
    static const char *const names[] = {"id", "b", "c"};
    static const uint16_t key[] = {0};
    struct relation *rel = relation_new();
    rel->schema = "shop";
    rel->name = "orders";
    rel->n_columns = 3;
    rel->columns = arena_zero(&rel->arena, 3 * sizeof *rel->columns);
    for (int i = 0; i < 3; i++)
        rel->columns[i].name = names[i];
    rel->key = key;
    rel->n_key = 1;
    return rel;
}

static bool key_of(const char *setting, uint16_t *key, size_t *n, struct err *e)
{
    struct config config = {.key_columns = key_columns_new(setting, e)};
    if (!config.key_columns)
        return false;
    struct relation *rel = table();
    bool ok = selection_key(&config, rel, key, n, e);
    key_columns_free(config.key_columns);
    relation_free(rel);
    return ok;
}

START_TEST(without_a_setting_the_tables_key_counts)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(key_of(NULL, key, &n, &e));
    ck_assert(n == 1 && key[0] == 0);
    ck_assert(key_of("shop.users:b;other:c", key, &n, &e)); /* no entry matches this table */
    ck_assert(n == 1 && key[0] == 0);
}
END_TEST

START_TEST(an_entry_that_matches_gives_its_columns_in_its_order)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(key_of("shop.users:id;SHOP.ord.*:c,b", key, &n, &e));
    ck_assert(n == 2 && key[0] == 2 && key[1] == 1);
}
END_TEST

START_TEST(all_entries_that_match_count_and_columns_are_expressions)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(key_of("shop.orders:c; (.*).orders : [ib].*|d , nope;x:id", key, &n, &e));
    ck_assert_msg(n == 1 && key[0] == 2, "blanks before the colon belong to the expression");
    ck_assert(key_of("shop.orders:c;(.*).orders:B|d;x:id", key, &n, &e));
    ck_assert(n == 2 && key[0] == 2 && key[1] == 1);
    ck_assert(key_of("shop.orders:.*", key, &n, &e));
    ck_assert(n == 3 && key[0] == 0 && key[1] == 1 && key[2] == 2);
}
END_TEST

/* As in Debezium, so that one setting can serve tables that differ. */
START_TEST(a_column_that_the_table_lacks_leaves_its_own_key)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(key_of("shop.orders:nope", key, &n, &e));
    ck_assert(n == 1 && key[0] == 0);
}
END_TEST

START_TEST(what_cannot_be_meant_is_refused)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(!key_of("shop.orders:b;shop.*:b", key, &n, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "named twice"));
    ck_assert(!key_of("shop.orders", key, &n, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "table:column"));
    ck_assert(!key_of("shop.(orders:b", key, &n, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
}
END_TEST

/* A browser gets rows as they are in the table: what the records hide must not reach it. */
START_TEST(browsers_do_not_see_what_is_masked)
{
    struct props *p = props_new();
    struct err e = {0};
    props_set(p, "column.mask.with.3.chars", "shop.orders.(id|b)");
    props_set(p, "column.propagate.source.type", ".*");
    struct config config = {.column_rules = column_rules_new(p, &e),
                            .column_include = pattern_list_new("", &e),
                            .column_exclude = pattern_list_new("", &e)};
    struct relation *rel = table();
    struct types *types = types_new();
    bool shown[3];
    selection_shown(&config, rel, types, shown);
    ck_assert_msg(shown[0], "the key stays");
    ck_assert(!shown[1]);
    ck_assert(shown[2]);
    types_free(types);
    relation_free(rel);
    pattern_list_free(config.column_include);
    pattern_list_free(config.column_exclude);
    column_rules_free(config.column_rules);
    props_free(p);
}
END_TEST

SUITE_MAIN("selection", without_a_setting_the_tables_key_counts,
           an_entry_that_matches_gives_its_columns_in_its_order,
           all_entries_that_match_count_and_columns_are_expressions,
           a_column_that_the_table_lacks_leaves_its_own_key, what_cannot_be_meant_is_refused,
           browsers_do_not_see_what_is_masked)
