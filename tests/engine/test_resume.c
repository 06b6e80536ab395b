/* test_resume.c - a take-over inside a transaction: nothing that the stored position calls done is sent
 * again, and nothing that it does not is left out. The positions are Debezium 3.7's own, as they were found
 * in its offsets topic; the streams are what PostgreSQL sends again after a start there. */
#include "resume.h"

#include "suite.h"

#include <string.h>

/* One message of the stream, and whether it is done. */
struct step {
    enum change_op op;
    uint32_t xid; /* 0: outside a transaction */
    lsn_t lsn;
    bool done;
};

static void play(const char *json, const struct step *steps)
{
    struct offset o;
    struct resume r;
    struct err e = {0};
    ck_assert_msg(offset_parse(slice_of(json), &o, &e), "%s", e.text);
    resume_init(&r, &o);
    for (int i = 0; steps[i].op; i++) {
        const struct transaction tx = {.xid = steps[i].xid};
        const struct change c = {.op = steps[i].op,
                                 .lsn = steps[i].lsn,
                                 .tx = steps[i].xid ? &tx : NULL,
                                 .transactional = steps[i].xid != 0};
        ck_assert_msg(resume_done(&r, &c) == steps[i].done, "%s: message %d is %s", json, i,
                      steps[i].done ? "sent again" : "left out");
    }
}

/* The usual one: the transaction has ended, but the position is that of its last row. */
START_TEST(a_row_of_a_finished_transaction)
{
    play("{\"lsn_proc\":2517334384,\"lsn_events_processed\":1,\"messageType\":\"INSERT\",\"lsn_commit\":"
         "2517333816,"
         "\"lsn\":2517334384,\"txId\":44503,\"ts_usec\":1795264572956382}",
         (struct step[]){{OP_BEGIN, 44503, 2517333864, true},
                         {OP_RELATION, 44503, 0, false},
                         {OP_INSERT, 44503, 2517333864, true},
                         {OP_INSERT, 44503, 2517334064, true},
                         {OP_INSERT, 44503, 2517334384, true},
                         {OP_COMMIT, 44503, 2517334560, false},
                         {OP_BEGIN, 44504, 2517334560, false},
                         {OP_INSERT, 44504, 2517334560, false},
                         {OP_COMMIT, 44504, 2517334904, false},
                         {OP_NONE}});
}
END_TEST

/* The rest of a transaction is sent, also the one that is the first after a snapshot. */
START_TEST(a_row_in_the_middle)
{
    play("{\"lsn_proc\":2517333408,\"lsn_events_processed\":1,\"messageType\":\"UPDATE\",\"lsn\":2517333408,"
         "\"txId\":44502,"
         "\"ts_usec\":1795264568413299}",
         (struct step[]){{OP_BEGIN, 44502, 2517333300, true},
                         {OP_INSERT, 44502, 2517333300, true},
                         {OP_UPDATE, 44502, 2517333408, true},
                         {OP_UPDATE, 44502, 2517333500, false},
                         {OP_DELETE, 44502, 2517333600, false},
                         {OP_COMMIT, 44502, 2517333816, false},
                         {OP_NONE}});
}
END_TEST

/* COPY: rows of one WAL record, that share an LSN, are counted. */
START_TEST(rows_of_one_record)
{
    play("{\"lsn_proc\":2557900000,\"lsn_events_processed\":2,\"messageType\":\"INSERT\",\"lsn_commit\":"
         "2553389248,"
         "\"lsn\":2557900000,\"txId\":44663,\"ts_usec\":1795264734859552}",
         (struct step[]){{OP_BEGIN, 44663, 2557899640, true},
                         {OP_UPDATE, 44663, 2557899640, true},
                         {OP_INSERT, 44663, 2557900000, true},
                         {OP_INSERT, 44663, 2557900000, true},
                         {OP_INSERT, 44663, 2557900000, false},
                         {OP_INSERT, 44663, 2557900800, false},
                         {OP_COMMIT, 44663, 2557901000, false},
                         {OP_NONE}});
}
END_TEST

