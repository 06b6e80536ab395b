/* test_xmalloc.c - allocation gives what was asked for, or ends the process. */
#include "suite.h"
#include "xmalloc.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(nothing_is_still_a_pointer)
{
    void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xrealloc(NULL, 0);
    ck_assert(a && b && c);
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(cleared_memory_is_zero)
{
    char *zero = xcalloc(100, 10);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(zero[i], 0);
    free(zero);
}
END_TEST

START_TEST(texts_are_copied)
{
    char *a = xstrdup("abc"), *b = xstrndup("abcdef", 2), *c = xstrndup("ab", 50),
         *d = xasprintf("%s%d", "n", 5);
    ck_assert_str_eq(a, "abc");
    ck_assert_str_eq(b, "ab");
    ck_assert_str_eq(c, "ab");
    ck_assert_str_eq(d, "n5");
    a = xrealloc(a, 100000);
    ck_assert_str_eq(a, "abc");
    free(a);
    free(b);
    free(c);
    free(d);
}
END_TEST

/* A product that wraps around would otherwise give a small block for a large count. */
START_TEST(a_product_that_overflows_ends_the_process)
{
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        void *p = xcalloc(SIZE_MAX / 2, 3);
        _exit(p ? 1 : 2);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

SUITE_MAIN("xmalloc", nothing_is_still_a_pointer, cleared_memory_is_zero, texts_are_copied,
           a_product_that_overflows_ends_the_process)
