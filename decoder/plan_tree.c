/* plan_tree.c - tuple to value tree, and from there to JSON: the slow way, to which plan.c's is compared. */
#include "plan_impl.h"

static bool cell_value(struct plan *p, const struct field *f, const struct cell *c, struct arena *a,
                       struct value *out, struct err *e)
{
    struct err why;
    if (c->kind == 'b')
        return plan_not_text(p, f, e);
    if (c->kind == 't' && codec_value(f->codec, c->data, a, out, &why))
        return true;
    if (c->kind == 't' && !plan_failed(p, f, &why, e))
        return false;
    if (c->kind == 'u' && f->unplaced)
        plan_unplaced(p, f);
    if (c->kind == 'u')
        field_unavailable(f, a, out);
    else
        field_null(f, a, out);
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
    if (!struct_value(p, p->key, p->n_key, cells, a, out, e))
        return false;
    if (p->key_field && cells) { /* struct_value has room for one more */
        out->list.items[p->n_key] = value_string(p->key_text);
        out->list.count++;
    }
    return true;
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

static void tree_json(const struct value *tree, const struct schema *s, const struct json_style *style,
                      struct buf *b)
{
    if (style->schemas) {
        BUF_LIT(b, "{\"schema\":");
        schema_json_as(b, s, NULL, style);
        BUF_LIT(b, ",\"payload\":");
    }
    value_json(b, s, tree, style);
    if (style->schemas)
        buf_char(b, '}');
}

bool plan_tree_json(struct plan *p, const struct event *ev, struct arena *a, struct buf *b, struct err *e)
{
    struct value tree;
    if (!plan_tree(p, ev, a, &tree, e))
        return false;
    tree_json(&tree, plan_value_schema(p), &p->value_style, b);
    return true;
}

bool plan_key_tree_json(struct plan *p, const struct cell *cells, struct arena *a, struct buf *b,
                        struct err *e)
{
    struct value tree;
    if (!plan_key_tree(p, cells, a, &tree, e))
        return false;
    tree_json(&tree, plan_key_schema(p), &p->key_style, b);
    return true;
}
