/* test_ring.c - nothing that was pushed is lost, doubled or reordered, and no wake-up is missed. */
#include "ring.h"
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void *item(uintptr_t n)
{
    return (void *)n;
}

START_TEST(items_come_out_in_order_around_the_end)
{
    struct ring *r = ring_new(3, -1);
    uintptr_t in = 1, out = 1;
    for (int round = 0; round < 50; round++) {
        while (ring_push(r, item(in)))
            in++;
        ck_assert_uint_eq(ring_count(r), 3);
        for (int i = 0; i <= round % 3; i++)
            ck_assert_ptr_eq(ring_pop(r), item(out++));
    }
    while (ring_count(r))
        ck_assert_ptr_eq(ring_pop(r), item(out++));
    ck_assert_uint_eq(in, out);
    ck_assert_ptr_null(ring_pop(r));
    ring_free(r);
}
END_TEST

START_TEST(the_data_fd_tells_of_items)
{
    struct ring *r = ring_new(2, -1);
    ck_assert(!readable(ring_data_fd(r)));
    ring_push(r, item(1));
    ck_assert(readable(ring_data_fd(r)));
    wake_clear(ring_data_fd(r));
    ck_assert(!readable(ring_data_fd(r)));
    ring_push(r, item(2));
    ck_assert(readable(ring_data_fd(r)));
    ring_free(r);
}
END_TEST

/* Only a producer that was turned away is woken, and it is woken by the first slot that becomes free. */
START_TEST(the_space_fd_tells_of_a_free_slot_after_a_full_push)
{
    struct ring *r = ring_new(2, -1);
    ring_push(r, item(1));
    ring_pop(r);
    ck_assert(!readable(ring_space_fd(r)));
    ring_push(r, item(2));
    ring_push(r, item(3));
    ck_assert(!ring_push(r, item(4)));
    ck_assert(!readable(ring_space_fd(r)));
    ring_pop(r);
    ck_assert(readable(ring_space_fd(r)));
    wake_clear(ring_space_fd(r));
    ring_pop(r);
    ck_assert(!readable(ring_space_fd(r)));
    ring_free(r);
}
END_TEST

START_TEST(a_data_fd_of_the_caller_is_used_and_kept)
{
    int fd = wake_new();
    struct ring *a = ring_new(1, fd), *b = ring_new(1, fd);
    ck_assert_int_eq(ring_data_fd(a), fd);
    ring_push(b, item(1));
    ck_assert(readable(fd));
    ring_free(a);
    ring_free(b);
    wake_clear(fd);
    wake_signal(fd);
    ck_assert(readable(fd));
    close(fd);
}
END_TEST

/* A wake-up fd never blocks, however often it is signalled or cleared. */
START_TEST(waking_never_blocks)
{
    int fd = wake_new();
    wake_clear(fd);
    uint64_t nearly_full = UINT64_MAX - 1;
    ck_assert_int_eq(write(fd, &nearly_full, sizeof nearly_full), sizeof nearly_full);
    wake_signal(fd);
    ck_assert(readable(fd));
    wake_clear(fd);
    ck_assert(!readable(fd));
    close(fd);
    ring_free(NULL);
}
END_TEST

enum { ITEMS = 20000 };

static void wait_for(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    poll(&p, 1, -1);
    wake_clear(fd);
}

static void *produce(void *arg)
{
    struct ring *r = arg;
    for (uintptr_t i = 1; i <= ITEMS; i++)
        while (!ring_push(r, item(i)))
            wait_for(ring_space_fd(r));
    return NULL;
}

/* Both sides sleep whenever they cannot go on: a lost wake-up would leave them asleep, and the test's time
 * runs out. */
START_TEST(two_threads_pass_everything_in_order)
{
    struct ring *r = ring_new(8, -1);
    pthread_t producer;
    pthread_create(&producer, NULL, produce, r);
    for (uintptr_t expected = 1; expected <= ITEMS;) {
        wait_for(ring_data_fd(r));
        for (void *got; (got = ring_pop(r)) != NULL; expected++)
            ck_assert_ptr_eq(got, item(expected));
    }
    pthread_join(producer, NULL);
    ring_free(r);
}
END_TEST

SUITE_MAIN("ring", items_come_out_in_order_around_the_end, the_data_fd_tells_of_items,
           the_space_fd_tells_of_a_free_slot_after_a_full_push, a_data_fd_of_the_caller_is_used_and_kept,
           waking_never_blocks, two_threads_pass_everything_in_order)
