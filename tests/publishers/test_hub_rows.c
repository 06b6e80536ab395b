/* test_hub_rows.c - snapshots: no row missed, none twice, whatever the order of commits looks like. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

/* Rows, then every change that the snapshot did not see: by its transaction numbers, not by the place in the
 * stream. */
START_TEST(snapshot_then_stream)
{
    static const uint64_t running[] = {(UINT64_C(3) << 32) + 52};
    struct reader r = {.visibility[0] = {.xmin = running[0],
                                         .xmax = (UINT64_C(3) << 32) + 60,
                                         .xip = running,
                                         .n_xip = 1,
                                         .insert_lsn = 400},
                       .rows = "[{\"id\":1}]",
                       .times = 2};
    publish(items, 'c', 200, 50, 1); /* seen */
    publish(items, 'c', 210, 51, 2); /* seen */
    publish(items, 'c', 220, 52, 3); /* decoded, but still running for the snapshot */
    struct client *c = snapshot_of(&r);
    publish(items, 'c', 390, 60, 4); /* began later */
    hub_position(hub, source, 400, 0);
    publish(items, 'c', 410, 40, 5); /* an old transaction that committed behind the snapshot */
    publish(items, 'c', 420, 61, 6);
    expect(await(c, "rows"), "rows", "[{\"id\":1}]");
    struct json_object *message = await(c, "ready");
    expect(message, "count", "2");
    expect(message, "pos", pos_text(220, 0)); /* just before the first change that comes */
    for (int id = 3; id <= 6; id++)
        expect_change(c, 'c', id);
    publish(items, 'c', 430, 62, 7);
    expect_change(c, 'c', 7);
    expect_nothing(c);
    pthread_join(r.thread, NULL);
    ck_assert_str_eq(r.columns, "id,name,big");
    ck_assert_uint_eq(r.tries, 1);
    client_free(c);
}
END_TEST

/* `ready` waits until the stream has reached what the snapshot may have seen. */
START_TEST(ready_waits_for_the_stream)
{
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 400}, .rows = "[{\"id\":1}]", .times = 1};
    struct client *c = snapshot_of(&r);
    await(c, "rows");
    pthread_join(r.thread, NULL);
    publish(items, 'c', 300, 59, 1); /* seen: must not come again */
    expect_nothing(c);
    ck_assert(hub_waits(hub, source));
    hub_position(hub, source, 400, 0);
    ck_assert(!hub_waits(hub, source));
    expect(expect_type(c, "ready"), "pos", pos_text(400, 0));
    publish(items, 'c', 400, 60, 2);
    expect_change(c, 'c', 2);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* The insert position at a page's start is behind a header that nobody has written yet. */
START_TEST(an_idle_stream_at_a_page_start_is_enough)
{
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 8192 * 5 + 24}, .rows = "[]", .times = 0};
    hub_position(hub, source, 8192 * 5, 0);
    struct client *c = snapshot_of(&r);
    expect(await(c, "ready"), "count", "0");
    pthread_join(r.thread, NULL);
    client_free(c);
}
END_TEST

/* Commit order and visibility can differ: no position describes such a snapshot, so another one is taken. */
START_TEST(a_snapshot_out_of_order_is_repeated)
{
    static const uint64_t running[] = {52};
    struct reader r = {.rows = "[{\"id\":1}]", .times = 1};
    r.visibility[0] =
        (struct hub_visibility){.xmin = 52, .xmax = 60, .xip = running, .n_xip = 1, .insert_lsn = 400};
    r.visibility[1] = (struct hub_visibility){.xmin = 60, .xmax = 60, .insert_lsn = 400};
    publish(items, 'c', 210, 52, 1); /* still running */
    publish(items, 'c', 220, 51, 2); /* seen */
    hub_position(hub, source, 400, 0);
    struct client *c = snapshot_of(&r);
    expect(await(c, "ready"), "pos", pos_text(400, 0));
    expect_nothing(c);
    pthread_join(r.thread, NULL);
    ck_assert_uint_eq(r.tries, 2);
    client_free(c);
}
END_TEST

