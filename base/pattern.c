/* pattern.c - Debezium's include and exclude lists, by PCRE2.
 *
 * Java's character classes know unions [a[bc]] and intersections [a-z&&[^b]], which PCRE2 would silently read
 * as something else; they are refused instead. */
#include "pattern.h"

#include "buf.h"

#include <ctype.h>
#include <stdlib.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 20000 };

struct pattern_list {
    size_t count;
    pcre2_code **codes;
    pcre2_match_context *limits;
};

/* Splits off the text up to the next comma that is not escaped, without the blanks around it. */
static struct slice item_next(const char **at)
{
    const char *start = *at, *end = start;
    while (*end && *end != ',')
        end += *end == '\\' && end[1] ? 2 : 1;
    *at = *end ? end + 1 : end;
    while (start < end && isspace((unsigned char)*start))
        start++;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    return (struct slice){start, (size_t)(end - start)};
}

static void item_unescape(struct buf *out, struct slice item)
{
    for (size_t i = 0; i < item.len; i++) {
        if (item.ptr[i] == '\\' && i + 1 < item.len) {
            i++;
            if (item.ptr[i] != ',')
                buf_char(out, '\\');
        }
        buf_char(out, item.ptr[i]);
    }
}

bool pattern_java_only(const char *text)
{
    bool inside = false, quoted = false;
    for (const char *at = text; *at; at++) {
        if (at[0] == '\\' && at[1]) {
            at++;
            quoted = *at == 'Q' || (quoted && *at != 'E');
        } else if (quoted) {
            continue;
        } else if (inside && (*at == '[' || (at[0] == '&' && at[1] == '&'))) {
            return true;
        } else if (*at == '[') {
            inside = true;
            at += at[1] == '^' ? 1 : 0;
            at += at[1] == ']' ? 1 : 0; /* a leading one is a literal */
        } else if (*at == ']') {
            inside = false;
        }
    }
    return false;
}

static pcre2_code *code_new(const char *text, struct err *e)
{
    if (pattern_java_only(text)) {
        err_set(e, ERR_CONFIG,
                "regular expression \"%s\": nested character classes and && are not supported; "
                "write the class out, or use a lookahead",
                text);
        return NULL;
    }
    int number;
    PCRE2_SIZE offset;
    uint32_t options =
        PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_CASELESS | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, strlen(text), options, &number, &offset, NULL);
    if (!code) {
        PCRE2_UCHAR why[200] = "";
        pcre2_get_error_message(number, why, sizeof why);
        err_set(e, ERR_CONFIG, "regular expression \"%s\": %s at offset %zu", text, (char *)why,
                (size_t)offset);
    }
    return code;
}

static void *need(void *p)
{
    return p ? p : xmalloc(SIZE_MAX / 2); /* ends the process as every lack of memory does */
}

static bool list_add(struct pattern_list *p, struct slice item, struct err *e)
{
    struct buf text = BUF_EMPTY;
    item_unescape(&text, item);
    pcre2_code *code = code_new(text.ptr, e);
    buf_free(&text);
    if (!code)
        return false;
    p->codes = xrealloc(p->codes, (p->count + 1) * sizeof *p->codes);
    p->codes[p->count++] = code;
    return true;
}

struct pattern_list *pattern_list_new(const char *text, struct err *e)
{
    struct pattern_list *p = xcalloc(1, sizeof *p);
    p->limits = need(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KB);
    while (text && *text) {
        struct slice item = item_next(&text);
        if (item.len && !list_add(p, item, e)) {
            pattern_list_free(p);
            return NULL;
        }
    }
    return p;
}

void pattern_list_free(struct pattern_list *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        pcre2_code_free(p->codes[i]);
    pcre2_match_context_free(p->limits);
    free(p->codes);
    free(p);
}

size_t pattern_list_count(const struct pattern_list *p)
{
    return p->count;
}

bool pattern_list_match(const struct pattern_list *p, struct slice name)
{
    return pattern_list_find(p, name) >= 0;
}

int pattern_list_find(const struct pattern_list *p, struct slice name)
{
    if (!p->count)
        return -1;
    int found = -1;
    PCRE2_SPTR text = (PCRE2_SPTR)(name.ptr ? name.ptr : "");
    pcre2_match_data *data = need(pcre2_match_data_create(1, NULL));
    for (size_t i = 0; i < p->count && found < 0; i++)
        if (pcre2_match(p->codes[i], text, name.len, 0, 0, data, p->limits) >= 0)
            found = (int)i;
    pcre2_match_data_free(data);
    return found;
}
