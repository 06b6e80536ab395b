/* claim.c - the connector's hold on its slot: waiting until nobody else has it, creating it, and what to do
 * when its position is not the stored one. */
#include "clock.h"
#include "log.h"
#include "pipeline.h"
#include "sql.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LOOK_MS           500        /* how often a slot in use is looked at */
#define STANDBY_MS        500        /* by a standby */
#define LOCK_CLASS        0x77616c77 /* advisory locks of walwire's */
#define SENDER_TIMEOUT_MS 10000
#define SENDER_TIMEOUT    "10000"
#define UNHEARD_MS        20000 /* most that the server may leave unanswered */

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

/* What is wrong while another session has the slot; pid 0: which one is not known. */
static bool in_use(const struct pipeline *p, int pid, struct err *e)
{
    char who[48] = "";
    if (pid)
        snprintf(who, sizeof who, " by process %d", pid);
    return err_set(e, ERR_RETRY, "slot %s is in use%s: stop that reader, or choose another slot.name",
                   p->config->slot_name, who);
}

/* In a failover the address may lead to the standby before that is promoted. */
static bool not_yet(const struct pipeline *p, struct err *e)
{
    return err_set(e, ERR_RETRY,
                   "slot %s is the standby's copy of its primary's: it can be read from once the standby is "
                   "promoted; until then connect to the primary",
                   p->config->slot_name);
}

/* The reader may be our own former session, whose end the server has not seen yet. */
bool claim_look(struct pipeline *p, struct slot_state *slot, struct err *e)
{
    return slot_look(p->conn, p->config->slot_name, p->config->dbname, slot, e) &&
           (!slot->active || in_use(p, slot->active_pid, e)) && (!slot->copy || not_yet(p, e));
}

/* ---- holding it ---- */

/* A slot is marked as in use only while it is streamed from, not during a snapshot. So whoever works on one
 * also holds an advisory lock, in the session that streams: the server lets go of both at once. */
static uint32_t lock_number(const char *slot)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *slot; slot++)
        h = (h ^ (unsigned char)*slot) * 16777619u;
    return h;
}

static bool lock_try(struct pipeline *p, bool *held, struct err *e)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_try_advisory_lock(%d, %d)", LOCK_CLASS,
             (int)lock_number(p->config->slot_name));
    char *text = pg_scalar(p->replication, e, sql);
    *held = text && strcmp(text, "t") == 0;
    free(text);
    return e->kind == ERR_NONE;
}

static bool lock_holder(struct pipeline *p, int *pid, struct err *e)
{
    char class[16], number[16];
    snprintf(class, sizeof class, "%d", LOCK_CLASS);
    snprintf(number, sizeof number, "%u", lock_number(p->config->slot_name));
    const char *const params[] = {class, number};
    PGresult *res = pg_query(p->conn, e, SQL_SLOT_HOLDER, 2, params);
    *pid = res && PQntuples(res) ? atoi(PQgetvalue(res, 0, 0)) : 0;
    PQclear(res);
    return res != NULL;
}

/* Sets *held when the slot is ours alone; otherwise *pid. */
static bool hold_try(struct pipeline *p, bool *held, int *pid, struct err *e)
{
    struct slot_state slot = {0};
    if (!*held && !lock_try(p, held, e))
        return false;
    if (!*held)
        return lock_holder(p, pid, e);
    if (!slot_look(p->conn, p->config->slot_name, p->config->dbname, &slot, e))
        return false;
    *pid = slot.active_pid;
    *held = !slot.active;
    return true;
}

static void stand_by(struct pipeline *p, enum connector_state state, const char *why)
{
    pipeline_step(p, state == STATE_UNASSIGNED ? "standby" : "prepare");
    pthread_mutex_lock(&p->face->mutex);
    p->face->status.state = state;
    snprintf(p->face->status.trace, sizeof p->face->status.trace, "%s", why);
    pthread_mutex_unlock(&p->face->mutex);
}

static bool standby_wait(struct pipeline *p, struct err *e)
{
    int pid = 0, told = -1;
    for (bool held = false;;) {
        if (!hold_try(p, &held, &pid, e))
            return false;
        if (held)
            break;
        if (told < 0)
            log_info("slot %s is in use by process %d: standing by until it is free", p->config->slot_name,
                     pid);
        if (pid != told) {
            char why[120];
            snprintf(why, sizeof why, "standing by: slot %.63s is in use by process %d", p->config->slot_name,
                     pid);
            stand_by(p, STATE_UNASSIGNED, why);
        }
        told = pid;
        if (!claim_sleep(p, STANDBY_MS))
            return err_set(e, ERR_RETRY, "stopped while standing by");
    }
    if (told >= 0)
        log_info("slot %s is free: taking over", p->config->slot_name);
    stand_by(p, STATE_RUNNING, "");
    return true;
}

