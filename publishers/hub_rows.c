/* hub_rows.c - snapshots: the requests for rows, and how these reach the client. Their readers: hub_reader.c.
 *
 * A request is shared. The subscription cancels it when it goes, the reader releases it with hub_rows_end or
 * hub_rows_fail; whoever is second frees it. Order: rows_begin (ASKING: does the stream allow this
 * snapshot?), READING, ENDED; the subscription is then complete once its batches are written and the stream
 * has passed the snapshot. A paced one whose client lets its turn pass is reset, since it keeps a transaction
 * of the database open. */
#include "hub_impl.h"

#include <stdlib.h>

#include "xmalloc.h"

enum {
    TRIES_MAX = 3,
    CREDIT_MAX = 100,
    TURN_MS = 30000,        /* so long a paced client may take for a batch */
    TURN_WAITED_MS = 5000,  /* when others wait for its place */
    PACED_MS = 3600 * 1000, /* and so long for all of them */
};

static void batches_free(struct request *r)
{
    for (struct batch *b; (b = STAILQ_FIRST(&r->batches)); free(b)) {
        STAILQ_REMOVE_HEAD(&r->batches, link);
        free(b->omitted);
    }
    r->bytes = 0;
}

void request_free(struct hub *h, struct request *r)
{
    if (r->state == REQUEST_QUEUED)
        TAILQ_REMOVE(&h->requests, r, link);
    else
        TAILQ_REMOVE(&h->reading, r, link);
    batches_free(r);
    for (size_t i = 0; i < r->n_columns; i++)
        free(r->columns[i]);
    free(r->columns);
    free(r->where);
    free(r->filter);
    free(r->table);
    free(r->visibility);
    free(r->error);
    free(r);
}

/* Its visibility is not replaced any more. */
static bool is_settled(const struct request *r)
{
    return r->state == REQUEST_ENDED || (r->state == REQUEST_READING && r->verdict == HUB_GO);
}

/* The client may be given a batch that is there. */
static bool is_due(const struct request *r)
{
    return !r->paced || r->credit > 0;
}

void request_new(struct sub *sub, char *filter)
{
    struct hub *h = sub->session->hub;
    const struct channel *c = sub->channel;
    struct request *r = xcalloc(1, sizeof(*r));
    r->source = c->table->source;
    r->table = xstrdup(c->table->name);
    r->n_columns = c->key.n_columns;
    r->columns = xcalloc(r->n_columns, sizeof(char *));
    for (size_t i = 0; i < r->n_columns; i++)
        r->columns[i] = xstrdup(c->table->shape.columns[c->key.columns[i]].name);
    if (c->key.filter) {
        struct buf where = BUF_EMPTY;
        filter_sql(c->key.filter, &where);
        r->where = buf_take(&where);
    }
    r->filter = filter;
    STAILQ_INIT(&r->batches);
    r->paced = sub->paced;
    r->credit = 1;
    r->session = sub->session;
    r->place_first = sub->session->place_first;
    sub->request = r;
    sub->session->n_requests++;
    LIST_INSERT_HEAD(&h->snapshots, sub, in_snapshots);
    pthread_mutex_lock(&h->mutex);
    r->id = ++h->last_request;
    TAILQ_INSERT_TAIL(&h->requests, r, link);
    pthread_cond_broadcast(&h->readers);
    pthread_mutex_unlock(&h->mutex);
}

void request_drop(struct sub *sub)
{
    struct hub *h = sub->session->hub;
    struct request *r = sub->request;
    LIST_REMOVE(sub, in_snapshots);
    sub->request = NULL;
    sub->session->n_requests--;
    pthread_mutex_lock(&h->mutex);
    r->cancelled = true;
    if (r->released || r->state == REQUEST_QUEUED)
        request_free(h, r);
    else
        batches_free(r);
    pthread_cond_broadcast(&h->readers);
    pthread_mutex_unlock(&h->mutex);
}

void requests_free(struct hub *h)
{
    for (struct request *r; (r = TAILQ_FIRST(&h->requests)) || (r = TAILQ_FIRST(&h->reading));)
        request_free(h, r);
}

