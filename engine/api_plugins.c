/* api_plugins.c - /connector-plugins: what there is to plug in, its options, and checking a configuration.
 *
 * Options are described as Connect describes them (api_definitions.c), in walwire's words and with walwire's
 * choices (config_options.c). */
#include "api.h"

#include "api_definitions.h"
#include "config_table.h"
#include "json.h"
#include "xmalloc.h"

#include <stdlib.h>

#define CONNECTOR "io.debezium.connector.postgresql.PostgresConnector"
#define CONVERTER "org.apache.kafka.connect.json.JsonConverter"
#define HEADERS   "org.apache.kafka.connect.storage.SimpleHeaderConverter"

/* ---- what there is ---- */

static const struct plugin {
    const char *class_name, *type;
    const char *option; /* of a connector, that names it */
} plugins[] = {
    {CONNECTOR, "source", NULL},
    {CONVERTER, "converter", "key.converter value.converter"},
    {HEADERS, "header_converter", "header.converter"},
};

static void get_plugins(struct api_call *call)
{
    bool all = api_query(call, "connectorsOnly", NULL) && !api_query(call, "connectorsOnly", "") &&
               !api_query(call, "connectorsOnly", "true") && !api_query(call, "connectorsOnly", "TRUE");
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "[");
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        if (i && !all)
            break;
        json_comma(b);
        BUF_LIT(b, "{");
        json_field(b, "class", plugins[i].class_name);
        json_field(b, "type", plugins[i].type);
        json_field(b, "version", WALWIRE_VERSION);
        BUF_LIT(b, "}");
    }
    BUF_LIT(b, "]");
}

/* ---- definitions ---- */

static const char *importance_name(char importance)
{
    return importance == 'H' ? "HIGH" : importance == 'M' ? "MEDIUM" : "LOW";
}

static const char *preset_of(const struct definition *d, const struct option *o)
{
    return d->preset || !o || option_is_family(o) ? d->preset : o->preset;
}

static void append_text(struct buf *b, const struct option *o)
{
    struct buf text = {0};
    if (o)
        buf_printf(&text, "%s%s%s%s", o->text,
                   o->why ? o->stand == OPTION_REFUSED ? " Refused: " : " No effect: " : "",
                   o->why ? o->why : "", o->why ? "." : "");
    json_field(b, "documentation", text.ptr ? text.ptr : "");
    buf_free(&text);
}

static void append_definition(struct buf *b, const struct definition *d, const char *preset)
{
    const struct option *o = option_find(d->name);
    BUF_LIT(b, "{");
    json_field(b, "name", d->name);
    json_field(b, "type", d->type);
    json_key(b, "required");
    json_boolean(b, d->required);
    json_field(b, "default_value", preset);
    json_field(b, "importance", importance_name(d->importance));
    append_text(b, o);
    json_field(b, "group", d->group);
    json_field_i64(b, "order_in_group", d->order);
    json_field(b, "width", d->width);
    json_field(b, "display_name", d->display);
    BUF_LIT(b, ",\"dependents\":[");
    if (d->dependent)
        json_string(b, slice_of(d->dependent));
    BUF_LIT(b, "]}");
}

/* What Connect does not describe: options that Debezium reads without saying so, and walwire's own. */
static struct definition further_definition(const struct option *o)
{
    static const char *const types[] = {"STRING", "PASSWORD", "BOOLEAN", "INT",  "LONG",
                                        "STRING", "LIST",     "LIST",    "CLASS"};
    return (struct definition){.name = o->name,
                               .type = types[o->kind],
                               .importance = o->importance,
                               .group = o->group,
                               .order = 1000,
                               .width = "MEDIUM",
                               .display = o->name};
}

static bool is_defined(const char *name)
{
    for (const struct definition *d = api_definitions; d->name; d++)
        if (strcmp(d->name, name) == 0)
            return true;
    return false;
}

