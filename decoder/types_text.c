/* types_text.c - strings, bytes, bit strings, and everything that Debezium hands on as PostgreSQL's text.
 *
 * Surprises that are Debezium's: a `name` has no value unless unknown types are included or walwire.names is
 * set; bit strings are little-endian bytes without trailing zeros, whatever their length; hstore's keys come
 * in the order of Java's HashMap; an unchanged bytea becomes null in the base64 modes. Source:
 * io.debezium.connector.postgresql.PostgresValueConverter, io.debezium.jdbc.JdbcValueConverters. */
#include "codec.h"
#include "hex.h"
#include "java_map.h"
#include "json.h"

static const struct schema optional_string = {.type = SCHEMA_STRING, .optional = true};
static const struct schema required_string = {.type = SCHEMA_STRING};

/* Semantic names of strings; all version 1. */
static const struct {
    const char *type, *name;
} string_names[] = {
    {"uuid", "io.debezium.data.Uuid"},         {"json", "io.debezium.data.Json"},
    {"jsonb", "io.debezium.data.Json"},        {"hstore", "io.debezium.data.Json"},
    {"xml", "io.debezium.data.Xml"},           {"ltree", "io.debezium.data.Ltree"},
    {"tsvector", "io.debezium.data.Tsvector"},
};

static bool string_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = SCHEMA_STRING;
    for (size_t i = 0; i < sizeof string_names / sizeof *string_names; i++) {
        if (strcmp(string_names[i].type, c->rule->name) == 0) {
            s->name = string_names[i].name;
            s->version = 1;
        }
    }
    return true;
}

static bool string_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    *out = value_string(text);
    return true;
}

static bool string_write(const struct codec *c, struct slice text, struct buf *b,
                         const struct json_style *style, struct err *e)
{
    json_string(b, text);
    return true;
}

static bool string_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    *out = value_string(literal);
    return true;
}

static bool name_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    bool read = c->modes->include_unknown || c->modes->snapshot || c->modes->better.names;
    *out = read ? value_string(text) : value_null();
    return true;
}

static void value_none(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
}

/* 36 characters that need no escaping. */
static bool uuid_check(struct slice text, struct err *e)
{
    bool ok = text.len == 36;
    for (size_t i = 0; ok && i < text.len; i++) {
        char ch = text.ptr[i];
        ok = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') || ch == '-';
    }
    return ok || err_set(e, ERR_DATA, "malformed text of a uuid");
}

static bool uuid_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    *out = value_string(text);
    return uuid_check(text, e);
}

static bool uuid_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    if (!uuid_check(text, e))
        return false;
    char *at = buf_room(b, 38);
    at[0] = '"';
    memcpy(at + 1, text.ptr, 36);
    at[37] = '"';
    buf_added(b, 38);
    return true;
}

/* Moves what a buf collected into the arena. */
static struct slice arena_take(struct arena *a, struct buf *b)
{
    struct slice s = arena_slice(a, buf_view(b));
    buf_free(b);
    return s;
}

static void hex_append(struct buf *b, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *at = buf_room(b, bytes.len * 2);
    for (size_t i = 0; i < bytes.len; i++) {
        at[2 * i] = digits[(unsigned char)bytes.ptr[i] >> 4];
        at[2 * i + 1] = digits[(unsigned char)bytes.ptr[i] & 15];
    }
    buf_added(b, bytes.len * 2);
}

static bool binary_shape(struct codec *c, struct schema *s, struct arena *a)
{
    s->type = c->modes->binary == BINARY_BYTES ? SCHEMA_BYTES : SCHEMA_STRING;
    return true;
}

static void binary_append(const struct codec *c, struct slice bytes, struct buf *b)
{
    if (c->modes->binary == BINARY_HEX)
        hex_append(b, bytes);
    else
        base64_append(b, bytes, c->modes->binary == BINARY_BASE64_URL);
}

