/* slot.c - replication slots. The publication must exist before the slot: changes between the two could not
 * be decoded. */
#include "slot.h"

#include "sql.h"

#include <stdlib.h>

enum { PLUGIN, TYPE, DATABASE, ACTIVE, ACTIVE_PID, CONFIRMED, RESTART, WAL_STATUS };

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
            .lost = status && strcmp(status, "lost") == 0,
            .confirmed = lsn_cell(res, CONFIRMED),
            .restart = lsn_cell(res, RESTART)};
    }
    PQclear(res);
    return ok;
}

static bool create_failed(PGconn *conn, const PGresult *res, const char *name, struct err *e)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    pg_error(conn, res, e, "creating replication slot");
    if (state && strcmp(state, "53400") == 0)
        return err_set(
            e, ERR_CONFIG,
            "creating slot %s: all replication slots are in use: drop an unused one (SELECT slot_name FROM "
            "pg_replication_slots WHERE NOT active) or raise max_replication_slots and restart PostgreSQL",
            name);
    if (state && strcmp(state, "55000") == 0)
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

bool slot_create(PGconn *conn, const char *name, bool temporary, struct slot_start *out, struct err *e)
{
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "CREATE_REPLICATION_SLOT ");
    pg_ident(&sql, name);
    buf_str(&sql, temporary ? " TEMPORARY" : "");
    BUF_LIT(&sql, " LOGICAL pgoutput EXPORT_SNAPSHOT");
    PGresult *res = PQexec(conn, sql.ptr);
    buf_free(&sql);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 && PQnfields(res) >= 3;
    if (!ok)
        create_failed(conn, res, name, e);
    else if (!lsn_parse(slice_of(PQgetvalue(res, 0, 1)), &out->consistent_point))
        ok = err_set(e, ERR_FATAL, "slot %s: consistent point %s", name, PQgetvalue(res, 0, 1));
    else
        snprintf(out->snapshot, sizeof out->snapshot, "%s", PQgetvalue(res, 0, 2));
    PQclear(res);
    return ok;
}

bool slot_drop(PGconn *conn, const char *name, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_SLOT_DROP, 1, &name);
    PQclear(res);
    return res || err_prefix(e, "dropping slot %s", name);
}
