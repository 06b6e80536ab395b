/* arena.c - a bump allocator over a list of blocks.
 *
 * Blocks before `current` hold something, those after it are free. All are powers of two, so that requests
 * that grow a little with each round fit the blocks of earlier rounds. Under AddressSanitizer what is not
 * handed out is poisoned, so that a pointer kept across arena_reset is caught at its first use. */
#include "arena.h"

#include "xmalloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { ALIGN = 16, FIRST_BLOCK = 1024, MOST_BLOCK = 1024 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    _Alignas(ALIGN) char bytes[];
};

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *block = xmalloc(sizeof *block + cap);
    *block = (struct arena_block){.cap = cap};
    ASAN_POISON_MEMORY_REGION(block->bytes, cap);
    return block;
}

/* Unlinks the first free block of that size; NULL: there is none. */
static struct arena_block *block_reuse(struct arena *a, size_t size)
{
    struct arena_block **link = a->current ? &a->current->next : &a->blocks;
    while (*link && (*link)->cap < size)
        link = &(*link)->next;
    struct arena_block *found = *link;
    if (found)
        *link = found->next;
    return found;
}

static void block_enter(struct arena *a, size_t size)
{
    struct arena_block *block = block_reuse(a, size);
    if (!block) {
        size_t cap = a->current ? a->current->cap * 2 : FIRST_BLOCK;
        cap = cap > MOST_BLOCK ? MOST_BLOCK : cap;
        while (cap < size)
            cap *= 2;
        block = block_new(cap);
    }
    block->used = 0;
    struct arena_block **link = a->current ? &a->current->next : &a->blocks;
    block->next = *link;
    *link = block;
    a->current = block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t room = size > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!a->current || a->current->cap - a->current->used < room)
        block_enter(a, room);
    char *at = a->current->bytes + a->current->used;
    a->current->used += room;
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    return at;
}

void *arena_zero(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_strdup(struct arena *a, const char *text)
{
    return text ? (char *)arena_slice(a, slice_of(text)).ptr : NULL;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    return (struct slice){copy, s.len};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *text = arena_zero(a, size);
    if (n > 0)
        vsnprintf(text, size, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void arena_reset(struct arena *a)
{
    for (struct arena_block *block = a->blocks; block; block = block->next)
        ASAN_POISON_MEMORY_REGION(block->bytes, block->cap);
    a->current = a->blocks;
    if (a->current)
        a->current->used = 0;
}

void arena_free(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->current = NULL;
}
