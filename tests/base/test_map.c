/* test_map.c - what was set is found, what was removed is not, under any order of both. */
#include "map.h"
#include "suite.h"

#include <stdio.h>

static char values[5000];

static struct slice key_of(unsigned n, char text[20])
{
    snprintf(text, 20, "public.table_%u", n);
    return slice_of(text);
}

START_TEST(keys_are_copied_and_values_replaced)
{
    struct map *m = map_new();
    char key[] = "orders";
    ck_assert_ptr_null(map_set(m, slice_of(key), values));
    memset(key, 'x', 6);
    ck_assert_ptr_eq(map_get(m, SLICE("orders")), values);
    ck_assert_ptr_null(map_get(m, SLICE("xxxxxx")));
    ck_assert_ptr_eq(map_set(m, SLICE("orders"), values + 1), values);
    ck_assert_uint_eq(map_count(m), 1);
    ck_assert_ptr_eq(map_remove(m, SLICE("orders")), values + 1);
    ck_assert_ptr_null(map_remove(m, SLICE("orders")));
    ck_assert_uint_eq(map_count(m), 0);
    map_free(m);
}
END_TEST

START_TEST(keys_that_differ_little_are_different)
{
    struct map *m = map_new();
    const struct slice keys[] = {SLICE(""),         SLICE("\0"),         SLICE("\0\0"),
                                 SLICE("a"),        SLICE("a\0"),        SLICE("a\0b"),
                                 SLICE("12345678"), SLICE("12345678\0"), SLICE("12345678a")};
    size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_null(map_set(m, keys[i], values + i));
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_eq(map_get(m, keys[i]), values + i);
    ck_assert_ptr_eq(map_get(m, (struct slice){NULL, 0}), values);
    map_free(m);
}
END_TEST

/* Random sets and removes, checked against a plain array after each. */
START_TEST(any_history_is_remembered)
{
    enum { KEYS = 400 };
    struct map *m = map_new();
    struct map_u32 *u = map_u32_new();
    void *plain[KEYS] = {0};
    char text[20];
    uint32_t seed = 7;
    for (int step = 0; step < 60000; step++) {
        seed = seed * 1664525 + 1013904223;
        unsigned n = seed >> 8 & 0xFFFF;
        void **slot = &plain[n % KEYS], *value = step / 5000 % 2 && n & 0x4000 ? NULL : values + step % 5000;
        struct slice key = key_of(n % KEYS, text);
        ck_assert_ptr_eq(value ? map_set(m, key, value) : map_remove(m, key), *slot);
        ck_assert_ptr_eq(value ? map_u32_set(u, n % KEYS * 4096, value) : map_u32_remove(u, n % KEYS * 4096),
                         *slot);
        *slot = value;
    }
    for (unsigned n = 0; n < KEYS; n++) {
        ck_assert_ptr_eq(map_get(m, key_of(n, text)), plain[n]);
        ck_assert_ptr_eq(map_u32_get(u, n * 4096), plain[n]);
    }
    map_free(m);
    map_u32_free(u);
}
END_TEST

START_TEST(walking_meets_each_entry_once)
{
    struct map *m = map_new();
    char text[20];
    for (unsigned n = 0; n < 1000; n++)
        map_set(m, key_of(n, text), values + n);
    bool met[1000] = {0};
    struct slice key;
    void *value;
    size_t at = 0, count = 0;
    for (; map_next(m, &at, &key, &value); count++) {
        size_t n = (size_t)((char *)value - values);
        ck_assert(slice_eq(key, key_of((unsigned)n, text)));
        ck_assert(!met[n]);
        met[n] = true;
    }
    ck_assert_uint_eq(count, 1000);
    map_free(m);
}
END_TEST

START_TEST(numbers_from_zero_to_the_largest_are_keys)
{
    struct map_u32 *m = map_u32_new();
    static const uint32_t KEYS[] = {0, 1, 16384, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < 5; i++)
        ck_assert_ptr_null(map_u32_set(m, KEYS[i], values + i));
    size_t at = 0, count = 0;
    uint32_t key;
    void *value;
    for (; map_u32_next(m, &at, &key, &value); count++)
        ck_assert_uint_eq(key, KEYS[(char *)value - values]);
    ck_assert_uint_eq(count, 5);
    ck_assert_ptr_eq(map_u32_remove(m, 0), values);
    ck_assert_ptr_null(map_u32_get(m, 0));
    ck_assert_ptr_eq(map_u32_get(m, UINT32_MAX), values + 4);
    map_u32_free(m);
    map_u32_free(NULL);
    map_free(NULL);
}
END_TEST

SUITE_MAIN("map", keys_are_copied_and_values_replaced, keys_that_differ_little_are_different,
           any_history_is_remembered, walking_meets_each_entry_once,
           numbers_from_zero_to_the_largest_are_keys)
