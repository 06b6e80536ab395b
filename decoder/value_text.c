/* value_text.c - Connect's Values.convertToString over the value tree: what a SimpleHeaderConverter writes.
 *
 * It looks like JSON but is not: only quotes and backslashes are escaped, decimals stand as numbers, and
 * dates and times of Connect's own types stand unquoted, those before 1970-01-02 as a time of day. */
#include "value.h"

#include "decimal.h"
#include "json.h"
#include "moment.h"

#include <stdlib.h>

#define DAY_MS INT64_C(86400000)

static void quoted(struct buf *b, struct slice text)
{
    buf_char(b, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_char(b, '\\');
        buf_char(b, text.ptr[i]);
    }
    buf_char(b, '"');
}

static bool is_connect(const struct schema *s, const char *name)
{
    static const char package[] = "org.apache.kafka.connect.data.";
    size_t n = sizeof package - 1;
    return s->name && strncmp(s->name, package, n) == 0 && strcmp(s->name + n, name) == 0;
}

/* As java.util.Date's three formats in Values; the millisecond is rounded down. */
static void date_text(struct buf *b, int64_t ms)
{
    char text[2 * MOMENT_TEXT_MOST], *end = text;
    int64_t of_day = (ms % DAY_MS + DAY_MS) % DAY_MS;
    if (ms >= DAY_MS)
        end = moment_put_date(end, (ms - of_day) / DAY_MS);
    if (end > text && text[0] == '+')
        memmove(text, text + 1, (size_t)(--end - text));
    if (ms < DAY_MS || of_day) {
        if (ms >= DAY_MS)
            *end++ = 'T';
        end = moment_put_time(end, of_day * 1000, 3);
        *end++ = 'Z';
    }
    buf_append(b, text, (size_t)(end - text));
}

static void int_text(struct buf *b, const struct schema *s, int64_t n)
{
    if (is_connect(s, "Date"))
        date_text(b, n * DAY_MS);
    else if (is_connect(s, "Time") || is_connect(s, "Timestamp"))
        date_text(b, n);
    else
        buf_i64(b, n);
}

static void bytes_text(struct buf *b, const struct schema *s, struct slice bytes)
{
    if (!is_connect(s, "Decimal")) {
        json_base64(b, bytes);
        return;
    }
    int scale = 0;
    for (size_t i = 0; i < s->n_params; i++)
        if (strcmp(s->params[i].name, "scale") == 0)
            scale = atoi(s->params[i].value);
    decimal_number(b, bytes, scale);
}

static void float_text(struct buf *b, const struct schema *s, double d)
{
    if (d != d)
        BUF_LIT(b, "NaN");
    else if (d - d != 0)
        buf_str(b, d > 0 ? "Infinity" : "-Infinity");
    else if (s->type == SCHEMA_FLOAT32)
        json_float(b, (float)d);
    else
        json_double(b, d);
}

static void list_text(struct buf *b, const struct schema *s, const struct value *v)
{
    bool fields = s->type == SCHEMA_STRUCT, pairs = s->type == SCHEMA_MAP;
    size_t n = fields && s->n_fields < v->list.count ? s->n_fields : v->list.count;
    buf_char(b, fields || pairs ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(b, pairs && i % 2 ? ':' : ',');
        if (fields) {
            quoted(b, slice_of(s->fields[i].name));
            buf_char(b, ':');
        }
        const struct schema *item = fields ? s->fields[i].schema : pairs && i % 2 == 0 ? s->key : s->item;
        value_text(b, item, &v->list.items[i]);
    }
    buf_char(b, fields || pairs ? '}' : ']');
}

void value_text(struct buf *b, const struct schema *s, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        if (s->preset && s->preset->kind != VALUE_NULL)
            value_text(b, s, s->preset);
        else
            BUF_LIT(b, "null");
        break;
    case VALUE_BOOL:
        json_boolean(b, v->boolean);
        break;
    case VALUE_INT:
        int_text(b, s, v->integer);
        break;
    case VALUE_FLOAT:
        float_text(b, s, v->real);
        break;
    case VALUE_STRING:
        quoted(b, v->bytes);
        break;
    case VALUE_BYTES:
        bytes_text(b, s, v->bytes);
        break;
    case VALUE_LIST:
        if (s->type == SCHEMA_ARRAY || s->type == SCHEMA_MAP || s->type == SCHEMA_STRUCT)
            list_text(b, s, v);
        else
            BUF_LIT(b, "null");
        break;
    }
}
