/* web_write.c - what goes out over WebSockets.
 *
 * Sessions that want to write wait in a queue; after each round of libwebsockets and the hub every one of
 * them gets to write a frame, at once and not when the socket has said that it can: nearly always it can, and
 * to ask would cost as much as to write. Frames are whole and ready (frame.h). They go past libwebsockets'
 * framing (LWS_WRITE_RAW), and the frames that many get go straight into the socket, by several threads where
 * there are many. What a socket does not take, libwebsockets keeps and sends before anything of its own, such
 * as a pong; the session is not asked again before that is gone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"
#include "web_impl.h"
#include "xmalloc.h"

enum {
    BATCH = 512,   /* frames that are sent together */
    SHARE = 16,    /* that a thread takes at once */
    WORTH_IT = 64, /* frames for which other threads are woken */
    THREADS_MOST = 64,
};

struct job_send {
    struct conn *conn;
    struct ws_frame *frame;
    int fd;
    int error; /* 0: `sent` bytes went out */
    size_t sent;
};

/* The threads that send beside the web thread, while that does nothing else. */
struct senders {
    struct job_send batch[BATCH];
    size_t n, next; /* next: atomic, the first that nobody has taken */
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    uint64_t round;
    size_t busy, n_threads;
    bool ending;
    pthread_t threads[THREADS_MOST];
};

/* ---- sending ---- */

static void send_one(struct job_send *j)
{
    ssize_t n = send(j->fd, j->frame->bytes, j->frame->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    j->error = n >= 0 || errno == EAGAIN || errno == EINTR ? 0 : errno;
    j->sent = n > 0 ? (size_t)n : 0;
}

static void send_some(struct senders *s)
{
    for (size_t at; (at = __atomic_fetch_add(&s->next, SHARE, __ATOMIC_RELAXED)) < s->n;)
        for (size_t i = at; i < at + SHARE && i < s->n; i++)
            send_one(&s->batch[i]);
}

static void *sender_run(void *ctx)
{
    struct senders *s = ctx;
    uint64_t seen = 0;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->round == seen && !s->ending)
            pthread_cond_wait(&s->begin, &s->lock);
        if (s->ending)
            break;
        seen = s->round;
        pthread_mutex_unlock(&s->lock);
        send_some(s);
        pthread_mutex_lock(&s->lock);
        if (--s->busy == 0)
            pthread_cond_signal(&s->end);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void send_all(struct senders *s)
{
    s->next = 0;
    if (s->n_threads == 0 || s->n < WORTH_IT) {
        send_some(s);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->busy = s->n_threads;
    s->round++;
    pthread_cond_broadcast(&s->begin);
    pthread_mutex_unlock(&s->lock);
    send_some(s);
    pthread_mutex_lock(&s->lock);
    while (s->busy)
        pthread_cond_wait(&s->end, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the queue ---- */

void socket_want(struct conn *c)
{
    struct web *w = c->web;
    if (c->queued)
        return;
    c->queued = true;
    TAILQ_INSERT_TAIL(&w->queue, c, in_queue);
    w->n_queue++;
}

void socket_unwant(struct conn *c)
{
    if (!c->queued)
        return;
    c->queued = false;
    TAILQ_REMOVE(&c->web->queue, c, in_queue);
    c->web->n_queue--;
}

static void socket_kill(struct conn *c)
{
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void write_raw(struct conn *c, const unsigned char *bytes, size_t n)
{
    if (lws_write(c->wsi, (unsigned char *)bytes, n, LWS_WRITE_RAW) < 0)
        socket_kill(c);
}

/* Once all of it is there, or in libwebsockets' hands. */
static void written(struct conn *c)
{
    if (session_closed(c->session))
        lws_callback_on_writable(c->wsi); /* in that callback the connection is ended */
    else if (session_wants(c->session))
        socket_want(c);
}

static void batch_end(struct web *w)
{
    struct senders *s = w->senders;
    send_all(s);
    for (size_t i = 0; i < s->n; i++) {
        struct job_send *j = &s->batch[i];
        if (j->error)
            socket_kill(j->conn);
        else if (j->sent < j->frame->len)
            write_raw(j->conn, j->frame->bytes + j->sent, j->frame->len - j->sent);
        if (!j->error)
            written(j->conn);
        frame_release(j->frame);
    }
    s->n = 0;
}

static void batch_add(struct web *w, struct conn *c, struct ws_frame *frame)
{
    struct senders *s = w->senders;
    s->batch[s->n++] = (struct job_send){.conn = c, .frame = frame, .fd = lws_get_socket_fd(c->wsi)};
    if (s->n == BATCH)
        batch_end(w);
}

/* What this one alone gets. The head is written where it ends at the payload. */
static void write_own(struct web *w, struct conn *c, int64_t now_ms)
{
    static const char space[FRAME_HEAD_MAX] = {0};
    unsigned char head[FRAME_HEAD_MAX];
    struct buf *b = &w->frame;
    buf_reset(b);
    buf_append(b, space, sizeof(space));
    session_gather(c->session, b, now_ms);
    size_t len = b->len - sizeof(space);
    if (len) {
        size_t n = frame_head(head, len, false);
        char *start = b->ptr + sizeof(space) - n;
        memcpy(start, head, n);
        write_raw(c, (unsigned char *)start, n + len);
    }
    written(c);
}

/* TLS is libwebsockets' own: it encrypts for each client. */
static void write_next(struct web *w, struct conn *c, int64_t now_ms)
{
    if (lws_partial_buffered(c->wsi)) {
        lws_callback_on_writable(c->wsi);
        return;
    }
    struct ws_frame *frame = session_frame(c->session, now_ms);
    if (!frame) {
        write_own(w, c, now_ms);
    } else if (!c->tls) {
        batch_add(w, c, frame);
    } else {
        write_raw(c, frame->bytes, frame->len);
        frame_release(frame);
        written(c);
    }
}

/* Not all of them in one go: those behind get what has come meanwhile as well, so that what is new waits for
 * a round at most, and not for the rest of one and then for another. */
void sockets_write(struct web *w)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t n = w->n_queue < BATCH ? w->n_queue : BATCH; n > 0; n--) {
        struct conn *c = TAILQ_FIRST(&w->queue);
        socket_unwant(c);
        write_next(w, c, now_ms);
    }
    batch_end(w);
}

/* ---- public ---- */

bool senders_start(struct web *w, size_t threads, struct err *e)
{
    struct senders *s = xcalloc(1, sizeof(*s));
    w->senders = s;
    TAILQ_INIT(&w->queue);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->begin, NULL);
    pthread_cond_init(&s->end, NULL);
    for (; s->n_threads + 1 < threads && s->n_threads < THREADS_MOST; s->n_threads++)
        if (pthread_create(&s->threads[s->n_threads], NULL, sender_run, s) != 0)
            return err_set(e, ERR_FATAL, "the threads that write to browsers cannot be started");
    return true;
}

void senders_stop(struct web *w)
{
    struct senders *s = w->senders;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_broadcast(&s->begin);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    pthread_cond_destroy(&s->begin);
    pthread_cond_destroy(&s->end);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
