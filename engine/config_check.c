/* config_check.c - what is wrong with a configuration, in Debezium's words, and looking up rows of the table.
 *
 * Kafka Connect words its own options differently ("Invalid value x for configuration y: ..."), so there are
 * two styles. */
#include "config_table.h"
#include "exactly_once.h"

#include "java_map.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { MOST_WORDS = 24 };

static const char *const connect_groups[] = {"Common", "Error Handling", "Exactly Once Support", NULL};

static bool is_blank(const char *text)
{
    return !text || slice_trim(slice_of(text)).len == 0;
}

static bool same_word(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* Cuts the next part off *rest; false when nothing is left. */
static bool next_part(struct slice *rest, char separator, struct slice *part)
{
    if (!rest->ptr)
        return false;
    const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    *part = (struct slice){rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    *rest = end ? slice_cut(*rest, part->len + 1, rest->len) : (struct slice){NULL, 0};
    return true;
}

/* ---- the table ---- */

bool option_is_family(const struct option *o)
{
    return strchr(o->name, '*') != NULL;
}

const struct option *option_find(const char *name)
{
    for (const struct option *o = config_options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    for (const struct option *o = config_options; o->name; o++)
        if (option_is_family(o) && fnmatch(o->name, name, 0) == 0)
            return o;
    return NULL;
}

int option_word(const char *words, const char *value)
{
    struct slice rest = words ? slice_of(words) : (struct slice){NULL, 0}, word,
                 wanted = slice_trim(slice_of(value));
    for (int i = 0; next_part(&rest, '|', &word); i++)
        if (same_word(word, wanted))
            return i;
    return -1;
}

bool option_differs(const struct option *o, const char *value)
{
    if (is_blank(value))
        return false;
    return !same_word(slice_trim(slice_of(value)), slice_of(o->preset ? o->preset : ""));
}

/* Levenshtein's distance, one row at a time. */
static int distance(const char *a, const char *b)
{
    int row[128], n = (int)strlen(b);
    if (n > 127 || strlen(a) > 127)
        return 128;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int swap = corner + (a[i - 1] != b[j - 1]);
            int least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            corner = row[j];
            row[j] = swap < least + 1 ? swap : least + 1;
        }
    }
    return row[n];
}

const char *option_nearest(const char *name)
{
    const char *best = NULL;
    int best_distance = 5;
    for (const struct option *o = config_options; o->name; o++) {
        int d = option_is_family(o) ? 128 : distance(name, o->name);
        if (d < best_distance) {
            best_distance = d;
            best = o->name;
        }
    }
    return best;
}

/* ---- checks of kinds ---- */

static bool connect_style(const struct option *o)
{
    for (int i = 0; connect_groups[i]; i++)
        if (strcmp(o->group, connect_groups[i]) == 0)
            return true;
    return false;
}

static void check_number(const struct option *o, const char *value, struct buf *why)
{
    bool wide = o->kind == OPTION_LONG, connect = connect_style(o);
    struct slice s = slice_trim(slice_of(value));
    char *end = NULL;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    bool number = s.len && end == s.ptr + s.len && !errno && (wide || (n >= INT32_MIN && n <= INT32_MAX));
    if (!number && connect)
        buf_printf(why, "Not a number of type %s", wide ? "LONG" : "INT");
    else if (!number)
        buf_str(why, wide ? "A long value is expected" : "An integer is expected");
    else if (n < o->least && connect)
        buf_printf(why, "Value must be at least %d", o->least);
    else if (n < o->least && o->least == 1)
        buf_printf(why, "A positive, non-zero %s value is expected", wide ? "long" : "integer");
    else if (n < o->least)
        buf_str(why, wide ? "A non-negative long value is expected" : "An non-negative integer is expected");
}

static void check_bool(const struct option *o, const char *value, struct buf *why)
{
    struct slice s = slice_trim(slice_of(value));
    if (!same_word(s, SLICE("true")) && !same_word(s, SLICE("false")))
        buf_str(why, connect_style(o) ? "Expected value to be either true or false"
                                      : "Either 'true' or 'false' is expected");
}

static size_t split_words(const char *words, struct slice *out, size_t n)
{
    struct slice rest = words ? slice_of(words) : (struct slice){NULL, 0};
    while (n < MOST_WORDS && next_part(&rest, '|', &out[n]))
        n++;
    return n;
}

/* Debezium keeps the words of a choice in a HashSet; those that walwire refuses are among them. */
static void list_words(struct buf *b, const struct option *o, bool hashed)
{
    struct slice words[MOST_WORDS];
    struct java_entry order[MOST_WORDS];
    size_t n = split_words(o->words, words, 0);
    n = hashed ? split_words(o->later, words, n) : n;
    for (size_t i = 0; i < n; i++)
        order[i] = (struct java_entry){java_string_hash(words[i]), (uint32_t)i};
    if (hashed)
        java_map_order(order, n, 16);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(words[order[i].index]));
}

