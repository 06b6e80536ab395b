/* fuzz_binary.c - any bytes as the binary form of a value of any type: text of bounded size, in which no byte
 * is above ASCII where the type holds no text, and otherwise none but those that came; or an error that says
 * what is wrong. And rows of such values.
 *
 * The first byte chooses the type, or a row: then each piece (frames.h) is a cell, its first byte the type.
 * All is in memory of just its size. */
#include "binary_plain.h"
#include "binary_text.h"
#include "frames.h"
#include "pieces.h"
#include "registry.h"
#include "row_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Those that registry.h lacks, from MORE_FIRST on; their arrays are REGISTRY_ARRAYS further. */
static const struct {
    const char *name;
    char kind;
} MORE[] = {
    {"box", 'b'},
    {"lseg", 'b'},
    {"line", 'b'},
    {"path", 'b'},
    {"tid", 'b'},
    {"xid", 'b'},
    {"cid", 'b'},
    {"lquery", 'b'},
    {"ltxtquery", 'b'},
    {"int2vector", 'b'},
    {"oidvector", 'b'},
    {"record", 'c'},
    {"nummultirange", 'm'},
    {"tsmultirange", 'm'},
    {"datemultirange", 'm'},
    {"int8multirange", 'm'},
    {"tstzmultirange", 'm'},
};

enum {
    MORE_COUNT = sizeof MORE / sizeof *MORE,
    MORE_FIRST = 70,
    ALL = REGISTRY_COUNT + MORE_COUNT,
    ROW = 255,
    COLUMNS_MOST = 8,
    GROWTH = 16, /* as binary_text.c has it */
    QUOTES_MOST = 1 << 20,
    DIGITS_MOST = 140000, /* of a numeric, which has at least eight bytes */
};

static struct types *all_types(void)
{
    struct types *types = registry_new();
    for (uint32_t i = 0; i < MORE_COUNT; i++) {
        char array[40];
        snprintf(array, sizeof array, "_%s", MORE[i].name);
        struct type type = {.oid = MORE_FIRST + i,
                            .schema = "pg_catalog",
                            .name = MORE[i].name,
                            .kind = MORE[i].kind,
                            .typmod = -1};
        types_set(types, &type);
        types_set(types, &(struct type){.oid = type.oid + REGISTRY_ARRAYS,
                                        .schema = type.schema,
                                        .name = array,
                                        .kind = 'b',
                                        .element = type.oid,
                                        .typmod = -1});
    }
    return types;
}

static uint32_t oid_of(unsigned byte)
{
    uint32_t i = byte % ALL, oid = i < REGISTRY_COUNT ? i + 1 : MORE_FIRST + i - REGISTRY_COUNT;
    return oid + (byte >= 128 ? REGISTRY_ARRAYS : 0);
}

/* Numbers, times, shapes: whatever the bytes are, their text is ASCII. */
static bool holds_text(const struct type *type)
{
    static const char *const none[] = {"vector", "halfvec", "sparsevec", "int2vector", "oidvector"};
    const struct binary_plain *plain = binary_plain_find(type->name);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcmp(none[i], type->name) == 0)
            return strstr(none[i], "oid") || strstr(none[i], "int"); /* elements are of any type */
    if (type->kind == 'r' || type->kind == 'm')
        return false;
    return !plain || plain->skip >= 0 || strcmp(type->name, "tsvector") == 0;
}

static size_t high_bytes(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (unsigned char)s.ptr[i] >> 7;
    return n;
}

static void fail(const struct type *type, const char *what, struct slice text)
{
    fprintf(stderr, "%s: %s: " SLICE_FMT "\n", type->name, what, SLICE_ARG(slice_cut(text, 0, 1000)));
    abort();
}

static void text_check(const struct types *types, uint32_t oid, struct slice binary, struct slice text,
                       struct arena *a)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *type = types_root(types, oid, &typmod, &not_null);
    struct buf b = BUF_EMPTY;
    if (text.len > QUOTES_MOST + GROWTH * binary.len + (binary.len / 8 + 1) * DIGITS_MOST)
        fail(type, "too long", text);
    if (high_bytes(text) > (holds_text(type) ? high_bytes(binary) : 0))
        fail(type, "not ASCII", text);
    const struct binary_plain *plain = binary_plain_find(type->name);
    struct slice borrowed = slice_cut(binary, plain && plain->skip > 0 ? (size_t)plain->skip : 0, binary.len);
    if (plain && plain->skip >= 0 && !slice_eq(text, borrowed))
        fail(type, "another text", text);
    row_json(&b, row_style_of(types, oid, a), text);
    if (!strstr(type->name, "json")) /* that is embedded as it comes */
        json_must_be(buf_view(&b));
    buf_free(&b);
}

static void value_check(const struct types *types, uint32_t oid, struct slice binary)
{
    struct arena a = {0};
    struct err e = {0};
    struct slice text = {NULL, 0};
    if (binary_text(types, oid, binary, &a, &text, &e))
        text_check(types, oid, binary, text, &a);
    else if ((e.kind != ERR_DATA && e.kind != ERR_CONFIG) || !e.text[0])
        abort();
    arena_free(&a);
}

/* Each cell as it would be alone, or the whole row is refused. */
static void row_check(const struct types *types, const uint8_t *data, size_t size, size_t most)
{
    struct column columns[COLUMNS_MOST] = {0};
    struct slice frames[COLUMNS_MOST];
    struct relation rel = {.schema = "public", .name = "t", .columns = columns};
    struct arena a = {0};
    struct err e = {0};
    size_t n = 0;
    while (n < COLUMNS_MOST && (frames[n] = frame_next(&data, &size)).ptr)
        n++;
    struct cell *cells = malloc(n ? n * sizeof *cells : 1);
    for (size_t i = 0; i < n; i++) {
        unsigned type = frames[i].len ? (unsigned char)frames[i].ptr[0] : 0;
        columns[i] = (struct column){.name = "c", .type_oid = oid_of(type), .typmod = -1};
        cells[i] = (struct cell){frames[i].len ? 'b' : 'n', slice_cut(frames[i], 1, frames[i].len)};
    }
    rel.n_columns = n;
    bool ok = binary_cells(types, &rel, cells, most, &a, &e);
    if (ok ? e.kind != ERR_NONE : e.kind != ERR_DATA || !strstr(e.text, "public.t column c"))
        abort();
    for (size_t i = 0; ok && i < n; i++)
        if (cells[i].kind == 't')
            text_check(types, columns[i].type_oid, slice_cut(frames[i], 1, frames[i].len), cells[i].data, &a);
    for (size_t i = 0; i < n; i++)
        free((char *)frames[i].ptr);
    free(cells);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static struct types *types; /* once: most of the work of an input would be this */
    if (!types)
        types = all_types();
    if (data[0] == ROW) {
        row_check(types, data + 2, size - 2, data[1] < 128 ? SIZE_MAX : 8);
    } else {
        char *exact = malloc(size - 1);
        memcpy(exact, data + 1, size - 1);
        value_check(types, oid_of(data[0]), (struct slice){exact, size - 1});
        free(exact);
    }
    return 0;
}
