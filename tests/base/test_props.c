/* test_props.c - settings read as Java and Kafka Connect read them, shown as written, expanded on demand. */
#include "buf.h"
#include "props.h"
#include "suite.h"
#include "xmalloc.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[50], path[100];

static void file_write(struct slice content)
{
    snprintf(dir, sizeof dir, "/tmp/walwire-props-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/secrets", dir);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, file), content.len);
    fclose(file);
}

static void file_remove(void)
{
    unlink(path);
    rmdir(dir);
}

static struct props *read_text(const char *content)
{
    struct err e = {0};
    struct props *p = props_new();
    file_write(slice_of(content));
    ck_assert_msg(props_read_file(p, path, &e), "%s", e.text);
    file_remove();
    return p;
}

static void is(const struct props *p, const char *name, const char *value)
{
    ck_assert_pstr_eq(props_get(p, name), value);
}

START_TEST(a_properties_file_is_read_as_java_reads_it)
{
    struct props *p = read_text("# comment = no\n! neither = this \\\n"
                                "a=1\n  b : 2\nc 3\nd\t=\t4 \ne\nf=\ng==x\nh\\ i\\=j=k\r\n"
                                "long = one, \\\n    two, \\\r\n\ttr\\\\ee\n"
                                "a=again\nlast=\\");
    is(p, "a", "again");
    is(p, "b", "2");
    is(p, "c", "3");
    is(p, "d", "4 ");
    is(p, "e", "");
    is(p, "f", "");
    is(p, "g", "=x");
    is(p, "h i=j", "k");
    is(p, "long", "one, two, tr\\ee");
    is(p, "last", "");
    ck_assert_uint_eq(props_count(p), 10);
    props_free(p);
}
END_TEST

