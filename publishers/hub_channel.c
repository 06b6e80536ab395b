/* hub_channel.c - subscriptions: cursors of sessions, and the channels that they share.
 *
 * Within one session every subscription has a channel of its own, also when two ask for the same (`copy`): a
 * client tells its subscriptions apart by the channel alone, and one of the two may still be at its snapshot.
 */
#include "hub_impl.h"

#include <stdlib.h>

#include "json.h"
#include "xmalloc.h"

enum { ENVELOPES_MS = 60000 }; /* so long they are made for those who may come back */

/* What makes subscriptions the same, as bytes. */
static struct slice channel_name(struct hub *h, const struct hub_table *t, const struct channel_key *key)
{
    struct buf *b = &h->scratch;
    buf_reset(b);
    buf_append(b, &t, sizeof(t));
    buf_append(b, &key->ops, sizeof(key->ops));
    buf_append(b, &key->old, sizeof(key->old));
    buf_append(b, &key->copy, sizeof(key->copy));
    buf_char(b, (char)(key->transactions | key->envelope << 1));
    buf_append(b, &key->n_columns, sizeof(key->n_columns));
    buf_append(b, key->columns, key->n_columns * sizeof(*key->columns));
    if (key->filter)
        buf_str(b, filter_text(key->filter));
    if (key->rule) {
        buf_char(b, 0);
        buf_str(b, filter_text(key->rule));
    }
    return buf_view(b);
}

static struct channel *channel_new(struct hub *h, struct hub_table *t, const struct channel_key *key)
{
    struct channel *c = xcalloc(1, sizeof(*c) + key->n_columns * sizeof(*c->columns));
    memcpy(c->columns, key->columns, key->n_columns * sizeof(*c->columns));
    c->table = t;
    c->key = *key;
    c->key.columns = c->columns;
    c->number = ++h->last_channel;
    LIST_INIT(&c->idle);
    TAILQ_INIT(&c->hits);
    LIST_INSERT_HEAD(&t->channels, c, in_table);
    map_set(h->channels, channel_name(h, t, key), c);
    if (c->key.filter)
        channel_index(c);
    t->n_enveloped += key->envelope;
    if (key->envelope)
        atomic_store(&t->enveloped, true);
    h->stats.channels++;
    return c;
}

static bool session_has(const struct session *s, const struct channel *c)
{
    const struct sub *sub;
    LIST_FOREACH(sub, &s->subs, in_session)
    if (sub->channel == c)
        return true;
    return false;
}

struct channel *channel_get(struct session *s, struct hub_table *t, struct channel_key *key)
{
    struct channel *c;
    key->copy = 0;
    while ((c = map_get(s->hub->channels, channel_name(s->hub, t, key))) && session_has(s, c))
        key->copy++;
    if (!c)
        return channel_new(s->hub, t, key);
    filter_free(key->filter);
    filter_free(key->rule);
    return c;
}

void channel_leave(struct hub *h, struct channel *c)
{
    if (--c->members > 0)
        return;
    map_remove(h->channels, channel_name(h, c->table, &c->key));
    if (c->key.filter)
        channel_unindex(h, c);
    LIST_REMOVE(c, in_table);
    c->table->left_ms = hub_clock(h);
    c->table->n_enveloped -= c->key.envelope;
    if (c->key.envelope)
        c->table->enveloped_left_ms = c->table->left_ms;
    h->stats.channels--;
    filter_free(c->key.filter);
    filter_free(c->key.rule);
    free(c);
}

void channels_tick(struct hub *h)
{
    for (struct hub_table *t = h->table_list; t; t = t->next)
        if (t->n_enveloped == 0 && hub_enveloped(t) && hub_clock(h) - t->enveloped_left_ms >= ENVELOPES_MS)
            atomic_store(&t->enveloped, false);
}

