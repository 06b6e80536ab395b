/* hub_reader.c - the reader threads' side of snapshots: which is read on, and what was read.
 *
 * The rows of a paced client are read when it asks for them, and those of another while it has not too much
 * to read: a reader with several open (hub_request_next) is at others meanwhile. */
#include "hub_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "xmalloc.h"

enum {
    AHEAD_MAX = 4 * 1024 * 1024, /* bytes of rows that wait for the client */
    VERDICT_MS = 250,
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

struct request *request_find(struct hub *h, uint64_t id)
{
    struct request *r;
    TAILQ_FOREACH(r, &h->reading, link)
    if (r->id == id && !r->released)
        return r;
    return NULL;
}

/* It is to be read on. */
static bool has_room(const struct request *r)
{
    return r->paced ? r->credit > 0 && STAILQ_EMPTY(&r->batches) : r->bytes < AHEAD_MAX;
}

bool has_place(const struct request *r)
{
    const struct source *s = r->source;
    return s->open < HUB_SNAPSHOTS && (!r->paced || s->open_paced < HUB_SNAPSHOTS_PACED);
}

bool is_in_turn(struct hub *h, const struct request *r)
{
    const struct request *other;
    if (r->paced)
        TAILQ_FOREACH(other, &h->reading, link)
    if (other->paced && !other->released && other->session == r->session)
        return false;
    return true;
}

static struct request *request_queued(struct hub *h, int source, bool placed)
{
    struct request *r;
    TAILQ_FOREACH(r, &h->requests, link)
    if ((source < 0 || r->source->number == source) && (!placed || (has_place(r) && is_in_turn(h, r))))
        return r;
    return NULL;
}

static struct request *request_open(struct hub *h, int source)
{
    struct request *r;
    TAILQ_FOREACH(r, &h->reading, link)
    if (r->source->number == source && !r->released &&
        (r->cancelled || (r->state == REQUEST_READING && has_room(r))))
        return r;
    return NULL;
}

static void request_serve(struct hub *h, struct request *r, struct hub_request *out)
{
    if (r->state == REQUEST_QUEUED) {
        TAILQ_REMOVE(&h->requests, r, link);
        r->state = REQUEST_TAKEN;
        r->source->open++;
        r->source->open_paced += r->paced;
    } else {
        TAILQ_REMOVE(&h->reading, r, link);
    }
    TAILQ_INSERT_TAIL(&h->reading, r, link);
    *out = (struct hub_request){r->id,        r->source->number, r->table,  (const char *const *)r->columns,
                                r->n_columns, r->where,          r->filter, r->place_first};
}

/* again: NULL when only new ones are wanted, one at a time. */
static bool request_await(struct hub *h, int source, int timeout_ms, struct hub_request *out, bool *again)
{
    struct timespec until = deadline(timeout_ms);
    struct request *r = NULL;
    bool late = false;
    pthread_mutex_lock(&h->mutex);
    while (!h->stopping) {
        r = request_queued(h, source, again);
        if (again && (*again = !r))
            r = request_open(h, source);
        if (r || late)
            break;
        late = pthread_cond_timedwait(&h->readers, &h->mutex, &until) == ETIMEDOUT;
    }
    if (r) {
        r->source->one_by_one = !again;
        request_serve(h, r, out);
    }
    pthread_mutex_unlock(&h->mutex);
    return r;
}

bool hub_request_take(struct hub *h, int source, int timeout_ms, struct hub_request *out)
{
    return request_await(h, source, timeout_ms, out, NULL);
}

bool hub_request_next(struct hub *h, int source, int timeout_ms, struct hub_request *out, bool *again)
{
    return request_await(h, source, timeout_ms, out, again);
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

static void room_await(struct hub *h, uint64_t request)
{
    pthread_mutex_lock(&h->mutex);
    const struct request *r = request_find(h, request);
    while (r && !r->cancelled && !h->stopping && !has_room(r))
        pthread_cond_wait(&h->readers, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
}

/* Takes the batch in any case. */
static bool batch_put(struct hub *h, uint64_t request, struct batch *b)
{
    pthread_mutex_lock(&h->mutex);
    struct request *r = request_find(h, request);
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
    room_await(h, request);
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
    if (r) {
        r->source->open--;
        r->source->open_paced -= r->paced;
        pthread_cond_broadcast(&h->readers);
    }
    if (r && r->cancelled) {
        request_free(h, r);
    } else if (r) {
        if (h->stopping && state == REQUEST_ENDED) { /* hub_rows refused what was to come */
            state = REQUEST_FAILED;
            error = "the server is shutting down";
            retry = true;
        }
        r->state = r->visibility || r->is_at ? state : REQUEST_FAILED;
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
    const struct request *r;
    pthread_mutex_lock(&h->mutex);
    TAILQ_FOREACH(r, &h->reading, link)
    if (r->source->number == source && r->visibility && !r->cancelled &&
        !(r->paced && r->state == REQUEST_READING) && r->source->position_in < r->visibility->wait_lsn)
        break;
    pthread_mutex_unlock(&h->mutex);
    return r;
}