/* A converter's own options: Kafka Connect checks them under their names without the prefix. */
static const char *name_behind_converter(const char *name)
{
    static const char *const prefixes[] = {"key.converter.", "value.converter.", "header.converter."};
    for (int i = 0; i < 3; i++)
        if (slice_starts(slice_of(name), prefixes[i]))
            return name + strlen(prefixes[i]);
    return NULL;
}

static void check_choice(const struct option *o, const char *value, struct buf *why)
{
    if (option_word(o->words, value) >= 0)
        return;
    if (option_word(o->later, value) >= 0) {
        buf_printf(why, "walwire does not do '%s' yet. Value must be one of ", value);
        list_words(why, o, false);
        return;
    }
    bool any_case = name_behind_converter(o->name) || strcmp(o->group, "Exactly Once Support") == 0;
    buf_str(why, any_case           ? "String must be one of (case insensitive): "
                 : connect_style(o) ? "String must be one of: "
                                    : "Value must be one of ");
    list_words(why, o, any_case || !connect_style(o));
}

static void check_patterns(const char *value, struct buf *why)
{
    struct err e = {0};
    struct pattern_list *list = pattern_list_new(value, &e);
    if (!list)
        buf_printf(why, "A comma-separated list of valid regular expressions is expected, but %s", e.text);
    pattern_list_free(list);
}

static void check_kind(const struct option *o, const char *value, struct buf *why)
{
    switch (o->kind) {
    case OPTION_INT:
    case OPTION_LONG:
        check_number(o, value, why);
        break;
    case OPTION_BOOL:
        check_bool(o, value, why);
        break;
    case OPTION_CHOICE:
        check_choice(o, value, why);
        break;
    case OPTION_PATTERNS:
        check_patterns(value, why);
        break;
    default:
        break;
    }
}

/* ---- findings ---- */

static void finding_add(struct findings *f, const struct option *o, const char *name, const char *value,
                        const char *why)
{
    f->items = xrealloc(f->items, (f->count + 1) * sizeof *f->items);
    const char *short_name = name_behind_converter(name);
    char *text = connect_style(o) ? xasprintf("Invalid value %s for configuration %s: %s",
                                              value ? value : "null", short_name ? short_name : name, why)
                                  : xasprintf("The '%s' value is invalid: %s", name, why);
    f->items[f->count++] = (struct finding){xstrdup(name), text};
}

/* The settings in force, and the same as the user wrote them: what placeholders stand for is not told. */
struct checked {
    const struct props *all, *shown;
};

static void check_text(const struct option *o, const char *value, const struct props *p, struct buf *why)
{
    check_kind(o, value, why);
    if (!why->len && o->check)
        o->check(p, value, why);
    if (!why->len && o->stand == OPTION_REFUSED && option_differs(o, value))
        buf_str(why, o->why);
}

