/* config.h - a connector's settings: one row an option, one struct of what they mean.
 *
 * The table (config_options.c) is read by the parser, its checks, `walwire options`, docs/OPTIONS.md, REST's
 * validation and the redaction of secrets. Names, presets and rules are Debezium's. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "buf.h"
#include "codec.h"
#include "column_rules.h"
#include "err.h"
#include "name_adjust.h"
#include "pattern.h"
#include "props.h"
#include "topic.h"
#include "value.h"

enum snapshot_mode {
    SNAPSHOT_INITIAL,
    SNAPSHOT_INITIAL_ONLY,
    SNAPSHOT_NO_DATA,
    SNAPSHOT_ALWAYS,
    SNAPSHOT_WHEN_NEEDED,
};

enum snapshot_order { SNAPSHOT_ORDER_DISABLED, SNAPSHOT_ORDER_ASCENDING, SNAPSHOT_ORDER_DESCENDING };

enum snapshot_locking { SNAPSHOT_LOCKING_NONE, SNAPSHOT_LOCKING_SHARED };

enum publication_mode {
    PUBLICATION_ALL_TABLES,
    PUBLICATION_DISABLED,
    PUBLICATION_FILTERED,
    PUBLICATION_NO_TABLES
};

/* Who acknowledges positions to PostgreSQL: walwire with every checkpoint, or somebody else. */
enum lsn_flush_mode { FLUSH_CONNECTOR_AND_DRIVER, FLUSH_CONNECTOR, FLUSH_MANUAL };

/* What happens when slot and stored position differ. */
enum offset_mismatch {
    MISMATCH_NO_VALIDATION,
    MISMATCH_TRUST_OFFSET,
    MISMATCH_TRUST_SLOT,
    MISMATCH_TRUST_GREATER_LSN
};

enum failure_mode { FAILURE_WARN, FAILURE_FAIL, FAILURE_SKIP, FAILURE_IGNORE };
enum too_large { TOO_LARGE_FAIL, TOO_LARGE_SKIP, TOO_LARGE_DEAD_LETTER };
enum guardrail_action { GUARDRAIL_WARN, GUARDRAIL_FAIL };

/* transaction.boundary: where Kafka transactions end (exactly_once.h). */
enum transaction_boundary { BOUNDARY_INTERVAL, BOUNDARY_POLL, BOUNDARY_CONNECTOR };

