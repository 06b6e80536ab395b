/* config_topics.c - topic.* of a connector: which naming strategy, and its settings.
 *
 * Debezium checks these when the task starts; here a bad one is found with all the others, before. */
#include "config_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *name; /* behind io.debezium.schema. */
    bool without_schema, unicode, regex;
} strategies[] = {
    {"SchemaTopicNamingStrategy", false, false, false},
    {"DefaultTopicNamingStrategy", true, false, false},
    {"SchemaUnicodeTopicNamingStrategy", false, true, false},
    {"DefaultUnicodeTopicNamingStrategy", true, true, false},
    {"SchemaRegexTopicNamingStrategy", false, false, true},
    {"DefaultRegexTopicNamingStrategy", true, false, true},
};

enum { N_STRATEGIES = sizeof strategies / sizeof *strategies };

static int strategy_of(const char *class)
{
    static const char package[] = "io.debezium.schema.";
    if (strncmp(class, package, strlen(package)) != 0)
        return -1;
    for (int i = 0; i < N_STRATEGIES; i++)
        if (strcmp(class + strlen(package), strategies[i].name) == 0)
            return i;
    return -1;
}

static const char *get(const struct props *p, const char *name)
{
    const struct option *o = option_find(name);
    return props_get_or(p, name, o ? o->preset : NULL);
}

static bool is_blank(const char *text)
{
    while (text && isspace((unsigned char)*text))
        text++;
    return !text || !*text;
}

static const char *filled(const struct props *p, const char *name)
{
    const char *text = get(p, name);
    return is_blank(text) ? NULL : text;
}

struct topic_naming *config_naming(const struct props *p, struct err *e)
{
    int strategy = strategy_of(get(p, "topic.naming.strategy"));
    struct topic_options o = {.prefix = get(p, "topic.prefix"),
                              .delimiter = get(p, "topic.delimiter"),
                              .transaction = get(p, "topic.transaction"),
                              .heartbeat_prefix = get(p, "topic.heartbeat.prefix"),
                              .heartbeat = filled(p, "topic.heartbeat.name")};
    if (strategy >= 0) {
        o.without_schema = strategies[strategy].without_schema;
        o.unicode = strategies[strategy].unicode;
    }
    if (strategy >= 0 && strategies[strategy].regex) {
        o.regex = get(p, "topic.regex");
        o.replacement = get(p, "topic.replacement");
        if (props_get_bool(p, "topic.key.enforce.uniqueness", true)) {
            o.key_field = get(p, "topic.key.field.name");
            o.key_replacement = filled(p, "topic.key.field.replacement");
            o.key_regex =
                o.key_replacement ? filled(p, "topic.key.field.regex") : NULL; /* see check_key_regex */
        }
    }
    return topic_naming_new(&o, e);
}

/* ---- checks ---- */

static bool uses_regex(const struct props *p)
{
    int strategy = strategy_of(get(p, "topic.naming.strategy"));
    return strategy >= 0 && strategies[strategy].regex;
}

void check_naming(const struct props *p, const char *value, struct buf *why)
{
    if (strategy_of(value) < 0) {
        buf_str(why, "walwire loads no Java classes; it knows, of io.debezium.schema");
        for (int i = 0; i < N_STRATEGIES; i++)
            buf_printf(why, "%s %s", i ? "," : ":", strategies[i].name);
        return;
    }
    static const char *const needed[] = {"topic.regex", "topic.replacement"};
    for (int i = 0; uses_regex(p) && i < 2; i++)
        if (!filled(p, needed[i])) {
            buf_printf(why, "it needs %s", needed[i]);
            return;
        }
    struct err e = {0};
    struct topic_naming *n = is_blank(get(p, "topic.prefix")) ? NULL : config_naming(p, &e);
    if (!n && e.kind)
        buf_str(why, e.text);
    topic_naming_free(n);
}

void check_key_regex(const struct props *p, const char *value, struct buf *why)
{
    if (!is_blank(value) && !filled(p, "topic.key.field.replacement"))
        buf_str(why, "topic.key.field.replacement must be non-empty if topic.key.field.regex is set.");
}
