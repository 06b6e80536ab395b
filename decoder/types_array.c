/* types_array.c - arrays of every type that has a codec.
 *
 * Debezium reads an array through pgjdbc and converts each element as a column of the element's type would
 * be, which leaves marks that are kept here: elements that are arrays themselves (all of a multi-dimensional
 * array's) become null, or text where they are strings; arrays of the geometric types have a schema but no
 * value unless they are empty; bit arrays have the schema of a single bit string and never a value; where the
 * items are not optional, one null makes the whole value null. walwire.arrays.* put each of these right. */
#include "types_array.h"

#include "codec.h"

#include <openssl/evp.h>

enum { MOST_DEPTH = 6 }; /* MAXDIM in PostgreSQL */

/* What a reader expects next. */
enum { AT_START, AT_FIRST, AT_ITEM, AT_AFTER, AT_END };

enum item_kind {
    ITEM_OPTIONAL, /* the element's codec, null allowed */
    ITEM_REQUIRED, /* the element's codec, items not optional */
    ITEM_FRAGILE,  /* items are optional, but a null fails all the same */
    ITEM_FLAT,     /* an inner array fails */
    ITEM_NEVER,    /* a schema, but no value except the empty array */
    ITEM_BITS,     /* the schema of one element, never a value */
    ITEM_LEFT_OUT, /* no column, even when unknown types are included */
    ITEM_OWN,      /* Debezium has no such array: as codec_within has the element, null allowed */
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
    {"refcursor", ITEM_LEFT_OUT}, {"timetz", ITEM_FLAT},       {"tsvector", ITEM_REQUIRED},
    {"varbit", ITEM_LEFT_OUT},    {"xml", ITEM_LEFT_OUT},
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

static enum item_kind item_kind_in_debezium(const struct type *element)
{
    if (element->kind == 'e')
        return ITEM_REQUIRED;
    if (element->kind == 'c' || element->kind == 'd')
        return ITEM_OPTIONAL;
    for (size_t i = 0; i < sizeof item_rules / sizeof *item_rules; i++)
        if (strcmp(item_rules[i].name, element->name) == 0)
            return item_rules[i].kind;
    return ITEM_OPTIONAL;
}

/* The enum that a domain is over, at whatever depth; NULL: it is not. */
static const struct type *enum_below(const struct codec *c, const struct type *element)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *root = types_root(c->types, element->oid, &typmod, &not_null);
    return element->kind == 'd' && root && root->kind == 'e' ? root : NULL;
}

static enum item_kind item_kind_of(const struct codec *c, const struct type *element)
{
    const struct type_better *better = &c->modes->better;
    enum item_kind kind = enum_below(c, element) ? ITEM_REQUIRED : item_kind_in_debezium(element);
    bool dropped = kind == ITEM_LEFT_OUT || element->kind == 'd';
    bool valueless = kind == ITEM_NEVER || kind == ITEM_BITS;
    if (dropped ? better->all_arrays || better->all_types : valueless && better->all_arrays)
        return ITEM_OWN;
    if (element->kind == 'c' && better->composites)
        return ITEM_OWN;
    return better->array_nulls && (kind == ITEM_REQUIRED || kind == ITEM_FRAGILE) ? ITEM_OPTIONAL : kind;
}

static const struct codec *item_by(const struct type_rule *rule, const struct type *type,
                                   const struct codec *c, struct arena *a)
{
    struct codec *item = arena_zero(a, sizeof *item);
    struct schema *s = arena_zero(a, sizeof *s);
    *item = (struct codec){.rule = rule,
                           .schema = s,
                           .type = type,
                           .typmod = -1,
                           .precision = -1,
                           .scale = -1,
                           .modes = c->modes,
                           .types = c->types};
    return rule->shape(item, s, a) ? item : NULL;
}

/* Debezium knows no array of a domain, but for one over an enum, of which it knows no label. */
static const struct codec *item_of_domain(const struct codec *c, const struct type *element, struct arena *a)
{
    const struct type *root = enum_below(c, element);
    if (!root)
        return NULL;
    struct type *bare = arena_zero(a, sizeof *bare);
    *bare = *root;
    bare->n_labels = 0;
    return item_by(&type_rule_enum, bare, c, a);
}

/* The codec of the elements. */
static const struct codec *item_codec(const struct codec *c, const struct type *element, enum item_kind kind,
                                      struct arena *a)
{
    struct type_field own = {.name = "", .oid = element->oid, .typmod = c->typmod};
    if (kind == ITEM_OWN)
        return codec_within(&own, c, c->depth, a);
    const struct codec *item =
        element->kind == 'd' ? item_of_domain(c, element, a) : codec_nested(element->oid, c->typmod, c, a);
    return item || !c->modes->include_unknown ? item : item_by(&type_rule_unknown, element, c, a);
}

/* Inner arrays are arrays. What Debezium has no array of need not be read as it reads one. */
static bool nests(const struct codec *c, enum item_kind kind)
{
    return c->modes->better.nested_arrays || kind == ITEM_OWN;
}

