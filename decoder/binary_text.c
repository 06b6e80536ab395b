/* binary_text.c - the types that hold other types, and the way in. What their text quotes, and how, differs
 * among arrays, composites and ranges.
 *
 * Source: array_out, record_out, range_out, multirange_out in PostgreSQL's src/backend/utils/adt;
 * hstore_send, vector_send, halfvec_send and sparsevec_send of the extensions. */
#include "binary_text.h"

#include "binary_plain.h"

#include <stdlib.h>
#include <strings.h>

/* Each level of composites doubles the quotes of what is in it, and a numeric of ten bytes can have 131072
 * digits. PostgreSQL has a limit of 1 GB for text. */
enum { DEPTH_MOST = 32, DIMENSIONS_MOST = 6, GROWTH = 16, QUOTES_MOST = 1 << 20, TEXT_MOST = 1 << 30 };

struct way {
    const struct types *types;
    int depth;
    const char *lacks;        /* the type that stopped it; NULL: none */
    size_t most, quotes_most; /* bytes of text, of what quoting adds */
    size_t quotes;
    bool exceeded;
};

static bool write_value(struct way *w, uint32_t oid, struct slice binary, struct buf *b);
static bool write_type(struct way *w, const struct type *type, struct slice binary, struct buf *b);

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_any(struct slice s, const char *set)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_space(s.ptr[i]) || (s.ptr[i] && strchr(set, s.ptr[i])))
            return true;
    return false;
}

/* Both characters in front of which something goes, and what: the character itself, or a backslash. */
static void write_quoted(struct buf *b, struct slice s, bool doubled)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            buf_char(b, doubled ? s.ptr[i] : '\\');
        buf_char(b, s.ptr[i]);
    }
    buf_char(b, '"');
}

static bool fits(struct way *w, size_t bytes)
{
    w->exceeded |= bytes > w->most || w->quotes > w->quotes_most;
    return !w->exceeded;
}

/* A member's text, quoted where it is empty or has one of `special`; in arrays also where it reads NULL. */
static bool write_member(struct way *w, uint32_t oid, const struct type *type, struct slice binary,
                         const char *special, bool array, struct buf *b)
{
    struct buf text = BUF_EMPTY;
    bool ok = type ? write_type(w, type, binary, &text) : write_value(w, oid, binary, &text);
    struct slice s = buf_view(&text);
    ok = ok && fits(w, b->len + s.len);
    bool null = array && s.len == 4 && strncasecmp(s.ptr, "NULL", 4) == 0;
    size_t before = b->len;
    if (ok && (!s.len || null || has_any(s, special)))
        write_quoted(b, s, !array);
    else if (ok)
        buf_slice(b, s);
    if (ok)
        w->quotes += b->len - before - s.len;
    buf_free(&text);
    return ok && fits(w, b->len);
}

/* i32 length and the bytes; false: NULL. */
static bool read_member(struct reader *r, struct slice *binary)
{
    int32_t len = (int32_t)read_u32(r);
    *binary = len >= 0 ? read_bytes(r, (size_t)len) : (struct slice){NULL, 0};
    return len >= 0;
}

/* ---- arrays ---- */

struct array {
    uint32_t element;
    int n;
    int32_t size[DIMENSIONS_MOST], lower[DIMENSIONS_MOST];
    char between;
};

static bool read_array(struct reader *r, struct array *a)
{
    a->n = (int)read_u32(r);
    read_u32(r); /* whether there are NULLs */
    a->element = read_u32(r);
    if (!reader_ok(r) || a->n < 0 || a->n > DIMENSIONS_MOST)
        return false;
    size_t items = 1;
    for (int i = 0; i < a->n; i++) {
        a->size[i] = (int32_t)read_u32(r);
        a->lower[i] = (int32_t)read_u32(r);
        int32_t end;
        if (a->size[i] < 0 || __builtin_add_overflow(a->lower[i], a->size[i], &end))
            return false;
        items *= (size_t)a->size[i];
        if (items > (size_t)(r->end - r->at) / 4) /* each has a length */
            return false;
    }
    return reader_ok(r);
}

