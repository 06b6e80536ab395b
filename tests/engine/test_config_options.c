/* test_config_options.c - options that decide how a connector runs: what each turns into, and how the real
 * connector's validation words a bad one. */
#include "config.h"
#include "config_table.h"
#include "identity.h"
#include "suite.h"

#include <libpq-fe.h>
#include <stdio.h>

static struct props *base(void)
{
    struct props *p = props_new();
    props_set(p, "connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    props_set(p, "database.hostname", "db.example");
    props_set(p, "database.user", "u");
    props_set(p, "database.dbname", "d");
    props_set(p, "topic.prefix", "shop");
    return p;
}

/* pairs: name, value, ..., NULL */
static struct config *config_with(const char *const *pairs, struct err *e)
{
    struct props *p = base();
    for (; *pairs; pairs += 2)
        props_set(p, pairs[0], pairs[1]);
    struct config *c = config_new("c", p, NULL, e);
    props_free(p);
    return c;
}

#define GOOD(...)      good((const char *const[]){__VA_ARGS__, NULL})
#define BAD(want, ...) bad(want, (const char *const[]){__VA_ARGS__, NULL})

static struct config *good(const char *const *pairs)
{
    struct err e = {0};
    struct config *c = config_with(pairs, &e);
    ck_assert_msg(c != NULL, "%s", e.text);
    return c;
}

static void bad(const char *want, const char *const *pairs)
{
    struct err e = {0};
    ck_assert_ptr_null(config_with(pairs, &e));
    ck_assert_msg(strstr(e.text, want) != NULL, "%s", e.text);
}

/* Name, value, the whole error; seen on the live connector's config/validate. */
static const char *const errors[][3] = {
    {"replica.identity.autoset.values", "a.b:FULL,c:d",
     "The 'replica.identity.autoset.values' value is invalid: c:d has an invalid format (expecting "
     "'(?i)^\\s*(?<tablepredicate>[^\\s:]+):(?<replicaidentity>DEFAULT|(INDEX) "
     "(?<indexname>.\\w*)|FULL|NOTHING)\\s*$')"},
    {"lsn.flush.mode", "x",
     "The 'lsn.flush.mode' value is invalid: Value must be one of connector_and_driver, connector, manual"},
    {"lsn.flush.mode", "",
     "The 'lsn.flush.mode' value is invalid: Value must be one of connector_and_driver, connector, manual"},
    {"lsn.flush.timeout.ms", "0",
     "The 'lsn.flush.timeout.ms' value is invalid: A positive, non-zero integer value is expected"},
    {"lsn.flush.timeout.action", "x",
     "The 'lsn.flush.timeout.action' value is invalid: Value must be one of fail, warn, ignore"},
    {"poll.interval.ms", "0",
     "The 'poll.interval.ms' value is invalid: A positive, non-zero integer value is expected"},
    {"xmin.fetch.interval.ms", "-1",
     "The 'xmin.fetch.interval.ms' value is invalid: A non-negative long value is expected"},
    {"guardrail.collections.max", "-1",
     "The 'guardrail.collections.max' value is invalid: An non-negative integer is expected"},
    {"guardrail.collections.limit.action", "x",
     "The 'guardrail.collections.limit.action' value is invalid: Value must be one of warn, fail"},
    {"table.ignore.builtin", "x",
     "The 'table.ignore.builtin' value is invalid: Either 'true' or 'false' is expected"},
    {"database.sslmode", "x",
     "The 'database.sslmode' value is invalid: Value must be one of allow, prefer, disable, verify-ca, "
     "require, "
     "verify-full"},
    {"errors.retry.delay.max.ms", "x",
     "Invalid value x for configuration errors.retry.delay.max.ms: Not a number of type LONG"},
    {"errors.log.enable", "x",
     "Invalid value x for configuration errors.log.enable: Expected value to be either true or false"},
    {"custom.metric.tags", "a=b,c",
     "The 'custom.metric.tags' value is invalid: A equivalent-separated map of valid key/value pairs is "
     "expected, for "
     "example: k1=v1,k2=v2"},
    {"value.converter.decimal.format", "foo",
     "Invalid value foo for configuration decimal.format: String must be one of (case insensitive): NUMERIC, "
     "BASE64"},
    {"value.converter.schemas.enable", "x",
     "Invalid value x for configuration schemas.enable: Expected value to be either true or false"},
    {"signal.poll.interval.ms", "0",
     "The 'signal.poll.interval.ms' value is invalid: A positive, non-zero integer value is expected"},
    {"incremental.snapshot.chunk.size", "-1",
     "The 'incremental.snapshot.chunk.size' value is invalid: An non-negative integer is expected"},
    {"transaction.boundary", "x",
     "Invalid value x for configuration transaction.boundary: String must be one of (case insensitive): "
     "INTERVAL, POLL, "
     "CONNECTOR"},
    {"exactly.once.support", "required", "This worker does not have exactly-once source support enabled."},
    {"exactly.once.support", "always",
     "Invalid value always for configuration exactly.once.support: String must be one of (case insensitive): "
     "REQUIRED, REQUESTED"},
    {"transaction.boundary", "Connector",
     "The connector does not support connector-defined transaction boundaries with the given configuration. "
     "Please reconfigure it to use a different transaction boundary definition."},
    {"transaction.boundary.interval.ms", "-1",
     "Invalid value -1 for configuration transaction.boundary.interval.ms: Value must be at least 0"},
    {"connection.validation.timeout.ms", "0",
     "The 'connection.validation.timeout.ms' value is invalid: A positive, non-zero long value is expected"},
};

START_TEST(errors_are_worded_as_the_live_connector_words_them)
{
    struct err e = {0};
    const char *pair[] = {errors[_i][0], errors[_i][1], NULL};
    ck_assert_ptr_null(config_with(pair, &e));
    ck_assert_str_eq(e.text, errors[_i][2]);
}
END_TEST

START_TEST(topics_are_named_by_the_strategy)
{
    struct buf name = BUF_EMPTY;
    struct config *c = GOOD("topic.naming.strategy", "io.debezium.schema.DefaultTopicNamingStrategy",
                            "topic.delimiter", "_");
    topic_of_table(c->naming, "public", "t", &name);
    ck_assert_str_eq(name.ptr, "shop_t");
    config_free(c);
    c = GOOD("topic.naming.strategy", "io.debezium.schema.SchemaRegexTopicNamingStrategy", "topic.regex",
             "(.*)_\\d+", "topic.replacement", "$1");
    topic_of_table(c->naming, "public", "t_12", &name);
    ck_assert_str_eq(name.ptr, "shop.public.t");
    ck_assert_str_eq(topic_key_field(c->naming, "public", "t_12", &name), "__dbz__physicalTableIdentifier");
    config_free(c);
    c = GOOD("topic.regex", "(.*)_\\d+", "topic.replacement",
             "$1"); /* of no meaning to the preset strategy */
    topic_of_table(c->naming, "public", "t_12", &name);
    ck_assert_str_eq(name.ptr, "shop.public.t_12");
    config_free(c);
    buf_free(&name);
}
END_TEST

START_TEST(topics_that_cannot_be_named_are_refused)
{
    BAD("walwire loads no Java classes", "topic.naming.strategy", "com.acme.Naming");
    BAD("topic.regex", "topic.naming.strategy", "io.debezium.schema.DefaultRegexTopicNamingStrategy");
    BAD("no such group", "topic.naming.strategy", "io.debezium.schema.DefaultRegexTopicNamingStrategy",
        "topic.regex", "a", "topic.replacement", "$1");
    BAD("has invalid format", "topic.delimiter", "/");
    BAD("has invalid format", "topic.transaction", "a b");
    BAD("has invalid format", "topic.heartbeat.name", "a b");
    BAD("topic.key.field.replacement must be non-empty", "topic.key.field.regex", "a");
    BAD("topic.key.field.replacement must be non-empty", "topic.key.field.regex", "a", /* and not a crash */
        "topic.naming.strategy", "io.debezium.schema.SchemaRegexTopicNamingStrategy", "topic.regex", "a",
        "topic.replacement", "b");
}
END_TEST

START_TEST(topic_groups_are_checked_before_the_start)
{
    config_free(GOOD("topic.creation.groups", "one", "topic.creation.one.include", ".*",
                     "topic.creation.default.partitions", "-1"));
    BAD("Duplicate alias provided.", "topic.creation.groups", "a, a", "topic.creation.a.include", "x");
    BAD("topic.creation.a.include", "topic.creation.groups", "a");
    BAD("topic.creation.default.partitions=0", "topic.creation.default.partitions", "0");
}
END_TEST

START_TEST(stream_options_that_nobody_could_read_are_refused)
{
    config_free(GOOD("slot.stream.params", "origin=none;messages=false;proto_version=1;streaming=off;abc"));
    BAD("proto_version=1 only", "slot.stream.params", "origin=none;proto_version=2");
    config_free(GOOD("slot.stream.params", "binary=true"));
    BAD("set publication.name", "slot.stream.params", "publication_names=x");
}
END_TEST

START_TEST(what_becomes_of_records_that_are_too_large)
{
    struct config *c = GOOD("name", "c");
    ck_assert(c->too_large == TOO_LARGE_FAIL && !c->dead_letter_topic && c->memory_max_mb == 0);
    config_free(c);
    c = GOOD("walwire.record.too.large", "dead.letter", "walwire.dead.letter.topic", "lost",
             "walwire.memory.max.mb", "64");
    ck_assert(c->too_large == TOO_LARGE_DEAD_LETTER && c->memory_max_mb == 64);
    ck_assert_str_eq(c->dead_letter_topic, "lost");
    config_free(c);
    c = GOOD("walwire.record.too.large", "SKIP");
    ck_assert_int_eq(c->too_large, TOO_LARGE_SKIP);
    config_free(c);
    BAD("Value must be one of", "walwire.record.too.large", "drop");
    BAD("at least 64", "walwire.memory.max.mb", "63");
    BAD("walwire.memory.max.mb", "walwire.memory.max.mb", "-1");
}
END_TEST

START_TEST(who_acknowledges_positions)
{
    struct config *c = GOOD("name", "c");
    ck_assert_int_eq(c->lsn_flush_mode, FLUSH_CONNECTOR);
    config_free(c);
    c = GOOD("flush.lsn.source", "false");
    ck_assert_int_eq(c->lsn_flush_mode, FLUSH_MANUAL);
    config_free(c);
    c = GOOD("flush.lsn.source", "false", "lsn.flush.mode", "connector"); /* the newer one counts */
    ck_assert_int_eq(c->lsn_flush_mode, FLUSH_CONNECTOR);
    ck_assert_int_eq(c->heartbeat_interval_ms, 0);
    config_free(c);
    c = GOOD("lsn.flush.mode", "connector_and_driver");
    ck_assert_int_eq(c->heartbeat_interval_ms, 600000);
    config_free(c);
    c = GOOD("lsn.flush.mode", "connector_and_driver", "provide.transaction.metadata", "true");
    ck_assert_int_eq(c->heartbeat_interval_ms, 0);
    config_free(c);
}
END_TEST

START_TEST(what_a_mismatch_of_positions_leads_to)
{
    struct config *c = GOOD("internal.slot.seek.to.known.offset.on.start", "true");
    ck_assert_int_eq(c->offset_mismatch, MISMATCH_TRUST_OFFSET);
    config_free(c);
    c = GOOD("internal.slot.seek.to.known.offset.on.start", "true", "offset.mismatch.strategy", "Trust_Slot");
    ck_assert_int_eq(c->offset_mismatch, MISMATCH_TRUST_SLOT);
    config_free(c);
    c = GOOD("name", "c");
    ck_assert_int_eq(c->offset_mismatch, MISMATCH_NO_VALIDATION);
    config_free(c);
}
END_TEST

START_TEST(builtin_tables_are_left_out_unless_wanted)
{
    struct config *c = GOOD("name", "c");
    ck_assert(!config_captures(c, "public", "spatial_ref_sys"));
    config_free(c);
    c = GOOD("table.ignore.builtin", "false");
    ck_assert(config_captures(c, "public", "spatial_ref_sys"));
    config_free(c);
}
END_TEST

static const char *value_of(PQconninfoOption *list, const char *key)
{
    while (list->keyword && strcmp(list->keyword, key) != 0)
        list++;
    return list->keyword && list->val ? list->val : "";
}

START_TEST(the_drivers_settings_reach_libpq)
{
    struct config *c = GOOD("driver.connectTimeout", "3", "database.connectTimeout", "7", "driver.sslmode",
                            "require", "database.sslmode", "disable", "driver.tcpKeepAlive", "false",
                            "database.targetServerType", "preferSecondary", "driver.options",
                            "-c work_mem=8MB -c DateStyle=SQL", "driver.prepareThreshold", "0");
    struct buf b = BUF_EMPTY;
    config_conninfo(c, "x", false, &b);
    PQconninfoOption *list = PQconninfoParse(b.ptr, NULL);
    ck_assert_ptr_nonnull(list);
    ck_assert_str_eq(value_of(list, "connect_timeout"), "3");
    ck_assert_str_eq(value_of(list, "sslmode"), "require");
    ck_assert_str_eq(value_of(list, "keepalives"), "0");
    ck_assert_str_eq(value_of(list, "target_session_attrs"), "prefer-standby");
    const char *options = value_of(list, "options");
    ck_assert_ptr_nonnull(strstr(options, "-c work_mem=8MB"));
    ck_assert(strstr(options, "DateStyle=SQL") < strstr(options, "DateStyle=ISO")); /* ours holds */
    PQconninfoFree(list);
    buf_free(&b);
    config_free(c);
}
END_TEST

static bool take(struct props *p, const char *text, struct err *e)
{
    *e = (struct err){0};
    return config_take_conninfo(p, text, e);
}

START_TEST(a_connection_string_is_taken_whole_or_refused)
{
    struct props *p = props_new();
    struct err e;
    props_set(p, "database.sslmode", "require"); /* --set comes first */
    ck_assert(
        take(p, "postgresql://ann@db/shop?sslmode=disable&sslpassword=geheim&channel_binding=require", &e));
    ck_assert_str_eq(props_get(p, "database.hostname"), "db");
    ck_assert_str_eq(props_get(p, "database.user"), "ann");
    ck_assert_str_eq(props_get(p, "database.dbname"), "shop");
    ck_assert_str_eq(props_get(p, "database.sslmode"), "require");
    ck_assert_str_eq(props_get(p, "database.sslpassword"), "geheim");
    ck_assert_str_eq(props_get(p, "database.channelBinding"), "require");
    props_free(p);

    p = props_new();
    ck_assert(take(p, "user=ann connect_timeout=3 options='-c work_mem=8MB' application_name=x", &e));
    ck_assert_str_eq(props_get(p, "database.dbname"), "ann");
    ck_assert_str_eq(props_get(p, "database.connectTimeout"), "3");
    ck_assert_str_eq(props_get(p, "database.options"), "-c work_mem=8MB");
    ck_assert(!take(p, "host=db sslcrl=revoked.pem", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "sslcrl"));
    ck_assert(!take(p, "host", &e));
    props_free(p);
}
END_TEST

START_TEST(ssl_factories_of_the_driver_that_libpq_can_stand_for)
{
    config_free(GOOD("database.sslfactory", "org.postgresql.ssl.NonValidatingFactory", "database.sslmode",
                     "require"));
    BAD("libpq does check", "database.sslfactory", "org.postgresql.ssl.NonValidatingFactory",
        "database.sslmode", "verify-full");
    BAD("loads no Java classes", "database.sslfactory", "com.acme.Factory");
}
END_TEST

START_TEST(replica_identities_are_read)
{
    struct identity_entry one;
    struct slice text;
    const char *list = "public[.]t\\d:full, a.b:INDEX b_u ,c.d:NOTHING";
    ck_assert(identity_next(&list, &text) && identity_parse(text, &one));
    ck_assert(one.kind == 'f' && slice_is(one.tables, "public[.]t\\d"));
    ck_assert(identity_next(&list, &text) && identity_parse(text, &one));
    ck_assert(one.kind == 'i' && slice_is(one.tables, "a.b") && slice_is(one.index, "b_u"));
    ck_assert(identity_next(&list, &text) && identity_parse(text, &one));
    ck_assert(one.kind == 'n' && !identity_next(&list, &text));
    ck_assert(!identity_parse(SLICE("a b:FULL"), &one));
    ck_assert(!identity_parse(SLICE("a:INDEX "), &one));
    ck_assert(!identity_parse(SLICE(":FULL"), &one));
    BAD("Must not be empty", "replica.identity.autoset.values", "");
    BAD("regular expression", "replica.identity.autoset.values", "a(:FULL");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_options");
    TCase *t = tcase_create("config_options");
    tcase_add_loop_test(t, errors_are_worded_as_the_live_connector_words_them, 0,
                        sizeof errors / sizeof *errors);
    tcase_add_test(t, topics_are_named_by_the_strategy);
    tcase_add_test(t, topics_that_cannot_be_named_are_refused);
    tcase_add_test(t, topic_groups_are_checked_before_the_start);
    tcase_add_test(t, stream_options_that_nobody_could_read_are_refused);
    tcase_add_test(t, what_becomes_of_records_that_are_too_large);
    tcase_add_test(t, who_acknowledges_positions);
    tcase_add_test(t, what_a_mismatch_of_positions_leads_to);
    tcase_add_test(t, builtin_tables_are_left_out_unless_wanted);
    tcase_add_test(t, the_drivers_settings_reach_libpq);
    tcase_add_test(t, a_connection_string_is_taken_whole_or_refused);
    tcase_add_test(t, ssl_factories_of_the_driver_that_libpq_can_stand_for);
    tcase_add_test(t, replica_identities_are_read);
    suite_add_tcase(suite, t);
    return suite_end(suite);
}