static void binary_value(const struct codec *c, struct slice bytes, struct arena *a, struct value *out)
{
    struct buf b = BUF_EMPTY;
    if (c->modes->binary == BINARY_BYTES) {
        *out = value_bytes(bytes);
        return;
    }
    binary_append(c, bytes, &b);
    *out = value_string(arena_take(a, &b));
}

static void binary_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
    if (c->modes->binary == BINARY_BYTES)
        *out = value_bytes(c->modes->placeholder);
    else if (c->modes->binary == BINARY_HEX)
        *out = value_string(c->modes->placeholder);
}

static bool bytea_malformed(struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of a bytea (bytea_output must be hex)");
}

static bool bytea_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    char *bytes = arena_alloc(a, text.len / 2 + 1);
    if (!hex_bytea(&text) || !hex_bytes(text.ptr, text.len / 2, bytes))
        return bytea_malformed(e);
    binary_value(c, (struct slice){bytes, text.len / 2}, a, out);
    return true;
}

/* All four modes are a quoted string in JSON. */
static bool bytea_write(const struct codec *c, struct slice text, struct buf *b,
                        const struct json_style *style, struct err *e)
{
    char bytes[768]; /* a multiple of three, so that only the last part is padded */
    size_t start = b->len;
    if (!hex_bytea(&text))
        return bytea_malformed(e);
    buf_char(b, '"');
    while (text.len) {
        size_t n = text.len / 2 < sizeof bytes ? text.len / 2 : sizeof bytes;
        if (!hex_bytes(text.ptr, n, bytes)) {
            b->len = start;
            return bytea_malformed(e);
        }
        binary_append(c, (struct slice){bytes, n}, b);
        text = slice_cut(text, 2 * n, text.len);
    }
    buf_char(b, '"');
    return true;
}

/* Arrays of types without codec are arrays of unknown values, see types_array.c. */
static bool unknown_shape(struct codec *c, struct schema *s, struct arena *a)
{
    bool array = c->type->element && c->type->name[0] == '_';
    return !array && binary_shape(c, s, a);
}

static bool unknown_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                          struct err *e)
{
    binary_value(c, text, a, out);
    return true;
}

static bool bits_shape(struct codec *c, struct schema *s, struct arena *a)
{
    bool varying = c->rule->name[0] == 'v';
    c->precision = c->typmod > 0 ? c->typmod : varying ? INT32_MAX : 1;
    if (c->precision == 1) {
        s->type = SCHEMA_BOOLEAN;
        return true;
    }
    struct schema_param *length = arena_alloc(a, sizeof *length);
    *length = (struct schema_param){"length", arena_printf(a, "%d", c->precision)};
    s->type = SCHEMA_BYTES;
    s->name = "io.debezium.data.Bits";
    s->version = 1;
    s->params = length;
    s->n_params = 1;
    return true;
}

/* The rightmost digit becomes the lowest bit of the first byte. false: other characters than 0 and 1. */
static bool bits_of(struct slice digits, struct arena *a, struct slice *out)
{
    size_t room = digits.len / 8 + 1, used = 0;
    char *bytes = arena_zero(a, room);
    for (size_t i = 0; i < digits.len; i++) {
        char digit = digits.ptr[digits.len - 1 - i];
        if (digit != '0' && digit != '1')
            return false;
        bytes[i / 8] = (char)(bytes[i / 8] | (digit - '0') << (i % 8));
        if (digit == '1')
            used = i / 8 + 1;
    }
    *out = (struct slice){bytes, used};
    return true;
}

static bool bits_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    struct slice bytes;
    if (!bits_of(text, a, &bytes) || (c->precision == 1 && text.len != 1))
        return err_set(e, ERR_DATA, "malformed text of a bit string");
    *out = c->precision == 1 ? value_bool(text.ptr[0] == '1') : value_bytes(bytes);
    return true;
}

