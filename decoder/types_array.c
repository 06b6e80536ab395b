/* types_array.c - arrays of every type that has a codec.
 *
 * Debezium reads an array through pgjdbc and converts each element as a column of the element's type would
 * be, which leaves marks that are kept here: elements that are arrays themselves (all of a multi-dimensional
 * array's) become null, or text where they are strings; arrays of the geometric types have a schema but no
 * value unless they are empty; bit arrays have the schema of a single bit string and never a value; where the
 * items are not optional, one null makes the whole value null. */
#include "types_array.h"

#include "codec.h"

#include <math.h>

enum { MOST_DEPTH = 6 }; /* MAXDIM in PostgreSQL */

/* What a reader expects next. */
enum { AT_START, AT_FIRST, AT_ITEM, AT_AFTER, AT_END };

enum item_kind {
    ITEM_OPTIONAL, /* the element's codec, null allowed */
    ITEM_REQUIRED, /* the element's codec, items not optional */
    ITEM_FRAGILE,  /* items are optional, but a null fails all the same */
    ITEM_NEVER,    /* a schema, but no value except the empty array */
    ITEM_BITS,     /* the schema of one element, never a value */
    ITEM_LEFT_OUT, /* no column, even when unknown types are included */
};

struct item_rule {
    const char *name; /* pg_type.typname of the element */
    enum item_kind kind;
};

/* Elements that have a codec but differ from ITEM_OPTIONAL. */
static const struct item_rule item_rules[] = {
    {"bit", ITEM_BITS},           {"box", ITEM_NEVER},         {"circle", ITEM_NEVER},
    {"int2vector", ITEM_NEVER},   {"interval", ITEM_LEFT_OUT}, {"isbn", ITEM_REQUIRED},
    {"line", ITEM_NEVER},         {"lseg", ITEM_NEVER},        {"ltree", ITEM_FRAGILE},
    {"money", ITEM_LEFT_OUT},     {"name", ITEM_LEFT_OUT},     {"oidvector", ITEM_NEVER},
    {"path", ITEM_NEVER},         {"point", ITEM_LEFT_OUT},    {"polygon", ITEM_NEVER},
    {"refcursor", ITEM_LEFT_OUT}, {"tsvector", ITEM_REQUIRED}, {"varbit", ITEM_LEFT_OUT},
    {"xml", ITEM_LEFT_OUT},
};

char array_delimiter(const struct type *element)
{
    if (!element)
        return ',';
    if (strcmp(element->name, "box") == 0)
        return ';';
    bool postgis = strcmp(element->name, "geometry") == 0 || strcmp(element->name, "geography") == 0;
    return postgis ? ':' : ',';
}

struct array_reader array_reader_of(struct slice text, char delimiter)
{
    struct array_reader r = {
        .at = text.ptr, .end = text.ptr + text.len, .delimiter = delimiter, .expect = AT_START};
    if (text.len && text.ptr[0] == '[') {
        const char *equals = memchr(text.ptr, '=', text.len);
        r.at = equals ? equals + 1 : r.end;
    }
    return r;
}

static enum array_piece reader_open(struct array_reader *r)
{
    if (r->depth == MOST_DEPTH)
        return ARRAY_BAD;
    r->at++;
    r->depth++;
    r->expect = AT_FIRST;
    return ARRAY_OPEN;
}

static enum array_piece reader_close(struct array_reader *r)
{
    r->at++;
    r->depth--;
    r->expect = r->depth ? AT_AFTER : AT_END;
    return ARRAY_CLOSE;
}

static enum array_piece reader_quoted(struct array_reader *r)
{
    const char *from = ++r->at;
    for (; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at != '\\')
            continue;
        r->escaped = true;
        if (++r->at == r->end)
            return ARRAY_BAD;
    }
    if (r->at >= r->end)
        return ARRAY_BAD;
    r->item = (struct slice){from, (size_t)(r->at++ - from)};
    return ARRAY_ITEM;
}

static enum array_piece reader_bare(struct array_reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at != r->delimiter && *r->at != '}' && *r->at != '{' && *r->at != '"' &&
           *r->at != '\\')
        r->at++;
    r->item = (struct slice){from, (size_t)(r->at - from)};
    if (!r->item.len)
        return ARRAY_BAD;
    return slice_is(r->item, "NULL") ? ARRAY_NULL : ARRAY_ITEM;
}

