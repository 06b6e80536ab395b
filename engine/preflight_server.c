/* preflight_server.c - the steps that look at the server, the role and the slot. */
#include "preflight.h"

#include "slot.h"
#include "sql.h"

#include <stdlib.h>

/* Columns of sql/check_server.sql. */
enum {
    VERSION_NUM,
    VERSION,
    WAL_LEVEL,
    MOST_SLOTS,
    USED_SLOTS,
    MOST_SENDERS,
    USED_SENDERS,
    KEEP_SIZE,
    STANDBY,
    USER,
    SUPERUSER,
    REPLICATION,
    RDS_REPLICATION,
    CLOUD,
    MAY_CREATE,
    IDLE_TIMEOUT,
    FEEDBACK
};

/* Columns of sql/check_slot.sql. */
enum { PLUGIN, SLOT_TYPE, DATABASE, ACTIVE, ACTIVE_PID, APPLICATION, WAL_STATUS, KEPT_BYTES, REASON };

static int number(const struct preflight *c, int column)
{
    return atoi(PQgetvalue(c->server, 0, column));
}

static bool is_cloud(const struct preflight *c, const char *role)
{
    const char *cloud = pg_cell(c->server, 0, CLOUD);
    return cloud && strcmp(cloud, role) == 0;
}

int preflight_fixed_in(int version)
{
    static const int fixed[] = {140018, 150013, 160009, 170005};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (version / 10000 == fixed[i] / 10000 && version < fixed[i])
            return fixed[i];
    return 0;
}

static void check_minor(struct preflight *c)
{
    int fixed = preflight_fixed_in(c->version);
    if (!fixed)
        return;
    preflight_say(c, PREFLIGHT_WARN,
                  "PostgreSQL %s leaves changes out when a publication or a type is altered while a "
                  "transaction writes to a table of it",
                  PQgetvalue(c->server, 0, VERSION));
    preflight_mend(c, "-- update PostgreSQL to %d.%d or later", fixed / 10000, fixed % 10000);
}

static void check_standby(struct preflight *c)
{
    preflight_say(c, c->version >= 160000 ? PREFLIGHT_WARN : PREFLIGHT_FAIL,
                  "the server is a standby: slots on standbys need PostgreSQL 16, and the publication is "
                  "made on the primary");
    if (pg_true(c->server, 0, FEEDBACK))
        return;
    preflight_say(
        c, PREFLIGHT_WARN,
        "the slot is lost when the primary removes rows of its catalogue: the standby does not hold them, "
        "which takes hot_standby_feedback = on and a primary_slot_name");
    preflight_mend(c, "ALTER SYSTEM SET hot_standby_feedback = on;");
    preflight_mend(c, "ALTER SYSTEM SET primary_slot_name = '...';  -- of a physical slot on the primary");
    preflight_mend(c, "SELECT pg_reload_conf();");
}

static void check_version(struct preflight *c)
{
    const char *version = PQgetvalue(c->server, 0, VERSION);
    if (c->version >= 130000)
        preflight_say(c, PREFLIGHT_OK, "PostgreSQL %s", version);
    else if (c->version >= 100000)
        preflight_say(c, PREFLIGHT_WARN, "PostgreSQL %s: supported from 13 on", version);
    else
        preflight_say(c, PREFLIGHT_FAIL, "PostgreSQL %s has no pgoutput: 13 or later is needed", version);
    check_minor(c);
    if (c->standby)
        check_standby(c);
}

static void check_wal_level(struct preflight *c)
{
    const char *level = PQgetvalue(c->server, 0, WAL_LEVEL);
    if (strcmp(level, "logical") == 0) {
        preflight_say(c, PREFLIGHT_OK, "wal_level is logical");
        return;
    }
    preflight_say(c, PREFLIGHT_FAIL, "wal_level is %s, but must be logical", level);
    if (is_cloud(c, "rds_superuser"))
        preflight_mend(c, "set rds.logical_replication = 1 in the parameter group, then reboot the instance");
    else if (is_cloud(c, "cloudsqlsuperuser"))
        preflight_mend(c, "set the flag cloudsql.logical_decoding = on, then restart the instance");
    else if (is_cloud(c, "azure_pg_admin"))
        preflight_mend(c, "set the server parameter wal_level = logical, then restart the server");
    else
        preflight_mend(c, "ALTER SYSTEM SET wal_level = logical;  -- then restart PostgreSQL");
}

