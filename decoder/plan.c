/* plan.c - tuple to bytes.
 *
 * Every text that does not depend on the row is made in plan_new: `"name":` for each column, what a NULL, an
 * absent and an unavailable value look like, the schema in front, the table part of the source block. */
#include "plan_impl.h"

#include "binary_text.h"
#include "column_size.h"
#include "json.h"
#include "xmalloc.h"

#include <stdlib.h>

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
    buf_char(&b, ',');
    json_string(&b, slice_of(f->name));
    buf_char(&b, ':');
    f->label = keep(p, &b);
    struct value v;
    field_null(f, &p->arena, &v);
    value_json(&b, f->codec->schema, &v, style);
    f->null = keep(p, &b);
    f->unplaced = field_lacks_placeholder(f, &p->arena);
    field_unavailable(f, &p->arena, &v);
    value_json(&b, f->codec->schema, &v, style);
    f->unavailable = keep(p, &b);
    buf_free(&b);
}

/* Rules change a column in the value only: a key stays a key. */
static const struct column_rule *rule_of(const struct plan *p, const struct plan_settings *set,
                                         const struct plan_choice *choice, const struct column *column)
{
    return column_rules_find(choice->rules, p->rel->schema, p->rel->name, column->name,
                             column_type_name(column, set->types));
}

/* What the catalogue says of columns that are left out Debezium does not ask for in the stream: as a key's
 * they may be null and have no default. */
static struct column described(const struct plan_settings *set, const struct plan_choice *choice,
                               const struct column *column, size_t at)
{
    struct column c = *column;
    if (choice->columns && !choice->columns[at] && !set->modes->snapshot) {
        c.not_null = false;
        c.preset = NULL;
    }
    return c;
}

static bool field_make(struct plan *p, const struct plan_settings *set, const struct plan_choice *choice,
                       size_t at, bool of_key, struct field *out, struct err *e)
{
    const struct column *column = &p->rel->columns[at];
    *out = (struct field){.column = at};
    const struct column as = described(set, choice, column, at);
    if (!codec_make(&as, set->types, set->modes, &p->arena, &out->plain, e))
        return err_prefix(e, "%s.%s column %s", p->rel->schema, p->rel->name, column->name);
    if (!out->plain)
        return true;
    out->of_key = of_key;
    const struct column_rule *rule = of_key ? NULL : rule_of(p, set, choice, column);
    out->codec = column_map_codec(rule, column, out->plain, &p->arena, &out->map);
    if (!out->codec) {
        out->plain = NULL;
        return true;
    }
    out->name = name_adjust(choice->field_names, true, column->name, &p->arena);
    field_fill(p, out, of_key ? &set->key_style : &set->value_style);
    return true;
}

/* Two columns under one name after adjusting, or one named twice for the key. */
static bool check_names(const struct plan *p, const struct field *fields, size_t n, struct err *e)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(fields[i].name, fields[k].name) == 0)
                return err_set(e, ERR_CONFIG, "%s.%s: columns %s and %s are both the field %s",
                               p->rel->schema, p->rel->name, p->rel->columns[fields[k].column].name,
                               p->rel->columns[fields[i].column].name, fields[i].name);
    return true;
}

static const struct schema *struct_schema(struct plan *p, const char *name, const struct field *fields,
                                          size_t n, bool optional)
{
    struct schema_field *sf = arena_alloc(&p->arena, (n + 1) * sizeof *sf);
    for (size_t i = 0; i < n; i++)
        sf[i] = (struct schema_field){fields[i].name, fields[i].codec->schema};
    struct schema *s = arena_zero(&p->arena, sizeof *s);
    *s = (struct schema){
        .type = SCHEMA_STRUCT, .optional = optional, .name = name, .fields = sf, .n_fields = n};
    return s;
}

static const struct schema *key_schema(struct plan *p, const char *name)
{
    const struct schema *plain = struct_schema(p, name, p->key, p->n_key, false);
    if (!p->key_field)
        return plain;
    struct schema *s = arena_zero(&p->arena, sizeof *s);
    struct schema_field *fields = arena_alloc(&p->arena, (p->n_key + 1) * sizeof *fields);
    memcpy(fields, plain->fields, p->n_key * sizeof *fields);
    fields[p->n_key] = (struct schema_field){p->key_field, &string_schema};
    *s = *plain;
    s->fields = fields;
    s->n_fields = p->n_key + 1;
    return s;
}