enum array_piece array_next(struct array_reader *r)
{
    if (r->expect == AT_END)
        return r->at == r->end ? ARRAY_DONE : ARRAY_BAD;
    if (r->expect == AT_AFTER && r->at < r->end && *r->at == r->delimiter) {
        r->at++;
        r->expect = AT_ITEM;
    }
    if (r->at >= r->end)
        return ARRAY_BAD;
    if (*r->at == '}')
        return r->expect == AT_FIRST || r->expect == AT_AFTER ? reader_close(r) : ARRAY_BAD;
    if (r->expect == AT_AFTER)
        return ARRAY_BAD;
    if (*r->at == '{')
        return reader_open(r);
    if (r->expect == AT_START)
        return ARRAY_BAD;
    r->expect = AT_AFTER;
    r->escaped = false;
    return *r->at == '"' ? reader_quoted(r) : reader_bare(r);
}

size_t array_item_plain(const struct array_reader *r, char *into)
{
    size_t n = 0;
    for (size_t i = 0; i < r->item.len; i++) {
        if (r->item.ptr[i] == '\\')
            i++;
        into[n++] = r->item.ptr[i];
    }
    return n;
}

static enum item_kind item_kind_of(const struct type *element)
{
    if (element->kind == 'e')
        return ITEM_REQUIRED;
    for (size_t i = 0; i < sizeof item_rules / sizeof *item_rules; i++)
        if (strcmp(item_rules[i].name, element->name) == 0)
            return item_rules[i].kind;
    return ITEM_OPTIONAL;
}

/* The codec of the elements; domains are not looked through, as Debezium knows no array of them. */
static const struct codec *item_codec(const struct codec *c, const struct type *element, struct arena *a)
{
    const struct codec *item = element->kind == 'd' ? NULL : codec_nested(element->oid, c->typmod, c, a);
    if (item || !c->modes->include_unknown)
        return item;
    struct codec *unknown = arena_zero(a, sizeof *unknown);
    struct schema *s = arena_zero(a, sizeof *s);
    *unknown = (struct codec){.rule = &type_rule_unknown,
                              .schema = s,
                              .type = element,
                              .typmod = -1,
                              .precision = -1,
                              .scale = -1,
                              .modes = c->modes,
                              .types = c->types};
    return type_rule_unknown.shape(unknown, s, a) ? unknown : NULL;
}

static bool array_shape(struct codec *c, struct schema *s, struct arena *a)
{
    const struct type *element = types_find(c->types, c->type->element);
    enum item_kind kind = element ? item_kind_of(element) : ITEM_LEFT_OUT;
    c->item = kind == ITEM_LEFT_OUT ? NULL : item_codec(c, element, a);
    if (!c->item)
        return false;
    if (kind == ITEM_BITS) {
        *s = *c->item->schema;
        return true;
    }
    const struct schema *item = c->item->schema;
    bool required =
        kind == ITEM_REQUIRED || c->item->rule == &type_rule_unknown || item->type == SCHEMA_ARRAY;
    s->type = SCHEMA_ARRAY;
    s->item = schema_optional(item, !required, a);
    return true;
}

static bool array_malformed(const struct codec *c, struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of an array of %s", c->item->type->name);
}

/* How many elements the outermost braces hold; false: malformed. */
static bool array_count(const struct codec *c, struct slice text, size_t *out)
{
    struct array_reader r = array_reader_of(text, array_delimiter(c->item->type));
    for (*out = 0;;) {
        enum array_piece piece = array_next(&r);
        if (piece == ARRAY_DONE || piece == ARRAY_BAD)
            return piece == ARRAY_DONE;
        if (piece == ARRAY_CLOSE ? false : r.depth == (piece == ARRAY_OPEN ? 2 : 1))
            ++*out;
    }
}

static bool item_value(const struct codec *c, const struct array_reader *r, struct arena *a,
                       struct value *out, struct err *e)
{
    if (!r->escaped)
        return codec_value(c->item, r->item, a, out, e);
    char *plain = arena_alloc(a, r->item.len);
    struct slice text = {plain, array_item_plain(r, plain)};
    return codec_value(c->item, text, a, out, e);
}

static bool name_in(const char *name, const char *const *list)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

/* Elements whose inner arrays Debezium writes as the identity of a Java object, which says nothing; their
 * text in PostgreSQL's form says what is in them. */
static bool nests_as_text(const struct codec *c)
{
    static const char *const names[] = {"text", "varchar", "bpchar", "char", "citext",
                                        "json", "jsonb",   "uuid",   "enum", NULL};
    return name_in(c->item->rule->name, names);
}

