/* test_pgoutput.c - every message of protocol version 1 is read as the server wrote it, and nothing else is
 * accepted. */
#include "pgoutput.h"

#include "suite.h"
#include "wire.h"

#define OID 16400
static const char *const columns[] = {"*id", "note", "big"};
static const uint32_t types[] = {23, 25, 25};

static struct pgoutput *decoder;
static struct buf frame;
static struct change change;
static struct err e;

static bool parse(lsn_t lsn)
{
    return pgoutput_parse(decoder, lsn, buf_view(&frame), &change, &e);
}

static void open_stream(char identity)
{
    decoder = pgoutput_new();
    frame = BUF_EMPTY;
    wire_relation(&frame, OID, "public", "t", identity, columns, types, 3);
    ck_assert(parse(0));
    wire_begin(&frame, 500, 1700000000123456, 77);
    ck_assert(parse(400));
}

static void close_stream(void)
{
    pgoutput_free(decoder);
    buf_free(&frame);
}

static void expect(const struct cell *c, char kind, const char *text)
{
    ck_assert_int_eq(c->kind, kind);
    if (text)
        ck_assert(slice_is(c->data, text));
}

START_TEST(a_transaction_has_its_xid_commit_time_and_positions)
{
    open_stream('d');
    ck_assert_int_eq(change.op, OP_BEGIN);
    ck_assert_uint_eq(change.lsn, 400);
    ck_assert_uint_eq(change.tx->xid, 77);
    ck_assert_uint_eq(change.tx->commit_lsn, 500);
    ck_assert_int_eq(change.tx->commit_us, 1700000000123456);
    wire_commit(&frame, 500, 540);
    ck_assert(parse(540));
    ck_assert_int_eq(change.op, OP_COMMIT);
    ck_assert_uint_eq(change.tx->end_lsn, 540);
    close_stream();
}
END_TEST

START_TEST(a_relation_replaces_the_former_one_whole)
{
    open_stream('d');
    static const char *const fewer[] = {"*id"};
    wire_relation(&frame, OID, "", "renamed", 'f', fewer, types, 1);
    ck_assert(parse(0));
    ck_assert_int_eq(change.op, OP_RELATION);
    const struct relation *rel = relations_find(pgoutput_relations(decoder), OID);
    ck_assert_str_eq(rel->name, "renamed");
    ck_assert_str_eq(rel->schema, "pg_catalog");
    ck_assert_uint_eq(rel->n_columns, 1);
    ck_assert(rel->columns[0].identity);
    close_stream();
}
END_TEST

/* One that was described again since is another one. */
START_TEST(a_relation_is_dropped_unless_it_was_replaced)
{
    open_stream('d');
    struct relations *all = pgoutput_relations(decoder);
    uint64_t number = relations_find(all, OID)->number;
    wire_relation(&frame, OID, "public", "again", 'd', (const char *const[]){"*id"}, types, 1);
    ck_assert(parse(0));
    ck_assert_uint_eq(relations_count(all), 1);
    relations_drop(all, OID, number);
    ck_assert_str_eq(relations_find(all, OID)->name, "again");
    relations_drop(all, OID, relations_find(all, OID)->number);
    ck_assert_ptr_null(relations_find(all, OID));
    ck_assert_uint_eq(relations_count(all), 0);
    size_t at = 0;
    ck_assert_ptr_null(relations_next(all, &at));
    close_stream();
}
END_TEST

START_TEST(rows_tell_null_from_text_from_unchanged)
{
    open_stream('d');
    wire_row(&frame, 'I', OID);
    wire_tuple(&frame, 'N', (const char *const[]){"1", NULL, ""}, 3);
    ck_assert(parse(410));
    ck_assert_int_eq(change.op, OP_INSERT);
    ck_assert_ptr_null(change.before);
    expect(&change.after[0], 't', "1");
    expect(&change.after[1], 'n', NULL);
    expect(&change.after[2], 't', "");
    wire_row(&frame, 'U', OID);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "x", "\x01"}, 3);
    ck_assert(parse(420));
    ck_assert_int_eq(change.op, OP_UPDATE);
    expect(&change.after[2], 'u', NULL);
    close_stream();
}
END_TEST

