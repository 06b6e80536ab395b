/* config_rules.c - the checks of single options: what the kind of a value alone cannot tell.
 *
 * Each has the shape option_check: it appends why the value is no good, or nothing. Wording is Debezium's
 * where it has one. */
#include "config_table.h"

#include "identity.h"
#include "json.h"
#include "kafka_topics.h"
#include "selection.h"

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

void check_topic_name(const struct props *p, const char *value, struct buf *why)
{
    if (*value)
        check_topic_prefix(p, value, why);
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

static void check_numbered(const struct props *p, const char *option, const char *preset, size_t most,
                           struct buf *why)
{
    size_t n = strlen(props_get_or(p, option, preset));
    if (!why->len && n > most)
        buf_printf(why, "%s has %zu bytes, and with a number behind it at most %zu fit into PostgreSQL's 63",
                   option, n, most);
}

/* Each slot has its own stream: what needs all changes in one is not to be had with several. */
void check_slots(const struct props *p, const char *value, struct buf *why)
{
    long slots = atol(value);
    if (slots > 64)
        buf_str(why, "At most 64 slots can share a connector's tables");
    if (slots == 1 || why->len)
        return;
    size_t most = slots > 10 ? 63 - 3 : 63 - 2;
    if (props_get_bool(p, "provide.transaction.metadata", false))
        buf_str(why, "provide.transaction.metadata=true needs a single slot: with several a transaction "
                     "comes in parts, "
                     "and none of them knows its events' number or total order");
    else if (strcasecmp(props_get_or(p, "publication.autocreate.mode", ""), "no_tables") == 0)
        buf_str(why, "publication.autocreate.mode=no_tables needs a single slot: with several the "
                     "publications say which "
                     "slot has a table, so create them and set the mode to disabled");
    check_numbered(p, "slot.name", "debezium", most, why);
    check_numbered(p, "publication.name", "dbz_publication", most, why);
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

/* The row is a family's: which of its options this is, the value's place tells. */
void check_column_rule(const struct props *p, const char *value, struct buf *why)
{
    for (size_t i = 0; i < props_count(p); i++) {
        const char *name, *at;
        struct err e = {0};
        props_at(p, i, &name, &at);
        if (at == value && !column_rule_check(name, value, &e))
            buf_str(why, e.text);
    }
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
    const char *whole = value;
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
    struct err e = {0};
    struct key_columns *columns = key_columns_new(whole, &e);
    if (!columns)
        buf_str(why, e.text);
    key_columns_free(columns);
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

/* Source: org.apache.kafka.common.config.ConfigDef.NonEmptyString. */
void check_non_empty(const struct props *p, const char *value, struct buf *why)
{
    if (!*value)
        buf_str(why, "String must be non-empty");
}

/* A long that Debezium checks as an integer. */
void check_positive(const struct props *p, const char *value, struct buf *why)
{
    if (atoll(value) <= 0)
        buf_str(why, "A positive, non-zero integer value is expected");
}

void check_identities(const struct props *p, const char *value, struct buf *why)
{
    struct slice entry;
    struct identity_entry parsed;
    if (!*value)
        buf_str(why, "Must not be empty");
    while (!why->len && identity_next(&value, &entry)) {
        if (!identity_parse(entry, &parsed)) {
            buf_printf(why,
                       SLICE_FMT
                       " has an invalid format (expecting '(?i)^\\s*(?<tablepredicate>[^\\s:]+):"
                       "(?<replicaidentity>DEFAULT|(INDEX) (?<indexname>.\\w*)|FULL|NOTHING)\\s*$')",
                       SLICE_ARG(entry));
            return;
        }
        struct err e = {0};
        char *tables = xstrndup(parsed.tables.ptr, parsed.tables.len);
        struct pattern_list *list = pattern_list_new(tables, &e);
        if (!list)
            buf_str(why, e.text);
        pattern_list_free(list);
        free(tables);
    }
}

/* The classes that pgjdbc itself has, where libpq does the same. */
void check_sslfactory(const struct props *p, const char *value, struct buf *why)
{
    bool verifies = strncasecmp(props_get_or(p, "database.sslmode", "prefer"), "verify", 6) == 0;
    if (strcmp(value, "org.postgresql.ssl.NonValidatingFactory") == 0 && verifies)
        buf_str(
            why,
            "libpq does check the certificate with database.sslmode=verify-ca and verify-full: set require");
    else if (*value && strcmp(value, "org.postgresql.ssl.NonValidatingFactory") != 0 &&
             strcmp(value, "org.postgresql.ssl.LibPQFactory") != 0)
        buf_str(why, "walwire loads no Java classes: give the certificates in database.sslrootcert, "
                     "database.sslcert and "
                     "database.sslkey");
}

/* libpq takes "engine:key" for the name of a library to load. */
void check_sslkey(const struct props *p, const char *value, struct buf *why)
{
    if (strchr(value, ':'))
        buf_str(why, "Give the path of a file; a colon would name an OpenSSL engine, which is code to load");
}

void check_driver(const struct props *p, const char *value, struct buf *why)
{
    const char *key = props_get(p, "driver.sslkey");
    if (key && strcmp(key, value) == 0)
        check_sslkey(p, value, why);
}

void check_tags(const struct props *p, const char *value, struct buf *why)
{
    while (*value) {
        size_t n = strcspn(value, ",");
        const char *eq = memchr(value, '=', n);
        if (!eq || eq == value || eq + 1 == value + n || memchr(eq + 1, '=', n - (size_t)(eq + 1 - value))) {
            buf_str(
                why,
                "A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2");
            return;
        }
        value += n + (value[n] == ',');
    }
}

/* Nothing reads signals yet: the preset is harmless, and so is having none. */
void check_channels(const struct props *p, const char *value, struct buf *why)
{
    if (*value && strcasecmp(value, "source") != 0)
        buf_str(why, "walwire reads no signals yet: remove the option");
}

/* Below this no row would fit beside the queues. */
void check_memory(const struct props *p, const char *value, struct buf *why)
{
    enum { LEAST_MB = 64 };
    long mb = strtol(value, NULL, 10);
    if (mb > 0 && mb < LEAST_MB)
        buf_printf(why, "Value must be 0 (no limit) or at least %d", LEAST_MB);
}

/* Options of pgoutput that would change what it sends into something that nobody here reads, or Debezium. */
void check_stream_params(const struct props *p, const char *value, struct buf *why)
{
    static const char *const plain[][2] = {
        {"proto_version", "1"}, {"streaming", "off"}, {"two_phase", "off"}};
    for (; *value && !why->len; value += strcspn(value, ";"), value += *value == ';') {
        struct slice item = {value, strcspn(value, ";")};
        const char *eq = item.len ? memchr(item.ptr, '=', item.len) : NULL;
        struct slice name = {item.ptr, eq ? (size_t)(eq - item.ptr) : item.len},
                     given = eq ? slice_cut(item, name.len + 1, item.len) : (struct slice){NULL, 0};
        if (slice_is(name, "publication_names"))
            buf_str(why, "set publication.name instead of publication_names");
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            if (slice_is(name, plain[i][0]) && !slice_is(given, plain[i][1]) && !slice_is(given, "false"))
                buf_printf(why, "walwire and Debezium read pgoutput with %s=%s only", plain[i][0],
                           plain[i][1]);
    }
}

static bool is_twice(const char *list, struct slice word)
{
    int found = 0;
    while (*list) {
        list += strspn(list, ", ");
        struct slice one = {list, strcspn(list, ", ")};
        found += one.len && slice_eq(one, word);
        list += one.len;
    }
    return found > 1;
}

/* Kafka Connect checks all of it but this when the task starts. */
void check_topic_creation(const struct props *p, const char *value, struct buf *why)
{
    for (const char *at = value; *at && !why->len;) {
        at += strspn(at, ", ");
        struct slice one = {at, strcspn(at, ", ")};
        if (one.len && is_twice(value, one))
            buf_str(why, "Duplicate alias provided.");
        at += one.len;
    }
    struct err e = {0};
    struct kafka_topics *topics = why->len ? NULL : kafka_topics_new(p, &e);
    if (e.kind)
        buf_str(why, e.text);
    kafka_topics_free(topics);
}