static bool array_fill(const struct codec *c, struct slice text, struct arena *a, struct value *items,
                       struct err *e)
{
    struct array_reader r = array_reader_of(text, array_delimiter(c->item->type));
    bool fragile = !c->schema->item->optional || item_kind_of(c->item->type) == ITEM_FRAGILE;
    bool as_text = nests_as_text(c);
    const char *inner = text.ptr;
    for (enum array_piece piece; (piece = array_next(&r)) != ARRAY_DONE;) {
        if (piece == ARRAY_CLOSE && r.depth == 1 && as_text)
            items[-1] = value_string((struct slice){inner, (size_t)(r.at - inner)});
        if (piece == ARRAY_CLOSE || r.depth != (piece == ARRAY_OPEN ? 2 : 1))
            continue;
        if (fragile && (piece == ARRAY_NULL || (piece == ARRAY_OPEN && !as_text)))
            return err_set(e, ERR_DATA, "a null in an array of %s", c->item->type->name);
        inner = r.at - 1;
        *items = value_null();
        if (piece == ARRAY_ITEM && !item_value(c, &r, a, items, e))
            return false;
        items++;
    }
    return true;
}

static bool array_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    size_t count;
    if (!array_count(c, text, &count))
        return array_malformed(c, e);
    enum item_kind kind = item_kind_of(c->item->type);
    *out = value_list(NULL, 0);
    if (kind == ITEM_BITS || (kind == ITEM_NEVER && count))
        return err_set(e, ERR_DATA, "arrays of %s have no value", c->item->type->name);
    if (!count)
        return true;
    *out = value_list(arena_alloc(a, count * sizeof(struct value)), count);
    return array_fill(c, text, a, out->list.items, e);
}

static void array_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_list(NULL, 0);
    if (c->schema->type != SCHEMA_ARRAY)
        *out = value_null();
}

static uint32_t md5_load(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* One round of MD5 (RFC 1321); this room links no library that has it. */
static void md5_block(uint32_t state[4], const unsigned char *block)
{
    static const unsigned char turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static const unsigned char step[4] = {1, 5, 3, 7}, first[4] = {0, 1, 5, 0};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t mixed[4] = {(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)};
        uint32_t word = md5_load(block + 4 * ((step[i / 16] * i + first[i / 16]) % 16));
        uint32_t sum = a + mixed[i / 16] + (uint32_t)(int64_t)(fabs(sin(i + 1)) * 4294967296.0) + word;
        unsigned turn = turns[i / 16][i % 4];
        a = d, d = c, c = b;
        b += sum << turn | sum >> (32 - turn);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

static void md5(struct slice text, struct arena *a, unsigned char out[16])
{
    size_t padded = (text.len + 8) / 64 * 64 + 64;
    unsigned char *all = arena_zero(a, padded);
    memcpy(all, text.ptr, text.len);
    all[text.len] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        all[padded - 8 + i] = (unsigned char)((uint64_t)text.len * 8 >> (8 * i));
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    for (size_t i = 0; i < padded; i += 64)
        md5_block(state, all + i);
    for (unsigned i = 0; i < 16; i++)
        out[i] = (unsigned char)(state[i / 4] >> (8 * (i % 4)));
}

/* java.util.UUID.nameUUIDFromBytes. */
static struct slice uuid_named(struct slice name, struct arena *a)
{
    unsigned char h[16];
    md5(name, a, h);
    h[6] = (unsigned char)((h[6] & 0x0f) | 0x30);
    h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
    return slice_of(arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                                 h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11],
                                 h[12], h[13], h[14], h[15]));
}

static struct value single(struct value item, struct arena *a)
{
    struct value *items = arena_alloc(a, sizeof *items);
    *items = item;
    return value_list(items, 1);
}

/* Source: io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn and its placeholders by
 * type. */
static void array_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    static const char *const strings[] = {"text", "varchar", "bpchar", "json", "jsonb", NULL};
    static const char *const numbers[] = {"int4", "int8", "date", NULL};
    const char *name = c->item->type->name;
    struct slice p = c->modes->placeholder;
    *out = value_null();
    if (c->schema->type != SCHEMA_ARRAY)
        return;
    if (name_in(name, strings)) {
        *out = single(value_string(p), a);
    } else if (strcmp(name, "uuid") == 0) {
        *out = single(value_string(uuid_named(p, a)), a);
    } else if (strcmp(name, "bytea") == 0 && c->modes->binary == BINARY_BYTES) {
        *out = single(value_bytes(p), a);
    } else if (name_in(name, numbers)) {
        *out = value_list(arena_alloc(a, (p.len + 1) * sizeof(struct value)), p.len);
        for (size_t i = 0; i < p.len; i++)
            out->list.items[i] = value_int((signed char)p.ptr[i]);
    }
}

const struct type_rule type_rule_array = {
    .name = "array",
    .shape = array_shape,
    .value = array_value,
    .absent = array_absent,
    .unavailable = array_unavailable,
};
