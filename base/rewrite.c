/* rewrite.c - Java's Matcher.replaceFirst, by PCRE2.
 *
 * The replacement is cut into literal pieces and groups once; PCRE2's own substitution reads another syntax.
 */
#include "rewrite.h"

#include "pattern.h"

#include <ctype.h>
#include <stdlib.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 20000 };

struct piece {
    int group;   /* -1: literal */
    size_t from; /* literal: where it begins in texts, up to the next piece's */
    size_t len;
};

struct rewrite {
    pcre2_code *code;
    pcre2_match_context *limits;
    struct buf texts;
    struct piece *pieces;
    size_t n;
};

static void *need(void *p)
{
    return p ? p : xmalloc(SIZE_MAX / 2); /* ends the process as every lack of memory does */
}

static bool compile(struct rewrite *r, const char *expression, struct err *e)
{
    int number;
    PCRE2_SIZE offset;
    if (pattern_java_only(expression))
        return err_set(e, ERR_CONFIG,
                       "regular expression \"%s\": nested character classes and && are not supported",
                       expression);
    r->code = pcre2_compile((PCRE2_SPTR)expression, strlen(expression), PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
                            &number, &offset, NULL);
    if (r->code)
        return true;
    PCRE2_UCHAR why[200] = "";
    pcre2_get_error_message(number, why, sizeof why);
    return err_set(e, ERR_CONFIG, "regular expression \"%s\": %s at offset %zu", expression, (char *)why,
                   (size_t)offset);
}

static void piece_add(struct rewrite *r, int group, size_t from)
{
    r->pieces = xrealloc(r->pieces, (r->n + 1) * sizeof *r->pieces);
    r->pieces[r->n++] = (struct piece){group, from, group < 0 ? r->texts.len - from : 0};
}

/* $12 is group 12 only where there are so many, otherwise group 1 and a 2, as in Java. */
static int group_by_number(const char **at, uint32_t groups)
{
    int group = *(*at)++ - '0';
    while (isdigit((unsigned char)**at) && group * 10 + (**at - '0') <= (int)groups)
        group = group * 10 + (*(*at)++ - '0');
    return group;
}

static int group_by_name(const struct rewrite *r, const char **at)
{
    size_t n = strcspn(*at + 1, "}");
    if ((*at)[1 + n] != '}')
        return -1;
    char *name = xstrndup(*at + 1, n);
    int group = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)name);
    free(name);
    *at += n + 2;
    return group;
}

static bool take_group(struct rewrite *r, const char **at, const char *replacement, struct err *e)
{
    uint32_t groups = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    int group = -1;
    (*at)++;
    if (isdigit((unsigned char)**at))
        group = group_by_number(at, groups);
    else if (**at == '{')
        group = group_by_name(r, at);
    if (group < 0 || group > (int)groups)
        return err_set(e, ERR_CONFIG, "replacement \"%s\": no such group", replacement);
    piece_add(r, group, 0);
    return true;
}

static bool parse(struct rewrite *r, const char *replacement, struct err *e)
{
    size_t from = 0;
    for (const char *at = replacement; *at;) {
        if (*at == '$') {
            if (r->texts.len > from)
                piece_add(r, -1, from);
            from = r->texts.len;
            if (!take_group(r, &at, replacement, e))
                return false;
            continue;
        }
        if (*at == '\\' && !*++at)
            return err_set(e, ERR_CONFIG, "replacement \"%s\": a character is missing after the backslash",
                           replacement);
        buf_char(&r->texts, *at++);
    }
    if (r->texts.len > from)
        piece_add(r, -1, from);
    return true;
}

struct rewrite *rewrite_new(const char *expression, const char *replacement, struct err *e)
{
    struct rewrite *r = xcalloc(1, sizeof *r);
    r->limits = need(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KB);
    if (compile(r, expression, e) && parse(r, replacement, e))
        return r;
    rewrite_free(r);
    return NULL;
}

void rewrite_free(struct rewrite *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    buf_free(&r->texts);
    free(r->pieces);
    free(r);
}

static void fill(const struct rewrite *r, struct slice text, pcre2_match_data *data, struct buf *out)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
    uint32_t count = pcre2_get_ovector_count(data);
    buf_append(out, text.ptr, at[0]);
    for (size_t i = 0; i < r->n; i++) {
        const struct piece *p = &r->pieces[i];
        if (p->group < 0)
            buf_append(out, r->texts.ptr + p->from, p->len);
        else if ((uint32_t)p->group < count && at[2 * p->group] != PCRE2_UNSET)
            buf_append(out, text.ptr + at[2 * p->group], at[2 * p->group + 1] - at[2 * p->group]);
    }
    buf_append(out, text.ptr + at[1], text.len - at[1]);
}

bool rewrite_apply(const struct rewrite *r, struct slice text, struct buf *out)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.ptr ? text.ptr : "");
    pcre2_match_data *data = need(pcre2_match_data_create_from_pattern(r->code, NULL));
    bool matches = pcre2_match(r->code, subject, text.len, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, data,
                               r->limits) >= 0 &&
                   pcre2_match(r->code, subject, text.len, 0, 0, data, r->limits) >= 0;
    if (matches)
        fill(r, text, data, out);
    pcre2_match_data_free(data);
    return matches;
}
