/* prepare.c - before the first frame: connections, checks, publication, slot, and where to begin.
 *
 *   stored offset   slot      initial        no_data        always                       when_needed
 *   none            none      create, read   create         create, read                 create, read
 *   none            there     read*          from the slot  read*                        read*
 *   there           there     from offset    from offset    from offset, read on the way from offset
 *   there           gone      refuse         refuse         refuse                       create, read
 *
 * read* = the slot exports no snapshot any more: a temporary one is made beside it, for its snapshot and its
 * position. After a snapshot that broke off the changes since the slot's own position come first: what is out
 * already may have been deleted since. */
#include "clock.h"
#include "failpoint.h"
#include "identity.h"
#include "log.h"
#include "pipeline.h"
#include "publication.h"
#include "shard.h"
#include "sql.h"

#include <stdlib.h>
#include <unistd.h>

static PGconn *connect_as(struct pipeline *p, const char *application, bool replication, struct err *e)
{
    struct buf info = BUF_EMPTY;
    config_conninfo(p->config, application, replication, &info);
    PGconn *conn = pg_connect(info.ptr, e);
    explicit_bzero(info.ptr, info.len);
    buf_free(&info);
    return conn;
}

/* database.initial.statements: separated by semicolons, a doubled one stands for itself. Values keep the form
 * that they are read in. */
static bool run_initial_statements(struct pipeline *p, PGconn *conn, struct err *e)
{
    const char *at = p->config->initial_statements;
    struct buf sql = BUF_EMPTY;
    bool ok = true;
    for (; ok && at && *at; at++) {
        if (*at == ';' && at[1] != ';') {
            ok = !sql.len || pg_run(conn, e, sql.ptr);
            buf_reset(&sql);
        } else {
            at += *at == ';';
            buf_char(&sql, *at);
        }
    }
    ok = ok && (!sql.len || pg_run(conn, e, sql.ptr));
    ok = ok && (!p->config->initial_statements || pg_run(conn, e, SQL_SESSION_TEXT));
    buf_free(&sql);
    return ok || err_prefix(e, "database.initial.statements");
}

/* A role's limits would end a long snapshot. Those that older servers do not know cannot be set at the
 * connection. */
static bool no_timeouts(PGconn *conn, struct err *e)
{
    return (PQserverVersion(conn) < 140000 || pg_run(conn, e, "SET idle_session_timeout = 0")) &&
           (PQserverVersion(conn) < 170000 || pg_run(conn, e, "SET transaction_timeout = 0"));
}

PGconn *prepare_session(struct pipeline *p, struct err *e)
{
    PGconn *conn = connect_as(p, "Debezium General", false, e);
    if (!conn || (no_timeouts(conn, e) && run_initial_statements(p, conn, e)))
        return conn;
    PQfinish(conn);
    return NULL;
}

static bool check_server(struct pipeline *p, struct err *e)
{
    int version = PQserverVersion(p->conn);
    if (version < 130000)
        return err_set(e, ERR_CONFIG, "PostgreSQL %d is too old: walwire needs 13 or later", version / 10000);
    if (p->config->snapshot_mode == SNAPSHOT_INITIAL_ONLY)
        return true;
    /* From 19 on the first logical slot turns logical decoding on. */
    char *level = pg_scalar(p->conn, e, "SHOW wal_level");
    bool ok =
        level && (strcmp(level, "logical") == 0 || (version >= 190000 && strcmp(level, "replica") == 0));
    if (level && !ok)
        err_set(e, ERR_CONFIG,
                "wal_level is %s, logical decoding needs logical: run ALTER SYSTEM SET wal_level = logical "
                "and restart PostgreSQL",
                level);
    free(level);
    return ok;
}

/* Source: io.debezium.schema.DatabaseSchema,
 * io.debezium.config.CommonConnectorConfig.validateGuardrailLimits. */
