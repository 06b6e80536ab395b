/* rules.c - the file of rules: read with suspicion, so that a slip of the pen closes and never opens.
 *
 * A member that is not known, a rule without a table, a tree that is none: the whole file is refused. A claim
 * may stand where a filter has a value, but not behind like and prefix: there a value such as % or "" would
 * stand for everything. */
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "filter.h"
#include "json_strict.h"
#include "xmalloc.h"

enum { FILE_MOST = 1024 * 1024, RULES_MOST = 10000 };

struct rule {
    struct json_object *tables, *roles, *claims, *columns, *where; /* of the whole file's; NULL: not given */
};

struct rules {
    struct json_object *file;
    const char *roles_claim; /* NULL: role and roles */
    struct rule *items;
    size_t n;
};

/* ---- reading ---- */

static bool names_good(struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (!json_strict_text(json_object_array_get_idx(list, i)))
            return false;
    return true;
}

static bool scalar(struct json_object *o)
{
    enum json_type type = json_object_get_type(o);
    return type == json_type_string || type == json_type_int || type == json_type_double ||
           type == json_type_boolean;
}

/* {"name": value} or {"name": [values]} */
static bool claims_good(struct json_object *claims)
{
    if (!json_object_is_type(claims, json_type_object))
        return false;
    json_object_object_foreach(claims, name, value)
    {
        (void)name;
        size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
        if (n == 0 && !scalar(value))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!scalar(json_object_array_get_idx(value, i)))
                return false;
    }
    return true;
}

/* The name in {"claim":"name"}, or NULL. */
static const char *claim_named(struct json_object *value)
{
    return json_object_is_type(value, json_type_object) && json_object_object_length(value) == 1
               ? json_strict_text(json_object_object_get(value, "claim"))
               : NULL;
}

static bool value_good(const char *op, struct json_object *value)
{
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (!value_good(op, json_object_array_get_idx(value, i)))
                return false;
        return true;
    }
    bool pattern = strcmp(op, "like") == 0 || strcmp(op, "prefix") == 0;
    return !json_object_is_type(value, json_type_object) || (claim_named(value) && !pattern);
}

static bool condition_good(struct json_object *tree)
{
    size_t n = json_object_array_length(tree);
    const char *op = json_strict_text(json_object_array_get_idx(tree, 1));
    return (n == 2 || n == 3) && op && filter_operator(op) &&
           json_strict_text(json_object_array_get_idx(tree, 0)) &&
           value_good(op, json_object_array_get_idx(tree, 2));
}

static bool tree_good(struct json_object *tree)
{
    if (json_object_is_type(tree, json_type_array))
        return condition_good(tree);
    if (!json_object_is_type(tree, json_type_object) || json_object_object_length(tree) != 1)
        return false;
    struct json_object *part;
    if (json_object_object_get_ex(tree, "not", &part))
        return tree_good(part);
    if (!json_object_object_get_ex(tree, "and", &part) && !json_object_object_get_ex(tree, "or", &part))
        return false;
    size_t n = json_object_is_type(part, json_type_array) ? json_object_array_length(part) : 0;
    for (size_t i = 0; i < n; i++)
        if (!tree_good(json_object_array_get_idx(part, i)))
            return false;
    return n > 0;
}

/* One text or several. */
static bool tables_good(struct json_object *tables)
{
    return json_strict_text(tables) || names_good(tables);
}

static const struct member {
    const char *name, *expected;
    bool (*good)(struct json_object *value);
    size_t at;
} members[] = {
    {"table", "\"schema.table\", where * stands for anything, or several of them", tables_good,
     offsetof(struct rule, tables)},
    {"roles", "an array of names that is not empty", names_good, offsetof(struct rule, roles)},
    {"claims", "{\"name\": value or [values]}", claims_good, offsetof(struct rule, claims)},
    {"columns", "an array of names that is not empty", names_good, offsetof(struct rule, columns)},
    {"where",
     "a filter as clients write them; {\"claim\":\"name\"} may stand for a value, but not with like and "
     "prefix",
     tree_good, offsetof(struct rule, where)},
};

static const struct member *member_named(const char *name)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    return NULL;
}

static bool rule_read(struct rule *rule, struct json_object *o, struct err *e)
{
    if (!json_object_is_type(o, json_type_object))
        return err_set(e, ERR_CONFIG, "it is no object");
    json_object_object_foreach(o, name, value)
    {
        const struct member *m = member_named(name);
        if (!m)
            return err_set(e, ERR_CONFIG,
                           "there is no member %.100s: they are table, roles, claims, columns, "
                           "where",
                           name);
        if (!m->good(value))
            return err_set(e, ERR_CONFIG, "%s must be %s", m->name, m->expected);
        *(struct json_object **)((char *)rule + m->at) = value;
    }
    return rule->tables || err_set(e, ERR_CONFIG, "it has no table");
}