struct sub *sub_new(struct session *s, int64_t id, struct channel *channel)
{
    struct sub *sub = xcalloc(1, sizeof(*sub));
    sub->session = s;
    sub->id = id;
    sub->channel = channel;
    sub->width = (uint32_t)channel->table->shape.n_columns;
    if (channel->key.transactions) {
        sub->told = xcalloc(1, sizeof(*sub->told));
        sub->told->sub = sub;
    }
    channel->members++;
    channel->deflaters += s->deflate;
    sub->number = ++s->last_sub;
    LIST_INSERT_HEAD(&s->subs, sub, in_session);
    LIST_INSERT_HEAD(&channel->table->busy, sub, in_table);
    index_lead(channel, sub);
    s->n_subs++;
    s->hub->stats.subscriptions++;
    return sub;
}

/* seq: of the change that it reads next; 0: none. */
static void sub_ready(struct sub *sub, uint64_t seq)
{
    if (seq && !sub->next_seq)
        LIST_INSERT_HEAD(&sub->session->ready, sub, in_ready);
    else if (!seq && sub->next_seq)
        LIST_REMOVE(sub, in_ready);
    sub->next_seq = seq;
}

void sub_free(struct sub *sub)
{
    struct session *s = sub->session;
    if (sub->request)
        request_drop(sub);
    hits_leave(sub);
    told_free(sub);
    sub_ready(sub, 0);
    LIST_REMOVE(sub, in_session);
    LIST_REMOVE(sub, in_table);
    s->n_subs--;
    s->hub->stats.subscriptions--;
    sub->channel->deflaters -= s->deflate;
    channel_leave(s->hub, sub->channel);
    free(sub->unseen);
    free(sub->view);
    free(sub);
}

void sub_move(struct sub *sub, struct channel *to)
{
    struct channel *from = sub->channel;
    hits_leave(sub);
    to->members++;
    to->deflaters += sub->session->deflate;
    from->deflaters -= sub->session->deflate;
    sub->channel = to;
    index_lead(to, sub);
    channel_leave(sub->session->hub, from);
}

void sub_start(struct sub *sub, struct entry *from)
{
    struct channel *c = sub->channel;
    sub->next = from;
    sub_ready(sub, from ? from->seq : 0);
    sub->hit = NULL;
    if (!from && c->key.filter && !sub->follows) {
        sub->follows = true;
        c->followers++;
    }
    if (sub->idle == !from)
        return;
    LIST_REMOVE(sub, in_table);
    sub->idle = !from;
    if (from)
        LIST_INSERT_HEAD(&c->table->busy, sub, in_table);
    else
        LIST_INSERT_HEAD(c->key.filter ? &c->idle : &c->table->idle, sub, in_table);
}

bool sub_lost(const struct sub *sub)
{
    const struct hub_table *t = sub->channel->table;
    return sub->next_seq && (!t->first || sub->next_seq < t->first->seq);
}

void sub_reset(struct sub *sub, const char *reason)
{
    sub_reset_to(sub, reason, "resubscribe");
}

void sub_reset_to(struct sub *sub, const char *reason, const char *action)
{
    struct session *s = sub->session;
    session_line(s);
    buf_printf(&s->control, "{\"type\":\"reset\",\"id\":%lld,\"reason\":\"%s\",\"action\":\"%s\"",
               (long long)sub->id, reason, action);
    if (s->source->epoch)
        json_field(&s->control, "epoch", s->source->epoch);
    buf_char(&s->control, '}');
    s->hub->stats.resets++;
    sub_free(sub);
}

void table_reset(struct hub_table *t, const char *reason)
{
    struct sub *sub;
    struct channel *c;
    while ((sub = LIST_FIRST(&t->idle)) || (sub = LIST_FIRST(&t->busy)))
        sub_reset(sub, reason);
    while ((c = LIST_FIRST(&t->channels)) && (sub = LIST_FIRST(&c->idle)))
        sub_reset(sub, reason);
}
