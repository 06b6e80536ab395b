/* stdout.c - the sink that prints: each message's value on a line of its own, tombstones left out.
 *
 * A message counts as durable once it has left the buffer, so the marks in the buffer are remembered in runs.
 * The process must ignore SIGPIPE: a reader that went away is then an error like any other. */
#include "sink.h"

#include "buf.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_FULL = 256 * 1024 };

struct run {
    struct mark *mark;
    uint32_t count;
};

struct sink {
    struct buf out;
    struct run *runs;
    size_t n_runs, cap_runs;
};

static struct sink *stdout_open(const struct sink_options *options, struct err *e)
{
    return xcalloc(1, sizeof(struct sink));
}

static void run_add(struct sink *s, struct mark *mark)
{
    mark->pending++;
    if (s->n_runs && s->runs[s->n_runs - 1].mark == mark) {
        s->runs[s->n_runs - 1].count++;
        return;
    }
    if (s->n_runs == s->cap_runs) {
        s->cap_runs = s->cap_runs ? s->cap_runs * 2 : 64;
        s->runs = xrealloc(s->runs, s->cap_runs * sizeof *s->runs);
    }
    s->runs[s->n_runs++] = (struct run){mark, 1};
}

static enum sink_result stdout_put(struct sink *s, const struct message *message, struct err *e)
{
    if (s->out.len >= BUFFER_FULL)
        return SINK_FULL;
    if (!message->value.ptr)
        return SINK_OK;
    buf_slice(&s->out, message->value);
    buf_char(&s->out, '\n');
    run_add(s, message->mark);
    return SINK_OK;
}

/* A terminal or a pipe may have been set non-blocking by whoever shares it. */
static bool write_all(const char *at, size_t len, struct err *e)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, at, len);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        } else if (errno == EPIPE) {
            return err_set(e, ERR_FATAL, "stdout was closed");
        } else if (errno != EINTR) {
            return err_set(e, ERR_FATAL, "stdout cannot be written: %s", strerror(errno));
        }
    }
    return true;
}

static bool stdout_poll(struct sink *s, struct err *e)
{
    if (!write_all(s->out.ptr, s->out.len, e))
        return false;
    for (size_t i = 0; i < s->n_runs; i++)
        s->runs[i].mark->pending -= s->runs[i].count;
    s->n_runs = 0;
    buf_reset(&s->out);
    return true;
}

static bool stdout_flush(struct sink *s, int timeout_ms, struct err *e)
{
    return stdout_poll(s, e);
}

static void stdout_forget(struct sink *s, struct topic *topic)
{
}

static void stdout_close(struct sink *s)
{
    buf_free(&s->out);
    free(s->runs);
    free(s);
}

const struct sink_type stdout_sink = {
    .name = "stdout",
    .open = stdout_open,
    .put = stdout_put,
    .poll = stdout_poll,
    .flush = stdout_flush,
    .forget = stdout_forget,
    .close = stdout_close,
};
