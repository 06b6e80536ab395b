/* field.c - what a field holds when no value came for it. */
#include "plan_impl.h"

#include "utf8.h"

void field_null(const struct field *f, struct arena *a, struct value *out)
{
    codec_absent(f->plain, a, out);
    if (f->map)
        column_map_value(f->map, out, a);
}

bool field_lacks_placeholder(const struct field *f, struct arena *a)
{
    struct value v;
    codec_unavailable(f->plain, a, &v);
    return v.kind == VALUE_NULL && f->plain->not_null;
}

/* unavailable.value.placeholder may be any bytes, where text is wanted too. */
static void mend(struct value *v, struct arena *a)
{
    if (v->kind == VALUE_STRING)
        v->bytes = utf8_mended(v->bytes, a);
    for (size_t i = 0; v->kind == VALUE_LIST && i < v->list.count; i++)
        mend(&v->list.items[i], a);
}

/* A placeholder of bytes is no buffer in Java, and is not cut. */
void field_unavailable(const struct field *f, struct arena *a, struct value *out)
{
    codec_unavailable(f->plain, a, out);
    if (out->kind == VALUE_NULL) {
        field_null(f, a, out);
        return;
    }
    mend(out, a);
    if (f->map && out->kind != VALUE_BYTES)
        column_map_value(f->map, out, a);
}
