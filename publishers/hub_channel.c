/* hub_channel.c - subscriptions: cursors of sessions, and the channels that they share.
 *
 * Within one session every subscription has a channel of its own, also when two ask for the same (`copy`): a
 * client tells its subscriptions apart by the channel alone, and one of the two may still be at its snapshot.
 */
#include "hub_impl.h"

#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "xmalloc.h"

static bool key_same(const struct channel_key *a, const struct channel_key *b)
{
    return a->n_columns == b->n_columns && a->ops == b->ops && a->old == b->old && a->copy == b->copy &&
           memcmp(a->columns, b->columns, a->n_columns * sizeof(*a->columns)) == 0;
}

struct channel *channel_get(struct hub *h, struct hub_table *t, const struct channel_key *key)
{
    struct channel *c;
    LIST_FOREACH(c, &t->channels, in_table)
    if (key_same(&c->key, key))
        return c;
    c = xcalloc(1, sizeof(*c));
    uint16_t *columns = xmalloc(key->n_columns * sizeof(*columns));
    memcpy(columns, key->columns, key->n_columns * sizeof(*columns));
    c->table = t;
    c->key = *key;
    c->key.columns = columns;
    c->number = ++h->last_channel;
    LIST_INSERT_HEAD(&t->channels, c, in_table);
    h->stats.channels++;
    return c;
}

void channel_leave(struct hub *h, struct channel *c)
{
    if (--c->members > 0)
        return;
    LIST_REMOVE(c, in_table);
    c->table->left_ms = clock_mono_ms();
    h->stats.channels--;
    free((void *)c->key.columns);
    free(c);
}

struct sub *sub_new(struct session *s, int64_t id, struct channel *channel)
{
    struct sub *sub = xcalloc(1, sizeof(*sub));
    sub->session = s;
    sub->id = id;
    sub->channel = channel;
    channel->members++;
    LIST_INSERT_HEAD(&s->subs, sub, in_session);
    LIST_INSERT_HEAD(&channel->table->busy, sub, in_table);
    s->n_subs++;
    s->hub->stats.subscriptions++;
    return sub;
}

void sub_free(struct sub *sub)
{
    struct session *s = sub->session;
    if (sub->request)
        request_drop(sub);
    LIST_REMOVE(sub, in_session);
    LIST_REMOVE(sub, in_table);
    s->n_subs--;
    s->hub->stats.subscriptions--;
    channel_leave(s->hub, sub->channel);
    free(sub->unseen);
    free(sub);
}

void sub_start(struct sub *sub, struct entry *from)
{
    struct hub_table *t = sub->channel->table;
    sub->next = from;
    sub->next_seq = from ? from->seq : 0;
    if (sub->idle == !from)
        return;
    LIST_REMOVE(sub, in_table);
    sub->idle = !from;
    if (from)
        LIST_INSERT_HEAD(&t->busy, sub, in_table);
    else
        LIST_INSERT_HEAD(&t->idle, sub, in_table);
}

bool sub_lost(const struct sub *sub)
{
    const struct hub_table *t = sub->channel->table;
    return sub->next_seq && (!t->first || sub->next_seq < t->first->seq);
}

void sub_reset(struct sub *sub, const char *reason)
{
    struct session *s = sub->session;
    session_line(s);
    buf_printf(&s->control, "{\"type\":\"reset\",\"id\":%lld,\"reason\":\"%s\",\"action\":\"resubscribe\"",
               (long long)sub->id, reason);
    if (s->source->epoch)
        json_field(&s->control, "epoch", s->source->epoch);
    buf_char(&s->control, '}');
    s->hub->stats.resets++;
    sub_free(sub);
}

void table_reset(struct hub_table *t, const char *reason)
{
    struct sub *sub;
    while ((sub = LIST_FIRST(&t->idle)) || (sub = LIST_FIRST(&t->busy)))
        sub_reset(sub, reason);
}
