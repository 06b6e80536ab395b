/* test_failpoint.c - a place does what it was told at the hit it was told for, and nothing else. */
#include "failpoint.h"

#include "suite.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct err e;

static void arm(const char *spec)
{
    memset(&e, 0, sizeof e);
    ck_assert_msg(failpoints_arm(spec, &e), "%s", e.text);
}

static void expect_refused(const char *spec, const char *said)
{
    memset(&e, 0, sizeof e);
    ck_assert(!failpoints_arm(spec, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, said) != NULL, "%s", e.text);
}

START_TEST(nothing_happens_unless_armed)
{
    FAILPOINT("produced");
    ck_assert(!FAILPOINT_ERROR("row", &e));
    struct buf b = BUF_EMPTY;
    failpoints_hits(&b);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(error_comes_at_its_hit_and_once)
{
    arm("row:3:error,checkpoint:1:error");
    for (int hit = 1; hit <= 5; hit++) {
        struct err mine = {0};
        ck_assert_int_eq(FAILPOINT_ERROR("row", &mine), hit == 3);
        ck_assert_int_eq(mine.kind, hit == 3 ? ERR_RETRY : ERR_NONE);
        ck_assert_str_eq(mine.text, hit == 3 ? "failpoint row" : "");
    }
    ck_assert(FAILPOINT_ERROR("checkpoint", &e));
    ck_assert(!FAILPOINT_ERROR("produce", &e));
}
END_TEST

START_TEST(hits_are_counted_without_an_order)
{
    arm(NULL);
    for (int i = 0; i < 4; i++)
        FAILPOINT("produced");
    ck_assert(!FAILPOINT_ERROR("row", &e));
    struct buf b = BUF_EMPTY;
    failpoints_hits(&b);
    ck_assert_str_eq(buf_view(&b).ptr, "row\t1\nproduced\t4\n");
    buf_free(&b);
}
END_TEST

/* How a child that hits `produced` twice ends, or stops. */
static int child_status(const char *spec)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        arm(spec);
        FAILPOINT("produced");
        FAILPOINT("produced");
        _exit(3);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    if (!WIFSTOPPED(status))
        return status;
    int stopped = status;
    kill(child, SIGCONT);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 3, "it did not go on after the stop");
    return stopped;
}

START_TEST(abort_is_sigkill)
{
    int status = child_status("produced:2:abort");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = child_status("produced:3:abort");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
END_TEST

START_TEST(stop_is_sigstop)
{
    int status = child_status("produced:1:stop");
    ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}
END_TEST

/* A test with a wrong name must not pass because nothing happened. */
START_TEST(wrong_orders_are_refused)
{
    expect_refused("nowhere:1:abort", "there is no nowhere");
    expect_refused("row:0:abort", "a number from 1 on");
    expect_refused("row:x:abort", "a number from 1 on");
    expect_refused("row", "a number from 1 on");
    expect_refused("row:1", "abort or stop or error");
    expect_refused("row:1:explode", "abort or stop or error");
    expect_refused("produced:1:error", "abort or stop");
}
END_TEST

START_TEST(list_has_a_line_for_each_place)
{
    struct buf b = BUF_EMPTY;
    failpoints_list(&b);
    ck_assert_ptr_nonnull(
        strstr(b.ptr, "checkpoint\tstream\tabort,stop,error\tposition known; before it is stored\n"));
    buf_free(&b);
}
END_TEST

SUITE_MAIN("failpoint", nothing_happens_unless_armed, error_comes_at_its_hit_and_once,
           hits_are_counted_without_an_order, abort_is_sigkill, stop_is_sigstop, wrong_orders_are_refused,
           list_has_a_line_for_each_place)