struct config {
    struct props *props; /* expanded; owned */
    char *name, *topic_prefix;
    bool standby;        /* walwire.standby */
    int slots, shard;    /* walwire.slots; which of them this is, from 0 */
    char *label;         /* in logs and for browsers: the name; of the shards behind the first name/shard */
    char *offset_server; /* in the key of the stored position: topic.prefix; of a shard topic.prefix/shard */
    /* connection */
    char *host, *port, *user, *password, *dbname, *sslmode, *sslcert, *sslkey, *sslpassword, *sslrootcert;
    bool tcp_keepalive;
    char *initial_statements; /* database.initial.statements */
    /* slot and publication */
    char *slot_name, *publication_name; /* of a shard: with _<shard> behind slot_base, publication_base */
    char *slot_base, *publication_base; /* as they were given */
    enum publication_mode publication_mode;
    bool slot_drop_on_stop, publish_via_partition_root;
    char *slot_stream_params;
    int slot_max_retries, slot_retry_delay_ms, status_interval_ms;
    int slot_create_timeout_s; /* 0: none */
    bool slot_failover;
    enum lsn_flush_mode lsn_flush_mode;
    enum offset_mismatch offset_mismatch;
    int xmin_interval_ms;     /* xmin.fetch.interval.ms; 0: source.xmin stays null */
    char *replica_identities; /* replica.identity.autoset.values */
    int query_timeout_ms;     /* of ordinary sessions outside a snapshot; 0: none */
    struct topic_naming *naming;
    /* selection */
    struct pattern_list *schema_include, *schema_exclude, *table_include, *table_exclude, *column_include,
        *column_exclude;
    struct pattern_list *snapshot_include;                /* snapshot.include.collection.list */
    struct pattern_list *prefix_include, *prefix_exclude; /* message.prefix.* */
    bool ignore_builtin;                                  /* table.ignore.builtin */
    int guardrail_max;                                    /* most tables captured; 0: any number */
    enum guardrail_action guardrail_action;
    char *message_key_columns;
    struct key_columns *key_columns;   /* the same, read (selection.h) */
    struct column_rules *column_rules; /* column.mask.*, column.truncate.*, *.propagate.source.type */
    enum name_adjust schema_names, field_names;
    bool skip_unchanged;
    bool skip_create, skip_update, skip_delete, skip_truncate,
        skipped_set; /* skipped.operations; preset: truncate; set: given by the user */
    /* values */
    struct type_modes modes;
    struct json_style key_style, value_style;
    bool tombstones, transaction_metadata, extended_headers;
    bool transaction_position; /* END records tell gateways epoch and place, in a header */
    enum failure_mode converting_failure, processing_failure; /* event.*.failure.handling.mode */
    enum too_large too_large;                                 /* walwire.record.too.large */
    char *dead_letter_topic; /* walwire.dead.letter.topic; NULL: <topic.prefix>.dead-letter */
    int memory_max_mb;       /* walwire.memory.max.mb; 0: no limit */
    /* snapshot */
    enum snapshot_mode snapshot_mode;
    char *snapshot_overrides; /* comma list of schema.table; the statements are in props */
    int snapshot_max_threads;
    bool snapshot_legacy_threads;       /* legacy.snapshot.max.threads: no table in ranges */
    enum snapshot_order snapshot_order; /* snapshot.tables.order.by.row.count */
    enum snapshot_locking snapshot_locking;
    int snapshot_lock_timeout_ms, snapshot_delay_ms, streaming_delay_ms;
    /* retries, heartbeat */
    int errors_max_retries; /* -1: for ever */
    int retry_wait_ms;      /* retriable.restart.connector.wait.ms */
    int heartbeat_interval_ms;
    char *heartbeat_query;
    /* offset.flush.interval.ms of the worker, copied here; preset 1000 */
    int offset_flush_ms;
    char *offsets_topic; /* offsets.storage.topic; NULL: the worker's */
    bool exactly_once;   /* exactly.once.source.support=enabled of the worker */
    enum transaction_boundary boundary;
    int boundary_interval_ms; /* not given: offset_flush_ms */
};

/* Parses and checks a connector's configuration, presets filled in, the worker's converters as presets for
 * the connector's. ERR_CONFIG with all findings, one after another, in Debezium's wording where it has one;
 * unknown names are logged as a warning with the nearest known name. Owned by the caller. */
struct config *config_new(const char *name, const struct props *connector, const struct props *worker,
                          struct err *e);
/* The settings of one of walwire.slots shards: the same, with its own slot, publication and position. With
 * one slot, a copy. Owned by the caller. */
struct config *config_shard(const struct config *whole, const struct props *worker, int shard);
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
/* The other way: database.* of a libpq connection string, and for what that leaves open of libpq's own
 * presets (PGHOST, PGUSER ...). What p has already stays. ERR_CONFIG: not a connection string, or a setting
 * that no option stands for. */
bool config_take_conninfo(struct props *p, const char *text, struct err *e);

/* The table of options for `walwire options` (text) and docs/OPTIONS.md (markdown). */
void config_options_text(struct buf *out);
void config_options_markdown(struct buf *out);

/* The connector's JSON for REST: secrets as ********. */
void config_json_masked(struct buf *out, const struct props *connector);
/* Puts the stored secret back where a PUT carries the mask. */
void config_keep_masked(struct props *next, const struct props *stored);

#endif
