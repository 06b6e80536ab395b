/* plan_size.c - how large a value will be at least, told from its cells: what cannot fit need not be made. */
#include "plan_impl.h"

#include "xmalloc.h"

#define SMALL 1024 /* values below this are not counted: numbers and times may become shorter */

/* Types whose text stands in the record as it is, or longer. */
static bool is_verbatim(const char *type)
{
    static const char *const types[] = {"text", "varchar", "bpchar", "json", "jsonb", "xml", "citext"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

/* Three bytes become four characters, or one two. */
static size_t bytes_size(const struct codec *codec, size_t n)
{
    return codec->modes->binary == BINARY_HEX ? 2 * n : n / 3 * 4;
}

static size_t cell_size(const struct field *f, const struct cell *c)
{
    const char *type = f->plain->rule->name;
    if (f->map || f->codec != f->plain || c->data.len < SMALL || (c->kind != 't' && c->kind != 'b'))
        return 0;
    if (strcmp(type, "bytea") == 0)
        return bytes_size(f->plain, c->kind == 'b' ? c->data.len : (c->data.len - 2) / 2);
    return is_verbatim(type) ? c->data.len : 0;
}

static size_t row_size(const struct plan *p, const struct cell *cells)
{
    size_t size = 0;
    for (size_t i = 0; cells && i < p->n_fields; i++)
        size += cell_size(&p->fields[i], &cells[p->fields[i].column]);
    return size;
}

size_t plan_least_size(const struct plan *p, const struct cell *before, const struct cell *after)
{
    return row_size(p, before) + row_size(p, after);
}

void plan_trim(struct plan *p)
{
    arena_free(&p->scratch);
    buf_free(&p->left);
    buf_free(&p->right);
}
