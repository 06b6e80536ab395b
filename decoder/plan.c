/* plan.c - tuple to bytes, and tuple to value tree.
 *
 * Every text that does not depend on the row is made in plan_new: `"name":` for each column, what a NULL, an
 * absent and an unavailable value look like, the schema in front, the table part of the source block. */
#include "plan.h"

#include "json.h"
#include "xmalloc.h"

#include <stdlib.h>

struct field {
    size_t column; /* index into the tuple */
    const struct codec *codec;
    struct slice label;       /* ,"name": (the first without its comma is label + 1) */
    struct slice null;        /* JSON of SQL NULL, and of what a key-only tuple does not hold */
    struct slice unavailable; /* JSON of an unchanged TOAST value */
};

struct plan {
    const struct relation *rel;
    struct json_style key_style, value_style;
    struct arena arena, scratch;
    struct field *fields, *key;
    size_t n_fields, n_key;
    bool has_enums;
    const struct schema *key_schema, *value_schema;
    struct slice key_head, value_head, table_json;
    struct stamp stamp;
    uint64_t failures;
    struct err last_failure;
};

static const struct schema string_schema = {.type = SCHEMA_STRING};
static const struct schema int64_schema = {.type = SCHEMA_INT64};
static const struct schema optional_int64 = {.type = SCHEMA_INT64, .optional = true};
static const struct schema_field order_fields[] = {
    {"id", &string_schema}, {"total_order", &int64_schema}, {"data_collection_order", &int64_schema}};
const struct schema order_schema = {.type = SCHEMA_STRUCT,
                                    .optional = true,
                                    .name = "event.block",
                                    .version = 1,
                                    .fields = order_fields,
                                    .n_fields = 3};

/* ---- making a plan ---- */

static struct slice keep(struct plan *p, struct buf *b)
{
    struct slice s = arena_slice(&p->arena, buf_view(b));
    buf_reset(b);
    return s;
}

/* `style` is the key's or the value's: the same column may look different in both. */
static void field_fill(struct plan *p, struct field *f, const struct json_style *style)
{
    struct buf b = BUF_EMPTY;
    const struct column *c = &p->rel->columns[f->column];
    buf_char(&b, ',');
    json_string(&b, slice_of(c->name));
    buf_char(&b, ':');
    f->label = keep(p, &b);
    struct value v = value_null();
    if (!f->codec->schema->optional)
        codec_absent(f->codec, &p->arena, &v);
    value_json(&b, f->codec->schema, &v, style);
    f->null = keep(p, &b);
    codec_unavailable(f->codec, &p->arena, &v);
    value_json(&b, f->codec->schema, &v, style);
    f->unavailable = keep(p, &b);
    buf_free(&b);
}

static bool field_make(struct plan *p, const struct plan_settings *set, size_t column,
                       const struct json_style *style, struct field *out, struct err *e)
{
    *out = (struct field){.column = column};
    if (!codec_make(&p->rel->columns[column], set->types, set->modes, &p->arena, &out->codec, e))
        return err_prefix(e, "%s.%s column %s", p->rel->schema, p->rel->name, p->rel->columns[column].name);
    if (out->codec)
        field_fill(p, out, style);
    return true;
}

static const struct schema *struct_schema(struct plan *p, const char *name, const struct field *fields,
                                          size_t n, bool optional)
{
    struct schema_field *sf = arena_alloc(&p->arena, (n + 1) * sizeof *sf);
    for (size_t i = 0; i < n; i++)
        sf[i] = (struct schema_field){p->rel->columns[fields[i].column].name, fields[i].codec->schema};
    struct schema *s = arena_zero(&p->arena, sizeof *s);
    *s = (struct schema){
        .type = SCHEMA_STRUCT, .optional = optional, .name = name, .fields = sf, .n_fields = n};
    return s;
}

static const struct schema *envelope_schema(struct plan *p, const char *name, const struct schema *row)
{
    const struct schema_field all[] = {
        {"before", row},
        {"after", row},
        {"source", &source_schema},
        {"transaction", &order_schema},
        {"op", &string_schema},
        {"ts_ms", &optional_int64},
        {"ts_us", &optional_int64},
        {"ts_ns", &optional_int64},
    };
    struct schema_field *f = arena_alloc(&p->arena, sizeof all);
    memcpy(f, all, sizeof all);
    struct schema *s = arena_zero(&p->arena, sizeof *s);
    *s = (struct schema){.type = SCHEMA_STRUCT, .name = name, .version = 2, .fields = f, .n_fields = 8};
    return s;
}

