/* pg.c - libpq with errors that say what to do. */
#include "pg.h"

#include "log.h"
#include "xmalloc.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ASK_MS       5000
#define SEVERITY_END ":  " /* what libpq writes between the severity and the message of a server */

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

bool pg_is_unsendable(const PGresult *res)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bool too_long = state && strcmp(state, "54000") == 0; /* a string buffer beyond its limit */
    return too_long || (text && strstr(text, "invalid memory alloc request size")); /* never translated */
}

/* libpq gives no SQLSTATE for a failed connect, only text: what the server says in English is matched, the
 * first row that fits counts; anything else is passing trouble. With sslmode=prefer there are two texts, of
 * which pg_hba.conf's tells less. */
static const struct trouble {
    const char *part;
    enum err_kind kind;
    const char *advice, *after_user; /* after_user: the role stands between the two */
} troubles[] = {
    {"password authentication failed", ERR_CONFIG,
     "check database.user and database.password, and that the password has not expired (VALID UNTIL)"},
    {"certificate authentication failed", ERR_CONFIG,
     "the certificate in database.sslcert is for another role: its CN must be database.user, or be mapped in "
     "pg_ident.conf"},
    {"authentication failed", ERR_CONFIG, "check database.user and database.password"},
    {"no password supplied", ERR_CONFIG, "set database.password"},
    {"hannel binding", ERR_CONFIG,
     "database.channelBinding=require needs database.sslmode=require or a stricter one, and a password that "
     "the server keeps as scram-sha-256"},
    {"does not match host name", ERR_CONFIG,
     "set database.hostname to a name that is in the server's certificate, or database.sslmode to verify-ca"},
    {"certificate verify failed", ERR_CONFIG,
     "the server's certificate has expired, or is not signed by an authority in database.sslrootcert"},
    {"root certificate file", ERR_CONFIG,
     "set database.sslrootcert to a file with the certificate of the authority that signed the server's"},
    {"valid client certificate", ERR_CONFIG,
     "set database.sslcert and database.sslkey to files that are there"},
    {"unknown ca", ERR_CONFIG,
     "the server does not know the authority that signed database.sslcert: use one that its ssl_ca_file has"},
    {"certificate expired", ERR_CONFIG, "the certificate in database.sslcert has expired: renew it"},
    {"\": unsupported", ERR_CONFIG,
     "check database.sslkey and database.sslpassword: the password is another one, or the key is DER with a "
     "password, which libpq cannot read: convert it, openssl pkcs8 -inform DER -in KEY -topk8 -out KEY.pem"},
    {"private key", ERR_CONFIG,
     "check database.sslkey: the key of the certificate in database.sslcert, readable by walwire's user only "
     "(chmod 600), with database.sslpassword where it is encrypted"},
    {"certificate", ERR_CONFIG, "check database.sslcert, database.sslkey and database.sslrootcert"},
    {"pg_hba.conf", ERR_CONFIG,
     "allow this host, user and database in pg_hba.conf (hostssl lines need database.sslmode=require or a "
     "stricter one, hostnossl lines disable), then SELECT pg_reload_conf()"},
    {"does not support SSL", ERR_CONFIG,
     "set ssl = on in postgresql.conf, or database.sslmode=disable to go without encryption"},
    {"not permitted to log in", ERR_CONFIG, "allow it: ALTER ROLE ", " LOGIN"},
    {"to start walsender", ERR_CONFIG, "grant it: ALTER ROLE ", " REPLICATION"},
    {"to start WAL sender", ERR_CONFIG, "grant it: ALTER ROLE ", " REPLICATION"}, /* from 16 on */
    {"permission denied for database", ERR_CONFIG, "GRANT CONNECT on this database to ",
     ", or check database.dbname"},
    {"startup parameter", ERR_CONFIG,
     "this is a connection pooler: set database.hostname and database.port to PostgreSQL itself"},
    {"database system is", ERR_RETRY, "wait until it is up"},
    {"max_wal_senders", ERR_RETRY, "raise max_wal_senders and restart PostgreSQL"},
    {"connection slots", ERR_RETRY, "raise max_connections and restart PostgreSQL"},
    {"too many c", ERR_RETRY, /* clients, connections */
     "raise max_connections, or the limit of the role or the database"},
    {"not currently accepting connections", ERR_CONFIG, "check database.dbname"},
    {"database \"", ERR_CONFIG, "check database.dbname"},
    {"role \"", ERR_CONFIG, "check database.user"},
    {"translate host name", ERR_RETRY, "check database.hostname"},
    {"refused", ERR_RETRY, "check database.hostname and database.port, and that PostgreSQL runs there"},
    {"timeout expired", ERR_RETRY, "check database.hostname, database.port and firewalls"},
    {"does not exist", ERR_CONFIG, "see the server's log"},
    {"permission denied", ERR_CONFIG, "see the server's log"},
    {"invalid ", ERR_CONFIG, "correct it"},
    {"server does not support", ERR_CONFIG, "see the server's log"},
    {"", ERR_RETRY, "see the server's log"},
};

/* The SQLSTATE of a refusal, for servers whose messages are in another language: libpq has none to give, but
 * can be told to write it instead of the message, if one asks again. */
