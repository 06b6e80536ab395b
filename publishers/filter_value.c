/* filter_value.c - a table of types: how their values are taken from a filter, read from a change, compared.
 */
#include "filter_value.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>

#include "json.h"

enum { NUMERIC_EXPONENT = 1000, NUMERIC_DIGITS = 2000 };

static const struct value_type types[] = {
    {"int2", VALUE_INTEGER, INT16_MIN, INT16_MAX, "a whole number of 16 bits"},
    {"int4", VALUE_INTEGER, INT32_MIN, INT32_MAX, "a whole number of 32 bits"},
    {"int8", VALUE_INTEGER, INT64_MIN, INT64_MAX, "a whole number of 64 bits, or a string of one"},
    {"oid", VALUE_INTEGER, 0, UINT32_MAX, "a whole number of 32 bits from 0 up"},
    {"numeric", VALUE_NUMERIC, 0, 0, "a number, or a string of one"},
    {"float4", VALUE_FLOAT4, 0, 0, "a number, or \"NaN\", \"Infinity\", \"-Infinity\""},
    {"float8", VALUE_FLOAT8, 0, 0, "a number, or \"NaN\", \"Infinity\", \"-Infinity\""},
    {"bool", VALUE_BOOL, 0, 0, "true or false"},
    {"text", VALUE_TEXT, 0, 0, "a string"},
    {"varchar", VALUE_TEXT, 0, 0, "a string"},
    {"name", VALUE_TEXT, 0, 0, "a string"},
    {"bpchar", VALUE_PADDED, 0, 0, "a string"},
    {"uuid", VALUE_UUID, 0, 0, "a string like \"12345678-1234-1234-1234-123456789abc\""},
    {"bytea", VALUE_BYTES, 0, 0, "a string in base64"},
    {"timestamp", VALUE_TIMESTAMP, 0, 0, "a string like \"2026-01-02T03:04:05.600000\", without a zone"},
    {"timestamptz", VALUE_INSTANT, 0, 0, "a string like \"2026-01-02T03:04:05.600000Z\", with a zone"},
    {"date", VALUE_DATE, 0, 0, "a string like \"2026-01-02\""},
    {"time", VALUE_TIME, 0, 0, "a string like \"03:04:05.6\""},
    {"json", VALUE_JSON, 0, 0, ""},
    {"jsonb", VALUE_JSON, 0, 0, ""},
    {"", VALUE_OTHER, 0, 0, "a string, as PostgreSQL writes the value"},
};

enum { TYPES = sizeof(types) / sizeof(*types) };

struct filter_type filter_type_of(const struct hub_column *column)
{
    struct slice name = slice_of(column->base ? column->base : column->type);
    bool array = name.len > 2 && memcmp(name.ptr + name.len - 2, "[]", 2) == 0;
    if (array)
        name.len -= 2;
    size_t i = 0;
    while (i < TYPES - 1 && !slice_is(name, types[i].name))
        i++;
    return (struct filter_type){&types[i], array};
}

/* ---- what both sources have in common: plain text to a value ---- */

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static struct slice after_sign(struct slice s)
{
    return slice_starts(s, "-") ? slice_cut(s, 1, s.len) : s;
}