/* Debezium counted one too many there if it was started again among these rows, so the last one comes twice
 * rather than perhaps not at all; it does so itself. */
START_TEST(rows_of_the_first_record)
{
    play("{\"lsn_proc\":2517334560,\"lsn_events_processed\":3,\"messageType\":\"INSERT\",\"lsn_commit\":"
         "2517334560,"
         "\"lsn\":2517334560,\"txId\":44504,\"ts_usec\":1795264577505121}",
         (struct step[]){{OP_BEGIN, 44504, 2517334560, true},
                         {OP_INSERT, 44504, 2517334560, true},
                         {OP_INSERT, 44504, 2517334560, true},
                         {OP_INSERT, 44504, 2517334560, false},
                         {OP_COMMIT, 44504, 2517334904, false},
                         {OP_NONE}});
}
END_TEST

/* Before 3.7 rows of one LSN were not counted: one of them is done for sure. */
START_TEST(a_position_without_a_count)
{
    play("{\"lsn_proc\":300,\"messageType\":\"INSERT\",\"lsn_commit\":100,\"lsn\":300,\"txId\":7,\"ts_usec\":"
         "1}",
         (struct step[]){{OP_BEGIN, 7, 200, true},
                         {OP_INSERT, 7, 200, true},
                         {OP_INSERT, 7, 300, true},
                         {OP_INSERT, 7, 300, false},
                         {OP_COMMIT, 7, 400, false},
                         {OP_NONE}});
}
END_TEST

/* With transaction metadata or heartbeats the position may be that of BEGIN, whose LSN is the first row's. */
START_TEST(a_begin)
{
    play("{\"lsn_proc\":200,\"messageType\":\"BEGIN\",\"lsn_commit\":100,\"lsn\":200,\"txId\":7,"
         "\"transaction_id\":\"7\"}",
         (struct step[]){
             {OP_BEGIN, 7, 200, true}, {OP_INSERT, 7, 200, false}, {OP_COMMIT, 7, 300, false}, {OP_NONE}});
}
END_TEST

/* A transaction that ran beside the one of the position has rows with smaller LSNs: they are not done. */
START_TEST(another_transaction)
{
    play("{\"lsn_proc\":300,\"lsn_events_processed\":1,\"messageType\":\"INSERT\",\"lsn_commit\":100,\"lsn\":"
         "300,\"txId\":7}",
         (struct step[]){{OP_BEGIN, 7, 150, true},
                         {OP_INSERT, 7, 150, true},
                         {OP_INSERT, 7, 300, true},
                         {OP_COMMIT, 7, 400, false},
                         {OP_BEGIN, 8, 160, false},
                         {OP_INSERT, 8, 160, false},
                         {OP_COMMIT, 8, 500, false},
                         {OP_NONE}});
    play("{\"lsn_proc\":300,\"lsn_events_processed\":1,\"messageType\":\"INSERT\",\"lsn_commit\":100,\"lsn\":"
         "300,\"txId\":7}",
         (struct step[]){
             {OP_BEGIN, 8, 160, false}, {OP_INSERT, 8, 160, false}, {OP_COMMIT, 8, 500, false}, {OP_NONE}});
}
END_TEST

/* PostgreSQL sends a message outside a transaction again when the start is its own position. */
START_TEST(messages)
{
    play("{\"lsn_proc\":2521823840,\"messageType\":\"MESSAGE\",\"lsn_commit\":2521823840,\"lsn\":2521823840,"
         "\"ts_usec\":1795264582102111}",
         (struct step[]){{OP_MESSAGE, 0, 2521823840, true},
                         {OP_MESSAGE, 0, 2521823900, false},
                         {OP_BEGIN, 44525, 2521824000, false},
                         {OP_COMMIT, 44525, 2521825100, false},
                         {OP_NONE}});
    play("{\"lsn_proc\":2521825016,\"lsn_events_processed\":1,\"messageType\":\"MESSAGE\",\"lsn_commit\":"
         "2521823840,"
         "\"lsn\":2521825016,\"txId\":44525,\"ts_usec\":1795264591226693}",
         (struct step[]){{OP_MESSAGE, 0, 2521823840, true},
                         {OP_BEGIN, 44525, 2521824000, true},
                         {OP_UPDATE, 44525, 2521824000, true},
                         {OP_MESSAGE, 44525, 2521825016, true},
                         {OP_INSERT, 44525, 2521825100, false},
                         {OP_COMMIT, 44525, 2521825200, false},
                         {OP_NONE}});
}
END_TEST

