/* claim.c - the connector's hold on its slot: waiting until nobody else reads from it, creating it, and what
 * to do when its position is not the stored one. */
#include "clock.h"
#include "log.h"
#include "pipeline.h"

#include <poll.h>

#define LOOK_MS 500 /* how often a slot in use is looked at */

/* False when the pipeline is to stop. */
static bool claim_sleep(struct pipeline *p, int64_t ms)
{
    for (int64_t end = clock_mono_ms() + ms, left = ms; left > 0 && !pipeline_stopping(p);
         left = end - clock_mono_ms()) {
        struct pollfd fd = {p->face->wake_fd, POLLIN, 0};
        poll(&fd, 1, (int)(left < 1000 ? left : 1000));
        wake_clear(p->face->wake_fd);
    }
    return !pipeline_stopping(p);
}

static bool in_use(const struct pipeline *p, const struct slot_state *slot, struct err *e)
{
    return err_set(e, ERR_RETRY,
                   "slot %s is in use by process %d: stop that reader, or choose another slot.name",
                   p->config->slot_name, slot->active_pid);
}

/* The reader may be our own former session, whose end the server has not seen yet. */
bool claim_look(struct pipeline *p, struct slot_state *slot, struct err *e)
{
    const struct config *c = p->config;
    int64_t from = clock_mono_ms(), wait = (int64_t)c->slot_max_retries * c->slot_retry_delay_ms, told = 0;
    for (;;) {
        if (!slot_look(p->conn, c->slot_name, c->dbname, slot, e))
            return false;
        if (!slot->active)
            return true;
        in_use(p, slot, e);
        int64_t waited = clock_mono_ms() - from;
        if (waited >= wait)
            return false;
        if (!told || waited - told >= c->slot_retry_delay_ms) {
            log_warn("%s; waiting for it for %lld s more", e->text, (long long)(wait - waited + 999) / 1000);
            told = waited + 1;
        }
        if (!claim_sleep(p, wait - waited < LOOK_MS ? wait - waited : LOOK_MS))
            return false;
        *e = (struct err){0};
    }
}

bool claim_create(struct pipeline *p, const char *name, PGconn *conn, bool temporary, struct slot_start *at,
                  struct err *e)
{
    const struct config *c = p->config;
    const struct slot_request request = {
        .name = name,
        .temporary = temporary,
        .failover = c->slot_failover && !temporary,
        .timeout_ms = c->slot_create_timeout_s < INT32_MAX / 1000 ? c->slot_create_timeout_s * 1000 : 0,
        .stop = &p->face->stop};
    for (int tries = 0; !slot_create(conn, &request, at, e); tries++) {
        if (e->kind != ERR_RETRY || tries >= c->slot_max_retries || PQstatus(conn) != CONNECTION_OK)
            return false;
        log_warn("%s; trying again in %d ms, %d of %d", e->text, c->slot_retry_delay_ms, tries + 1,
                 c->slot_max_retries);
        if (!claim_sleep(p, c->slot_retry_delay_ms))
            return false;
        *e = (struct err){0};
    }
    return true;
}

/* ---- slot and stored position ---- */

/* The slot is further: what is between was acknowledged, and is not to be had any more. */
static void follow_slot(struct pipeline *p, lsn_t at, lsn_t slot)
{
    log_warn("slot %s stands at " LSN_FMT ", past the stored offset " LSN_FMT ": going on from the slot, as "
             "offset.mismatch.strategy says",
             p->config->slot_name, LSN_ARG(slot), LSN_ARG(at));
    p->offset.reached = slot;
    p->resume = (struct resume){0};
}

static bool move_slot(struct pipeline *p, lsn_t to, struct err *e)
{
    log_info("moving slot %s to the stored offset " LSN_FMT, p->config->slot_name, LSN_ARG(to));
    if (slot_advance(p->conn, p->config->slot_name, to, e))
        return true;
    if (p->config->processing_failure == FAILURE_FAIL || e->kind == ERR_RETRY)
        return false;
    if (p->config->processing_failure == FAILURE_WARN)
        log_warn("%s", e->text);
    *e = (struct err){0};
    return true;
}

bool claim_reconcile(struct pipeline *p, const struct slot_state *slot, struct err *e)
{
    const struct config *c = p->config;
    lsn_t at = checkpoint_position(&p->offset);
    if (!p->offset.present || !slot->exists || slot->lost || !slot->confirmed)
        return true;
    bool to_slot =
        c->offset_mismatch == MISMATCH_TRUST_SLOT || c->offset_mismatch == MISMATCH_TRUST_GREATER_LSN;
    bool to_offset =
        c->offset_mismatch == MISMATCH_TRUST_OFFSET || c->offset_mismatch == MISMATCH_TRUST_GREATER_LSN;
    if (to_slot && slot->confirmed > at)
        follow_slot(p, at, slot->confirmed);
    else if (to_offset && at > slot->confirmed && c->lsn_flush_mode != FLUSH_MANUAL)
        return move_slot(p, at, e);
    return true;
}
