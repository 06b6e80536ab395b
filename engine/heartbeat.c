/* heartbeat.c - heartbeat.action.query, in a session of its own: what it sets or leaves open touches nothing
 * of ours.
 *
 * Source: io.debezium.heartbeat.DatabaseHeartbeatImpl and PostgresConnectorTask, which say which errors are
 * whose. */
#include "clock.h"
#include "log.h"
#include "pipeline.h"

#define QUERY "heartbeat.action.query"

/* False: the error ends the run. */
static bool judge(const char *state, struct err *e)
{
    if (state && strcmp(state, "57P03") == 0) /* cannot_connect_now */
        e->kind = ERR_RETRY;
    else if (state && (strcmp(state, "57P01") == 0 ||
                       strcmp(state, "42P01") == 0)) /* admin_shutdown, undefined_table */
        e->kind = ERR_CONFIG;
    else
        e->kind = ERR_NONE;
    return e->kind == ERR_NONE;
}

static PGconn *session_new(struct pipeline *p, struct err *e)
{
    char limit[64];
    snprintf(limit, sizeof limit, "SET statement_timeout = %d", p->config->query_timeout_ms);
    PGconn *conn = prepare_session(p, e);
    if (!conn || pg_run(conn, e, limit))
        return conn;
    PQfinish(conn);
    return NULL;
}

bool heartbeat_action(struct pipeline *p, struct err *e)
{
    if (!p->config->heartbeat_query || p->config->shard != 0)
        return true;
    if (p->action && PQstatus(p->action) != CONNECTION_OK) {
        PQfinish(p->action);
        p->action = NULL;
    }
    if (!p->action && !(p->action = session_new(p, e))) {
        log_warn(QUERY ": %s", e->text);
        *e = (struct err){0};
        return true;
    }
    PGresult *res = PQexec(p->action, p->config->heartbeat_query);
    ExecStatusType status = PQresultStatus(res);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
    if (!ok) {
        pg_error(p->action, res, e, QUERY);
        ok = judge(res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL, e);
        if (ok)
            log_warn("%s", e->text);
        if (ok)
            *e = (struct err){0};
    }
    PQclear(res);
    return ok;
}
