/* web_event.c - the messages of a session as server-sent events.
 *
 * An `id` is where a client that comes back goes on, so it stands only where everything before it was sent:
 * not with rows of a snapshot, nor inside a transaction whose end the client wants to see, and never goes
 * back. A `reset` takes it away: who comes back then begins anew. */
#include "web_stream.h"

#include <stdio.h>

struct slice message_text(struct slice message, const char *member)
{
    char name[40];
    int len = snprintf(name, sizeof(name), "\"%s\":", member);
    const char *at = memmem(message.ptr, message.len, name, (size_t)len);
    if (!at)
        return SLICE("");
    struct slice rest = slice_cut(message, (size_t)(at - message.ptr + len), message.len);
    size_t end = 0;
    if (slice_starts(rest, "\"")) {
        rest = slice_cut(rest, 1, rest.len);
        while (end < rest.len && rest.ptr[end] != '"')
            end += rest.ptr[end] == '\\' ? 2 : 1;
    } else {
        while (end < rest.len && rest.ptr[end] != ',' && rest.ptr[end] != '}')
            end++;
    }
    return slice_cut(rest, 0, end);
}

static bool is_one_of(struct slice type, const char *const *names)
{
    while (*names && !slice_is(type, *names))
        names++;
    return *names;
}

/* JSON may have a carriage return between its tokens, which would end the line. */
static void line_append(struct buf *out, struct slice message)
{
    size_t start = out->len;
    BUF_LIT(out, "data: ");
    buf_slice(out, message);
    for (char *at = out->ptr + start; (at = memchr(at, '\r', (size_t)(out->ptr + out->len - at)));)
        *at = ' ';
    BUF_LIT(out, "\n\n");
}

/* A server may say where it stands before it is where its client was. */
static bool is_before(struct slice pos, struct slice last)
{
    return pos.len == last.len && memcmp(pos.ptr, last.ptr, pos.len) < 0;
}

static void event_append(struct stream *s, struct slice type, struct slice message)
{
    static const char *const moving[] = {"subscribed", "ready", "change", "commit", "heartbeat", NULL};
    struct slice pos = is_one_of(type, moving) && s->placed ? message_text(message, "pos") : SLICE("");
    buf_printf(&s->out, "event: " SLICE_FMT "\n", SLICE_ARG(type));
    if (pos.len && !is_before(pos, buf_view(&s->last))) {
        buf_reset(&s->last);
        buf_slice(&s->last, pos);
        buf_printf(&s->out, "id: %s/" SLICE_FMT "\n", s->epoch.ptr, SLICE_ARG(pos));
    } else if (slice_is(type, "reset")) {
        buf_reset(&s->last);
        BUF_LIT(&s->out, "id:\n");
    }
    line_append(&s->out, message);
}

static void retry_append(struct buf *out, struct slice ms)
{
    if (ms.len)
        buf_printf(out, "retry: " SLICE_FMT "\n", SLICE_ARG(ms));
}

static enum stream_step event_take(struct stream *s, struct slice type, struct slice message)
{
    static const char *const last[] = {"reset", "closing", "error", NULL};
    if (slice_is(type, "welcome")) {
        buf_slice(&s->epoch, message_text(message, "epoch"));
        buf_printf(&s->out, "retry: %d\n", session_retry_ms(s->session));
    } else if (slice_is(type, "error") && !s->begun)
        return STREAM_REFUSED;
    else if (slice_is(type, "closing"))
        retry_append(&s->out, message_text(message, "retry_after_ms"));
    else if (slice_is(type, "begin"))
        s->placed = false;
    else if (slice_is(type, "ready") || slice_is(type, "commit"))
        s->placed = true;
    else if (slice_is(type, "subscribed") && !s->granted) { /* later ones only tell of more columns */
        s->granted = true;
        s->placed = !slice_is(message_text(message, "mode"), "snapshot");
    }
    event_append(s, type, message);
    return is_one_of(type, last) ? STREAM_ENDS : slice_is(type, "welcome") ? STREAM_WAITS : STREAM_GOES;
}

const struct stream_form form_events = {
    .path = "/v1/stream", .content_type = "text/event-stream; charset=utf-8", .take = event_take};
