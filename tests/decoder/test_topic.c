/* test_topic.c - topics have the names that Debezium's naming strategies give them. */
#include "suite.h"
#include "topic.h"

#include <stdio.h>

static const struct topic_options presets = {.prefix = "shop",
                                             .delimiter = ".",
                                             .transaction = "transaction",
                                             .heartbeat_prefix = "__debezium-heartbeat"};

static struct topic_naming *naming(struct topic_options o)
{
    struct err e = {0};
    struct topic_naming *n = topic_naming_new(&o, &e);
    ck_assert_msg(n != NULL, "%s", e.text);
    return n;
}

static const char *topic_with(struct topic_options o, const char *schema, const char *table)
{
    static char name[400];
    struct topic_naming *n = naming(o);
    struct buf b = BUF_EMPTY;
    topic_of_table(n, schema, table, &b);
    snprintf(name, sizeof name, "%s", b.ptr);
    buf_free(&b);
    topic_naming_free(n);
    return name;
}

static struct topic_options with_regex(const char *regex, const char *replacement)
{
    struct topic_options o = presets;
    o.regex = regex;
    o.replacement = replacement;
    return o;
}

START_TEST(parts_are_joined_and_foreign_characters_replaced)
{
    struct topic_options o = presets;
    ck_assert_str_eq(topic_with(o, "public", "orders"), "shop.public.orders");
    ck_assert_str_eq(topic_with(o, "My Schema",
                                "T\xc3\xa2"
                                "ble_x"),
                     "shop.My_Schema.T_ble_x");
    ck_assert_str_eq(topic_with(o, "s", "\xf0\x9f\x98\x80"), "shop.s.__"); /* two characters to Java */
    ck_assert_str_eq(topic_with(o, " ", "t"), "shop.t");
    o.delimiter = "--";
    ck_assert_str_eq(topic_with(o, "public", "orders"), "shop--public--orders");
}
END_TEST

START_TEST(a_name_has_at_most_249_characters)
{
    char table[300];
    memset(table, 'x', sizeof table - 1);
    table[sizeof table - 1] = 0;
    ck_assert_uint_eq(strlen(topic_with(presets, "s", table)), 249);
}
END_TEST

START_TEST(the_default_strategy_leaves_the_schema_out)
{
    struct topic_options o = presets;
    o.without_schema = true;
    ck_assert_str_eq(topic_with(o, "public", "orders"), "shop.orders");
}
END_TEST

START_TEST(the_unicode_strategies_write_characters_as_numbers)
{
    struct topic_options o = presets;
    o.unicode = true;
    ck_assert_str_eq(topic_with(o, "a_b", "t\xc3\xa2 x"), "shop.a_u005fb.t_u00e2_u0020x");
    ck_assert_str_eq(topic_with(o, "s", "\xc5\x93"), "shop.s._u153"); /* three digits stay three */
    ck_assert_str_eq(topic_with(o, "s", "\xf0\x9f\x98\x80"), "shop.s._ud83d_ude00");
}
END_TEST

START_TEST(the_regex_strategies_rewrite_whole_names)
{
    struct topic_options o = with_regex("(.*)[.]part_.*", "$1.all");
    ck_assert_str_eq(topic_with(o, "public", "part_7"), "shop.public.all");
    ck_assert_str_eq(topic_with(o, "public", "orders"), "shop.public.orders");
    ck_assert_str_eq(topic_with(with_regex("(x?)shop.*", "$1"), "public", "t"),
                     "shop.public.t"); /* never empty */
}
END_TEST

START_TEST(a_key_field_tells_tables_of_one_topic_apart)
{
    struct topic_options o = with_regex("(.*)[.]part_.*", "$1.all");
    struct buf b = BUF_EMPTY;
    o.key_field = "table";
    struct topic_naming *n = naming(o);
    ck_assert_str_eq(topic_key_field(n, "public", "part _7", &b), "table");
    ck_assert_str_eq(b.ptr, "shop.public.part _7"); /* as it was, not as a topic may be called */
    topic_naming_free(n);
    o.key_regex = ".*part.(.*)";
    o.key_replacement = "p$1";
    n = naming(o);
    topic_key_field(n, "public", "part_7", &b);
    ck_assert_str_eq(b.ptr, "p7");
    topic_key_field(n, "public", "other", &b);
    ck_assert_str_eq(b.ptr, "shop.public.other");
    topic_naming_free(n);
    n = naming(presets);
    ck_assert_ptr_null(topic_key_field(n, "public", "t", &b));
    topic_naming_free(n);
    buf_free(&b);
}
END_TEST

START_TEST(the_connectors_own_topics)
{
    struct topic_options o = presets;
    struct buf b = BUF_EMPTY;
    o.delimiter = "-";
    struct topic_naming *n = naming(o);
    topic_of_transactions(n, &b);
    ck_assert_str_eq(b.ptr, "shop-transaction");
    topic_of_heartbeats(n, &b);
    ck_assert_str_eq(b.ptr, "__debezium-heartbeat-shop");
    topic_of_messages(n, &b);
    ck_assert_str_eq(b.ptr, "shop.message");
    topic_naming_free(n);
    o.heartbeat = "all-beats";
    n = naming(o);
    topic_of_heartbeats(n, &b);
    ck_assert_str_eq(b.ptr, "all-beats");
    topic_naming_free(n);
    buf_free(&b);
}
END_TEST

SUITE_MAIN("topic", parts_are_joined_and_foreign_characters_replaced, a_name_has_at_most_249_characters,
           the_default_strategy_leaves_the_schema_out, the_unicode_strategies_write_characters_as_numbers,
           the_regex_strategies_rewrite_whole_names, a_key_field_tells_tables_of_one_topic_apart,
           the_connectors_own_topics)