static bool write_dimension(struct way *w, struct reader *r, const struct array *a, int dimension,
                            struct buf *b)
{
    const char special[] = {'"', '\\', '{', '}', a->between, 0};
    bool ok = true;
    buf_char(b, '{');
    for (int32_t i = 0; ok && i < a->size[dimension]; i++) {
        struct slice item;
        if (i)
            buf_char(b, a->between);
        if (dimension + 1 < a->n)
            ok = write_dimension(w, r, a, dimension + 1, b);
        else if (!read_member(r, &item))
            BUF_LIT(b, "NULL");
        else
            ok = reader_ok(r) && write_member(w, a->element, NULL, item, special, true, b);
    }
    buf_char(b, '}');
    return ok;
}

static bool write_array(struct way *w, struct reader *r, struct buf *b)
{
    struct array a;
    if (!read_array(r, &a))
        return false;
    const struct type *element = types_find(w->types, a.element);
    a.between = element && strcmp(element->name, "box") == 0 ? ';' : ',';
    size_t items = a.n > 0;
    for (int i = 0; i < a.n; i++)
        items *= (size_t)a.size[i];
    if (!items) {
        BUF_LIT(b, "{}");
        return true;
    }
    bool shifted = false;
    for (int i = 0; i < a.n; i++)
        shifted |= a.lower[i] != 1;
    for (int i = 0; shifted && i < a.n; i++)
        buf_printf(b, "[%d:%d]", a.lower[i], a.lower[i] + a.size[i] - 1);
    if (shifted)
        buf_char(b, '=');
    return write_dimension(w, r, &a, 0, b);
}

/* int2vector and oidvector: an array in binary, numbers with spaces between in text. */
static bool write_vector(struct way *w, struct reader *r, struct buf *b)
{
    struct array a;
    struct slice item;
    if (!read_array(r, &a) || a.n > 1)
        return false;
    bool ok = true;
    for (int32_t i = 0; ok && a.n && i < a.size[0]; i++) {
        if (i)
            buf_char(b, ' ');
        ok = read_member(r, &item) && write_value(w, a.element, item, b) && fits(w, b->len);
    }
    return ok;
}

/* ---- composites and ranges ---- */

static bool write_record(struct way *w, struct reader *r, struct buf *b)
{
    uint32_t n = read_u32(r);
    bool ok = true;
    buf_char(b, '(');
    for (uint32_t i = 0; ok && i < n; i++) {
        uint32_t oid = read_u32(r);
        struct slice field;
        if (i)
            buf_char(b, ',');
        if (read_member(r, &field))
            ok = write_member(w, oid, NULL, field, "\"\\(),", false, b);
        ok = ok && reader_ok(r);
    }
    buf_char(b, ')');
    return ok;
}

/* What ranges are of; the registry does not know, so that only the server's own are. */
static const char *const RANGES[][3] = {
    {"int4range", "int4multirange", "int4"},        {"int8range", "int8multirange", "int8"},
    {"numrange", "nummultirange", "numeric"},       {"tsrange", "tsmultirange", "timestamp"},
    {"tstzrange", "tstzmultirange", "timestamptz"}, {"daterange", "datemultirange", "date"},
};

static const struct type *bound_of(const char *range, struct type *bound)
{
    for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++)
        if (strcmp(RANGES[i][0], range) == 0 || strcmp(RANGES[i][1], range) == 0) {
            *bound = (struct type){.name = RANGES[i][2], .kind = 'b'};
            return bound;
        }
    return NULL;
}

static bool write_range(struct way *w, const struct type *bound, struct reader *r, struct buf *b)
{
    enum { EMPTY = 1, LOWER_IN = 2, UPPER_IN = 4, NO_LOWER = 8, NO_UPPER = 16 };
    unsigned flags = read_u8(r);
    struct slice value;
    bool ok = true;
    if (flags & EMPTY) {
        BUF_LIT(b, "empty");
        return true;
    }
    buf_char(b, flags & LOWER_IN ? '[' : '(');
    if (!(flags & NO_LOWER))
        ok = read_member(r, &value) && write_member(w, 0, bound, value, "\"\\()[],", false, b);
    buf_char(b, ',');
    if (ok && !(flags & NO_UPPER))
        ok = read_member(r, &value) && write_member(w, 0, bound, value, "\"\\()[],", false, b);
    buf_char(b, flags & UPPER_IN ? ']' : ')');
    return ok;
}

