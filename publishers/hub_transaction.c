/* hub_transaction.c - `begin` and `commit` around the changes that a subscription sees of a transaction.
 *
 * Changes go out as they come, a transaction may be larger than the window: `commit` is written once the
 * stream has passed the transaction, and before anything of a later one, whichever subscription of the
 * session that is for. */
#include "hub_impl.h"

#include <stdlib.h>

#include "json.h"

/* A place where no more of the transaction follows. */
static struct pos end_of(lsn_t lsn)
{
    return (struct pos){lsn, UINT32_MAX};
}

static void told_head(const struct sub *sub, const char *type, struct pos pos, const struct frame *f)
{
    frame_line(f);
    buf_printf(f->out, "{\"type\":\"%s\",\"channel\":%llu,\"tx\":%u,\"pos\":", type,
               (unsigned long long)sub->channel->number, (unsigned)sub->told->xid);
    pos_append(f->out, pos);
}

static void begin(struct sub *sub, const struct frame *f)
{
    struct transaction_told *t = sub->told;
    const struct entry *e = sub->next;
    *t = (struct transaction_told){.sub = sub, .lsn = e->pos.lsn, .xid = e->xid};
    LIST_INSERT_HEAD(&sub->session->hub->told, t, in_hub);
    sub->session->n_told++;
    told_head(sub, "begin", (struct pos){e->pos.lsn, e->pos.ordinal - 1}, f);
    json_field_i64(f->out, "ts_ms", e->ts_ms);
    buf_char(f->out, '}');
}

static void told_close(struct sub *sub)
{
    LIST_REMOVE(sub->told, in_hub);
    sub->told->lsn = 0;
    sub->session->n_told--;
}

void told_change(struct sub *sub, const struct frame *f)
{
    if (!sub->told)
        return;
    if (!sub->told->lsn)
        begin(sub, f);
    sub->told->count++;
}

void told_end(struct session *s, lsn_t upto, const struct frame *f)
{
    struct sub *sub;
    LIST_FOREACH(sub, &s->subs, in_session)
    if (sub->told && sub->told->lsn && sub->told->lsn < upto) {
        told_head(sub, "commit", end_of(sub->told->lsn), f);
        json_field_i64(f->out, "count", (int64_t)sub->told->count);
        buf_char(f->out, '}');
        told_close(sub);
    }
}

void told_turn(struct hub *h)
{
    struct transaction_told *t;
    LIST_FOREACH(t, &h->told, in_hub)
    if (t->sub->session->source->position > t->lsn)
        session_want(t->sub->session);
}

void told_free(struct sub *sub)
{
    if (sub->told && sub->told->lsn)
        told_close(sub);
    free(sub->told);
}