/* Positions between transactions: of a commit, of a snapshot, and of Debezium before it said which message.
 */
START_TEST(nothing_is_done)
{
    static const char *const positions[] = {
        "{\"lsn_proc\":300,\"messageType\":\"COMMIT\",\"lsn_commit\":300,\"lsn\":300,\"txId\":7}",
        "{\"last_snapshot_record\":true,\"lsn\":300,\"txId\":7,\"ts_usec\":1,\"snapshot\":\"INITIAL\","
        "\"snapshot_completed\":true}",
        "{\"lsn_proc\":300,\"lsn\":300,\"txId\":7,\"ts_usec\":1}",
    };
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++)
        play(positions[i], (struct step[]){{OP_MESSAGE, 0, 300, false},
                                           {OP_BEGIN, 7, 300, false},
                                           {OP_INSERT, 7, 300, false},
                                           {OP_COMMIT, 7, 400, false},
                                           {OP_NONE}});
}
END_TEST

/* ---- leaving ---- */

static int halt_at(const lsn_t *rows, lsn_t begin, struct halt *h)
{
    *h = (struct halt){.wanted = true};
    for (int i = 0; rows[i]; i++)
        if (halt_before(h, &(struct change){.op = OP_INSERT, .lsn = rows[i]}, begin))
            return i;
    return -1;
}

/* A transaction is left where all rows of an LSN are out and were counted from the first one. */
START_TEST(a_halt_is_between_records)
{
    struct halt h;
    ck_assert_int_eq(halt_at((lsn_t[]){100, 100, 200, 200, 200, 300, 0}, 10, &h), 5);
    ck_assert_uint_eq(h.lsn, 200);
    ck_assert_uint_eq(h.events, 3);
    ck_assert_str_eq(resume_message_type(h.op), "INSERT");
    ck_assert_int_eq(halt_at((lsn_t[]){100, 100, 100, 0}, 10, &h), -1);
}
END_TEST

/* Nor behind several rows with the LSN of BEGIN. */
START_TEST(a_halt_is_not_behind_the_first_record)
{
    struct halt h;
    ck_assert_int_eq(halt_at((lsn_t[]){50, 100, 100, 200, 300, 0}, 100, &h), 4);
    ck_assert_uint_eq(h.lsn, 200);
    ck_assert_int_eq(halt_at((lsn_t[]){50, 100, 200, 0}, 100, &h), 2);
    ck_assert_uint_eq(h.lsn, 100);
}
END_TEST

/* A start at the place that was left goes on with the very next row. */
START_TEST(a_halt_is_gone_on_from)
{
    play("{\"lsn_proc\":200,\"messageType\":\"INSERT\",\"lsn_commit\":5,\"lsn\":200,\"lsn_events_processed\":"
         "3,\"txId\":7,"
         "\"transaction_id\":\"7\",\"transaction_data_collection_order_public.t\":5}",
         (struct step[]){{OP_BEGIN, 7, 10, true},
                         {OP_INSERT, 7, 100, true},
                         {OP_INSERT, 7, 200, true},
                         {OP_INSERT, 7, 200, true},
                         {OP_INSERT, 7, 200, true},
                         {OP_INSERT, 7, 300, false},
                         {OP_COMMIT, 7, 400, false},
                         {OP_NONE}});
}
END_TEST

