/* ledger.c - a queue of marks. Marks are allocated one by one because sinks hold pointers to them. */
#include "ledger.h"

#include "xmalloc.h"

#include <assert.h>
#include <stdlib.h>

struct entry {
    struct mark mark; /* first: a mark's address is its entry's */
    int64_t tx_id, commit_us;
    struct entry *next;
};

struct ledger {
    struct entry *head, *tail, *spare;
    struct entry *before; /* the tail; NULL: none, or done */
    struct ledger_position safe, end;
};

struct ledger *ledger_new(void)
{
    return xcalloc(1, sizeof(struct ledger));
}

static void free_list(struct entry *e)
{
    while (e) {
        struct entry *next = e->next;
        free(e);
        e = next;
    }
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    free_list(l->head);
    free_list(l->spare);
    free(l);
}

struct mark *ledger_open(struct ledger *l)
{
    assert(!l->tail || l->tail->mark.closed);
    struct entry *e = l->spare;
    if (e)
        l->spare = e->next;
    else
        e = xmalloc(sizeof *e);
    *e = (struct entry){0};
    if (l->tail)
        l->tail->next = e;
    else
        l->head = e;
    l->before = l->tail;
    l->tail = e;
    return &e->mark;
}

/* A transaction of which nothing is sent is as safe as the one before it. While Kafka is away these may be
 * millions, so they take no room. */
static void join_empty(struct ledger *l)
{
    struct entry *e = l->tail, *before = l->before;
    if (e->mark.pending || !before)
        return;
    if (e->mark.end_lsn >= before->mark.end_lsn) {
        before->mark.end_lsn = e->mark.end_lsn;
        before->tx_id = e->tx_id;
        before->commit_us = e->commit_us;
    }
    before->next = NULL;
    l->tail = before;
    l->before = NULL;
    e->next = l->spare;
    l->spare = e;
}

void ledger_close(struct ledger *l, lsn_t end_lsn, int64_t tx_id, int64_t commit_us)
{
    assert(l->tail && !l->tail->mark.closed);
    l->tail->mark.end_lsn = end_lsn;
    l->tail->mark.closed = true;
    l->tail->tx_id = tx_id;
    l->tail->commit_us = commit_us;
    if (end_lsn >= l->end.lsn)
        l->end = (struct ledger_position){end_lsn, tx_id, commit_us};
    join_empty(l);
}

struct ledger_position ledger_safe(struct ledger *l)
{
    while (l->head && l->head->mark.closed && l->head->mark.pending == 0) {
        struct entry *e = l->head;
        if (e->mark.end_lsn >= l->safe.lsn) /* a heartbeat behind a message is no step back */
            l->safe = (struct ledger_position){e->mark.end_lsn, e->tx_id, e->commit_us};
        l->head = e->next;
        if (!l->head)
            l->tail = NULL;
        if (l->before == e)
            l->before = NULL;
        e->next = l->spare;
        l->spare = e;
    }
    return l->safe;
}

struct ledger_position ledger_end(const struct ledger *l)
{
    return l->end;
}

bool ledger_idle(struct ledger *l)
{
    (void)ledger_safe(l);
    return !l->head;
}