static void check_room(struct preflight *c, const char *setting, int used, int most, const char *what,
                       int needed)
{
    if (used + needed <= most)
        preflight_say(c, PREFLIGHT_OK, "%d of %d %s are in use", used, most, what);
    else if (used >= most)
        preflight_say(c, PREFLIGHT_FAIL, "all %d %s are in use", most, what);
    else
        preflight_say(c, PREFLIGHT_FAIL, "%d of %d %s are in use, and %d more are needed", used, most, what,
                      needed);
    if (used + needed > most)
        preflight_mend(c, "ALTER SYSTEM SET %s = %d;  -- then restart PostgreSQL", setting,
                       most + needed + 9);
}

static void check_keep_size(struct preflight *c)
{
    const char *size = pg_cell(c->server, 0, KEEP_SIZE);
    if (!size || strcmp(size, "-1") == 0)
        return;
    preflight_say(c, PREFLIGHT_WARN,
                  "max_slot_wal_keep_size is %s: the slot is lost when walwire falls behind by more", size);
    preflight_mend(c, "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();");
}

static void check_idle_timeout(struct preflight *c)
{
    const char *timeout = pg_cell(c->server, 0, IDLE_TIMEOUT); /* from 18 on */
    if (!timeout || strcmp(timeout, "0") == 0)
        return;
    preflight_say(c, PREFLIGHT_WARN,
                  "idle_replication_slot_timeout is %s: the slot is lost when walwire is stopped for longer",
                  timeout);
    preflight_mend(c, "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();");
}

void preflight_server(struct preflight *c)
{
    struct err e = {0};
    c->server = pg_query(c->conn, &e, SQL_CHECK_SERVER, 0, NULL);
    if (!c->server || PQntuples(c->server) != 1) {
        preflight_say(c, PREFLIGHT_FAIL, "%s", c->server ? "the session's role is not in pg_roles" : e.text);
        PQfinish(c->conn);
        c->conn = NULL;
        return;
    }
    c->version = number(c, VERSION_NUM);
    c->standby = pg_true(c->server, 0, STANDBY);
    c->superuser = pg_true(c->server, 0, SUPERUSER);
    c->may_create = pg_true(c->server, 0, MAY_CREATE);
    c->user = PQgetvalue(c->server, 0, USER);
    c->free_slots = number(c, MOST_SLOTS) - number(c, USED_SLOTS);
    check_version(c);
    check_wal_level(c);
    check_room(c, "max_wal_senders", number(c, USED_SENDERS), number(c, MOST_SENDERS), "WAL senders",
               c->config->slots);
    check_keep_size(c);
    check_idle_timeout(c);
}

void preflight_role(struct preflight *c)
{
    c->may_replicate =
        c->superuser || pg_true(c->server, 0, REPLICATION) || pg_true(c->server, 0, RDS_REPLICATION);
    if (c->may_replicate) {
        preflight_say(c, PREFLIGHT_OK, "role %s may replicate%s", c->user,
                      c->superuser ? " (superuser)" : "");
        return;
    }
    struct buf role = {0};
    pg_ident(&role, c->user);
    preflight_say(c, PREFLIGHT_FAIL, "role %s may not replicate", c->user);
    if (is_cloud(c, "rds_superuser"))
        preflight_mend(c, "GRANT rds_replication TO %s;", role.ptr);
    else
        preflight_mend(c, "ALTER ROLE %s REPLICATION;", role.ptr);
    buf_free(&role);
}

/* Poolers and pg_hba.conf may let ordinary sessions through and these not. */
void preflight_replication(struct preflight *c)
{
    struct err e = {0};
    struct buf info = {0};
    if (!c->may_replicate)
        return;
    config_conninfo(c->config, "walwire check", true, &info);
    PGconn *conn = pg_connect(info.ptr, &e);
    buf_free(&info);
    if (conn && pg_run(conn, &e, "IDENTIFY_SYSTEM")) {
        preflight_say(c, PREFLIGHT_OK, "a replication connection gets through");
    } else {
        preflight_say(c, PREFLIGHT_FAIL, "a replication connection does not get through: %s", e.text);
        if (strstr(e.text, "unsupported startup parameter"))
            preflight_mend(c, "point database.hostname at PostgreSQL itself, not at a connection pooler");
    }
    PQfinish(conn);
}

