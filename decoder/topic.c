/* topic.c - topic names from schema and table. Two tables may get one name; Debezium does not detect that
 * either. */
#include "topic.h"

#include <ctype.h>

#define MOST_BYTES 249

static void add_part(struct buf *out, const char *part)
{
    if (!part || !*part)
        return;
    if (out->len)
        buf_char(out, '.');
    /* Java sees characters, not bytes: one underscore for each, whatever its length in UTF-8. */
    for (; *part; part++) {
        unsigned char c = (unsigned char)*part;
        if ((c & 0xC0) != 0x80)
            buf_char(out, c < 0x80 && (isalnum(c) || strchr("._-", c)) ? (char)c : '_');
    }
}

void topic_name(struct buf *out, const char *prefix, const char *schema, const char *table)
{
    buf_reset(out);
    add_part(out, prefix);
    add_part(out, schema);
    add_part(out, table);
    if (out->len > MOST_BYTES) {
        out->len = MOST_BYTES;
        out->ptr[out->len] = 0;
    }
}
