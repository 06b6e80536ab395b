/* test_kafka_topics.c - a topic gets the shape that Connect would have given it. */
#include "kafka_topics.h"

#include "suite.h"

#include <stdlib.h>
#include <string.h>

static struct props *connector;
static struct kafka_topics *topics;
static struct err e;

static void setup(void)
{
    connector = props_new();
    topics = NULL;
    memset(&e, 0, sizeof e);
}

static void teardown(void)
{
    kafka_topics_free(topics);
    props_free(connector);
}

static const struct kafka_topic_shape *shape_of(const char *topic)
{
    if (!topics)
        topics = kafka_topics_new(connector, &e);
    ck_assert_msg(topics != NULL, "%s", e.text);
    return kafka_topics_shape(topics, topic);
}

START_TEST(without_settings_the_broker_creates)
{
    props_set(connector, "topic.prefix", "shop");
    ck_assert_ptr_null(shape_of("shop.public.orders"));
}
END_TEST

START_TEST(every_topic_has_the_default_shape)
{
    props_set(connector, "topic.creation.default.partitions", "6");
    props_set(connector, "topic.creation.default.replication.factor", "-1");
    props_set(connector, "topic.creation.default.cleanup.policy", "compact");
    props_set(connector, "topic.creation.default.compression.type", "zstd");
    const struct kafka_topic_shape *shape = shape_of("shop.public.orders");
    ck_assert_ptr_nonnull(shape);
    ck_assert_int_eq(shape->partitions, 6);
    ck_assert_int_eq(shape->replicas, -1);
    ck_assert_uint_eq(props_count(shape->config), 2);
    ck_assert_str_eq(props_get(shape->config, "cleanup.policy"), "compact");
    ck_assert_str_eq(props_get(shape->config, "compression.type"), "zstd");
}
END_TEST

/* The first group that includes and does not exclude a topic wins; numbers are inherited, topic settings are
 * not. */
START_TEST(groups_are_asked_in_their_order)
{
    props_set(connector, "topic.creation.groups", "logs, wide");
    props_set(connector, "topic.creation.default.partitions", "2");
    props_set(connector, "topic.creation.default.replication.factor", "3");
    props_set(connector, "topic.creation.default.cleanup.policy", "compact");
    props_set(connector, "topic.creation.logs.include", "shop\\.public\\.log.*,shop\\.audit\\..*");
    props_set(connector, "topic.creation.logs.exclude", "shop\\.public\\.login");
    props_set(connector, "topic.creation.logs.retention.ms", "3600000");
    props_set(connector, "topic.creation.wide.include", "shop\\.public\\.log.*");
    props_set(connector, "topic.creation.wide.partitions", "12");
    const struct kafka_topic_shape *logs = shape_of("shop.audit.trail");
    ck_assert_int_eq(logs->partitions, 2);
    ck_assert_int_eq(logs->replicas, 3);
    ck_assert_uint_eq(props_count(logs->config), 1);
    ck_assert_str_eq(props_get(logs->config, "retention.ms"), "3600000");
    ck_assert_ptr_eq(shape_of("shop.public.logs"), logs);
    ck_assert_int_eq(shape_of("shop.public.login")->partitions, 12);
    ck_assert_str_eq(props_get(shape_of("shop.public.orders")->config, "cleanup.policy"), "compact");
    ck_assert_str_eq(props_get(shape_of("x.shop.public.logs")->config, "cleanup.policy"), "compact");
}
END_TEST

static const char *const WRONG[][2] = {
    {"topic.creation.default.partitions", "0"},
    {"topic.creation.default.partitions", "many"},
    {"topic.creation.default.partitions", "12x"},
    {"topic.creation.default.replication.factor", "-2"},
    {"topic.creation.default.partitions", "99999999"},
    {"topic.creation.wide.include", "("},
    {"topic.creation.wide.include", ""},
};

START_TEST(wrong_settings_are_named)
{
    props_set(connector, "topic.creation.groups", "wide");
    props_set(connector, "topic.creation.wide.include", "x");
    props_set(connector, WRONG[_i][0], WRONG[_i][1]);
    ck_assert_ptr_null(kafka_topics_new(connector, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, WRONG[_i][0]) != NULL, "%s", e.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_topics");
    TCase *tcase = tcase_create("kafka_topics");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_settings_the_broker_creates);
    tcase_add_test(tcase, every_topic_has_the_default_shape);
    tcase_add_test(tcase, groups_are_asked_in_their_order);
    tcase_add_loop_test(tcase, wrong_settings_are_named, 0, sizeof WRONG / sizeof *WRONG);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
