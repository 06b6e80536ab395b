/* pg.c - libpq with errors that say what to do. */
#include "pg.h"

#include "log.h"
#include "xmalloc.h"

#include <stdlib.h>

/* SQLSTATE (or its class) to what it means for us, the longest first; everything else is CONFIG: a statement
 * of ours was refused, and an operator has to look. */
static const struct {
    const char *prefix;
    enum err_kind kind;
} kinds[] = {
    {"53400", ERR_CONFIG}, /* all replication slots in use */
    {"57P04", ERR_CONFIG}, /* database dropped */
    {"08", ERR_RETRY},     {"53", ERR_RETRY},    {"57", ERR_RETRY},
    {"40", ERR_RETRY},     {"55P03", ERR_RETRY}, {"55006", ERR_RETRY}, /* slot in use */
    {"58P01", ERR_CONFIG},                                             /* WAL segment gone */
    {"22P05", ERR_DATA},   {"XX", ERR_FATAL},
};

enum err_kind pg_error_kind(const char *sqlstate)
{
    if (!sqlstate || !*sqlstate)
        return ERR_RETRY; /* the connection broke before the server could answer */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(sqlstate, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].kind;
    return ERR_CONFIG;
}

bool pg_error(PGconn *conn, const PGresult *res, struct err *e, const char *what)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
    const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;
    if (!text)
        text = PQerrorMessage(conn);
    return err_set(e, pg_error_kind(state), "%s: %s%s%s%s%s", what, text, detail ? "; " : "",
                   detail ? detail : "", hint ? "; " : "", hint ? hint : "");
}

/* libpq gives no SQLSTATE for a failed connect, only text: what the server says in English is matched,
 * anything else counts as passing trouble. */
static enum err_kind connect_kind(const char *text)
{
    static const char *const lasting[] = {"authentication failed",
                                          "no pg_hba.conf entry",
                                          "does not exist",
                                          "permission denied",
                                          "invalid ",
                                          "not permitted",
                                          "must be superuser or replication role",
                                          "no password supplied",
                                          "certificate",
                                          "does not support SSL",
                                          "server does not support"};
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
        if (strstr(text, lasting[i]))
            return ERR_CONFIG;
    return ERR_RETRY;
}

static void add_advice(struct buf *b, const char *text, const char *user)
{
    static const struct {
        const char *part, *advice, *after_user; /* after_user: the role stands between the two */
    } all[] = {
        {"authentication failed", "check database.user and database.password"},
        {"no password supplied", "set database.password"},
        {"database \"", "check database.dbname"},
        {"role \"", "check database.user"},
        {"to start walsender", "grant it: ALTER ROLE ", " REPLICATION"},
        {"to start WAL sender", "grant it: ALTER ROLE ", " REPLICATION"}, /* from 16 on */
        {"translate host name", "check database.hostname"},
        {"refused", "check database.hostname and database.port, and that PostgreSQL runs there"},
        {"pg_hba.conf", "allow this host and user in pg_hba.conf, then SELECT pg_reload_conf()"},
        {"timeout expired", "check database.hostname, database.port and firewalls"},
    };
    size_t i = 0, n = sizeof all / sizeof *all;
    while (i < n && !strstr(text, all[i].part))
        i++;
    buf_str(b, i < n ? all[i].advice : "see the server's log");
    if (i < n && all[i].after_user) {
        pg_ident(b, user);
        buf_str(b, all[i].after_user);
    }
}

/* libpq quotes what it stumbles over, which may be a password: its words are cut before the first quote. */
PQconninfoOption *pg_conninfo(const char *text, struct err *e)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &why);
    if (!options)
        err_set(e, ERR_CONFIG,
                "cannot read the connection string (%.*s): write "
                "'postgresql://user:password@host:5432/database', with "
                "special characters as %%40, or 'host=... user=... dbname=...'",
                why ? (int)strcspn(why, "\":\n") : 0, why ? why : "");
    PQfreemem(why);
    return options;
}

/* Notices ("does not exist, skipping") tell nothing that a statement of ours did not expect. */
static void on_notice(void *arg, const char *text)
{
    log_debug("PostgreSQL says: %s", text);
}

PGconn *pg_connect(const char *conninfo, struct err *e)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (conn && PQstatus(conn) == CONNECTION_OK) {
        PQsetNoticeProcessor(conn, on_notice, NULL);
        return conn;
    }
    const char *text = conn ? PQerrorMessage(conn) : "out of memory";
    size_t len = strlen(text);
    while (len && text[len - 1] == '\n')
        len--;
    struct buf advice = BUF_EMPTY;
    add_advice(&advice, text, conn ? PQuser(conn) : "");
    err_set(e, connect_kind(text), "connecting to PostgreSQL: %.*s: %s", len < 700 ? (int)len : 700, text,
            advice.ptr);
    buf_free(&advice);
    PQfinish(conn);
    return NULL;
}

static bool is_good(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
}

PGresult *pg_query(PGconn *conn, struct err *e, const char *sql, int n, const char *const *params)
{
    PGresult *res = n ? PQexecParams(conn, sql, n, NULL, params, NULL, NULL, 0) : PQexec(conn, sql);
    if (is_good(res))
        return res;
    char what[80];
    snprintf(what, sizeof what, "%.70s", sql);
    pg_error(conn, res, e, what);
    PQclear(res);
    return NULL;
}

bool pg_run(PGconn *conn, struct err *e, const char *sql)
{
    PGresult *res = pg_query(conn, e, sql, 0, NULL);
    PQclear(res);
    return res != NULL;
}

char *pg_scalar(PGconn *conn, struct err *e, const char *sql)
{
    e->kind = ERR_NONE;
    PGresult *res = pg_query(conn, e, sql, 0, NULL);
    if (!res)
        return NULL;
    char *text = PQntuples(res) && !PQgetisnull(res, 0, 0) ? xstrdup(PQgetvalue(res, 0, 0)) : NULL;
    PQclear(res);
    return text;
}

static void quoted(struct buf *b, const char *text, char quote)
{
    buf_char(b, quote);
    for (; *text; text++) {
        if (*text == quote)
            buf_char(b, quote);
        buf_char(b, *text);
    }
    buf_char(b, quote);
}

void pg_ident(struct buf *b, const char *name)
{
    quoted(b, name, '"');
}

void pg_literal(struct buf *b, const char *text)
{
    quoted(b, text, '\'');
}

void pg_table(struct buf *b, const char *schema, const char *table)
{
    pg_ident(b, schema);
    buf_char(b, '.');
    pg_ident(b, table);
}