static void key_extra(struct plan *p, const struct plan_choice *choice)
{
    if (!choice->key_field)
        return;
    struct buf b = BUF_EMPTY;
    buf_str(&b, choice->key_field);
    p->key_field = keep(p, &b).ptr;
    buf_str(&b, choice->key_text);
    p->key_text = keep(p, &b);
    buf_char(&b, ',');
    json_string(&b, slice_of(p->key_field));
    buf_char(&b, ':');
    json_string(&b, p->key_text);
    p->key_tail = keep(p, &b);
    buf_free(&b);
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
        if (!field_make(p, set, choice, i, false, &p->fields[p->n_fields], e))
            return false;
        const struct codec *plain = p->fields[p->n_fields].plain;
        p->grows |= plain && plain->rule->knows;
        p->n_fields += plain != NULL;
    }
    p->keyed = choice->n_key > 0;
    p->key = arena_zero(&p->arena, (choice->n_key + 1) * sizeof *p->key);
    for (size_t i = 0; i < choice->n_key; i++) {
        if (!field_make(p, set, choice, choice->key[i], true, &p->key[p->n_key], e))
            return false;
        p->n_key += p->key[p->n_key].plain != NULL;
    }
    return (choice->field_names == NAME_ADJUST_NONE || check_names(p, p->fields, p->n_fields, e)) &&
           check_names(p, p->key, p->n_key, e);
}

static const char *schema_name(struct plan *p, const struct plan_choice *choice, const char *part)
{
    return name_adjust(choice->schema_names, false, arena_printf(&p->arena, "%s.%s", choice->topic, part),
                       &p->arena);
}

