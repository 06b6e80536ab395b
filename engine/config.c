/* config.c - from names and values to struct config, what is captured, and how to connect.
 *
 * Filling goes by the table; the few options whose value is not simply stored are in fill_odd. */
#include "config.h"

#include "config_table.h"
#include "json.h"
#include "log.h"

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
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    char *out = xstrndup(text, n);
    for (char *at = out; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return out;
}

static void fill_odd(struct config *c, const char *name, const struct props *worker)
{
    c->name = xstrdup(name);
    c->port = lower_trimmed(props_get_or(c->props, "database.port", "5432"));
    c->sslmode = lower_trimmed(props_get_or(c->props, "database.sslmode", "prefer"));
    c->key_style = style_of("key.converter", c->props, worker);
    c->value_style = style_of("value.converter", c->props, worker);
    c->offset_flush_ms =
        clamp_int(worker ? props_get_or(worker, "offset.flush.interval.ms", "1000") : "1000");
    fill_skipped(c);
    fill_placeholder(c);
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

static bool check_all(const char *name, const struct props *p, const struct props *worker, struct err *e)
{
    struct findings *f = config_findings(name, p, worker);
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

struct config *config_new(const char *name, const struct props *connector, const struct props *worker,
                          struct err *e)
{
    struct props *p = props_expand(connector, e);
    if (!p || !check_all(name, p, worker, e)) {
        props_free(p);
        return NULL;
    }
    struct config *c = xcalloc(1, sizeof *c);
    c->props = p;
    for (const struct option *o = config_options; o->name; o++) {
        const char *text = o->at == OPTION_NOWHERE ? NULL : props_get_or(p, o->name, o->preset);
        if (text || (o->at != OPTION_NOWHERE && o->kind == OPTION_PATTERNS))
            fill_row(c, o, text);
    }
    fill_odd(c, name, worker);
    warn_about(p);
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
    free(c->port);
    free(c->sslmode);
    free((char *)(uintptr_t)c->modes.placeholder.ptr);
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
    if (is_system(schema, table) || !passes(c->schema_include, c->schema_exclude, slice_of(schema)))
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

/* ---- connecting ---- */

static void conninfo_add(struct buf *out, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "%s%s='", out->len ? " " : "", key);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            buf_char(out, '\\');
        buf_char(out, *value);
    }
    buf_char(out, '\'');
}

/* What shapes the text of values is pinned, so that a server's, database's or role's settings cannot change
 * records. search_path decides how regclass and its kin are written; unqualified names in users' statements
 * mean schema public. */
#define SESSION_OPTIONS                                                                                      \
    "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c extra_float_digits=3 "                    \
    "-c bytea_output=hex -c lc_monetary=C -c search_path=public -c statement_timeout=0 "                     \
    "-c lock_timeout=0 -c idle_in_transaction_session_timeout=0"

void config_conninfo(const struct config *c, const char *application, bool replication, struct buf *out)
{
    size_t start = out->len;
    struct buf b = {0};
    conninfo_add(&b, "host", c->host);
    conninfo_add(&b, "port", c->port);
    conninfo_add(&b, "user", c->user);
    conninfo_add(&b, "password", c->password);
    conninfo_add(&b, "dbname", c->dbname);
    conninfo_add(&b, "sslmode", c->sslmode);
    conninfo_add(&b, "sslcert", c->sslcert);
    conninfo_add(&b, "sslkey", c->sslkey);
    conninfo_add(&b, "sslpassword", c->sslpassword);
    conninfo_add(&b, "sslrootcert", c->sslrootcert);
    conninfo_add(&b, "application_name", application);
    conninfo_add(&b, "client_encoding", "UTF8");
    conninfo_add(&b, "connect_timeout", "10");
    conninfo_add(&b, "keepalives", c->tcp_keepalive ? "1" : "0");
    conninfo_add(&b, "keepalives_idle", "30");
    conninfo_add(&b, "keepalives_interval", "10");
    conninfo_add(&b, "keepalives_count", "3");
    conninfo_add(&b, "options", SESSION_OPTIONS);
    if (replication)
        conninfo_add(&b, "replication", "database");
    if (start)
        buf_char(out, ' ');
    buf_slice(out, buf_view(&b));
    buf_free(&b);
}