static bool array_shape(struct codec *c, struct schema *s, struct arena *a)
{
    const struct type *element = types_find(c->types, c->type->element);
    enum item_kind kind = element ? item_kind_of(c, element) : ITEM_LEFT_OUT;
    c->item_kind = (int)kind;
    c->item = kind == ITEM_LEFT_OUT ? NULL : item_codec(c, element, kind, a);
    if (!c->item)
        return false;
    if (kind == ITEM_BITS) {
        *s = *c->item->schema;
        return true;
    }
    const struct schema *item = c->item->schema;
    bool lenient = kind == ITEM_OWN || c->modes->better.array_nulls;
    bool required = kind == ITEM_REQUIRED ||
                    (!lenient && (c->item->rule == &type_rule_unknown || item->type == SCHEMA_ARRAY));
    s->type = SCHEMA_ARRAY;
    s->item = schema_optional(item, !required, a);
    c->dimensions = nests(c, kind) && c->dimensions > 1 ? c->dimensions : 1;
    for (int i = 1; i < c->dimensions; i++) {
        struct schema *inner = arena_zero(a, sizeof *inner);
        *inner = *s;
        s->item = inner;
    }
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

/* What nanoseconds cannot hold is null, as in a column, and the other elements stay. */
static bool may_overflow(const struct codec *item)
{
    return item->modes->time == TIME_NANOS && strcmp(item->rule->name, "timestamp") == 0;
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

static struct value single(struct value item, struct arena *a)
{
    struct value *items = arena_alloc(a, sizeof *items);
    *items = item;
    return value_list(items, 1);
}

/* The schema of the elements. */
static const struct schema *innermost(const struct codec *c)
{
    const struct schema *item = c->schema->item;
    for (int i = 1; i < c->dimensions; i++)
        item = item->item;
    return item;
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
    static const char *const names[] = {
        "text",      "varchar",  "bpchar",  "char",      "citext",    "json",     "jsonb",
        "uuid",      "enum",     "inet",    "cidr",      "macaddr",   "macaddr8", "int4range",
        "int8range", "numrange", "tsrange", "tstzrange", "daterange", "other",    NULL};
    return name_in(c->item->rule->name, names);
}

static bool array_fill(const struct codec *c, struct slice text, struct arena *a, struct value *items,
                       struct err *e)
{
    struct array_reader r = array_reader_of(text, array_delimiter(c->item->type));
    bool fragile = !c->schema->item->optional || c->item_kind == ITEM_FRAGILE;
    bool as_text = nests_as_text(c);
    const char *inner = text.ptr;
    for (enum array_piece piece; (piece = array_next(&r)) != ARRAY_DONE;) {
        if (piece == ARRAY_CLOSE && r.depth == 1 && as_text)
            items[-1] = value_string((struct slice){inner, (size_t)(r.at - inner)});
        if (piece == ARRAY_CLOSE || r.depth != (piece == ARRAY_OPEN ? 2 : 1))
            continue;
        if (fragile && (piece == ARRAY_NULL || (piece == ARRAY_OPEN && !as_text)))
            return err_set(e, ERR_DATA, "a null in an array of %s", c->item->type->name);
        if (c->item_kind == ITEM_FLAT && piece == ARRAY_OPEN)
            return err_set(e, ERR_DATA, "an array in an array of %s", c->item->type->name);
        inner = r.at - 1;
        *items = value_null();
        if (piece == ARRAY_ITEM && !item_value(c, &r, a, items, e)) {
            if (!may_overflow(c->item))
                return false;
            *items = value_null();
        }
        items++;
    }
    return true;
}

/* How many items are in the braces that the reader is in; false: malformed. */
static bool level_count(struct array_reader r, size_t *out)
{
    unsigned level = r.depth;
    for (*out = 0;;) {
        enum array_piece piece = array_next(&r);
        if (piece == ARRAY_BAD || piece == ARRAY_DONE)
            return false;
        if (r.depth < level)
            return true;
        if (piece != ARRAY_CLOSE)
            *out += r.depth == level + (piece == ARRAY_OPEN);
    }
}

/* One element, or null. */
static bool level_item(const struct codec *c, const struct array_reader *r, enum array_piece piece,
                       struct arena *a, struct value *out, struct err *e)
{
    const struct schema *item = innermost(c);
    *out = value_null();
    if (piece == ARRAY_NULL)
        return (item->optional && c->item_kind != ITEM_FRAGILE) ||
               err_set(e, ERR_DATA, "a null in an array of %s", c->item->type->name);
    if (item_value(c, r, a, out, e))
        return true;
    *out = value_null();
    return may_overflow(c->item);
}

/* What is in the braces that the reader is in, and those; `inner`: how many levels of arrays are inside. */
static bool level_value(const struct codec *c, struct array_reader *r, int inner, struct arena *a,
                        struct value *out, struct err *e)
{
    size_t n;
    if (!level_count(*r, &n))
        return array_malformed(c, e);
    struct value *items = arena_alloc(a, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        enum array_piece piece = array_next(r);
        if ((piece == ARRAY_OPEN) != (inner > 0))
            return array_malformed(c, e);
        if (inner ? !level_value(c, r, inner - 1, a, &items[i], e)
                  : !level_item(c, r, piece, a, &items[i], e))
            return false;
    }
    *out = value_list(items, n);
    return array_next(r) == ARRAY_CLOSE;
}

/* One level less: the items of the inner arrays, one after another. */
static struct value joined(struct value outer, struct arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < outer.list.count; i++)
        n += outer.list.items[i].list.count;
    struct value *items = arena_alloc(a, (n + 1) * sizeof *items), *at = items;
    for (size_t i = 0; i < outer.list.count; i++) {
        const struct value *inner = &outer.list.items[i];
        memcpy(at, inner->list.items, inner->list.count * sizeof *at);
        at += inner->list.count;
    }
    return value_list(items, n);
}

/* Arrays of arrays, as deep as the column is declared, which PostgreSQL does not insist upon: a value of
 * fewer dimensions becomes the only item of an array, and of one with more the outer ones become one. */
static bool nested_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    struct array_reader r = array_reader_of(text, array_delimiter(c->item->type));
    int depth = 0;
    while (depth < MOST_DEPTH && r.at + depth < r.end && r.at[depth] == '{')
        depth++;
    if (array_next(&r) != ARRAY_OPEN)
        return array_malformed(c, e);
    if (!level_value(c, &r, depth - 1, a, out, e))
        return false;
    if (array_next(&r) != ARRAY_DONE)
        return array_malformed(c, e);
    for (; depth > c->dimensions; depth--)
        *out = joined(*out, a);
    for (; out->list.count && depth < c->dimensions; depth++)
        *out = single(*out, a);
    return true;
}