static bool check_captured(struct pipeline *p, struct err *e)
{
    const struct config *c = p->config;
    if (!p->tables.count)
        log_warn(
            "After applying the include/exclude list filters, no changes will be captured. Please check your "
            "configuration!");
    if (c->guardrail_max <= 0 || p->tables.count <= (size_t)c->guardrail_max)
        return true;
    err_set(
        e, ERR_CONFIG,
        "Guardrail limit exceeded: %zu tables/collections configured for capture, but maximum allowed is %d.",
        p->tables.count, c->guardrail_max);
    if (c->guardrail_action == GUARDRAIL_FAIL)
        return false;
    log_warn("%s", e->text);
    *e = (struct err){0};
    return true;
}

static bool open_catalog(struct pipeline *p, struct err *e)
{
    return pipeline_limit(p, p->config->query_timeout_ms, e) && catalog_types(p->conn, p->types, NULL, e) &&
           catalog_tables(p->conn, p->config, &p->tables, e) && check_captured(p, e);
}

static bool open_sink(struct pipeline *p, struct err *e)
{
    char task[16];
    snprintf(task, sizeof task, "%d", p->config->shard);
    char *id = p->exact.on ? exactly_once_id(p->env->worker, p->config) : NULL;
    const struct header context[] = {
        {SLICE("__debezium.context.connectorLogicalName"), slice_of(p->config->topic_prefix)},
        {SLICE("__debezium.context.taskId"), slice_of(task)},
        {SLICE("__debezium.context.connectorName"), SLICE("postgresql")},
        {SLICE("__debezium.context.runId"), slice_of(p->run_id)},
    };
    const struct sink_options o = {.worker = p->env->worker,
                                   .connector = p->config->props,
                                   .name = p->config->name,
                                   .context = context,
                                   .n_context = sizeof context / sizeof *context,
                                   .wake_fd = p->face->wake_fd,
                                   .limits = p->face->limits,
                                   .transactional_id = id,
                                   .positions_topic =
                                       id ? offsets_topic(p->env->worker, p->config->offsets_topic) : NULL,
                                   .standby = p->config->standby};
    p->sink = p->sink_type->open(&o, e);
    free(id);
    return p->sink != NULL;
}

static bool open_offsets(struct pipeline *p, struct err *e)
{
    p->offsets = p->env->offsets;
    const char *topic = p->offsets ? offsets_own(p->env->worker, p->config->offsets_topic) : NULL;
    if (topic)
        p->offsets = p->own_offsets = offsets_open_own(p->env->worker, topic, e);
    return !topic || p->offsets;
}

/* Who opens the sink of Kafka transactions ends those of whoever has it open: not while that one reads the
 * slot. What it has committed until then is found in the position, which is read after that. */
static bool open_exactly(struct pipeline *p, struct err *e)
{
    struct slot_state slot;
    p->exact.on = p->config->exactly_once && p->sink_type->commit && p->offsets;
    if (!p->exact.on)
        return true;
    exactly_once_init(&p->exact, p->env->worker, p->config);
    return p->config->snapshot_mode == SNAPSHOT_INITIAL_ONLY || claim_look(p, &slot, e);
}

/* Names the history that positions belong to, of which browsers must not compare two. */
static bool identify(struct pipeline *p, struct err *e)
{
    if (!lineage_ask(p->replication, &p->lineage, e))
        return false;
    snprintf(p->epoch, sizeof p->epoch, "%s-%u-%s", p->lineage.system, p->lineage.timeline,
             p->config->slot_name);
    return true;
}

static bool open_replication(struct pipeline *p, struct err *e)
{
    p->replication = connect_as(p, "Debezium Streaming", true, e);
    return p->replication && no_timeouts(p->replication, e);
}

/* What follows must not have been read before another session, which may change all of it, has left the slot.
 */
static bool open_database(struct pipeline *p, struct err *e)
{
    p->conn = prepare_session(p, e);
    if (!p->conn || !check_server(p, e))
        return false;
    if (p->config->snapshot_mode != SNAPSHOT_INITIAL_ONLY &&
        (!open_replication(p, e) || (!p->env->temporary && !claim_hold(p, e)) || !identify(p, e)))
        return false;
    return open_catalog(p, e);
}

/* ---- decisions ---- */

