/* types_composite.c - composite types, and the row types of tables, as structs.
 *
 * Debezium leaves such columns out; with walwire.composites they are written, with all of their fields: what
 * struct type_better puts right holds inside in any case. A field can always be null. Source: record_out and
 * record_in in PostgreSQL's rowtypes.c. */
#include "codec.h"

/* What is left of the text; `room` takes the cells without quotes and has as many bytes as the text. */
struct record_reader {
    const char *at, *end; /* at: behind the opening parenthesis or a comma; end: at the closing parenthesis */
    char *room;
    bool done;
};

static bool record_open(struct record_reader *r, struct slice text, struct arena *a)
{
    if (text.len < 2 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')')
        return false;
    *r = (struct record_reader){.at = text.ptr + 1, .end = text.ptr + text.len - 1};
    r->room = arena_alloc(a, text.len);
    return true;
}

/* Reads up to the next comma. false: malformed. */
static bool record_next(struct record_reader *r, struct slice *cell, bool *null)
{
    bool quoted = false;
    const char *from = r->at;
    size_t n = 0;
    for (; r->at < r->end && (quoted || *r->at != ','); r->at++) {
        if (*r->at == '"' && !(quoted && r->at + 1 < r->end && r->at[1] == '"')) {
            quoted = !quoted;
            continue;
        }
        if (*r->at == '"' || *r->at == '\\')
            r->at++;
        if (r->at == r->end)
            return false;
        r->room[n++] = *r->at;
    }
    *null = r->at == from;
    *cell = (struct slice){r->room, n};
    r->room += n;
    r->done = r->at == r->end;
    r->at += !r->done;
    return !quoted;
}

static bool composite_shape(struct codec *c, struct schema *s, struct arena *a)
{
    size_t n = c->type->n_fields;
    const struct codec **members = arena_alloc(a, (n + 1) * sizeof *members);
    struct schema_field *fields = arena_alloc(a, (n + 1) * sizeof *fields);
    *s = (struct schema){.type = SCHEMA_STRUCT, .fields = fields};
    if (!codec_widen(c, n))
        return false;
    for (size_t i = 0; i < n && codec_widen(c, 0); i++) {
        const struct type_field *f = &c->type->fields[i];
        members[i] = codec_within(f, c, c->depth + 1, a);
        if (members[i])
            fields[s->n_fields++] = (struct schema_field){
                name_adjust(c->modes->field_names, true, f->name, a), members[i]->schema};
    }
    c->members = members;
    s->name = name_adjust(c->modes->schema_names, false,
                          arena_printf(a, "%s.%s", c->type->schema, c->type->name), a);
    return s->n_fields > 0 && codec_widen(c, 0);
}

static bool member_value(const struct codec *member, struct slice cell, const char *name, struct arena *a,
                         struct value *out, struct err *e)
{
    return codec_value(member, cell, a, out, e) || err_prefix(e, "field %s", name);
}

/* Fields that the text does not have yet are null: the type grew after the row was written. */
static bool composite_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                            struct err *e)
{
    struct record_reader r;
    struct value *items = arena_alloc(a, c->schema->n_fields * sizeof *items);
    size_t n = 0;
    if (!record_open(&r, text, a))
        return err_set(e, ERR_DATA, "malformed text of a composite type");
    for (size_t i = 0; i < c->type->n_fields; i++) {
        struct slice cell;
        bool null = true;
        if (!r.done && !record_next(&r, &cell, &null))
            return err_set(e, ERR_DATA, "malformed text of a composite type");
        if (!c->members[i])
            continue;
        items[n] = value_null();
        if (!null && !member_value(c->members[i], cell, c->type->fields[i].name, a, &items[n], e))
            return false;
        n++;
    }
    *out = value_list(items, n);
    return r.done || err_set(e, ERR_DATA, "a value of type %s has more fields than its type", c->type->name);
}

static bool member_knows(const struct codec *member, struct slice cell, bool null)
{
    return !member || null || !member->rule->knows || member->rule->knows(member, cell);
}

/* As many fields as the type has, here and in the composites inside. */
static bool composite_knows(const struct codec *c, struct slice text)
{
    struct arena scratch = {0};
    struct record_reader r;
    bool ok = record_open(&r, text, &scratch);
    size_t n = 0;
    while (ok && !r.done) {
        struct slice cell;
        bool null;
        ok =
            n < c->type->n_fields && record_next(&r, &cell, &null) && member_knows(c->members[n], cell, null);
        n++;
    }
    arena_free(&scratch);
    return ok && n == c->type->n_fields;
}

static void composite_absent(const struct codec *c, struct arena *a, struct value *out)
{
    size_t n = c->schema->n_fields;
    struct value *items = arena_alloc(a, n * sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = value_null();
    *out = value_list(items, n);
}

const struct type_rule type_rule_composite = {
    .name = "composite",
    .shape = composite_shape,
    .value = composite_value,
    .absent = composite_absent,
    .knows = composite_knows,
};