static bool array_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    size_t count;
    enum item_kind kind = (enum item_kind)c->item_kind;
    if (nests(c, kind) && kind != ITEM_BITS && kind != ITEM_NEVER)
        return nested_value(c, text, a, out, e);
    if (!array_count(c, text, &count))
        return array_malformed(c, e);
    *out = value_list(NULL, 0);
    if (kind == ITEM_BITS || (kind == ITEM_NEVER && count))
        return err_set(e, ERR_DATA, "arrays of %s have no value", c->item->type->name);
    if (!count)
        return true;
    *out = value_list(arena_alloc(a, count * sizeof(struct value)), count);
    return array_fill(c, text, a, out->list.items, e);
}

/* Only composites: of an enum in an array Debezium does not learn new labels, nor does its schema here. */
static bool array_knows(const struct codec *c, struct slice text)
{
    if (c->item->rule != &type_rule_composite)
        return true;
    struct arena scratch = {0};
    struct array_reader r = array_reader_of(text, array_delimiter(c->item->type));
    bool ok = true;
    for (enum array_piece piece; ok && (piece = array_next(&r)) != ARRAY_DONE && piece != ARRAY_BAD;) {
        if (piece != ARRAY_ITEM)
            continue;
        char *plain = arena_alloc(&scratch, r.item.len + 1);
        ok = c->item->rule->knows(c->item, (struct slice){plain, array_item_plain(&r, plain)});
    }
    arena_free(&scratch);
    return ok;
}

static void array_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_list(NULL, 0);
    if (c->schema->type != SCHEMA_ARRAY)
        *out = value_null();
}

/* java.util.UUID.nameUUIDFromBytes. */
static struct slice uuid_named(struct slice name, struct arena *a)
{
    unsigned char h[16] = {0};
    EVP_Digest(name.ptr, name.len, h, NULL, EVP_md5(), NULL);
    h[6] = (unsigned char)((h[6] & 0x0f) | 0x30);
    h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
    return slice_of(arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                                 h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11],
                                 h[12], h[13], h[14], h[15]));
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
    if (c->schema->type != SCHEMA_ARRAY || c->domain)
        return;
    if (name_in(name, strings)) {
        *out = single(value_string(p), a);
    } else if (strcmp(name, "uuid") == 0) {
        *out = single(value_string(uuid_named(p, a)), a);
    } else if (strcmp(name, "bytea") == 0 && c->modes->binary == BINARY_BYTES) {
        *out = single(value_bytes(p), a);
    } else if (name_in(name, numbers) && innermost(c)->type != SCHEMA_STRING) {
        *out = value_list(arena_alloc(a, (p.len + 1) * sizeof(struct value)), p.len);
        for (size_t i = 0; i < p.len; i++)
            out->list.items[i] = value_int((signed char)p.ptr[i]);
    }
    for (int i = 1; i < c->dimensions && out->kind == VALUE_LIST; i++)
        *out = single(*out, a);
}

const struct type_rule type_rule_array = {
    .name = "array",
    .shape = array_shape,
    .value = array_value,
    .absent = array_absent,
    .unavailable = array_unavailable,
    .knows = array_knows,
};
