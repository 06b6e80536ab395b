/* slot.c - replication slots. The publication must exist before the slot: changes between the two could not
 * be decoded. */
#include "slot.h"

#include "clock.h"
#include "log.h"
#include "sql.h"

#include <poll.h>
#include <stdlib.h>

#define WAIT_STEP_MS  200
#define LEAVE_MS      2000 /* a walsender takes a moment to notice that its reader is gone */
#define LEAVE_STEP_MS 20

enum { PLUGIN, TYPE, DATABASE, ACTIVE, ACTIVE_PID, CONFIRMED, RESTART, WAL_STATUS, TEMPORARY, REASON, COPY };

static bool slot_fits(const PGresult *res, const char *name, const char *dbname, struct err *e)
{
    const char *plugin = pg_cell(res, 0, PLUGIN), *database = pg_cell(res, 0, DATABASE);
    if (strcmp(PQgetvalue(res, 0, TYPE), "logical") != 0)
        return err_set(e, ERR_CONFIG, "slot %s is a physical one: choose another slot.name", name);
    if (!plugin || strcmp(plugin, "pgoutput") != 0)
        return err_set(e, ERR_CONFIG,
                       "slot %s decodes with %s, not pgoutput: choose another slot.name, or drop it with "
                       "SELECT pg_drop_replication_slot('%s')",
                       name, plugin, name);
    if (!database || strcmp(database, dbname) != 0)
        return err_set(e, ERR_CONFIG, "slot %s belongs to database %s, not %s: choose another slot.name",
                       name, database, dbname);
    return true;
}

static lsn_t lsn_cell(const PGresult *res, int col)
{
    lsn_t lsn = 0;
    if (!PQgetisnull(res, 0, col))
        (void)lsn_parse(slice_of(PQgetvalue(res, 0, col)), &lsn);
    return lsn;
}

bool slot_look(PGconn *conn, const char *name, const char *dbname, struct slot_state *out, struct err *e)
{
    *out = (struct slot_state){0};
    PGresult *res = pg_query(conn, e, SQL_SLOT, 1, &name);
    if (!res)
        return err_prefix(e, "looking at slot %s", name);
    bool ok = true;
    if (PQntuples(res)) {
        const char *status = pg_cell(res, 0, WAL_STATUS);
        ok = slot_fits(res, name, dbname, e);
        *out = (struct slot_state){
            .exists = true,
            .active = pg_true(res, 0, ACTIVE),
            .active_pid = PQgetisnull(res, 0, ACTIVE_PID) ? 0 : atoi(PQgetvalue(res, 0, ACTIVE_PID)),
            .copy = pg_true(res, 0, COPY),
            .lost = status && strcmp(status, "lost") == 0,
            .confirmed = lsn_cell(res, CONFIRMED),
            .restart = lsn_cell(res, RESTART)};
        snprintf(out->reason, sizeof out->reason, "%s", PQgetvalue(res, 0, REASON));
    }
    PQclear(res);
    return ok;
}

const char *slot_loss(const struct slot_state *slot)
{
    static const char *const all[][2] = {
        {"idle_timeout",
         "was invalidated, since nobody had read from it for idle_replication_slot_timeout: raise "
         "that for as long as the connector may be stopped"},
        {"rows_removed", "was invalidated, since the primary removed rows of the catalogue: set "
                         "hot_standby_feedback = on and primary_slot_name on the standby"},
        {"wal_level_insufficient", "was invalidated, since the primary's wal_level was no longer logical"},
        {"conflict",
         "was invalidated: the primary removed rows of the catalogue (set hot_standby_feedback = on and "
         "primary_slot_name on the standby), or its wal_level was no longer logical, or the slot was behind "
         "by "
         "more than max_slot_wal_keep_size"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(slot->reason, all[i][0]) == 0)
            return all[i][1];
    return "has lost its WAL, since it was behind by more than max_slot_wal_keep_size";
}

static bool create_failed(PGconn *conn, const PGresult *res, const char *name, struct err *e)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    pg_error(conn, res, e, "creating replication slot");
    if (state && strcmp(state, "53400") == 0)
        return err_set(
            e, ERR_CONFIG,
            "creating slot %s: all replication slots are in use: drop an unused one (SELECT slot_name FROM "
            "pg_replication_slots WHERE NOT active) or raise max_replication_slots and restart PostgreSQL",
            name);
    if (state && strcmp(state, "0A000") == 0 && pg_on_standby(conn))
        return err_set(
            e, ERR_CONFIG,
            "creating slot %s: this server is a standby, and slots on standbys need PostgreSQL 16: "
            "set database.hostname and database.port to the primary",
            name);
    if (state && strcmp(state, "55000") == 0 && !pg_on_standby(conn))
        return err_set(e, ERR_CONFIG,
                       "creating slot %s: logical decoding needs wal_level = logical: run ALTER SYSTEM SET "
                       "wal_level = logical and restart PostgreSQL",
                       name);
    if (state && strcmp(state, "42501") == 0)
        return err_set(
            e, ERR_CONFIG,
            "creating slot %s: the user may not replicate: grant it with ALTER ROLE %s REPLICATION", name,
            PQuser(conn));
    return err_prefix(e, "slot %s", name);
}

