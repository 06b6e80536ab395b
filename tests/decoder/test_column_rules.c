/* test_column_rules.c - which option is a column's, and which options are good. */
#include "column_rules.h"

#include "suite.h"

static struct props *options;
static struct column_rules *rules;

static void open_rules(const char *const (*pairs)[2], size_t n)
{
    struct err e;
    options = props_new();
    for (size_t i = 0; i < n; i++)
        props_set(options, pairs[i][0], pairs[i][1]);
    rules = column_rules_new(options, &e);
    ck_assert_msg(rules != NULL, "%s", e.text);
}

static void close_rules(void)
{
    column_rules_free(rules);
    props_free(options);
}

static int change_of(const char *column, const char *type)
{
    const struct column_rule *r = column_rules_find(rules, "shop", "users", column, type);
    return r ? (int)r->change : -1;
}

START_TEST(the_first_rule_in_debeziums_order_counts)
{
    static const char *const pairs[][2] = {
        {"column.mask.hash.v2.SHA-256.with.salt.x", "shop.users.(a|b|c|d|e|f)"},
        {"column.mask.hash.SHA-256.with.salt.x", "shop.users.(a|b|c|d|e)"},
        {"datatype.propagate.source.type", "shop.users.int4"},
        {"column.propagate.source.type", "shop.users.(a|b|c)"},
        {"column.mask.with.3.chars", "shop.users.(a|b)"},
        {"column.truncate.to.4.chars", "SHOP.Users.a, other.t.x"},
        {"topic.prefix", "p"},
    };
    open_rules(pairs, sizeof pairs / sizeof *pairs);
    ck_assert_int_eq(change_of("a", "text"), COLUMN_TRUNCATE);
    ck_assert_int_eq(change_of("b", "text"), COLUMN_MASK);
    ck_assert_int_eq(change_of("c", "text"), COLUMN_PROPAGATE);
    ck_assert_int_eq(change_of("d", "int4"), COLUMN_PROPAGATE_TYPE);
    ck_assert_int_eq(change_of("e", "text"), COLUMN_HASH);
    ck_assert_int_eq(change_of("f", "text"), COLUMN_HASH_V2);
    ck_assert_int_eq(change_of("g", "text"), -1);
    ck_assert_int_eq(column_rules_find(rules, "shop", "users", "a", "text")->chars, 4);
    close_rules();
}
END_TEST

/* The order of a java.util.HashMap of all options, read from Debezium's records. */
START_TEST(of_one_kind_javas_map_decides)
{
    static const char *const pairs[][2] = {{"column.mask.with.5.chars", "shop.users.a"},
                                           {"column.mask.with.2.chars", "shop.users.a"},
                                           {"column.mask.with.7.chars", "shop.users.a"}};
    open_rules(pairs, 3);
    int first = column_rules_find(rules, "shop", "users", "a", "text")->chars;
    close_rules();
    static const char *const turned[][2] = {{"column.mask.with.7.chars", "shop.users.a"},
                                            {"column.mask.with.5.chars", "shop.users.a"},
                                            {"column.mask.with.2.chars", "shop.users.a"}};
    open_rules(turned, 3);
    ck_assert_int_eq(column_rules_find(rules, "shop", "users", "a", "text")->chars, first);
    close_rules();
}
END_TEST

START_TEST(only_rules_that_change_values_hide_them)
{
    static const char *const pairs[][2] = {{"column.mask.with.0.chars", "shop.users.a"},
                                           {"column.propagate.source.type", "shop.users.b"}};
    open_rules(pairs, 2);
    ck_assert(column_rule_hides(column_rules_find(rules, "shop", "users", "a", "text")));
    ck_assert(!column_rule_hides(column_rules_find(rules, "shop", "users", "b", "text")));
    ck_assert(!column_rule_hides(NULL));
    close_rules();
}
END_TEST

static bool good(const char *name, const char *columns)
{
    struct err e = {0};
    bool ok = column_rule_check(name, columns, &e);
    ck_assert(ok || (e.kind == ERR_CONFIG && *e.text));
    return ok;
}

START_TEST(what_is_no_rule_is_refused)
{
    ck_assert(good("column.mask.with.12.chars", "a.b.c"));
    ck_assert(good("column.mask.hash.v2.SHA-512.with.salt.with.salt.x", "a.b.c"));
    ck_assert(!good("column.mask.with.x.chars", "a.b.c"));
    ck_assert(!good("column.mask.with..chars", "a.b.c"));
    ck_assert(!good("column.mask.with.-1.chars", "a.b.c"));
    ck_assert(!good("column.mask.with.99999999.chars", "a.b.c"));
    ck_assert(!good("column.truncate.to.99999999999.chars", "a.b.c"));
    ck_assert(!good("column.truncate.to.3.charsets", "a.b.c"));
    ck_assert(!good("column.mask.hash.ROT13.with.salt.x", "a.b.c"));
    ck_assert(!good("column.mask.hash.SHA-256.with.salt.", "a.b.c"));
    ck_assert(!good("column.mask.hash.SHA-256", "a.b.c"));
    ck_assert(!good("column.mask.with.3.chars", "a.(b"));
    ck_assert_msg(good("topic.prefix", "("), "other options are not its business");
}
END_TEST

SUITE_MAIN("column_rules", the_first_rule_in_debeziums_order_counts, of_one_kind_javas_map_decides,
           only_rules_that_change_values_hide_them, what_is_no_rule_is_refused)
