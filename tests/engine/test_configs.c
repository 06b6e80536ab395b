/* test_configs.c - connectors are kept, found again, and others' are left alone. */
#include "configs.h"

#include "suite.h"
#include "xmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLASS "io.debezium.connector.postgresql.PostgresConnector"

static struct props *worker;
static struct configs *configs;
static struct err e;
static char directory[] = "/tmp/test-configs-XXXXXX", path[64];
static struct buf seen; /* "name state option=value;..." of each connector that was loaded */

static void setup(void)
{
    worker = props_new();
    configs = NULL;
    e = (struct err){0};
    seen = (struct buf){0};
    snprintf(directory, sizeof directory, "/tmp/test-configs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/connectors", directory);
    props_set(worker, "config.storage.file.filename", path);
}

static void teardown(void)
{
    configs_close(configs);
    props_free(worker);
    buf_free(&seen);
    unlink(path);
    rmdir(directory);
}

static void reopen(void)
{
    configs_close(configs);
    ck_assert_msg(configs_open(worker, &configs, &e), "%s", e.text);
}

static void take(void *ctx, const char *name, struct props *config, enum connector_state target)
{
    buf_printf(&seen, "%s %s a=%s;", name, connector_state_name(target), props_get_or(config, "a", "none"));
    props_free(config);
}

static void expect_loaded(const char *expected)
{
    buf_reset(&seen);
    reopen();
    ck_assert_msg(configs_load(configs, take, NULL, &e), "%s", e.text);
    ck_assert_str_eq(seen.ptr ? seen.ptr : "", expected);
}

static void put(const char *name, const char *class_name, const char *a, enum connector_state target,
                bool created)
{
    struct props *p = props_new();
    props_set(p, "connector.class", class_name);
    props_set(p, "a", a);
    ck_assert_msg(configs_put(configs, name, p, target, 1, created, &e), "%s", e.text);
    props_free(p);
}

static void file_put(const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(a_connector_is_found_again_as_it_was_left)
{
    reopen();
    put("b", CLASS, "1", STATE_RUNNING, true);
    put("a", "PostgresConnector", "\"quoted\" \n", STATE_STOPPED, true);
    expect_loaded("a STOPPED a=\"quoted\" \n;b RUNNING a=1;");
    put("b", CLASS, "2", STATE_RUNNING, false);
    ck_assert(configs_target(configs, "b", NULL, STATE_PAUSED, 0, &e));
    expect_loaded("a STOPPED a=\"quoted\" \n;b PAUSED a=2;");
    ck_assert(configs_target(configs, "b", NULL, STATE_STOPPED, 0, &e));
    ck_assert(configs_target(configs, "a", NULL, STATE_RUNNING, 0, &e));
    expect_loaded("a RUNNING a=\"quoted\" \n;b STOPPED a=2;");
    ck_assert(configs_remove(configs, "b", &e));
    expect_loaded("a RUNNING a=\"quoted\" \n;");
}
END_TEST

/* A connector that is created anew must not find the state of a former one of its name. */
START_TEST(a_removed_connectors_state_is_gone_too)
{
    reopen();
    put("a", CLASS, "1", STATE_STOPPED, true);
    ck_assert(configs_remove(configs, "a", &e));
    put("a", CLASS, "2", STATE_RUNNING, true);
    expect_loaded("a RUNNING a=2;");
}
END_TEST

START_TEST(others_connectors_are_named_and_left_alone)
{
    file_put("{\"connector-sink\":{\"properties\":{\"connector.class\":\"org.example.Sink\"}},"
             "\"connector-odd\":{\"properties\":5},\"connector-bare\":7,\"target-state-lone\":{\"state\":"
             "\"PAUSED\"},"
             "\"session-key\":{\"key\":\"x\"},\"connector-a\":{\"properties\":{\"connector.class\":"
             "\"Postgres\",\"b\":null}},"
             "\"target-state-a\":{\"state\":\"PAUSED\"}}");
    expect_loaded("a PAUSED a=none;");
    ck_assert(configs_foreign(configs, "sink"));
    ck_assert(!configs_foreign(configs, "a") && !configs_foreign(configs, "other"));
}
END_TEST

START_TEST(the_file_is_its_owners_alone)
{
    struct stat s;
    reopen();
    put("a", CLASS, "1", STATE_RUNNING, true);
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_damaged_file_is_an_error)
{
    file_put("damaged");
    ck_assert(!configs_open(worker, &configs, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "config.storage.file.filename"));
}
END_TEST

START_TEST(the_worker_file_says_where)
{
    props_set(worker, "config.storage.file.filename", NULL);
    reopen();
    ck_assert_ptr_null(configs);
    char *offsets = xasprintf("%s/offsets", directory);
    props_set(worker, "offset.storage.file.filename", offsets);
    reopen();
    ck_assert_ptr_nonnull(strstr(configs_place(configs), "/offsets.connectors"));
    free(offsets);
    props_set(worker, "config.storage.topic", "t");
    struct configs *none;
    ck_assert(!configs_open(worker, &none, &e) && strstr(e.text, "bootstrap.servers"));
    props_set(worker, "config.storage.file.filename", path);
    ck_assert(!configs_open(worker, &none, &e) && strstr(e.text, "remove one"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("configs");
    TCase *tcase = tcase_create("configs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_connector_is_found_again_as_it_was_left);
    tcase_add_test(tcase, a_removed_connectors_state_is_gone_too);
    tcase_add_test(tcase, others_connectors_are_named_and_left_alone);
    tcase_add_test(tcase, the_file_is_its_owners_alone);
    tcase_add_test(tcase, a_damaged_file_is_an_error);
    tcase_add_test(tcase, the_worker_file_says_where);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