static bool wait_some_time(struct pipeline *p, struct err *e)
{
    const struct config *c = p->config;
    int64_t from = clock_mono_ms(), wait = (int64_t)c->slot_max_retries * c->slot_retry_delay_ms, told = 0;
    int pid = 0;
    for (bool held = false;;) {
        if (!hold_try(p, &held, &pid, e))
            return false;
        if (held)
            return true;
        in_use(p, pid, e);
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

/* When the network to the server is cut, this side is to give up before the server gives the slot away: after
 * wal_sender_timeout, of which each third sees a status, or in a snapshot after the 25 s below. A socket that
 * is not TCP's has no such options. */
static void notice_first(PGconn *conn, int sender_timeout_ms)
{
    int ms = sender_timeout_ms > 0 && sender_timeout_ms < UNHEARD_MS / 3 * 5 ? sender_timeout_ms / 5 * 3
                                                                             : UNHEARD_MS;
    int idle_s = 5, interval_s = 5;
    int fd = PQsocket(conn);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
}

/* How soon the server notices that this process, its machine or the network is gone, so that another one can
 * take the slot. A standby is to do so within seconds. */
static bool be_noticed(struct pipeline *p, struct err *e)
{
    /* Not tcp_user_timeout: it would end the connection when Kafka is away and nothing is read for a while.
     */
    static const char *const sql[] = {"SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5",
                                      "SET tcp_keepalives_count = 3"};
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
        if (!pg_run(p->replication, e, sql[i]))
            return false;
    char *text =
        pg_scalar(p->replication, e, "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'");
    int ms = text ? atoi(text) : 0;
    free(text);
    if (e->kind != ERR_NONE)
        return false;
    if (p->config->standby && (ms <= 0 || ms > SENDER_TIMEOUT_MS)) {
        ms = SENDER_TIMEOUT_MS;
        if (!pg_run(p->replication, e, "SET wal_sender_timeout = " SENDER_TIMEOUT))
            return false;
    }
    notice_first(p->replication, ms);
    return true;
}

bool claim_hold(struct pipeline *p, struct err *e)
{
    return be_noticed(p, e) && (p->config->standby ? standby_wait(p, e) : wait_some_time(p, e));
}

bool claim_kept(struct pipeline *p, bool ask, struct err *e)
{
    if (p->link)
        return !link_is_cut(p->link, e);
    if (!p->replication) /* nothing is held */
        return true;
    struct pollfd fd = {PQsocket(p->replication), POLLRDHUP, 0};
    if ((poll(&fd, 1, 0) <= 0 || !fd.revents) && (!ask || pg_run(p->replication, e, "SELECT 1")))
        return true;
    return err_set(e, ERR_RETRY,
                   "the session that holds slot %s has ended: somebody else may have it, so nothing more is "
                   "published",
                   p->config->slot_name);
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

/* Going on from the slot: what is between was acknowledged, and is not to be had any more. */
static void follow_slot(struct pipeline *p, lsn_t slot)
{
    p->offset.reached = slot;
    p->resume = (struct resume){0};
}

/* A position of another server or timeline is no measure of this slot, which may stand before it. */
bool claim_lineage(struct pipeline *p, const struct slot_state *slot, struct err *e)
{
    lsn_t at = checkpoint_position(&p->offset);
    if (lineage_holds(p->replication, &p->lineage, &p->offset, at, e))
        return true;
    bool usable = slot->exists && !slot->lost && slot->confirmed;
    if (e->kind != ERR_CONFIG || p->config->offset_mismatch != MISMATCH_TRUST_SLOT || !usable)
        return false;
    log_warn("%s: going on from slot %s at " LSN_FMT ", as offset.mismatch.strategy says", e->text,
             p->config->slot_name, LSN_ARG(slot->confirmed));
    *e = (struct err){0};
    struct offset from = {.present = true, .lsn = slot->confirmed, .tx_id = -1, .ts_usec = p->offset.ts_usec};
    offset_keep_snapshot(&from, &p->offset); /* one that broke off is still to be read */
    p->offset = from;
    p->source.last_commit = 0;
    follow_slot(p, slot->confirmed);
    return true;
}

/* Debezium acknowledges no more than what it reads back from its offsets. But with connector_and_driver its
 * driver acknowledges what is not captured too. Not so when the slot was made anew: its WAL begins behind the
 * position then. Source: io.debezium.connector.postgresql.PostgresConnectorTask.performCommit. */
static bool driver_was_ahead(const struct pipeline *p, const struct slot_state *slot, lsn_t at)
{
    return p->config->lsn_flush_mode == FLUSH_CONNECTOR_AND_DRIVER && !p->offset.system[0] &&
           slot->restart <= at;
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
    if (slot->confirmed > at && (to_slot || driver_was_ahead(p, slot, at))) {
        log_warn("slot %s stands at " LSN_FMT ", past the stored offset " LSN_FMT ": going on from the slot, "
                 "%s",
                 p->config->slot_name, LSN_ARG(slot->confirmed), LSN_ARG(at),
                 to_slot ? "as offset.mismatch.strategy says"
                         : "since Debezium's driver acknowledged it (lsn.flush.mode=connector_and_driver)");
        follow_slot(p, slot->confirmed);
    } else if (to_offset && at > slot->confirmed && c->lsn_flush_mode != FLUSH_MANUAL)
        return move_slot(p, at, e);
    return true;
}
