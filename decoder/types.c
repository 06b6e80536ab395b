/* types.c - the registry of types, by oid. */
#include "types.h"

#include "arena.h"
#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { DOMAINS_MOST = 32 };

struct types {
    struct map_u32 *by_oid;
};

/* One type with everything it points to, so that replacing it frees all of it. */
struct entry {
    struct type type;
    struct arena arena;
};

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    arena_free(&entry->arena);
    free(entry);
}

static struct entry *entry_copy(const struct type *type)
{
    struct entry *entry = xcalloc(1, sizeof *entry);
    entry->type = *type;
    entry->type.schema = arena_strdup(&entry->arena, type->schema);
    entry->type.name = arena_strdup(&entry->arena, type->name);
    const char **labels = arena_alloc(&entry->arena, type->n_labels * sizeof *labels);
    for (size_t i = 0; i < type->n_labels; i++)
        labels[i] = arena_strdup(&entry->arena, type->labels[i]);
    entry->type.labels = labels;
    return entry;
}

struct types *types_new(void)
{
    struct types *t = xcalloc(1, sizeof *t);
    t->by_oid = map_u32_new();
    return t;
}

void types_free(struct types *t)
{
    if (!t)
        return;
    size_t at = 0;
    uint32_t oid;
    void *entry;
    while (map_u32_next(t->by_oid, &at, &oid, &entry))
        entry_free(entry);
    map_u32_free(t->by_oid);
    free(t);
}

void types_set(struct types *t, const struct type *type)
{
    entry_free(map_u32_set(t->by_oid, type->oid, entry_copy(type)));
}

const struct type *types_find(const struct types *t, uint32_t oid)
{
    struct entry *entry = map_u32_get(t->by_oid, oid);
    return entry ? &entry->type : NULL;
}

const struct type *types_root(const struct types *t, uint32_t oid, int32_t *typmod, bool *not_null)
{
    const struct type *type = types_find(t, oid);
    for (int i = 0; type && type->kind == 'd'; i++) {
        if (i == DOMAINS_MOST)
            return NULL;
        if (type->typmod != -1)
            *typmod = type->typmod;
        *not_null |= type->not_null;
        type = types_find(t, type->base);
    }
    return type;
}