START_TEST(escapes_of_a_file_are_javas)
{
    struct props *p =
        read_text("a=\\t\\n\\r\\f\\q\\:\\\\\nb=caf\\u00e9 \\u20AC \\uD83D\\uDE00\nc=caf\xC3\xA9\n\\u0064=x");
    is(p, "a", "\t\n\r\fq:\\");
    is(p, "b", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
    is(p, "c", "caf\xC3\xA9");
    is(p, "d", "x");
    props_free(p);
}
END_TEST

static void file_refused(struct slice content, const char *part)
{
    struct err e = {0};
    struct props *p = props_new();
    file_write(content);
    ck_assert(!props_read_file(p, path, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, part) && strstr(e.text, path), "%s", e.text);
    file_remove();
    props_free(p);
}

START_TEST(a_bad_file_is_refused_with_its_line)
{
    file_refused(SLICE("a=1\n\n# c\nb=\\u12G4\n"), "line 4");
    file_refused(SLICE("b=\\u12"), "line 1");
    file_refused(SLICE("b=\\uD83D!"), "line 1");
    file_refused(SLICE("b=\\uDE00"), "line 1");
    file_refused(SLICE("b=\\u0000"), "line 1");
    file_refused(SLICE("a=1\0b"), "NUL");
    char *large = xmalloc(2000000);
    memset(large, 'a', 2000000);
    file_refused((struct slice){large, 2000000}, "larger");
    free(large);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    struct err e = {0};
    struct props *p = props_new();
    ck_assert(!props_read_file(p, "/nowhere/x.properties", &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "/nowhere/x.properties"));
    ck_assert(!props_read_file(p, "/tmp", &e));
    props_free(p);
}
END_TEST

static bool json_read(struct props *p, const char *json, struct err *e)
{
    return props_read_json(p, slice_of(json), e);
}

START_TEST(a_flat_json_object_becomes_text)
{
    struct err e = {0};
    struct props *p = props_new();
    ck_assert(json_read(p,
                        "{\"z\":\"text \\u00e9\",\"n\":42,\"big\":9223372036854775807,\"d\":1.50,\"t\":true,"
                        "\"none\":null,\"a\":\"\"} \n",
                        &e));
    is(p, "z", "text \xC3\xA9");
    is(p, "n", "42");
    is(p, "big", "9223372036854775807");
    is(p, "d", "1.50");
    is(p, "t", "true");
    is(p, "none", NULL);
    is(p, "a", "");
    const char *name, *value;
    props_at(p, 0, &name, &value);
    ck_assert_str_eq(name, "z");
    props_at(p, 5, &name, &value);
    ck_assert_str_eq(name, "a");
    props_free(p);
}
END_TEST

START_TEST(other_json_is_refused)
{
    static const char *const BAD[] = {"",
                                      "[]",
                                      "null",
                                      "\"x\"",
                                      "{\"a\":{}}",
                                      "{\"a\":[1]}",
                                      "{\"a\":1",
                                      "{\"a\":1} x",
                                      "{\"a\":1}{}",
                                      "{a:1}",
                                      "{\"a\":\"x\\u0000y\"}",
                                      "{\"a\":\"\xFF\"}",
                                      "{\"a\":1,}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct err e = {0};
        struct props *p = props_new();
        ck_assert_msg(!json_read(p, BAD[i], &e), "%s", BAD[i]);
        ck_assert_int_eq(e.kind, ERR_CONFIG);
        ck_assert_str_ne(e.text, "");
        props_free(p);
    }
}
END_TEST

START_TEST(the_order_is_that_of_insertion)
{
    struct props *p = props_new();
    for (int i = 0; i < 40; i++) {
        char name[10];
        snprintf(name, sizeof name, "p%d", 39 - i);
        props_set(p, name, "old");
    }
    props_set(p, "p20", "new");
    props_set(p, "p39", NULL);
    props_set(p, "unknown", NULL);
    const char *name, *value;
    ck_assert_uint_eq(props_count(p), 39);
    props_at(p, 0, &name, &value);
    ck_assert_str_eq(name, "p38");
    props_at(p, 18, &name, &value);
    ck_assert_str_eq(name, "p20");
    ck_assert_str_eq(value, "new");
    props_set(p, "p20", props_get(p, "p20"));
    is(p, "p20", "new");
    props_free(p);
    props_free(NULL);
}
END_TEST

START_TEST(presets_and_booleans)
{
    struct props *p = props_new();
    props_set(p, "yes", "TRUE");
    props_set(p, "odd", "1");
    ck_assert(props_get_bool(p, "yes", false));
    ck_assert(!props_get_bool(p, "odd", true));
    ck_assert(props_get_bool(p, "unset", true) && !props_get_bool(p, "unset", false));
    ck_assert_str_eq(props_get_or(p, "unset", "preset"), "preset");
    ck_assert_str_eq(props_get_or(p, "odd", "preset"), "1");
    props_free(p);
}
END_TEST

START_TEST(sections_and_copies_are_apart_from_their_source)
{
    struct props *p = props_new();
    props_set(p, "producer.acks", "all");
    props_set(p, "other", "x");
    props_set(p, "producer.linger.ms", "5");
    struct props *section = props_section(p, "producer."), *copy = props_copy(p);
    props_set(p, "producer.acks", "0");
    is(section, "acks", "all");
    is(section, "linger.ms", "5");
    ck_assert_uint_eq(props_count(section), 2);
    is(copy, "producer.acks", "all");
    ck_assert_uint_eq(props_count(copy), 3);
    props_free(section);
    props_free(copy);
    props_free(p);
}
END_TEST

/* The original keeps the placeholder, so that the secret is not shown back. */
START_TEST(placeholders_are_replaced_in_a_copy)
{
    struct err e = {0};
    struct props *p = props_new();
    file_write(SLICE("user=me\npass=s3:c}et ${env:X}\n"));
    setenv("WALWIRE_TEST_HOST", "db1", 1);
    char *pass = xasprintf("<${file:%s:pass}>", path), *whole = xasprintf("${dir:%s:secrets}", dir);
    props_set(p, "host", "x-${env:WALWIRE_TEST_HOST}.${env::WALWIRE_TEST_HOST}");
    props_set(p, "pass", pass);
    props_set(p, "whole", whole);
    props_set(p, "topic", "${topic}-$1 ${open:");
    struct props *expanded = props_expand(p, &e);
    ck_assert_msg(expanded != NULL, "%s", e.text);
    is(expanded, "host", "x-db1.db1");
    is(expanded, "pass", "<s3:c}et ${env:X}>");
    is(expanded, "whole", "user=me\npass=s3:c}et ${env:X}");
    is(expanded, "topic", "${topic}-$1 ${open:");
    is(p, "pass", pass);
    free(pass);
    free(whole);
    file_remove();
    props_free(expanded);
    props_free(p);
}
END_TEST

static void cannot_expand(const char *value)
{
    struct err e = {0};
    struct props *p = props_new();
    props_set(p, "database.password", value);
    ck_assert_msg(!props_expand(p, &e), "%s", value);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, "database.password") && strstr(e.text, value), "%s", e.text);
    props_free(p);
}

