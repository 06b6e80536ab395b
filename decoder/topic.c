/* topic.c - topic names from schema and table.
 *
 * Two tables may get one name; Debezium does not detect that either. */
#include "topic.h"

#include "rewrite.h"
#include "xmalloc.h"

#include <ctype.h>
#include <stdlib.h>

#define MOST_BYTES 249

struct topic_naming {
    char *prefix, *delimiter, *transaction, *heartbeat_prefix, *heartbeat, *key_field;
    bool without_schema, unicode;
    struct rewrite *rewrite, *key_rewrite;
};

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

struct topic_naming *topic_naming_new(const struct topic_options *o, struct err *e)
{
    struct topic_naming *n = xcalloc(1, sizeof *n);
    *n = (struct topic_naming){.prefix = xstrdup(o->prefix),
                               .delimiter = xstrdup(o->delimiter),
                               .transaction = xstrdup(o->transaction),
                               .heartbeat_prefix = xstrdup(o->heartbeat_prefix),
                               .heartbeat = copy(o->heartbeat),
                               .key_field = copy(o->key_field),
                               .without_schema = o->without_schema,
                               .unicode = o->unicode};
    bool ok = (!o->regex || (n->rewrite = rewrite_new(o->regex, o->replacement, e))) &&
              (!o->key_regex || (n->key_rewrite = rewrite_new(o->key_regex, o->key_replacement, e)));
    if (ok)
        return n;
    topic_naming_free(n);
    return NULL;
}

void topic_naming_free(struct topic_naming *n)
{
    if (!n)
        return;
    rewrite_free(n->rewrite);
    rewrite_free(n->key_rewrite);
    free(n->prefix);
    free(n->delimiter);
    free(n->transaction);
    free(n->heartbeat_prefix);
    free(n->heartbeat);
    free(n->key_field);
    free(n);
}

/* ---- a table's topic ---- */

static bool is_blank(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return !*text;
}

static void add_part(const struct topic_naming *n, struct buf *out, const char *part)
{
    if (!part || is_blank(part))
        return;
    if (out->len)
        buf_str(out, n->delimiter);
    buf_str(out, part);
}

static void join_parts(const struct topic_naming *n, const char *schema, const char *table, struct buf *out)
{
    buf_reset(out);
    add_part(n, out, n->prefix);
    add_part(n, out, n->without_schema ? NULL : schema);
    add_part(n, out, table);
}

static void add_replaced(const struct topic_naming *n, struct buf *out, unsigned unit)
{
    if (n->unicode)
        buf_printf(out, unit < 0x100 ? "_u00%x" : "_u%x", unit); /* Integer.toHexString: 3 digits stay 3 */
    else
        buf_char(out, '_');
}

/* The code point at *at, which is valid UTF-8 (PostgreSQL sends no other); *at moves behind it. */
static unsigned next_point(const unsigned char **at, const unsigned char *end)
{
    unsigned char lead = *(*at)++;
    unsigned point = lead < 0x80 ? lead : lead < 0xE0 ? lead & 0x1F : lead < 0xF0 ? lead & 0x0F : lead & 0x07;
    while (*at < end && (**at & 0xC0) == 0x80)
        point = point << 6 | (*(*at)++ & 0x3F);
    return point;
}

static bool is_valid(const struct topic_naming *n, unsigned point)
{
    return point < 0x80 &&
           (isalnum((int)point) || point == '.' || point == '-' || (point == '_' && !n->unicode));
}

/* Java sees UTF-16: a code point beyond U+FFFF is two characters to it. */
static void sanitize(const struct topic_naming *n, struct slice name, struct buf *out)
{
    const unsigned char *at = (const unsigned char *)name.ptr, *end = at + name.len;
    while (at < end) {
        unsigned point = next_point(&at, end);
        if (is_valid(n, point)) {
            buf_char(out, (char)point);
        } else if (point < 0x10000) {
            add_replaced(n, out, point);
        } else {
            add_replaced(n, out, 0xD800 + ((point - 0x10000) >> 10));
            add_replaced(n, out, 0xDC00 + ((point - 0x10000) & 0x3FF));
        }
    }
    if (out->len > MOST_BYTES) {
        out->len = MOST_BYTES;
        out->ptr[out->len] = 0;
    }
}

void topic_of_table(const struct topic_naming *n, const char *schema, const char *table, struct buf *out)
{
    struct buf joined = BUF_EMPTY, name = BUF_EMPTY;
    join_parts(n, schema, table, &joined);
    sanitize(n, buf_view(&joined), &name);
    buf_reset(out);
    if (!n->rewrite || !rewrite_apply(n->rewrite, buf_view(&name), out) || !out->len) {
        buf_reset(out);
        buf_slice(out, buf_view(&name));
    }
    buf_free(&joined);
    buf_free(&name);
}

const char *topic_key_field(const struct topic_naming *n, const char *schema, const char *table,
                            struct buf *out)
{
    buf_reset(out);
    if (!n->key_field)
        return NULL;
    struct buf joined = BUF_EMPTY;
    join_parts(n, schema, table, &joined);
    if (!n->key_rewrite || !rewrite_apply(n->key_rewrite, buf_view(&joined), out))
        buf_slice(out, buf_view(&joined));
    buf_free(&joined);
    return n->key_field;
}

/* ---- the connector's own topics ---- */

void topic_of_transactions(const struct topic_naming *n, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "%s%s%s", n->prefix, n->delimiter, n->transaction);
}

void topic_of_heartbeats(const struct topic_naming *n, struct buf *out)
{
    buf_reset(out);
    if (n->heartbeat)
        buf_str(out, n->heartbeat);
    else
        buf_printf(out, "%s%s%s", n->heartbeat_prefix, n->delimiter, n->prefix);
}

void topic_of_messages(const struct topic_naming *n, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "%s.message", n->prefix);
}