/* One that stays out of order has no position: whoever went on from one would be told things twice. */
START_TEST(a_snapshot_that_stays_out_of_order_is_refused)
{
    static const uint64_t running[] = {52};
    struct reader r = {.rows = "[{\"id\":1}]", .times = 1};
    for (int i = 0; i < 4; i++)
        r.visibility[i] =
            (struct hub_visibility){.xmin = 52, .xmax = 60, .xip = running, .n_xip = 1, .insert_lsn = 400};
    publish(items, 'c', 210, 52, 1);
    publish(items, 'c', 220, 51, 2);
    hub_position(hub, source, 400, 0);
    struct client *c = snapshot_of(&r);
    struct json_object *message = await(c, "error");
    expect(message, "code", "\"snapshot_failed\"");
    expect(message, "retry", "true");
    expect_nothing(c);
    pthread_join(r.thread, NULL);
    ck_assert_uint_eq(r.tries, 4);
    client_free(c);
}
END_TEST

/* While the stream takes its time the rows are read before it can be told whether they are in order. */
START_TEST(rows_that_were_read_before_the_stream_came_are_judged_too)
{
    static const uint64_t running[] = {52};
    struct reader r = {
        .visibility[0] = {.xmin = 52, .xmax = 60, .xip = running, .n_xip = 1, .insert_lsn = 400},
        .rows = "[{\"id\":2}]",
        .times = 1};
    struct client *c = snapshot_of(&r);
    await(c, "rows");
    pthread_join(r.thread, NULL);
    publish(items, 'c', 210, 52, 1); /* still running */
    publish(items, 'c', 220, 51, 2); /* seen */
    hub_position(hub, source, 400, 0);
    struct json_object *message = await(c, "error");
    expect(message, "code", "\"snapshot_failed\"");
    expect(message, "retry", "true");
    publish(items, 'c', 410, 61, 3);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* A change that the snapshot did not see has left the window meanwhile: never a silent gap. */
START_TEST(a_snapshot_longer_than_the_window_resets)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 4096});
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 1000}, .rows = "[{\"id\":1}]", .times = 1};
    struct client *c = snapshot_of(&r);
    await(c, "rows");
    pthread_join(r.thread, NULL);
    for (int i = 0; i < 100; i++) {
        publish(items, 'c', 200 + (lsn_t)i, 70, i);
        hub_turn(hub);
    }
    expect_nothing(c);
    hub_position(hub, source, 1000, 0);
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(a_failed_snapshot_is_an_error)
{
    struct reader r = {.visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 100},
                       .failure = "no \"such\" table"};
    struct client *c = snapshot_of(&r);
    struct json_object *message = await(c, "error");
    expect(message, "code", "\"snapshot_failed\"");
    expect(message, "message", "\"no \\\"such\\\" table\"");
    expect(message, "retry", "true");
    publish(items, 'c', 200, 61, 2);
    expect_nothing(c);
    pthread_join(r.thread, NULL);
    client_free(c);
}
END_TEST

/* The reader waits for a client that does not read, and stops when it has gone. */
START_TEST(a_reader_is_bounded_and_cancelled)
{
    static char rows[100001];
    memset(rows, ' ', sizeof(rows) - 1);
    rows[0] = '[';
    rows[sizeof(rows) - 2] = ']';
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 100}, .rows = rows, .times = 1000};
    struct client *c = snapshot_of(&r);
    while (__atomic_load_n(&r.done, __ATOMIC_RELAXED) < 42) /* 4 MiB of 100 kB */
        hub_turn(hub);
    client_frame(c);
    expect_type(c, "rows");
    say(c, "{\"type\":\"unsubscribe\",\"id\":1}");
    pthread_join(r.thread, NULL);
    ck_assert(r.cancelled);
    ck_assert_uint_le(r.done, 44);
    client_free(c);
}
END_TEST