/* config.providers.*.param.allowed.paths: links and dots lead nowhere else. */
START_TEST(placeholders_stay_where_the_worker_file_says)
{
    struct err e = {0};
    struct props *worker = props_new(), *p = props_new();
    file_write(SLICE("a=1\n"));
    char *inside = xasprintf("%s/in", dir), *link = xasprintf("%s/in/link", dir), *good, *bad, *dots;
    mkdir(inside, 0700);
    ck_assert_int_eq(symlink(path, link), 0);
    good = xasprintf("${file:%s:a}", path);
    bad = xasprintf("${file:%s:a}", link);
    dots = xasprintf("${file:%s/../secrets:a}", inside);
    props_set(p, "x", bad);
    ck_assert_ptr_nonnull(p = props_expand(p, &e)); /* without limits */
    props_set(worker, "config.providers.file.param.allowed.paths", inside);
    props_set(worker, "config.providers.env.param.allowlist.pattern", "SHOP_.*");
    ck_assert_msg(props_confine(worker, &e), "%s", e.text);
    cannot_expand(good);
    cannot_expand(bad);
    cannot_expand(dots);
    setenv("WALWIRE_TEST_HOST", "db1", 1);
    cannot_expand("${env:WALWIRE_TEST_HOST}");
    props_set(worker, "config.providers.file.param.allowed.paths", "/nowhere");
    ck_assert(!props_confine(worker, &e) && strstr(e.text, "/nowhere"));
    ck_assert(props_confine(props_new(), &e));
    setenv("SHOP_HOST", "db1", 1);
    setenv("shop_host", "db2", 1);
    props_set(worker = props_new(), "config.providers.env.param.allowlist.pattern", "SHOP_.{1,9}");
    ck_assert_msg(props_confine(worker, &e), "%s", e.text);
    cannot_expand("${env:shop_host}");
    props_set(p, "x", "${env:SHOP_HOST}");
    ck_assert_msg(props_expand(p, &e) != NULL, "%s", e.text);
    ck_assert(props_confine(props_new(), &e));
    unlink(link);
    rmdir(inside);
    file_remove();
}
END_TEST

#define KAFKAS "org.apache.kafka.common.config.provider."

/* Connect's providers have any name: what is set for it holds, or is refused, and never has no effect. */
START_TEST(a_provider_is_confined_by_any_name)
{
    static const char *const useless[][3] = {
        {"config.providers.a.param.allowed.paths", "/", NULL},
        {"config.providers.a.param.allowed.paths", "/", "com.example.Vault"},
        {"config.providers.file.param.allowed.paths", "/", "com.example.Vault"},
        {"config.providers.a.param.allowlist.pattern", "X", KAFKAS "FileConfigProvider"},
        {"config.providers.file.param.allowlist.pattern", "X", NULL},
        {"config.providers.env.param.allowed.paths", "/", NULL},
    };
    struct err e = {0};
    file_write(SLICE("a=1\n"));
    char *as_alias = xasprintf("${a:%s:a}", path), *as_file = xasprintf("${file:%s:a}", path);
    struct props *worker = props_new(), *p = props_new();
    props_set(worker, "config.providers", "a,b,v");
    props_set(worker, "config.providers.a.class", KAFKAS "FileConfigProvider");
    props_set(worker, "config.providers.v.class", "com.example.Vault");
    props_set(worker, "config.providers.v.param.token", "t");
    props_set(worker, "config.providers.a.param.allowed.paths", dir);
    props_set(p, "x", as_alias);
    ck_assert_msg(props_confine(worker, &e), "%s", e.text);
    ck_assert_msg((p = props_expand(p, &e)) != NULL, "%s", e.text);
    is(p, "x", "1");
    cannot_expand("${v:a:b}");
    props_set(worker, "config.providers.a.param.allowed.paths", "/usr");
    ck_assert_msg(props_confine(worker, &e), "%s", e.text);
    cannot_expand(as_alias);
    cannot_expand(as_file);
    props_set(worker, "config.providers.file.param.allowed.paths", dir);
    ck_assert(!props_confine(worker, &e) && strstr(e.text, "give one of them"));
    for (size_t i = 0; i < sizeof useless / sizeof *useless; i++) {
        const char *alias = useless[i][0] + strlen("config.providers.");
        char *class = xasprintf("config.providers.%.*s.class", (int)strcspn(alias, "."), alias);
        props_set(worker = props_new(), useless[i][0], useless[i][1]);
        if (useless[i][2])
            props_set(worker, class, useless[i][2]);
        ck_assert_msg(!props_confine(worker, &e), "%s", useless[i][0]);
        ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, useless[i][0]), "%s", e.text);
    }
    ck_assert(props_confine(props_new(), &e));
    file_remove();
}
END_TEST

