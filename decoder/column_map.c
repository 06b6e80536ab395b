/* column_map.c - what rules make of values.
 *
 * A mask covers NULL too, and a hash and a cut hit what stands for a missing value as well: Debezium maps
 * what the converter gives, whatever it was made from. */
#include "column_map.h"

#include "column_size.h"
#include "digest.h"
#include "json.h"

#include <ctype.h>

struct column_map {
    struct codec codec; /* the first member: rules get it as their codec */
    const struct codec *plain;
    const struct column_rule *rule;
    int most;          /* UTF-16 units of a string, bytes of bytes; -1: any number */
    struct slice mask; /* its text */
    struct slice json; /* and its JSON */
};

static const struct column_map *map_of(const struct codec *c)
{
    return (const struct column_map *)(const void *)c;
}

/* The first `units` UTF-16 units. Half of a pair is kept as Java keeps it: a surrogate alone, here of three
 * bytes. */
static struct slice cut_text(struct slice s, size_t units, struct arena *a)
{
    size_t i = 0;
    for (; i < s.len && units > 0; units--) {
        unsigned char lead = (unsigned char)s.ptr[i];
        if (lead >= 0xF0 && units == 1)
            break;
        units -= lead >= 0xF0;
        for (i++; i < s.len && ((unsigned char)s.ptr[i] & 0xC0) == 0x80; i++)
            ;
    }
    if (units == 0 || s.len - i < 4)
        return (struct slice){s.ptr, i};
    unsigned point = ((unsigned char)s.ptr[i] & 7u) << 18 | ((unsigned char)s.ptr[i + 1] & 63u) << 12 |
                     ((unsigned char)s.ptr[i + 2] & 63u) << 6;
    unsigned high = 0xD800 + ((point - 0x10000) >> 10 & 0x3FF);
    char *copy = arena_alloc(a, i + 3);
    memcpy(copy, s.ptr, i);
    copy[i] = (char)(0xE0 | high >> 12);
    copy[i + 1] = (char)(0x80 | (high >> 6 & 63));
    copy[i + 2] = (char)(0x80 | (high & 63));
    return (struct slice){copy, i + 3};
}

static void cut_value(const struct column_map *m, struct value *v, struct arena *a)
{
    if (m->most < 0)
        return;
    size_t most = (size_t)m->most;
    if (v->kind == VALUE_STRING && v->bytes.len > most)
        v->bytes = cut_text(v->bytes, most, a);
    else if (v->kind == VALUE_BYTES && v->bytes.len > most && !m->codec.schema->name)
        v->bytes.len = most; /* bits and decimals are no buffers in Java, and stay */
}

static void hash_value(const struct column_map *m, struct value *v, struct arena *a)
{
    if (v->kind != VALUE_STRING)
        return;
    char *hex = arena_alloc(a, DIGEST_HEX_MOST);
    size_t n = m->rule->change == COLUMN_HASH ? digest_hex_object(m->rule->digest, v->bytes, hex)
                                              : digest_hex(m->rule->digest, v->bytes, hex);
    *v = value_string((struct slice){hex, n});
}

void column_map_value(const struct column_map *m, struct value *v, struct arena *a)
{
    if (m->rule->change == COLUMN_MASK) {
        *v = value_string(m->mask);
        return;
    }
    if (m->rule->digest)
        hash_value(m, v, a);
    cut_value(m, v, a);
}

/* ---- as a codec ---- */

static bool mapped_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    const struct column_map *m = map_of(c);
    if (!codec_value(m->plain, text, a, out, e))
        return false;
    column_map_value(m, out, a);
    return true;
}

static bool mask_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    buf_slice(b, map_of(c)->json);
    return true;
}

static const struct type_rule changed = {.name = "changed", .value = mapped_value};
static const struct type_rule masked = {.name = "masked", .value = mapped_value, .write = mask_write};

/* ---- schemas ---- */

enum { PARAMS_MOST = 5 };

static void add_param(struct schema_param *list, size_t *n, const char *name, const char *value)
{
    list[(*n)++] = (struct schema_param){name, value};
}