/* A default that is no string of bits counts as none set. */
static bool bits_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct slice bytes;
    if (!bits_of(literal, a, &bytes))
        bytes = SLICE("");
    *out = c->precision == 1 ? value_bool(bytes.len > 0) : value_bytes(bytes);
    return true;
}

struct hstore_pair {
    struct slice key, value;
    bool null;
};

/* Reads "..." with backslash escapes, unescaped into the arena where there are any. */
static bool hstore_quoted(struct slice *text, struct arena *a, struct slice *out)
{
    const char *from = text->ptr + 1, *end = text->ptr + text->len, *at = from;
    bool escaped = false;
    if (!text->len || text->ptr[0] != '"')
        return false;
    for (; at < end && *at != '"'; at++) {
        escaped |= *at == '\\';
        at += *at == '\\';
    }
    if (at >= end)
        return false;
    *out = (struct slice){from, (size_t)(at - from)};
    *text = (struct slice){at + 1, (size_t)(end - at - 1)};
    if (!escaped)
        return true;
    char *plain = arena_alloc(a, out->len);
    size_t n = 0;
    for (size_t i = 0; i < out->len; i++) {
        i += out->ptr[i] == '\\';
        plain[n++] = out->ptr[i];
    }
    *out = (struct slice){plain, n};
    return true;
}

static bool hstore_cut(struct slice *text, const char *prefix)
{
    if (!slice_starts(*text, prefix))
        return false;
    *text = slice_cut(*text, strlen(prefix), text->len);
    return true;
}

/* "key"=>"value", "other"=>NULL. A pair takes at least six bytes. */
static bool hstore_pairs(struct slice text, struct arena *a, struct hstore_pair **out, size_t *n)
{
    *out = arena_alloc(a, (text.len / 6 + 1) * sizeof **out);
    for (*n = 0; text.len; ++*n) {
        struct hstore_pair *p = &(*out)[*n];
        if ((*n && !hstore_cut(&text, ", ")) || !hstore_quoted(&text, a, &p->key) || !hstore_cut(&text, "=>"))
            return false;
        p->null = hstore_cut(&text, "NULL");
        if (!p->null && !hstore_quoted(&text, a, &p->value))
            return false;
    }
    return true;
}

static struct slice hstore_json(const struct hstore_pair *pairs, const struct java_entry *order, size_t n,
                                struct arena *a)
{
    struct buf b = BUF_EMPTY;
    buf_char(&b, '{');
    for (size_t i = 0; i < n; i++) {
        const struct hstore_pair *p = &pairs[order[i].index];
        if (i)
            buf_char(&b, ',');
        json_text(&b, p->key);
        buf_char(&b, ':');
        if (p->null)
            BUF_LIT(&b, "null");
        else
            json_text(&b, p->value);
    }
    buf_char(&b, '}');
    return arena_take(a, &b);
}

static struct value hstore_map(const struct hstore_pair *pairs, const struct java_entry *order, size_t n,
                               struct arena *a)
{
    struct value *items = arena_alloc(a, (2 * n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const struct hstore_pair *p = &pairs[order[i].index];
        items[2 * i] = value_string(p->key);
        items[2 * i + 1] = p->null ? value_null() : value_string(p->value);
    }
    return value_list(items, 2 * n);
}

static bool hstore_shape(struct codec *c, struct schema *s, struct arena *a)
{
    if (c->modes->hstore == HSTORE_JSON)
        return string_shape(c, s, a);
    s->type = SCHEMA_MAP;
    s->key = &required_string;
    s->item = &optional_string;
    return true;
}

static bool hstore_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    struct hstore_pair *pairs;
    size_t n;
    if (!hstore_pairs(text, a, &pairs, &n))
        return err_set(e, ERR_DATA, "malformed text of an hstore");
    struct java_entry *order = arena_alloc(a, (n + 1) * sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct java_entry){java_string_hash(pairs[i].key), (uint32_t)i};
    java_map_order(order, n, 16);
    *out = c->modes->hstore == HSTORE_MAP ? hstore_map(pairs, order, n, a)
                                          : value_string(hstore_json(pairs, order, n, a));
    return true;
}

