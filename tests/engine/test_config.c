/* test_config.c - settings mean what they mean to Debezium, or are refused; nothing is silently ignored that
 * would change what is written. */
#include "config.h"

#include "config_table.h"
#include "suite.h"
#include "xmalloc.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <unistd.h>

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

static struct config *config_with(const char *name, const char *value, struct props *worker)
{
    struct props *p = base();
    struct err e = {0};
    props_set(p, name, value);
    struct config *c = config_new("c", p, worker, &e);
    ck_assert_msg(c != NULL, "%s=%s: %s", name, value, e.text);
    props_free(p);
    return c;
}

/* The one error of a configuration with this option, or "" for none. */
static const char *error_with(const char *name, const char *value)
{
    static char text[2000];
    struct props *p = base();
    struct err e = {0};
    props_set(p, name, value);
    struct config *c = config_new("c", p, NULL, &e);
    snprintf(text, sizeof text, "%s", c ? "" : e.text);
    ck_assert(c || e.kind == ERR_CONFIG);
    config_free(c);
    props_free(p);
    return text;
}

START_TEST(presets_are_debeziums)
{
    struct config *c = config_with("database.port", "6000", NULL);
    ck_assert_str_eq(c->port, "6000");
    ck_assert_str_eq(c->slot_name, "debezium");
    ck_assert_str_eq(c->publication_name, "dbz_publication");
    ck_assert_str_eq(c->sslmode, "prefer");
    ck_assert_int_eq(c->publication_mode, PUBLICATION_ALL_TABLES);
    ck_assert_int_eq(c->snapshot_mode, SNAPSHOT_INITIAL);
    ck_assert_int_eq(c->modes.time, TIME_ADAPTIVE);
    ck_assert_int_eq(c->modes.money_digits, 2);
    ck_assert_int_eq(c->errors_max_retries, -1);
    ck_assert_int_eq(c->status_interval_ms, 10000);
    ck_assert(c->tombstones && c->extended_headers && c->tcp_keepalive && !c->slot_drop_on_stop);
    ck_assert(c->skip_truncate && !c->skip_create && !c->skipped_set);
    ck_assert(c->key_style.schemas && c->value_style.schemas && c->value_style.null_as_default);
    ck_assert(slice_is(c->modes.placeholder, "__debezium_unavailable_value"));
    ck_assert_ptr_null(c->password);
    config_free(c);
}
END_TEST

START_TEST(words_are_read_in_any_case)
{
    struct config *c = config_with("snapshot.mode", " No_Data ", NULL);
    ck_assert_int_eq(c->snapshot_mode, SNAPSHOT_NO_DATA);
    config_free(c);
    c = config_with("time.precision.mode", "NANOSECONDS", NULL);
    ck_assert_int_eq(c->modes.time, TIME_NANOS);
    config_free(c);
    c = config_with("binary.handling.mode", "base64-url-safe", NULL);
    ck_assert_int_eq(c->modes.binary, BINARY_BASE64_URL);
    config_free(c);
    c = config_with("tombstones.on.delete", "False", NULL);
    ck_assert(!c->tombstones);
    config_free(c);
}
END_TEST