static struct slice head_text(struct plan *p, const struct schema *s, const struct json_style *style)
{
    struct buf b = BUF_EMPTY;
    if (style->schemas) {
        BUF_LIT(&b, "{\"schema\":");
        schema_json_as(&b, s, NULL, style);
        BUF_LIT(&b, ",\"payload\":");
    }
    struct slice text = keep(p, &b);
    buf_free(&b);
    return text;
}

static bool make_fields(struct plan *p, const struct plan_settings *set, const struct plan_choice *choice,
                        struct err *e)
{
    p->fields = arena_zero(&p->arena, (p->rel->n_columns + 1) * sizeof *p->fields);
    for (size_t i = 0; i < p->rel->n_columns; i++) {
        if (choice->columns && !choice->columns[i])
            continue;
        if (!field_make(p, set, i, &set->value_style, &p->fields[p->n_fields], e))
            return false;
        const struct codec *codec = p->fields[p->n_fields].codec;
        p->has_enums |= codec && codec->rule == &type_rule_enum;
        p->n_fields += codec != NULL;
    }
    p->key = arena_zero(&p->arena, (choice->n_key + 1) * sizeof *p->key);
    for (size_t i = 0; i < choice->n_key; i++) {
        if (!field_make(p, set, choice->key[i], &set->key_style, &p->key[p->n_key], e))
            return false;
        if (p->key[p->n_key].codec)
            p->n_key++;
    }
    return true;
}

static void make_texts(struct plan *p, const char *topic)
{
    char *row_name = arena_printf(&p->arena, "%s.Value", topic),
         *name = arena_printf(&p->arena, "%s.Envelope", topic);
    p->value_schema = envelope_schema(p, name, struct_schema(p, row_name, p->fields, p->n_fields, true));
    p->value_head = head_text(p, p->value_schema, &p->value_style);
    if (p->n_key) {
        p->key_schema = struct_schema(p, arena_printf(&p->arena, "%s.Key", topic), p->key, p->n_key, false);
        p->key_head = head_text(p, p->key_schema, &p->key_style);
    }
    struct buf b = BUF_EMPTY;
    BUF_LIT(&b, "\"schema\":");
    json_string(&b, slice_of(p->rel->schema));
    BUF_LIT(&b, ",\"table\":");
    json_string(&b, slice_of(p->rel->name));
    p->table_json = keep(p, &b);
    buf_free(&b);
}

struct plan *plan_new(const struct plan_settings *set, const struct relation *rel,
                      const struct plan_choice *choice, struct err *e)
{
    struct plan *p = xcalloc(1, sizeof *p);
    p->rel = rel;
    p->key_style = set->key_style;
    p->value_style = set->value_style;
    if (!make_fields(p, set, choice, e)) {
        plan_free(p);
        return NULL;
    }
    make_texts(p, choice->topic);
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    stamp_free(&p->stamp);
    arena_free(&p->scratch);
    arena_free(&p->arena);
    free(p);
}

/* ---- tuple to bytes ---- */

/* A value that cannot be converted is written as null, or as the column's fallback where null is not allowed.
 */
static void note_failure(struct plan *p, const struct field *f, const struct err *why)
{
    p->failures++;
    p->last_failure = *why;
    err_prefix(&p->last_failure, "%s.%s column %s", p->rel->schema, p->rel->name,
               p->rel->columns[f->column].name);
}

/* PostgreSQL sends text unless asked for binary, which walwire never asks for. */
static bool not_text(const struct plan *p, const struct field *f, struct err *e)
{
    return err_set(e, ERR_DATA, "%s.%s column %s: a binary value came though text was asked for",
                   p->rel->schema, p->rel->name, p->rel->columns[f->column].name);
}