/* ---- the slot ---- */

static void check_waits(struct preflight *c)
{
    struct err e = {0};
    PGresult *res = pg_query(c->conn, &e, SQL_CHECK_TRANSACTIONS, 0, NULL);
    for (int i = 0; res && i < PQntuples(res); i++) {
        preflight_say(c, PREFLIGHT_WARN, "creating the slot will wait for %s, open for %s s",
                      PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
        preflight_mend(c, "%s", PQgetvalue(res, i, 2));
    }
    PQclear(res);
}

static void check_new_slots(struct preflight *c, int missing)
{
    int most = number(c, MOST_SLOTS);
    check_room(c, "max_replication_slots", most - c->free_slots, most, "replication slots", missing);
    check_waits(c);
}

static const char *cell_or(const PGresult *res, int column, const char *other)
{
    const char *value = pg_cell(res, 0, column);
    return value ? value : other;
}

static void check_slot_use(struct preflight *c, const PGresult *res)
{
    const char *name = c->config->slot_name, *wal = cell_or(res, WAL_STATUS, "reserved");
    if (strcmp(wal, "lost") == 0) {
        struct slot_state lost = {0};
        snprintf(lost.reason, sizeof lost.reason, "%s", cell_or(res, REASON, ""));
        preflight_say(c, PREFLIGHT_FAIL, "slot %s %s", name, slot_loss(&lost));
        preflight_mend(c, "SELECT pg_drop_replication_slot('%s');  -- then take a new snapshot", name);
    } else if (pg_true(res, 0, ACTIVE)) {
        preflight_say(c, PREFLIGHT_WARN, "slot %s is in use by process %s (%s): a second reader must wait",
                      name, cell_or(res, ACTIVE_PID, "?"), cell_or(res, APPLICATION, "unknown application"));
    } else {
        preflight_say(c, strcmp(wal, "unreserved") == 0 ? PREFLIGHT_WARN : PREFLIGHT_OK,
                      "slot %s exists, is free, keeps %s bytes of log (%s)", name,
                      cell_or(res, KEPT_BYTES, "?"), wal);
    }
}

static void check_old_slot(struct preflight *c, const PGresult *res)
{
    const char *name = c->config->slot_name;
    if (strcmp(PQgetvalue(res, 0, SLOT_TYPE), "logical") != 0)
        preflight_say(c, PREFLIGHT_FAIL, "slot %s is a physical one: set another slot.name", name);
    else if (strcmp(cell_or(res, PLUGIN, ""), "pgoutput") != 0)
        preflight_say(c, PREFLIGHT_FAIL, "slot %s uses the plugin %s, not pgoutput: set another slot.name",
                      name, cell_or(res, PLUGIN, ""));
    else if (strcmp(cell_or(res, DATABASE, ""), c->config->dbname) != 0)
        preflight_say(c, PREFLIGHT_FAIL, "slot %s belongs to database %s: set another slot.name", name,
                      cell_or(res, DATABASE, ""));
    else
        check_slot_use(c, res);
}

/* True when the slot is still to be created, as `missing` others are. */
static bool check_slot(struct preflight *c, int missing)
{
    struct err e = {0};
    const char *name = c->config->slot_name;
    PGresult *res = pg_query(c->conn, &e, SQL_CHECK_SLOT, 1, &name);
    bool none = res && PQntuples(res) == 0;
    if (!res)
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
    else if (!none)
        check_old_slot(c, res);
    else if (missing < c->free_slots)
        preflight_say(c, PREFLIGHT_OK, "slot %s does not exist yet: it will be created", name);
    PQclear(res);
    return none;
}

void preflight_slot(struct preflight *c)
{
    const struct config *whole = c->config;
    int missing = 0;
    for (int i = 0; i < whole->slots; i++) {
        struct config *one = config_shard(whole, c->worker, i);
        c->config = one;
        missing += check_slot(c, missing);
        c->config = whole;
        config_free(one);
    }
    if (missing)
        check_new_slots(c, missing);
}
