/* snapshot_plan.c - from tables to statements.
 *
 * A table in ranges is locked against being altered before any of it is read, and by every reader: were it
 * rewritten between two ranges, rows would have moved from the one to the other. Readers that waited for such
 * a lock behind an ALTER, which waits for the first reader, would wait for ever; so none waits (NOWAIT). */
#include "snapshot_plan.h"

#include "ranges.h"
#include "sql.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdlib.h>

PGresult *snapshot_query(struct pipeline *p, const char *sql, int n, const char *const *params, struct err *e)
{
    bool ok = PQsendQueryParams(p->conn, sql, n, NULL, params, NULL, NULL, 0);
    while (ok && PQisBusy(p->conn)) {
        struct pollfd fds[] = {{PQsocket(p->conn), POLLIN, 0}, {p->face->wake_fd, POLLIN, 0}};
        poll(fds, 2, 1000);
        wake_clear(p->face->wake_fd);
        if (pipeline_stopping(p)) {
            err_set(e, ERR_RETRY, "stopped during the snapshot: it starts again with the connector");
            return NULL;
        }
        ok = PQconsumeInput(p->conn);
    }
    PGresult *res = ok ? PQgetResult(p->conn) : NULL;
    while (ok && res) { /* of one statement there is one result, and then none */
        PGresult *next = PQgetResult(p->conn);
        if (!next)
            break;
        PQclear(res);
        res = next;
    }
    if (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK)
        return res;
    pg_error(p->conn, res, e, "preparing the snapshot");
    PQclear(res);
    return NULL;
}

/* ---- tables ---- */

static bool wants_table(const struct config *c, const struct table *t)
{
    if (!c->snapshot_include || !pattern_list_count(c->snapshot_include))
        return true;
    struct buf name = BUF_EMPTY;
    buf_printf(&name, "%s.%s", t->schema, t->name);
    bool wanted = pattern_list_match(c->snapshot_include, buf_view(&name));
    buf_free(&name);
    return wanted;
}

static bool describe(struct pipeline *p, const struct capture_settings *settings, struct snapshot_table *t,
                     struct err *e)
{
    const struct table *o = t->table;
    size_t left = p->tables.count - (size_t)(o - p->tables.list);
    bool ok = catalog_ahead_tables(p->conn, o, left, &p->ahead, e);
    t->rel = ok ? catalog_relation(p->conn, o, p->ahead, true, p->types, e) : NULL;
    return (t->rel && capture_make(settings, t->rel, e)) ||
           err_prefix(e, "snapshot of %s.%s", o->schema, o->name);
}

static bool measure(struct pipeline *p, struct snapshot_plan *plan, struct err *e)
{
    struct buf oids = BUF_EMPTY;
    for (size_t i = 0; i < plan->n_tables; i++)
        buf_printf(&oids, "%c%u", i ? ',' : '{', plan->tables[i].table->oid);
    buf_str(&oids, plan->n_tables ? "}" : "{}");
    const char *params[] = {oids.ptr};
    PGresult *res = snapshot_query(p, SQL_SNAPSHOT_SIZES, 1, params, e);
    buf_free(&oids);
    for (int i = 0; res && i < PQntuples(res) && (size_t)i < plan->n_tables; i++) {
        plan->tables[i].divisible = pg_true(res, i, 0) && PQserverVersion(p->conn) >= 140000;
        plan->tables[i].blocks = strtoull(PQgetvalue(res, i, 1), NULL, 10);
        plan->tables[i].estimate = strtoull(PQgetvalue(res, i, 2), NULL, 10);
    }
    PQclear(res);
    return res != NULL;
}

static int by_estimate(const void *a, const void *b)
{
    const struct snapshot_table *x = a, *y = b;
    if (x->estimate != y->estimate)
        return x->estimate < y->estimate ? -1 : 1;
    return x->table < y->table ? -1 : x->table > y->table; /* as they were */
}

static int by_estimate_down(const void *a, const void *b)
{
    const struct snapshot_table *x = a, *y = b;
    return x->estimate != y->estimate ? by_estimate(b, a) : by_estimate(a, b);
}

static bool choose_tables(struct pipeline *p, const struct capture_settings *settings,
                          struct snapshot_plan *plan, struct err *e)
{
    const struct config *c = p->config;
    plan->tables = xcalloc(p->tables.count + 1, sizeof *plan->tables);
    for (size_t i = 0; i < p->tables.count; i++)
        if (wants_table(c, &p->tables.list[i]))
            plan->tables[plan->n_tables++].table = &p->tables.list[i];
    for (size_t i = 0; i < plan->n_tables; i++)
        if (!describe(p, settings, &plan->tables[i], e))
            return false;
    catalog_ahead_free(p->ahead);
    p->ahead = NULL;
    if ((c->snapshot_order != SNAPSHOT_ORDER_DISABLED || c->snapshot_max_threads > 1) && !measure(p, plan, e))
        return false;
    if (c->snapshot_order != SNAPSHOT_ORDER_DISABLED)
        qsort(plan->tables, plan->n_tables, sizeof *plan->tables,
              c->snapshot_order == SNAPSHOT_ORDER_ASCENDING ? by_estimate : by_estimate_down);
    return true;
}

