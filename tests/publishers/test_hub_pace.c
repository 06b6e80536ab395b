/* test_hub_pace.c - paced snapshots: a batch when the client asks for it, and nobody waits for one that does
 * not. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

#define SUBSCRIBE(id) "{\"type\":\"subscribe\",\"id\":" #id ",\"table\":\"public.items\",\"snapshot\":true"
#define PACED(id)     SUBSCRIBE(id) ",\"paced\":true}"

static const struct hub_visibility SEES = {.xmin = 60, .xmax = 60, .insert_lsn = 100};

/* The reader, on this thread: what it would do next. */
static uint64_t reads(bool wants_again)
{
    struct hub_request request;
    bool again;
    if (!hub_request_next(hub, source, 0, &request, &again))
        return 0;
    ck_assert_msg(again == wants_again, "request %d", (int)request.id);
    if (!again)
        ck_assert_int_eq(hub_rows_begin(hub, request.id, &SEES), HUB_GO);
    return request.id;
}

static void batch(uint64_t request)
{
    ck_assert(hub_rows(hub, request, SLICE("[{\"id\":1}]"), 1));
}

static struct client *paced(void)
{
    return subscriber(PACED(1), "snapshot");
}

static void more(struct client *c)
{
    say(c, "{\"type\":\"more\",\"id\":1}");
}

/* One batch, then no further one before `more`; the reader is free meanwhile. */
START_TEST(batches_come_when_they_are_asked_for)
{
    struct client *c = paced();
    uint64_t request = reads(false);
    ck_assert_uint_eq(reads(true), request); /* the first one is asked for by the subscription */
    batch(request);
    expect_type(c, "rows");
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(reads(true), 0);
        expect_nothing(c);
        more(c);
        ck_assert_uint_eq(reads(true), request);
        batch(request);
        expect_type(c, "rows");
    }
    hub_rows_end(hub, request); /* the last batch was short: nothing is left to be asked for */
    expect(expect_type(c, "ready"), "count", "4");
    more(c); /* late: no harm */
    publish(items, 'c', 200, 61, 2);
    expect_change(c, 'c', 2);
    client_free(c);
}
END_TEST

/* Rows that are too large for one message are several batches. */
START_TEST(split_batches_are_asked_for_one_by_one)
{
    play_teardown();
    play_with((struct hub_options){.message_bytes = 100});
    struct client *c = paced();
    uint64_t request = reads(false);
    static char rows[200];
    snprintf(rows, sizeof(rows), "[{\"id\":1,\"name\":\"%050d\"},{\"id\":2,\"name\":\"%050d\"}]", 1, 2);
    ck_assert(hub_rows(hub, request, slice_of(rows), 2));
    hub_rows_end(hub, request);
    expect_type(c, "rows");
    expect_nothing(c);
    more(c);
    expect_type(c, "rows");
    expect(expect_type(c, "ready"), "count", "2");
    client_free(c);
}
END_TEST

/* Dawdlers have places, and leave some: others are read meanwhile. */
START_TEST(others_are_read_meanwhile)
{
    struct client *slow[HUB_SNAPSHOTS_PACED], *c, *late;
    for (size_t i = 0; i < HUB_SNAPSHOTS_PACED; i++) {
        slow[i] = paced();
        batch(reads(false));
        client_read(slow[i]);
    }
    late = paced();
    ck_assert_uint_eq(reads(false), 0); /* no place for one more of them */
    c = subscriber(SUBSCRIBE(1) "}", "snapshot");
    uint64_t request = reads(false);
    batch(request);
    ck_assert_uint_eq(reads(true), request);
    batch(request);
    hub_rows_end(hub, request);
    expect_type(c, "rows");
    expect_type(c, "rows");
    expect_type(c, "ready");
    client_free(slow[0]);
    uint64_t left = reads(true); /* nobody wants it: the reader shall close it */
    ck_assert(!hub_rows_wanted(hub, left));
    hub_rows_fail(hub, left, "", true);
    ck_assert_uint_ne(reads(false), 0);
    for (size_t i = 1; i < HUB_SNAPSHOTS_PACED; i++)
        client_free(slow[i]);
    client_free(c);
    client_free(late);
}
END_TEST

/* One client does not take all places. */
START_TEST(a_session_has_one_open_at_a_time)
{
    struct client *c = paced();
    say(c, PACED(2));
    expect_type(c, "subscribed");
    uint64_t request = reads(false);
    batch(request);
    expect_type(c, "rows");
    ck_assert_uint_eq(reads(false), 0);
    hub_rows_end(hub, request);
    expect(expect_type(c, "ready"), "id", "1");
    ck_assert_uint_ne(reads(false), 0);
    client_free(c);
}
END_TEST

