/* map.c - hash tables with linear probing, at most three quarters full.
 *
 * One table serves both kinds of keys: by number, the number itself is the hash and the key stays empty.
 * Removing shifts the rest of the run back, so there are no tombstones. */
#include "map.h"

#include "clock.h"
#include "xmalloc.h"

#include <stdlib.h>

struct entry {
    void *value; /* NULL: the slot is free */
    char *key;
    size_t len;
    uint64_t hash;
};

struct table {
    struct entry *entries;
    size_t cap, count; /* cap is a power of two */
    uint64_t seed;     /* names come from outside: nobody shall be able to choose colliding ones */
};

struct map {
    struct table table;
};

struct map_u32 {
    struct table table;
};

enum { FIRST_CAP = 16 };
static const struct slice NO_TEXT = {NULL, 0};

static uint64_t mix(uint64_t n)
{
    n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
    return n ^ n >> 31;
}

static uint64_t text_hash(uint64_t seed, struct slice key)
{
    uint64_t hash = seed ^ key.len;
    for (; key.len >= 8; key = slice_cut(key, 8, key.len)) {
        uint64_t word;
        memcpy(&word, key.ptr, 8);
        hash = mix(hash ^ word);
    }
    uint64_t rest = 0;
    if (key.len)
        memcpy(&rest, key.ptr, key.len);
    return hash ^ rest;
}

uint64_t map_hash(uint64_t seed, struct slice key)
{
    return mix(text_hash(seed, key));
}

static size_t table_home(const struct table *t, uint64_t hash)
{
    return mix(hash) & (t->cap - 1);
}

static void table_init(struct table *t)
{
    t->cap = FIRST_CAP;
    t->entries = xcalloc(t->cap, sizeof *t->entries);
    t->seed = mix((uint64_t)clock_wall_ns() ^ (uint64_t)(uintptr_t)t->entries);
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->cap; i++)
        free(t->entries[i].key);
    free(t->entries);
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t table_find(const struct table *t, uint64_t hash, struct slice key)
{
    size_t i = table_home(t, hash);
    for (; t->entries[i].value; i = (i + 1) & (t->cap - 1)) {
        const struct entry *at = &t->entries[i];
        if (at->hash == hash && slice_eq((struct slice){at->key, at->len}, key))
            break;
    }
    return i;
}

static void table_double(struct table *t)
{
    struct table old = *t;
    t->cap = old.cap * 2;
    t->entries = xcalloc(t->cap, sizeof *t->entries);
    for (size_t i = 0; i < old.cap; i++) {
        struct entry *from = &old.entries[i];
        if (from->value)
            t->entries[table_find(t, from->hash, (struct slice){from->key, from->len})] = *from;
    }
    free(old.entries);
}

static void *table_set(struct table *t, uint64_t hash, struct slice key, void *value)
{
    if (t->count >= t->cap / 4 * 3)
        table_double(t);
    struct entry *at = &t->entries[table_find(t, hash, key)];
    void *old = at->value;
    if (!old) {
        char *copy = NULL;
        if (key.ptr) {
            copy = xmalloc(key.len + 1);
            memcpy(copy, key.ptr, key.len);
            copy[key.len] = 0;
        }
        *at = (struct entry){.key = copy, .len = key.len, .hash = hash};
        t->count++;
    }
    at->value = value;
    return old;
}

static void *table_remove(struct table *t, uint64_t hash, struct slice key)
{
    size_t hole = table_find(t, hash, key), mask = t->cap - 1;
    void *old = t->entries[hole].value;
    if (!old)
        return NULL;
    free(t->entries[hole].key);
    for (size_t i = (hole + 1) & mask; t->entries[i].value; i = (i + 1) & mask) {
        size_t home = table_home(t, t->entries[i].hash);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->entries[hole] = t->entries[i];
            hole = i;
        }
    }
    t->entries[hole] = (struct entry){0};
    t->count--;
    return old;
}

static const struct entry *table_next(const struct table *t, size_t *at)
{
    while (*at < t->cap) {
        const struct entry *entry = &t->entries[(*at)++];
        if (entry->value)
            return entry;
    }
    return NULL;
}

struct map *map_new(void)
{
    struct map *m = xcalloc(1, sizeof *m);
    table_init(&m->table);
    return m;
}

void map_free(struct map *m)
{
    if (m)
        table_free(&m->table);
    free(m);
}

void *map_get(const struct map *m, struct slice key)
{
    return m->table.entries[table_find(&m->table, text_hash(m->table.seed, key), key)].value;
}

void *map_set(struct map *m, struct slice key, void *value)
{
    struct slice kept = {key.ptr ? key.ptr : "", key.len};
    return table_set(&m->table, text_hash(m->table.seed, key), kept, value);
}

void *map_remove(struct map *m, struct slice key)
{
    return table_remove(&m->table, text_hash(m->table.seed, key), key);
}

size_t map_count(const struct map *m)
{
    return m->table.count;
}

bool map_next(const struct map *m, size_t *at, struct slice *key, void **value)
{
    const struct entry *entry = table_next(&m->table, at);
    if (!entry)
        return false;
    *key = (struct slice){entry->key, entry->len};
    *value = entry->value;
    return true;
}

struct map_u32 *map_u32_new(void)
{
    struct map_u32 *m = xcalloc(1, sizeof *m);
    table_init(&m->table);
    return m;
}

void map_u32_free(struct map_u32 *m)
{
    if (m)
        table_free(&m->table);
    free(m);
}

void *map_u32_get(const struct map_u32 *m, uint32_t key)
{
    return m->table.entries[table_find(&m->table, key, NO_TEXT)].value;
}

void *map_u32_set(struct map_u32 *m, uint32_t key, void *value)
{
    return table_set(&m->table, key, NO_TEXT, value);
}

void *map_u32_remove(struct map_u32 *m, uint32_t key)
{
    return table_remove(&m->table, key, NO_TEXT);
}

bool map_u32_next(const struct map_u32 *m, size_t *at, uint32_t *key, void **value)
{
    const struct entry *entry = table_next(&m->table, at);
    if (!entry)
        return false;
    *key = (uint32_t)entry->hash;
    *value = entry->value;
    return true;
}
