/* readings.c - a pipeline's own counts and positions, handed over to its meter once a round.
 *
 * Nothing here is done for a row. The slot is asked for every ten seconds, in the ordinary session. */
#include "readings.h"
#include "clock.h"
#include "sql.h"

#include <stdlib.h>

#define SLOT_EVERY_MS 10000

enum { END, RESTART, SAFE }; /* columns of slot_lag.sql */

/* Counters go on where the task's last run has left them. */
void readings_begin(struct pipeline *p)
{
    static const enum reading_id ends_with_run[] = {READ_LAG_MS, READ_CONNECTED, READ_SNAPSHOT_RUNNING,
                                                    READ_RECEIVED_LSN, READ_FLUSHED_LSN};
    struct readings *r = &p->readings;
    meter_read(p->face->meter, r);
    for (size_t i = 0; i < sizeof ends_with_run / sizeof *ends_with_run; i++)
        r->v[ends_with_run[i]] = READING_NONE; /* the status has them */
    for (int i = READ_LAST_EVENT_MS; i < READING_COUNT; i++)
        r->v[i] = i == READ_LAST_EVENT_MS ? r->v[i] : READING_NONE;
    for (int i = READ_CREATED; i <= READ_TOO_LARGE; i++)
        r->v[i] = r->v[i] == READING_NONE ? 0 : r->v[i];
    for (int i = READ_EVENTS; i <= READ_BYTES; i++)
        r->v[i] = r->v[i] == READING_NONE ? 0 : r->v[i];
    r->v[READ_SNAPSHOT_COMPLETED] = r->v[READ_SNAPSHOT_ABORTED] = r->v[READ_SNAPSHOT_SKIPPED] = 0;
    r->v[READ_SNAPSHOT_PAUSED] = 0;
    meter_tables_clear(p->face->meter);
    meter_publish(p->face->meter, r);
}

static void take_counts(struct pipeline *p)
{
    static const struct {
        enum change_op op;
        enum reading_id reading;
    } ops[] = {{OP_INSERT, READ_CREATED},     {OP_UPDATE, READ_UPDATED},     {OP_DELETE, READ_DELETED},
               {OP_TRUNCATE, READ_TRUNCATED}, {OP_READ, READ_SNAPSHOT_ROWS}, {OP_MESSAGE, READ_MESSAGES}};
    int64_t *v = p->readings.v;
    struct counts *c = &p->counts;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        v[ops[i].reading] += (int64_t)c->by_op[COUNT_OF(ops[i].op)];
        v[READ_EVENTS] += (int64_t)c->by_op[COUNT_OF(ops[i].op)];
        if (c->by_op[COUNT_OF(ops[i].op)])
            v[READ_LAST_EVENT_MS] = clock_wall_ms();
    }
    v[READ_FILTERED] += (int64_t)c->filtered;
    v[READ_ERRONEOUS] += (int64_t)c->erroneous;
    v[READ_CHECKPOINTS] += (int64_t)c->checkpoints;
    v[READ_TOO_LARGE] += (int64_t)c->too_large;
    v[READ_TRANSACTIONS] += (int64_t)(p->transactions - c->transactions);
    v[READ_BYTES] += (int64_t)(p->bytes - c->bytes);
    bool more = p->transactions != c->transactions;
    *c = (struct counts){.transactions = p->transactions, .bytes = p->bytes};
    int64_t lag_us = clock_wall_us() - p->source.ts_us;
    if (more)
        histogram_add(&p->readings.lag, lag_us);
    if (more || (p->transactions && (p->mark || !ledger_idle(p->ledger))))
        v[READ_LAG_MS] = lag_us > 0 ? lag_us / 1000 : 0;
}

static void take_queues(struct pipeline *p)
{
    int64_t *v = p->readings.v;
    if (p->link) {
        struct link_queue q;
        link_look(p->link, &q);
        v[READ_RECEIVED_LSN] = (int64_t)link_received(p->link);
        v[READ_QUEUE_BATCHES] = (int64_t)q.batches;
        v[READ_QUEUE_CAPACITY] = (int64_t)q.capacity;
        v[READ_QUEUE_ROOM] = (int64_t)(q.capacity - q.batches);
        v[READ_QUEUE_BYTES] = (int64_t)q.bytes;
        v[READ_QUEUE_MOST_BYTES] = (int64_t)q.most_bytes;
    }
    if (p->sink && p->sink_type->look) {
        uint64_t in_flight, bytes;
        p->sink_type->look(p->sink, &in_flight, &bytes, &p->readings.delivery);
        v[READ_IN_FLIGHT_BYTES] = (int64_t)bytes;
        v[READ_IN_FLIGHT] = (int64_t)in_flight;
    }
}