/* Calls fn for every definition: from a row of the table on, around to it, then what is not in the table. */
typedef void each_definition(void *ctx, const struct definition *d);
static void definitions_each(int first, each_definition *fn, void *ctx)
{
    for (const struct definition *d = api_definitions + first; d->name; d++)
        fn(ctx, d);
    for (int i = 0; i < first; i++)
        fn(ctx, &api_definitions[i]);
    for (const struct option *o = config_options; o->name; o++)
        if (!option_is_family(o) && !is_defined(o->name)) {
            struct definition d = further_definition(o);
            fn(ctx, &d);
        }
}

static void append_each(void *ctx, const struct definition *d)
{
    /* What the worker presets, Connect tells in a validation only. */
    bool workers = strstr(d->name, "converter") != NULL;
    json_comma(ctx);
    append_definition(ctx, d, workers && d->order <= 11 ? NULL : preset_of(d, option_find(d->name)));
}

static void append_converter_options(struct buf *b, const char *prefix)
{
    size_t n = strlen(prefix);
    for (const struct option *o = config_options; o->name; o++)
        if (!option_is_family(o) && slice_starts(slice_of(o->name), prefix)) {
            struct definition d = further_definition(o);
            struct definition shown = d;
            shown.name = o->name + n;
            shown.preset = o->preset;
            shown.display = shown.name;
            append_each(b, &shown);
        }
}

static bool name_is(const char *class_name, const char *asked)
{
    return strcmp(class_name, asked) == 0 || strcmp(strrchr(class_name, '.') + 1, asked) == 0;
}

static void get_definitions(struct api_call *call)
{
    const char *asked = call->params[0];
    bool connector = configs_our_class(asked);
    if (!connector && !name_is(CONVERTER, asked) && !name_is(HEADERS, asked)) {
        api_error(call, 404, "Unknown plugin %s.", asked);
        return;
    }
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "[");
    if (connector)
        definitions_each(api_definitions_connect, append_each, b);
    else if (name_is(CONVERTER, asked))
        append_converter_options(b, "value.converter.");
    BUF_LIT(b, "]");
}

/* ---- validation ---- */

struct validation {
    struct buf *b;
    const struct props *given;
    const struct findings *findings;
    size_t at, nulls;
};

static void append_errors(struct buf *b, const struct findings *f, const char *name)
{
    BUF_LIT(b, ",\"errors\":[");
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].option, name) == 0) {
            json_comma(b);
            json_string(b, slice_of(f->items[i].text));
        }
    BUF_LIT(b, "]");
}

/* A choice that walwire refuses is not recommended. Connect recommends classes only for its own options. */
static void append_recommended(struct buf *b, const char *name, bool connects)
{
    const struct option *o = option_find(name);
    BUF_LIT(b, ",\"recommended_values\":[");
    for (const char *at = o && !connects ? o->words : NULL; at && *at;
         at += strcspn(at, "|"), at += *at == '|') {
        json_comma(b);
        json_string(b, (struct slice){at, strcspn(at, "|")});
    }
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++)
        if (plugins[i].option && o && o->kind == OPTION_CLASS && strstr(plugins[i].option, name)) {
            json_comma(b);
            json_string(b, slice_of(plugins[i].class_name));
        }
    BUF_LIT(b, "]");
}

/* Debezium's own validation tells errors only, never values. */
static void append_validated(void *ctx, const struct definition *d)
{
    struct validation *v = ctx;
    struct buf *b = v->b;
    bool connects = v->at++ < (size_t)api_definitions_connect;
    const char *value = connects ? props_get_or(v->given, d->name, preset_of(d, option_find(d->name))) : NULL;
    json_comma(b);
    BUF_LIT(b, "{\"definition\":");
    append_definition(b, d, preset_of(d, option_find(d->name)));
    BUF_LIT(b, ",\"value\":{");
    json_field(b, "name", d->name);
    json_field(b, "value", value);
    append_recommended(b, d->name, connects);
    append_errors(b, v->findings, d->name);
    json_key(b, "visible");
    json_boolean(b, !d->hidden);
    BUF_LIT(b, "}}");
}

