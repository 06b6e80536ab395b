/* arena.h - a bump allocator: everything in it dies together (arena_reset or arena_free).
 * Blocks are kept across resets: a steady workload does not allocate. A zeroed struct is valid and empty. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "slice.h"

struct arena_block;
struct arena {
    struct arena_block *blocks, *current;
};

void *arena_alloc(struct arena *a, size_t size); /* 16-byte aligned, not cleared */
void *arena_zero(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *text);     /* NULL stays NULL */
struct slice arena_slice(struct arena *a, struct slice s); /* a copy, NUL-terminated beyond its length */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