static void check_value(struct findings *f, const struct option *o, const char *name, const char *value,
                        const struct checked *c)
{
    struct buf why = {0}, told = {0};
    const char *shown = props_get_or(c->shown, name, value);
    bool secret = o->kind == OPTION_SECRET || props_is_secret(name);
    check_text(o, value, c->all, &why);
    if (why.len && strcmp(shown, value) == 0)
        check_text(o, shown, c->shown, &told); /* it may repeat another option's value */
    if (why.len)
        finding_add(f, o, name, secret ? "********" : shown,
                    told.len ? told.ptr : "What a placeholder stands for is not valid, and is not shown");
    buf_free(&why);
    buf_free(&told);
}

static void check_option(struct findings *f, const struct option *o, const struct checked *c)
{
    const char *value = props_get_or(c->all, o->name, o->preset);
    if (o->required && is_blank(value))
        finding_add(f, o, o->name, NULL, "A value is required");
    else if (value)
        check_value(f, o, o->name, value, c);
}

static void check_family(struct findings *f, const struct option *o, const struct checked *c)
{
    const char *name, *value;
    for (size_t i = 0; i < props_count(c->all); i++) {
        props_at(c->all, i, &name, &value);
        if (option_find(name) == o)
            check_value(f, o, name, value, c);
    }
}

const struct props *config_converter_source(const char *which, const struct props *connector,
                                            const struct props *worker)
{
    char schemas[64];
    snprintf(schemas, sizeof schemas, "%s.schemas.enable", which);
    bool own = props_get(connector, which) != NULL;
    bool workers = worker && (props_get(worker, which) || props_get(worker, schemas));
    return own || !workers ? connector : worker;
}

/* The settings in force: the connector's, with the worker's converters where those count. */
static struct props *effective(const struct props *connector, const struct props *worker)
{
    static const char *const which[] = {"key.converter", "value.converter", "header.converter"};
    struct props *all = props_copy(connector);
    for (int i = 0; i < 3; i++) {
        const struct props *source = config_converter_source(which[i], connector, worker);
        const char *name, *value;
        for (size_t k = 0; source != connector && k < props_count(connector); k++) {
            props_at(connector, k, &name, &value);
            if (slice_starts(slice_of(name), which[i]))
                props_set(all, name, NULL);
        }
        for (size_t k = 0; source != connector && k < props_count(source); k++) {
            props_at(source, k, &name, &value);
            if (slice_starts(slice_of(name), which[i]))
                props_set(all, name, value);
        }
    }
    return all;
}

static void finding_say(struct findings *f, const char *option, const char *text)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].option, option) == 0)
            return;
    f->items = xrealloc(f->items, (f->count + 1) * sizeof *f->items);
    f->items[f->count++] = (struct finding){xstrdup(option), xstrdup(text)};
}

/* Connect asks the connector and the worker. Source:
 * org.apache.kafka.connect.runtime.distributed.DistributedHerder.validateSourceConnectorExactlyOnceSupport.
 */
static void check_exactly_once(struct findings *f, const struct props *all, const struct props *worker)
{
    const char *support = props_get_or(all, "exactly.once.support", "requested");
    const char *boundary = props_get_or(all, "transaction.boundary", "poll");
    if (option_word("required", support) == 0 && !exactly_once_enabled(worker))
        finding_say(f, "exactly.once.support",
                    "This worker does not have exactly-once source support enabled.");
    if (option_word("connector", boundary) == 0)
        finding_say(
            f, "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given "
            "configuration. Please reconfigure it to use a different transaction boundary definition.");
}

struct findings *config_findings(const char *name, const struct props *given, const struct props *expanded,
                                 const struct props *worker)
{
    struct findings *f = xcalloc(1, sizeof *f);
    struct props *all = effective(expanded, worker);
    struct props *shown = effective(given, worker);
    struct checked c = {all, shown};
    props_set(all, "name", name);
    props_set(shown, "name", name);
    for (const struct option *o = config_options; o->name; o++) {
        if (option_is_family(o))
            check_family(f, o, &c);
        else
            check_option(f, o, &c);
    }
    check_exactly_once(f, all, worker);
    props_free(all);
    props_free(shown);
    return f;
}

void findings_free(struct findings *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].option);
        free(f->items[i].text);
    }
    free(f->items);
    free(f);
}
