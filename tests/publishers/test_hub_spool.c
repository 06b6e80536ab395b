/* test_hub_spool.c - who comes back after walwire was started again misses nothing and gets nothing twice, or
 * is told to begin anew; and how far back that goes. */
#include "suite.h"

#include <stdlib.h>

#include "spool_play.h"
#include "xmalloc.h"

START_TEST(a_client_resumes_over_a_restart)
{
    begin(100);
    read_items();
    commits(0, 20);
    again(at(19) + 5);
    expect_resume(pos_text(at(4), 1), 5, 20);
    expect_resume(pos_text(100, 0), 0, 20);
    expect_resume(pos_text(at(19), 1), 20, 20);
    commits(20, 25);
    expect_resume(pos_text(at(4), 1), 5, 25);
    expect_reset("public.items", "7-1-a", pos_text(99, 0), "retention");
}
END_TEST

/* What was not confirmed comes again: neither it nor what stands behind it on disk is told twice. */
START_TEST(changes_that_come_again_are_told_once)
{
    begin(100);
    read_items();
    commits(0, 20);
    again(at(10));
    expect_resume(pos_text(at(4), 1), 5, 10);
    commits(10, 15);
    again(at(12));
    commits(12, 22);
    again(at(21) + 5);
    expect_resume(pos_text(at(4), 1), 5, 22);
}
END_TEST

/* A client that was told more than the server knows again just after its start. */
START_TEST(a_client_may_be_ahead)
{
    begin(100);
    read_items();
    commits(0, 20);
    again(at(10));
    struct client *c = back_to("public.items", "7-1-a", pos_text(at(15), 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    commits(10, 20);
    for (int i = 16; i < 20; i++)
        expect_change(c, 'c', i);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Streaming begins behind what is on disk: nobody knows what was in between. */
START_TEST(a_gap_is_told)
{
    begin(100);
    read_items();
    commits(0, 20);
    again(at(19) + 6);
    expect_reset("public.items", "7-1-a", pos_text(at(4), 1), "retention");
    commits(20, 22);
    again(at(21) + 5);
    expect_resume(pos_text(at(20), 1), 21, 22);
    expect_reset("public.items", "7-1-a", pos_text(at(19), 1), "retention");
}
END_TEST

START_TEST(another_history_drops_it)
{
    begin(100);
    read_items();
    commits(0, 20);
    end();
    begin_with("8-1-a", 100, 3);
    expect_reset("public.items", "7-1-a", pos_text(at(4), 1), "epoch");
    expect_reset("public.items", "8-1-a", pos_text(50, 1), "retention");
    again(100);
    expect_reset("public.items", "7-1-a", pos_text(99, 1), "retention"); /* nor does it come back */
}
END_TEST

START_TEST(a_table_that_has_changed_begins_anew_and_others_do_not)
{
    begin(100);
    read_items();
    client_free(subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.other\"}", "live"));
    commits(0, 5);
    commit(other, 500, 7);
    end();
    begin_with("7-1-a", 505, 2);
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "schema");
    struct client *c = back_to("public.other", "7-1-a", pos_text(at(2), 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    expect_change(c, 'c', 7);
    client_free(c);
    again(505); /* as it was: that makes it no better */
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "schema");
}
END_TEST

/* A shape that changes while walwire runs, with and without a change behind it. */
START_TEST(a_table_that_changed_on_the_way_begins_anew)
{
    begin(100);
    read_items();
    commits(0, 5);
    items = table_of("public.items", 2);
    hub_turn(hub);
    end();
    begin_with("7-1-a", at(4) + 5, 2);
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "schema");
    commits(5, 8);
    end();
    begin_with("7-1-a", at(7) + 5, 2);
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "schema");
    expect_resume(pos_text(at(5), 1), 6, 8);
}
END_TEST

/* As in the window: what is known by a column's number stays good. */
START_TEST(columns_that_were_added_change_nothing)
{
    begin_with("7-1-a", 100, 2);
    read_items();
    commits(0, 5);
    end();
    begin(at(4) + 5);
    expect_resume(pos_text(at(2), 1), 3, 5);
    commits(5, 8);
    expect_resume(pos_text(at(6), 1), 7, 8);
    again(at(7) + 5);
    expect_resume(pos_text(at(6), 1), 7, 8);
}
END_TEST

/* The values as they are: unknown ones, an old row, a large one, what is not ASCII. */
START_TEST(changes_come_back_as_they_were)
{
    char *big = xmalloc(options.window_bytes);
    memset(big, 'x', options.window_bytes / 8);
    big[0] = big[options.window_bytes / 8 - 1] = '"';
    struct slice row[] = {SLICE("1"), SLICE("\"zw\xc3\xb6lf\""), {0}},
                 old[] = {SLICE("1"), {big, options.window_bytes / 8}, SLICE("null")};
    options.message_bytes = options.window_bytes / 10; /* so that it is left out and named */
    begin(100);
    const char *want = "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"old\":\"full\"}";
    struct client *c = subscriber(want, "live");
    struct hub_change change = {items, 'u', 300, 2, 77, 1234567890123, row, old};
    hub_publish(hub, source, &change);
    struct json_object *first = json_object_get(expect_type(c, "change"));
    client_free(c);
    commit(items, 400, 1);
    again(405);
    c = welcomed();
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"old\":\"full\","
           "\"from\":{\"epoch\":\"7-1-a\",\"pos\":\"000000000000006500000000\"}}");
    expect_type(c, "subscribed");
    struct json_object *second = expect_type(c, "change");
    json_object_object_del(first, "channel");
    json_object_object_del(second, "channel");
    ck_assert_str_eq(json_object_to_json_string(first), json_object_to_json_string(second));
    expect(second, "omitted", "[\"name\"]");
    expect(second, "unchanged", "[\"big\"]");
    client_free(c);
    json_object_put(first);
    free(big);
}
END_TEST

