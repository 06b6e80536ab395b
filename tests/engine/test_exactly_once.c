/* test_exactly_once.c - the worker's and the connector's settings of exactly once: words, names and times as
 * Connect reads them. */
#include "exactly_once.h"

#include "suite.h"

#include <string.h>

static struct props *worker, *connector;
static struct err e;

static void begin(void)
{
    worker = props_new();
    connector = props_new();
    memset(&e, 0, sizeof e);
    props_set(worker, "bootstrap.servers", "127.0.0.1:9092");
    props_set(connector, "database.hostname", "db");
    props_set(connector, "database.user", "u");
    props_set(connector, "database.dbname", "d");
    props_set(connector, "topic.prefix", "shop");
    props_set(connector, "plugin.name", "pgoutput");
}

static void end(void)
{
    props_free(worker);
    props_free(connector);
}

static struct config *config_made(void)
{
    struct config *c = config_new("orders", connector, worker, &e);
    ck_assert_msg(c != NULL, "%s", e.text);
    return c;
}

/* Connect's words are lower case only; preparing is a step of a rolling upgrade, and writes as before. */
START_TEST(the_worker_says_whether)
{
    begin();
    enum exactly_once_support support = SUPPORT_ENABLED;
    ck_assert(exactly_once_worker(worker, &support, &e));
    ck_assert_int_eq(support, SUPPORT_DISABLED);
    ck_assert(!exactly_once_enabled(NULL));
    props_set(worker, "exactly.once.source.support", "preparing");
    ck_assert(exactly_once_worker(worker, &support, &e));
    ck_assert_int_eq(support, SUPPORT_PREPARING);
    ck_assert(!exactly_once_enabled(worker));
    props_set(worker, "exactly.once.source.support", "enabled");
    ck_assert(exactly_once_worker(worker, &support, &e));
    ck_assert_int_eq(support, SUPPORT_ENABLED);
    ck_assert(exactly_once_enabled(worker));
    props_set(worker, "exactly.once.source.support", "yes");
    ck_assert(!exactly_once_worker(worker, &support, &e));
    ck_assert_str_eq(e.text,
                     "Invalid value yes for configuration exactly.once.source.support: String must be one "
                     "of: disabled, preparing, enabled");
    end();
}
END_TEST

/* A file cannot be part of a Kafka transaction. */
START_TEST(positions_in_a_file_are_refused)
{
    begin();
    enum exactly_once_support support;
    props_set(worker, "exactly.once.source.support", "enabled");
    props_set(worker, "offset.storage.file.filename", "/var/lib/walwire/offsets");
    ck_assert(!exactly_once_worker(worker, &support, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "remove offset.storage.file.filename"));
    end();
}
END_TEST

/* A worker of Connect's that takes over must fence us off, and we it: the names must be the same. */
START_TEST(the_transactional_id_is_connects)
{
    begin();
    struct config *c = config_made();
    char *id = exactly_once_id(worker, c);
    ck_assert_str_eq(id, "connect-cluster-orders-0");
    free(id);
    props_set(worker, "group.id", "blue");
    c->shard = 2;
    id = exactly_once_id(worker, c);
    ck_assert_str_eq(id, "blue-orders-2");
    free(id);
    config_free(c);
    end();
}
END_TEST

START_TEST(the_interval_has_the_workers_preset)
{
    begin();
    struct exactly_once x;
    props_set(worker, "offset.flush.interval.ms", "7000");
    props_set(connector, "transaction.boundary", "Interval");
    struct config *c = config_made();
    exactly_once_init(&x, worker, c);
    ck_assert_int_eq(x.gap_ms, 7000);
    config_free(c);
    props_set(connector, "transaction.boundary.interval.ms", "0");
    c = config_made();
    exactly_once_init(&x, worker, c);
    ck_assert_int_eq(x.gap_ms, 0);
    config_free(c);
    end();
}
END_TEST

/* Kafka must not end a transaction because its interval is long. */
START_TEST(no_transaction_outlives_its_time)
{
    begin();
    struct exactly_once x;
    props_set(worker, "producer.transaction.timeout.ms", "40000");
    props_set(connector, "transaction.boundary", "interval");
    props_set(connector, "transaction.boundary.interval.ms", "90000");
    struct config *c = config_made();
    exactly_once_init(&x, worker, c);
    ck_assert_int_eq(x.gap_ms, 10000);
    ck_assert_int_eq(x.hold_ms, 10000);
    config_free(c);
    props_set(connector, "producer.override.transaction.timeout.ms", "2000");
    c = config_made();
    exactly_once_init(&x, worker, c);
    ck_assert_int_eq(x.hold_ms, 500);
    config_free(c);
    end();
}
END_TEST

SUITE_MAIN("exactly_once", the_worker_says_whether, positions_in_a_file_are_refused,
           the_transactional_id_is_connects, the_interval_has_the_workers_preset,
           no_transaction_outlives_its_time)