START_TEST(a_full_old_row_fills_in_what_the_new_one_leaves_out)
{
    open_stream('f');
    wire_row(&frame, 'U', OID);
    wire_tuple(&frame, 'O', (const char *const[]){"1", "old", "LARGE"}, 3);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "new", "\x01"}, 3);
    ck_assert(parse(410));
    ck_assert_int_eq(change.before_kind, 'O');
    expect(&change.before[1], 't', "old");
    expect(&change.after[1], 't', "new");
    expect(&change.after[2], 't', "LARGE");
    close_stream();
}
END_TEST

START_TEST(a_delete_has_the_key_only)
{
    open_stream('d');
    wire_row(&frame, 'D', OID);
    wire_tuple(&frame, 'K', (const char *const[]){"1", NULL, NULL}, 3);
    ck_assert(parse(410));
    ck_assert_int_eq(change.op, OP_DELETE);
    ck_assert_int_eq(change.before_kind, 'K');
    ck_assert_ptr_null(change.after);
    close_stream();
}
END_TEST

static void truncate_frame(uint32_t oid)
{
    buf_reset(&frame);
    buf_char(&frame, 'T');
    wire_u32(&frame, 2);
    buf_char(&frame, 1);
    wire_u32(&frame, OID);
    wire_u32(&frame, oid);
}

START_TEST(a_truncate_names_each_table)
{
    open_stream('d');
    truncate_frame(OID);
    ck_assert(parse(410));
    ck_assert_uint_eq(change.n_truncated, 2);
    ck_assert_str_eq(change.truncated[1]->name, "t");
    truncate_frame(OID + 1);
    ck_assert(!parse(410));
    ck_assert_int_eq(e.kind, ERR_DATA);
    close_stream();
}
END_TEST

static void message_frame(char flags, uint32_t claimed)
{
    buf_reset(&frame);
    buf_char(&frame, 'M');
    buf_char(&frame, flags);
    wire_u64(&frame, 415);
    wire_cstr(&frame, "prefix");
    wire_u32(&frame, claimed);
    buf_str(&frame, "bytes");
}

START_TEST(messages_know_whether_they_belong_to_the_transaction)
{
    open_stream('d');
    message_frame(1, 5);
    ck_assert(parse(415));
    ck_assert(change.transactional && change.tx);
    ck_assert(slice_is(change.content, "bytes") && slice_is(change.prefix, "prefix"));
    wire_commit(&frame, 500, 540);
    ck_assert(parse(540));
    message_frame(0, 5);
    ck_assert(parse(560));
    ck_assert(!change.transactional && !change.tx);
    close_stream();
}
END_TEST

START_TEST(origin_and_type_messages_are_read)
{
    open_stream('d');
    buf_reset(&frame);
    buf_char(&frame, 'O');
    wire_u64(&frame, 99);
    wire_cstr(&frame, "node_a");
    ck_assert(parse(0));
    ck_assert_int_eq(change.op, OP_NONE);
    ck_assert_str_eq(change.tx->origin, "node_a");
    ck_assert_uint_eq(change.tx->origin_lsn, 99);
    buf_reset(&frame);
    buf_char(&frame, 'Y');
    wire_u32(&frame, 16500);
    wire_cstr(&frame, "public");
    wire_cstr(&frame, "mood");
    ck_assert(parse(0));
    close_stream();
}
END_TEST

/* ---- what must be refused: never a crash, never a guess ---- */

static void refused_at_every_length(void)
{
    struct buf whole = frame;
    for (size_t n = 0; n < whole.len; n++) {
        struct pgoutput *fresh = pgoutput_new();
        struct buf open = BUF_EMPTY;
        wire_relation(&open, OID, "public", "t", 'd', columns, types, 3);
        ck_assert(pgoutput_parse(fresh, 0, buf_view(&open), &change, &e));
        if (whole.ptr[0] != 'B') {
            wire_begin(&open, 500, 0, 1);
            ck_assert(pgoutput_parse(fresh, 0, buf_view(&open), &change, &e));
        }
        char *exact = xmalloc(n + 1); /* so that a sanitizer sees one byte too many */
        memcpy(exact, whole.ptr, n);
        ck_assert_msg(!pgoutput_parse(fresh, 7, (struct slice){exact, n}, &change, &e), "cut at %zu of '%c'",
                      n, whole.ptr[0]);
        ck_assert_int_eq(e.kind, ERR_DATA);
        free(exact);
        buf_free(&open);
        pgoutput_free(fresh);
    }
}

