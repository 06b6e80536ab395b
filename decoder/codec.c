/* codec.c - from a column to its codec, and from a cell to its value. */
#include "codec.h"

#include "types_preset.h"

enum { FIRST_USER_OID = 16384, DEEPEST = 32, MOST_DIMENSIONS = 6, MOST_WIDTH = 10000 };

static const struct type_rule *const FAMILIES[] = {
    type_rules_number,   type_rules_numeric, type_rules_time,
    type_rules_interval, type_rules_text,    type_rules_shape,
};

/* Ranges go by the names of the builtin ones; one that a user made under the same name in another schema is
 * not it. */
static bool is_plain(const struct type *type)
{
    return type->kind == 'b' || (type->kind == 'r' && type->oid < FIRST_USER_OID);
}

static const struct type_rule *rule_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++)
        for (const struct type_rule *rule = FAMILIES[i]; rule->name; rule++)
            if (strcmp(rule->name, name) == 0)
                return rule;
    return NULL;
}

static const struct type_rule *rule_of(const struct type *type, const struct type_better *better)
{
    if (type->kind == 'e')
        return &type_rule_enum;
    if (type->element != 0 && type->name[0] == '_')
        return &type_rule_array;
    if (is_plain(type))
        return rule_by_name(type->name);
    if (type->kind == 'c')
        return better->composites ? &type_rule_composite : NULL;
    return better->ranges && (type->kind == 'r' || type->kind == 'm') ? &type_rule_other : NULL;
}

static const struct type_rule *fallback_of(const struct type_modes *modes)
{
    if (modes->better.all_types)
        return &type_rule_other;
    return modes->include_unknown ? &type_rule_unknown : NULL;
}

/* The codec with its schema, which is not optional unless the rule's shape is always so; NULL: left out. */
static struct codec *codec_build(const struct codec *like, struct schema **schema, struct arena *a)
{
    const struct type_rule *rules[] = {rule_of(like->type, &like->modes->better), fallback_of(like->modes)};
    for (int i = 0; i < 2; i++) {
        if (!rules[i])
            continue;
        struct codec *c = arena_alloc(a, sizeof *c);
        struct schema *s = arena_zero(a, sizeof *s);
        *c = *like;
        c->rule = rules[i];
        c->schema = s;
        if (c->rule->shape(c, s, a)) {
            *schema = s;
            return c;
        }
    }
    return NULL;
}

/* A column of a domain has what the domain declares. */
static int dimensions_of(const struct column *column, const struct types *types)
{
    int most = column->dimensions > 1 ? column->dimensions : 1;
    const struct type *type = types_find(types, column->type_oid);
    for (int i = 0; i < DEEPEST && type && type->kind == 'd'; i++) {
        if (type->dimensions > most)
            most = type->dimensions;
        type = types_find(types, type->base);
    }
    return most < MOST_DIMENSIONS ? most : MOST_DIMENSIONS;
}

static bool codec_of_column(const struct column *column, const struct types *types,
                            const struct type_modes *modes, int depth, size_t *width, struct arena *a,
                            const struct codec **out, struct err *e)
{
    struct codec like = {
        .typmod = column->typmod,
        .precision = -1,
        .scale = -1,
        .not_null = column->not_null,
        .modes = modes,
        .types = types,
        .dimensions = dimensions_of(column, types),
        .depth = depth,
        .width = width,
    };
    const struct type *declared = types_find(types, column->type_oid);
    like.type = types_root(types, column->type_oid, &like.typmod, &like.not_null);
    if (!declared || !like.type)
        return err_set(e, ERR_DATA, "type with oid %u of column \"%s\" is not in the catalogue",
                       column->type_oid, column->name);
    like.domain = declared != like.type;
    struct schema *schema;
    struct codec *c = codec_build(&like, &schema, a);
    *out = c;
    if (!c)
        return true;
    schema->optional |= !c->not_null;
    struct value preset;
    bool replaced = schema->optional && modes->better.nulls;
    if (column->preset && !replaced && types_preset(c, declared, column->preset, a, &preset)) {
        struct value *kept = arena_alloc(a, sizeof *kept);
        *kept = preset;
        schema->preset = kept;
    }
    return true;
}