static void take_positions(struct pipeline *p)
{
    int64_t *v = p->readings.v;
    lsn_t flushed = checkpoint_position(&p->offset);
    if (flushed)
        v[READ_FLUSHED_LSN] = (int64_t)flushed;
    if (p->source.lsn)
        v[READ_LAST_LSN] = (int64_t)p->source.lsn;
    if (p->source.tx_id >= 0)
        v[READ_LAST_TX] = p->source.tx_id;
    v[READ_CAPTURED_TABLES] = (int64_t)p->tables.count;
    if (v[READ_SERVER_LSN] != READING_NONE)
        v[READ_SLOT_LAG] = v[READ_SERVER_LSN] > (int64_t)flushed ? v[READ_SERVER_LSN] - (int64_t)flushed : 0;
}

void readings_publish(struct pipeline *p)
{
    if (!p->face->meter)
        return;
    take_counts(p);
    take_queues(p);
    take_positions(p);
    meter_publish(p->face->meter, &p->readings);
}

static int64_t cell_number(const PGresult *res, int column)
{
    return PQgetisnull(res, 0, column) ? READING_NONE : strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

/* What the server says of the slot is good to know and no reason to stop: the session may be busy or gone.
 * Nor is it waited for: deliveries and positions would wait with it, a minute when the network is cut. */
static void take_slot(struct pipeline *p, const PGresult *res)
{
    int64_t *v = p->readings.v;
    bool there = res && PQntuples(res);
    v[READ_SERVER_LSN] = there ? cell_number(res, END) : READING_NONE;
    v[READ_SLOT_RETAINED] = there ? cell_number(res, RESTART) : READING_NONE;
    v[READ_SLOT_SAFE] = there ? cell_number(res, SAFE) : READING_NONE;
    if (!there)
        v[READ_SLOT_LAG] = READING_NONE;
}

void readings_look(struct pipeline *p)
{
    int64_t now = p->face->meter ? clock_mono_ms() : 0;
    PGresult *res = NULL;
    if (p->slot_asked && pg_answered(p->conn, &res)) {
        p->slot_asked = false;
        if (res || PQstatus(p->conn) != CONNECTION_OK) /* else another statement came in between */
            take_slot(p, res);
        PQclear(res);
    }
    if (!p->face->meter || now < p->slot_due_ms || p->slot_asked)
        return;
    p->slot_due_ms = now + SLOT_EVERY_MS;
    const char *slot = p->config->slot_name;
    p->slot_asked = pg_ask(p->conn, SQL_SLOT_LAG, 1, &slot);
    if (!p->slot_asked)
        take_slot(p, NULL);
}

void readings_step(struct pipeline *p, const char *step)
{
    int64_t *v = p->readings.v;
    bool snapshot = strcmp(step, "snapshot") == 0, was = v[READ_SNAPSHOT_RUNNING] == 1;
    if (snapshot && !was) {
        v[READ_SNAPSHOT_RUNNING] = 1;
        v[READ_SNAPSHOT_START_MS] = clock_wall_ms();
        v[READ_SNAPSHOT_COMPLETED] = v[READ_SNAPSHOT_ABORTED] = v[READ_SNAPSHOT_SKIPPED] = 0;
    } else if (strcmp(step, "stream") == 0 && !v[READ_SNAPSHOT_COMPLETED] && !v[READ_SNAPSHOT_ABORTED]) {
        v[READ_SNAPSHOT_SKIPPED] = 1;
    }
    readings_publish(p);
}

void readings_snapshot(struct pipeline *p, bool delivered)
{
    int64_t *v = p->readings.v;
    v[READ_SNAPSHOT_RUNNING] = READING_NONE;
    v[READ_SNAPSHOT_MS] = clock_wall_ms() - v[READ_SNAPSHOT_START_MS];
    v[READ_SNAPSHOT_COMPLETED] = delivered;
    v[READ_SNAPSHOT_ABORTED] = !delivered;
    readings_publish(p);
}

void readings_tables(struct pipeline *p, size_t n)
{
    p->readings.v[READ_TABLES] = (int64_t)n;
    p->readings.v[READ_TABLES_LEFT] = (int64_t)n;
    meter_tables_clear(p->face->meter);
    readings_publish(p);
}

void readings_table(struct pipeline *p, const struct relation *rel, uint64_t rows, bool done)
{
    if (done && p->readings.v[READ_TABLES_LEFT] > 0)
        p->readings.v[READ_TABLES_LEFT]--;
    meter_table(p->face->meter, rel->schema, rel->name, rows);
    readings_publish(p);
}

void readings_end(struct pipeline *p, bool failed)
{
    int64_t *v = p->readings.v;
    v[READ_FAILED_RUNS] += failed;
    readings_publish(p);
    for (int i = READ_QUEUE_BATCHES; i <= READ_SLOT_SAFE; i++)
        v[i] = READING_NONE;
    v[READ_LAG_MS] = v[READ_SNAPSHOT_RUNNING] = v[READ_RECEIVED_LSN] = v[READ_FLUSHED_LSN] = READING_NONE;
    meter_publish(p->face->meter, &p->readings);
}
