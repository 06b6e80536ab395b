/* config.c - from names and values to struct config, and what is captured.
 *
 * Filling goes by the table; the few options whose value is not simply stored are in fill_odd. */
#include "config.h"

#include "config_table.h"
#include "exactly_once.h"
#include "json.h"
#include "log.h"
#include "selection.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- filling ---- */

static int clamp_int(const char *text)
{
    long long n = strtoll(text, NULL, 10);
    return n > INT32_MAX ? INT32_MAX : n < INT32_MIN ? INT32_MIN : (int)n;
}

static bool parse_bool(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return strncasecmp(text, "true", 4) == 0;
}

static char *text_or_null(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

static void fill_row(struct config *c, const struct option *o, const char *text)
{
    void *at = (char *)c + o->at;
    struct err ignored = {0}; /* checked before */
    switch (o->kind) {
    case OPTION_BOOL:
        *(bool *)at = parse_bool(text);
        break;
    case OPTION_INT:
    case OPTION_LONG:
        *(int *)at = clamp_int(text);
        break;
    case OPTION_CHOICE: {
        int word = option_word(o->words, text);
        memcpy(at, &word, sizeof word); /* an enum */
        break;
    }
    case OPTION_PATTERNS:
        *(struct pattern_list **)at = pattern_list_new(text, &ignored);
        break;
    default:
        *(char **)at = text_or_null(text);
    }
}

static void fill_skipped(struct config *c)
{
    const char *text = props_get(c->props, "skipped.operations");
    c->skipped_set = text != NULL;
    text = text ? text : "t";
    if (strcasestr(text, "none"))
        return;
    c->skip_create = strpbrk(text, "cC");
    c->skip_update = strpbrk(text, "uU");
    c->skip_delete = strpbrk(text, "dD");
    c->skip_truncate = strpbrk(text, "tT");
}

static void fill_placeholder(struct config *c)
{
    const char *text = props_get_or(c->props, "unavailable.value.placeholder",
                                    option_find("unavailable.value.placeholder")->preset);
    struct buf bytes = {0};
    if (strncmp(text, "hex:", 4) == 0)
        hex_decode(&bytes, slice_of(text + 4));
    else
        buf_str(&bytes, text);
    size_t len = bytes.len;
    c->modes.placeholder = (struct slice){buf_take(&bytes), len};
}

static struct json_style style_of(const char *which, const struct props *connector,
                                  const struct props *worker)
{
    const struct props *from = config_converter_source(which, connector, worker);
    char name[64];
    struct json_style style;
    snprintf(name, sizeof name, "%s.schemas.enable", which);
    style.schemas = props_get_bool(from, name, true);
    snprintf(name, sizeof name, "%s.replace.null.with.default", which);
    style.null_as_default = props_get_bool(from, name, true);
    snprintf(name, sizeof name, "%s.decimal.format", which);
    style.decimal_as_number = strcasecmp(props_get_or(from, name, "BASE64"), "NUMERIC") == 0;
    return style;
}

static char *lower_trimmed(const char *text)
{
    struct slice s = slice_trim(slice_of(text));
    char *out = xstrndup(s.ptr, s.len);
    for (char *at = out; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return out;
}

static bool is_given(const struct props *p, const char *name)
{
    const char *text = props_get(p, name);
    return text && *text;
}

/* Older options speak where the newer ones are not given. Source:
 * PostgresConnectorConfig.resolveLsnFlushMode, resolveOffsetSlotMismatchStrategy,
 * applyLsnFlushModeHeartbeatFallback. */
static void fill_older(struct config *c)
{
    if (!is_given(c->props, "lsn.flush.mode"))
        c->lsn_flush_mode =
            props_get_bool(c->props, "flush.lsn.source", true) ? FLUSH_CONNECTOR : FLUSH_MANUAL;
    if (!is_given(c->props, "offset.mismatch.strategy") &&
        props_get_bool(c->props, "internal.slot.seek.to.known.offset.on.start", false))
        c->offset_mismatch = MISMATCH_TRUST_OFFSET;
    if (c->lsn_flush_mode == FLUSH_CONNECTOR_AND_DRIVER && !c->heartbeat_interval_ms &&
        !c->transaction_metadata)
        c->heartbeat_interval_ms = 600000;
}

static void fill_odd(struct config *c, const char *name, const struct props *worker)
{
    c->name = xstrdup(name);
    c->label = xstrdup(name);
    c->offset_server = xstrdup(c->topic_prefix);
    c->slot_base = xstrdup(c->slot_name);
    c->publication_base = xstrdup(c->publication_name);
    c->port = lower_trimmed(props_get_or(c->props, "database.port", "5432"));
    c->sslmode = lower_trimmed(props_get_or(c->props, "database.sslmode", "prefer"));
    c->key_style = style_of("key.converter", c->props, worker);
    c->value_style = style_of("value.converter", c->props, worker);
    c->offset_flush_ms =
        clamp_int(worker ? props_get_or(worker, "offset.flush.interval.ms", "1000") : "1000");
    c->exactly_once = exactly_once_enabled(worker);
    if (!is_given(c->props, "transaction.boundary.interval.ms"))
        c->boundary_interval_ms = c->offset_flush_ms;
    fill_skipped(c);
    fill_placeholder(c);
    c->modes.schema_names = c->schema_names;
    c->modes.field_names = c->field_names;
    fill_older(c);
    struct err ignored = {0}; /* checked before */
    c->naming = config_naming(c->props, &ignored);
    c->column_rules = column_rules_new(c->props, &ignored);
    c->key_columns = key_columns_new(c->message_key_columns, &ignored);
}

static void warn_about(const struct props *p)
{
    const char *name, *value;
    for (size_t i = 0; i < props_count(p); i++) {
        props_at(p, i, &name, &value);
        const struct option *o = option_find(name);
        const char *near = o ? NULL : option_nearest(name);
        if (near)
            log_warn("unknown option %s is ignored; did you mean %s?", name, near);
        else if (!o)
            log_warn("unknown option %s is ignored", name);
        else if (o->stand == OPTION_IGNORED && (option_is_family(o) || option_differs(o, value)))
            log_info("option %s has no effect: %s", name, o->why);
    }
}

/* ---- life ---- */

static bool check_all(const char *name, const struct props *given, const struct props *p,
                      const struct props *worker, struct err *e)
{
    struct findings *f = config_findings(name, given, p, worker);
    struct buf text = {0};
    for (size_t i = 0; i < f->count; i++)
        buf_printf(&text, "%s%s", i ? "; " : "", f->items[i].text);
    bool ok = f->count == 0;
    if (!ok)
        err_set(e, ERR_CONFIG, "%s", text.ptr);
    buf_free(&text);
    findings_free(f);
    return ok;
}

/* Takes over the props, which are expanded and checked. */
static struct config *config_of(const char *name, struct props *p, const struct props *worker)
{
    struct config *c = xcalloc(1, sizeof *c);
    c->props = p;
    for (const struct option *o = config_options; o->name; o++) {
        const char *text = o->at == OPTION_NOWHERE ? NULL : props_get_or(p, o->name, o->preset);
        if (text || (o->at != OPTION_NOWHERE && o->kind == OPTION_PATTERNS))
            fill_row(c, o, text);
    }
    fill_odd(c, name, worker);
    return c;
}

struct config *config_new(const char *name, const struct props *connector, const struct props *worker,
                          struct err *e)
{
    struct props *p = props_expand(connector, e);
    if (!p || !check_all(name, connector, p, worker, e)) {
        props_free(p);
        return NULL;
    }
    warn_about(p);
    return config_of(name, p, worker);
}

static void add_number(char **name, char separator, int number)
{
    char *numbered = xasprintf("%s%c%d", *name, separator, number);
    free(*name);
    *name = numbered;
}

struct config *config_shard(const struct config *whole, const struct props *worker, int shard)
{
    struct config *c = config_of(whole->name, props_copy(whole->props), worker);
    if (c->slots == 1)
        return c;
    c->shard = shard;
    add_number(&c->slot_name, '_', shard);
    add_number(&c->publication_name, '_', shard);
    add_number(&c->offset_server, '/', shard);
    if (shard > 0) /* the first one is who is meant by the plain name */
        add_number(&c->label, '/', shard);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (const struct option *o = config_options; o->name; o++) {
        if (o->at == OPTION_NOWHERE)
            continue;
        void *at = (char *)c + o->at;
        if (o->kind == OPTION_PATTERNS)
            pattern_list_free(*(struct pattern_list **)at);
        else if (o->kind == OPTION_TEXT || o->kind == OPTION_SECRET || o->kind == OPTION_LIST ||
                 o->kind == OPTION_CLASS)
            free(*(char **)at);
    }
    free(c->name);
    free(c->label);
    free(c->offset_server);
    free(c->slot_base);
    free(c->publication_base);
    free(c->port);
    free(c->sslmode);
    free((char *)(uintptr_t)c->modes.placeholder.ptr);
    topic_naming_free(c->naming);
    column_rules_free(c->column_rules);
    key_columns_free(c->key_columns);
    props_free(c->props);
    free(c);
}

/* ---- selection ---- */

static bool passes(const struct pattern_list *include, const struct pattern_list *exclude, struct slice name)
{
    if (pattern_list_count(include))
        return pattern_list_match(include, name);
    return !pattern_list_count(exclude) || !pattern_list_match(exclude, name);
}

/* Source: PostgresConnectorConfig.SystemTablesPredicate. */
static bool is_system(const char *schema, const char *table)
{
    return strcasecmp(schema, "pg_catalog") == 0 || strcasecmp(schema, "information_schema") == 0 ||
           strncmp(schema, "pg_temp", 7) == 0 || strncmp(schema, "pg_toast", 8) == 0 ||
           strcasecmp(table, "spatial_ref_sys") == 0;
}

bool config_captures(const struct config *c, const char *schema, const char *table)
{
    if ((c->ignore_builtin && is_system(schema, table)) ||
        !passes(c->schema_include, c->schema_exclude, slice_of(schema)))
        return false;
    char *name = xasprintf("%s.%s", schema, table);
    bool captured = passes(c->table_include, c->table_exclude, slice_of(name));
    free(name);
    return captured;
}

bool config_captures_column(const struct config *c, const char *schema, const char *table, const char *column)
{
    char *name = xasprintf("%s.%s.%s", schema, table, column);
    bool captured = passes(c->column_include, c->column_exclude, slice_of(name));
    free(name);
    return captured;
}
