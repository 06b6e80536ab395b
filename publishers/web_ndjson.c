/* web_ndjson.c - a snapshot as lines: a row each. A chunked body that is broken off is how the client learns
 * that rows are missing. */
#include "hub_split.h"
#include "web_stream.h"

static void rows_take(struct stream *s, struct slice message)
{
    static const char name[] = "\"rows\":[";
    const char *at = memmem(message.ptr, message.len, name, sizeof(name) - 1);
    size_t before = at ? (size_t)(at - message.ptr) + sizeof(name) - 1 : message.len;
    struct slice rows = json_items(slice_cut(message, before, message.len)), row;
    while (json_item(&rows, &row)) {
        buf_slice(&s->out, row);
        buf_char(&s->out, '\n');
    }
}

static enum stream_step row_take(struct stream *s, struct slice type, struct slice message)
{
    if (slice_is(type, "welcome"))
        buf_slice(&s->epoch, message_text(message, "epoch"));
    else if (slice_is(type, "placed"))
        buf_slice(&s->pos, message_text(message, "pos"));
    else if (slice_is(type, "rows"))
        rows_take(s, message);
    else if (slice_is(type, "ready"))
        return STREAM_ENDS;
    else if (!slice_is(type, "subscribed") && !slice_is(type, "heartbeat"))
        return s->begun ? STREAM_BROKEN : STREAM_REFUSED;
    return s->pos.len ? STREAM_GOES : STREAM_WAITS;
}

const struct stream_form form_rows = {
    .path = "/v1/snapshot", .content_type = "application/x-ndjson", .snapshot = true, .take = row_take};
