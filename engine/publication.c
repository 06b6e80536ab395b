/* publication.c - the four modes of publication.autocreate.mode. */
#include "publication.h"

#include "log.h"
#include "sql.h"

static void publish_options(struct buf *sql, const struct config *c)
{
    struct buf o = BUF_EMPTY;
    if (c->skipped_set) {
        const char *const ops[] = {c->skip_create ? NULL : "insert", c->skip_update ? NULL : "update",
                                   c->skip_delete ? NULL : "delete", c->skip_truncate ? NULL : "truncate"};
        BUF_LIT(&o, "publish = '");
        for (size_t i = 0, n = 0; i < 4; i++)
            if (ops[i])
                buf_printf(&o, "%s%s", n++ ? "," : "", ops[i]);
        buf_char(&o, '\'');
    }
    if (c->publish_via_partition_root)
        buf_printf(&o, "%spublish_via_partition_root = true", o.len ? ", " : "");
    if (o.len)
        buf_printf(sql, " WITH (%s)", o.ptr);
    buf_free(&o);
}

static void table_list(struct buf *sql, const struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        buf_str(sql, i ? ", " : "");
        pg_table(sql, tables->list[i].schema, tables->list[i].name);
    }
}

/* tables NULL: what the mode says without a list. */
static bool publication_create(PGconn *conn, const struct config *c, const char *name,
                               const struct tables *tables, struct err *e)
{
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "CREATE PUBLICATION ");
    pg_ident(&sql, name);
    if (!tables && c->publication_mode == PUBLICATION_ALL_TABLES)
        BUF_LIT(&sql, " FOR ALL TABLES");
    if (tables && tables->count) {
        BUF_LIT(&sql, " FOR TABLE ");
        table_list(&sql, tables);
    }
    publish_options(&sql, c);
    bool ok = pg_run(conn, e, sql.ptr);
    buf_free(&sql);
    if (ok)
        log_info("publication %s created", name);
    else
        err_prefix(e, "creating publication %s (or create it%s and set publication.autocreate.mode=disabled)",
                   name, pg_on_standby(conn) ? " on the primary" : " as an owner of the tables");
    return ok;
}

static bool is_listed(const PGresult *res, const struct table *t)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), t->schema) == 0 && strcmp(PQgetvalue(res, i, 1), t->name) == 0)
            return true;
    return false;
}

static bool same_tables(const PGresult *res, const struct tables *tables)
{
    if ((size_t)PQntuples(res) != tables->count)
        return false;
    for (size_t i = 0; i < tables->count; i++)
        if (!is_listed(res, &tables->list[i]))
            return false;
    return true;
}

static void tables_of(struct buf *sql, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        buf_str(sql, i ? ", " : "");
        pg_table(sql, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
    }
}

/* Keeps an existing publication's tables equal to the captured ones. */
static bool publication_align(PGconn *conn, const char *name, const struct tables *tables, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_PUBLICATION_TABLES, 1, &name);
    if (!res)
        return false;
    bool ok = true;
    if (!same_tables(res, tables)) {
        struct buf sql = BUF_EMPTY;
        BUF_LIT(&sql, "ALTER PUBLICATION ");
        pg_ident(&sql, name);
        buf_str(&sql, tables->count ? " SET TABLE " : " DROP TABLE "); /* a list cannot be empty */
        if (tables->count)
            table_list(&sql, tables);
        else
            tables_of(&sql, res);
        ok = pg_run(conn, e, sql.ptr) || err_prefix(e, "altering publication %s%s", name,
                                                    pg_on_standby(conn) ? " (do that on the primary)" : "");
        buf_free(&sql);
    }
    PQclear(res);
    return ok;
}

static bool publication_look(PGconn *conn, const char *name, bool *exists, bool *all_tables, struct err *e)
{
    PGresult *res = pg_query(conn, e, SQL_PUBLICATION, 1, &name);
    if (!res)
        return err_prefix(e, "looking at publication %s", name);
    *exists = PQntuples(res) > 0;
    *all_tables = *exists && pg_true(res, 0, 0);
    PQclear(res);
    return true;
}

bool publication_refuse_empty(struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "no table matches: check table.include.list and schema.include.list (names are "
                   "schema.table, as regular expressions)");
}

bool publication_list(PGconn *conn, const struct config *c, const char *name, const struct tables *tables,
                      struct err *e)
{
    bool exists = false, all_tables = false;
    if (!publication_look(conn, name, &exists, &all_tables, e))
        return false;
    if (all_tables)
        return err_set(e, ERR_CONFIG,
                       "publication %s is FOR ALL TABLES, but publication.autocreate.mode is filtered: drop "
                       "it (DROP PUBLICATION), or set the mode to all_tables",
                       name);
    return exists ? publication_align(conn, name, tables, e) : publication_create(conn, c, name, tables, e);
}

bool publication_prepare(PGconn *conn, const struct config *c, const struct tables *tables, struct err *e)
{
    const char *name = c->publication_name;
    bool exists = false, all_tables = false;
    if (c->publication_mode == PUBLICATION_FILTERED)
        return tables->count ? publication_list(conn, c, name, tables, e) : publication_refuse_empty(e);
    if (!publication_look(conn, name, &exists, &all_tables, e))
        return false;
    if (!exists && c->publication_mode == PUBLICATION_DISABLED)
        return err_set(e, ERR_CONFIG,
                       "publication %s does not exist and publication.autocreate.mode is disabled: run "
                       "CREATE PUBLICATION %s FOR TABLE ..., then restart the connector",
                       name, name);
    return exists || publication_create(conn, c, name, NULL, e);
}