/* ---- statements ---- */

/* Whether an item of the list is this table: "a" stands for a in either of its parts, as in SQL. */
static bool item_names(struct slice item, struct slice table)
{
    size_t at = 0;
    for (size_t i = 0; i < item.len; i++) {
        if (item.ptr[i] == '"' && (i + 1 == item.len || item.ptr[i + 1] != '"'))
            continue;
        i += item.ptr[i] == '"';
        if (at == table.len || table.ptr[at++] != item.ptr[i])
            return false;
    }
    return at == table.len;
}

/* Only the tables of the list have statements, whatever else is set; each is set under the item's own text.
 * Source: io.debezium.relational.RelationalDatabaseConnectorConfig.getSnapshotSelectOverridesByTable. */
static const char *override_of(const struct config *c, const struct table *t)
{
    char *table = xasprintf("%s.%s", t->schema, t->name);
    const char *sql = NULL;
    for (const char *at = c->snapshot_overrides ? c->snapshot_overrides : ""; *at && !sql;) {
        size_t n = strcspn(at, ",");
        struct slice item = slice_trim((struct slice){at, n});
        if (slice_eq(item, slice_of(table)) || item_names(item, slice_of(table))) {
            char *name = xasprintf("snapshot.select.statement.overrides." SLICE_FMT, SLICE_ARG(item));
            sql = props_get(c->props, name);
            free(name);
        }
        at += n + (at[n] == ',');
    }
    free(table);
    return sql;
}

/* A statement as it may stand in parentheses: a semicolon at its end, or a comment, is no harm to JDBC. */
static void subquery(struct buf *sql, const char *statement)
{
    size_t n = strlen(statement);
    while (n && strchr("; \t\r\n", statement[n - 1]))
        n--;
    BUF_LIT(sql, "(");
    buf_append(sql, statement, n);
    BUF_LIT(sql, "\n) AS walwire_override");
}

static char *copy_statement(const struct snapshot_table *t, const char *override, size_t range)
{
    struct buf sql = BUF_EMPTY;
    BUF_LIT(&sql, "COPY (SELECT ");
    for (size_t i = 0; i < t->rel->n_columns; i++) {
        buf_str(&sql, i ? ", " : "");
        pg_ident(&sql, t->rel->columns[i].name);
    }
    BUF_LIT(&sql, " FROM ");
    if (override)
        subquery(&sql, override);
    else
        pg_table(&sql, t->rel->schema, t->rel->name);
    ranges_condition(&sql, t->blocks, t->n_items, range);
    BUF_LIT(&sql, ") TO STDOUT");
    return buf_take(&sql);
}

static size_t items_of(const struct config *c, const struct snapshot_table *t)
{
    if (!t->divisible || c->snapshot_legacy_threads || override_of(c, t->table))
        return 1;
    return ranges_count(t->blocks, (size_t)c->snapshot_max_threads);
}

static void add_items(struct snapshot_plan *plan, const struct config *c, size_t table)
{
    struct snapshot_table *t = &plan->tables[table];
    const char *override = override_of(c, t->table);
    plan->items = xrealloc(plan->items, (plan->n_items + t->n_items) * sizeof *plan->items);
    for (size_t i = 0; i < t->n_items; i++)
        plan->items[plan->n_items++] = (struct scan_item){.sql = copy_statement(t, override, i),
                                                          .table = table,
                                                          .generated = !override,
                                                          .oid = t->table->oid};
}

static void add_lock(struct snapshot_plan *plan, const struct table *t)
{
    buf_str(&plan->locks, plan->locks.len ? ", " : "LOCK TABLE ");
    pg_table(&plan->locks, t->schema, t->name);
}

bool snapshot_plan_make(struct pipeline *p, const struct capture_settings *settings,
                        struct snapshot_plan *plan, struct err *e)
{
    const struct config *c = p->config;
    if (!choose_tables(p, settings, plan, e))
        return false;
    for (size_t i = 0; i < plan->n_tables; i++) {
        struct snapshot_table *t = &plan->tables[i];
        t->n_items = t->items_left = items_of(c, t);
        add_items(plan, c, i);
        if (t->n_items > 1 || c->snapshot_locking == SNAPSHOT_LOCKING_SHARED)
            add_lock(plan, t->table);
    }
    if (plan->locks.len)
        BUF_LIT(&plan->locks, " IN ACCESS SHARE MODE");
    size_t threads = (size_t)c->snapshot_max_threads;
    plan->n_readers = plan->n_items < threads ? plan->n_items : threads;
    return true;
}

void snapshot_plan_free(struct snapshot_plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        relation_free(plan->tables[i].rel);
        buf_free(&plan->tables[i].held);
    }
    for (size_t i = 0; i < plan->n_items; i++)
        free(plan->items[i].sql);
    free(plan->tables);
    free(plan->items);
    buf_free(&plan->locks);
}
