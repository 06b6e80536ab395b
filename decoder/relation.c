/* relation.c - relations and the cache of them by oid. */
#include "relation.h"

#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

struct relations {
    struct map_u32 *by_oid;
    size_t count;
    uint64_t numbered;
};

struct relation *relation_new(void)
{
    return xcalloc(1, sizeof(struct relation));
}

void relation_free(struct relation *r)
{
    if (!r)
        return;
    if (r->plan && r->free_plan)
        r->free_plan(r->plan);
    arena_free(&r->arena);
    free(r);
}

int relation_column(const struct relation *r, const char *name)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

struct relations *relations_new(void)
{
    struct relations *c = xcalloc(1, sizeof *c);
    c->by_oid = map_u32_new();
    return c;
}

void relations_free(struct relations *c)
{
    if (!c)
        return;
    size_t at = 0;
    uint32_t oid;
    void *relation;
    while (map_u32_next(c->by_oid, &at, &oid, &relation))
        relation_free(relation);
    map_u32_free(c->by_oid);
    free(c);
}

struct relation *relations_find(const struct relations *c, uint32_t oid)
{
    return map_u32_get(c->by_oid, oid);
}

void relations_put(struct relations *c, struct relation *r)
{
    struct relation *old = map_u32_set(c->by_oid, r->oid, r);
    r->number = ++c->numbered;
    c->count += !old;
    relation_free(old);
}

size_t relations_count(const struct relations *c)
{
    return c->count;
}

const struct relation *relations_next(const struct relations *c, size_t *at)
{
    uint32_t oid;
    void *relation;
    return map_u32_next(c->by_oid, at, &oid, &relation) ? relation : NULL;
}

void relations_drop(struct relations *c, uint32_t oid, uint64_t number)
{
    const struct relation *r = relations_find(c, oid);
    if (!r || r->number != number)
        return;
    relation_free(map_u32_remove(c->by_oid, oid));
    c->count--;
}
