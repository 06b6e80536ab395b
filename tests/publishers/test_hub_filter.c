/* test_hub_filter.c - filtered subscriptions: what an update is to them, whom a change wakes, and that
 * nothing is missed or told twice whatever becomes of the window. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"
#include "xmalloc.h"

static const bool ALL[] = {true, true, true};
static const struct hub_table *whole; /* as items, but its old images are whole */

static void setup_with(struct hub_options options)
{
    play_with(options);
    struct hub_table_info info = {"public.whole", ITEM_COLUMNS, 3, FIRST, 1, ALL};
    whole = hub_table_set(hub, source, &info);
    hub_turn(hub);
}

static void setup(void)
{
    setup_with((struct hub_options){.rate = 1000000});
}

/* One change with these names before and after, as JSON; NULL: there is no such image. The old image of a
 * table that is not `whole` has no names. */
static void change(const struct hub_table *t, char op, lsn_t lsn, int id, const char *old, const char *row)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice after[] = {slice_of(text), slice_of(row), SLICE("null")},
                 before[] = {slice_of(text), {0}, {0}};
    if (t == whole && old) {
        before[1] = slice_of(old);
        before[2] = SLICE("null");
    }
    publish_values(t, op, lsn, after, old ? before : NULL);
}

static void subscribe(struct client *c, int id, const char *table, const char *where, const char *more)
{
    char text[600];
    snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"id\":%d,\"table\":\"public.%s\",\"where\":%s%s}",
             id, table, where, more);
    say(c, text);
}

static struct client *filtered(const char *table, const char *where, const char *more)
{
    struct client *c = welcomed();
    subscribe(c, 1, table, where, more);
    expect_type(c, "subscribed");
    return c;
}