static void make_texts(struct plan *p, const struct plan_choice *choice)
{
    const char *row_name = schema_name(p, choice, "Value"), *name = schema_name(p, choice, "Envelope");
    p->value_schema = envelope_schema(p, name, struct_schema(p, row_name, p->fields, p->n_fields, true));
    p->value_head = head_text(p, p->value_schema, &p->value_style);
    if (plan_has_key(p)) {
        p->key_schema = key_schema(p, schema_name(p, choice, "Key"));
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
    p->strict = choice->strict;
    if (!make_fields(p, set, choice, e)) {
        plan_free(p);
        return NULL;
    }
    key_extra(p, choice);
    make_texts(p, choice);
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    stamp_free(&p->stamp);
    buf_free(&p->left);
    buf_free(&p->right);
    arena_free(&p->scratch);
    arena_free(&p->arena);
    free(p);
}

/* ---- tuple to bytes ---- */

bool plan_failed(struct plan *p, const struct field *f, const struct err *why, struct err *e)
{
    const struct relation *rel = p->rel;
    const struct column *c = &rel->columns[f->column];
    bool required = !f->codec->schema->optional;
    if (required && (p->strict || f->of_key))
        return err_set(e, ERR_DATA, "%s.%s column %s cannot be converted: %s", rel->schema, rel->name,
                       c->name, why->text);
    if (required && !f->codec->schema->preset)
        return err_set(e, ERR_DATA, "%s.%s column %s cannot be converted, and must not be null: %s",
                       rel->schema, rel->name, c->name, why->text);
    p->failures++;
    p->last_failure = *why;
    err_prefix(&p->last_failure, "%s.%s column %s", rel->schema, rel->name, c->name);
    return true;
}

void plan_unplaced(struct plan *p, const struct field *f)
{
    const struct relation *rel = p->rel;
    p->failures++;
    err_set(&p->last_failure, ERR_DATA,
            "%s.%s column %s: an unchanged TOAST value has no placeholder, and must not be null", rel->schema,
            rel->name, rel->columns[f->column].name);
}

bool plan_not_text(const struct plan *p, const struct field *f, struct err *e)
{
    return binary_lacks(p->rel, &p->rel->columns[f->column], e);
}

/* *e says why the value cannot be converted. */
__attribute__((cold, noinline)) static bool cell_failed(struct plan *p, const struct field *f, struct buf *b,
                                                        struct err *e)
{
    struct err why = *e;
    if (!plan_failed(p, f, &why, e))
        return false;
    *e = (struct err){0};
    buf_slice(b, f->null);
    return true;
}

static bool write_cell(struct plan *p, const struct field *f, const struct cell *c,
                       const struct json_style *style, struct buf *b, struct err *e)
{
    switch (c->kind) {
    case 't':
        return codec_write(f->codec, c->data, b, &p->scratch, style, e) || cell_failed(p, f, b, e);
    case 'u':
        if (f->unplaced)
            plan_unplaced(p, f);
        buf_slice(b, f->unavailable);
        return true;
    case 'n':
        buf_slice(b, f->null);
        return true;
    default:
        return plan_not_text(p, f, e);
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

bool plan_knows_labels(const struct plan *p, const struct cell *cells)
{
    for (size_t i = 0; cells && p->grows && i < p->n_fields; i++) {
        const struct codec *codec = p->fields[i].plain;
        const struct cell *c = &cells[p->fields[i].column];
        if (codec->rule->knows && c->kind == 't' && !codec->rule->knows(codec, c->data))
            return false;
    }
    return true;
}

/* ---- comparing ---- */

static void cell_json(struct plan *p, const struct field *f, const struct cell *c, struct buf *b)
{
    static const struct json_style plainly = {.null_as_default = false};
    struct value v;
    struct err ignored;
    if (c->kind == 'u')
        field_unavailable(f, &p->scratch, &v);
    else if (c->kind != 't' || !codec_value(f->codec, c->data, &p->scratch, &v, &ignored))
        field_null(f, &p->scratch, &v);
    value_json(b, f->codec->schema, &v, &plainly);
}

static bool same_value(struct plan *p, const struct field *f, const struct cell *a, const struct cell *b)
{
    bool binary = a->kind == 'b' || b->kind == 'b'; /* of a type whose text is not known */
    bool same = a->kind == b->kind && ((a->kind != 't' && !binary) || slice_eq(a->data, b->data));
    if (same || binary)
        return same;
    buf_reset(&p->left);
    buf_reset(&p->right);
    cell_json(p, f, a, &p->left);
    cell_json(p, f, b, &p->right);
    return slice_eq(buf_view(&p->left), buf_view(&p->right));
}

bool plan_unchanged(struct plan *p, const struct cell *before, const struct cell *after)
{
    bool same = true;
    arena_reset(&p->scratch);
    for (size_t i = 0; same && i < p->n_fields; i++)
        same = same_value(p, &p->fields[i], &before[p->fields[i].column], &after[p->fields[i].column]);
    return same;
}

bool plan_has_key(const struct plan *p)
{
    return p->keyed || p->key_field;
}

static bool write_key(struct plan *p, const struct cell *cells, struct buf *b, struct err *e)
{
    if (!write_struct(p, p->key, p->n_key, cells, &p->key_style, b, e))
        return false;
    if (p->key_tail.len) {
        size_t skip = p->n_key == 0;
        b->len--; /* the closing brace */
        buf_append(b, p->key_tail.ptr + skip, p->key_tail.len - skip);
        buf_char(b, '}');
    }
    return true;
}

bool plan_key(struct plan *p, const struct cell *cells, struct buf *key, struct err *e)
{
    arena_reset(&p->scratch);
    buf_slice(key, p->key_head);
    if (!write_key(p, cells, key, e))
        return false;
    if (p->key_style.schemas)
        buf_char(key, '}');
    return true;
}

bool plan_key_header(struct plan *p, const struct cell *cells, struct buf *out, struct err *e)
{
    struct value v;
    arena_reset(&p->scratch);
    if (!plan_key_tree(p, cells, &p->scratch, &v, e))
        return false;
    value_text(out, p->key_schema, &v);
    return true;
}

bool plan_value(struct plan *p, const struct event *ev, struct buf *b, struct err *e)
{
    arena_reset(&p->scratch);
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
    return true;
}

struct slice plan_payload(const struct plan *p, struct slice value)
{
    size_t head = p->value_head.len, tail = p->value_style.schemas ? 1 : 0;
    return slice_cut(value, head, value.len - head - tail);
}

/* ---- looking at it ---- */

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
