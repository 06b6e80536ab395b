/* clock.c - the clocks, and the waiting times between tries. */
#include "clock.h"

#include <time.h>

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t clock_wall_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_us(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_boot_ms(void)
{
    return clock_ns(CLOCK_BOOTTIME) / 1000000;
}

/* xorshift64: enough to keep connectors that failed together from trying again together. */
static uint64_t random_next(void)
{
    static _Thread_local uint64_t state;
    if (!state)
        state =
            (uint64_t)clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)&state ^ UINT64_C(0x9E3779B97F4A7C15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

int backoff_ms(unsigned tries, int first_ms, int most_ms)
{
    int64_t wait = first_ms;
    for (unsigned i = 0; i < tries && wait < most_ms; i++)
        wait *= 2;
    if (wait > most_ms)
        wait = most_ms;
    return (int)(wait - (int64_t)(random_next() % (uint64_t)(wait / 4 + 1)));
}
