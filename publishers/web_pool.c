/* web_pool.c - the threads that answer REST requests.
 *
 * A handler may wait for Kafka; on the web thread that would hold up every browser. Jobs go out in the order
 * in which they came and come back in the order in which they were done. */
#include <stdlib.h>

#include "web_impl.h"
#include "xmalloc.h"

void job_free(struct job *job)
{
    if (!job)
        return;
    buf_free(&job->path);
    buf_free(&job->query);
    buf_free(&job->content_type);
    buf_free(&job->host);
    buf_free(&job->accept);
    buf_free(&job->authorization);
    buf_free(&job->body);
    buf_free(&job->reply.body);
    buf_free(&job->reply.headers);
    free(job);
}

static void list_free(struct job *job)
{
    for (struct job *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
}

static const char *text_of(const struct buf *b)
{
    return b->ptr ? b->ptr : "";
}

/* Here and not on the web thread, for the sake of the time that hashing takes. */
static bool job_allowed(struct web *w, struct job *job)
{
    bool allowed = users_allow(w->users, text_of(&job->authorization));
    if (job->authorization.len)
        explicit_bzero(job->authorization.ptr, job->authorization.len);
    if (allowed)
        return true;
    job->reply.status = 401;
    http_reply_header(&job->reply, "www-authenticate", "Basic realm=\"walwire\"");
    BUF_LIT(&job->reply.body, "{\"error_code\":401,\"message\":\"User cannot access the resource.\"}");
    return false;
}

static void job_run(struct web *w, struct job *job)
{
    struct http_request request = {.method = job->method,
                                   .secure = job->secure,
                                   .path = text_of(&job->path),
                                   .query = text_of(&job->query),
                                   .content_type = text_of(&job->content_type),
                                   .host = text_of(&job->host),
                                   .body = buf_view(&job->body),
                                   .accept = text_of(&job->accept)};
    if (job_allowed(w, job))
        w->handler(w->handler_ctx, &request, &job->reply);
}

static struct job *job_take(struct pool *p)
{
    while (!p->waiting && !p->ending)
        pthread_cond_wait(&p->wake, &p->lock);
    struct job *job = p->ending ? NULL : p->waiting;
    if (job) {
        p->waiting = job->next;
        if (!p->waiting)
            p->waiting_end = &p->waiting;
        p->n_waiting--;
    }
    return job;
}

static void *pool_run(void *ctx)
{
    struct web *w = ctx;
    struct pool *p = &w->pool;
    pthread_mutex_lock(&p->lock);
    for (struct job *job; (job = job_take(p));) {
        pthread_mutex_unlock(&p->lock);
        job_run(w, job);
        pthread_mutex_lock(&p->lock);
        struct job **end = &p->done;
        while (*end)
            end = &(*end)->next;
        job->next = NULL;
        *end = job;
        lws_cancel_service(w->context);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

bool pool_start(struct web *w, struct err *e)
{
    struct pool *p = &w->pool;
    for (; p->n_threads < POOL_THREADS; p->n_threads++)
        if (pthread_create(&p->threads[p->n_threads], NULL, pool_run, w) != 0)
            return err_set(e, ERR_FATAL, "the threads that answer REST requests cannot be started");
    return true;
}

void pool_stop(struct web *w)
{
    struct pool *p = &w->pool;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
}

void pool_free(struct web *w)
{
    struct pool *p = &w->pool;
    list_free(p->waiting);
    list_free(p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

bool pool_put(struct web *w, struct job *job)
{
    struct pool *p = &w->pool;
    pthread_mutex_lock(&p->lock);
    bool room = p->n_waiting < POOL_QUEUE;
    if (room) {
        *p->waiting_end = job;
        p->waiting_end = &job->next;
        p->n_waiting++;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return room;
}

struct job *pool_done(struct web *w)
{
    struct pool *p = &w->pool;
    pthread_mutex_lock(&p->lock);
    struct job *done = p->done;
    p->done = NULL;
    pthread_mutex_unlock(&p->lock);
    return done;
}
