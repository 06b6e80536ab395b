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
    struct config config = {.message_key_columns = (char *)setting};
    struct relation *rel = table();
    bool ok = selection_key(&config, rel, key, n, e);
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

START_TEST(what_cannot_be_meant_is_refused)
{
    uint16_t key[3];
    size_t n;
    struct err e;
    ck_assert(!key_of("shop.orders:nope", key, &n, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "no column nope"));
    ck_assert(!key_of("shop.orders", key, &n, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "table:column"));
}
END_TEST

SUITE_MAIN("selection", without_a_setting_the_tables_key_counts,
           an_entry_that_matches_gives_its_columns_in_its_order, what_cannot_be_meant_is_refused)
