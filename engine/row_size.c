/* row_size.c - rows that are too large.
 *
 * PostgreSQL allocates at most 1 GB for a message, and a bytea has two characters a byte in text: beyond 512
 * MB decoding fails, each time the slot is read, for ever. In binary form (from version 14 on) the same slot
 * goes on. Text is what all rules are made for, so binary is read only until that transaction is done. */
#include "row_size.h"

#include "clock.h"
#include "dead_letter.h"
#include "link.h"
#include "log.h"

#define MB ((size_t)1 << 20)
#define BULKY                                                                                                \
    (32 * MB) /* libpq's input buffer only grows: what such a row has left there is worth a reconnect */

/* Queues of the stream and of the producer, and what a process has besides. */
enum { FIXED_MB = 40, COPIES = 4 }; /* libpq's buffer (two: it doubles), the message, what is made of it */
enum { RENEW_MS = 5000, FLUSH_MS = 5000 }; /* RENEW_MS: a stream that is not idle is left after so long */

size_t row_size_most(const struct config *c)
{
    return c->memory_max_mb > FIXED_MB ? (size_t)(c->memory_max_mb - FIXED_MB) * MB / COPIES : 0;
}

/* False, and why, when a row needs more memory than is allowed. */
static bool within_budget(const struct pipeline *p, const struct capture *c, size_t size, struct err *e)
{
    size_t most = row_size_most(p->config);
    return !most || size <= most ||
           err_set(
               e, ERR_CONFIG,
               "%s: a row of %zu bytes, but walwire.memory.max.mb=%d leaves room for %zu: raise it to %zu, "
               "or leave the column out of the publication (of what is written from then on)",
               c->tally->collection, size, p->config->memory_max_mb, most, size * COPIES / MB + 1 + FIXED_MB);
}

bool row_size_check(struct pipeline *p, struct capture *c, const struct change *change, bool *taken,
                    struct err *e)
{
    int64_t *largest = &p->readings.v[READ_LARGEST_ROW];
    if ((int64_t)change->size > *largest)
        *largest = (int64_t)change->size;
    if (change->size >= BULKY && change->op != OP_READ)
        p->bulky = p->commit;
    if (!within_budget(p, c, change->size, e))
        return err_prefix(e, "LSN " LSN_FMT, LSN_ARG(change->lsn));
    return dead_letter_early(p, c, change, taken, e);
}

void row_size_done(struct pipeline *p, struct capture *c)
{
    envelope_trim(p->envelope);
    plan_trim(c->plan);
    live_table_trim(c->live);
    arena_free(&p->converted);
}

bool row_size_binary(const struct pipeline *p)
{
    return p->face->binary_until != 0;
}

bool row_size_switch(struct pipeline *p, struct err *e)
{
    struct err said = *e;
    lsn_t received = link_received(p->link);
    const char *why = row_size_binary(p)                  ? "also in binary form (1 GB at most)"
                      : PQserverVersion(p->conn) < 140000 ? "and binary form begins with version 14"
                      : link_has_param(p->config->slot_stream_params, "binary")
                          ? "and slot.stream.params sets the option binary, so that no other form is tried"
                          : NULL;
    if (why)
        return err_set(
            e, ERR_CONFIG,
            "%s: a row behind LSN " LSN_FMT
            " is too large for PostgreSQL to send, %s, or the server's own memory request failed. The slot "
            "cannot get past it. Shorten the row, move the slot past its transaction "
            "(pg_replication_slot_advance), delete the connector's offsets and begin with a new snapshot",
            said.text, LSN_ARG(received), why);
    p->face->binary_until = p->mark && p->commit > received ? p->commit : received + 1;
    p->face->renew = true;
    return err_set(e, ERR_RETRY,
                   "%s: a row behind LSN " LSN_FMT
                   " is too large to be sent as text: reading in binary form up to LSN " LSN_FMT,
                   said.text, LSN_ARG(received), LSN_ARG(p->face->binary_until));
}

/* What is on its way is stored first, so that nothing is published twice. */
static bool begin_anew(struct pipeline *p, const char *why, struct err *e)
{
    if (!p->sink_type->flush(p->sink, FLUSH_MS, e) || !checkpoint_tick(p, true, e))
        return false;
    p->face->renew = true;
    return err_set(e, ERR_RETRY, "%s", why);
}

/* Between large rows their memory is kept: they would only take it again. */
static bool memory_is_due(struct pipeline *p, bool idle, lsn_t stored)
{
    int64_t now = clock_mono_ms();
    if (!p->bulky || stored <= p->bulky) {
        p->bulky_done_ms = 0;
        return false;
    }
    if (!p->bulky_done_ms)
        p->bulky_done_ms = now;
    return idle || now - p->bulky_done_ms >= RENEW_MS;
}

bool row_size_past(struct pipeline *p, bool idle, struct err *e)
{
    if (p->mark)
        return true;
    lsn_t stored = checkpoint_position(&p->offset);
    if (row_size_binary(p) && stored > p->face->binary_until) {
        p->face->binary_until = 0;
        return begin_anew(p, "what was too large to be sent as text is done: reading text again", e);
    }
    if (memory_is_due(p, idle, stored))
        return begin_anew(p, "a large row is done: connecting again, to give its memory back", e);
    return true;
}
