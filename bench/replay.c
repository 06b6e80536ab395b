/* replay.c - how fast a core decodes and encodes: messages of pgoutput to keys and values, nothing else.
 *
 *   replay ROWS [schemas]
 *
 * The stream is that of single-row inserts into the benchmark's table, made once and played again and again,
 * in transactions of 1000 rows. Prints rows a second, bytes a second, and allocations a row (counted by hooks
 * of malloc, calloc and realloc). */
#include "../tests/decoder/wire.h"
#include "clock.h"
#include "envelope.h"
#include "pgoutput.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define OID     16400
#define TX_ROWS 1000

static const char *const names[] = {"*id", "cust", "sku", "qty", "price", "note", "created", "ok"};
static const uint32_t oids[] = {20, 23, 25, 23, 1700, 25, 1184, 16};
static const struct type types_used[] = {
    {20, "pg_catalog", "int8", 'b', 0, 0, -1, false, NULL, 0},
    {23, "pg_catalog", "int4", 'b', 0, 0, -1, false, NULL, 0},
    {25, "pg_catalog", "text", 'b', 0, 0, -1, false, NULL, 0},
    {1700, "pg_catalog", "numeric", 'b', 0, 0, -1, false, NULL, 0},
    {1184, "pg_catalog", "timestamptz", 'b', 0, 0, -1, false, NULL, 0},
    {16, "pg_catalog", "bool", 'b', 0, 0, -1, false, NULL, 0},
};
static const struct type_modes modes = {.money_digits = 2,
                                        .placeholder = {"__debezium_unavailable_value", 28}};

struct replay {
    struct pgoutput *decoder;
    struct types *types;
    struct plan *plan;
    struct envelope *envelope;
    struct buf frames;   /* u32 length and message, one transaction's rows */
    struct buf boundary; /* its BEGIN or COMMIT */
    uint64_t bytes;
};

/* ---- allocations ---- */

static uint64_t allocations;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

/* ---- the stream ---- */

static void fail(const struct err *e)
{
    fprintf(stderr, "replay: %s\n", e->text);
    exit(1);
}

static void add_frame(struct buf *frames, const struct buf *message)
{
    uint32_t len = (uint32_t)message->len;
    buf_append(frames, &len, sizeof len);
    buf_slice(frames, buf_view(message));
}

static void make_rows(struct replay *r)
{
    struct buf m = BUF_EMPTY;
    for (int i = 0; i < TX_ROWS; i++) {
        char id[24], cust[24], sku[24], qty[8], price[24], note[64];
        snprintf(id, sizeof id, "%d", 1000000 + i);
        snprintf(cust, sizeof cust, "%d", i % 1000);
        snprintf(sku, sizeof sku, "SKU-%d", i % 5000);
        snprintf(qty, sizeof qty, "%d", i % 10);
        snprintf(price, sizeof price, "%d.%02d", i % 100, i % 100);
        snprintf(note, sizeof note, "note for row number %d", 1000000 + i);
        const char *const values[] = {id, cust, sku, qty, price, note, "2026-11-21 10:11:12.345678+00", "t"};
        wire_row(&m, 'I', OID);
        wire_tuple(&m, 'N', values, 8);
        add_frame(&r->frames, &m);
    }
    buf_free(&m);
}

static void make_plan(struct replay *r, bool schemas)
{
    static const uint16_t key[] = {0};
    struct err e;
    struct change change;
    struct buf m = BUF_EMPTY;
    wire_relation(&m, OID, "public", "bench", 'd', names, oids, 8);
    if (!pgoutput_parse(r->decoder, 0, buf_view(&m), &change, &e))
        fail(&e);
    buf_free(&m);
    change.relation->columns[0].not_null = true;
    change.relation->columns[4].typmod = (10 << 16 | 2) + 4;
    const struct json_style style = {.schemas = schemas, .null_as_default = true};
    const struct plan_settings settings = {r->types, &modes, style, style};
    const struct plan_choice choice = {.topic = "bench.public.bench", .key = key, .n_key = 1};
    r->plan = plan_new(&settings, change.relation, &choice, &e);
    if (!r->plan)
        fail(&e);
}

static void play(struct replay *r, struct change *change, lsn_t lsn, struct slice message)
{
    struct err e;
    if (!pgoutput_parse(r->decoder, lsn, message, change, &e))
        fail(&e);
}

static void play_rows(struct replay *r, const struct source *base, lsn_t lsn)
{
    struct err e;
    struct source source = *base;
    for (size_t at = 0; at < r->frames.len;) {
        uint32_t len;
        memcpy(&len, r->frames.ptr + at, sizeof len);
        struct change change;
        source.lsn = lsn++;
        play(r, &change, source.lsn, (struct slice){r->frames.ptr + at + sizeof len, len});
        const struct envelope_record *records;
        int n = envelope_make(r->envelope, r->plan, &change, &source, NULL, clock_wall_ns(), &records, &e);
        if (n < 0)
            fail(&e);
        r->bytes += records[0].key.len + records[0].value.len;
        at += sizeof len + len;
    }
}

static void play_transaction(struct replay *r, uint32_t xid)
{
    struct change change;
    lsn_t lsn = 1000000 + (lsn_t)xid * 1000000;
    wire_begin(&r->boundary, lsn + 500000, 1700000000000000 + xid, xid);
    play(r, &change, lsn, buf_view(&r->boundary));
    struct source source = {
        .name = "bench", .db = "bench", .ts_us = change.tx->commit_us, .tx_id = xid, .last_commit = lsn};
    play_rows(r, &source, lsn);
    wire_commit(&r->boundary, lsn + 500000, lsn + 500100);
    play(r, &change, lsn + 500100, buf_view(&r->boundary));
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr, "usage: replay ROWS [schemas]\n"), 2;
    long rows = atol(argv[1]);
    struct envelope_rules rules = {.tombstones = true};
    struct replay r = {.decoder = pgoutput_new(), .types = types_new(), .envelope = envelope_new(&rules)};
    for (size_t i = 0; i < sizeof types_used / sizeof *types_used; i++)
        types_set(r.types, &types_used[i]);
    make_plan(&r, argc > 2);
    make_rows(&r);
    play_transaction(&r, 1); /* buffers grow to their size */
    r.bytes = 0;
    uint64_t before = allocations;
    int64_t start = clock_mono_us();
    long played = 0;
    for (uint32_t xid = 2; played < rows; xid++, played += TX_ROWS)
        play_transaction(&r, xid);
    double took = (double)(clock_mono_us() - start) / 1e6;
    printf("%ld rows, %.0f rows/s, %.0f MB/s, %.4f allocations a row\n", played, (double)played / took,
           (double)r.bytes / took / 1e6, (double)(allocations - before) / (double)played);
    plan_free(r.plan);
    envelope_free(r.envelope);
    pgoutput_free(r.decoder);
    types_free(r.types);
    buf_free(&r.frames);
    buf_free(&r.boundary);
    return 0;
}