/* A row that comes into sight enters, one that goes out of sight exits with its key. */
START_TEST(rows_enter_and_exit)
{
    struct client *c = filtered("whole", "[\"name\",\"eq\",\"a\"]", ",\"old\":\"full\"");
    change(whole, 'c', 200, 1, NULL, "\"b\"");
    change(whole, 'u', 201, 1, "\"b\"", "\"a\"");
    change(whole, 'u', 202, 1, "\"a\"", "\"a\"");
    change(whole, 'u', 203, 1, "\"a\"", "null");
    change(whole, 'u', 204, 1, "null", "\"b\"");
    change(whole, 'd', 205, 1, "\"b\"", NULL);
    change(whole, 'c', 206, 2, NULL, "\"a\"");
    change(whole, 'd', 207, 2, "\"a\"", NULL);
    expect(expect_op(c, "enter", 1), "row", "{\"id\":1,\"name\":\"a\",\"big\":null}");
    expect_op(c, "u", 1);
    struct json_object *left = expect_op(c, "exit", 1);
    expect(left, "row", "null");
    expect(left, "old", "{\"id\":1,\"name\":\"a\",\"big\":null}");
    expect(left, "unchanged", "absent");
    expect_op(c, "c", 2);
    expect_op(c, "d", 2);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Where the old image does not say, the client finds out: it upserts, or ignores a key that it does not hold.
 */
START_TEST(an_old_row_that_is_not_known)
{
    struct client *c = filtered("items", "[\"name\",\"eq\",\"a\"]", "");
    change(items, 'u', 201, 1, NULL, "\"a\"");
    change(items, 'u', 202, 1, NULL, "\"b\"");
    change(items, 'u', 203, 1, NULL, "\"b\"");
    change(items, 'd', 204, 1, "", NULL);
    expect_op(c, "u", 1);
    expect_op(c, "exit", 1);
    expect_op(c, "exit", 1);
    expect_op(c, "d", 1);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* An update without an old image has not changed the replica identity: what a filter reads there is known. */
START_TEST(the_identity_is_known_without_an_old_image)
{
    struct client *c = filtered("items", "[\"id\",\"in\",[1,3]]", "");
    change(items, 'u', 201, 1, NULL, "\"a\"");
    change(items, 'u', 202, 2, NULL, "\"a\"");
    change(items, 'd', 203, 2, "", NULL);
    change(items, 'd', 204, 3, "", NULL);
    change(items, 't', 205, 0, NULL, NULL);
    expect_op(c, "u", 1);
    expect_op(c, "d", 3);
    expect_op(c, "t", 0);
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(deletes_are_filtered_where_the_identity_has_the_columns)
{
    static const char *const cases[][3] = {
        {"items", "[\"id\",\"lt\",5]", "\"filtered\""},
        {"items", "{\"and\":[[\"id\",\"lt\",5],[\"name\",\"null\"]]}", "\"unfiltered\""},
        {"whole", "{\"and\":[[\"id\",\"lt\",5],[\"name\",\"null\"]]}", "\"filtered\""},
    };
    struct client *c = welcomed();
    for (int i = 0; i < 3; i++) {
        subscribe(c, i, cases[i][0], cases[i][1], "");
        expect(expect_type(c, "subscribed"), "deletes", cases[i][2]);
    }
    client_free(c);
}
END_TEST

/* To the client, what enters is created and what leaves is deleted. */
START_TEST(operations_are_those_that_the_client_sees)
{
    struct client *membership = filtered("whole", "[\"name\",\"eq\",\"a\"]", ",\"ops\":\"cd\"");
    struct client *within = filtered("whole", "[\"name\",\"eq\",\"a\"]", ",\"ops\":\"u\"");
    change(whole, 'u', 201, 1, "\"b\"", "\"a\"");
    change(whole, 'u', 202, 1, "\"a\"", "\"a\"");
    change(whole, 'u', 203, 1, "\"a\"", "\"b\"");
    change(whole, 't', 204, 0, NULL, NULL);
    expect_op(membership, "enter", 1);
    expect_op(membership, "exit", 1);
    expect_nothing(membership);
    expect_op(within, "u", 1);
    expect_nothing(within);
    client_free(membership);
    client_free(within);
}
END_TEST

/* A large value that did not change, was not sent and matters: nobody can tell, so the client begins anew. */
START_TEST(what_cannot_be_judged_resets)
{
    struct client *c = filtered("items", "[\"name\",\"eq\",\"a\"]", "");
    struct client *other_part =
        filtered("items", "{\"and\":[[\"id\",\"eq\",2],[\"name\",\"eq\",\"a\"]]}", "");
    change(items, 'c', 200, 1, NULL, "\"a\"");
    change(items, 'u', 201, 1, NULL, NULL);
    change(items, 'c', 202, 1, NULL, "\"a\"");
    expect_op(c, "c", 1);
    expect(expect_type(c, "reset"), "reason", "\"unknown\"");
    expect_nothing(c);
    expect_nothing(other_part);
    client_free(c);
    client_free(other_part);
}
END_TEST

/* However it is written, the same filter is one channel, and a change is encoded once for it. */
START_TEST(equal_filters_share_a_channel)
{
    struct client *a = filtered("whole", "{\"and\":[[\"id\",\"in\",[2,1]],[\"name\",\"notnull\"]]}", "");
    struct client *b = filtered("whole", "{\"and\":[[\"name\",\"notnull\"],[\"id\",\"in\",[1,\"2\"]]]}", "");
    struct client *c = filtered("whole", "[\"id\",\"in\",[1,2,3]]", "");
    struct hub_stats before, after;
    hub_stats(hub, &before);
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    expect(expect_op(a, "c", 1), "channel", "1");
    expect(expect_op(b, "c", 1), "channel", "1");
    expect(expect_op(c, "c", 1), "channel", "2");
    hub_turn(hub);
    hub_stats(hub, &after);
    ck_assert_uint_eq(after.encoded - before.encoded, 2);
    ck_assert_uint_eq(after.channels, 2);
    client_free(a);
    client_free(b);
    client_free(c);
}
END_TEST

/* A change wakes only those that it is for. */
START_TEST(others_are_not_woken)
{
    enum { MANY = 50 };
    struct client *clients[MANY];
    size_t asked[MANY];
    char where[60];
    for (int i = 0; i < MANY; i++) {
        snprintf(where, sizeof(where), "[\"name\",\"eq\",\"n%d\"]", i);
        clients[i] = filtered("whole", where, "");
        client_read(clients[i]);
        asked[i] = clients[i]->asked;
    }
    change(whole, 'u', 200, 1, "\"n7\"", "\"n9\"");
    hub_turn(hub);
    for (int i = 0; i < MANY; i++)
        ck_assert_uint_eq(clients[i]->asked - asked[i], i == 7 || i == 9);
    expect_op(clients[7], "exit", 1);
    expect_op(clients[9], "enter", 1);
    for (int i = 0; i < MANY; i++)
        client_free(clients[i]);
}
END_TEST

/* However many there are: a change is held against the filters that want its values, before and after, alone.
 */
START_TEST(what_a_change_costs_does_not_grow_with_subscriptions)
{
    enum { SESSIONS = 200, EACH = 100, CHANGES = 1000 };
    struct client *clients[SESSIONS];
    struct hub_stats before, after;
    char where[80], old[20], new[20];
    for (int i = 0; i < SESSIONS * EACH; i++) {
        if (i % EACH == 0)
            clients[i / EACH] = welcomed();
        snprintf(where, sizeof(where), "[\"name\",\"eq\",\"n%d\"]", i);
        subscribe(clients[i / EACH], i % EACH, "whole", where, "");
        expect_type(clients[i / EACH], "subscribed");
    }
    hub_turn(hub);
    hub_stats(hub, &before);
    ck_assert_uint_eq(before.channels, SESSIONS * EACH);
    for (int i = 0; i < CHANGES; i++) {
        int from = i * 7919 % (SESSIONS * EACH), to = i % 2 ? from : (from + EACH) % (SESSIONS * EACH);
        snprintf(old, sizeof(old), "\"n%d\"", from);
        snprintf(new, sizeof(new), "\"n%d\"", to);
        change(whole, 'u', (lsn_t)(200 + i), 1, old, new);
        hub_turn(hub);
        expect_op(clients[from / EACH], from == to ? "u" : "exit", 1);
        if (from != to)
            expect_op(clients[to / EACH], "enter", 1);
    }
    hub_turn(hub);
    hub_stats(hub, &after);
    ck_assert_uint_eq(after.judged - before.judged, CHANGES * 3 / 2);
    ck_assert_uint_eq(after.sent - before.sent, CHANGES * 3 / 2);
    for (int i = 0; i < SESSIONS; i++)
        client_free(clients[i]);
}
END_TEST

START_TEST(a_filter_is_judged_from_where_a_client_resumes)
{
    struct client *c = welcomed(), *first = filtered("whole", "[\"name\",\"eq\",\"x\"]", "");
    for (int i = 1; i <= 10; i++)
        change(whole, 'c', (lsn_t)(200 + i), i, NULL, i % 2 ? "\"a\"" : "\"b\"");
    hub_turn(hub);
    char from[100];
    snprintf(from, sizeof(from), ",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}", pos_text(203, 1));
    subscribe(c, 1, "whole", "[\"name\",\"eq\",\"a\"]", from);
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    for (int i = 5; i <= 9; i += 2)
        expect_op(c, "c", i);
    change(whole, 'c', 300, 11, NULL, "\"a\"");
    change(whole, 'c', 301, 12, NULL, "\"b\"");
    expect_op(c, "c", 11);
    expect_nothing(c);
    client_free(c);
    client_free(first);
}
END_TEST

/* The reader is told the filter, and the changes that its snapshot did not see follow. */
START_TEST(a_snapshot_has_the_filter)
{
    struct client *keeper = filtered("whole", "[\"id\",\"gt\",0]", ""), *c = welcomed();
    struct hub_request request;
    const uint64_t running[] = {202};
    struct hub_visibility v = {.xmin = 202, .xmax = 203, .xip = running, .n_xip = 1, .insert_lsn = 203};
    for (int i = 1; i <= 3; i++)
        change(whole, 'c', (lsn_t)(200 + i), i, NULL, "\"a\"");
    hub_position(hub, source, 204, 0);
    hub_turn(hub);
    subscribe(c, 1, "whole", "[\"name\",\"eq\",\"a\"]", ",\"snapshot\":true");
    ck_assert(hub_request_take(hub, source, 1000, &request));
    ck_assert_str_eq(request.where,
                     "(\"name\"::pg_catalog.text COLLATE pg_catalog.\"C\" = 'a'::pg_catalog.text "
                     "AND \"name\"::pg_catalog.text = 'a'::pg_catalog.text)");
    ck_assert_int_eq(hub_rows_begin(hub, request.id, &v), HUB_GO);
    ck_assert(hub_rows(hub, request.id, SLICE("[{\"id\":1,\"name\":\"a\",\"big\":null}]"), 1));
    hub_rows_end(hub, request.id);
    expect_type(c, "subscribed");
    expect_type(c, "rows");
    expect_type(c, "ready");
    change(whole, 'u', 210, 1, "\"a\"", "\"b\"");
    change(whole, 'u', 211, 9, "\"b\"", "\"b\"");
    expect_op(c, "c", 2);
    expect_op(c, "c", 3);
    expect_op(c, "exit", 1);
    expect_nothing(c);
    client_free(c);
    client_free(keeper);
}
END_TEST

/* Changes of a session's tables come in the order of their commits, filtered or not. */
START_TEST(order_holds_across_tables)
{
    struct client *c = filtered("whole", "[\"name\",\"eq\",\"a\"]", "");
    say(c, "{\"type\":\"subscribe\",\"id\":2,\"table\":\"public.items\"}");
    subscribe(c, 3, "other", "[\"id\",\"gt\",3]", "");
    expect_type(c, "subscribed");
    expect_type(c, "subscribed");
    const struct hub_table *tables[] = {whole, items, other};
    for (int i = 4; i < 40; i++)
        change(tables[i % 3], 'c', (lsn_t)(200 + i), i, NULL, i % 2 ? "\"a\"" : "\"b\"");
    for (int i = 4; i < 40; i++)
        if (i % 3 || i % 2)
            expect_op(c, "c", i);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Who did not keep up with the changes that are for it is told so; others' changes do not count. */
START_TEST(the_window_loses_only_what_is_for_a_client)
{
    play_teardown();
    setup_with((struct hub_options){.window_bytes = 20000});
    struct client *quiet = filtered("whole", "[\"id\",\"eq\",1]", ""),
                  *busy = filtered("whole", "[\"id\",\"gt\",1]", "");
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    expect_op(quiet, "c", 1);
    for (int i = 2; i < 1000; i++) {
        change(whole, 'c', (lsn_t)(200 + i), i, NULL, "\"a\"");
        hub_turn(hub);
    }
    expect_nothing(quiet);
    expect(expect_type(busy, "reset"), "reason", "\"slow\"");
    change(whole, 'u', 2000, 1, "\"a\"", "\"b\"");
    expect(expect_op(quiet, "u", 1), "pos", pos_text(2000, 1));
    client_free(quiet);
    client_free(busy);
}
END_TEST

START_TEST(another_shape_resets_filtered_ones)
{
    struct client *c = filtered("whole", "[\"id\",\"eq\",1]", "");
    struct hub_table_info info = {"public.whole", ITEM_COLUMNS, 3, FIRST, 1, NULL};
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    hub_turn(hub);
    hub_table_set(hub, source, &info); /* its replica identity */
    expect(expect_type(c, "reset"), "reason", "\"schema\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* ---- chance ---- */

enum { ROWS = 12, NAMES = 4, STEPS = 3000, READERS = 6 };

static unsigned seed;

static int chance(int n)
{
    seed = seed * 1103515245u + 12345u;
    return (int)(seed >> 16 & 0x7FFF) % n;
}

/* What a client knows of a table, and what the table is: 0 is no row, else a name's number + 1. */
struct reader_state {
    struct client *client;
    int known[ROWS], filter;
    bool live;
};

static const char *const filters[] = {
    "[\"name\",\"eq\",\"n1\"]", "[\"name\",\"in\",[\"n0\",\"n3\"]]", "[\"name\",\"gt\",\"n1\"]",
    "{\"or\":[[\"name\",\"eq\",\"n0\"],[\"id\",\"lt\",3]]}", "[\"id\",\"in\",[2,5,7]]"};

static bool matches(int filter, int id, int name)
{
    switch (name ? filter : -1) {
    case 0:
        return name == 2;
    case 1:
        return name == 1 || name == 4;
    case 2:
        return name > 2;
    case 3:
        return name == 1 || id < 3;
    case 4:
        return id == 2 || id == 5 || id == 7;
    default:
        return false;
    }
}

/* Begins with what matches now, as after a snapshot at this moment. */
static void reader_begin_at(struct reader_state *r, const int *rows)
{
    client_read(r->client); /* what it still had */
    r->client->read = r->client->n;
    r->filter = chance(5);
    subscribe(r->client, 1, "whole", filters[r->filter], "");
    expect_type(r->client, "subscribed");
    for (int id = 0; id < ROWS; id++)
        r->known[id] = matches(r->filter, id, rows[id]) ? rows[id] : 0;
    r->live = true;
}

static void reader_take(struct reader_state *r, struct json_object *m)
{
    const char *op = json_object_get_string(json_object_object_get(m, "op"));
    if (!op) {
        expect(m, "type", "\"reset\"");
        r->live = false;
        return;
    }
    int id = json_object_get_int(json_object_object_get(json_object_object_get(m, "key"), "id"));
    struct json_object *row = json_object_object_get(m, "row");
    bool comes = strcmp(op, "c") == 0 || strcmp(op, "enter") == 0;
    ck_assert_msg(comes == !r->known[id], "%s of %d", op, id);
    r->known[id] = row ? json_object_get_string(json_object_object_get(row, "name"))[1] - '0' + 1 : 0;
    ck_assert_msg(!row || matches(r->filter, id, r->known[id]), "%s of %d does not match", op, id);
}

static void reader_read(struct reader_state *r, const int *rows)
{
    for (struct json_object *m; r->live && (m = next(r->client));)
        reader_take(r, m);
    for (int id = 0; r->live && id < ROWS; id++)
        ck_assert_int_eq(r->known[id], matches(r->filter, id, rows[id]) ? rows[id] : 0);
}

static void row_change(int *rows, lsn_t lsn)
{
    char old[20], new[20];
    int id = chance(ROWS), name = chance(NAMES + 1);
    char op = rows[id] ? (name ? 'u' : 'd') : 'c';
    name = op == 'c' && !name ? 1 : name;
    snprintf(old, sizeof(old), "\"n%d\"", rows[id] - 1);
    snprintf(new, sizeof(new), "\"n%d\"", name - 1);
    change(whole, op, lsn, id, op == 'c' ? NULL : old, op == 'd' ? NULL : new);
    rows[id] = name;
}

/* Clients that read often and seldom, come and go, are reset by a small window: each is right whenever it has
 * read all, or was told that it is not. */
START_TEST(whatever_happens_nothing_is_missed)
{
    struct reader_state readers[READERS] = {0};
    int rows[ROWS] = {0}, resets = 0;
    seed = (unsigned)_i + 1;
    play_teardown();
    setup_with((struct hub_options){.window_bytes = 16000, .rate = 1000000});
    for (int i = 0; i < READERS; i++)
        readers[i].client = welcomed();
    for (lsn_t step = 0; step < STEPS; step++) {
        struct reader_state *r = &readers[chance(READERS)];
        row_change(rows, 200 + step);
        if (chance(4) == 0)
            hub_turn(hub);
        if (chance((int)(r - readers) * 10 + 1))
            continue;
        if (!r->live) {
            hub_turn(hub);
            reader_begin_at(r, rows);
        }
        reader_read(r, rows);
        resets += !r->live;
        if (r->live && chance(10) == 0) {
            say(r->client, "{\"type\":\"unsubscribe\",\"id\":1}");
            r->live = false;
        }
    }
    ck_assert_int_gt(resets, 0);
    for (int i = 0; i < READERS; i++)
        client_free(readers[i].client);
    hub_turn(hub);
    struct hub_stats stats;
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.channels, 0);
    ck_assert_uint_le(stats.window_bytes, 16000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_filter");
    TCase *tcase = tcase_create("hub_filter");
    tcase_add_checked_fixture(tcase, setup, play_teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, rows_enter_and_exit);
    tcase_add_test(tcase, an_old_row_that_is_not_known);
    tcase_add_test(tcase, the_identity_is_known_without_an_old_image);
    tcase_add_test(tcase, deletes_are_filtered_where_the_identity_has_the_columns);
    tcase_add_test(tcase, operations_are_those_that_the_client_sees);
    tcase_add_test(tcase, what_cannot_be_judged_resets);
    tcase_add_test(tcase, equal_filters_share_a_channel);
    tcase_add_test(tcase, others_are_not_woken);
    tcase_add_test(tcase, what_a_change_costs_does_not_grow_with_subscriptions);
    tcase_add_test(tcase, a_filter_is_judged_from_where_a_client_resumes);
    tcase_add_test(tcase, a_snapshot_has_the_filter);
    tcase_add_test(tcase, order_holds_across_tables);
    tcase_add_test(tcase, the_window_loses_only_what_is_for_a_client);
    tcase_add_test(tcase, another_shape_resets_filtered_ones);
    tcase_add_loop_test(tcase, whatever_happens_nothing_is_missed, 0, 10);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
