/* test_hub_follow.c - tables that nobody reads cost nothing, and who comes to read them misses nothing. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

#define WINDOW 16384 /* bytes; a sixteenth of it is for tables that nobody reads: some ten changes */

static void setup(void)
{
    play_with((struct hub_options){.window_bytes = WINDOW});
}

/* As the stream does it: a transaction with one change. */
static bool commit(const struct hub_table *table, lsn_t lsn, uint32_t xid, int id)
{
    bool follows = hub_follows(hub, table, lsn, xid);
    if (follows)
        publish(table, 'c', lsn, xid, id);
    hub_position(hub, source, lsn + 1, 0);
    hub_turn(hub);
    return follows;
}

/* Fills the part of the window that is for tables without readers: ids 0 to 99 at 200 to 299. */
static void pass_by(const struct hub_table *table)
{
    for (int i = 0; i < 100; i++)
        commit(table, 200 + (lsn_t)i, 50 + (uint32_t)i, i);
}

static void subscribe_from(struct client *c, const char *pos)
{
    char request[300];
    snprintf(request, sizeof request,
             "{\"type\":\"subscribe\",\"id\":3,\"table\":\"public.items\",\"from\":{\"epoch\":\"7-1-a\","
             "\"pos\":%s}}",
             pos);
    say(c, request);
}

/* A feed without browsers pays for none: neither work nor memory. */
START_TEST(a_table_without_readers_is_not_followed)
{
    ck_assert(hub_follows(hub, items, 200, 50));
    pass_by(items);
    ck_assert(!hub_follows(hub, items, 300, 150));
    struct hub_stats stats;
    hub_stats(hub, &stats);
    ck_assert_uint_le(stats.window_bytes, WINDOW / 16);
    ck_assert_uint_lt(stats.published, 50);
}
END_TEST

START_TEST(a_table_with_readers_is_followed)
{
    struct client *c = live();
    for (int i = 0; i < 100; i++) {
        ck_assert(commit(items, 200 + (lsn_t)i, 50, i));
        commit(other, 200 + (lsn_t)i, 50, i);
        expect_change(c, 'c', i);
    }
    client_free(c);
    ck_assert(commit(items, 400, 51, 1)); /* they may come back */
    for (int i = 0; i < 200; i++)
        commit(other, 401 + (lsn_t)i, 52, i);
    ck_assert(!commit(other, 700, 53, 1));
    ck_assert(commit(items, 701, 54, 1));
}
END_TEST

/* The position that it is told stands behind the transaction that is passing by, of which it gets nothing. */
START_TEST(a_reader_comes_in_the_middle_of_a_transaction)
{
    pass_by(items);
    ck_assert(!hub_follows(hub, items, 500, 90));
    struct client *c = welcomed();
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}");
    expect(expect_type(c, "subscribed"), "pos", pos_text(500, UINT32_MAX));
    publish(items, 'c', 500, 90, 1); /* the same once more, after the stream began again */
    hub_turn(hub);
    expect_nothing(c);
    ck_assert(commit(items, 501, 91, 2));
    expect_change(c, 'c', 2);
    client_free(c);
}
END_TEST

/* Resuming is exact or refused: never with a hole where nobody was reading. */
START_TEST(a_reader_resumes_only_behind_what_passed_by)
{
    pass_by(items);
    ck_assert(!commit(items, 500, 90, 1));
    struct client *c = welcomed();
    subscribe_from(c, pos_text(499, 0));
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    struct client *reader = live();
    commit(items, 600, 91, 2);
    commit(items, 601, 92, 3);
    subscribe_from(c, pos_text(600, 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    expect_change(c, 'c', 3);
    client_free(c);
    client_free(reader);
}
END_TEST

/* A transaction that passed by and is still running for the snapshot is in neither: another snapshot. */
START_TEST(a_snapshot_must_see_what_passed_by)
{
    static const uint64_t running[] = {190};
    struct reader r = {.rows = "[{\"id\":1}]", .times = 1};
    r.visibility[0] =
        (struct hub_visibility){.xmin = 190, .xmax = 200, .xip = running, .n_xip = 1, .insert_lsn = 800};
    r.visibility[1] = (struct hub_visibility){.xmin = 200, .xmax = 200, .insert_lsn = 800};
    pass_by(items);
    ck_assert(!commit(items, 500, 190, 1));
    hub_position(hub, source, 800, 0);
    struct client *c = snapshot_of(&r);
    await(c, "ready");
    pthread_join(r.thread, NULL);
    ck_assert_uint_eq(r.tries, 2);
    ck_assert(commit(items, 801, 201, 2));
    expect_change(c, 'c', 2);
    client_free(c);
}
END_TEST

/* The same for what came faster than it could be taken. */
START_TEST(a_snapshot_must_see_what_there_was_no_room_for)
{
    static const uint64_t running[] = {190};
    struct reader r = {.rows = "[{\"id\":1}]", .times = 1};
    r.visibility[0] =
        (struct hub_visibility){.xmin = 190, .xmax = 200, .xip = running, .n_xip = 1, .insert_lsn = 900};
    r.visibility[1] = (struct hub_visibility){.xmin = 200, .xmax = 200, .insert_lsn = 900};
    publish(items, 'c', 500, 190, 1);
    for (int i = 0; i < 300; i++)
        publish(items, 'c', 501 + (lsn_t)i, 100, i);
    hub_position(hub, source, 900, 0);
    hub_turn(hub);
    struct client *c = snapshot_of(&r);
    await(c, "ready");
    pthread_join(r.thread, NULL);
    ck_assert_uint_eq(r.tries, 2);
    client_free(c);
}
END_TEST

/* After a restart those who were reading come back: until it is clear that nobody does, all is kept. */
START_TEST(another_history_is_followed_at_first)
{
    pass_by(items);
    ck_assert(!hub_follows(hub, items, 300, 150));
    hub_epoch(hub, source, "7-1-a", 100);
    ck_assert(!hub_follows(hub, items, 300, 150)); /* the same one */
    hub_epoch(hub, source, "8-1-a", 100);
    hub_turn(hub);
    ck_assert(commit(items, 110, 20, 1));
    struct client *c = welcomed();
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"from\":{\"epoch\":\"8-1-a\","
           "\"pos\":\"000000000000006400000000\"}}");
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    expect_change(c, 'c', 1);
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_follow");
    TCase *tcase = tcase_create("hub_follow");
    tcase_add_checked_fixture(tcase, setup, play_teardown);
    tcase_add_test(tcase, a_table_without_readers_is_not_followed);
    tcase_add_test(tcase, a_table_with_readers_is_followed);
    tcase_add_test(tcase, a_reader_comes_in_the_middle_of_a_transaction);
    tcase_add_test(tcase, a_reader_resumes_only_behind_what_passed_by);
    tcase_add_test(tcase, a_snapshot_must_see_what_passed_by);
    tcase_add_test(tcase, a_snapshot_must_see_what_there_was_no_room_for);
    tcase_add_test(tcase, another_history_is_followed_at_first);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
