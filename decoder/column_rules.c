/* column_rules.c - from option names to rules, and which one a column has.
 *
 * Of several options of one kind Debezium asks first the one that comes first in a java.util.HashMap of all
 * options: chance for the user, but always the same one. */
#include "column_rules.h"

#include "digest.h"
#include "java_map.h"
#include "pattern.h"
#include "xmalloc.h"

#include <ctype.h>
#include <errno.h>

enum { CHARS_MOST = 65536 };

struct rule {
    struct column_rule rule;
    struct pattern_list *columns;
};

struct column_rules {
    size_t count;
    struct rule *list;
};

/* "<prefix><variable><suffix>", the variable parts cut out; a suffix may hold one more. */
static const struct {
    enum column_change change;
    const char *prefix, *middle; /* between them the number or the algorithm; behind the middle the salt */
    bool salted;
} FORMS[] = {
    {COLUMN_TRUNCATE, "column.truncate.to.", ".chars", false},
    {COLUMN_MASK, "column.mask.with.", ".chars", false},
    {COLUMN_PROPAGATE, "column.propagate.source.type", "", false},
    {COLUMN_PROPAGATE_TYPE, "datatype.propagate.source.type", "", false},
    {COLUMN_HASH_V2, "column.mask.hash.v2.", ".with.salt.", true},
    {COLUMN_HASH, "column.mask.hash.", ".with.salt.", true},
};

/* The form of a name, its variable parts; -1: the option is none of these. */
static int form_of(const char *name, struct slice *first, struct slice *salt)
{
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        size_t n = strlen(FORMS[i].prefix);
        if (strncmp(name, FORMS[i].prefix, n) != 0)
            continue;
        const char *rest = name + n,
                   *middle = *FORMS[i].middle ? strstr(rest, FORMS[i].middle) : rest + strlen(rest);
        *first = (struct slice){rest, middle ? (size_t)(middle - rest) : strlen(rest)};
        *salt = slice_of(middle ? middle + strlen(FORMS[i].middle) : "");
        return (int)i;
    }
    return -1;
}

static bool parse_chars(const char *name, struct slice digits, enum column_change change, int *chars,
                        struct err *e)
{
    char text[12], *end = text;
    bool good = digits.len > 0 && digits.len < sizeof text && isdigit((unsigned char)digits.ptr[0]);
    memcpy(text, digits.ptr, good ? digits.len : 0);
    text[good ? digits.len : 0] = 0;
    long n = strtol(text, &end, 10);
    if (!good || *end || n > INT32_MAX)
        return err_set(e, ERR_CONFIG, "%s: a number of characters is expected before .chars", name);
    if (change == COLUMN_MASK && n > CHARS_MOST)
        return err_set(e, ERR_CONFIG, "%s: a mask has at most %d characters", name, CHARS_MOST);
    *chars = (int)n;
    return true;
}

static bool parse_name(const char *name, int form, struct slice first, struct slice salt, struct rule *out,
                       struct err *e)
{
    out->rule.change = FORMS[form].change;
    if (FORMS[form].salted) {
        if (!first.len || !salt.len)
            return err_set(e, ERR_CONFIG, "%s: expected is column.mask.hash.<algorithm>.with.salt.<salt>",
                           name);
        out->rule.digest = digest_new(first, salt, e);
        return out->rule.digest || err_prefix(e, "%s", name);
    }
    if (!*FORMS[form].middle)
        return true;
    if (salt.len)
        return err_set(e, ERR_CONFIG, "%s: nothing may follow .chars", name);
    return parse_chars(name, first, out->rule.change, &out->rule.chars, e);
}

static void rule_close(struct rule *r)
{
    digest_free(r->rule.digest);
    pattern_list_free(r->columns);
}

/* Fills *out when the option is a rule; *is_rule says whether. */
static bool parse_rule(const char *name, const char *columns, struct rule *out, bool *is_rule, struct err *e)
{
    struct slice first, salt;
    int form = form_of(name, &first, &salt);
    *is_rule = form >= 0;
    *out = (struct rule){0};
    if (!*is_rule)
        return true;
    if (parse_name(name, form, first, salt, out, e)) {
        out->columns = pattern_list_new(columns, e);
        if (out->columns)
            return true;
    }
    rule_close(out);
    *is_rule = false;
    return false;
}

bool column_rule_check(const char *name, const char *columns, struct err *e)
{
    struct rule r;
    bool is_rule, ok = parse_rule(name, columns, &r, &is_rule, e);
    if (is_rule)
        rule_close(&r);
    return ok;
}

/* The options in the order of Java's map, into which Connect puts one more: task.class. */
static struct java_entry *java_order(const struct props *options)
{
    size_t n = props_count(options);
    struct java_entry *order = xcalloc(n + 1, sizeof *order);
    for (size_t i = 0; i < n; i++) {
        const char *name, *value;
        props_at(options, i, &name, &value);
        order[i] = (struct java_entry){java_string_hash(slice_of(name)), (uint32_t)i};
    }
    uint32_t capacity = 16;
    while (n + 1 > capacity / 4 * 3)
        capacity *= 2;
    java_map_order(order, n, capacity);
    return order;
}

static bool add_option(struct column_rules *r, const char *name, const char *value, struct err *e)
{
    struct rule rule;
    bool is_rule;
    if (!parse_rule(name, value, &rule, &is_rule, e))
        return false;
    if (is_rule) {
        r->list = xrealloc(r->list, (r->count + 1) * sizeof *r->list);
        size_t at = r->count++;
        for (; at > 0 && r->list[at - 1].rule.change > rule.rule.change; at--)
            r->list[at] = r->list[at - 1];
        r->list[at] = rule;
    }
    return true;
}

struct column_rules *column_rules_new(const struct props *options, struct err *e)
{
    struct column_rules *r = xcalloc(1, sizeof *r);
    struct java_entry *order = java_order(options);
    bool ok = true;
    for (size_t i = 0; ok && i < props_count(options); i++) {
        const char *name, *value;
        props_at(options, order[i].index, &name, &value);
        ok = add_option(r, name, value, e);
    }
    free(order);
    if (ok)
        return r;
    column_rules_free(r);
    return NULL;
}

void column_rules_free(struct column_rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        rule_close(&r->list[i]);
    free(r->list);
    free(r);
}

const struct column_rule *column_rules_find(const struct column_rules *rules, const char *schema,
                                            const char *table, const char *column, const char *type)
{
    if (!rules || !rules->count)
        return NULL;
    char *by_name = xasprintf("%s.%s.%s", schema, table, column),
         *by_type = xasprintf("%s.%s.%s", schema, table, type);
    const struct column_rule *found = NULL;
    for (size_t i = 0; i < rules->count && !found; i++) {
        const struct rule *r = &rules->list[i];
        const char *text = r->rule.change == COLUMN_PROPAGATE_TYPE ? by_type : by_name;
        if (pattern_list_match(r->columns, slice_of(text)))
            found = &r->rule;
    }
    free(by_name);
    free(by_type);
    return found;
}

bool column_rule_hides(const struct column_rule *rule)
{
    return rule && rule->change != COLUMN_PROPAGATE && rule->change != COLUMN_PROPAGATE_TYPE;
}
