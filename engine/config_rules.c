/* config_rules.c - the checks of single options: what the kind of a value alone cannot tell.
 *
 * Each has the shape option_check: it appends why the value is no good, or nothing. Wording is Debezium's
 * where it has one. */
#include "config_table.h"

#include "json.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define JSON_CONVERTER   "org.apache.kafka.connect.json.JsonConverter"
#define HEADER_CONVERTER "org.apache.kafka.connect.storage.SimpleHeaderConverter"
#define FORMAT                                                                                               \
    " has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"

static bool plain_name(const char *value)
{
    return *value &&
           value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")] == 0;
}

void check_name(const struct props *p, const char *value, struct buf *why)
{
    if (!*value)
        buf_str(why, "String may not be empty");
    for (const char *at = value; *at; at++)
        if (iscntrl((unsigned char)*at)) {
            buf_str(why, "String may not contain control sequences");
            break;
        }
}

void check_class(const struct props *p, const char *value, struct buf *why)
{
    if (strcmp(value, "io.debezium.connector.postgresql.PostgresConnector") != 0 &&
        strcmp(value, "PostgresConnector") != 0 && strcmp(value, "Postgres") != 0)
        buf_str(why, "walwire is io.debezium.connector.postgresql.PostgresConnector only");
}

void check_host(const struct props *p, const char *value, struct buf *why)
{
    if (value[0] != '/' && !plain_name(value))
        buf_printf(why, "%s" FORMAT, value);
}

/* libpq would read such a name as a whole connection string; it is bounded as PostgreSQL bounds names. */
void check_dbname(const struct props *p, const char *value, struct buf *why)
{
    if (strlen(value) > 63)
        buf_str(why, "A database name has at most 63 bytes");
}

void check_topic_prefix(const struct props *p, const char *value, struct buf *why)
{
    if (!plain_name(value))
        buf_printf(why, "%s" FORMAT, value);
}

void check_slot_name(const struct props *p, const char *value, struct buf *why)
{
    size_t n = strlen(value);
    if (n < 1 || n > 63 || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
        buf_str(
            why,
            "Valid replication slot name must contain only digits, lowercase characters and underscores with "
            "length <= 63");
}

void check_plugin(const struct props *p, const char *value, struct buf *why)
{
    if (strcasecmp(value, "pgoutput") != 0)
        buf_str(why, "walwire reads pgoutput only, which every PostgreSQL since 10 has built in: set "
                     "plugin.name=pgoutput");
}

static void exclusive(const struct props *p, const char *include, const char *value, struct buf *why)
{
    const char *other = props_get(p, include);
    if (other && *other && *value)
        buf_printf(why, "\"%s\" is already specified", include);
}

void check_schema_exclude(const struct props *p, const char *value, struct buf *why)
{
    exclusive(p, "schema.include.list", value, why);
}

void check_table_exclude(const struct props *p, const char *value, struct buf *why)
{
    exclusive(p, "table.include.list", value, why);
}

void check_column_exclude(const struct props *p, const char *value, struct buf *why)
{
    exclusive(p, "column.include.list", value, why);
}

void check_prefix_exclude(const struct props *p, const char *value, struct buf *why)
{
    exclusive(p, "message.prefix.include.list", value, why);
}

/* One item of message.key.columns: table:column,column */
static bool good_key_item(struct slice item)
{
    const char *colon = item.len ? memchr(item.ptr, ':', item.len) : NULL;
    if (!colon || colon == item.ptr)
        return false;
    bool in_column = false;
    for (const char *at = colon + 1; at < item.ptr + item.len; at++) {
        if (*at == ':' || (*at == ',' && !in_column))
            return false;
        in_column = *at != ',';
    }
    return in_column;
}

void check_key_columns(const struct props *p, const char *value, struct buf *why)
{
    while (*value) {
        struct slice item = {value, strcspn(value, ";")};
        if (!good_key_item(item)) {
            buf_printf(why,
                       SLICE_FMT " has an invalid format (expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')",
                       SLICE_ARG(item));
            return;
        }
        value += item.len;
        value += *value == ';';
    }
}

void check_skipped(const struct props *p, const char *value, struct buf *why)
{
    bool none = false;
    int words = 0;
    for (;;) {
        while (isspace((unsigned char)*value))
            value++;
        size_t n = strcspn(value, ", \t\n");
        bool is_none = n == 4 && strncasecmp(value, "none", 4) == 0;
        if (!is_none && (n != 1 || !strchr("cudtr", tolower((unsigned char)*value)))) {
            buf_str(why, "Invalid operation");
            return;
        }
        none |= is_none;
        words++;
        value += n;
        while (isspace((unsigned char)*value))
            value++;
        if (*value++ != ',')
            break;
    }
    if (none && words > 1)
        buf_str(why, "'none' cannot be specified with other skipped operation types");
}

void check_placeholder(const struct props *p, const char *value, struct buf *why)
{
    struct buf bytes = {0};
    if (strncmp(value, "hex:", 4) == 0 && !hex_decode(&bytes, slice_of(value + 4)))
        buf_str(why, "hexadecimal digits in pairs are expected after hex:");
    buf_free(&bytes);
}

void check_queue(const struct props *p, const char *value, struct buf *why)
{
    long queue = atol(value), batch = atol(props_get_or(p, "max.batch.size", "2048"));
    if (queue <= 0)
        buf_str(why, "A positive queue size is required");
    else if (queue <= batch)
        buf_str(why, "Must be larger than the maximum batch size");
}

void check_json_converter(const struct props *p, const char *value, struct buf *why)
{
    if (strcmp(value, JSON_CONVERTER) != 0 && strcmp(value, "JsonConverter") != 0 &&
        strcmp(value, "Json") != 0)
        buf_str(why, "walwire writes " JSON_CONVERTER
                     " only: set that in the connector's configuration or the worker's");
}

void check_header_converter(const struct props *p, const char *value, struct buf *why)
{
    if (strcmp(value, HEADER_CONVERTER) != 0 && strcmp(value, "SimpleHeaderConverter") != 0 &&
        strcmp(value, "Simple") != 0)
        buf_str(why, "walwire writes headers as " HEADER_CONVERTER " only: remove header.converter");
}
