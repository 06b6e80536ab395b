/* hub_block.c - what many clients read next, prepared once as a frame.
 *
 * Clients that are at the same change of the same channel, and have nothing else to be told, get the same
 * bytes: a block holds the messages from that change on, framed, and deflated for those who can read that. It
 * is found at its first change and goes with it, or when there are too many. A client's cursor steps over a
 * block without looking at what is in it.
 *
 * A subscription that still judges changes by itself (a filter, a snapshot just read) gathers as ever. */
#include "hub_impl.h"

#include <stdlib.h>

#include "xmalloc.h"

enum {
    BLOCK_BYTES = 32 * 1024,
    BLOCK_CHANGES = 20000,         /* that may be passed over for one */
    BLOCKS_MOST = 4 * 1024 * 1024, /* bytes of all of them */
    DEFLATE_LEAST = 512,           /* bytes that are worth it */
};

/* Messages of a channel. */
struct block {
    struct block *next; /* of the same first change */
    TAILQ_ENTRY(block) by_age;
    struct entry *first, *last;
    uint64_t channel, made; /* made: the next change's number then */
    size_t n, bytes;        /* changes in it; bytes of memory */
    bool full;              /* it does not end because there were no more */
    struct ws_frame *plain;
    struct ws_frame *deflated; /* NULL: nobody has asked; `plain` when it does not pay */
};

static void block_free(struct hub *h, struct block *b)
{
    struct block **at = &b->first->blocks;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    TAILQ_REMOVE(&h->blocks, b, by_age);
    h->block_bytes -= b->bytes;
    frame_release(b->plain);
    frame_release(b->deflated);
    free(b);
}

void blocks_free(struct hub *h, struct entry *e)
{
    while (e->blocks)
        block_free(h, e->blocks);
}

/* What else a change may need before it is for each client to be told: columns that are new, a reset. */
static bool entry_fits(const struct sub *sub, const struct entry *e, const struct entry *first)
{
    return e->n_columns == first->n_columns && !(sub->channel->key.envelope && e->envelope == LENGTH_UNKNOWN);
}

/* From the cursor on, as much as fits. 0: not even one change can be told. */
static size_t block_write(struct hub *h, const struct sub *sub, struct buf *text, struct block *b)
{
    struct entry *e = sub->next;
    struct hit *hit = sub->hit;
    size_t passed = 0;
    for (; e && text->len < BLOCK_BYTES && passed < BLOCK_CHANGES; passed++) {
        char op = hit ? hit->op : channel_op(h, sub->channel, e);
        if (op == OP_UNDECIDED || !entry_fits(sub, e, b->first))
            break;
        if (op && b->n++)
            buf_char(text, '\n');
        if (op)
            change_append(h, sub->channel, e, op, text);
        b->last = e;
        hit = hit ? TAILQ_NEXT(hit, in_channel) : NULL;
        e = sub->hit ? (hit ? hit->entry : NULL) : e->next_same;
    }
    b->full = e;
    h->stats.sent -= b->n; /* they were not: that is counted for each client */
    return passed;
}

static struct block *block_new(struct hub *h, struct sub *sub)
{
    struct block made = {.first = sub->next, .channel = sub->channel->number, .made = h->next_seq};
    buf_reset(&h->text);
    if (!block_write(h, sub, &h->text, &made))
        return NULL;
    struct block *b = xmalloc(sizeof(*b));
    *b = made;
    b->plain = frame_new(buf_view(&h->text));
    b->bytes = sizeof(*b) + b->plain->len;
    b->next = b->first->blocks;
    b->first->blocks = b;
    TAILQ_INSERT_TAIL(&h->blocks, b, by_age);
    h->block_bytes += b->bytes;
    while (h->block_bytes > BLOCKS_MOST && TAILQ_FIRST(&h->blocks) != b)
        block_free(h, TAILQ_FIRST(&h->blocks));
    return b;
}

/* One that was made before there were more changes is made anew: whoever comes late has more to read. */
static struct block *block_get(struct hub *h, struct sub *sub)
{
    struct block *b = sub->next->blocks;
    while (b && b->channel != sub->channel->number)
        b = b->next;
    if (b && (b->full || b->made == h->next_seq))
        return b;
    if (b)
        block_free(h, b);
    return block_new(h, sub);
}

static struct ws_frame *block_frame(struct hub *h, struct block *b, const struct sub *sub)
{
    if (!sub->session->deflate || sub->channel->deflaters < 2 || b->plain->len < DEFLATE_LEAST)
        return frame_hold(b->plain);
    if (!b->deflated) {
        b->deflated = codec_deflate(h->codec, frame_payload(b->plain));
        if (b->deflated) {
            b->bytes += b->deflated->len;
            h->block_bytes += b->deflated->len;
        } else {
            b->deflated = frame_hold(b->plain);
        }
    }
    return frame_hold(b->deflated);
}

/* The one subscription that has something to read, when its next messages are those of many. */
static struct sub *session_common(const struct session *s)
{
    struct sub *found = LIST_FIRST(&s->ready);
    if (s->closed || s->code || s->heartbeat_due || s->control.len || s->n_told || s->n_requests)
        return NULL;
    if (!found || LIST_NEXT(found, in_ready) || found->channel->members < 2 || found->unseen ||
        sub_lost(found) || found->told || found->next->n_columns > found->width ||
        (found->channel->key.filter && !found->hit) || pos_compare(found->next->pos, found->after) <= 0)
        return NULL;
    return found;
}

static void sub_pass(struct sub *sub, const struct block *b)
{
    uint64_t last = b->last->seq;
    if (!sub->hit)
        sub_start(sub, b->last->next_same);
    while (sub->hit && sub->next_seq && sub->next_seq <= last)
        sub_advance(sub);
}

struct ws_frame *session_frame(struct session *s, int64_t now_ms)
{
    struct hub *h = s->hub;
    struct sub *sub = session_common(s);
    struct block *b = sub ? block_get(h, sub) : NULL;
    if (!b)
        return NULL;
    struct ws_frame *f = b->n ? block_frame(h, b, sub) : NULL;
    h->stats.sent += b->n;
    sub_pass(sub, b);
    s->wanted_ms = now_ms;
    s->wanted = sub->next_seq;
    return f;
}