/* Errors of options that no definition names: families, and what stands beyond. */
static void append_others(struct validation *v)
{
    const struct findings *f = v->findings;
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->items[i].option;
        const struct option *o = option_find(name);
        bool shown = is_defined(name) || (o && !option_is_family(o));
        for (size_t before = 0; before < i; before++)
            shown |= strcmp(f->items[before].option, name) == 0;
        struct definition d = {.name = name,
                               .type = "STRING",
                               .importance = 'L',
                               .group = "CONNECTOR",
                               .order = 1000,
                               .width = "MEDIUM",
                               .display = name};
        if (!shown)
            append_validated(v, &d);
    }
}

static void append_groups(struct buf *b)
{
    json_key(b, "groups");
    BUF_LIT(b, "[");
    for (const struct definition *d = api_definitions; d->name; d++) {
        const struct definition *first = api_definitions;
        while (strcmp(first->group, d->group) != 0)
            first++;
        if (first != d)
            continue;
        json_comma(b);
        json_string(b, slice_of(d->group));
    }
    BUF_LIT(b, "]");
}

static void answer_validation(struct api_call *call, const struct props *p, const struct findings *f)
{
    struct buf *b = api_json(call, 200);
    struct validation v = {.b = b, .given = p, .findings = f};
    BUF_LIT(b, "{");
    json_field(b, "name", props_get(p, "connector.class"));
    json_field_i64(b, "error_count", (int64_t)(f->count + call->nulls));
    append_groups(b);
    json_key(b, "configs");
    BUF_LIT(b, "[");
    definitions_each(0, append_validated, &v);
    append_others(&v);
    BUF_LIT(b, "]}");
}

/* Without "Connector" at its end, which Connect lets one leave out. */
static struct slice short_class(const char *name)
{
    struct slice s = slice_of(name);
    bool longer = s.len > 9 && memcmp(s.ptr + s.len - 9, "Connector", 9) == 0;
    return longer ? slice_cut(s, 0, s.len - 9) : s;
}

/* Connect's rule: the class that the body gives ends with what the path says. Source:
 * ConnectorPluginsResource. */
static bool same_class(const char *given, const char *asked)
{
    struct slice full = short_class(given), end = short_class(asked);
    return full.len >= end.len && slice_eq(slice_cut(full, full.len - end.len, end.len), end);
}

/* config_findings knows an empty name only. */
static void name_is_missing(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].option, "name") == 0) {
            free(f->items[i].text);
            f->items[i].text = xstrdup("Missing required configuration \"name\" which has no default value.");
        }
}

static void validate(struct api_call *call, const struct props *p)
{
    const char *class_name = props_get(p, "connector.class");
    struct err e = {0};
    if (!class_name) {
        api_no_class(call, p);
        return;
    }
    if (!same_class(class_name, call->params[0]) || !configs_our_class(class_name)) {
        api_error(call, 400, "Included connector type %s does not match request type %s", class_name,
                  call->params[0]);
        return;
    }
    struct props *expanded = props_expand(p, &e);
    if (!expanded) {
        api_error(call, 400, "%s", e.text);
        return;
    }
    struct findings *f =
        config_findings(props_get_or(p, "name", ""), p, expanded, worker_props(call->worker));
    if (!props_get(p, "name"))
        name_is_missing(f);
    answer_validation(call, p, f);
    findings_free(f);
    props_free(expanded);
}

static void put_validate(struct api_call *call)
{
    struct props *p = api_body_props(call);
    if (p)
        validate(call, p);
    props_free(p);
}

const struct api_route api_routes_plugins[] = {
    {"GET", "/connector-plugins", get_plugins, "the connector; with ?connectorsOnly=false converters too"},
    {"GET", "/connector-plugins/{class}/config", get_definitions, "its options"},
    {"PUT", "/connector-plugins/{class}/config/validate", put_validate, "what is wrong with a configuration"},
    {NULL},
};
