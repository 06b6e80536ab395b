/* test_arena.c - what an arena hands out stays intact until the reset; a steady workload does not grow. */
#include "arena.h"
#include "suite.h"

#include <stdint.h>

static bool all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
    size_t i = 0;
    while (i < size && bytes[i] == value)
        i++;
    return i == size;
}

START_TEST(allocations_are_aligned_and_apart)
{
    struct arena a = {0};
    unsigned char *kept[2000];
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i * 37 % 900 + 1;
        kept[i] = arena_alloc(&a, size);
        ck_assert_uint_eq((uintptr_t)kept[i] % 16, 0);
        memset(kept[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < 2000; i++)
        ck_assert(all_are(kept[i], i * 37 % 900 + 1, (unsigned char)(i % 251)));
    arena_free(&a);
}
END_TEST

START_TEST(a_large_allocation_gets_its_own_room)
{
    struct arena a = {0};
    char *small = arena_strdup(&a, "small");
    char *large = arena_alloc(&a, 5000000);
    memset(large, 'x', 5000000);
    char *after = arena_strdup(&a, "after");
    ck_assert_str_eq(small, "small");
    ck_assert_str_eq(after, "after");
    arena_free(&a);
}
END_TEST

static uintptr_t one_round(struct arena *a)
{
    uintptr_t sum = 0;
    arena_reset(a);
    for (size_t i = 0; i < 300; i++)
        sum = sum * 31 + (uintptr_t)arena_alloc(a, i % 50 == 7 ? 70000 : 200);
    return sum;
}

/* The same requests after a reset get the same addresses: nothing new is taken from the system. */
START_TEST(a_steady_workload_reuses_its_blocks)
{
    struct arena a = {0};
    one_round(&a);
    uintptr_t second = one_round(&a);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(one_round(&a), second);
    arena_free(&a);
}
END_TEST

/* An array that grows by an element with each update: the rooms of the smaller ones are not kept beside. */
START_TEST(requests_that_grow_with_each_round_share_a_few_rooms)
{
    struct arena a = {0};
    char *last = NULL;
    int rooms = 0;
    for (size_t size = 3000; size < 3000 + 2000 * 16; size += 16) {
        arena_reset(&a);
        char *at = arena_alloc(&a, size);
        at[0] = at[size - 1] = 'x';
        rooms += at != last;
        last = at;
    }
    ck_assert_int_le(rooms, 5); /* 4, 8, 16, 32 and 64 KiB */
    arena_free(&a);
}
END_TEST

START_TEST(zeroed_memory_is_zero_even_when_reused)
{
    struct arena a = {0};
    memset(arena_alloc(&a, 1000), 0xFF, 1000);
    arena_reset(&a);
    const char *zero = arena_zero(&a, 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(zero[i], 0);
    arena_free(&a);
}
END_TEST

START_TEST(text_is_copied)
{
    struct arena a = {0};
    struct slice s = arena_slice(&a, (struct slice){"abcdef", 3});
    ck_assert_uint_eq(s.len, 3);
    ck_assert_str_eq(s.ptr, "abc");
    ck_assert_str_eq(arena_slice(&a, (struct slice){NULL, 0}).ptr, "");
    ck_assert_ptr_null(arena_strdup(&a, NULL));
    ck_assert_str_eq(arena_printf(&a, "%s-%d", "key", 7), "key-7");
    ck_assert_uint_eq(strlen(arena_printf(&a, "%20000d", 7)), 20000);
    arena_free(&a);
}
END_TEST

START_TEST(an_empty_arena_can_be_reset_freed_and_used_again)
{
    struct arena a = {0};
    arena_reset(&a);
    arena_free(&a);
    ck_assert_str_eq(arena_strdup(&a, "again"), "again");
    arena_free(&a);
}
END_TEST

SUITE_MAIN("arena", allocations_are_aligned_and_apart, a_large_allocation_gets_its_own_room,
           a_steady_workload_reuses_its_blocks, requests_that_grow_with_each_round_share_a_few_rooms,
           zeroed_memory_is_zero_even_when_reused, text_is_copied,
           an_empty_arena_can_be_reset_freed_and_used_again)