bool codec_make(const struct column *column, const struct types *types, const struct type_modes *modes,
                struct arena *a, const struct codec **out, struct err *e)
{
    return codec_of_column(column, types, modes, 0, arena_zero(a, sizeof(size_t)), a, out, e);
}

/* Debezium keeps an array's element type as it found it first: a label that an enum got later is not told. */
const struct codec *codec_nested(uint32_t oid, int32_t typmod, const struct codec *outer, struct arena *a)
{
    const struct type *type = types_first(outer->types, oid);
    if (!type || type->kind == 'd')
        return NULL;
    struct codec like = {
        .type = type,
        .typmod = typmod,
        .precision = -1,
        .scale = -1,
        .nested = true,
        .modes = outer->modes,
        .types = outer->types,
        .dimensions = 1,
        .depth = outer->depth,
        .width = outer->width,
    };
    struct schema *schema;
    struct codec *c = codec_build(&like, &schema, a);
    if (c)
        schema->optional = true;
    return c;
}

const struct codec *codec_within(const struct type_field *field, const struct codec *outer, int depth,
                                 struct arena *a)
{
    struct type_modes *modes = arena_alloc(a, sizeof *modes);
    *modes = *outer->modes;
    modes->better = (struct type_better){true, true, true, true, true, true, true, true, true};
    modes->snapshot = false;
    struct column as = {.name = field->name,
                        .type_oid = field->oid,
                        .typmod = field->typmod,
                        .dimensions = field->dimensions};
    const struct codec *c;
    struct err ignored;
    if (depth > DEEPEST || !codec_of_column(&as, outer->types, modes, depth, outer->width, a, &c, &ignored))
        return NULL;
    return codec_widen(outer, 0) ? c : NULL;
}

bool codec_widen(const struct codec *c, size_t n)
{
    *c->width += n;
    return *c->width <= MOST_WIDTH;
}

bool codec_value(const struct codec *c, struct slice text, struct arena *a, struct value *out, struct err *e)
{
    if (!c->rule->value(c, text, a, out, e))
        return false;
    if (out->kind == VALUE_NULL)
        codec_absent(c, a, out);
    return true;
}

bool codec_write(const struct codec *c, struct slice text, struct buf *b, struct arena *scratch,
                 const struct json_style *style, struct err *e)
{
    if (c->rule->write)
        return c->rule->write(c, text, b, style, e);
    struct value v;
    if (!codec_value(c, text, scratch, &v, e))
        return false;
    value_json(b, c->schema, &v, style);
    return true;
}

static struct value absent_by_type(enum schema_type type)
{
    switch (type) {
    case SCHEMA_BOOLEAN:
        return value_bool(false);
    case SCHEMA_INT8:
    case SCHEMA_INT16:
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return value_int(0);
    case SCHEMA_FLOAT32:
    case SCHEMA_FLOAT64:
        return value_real(0);
    case SCHEMA_STRING:
        return value_string(SLICE(""));
    case SCHEMA_BYTES:
        return value_bytes(SLICE(""));
    case SCHEMA_ARRAY:
    case SCHEMA_MAP:
        return value_list(NULL, 0);
    case SCHEMA_STRUCT:
        break;
    }
    return value_null();
}

void codec_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
    if (!c->not_null)
        return;
    if (c->schema->preset)
        *out = *c->schema->preset;
    else if (c->rule->absent)
        c->rule->absent(c, a, out);
    else
        *out = absent_by_type(c->schema->type);
}

void codec_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
    if (c->rule->unavailable)
        c->rule->unavailable(c, a, out);
    else if (c->schema->type == SCHEMA_STRING)
        *out = value_string(c->modes->placeholder);
    else if (c->schema->type == SCHEMA_BYTES)
        *out = value_bytes(c->modes->placeholder);
}