/* Changes that nobody was there to read are not kept: who asks for them is told so. */
START_TEST(what_passed_by_is_not_resumed)
{
    begin(100);
    commits(0, 900); /* more than the part for tables without readers */
    ck_assert(!hub_follows(hub, items, at(900), 1));
    again(at(899) + 5);
    expect_reset("public.items", "7-1-a", pos_text(at(898), 1), "retention");
    expect_resume(pos_text(at(899) + 5, 0), 900,
                  900); /* followed from here, until it is clear that nobody reads */
    commits(900, 905);
    expect_resume(pos_text(at(901), 1), 902, 905);
    again(at(904) + 5);
    expect_resume(pos_text(at(901), 1), 902, 905);
    expect_reset("public.items", "7-1-a", pos_text(at(899), 1), "retention");
}
END_TEST

/* A table that the next start does not know at once, and the one after that does. */
START_TEST(a_table_that_was_away_begins_anew)
{
    struct err e = {0};
    begin(100);
    read_items();
    commits(0, 5);
    end();
    hub = hub_new(&options);
    ck_assert(hub_keep(hub, dir, &e));
    source = hub_source(hub, "shop");
    other = table_of("public.other", 3);
    hub_epoch(hub, source, "7-1-a", at(4) + 5);
    hub_turn(hub);
    items = table_of("public.items", 3);
    hub_turn(hub);
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "retention");
    commits(5, 8);
    again(at(7) + 5);
    expect_reset("public.items", "7-1-a", pos_text(at(2), 1), "retention");
    expect_resume(pos_text(at(5), 1), 6, 8);
}
END_TEST

START_TEST(the_disk_holds_no_more_than_the_window)
{
    struct hub_stats stats;
    begin(100);
    read_items();
    commits(0, 4000);
    hub_stats(hub, &stats);
    ck_assert_uint_gt(stats.spool_bytes, WINDOW / 8);
    ck_assert_uint_le(stats.spool_bytes, WINDOW);
    end();
    ck_assert_uint_le(disk_bytes(), WINDOW);
    begin(at(3999) + 5);
    expect_resume(pos_text(at(3900), 1), 3901, 4000);
    expect_reset("public.items", "7-1-a", pos_text(at(1000), 1), "retention");
}
END_TEST

START_TEST(positions_alone_take_no_room)
{
    begin(100);
    read_items();
    commits(0, 3);
    for (lsn_t lsn = 1000; lsn < 50000; lsn++) {
        hub_position(hub, source, lsn, 0);
        hub_turn(hub);
    }
    end();
    ck_assert_uint_lt(disk_bytes(), 4096);
    begin(49999);
    expect_resume(pos_text(at(0), 1), 1, 3);
}
END_TEST

START_TEST(what_is_too_old_is_gone)
{
    options.retention_ms = 60000;
    begin(100);
    read_items();
    commits(0, 5);
    clock_now += 30000;
    commits(5, 10);
    clock_now += 29999;
    hub_turn(hub);
    expect_resume(pos_text(at(0), 1), 1, 10);
    clock_now += 1;
    hub_turn(hub);
    expect_reset("public.items", "7-1-a", pos_text(at(0), 1), "retention");
    expect_resume(pos_text(at(4), 1), 5, 10);
    again(at(9) + 5);
    clock_now += 29000;
    hub_turn(hub);
    expect_resume(pos_text(at(4), 1), 5, 10);
    clock_now += 2000;
    hub_turn(hub);
    expect_reset("public.items", "7-1-a", pos_text(at(4), 1), "retention");
    expect_resume(pos_text(at(9), 1), 10, 10); /* nothing was missed since */
    struct hub_stats stats;
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.window_changes, 0);
}
END_TEST

/* A table is kept for those who may come back as long as the window goes back, and no longer. */
START_TEST(a_table_that_was_read_is_kept_for_the_same_time)
{
    options.retention_ms = 60000;
    begin(100);
    read_items();
    clock_now += 59000;
    commits(0, 900);
    expect_resume(pos_text(at(898), 1), 899, 900); /* which is asking, too */
    clock_now += 59999;
    ck_assert(hub_follows(hub, items, at(900), 1));
    clock_now += 1;
    commits(900, 1800);
    ck_assert(!hub_follows(hub, items, at(1800), 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_spool");
    TCase *tcase = tcase_create("hub_spool");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, spool_setup, spool_teardown);
    tcase_add_test(tcase, a_client_resumes_over_a_restart);
    tcase_add_test(tcase, changes_that_come_again_are_told_once);
    tcase_add_test(tcase, a_client_may_be_ahead);
    tcase_add_test(tcase, a_gap_is_told);
    tcase_add_test(tcase, another_history_drops_it);
    tcase_add_test(tcase, a_table_that_has_changed_begins_anew_and_others_do_not);
    tcase_add_test(tcase, a_table_that_changed_on_the_way_begins_anew);
    tcase_add_test(tcase, columns_that_were_added_change_nothing);
    tcase_add_test(tcase, changes_come_back_as_they_were);
    tcase_add_test(tcase, what_passed_by_is_not_resumed);
    tcase_add_test(tcase, a_table_that_was_away_begins_anew);
    tcase_add_test(tcase, the_disk_holds_no_more_than_the_window);
    tcase_add_test(tcase, positions_alone_take_no_room);
    tcase_add_test(tcase, what_is_too_old_is_gone);
    tcase_add_test(tcase, a_table_that_was_read_is_kept_for_the_same_time);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
