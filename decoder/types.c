/* types.c - the registry of types, by oid. */
#include "types.h"

#include "arena.h"
#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { DOMAINS_MOST = 32 };

/* One type with everything it points to. */
struct entry {
    struct type type;
    struct arena arena;
    struct entry *older; /* of those that were replaced */
};

/* What was replaced stays: plans that were made of it still point there. */
struct types {
    struct map_u32 *by_oid;
    struct entry *replaced;
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
    struct type_field *fields = arena_alloc(&entry->arena, type->n_fields * sizeof *fields);
    for (size_t i = 0; i < type->n_fields; i++) {
        fields[i] = type->fields[i];
        fields[i].name = arena_strdup(&entry->arena, fields[i].name);
    }
    entry->type.fields = fields;
    return entry;
}

static bool same_labels(const struct type *a, const struct type *b)
{
    bool same = a->n_labels == b->n_labels;
    for (size_t i = 0; same && i < a->n_labels; i++)
        same = strcmp(a->labels[i], b->labels[i]) == 0;
    return same;
}

static bool same_fields(const struct type *a, const struct type *b)
{
    bool same = a->n_fields == b->n_fields;
    for (size_t i = 0; same && i < a->n_fields; i++) {
        const struct type_field *x = &a->fields[i], *y = &b->fields[i];
        same = strcmp(x->name, y->name) == 0 && x->oid == y->oid && x->typmod == y->typmod &&
               x->dimensions == y->dimensions;
    }
    return same;
}

static bool same_name(const struct type *a, const struct type *b)
{
    return a->kind == b->kind && strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

static bool same(const struct type *a, const struct type *b)
{
    return same_name(a, b) && a->element == b->element && a->base == b->base && a->typmod == b->typmod &&
           a->not_null == b->not_null && a->dimensions == b->dimensions && same_labels(a, b) &&
           same_fields(a, b);
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
    for (struct entry *older; t->replaced; t->replaced = older) {
        older = t->replaced->older;
        entry_free(t->replaced);
    }
    map_u32_free(t->by_oid);
    free(t);
}

void types_set(struct types *t, const struct type *type)
{
    const struct type *found = types_find(t, type->oid);
    if (found && same(found, type))
        return;
    struct entry *before = map_u32_set(t->by_oid, type->oid, entry_copy(type));
    if (!before)
        return;
    before->older = t->replaced;
    t->replaced = before;
}

const struct type *types_find(const struct types *t, uint32_t oid)
{
    struct entry *entry = map_u32_get(t->by_oid, oid);
    return entry ? &entry->type : NULL;
}

const struct type *types_first(const struct types *t, uint32_t oid)
{
    const struct type *first = types_find(t, oid);
    for (const struct entry *older = t->replaced; older; older = older->older)
        if (older->type.oid == oid && same_name(&older->type, first))
            first = &older->type;
    return first;
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
