/* lineage.c - which server and which timeline a position is of.
 *
 * A server says nothing when it is asked for a place that it does not have: a position before the slot's
 * counts as the slot's, one ahead of its WAL makes it skip what it writes until then. So all is checked
 * before. */
#include "lineage.h"

#include "pg.h"

#include <stdlib.h>

#define WAYS_ON                                                                                              \
    "set snapshot.mode=when_needed, or delete the connector's offsets, to begin with a new snapshot; with "  \
    "offset.mismatch.strategy=trust_slot it goes on from the slot without one"

bool lineage_ask(PGconn *replication, struct lineage *out, struct err *e)
{
    PGresult *res = pg_query(replication, e, "IDENTIFY_SYSTEM", 0, NULL);
    if (!res)
        return false;
    const char *standby = PQparameterStatus(replication, "in_hot_standby");
    *out = (struct lineage){.timeline = (uint32_t)strtoul(PQgetvalue(res, 0, 1), NULL, 10),
                            .standby = standby && strcmp(standby, "on") == 0};
    snprintf(out->system, sizeof out->system, "%s", PQgetvalue(res, 0, 0));
    (void)lsn_parse(slice_of(PQgetvalue(res, 0, 2)), &out->flushed);
    PQclear(res);
    return true;
}

void lineage_sign(const struct lineage *l, struct offset *o)
{
    memcpy(o->system, l->system, sizeof o->system);
    o->timeline = l->standby ? 0 : l->timeline;
}

/* ---- forks ---- */

static struct slice line_next(struct slice *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    struct slice line = {text->ptr, end ? (size_t)(end - text->ptr) : text->len};
    size_t taken = line.len + (end != NULL);
    *text = (struct slice){text->ptr + taken, text->len - taken};
    return line;
}

bool lineage_fork(struct slice history, uint32_t timeline, lsn_t *left)
{
    while (history.len) {
        struct slice line = line_next(&history);
        uint64_t number = 0;
        size_t at = 0, start;
        while (at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9' && number <= UINT32_MAX)
            number = number * 10 + (uint64_t)(line.ptr[at++] - '0');
        if (!at || number != timeline)
            continue;
        while (at < line.len && (line.ptr[at] == '\t' || line.ptr[at] == ' '))
            at++;
        for (start = at; at < line.len && line.ptr[at] != '\t' && line.ptr[at] != ' ';)
            at++;
        return lsn_parse((struct slice){line.ptr + start, at - start}, left);
    }
    return false;
}

static bool refuse_timeline(const struct lineage *l, const struct offset *o, lsn_t at, struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "the stored position " LSN_FMT
                   " is of timeline %u, from which the server's timeline %u does "
                   "not come: the server was restored from a backup, or is another branch of the one before. "
                   "Connect to that one again, or " WAYS_ON,
                   LSN_ARG(at), o->timeline, l->timeline);
}

static bool refuse_fork(const struct lineage *l, const struct offset *o, lsn_t at, lsn_t left, struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "the stored position " LSN_FMT " is of timeline %u, which the server left at " LSN_FMT
                   " for timeline %u (a standby was promoted, or a backup restored): what was published from "
                   "there on is not in this server, and what this server has written since would be skipped. "
                   "Compare the tables with the topics, and " WAYS_ON,
                   LSN_ARG(at), o->timeline, LSN_ARG(left), l->timeline);
}

/* The history of the timeline that the server is on; NULL: *e. */
static PGresult *ask_history(PGconn *replication, uint32_t timeline, struct err *e)
{
    char command[64];
    snprintf(command, sizeof command, "TIMELINE_HISTORY %u", timeline);
    PGresult *res = pg_query(replication, e, command, 0, NULL);
    if (res && PQntuples(res) == 1 && PQnfields(res) == 2)
        return res;
    if (res)
        err_set(e, ERR_FATAL, "%s: the server's answer has no content", command);
    PQclear(res);
    return NULL;
}

static bool timeline_holds(PGconn *replication, const struct lineage *l, const struct offset *o, lsn_t at,
                           struct err *e)
{
    if (!o->timeline || o->timeline == l->timeline)
        return true;
    if (l->timeline == 1) /* the first one has no history */
        return refuse_timeline(l, o, at, e);
    PGresult *res = ask_history(replication, l->timeline, e);
    if (!res)
        return err_prefix(e, "the stored position is of timeline %u, the server is on %u", o->timeline,
                          l->timeline);
    lsn_t left = 0;
    struct slice content = {PQgetvalue(res, 0, 1), (size_t)PQgetlength(res, 0, 1)};
    bool ok = lineage_fork(content, o->timeline, &left) ? at <= left || refuse_fork(l, o, at, left, e)
                                                        : refuse_timeline(l, o, at, e);
    PQclear(res);
    return ok;
}

bool lineage_holds(PGconn *replication, const struct lineage *l, const struct offset *o, lsn_t at,
                   struct err *e)
{
    if (!o->present)
        return true;
    if (o->system[0] && strcmp(o->system, l->system) != 0)
        return err_set(
            e, ERR_CONFIG,
            "the stored position " LSN_FMT " is of another PostgreSQL server: its system identifier "
            "is %s, that of this one is %s. Check database.hostname and database.port; if this one "
            "takes the other's place, " WAYS_ON,
            LSN_ARG(at), o->system, l->system);
    if (!timeline_holds(replication, l, o, at, e))
        return false;
    if (!l->flushed || at <= l->flushed)
        return true;
    if (l->standby) /* one that has just started stands where its last restart point is, for a moment */
        return err_set(e, ERR_RETRY,
                       "the stored position " LSN_FMT " is ahead of the server, a standby that is at " LSN_FMT
                       " and may catch up; if it does not, connect to the right one",
                       LSN_ARG(at), LSN_ARG(l->flushed));
    return err_set(e, ERR_CONFIG,
                   "the stored position " LSN_FMT " is ahead of the server, which is at " LSN_FMT
                   ": it is another server or a restored one; what it writes up to there "
                   "would be skipped. Connect to the right one, or " WAYS_ON,
                   LSN_ARG(at), LSN_ARG(l->flushed));
}