/* REST takes a megabyte: looked up one by one, so many names would take minutes. */
START_TEST(a_list_of_names_is_bounded)
{
    struct buf json = BUF_EMPTY;
    struct err e = {0};
    struct props *p = props_new();
    buf_char(&json, '{');
    for (int i = 0; i < 5001; i++)
        buf_printf(&json, "%s\"n%d\":1", i ? "," : "", i);
    buf_char(&json, '}');
    ck_assert(!props_read_json(p, buf_view(&json), &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_uint_eq(props_count(p), 0);
    buf_free(&json);
    props_free(p);
}
END_TEST

/* A pipe would hold up the thread that answers REST. */
START_TEST(only_files_are_read_for_placeholders)
{
    file_write(SLICE("a=1\n"));
    char *pipe = xasprintf("%s/pipe", dir), *asks = xasprintf("${file:%s:a}", pipe);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    cannot_expand(asks);
    cannot_expand("${file:/dev/zero:a}");
    unlink(pipe);
    file_remove();
}
END_TEST

START_TEST(what_cannot_be_resolved_is_named)
{
    file_write(SLICE("a=1\n"));
    unsetenv("WALWIRE_TEST_UNSET");
    cannot_expand("${env:WALWIRE_TEST_UNSET}");
    cannot_expand("${file:/nowhere/x:key}");
    cannot_expand("${file:/nowhere/x}");
    cannot_expand("${vault:a:b}");
    cannot_expand("${dir:/tmp:../etc/passwd}");
    cannot_expand("${dir:/tmp:..}");
    cannot_expand("${dir:/nowhere:x}");
    char *no_key = xasprintf("${file:%s:b}", path);
    cannot_expand(no_key);
    free(no_key);
    file_remove();
}
END_TEST

START_TEST(names_of_secrets_are_known)
{
    static const char *const SECRET[] = {"database.password", "sslPassword",    "sasl.jaas.config",
                                         "auth.token",        "client.secret",  "my.credentials",
                                         "api.key",           "database.sslkey"};
    static const char *const PLAIN[] = {"database.user", "topic.prefix", "key.converter", "slot.name",
                                        "sslmode"};
    for (size_t i = 0; i < sizeof SECRET / sizeof *SECRET; i++)
        ck_assert_msg(props_is_secret(SECRET[i]), "%s", SECRET[i]);
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN; i++)
        ck_assert_msg(!props_is_secret(PLAIN[i]), "%s", PLAIN[i]);
}
END_TEST

SUITE_MAIN("props", a_properties_file_is_read_as_java_reads_it, escapes_of_a_file_are_javas,
           a_bad_file_is_refused_with_its_line, a_missing_file_is_named, a_flat_json_object_becomes_text,
           other_json_is_refused, the_order_is_that_of_insertion, presets_and_booleans,
           sections_and_copies_are_apart_from_their_source, placeholders_are_replaced_in_a_copy,
           placeholders_stay_where_the_worker_file_says, a_provider_is_confined_by_any_name,
           only_files_are_read_for_placeholders, a_list_of_names_is_bounded, what_cannot_be_resolved_is_named,
           names_of_secrets_are_known)
