/* feed_shape.c - tables as the schemas of their records have them.
 *
 * A shape is found by the bytes of its schemas. There are as many of them as a table has had definitions
 * since the start, so none is ever dropped. */
#include "feed_shape.h"

#include "feed_json.h"
#include "log.h"
#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

struct known {
    struct feed_shape shape; /* the first member */
    struct known *next;
    struct slice value, key; /* schemas */
    struct arena arena;
};

struct feed_table {
    struct known *shapes; /* the newest first */
    const struct feed_shape *told;
    struct hub_table *handle;
};

struct feed_shapes {
    struct feed_modes modes;
    const struct pattern_list *full;
    struct map *tables;
    lsn_t loose;
};

struct feed_shapes *feed_shapes_new(const struct feed_modes *modes, const struct pattern_list *full)
{
    struct feed_shapes *s = xcalloc(1, sizeof *s);
    s->modes = *modes;
    s->full = full;
    s->tables = map_new();
    return s;
}

lsn_t feed_shapes_loose(const struct feed_shapes *s)
{
    return s->loose;
}

void feed_shape_loose(struct feed_shapes *s, lsn_t lsn)
{
    if (s->loose < lsn)
        s->loose = lsn;
}

void feed_shapes_free(struct feed_shapes *s)
{
    if (!s)
        return;
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(s->tables, &at, &name, &value)) {
        struct feed_table *t = value;
        for (struct known *k = t->shapes, *next; k; k = next) {
            next = k->next;
            arena_free(&k->arena);
            free(k);
        }
        free(t);
    }
    map_free(s->tables);
    free(s);
}

/* ---- making one ---- */

static struct json_object *field_named(struct json_object *schema, const char *name)
{
    struct json_object *fields = json_object_object_get(schema, "fields");
    size_t n = json_object_is_type(fields, json_type_array) ? json_object_array_length(fields) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *f = json_object_array_get_idx(fields, i);
        const char *text = json_object_get_string(json_object_object_get(f, "field"));
        if (text && strcmp(text, name) == 0)
            return f;
    }
    return NULL;
}

static const struct hub_column *column_named(const struct hub_table_info *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

static void take_column(struct feed_shapes *s, struct known *k, struct json_object *field)
{
    struct err e = {0};
    struct feed_shape *shape = &k->shape;
    const char *name = json_object_get_string(json_object_object_get(field, "field"));
    struct feed_column *type = &shape->types[shape->n_columns];
    if (!name)
        return;
    const struct hub_column *known = shape->known ? column_named(shape->known, name) : NULL;
    if (shape->known && !known)
        return;
    if (!feed_column_of(field, known ? known->type : NULL, &s->modes, &k->arena, type, &e)) {
        log_line(known ? LOG_DEBUG : LOG_WARN, "table %s: column %s is left out: %s", shape->table, name,
                 e.text);
        return;
    }
    const struct feed_column *scaled = type->item ? type->item : type;
    shape->columns[shape->n_columns++] = (struct hub_column){arena_strdup(&k->arena, name), type->label,
                                                             type->base, (uint64_t)(unsigned)scaled->scale};
}

static size_t column_find(const struct feed_shape *shape, const char *name)
{
    size_t i = 0;
    while (i < shape->n_columns && strcmp(shape->columns[i].name, name) != 0)
        i++;
    return i;
}

/* Only a key all of whose columns can be told is one. */
static void take_key(struct feed_shape *shape, struct json_object *schema)
{
    struct json_object *fields = schema ? json_object_object_get(schema, "fields") : NULL;
    size_t n = json_object_is_type(fields, json_type_array) ? json_object_array_length(fields) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *f = json_object_array_get_idx(fields, i);
        const char *name = json_object_get_string(json_object_object_get(f, "field"));
        size_t at = name ? column_find(shape, name) : shape->n_columns;
        if (at == shape->n_columns) {
            shape->n_key = 0;
            return;
        }
        shape->key[shape->n_key++] = (uint16_t)at;
    }
}

static void take_identity(struct feed_shapes *s, struct feed_shape *shape)
{
    bool full = s->full && pattern_list_match(s->full, slice_of(shape->table));
    for (size_t i = 0; i < shape->n_columns; i++)
        shape->identity[i] = full;
    for (size_t i = 0; i < shape->n_key; i++)
        shape->identity[shape->key[i]] = true;
}

