/* types_number.c - boolean, integers, floats.
 *
 * Surprising: int2vector and oidvector are always empty, as pgjdbc reads them. */
#include "codec.h"

#include "decimal.h"
#include "json.h"

#include <strings.h>

static bool bad_text(const struct codec *c, struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of a %s", c->type->name);
}

/* ---- boolean ---- */

static bool bool_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_BOOLEAN;
    return true;
}

static bool bool_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    if (text.len != 1 || (text.ptr[0] != 't' && text.ptr[0] != 'f'))
        return bad_text(c, e);
    *out = value_bool(text.ptr[0] == 't');
    return true;
}

static bool bool_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    struct value v = value_null();
    if (!bool_value(c, text, NULL, &v, e))
        return false;
    json_boolean(b, v.boolean);
    return true;
}

/* Boolean.parseBoolean: whatever is not "true" is false. */
static bool bool_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    *out = value_bool(literal.len == 4 && strncasecmp(literal.ptr, "true", 4) == 0);
    return true;
}

/* ---- integers ---- */

/* [-]digits; false for anything else, and for what does not fit. */
static bool int_parse(struct slice text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len == negative || text.len > 20)
        return false;
    int64_t n = 0;
    for (size_t i = negative; i < text.len; i++) {
        unsigned digit = (unsigned)(text.ptr[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, (int64_t)digit, &n))
            return false;
    }
    if (!negative && __builtin_sub_overflow(0, n, &n))
        return false;
    *out = n;
    return true;
}

static bool int2_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_INT16;
    return true;
}

static bool int4_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_INT32;
    return true;
}

static bool int8_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_INT64;
    return true;
}

static bool int_fits(const struct codec *c, struct slice text, int64_t *n)
{
    if (!int_parse(text, n))
        return false;
    if (c->schema->type == SCHEMA_INT16)
        return *n == (int16_t)*n;
    return c->schema->type == SCHEMA_INT64 || *n == (int32_t)*n;
}

static bool int_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                      struct err *e)
{
    int64_t n;
    if (!int_fits(c, text, &n))
        return bad_text(c, e);
    *out = value_int(n);
    return true;
}

static bool int_write(const struct codec *c, struct slice text, struct buf *b, const struct json_style *style,
                      struct err *e)
{
    int64_t n;
    if (!int_fits(c, text, &n))
        return bad_text(c, e);
    if (text.len > 1 && (text.ptr[0] == '0' || text.ptr[0] == '-'))
        buf_i64(b, n);
    else
        buf_slice(b, text);
    return true;
}

static bool int_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    int64_t n;
    if (literal.len > 1 && literal.ptr[0] == '+')
        literal = slice_cut(literal, 1, literal.len);
    if (!int_fits(c, literal, &n))
        return false;
    *out = value_int(n);
    return true;
}

/* ---- vectors of the catalogue: arrays by their schema, but pgjdbc finds no item in their text;
 * walwire.arrays.all does ---- */

static const struct schema required_int16 = {.type = SCHEMA_INT16}, required_int64 = {.type = SCHEMA_INT64};

static bool int2vector_shape(struct codec *c, struct schema *s, struct arena *a)
{
    *s = (struct schema){.type = SCHEMA_ARRAY, .item = &required_int16};
    return true;
}

static bool oidvector_shape(struct codec *c, struct schema *s, struct arena *a)
{
    *s = (struct schema){.type = SCHEMA_ARRAY, .item = &required_int64};
    return true;
}

/* Cuts one number and the space behind it from the front. */
static bool vector_cut(struct slice *text, struct value *out)
{
    size_t sign = text->ptr[0] == '-', n = sign;
    int64_t number = 0;
    for (; n < text->len && n < sign + 10 && text->ptr[n] >= '0' && text->ptr[n] <= '9'; n++)
        number = 10 * number + (text->ptr[n] - '0');
    if (n == sign || (n < text->len && text->ptr[n] != ' '))
        return false;
    *out = value_int(sign ? -number : number);
    *text = slice_cut(*text, n + 1, text->len);
    return true;
}

static bool vector_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    size_t n = 0;
    struct value *items = arena_alloc(a, (text.len / 2 + 1) * sizeof *items);
    bool any = text.len > 0;
    while (c->modes->better.all_arrays && text.len)
        if (!vector_cut(&text, &items[n++]))
            return bad_text(c, e);
    *out = any || c->modes->better.all_arrays ? value_list(items, n) : value_null();
    return true;
}

/* ---- floats ---- */

static bool float4_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_FLOAT32;
    return true;
}

static bool float8_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_FLOAT64;
    return true;
}

static bool float_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    double d;
    if (!decimal_float(literal, c->schema->type == SCHEMA_FLOAT32, &d))
        return false;
    *out = value_real(d);
    return true;
}

static bool float_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    return float_preset(c, text, a, out) || bad_text(c, e);
}

static bool float_write(const struct codec *c, struct slice text, struct buf *b,
                        const struct json_style *style, struct err *e)
{
    struct value v;
    if (!float_preset(c, text, NULL, &v))
        return bad_text(c, e);
    value_json(b, c->schema, &v, style);
    return true;
}

const struct type_rule type_rules_number[] = {
    {.name = "bool", .shape = bool_shape, .value = bool_value, .write = bool_write, .preset = bool_preset},
    {.name = "int2", .shape = int2_shape, .value = int_value, .write = int_write, .preset = int_preset},
    {.name = "int4", .shape = int4_shape, .value = int_value, .write = int_write, .preset = int_preset},
    {.name = "int8", .shape = int8_shape, .value = int_value, .write = int_write, .preset = int_preset},
    {.name = "oid", .shape = int8_shape, .value = int_value, .write = int_write},
    {.name = "int2vector", .shape = int2vector_shape, .value = vector_value},
    {.name = "oidvector", .shape = oidvector_shape, .value = vector_value},
    {.name = "float4",
     .shape = float4_shape,
     .value = float_value,
     .write = float_write,
     .preset = float_preset},
    {.name = "float8",
     .shape = float8_shape,
     .value = float_value,
     .write = float_write,
     .preset = float_preset},
    {.name = NULL},
};