/* A transaction of the database is not kept open for ever: sooner when others wait for the place. */
START_TEST(a_turn_that_passes_resets)
{
    struct client *c = paced(), *all[HUB_SNAPSHOTS_PACED];
    uint64_t request = reads(false);
    hub_tick(hub, 1000);
    hub_tick(hub, 100000); /* the server's turn */
    batch(request);
    await(c, "rows");
    hub_tick(hub, 101000);
    hub_tick(hub, 130000);
    more(c);
    hub_tick(hub, 131000);
    batch(request);
    await(c, "rows");
    hub_tick(hub, 132000);
    hub_tick(hub, 161000);
    for (struct json_object *m; (m = next(c));)
        expect(m, "type", "\"heartbeat\"");
    hub_tick(hub, 162000);
    expect(await(c, "reset"), "reason", "\"slow\"");
    ck_assert(!hub_rows_wanted(hub, request));
    ck_assert_uint_eq(reads(true), request);
    hub_rows_fail(hub, request, "", true);
    for (size_t i = 0; i < HUB_SNAPSHOTS_PACED; i++) {
        all[i] = paced();
        batch(reads(false));
        client_read(all[i]);
    }
    say(c, PACED(3)); /* waits for a place */
    hub_tick(hub, 200000);
    hub_tick(hub, 205000);
    expect(await(all[0], "reset"), "reason", "\"slow\"");
    for (size_t i = 0; i < HUB_SNAPSHOTS_PACED; i++)
        client_free(all[i]);
    client_free(c);
}
END_TEST

/* With a reader that does one after the other everybody waits for a dawdler: not for long. */
START_TEST(one_reader_waits_less)
{
    struct reader r = {.visibility[0] = SEES, .rows = "[{\"id\":1}]", .times = 2};
    struct client *c = paced(), *waits;
    reader_start(&r);
    await(c, "rows");
    hub_tick(hub, 1000);
    hub_tick(hub, 20000);
    waits = paced();
    hub_tick(hub, 20001);
    expect(await(c, "reset"), "reason", "\"slow\"");
    pthread_join(r.thread, NULL);
    ck_assert(r.cancelled);
    client_free(c);
    client_free(waits);
}
END_TEST

/* Whatever its client does, an hour is the end. */
START_TEST(a_paced_snapshot_has_an_hour)
{
    play_teardown();
    play_with((struct hub_options){.rate = 1000});
    struct client *c = paced();
    uint64_t request = reads(false);
    int64_t at = 1000;
    hub_tick(hub, at);
    for (; at < 1000 + 3599000; at += 20000) {
        hub_tick(hub, at);
        batch(request);
        client_read(c);
        more(c);
    }
    ck_assert(hub_rows_wanted(hub, request));
    hub_tick(hub, 1000 + 3600000);
    ck_assert(!hub_rows_wanted(hub, request));
    expect(await(c, "reset"), "reason", "\"slow\"");
    client_free(c);
}
END_TEST

/* It cannot become exact any more: no reason to keep the database waiting. */
START_TEST(a_snapshot_that_the_window_left_behind_ends)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 4096});
    struct client *c = paced();
    uint64_t request = reads(false);
    batch(request);
    expect_type(c, "rows");
    for (int i = 0; i < 100; i++) {
        publish(items, 'c', 200 + (lsn_t)i, 70, i);
        hub_turn(hub);
    }
    hub_tick(hub, 1000);
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    ck_assert(!hub_rows_wanted(hub, request));
    client_free(c);
}
END_TEST

START_TEST(more_of_what_is_not_paced)
{
    struct client *c = live();
    more(c);
    expect(expect_type(c, "error"), "code", "\"bad_request\"");
    say(c, "{\"type\":\"more\",\"id\":77}");
    expect_nothing(c);
    say(c, "{\"type\":\"more\"}");
    expect(expect_type(c, "error"), "code", "\"bad_request\"");
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub pace");
    TCase *tcase = tcase_create("hub pace");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, batches_come_when_they_are_asked_for);
    tcase_add_test(tcase, split_batches_are_asked_for_one_by_one);
    tcase_add_test(tcase, others_are_read_meanwhile);
    tcase_add_test(tcase, a_session_has_one_open_at_a_time);
    tcase_add_test(tcase, a_turn_that_passes_resets);
    tcase_add_test(tcase, one_reader_waits_less);
    tcase_add_test(tcase, a_paced_snapshot_has_an_hour);
    tcase_add_test(tcase, a_snapshot_that_the_window_left_behind_ends);
    tcase_add_test(tcase, more_of_what_is_not_paced);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
