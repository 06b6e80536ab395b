/* hub_placed.c - snapshots whose rows another server has read, and with them the position that they stand
 * for: what comes behind that position is told, nothing else. The stream here may be behind it, or ahead. */
#include "hub_impl.h"

bool hub_rows_at(struct hub *h, uint64_t request, const char *epoch, const char *pos)
{
    struct pos at;
    bool ok = pos_parse(slice_of(pos), &at);
    pthread_mutex_lock(&h->mutex);
    struct request *r = request_find(h, request);
    const char *ours = r ? r->source->epoch_in : NULL;
    ok = ok && ours && strcmp(ours, epoch) == 0 && !r->cancelled && !h->stopping && r->state == REQUEST_TAKEN;
    if (ok) {
        r->at = at;
        r->is_at = true;
        r->verdict = HUB_GO;
        r->state = REQUEST_READING;
        hub_wake_locked(h);
    }
    pthread_mutex_unlock(&h->mutex);
    return ok;
}

static void tell(struct sub *sub, const char *type, struct pos at)
{
    session_line(sub->session);
    buf_printf(&sub->session->control, "{\"type\":\"%s\",\"id\":%lld,\"pos\":", type, (long long)sub->id);
    pos_append(&sub->session->control, at);
}

static void placed_end(struct sub *sub, struct pos at)
{
    const struct hub_table *t = sub->channel->table;
    request_drop(sub);
    if (pos_compare(at, t->floor) < 0 || pos_compare(at, t->source->floor) < 0) {
        sub_reset(sub, t->reshaped ? "schema" : "retention");
        return;
    }
    tell(sub, "ready", at);
    buf_printf(&sub->session->control, ",\"count\":%llu}", (unsigned long long)sub->count);
    sub->after = at;
    struct entry *e = t->first;
    while (e && pos_compare(e->pos, at) <= 0)
        e = e->next_same;
    sub_start(sub, e);
}

void placed_turn(struct sub *sub, enum request_state state, bool empty, bool due)
{
    struct pos at = sub->request->at; /* never changes once it is there */
    if (sub->session->place_first && !sub->placed) {
        sub->placed = true;
        tell(sub, "placed", at);
        buf_char(&sub->session->control, '}');
    }
    if (!empty && due)
        session_want(sub->session);
    else if (empty && state == REQUEST_ENDED)
        placed_end(sub, at);
}