/* Name, value, the end of the error; as the real connector's validation words it. */
static const char *const errors[][3] = {
    {"database.hostname", "", "The 'database.hostname' value is invalid: A value is required"},
    {"topic.prefix", NULL, "The 'topic.prefix' value is invalid: A value is required"},
    {"database.port", "abc", "The 'database.port' value is invalid: An integer is expected"},
    {"database.port", "", "The 'database.port' value is invalid: An integer is expected"},
    {"heartbeat.interval.ms", "-1",
     "The 'heartbeat.interval.ms' value is invalid: An non-negative integer is expected"},
    {"status.update.interval.ms", "0",
     "The 'status.update.interval.ms' value is invalid: A positive, non-zero integer value is expected"},
    {"retriable.restart.connector.wait.ms", "-1",
     "The 'retriable.restart.connector.wait.ms' value is invalid: A positive, non-zero long value is "
     "expected"},
    {"slot.retry.delay.ms", "99999999999999999999",
     "The 'slot.retry.delay.ms' value is invalid: A long value is expected"},
    {"tombstones.on.delete", "maybe",
     "The 'tombstones.on.delete' value is invalid: Either 'true' or 'false' is expected"},
    {"decimal.handling.mode", "x",
     "The 'decimal.handling.mode' value is invalid: Value must be one of string, double, precise"},
    {"slot.name", "Bad-Slot",
     "The 'slot.name' value is invalid: Valid replication slot name must contain only digits, lowercase "
     "characters and "
     "underscores with length <= 63"},
    {"topic.prefix", "a b",
     "The 'topic.prefix' value is invalid: a b has invalid format (only the underscore, hyphen, dot and "
     "alphanumeric "
     "characters are allowed)"},
    {"message.key.columns", "foo",
     "The 'message.key.columns' value is invalid: foo has an invalid format (expecting "
     "'^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')"},
    {"message.key.columns", "s.t:a,,b", "(expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')"},
    {"skipped.operations", "c,x", "The 'skipped.operations' value is invalid: Invalid operation"},
    {"skipped.operations", "", "The 'skipped.operations' value is invalid: Invalid operation"},
    {"skipped.operations", "none,c",
     "The 'skipped.operations' value is invalid: 'none' cannot be specified with other skipped operation "
     "types"},
    {"max.batch.size", "9000",
     "The 'max.queue.size' value is invalid: Must be larger than the maximum batch size"},
    {"errors.tolerance", "foo",
     "Invalid value foo for configuration errors.tolerance: String must be one of: none, all"},
    {"tasks.max", "0", "Invalid value 0 for configuration tasks.max: Value must be at least 1"},
    {"tasks.max", "a", "Invalid value a for configuration tasks.max: Not a number of type INT"},
    {"connector.class", "foo",
     "Invalid value foo for configuration connector.class: walwire is "
     "io.debezium.connector.postgresql.PostgresConnector only"},
};

START_TEST(errors_are_worded_as_debezium_and_connect_word_them)
{
    const char *got = error_with(errors[_i][0], errors[_i][1]), *want = errors[_i][2];
    size_t n = strlen(got), m = strlen(want);
    ck_assert_msg(n >= m && strcmp(got + n - m, want) == 0, "%s=%s: %s", errors[_i][0], errors[_i][1], got);
}
END_TEST

/* What would change the records if it were ignored. */
static const char *const refused[][2] = {
    {"transforms", "unwrap"},
    {"topic.naming.strategy", "com.acme.Naming"},
    {"queue.provider.type", "chronicle"},
    {"transaction.metadata.factory", "com.acme.Factory"},
    {"openlineage.integration.enabled", "true"},
    {"converters", "isbn"},
    {"post.processors", "reselector"},
    {"signal.data.collection", "public.signals"},
    {"signal.enabled.channels", "source,kafka"},
    {"notification.enabled.channels", "sink"},
    {"time.precision.mode", "structured"},
    {"snapshot.mode", "configuration_based"},
    {"plugin.name", "decoderbufs"},
    {"key.converter", "io.confluent.connect.avro.AvroConverter"},
    {"value.converter", "org.apache.kafka.connect.storage.StringConverter"},
    {"header.converter", "org.apache.kafka.connect.json.JsonConverter"},
    {"unavailable.value.placeholder", "hex:zz"},
};

START_TEST(what_would_change_the_output_is_refused_by_name)
{
    const char *got = error_with(refused[_i][0], refused[_i][1]);
    ck_assert_msg(strstr(got, refused[_i][0]) != NULL, "%s=%s: '%s'", refused[_i][0], refused[_i][1], got);
}
END_TEST

/* What changes nothing that is written, and presets of what is refused. */
static const char *const accepted[][2] = {
    {"max.batch.size", "100"},
    {"poll.interval.ms", "10"},
    {"tasks.max", "5"},
    {"signal.enabled.channels", "source"},
    {"transforms", ""},
    {"slot.failover", "FALSE"},
    {"plugin.name", "pgoutput"},
    {"snapshot.locking.mode", "none"},
    {"schema.name.adjustment.mode", "none"},
    {"table.include.list", ""},
    {"producer.override.linger.ms", "5"},
    {"some.unknown.option", "x"},
    {"database.hostname", "/var/run/postgresql"},
    {"connector.class", "PostgresConnector"},
    {"header.converter", "org.apache.kafka.connect.storage.SimpleHeaderConverter"},
};

START_TEST(what_changes_nothing_is_accepted)
{
    ck_assert_str_eq(error_with(accepted[_i][0], accepted[_i][1]), "");
}
END_TEST

