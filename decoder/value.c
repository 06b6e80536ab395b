/* value.c - JsonConverter.convertToJson over the value tree.
 *
 * A value whose kind does not go with its schema type is written as null: the tree comes from our own rules,
 * and a wrong one must not take the process down. */
#include "value.h"

#include "decimal.h"
#include "json.h"

#include <stdlib.h>

static bool is_decimal(const struct schema *s)
{
    return s->name && strcmp(s->name, "org.apache.kafka.connect.data.Decimal") == 0;
}

static int decimal_scale_of(const struct schema *s)
{
    for (size_t i = 0; i < s->n_params; i++)
        if (strcmp(s->params[i].name, "scale") == 0)
            return atoi(s->params[i].value);
    return 0;
}

static void bytes_json(struct buf *b, const struct schema *s, const struct value *v,
                       const struct json_style *style)
{
    if (style->decimal_as_number && is_decimal(s))
        decimal_number(b, v->bytes, decimal_scale_of(s));
    else
        json_base64(b, v->bytes);
}

/* A string that was cut in Java may end in half of a surrogate pair, which UTF-8 cannot hold: it is written
 * as an escape. */
static void string_json(struct buf *b, struct slice s)
{
    const unsigned char *last = (const unsigned char *)s.ptr + s.len - 3;
    if (s.len < 3 || last[0] != 0xED || last[1] < 0xA0) {
        json_string(b, s);
        return;
    }
    unsigned unit = 0xD000u | (last[1] & 63u) << 6 | (last[2] & 63u);
    buf_char(b, '"');
    json_escaped(b, slice_cut(s, 0, s.len - 3));
    buf_printf(b, "\\u%X\"", unit);
}

static void array_json(struct buf *b, const struct schema *s, const struct value *v,
                       const struct json_style *style)
{
    buf_char(b, '[');
    for (size_t i = 0; i < v->list.count; i++) {
        if (i > 0)
            buf_char(b, ',');
        value_json(b, s->item, &v->list.items[i], style);
    }
    buf_char(b, ']');
}

static void map_json(struct buf *b, const struct schema *s, const struct value *v,
                     const struct json_style *style)
{
    bool object = s->key->type == SCHEMA_STRING;
    buf_char(b, object ? '{' : '[');
    for (size_t i = 0; i + 1 < v->list.count; i += 2) {
        if (i > 0)
            buf_char(b, ',');
        if (!object)
            buf_char(b, '[');
        value_json(b, s->key, &v->list.items[i], style);
        buf_char(b, object ? ':' : ',');
        value_json(b, s->item, &v->list.items[i + 1], style);
        if (!object)
            buf_char(b, ']');
    }
    buf_char(b, object ? '}' : ']');
}

static void struct_json(struct buf *b, const struct schema *s, const struct value *v,
                        const struct json_style *style)
{
    static const struct value none = {.kind = VALUE_NULL};
    buf_char(b, '{');
    for (size_t i = 0; i < s->n_fields; i++) {
        if (i > 0)
            buf_char(b, ',');
        json_string(b, slice_of(s->fields[i].name));
        buf_char(b, ':');
        value_json(b, s->fields[i].schema, i < v->list.count ? &v->list.items[i] : &none, style);
    }
    buf_char(b, '}');
}

static const enum value_kind KINDS[] = {
    [SCHEMA_BOOLEAN] = VALUE_BOOL,  [SCHEMA_INT8] = VALUE_INT,      [SCHEMA_INT16] = VALUE_INT,
    [SCHEMA_INT32] = VALUE_INT,     [SCHEMA_INT64] = VALUE_INT,     [SCHEMA_FLOAT32] = VALUE_FLOAT,
    [SCHEMA_FLOAT64] = VALUE_FLOAT, [SCHEMA_STRING] = VALUE_STRING, [SCHEMA_BYTES] = VALUE_BYTES,
    [SCHEMA_ARRAY] = VALUE_LIST,    [SCHEMA_MAP] = VALUE_LIST,      [SCHEMA_STRUCT] = VALUE_LIST,
};

static void list_json(struct buf *b, const struct schema *s, const struct value *v,
                      const struct json_style *style)
{
    if (s->type == SCHEMA_ARRAY)
        array_json(b, s, v, style);
    else if (s->type == SCHEMA_MAP)
        map_json(b, s, v, style);
    else
        struct_json(b, s, v, style);
}

static void null_json(struct buf *b, const struct schema *s, const struct json_style *style)
{
    if (s->preset && s->preset->kind != VALUE_NULL && style->null_as_default)
        value_json(b, s, s->preset, style);
    else
        BUF_LIT(b, "null");
}

void value_json(struct buf *b, const struct schema *s, const struct value *v, const struct json_style *style)
{
    switch (v->kind == KINDS[s->type] ? v->kind : VALUE_NULL) {
    case VALUE_NULL:
        null_json(b, s, style);
        break;
    case VALUE_BOOL:
        json_boolean(b, v->boolean);
        break;
    case VALUE_INT:
        buf_i64(b, v->integer);
        break;
    case VALUE_FLOAT:
        if (s->type == SCHEMA_FLOAT32)
            json_float(b, (float)v->real);
        else
            json_double(b, v->real);
        break;
    case VALUE_STRING:
        string_json(b, v->bytes);
        break;
    case VALUE_BYTES:
        bytes_json(b, s, v, style);
        break;
    case VALUE_LIST:
        list_json(b, s, v, style);
        break;
    }
}
