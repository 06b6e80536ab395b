/* map.h - open-addressing hash tables: by u32 (oids) and by string. The map does not own the values. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "slice.h"

#include <stdint.h>

struct map; /* keys are copied in */
struct map *map_new(void);
void map_free(struct map *m);
void *map_get(const struct map *m, struct slice key);        /* NULL: not there */
void *map_set(struct map *m, struct slice key, void *value); /* the old value or NULL; value is never NULL */
void *map_remove(struct map *m, struct slice key);           /* the removed value or NULL */
size_t map_count(const struct map *m);
/* Walks all entries in no order: start with *at = 0; false at the end. No set or remove meanwhile. */
bool map_next(const struct map *m, size_t *at, struct slice *key, void **value);

/* What a table by string may sort keys by: all bits are as good. `seed` keeps others from choosing colliding
 * ones. */
uint64_t map_hash(uint64_t seed, struct slice key);

/* The same by number. */
struct map_u32;
struct map_u32 *map_u32_new(void);
void map_u32_free(struct map_u32 *m);
void *map_u32_get(const struct map_u32 *m, uint32_t key);
void *map_u32_set(struct map_u32 *m, uint32_t key, void *value);
void *map_u32_remove(struct map_u32 *m, uint32_t key);
bool map_u32_next(const struct map_u32 *m, size_t *at, uint32_t *key, void **value);

#endif
