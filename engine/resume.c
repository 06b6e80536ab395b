/* resume.c - going on, and leaving, in the middle of a transaction.
 *
 * Rows of one WAL record share an LSN (COPY writes such records), so Debezium counts them. It counts one too
 * many when it was started again among rows that share their transaction's first LSN: its search takes BEGIN
 * for one of them, and sends the last row twice. Its position does not tell whether that has happened. So of
 * such rows the last one is repeated here too, which Debezium's own restart does, and none can be lost. */
#include "resume.h"

#include <string.h>

static const struct {
    enum change_op op;
    const char *name;
} TYPES[] = {{OP_BEGIN, "BEGIN"},   {OP_INSERT, "INSERT"},     {OP_UPDATE, "UPDATE"},
             {OP_DELETE, "DELETE"}, {OP_TRUNCATE, "TRUNCATE"}, {OP_MESSAGE, "MESSAGE"}};

static enum change_op op_named(const char *name)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(TYPES[i].name, name) == 0)
            return TYPES[i].op;
    return OP_NONE;
}

static uint64_t events_of(enum change_op op, const struct offset *o)
{
    if (op == OP_BEGIN)
        return 0;
    if (op == OP_MESSAGE)
        return UINT64_MAX;
    return o->lsn_events > 0 ? (uint64_t)o->lsn_events : 1; /* before Debezium 3.7 they were not counted */
}

/* Written by us, where the position and what is before it were stored in one Kafka transaction. */
static void init_exact(struct resume *r, const struct offset *o)
{
    *r = (struct resume){.armed = true,
                         .exact = true,
                         .in_row = true,
                         .xid = (uint32_t)o->tx_id,
                         .lsn = o->lsn,
                         .events = (uint64_t)o->events,
                         .message = o->lsn_commit};
}

void resume_init(struct resume *r, const struct offset *o)
{
    enum change_op op = op_named(o->message_type);
    *r = (struct resume){0};
    if (o->present && o->counted && o->tx_id >= 0) {
        init_exact(r, o);
        return;
    }
    if (!o->present || op == OP_NONE)
        return;
    r->armed = true;
    r->in_row = o->tx_id >= 0 && (op != OP_MESSAGE || o->lsn != o->lsn_commit);
    r->xid = (uint32_t)o->tx_id;
    r->lsn = o->lsn;
    r->events = events_of(op, o);
    r->message = o->lsn_commit;
}

static bool begin_done(struct resume *r, const struct change *c)
{
    r->inside = r->in_row && c->tx && c->tx->xid == r->xid;
    return r->inside;
}

/* BEGIN, or with an origin the message after it, has the LSN of the first row. */
static void discount_begin(struct resume *r, const struct change *c)
{
    if (!r->exact && r->inside && c->lsn == r->lsn && r->events > 1 && r->events != UINT64_MAX)
        r->events--;
}

static bool row_done(struct resume *r, const struct change *c)
{
    if (c->lsn > r->lsn)
        r->armed = false;
    if (c->lsn != r->lsn)
        return c->lsn < r->lsn;
    if (r->events == 0)
        return false;
    r->events -= r->events != UINT64_MAX;
    return true;
}

bool resume_done(struct resume *r, const struct change *c)
{
    if (!r->armed)
        return false;
    switch (c->op) {
    case OP_BEGIN: {
        bool done = begin_done(r, c);
        discount_begin(r, c);
        return done;
    }
    case OP_NONE:
        discount_begin(r, c);
        return false;
    case OP_COMMIT:
        r->armed = false;
        return false;
    case OP_MESSAGE:
        if (!c->transactional)
            return c->lsn <= r->message;
        return r->inside && row_done(r, c);
    case OP_INSERT:
    case OP_UPDATE:
    case OP_DELETE:
    case OP_TRUNCATE:
        return r->inside && row_done(r, c);
    case OP_RELATION:
    case OP_READ:
        return false;
    }
    return false;
}

/* ---- leaving ---- */

static bool is_row(const struct change *c)
{
    return c->op == OP_INSERT || c->op == OP_UPDATE || c->op == OP_DELETE || c->op == OP_TRUNCATE ||
           c->op == OP_MESSAGE;
}

void place_note(struct place *p, const struct change *c)
{
    if (c->op == OP_BEGIN)
        *p = (struct place){.op = OP_BEGIN};
    if (!is_row(c))
        return;
    p->events = c->lsn == p->lsn ? p->events + 1 : 1;
    p->lsn = c->lsn;
    p->op = c->op;
}

bool halt_before(struct halt *h, const struct change *c, lsn_t begin)
{
    if (h->reached || !is_row(c))
        return h->reached;
    if (c->lsn != h->lsn) {
        h->reached = h->whole && (h->lsn != begin || h->events == 1);
        if (h->reached)
            return true;
        h->whole = h->lsn != 0; /* of the first ones some may have come before */
        h->lsn = c->lsn;
        h->events = 0;
    }
    h->events += c->op == OP_TRUNCATE ? c->n_truncated : 1;
    h->op = c->op;
    return false;
}

const char *resume_message_type(enum change_op op)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (TYPES[i].op == op)
            return TYPES[i].name;
    return "";
}
