/* feed_value.c - columns of Kafka Connect's schemas and their values, as browsers get them.
 *
 * A schema without a semantic name says less than the type: text, varchar and inet are all strings. The
 * values are the same bytes; the type's name, and how a filter compares, come from
 * __debezium.source.column.type where the connector propagates it. */
#include "feed_value.h"

#include "feed_rule.h"
#include "json.h"
#include "xmalloc.h"

#include <stdlib.h>

static struct slice string_of(struct json_object *v)
{
    return (struct slice){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

/* ---- a column ---- */

static const char *text_at(struct json_object *o, const char *name)
{
    struct json_object *v = json_object_object_get(o, name);
    return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

/* The serial types are names of the driver's for what stands in the catalogue as int. */
static const char *label_of(const char *source, const struct feed_rule *rule, struct arena *a)
{
    if (!*source || strcmp(source, "SERIAL") == 0 || strcmp(source, "BIGSERIAL") == 0 ||
        strcmp(source, "SMALLSERIAL") == 0)
        return rule->implies;
    char *label = arena_strdup(a, source);
    for (char *at = label; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return label;
}

static const struct {
    const char *name;
    uint32_t oid;
} styled[] = {{"bool", 16},    {"bytea", 17},   {"int8", 20},        {"int2", 21},
              {"int4", 23},    {"text", 25},    {"json", 114},       {"float4", 700},
              {"float8", 701}, {"jsonb", 3802}, {"timestamp", 1114}, {"timestamptz", 1184}};

struct types *feed_types_new(void)
{
    struct types *t = types_new();
    for (size_t i = 0; i < sizeof styled / sizeof *styled; i++)
        types_set(t, &(struct type){.oid = styled[i].oid,
                                    .schema = "pg_catalog",
                                    .name = styled[i].name,
                                    .kind = 'b',
                                    .typmod = -1});
    return t;
}

struct feed_modes feed_modes_of(const struct props *p)
{
    return (struct feed_modes){
        .placeholder = props_get_or(p, "unavailable.value.placeholder", "__debezium_unavailable_value"),
        .binary = props_get_or(p, "binary.handling.mode", "bytes"),
        .types = feed_types_new()};
}

static struct row_style style_of(const char *type, const struct feed_modes *modes, struct arena *a)
{
    uint32_t oid = 25;
    for (size_t i = 0; i < sizeof styled / sizeof *styled; i++)
        if (strcmp(styled[i].name, type) == 0)
            oid = styled[i].oid;
    return row_style_of(modes->types, oid, a);
}

static bool scalar_of(struct json_object *schema, const char *source, const struct feed_modes *modes,
                      struct arena *a, struct feed_column *out, struct err *e)
{
    const char *type = text_at(schema, "type"), *name = text_at(schema, "name"), *why;
    struct json_object *params = json_object_object_get(schema, "parameters");
    const struct feed_rule *rule = feed_rule_find(source, type, name, modes->binary, &why);
    if (!rule)
        return err_set(e, ERR_CONFIG, "a value of schema %s%s%s%s%s", type, *name ? " " : "", name,
                       why ? ": " : "", why ? why : "");
    bool bits = rule->kind == FEED_BITS;
    out->rule = rule;
    out->scale = atoi(text_at(params, bits ? "length" : "scale"));
    if (bits && (out->scale < 1 || out->scale > 8 << 20))
        return err_set(e, ERR_CONFIG, "a bit string of length %d", out->scale);
    out->label = label_of(source, rule, a);
    bool plain_string = rule->kind == FEED_STRING;
    out->base = strcmp(out->label, "enum") == 0                      ? ""
                : strcmp(name, "io.debezium.data.Enum") == 0         ? ""
                : plain_string || strcmp(rule->implies, "json") == 0 ? NULL
                                                                     : arena_strdup(a, rule->implies);
    out->style = style_of(rule->implies, modes, a);
    return true;
}

enum { DIMENSIONS_MOST = 6 };

static bool column_of(struct json_object *schema, int depth, const char *source,
                      const struct feed_modes *modes, struct arena *a, struct feed_column *out, struct err *e)
{
    if (strcmp(text_at(schema, "type"), "array") != 0)
        return scalar_of(schema, depth ? *source == '_' ? source + 1 : "" : source, modes, a, out, e);
    struct feed_column *item = arena_zero(a, sizeof *item);
    struct json_object *items = json_object_object_get(schema, "items");
    *item = *out;
    if (!items || depth == DIMENSIONS_MOST)
        return err_set(e, ERR_CONFIG, "an array of nothing");
    if (!column_of(items, depth + 1, source, modes, a, item, e))
        return depth ? false : err_prefix(e, "an array");
    out->item = item;
    if (item->item) { /* PostgreSQL's types do not tell how many dimensions there are */
        out->label = item->label;
        out->base = item->base;
        return true;
    }
    out->label = arena_printf(a, "%s[]", item->label);
    out->base = item->base ? arena_printf(a, "%s[]", item->base) : NULL;
    return true;
}

/* "int4[]" as the driver has it: _INT4. */
static const char *source_of(const char *type, struct arena *a)
{
    size_t n = strlen(type);
    bool array = n > 2 && strcmp(type + n - 2, "[]") == 0;
    char *source = arena_printf(a, "%s%.*s", array ? "_" : "", (int)(array ? n - 2 : n), type);
    for (char *at = source; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return source;
}

bool feed_column_of(struct json_object *schema, const char *type, const struct feed_modes *modes,
                    struct arena *a, struct feed_column *out, struct err *e)
{
    struct json_object *params = json_object_object_get(schema, "parameters");
    const char *source = type ? source_of(type, a) : text_at(params, "__debezium.source.column.type");
    *out = (struct feed_column){.placeholder = modes->placeholder};
    if (type && (*text_at(params, "masked") || *text_at(params, "truncateLength")))
        return err_set(e, ERR_CONFIG, "a value that the topic does not have whole");
    return column_of(schema, 0, source, modes, a, out, e);
}

/* ---- a value ---- */

static bool is_placeholder(const struct feed_column *c, struct json_object *v)
{
    struct slice mark = slice_of(c->placeholder);
    if (!json_object_is_type(v, json_type_string))
        return false;
    if (slice_eq(string_of(v), mark))
        return true;
    if (!c->rule || c->rule->kind != FEED_BYTES)
        return false;
    struct buf bytes = BUF_EMPTY;
    bool same = base64_decode(&bytes, string_of(v)) && slice_eq(buf_view(&bytes), mark);
    buf_free(&bytes);
    return same;
}

/* Of integers and dates the placeholder's bytes, one by one. */
static bool is_placeholder_array(const struct feed_column *c, struct json_object *v)
{
    if (!json_object_is_type(v, json_type_array))
        return false;
    size_t n = json_object_array_length(v), length = strlen(c->placeholder);
    if (c->item->item)
        return n == 1 && is_placeholder_array(c->item, json_object_array_get_idx(v, 0));
    if (n == 1 && is_placeholder(c->item, json_object_array_get_idx(v, 0)))
        return true;
    bool same = n == length && c->item->rule->kind == FEED_INTEGER;
    for (size_t i = 0; same && i < n; i++) {
        struct json_object *item = json_object_array_get_idx(v, i);
        same = item && json_object_get_int64(item) == (signed char)c->placeholder[i];
    }
    return same;
}

/* false: what was appended is of no use. */
static bool append(const struct feed_column *c, struct json_object *v, struct buf *out);

static bool array_append(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_array))
        return false;
    buf_char(out, '[');
    for (size_t i = 0; i < json_object_array_length(v); i++) {
        if (i)
            buf_char(out, ',');
        if (!append(c->item, json_object_array_get_idx(v, i), out))
            return false;
    }
    buf_char(out, ']');
    return true;
}

static bool append(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    struct buf text = BUF_EMPTY;
    if (!v)
        BUF_LIT(out, "null");
    if (!v || c->item)
        return !v || array_append(c, v, out);
    bool ok = c->rule->text(c, v, &text);
    if (ok)
        row_json(out, c->style, buf_view(&text));
    buf_free(&text);
    return ok;
}

enum feed_known feed_value(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    size_t start = out->len;
    if (v && (c->item ? is_placeholder_array(c, v) : is_placeholder(c, v)))
        return FEED_UNKNOWN;
    if (append(c, v, out))
        return FEED_KNOWN;
    out->len = start;
    return FEED_BAD;
}
