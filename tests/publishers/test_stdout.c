/* test_stdout.c - what is printed is complete lines, and counts as delivered only once it has been written.
 */
#include "sink.h"

#include "suite.h"
#include "xmalloc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct sink *sink;
static struct err e;
static struct mark mark;
static int reader, kept;

/* Standard output becomes a pipe; the test's own report needs the old one back. */
static void setup(void)
{
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(ends), 0);
    kept = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    reader = ends[0];
    memset(&mark, 0, sizeof mark);
    memset(&e, 0, sizeof e);
    sink = stdout_sink.open(&(struct sink_options){.wake_fd = -1}, &e);
}

static void teardown(void)
{
    stdout_sink.close(sink);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(reader);
}

static enum sink_result put(const char *value)
{
    struct message m = {.value = slice_of(value), .mark = &mark};
    return stdout_sink.put(sink, &m, &e);
}

static void expect_read(const char *text)
{
    char got[200] = {0};
    fcntl(reader, F_SETFL, O_NONBLOCK);
    ssize_t n = read(reader, got, sizeof got - 1);
    ck_assert_int_eq(n, (ssize_t)strlen(text));
    ck_assert_str_eq(got, text);
}

/* A pipe to jq shows a change at once, one line each; tombstones have nothing to show. */
START_TEST(values_are_lines)
{
    ck_assert_int_eq(put("{\"a\":1}"), SINK_OK);
    ck_assert_int_eq(put(NULL), SINK_OK);
    ck_assert_int_eq(put("{\"a\":2}"), SINK_OK);
    ck_assert_uint_eq(mark.pending, 2);
    ck_assert(stdout_sink.poll(sink, &e));
    ck_assert_uint_eq(mark.pending, 0);
    expect_read("{\"a\":1}\n{\"a\":2}\n");
}
END_TEST

/* Memory stays bounded when nobody polls: the sink is full, not growing. */
START_TEST(full_buffer_asks_for_a_poll)
{
    char *value = xcalloc(1, 10001);
    memset(value, 'x', 10000);
    int taken = 0;
    while (put(value) == SINK_OK)
        ck_assert_int_lt(++taken, 1000);
    ck_assert_uint_eq(mark.pending, taken);
    free(value);
}
END_TEST

START_TEST(closed_reader_stops_the_stream)
{
    close(reader);
    reader = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(put("x"), SINK_OK);
    ck_assert(!stdout_sink.flush(sink, 1000, &e));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    ck_assert_str_eq(e.text, "stdout was closed");
    ck_assert_uint_eq(mark.pending, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stdout");
    TCase *tcase = tcase_create("stdout");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, values_are_lines);
    tcase_add_test(tcase, full_buffer_asks_for_a_poll);
    tcase_add_test(tcase, closed_reader_stops_the_stream);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
