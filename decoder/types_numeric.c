/* types_numeric.c - numeric and money, in every decimal.handling.mode.
 *
 * Surprising: numeric(p,-s) has the huge scale that its modifier gives when it is read unsigned; NaN and the
 * infinities cannot be told in precise mode and have Java's names in string mode; an unchanged TOASTed
 * numeric is null but in string mode. All of it as Debezium and pgjdbc have it. */
#include "codec.h"

#include "decimal.h"
#include "json.h"

#include <ctype.h>

enum { MODIFIER_OFFSET = 4, MODIFIER_MASK = 0xFFFF };

static bool bad_text(const struct codec *c, struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of a %s", c->type->name);
}

static const struct schema required_int32 = {.type = SCHEMA_INT32}, required_bytes = {.type = SCHEMA_BYTES};
static const struct schema_field VARIABLE_FIELDS[] = {{"scale", &required_int32}, {"value", &required_bytes}};

static bool is_variable(const struct codec *c)
{
    return c->precision < 0;
}

static void decimal_schema(struct schema *s, int scale, int precision, struct arena *a)
{
    struct schema_param *params = arena_alloc(a, 2 * sizeof *params);
    params[0] = (struct schema_param){"scale", arena_printf(a, "%d", scale)};
    params[1] = (struct schema_param){"connect.decimal.precision", arena_printf(a, "%d", precision)};
    *s = (struct schema){
        .type = SCHEMA_BYTES,
        .name = "org.apache.kafka.connect.data.Decimal",
        .version = 1,
        .params = params,
        .n_params = precision < 0 ? 1 : 2,
    };
}

static bool numeric_shape(struct codec *c, struct schema *s, struct arena *a)
{
    if (c->typmod >= MODIFIER_OFFSET) {
        c->precision = (c->typmod - MODIFIER_OFFSET) >> 16 & MODIFIER_MASK;
        c->scale = (c->typmod - MODIFIER_OFFSET) & MODIFIER_MASK;
    }
    if (c->modes->decimal == DECIMAL_DOUBLE)
        s->type = SCHEMA_FLOAT64;
    else if (c->modes->decimal == DECIMAL_STRING)
        s->type = SCHEMA_STRING;
    else if (!is_variable(c))
        decimal_schema(s, c->scale, c->precision, a);
    else
        *s = (struct schema){
            .type = SCHEMA_STRUCT,
            .name = "io.debezium.data.VariableScaleDecimal",
            .version = 1,
            .doc = "Variable scaled decimal",
            .fields = VARIABLE_FIELDS,
            .n_fields = 2,
        };
    return true;
}

static const struct {
    const char *text, *java;
    double real;
} SPECIAL[] = {
    {"NaN", "NAN", __builtin_nan("")},
    {"Infinity", "POSITIVE_INFINITY", __builtin_inf()},
    {"-Infinity", "NEGATIVE_INFINITY", -__builtin_inf()},
};

/* -1: an ordinary number. */
static int special_find(struct slice text)
{
    if (text.len == 0 || (text.ptr[text.len - 1] != 'N' && text.ptr[text.len - 1] != 'y'))
        return -1;
    for (int i = 0; i < 3; i++)
        if (slice_is(text, SPECIAL[i].text))
            return i;
    return -1;
}

static bool special_value(const struct codec *c, int special, struct value *out, struct err *e)
{
    if (c->modes->decimal == DECIMAL_PRECISE)
        return err_set(
            e, ERR_DATA,
            "%s of type numeric has no precise decimal: use decimal.handling.mode string or double",
            SPECIAL[special].text);
    if (c->modes->decimal == DECIMAL_DOUBLE)
        *out = value_real(SPECIAL[special].real);
    else
        *out = value_string(slice_of(SPECIAL[special].java));
    return true;
}

/* The scale to write at; false: the value has more digits than the column now declares. */
static bool scale_of(const struct codec *c, const struct decimal *d, int *scale)
{
    if (is_variable(c))
        *scale = c->modes->decimal == DECIMAL_STRING ? (int)d->fraction.len : decimal_scale(d);
    else
        *scale = c->scale;
    return is_variable(c) || decimal_scale(d) <= c->scale;
}

