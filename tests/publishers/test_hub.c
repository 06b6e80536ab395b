/* test_hub.c - the stream as sessions see it: order, channels, resume, resets, the window. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

/* Every change is sent once, with position, key, row, and what is not known about it. */
START_TEST(changes_arrive_in_order)
{
    struct client *c = live();
    struct slice row[] = {SLICE("1"), SLICE("\"x\""), {0}},
                 old[] = {SLICE("1"), SLICE("\"w\""), SLICE("null")};
    struct hub_change update = {.table = items,
                                .op = 'u',
                                .commit_lsn = 200,
                                .ordinal = 1,
                                .xid = 5,
                                .ts_ms = 1234,
                                .row = row,
                                .old = old};
    publish(items, 'c', 200, 5, 1);
    hub_publish(hub, source, &update);
    publish(other, 'c', 201, 6, 9);
    publish(items, 'd', 202, 7, 1);
    publish(items, 't', 203, 8, 0);
    expect_change(c, 'c', 1);
    struct json_object *message = expect_type(c, "change");
    expect(message, "pos", pos_text(200, 2));
    expect(message, "op", "\"u\"");
    expect(message, "row", "{\"id\":1,\"name\":\"x\"}");
    expect(message, "unchanged", "[\"big\"]");
    expect(message, "old", "{\"id\":1}");
    expect(message, "ts_ms", "1234");
    expect_change(c, 'd', 1);
    message = expect_type(c, "change");
    expect(message, "op", "\"t\"");
    expect(message, "key", "null");
    expect(message, "row", "null");
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(subscriptions_choose_columns_operations_and_old)
{
    struct client *c =
        subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"ops\":\"ud\","
                   "\"columns\":[\"name\"],\"old\":\"full\"}",
                   "live");
    struct slice row[] = {SLICE("1"), SLICE("\"x\""), SLICE("null")},
                 old[] = {SLICE("1"), SLICE("\"w\""), SLICE("2")};
    struct hub_change update = {.table = items, .op = 'u', .commit_lsn = 201, .row = row, .old = old};
    publish(items, 'c', 200, 5, 1);
    hub_publish(hub, source, &update);
    struct json_object *message = expect_type(c, "change");
    expect(message, "op", "\"u\"");
    expect(message, "key", "{\"id\":1}");
    expect(message, "row", "{\"name\":\"x\"}");
    expect(message, "old", "{\"name\":\"w\"}");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Identical subscriptions of all clients share a channel, and a change is encoded once. */
START_TEST(a_change_is_encoded_once)
{
    struct client *clients[5];
    struct hub_stats before, after;
    for (int i = 0; i < 5; i++)
        clients[i] = live();
    hub_stats(hub, &before);
    publish(items, 'c', 200, 5, 1);
    for (int i = 0; i < 5; i++)
        expect_change(clients[i], 'c', 1);
    hub_turn(hub);
    hub_stats(hub, &after);
    ck_assert_uint_eq(after.encoded - before.encoded, 1);
    ck_assert_uint_eq(after.sent - before.sent, 5);
    ck_assert_uint_eq(after.channels, 1);
    for (int i = 0; i < 5; i++)
        client_free(clients[i]);
}
END_TEST

/* Within one session the channel tells subscriptions apart. */
START_TEST(the_same_twice_in_a_session_has_two_channels)
{
    struct client *c = live();
    say(c, "{\"type\":\"subscribe\",\"id\":2,\"table\":\"public.items\"}");
    expect(expect_type(c, "subscribed"), "channel", "2");
    publish(items, 'c', 200, 5, 1);
    expect_change(c, 'c', 1);
    expect_change(c, 'c', 1);
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(unsubscribed_is_silent)
{
    struct client *c = live();
    struct hub_stats stats;
    say(c, "{\"type\":\"unsubscribe\",\"id\":1}");
    publish(items, 'c', 200, 5, 1);
    expect_nothing(c);
    hub_turn(hub);
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.subscriptions, 0);
    ck_assert_uint_eq(stats.channels, 0);
    client_free(c);
}
END_TEST

/* A stream that started again at the last checkpoint repeats itself: nobody sees that. */
START_TEST(repeated_changes_are_left_out)
{
    struct client *c = live();
    publish(items, 'c', 200, 5, 1);
    publish(items, 'c', 210, 6, 2);
    hub_epoch(hub, source, "7-1-a", 150);
    publish(items, 'c', 200, 5, 1);
    publish(items, 'c', 210, 6, 2);
    publish(items, 'c', 220, 7, 3);
    for (int id = 1; id <= 3; id++)
        expect_change(c, 'c', id);
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(another_history_resets)
{
    struct client *c = live();
    hub_epoch(hub, source, "7-2-a", 100);
    struct json_object *message = expect_type(c, "reset");
    expect(message, "reason", "\"epoch\"");
    expect(message, "epoch", "\"7-2-a\"");
    client_free(c);
}
END_TEST

/* The slot was moved on by somebody: what is between is not known. */
START_TEST(a_hole_in_the_stream_resets)
{
    struct client *c = live();
    hub_position(hub, source, 300, 0);
    hub_epoch(hub, source, "7-1-a", 300);
    expect_nothing(c);
    hub_epoch(hub, source, "7-1-a", 301);
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    client_free(c);
}
END_TEST

START_TEST(a_changed_table_resets_its_subscriptions)
{
    struct client *c = live();
    table_of("public.other", 2);
    table_of("public.items", 3);
    expect_nothing(c);
    table_of("public.items", 2);
    struct json_object *message = expect_type(c, "reset");
    expect(message, "id", "1");
    expect(message, "reason", "\"schema\"");
    expect(message, "action", "\"resubscribe\"");
    say(c, "{\"type\":\"subscribe\",\"id\":2,\"table\":\"public.items\"}");
    expect(expect_type(c, "subscribed"), "columns",
           "[{\"name\":\"id\",\"type\":\"int4\"},{\"name\":\"name\",\"type\":\"text\"}]");
    client_free(c);
}
END_TEST

static void resume(struct client *c, const char *epoch, const char *pos)
{
    char request[300];
    snprintf(
        request, sizeof(request),
        "{\"type\":\"subscribe\",\"id\":3,\"table\":\"public.items\",\"from\":{\"epoch\":\"%s\",\"pos\":%s}}",
        epoch, pos);
    say(c, request);
}

/* Resume, exactly: the next change, none missed, none repeated; outside the window a reset. */
START_TEST(resume_continues_with_the_next_change)
{
    struct client *c = welcomed();
    for (int i = 0; i < 5; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    resume(c, "7-1-a", pos_text(201, 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    publish(items, 'c', 300, 6, 5);
    for (int id = 2; id <= 5; id++)
        expect_change(c, 'c', id);
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(resume_from_elsewhere_resets)
{
    struct client *c = welcomed();
    resume(c, "6-1-a", pos_text(201, 1));
    expect(expect_type(c, "reset"), "reason", "\"epoch\"");
    resume(c, "7-1-a", pos_text(99, 1));
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    resume(c, "7-1-a", "\"nonsense\"");
    expect(expect_type(c, "error"), "code", "\"bad_request\"");
    hub_position(hub, source, 200, 0);
    hub_turn(hub);
    table_of("public.items", 2);
    hub_turn(hub);
    resume(c, "7-1-a", pos_text(150, 1));
    expect(expect_type(c, "reset"), "reason", "\"schema\"");
    client_free(c);
}
END_TEST

/* After a restart of the server the client may be ahead of the stream: what it has is left out. */
START_TEST(resume_ahead_of_a_stream_that_repeats)
{
    struct client *c = welcomed();
    resume(c, "7-1-a", pos_text(201, 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    for (int i = 0; i < 4; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    expect_change(c, 'c', 2);
    expect_change(c, 'c', 3);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* A slow client costs no queue: it falls out of the window and is told; the others do not notice. */
START_TEST(slow_clients_are_reset)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 4096});
    struct client *slow = live(), *quick = live();
    for (int i = 0; i < 200; i++) {
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
        expect_change(quick, 'c', i);
    }
    struct hub_stats stats;
    hub_stats(hub, &stats);
    ck_assert_uint_le(stats.window_bytes, 4096);
    ck_assert_uint_eq(slow->asked, 3); /* once for each of its three frames, not for each change */
    expect(expect_type(slow, "reset"), "reason", "\"slow\"");
    expect_nothing(slow);
    resume(slow, "7-1-a", pos_text(205, 1));
    expect(expect_type(slow, "reset"), "reason", "\"retention\"");
    expect_nothing(quick);
    client_free(slow);
    client_free(quick);
}
END_TEST

/* Changes that come while the web thread does not run are bounded too. */
START_TEST(an_inbox_that_nobody_empties_is_bounded)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 4096});
    struct client *c = live();
    for (int i = 0; i < 1000; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    expect(expect_type(c, "reset"), "reason", "\"slow\"");
    expect_nothing(c);
    resume(c, "7-1-a", pos_text(300, 1));
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    resume(c, "7-1-a", pos_text(1198, 1));
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    expect_change(c, 'c', 999);
    client_free(c);
}
END_TEST

/* A frame is bounded, and what does not fit comes in the next one. */
START_TEST(frames_are_bounded)
{
    struct client *c = live();
    for (int i = 0; i < 1000; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    ck_assert(client_frame(c));
    ck_assert_uint_lt(c->n, 500);
    for (int i = 0; i < 1000; i++)
        expect_change(c, 'c', i);
    client_free(c);
}
END_TEST

/* A row that is too large loses its largest column, which is named; the change itself is never dropped. */
START_TEST(large_columns_are_left_out)
{
    play_teardown();
    play_with((struct hub_options){.message_bytes = 1000});
    struct client *c = live();
    char large[900], huge[2000];
    memset(large, '1', sizeof(large));
    memset(huge, '1', sizeof(huge));
    struct slice row[] = {SLICE("1"), {large, 600}, {large, 700}},
                 row2[] = {SLICE("2"), SLICE("3"), {huge, 2000}};
    struct hub_change change = {.table = items, .op = 'c', .commit_lsn = 200, .row = row};
    hub_publish(hub, source, &change);
    change.ordinal = 1;
    change.row = row2;
    hub_publish(hub, source, &change);
    struct json_object *message = expect_type(c, "change");
    expect(message, "omitted", "[\"big\"]");
    expect(message, "unchanged", "absent");
    ck_assert_ptr_nonnull(json_object_object_get(json_object_object_get(message, "row"), "name"));
    message = expect_type(c, "change");
    expect(message, "row", "{\"id\":2,\"name\":3}");
    expect(message, "omitted", "[\"big\"]");
    client_free(c);
}
END_TEST

/* What was may be too large for a message: what is now is told all the same. */
START_TEST(a_large_old_value_leaves_the_new_one)
{
    play_teardown();
    play_with((struct hub_options){.message_bytes = 1000});
    struct client *whole =
        subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"old\":\"full\"}", "live");
    struct client *key = live();
    char huge[2000];
    memset(huge, '1', sizeof(huge));
    struct slice old[] = {SLICE("1"), SLICE("2"), {huge, 2000}}, row[] = {SLICE("1"), SLICE("2"), SLICE("3")};
    struct hub_change change = {.table = items, .op = 'u', .commit_lsn = 200, .row = row, .old = old};
    hub_publish(hub, source, &change);
    struct json_object *message = expect_type(whole, "change");
    expect(message, "row", "{\"id\":1,\"name\":2,\"big\":3}");
    expect(message, "old", "{\"id\":1,\"name\":2}");
    expect(message, "omitted", "[\"big\"]");
    message = expect_type(key, "change");
    expect(message, "row", "{\"id\":1,\"name\":2,\"big\":3}");
    expect(message, "omitted", "absent");
    client_free(whole);
    client_free(key);
}
END_TEST

/* A client that fell behind hears of it before any position that is past what it missed. */
START_TEST(a_reset_is_not_overtaken_at_the_end)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 5000});
    struct client *c = live();
    for (int i = 0; i < 400; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_position(hub, source, 700, 0);
    hub_turn(hub);
    hub_end_sessions(hub, CLOSE_SHUTDOWN, "bye");
    expect(expect_type(c, "reset"), "reason", "\"slow\"");
    expect_type(c, "heartbeat");
    expect_type(c, "closing");
    client_free(c);
}
END_TEST

/* The heartbeat's position moves on when nothing matches, and never beyond what was delivered. */
START_TEST(heartbeats_carry_the_position)
{
    struct client *c = live();
    hub_position(hub, source, 500, 12);
    hub_turn(hub);
    hub_tick(hub, now += 14000);
    expect_nothing(c);
    hub_tick(hub, now += 1000);
    struct json_object *message = expect_type(c, "heartbeat");
    expect(message, "pos", pos_text(500, 0));
    expect(message, "lag_ms", "12");
    for (int i = 0; i < 1000; i++)
        publish(items, 'c', 600 + (lsn_t)i, 5, i);
    hub_tick(hub, now += 15000);
    hub_turn(hub);
    client_frame(c);
    char last[40] = "";
    int sent = -1;
    for (; c->read < c->n && strcmp(text_of(message = c->got[c->read++], "type"), "\"change\"") == 0; sent++)
        snprintf(last, sizeof(last), "%s", text_of(message, "pos"));
    expect(message, "type", "\"heartbeat\"");
    ck_assert_str_ge(text_of(message, "pos"), last);
    expect_change(c, 'c', sent + 1);
    ck_assert_str_gt(text_of(c->got[c->read - 1], "pos"), text_of(message, "pos"));
    client_free(c);
}
END_TEST

static void *producer_run(void *ctx)
{
    for (int i = 0; i < 3000; i++) {
        publish(items, 'c', 1000 + (lsn_t)i, 100, i);
        hub_position(hub, source, 1001 + (lsn_t)i, 0);
    }
    return NULL;
}

static void on_wake(void *ctx)
{
    __atomic_add_fetch((int *)ctx, 1, __ATOMIC_RELAXED);
}

/* A producer never waits for the web thread, wakes it, and loses nothing. */
START_TEST(producers_run_beside_the_web_thread)
{
    struct client *c = live();
    int wakes = 0;
    pthread_t thread;
    hub_set_wake(hub, on_wake, &wakes);
    ck_assert_int_eq(pthread_create(&thread, NULL, producer_run, NULL), 0);
    for (int i = 0; i < 3000; i++)
        expect(await(c, "change"), "pos", pos_text(1000 + (lsn_t)i, 1));
    pthread_join(thread, NULL);
    ck_assert_int_gt(__atomic_load_n(&wakes, __ATOMIC_RELAXED), 0);
    hub_set_wake(hub, NULL, NULL);
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub");
    TCase *tcase = tcase_create("hub");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, changes_arrive_in_order);
    tcase_add_test(tcase, subscriptions_choose_columns_operations_and_old);
    tcase_add_test(tcase, a_change_is_encoded_once);
    tcase_add_test(tcase, the_same_twice_in_a_session_has_two_channels);
    tcase_add_test(tcase, unsubscribed_is_silent);
    tcase_add_test(tcase, repeated_changes_are_left_out);
    tcase_add_test(tcase, another_history_resets);
    tcase_add_test(tcase, a_hole_in_the_stream_resets);
    tcase_add_test(tcase, a_changed_table_resets_its_subscriptions);
    tcase_add_test(tcase, resume_continues_with_the_next_change);
    tcase_add_test(tcase, resume_from_elsewhere_resets);
    tcase_add_test(tcase, resume_ahead_of_a_stream_that_repeats);
    tcase_add_test(tcase, slow_clients_are_reset);
    tcase_add_test(tcase, an_inbox_that_nobody_empties_is_bounded);
    tcase_add_test(tcase, frames_are_bounded);
    tcase_add_test(tcase, large_columns_are_left_out);
    tcase_add_test(tcase, a_large_old_value_leaves_the_new_one);
    tcase_add_test(tcase, a_reset_is_not_overtaken_at_the_end);
    tcase_add_test(tcase, heartbeats_carry_the_position);
    tcase_add_test(tcase, producers_run_beside_the_web_thread);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
