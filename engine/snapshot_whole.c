/* snapshot_whole.c - whether the tables were still there for the snapshot when they were read.
 *
 * PostgreSQL does not hide from an older snapshot that the rows of a table were written anew by ALTER TABLE,
 * or truncated: to it the table is empty. What comes behind a TRUNCATE is in the stream. Of an ALTER it has
 * no rows: they would be missing for good. The two are told apart by what the table is made of. What looks
 * like a TRUNCATE may be a tool that moves rows, or a table that took another one's name: that is told, since
 * to begin again would never come to an end where it is done every few minutes. */
#include "snapshot_plan.h"

#include "log.h"
#include "sql.h"

/* Seen by a session that has no snapshot yet. */
static bool made_otherwise(struct pipeline *p, const char *oids, bool *otherwise, struct err *e)
{
    PGconn *now = prepare_session(p, e);
    PGresult *is = now ? pg_query(now, e, SQL_TABLES_MADE, 1, &oids) : NULL;
    PGresult *was = is ? snapshot_query(p, SQL_TABLES_MADE, 1, &oids, e) : NULL;
    *otherwise = was && strcmp(PQgetvalue(is, 0, 0), PQgetvalue(was, 0, 0)) != 0;
    PQclear(is);
    PQclear(was);
    if (now)
        PQfinish(now);
    return was;
}

bool snapshot_whole(struct pipeline *p, const struct table *table, const char *replaced, struct err *e)
{
    bool otherwise = false;
    if (!made_otherwise(p, replaced, &otherwise, e))
        return false;
    if (otherwise)
        return err_set(
            e, ERR_RETRY,
            "ALTER TABLE has written the rows of %s.%s anew before they were read: the snapshot begins again",
            table->schema, table->name);
    log_warn(
        "%s.%s was truncated, written anew or replaced before it was read: what it had when the snapshot "
        "began may be missing",
        table->schema, table->name);
    return true;
}