START_TEST(include_and_exclude_of_one_kind_are_an_error)
{
    static const char *const kinds[] = {"table", "schema", "column", "message.prefix"};
    for (int i = 0; i < 4; i++) {
        struct props *p = base();
        struct err e = {0};
        char include[60], exclude[60], want[200];
        snprintf(include, sizeof include, "%s.include.list", kinds[i]);
        snprintf(exclude, sizeof exclude, "%s.exclude.list", kinds[i]);
        snprintf(want, sizeof want, "The '%s' value is invalid: \"%s\" is already specified", exclude,
                 include);
        props_set(p, include, "a");
        props_set(p, exclude, "b");
        ck_assert_ptr_null(config_new("c", p, NULL, &e));
        ck_assert_str_eq(e.text, want);
        props_free(p);
    }
}
END_TEST

START_TEST(a_bad_expression_is_named)
{
    const char *got = error_with("table.include.list", "public.a(");
    ck_assert_msg(
        strstr(
            got,
            "'table.include.list' value is invalid: A comma-separated list of valid regular expressions is "
            "expected, but") != NULL,
        "%s", got);
}
END_TEST

START_TEST(all_errors_are_told_at_once)
{
    struct props *p = props_new();
    struct findings *f = config_findings("c", p, p, NULL);
    static const char *const want[] = {"database.hostname", "database.user", "database.dbname",
                                       "topic.prefix"};
    ck_assert_uint_eq(f->count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(f->items[i].option, want[i]);
    findings_free(f);
    props_free(p);
}
END_TEST

/* As the REST API checks: what is told may only come from the settings as they were written. */
START_TEST(what_is_wrong_with_a_column_rule_is_told)
{
    struct props *all = base(), *shown = base();
    props_set(all, "column.mask.hash.NOPE.with.salt.x", "a.b.c");
    props_set(shown, "column.mask.hash.NOPE.with.salt.x", "a.b.c");
    struct findings *f = config_findings("c", all, shown, NULL);
    ck_assert_uint_eq(f->count, 1);
    ck_assert_msg(strstr(f->items[0].text, "NOPE"), "%s", f->items[0].text);
    findings_free(f);
    props_free(all);
    props_free(shown);
}
END_TEST

START_TEST(tables_are_chosen_by_whole_names_without_regard_to_case)
{
    struct config *c = config_with("table.include.list", "public\\.orders,shop.(a|b)", NULL);
    ck_assert(config_captures(c, "public", "orders"));
    ck_assert(config_captures(c, "Public", "ORDERS"));
    ck_assert(config_captures(c, "shop", "b"));
    ck_assert(!config_captures(c, "public", "orders2"));
    config_free(c);
    c = config_with("table.exclude.list", "public.secret", NULL);
    ck_assert(!config_captures(c, "public", "secret"));
    ck_assert(config_captures(c, "public", "open"));
    ck_assert(!config_captures(c, "pg_catalog", "pg_class"));
    ck_assert(!config_captures(c, "information_schema", "tables"));
    ck_assert(!config_captures(c, "public", "spatial_ref_sys"));
    config_free(c);
}
END_TEST

START_TEST(schema_and_table_lists_both_must_agree)
{
    struct props *p = base();
    struct err e = {0};
    props_set(p, "schema.include.list", "shop");
    props_set(p, "table.exclude.list", "shop.log");
    struct config *c = config_new("c", p, NULL, &e);
    ck_assert(config_captures(c, "shop", "orders"));
    ck_assert(!config_captures(c, "shop", "log"));
    ck_assert(!config_captures(c, "public", "orders"));
    config_free(c);
    props_free(p);
}
END_TEST

START_TEST(columns_are_chosen_by_schema_table_and_name)
{
    struct config *c = config_with("column.exclude.list", "public.users.(password|token)", NULL);
    ck_assert(!config_captures_column(c, "public", "users", "password"));
    ck_assert(config_captures_column(c, "public", "users", "name"));
    ck_assert(config_captures_column(c, "public", "others", "password"));
    config_free(c);
}
END_TEST

START_TEST(skipped_operations)
{
    struct config *c = config_with("skipped.operations", "u, D", NULL);
    ck_assert(c->skip_update && c->skip_delete && !c->skip_truncate && !c->skip_create && c->skipped_set);
    config_free(c);
    c = config_with("skipped.operations", "none", NULL);
    ck_assert(!c->skip_update && !c->skip_truncate && c->skipped_set);
    config_free(c);
}
END_TEST

START_TEST(the_placeholder_may_be_bytes)
{
    struct config *c = config_with("unavailable.value.placeholder", "hex:00FF41", NULL);
    ck_assert(slice_eq(c->modes.placeholder, SLICE("\x00\xFF\x41")));
    config_free(c);
}
END_TEST

START_TEST(converter_settings_are_the_workers_unless_the_connector_names_the_converter)
{
    struct props *worker = props_new();
    props_set(worker, "value.converter", "org.apache.kafka.connect.json.JsonConverter");
    props_set(worker, "value.converter.schemas.enable", "false");
    struct config *c = config_with("value.converter.schemas.enable", "true", worker);
    ck_assert(!c->value_style.schemas);
    config_free(c);
    c = config_with("value.converter", "org.apache.kafka.connect.json.JsonConverter", worker);
    ck_assert(c->value_style.schemas); /* the converter's own preset, not the worker's */
    config_free(c);
    c = config_with("tasks.max", "1", worker);
    ck_assert(!c->value_style.schemas && c->key_style.schemas);
    config_free(c);
    props_free(worker);
}
END_TEST

START_TEST(a_worker_with_another_converter_is_refused)
{
    struct props *worker = props_new(), *p = base();
    struct err e = {0};
    props_set(worker, "key.converter", "io.confluent.connect.avro.AvroConverter");
    ck_assert_ptr_null(config_new("c", p, worker, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "key.converter"));
    props_set(p, "key.converter", "org.apache.kafka.connect.json.JsonConverter");
    struct config *c = config_new("c", p, worker, &e);
    ck_assert_ptr_nonnull(c);
    config_free(c);
    props_free(worker);
    props_free(p);
}
END_TEST

static const char *conninfo_value(PQconninfoOption *list, const char *key)
{
    for (; list->keyword; list++)
        if (strcmp(list->keyword, key) == 0)
            return list->val ? list->val : "";
    return NULL;
}

START_TEST(any_password_reaches_libpq_as_it_is)
{
    const char *password = "it's \\ a 'secret' host=evil";
    struct config *c = config_with("database.password", password, NULL);
    struct buf b = {0};
    char *why = NULL;
    config_conninfo(c, "Debezium Streaming", true, &b);
    PQconninfoOption *list = PQconninfoParse(b.ptr, &why);
    ck_assert_msg(list != NULL, "%s", why);
    ck_assert_str_eq(conninfo_value(list, "password"), password);
    ck_assert_str_eq(conninfo_value(list, "host"), "db.example");
    ck_assert_str_eq(conninfo_value(list, "application_name"), "Debezium Streaming");
    ck_assert_str_eq(conninfo_value(list, "replication"), "database");
    ck_assert_str_eq(conninfo_value(list, "client_encoding"), "UTF8");
    ck_assert_ptr_nonnull(strstr(conninfo_value(list, "options"), "-c DateStyle=ISO"));
    ck_assert_ptr_nonnull(strstr(conninfo_value(list, "options"), "-c TimeZone=UTC"));
    PQconninfoFree(list);
    buf_reset(&b);
    config_conninfo(c, "Debezium General", false, &b);
    ck_assert_ptr_null(strstr(b.ptr, "replication="));
    buf_free(&b);
    config_free(c);
}
END_TEST

START_TEST(secrets_are_shown_as_a_mask_and_kept_by_it)
{
    struct props *stored = base(), *next;
    struct buf b = {0};
    props_set(stored, "database.password", "geheim");
    props_set(stored, "producer.override.sasl.jaas.config", "password=\"geheim\"");
    props_set(stored, "database.sslpassword", "${env:SSL_PASSWORD}");
    config_json_masked(&b, stored);
    ck_assert_ptr_null(strstr(b.ptr, "geheim"));
    ck_assert_ptr_nonnull(strstr(b.ptr, "\"database.password\":\"********\""));
    ck_assert_ptr_nonnull(strstr(b.ptr, "${env:SSL_PASSWORD}"));
    buf_free(&b);
    next = props_copy(stored);
    props_set(next, "database.password", "********");
    props_set(next, "database.user", "********"); /* not a secret: taken at its word */
    config_keep_masked(next, stored);
    ck_assert_str_eq(props_get(next, "database.password"), "geheim");
    ck_assert_str_eq(props_get(next, "database.user"), "********");
    props_free(next);
    props_free(stored);
}
END_TEST

START_TEST(references_are_resolved)
{
    setenv("WALWIRE_TEST_USER", "anna", 1);
    struct config *c = config_with("database.user", "${env:WALWIRE_TEST_USER}", NULL);
    ck_assert_str_eq(c->user, "anna");
    config_free(c);
}
END_TEST

START_TEST(a_file_is_what_is_posted_or_properties)
{
    char path[] = "/tmp/walwire-config-XXXXXX.json", *name = NULL;
    struct err e = {0};
    int fd = mkstemps(path, 5);
    const char *text = "{\"name\":\"shop\",\"config\":{\"database.port\":5433,\"slot.name\":\"s\"}}";
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct props *p = config_load(path, &name, &e);
    ck_assert_msg(p != NULL, "%s", e.text);
    ck_assert_str_eq(name, "shop");
    ck_assert_str_eq(props_get(p, "database.port"), "5433");
    ck_assert_str_eq(props_get(p, "name"), "shop");
    unlink(path);
    free(name);
    props_free(p);
    ck_assert_ptr_null(config_load(path, &name, &e));
}
END_TEST

/* A row that is refused or ignored says why; presets pass their own checks. */
START_TEST(the_table_is_sound)
{
    for (const struct option *o = config_options; o->name; o++) {
        ck_assert_msg((o->stand == OPTION_LIVE) == (o->why == NULL), "%s", o->name);
        ck_assert_msg(o->text && o->group && o->importance, "%s", o->name);
        ck_assert_msg(o->kind != OPTION_CHOICE || o->words, "%s", o->name);
        ck_assert_msg(option_find(o->name) == o, "%s is there twice", o->name);
        if (o->preset && *o->preset && !option_is_family(o))
            ck_assert_msg(strcmp(error_with(o->name, o->preset), "") == 0, "%s: %s", o->name,
                          error_with(o->name, o->preset));
    }
}
END_TEST

START_TEST(a_misspelt_option_is_recognized)
{
    ck_assert_str_eq(option_nearest("tabel.include.list"), "table.include.list");
    ck_assert_ptr_null(option_nearest("quite.something.else"));
    ck_assert_ptr_null(option_find("tabel.include.list"));
}
END_TEST

START_TEST(the_documentation_has_every_option)
{
    struct buf text = {0}, markdown = {0};
    config_options_text(&text);
    config_options_markdown(&markdown);
    for (const struct option *o = config_options; o->name; o++) {
        ck_assert_msg(strstr(text.ptr, o->name) != NULL, "%s", o->name);
        ck_assert_msg(strstr(markdown.ptr, o->name) != NULL, "%s", o->name);
    }
    buf_free(&text);
    buf_free(&markdown);
}
END_TEST

int main(void)
{
    static const TTest *const *const plain[] = {
        &presets_are_debeziums,
        &words_are_read_in_any_case,
        &include_and_exclude_of_one_kind_are_an_error,
        &a_bad_expression_is_named,
        &all_errors_are_told_at_once,
        &what_is_wrong_with_a_column_rule_is_told,
        &tables_are_chosen_by_whole_names_without_regard_to_case,
        &schema_and_table_lists_both_must_agree,
        &columns_are_chosen_by_schema_table_and_name,
        &skipped_operations,
        &the_placeholder_may_be_bytes,
        &converter_settings_are_the_workers_unless_the_connector_names_the_converter,
        &a_worker_with_another_converter_is_refused,
        &any_password_reaches_libpq_as_it_is,
        &secrets_are_shown_as_a_mask_and_kept_by_it,
        &references_are_resolved,
        &a_file_is_what_is_posted_or_properties,
        &the_table_is_sound,
        &a_misspelt_option_is_recognized,
        &the_documentation_has_every_option,
    };
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        tcase_add_test(tcase, *plain[i]);
    tcase_add_loop_test(tcase, errors_are_worded_as_debezium_and_connect_word_them, 0,
                        (int)(sizeof errors / sizeof *errors));
    tcase_add_loop_test(tcase, what_would_change_the_output_is_refused_by_name, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_loop_test(tcase, what_changes_nothing_is_accepted, 0,
                        (int)(sizeof accepted / sizeof *accepted));
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
