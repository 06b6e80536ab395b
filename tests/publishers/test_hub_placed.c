/* test_hub_placed.c - snapshots that another server has read: rows, then exactly what comes behind their
 * position, whether the stream here is ahead of it or behind. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>

#include "hub_play.h"

#define SNAPSHOT                                                                                             \
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"snapshot\":true,"                         \
    "\"where\":[\"id\",\"lt\",50]}"
#define EPOCH "7-1-a"

static struct hub_request asked(void)
{
    struct hub_request q;
    ck_assert(hub_request_take(hub, source, 0, &q));
    return q;
}

static const char *at(lsn_t lsn, unsigned ordinal)
{
    static char text[40];
    const char *quoted = pos_text(lsn, ordinal);
    snprintf(text, sizeof text, "%.*s", (int)strlen(quoted) - 2, quoted + 1);
    return text;
}

START_TEST(what_the_rows_have_is_not_told_again)
{
    struct client *c = subscriber(SNAPSHOT, "snapshot");
    publish(items, 'c', 200, 61, 1);
    publish(items, 'c', 300, 62, 2);
    struct hub_request q = asked();
    ck_assert_str_eq(q.filter, "[\"id\",\"lt\",50]");
    ck_assert(hub_rows_at(hub, q.id, EPOCH, at(250, 0)));
    ck_assert(hub_rows(hub, q.id, SLICE("[{\"id\":1}]"), 1));
    hub_rows_end(hub, q.id);
    expect_type(c, "rows");
    struct json_object *ready = expect_type(c, "ready");
    expect(ready, "pos", pos_text(250, 0));
    expect(ready, "count", "1");
    expect_change(c, 'c', 2);
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(a_stream_that_is_behind_catches_up_in_silence)
{
    struct client *c = subscriber(SNAPSHOT, "snapshot");
    struct hub_request q = asked();
    ck_assert(hub_rows_at(hub, q.id, EPOCH, at(900, 1)));
    hub_rows_end(hub, q.id);
    expect_type(c, "ready");
    publish(items, 'c', 200, 61, 1);
    publish(items, 'c', 900, 62, 2);
    expect_nothing(c);
    publish(items, 'c', 901, 63, 3);
    expect_change(c, 'c', 3);
    client_free(c);
}
END_TEST

START_TEST(another_history_or_no_position_is_refused)
{
    struct client *c = subscriber(SNAPSHOT, "snapshot");
    struct hub_request q = asked();
    ck_assert(!hub_rows_at(hub, q.id, "7-2-a", at(250, 0)));
    ck_assert(!hub_rows_at(hub, q.id, EPOCH, "250"));
    hub_rows_fail(hub, q.id, "not the same history", true);
    struct json_object *error = expect_type(c, "error");
    expect(error, "code", "\"snapshot_failed\"");
    expect(error, "retry", "true");
    client_free(c);
}
END_TEST

/* What the window does not have any more when the rows are complete is missing. */
START_TEST(a_position_that_the_window_does_not_reach_resets)
{
    struct client *c = subscriber(SNAPSHOT, "snapshot");
    struct hub_request q = asked();
    ck_assert(hub_rows_at(hub, q.id, EPOCH, at(50, 0)));
    hub_rows_end(hub, q.id);
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    client_free(c);
}
END_TEST

static void no_snapshots(void)
{
    play_with((struct hub_options){.no_snapshots = "nobody reads here"});
}

START_TEST(without_a_reader_it_is_unsupported)
{
    struct client *c = welcomed();
    say(c, SNAPSHOT);
    struct json_object *error = expect_type(c, "error");
    expect(error, "code", "\"unsupported\"");
    ck_assert_ptr_nonnull(strstr(text_of(error, "message"), "nobody reads here"));
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_placed");
    TCase *placed = tcase_create("placed"), *none = tcase_create("none");
    tcase_add_checked_fixture(placed, play_setup, play_teardown);
    tcase_add_test(placed, what_the_rows_have_is_not_told_again);
    tcase_add_test(placed, a_stream_that_is_behind_catches_up_in_silence);
    tcase_add_test(placed, another_history_or_no_position_is_refused);
    tcase_add_test(placed, a_position_that_the_window_does_not_reach_resets);
    tcase_add_checked_fixture(none, no_snapshots, play_teardown);
    tcase_add_test(none, without_a_reader_it_is_unsupported);
    suite_add_tcase(suite, placed);
    suite_add_tcase(suite, none);
    return suite_end(suite);
}