static bool file_read(struct rules *r, struct err *e)
{
    struct json_object *list = json_object_object_get(r->file, "rules"), *claim;
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > RULES_MOST)
        return err_set(e, ERR_CONFIG, "it must be {\"rules\":[...]}, each name once in an object");
    json_object_object_foreach(r->file, name, value) if (strcmp(name, "rules") != 0 &&
                                                         strcmp(name, "roles_claim") != 0) return (void)value,
        err_set(e, ERR_CONFIG, "there is no member %.100s: they are rules, roles_claim", name);
    if (json_object_object_get_ex(r->file, "roles_claim", &claim) &&
        !(r->roles_claim = json_strict_text(claim)))
        return err_set(e, ERR_CONFIG, "roles_claim must be the name of a claim");
    r->items = xcalloc(json_object_array_length(list) + 1, sizeof(*r->items));
    for (; r->n < json_object_array_length(list); r->n++)
        if (!rule_read(&r->items[r->n], json_object_array_get_idx(list, r->n), e))
            return err_prefix(e, "rule %zu", r->n + 1);
    return true;
}

struct rules *rules_parse(const char *text, size_t len, struct err *e)
{
    struct rules *r = xcalloc(1, sizeof(*r));
    r->file = json_strict((struct slice){text, len});
    if (file_read(r, e))
        return r;
    rules_free(r);
    return NULL;
}

struct rules *rules_read(const char *path, struct err *e)
{
    struct buf text = BUF_EMPTY;
    struct rules *r = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), why = errno;
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        n = st.st_size <= FILE_MOST ? read(fd, buf_room(&text, FILE_MOST), FILE_MOST) : -1;
        why = st.st_size <= FILE_MOST ? errno : EFBIG;
    }
    if (fd >= 0)
        close(fd);
    if (n < 0)
        err_set(e, ERR_CONFIG, "it cannot be read: %s", strerror(why));
    else
        r = rules_parse(text.ptr, (size_t)n, e);
    buf_free(&text);
    if (!r)
        err_prefix(e, "websocket.rules.file=%s", path);
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    json_object_put(r->file);
    free(r->items);
    free(r);
}

/* ---- claims ---- */

/* By its whole name, or else by the parts between dots, one inside the other. NULL: not there, or null. */
static struct json_object *claim_find(struct json_object *claims, const char *name)
{
    struct json_object *found;
    if (!json_object_is_type(claims, json_type_object))
        return NULL;
    if (json_object_object_get_ex(claims, name, &found))
        return found;
    const char *dot = strchr(name, '.');
    if (!dot)
        return NULL;
    char *first = xstrndup(name, (size_t)(dot - name));
    found = json_object_object_get(claims, first);
    free(first);
    return claim_find(found, dot + 1);
}

static bool lists(struct json_object *value, struct json_object *wanted)
{
    if (!json_object_is_type(value, json_type_array))
        return json_object_equal(value, wanted);
    for (size_t i = 0; i < json_object_array_length(value); i++)
        if (json_object_equal(json_object_array_get_idx(value, i), wanted))
            return true;
    return false;
}

/* One of the wanted values is the claim, or is in it. */
static bool meets(struct json_object *claim, struct json_object *wanted)
{
    if (!json_object_is_type(wanted, json_type_array))
        return claim && lists(claim, wanted);
    for (size_t i = 0; claim && i < json_object_array_length(wanted); i++)
        if (lists(claim, json_object_array_get_idx(wanted, i)))
            return true;
    return false;
}

static bool has_role(const struct rules *r, struct json_object *roles, struct json_object *claims)
{
    if (r->roles_claim)
        return meets(claim_find(claims, r->roles_claim), roles);
    return meets(claim_find(claims, "role"), roles) || meets(claim_find(claims, "roles"), roles);
}

static bool has_claims(struct json_object *wanted, struct json_object *claims)
{
    json_object_object_foreach(wanted, name, value) if (!meets(claim_find(claims, name), value)) return false;
    return true;
}

/* ---- tables ---- */

/* * is any text, everything else itself. */
static bool pattern_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *mark = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            mark = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++mark;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

static bool table_fits(struct json_object *tables, const char *name)
{
    if (json_strict_text(tables))
        return pattern_fits(json_strict_text(tables), name);
    for (size_t i = 0; i < json_object_array_length(tables); i++)
        if (pattern_fits(json_strict_text(json_object_array_get_idx(tables, i)), name))
            return true;
    return false;
}