static struct slice plain_text(const struct decimal *d, int scale, struct arena *a)
{
    struct buf b = BUF_EMPTY;
    decimal_plain(&b, d, scale);
    struct slice text = arena_slice(a, buf_view(&b));
    buf_free(&b);
    return text;
}

/* Of text that is known to be a number. */
static double double_of(struct slice text)
{
    double d = 0;
    decimal_float(text, false, &d);
    return d;
}

static struct value variable_value(const struct decimal *d, int scale, struct arena *a)
{
    struct value *items = arena_alloc(a, 2 * sizeof *items);
    items[0] = value_int(scale);
    items[1] = value_bytes(decimal_bytes(d, scale, a));
    return value_list(items, 2);
}

static bool numeric_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                          struct err *e)
{
    struct decimal d;
    int scale, special = special_find(text);
    if (special >= 0)
        return special_value(c, special, out, e);
    if (!decimal_parse(text, &d))
        return bad_text(c, e);
    if (!scale_of(c, &d, &scale))
        return err_set(e, ERR_DATA, "a numeric value does not fit its column's scale %d", c->scale);
    if (c->modes->decimal == DECIMAL_DOUBLE)
        *out = value_real(double_of(text));
    else if (c->modes->decimal == DECIMAL_STRING)
        *out = value_string(plain_text(&d, scale, a));
    else if (is_variable(c))
        *out = variable_value(&d, scale, a);
    else
        *out = value_bytes(decimal_bytes(&d, scale, a));
    return true;
}

/* Precise and at most 38 digits: no arena. false: not that case, nothing appended. */
static bool small_write(const struct codec *c, const struct decimal *d, int scale, struct buf *b,
                        const struct json_style *style)
{
    char bytes[DECIMAL_SMALL];
    int start;
    if (c->modes->decimal != DECIMAL_PRECISE || !decimal_small(d, scale, bytes, &start))
        return false;
    struct slice unscaled = {bytes + start, (size_t)(DECIMAL_SMALL - start)};
    if (is_variable(c)) {
        BUF_LIT(b, "{\"scale\":");
        buf_i64(b, scale);
        BUF_LIT(b, ",\"value\":");
        json_base64(b, unscaled);
        buf_char(b, '}');
    } else if (style->decimal_as_number) {
        decimal_number(b, unscaled, scale);
    } else {
        json_base64(b, unscaled);
    }
    return true;
}

static bool slow_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    struct arena scratch = {0};
    struct value v;
    bool ok = numeric_value(c, text, &scratch, &v, e);
    if (ok)
        value_json(b, c->schema, &v, style);
    arena_free(&scratch);
    return ok;
}

static bool numeric_write(const struct codec *c, struct slice text, struct buf *b,
                          const struct json_style *style, struct err *e)
{
    struct decimal d;
    int scale;
    if (!decimal_parse(text, &d) || !scale_of(c, &d, &scale))
        return slow_write(c, text, b, style, e);
    if (c->modes->decimal == DECIMAL_STRING) {
        buf_char(b, '"');
        decimal_plain(b, &d, scale);
        buf_char(b, '"');
        return true;
    }
    if (c->modes->decimal == DECIMAL_DOUBLE) {
        json_double(b, double_of(text));
        return true;
    }
    return small_write(c, &d, scale, b, style) || slow_write(c, text, b, style, e);
}

static void numeric_absent(const struct codec *c, struct arena *a, struct value *out)
{
    struct err ignored;
    numeric_value(c, SLICE("0"), a, out, &ignored);
}

/* What was not sent is a string to Debezium, which fits in string mode alone. */
static void numeric_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    *out = c->schema->type == SCHEMA_STRING ? value_string(c->modes->placeholder) : value_null();
}

/* Structs cannot be defaults in Kafka Connect (KAFKA-12694), and a special value cannot be parsed. */
static bool numeric_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct err ignored;
    return c->schema->type != SCHEMA_STRUCT && special_find(literal) < 0 &&
           numeric_value(c, literal, a, out, &ignored);
}

