/* config.h - a connector's settings: one row an option, one struct of what they mean.
 *
 * The table (config_options.c) is read by the parser, its checks, `walwire options`, docs/OPTIONS.md, REST's
 * validation and the redaction of secrets. Names, presets and rules are Debezium's. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "buf.h"
#include "codec.h"
#include "err.h"
#include "pattern.h"
#include "props.h"
#include "value.h"

enum snapshot_mode {
    SNAPSHOT_INITIAL,
    SNAPSHOT_INITIAL_ONLY,
    SNAPSHOT_NO_DATA,
    SNAPSHOT_ALWAYS,
    SNAPSHOT_WHEN_NEEDED,
};

enum publication_mode {
    PUBLICATION_ALL_TABLES,
    PUBLICATION_DISABLED,
    PUBLICATION_FILTERED,
    PUBLICATION_NO_TABLES
};

struct config {
    struct props *props; /* expanded; owned */
    char *name, *topic_prefix;
    /* connection */
    char *host, *port, *user, *password, *dbname, *sslmode, *sslcert, *sslkey, *sslpassword, *sslrootcert;
    bool tcp_keepalive;
    char *initial_statements; /* database.initial.statements */
    /* slot and publication */
    char *slot_name, *publication_name;
    enum publication_mode publication_mode;
    bool slot_drop_on_stop, publish_via_partition_root;
    char *slot_stream_params;
    int slot_max_retries, slot_retry_delay_ms, status_interval_ms;
    /* selection */
    struct pattern_list *schema_include, *schema_exclude, *table_include, *table_exclude, *column_include,
        *column_exclude;
    struct pattern_list *snapshot_include;                /* snapshot.include.collection.list */
    struct pattern_list *prefix_include, *prefix_exclude; /* message.prefix.* */
    char *message_key_columns;
    bool skip_create, skip_update, skip_delete, skip_truncate,
        skipped_set; /* skipped.operations; preset: truncate; set: given by the user */
    /* values */
    struct type_modes modes;
    struct json_style key_style, value_style;
    bool tombstones, transaction_metadata, extended_headers;
    /* snapshot */
    enum snapshot_mode snapshot_mode;
    char *snapshot_overrides; /* comma list of schema.table; the statements are in props */
    /* retries, heartbeat */
    int errors_max_retries; /* -1: for ever */
    int retry_wait_ms;      /* retriable.restart.connector.wait.ms */
    int heartbeat_interval_ms;
    char *heartbeat_query, *heartbeat_prefix, *transaction_topic;
    /* offset.flush.interval.ms of the worker, copied here; preset 1000 */
    int offset_flush_ms;
};

/* Parses and checks a connector's configuration, presets filled in, the worker's converters as presets for
 * the connector's. ERR_CONFIG with all findings, one after another, in Debezium's wording where it has one;
 * unknown names are logged as a warning with the nearest known name. Owned by the caller. */
struct config *config_new(const char *name, const struct props *connector, const struct props *worker,
                          struct err *e);
void config_free(struct config *c);

/* Reads a connector's file: *.json ({"name","config"} or the flat object), otherwise Java properties. *name
 * is the member `name`, otherwise the file's name without its ending; both results are the caller's. NULL:
 * ERR_CONFIG. Nothing is checked. */
struct props *config_load(const char *path, char **name, struct err *e);

/* True when schema.table is to be captured. System schemas never are. */
bool config_captures(const struct config *c, const char *schema, const char *table);
bool config_captures_column(const struct config *c, const char *schema, const char *table,
                            const char *column);

/* The libpq connection string, quoted; application_name as Debezium names its sessions; replication:
 * "database" or NULL. */
void config_conninfo(const struct config *c, const char *application, bool replication, struct buf *out);

/* The table of options for `walwire options` (text) and docs/OPTIONS.md (markdown). */
void config_options_text(struct buf *out);
void config_options_markdown(struct buf *out);

/* The connector's JSON for REST: secrets as ********. */
void config_json_masked(struct buf *out, const struct props *connector);
/* Puts the stored secret back where a PUT carries the mask. */
void config_keep_masked(struct props *next, const struct props *stored);

#endif
