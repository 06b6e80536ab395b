/* hub_rows.c - snapshots: the reader thread's queue of requests, and how their rows reach the client.
 *
 * A request is shared. The subscription cancels it when it goes, the reader releases it with hub_rows_end or
 * hub_rows_fail; whoever is second frees it. Order: rows_begin (ASKING: does the stream allow this
 * snapshot?), READING, ENDED; the subscription is then complete once its batches are written and the stream
 * has passed the snapshot. */
#include "hub_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "xmalloc.h"

enum {
    AHEAD_MAX = 4 * 1024 * 1024, /* bytes of rows that wait for the client */
    VERDICT_MS = 250,
    TRIES_MAX = 3,
};

static struct timespec deadline(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- both sides, mutex held ---- */

static void batches_free(struct request *r)
{
    for (struct batch *b; (b = STAILQ_FIRST(&r->batches)); free(b)) {
        STAILQ_REMOVE_HEAD(&r->batches, link);
        free(b->omitted);
    }
    r->bytes = 0;
}

static void request_free(struct hub *h, struct request *r)
{
    TAILQ_REMOVE(&h->requests, r, link);
    batches_free(r);
    for (size_t i = 0; i < r->n_columns; i++)
        free(r->columns[i]);
    free(r->columns);
    free(r->where);
    free(r->table);
    free(r->visibility);
    free(r->error);
    free(r);
}

static struct request *request_find(struct hub *h, uint64_t id)
{
    struct request *r;
    TAILQ_FOREACH(r, &h->requests, link)
    if (r->id == id && r->state != REQUEST_QUEUED && !r->released)
        return r;
    return NULL;
}

/* ---- the reader thread ---- */

static struct request *request_next(struct hub *h, int source)
{
    struct request *r;
    TAILQ_FOREACH(r, &h->requests, link)
    if (r->state == REQUEST_QUEUED && (source < 0 || r->source->number == source))
        return r;
    return NULL;
}

bool hub_request_take(struct hub *h, int source, int timeout_ms, struct hub_request *out)
{
    struct timespec until = deadline(timeout_ms);
    struct request *r;
    pthread_mutex_lock(&h->mutex);
    while (!h->stopping && !(r = request_next(h, source)))
        if (pthread_cond_timedwait(&h->readers, &h->mutex, &until) == ETIMEDOUT)
            break;
    r = h->stopping ? NULL : request_next(h, source);
    if (r) {
        r->state = REQUEST_TAKEN;
        *out = (struct hub_request){
            r->id, r->source->number, r->table, (const char *const *)r->columns, r->n_columns, r->where};
    }
    pthread_mutex_unlock(&h->mutex);
    return r;
}

static bool wait_verdict(struct hub *h, struct request *r)
{
    struct timespec until = deadline(VERDICT_MS);
    hub_wake_locked(h);
    while (r->state == REQUEST_ASKING && !r->cancelled && !h->stopping)
        if (pthread_cond_timedwait(&h->readers, &h->mutex, &until) == ETIMEDOUT)
            break;
    return !r->cancelled && !h->stopping;
}

enum hub_verdict hub_rows_begin(struct hub *h, uint64_t request, const struct hub_visibility *v)
{
    enum hub_verdict verdict = HUB_CANCELLED;
    pthread_mutex_lock(&h->mutex);
    struct request *r = request_find(h, request);
    if (r && !r->cancelled && r->state == REQUEST_TAKEN) {
        free(r->visibility);
        r->visibility = visibility_copy(v);
        r->verdict = HUB_GO; /* for the case that the stream does not get there in time */
        r->state = REQUEST_ASKING;
        if (wait_verdict(h, r))
            verdict = r->verdict;
        r->state = verdict == HUB_GO ? REQUEST_READING : REQUEST_TAKEN;
    }
    pthread_mutex_unlock(&h->mutex);
    return verdict;
}

static struct batch *batch_new(struct slice json, size_t n_rows, char *omitted)
{
    struct batch *b = xmalloc(sizeof(*b) + json.len);
    b->n_rows = n_rows;
    b->len = json.len;
    b->omitted = omitted;
    memcpy(b->text, json.ptr, json.len);
    return b;
}

/* Waits for room; takes the batch in any case. */
static bool batch_put(struct hub *h, uint64_t request, struct batch *b)
{
    pthread_mutex_lock(&h->mutex);
    struct request *r = request_find(h, request);
    while (r && !r->cancelled && !h->stopping && r->bytes >= AHEAD_MAX)
        pthread_cond_wait(&h->readers, &h->mutex);
    bool wanted = r && !r->cancelled && !h->stopping;
    if (wanted) {
        STAILQ_INSERT_TAIL(&r->batches, b, link);
        r->bytes += b->len;
        hub_wake_locked(h);
    }
    pthread_mutex_unlock(&h->mutex);
    if (!wanted) {
        free(b->omitted);
        free(b);
    }
    return wanted;
}

/* A batch larger than a message may be: row by row, each made to fit. */
static bool rows_split(struct hub *h, uint64_t request, struct slice json, size_t most)
{
    struct slice rows = slice_cut(json, 1, json.len - 2), row;
    struct buf text = BUF_EMPTY, names = BUF_EMPTY;
    bool wanted = true;
    while (wanted && json_item(&rows, &row)) {
        buf_reset(&text);
        buf_char(&text, '[');
        row_shrink(&text, row, most, &names);
        buf_char(&text, ']');
        wanted = batch_put(h, request, batch_new(buf_view(&text), 1, names.len ? buf_take(&names) : NULL));
    }
    buf_free(&text);
    buf_free(&names);
    return wanted;
}

bool hub_rows(struct hub *h, uint64_t request, struct slice json_array, size_t n_rows)
{
    size_t most = h->options.message_bytes - h->options.message_bytes / 8; /* the rest of the message */
    if (json_array.len > most)
        return rows_split(h, request, json_array, most);
    return batch_put(h, request, batch_new(json_array, n_rows, NULL));
}

bool hub_rows_wanted(struct hub *h, uint64_t request)
{
    pthread_mutex_lock(&h->mutex);
    const struct request *r = request_find(h, request);
    bool wanted = r && !r->cancelled && !h->stopping;
    pthread_mutex_unlock(&h->mutex);
    return wanted;
}

static void request_release(struct hub *h, uint64_t request, enum request_state state, const char *error,
                            bool retry)
{
    pthread_mutex_lock(&h->mutex);
    struct request *r = request_find(h, request);
    if (r && r->cancelled) {
        request_free(h, r);
    } else if (r) {
        if (h->stopping && state == REQUEST_ENDED) { /* hub_rows refused what was to come */
            state = REQUEST_FAILED;
            error = "the server is shutting down";
            retry = true;
        }
        r->state = r->visibility ? state : REQUEST_FAILED;
        r->released = true;
        r->error = error ? xstrdup(error) : NULL;
        r->retry = retry;
        hub_wake_locked(h);
    }
    pthread_mutex_unlock(&h->mutex);
}

void hub_rows_end(struct hub *h, uint64_t request)
{
    request_release(h, request, REQUEST_ENDED, NULL, false);
}

void hub_rows_fail(struct hub *h, uint64_t request, const char *text, bool retry)
{
    request_release(h, request, REQUEST_FAILED, text, retry);
}

bool hub_waits(struct hub *h, int source)
{
    struct request *r;
    pthread_mutex_lock(&h->mutex);
    TAILQ_FOREACH(r, &h->requests, link)
    if (r->source->number == source && r->visibility && !r->cancelled &&
        r->source->position_in < r->visibility->wait_lsn)
        break;
    pthread_mutex_unlock(&h->mutex);
    return r;
}

/* ---- the web thread ---- */

void request_new(struct sub *sub)
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
    STAILQ_INIT(&r->batches);
    sub->request = r;
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
    for (struct request *r; (r = TAILQ_FIRST(&h->requests));)
        request_free(h, r);
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

static void snapshot_end(struct hub *h, struct sub *sub, struct request *r)
{
    pthread_mutex_lock(&h->mutex);
    struct visibility *v = r->visibility;
    r->visibility = NULL;
    pthread_mutex_unlock(&h->mutex);
    request_drop(sub);
    if (visibility_lost(v, sub->channel->table)) {
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
    bool empty = STAILQ_EMPTY(&r->batches);
    pthread_mutex_unlock(&h->mutex);
    if (state == REQUEST_ASKING && stream_passed(sub, v))
        snapshot_judge(h, sub, r);
    else if (state == REQUEST_FAILED)
        snapshot_failed(sub, r);
    else if (!empty)
        session_want(sub->session);
    else if (state == REQUEST_ENDED && stream_passed(sub, v))
        snapshot_end(h, sub, r);
}

void requests_turn(struct hub *h)
{
    for (struct sub *sub = LIST_FIRST(&h->snapshots), *next; sub; sub = next) {
        next = LIST_NEXT(sub, in_snapshots);
        snapshot_turn(sub);
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
    pthread_mutex_lock(&h->mutex);
    struct batch *b = STAILQ_FIRST(&r->batches);
    if (b) {
        STAILQ_REMOVE_HEAD(&r->batches, link);
        r->bytes -= b->len;
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
