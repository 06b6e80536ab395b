/* feed_rule.c - from Kafka Connect's values to PostgreSQL's text, a row for each kind of schema. */
#include "feed_rule.h"

#include "decimal.h"
#include "feed_moment.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct slice string_of(struct json_object *v)
{
    return (struct slice){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

/* ---- values to text ---- */

static bool bool_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_boolean))
        return false;
    buf_char(out, json_object_get_boolean(v) ? 't' : 'f');
    return true;
}

static bool bit_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_boolean))
        return false;
    buf_char(out, json_object_get_boolean(v) ? '1' : '0');
    return true;
}

static bool int_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_int))
        return false;
    buf_i64(out, json_object_get_int64(v));
    return true;
}

static bool string_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_string))
        return false;
    buf_slice(out, string_of(v));
    return true;
}

/* PostgreSQL writes the shortest digits that read back as the same number; with an exponent from 1e15
 * (float4: 1e6) up and below 1e-4. */
static void put_real(struct buf *out, double d, bool narrow)
{
    char text[40];
    int exponent, digits = 0, most = narrow ? 9 : 17;
    do
        snprintf(text, sizeof text, "%.*e", digits, d);
    while (++digits < most && (narrow ? strtof(text, NULL) != (float)d : strtod(text, NULL) != d));
    exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < (narrow ? 6 : 15))
        snprintf(text, sizeof text, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, d);
    buf_str(out, text);
}

static bool real_text(struct json_object *v, bool narrow, struct buf *out)
{
    if (json_object_is_type(v, json_type_string)) { /* NaN, Infinity */
        buf_slice(out, string_of(v));
        return true;
    }
    if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
        return false;
    double d = json_object_get_double(v);
    if (isnan(d))
        BUF_LIT(out, "NaN");
    else if (isinf(d))
        buf_str(out, d > 0 ? "Infinity" : "-Infinity");
    else
        put_real(out, d, narrow);
    return true;
}

static bool float_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return real_text(v, true, out);
}

static bool double_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return real_text(v, false, out);
}

static void put_hex(struct buf *out, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    BUF_LIT(out, "\\x");
    for (size_t i = 0; i < bytes.len; i++) {
        buf_char(out, digits[(unsigned char)bytes.ptr[i] >> 4]);
        buf_char(out, digits[(unsigned char)bytes.ptr[i] & 15]);
    }
}

static bool base64_of(struct json_object *v, struct buf *bytes)
{
    return json_object_is_type(v, json_type_string) && base64_decode(bytes, string_of(v));
}

static bool bytes_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = base64_of(v, &bytes);
    if (ok)
        put_hex(out, buf_view(&bytes));
    buf_free(&bytes);
    return ok;
}

/* binary.handling.mode=hex; with base64 a bytea is as bytes_text has it. */
static bool hex_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_string))
        return false;
    BUF_LIT(out, "\\x");
    buf_slice(out, string_of(v));
    return true;
}

/* Little-endian bytes; `scale` bits, of which the last one is bit 0. */
static bool bits_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = base64_of(v, &bytes);
    for (int i = c->scale - 1; ok && i >= 0; i--) {
        unsigned byte = (size_t)i / 8 < bytes.len ? (unsigned char)bytes.ptr[i / 8] : 0;
        buf_char(out, byte >> i % 8 & 1 ? '1' : '0');
    }
    buf_free(&bytes);
    return ok;
}

/* A two's complement and a scale, as PostgreSQL writes a numeric: no exponent. */
static bool decimal_text(struct json_object *value, int scale, struct buf *out)
{
    struct buf bytes = BUF_EMPTY, digits = BUF_EMPTY;
    bool ok = base64_of(value, &bytes) && bytes.len > 0 && scale >= 0 && scale <= DECIMAL_SCALE_MOST;
    if (ok) {
        decimal_number(&digits, buf_view(&bytes), 0);
        size_t sign = digits.ptr[0] == '-', n = digits.len - sign,
               point = n > (size_t)scale ? n - (size_t)scale : 0;
        buf_append(out, digits.ptr, sign);
        if (point)
            buf_append(out, digits.ptr + sign, point);
        else
            buf_char(out, '0');
        if (scale > 0)
            buf_char(out, '.');
        for (size_t i = n; i < (size_t)scale; i++)
            buf_char(out, '0');
        buf_append(out, digits.ptr + sign + point, n - point);
    }
    buf_free(&digits);
    buf_free(&bytes);
    return ok;
}

static bool scaled_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return decimal_text(v, c->scale, out);
}

static bool variable_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return json_object_is_type(v, json_type_object) &&
           decimal_text(json_object_object_get(v, "value"),
                        json_object_get_int(json_object_object_get(v, "scale")), out);
}

