/* config_conninfo.c - how to connect: Debezium's options, and the JDBC driver's own, as libpq's connection
 * string, and such a string as these options.
 *
 * Debezium hands database.* and driver.* to its driver without their prefixes, driver.* last. */
#include "config.h"

#include "pg.h"

#include <stdio.h>
#include <strings.h>

/* What shapes the text of values is pinned, so that a server's, database's or role's settings cannot change
 * records; sql/session_text.sql does it again behind a user's statements. search_path decides how regclass
 * and its kin are written; unqualified names in users' statements mean schema public. */
#define SESSION_OPTIONS                                                                                      \
    "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c extra_float_digits=3 "                    \
    "-c bytea_output=hex -c lc_monetary=C -c search_path=public -c statement_timeout=0 "                     \
    "-c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c client_min_messages=notice"

static void conninfo_add(struct buf *out, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "%s%s='", out->len ? " " : "", key);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            buf_char(out, '\\');
        buf_char(out, *value);
    }
    buf_char(out, '\'');
}

/* A setting of the JDBC driver; NULL: not given. */
static const char *jdbc(const struct config *c, const char *name)
{
    char option[64];
    snprintf(option, sizeof option, "driver.%s", name);
    const char *value = props_get(c->props, option);
    if (!value || !*value) {
        snprintf(option, sizeof option, "database.%s", name);
        value = props_get(c->props, option);
    }
    return value && *value ? value : NULL;
}

static const char *driver_or(const struct config *c, const char *name, const char *own)
{
    char option[64];
    snprintf(option, sizeof option, "driver.%s", name);
    const char *value = props_get(c->props, option);
    return value && *value ? value : own;
}

/* targetServerType in libpq's words. */
static const char *target_session(const char *type)
{
    static const char *const words[][2] = {{"primary", "primary"},
                                           {"master", "primary"},
                                           {"secondary", "standby"},
                                           {"slave", "standby"},
                                           {"preferSecondary", "prefer-standby"},
                                           {"preferSlave", "prefer-standby"}};
    for (size_t i = 0; type && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(type, words[i][0]) == 0)
            return words[i][1];
    return NULL;
}

static const char *keepalives(const struct config *c)
{
    const char *given = driver_or(c, "tcpKeepAlive", c->tcp_keepalive ? "true" : "false");
    return strcasecmp(given, "true") == 0 ? "1" : "0";
}

static void add_ssl(const struct config *c, struct buf *b)
{
    conninfo_add(b, "sslmode", driver_or(c, "sslmode", c->sslmode));
    conninfo_add(b, "sslcert", driver_or(c, "sslcert", c->sslcert));
    conninfo_add(b, "sslkey", driver_or(c, "sslkey", c->sslkey));
    conninfo_add(b, "sslpassword", driver_or(c, "sslpassword", c->sslpassword));
    conninfo_add(b, "sslrootcert", driver_or(c, "sslrootcert", c->sslrootcert));
    conninfo_add(b, "gssencmode", jdbc(c, "gssEncMode"));
    conninfo_add(b, "channel_binding", jdbc(c, "channelBinding"));
    conninfo_add(b, "krbsrvname", jdbc(c, "kerberosServerName"));
}

static void add_session(const struct config *c, struct buf *b)
{
    const char *more = jdbc(c, "options");
    struct buf options = BUF_EMPTY;
    if (more)
        buf_printf(&options, "%s ", more); /* ours come last, and hold */
    buf_str(&options, SESSION_OPTIONS);
    conninfo_add(b, "client_encoding", "UTF8");
    conninfo_add(b, "connect_timeout", jdbc(c, "connectTimeout") ? jdbc(c, "connectTimeout") : "10");
    conninfo_add(b, "target_session_attrs", target_session(jdbc(c, "targetServerType")));
    conninfo_add(b, "keepalives", keepalives(c));
    conninfo_add(b, "keepalives_idle", "30");
    conninfo_add(b, "keepalives_interval", "10");
    conninfo_add(b, "keepalives_count", "3");
    conninfo_add(b, "tcp_user_timeout", "60000"); /* keepalives do not run while something is unanswered */
    conninfo_add(b, "options", options.ptr);
    buf_free(&options);
}

void config_conninfo(const struct config *c, const char *application, bool replication, struct buf *out)
{
    size_t start = out->len;
    struct buf b = {0};
    conninfo_add(&b, "host", c->host);
    conninfo_add(&b, "port", c->port);
    conninfo_add(&b, "user", c->user);
    conninfo_add(&b, "password", c->password);
    conninfo_add(&b, "dbname", c->dbname);
    conninfo_add(&b, "application_name", application);
    add_ssl(c, &b);
    add_session(c, &b);
    if (replication)
        conninfo_add(&b, "replication", "database");
    if (start)
        buf_char(out, ' ');
    buf_slice(out, buf_view(&b));
    buf_free(&b);
}

/* ---- and back ---- */

static const struct {
    const char *libpq, *ours; /* ours NULL: config_conninfo has its own */
} names[] = {
    {"host", "database.hostname"},
    {"port", "database.port"},
    {"user", "database.user"},
    {"password", "database.password"},
    {"dbname", "database.dbname"},
    {"sslmode", "database.sslmode"},
    {"sslcert", "database.sslcert"},
    {"sslkey", "database.sslkey"},
    {"sslpassword", "database.sslpassword"},
    {"sslrootcert", "database.sslrootcert"},
    {"gssencmode", "database.gssEncMode"},
    {"channel_binding", "database.channelBinding"},
    {"krbsrvname", "database.kerberosServerName"},
    {"connect_timeout", "database.connectTimeout"},
    {"options", "database.options"},
    {"application_name", NULL},
    {"fallback_application_name", NULL},
    {"client_encoding", NULL},
    {"keepalives", NULL},
    {"keepalives_idle", NULL},
    {"keepalives_interval", NULL},
    {"keepalives_count", NULL},
    {"tcp_user_timeout", NULL},
};

/* False: there is no option for it. */
static bool option_take(struct props *p, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].libpq) != 0)
            continue;
        if (names[i].ours && !props_get(p, names[i].ours))
            props_set(p, names[i].ours, value);
        return true;
    }
    return false;
}

bool config_take_conninfo(struct props *p, const char *text, struct err *e)
{
    PQconninfoOption *given = pg_conninfo(text, e), *presets = given ? PQconndefaults() : NULL;
    bool ok = given != NULL;
    for (const PQconninfoOption *o = given; ok && o->keyword; o++)
        if (o->val && *o->val && !option_take(p, o->keyword, o->val))
            ok = err_set(e, ERR_CONFIG, "%s in the connection string: this is not passed on; leave it out",
                         o->keyword);
    for (const PQconninfoOption *o = presets; ok && o && o->keyword; o++)
        if (o->val && *o->val)
            option_take(p, o->keyword, o->val);
    if (ok && !props_get(p, "database.hostname"))
        props_set(p, "database.hostname", "/var/run/postgresql");
    if (ok && !props_get(p, "database.dbname"))
        props_set(p, "database.dbname", props_get(p, "database.user"));
    PQconninfoFree(given);
    PQconninfoFree(presets);
    return ok;
}
