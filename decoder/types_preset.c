/* types_preset.c - column defaults as Debezium reads them from pg_get_expr.
 *
 * Nothing is evaluated: of an expression the first quoted literal counts, an expression that begins with a
 * function call or is CURRENT_TIMESTAMP or the like stands for a placeholder, and text without a quote is
 * taken as it is. So the default of 'x' || 'y' is x, and that of CURRENT_USER is the string CURRENT_USER. */
#include "types_preset.h"

#include <ctype.h>

/* The types that carry defaults, and what a computed one looks like. A bit string counts as longer than one.
 */
static const struct {
    const char *type, *placeholder;
} COMPUTED[] = {
    {"bit", "00"},
    {"varbit", "0"},
    {"bool", "false"},
    {"bpchar", ""},
    {"varchar", ""},
    {"text", ""},
    {"numeric", "0.0"},
    {"float4", "0.0"},
    {"float8", "0.0"},
    {"int2", "0"},
    {"int4", "0"},
    {"int8", "0"},
    {"json", "{}"},
    {"jsonb", "{}"},
    {"xml", ""},
    {"uuid", "00000000-0000-0000-0000-000000000000"},
    {"date", "1970-01-01"},
    {"time", "00:00"},
    {"timestamp", "1970-01-01"},
    {"timestamptz", "1970-01-01"},
    {"interval", "00:00:00"},
};

static const char *computed_of(const char *type)
{
    for (size_t i = 0; i < sizeof COMPUTED / sizeof *COMPUTED; i++)
        if (strcmp(COMPUTED[i].type, type) == 0)
            return COMPUTED[i].placeholder;
    return NULL;
}

static bool is_clock(struct slice expression)
{
    static const char *const NAMES[] = {"current_timestamp", "current_time", "current_date", "localtime",
                                        "localtimestamp"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (expression.len == strlen(NAMES[i]) && strncasecmp(expression.ptr, NAMES[i], expression.len) == 0)
            return true;
    return false;
}

/* ^[(]?[A-Za-z0-9_.]+\((...)?\) with anything but a line's end inside the parentheses. */
static bool is_call(struct slice expression)
{
    size_t start = expression.len > 0 && expression.ptr[0] == '(', at = start;
    while (at < expression.len &&
           (isalnum((unsigned char)expression.ptr[at]) || strchr("_.", expression.ptr[at])))
        at++;
    if (at == start || at >= expression.len || expression.ptr[at++] != '(')
        return false;
    for (; at < expression.len && !strchr("\r\n", expression.ptr[at]); at++)
        if (expression.ptr[at] == ')')
            return true;
    return false;
}

/* The first quoted literal with its doubled quotes undone. */
static bool literal_cut(struct slice expression, struct arena *a, struct slice *out)
{
    const char *quote = memchr(expression.ptr, '\'', expression.len);
    char *text = arena_alloc(a, expression.len + 1);
    size_t n = 0;
    for (const char *p = quote + 1, *end = expression.ptr + expression.len; p < end; p++) {
        if (*p == '\'' && (p + 1 == end || p[1] != '\'')) {
            *out = (struct slice){text, n};
            return true;
        }
        p += *p == '\'';
        text[n++] = *p;
    }
    return false;
}

static bool literal_of(struct slice expression, const char *computed, struct arena *a, struct slice *out)
{
    if (slice_starts(expression, "NULL::"))
        return false;
    if (is_call(expression) || is_clock(expression)) {
        *out = slice_of(computed);
        return true;
    }
    *out = expression;
    return !memchr(expression.ptr, '\'', expression.len) || literal_cut(expression, a, out);
}

/* Cuts one identifier, quoted or not, from the front; what is left begins behind a dot or is empty. */
static struct slice identifier_cut(struct slice *text, struct arena *a)
{
    char *name = arena_alloc(a, text->len + 1);
    size_t n = 0, i = 0;
    bool quoted = false;
    for (; i < text->len && (quoted || text->ptr[i] != '.'); i++) {
        if (text->ptr[i] != '"') {
            name[n++] = text->ptr[i];
        } else if (quoted && i + 1 < text->len && text->ptr[i + 1] == '"') {
            name[n++] = text->ptr[i++];
        } else {
            quoted = !quoted;
        }
    }
    *text = slice_cut(*text, i + 1, text->len);
    return (struct slice){name, n};
}

static size_t last_cast(struct slice expression)
{
    for (size_t i = expression.len; i >= 2; i--)
        if (expression.ptr[i - 1] == ':' && expression.ptr[i - 2] == ':')
            return i - 2;
    return expression.len;
}

/* 'label'::schema.type, of this very type; a label's doubled quotes stay. */
static bool label_of(const struct type *type, struct slice expression, struct arena *a, struct slice *out)
{
    size_t cast = last_cast(expression);
    struct slice quoted = slice_cut(expression, 0, cast),
                 rest = slice_cut(expression, cast + 2, expression.len);
    struct slice name = identifier_cut(&rest, a);
    if (rest.len > 0)
        name = identifier_cut(&rest, a);
    if (!slice_is(name, type->name) || quoted.len < 2 || quoted.ptr[0] != '\'' ||
        quoted.ptr[quoted.len - 1] != '\'')
        return false;
    *out = slice_cut(quoted, 1, quoted.len - 2);
    return true;
}

bool types_preset(const struct codec *c, const struct type *declared, const char *expression, struct arena *a,
                  struct value *out)
{
    struct slice text = slice_of(arena_strdup(a, expression)), literal; /* the value borrows from it */
    const char *computed = computed_of(declared->name);
    if (!c->rule->preset || declared != c->type)
        return false;
    if (c->rule == &type_rule_enum ? !label_of(c->type, text, a, &literal)
                                   : !computed || !literal_of(text, computed, a, &literal))
        return false;
    return c->rule->preset(c, literal, a, out);
}