static bool write_multirange(struct way *w, const struct type *bound, struct reader *r, struct buf *b)
{
    uint32_t n = read_u32(r);
    bool ok = true;
    buf_char(b, '{');
    for (uint32_t i = 0; ok && i < n; i++) {
        struct slice range;
        ok = read_member(r, &range) && reader_ok(r);
        struct reader one = reader_of(range);
        if (i)
            buf_char(b, ',');
        ok = ok && write_range(w, bound, &one, b) && reader_done(&one);
    }
    buf_char(b, '}');
    return ok;
}

/* ---- extensions ---- */

static bool write_hstore(struct reader *r, struct buf *b)
{
    uint32_t n = read_u32(r);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        struct slice key, value;
        if (i)
            BUF_LIT(b, ", ");
        if (!read_member(r, &key))
            return false;
        write_quoted(b, key, false);
        BUF_LIT(b, "=>");
        if (read_member(r, &value))
            write_quoted(b, value, false);
        else
            BUF_LIT(b, "NULL");
    }
    return reader_ok(r);
}

/* pgvector. */
static bool write_floats(struct reader *r, struct buf *b)
{
    const struct binary_plain *real = binary_plain_find("float4");
    unsigned n = read_u16(r);
    read_u16(r);
    for (unsigned i = 0; i < n && reader_ok(r); i++) {
        buf_char(b, i ? ',' : '[');
        real->write(r, b);
    }
    buf_str(b, n ? "]" : "[]");
    return reader_ok(r);
}

/* IEEE 754's binary16 as binary32, of which it is a part. */
static uint32_t widen_half(unsigned half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0x1f)
        return sign | 0x7f800000u | fraction << 13;
    if (exponent)
        return sign | (exponent + 112) << 23 | fraction << 13;
    if (!fraction)
        return sign;
    for (exponent = 113; !(fraction & 0x400); exponent--)
        fraction <<= 1;
    return sign | exponent << 23 | (fraction & 0x3ff) << 13;
}

static bool write_halves(struct reader *r, struct buf *b)
{
    const struct binary_plain *real = binary_plain_find("float4");
    unsigned n = read_u16(r);
    read_u16(r);
    buf_char(b, '[');
    for (unsigned i = 0; i < n && reader_ok(r); i++) {
        uint32_t bits = widen_half(read_u16(r));
        const char bytes[] = {(char)(bits >> 24), (char)(bits >> 16), (char)(bits >> 8), (char)bits};
        struct reader one = reader_of((struct slice){bytes, sizeof bytes});
        if (i)
            buf_char(b, ',');
        real->write(&one, b);
    }
    buf_char(b, ']');
    return reader_ok(r);
}

/* Places, from 0, and then as many values; in the text places count from 1. */
static bool write_sparse(struct reader *r, struct buf *b)
{
    const struct binary_plain *real = binary_plain_find("float4");
    uint32_t dimensions = read_u32(r), n = read_u32(r);
    read_u32(r);
    if (!reader_ok(r) || n > (size_t)(r->end - r->at) / 8)
        return false;
    struct reader places = reader_of(read_bytes(r, 4 * (size_t)n));
    buf_char(b, '{');
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(b, "%s%llu:", i ? "," : "", read_u32(&places) + 1ull);
        real->write(r, b);
    }
    buf_printf(b, "}/%u", (unsigned)dimensions);
    return reader_ok(r);
}

/* ---- the way in ---- */

static bool write_plain(const struct binary_plain *plain, struct reader *r, struct buf *b)
{
    if (plain->skip < 0) {
        plain->write(r, b);
        return reader_done(r);
    }
    read_bytes(r, (size_t)plain->skip);
    buf_slice(b, read_bytes(r, (size_t)(r->end - r->at)));
    return reader_done(r);
}

static bool lacks(struct way *w, const char *name)
{
    w->lacks = name;
    return false;
}

