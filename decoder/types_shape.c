/* types_shape.c - geometric types, PostGIS and pgvector.
 *
 * The builtin shapes except point, and PostGIS' geometry, stay optional whatever the column says, as Debezium
 * writes them. Text of the builtin shapes is read leniently: the numbers in it, whatever punctuation stands
 * between them. Source: io.debezium.data.geometry, io.debezium.data.vector, PostgresValueConverter. */
#include "codec.h"
#include "hex.h"
#include "java_map.h"

#include <stdlib.h>

enum { WKB_POINT = 1, WKB_LINE = 2, WKB_POLYGON = 3 };
enum { EWKB_SRID = 0x20000000 };

static const struct schema any_double = {.type = SCHEMA_FLOAT64};
static const struct schema any_float = {.type = SCHEMA_FLOAT32};
static const struct schema any_bytes = {.type = SCHEMA_BYTES};
static const struct schema maybe_bytes = {.type = SCHEMA_BYTES, .optional = true};
static const struct schema any_string = {.type = SCHEMA_STRING};
static const struct schema any_short = {.type = SCHEMA_INT16};
static const struct schema maybe_int = {.type = SCHEMA_INT32, .optional = true};
static const struct schema extensions = {
    .type = SCHEMA_MAP, .optional = true, .key = &any_string, .item = &any_string};
static const struct schema sparse = {.type = SCHEMA_MAP, .key = &any_short, .item = &any_double};

static const struct schema_field point_fields[] = {
    {"x", &any_double}, {"y", &any_double}, {"wkb", &maybe_bytes}, {"srid", &maybe_int}};
static const struct schema point_schema = {.type = SCHEMA_STRUCT,
                                           .name = "io.debezium.data.geometry.Point",
                                           .version = 1,
                                           .doc = "Geometry (POINT)",
                                           .fields = point_fields,
                                           .n_fields = 4};

static const struct schema_field line_fields[] = {{"a", &any_double}, {"b", &any_double}, {"c", &any_double}};
static const struct schema line_schema = {.type = SCHEMA_STRUCT,
                                          .optional = true,
                                          .name = "io.debezium.data.geometry.Line",
                                          .version = 1,
                                          .doc = "Geometry (LINE)",
                                          .fields = line_fields,
                                          .n_fields = 3};

static const struct schema_field circle_fields[] = {{"center", &point_schema}, {"radius", &any_double}};
static const struct schema circle_schema = {.type = SCHEMA_STRUCT,
                                            .optional = true,
                                            .name = "io.debezium.data.geometry.Circle",
                                            .version = 1,
                                            .doc = "Geometry (CIRCLE)",
                                            .fields = circle_fields,
                                            .n_fields = 2};

static const struct schema_field geometry_fields[] = {
    {"wkb", &any_bytes}, {"srid", &maybe_int}, {"extensions", &extensions}};
static const struct schema geometry_schema = {.type = SCHEMA_STRUCT,
                                              .optional = true,
                                              .name = "io.debezium.data.geometry.Geometry",
                                              .version = 2,
                                              .doc = "Geometry",
                                              .fields = geometry_fields,
                                              .n_fields = 3};
static const struct schema geography_schema = {.type = SCHEMA_STRUCT,
                                               .name = "io.debezium.data.geometry.Geography",
                                               .version = 1,
                                               .doc = "Geography",
                                               .fields = geometry_fields,
                                               .n_fields = 2};

static const struct schema vector_schema = {
    .type = SCHEMA_ARRAY, .name = "io.debezium.data.DoubleVector", .version = 1, .item = &any_double};
static const struct schema halfvec_schema = {
    .type = SCHEMA_ARRAY, .name = "io.debezium.data.FloatVector", .version = 1, .item = &any_float};
static const struct schema_field sparse_fields[] = {{"dimensions", &any_short}, {"vector", &sparse}};
static const struct schema sparsevec_schema = {.type = SCHEMA_STRUCT,
                                               .name = "io.debezium.data.SparseDoubleVector",
                                               .version = 1,
                                               .doc = "Sparse double vector",
                                               .fields = sparse_fields,
                                               .n_fields = 2};