/* decimal.handling.mode=string */
static bool plain_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    if (!json_object_is_type(v, json_type_string))
        return false;
    struct slice text = string_of(v);
    static const char *const special[][2] = {
        {"NAN", "NaN"}, {"POSITIVE_INFINITY", "Infinity"}, {"NEGATIVE_INFINITY", "-Infinity"}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (slice_is(text, special[i][0]))
            text = slice_of(special[i][1]);
    buf_slice(out, text);
    return true;
}

/* In snapshots and arrays, where dates went through java.sql.Date. */
enum { SQL_INFINITY = -622191234, SQL_NEGATIVE_INFINITY = -625821272 };

static bool date_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    int64_t days = json_object_get_int64(v);
    if (!json_object_is_type(v, json_type_int))
        return false;
    if (days == INT64_C(2146033979) || days == SQL_INFINITY)
        buf_str(out, "infinity");
    else if (days == INT64_C(-2147472691) || days == SQL_NEGATIVE_INFINITY)
        buf_str(out, "-infinity");
    else
        feed_date_text(out, days);
    return true;
}

static bool time_scaled(struct json_object *v, int64_t up, int64_t down, struct buf *out)
{
    int64_t us;
    return json_object_is_type(v, json_type_int) &&
           !__builtin_mul_overflow(json_object_get_int64(v) / down, up, &us) && feed_time_text(out, us);
}

static bool time_ms_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return time_scaled(v, 1000, 1, out);
}

static bool time_us_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return time_scaled(v, 1, 1, out);
}

static bool time_ns_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return time_scaled(v, 1, 1000, out);
}

static int64_t floor_div(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

static bool timestamp_scaled(struct json_object *v, int64_t up, int64_t down, struct buf *out)
{
    int64_t n = json_object_get_int64(v), us;
    if (!json_object_is_type(v, json_type_int))
        return false;
    if (up == 1 ? n == INT64_MAX || n == INT64_MIN
                : n == INT64_C(9223372036825200000) || n == INT64_C(-9223372036832400000)) {
        buf_str(out, n > 0 ? "infinity" : "-infinity");
        return true;
    }
    if (__builtin_mul_overflow(floor_div(n, down), up, &us))
        return false;
    feed_timestamp_text(out, us);
    return true;
}

static bool timestamp_ms_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return timestamp_scaled(v, 1000, 1, out);
}

static bool timestamp_us_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return timestamp_scaled(v, 1, 1, out);
}

static bool timestamp_ns_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return timestamp_scaled(v, 1, 1000, out);
}

/* Debezium tells infinities as years that no date of PostgreSQL has, in arrays and snapshots without their
 * era. */
static int infinity_of(struct slice iso)
{
    static const int64_t last = 5874897, first = -4713, first_without_era = 292269055;
    char text[24] = "";
    if (slice_is(iso, "infinity") || slice_is(iso, "-infinity"))
        return iso.ptr[0] == '-' ? -1 : 1;
    if (iso.len < 8 || (iso.ptr[0] != '+' && iso.ptr[0] != '-'))
        return 0;
    memcpy(text, iso.ptr, iso.len < sizeof text ? iso.len : sizeof text - 1);
    int64_t year = strtoll(text, NULL, 10);
    return year == first_without_era || year < first ? -1 : year > last;
}

static bool iso_text(struct json_object *v, const char *zone, struct buf *out)
{
    if (!json_object_is_type(v, json_type_string))
        return false;
    struct slice iso = string_of(v);
    int infinite = infinity_of(iso);
    if (infinite) {
        buf_str(out, infinite > 0 ? "infinity" : "-infinity");
        return true;
    }
    return feed_iso_text(out, iso, zone);
}

static bool local_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return iso_text(v, "", out);
}

static bool zoned_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return iso_text(v, "+00", out);
}

static bool interval_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    return json_object_is_type(v, json_type_string) && feed_interval_text(out, string_of(v));
}

static bool point_text(const struct feed_column *c, struct json_object *v, struct buf *out)
{
    struct json_object *x = json_object_object_get(v, "x"), *y = json_object_object_get(v, "y");
    buf_char(out, '(');
    bool ok = x && real_text(x, false, out);
    buf_char(out, ',');
    ok = ok && y && real_text(y, false, out);
    buf_char(out, ')');
    return ok;
}

/* ---- the table ---- */