static const char *upper(const char *text, struct arena *a)
{
    char *copy = arena_strdup(a, text);
    for (char *at = copy; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return copy;
}

static size_t source_params(struct schema_param *list, const struct column *column, struct column_size size,
                            const struct types *types, struct arena *a)
{
    size_t n = 0;
    add_param(list, &n, "__debezium.source.column.type", upper(column_type_name(column, types), a));
    if (size.length != COLUMN_UNSET)
        add_param(list, &n, "__debezium.source.column.length", arena_printf(a, "%d", size.length));
    if (size.scale != COLUMN_UNSET)
        add_param(list, &n, "__debezium.source.column.scale", arena_printf(a, "%d", size.scale));
    add_param(list, &n, "__debezium.source.column.name", column->name);
    return n;
}

static bool can_cut(const struct column_rule *rule, struct column_size size)
{
    return size.length < 0 || size.length > rule->chars;
}

static const struct schema *mapped_schema(const struct column_rule *rule, const struct column *column,
                                          struct column_size size, const struct codec *plain, struct arena *a)
{
    struct schema_param list[PARAMS_MOST];
    size_t n = 0;
    if (rule->change == COLUMN_PROPAGATE || rule->change == COLUMN_PROPAGATE_TYPE)
        n = source_params(list, column, size, plain->types, a);
    else if (rule->change != COLUMN_TRUNCATE)
        add_param(list, &n, "masked", "true");
    else if (can_cut(rule, size))
        add_param(list, &n, "truncateLength", arena_printf(a, "%d", rule->chars));
    return schema_params(plain->schema, list, n, a);
}

/* ---- making one ---- */

static void fill_mask(struct column_map *m, struct arena *a)
{
    size_t n = (size_t)m->rule->chars;
    char *text = arena_alloc(a, n + 2);
    text[0] = text[n + 1] = '"';
    memset(text + 1, '*', n);
    m->json = (struct slice){text, n + 2};
    m->mask = (struct slice){text + 1, n};
}

static bool changes_values(const struct column_rule *rule, const struct column *column,
                           struct column_size size, const struct codec *plain)
{
    if (!column_rule_hides(rule))
        return false;
    if (rule->change == COLUMN_TRUNCATE)
        return can_cut(rule, size) &&
               (plain->schema->type == SCHEMA_STRING || plain->schema->type == SCHEMA_BYTES);
    return column_is_text(column, plain->types) || plain->rule == &type_rule_other;
}

/* What Debezium leaves out, walwire was not asked to show: a mask or hash that cannot be had on it leaves it
 * out. */
static bool shows_too_much(const struct column_rule *rule, const struct column *column,
                           const struct codec *plain, struct arena *a)
{
    struct type_modes debezium = *plain->modes;
    const struct codec *there;
    struct err ignored;
    debezium.better = (struct type_better){0};
    return column_rule_hides(rule) && rule->change != COLUMN_TRUNCATE &&
           codec_make(column, plain->types, &debezium, a, &there, &ignored) && !there;
}

const struct codec *column_map_codec(const struct column_rule *rule, const struct column *column,
                                     const struct codec *plain, struct arena *a,
                                     const struct column_map **map)
{
    *map = NULL;
    if (!rule)
        return plain;
    struct column_size size = column_size_of(column, plain->types, plain->modes->snapshot);
    struct column_map *m = arena_zero(a, sizeof *m);
    *m = (struct column_map){.codec = *plain, .plain = plain, .rule = rule, .most = -1};
    m->codec.schema = mapped_schema(rule, column, size, plain, a);
    if (!changes_values(rule, column, size, plain))
        return shows_too_much(rule, column, plain, a) ? NULL : &m->codec;
    *map = m;
    m->codec.rule = rule->change == COLUMN_MASK ? &masked : &changed;
    if (rule->change == COLUMN_MASK)
        fill_mask(m, a);
    else if (rule->change == COLUMN_TRUNCATE)
        m->most = rule->chars;
    else if (size.length > 0)
        m->most = size.length;
    return &m->codec;
}