/* What is known otherwise says which old values are, and in which order all are wanted. */
static void take_order(struct known *k)
{
    struct feed_shape *shape = &k->shape;
    const struct hub_table_info *t = shape->known;
    uint16_t *order = arena_zero(&k->arena, (t->n_columns + 1) * sizeof *order);
    for (size_t i = 0; i < t->n_columns; i++) {
        size_t at = column_find(shape, t->columns[i].name);
        if (at == shape->n_columns)
            return;
        order[i] = (uint16_t)at;
        shape->identity[at] = t->identity && t->identity[i];
    }
    shape->order = order;
}

static bool shape_fill(struct feed_shapes *s, struct known *k, struct json_object *value,
                       struct json_object *key, struct err *e)
{
    enum { MOST = 1600 };
    struct json_object *row = value ? field_named(value, "after") : NULL;
    struct json_object *fields = row ? json_object_object_get(row, "fields") : NULL;
    size_t n = json_object_is_type(fields, json_type_array) ? json_object_array_length(fields) : 0;
    if (!fields || n > MOST)
        return err_set(e, ERR_CONFIG, "table %s: its records' schema is no envelope", k->shape.table);
    k->shape.columns = arena_zero(&k->arena, (n + 1) * sizeof *k->shape.columns);
    k->shape.types = arena_zero(&k->arena, (n + 1) * sizeof *k->shape.types);
    k->shape.key = arena_zero(&k->arena, (n + 1) * sizeof *k->shape.key);
    k->shape.identity = arena_zero(&k->arena, (n + 1) * sizeof *k->shape.identity);
    for (size_t i = 0; i < n; i++)
        take_column(s, k, json_object_array_get_idx(fields, i));
    struct json_object *keys = key ? json_object_object_get(key, "fields") : NULL;
    if (json_object_is_type(keys, json_type_array) && json_object_array_length(keys) > n)
        return err_set(e, ERR_DATA, "table %s: its key has more columns than its rows", k->shape.table);
    take_key(&k->shape, key);
    take_identity(s, &k->shape);
    if (k->shape.known)
        take_order(k);
    return true;
}

static struct known *shape_new(struct feed_shapes *s, const char *table, const struct feed_schemas *schemas,
                               struct err *e)
{
    struct known *k = xcalloc(1, sizeof *k);
    k->shape.table = arena_strdup(&k->arena, table);
    k->shape.known = s->modes.known ? s->modes.known(s->modes.ctx, table) : NULL;
    k->value = arena_slice(&k->arena, schemas->value);
    k->key = schemas->key.ptr ? arena_slice(&k->arena, schemas->key) : schemas->key;
    struct json_object *value = feed_json_parse(schemas->value);
    struct json_object *key = schemas->key.ptr ? feed_json_parse(schemas->key) : NULL;
    bool ok = shape_fill(s, k, value, key, e);
    json_object_put(value);
    json_object_put(key);
    if (ok)
        return k;
    arena_free(&k->arena);
    free(k);
    return NULL;
}

/* ---- finding one ---- */

/* A truncate has no key, whatever the table has. */
static struct known *shape_known(const struct feed_table *t, const struct feed_schemas *schemas)
{
    for (struct known *k = t->shapes; k; k = k->next)
        if (slice_eq(k->value, schemas->value) && (!schemas->key.ptr || slice_eq(k->key, schemas->key)))
            return k;
    return NULL;
}

const struct feed_shape *feed_shape_find(struct feed_shapes *s, const char *table,
                                         const struct feed_schemas *schemas, struct err *e)
{
    struct feed_table *t = map_get(s->tables, slice_of(table));
    if (!t)
        map_set(s->tables, slice_of(table), t = xcalloc(1, sizeof *t));
    struct known *k = shape_known(t, schemas);
    if (k)
        return &k->shape;
    k = shape_new(s, table, schemas, e);
    if (!k)
        return NULL;
    k->shape.owner = t;
    k->next = t->shapes;
    t->shapes = k;
    return &k->shape;
}

struct hub_table *feed_shape_table(const struct feed_shape *shape, struct hub *hub, int source)
{
    struct feed_table *t = shape->owner;
    if (t->told == shape)
        return t->handle;
    const struct hub_table_info info = {shape->table, shape->columns, shape->n_columns,
                                        shape->key,   shape->n_key,   shape->identity};
    t->told = shape;
    return t->handle = hub_table_set(hub, source, &info);
}

void feed_shapes_tell(struct feed_shapes *s, struct hub *hub, int source)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(s->tables, &at, &name, &value)) {
        struct feed_table *t = value;
        if (!t->told && t->shapes)
            feed_shape_table(&t->shapes->shape, hub, source);
    }
}