void rows_more(struct sub *sub)
{
    struct hub *h = sub->session->hub;
    struct request *r = sub->request;
    if (!r)
        return;
    sub->turn_ms = 0;
    pthread_mutex_lock(&h->mutex);
    r->credit += r->credit < CREDIT_MAX;
    pthread_cond_broadcast(&h->readers);
    pthread_mutex_unlock(&h->mutex);
    snapshot_turn(sub);
}

static bool stream_passed(const struct sub *sub, const struct visibility *v)
{
    return v && sub->session->source->position >= v->wait_lsn;
}

/* The reader waits in hub_rows_begin; it may give up waiting meanwhile. */
static void snapshot_judge(struct hub *h, const struct sub *sub, struct request *r)
{
    const struct hub_table *t = sub->channel->table;
    bool good = visibility_in_order(r->visibility, t) && !visibility_lost(r->visibility, t);
    pthread_mutex_lock(&h->mutex);
    if (r->state == REQUEST_ASKING) {
        r->verdict = good || r->tries >= TRIES_MAX ? HUB_GO : HUB_AGAIN;
        r->tries++;
        r->state = REQUEST_READING;
        pthread_cond_broadcast(&h->readers);
    }
    pthread_mutex_unlock(&h->mutex);
}

static void snapshot_ready(struct sub *sub, struct visibility *v)
{
    struct session *s = sub->session;
    struct hub_table *t = sub->channel->table;
    session_line(s);
    buf_printf(&s->control, "{\"type\":\"ready\",\"id\":%lld,\"pos\":", (long long)sub->id);
    pos_append(&s->control, visibility_pos(v, t));
    buf_printf(&s->control, ",\"count\":%llu}", (unsigned long long)sub->count);
    sub->unseen = v;
    sub_start(sub, t->first);
}

/* What was seen must not stand behind what was not: no position describes such rows, and whoever went on from
 * one would be told twice. All changes of before the snapshot are there. False: the subscription is gone. */
static bool snapshot_ordered(struct sub *sub, const struct visibility *v)
{
    sub->ordered = sub->ordered || visibility_in_order(v, sub->channel->table);
    if (sub->ordered)
        return true;
    session_error(sub->session, sub->id, "snapshot_failed", true, "the rows have no position now");
    sub_free(sub);
    return false;
}

/* With all changes of before the snapshot in the window, its position is certain. */
static void snapshot_place(struct sub *sub, const struct visibility *v)
{
    struct session *s = sub->session;
    const struct hub_table *t = sub->channel->table;
    if (visibility_lost(v, t)) {
        sub_reset(sub, "retention");
        return;
    }
    sub->placed = true;
    session_line(s);
    buf_printf(&s->control, "{\"type\":\"placed\",\"id\":%lld,\"pos\":", (long long)sub->id);
    pos_append(&s->control, visibility_pos(v, t));
    buf_char(&s->control, '}');
}

static bool is_held(const struct sub *sub)
{
    return sub->session->place_first && !sub->placed;
}

/* Whose rows have their position already loses nothing with changes that are gone. */
static void snapshot_end(struct hub *h, struct sub *sub, struct request *r)
{
    pthread_mutex_lock(&h->mutex);
    struct visibility *v = r->visibility;
    r->visibility = NULL;
    pthread_mutex_unlock(&h->mutex);
    request_drop(sub);
    if (!sub->placed && visibility_lost(v, sub->channel->table)) {
        free(v);
        sub_reset(sub, "retention");
    } else {
        snapshot_ready(sub, v);
    }
}

static void snapshot_failed(struct sub *sub, const struct request *r)
{
    bool told = !sub->view && r->error; /* the text may name what a rule hides */
    session_error(sub->session, sub->id, "snapshot_failed", r->retry, "%s",
                  told ? r->error : "the rows cannot be read");
    sub_free(sub);
}