/* What came with walwire_events is counted without BEGIN: of the rows of the first record so many are done,
 * not one fewer, and of TRUNCATE the whole. */
START_TEST(an_exact_position_repeats_nothing)
{
    play("{\"lsn_proc\":100,\"messageType\":\"INSERT\",\"lsn_commit\":50,\"lsn\":100,\"lsn_events_"
         "processed\":2,"
         "\"txId\":7,\"walwire_events\":2}",
         (struct step[]){{OP_BEGIN, 7, 100, true},
                         {OP_INSERT, 7, 100, true},
                         {OP_INSERT, 7, 100, true},
                         {OP_INSERT, 7, 100, false},
                         {OP_UPDATE, 7, 200, false},
                         {OP_COMMIT, 7, 400, false},
                         {OP_BEGIN, 8, 400, false},
                         {OP_INSERT, 8, 400, false},
                         {OP_NONE}});
    play("{\"lsn\":200,\"messageType\":\"MESSAGE\",\"lsn_commit\":50,\"txId\":7,\"walwire_events\":1}",
         (struct step[]){{OP_MESSAGE, 0, 40, true},
                         {OP_BEGIN, 7, 100, true},
                         {OP_TRUNCATE, 7, 100, true},
                         {OP_MESSAGE, 7, 200, true},
                         {OP_MESSAGE, 7, 300, false},
                         {OP_COMMIT, 7, 400, false},
                         {OP_NONE}});
}
END_TEST

/* Only BEGIN's own record is out: no row is done. */
START_TEST(an_exact_position_of_begin)
{
    play("{\"lsn\":100,\"messageType\":\"BEGIN\",\"lsn_commit\":50,\"txId\":7,\"walwire_events\":0}",
         (struct step[]){{OP_BEGIN, 7, 100, true},
                         {OP_INSERT, 7, 100, false},
                         {OP_INSERT, 7, 200, false},
                         {OP_COMMIT, 7, 400, false},
                         {OP_NONE}});
}
END_TEST

/* At every place of a transaction: a start from the position noted there does what is missing and nothing
 * else. */
START_TEST(a_place_is_gone_on_from)
{
    static const struct step rows[] = {{OP_BEGIN, 7, 100},  {OP_INSERT, 7, 100},   {OP_INSERT, 7, 100},
                                       {OP_UPDATE, 7, 200}, {OP_TRUNCATE, 7, 300}, {OP_MESSAGE, 7, 350},
                                       {OP_INSERT, 7, 400}, {OP_INSERT, 7, 400},   {OP_INSERT, 7, 400}};
    enum { N = sizeof rows / sizeof *rows };
    const struct transaction tx = {.xid = 7};
    for (int left = 0; left < N; left++) {
        struct place place = {.lsn = 999, .events = 9}; /* of the transaction before */
        struct resume r;
        for (int i = 0; i <= left; i++)
            place_note(&place, &(struct change){.op = rows[i].op, .lsn = rows[i].lsn, .tx = &tx});
        const struct offset o = {.present = true,
                                 .tx_id = 7,
                                 .lsn = place.lsn ? place.lsn : 100,
                                 .counted = true,
                                 .events = (int64_t)place.events};
        resume_init(&r, &o);
        for (int i = 0; i < N; i++) {
            const struct change c = {.op = rows[i].op, .lsn = rows[i].lsn, .tx = &tx, .transactional = true};
            ck_assert_msg(resume_done(&r, &c) == (i <= left), "left behind %d: message %d", left, i);
        }
    }
}
END_TEST

SUITE_MAIN("resume", a_row_of_a_finished_transaction, a_row_in_the_middle, rows_of_one_record,
           rows_of_the_first_record, a_position_without_a_count, a_begin, another_transaction, messages,
           nothing_is_done, a_halt_is_between_records, a_halt_is_not_behind_the_first_record,
           a_halt_is_gone_on_from, an_exact_position_repeats_nothing, an_exact_position_of_begin,
           a_place_is_gone_on_from)