static const struct {
    const char *type;
    const struct schema *schema;
} shape_schemas[] = {
    {"point", &point_schema},         {"line", &line_schema},       {"circle", &circle_schema},
    {"vector", &vector_schema},       {"halfvec", &halfvec_schema}, {"sparsevec", &sparsevec_schema},
    {"geography", &geography_schema},
};

static bool shape_shape(struct codec *c, struct schema *s, struct arena *a)
{
    *s = geometry_schema;
    for (size_t i = 0; i < sizeof shape_schemas / sizeof *shape_schemas; i++)
        if (strcmp(shape_schemas[i].type, c->rule->name) == 0)
            *s = *shape_schemas[i].schema;
    return true;
}

static bool number_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

/* Cuts the next number from the text. 0: no number is left; -1: not a number. */
static int number_next(struct slice *text, double *out)
{
    char copy[64], *end;
    size_t n = 0, from = 0;
    while (from < text->len && !number_char(text->ptr[from]))
        from++;
    while (from + n < text->len && number_char(text->ptr[from + n]))
        n++;
    if (!n)
        return 0;
    if (n >= sizeof copy)
        return -1;
    memcpy(copy, text->ptr + from, n);
    copy[n] = 0;
    *text = slice_cut(*text, from + n, text->len);
    *out = strtod(copy, &end);
    return *end ? -1 : 1;
}

static bool shape_malformed(const struct codec *c, struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of a %s", c->rule->name);
}

/* All numbers of the text, with room for one more point behind them. A number takes at least two bytes. */
static bool shape_numbers(const struct codec *c, struct slice text, struct arena *a, double **out, size_t *n,
                          struct err *e)
{
    int found;
    *out = arena_alloc(a, (text.len / 2 + 4) * sizeof **out);
    for (*n = 0; (found = number_next(&text, *out + *n)) > 0; ++*n)
        continue;
    return found == 0 || shape_malformed(c, e);
}

static bool shape_exactly(const struct codec *c, struct slice text, size_t wanted, struct arena *a,
                          double **out, struct err *e)
{
    size_t n;
    return shape_numbers(c, text, a, out, &n, e) && (n == wanted || shape_malformed(c, e));
}

static char *put_u32(char *at, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        *at++ = (char)(n >> (8 * i));
    return at;
}

/* Well-known binary, little endian, of so many x, y pairs. */
static struct slice wkb(uint32_t kind, const double *xy, size_t points, struct arena *a)
{
    char *start = arena_alloc(a, 13 + points * 16), *at = start;
    *at++ = 1;
    at = put_u32(at, kind);
    if (kind == WKB_POLYGON)
        at = put_u32(at, 1);
    if (kind != WKB_POINT)
        at = put_u32(at, (uint32_t)points);
    for (size_t i = 0; i < points * 2; i++) {
        uint64_t bits;
        memcpy(&bits, xy + i, sizeof bits);
        at = put_u32(put_u32(at, (uint32_t)bits), (uint32_t)(bits >> 32));
    }
    return (struct slice){start, (size_t)(at - start)};
}

static struct value point_of(const double *xy, struct arena *a)
{
    struct value *fields = arena_alloc(a, 4 * sizeof *fields);
    fields[0] = value_real(xy[0]);
    fields[1] = value_real(xy[1]);
    fields[2] = value_bytes(wkb(WKB_POINT, xy, 1, a));
    fields[3] = value_null();
    return value_list(fields, 4);
}

static struct value circle_of(const double *xyr, struct arena *a)
{
    struct value *fields = arena_alloc(a, 2 * sizeof *fields);
    fields[0] = point_of(xyr, a);
    fields[1] = value_real(xyr[2]);
    return value_list(fields, 2);
}

static struct value line_of(const double *abc, struct arena *a)
{
    struct value *fields = arena_alloc(a, 3 * sizeof *fields);
    for (int i = 0; i < 3; i++)
        fields[i] = value_real(abc[i]);
    return value_list(fields, 3);
}