static bool write_by_name(struct way *w, const struct type *type, struct reader *r, struct buf *b)
{
    struct type bound;
    const char *name = type->name;
    const struct binary_plain *plain = binary_plain_find(name);
    if (plain)
        return write_plain(plain, r, b);
    if (strcmp(name, "hstore") == 0)
        return write_hstore(r, b) && reader_done(r);
    if (strcmp(name, "vector") == 0)
        return write_floats(r, b) && reader_done(r);
    if (strcmp(name, "halfvec") == 0)
        return write_halves(r, b) && reader_done(r);
    if (strcmp(name, "sparsevec") == 0)
        return write_sparse(r, b) && reader_done(r);
    if (strcmp(name, "int2vector") == 0 || strcmp(name, "oidvector") == 0)
        return write_vector(w, r, b) && reader_done(r);
    if (type->kind == 'r' && bound_of(name, &bound))
        return write_range(w, &bound, r, b) && reader_done(r);
    if (type->kind == 'm' && bound_of(name, &bound))
        return write_multirange(w, &bound, r, b) && reader_done(r);
    return lacks(w, name);
}

static bool write_type(struct way *w, const struct type *type, struct slice binary, struct buf *b)
{
    struct reader r = reader_of(binary);
    if (w->depth == DEPTH_MOST)
        return false;
    w->depth++;
    bool ok;
    if (type->kind == 'e') {
        buf_slice(b, binary);
        ok = true;
    } else if (type->kind == 'c') {
        ok = write_record(w, &r, b) && reader_done(&r);
    } else if (type->element && type->name[0] == '_') {
        ok = write_array(w, &r, b) && reader_done(&r);
    } else {
        ok = write_by_name(w, type, &r, b);
    }
    w->depth--;
    return ok;
}

static bool write_value(struct way *w, uint32_t oid, struct slice binary, struct buf *b)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *type = types_root(w->types, oid, &typmod, &not_null);
    return type ? write_type(w, type, binary, b) : lacks(w, "unknown");
}

/* Without a copy, where the text is the same bytes. */
static bool borrow(const struct types *types, uint32_t oid, struct slice binary, struct slice *text)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *type = types_root(types, oid, &typmod, &not_null);
    const struct binary_plain *plain = type && type->kind != 'e' ? binary_plain_find(type->name) : NULL;
    if (type && type->kind == 'e')
        *text = binary;
    else if (plain && plain->skip >= 0 && binary.len >= (size_t)plain->skip)
        *text = slice_cut(binary, (size_t)plain->skip, binary.len);
    else
        return false;
    return true;
}

bool binary_text(const struct types *types, uint32_t oid, struct slice binary, struct arena *a,
                 struct slice *text, struct err *e)
{
    struct way w = {.types = types,
                    .most = TEXT_MOST + GROWTH * binary.len,
                    .quotes_most = QUOTES_MOST + GROWTH * binary.len};
    struct buf b = BUF_EMPTY;
    if (borrow(types, oid, binary, text))
        return true;
    bool ok = write_value(&w, oid, binary, &b) && fits(&w, b.len);
    if (ok)
        *text = arena_slice(a, buf_view(&b));
    buf_free(&b);
    if (ok)
        return true;
    if (w.lacks)
        return err_set(e, ERR_CONFIG, "type %s cannot be read in binary form", w.lacks);
    return w.exceeded ? err_set(e, ERR_DATA, "a binary value of %zu bytes is more than %zu as text",
                                binary.len, w.most)
                      : err_set(e, ERR_DATA, "malformed binary value of %zu bytes", binary.len);
}

bool binary_cells(const struct types *types, const struct relation *rel, struct cell *cells, size_t most,
                  struct arena *a, struct err *e)
{
    for (size_t i = 0; cells && i < rel->n_columns; i++) {
        struct cell *c = &cells[i];
        struct slice text;
        if (c->kind != 'b' || c->data.len > most)
            continue;
        if (binary_text(types, rel->columns[i].type_oid, c->data, a, &text, e))
            *c = (struct cell){'t', text};
        else if (e->kind == ERR_CONFIG)
            *e = (struct err){0};
        else
            return err_prefix(e, "%s.%s column %s", rel->schema, rel->name, rel->columns[i].name);
    }
    return true;
}

bool binary_lacks(const struct relation *rel, const struct column *column, struct err *e)
{
    return err_set(
        e, ERR_DATA,
        "%s.%s column %s came in binary form, which walwire cannot read of its type; the stream is "
        "binary where a row is too large to be sent as text, or by slot.stream.params: leave the "
        "column out (column.exclude.list), or the binary option",
        rel->schema, rel->name, column->name);
}
