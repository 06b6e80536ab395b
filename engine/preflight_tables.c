/* preflight_tables.c - the steps that look at the captured tables and the publication. */
#include "preflight.h"

#include "sql.h"

#include <stdlib.h>

#define MOST_NAMED 10 /* findings of one kind; the rest is counted */

/* Columns of sql/check_tables.sql. */
enum { SCHEMA, TABLE, MAY_USE_SCHEMA, MAY_SELECT, OWNS, OWNER, PUBLISHED };

/* Columns of sql/check_publication.sql. */
enum { ALL_TABLES, ALL_CHANGES, OWNS_PUBLICATION };

static PGresult *look_at_tables(struct preflight *c, struct err *e)
{
    struct buf oids = {0};
    buf_char(&oids, '{');
    for (size_t i = 0; i < c->tables.count; i++)
        buf_printf(&oids, "%s%u", i ? "," : "", c->tables.list[i].oid);
    buf_char(&oids, '}');
    const char *params[] = {oids.ptr, c->config->publication_name};
    PGresult *res = pg_query(c->conn, e, SQL_CHECK_TABLES, 2, params);
    buf_free(&oids);
    return res;
}

static void add_table(struct buf *b, const char *schema, const char *table)
{
    if (b->len)
        BUF_LIT(b, ", ");
    pg_table(b, schema, table);
}

/* The tables whose cell in a column is false, as a list; 0: none. */
static int without(const PGresult *res, int column, struct buf *names)
{
    int n = 0;
    for (int i = 0; i < PQntuples(res); i++)
        if (!pg_true(res, i, column) && n++ < MOST_NAMED)
            add_table(names, PQgetvalue(res, i, SCHEMA), PQgetvalue(res, i, TABLE));
    if (n > MOST_NAMED)
        buf_printf(names, " and %d more", n - MOST_NAMED);
    return n;
}

/* ---- reading ---- */

static void check_privileges(struct preflight *c, const PGresult *res)
{
    struct buf user = {0}, schema = {0}, table = {0};
    int refused = 0;
    pg_ident(&user, c->user);
    for (int i = 0; i < PQntuples(res); i++) {
        bool usage = pg_true(res, i, MAY_USE_SCHEMA), readable = pg_true(res, i, MAY_SELECT);
        if ((usage && readable) || refused++ >= MOST_NAMED)
            continue;
        buf_reset(&schema);
        buf_reset(&table);
        pg_ident(&schema, PQgetvalue(res, i, SCHEMA));
        pg_table(&table, PQgetvalue(res, i, SCHEMA), PQgetvalue(res, i, TABLE));
        preflight_say(c, PREFLIGHT_FAIL, "%s cannot be read by %s: the snapshot would fail", table.ptr,
                      c->user);
        if (!usage)
            preflight_mend(c, "GRANT USAGE ON SCHEMA %s TO %s;", schema.ptr, user.ptr);
        if (!readable)
            preflight_mend(c, "GRANT SELECT ON %s TO %s;", table.ptr, user.ptr);
    }
    if (refused > MOST_NAMED)
        preflight_mend(c, "and %d tables more", refused - MOST_NAMED);
    if (!refused)
        preflight_say(c, PREFLIGHT_OK, "%s may read them all", c->user);
    buf_free(&user);
    buf_free(&schema);
    buf_free(&table);
}

static void say_captured(struct preflight *c)
{
    struct buf names = {0};
    for (size_t i = 0; i < c->tables.count && i < MOST_NAMED; i++)
        add_table(&names, c->tables.list[i].schema, c->tables.list[i].name);
    if (c->tables.count > MOST_NAMED)
        buf_printf(&names, " and %zu more", c->tables.count - MOST_NAMED);
    preflight_say(c, PREFLIGHT_OK, "%zu table%s captured: %s", c->tables.count,
                  c->tables.count == 1 ? " is" : "s are", names.ptr);
    buf_free(&names);
}

void preflight_tables(struct preflight *c)
{
    struct err e = {0};
    if (!catalog_tables(c->conn, c->config, &c->tables, &e)) {
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
        return;
    }
    if (!c->tables.count) {
        preflight_say(c,
                      c->config->publication_mode == PUBLICATION_FILTERED ? PREFLIGHT_FAIL : PREFLIGHT_WARN,
                      "no table is captured");
        preflight_mend(c,
                       "compare table.include.list and schema.include.list (whole names, schema.table) with "
                       "the tables of %s",
                       c->config->dbname);
        return;
    }
    say_captured(c);
    PGresult *res = look_at_tables(c, &e);
    if (res)
        check_privileges(c, res);
    else
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
    PQclear(res);
}

/* A published table without an identity makes the application's UPDATE and DELETE fail. */
void preflight_identity(struct preflight *c)
{
    int n = 0;
    for (size_t i = 0; i < c->tables.count; i++) {
        const struct table *t = &c->tables.list[i];
        bool identified =
            t->identity == 'f' || t->identity == 'i' || (t->identity == 'd' && t->has_primary_key);
        if (identified || n++ >= MOST_NAMED)
            continue;
        struct buf name = {0};
        pg_table(&name, t->schema, t->name);
        preflight_say(c, PREFLIGHT_WARN, "%s has no %s: once published, UPDATE and DELETE on it fail",
                      name.ptr, t->identity == 'n' ? "replica identity" : "primary key");
        preflight_mend(c, "ALTER TABLE %s REPLICA IDENTITY FULL;  -- or add a primary key", name.ptr);
        buf_free(&name);
    }
    if (n > MOST_NAMED)
        preflight_mend(c, "and %d tables more", n - MOST_NAMED);
    if (!n && c->tables.count)
        preflight_say(c, PREFLIGHT_OK, "all have a replica identity");
}

