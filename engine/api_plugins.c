/* api_plugins.c - /connector-plugins: the one plugin there is, its options, and checking a configuration. */
#include "api.h"

#include "config_table.h"
#include "json.h"

static const char *const class_names[] = {"io.debezium.connector.postgresql.PostgresConnector",
                                          "PostgresConnector", "Postgres"};
static const char *const kind_types[] = {"STRING", "PASSWORD", "BOOLEAN", "INT",  "LONG",
                                         "STRING", "LIST",     "LIST",    "CLASS"};

bool api_is_our_class(const char *class_name)
{
    for (size_t i = 0; i < sizeof class_names / sizeof class_names[0]; i++)
        if (strcmp(class_name, class_names[i]) == 0)
            return true;
    return false;
}

static void get_plugins(struct api_call *call)
{
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "[{");
    json_field(b, "class", class_names[0]);
    json_field(b, "type", "source");
    json_field(b, "version", WALWIRE_VERSION);
    BUF_LIT(b, "}]");
}

/* ---- definitions ---- */

static int order_in_group(const struct option *o)
{
    int order = 0;
    for (const struct option *before = config_options; before <= o; before++)
        order += strcmp(before->group, o->group) == 0;
    return order;
}

static void append_definition(struct buf *b, const struct option *o, const char *name)
{
    BUF_LIT(b, "{");
    json_field(b, "name", name);
    json_field(b, "type", kind_types[o->kind]);
    BUF_LIT(b, ",\"required\":false");
    json_field(b, "default_value", o->preset);
    json_field(b, "importance", o->importance == 'H' ? "HIGH" : o->importance == 'M' ? "MEDIUM" : "LOW");
    struct buf text = {0};
    buf_printf(&text, "%s%s%s%s", o->text,
               o->why ? o->stand == OPTION_REFUSED ? " Refused: " : " No effect: " : "", o->why ? o->why : "",
               o->why ? "." : "");
    json_field(b, "documentation", text.ptr);
    buf_free(&text);
    json_field(b, "group", o->group);
    json_field_i64(b, "order_in_group", order_in_group(o));
    json_field(b, "width", "MEDIUM");
    json_field(b, "display_name", name);
    BUF_LIT(b, ",\"dependents\":[]}");
}

static void get_definitions(struct api_call *call)
{
    if (!api_is_our_class(call->params[0])) {
        api_error(call, 404, "Unknown plugin %s.", call->params[0]);
        return;
    }
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "[");
    for (const struct option *o = config_options; o->name; o++) {
        json_comma(b);
        append_definition(b, o, o->name);
    }
    BUF_LIT(b, "]");
}

/* ---- validation ---- */

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

static void append_recommended(struct buf *b, const struct option *o)
{
    BUF_LIT(b, ",\"recommended_values\":[");
    for (const char *at = o->words; at && *at; at += strcspn(at, "|"), at += *at == '|') {
        json_comma(b);
        json_string(b, (struct slice){at, strcspn(at, "|")});
    }
    BUF_LIT(b, "]");
}

static void append_validated(struct buf *b, const struct option *o, const char *name, const struct props *p,
                             const struct findings *f)
{
    const char *value = props_get_or(p, name, o->preset);
    json_comma(b);
    BUF_LIT(b, "{\"definition\":");
    append_definition(b, o, name);
    BUF_LIT(b, ",\"value\":{");
    json_field(b, "name", name);
    json_field(b, "value", value && (o->kind == OPTION_SECRET || props_is_secret(name)) ? "********" : value);
    append_recommended(b, o);
    append_errors(b, f, name);
    BUF_LIT(b, ",\"visible\":true}}");
}

static void append_groups(struct buf *b)
{
    json_key(b, "groups");
    BUF_LIT(b, "[");
    for (const struct option *o = config_options; o->name; o++)
        if (order_in_group(o) == 1) {
            json_comma(b);
            json_string(b, slice_of(o->group));
        }
    BUF_LIT(b, "]");
}

static void answer_validation(struct api_call *call, const struct props *p, const struct findings *f)
{
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "{");
    json_field(b, "name", props_get(p, "connector.class"));
    json_field_i64(b, "error_count", (int64_t)f->count);
    append_groups(b);
    json_key(b, "configs");
    BUF_LIT(b, "[");
    for (const struct option *o = config_options; o->name; o++)
        if (!option_is_family(o))
            append_validated(b, o, o->name, p, f);
    for (size_t i = 0; i < f->count; i++) {
        const struct option *o = option_find(f->items[i].option);
        if (o && option_is_family(o))
            append_validated(b, o, f->items[i].option, p, f);
    }
    BUF_LIT(b, "]}");
}

static void validate(struct api_call *call, const struct props *p)
{
    const char *class_name = props_get(p, "connector.class");
    struct err e = {0};
    if (!class_name) {
        api_error(call, 400, "Connector config {} contains no connector type");
        return;
    }
    if (!api_is_our_class(class_name) || !api_is_our_class(call->params[0])) {
        api_error(call, 400, "Included connector type %s does not match request type %s", class_name,
                  call->params[0]);
        return;
    }
    struct props *expanded = props_expand(p, &e);
    if (!expanded) {
        api_error(call, 400, "%s", e.text);
        return;
    }
    struct findings *f = config_findings(props_get_or(p, "name", ""), expanded, worker_props(call->worker));
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
    {"GET", "/connector-plugins", get_plugins, "the one plugin there is"},
    {"GET", "/connector-plugins/{class}/config", get_definitions, "its options"},
    {"PUT", "/connector-plugins/{class}/config/validate", put_validate, "what is wrong with a configuration"},
    {NULL},
};