void snapshot_turn(struct sub *sub)
{
    struct hub *h = sub->session->hub;
    struct request *r = sub->request;
    pthread_mutex_lock(&h->mutex);
    enum request_state state = r->state;
    const struct visibility *v = r->visibility;
    bool empty = STAILQ_EMPTY(&r->batches), due = is_due(r), settled = is_settled(r);
    bool is_at = r->is_at;
    pthread_mutex_unlock(&h->mutex);
    bool passed = settled && stream_passed(sub, v);
    if (is_at && state != REQUEST_FAILED)
        placed_turn(sub, state, empty, due);
    else if (state == REQUEST_ASKING && stream_passed(sub, v))
        snapshot_judge(h, sub, r);
    else if (state == REQUEST_FAILED)
        snapshot_failed(sub, r);
    else if (passed && !snapshot_ordered(sub, v))
        return;
    else if (is_held(sub)) {
        if (passed && (!empty || state == REQUEST_ENDED))
            snapshot_place(sub, v);
    } else if (!empty && due)
        session_want(sub->session);
    else if (empty && state == REQUEST_ENDED && passed)
        snapshot_end(h, sub, r);
}

void requests_turn(struct hub *h)
{
    for (struct sub *sub = LIST_FIRST(&h->snapshots), *next; sub; sub = next) {
        next = LIST_NEXT(sub, in_snapshots);
        snapshot_turn(sub);
    }
}

/* Of a paced snapshot: nothing can be done for it before the client says `more`. */
static bool is_clients_turn(const struct request *r)
{
    return r->paced && r->credit == 0 &&
           (r->state == REQUEST_READING || (r->state == REQUEST_ENDED && !STAILQ_EMPTY(&r->batches)));
}

static bool place_is_wanted(struct hub *h, const struct source *s)
{
    const struct request *r;
    TAILQ_FOREACH(r, &h->requests, link)
    if (r->source == s && (s->one_by_one || !has_place(r)) && is_in_turn(h, r))
        return true;
    return false;
}

static const char *snapshot_trouble(struct hub *h, struct sub *sub, int64_t now_ms)
{
    const struct request *r = sub->request;
    pthread_mutex_lock(&h->mutex);
    bool reading = r->state == REQUEST_READING && is_settled(r), turn = is_clients_turn(r);
    bool wanted = turn && place_is_wanted(h, r->source);
    const struct visibility *v = r->visibility;
    pthread_mutex_unlock(&h->mutex);
    if (reading && !sub->placed && visibility_lost(v, sub->channel->table))
        return "retention";
    sub->began_ms = sub->began_ms || !reading ? sub->began_ms : now_ms;
    sub->turn_ms = !turn ? 0 : sub->turn_ms ? sub->turn_ms : now_ms;
    bool late = turn && now_ms - sub->turn_ms >= (wanted ? TURN_WAITED_MS : TURN_MS);
    return late || (reading && sub->paced && now_ms - sub->began_ms >= PACED_MS) ? "slow" : NULL;
}

void requests_tick(struct hub *h, int64_t now_ms)
{
    for (struct sub *sub = LIST_FIRST(&h->snapshots), *next; sub; sub = next) {
        next = LIST_NEXT(sub, in_snapshots);
        const char *reason = snapshot_trouble(h, sub, now_ms);
        if (reason)
            sub_reset(sub, reason);
    }
}

static void rows_message(const struct sub *sub, const struct batch *b, struct buf *out)
{
    buf_printf(out, "{\"type\":\"rows\",\"id\":%lld,\"rows\":", (long long)sub->id);
    buf_append(out, b->text, b->len);
    if (b->omitted)
        buf_printf(out, ",\"omitted\":%s", b->omitted);
    buf_char(out, '}');
}

bool rows_append(struct sub *sub, struct buf *out)
{
    struct hub *h = sub->session->hub;
    struct request *r = sub->request;
    if (is_held(sub))
        return false;
    pthread_mutex_lock(&h->mutex);
    struct batch *b = is_due(r) ? STAILQ_FIRST(&r->batches) : NULL;
    if (b) {
        STAILQ_REMOVE_HEAD(&r->batches, link);
        r->bytes -= b->len;
        r->credit -= r->paced;
        pthread_cond_broadcast(&h->readers);
    }
    pthread_mutex_unlock(&h->mutex);
    if (!b)
        return false;
    rows_message(sub, b, out);
    sub->count += b->n_rows;
    free(b->omitted);
    free(b);
    return true;
}