static const struct feed_rule rules[] = {
    {"boolean", "", "bool", bool_text},
    {"int16", "", "int2", int_text, FEED_INTEGER},
    {"int32", "", "int4", int_text, FEED_INTEGER},
    {"int64", "", "int8", int_text, FEED_INTEGER},
    {"float", "", "float4", float_text},
    {"double", "", "float8", double_text},
    {"string", "", "text", string_text, FEED_STRING},
    {"bytes", "", "bytea", bytes_text, FEED_BYTES},
    {"string", "io.debezium.data.Json", "json", string_text},
    {"string", "io.debezium.data.Uuid", "uuid", string_text},
    {"string", "io.debezium.data.Xml", "xml", string_text},
    {"string", "io.debezium.data.Ltree", "ltree", string_text},
    {"string", "io.debezium.data.Tsvector", "tsvector", string_text},
    {"string", "io.debezium.data.Enum", "enum", string_text},
    {"bytes", "org.apache.kafka.connect.data.Decimal", "numeric", scaled_text},
    {"struct", "io.debezium.data.VariableScaleDecimal", "numeric", variable_text},
    {"int32", "io.debezium.time.Date", "date", date_text, FEED_INTEGER},
    {"int32", "org.apache.kafka.connect.data.Date", "date", date_text, FEED_INTEGER},
    {"string", "io.debezium.time.IsoDate", "date", local_text},
    {"int32", "io.debezium.time.Time", "time", time_ms_text},
    {"int32", "org.apache.kafka.connect.data.Time", "time", time_ms_text},
    {"int64", "io.debezium.time.MicroTime", "time", time_us_text},
    {"int64", "io.debezium.time.NanoTime", "time", time_ns_text},
    {"string", "io.debezium.time.IsoTime", "time", local_text},
    {"string", "io.debezium.time.ZonedTime", "timetz", zoned_text},
    {"int64", "io.debezium.time.Timestamp", "timestamp", timestamp_ms_text},
    {"int64", "org.apache.kafka.connect.data.Timestamp", "timestamp", timestamp_ms_text},
    {"int64", "io.debezium.time.MicroTimestamp", "timestamp", timestamp_us_text},
    {"int64", "io.debezium.time.NanoTimestamp", "timestamp", timestamp_ns_text},
    {"string", "io.debezium.time.IsoTimestamp", "timestamp", local_text},
    {"string", "io.debezium.time.ZonedTimestamp", "timestamptz", zoned_text},
    {"string", "io.debezium.time.Interval", "interval", interval_text},
    {"struct", "io.debezium.data.geometry.Point", "point", point_text},
};

/* What the type's name says beside the schema. Without text: such values cannot be told, and why. */
static const struct {
    const char *source, *type, *name;
    struct feed_rule rule;
    const char *why;
} named[] = {
    {"BIT", "boolean", "", {.implies = "bit", .text = bit_text}, NULL},
    {"VARBIT", "boolean", "", {.implies = "varbit", .text = bit_text}, NULL},
    {"BIT", "bytes", "io.debezium.data.Bits", {.implies = "bit", .text = bits_text, .kind = FEED_BITS}, NULL},
    {"NUMERIC", "string", "", {.implies = "numeric", .text = plain_text}, NULL},
    {"NUMERIC", "double", "", {0}, "set decimal.handling.mode=precise or string"},
    {"MONEY", NULL, NULL, {0}, "money has no exact form in the topics"},
    {"HSTORE", NULL, NULL, {0}, "hstore has no exact form in the topics"},
};

/* Values that no row above is for; the advice. */
static const struct {
    const char *name, *why;
} hopeless[] = {
    {"io.debezium.time.MicroDuration", "set interval.handling.mode=string"},
    {"io.debezium.data.Bits",
     "bit(n) needs its type's name: set column.propagate.source.type; varbit has no exact form"},
};

/* bytea under binary.handling.mode. */
static const struct feed_rule as_base64 = {"string", "", "bytea", bytes_text, FEED_BYTES};
static const struct feed_rule as_hex = {"string", "", "bytea", hex_text};

/* ---- finding one ---- */

static const struct feed_rule *binary_rule(const char *mode, const char **why)
{
    *why = "set binary.handling.mode here as for the connector";
    return strcmp(mode, "hex") == 0 ? &as_hex : strncmp(mode, "base64", 6) == 0 ? &as_base64 : NULL;
}

static const struct feed_rule *rule_named(const char *source, const char *type, const char *name,
                                          const char **why)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i].source, source) == 0 && (!named[i].type || strcmp(named[i].type, type) == 0) &&
            (!named[i].name || strcmp(named[i].name, name) == 0)) {
            *why = named[i].why;
            return &named[i].rule;
        }
    return NULL;
}

const struct feed_rule *feed_rule_find(const char *source, const char *type, const char *name,
                                       const char *binary, const char **why)
{
    *why = NULL;
    if (strcmp(source, "BYTEA") == 0 && strcmp(type, "string") == 0)
        return binary_rule(binary, why);
    const struct feed_rule *rule = rule_named(source, type, name, why);
    for (size_t i = 0; !rule && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].type, type) == 0 && strcmp(rules[i].name, name) == 0)
            rule = &rules[i];
    if (rule && rule->text)
        return rule;
    for (size_t i = 0; !*why && i < sizeof hopeless / sizeof *hopeless; i++)
        if (strcmp(hopeless[i].name, name) == 0)
            *why = hopeless[i].why;
    return NULL;
}