/* ---- money ---- */

static bool money_shape(struct codec *c, struct schema *s, struct arena *a)
{
    if (c->modes->decimal == DECIMAL_DOUBLE)
        s->type = SCHEMA_FLOAT64;
    else if (c->modes->decimal == DECIMAL_STRING)
        s->type = SCHEMA_STRING;
    else
        decimal_schema(s, c->modes->money_digits, -1, a);
    return true;
}

/* Cuts the currency sign: one character in front of the digits. */
static struct slice currency_cut(struct slice text)
{
    if (text.len == 0 || isdigit((unsigned char)text.ptr[0]) || text.ptr[0] == '.')
        return text;
    size_t n = 1;
    while (n < text.len && ((unsigned char)text.ptr[n] & 0xC0) == 0x80)
        n++;
    return slice_cut(text, n, text.len);
}

/* The number in money's text, which lc_monetary shaped: $1,234.50, -$0.01, ($0.01). */
static struct slice money_number(struct slice text, struct arena *a)
{
    bool bracket = text.len > 0 && text.ptr[0] == '(',
         negative = bracket || (text.len > 0 && text.ptr[0] == '-');
    struct slice rest = slice_cut(text, negative, text.len);
    if (bracket && rest.len > 0 && rest.ptr[rest.len - 1] == ')')
        rest.len--;
    rest = currency_cut(rest);
    char *number = arena_alloc(a, rest.len + 1);
    size_t n = 0;
    if (negative)
        number[n++] = '-';
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] != ',')
            number[n++] = rest.ptr[i];
    return (struct slice){number, n};
}

/* Half up, away from zero: one more digit is looked at. */
static struct slice money_rounded(const struct decimal *d, int scale, struct arena *a)
{
    struct decimal cut = *d;
    cut.fraction = slice_cut(d->fraction, 0, (size_t)scale);
    size_t digits = d->whole.len + (size_t)scale;
    if (d->fraction.len <= (size_t)scale || d->fraction.ptr[scale] < '5')
        return decimal_bytes(&cut, scale, a);
    char *up = arena_alloc(a, digits + 2);
    up[0] = '0';
    memcpy(up + 1, d->whole.ptr, d->whole.len);
    memcpy(up + 1 + d->whole.len, cut.fraction.ptr, cut.fraction.len);
    size_t i = digits;
    while (up[i] == '9')
        up[i--] = '0';
    up[i]++;
    struct decimal rounded = {.negative = d->negative, .whole = {up, digits + 1}, .fraction = {"", 0}};
    return decimal_bytes(&rounded, 0, a);
}

static bool money_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                        struct err *e)
{
    struct decimal d;
    struct slice number = money_number(text, a);
    if (!decimal_parse(number, &d))
        return bad_text(c, e);
    if (c->modes->decimal == DECIMAL_DOUBLE)
        *out = value_real(double_of(number));
    else if (c->modes->decimal == DECIMAL_STRING)
        *out = value_string(plain_text(&d, (int)d.fraction.len, a));
    else
        *out = value_bytes(money_rounded(&d, c->modes->money_digits, a));
    return true;
}

static void money_absent(const struct codec *c, struct arena *a, struct value *out)
{
    struct decimal zero = {.whole = {"", 0}, .fraction = {"", 0}};
    if (c->modes->decimal == DECIMAL_DOUBLE)
        *out = value_real(0);
    else if (c->modes->decimal == DECIMAL_STRING)
        *out = value_string(plain_text(&zero, c->modes->money_digits, a));
    else
        *out = value_bytes(SLICE("\0"));
}

static void money_unavailable(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_null();
}

const struct type_rule type_rules_numeric[] = {
    {.name = "numeric",
     .shape = numeric_shape,
     .value = numeric_value,
     .write = numeric_write,
     .absent = numeric_absent,
     .unavailable = numeric_unavailable,
     .preset = numeric_preset},
    {.name = "money",
     .shape = money_shape,
     .value = money_value,
     .absent = money_absent,
     .unavailable = money_unavailable},
    {.name = NULL},
};
