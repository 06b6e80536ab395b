/* gone.c - relations of tables that were dropped are forgotten: with tables that come and go a run would take
 * ever more memory.
 *
 * The server describes a relation once a connection, so one that may still come must not be forgotten. The
 * stream is behind the catalogue: rows of a table that is gone there may still be on their way. But nothing
 * is written to a table after its end, so they stand before the WAL's end of the moment of asking. */
#include "gone.h"

#include "log.h"
#include "pg.h"
#include "pipeline.h"
#include "sql.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { LEAST = 256 }; /* relations; fewer are not worth a look */

static PGresult *ask(struct pipeline *p, const struct relations *all, struct err *e)
{
    struct buf oids = BUF_EMPTY;
    const struct relation *r;
    for (size_t at = 0; (r = relations_next(all, &at));)
        buf_printf(&oids, "%s%u", oids.len ? "," : "{", r->oid);
    buf_char(&oids, '}');
    const char *param = oids.ptr;
    PGresult *res = pg_query(p->conn, e, SQL_RELATIONS_GONE, 1, &param);
    buf_free(&oids);
    return res;
}

static void look(struct pipeline *p, const struct relations *all)
{
    enum { END, OID };
    struct gone *g = &p->gone;
    struct err e = {0};
    PGresult *res = ask(p, all, &e);
    if (!res)
        log_debug("asking which tables are gone: %s", e.text);
    int n = res ? PQntuples(res) : 0;
    g->known = relations_count(all);
    g->upto = 0;
    g->tables = xrealloc(g->tables, ((size_t)n + 1) * sizeof *g->tables);
    for (int i = 0; i < n; i++) {
        lsn_t end;
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, i, OID), NULL, 10);
        const struct relation *r = relations_find(all, oid);
        if (!r || !lsn_parse(slice_of(PQgetvalue(res, i, END)), &end))
            continue;
        g->tables[g->n++] = (struct gone_table){oid, r->number};
        g->upto = end > g->upto ? end : g->upto;
    }
    PQclear(res);
}

static void forget(struct gone *g, struct relations *all)
{
    for (size_t i = 0; i < g->n; i++)
        relations_drop(all, g->tables[i].oid, g->tables[i].number);
    log_debug("%zu tables are gone and forgotten, %zu are left", g->n, relations_count(all));
    g->n = 0;
    g->known = relations_count(all);
}

void gone_tick(struct pipeline *p)
{
    struct gone *g = &p->gone;
    struct relations *all = pgoutput_relations(p->decoder);
    size_t count = relations_count(all);
    if (p->mark)
        return;
    if (g->n && p->seen >= g->upto)
        forget(g, all);
    else if (!g->n && count >= LEAST && count >= 2 * g->known)
        look(p, all);
}

void gone_free(struct gone *g)
{
    free(g->tables);
}
