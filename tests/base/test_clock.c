/* test_clock.c - units of the clocks, and waiting times that grow, stay within their limits and differ. */
#include "clock.h"
#include "suite.h"

#include <time.h>

START_TEST(wall_clocks_agree_in_their_units)
{
    int64_t before = (int64_t)time(NULL);
    int64_t ns = clock_wall_ns(), us = clock_wall_us(), ms = clock_wall_ms();
    int64_t after = (int64_t)time(NULL) + 1;
    ck_assert(before - 1 <= ns / 1000000000 && ns / 1000000000 <= after);
    ck_assert(ns / 1000 <= us && us / 1000 <= ms && ms / 1000 <= after);
}
END_TEST

START_TEST(monotonic_time_never_goes_back)
{
    int64_t last = clock_mono_us();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_mono_us();
        ck_assert(now >= last);
        last = now;
    }
    ck_assert(clock_mono_ms() >= last / 1000);
    int64_t mono = clock_mono_ms();
    ck_assert(clock_boot_ms() >= mono); /* it has counted all that, and what that one slept through */
}
END_TEST

START_TEST(the_epoch_of_postgres_is_2000)
{
    struct tm start = {.tm_year = 100, .tm_mday = 1};
    ck_assert_int_eq(PG_EPOCH_US, (int64_t)timegm(&start) * 1000000);
}
END_TEST

START_TEST(waits_double_up_to_the_most)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        int64_t full = tries < 7 ? INT64_C(500) << tries : 30000;
        full = full > 30000 ? 30000 : full;
        for (int i = 0; i < 50; i++) {
            int wait = backoff_ms(tries, 500, 30000);
            ck_assert(wait <= full && wait >= full * 3 / 4);
        }
    }
}
END_TEST

/* Connectors that lost the same server at the same time must not come back at the same time. */
START_TEST(waits_are_spread)
{
    int least = 1000000, most = 0;
    for (int i = 0; i < 1000; i++) {
        int wait = backoff_ms(3, 1000, 60000);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    ck_assert(most - least > 1500);
}
END_TEST

START_TEST(odd_limits_do_no_harm)
{
    ck_assert_int_eq(backoff_ms(0, 0, 0), 0);
    ck_assert_int_le(backoff_ms(0, 5000, 100), 100);
    ck_assert_int_le(backoff_ms(4000000000u, 1, INT32_MAX), INT32_MAX);
}
END_TEST

SUITE_MAIN("clock", wall_clocks_agree_in_their_units, monotonic_time_never_goes_back,
           the_epoch_of_postgres_is_2000, waits_double_up_to_the_most, waits_are_spread,
           odd_limits_do_no_harm)