/* closed: NULL leaves that extension out. */
static struct value geometry_of(const char *type, const char *closed, struct slice binary, struct arena *a)
{
    struct value *fields = arena_alloc(a, 7 * sizeof *fields), *pairs = fields + 3;
    fields[0] = value_bytes(binary);
    fields[1] = value_null();
    fields[2] = value_list(pairs, closed ? 4 : 2);
    pairs[0] = value_string(SLICE("type"));
    pairs[1] = value_string(slice_of(type));
    pairs[2] = value_string(SLICE("closed"));
    pairs[3] = value_string(slice_of(closed));
    return value_list(fields, 3);
}

static struct value box_of(const double *xy, struct arena *a)
{
    double ring[10] = {xy[0], xy[1], xy[0], xy[3], xy[2], xy[3], xy[2], xy[1], xy[0], xy[1]};
    return geometry_of("box", NULL, wkb(WKB_POLYGON, ring, 5, a), a);
}

static bool point_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    double *xy;
    if (!shape_exactly(c, text, 2, a, &xy, e))
        return false;
    *out = point_of(xy, a);
    return true;
}

static bool line_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    double *abc;
    if (!shape_exactly(c, text, 3, a, &abc, e))
        return false;
    *out = line_of(abc, a);
    return true;
}

static bool circle_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    double *xyr;
    if (!shape_exactly(c, text, 3, a, &xyr, e))
        return false;
    *out = circle_of(xyr, a);
    return true;
}

static bool lseg_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    double *xy;
    if (!shape_exactly(c, text, 4, a, &xy, e))
        return false;
    *out = geometry_of("lseg", NULL, wkb(WKB_LINE, xy, 2, a), a);
    return true;
}

static bool box_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                      struct err *e)
{
    double *xy;
    if (!shape_exactly(c, text, 4, a, &xy, e))
        return false;
    *out = box_of(xy, a);
    return true;
}

static bool path_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    double *xy;
    size_t n;
    if (!shape_numbers(c, text, a, &xy, &n, e))
        return false;
    if (n == 0 || n % 2)
        return shape_malformed(c, e);
    *out = geometry_of("path", text.ptr[0] == '(' ? "true" : "false", wkb(WKB_LINE, xy, n / 2, a), a);
    return true;
}

static bool polygon_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                          struct err *e)
{
    double *xy;
    size_t n;
    if (!shape_numbers(c, text, a, &xy, &n, e))
        return false;
    if (n == 0 || n % 2)
        return shape_malformed(c, e);
    if (xy[0] != xy[n - 2] || xy[1] != xy[n - 1]) {
        xy[n++] = xy[0];
        xy[n++] = xy[1];
    }
    *out = geometry_of("polygon", NULL, wkb(WKB_POLYGON, xy, n / 2, a), a);
    return true;
}

static void point_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = point_of((double[]){0, 0}, a);
}

static void line_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = line_of((double[]){0, 1, 0}, a);
}

static void circle_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = circle_of((double[]){0, 0, 0}, a);
}

/* Also path's, which then lacks "closed". */
static void lseg_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = geometry_of(c->rule->name, NULL, wkb(WKB_LINE, (double[]){0, 0, 1, 0}, 2, a), a);
}

static void box_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = box_of((double[]){0, 0, 1, 1}, a);
}

static void polygon_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = geometry_of("polygon", NULL, wkb(WKB_POLYGON, (double[]){0, 0, 1, 0, 0, 1, 0, 0}, 4, a), a);
}

static uint32_t ewkb_u32(struct slice ewkb, size_t at)
{
    const unsigned char *p = (const unsigned char *)ewkb.ptr + at;
    if (ewkb.ptr[0])
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

static struct value postgis_of(struct slice ewkb, struct arena *a)
{
    struct value *fields = arena_alloc(a, 3 * sizeof *fields);
    fields[0] = value_bytes(ewkb);
    fields[1] = ewkb_u32(ewkb, 1) & EWKB_SRID ? value_int((int32_t)ewkb_u32(ewkb, 5)) : value_null();
    fields[2] = value_null();
    return value_list(fields, 3);
}

/* PostGIS prints extended WKB in hex, which is passed on with its SRID inside. */
static bool postgis_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                          struct err *e)
{
    size_t bytes = text.len / 2;
    char *ewkb = arena_alloc(a, bytes + 1);
    if (text.len % 2 || bytes < 9 || !hex_bytes(text.ptr, bytes, ewkb))
        return shape_malformed(c, e);
    *out = postgis_of((struct slice){ewkb, bytes}, a);
    out->list.count = c->schema->n_fields;
    return true;
}