START_TEST(a_message_cut_short_anywhere_is_refused)
{
    open_stream('f');
    wire_row(&frame, 'U', OID);
    wire_tuple(&frame, 'O', (const char *const[]){"1", "old", NULL}, 3);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "new", "\x01"}, 3);
    refused_at_every_length();
    wire_row(&frame, 'D', OID);
    wire_tuple(&frame, 'K', (const char *const[]){"1", NULL, NULL}, 3);
    refused_at_every_length();
    wire_begin(&frame, 500, 0, 1);
    refused_at_every_length();
    wire_commit(&frame, 500, 540);
    refused_at_every_length();
    wire_relation(&frame, OID, "public", "t", 'd', columns, types, 3);
    refused_at_every_length();
    truncate_frame(OID);
    refused_at_every_length();
    message_frame(1, 5);
    refused_at_every_length();
    close_stream();
}
END_TEST

START_TEST(bytes_left_over_are_refused)
{
    open_stream('d');
    wire_commit(&frame, 500, 540);
    buf_char(&frame, 0);
    ck_assert(!parse(540));
    ck_assert_msg(strstr(e.text, "left over") != NULL, "%s", e.text);
    close_stream();
}
END_TEST

static void refused(const char *why)
{
    ck_assert_msg(!parse(410), "%s was accepted", why);
    ck_assert_int_eq(e.kind, ERR_DATA);
    close_stream();
}

START_TEST(what_breaks_the_protocol_is_refused)
{
    open_stream('d');
    wire_row(&frame, 'I', OID + 1);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "a", "b"}, 3);
    refused("an unknown relation");

    open_stream('d');
    wire_row(&frame, 'I', OID);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "a"}, 2);
    refused("a tuple of another width");

    open_stream('d');
    wire_row(&frame, 'I', OID);
    wire_tuple(&frame, 'K', (const char *const[]){"1", "a", "b"}, 3);
    refused("an insert with an old tuple");

    open_stream('d');
    wire_row(&frame, 'D', OID);
    wire_tuple(&frame, 'K', (const char *const[]){"1", "\x01", NULL}, 3);
    refused("an unchanged value in an old tuple");

    open_stream('d');
    wire_begin(&frame, 600, 0, 78);
    refused("BEGIN inside a transaction");

    open_stream('d');
    wire_commit(&frame, 501, 540);
    refused("COMMIT of another LSN");

    open_stream('d');
    wire_commit(&frame, 500, 540);
    frame.ptr[1] = 1;
    refused("COMMIT with flags");

    open_stream('d');
    wire_commit(&frame, 500, 540);
    ck_assert(parse(540));
    wire_begin(&frame, 600, INT64_MAX / 1000 + 1, 78);
    refused("a time that does not fit in nanoseconds");

    open_stream('d');
    message_frame(1, 0x7fffffff);
    refused("a message longer than its frame");

    open_stream('d');
    buf_reset(&frame);
    buf_str(&frame, "S1234");
    refused("a message type of a later protocol");
}
END_TEST

START_TEST(rows_outside_a_transaction_are_refused)
{
    open_stream('d');
    wire_commit(&frame, 500, 540);
    ck_assert(parse(540));
    wire_row(&frame, 'I', OID);
    wire_tuple(&frame, 'N', (const char *const[]){"1", "a", "b"}, 3);
    refused("a row after COMMIT");
}
END_TEST

SUITE_MAIN("pgoutput", a_transaction_has_its_xid_commit_time_and_positions,
           a_relation_replaces_the_former_one_whole, a_relation_is_dropped_unless_it_was_replaced,
           rows_tell_null_from_text_from_unchanged, a_full_old_row_fills_in_what_the_new_one_leaves_out,
           a_delete_has_the_key_only, a_truncate_names_each_table,
           messages_know_whether_they_belong_to_the_transaction, origin_and_type_messages_are_read,
           a_message_cut_short_anywhere_is_refused, bytes_left_over_are_refused,
           what_breaks_the_protocol_is_refused, rows_outside_a_transaction_are_refused)
