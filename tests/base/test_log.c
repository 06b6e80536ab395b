/* test_log.c - one event is one line, in text or JSON, and data cannot forge another. */
#include "log.h"
#include "suite.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static char seen[200000];

/* What one round of logging wrote to stderr. */
static const char *captured(void (*round)(void))
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    round();
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    seen[fread(seen, 1, sizeof seen - 1, file)] = 0;
    fclose(file);
    return seen;
}

static void one_of_each(void)
{
    log_error("e%d", 1);
    log_warn("w");
    log_info("i");
    log_debug("d");
}

/* "2026-11-21T10:00:00.123Z" with any digits. */
static bool is_time(const char *text)
{
    const char *shape = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

static void one_info(void)
{
    log_info("slot %s created", "s1");
}

START_TEST(a_text_line_has_time_level_context_and_message)
{
    const char *line = captured(one_info);
    ck_assert(is_time(line));
    ck_assert_str_eq(line + 24, " INFO  slot s1 created\n");
    log_set_context("inventory");
    ck_assert_str_eq(captured(one_info) + 24, " INFO  [inventory] slot s1 created\n");
    log_set_context(NULL);
    ck_assert_str_eq(captured(one_info) + 24, " INFO  slot s1 created\n");
}
END_TEST

START_TEST(levels_above_the_set_one_are_silent)
{
    static const int LINES[] = {[LOG_ERROR] = 1, [LOG_WARN] = 2, [LOG_INFO] = 3, [LOG_DEBUG] = 4};
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        log_set_level((enum log_level)level);
        ck_assert_int_eq(log_get_level(), level);
        int lines = 0;
        for (const char *at = captured(one_of_each); *at; at++)
            lines += *at == '\n';
        ck_assert_int_eq(lines, LINES[level]);
    }
}
END_TEST

/* Fields apart: whose line it is, and where in the WAL. */
START_TEST(a_line_has_the_position_that_the_thread_is_at)
{
    lsn_t at = 0;
    log_set_position(&at);
    ck_assert_str_eq(captured(one_info) + 24, " INFO  slot s1 created\n");
    at = 0x1000000AB;
    ck_assert_str_eq(captured(one_info) + 24, " INFO  [1/AB] slot s1 created\n");
    log_set_context("inventory");
    ck_assert_str_eq(captured(one_info) + 24, " INFO  [inventory 1/AB] slot s1 created\n");
    log_set_json(true);
    ck_assert_ptr_nonnull(
        strstr(captured(one_info), "\"connector\":\"inventory\",\"lsn\":\"1/AB\",\"message\""));
    log_set_position(NULL);
    ck_assert_ptr_null(strstr(captured(one_info), "lsn"));
}
END_TEST

static void forged(void)
{
    log_info("%s", "name\n2026-01-01T00:00:00.000Z ERROR \x1B[31mforged\r\n\x7F");
}

START_TEST(data_cannot_forge_a_line)
{
    log_set_context("a\nb");
    const char *line = captured(forged);
    ck_assert_str_eq(line + 24, " INFO  [a b] name 2026-01-01T00:00:00.000Z ERROR  [31mforged   \n");
}
END_TEST

static void quoted(void)
{
    log_warn("table \"a\\b\"\tis\nodd");
}

START_TEST(a_json_line_is_one_object)
{
    log_set_json(true);
    log_set_context("inventory");
    const char *line = captured(quoted);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    struct json_object *root = json_tokener_parse(line), *value;
    ck_assert(json_object_object_get_ex(root, "time", &value) && is_time(json_object_get_string(value)));
    ck_assert(json_object_object_get_ex(root, "level", &value));
    ck_assert_str_eq(json_object_get_string(value), "warn");
    ck_assert(json_object_object_get_ex(root, "connector", &value));
    ck_assert_str_eq(json_object_get_string(value), "inventory");
    ck_assert(json_object_object_get_ex(root, "message", &value));
    ck_assert_str_eq(json_object_get_string(value), "table \"a\\b\" is odd");
    json_object_put(root);
}
END_TEST

START_TEST(level_names_are_read_in_any_case)
{
    enum log_level level = LOG_ERROR;
    ck_assert(log_level_parse("Debug", &level));
    ck_assert_int_eq(level, LOG_DEBUG);
    ck_assert(log_level_parse("WARN", &level));
    ck_assert_int_eq(level, LOG_WARN);
    ck_assert(!log_level_parse("loud", &level) && !log_level_parse("", &level));
    ck_assert_int_eq(level, LOG_WARN);
}
END_TEST

static void long_line(void)
{
    log_info("%100000d", 7);
}

START_TEST(a_long_message_is_whole_and_a_long_context_is_cut)
{
    ck_assert_uint_eq(strlen(captured(long_line)), 24 + strlen(" INFO  ") + 100000 + 1);
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    log_set_context(name);
    ck_assert_uint_eq(strlen(captured(one_info)), 24 + strlen(" INFO  [] slot s1 created\n") + 63);
}
END_TEST

static void *log_from_thread(void *name)
{
    log_set_context(name);
    for (int i = 0; i < 500; i++)
        log_info("%060d", i);
    return NULL;
}

static void two_threads(void)
{
    pthread_t a, b;
    char first[] = "first", other[] = "other";
    pthread_create(&a, NULL, log_from_thread, first);
    pthread_create(&b, NULL, log_from_thread, other);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

START_TEST(lines_of_threads_do_not_mix)
{
    int lines = 0;
    for (const char *at = captured(two_threads); *at; lines++) {
        ck_assert(is_time(at));
        ck_assert(strncmp(at + 24, " INFO  [first] 0", 16) == 0 ||
                  strncmp(at + 24, " INFO  [other] 0", 16) == 0);
        ck_assert_int_eq(at[24 + 15 + 60], '\n');
        at += 24 + 15 + 61;
    }
    ck_assert_int_eq(lines, 1000);
}
END_TEST

static int errno_after;

static void log_after_failure(void)
{
    errno = ENOENT;
    log_info("%s", "no such file");
    errno_after = errno;
}

/* Whoever logs between a failing call and the look at errno must not spoil it, not even without a stderr. */
START_TEST(errno_survives)
{
    captured(log_after_failure);
    ck_assert_int_eq(errno_after, ENOENT);
    close(STDERR_FILENO);
    log_after_failure();
    ck_assert_int_eq(errno_after, ENOENT);
}
END_TEST

SUITE_MAIN("log", a_text_line_has_time_level_context_and_message, levels_above_the_set_one_are_silent,
           a_line_has_the_position_that_the_thread_is_at, data_cannot_forge_a_line, a_json_line_is_one_object,
           level_names_are_read_in_any_case, a_long_message_is_whole_and_a_long_context_is_cut,
           lines_of_threads_do_not_mix, errno_survives)