/* An empty geometry collection. */
static void postgis_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = postgis_of(SLICE("\1\7\0\0\0\0\0\0\0"), a);
    out->list.count = c->schema->n_fields;
}

static bool vector_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    double *numbers;
    size_t n;
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return shape_malformed(c, e);
    if (!shape_numbers(c, text, a, &numbers, &n, e))
        return false;
    struct value *items = arena_alloc(a, (n + 1) * sizeof *items);
    bool single = c->schema->item->type == SCHEMA_FLOAT32;
    for (size_t i = 0; i < n; i++)
        items[i] = value_real(single ? (double)(float)numbers[i] : numbers[i]);
    *out = value_list(items, n);
    return n > 0 || shape_malformed(c, e);
}

static bool is_short(double d)
{
    return d >= 0 && d <= INT16_MAX && d == (int)d;
}

/* Index, value, index, value, ... as the entries of a HashMap made for as many, in its order. */
static bool sparse_entries(const double *numbers, size_t n, struct arena *a, struct value *out)
{
    struct java_entry *order = arena_alloc(a, (n + 1) * sizeof *order);
    struct value *pairs = arena_alloc(a, (2 * n + 1) * sizeof *pairs);
    uint32_t capacity = 1;
    while (capacity < n)
        capacity *= 2;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_short(numbers[2 * i]))
            return false;
        order[i] = (struct java_entry){(uint32_t)numbers[2 * i], i};
    }
    java_map_order(order, n, capacity);
    for (size_t i = 0; i < n; i++) {
        pairs[2 * i] = value_int((int64_t)numbers[2 * order[i].index]);
        pairs[2 * i + 1] = value_real(numbers[2 * order[i].index + 1]);
    }
    *out = value_list(pairs, 2 * n);
    return true;
}

/* {1:10,11:20}/25 */
static bool sparsevec_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                            struct err *e)
{
    double *numbers;
    size_t n;
    if (!shape_numbers(c, text, a, &numbers, &n, e))
        return false;
    struct value *fields = arena_alloc(a, 2 * sizeof *fields);
    if (n % 2 == 0 || !is_short(numbers[n - 1]) || !sparse_entries(numbers, n / 2, a, &fields[1]))
        return shape_malformed(c, e);
    fields[0] = value_int((int64_t)numbers[n - 1]);
    *out = value_list(fields, 2);
    return true;
}

static void sparsevec_absent(const struct codec *c, struct arena *a, struct value *out)
{
    struct value *fields = arena_alloc(a, 2 * sizeof *fields);
    fields[0] = value_int(0);
    fields[1] = value_list(NULL, 0);
    *out = value_list(fields, 2);
}

static void shape_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
}

#define SHAPE(type, reader, fallback)                                                                        \
    {                                                                                                        \
        .name = type, .shape = shape_shape, .value = reader, .absent = fallback,                             \
        .unavailable = shape_unavailable                                                                     \
    }

const struct type_rule type_rules_shape[] = {
    SHAPE("point", point_value, point_absent),
    SHAPE("line", line_value, line_absent),
    SHAPE("lseg", lseg_value, lseg_absent),
    SHAPE("box", box_value, box_absent),
    SHAPE("path", path_value, lseg_absent),
    SHAPE("polygon", polygon_value, polygon_absent),
    SHAPE("circle", circle_value, circle_absent),
    SHAPE("geometry", postgis_value, postgis_absent),
    SHAPE("geography", postgis_value, postgis_absent),
    SHAPE("vector", vector_value, NULL),
    SHAPE("halfvec", vector_value, NULL),
    SHAPE("sparsevec", sparsevec_value, sparsevec_absent),
    {0},
};