static bool wants_snapshot(const struct pipeline *p)
{
    bool fresh = !p->offset.present || offset_snapshot_open(&p->offset);
    switch (p->config->snapshot_mode) {
    case SNAPSHOT_INITIAL:
    case SNAPSHOT_INITIAL_ONLY:
    case SNAPSHOT_WHEN_NEEDED:
        return fresh;
    case SNAPSHOT_ALWAYS:
        return true;
    case SNAPSHOT_NO_DATA:
        return false;
    }
    return false;
}

/* False with the reason when the stored position cannot be gone on from. */
static bool position_available(const struct pipeline *p, const struct slot_state *slot, struct err *e)
{
    lsn_t at = checkpoint_position(&p->offset);
    const char *name = p->config->slot_name;
    if (!p->offset.present || offset_snapshot_open(&p->offset))
        return true;
    if (!slot->exists || slot->lost || slot->restart > at)
        return err_set(e, ERR_CONFIG,
                       "The connector is trying to read change stream starting at " LSN_FMT
                       ", but this is no longer available on the server (slot %s %s). Reconfigure the "
                       "connector to use a snapshot mode when needed.",
                       LSN_ARG(at), name,
                       slot->lost     ? slot_loss(slot)
                       : slot->exists ? "has moved on"
                                      : "does not exist");
    if (slot->confirmed > at)
        return err_set(e, ERR_CONFIG,
                       "slot %s was moved to " LSN_FMT ", past the stored offset " LSN_FMT
                       ": changes between them would be lost. Another program read from it? Delete the "
                       "connector's offsets to begin with a new snapshot, or set snapshot.mode=when_needed; "
                       "with offset.mismatch.strategy=trust_slot it goes on without them",
                       name, LSN_ARG(slot->confirmed), LSN_ARG(at));
    return true;
}

/* snapshot.mode=when_needed forgets a position that cannot be gone on from. */
static bool begin_anew(struct pipeline *p, struct err *e)
{
    if (p->config->snapshot_mode != SNAPSHOT_WHEN_NEEDED || e->kind != ERR_CONFIG)
        return false;
    log_warn("%s: taking a new snapshot", e->text);
    *e = (struct err){0};
    p->offset = (struct offset){.tx_id = -1};
    p->resume = (struct resume){0};
    p->source.last_commit = 0;
    return true;
}

static bool create_slot(struct pipeline *p, struct slot_start *at, struct err *e)
{
    log_info("creating slot %s: this waits for running transactions to end", p->config->slot_name);
    if (FAILPOINT_ERROR("slot-create", e) ||
        !claim_create(p, p->config->slot_name, p->replication, p->env->temporary, at, e) ||
        FAILPOINT_ERROR("slot-created", e))
        return false;
    p->start = at->consistent_point;
    return true;
}

/* A snapshot for a slot that is already there: from a temporary slot beside it. Its connection must live
 * until the snapshot is imported, no longer. */
static bool borrow_snapshot(struct pipeline *p, struct slot_start *at, struct err *e)
{
    char name[64];
    snprintf(name, sizeof name, "walwire_snapshot_%d_%u_%d", (int)getpid(),
             (unsigned)clock_mono_us() & 0xffffff, p->config->shard);
    PGconn *conn = connect_as(p, "Debezium Slot Info", true, e);
    bool ok = conn && claim_create(p, name, conn, true, at, e) && snapshot_import(p, at, e);
    if (conn)
        PQfinish(conn);
    return ok || err_prefix(e, "a snapshot beside slot %s", p->config->slot_name);
}

/* So that another slot of this name, which would begin later, is not taken for this one. */
static bool store_start(struct pipeline *p, struct err *e)
{
    p->seen = p->start;
    const struct offset o = {
        .present = true, .lsn = p->start, .tx_id = -1, .ts_usec = clock_wall_us(), .reached = p->start};
    return checkpoint_save(p, &o, e);
}

static bool start_fresh(struct pipeline *p, const struct slot_state *slot, struct err *e)
{
    struct slot_start at = {0};
    bool snapshot = wants_snapshot(p);
    if (!slot->exists)
        return create_slot(p, &at, e) && (snapshot ? snapshot_take(p, &at, e) : store_start(p, e));
    p->start = slot->confirmed;
    if (p->offset.present && p->offset.lsn_commit > p->start)
        p->start = p->offset.lsn_commit; /* delivered before a snapshot broke off, not yet acknowledged */
    if (!snapshot)
        return store_start(p, e);
    if (!borrow_snapshot(p, &at, e))
        return false;
    if (p->offset.present) {
        p->snapshot_at = at.consistent_point;
        return true;
    }
    p->start = at.consistent_point;
    return snapshot_read(p, at.consistent_point, e);
}