static bool write_cell(struct plan *p, const struct field *f, const struct cell *c,
                       const struct json_style *style, struct buf *b, struct err *e)
{
    struct err why;
    switch (c->kind) {
    case 't':
        if (codec_write(f->codec, c->data, b, &p->scratch, style, &why))
            return true;
        note_failure(p, f, &why);
        buf_slice(b, f->null);
        return true;
    case 'u':
        buf_slice(b, f->unavailable);
        return true;
    case 'n':
        buf_slice(b, f->null);
        return true;
    default:
        return not_text(p, f, e);
    }
}

static bool write_struct(struct plan *p, const struct field *fields, size_t n, const struct cell *cells,
                         const struct json_style *style, struct buf *b, struct err *e)
{
    buf_char(b, '{');
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        size_t skip = i == 0;
        buf_append(b, f->label.ptr + skip, f->label.len - skip);
        if (!write_cell(p, f, &cells[f->column], style, b, e))
            return false;
    }
    buf_char(b, '}');
    return true;
}

static bool write_row(struct plan *p, const struct cell *cells, struct buf *b, struct err *e)
{
    if (cells)
        return write_struct(p, p->fields, p->n_fields, cells, &p->value_style, b, e);
    BUF_LIT(b, "null");
    return true;
}

static void write_order(struct buf *b, const struct order *o)
{
    if (!o) {
        BUF_LIT(b, "null");
        return;
    }
    BUF_LIT(b, "{\"id\":\"");
    buf_u64(b, o->xid);
    buf_char(b, ':');
    buf_u64(b, o->lsn);
    BUF_LIT(b, "\",\"total_order\":");
    buf_i64(b, o->total);
    BUF_LIT(b, ",\"data_collection_order\":");
    buf_i64(b, o->collection);
    buf_char(b, '}');
}

/* The digits at [from, to) of the buffer again, and three more. */
static void write_finer(struct buf *b, size_t from, size_t to, unsigned part)
{
    char *at = buf_room(b, to - from + 3);
    memcpy(at, b->ptr + from, to - from);
    at += to - from;
    at[0] = (char)('0' + part / 100);
    at[1] = (char)('0' + part / 10 % 10);
    at[2] = (char)('0' + part % 10);
    buf_added(b, to - from + 3);
}

/* One instant three times: microseconds are the milliseconds' digits and three more, nanoseconds those and
 * three more. */
static void write_times(struct buf *b, int64_t ts_ns)
{
    BUF_LIT(b, ",\"ts_ms\":");
    size_t from = b->len;
    buf_i64(b, ts_ns / 1000000);
    size_t to = b->len;
    BUF_LIT(b, ",\"ts_us\":");
    if (ts_ns < 1000000) { /* no digits to build on */
        buf_i64(b, ts_ns / 1000);
        BUF_LIT(b, ",\"ts_ns\":");
        buf_i64(b, ts_ns);
        return;
    }
    size_t us = b->len;
    write_finer(b, from, to, (unsigned)(ts_ns / 1000 % 1000));
    to = b->len;
    BUF_LIT(b, ",\"ts_ns\":");
    write_finer(b, us, to, (unsigned)(ts_ns % 1000));
}

static bool has_label(const struct type *type, struct slice label)
{
    for (size_t i = 0; i < type->n_labels; i++)
        if (slice_is(label, type->labels[i]))
            return true;
    return false;
}

bool plan_knows_labels(const struct plan *p, const struct cell *cells)
{
    for (size_t i = 0; cells && p->has_enums && i < p->n_fields; i++) {
        const struct codec *codec = p->fields[i].codec;
        const struct cell *c = &cells[p->fields[i].column];
        if (codec->rule == &type_rule_enum && c->kind == 't' && !has_label(codec->type, c->data))
            return false;
    }
    return true;
}

bool plan_has_key(const struct plan *p)
{
    return p->n_key > 0;
}

bool plan_key(struct plan *p, const struct cell *cells, struct buf *key, struct err *e)
{
    buf_slice(key, p->key_head);
    if (!write_struct(p, p->key, p->n_key, cells, &p->key_style, key, e))
        return false;
    if (p->key_style.schemas)
        buf_char(key, '}');
    arena_reset(&p->scratch);
    return true;
}

bool plan_key_header(struct plan *p, const struct cell *cells, struct buf *out, struct err *e)
{
    bool ok = write_struct(p, p->key, p->n_key, cells, &p->key_style, out, e);
    arena_reset(&p->scratch);
    return ok;
}