/* The old form of the command has no word for failover. */
static void create_command(PGconn *conn, const struct slot_request *r, struct buf *sql)
{
    BUF_LIT(sql, "CREATE_REPLICATION_SLOT ");
    pg_ident(sql, r->name);
    buf_str(sql, r->temporary ? " TEMPORARY" : "");
    BUF_LIT(sql, " LOGICAL pgoutput ");
    bool failover = r->failover && PQserverVersion(conn) >= 170000 && !pg_on_standby(conn);
    if (r->failover && !failover)
        log_info("slot %s cannot be a failover slot: that needs PostgreSQL 17, and a primary", r->name);
    buf_str(sql, failover ? "(SNAPSHOT 'export', FAILOVER)" : "EXPORT_SNAPSHOT");
}

static void cancel(PGconn *conn)
{
    char why[200];
    PGcancel *c = PQgetCancel(conn);
    if (c)
        PQcancel(c, why, sizeof why);
    PQfreeCancel(c);
}

/* Waits for the answer in steps, so that a stop does not wait with it. *late: it was cancelled. */
static PGresult *create_wait(PGconn *conn, const struct slot_request *r, bool *late)
{
    int64_t end = clock_mono_ms() + r->timeout_ms;
    *late = false;
    while (PQconsumeInput(conn) && PQisBusy(conn)) {
        struct pollfd fd = {PQsocket(conn), POLLIN, 0};
        poll(&fd, 1, WAIT_STEP_MS);
        bool stopped = r->stop && atomic_load(r->stop);
        if (!*late && (stopped || (r->timeout_ms && clock_mono_ms() >= end))) {
            *late = true;
            cancel(conn);
        }
    }
    PGresult *res = PQgetResult(conn), *more;
    while ((more = PQgetResult(conn)))
        PQclear(more);
    return res;
}

bool slot_create(PGconn *conn, const struct slot_request *r, struct slot_start *out, struct err *e)
{
    struct buf sql = BUF_EMPTY;
    create_command(conn, r, &sql);
    bool late = false;
    PGresult *res = PQsendQuery(conn, sql.ptr) ? create_wait(conn, r, &late) : NULL;
    buf_free(&sql);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 && PQnfields(res) >= 3;
    if (!ok && late)
        err_set(e, ERR_RETRY, "creating slot %s waited for running transactions for %d s: %s", r->name,
                r->timeout_ms / 1000,
                pg_on_standby(conn)
                    ? "end those of the primary, and run SELECT pg_log_standby_snapshot() there"
                    : "end them (the oldest in pg_stat_activity, by xact_start)");
    else if (!ok)
        create_failed(conn, res, r->name, e);
    else if (!lsn_parse(slice_of(PQgetvalue(res, 0, 1)), &out->consistent_point))
        ok = err_set(e, ERR_FATAL, "slot %s: consistent point %s", r->name, PQgetvalue(res, 0, 1));
    else
        snprintf(out->snapshot, sizeof out->snapshot, "%s", PQgetvalue(res, 0, 2));
    PQclear(res);
    return ok;
}

bool slot_advance(PGconn *conn, const char *name, lsn_t to, struct err *e)
{
    char at[32];
    snprintf(at, sizeof at, LSN_FMT, LSN_ARG(to));
    const char *const params[] = {name, at};
    PGresult *res = pg_query(conn, e, "SELECT pg_catalog.pg_replication_slot_advance($1, $2)", 2, params);
    PQclear(res);
    return res || err_prefix(e, "moving slot %s to %s", name, at);
}

/* -1: failed. */
static int count_rows(PGconn *conn, const char *sql, const char *name, struct err *e)
{
    PGresult *res = pg_query(conn, e, sql, 1, &name);
    int n = res ? PQntuples(res) : -1;
    PQclear(res);
    return n;
}

bool slot_drop(PGconn *conn, const char *name, struct err *e)
{
    int dropped = count_rows(conn, SQL_SLOT_DROP, name, e);
    for (int64_t end = clock_mono_ms() + LEAVE_MS; dropped == 0 && clock_mono_ms() < end;) {
        int there = count_rows(conn, SQL_SLOT, name, e);
        if (there <= 0)
            return there == 0 || err_prefix(e, "dropping slot %s", name);
        poll(NULL, 0, LEAVE_STEP_MS);
        dropped = count_rows(conn, SQL_SLOT_DROP, name, e);
    }
    if (dropped == 0)
        err_set(e, ERR_RETRY, "it is still in use");
    return dropped > 0 || err_prefix(e, "dropping slot %s", name);
}