static bool start_again(struct pipeline *p, struct err *e)
{
    p->start = checkpoint_position(&p->offset);
    p->seen = p->start;
    struct slot_start at = {0};
    if (!wants_snapshot(p))
        return true;
    if (!borrow_snapshot(p, &at, e))
        return false;
    p->snapshot_at = at.consistent_point;
    return true;
}

/* snapshot.mode=initial_only streams nothing, so it needs no slot: any snapshot is as good as another. */
static bool read_only_once(struct pipeline *p, struct err *e)
{
    struct slot_start at = {0};
    if (!wants_snapshot(p))
        return true;
    char *text = pg_scalar(
        p->conn, e,
        "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end");
    bool ok = text && lsn_parse(slice_of(text), &at.consistent_point);
    free(text);
    return ok && snapshot_take(p, &at, e);
}

static bool choose_start(struct pipeline *p, struct err *e)
{
    struct slot_state slot = {0};
    if (p->config->snapshot_mode == SNAPSHOT_NO_DATA && offset_snapshot_open(&p->offset))
        return err_set(
            e, ERR_CONFIG,
            "The connector previously stopped while taking a snapshot, but now the connector is configured "
            "to never allow snapshots. Reconfigure the connector to use snapshots initially or when needed.");
    if (!p->env->temporary && !claim_look(p, &slot, e))
        return false;
    if (!claim_lineage(p, &slot, e) && !begin_anew(p, e))
        return false;
    if (!p->env->temporary && !claim_reconcile(p, &slot, e))
        return false;
    if (!position_available(p, &slot, e) && !begin_anew(p, e))
        return false;
    if (slot.exists && slot.lost) {
        if (!slot_drop(p->conn, p->config->slot_name, e))
            return false;
        slot.exists = false;
    }
    if (FAILPOINT_ERROR("start-position", e))
        return false;
    bool known = p->offset.present && !offset_snapshot_open(&p->offset);
    return known ? start_again(p, e) : start_fresh(p, &slot, e);
}

/* What must be in place before the slot: its stream begins with it. */
static bool prepare_tables(struct pipeline *p, struct err *e)
{
    int seconds = p->config->slot_create_timeout_s;
    if (p->env->publications)
        return true;
    if (!pipeline_limit(p, seconds < INT32_MAX / 1000 ? seconds * 1000 : 0, e) ||
        (p->config->slots == 1 && !publication_prepare(p->conn, p->config, &p->tables, e)))
        return false;
    identity_prepare(p->conn, p->config, &p->tables);
    return true;
}

/* Before there is a slot: nothing in the database waits for us. */
static bool delay_snapshot(struct pipeline *p, struct err *e)
{
    if (p->config->snapshot_delay_ms <= 0 || !wants_snapshot(p))
        return true;
    tables_free(&p->tables);
    return snapshot_delay(p, e) && catalog_tables(p->conn, p->config, &p->tables, e);
}

bool prepare(struct pipeline *p, struct err *e)
{
    pipeline_step(p, "prepare");
    if (!open_database(p, e) || !open_offsets(p, e) || !open_exactly(p, e) || !open_sink(p, e) ||
        !checkpoint_load(p, e) || !delay_snapshot(p, e))
        return false;
    if (p->config->slots > 1 && !shard_prepare(p->conn, p->config, &p->tables, e))
        return false;
    if (p->config->snapshot_mode == SNAPSHOT_INITIAL_ONLY)
        return pipeline_limit(p, 0, e) && read_only_once(p, e);
    if (!prepare_tables(p, e) || !pipeline_limit(p, 0, e)) /* reading rows takes as long as it takes */
        return false;
    if (p->live)
        live_tables(p->live, p->conn, &p->tables, p->types);
    return choose_start(p, e);
}