/* What the server's end cut off is not told to be the whole table. */
START_TEST(a_snapshot_that_a_stop_cuts_off_is_not_ready)
{
    static char rows[100001];
    memset(rows, ' ', sizeof(rows) - 1);
    rows[0] = '[';
    rows[sizeof(rows) - 2] = ']';
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 100}, .rows = rows, .times = 1000};
    struct client *c = snapshot_of(&r);
    while (__atomic_load_n(&r.done, __ATOMIC_RELAXED) < 42) /* 4 MiB of 100 kB */
        hub_turn(hub);
    hub_stop(hub);
    pthread_join(r.thread, NULL);
    struct json_object *message = await(c, "error");
    expect(message, "message", "\"the server is shutting down\"");
    expect(message, "retry", "true");
    client_free(c);
}
END_TEST

/* While the database takes its time, the reader can ask whether it is worth it. */
START_TEST(rows_are_wanted_until_the_client_goes)
{
    struct hub_request request;
    struct client *c = subscriber(
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"snapshot\":true}", "snapshot");
    ck_assert(hub_request_take(hub, source, 1000, &request));
    ck_assert(hub_rows_wanted(hub, request.id));
    ck_assert(!hub_rows_wanted(hub, request.id + 1));
    say(c, "{\"type\":\"unsubscribe\",\"id\":1}");
    ck_assert(!hub_rows_wanted(hub, request.id));
    hub_rows_fail(hub, request.id, "nobody sees this", true);
    client_free(c);
}
END_TEST

START_TEST(stopping_frees_the_readers)
{
    struct reader r = {.times = 0};
    reader_start(&r);
    hub_stop(hub);
    pthread_join(r.thread, NULL);
    struct hub_request request;
    ck_assert(!hub_request_take(hub, -1, 10000, &request));
}
END_TEST

/* Rows that do not fit in a message come one by one, without their largest columns, and numbers stay as they
 * are. */
START_TEST(large_snapshot_rows_are_cut)
{
    play_teardown();
    play_with((struct hub_options){.message_bytes = 400});
    static char rows[3000];
    snprintf(rows, sizeof(rows),
             "[{\"id\":1,\"name\":\"a,]}\\\"\",\"big\":123456789012345678901234567890},{\"id\":2,\"name\":\"%"
             "0500d\",\"big\":[1,{\"x\":2}]}]",
             7);
    struct reader r = {
        .visibility[0] = {.xmin = 60, .xmax = 60, .insert_lsn = 100}, .rows = rows, .times = 1};
    struct client *c = snapshot_of(&r);
    struct json_object *message = await(c, "rows");
    expect(message, "omitted", "absent");
    struct json_object *row = json_object_array_get_idx(json_object_object_get(message, "rows"), 0);
    expect(row, "name", "\"a,]}\\\"\"");
    message = await(c, "rows");
    expect(message, "rows", "[{\"id\":2,\"big\":[1,{\"x\":2}]}]");
    expect(message, "omitted", "[\"name\"]");
    expect(await(c, "ready"), "count", "2");
    pthread_join(r.thread, NULL);
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub rows");
    TCase *tcase = tcase_create("hub rows");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, snapshot_then_stream);
    tcase_add_test(tcase, ready_waits_for_the_stream);
    tcase_add_test(tcase, an_idle_stream_at_a_page_start_is_enough);
    tcase_add_test(tcase, a_snapshot_out_of_order_is_repeated);
    tcase_add_test(tcase, a_snapshot_that_stays_out_of_order_is_refused);
    tcase_add_test(tcase, rows_that_were_read_before_the_stream_came_are_judged_too);
    tcase_add_test(tcase, a_snapshot_longer_than_the_window_resets);
    tcase_add_test(tcase, a_failed_snapshot_is_an_error);
    tcase_add_test(tcase, a_reader_is_bounded_and_cancelled);
    tcase_add_test(tcase, rows_are_wanted_until_the_client_goes);
    tcase_add_test(tcase, stopping_frees_the_readers);
    tcase_add_test(tcase, a_snapshot_that_a_stop_cuts_off_is_not_ready);
    tcase_add_test(tcase, large_snapshot_rows_are_cut);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