static void hstore_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = c->modes->hstore == HSTORE_MAP ? value_list(NULL, 0) : value_string(SLICE("{}"));
}

static void hstore_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    struct hstore_pair pair = {c->modes->placeholder, c->modes->placeholder, false};
    struct java_entry only = {0, 0};
    *out = c->modes->hstore == HSTORE_MAP ? hstore_map(&pair, &only, 1, a)
                                          : value_string(hstore_json(&pair, &only, 1, a));
}

static bool enum_shape(struct codec *c, struct schema *s, struct arena *a)
{
    struct buf b = BUF_EMPTY;
    for (size_t i = 0; i < c->type->n_labels; i++) {
        if (i)
            buf_char(&b, ',');
        buf_str(&b, c->type->labels[i]);
    }
    struct schema_param *allowed = arena_alloc(a, sizeof *allowed);
    *allowed = (struct schema_param){"allowed", arena_take(a, &b).ptr};
    s->type = SCHEMA_STRING;
    s->name = "io.debezium.data.Enum";
    s->version = 1;
    s->params = allowed;
    s->n_params = 1;
    return true;
}

static bool enum_knows(const struct codec *c, struct slice text)
{
    for (size_t i = 0; i < c->type->n_labels; i++)
        if (slice_is(text, c->type->labels[i]))
            return true;
    return false;
}

#define STRING(type)                                                                                         \
    {                                                                                                        \
        .name = type, .shape = string_shape, .value = string_value, .write = string_write                    \
    }
#define STRING_PRESET(type)                                                                                  \
    {                                                                                                        \
        .name = type, .shape = string_shape, .value = string_value, .write = string_write,                   \
        .preset = string_preset                                                                              \
    }
#define BITS(type)                                                                                           \
    {                                                                                                        \
        .name = type, .shape = bits_shape, .value = bits_value, .unavailable = value_none,                   \
        .preset = bits_preset                                                                                \
    }

const struct type_rule type_rules_text[] = {
    STRING_PRESET("text"),
    STRING_PRESET("varchar"),
    STRING_PRESET("bpchar"),
    STRING_PRESET("json"),
    STRING_PRESET("jsonb"),
    STRING_PRESET("xml"),
    {.name = "uuid",
     .shape = string_shape,
     .value = uuid_value,
     .write = uuid_write,
     .preset = string_preset},
    {.name = "name", .shape = string_shape, .value = name_value},
    STRING("char"),
    STRING("citext"),
    STRING("ltree"),
    STRING("tsvector"),
    STRING("isbn"),
    STRING("inet"),
    STRING("cidr"),
    STRING("macaddr"),
    STRING("macaddr8"),
    STRING("int4range"),
    STRING("int8range"),
    STRING("numrange"),
    STRING("tsrange"),
    STRING("tstzrange"),
    STRING("daterange"),
    {.name = "bytea",
     .shape = binary_shape,
     .value = bytea_value,
     .write = bytea_write,
     .unavailable = binary_unavailable},
    BITS("bit"),
    BITS("varbit"),
    {.name = "hstore",
     .shape = hstore_shape,
     .value = hstore_value,
     .absent = hstore_absent,
     .unavailable = hstore_unavailable},
    {0},
};

const struct type_rule type_rule_enum = {
    .name = "enum",
    .shape = enum_shape,
    .value = string_value,
    .write = string_write,
    .preset = string_preset,
    .knows = enum_knows,
};

/* What Debezium leaves out: PostgreSQL's text. */
const struct type_rule type_rule_other = {
    .name = "other",
    .shape = string_shape,
    .value = string_value,
    .write = string_write,
};

const struct type_rule type_rule_unknown = {
    .name = "unknown",
    .shape = unknown_shape,
    .value = unknown_value,
    .unavailable = binary_unavailable,
};
