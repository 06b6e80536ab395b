/* hub_visible.c - which changes a snapshot has seen.
 *
 * A commit record may be decoded before its transaction leaves the list of running ones (for long with
 * synchronous replication), so the place in the stream does not tell; the snapshot's own lists do. The stream
 * knows only the lower half of a transaction's number: it is the one nearest to the snapshot's xmax. Whatever
 * commits at or behind the insert position that was read after the snapshot was taken is not seen by it. On a
 * standby the lists are not complete, and that position was read before: what commits between the two comes
 * as a change too. */
#include "hub_impl.h"

#include <stdlib.h>

#include "xmalloc.h"

enum { WAL_PAGE = 8192, PAGE_HEADER = 24, SEGMENT_HEADER = 40 };

/* At a page's start the insert position already stands behind the page's header, which is written with the
 * next record only: the stream may never get there. */
static lsn_t stream_lsn(lsn_t insert, uint32_t segment)
{
    if (segment && insert % segment == SEGMENT_HEADER)
        return insert - SEGMENT_HEADER;
    return insert % WAL_PAGE == PAGE_HEADER ? insert - PAGE_HEADER : insert;
}

struct visibility *visibility_copy(const struct hub_visibility *v)
{
    struct visibility *copy = xmalloc(sizeof(*copy) + v->n_xip * sizeof(uint64_t));
    copy->xmin = v->xmin;
    copy->xmax = v->xmax;
    copy->insert_lsn = v->insert_lsn;
    copy->wait_lsn = stream_lsn(v->insert_lsn, v->wal_segment_bytes);
    copy->n_xip = v->n_xip;
    if (v->n_xip)
        memcpy(copy->xip, v->xip, v->n_xip * sizeof(uint64_t));
    return copy;
}

static bool xid_seen(const struct visibility *v, uint32_t xid)
{
    uint64_t full = v->xmax + (uint64_t)(int64_t)(int32_t)(xid - (uint32_t)v->xmax);
    if (full < v->xmin)
        return true;
    if (full >= v->xmax)
        return false;
    for (size_t i = 0; i < v->n_xip; i++)
        if (v->xip[i] == full)
            return false;
    return true;
}

bool visibility_sees(const struct visibility *v, uint32_t xid, lsn_t commit_lsn)
{
    return commit_lsn < v->insert_lsn && xid_seen(v, xid);
}

static const struct entry *first_unseen(const struct visibility *v, const struct hub_table *t)
{
    const struct entry *e = t->first;
    while (e && visibility_sees(v, e->xid, e->pos.lsn))
        e = e->next_same;
    return e;
}

bool visibility_in_order(const struct visibility *v, const struct hub_table *t)
{
    for (const struct entry *e = first_unseen(v, t); e && e->pos.lsn < v->insert_lsn; e = e->next_same)
        if (visibility_sees(v, e->xid, e->pos.lsn))
            return false;
    return true;
}

bool visibility_lost(const struct visibility *v, const struct hub_table *t)
{
    const struct gone *g = &t->gone;
    size_t kept = g->n_xids < GONE_KEPT ? g->n_xids : GONE_KEPT;
    for (size_t i = 0; i < kept; i++)
        if (!xid_seen(v, g->xids[i]))
            return true;
    return g->upto.lsn >= v->insert_lsn;
}

struct pos visibility_pos(const struct visibility *v, const struct hub_table *t)
{
    const struct entry *e = first_unseen(v, t);
    struct pos all = {v->insert_lsn, 0};
    return e && pos_compare(e->pos, all) < 0 ? (struct pos){e->pos.lsn, e->pos.ordinal - 1} : all;
}