/* ---- the publication ---- */

static void mend_create(struct preflight *c, const struct buf *name)
{
    struct buf tables = {0};
    for (size_t i = 0; i < c->tables.count && i < MOST_NAMED; i++)
        add_table(&tables, c->tables.list[i].schema, c->tables.list[i].name);
    preflight_mend(c, "CREATE PUBLICATION %s FOR TABLE %s%s;", name->ptr, tables.len ? tables.ptr : "...",
                   c->tables.count > MOST_NAMED ? ", ..." : "");
    buf_free(&tables);
}

static void check_owned(struct preflight *c, const PGresult *tables, const char *what)
{
    struct buf names = {0};
    if (!c->superuser && without(tables, OWNS, &names)) {
        preflight_say(c, PREFLIGHT_FAIL, "%s needs ownership, which %s lacks, of %s", what, c->user,
                      names.ptr);
        preflight_mend(c,
                       "let the owner create the publication and set publication.autocreate.mode=disabled");
    }
    buf_free(&names);
}

static void mend_database(struct preflight *c)
{
    struct buf database = {0}, user = {0};
    pg_ident(&database, c->config->dbname);
    pg_ident(&user, c->user);
    preflight_mend(c, "GRANT CREATE ON DATABASE %s TO %s;", database.ptr, user.ptr);
    buf_free(&database);
    buf_free(&user);
}

static void check_missing(struct preflight *c, const struct buf *name, const PGresult *tables)
{
    enum publication_mode mode = c->config->publication_mode;
    if (mode == PUBLICATION_DISABLED || c->standby) {
        preflight_say(c, PREFLIGHT_FAIL, "publication %s does not exist, and %s", name->ptr,
                      c->standby ? "a standby cannot create it: this is for the primary"
                                 : "publication.autocreate.mode is disabled");
        mend_create(c, name);
    } else if (mode == PUBLICATION_ALL_TABLES && !c->superuser) {
        preflight_say(c, PREFLIGHT_FAIL,
                      "publication %s does not exist, and only a superuser can create it for all tables",
                      name->ptr);
        preflight_mend(c,
                       "CREATE PUBLICATION %s FOR ALL TABLES;  -- as a superuser, or set "
                       "publication.autocreate.mode=filtered",
                       name->ptr);
    } else if (!c->may_create) {
        preflight_say(c, PREFLIGHT_FAIL, "publication %s does not exist, and %s may not create objects in %s",
                      name->ptr, c->user, c->config->dbname);
        mend_database(c);
    } else {
        preflight_say(c, PREFLIGHT_OK, "publication %s does not exist yet: it will be created", name->ptr);
        if (mode == PUBLICATION_FILTERED)
            check_owned(c, tables, "creating it");
    }
}

static void check_content(struct preflight *c, const struct buf *name, const PGresult *publication,
                          const PGresult *tables)
{
    struct buf missing = {0};
    bool filtered = c->config->publication_mode == PUBLICATION_FILTERED,
         all = pg_true(publication, 0, ALL_TABLES);
    int n = without(tables, PUBLISHED, &missing);
    if (filtered && all) {
        preflight_say(c, PREFLIGHT_FAIL,
                      "publication %s is for all tables, but publication.autocreate.mode is filtered",
                      name->ptr);
        preflight_mend(c, "DROP PUBLICATION %s;  -- or set publication.autocreate.mode=all_tables",
                       name->ptr);
    } else if (n && filtered && !c->standby) {
        preflight_say(c, PREFLIGHT_OK, "publication %s lacks %s: the connector will add what is missing",
                      name->ptr, missing.ptr);
        check_owned(c, tables, "adding tables");
    } else if (n) {
        preflight_say(c, PREFLIGHT_WARN, "publication %s lacks %s: their changes will not be seen", name->ptr,
                      missing.ptr);
        preflight_mend(c, "ALTER PUBLICATION %s ADD TABLE %s;", name->ptr, missing.ptr);
    } else {
        preflight_say(c, PREFLIGHT_OK, "publication %s has all captured tables", name->ptr);
    }
    if (!pg_true(publication, 0, ALL_CHANGES)) {
        preflight_say(c, PREFLIGHT_WARN, "publication %s leaves out some of insert, update and delete",
                      name->ptr);
        preflight_mend(c, "ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate');",
                       name->ptr);
    }
    buf_free(&missing);
}

void preflight_may_publish(struct preflight *c, bool there)
{
    struct err e = {0};
    PGresult *tables = look_at_tables(c, &e);
    if (!tables)
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
    else
        check_owned(c, tables, there ? "altering publications" : "creating publications");
    PQclear(tables);
    if (there || c->may_create)
        return;
    preflight_say(c, PREFLIGHT_FAIL, "%s may not create publications in %s", c->user, c->config->dbname);
    mend_database(c);
}

void preflight_publication(struct preflight *c)
{
    struct err e = {0};
    if (c->config->slots > 1) {
        preflight_shards(c);
        return;
    }
    struct buf name = {0};
    const char *plain = c->config->publication_name;
    pg_ident(&name, plain);
    PGresult *tables = look_at_tables(c, &e);
    PGresult *publication = tables ? pg_query(c->conn, &e, SQL_CHECK_PUBLICATION, 1, &plain) : NULL;
    if (!publication)
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
    else if (PQntuples(publication) == 0)
        check_missing(c, &name, tables);
    else
        check_content(c, &name, publication, tables);
    PQclear(publication);
    PQclear(tables);
    buf_free(&name);
}