/* ---- where ---- */

struct filling {
    struct json_object *claims;
    struct err *e;
};

static struct json_object *claim_missing(const struct filling *f, const char *name)
{
    err_set(f->e, ERR_DATA, "the token has no claim %.100s that a value could be compared with", name);
    return NULL;
}

/* A claim's value, or the values of one that is a list; objects and nulls are none. */
static struct json_object *claim_value(const struct filling *f, const char *name)
{
    struct json_object *value = claim_find(f->claims, name);
    bool good = scalar(value) || json_object_is_type(value, json_type_array);
    for (size_t i = 0; json_object_is_type(value, json_type_array) && i < json_object_array_length(value);
         i++)
        good = good && scalar(json_object_array_get_idx(value, i));
    return good ? json_object_get(value) : claim_missing(f, name);
}

/* Of `in` and `nin`: one list of all. */
static struct json_object *list_filled(const struct filling *f, struct json_object *value)
{
    struct json_object *list = json_object_new_array();
    size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = n == 1 && !json_object_is_type(value, json_type_array)
                                      ? value
                                      : json_object_array_get_idx(value, i);
        const char *name = claim_named(one);
        struct json_object *filled = name ? claim_value(f, name) : json_object_get(one);
        if (name && !filled) {
            json_object_put(list);
            return NULL;
        }
        if (!json_object_is_type(filled, json_type_array)) {
            json_object_array_add(list, filled);
            continue;
        }
        for (size_t k = 0; k < json_object_array_length(filled); k++)
            json_object_array_add(list, json_object_get(json_object_array_get_idx(filled, k)));
        json_object_put(filled);
    }
    return list;
}

static struct json_object *condition_filled(const struct filling *f, struct json_object *tree)
{
    const char *op = json_strict_text(json_object_array_get_idx(tree, 1));
    struct json_object *value = json_object_array_get_idx(tree, 2), *filled = NULL;
    bool list =
        strcmp(op, "in") == 0 || strcmp(op, "nin") == 0 || json_object_is_type(value, json_type_array);
    if (json_object_array_length(tree) == 2)
        return json_object_get(tree);
    if (list)
        filled = list_filled(f, value);
    else
        filled = claim_named(value) ? claim_value(f, claim_named(value)) : json_object_get(value);
    if (!filled && value)
        return NULL;
    struct json_object *condition = json_object_new_array();
    json_object_array_add(condition, json_object_get(json_object_array_get_idx(tree, 0)));
    json_object_array_add(condition, json_object_get(json_object_array_get_idx(tree, 1)));
    json_object_array_add(condition, filled);
    return condition;
}

static struct json_object *tree_filled(const struct filling *f, struct json_object *tree);

static struct json_object *parts_filled(const struct filling *f, struct json_object *parts)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(parts); i++) {
        struct json_object *part = tree_filled(f, json_object_array_get_idx(parts, i));
        if (!part) {
            json_object_put(list);
            return NULL;
        }
        json_object_array_add(list, part);
    }
    return list;
}

/* NULL: a claim is missing. */
static struct json_object *tree_filled(const struct filling *f, struct json_object *tree)
{
    if (json_object_is_type(tree, json_type_array))
        return condition_filled(f, tree);
    struct json_object *filled = NULL;
    json_object_object_foreach(tree, name, part)
    {
        struct json_object *inside = strcmp(name, "not") == 0 ? tree_filled(f, part) : parts_filled(f, part);
        if (inside) {
            filled = json_object_new_object();
            json_object_object_add(filled, name, inside);
        }
    }
    return filled;
}

bool rules_allow(const struct rules *r, const char *table, struct json_object *claims, struct allowance *out,
                 struct err *e)
{
    *out = (struct allowance){0};
    for (size_t i = 0; i < r->n; i++) {
        const struct rule *rule = &r->items[i];
        if (!table_fits(rule->tables, table) || (rule->roles && !has_role(r, rule->roles, claims)) ||
            (rule->claims && !has_claims(rule->claims, claims)))
            continue;
        struct filling f = {claims, e};
        out->rule = i + 1;
        out->columns = rule->columns;
        out->where = rule->where ? tree_filled(&f, rule->where) : NULL;
        return !rule->where || out->where || err_prefix(e, "rule %zu", i + 1);
    }
    return err_set(e, ERR_DATA, "no rule for this table fits the token");
}

void allowance_clear(struct allowance *a)
{
    json_object_put(a->where);
    *a = (struct allowance){0};
}
