/* fuzz_values.c - any text as a value of any type: refused, or the same JSON by the tree and by the short
 * way; for browsers always JSON, without a newline.
 *
 * The first four bytes choose type, typmod and modes, the rest is the text, in memory of just its size. */
#include "codec.h"
#include "modes.h"
#include "pieces.h"
#include "registry.h"
#include "row_json.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int32_t TYPMODS[] = {-1, 4, 5, 7, (10 << 16 | 2) + 4, (5 << 16 | 0x7ff) + 4, 0x7fffffff, 1};

/* What is not UTF-8 need not come out the same. */
static void written_check(const struct codec *c, struct slice text, const struct json_style *style,
                          struct arena *a)
{
    struct buf tree = BUF_EMPTY, direct = BUF_EMPTY;
    struct err e = {0};
    struct value v;
    bool ok = codec_value(c, text, a, &v, &e);
    if (ok)
        value_json(&tree, c->schema, &v, style);
    else if (e.kind != ERR_DATA || !e.text[0])
        abort();
    bool written = codec_write(c, text, &direct, a, style, &e);
    bool same = written == ok && slice_eq(buf_view(&tree), buf_view(&direct));
    if (!same && utf8_mended(text, a).ptr == text.ptr) {
        fprintf(stderr, "%s: \"" SLICE_FMT "\": tree %d " SLICE_FMT ", direct %d " SLICE_FMT "\n",
                c->rule->name, SLICE_ARG(text), ok, SLICE_ARG(buf_view(&tree)), written,
                SLICE_ARG(buf_view(&direct)));
        abort();
    }
    if (written)
        json_must_be(buf_view(&direct));
    buf_free(&tree);
    buf_free(&direct);
}

static void others_check(const struct codec *c, struct slice text, const struct json_style *style,
                         struct arena *a)
{
    struct buf b = BUF_EMPTY;
    struct value v;
    codec_unavailable(c, a, &v);
    value_json(&b, c->schema, &v, style);
    json_must_be(buf_view(&b));
    buf_reset(&b);
    codec_absent(c, a, &v);
    value_json(&b, c->schema, &v, style);
    json_must_be(buf_view(&b));
    buf_reset(&b);
    schema_json(&b, c->schema, NULL);
    json_must_be(buf_view(&b));
    buf_free(&b);
    if (c->rule->knows)
        (void)c->rule->knows(c, text);
}

/* PostgreSQL stores no other text as json, so it is embedded as it comes: it must be JSON here, too. */
static bool is_embedded(const struct types *types, uint32_t oid)
{
    const char *name = types_find(types, oid)->name;
    return strstr(name, "json") && !strstr(name, "path");
}

static void browser_check(const struct types *types, uint32_t oid, struct slice text, struct arena *a)
{
    struct buf b = BUF_EMPTY;
    row_json(&b, row_style_of(types, oid, a), text);
    if (!is_embedded(types, oid))
        json_must_be(buf_view(&b));
    else if (b.len && memchr(b.ptr, '\n', b.len))
        abort();
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct types *types = registry_new();
    struct type_modes modes = modes_of(data[1], data[2]);
    struct json_style style = style_of(data[2]);
    style.schemas = false;
    struct arena arena = {0};
    struct err e = {0};
    char *exact = malloc(size - 4 ? size - 4 : 1);
    memcpy(exact, data + 4, size - 4);
    struct slice text = {exact, size - 4};
    struct column column = {.name = "c",
                            .type_oid = registry_oid(data[0]),
                            .typmod = TYPMODS[data[3] & 7],
                            .not_null = data[3] & 8,
                            .dimensions = data[3] >> 4 & 3};
    const struct codec *codec;
    if (!codec_make(&column, types, &modes, &arena, &codec, &e))
        abort();
    if (codec) {
        written_check(codec, text, &style, &arena);
        others_check(codec, text, &style, &arena);
    }
    browser_check(types, column.type_oid, text, &arena);
    free(exact);
    arena_free(&arena);
    types_free(types);
    return 0;
}