bool plan_value(struct plan *p, const struct event *ev, struct buf *b, struct err *e)
{
    buf_slice(b, p->value_head);
    BUF_LIT(b, "{\"before\":");
    if (!write_row(p, ev->before, b, e))
        return false;
    BUF_LIT(b, ",\"after\":");
    if (!write_row(p, ev->after, b, e))
        return false;
    BUF_LIT(b, ",\"source\":");
    stamp_json(&p->stamp, b, ev->source, p->table_json, p->value_style.null_as_default);
    BUF_LIT(b, ",\"transaction\":");
    write_order(b, ev->order);
    BUF_LIT(b, ",\"op\":\"");
    buf_char(b, (char)ev->op);
    buf_char(b, '"');
    write_times(b, ev->ts_ns);
    buf_append(b, "}}", p->value_style.schemas ? 2 : 1);
    arena_reset(&p->scratch);
    return true;
}

/* ---- tuple to value tree ---- */

static bool cell_value(struct plan *p, const struct field *f, const struct cell *c, struct arena *a,
                       struct value *out, struct err *e)
{
    struct err why;
    if (c->kind == 'b')
        return not_text(p, f, e);
    if (c->kind == 't' && codec_value(f->codec, c->data, a, out, &why))
        return true;
    if (c->kind == 't')
        note_failure(p, f, &why);
    *out = value_null();
    if (c->kind == 'u')
        codec_unavailable(f->codec, a, out);
    else if (!f->codec->schema->optional)
        codec_absent(f->codec, a, out);
    return true;
}

static bool struct_value(struct plan *p, const struct field *fields, size_t n, const struct cell *cells,
                         struct arena *a, struct value *out, struct err *e)
{
    struct value *items = arena_alloc(a, (n + 1) * sizeof *items);
    *out = cells ? value_list(items, n) : value_null();
    for (size_t i = 0; cells && i < n; i++)
        if (!cell_value(p, &fields[i], &cells[fields[i].column], a, &items[i], e))
            return false;
    return true;
}

struct value order_value(const struct order *o, struct arena *a)
{
    if (!o)
        return value_null();
    struct value *v = arena_alloc(a, 3 * sizeof *v);
    v[0] = value_string(slice_of(arena_printf(a, "%u:%llu", o->xid, (unsigned long long)o->lsn)));
    v[1] = value_int(o->total);
    v[2] = value_int(o->collection);
    return value_list(v, 3);
}

bool plan_key_tree(struct plan *p, const struct cell *cells, struct arena *a, struct value *out,
                   struct err *e)
{
    return struct_value(p, p->key, p->n_key, cells, a, out, e);
}

bool plan_tree(struct plan *p, const struct event *ev, struct arena *a, struct value *out, struct err *e)
{
    struct source source = *ev->source;
    source.schema = p->rel->schema;
    source.table = p->rel->name;
    char *op = arena_printf(a, "%c", ev->op);
    struct value *v = arena_alloc(a, 8 * sizeof *v);
    if (!struct_value(p, p->fields, p->n_fields, ev->before, a, &v[0], e) ||
        !struct_value(p, p->fields, p->n_fields, ev->after, a, &v[1], e))
        return false;
    v[2] = source_value(&source, a);
    v[3] = order_value(ev->order, a);
    v[4] = value_string(slice_of(op));
    v[5] = value_int(ev->ts_ns / 1000000);
    v[6] = value_int(ev->ts_ns / 1000);
    v[7] = value_int(ev->ts_ns);
    *out = value_list(v, 8);
    return true;
}

bool plan_tree_json(struct plan *p, const struct event *ev, struct arena *a, struct buf *b, struct err *e)
{
    struct value tree;
    if (!plan_tree(p, ev, a, &tree, e))
        return false;
    buf_slice(b, p->value_head);
    value_json(b, p->value_schema, &tree, &p->value_style);
    if (p->value_style.schemas)
        buf_char(b, '}');
    return true;
}

const struct schema *plan_key_schema(const struct plan *p)
{
    return p->key_schema;
}

const struct schema *plan_value_schema(const struct plan *p)
{
    return p->value_schema;
}

uint64_t plan_failures(const struct plan *p)
{
    return p->failures;
}

const char *plan_last_failure(const struct plan *p)
{
    return p->last_failure.text;
}