static bool integer_read(const struct value_type *type, struct slice text, int64_t *out)
{
    bool negative = slice_starts(text, "-");
    struct slice all = after_sign(text);
    uint64_t n = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    if (!is_digits(all))
        return false;
    for (size_t i = 0; i < all.len; i++) {
        unsigned digit = (unsigned)(all.ptr[i] - '0');
        if (n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return *out >= type->least && *out <= type->most;
}

static bool real_read(enum value_kind kind, struct slice text, double *out)
{
    char copy[64], *end;
    bool special = slice_is(text, "NaN") || slice_is(text, "Infinity") || slice_is(text, "-Infinity");
    struct slice all = after_sign(text);
    if (!text.len || text.len >= sizeof(copy) ||
        !(special || (all.len && all.ptr[0] >= '0' && all.ptr[0] <= '9')))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    if (strpbrk(copy, "xX"))
        return false;
    *out = kind == VALUE_FLOAT4 ? (double)strtof(copy, &end) : strtod(copy, &end);
    char first = copy[strcspn(copy, "123456789eE")];
    bool lost = (isinf(*out) && !special) || (*out == 0 && first >= '1' && first <= '9');
    if (*out == 0)
        *out = 0; /* not -0 */
    return !*end && !lost;
}

/* digits[.digits] with a sign; in its shortest form, so that equal numbers are equal texts. */
static bool numeric_read(struct slice text, struct slice *out)
{
    struct slice all = after_sign(text);
    const char *point = all.len ? memchr(all.ptr, '.', all.len) : NULL;
    size_t whole = point ? (size_t)(point - all.ptr) : all.len;
    *out = text;
    if (slice_is(text, "NaN") || slice_is(text, "Infinity") || slice_is(text, "-Infinity"))
        return true;
    if (!is_digits(slice_cut(all, 0, whole)) || (point && !is_digits(slice_cut(all, whole + 1, all.len))))
        return false;
    while (point && out->ptr[out->len - 1] == '0')
        out->len--;
    if (point && out->ptr[out->len - 1] == '.')
        out->len--;
    if (slice_is(*out, "-0"))
        *out = SLICE("0");
    return true;
}

static bool uuid_read(struct slice text)
{
    static const char like[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool good = text.len == sizeof(like) - 1;
    for (size_t i = 0; good && i < text.len; i++)
        good = like[i] == '-' ? text.ptr[i] == '-' : memchr("0123456789abcdef", text.ptr[i], 16) != NULL;
    return good;
}

static struct slice without_padding(struct slice text)
{
    while (text.len && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

static bool plain_read(const struct value_type *type, struct slice text, struct filter_value *out)
{
    out->text = text;
    switch (type->kind) {
    case VALUE_INTEGER:
        return integer_read(type, text, &out->number);
    case VALUE_NUMERIC:
        return numeric_read(text, &out->text);
    case VALUE_FLOAT4:
    case VALUE_FLOAT8:
        return real_read(type->kind, text, &out->real);
    case VALUE_BOOL:
        out->number = slice_is(text, "true");
        return out->number || slice_is(text, "false");
    case VALUE_PADDED:
        out->text = without_padding(text);
        return true;
    case VALUE_UUID:
        return uuid_read(text);
    case VALUE_TIMESTAMP:
    case VALUE_INSTANT:
    case VALUE_DATE:
    case VALUE_TIME:
        return moment_read(type->kind, text, &out->number);
    case VALUE_TEXT:
    case VALUE_BYTES:
    case VALUE_OTHER:
        return true;
    case VALUE_JSON:
        break;
    }
    return false;
}

/* ---- from a change ---- */

/* Numbers and booleans stand bare in a cell, large ones and all others in quotes. */
bool value_read(const struct value_type *type, struct slice cell, struct buf *scratch,
                struct filter_value *out)
{
    struct slice text = cell;
    bool bare = cell.len && cell.ptr[0] != '"';
    if (bare && type->kind > VALUE_BOOL)
        return false;
    return (bare || value_string(cell, scratch, &text)) && plain_read(type, text, out);
}

/* ---- from a filter ---- */

/* A number as digits without an exponent, without leading zeros; false: not a number, or one that is too far.
 */
static bool numeric_plain(struct slice s, struct buf *out)
{
    struct slice all = after_sign(s);
    const char *e = NULL;
    for (size_t i = 0; i < all.len && !e; i++)
        e = all.ptr[i] == 'e' || all.ptr[i] == 'E' ? all.ptr + i : NULL;
    struct slice digits = slice_cut(all, 0, e ? (size_t)(e - all.ptr) : all.len), shift = SLICE("0"), read;
    if (e)
        shift = slice_cut(all, digits.len + 1, all.len);
    if (slice_starts(shift, "+"))
        shift = slice_cut(shift, 1, shift.len);
    if (digits.len > NUMERIC_DIGITS || shift.len > 6 || !is_digits(after_sign(shift)) ||
        !numeric_read(digits, &read) || !(digits.ptr[0] >= '0' && digits.ptr[0] <= '9'))
        return false;
    const char *point = memchr(digits.ptr, '.', digits.len);
    size_t whole = point ? (size_t)(point - digits.ptr) : digits.len, n = point ? digits.len - 1 : digits.len;
    long places = (long)whole + strtol(shift.ptr, NULL, 10);
    if (places > NUMERIC_DIGITS + NUMERIC_EXPONENT || places < -NUMERIC_EXPONENT)
        return false;
    if (s.len != all.len)
        buf_char(out, '-');
    bool any = false;
    for (long i = places < 0 ? places : 0; i < (long)n || i < places; i++) {
        size_t at = (size_t)i + (point && i >= (long)whole);
        char c = '0';
        if (i >= 0 && i < (long)n)
            c = digits.ptr[at];
        if (i == places)
            buf_str(out, any ? "." : "0.");
        if (i < places && !any && c == '0' && i < places - 1)
            continue;
        any = any || i < places;
        buf_char(out, c);
    }
    return true;
}

static bool numeric_take(struct slice text, struct buf *out)
{
    if (slice_is(text, "NaN") || slice_is(text, "Infinity") || slice_is(text, "-Infinity")) {
        buf_slice(out, text);
        return true;
    }
    return numeric_plain(text, out);
}

/* What a client's value is as text: of a number its own digits. False: another kind of JSON. */
static bool json_plain(const struct value_type *type, struct json_object *json, struct slice *out)
{
    bool bare = json_object_is_type(json, json_type_int) || json_object_is_type(json, json_type_double);
    if (json_object_is_type(json, json_type_string)) {
        *out = (struct slice){json_object_get_string(json), (size_t)json_object_get_string_len(json)};
        return type->kind != VALUE_BOOL && !memchr(out->ptr, 0, out->len);
    }
    *out = slice_of(json_object_to_json_string(json));
    return bare ? type->kind < VALUE_BOOL
                : json_object_is_type(json, json_type_boolean) && type->kind == VALUE_BOOL;
}

/* The client's text as a change would have it, without quotes. */
static bool normal_form(const struct value_type *type, struct slice text, struct buf *out)
{
    if (type->kind == VALUE_NUMERIC)
        return numeric_take(text, out);
    if (type->kind == VALUE_BYTES) {
        struct buf bytes = BUF_EMPTY;
        bool good = base64_decode(&bytes, text);
        base64_append(out, buf_view(&bytes), false);
        buf_free(&bytes);
        return good;
    }
    buf_slice(out, text);
    for (size_t i = 0; type->kind == VALUE_UUID && i < out->len; i++)
        out->ptr[i] = (char)tolower((unsigned char)out->ptr[i]);
    return true;
}

static void sql_text(const struct value_type *type, const struct filter_value *v, struct slice text,
                     struct buf *out)
{
    char moment[48];
    buf_reset(out);
    switch (type->kind) {
    case VALUE_INTEGER:
        buf_i64(out, v->number);
        break;
    case VALUE_FLOAT4:
    case VALUE_FLOAT8:
        if (isnan(v->real) || isinf(v->real))
            buf_str(out, isnan(v->real) ? "NaN" : v->real < 0 ? "-Infinity" : "Infinity");
        else
            buf_printf(out, "%.*g", type->kind == VALUE_FLOAT4 ? 9 : 17, v->real);
        break;
    case VALUE_TIMESTAMP:
    case VALUE_INSTANT:
    case VALUE_DATE:
    case VALUE_TIME:
        moment_write(type->kind, v->number, moment);
        buf_str(out, moment);
        break;
    case VALUE_BYTES: {
        struct buf bytes = BUF_EMPTY;
        (void)base64_decode(&bytes, v->text);
        BUF_LIT(out, "\\x");
        for (size_t i = 0; i < bytes.len; i++)
            buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
        buf_free(&bytes);
        break;
    }
    default:
        buf_slice(out, type->kind == VALUE_BOOL ? text : v->text);
    }
}

bool value_take(const struct value_type *type, struct json_object *json, struct arena *a,
                struct filter_value *out, struct slice *sql)
{
    struct slice text;
    struct buf b = BUF_EMPTY;
    bool good = type->kind != VALUE_JSON && json_plain(type, json, &text) && normal_form(type, text, &b);
    if (good) {
        text = arena_slice(a, buf_view(&b));
        good = plain_read(type, text, out);
    }
    if (good) {
        sql_text(type, out, text, &b);
        *sql = arena_slice(a, buf_view(&b));
    }
    buf_free(&b);
    return good;
}

/* ---- order ---- */

static int compare_bytes(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* NaN equals itself and is greater than all. */
static int compare_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int numeric_rank(struct slice s)
{
    return slice_is(s, "NaN") ? 2 : slice_is(s, "Infinity") ? 1 : slice_is(s, "-Infinity") ? -1 : 0;
}

static size_t whole_digits(struct slice s)
{
    const char *point = memchr(s.ptr, '.', s.len);
    return point ? (size_t)(point - s.ptr) : s.len;
}

/* Without sign: more digits before the point are more; then it is digit by digit. */
static int compare_magnitude(struct slice a, struct slice b)
{
    size_t wa = whole_digits(a), wb = whole_digits(b);
    return wa != wb ? (wa > wb) - (wa < wb) : compare_bytes(a, b);
}

static int compare_numeric(struct slice a, struct slice b)
{
    int ra = numeric_rank(a), rb = numeric_rank(b);
    bool na = slice_starts(a, "-"), nb = slice_starts(b, "-");
    if (ra || rb)
        return (ra > rb) - (ra < rb);
    if (na != nb)
        return na ? -1 : 1;
    return na ? compare_magnitude(after_sign(b), after_sign(a)) : compare_magnitude(a, b);
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1; /* the padding is less than any byte */
}

static int compare_base64(struct slice a, struct slice b)
{
    size_t i = 0, n = a.len < b.len ? a.len : b.len;
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    if (i < n)
        return base64_digit(a.ptr[i]) < base64_digit(b.ptr[i]) ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

int value_compare(const struct value_type *type, const struct filter_value *a, const struct filter_value *b)
{
    switch (type->kind) {
    case VALUE_NUMERIC:
        return compare_numeric(a->text, b->text);
    case VALUE_FLOAT4:
    case VALUE_FLOAT8:
        return compare_real(a->real, b->real);
    case VALUE_BYTES:
        return compare_base64(a->text, b->text);
    case VALUE_TEXT:
    case VALUE_PADDED:
    case VALUE_UUID:
    case VALUE_JSON:
    case VALUE_OTHER:
        return compare_bytes(a->text, b->text);
    default:
        return (a->number > b->number) - (a->number < b->number);
    }
}

bool value_ordered(const struct value_type *type)
{
    return type->kind != VALUE_JSON && type->kind != VALUE_OTHER;
}

struct slice value_key(const struct value_type *type, const struct filter_value *v)
{
    switch (type->kind) {
    case VALUE_FLOAT4:
    case VALUE_FLOAT8:
        return isnan(v->real) ? SLICE("NaN") : (struct slice){(const char *)&v->real, sizeof(v->real)};
    case VALUE_NUMERIC:
    case VALUE_TEXT:
    case VALUE_PADDED:
    case VALUE_UUID:
    case VALUE_BYTES:
    case VALUE_JSON:
    case VALUE_OTHER:
        return v->text;
    default:
        return (struct slice){(const char *)&v->number, sizeof(v->number)};
    }
}
