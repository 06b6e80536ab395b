/* schema.c - JsonConverter's schema objects. */
#include "schema.h"

#include "json.h"
#include "value.h"

static const char *const TYPE_NAMES[] = {
    [SCHEMA_BOOLEAN] = "boolean", [SCHEMA_INT8] = "int8",     [SCHEMA_INT16] = "int16",
    [SCHEMA_INT32] = "int32",     [SCHEMA_INT64] = "int64",   [SCHEMA_FLOAT32] = "float",
    [SCHEMA_FLOAT64] = "double",  [SCHEMA_STRING] = "string", [SCHEMA_BYTES] = "bytes",
    [SCHEMA_ARRAY] = "array",     [SCHEMA_MAP] = "map",       [SCHEMA_STRUCT] = "struct",
};

static void member(struct buf *b, const char *name)
{
    buf_char(b, ',');
    json_string(b, slice_of(name));
    buf_char(b, ':');
}

static void member_string(struct buf *b, const char *name, const char *text)
{
    member(b, name);
    json_string(b, slice_of(text));
}

static void inside_json(struct buf *b, const struct schema *s, const struct json_style *style)
{
    if (s->type == SCHEMA_ARRAY) {
        member(b, "items");
        schema_json_as(b, s->item, NULL, style);
    } else if (s->type == SCHEMA_MAP) {
        member(b, "keys");
        schema_json_as(b, s->key, NULL, style);
        member(b, "values");
        schema_json_as(b, s->item, NULL, style);
    } else if (s->type == SCHEMA_STRUCT) {
        member(b, "fields");
        buf_char(b, '[');
        for (size_t i = 0; i < s->n_fields; i++) {
            if (i > 0)
                buf_char(b, ',');
            schema_json_as(b, s->fields[i].schema, s->fields[i].name, style);
        }
        buf_char(b, ']');
    }
}

static void params_json(struct buf *b, const struct schema *s)
{
    member(b, "parameters");
    for (size_t i = 0; i < s->n_params; i++) {
        buf_char(b, i == 0 ? '{' : ',');
        json_string(b, slice_of(s->params[i].name));
        buf_char(b, ':');
        json_string(b, slice_of(s->params[i].value));
    }
    buf_char(b, '}');
}

void schema_json_as(struct buf *b, const struct schema *s, const char *field, const struct json_style *style)
{
    BUF_LIT(b, "{\"type\":");
    json_string(b, slice_of(TYPE_NAMES[s->type]));
    inside_json(b, s, style);
    member(b, "optional");
    json_boolean(b, s->optional);
    if (s->name)
        member_string(b, "name", s->name);
    if (s->version) {
        member(b, "version");
        buf_i64(b, s->version);
    }
    if (s->doc)
        member_string(b, "doc", s->doc);
    if (s->n_params > 0)
        params_json(b, s);
    if (s->preset) {
        member(b, "default");
        value_json(b, s, s->preset, style);
    }
    if (field)
        member_string(b, "field", field);
    buf_char(b, '}');
}

void schema_json(struct buf *b, const struct schema *s, const char *field)
{
    static const struct json_style style = {.decimal_as_number = false};
    schema_json_as(b, s, field, &style);
}

const struct schema *schema_optional(const struct schema *s, bool optional, struct arena *a)
{
    struct schema *copy = arena_alloc(a, sizeof *copy);
    *copy = *s;
    copy->optional = optional;
    return copy;
}

const struct schema *schema_params(const struct schema *s, const struct schema_param *params, size_t n,
                                   struct arena *a)
{
    struct schema *copy = arena_alloc(a, sizeof *copy);
    struct schema_param *all = arena_alloc(a, (s->n_params + n + 1) * sizeof *all);
    *copy = *s;
    if (s->n_params)
        memcpy(all, s->params, s->n_params * sizeof *all);
    if (n)
        memcpy(all + s->n_params, params, n * sizeof *all);
    copy->params = all;
    copy->n_params = s->n_params + n;
    return copy;
}
