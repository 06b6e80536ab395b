/* null.c - the sink that drops: for measuring everything before it, and for connectors that feed browsers
 * only. */
#include "sink.h"

#include "log.h"
#include "xmalloc.h"

#include <stdlib.h>

struct sink {
    unsigned long long messages, bytes;
};

static struct sink *null_open(const struct sink_options *options, struct err *e)
{
    return xcalloc(1, sizeof(struct sink));
}

static enum sink_result null_put(struct sink *s, const struct message *message, struct err *e)
{
    s->messages++;
    s->bytes += message->key.len + message->value.len;
    return SINK_OK;
}

static bool null_poll(struct sink *s, struct err *e)
{
    return true;
}

static bool null_flush(struct sink *s, int timeout_ms, struct err *e)
{
    return true;
}

static void null_forget(struct sink *s, struct topic *topic)
{
}

static void null_close(struct sink *s)
{
    log_debug("null sink: dropped %llu messages, %llu bytes", s->messages, s->bytes);
    free(s);
}

const struct sink_type null_sink = {
    .name = "null",
    .open = null_open,
    .put = null_put,
    .poll = null_poll,
    .flush = null_flush,
    .forget = null_forget,
    .close = null_close,
};