static void ask_state(const char *conninfo, char state[6])
{
    PGconn *conn = PQconnectStart(conninfo);
    PostgresPollingStatusType at = conn ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
    struct pollfd fd = {0};
    if (conn)
        PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE);
    do {
        fd = (struct pollfd){PQsocket(conn), at == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
        at = fd.fd >= 0 && poll(&fd, 1, ASK_MS) > 0 ? PQconnectPoll(conn) : PGRES_POLLING_FAILED;
    } while (at == PGRES_POLLING_READING || at == PGRES_POLLING_WRITING);
    for (const char *text = PQerrorMessage(conn); (text = strstr(text, SEVERITY_END));) {
        text += strlen(SEVERITY_END);
        snprintf(state, 6, "%s", text);
    }
    PQfinish(conn);
}

static const struct trouble *trouble_by_state(const char *conninfo)
{
    static const struct trouble refused = {NULL, ERR_CONFIG,
                                           "check database.user, database.password and pg_hba.conf", NULL},
                                no_database = {NULL, ERR_CONFIG, "check database.dbname", NULL},
                                other = {NULL, ERR_CONFIG, "see the server's log", NULL};
    char state[6] = "";
    ask_state(conninfo, state);
    if (pg_error_kind(state) != ERR_CONFIG)
        return NULL;
    return strncmp(state, "28", 2) == 0 ? &refused : strcmp(state, "3D000") == 0 ? &no_database : &other;
}

static enum err_kind trouble_tell(const char *text, const char *conninfo, const char *user,
                                  struct buf *advice)
{
    const struct trouble *t = troubles, *foreign;
    while (!strstr(text, t->part)) /* the last one is part of any text */
        t++;
    if (!*t->part && strstr(text, SEVERITY_END) && (foreign = trouble_by_state(conninfo)))
        t = foreign;
    buf_str(advice, t->advice);
    if (t->after_user) {
        pg_ident(advice, user);
        buf_str(advice, t->after_user);
    }
    return t->kind;
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

/* libpq has a line for each address, and one for TLS and one without: what was said once need not be
 * repeated.
 */
static void one_line(const char *text, struct buf *out)
{
    const char *last = NULL;
    for (size_t n, last_n = 0; *text; text += n + (text[n] == '\n')) {
        bool goes_on = *text == '\t';
        text += goes_on;
        n = strcspn(text, "\n");
        if (!n || (n == last_n && memcmp(text, last, n) == 0))
            continue;
        buf_str(out, goes_on ? " " : out->len ? "; " : "");
        buf_append(out, text, n);
        last = text;
        last_n = n;
    }
}

/* Without a hook of its own OpenSSL would ask the terminal for the password of an encrypted key, and wait. */
static void never_prompt(void)
{
    PQsetSSLKeyPassHook_OpenSSL(PQdefaultSSLKeyPassHook_OpenSSL);
}

PGconn *pg_connect(const char *conninfo, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, never_prompt);
    PGconn *conn = PQconnectdb(conninfo);
    if (conn && PQstatus(conn) == CONNECTION_OK) {
        PQsetNoticeProcessor(conn, on_notice, NULL);
        return conn;
    }
    const char *text = conn ? PQerrorMessage(conn) : "out of memory";
    struct buf told = BUF_EMPTY, advice = BUF_EMPTY;
    one_line(text, &told);
    enum err_kind kind = trouble_tell(text, conninfo, conn ? PQuser(conn) : "", &advice);
    err_set(e, kind, "connecting to PostgreSQL: %.600s: %s", told.len ? told.ptr : "no reason given",
            advice.ptr);
    buf_free(&told);
    buf_free(&advice);
    PQfinish(conn);
    return NULL;
}

static bool is_good(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
}

static PGresult *checked(PGconn *conn, PGresult *res, const char *sql, struct err *e)
{
    if (is_good(res))
        return res;
    char what[80];
    snprintf(what, sizeof what, "%.70s", sql);
    pg_error(conn, res, e, what);
    PQclear(res);
    return NULL;
}

PGresult *pg_query(PGconn *conn, struct err *e, const char *sql, int n, const char *const *params)
{
    PGresult *res = n ? PQexecParams(conn, sql, n, NULL, params, NULL, NULL, 0) : PQexec(conn, sql);
    return checked(conn, res, sql, e);
}

bool pg_ask(PGconn *conn, const char *sql, int n, const char *const *params)
{
    return PQsendQueryParams(conn, sql, n, NULL, params, NULL, NULL, 0) == 1;
}

bool pg_answered(PGconn *conn, PGresult **res)
{
    *res = NULL;
    bool broken = PQconsumeInput(conn) != 1;
    if (!broken && PQisBusy(conn))
        return false;
    for (PGresult *one; !broken && !PQisBusy(conn) && (one = PQgetResult(conn));) {
        PQclear(*res);
        *res = one;
    }
    return true;
}

void pg_give_up(PGconn *conn)
{
    char why[256];
    PGcancel *c = PQgetCancel(conn);
    if (c && !PQcancel(c, why, sizeof why))
        log_debug("a statement was given up, but PostgreSQL was not told: %s", why);
    PQfreeCancel(c);
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

bool pg_on_standby(const PGconn *conn)
{
    const char *standby = PQparameterStatus(conn, "in_hot_standby");
    return standby && strcmp(standby, "on") == 0;
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

uint64_t pg_received(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    bool known = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
                 len >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
    int unread = 0;
    if (!known || ioctl(fd, FIONREAD, &unread) != 0)
        return 0;
    return info.tcpi_bytes_received - (uint64_t)unread;
}

int64_t pg_silent_ms(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    bool known = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
                 len >= offsetof(struct tcp_info, tcpi_last_data_recv) + sizeof info.tcpi_last_data_recv;
    return known ? info.tcpi_last_data_recv : 0;
}
