/* test_session.c - what a client may say, what it is told, and when it is sent away. */
#include "session.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"
#include "xmalloc.h"

/* "welcome": a page can offer the tables without asking further. */
START_TEST(welcome_names_tables_and_position)
{
    struct client *c = client_new();
    struct json_object *message = expect_type(c, "welcome");
    expect(message, "epoch", "\"7-1-a\"");
    expect(message, "pos", pos_text(100, 0));
    expect(message, "limits", "{\"message_bytes\":1048576,\"subscriptions\":100,\"rate\":100}");
    struct json_object *table = json_object_array_get_idx(json_object_object_get(message, "tables"), 0);
    expect(table, "name", "\"public.items\"");
    expect(table, "key", "[\"id\"]");
    client_free(c);
}
END_TEST

START_TEST(without_a_stream_the_client_shall_come_back)
{
    struct hub_options options = {0};
    play_teardown();
    hub = hub_new(&options);
    struct client *c = client_new();
    struct json_object *message = expect_type(c, "closing");
    expect(message, "code", "4013");
    ck_assert_int_ge(json_object_get_int(json_object_object_get(message, "retry_after_ms")), 500);
    ck_assert_int_eq(session_closed(c->session), 4013);
    client_free(c);
}
END_TEST

START_TEST(clients_that_do_not_read_are_cut)
{
    struct client *c = live();
    publish(items, 'c', 200, 5, 1);
    hub_turn(hub);
    hub_tick(hub, INT64_MAX / 2);
    ck_assert_uint_eq(c->cut, 1);
    client_free(c);
}
END_TEST

#define NINETY "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

static const struct {
    const char *message, *code;
} REFUSED[] = {
    {"{", "\"bad_json\""},
    {"[]", "\"bad_json\""},
    {"{} {}", "\"bad_json\""},
    {"{\"type\":\"dance\"}", "\"bad_request\""},
    {"{\"type\":\"ping\",\"n\":\"" NINETY "12345678901\"}", "\"bad_request\""},
    {"{\"type\":\"auth\",\"token\":\"x\"}", "\"unsupported\""},
    {"{\"type\":\"more\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"table\":\"public.items\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":-1,\"table\":\"public.items\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.none\"}", "\"unknown_table\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"columns\":[\"no\"]}",
     "\"unknown_column\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"columns\":[1]}", "\"unknown_column\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"columns\":[]}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"where\":[\"id\",\"eq\",1.5]}",
     "\"bad_filter\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"format\":\"avro\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"transactions\":1}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"paced\":\"yes\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"speed\":1}", "\"unsupported\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"ops\":\"cx\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"old\":\"all\"}", "\"bad_request\""},
    {"{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"from\":\"then\"}", "\"bad_request\""},
};

/* What cannot be done is refused by name; the connection stays. */
START_TEST(bad_requests_are_answered)
{
    struct client *c = welcomed();
    say(c, REFUSED[_i].message);
    struct json_object *message = expect_type(c, "error");
    expect(message, "code", REFUSED[_i].code);
    expect(message, "retry", "false");
    say(c, "{\"type\":\"ping\",\"n\":4}");
    expect(expect_type(c, "pong"), "n", "4");
    client_free(c);
}
END_TEST

/* Text and numbers come back as they were. */
START_TEST(pings_are_answered)
{
    static const char *const texts[][2] = {{"7", "7"},
                                           {"1234.5670000000596", "1234.5670000000596"},
                                           {"\"a\\u0000b\"", "\"a\\u0000b\""},
                                           {"1e3", "1e3"},
                                           {"NaN", "absent"},
                                           {"[1]", "absent"},
                                           {"null", "absent"}};
    struct client *c = welcomed();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *message = xasprintf("{\"type\":\"ping\",\"n\":%s}", texts[i][0]);
        say(c, message);
        expect(expect_type(c, "pong"), "n", texts[i][1]);
        free(message);
    }
    client_free(c);
}
END_TEST

/* Not more than a table can have: each is looked for. */
START_TEST(names_of_columns_are_bounded)
{
    struct buf b = BUF_EMPTY;
    struct client *c = welcomed();
    for (size_t n = 1664; n <= 1665; n++) {
        buf_reset(&b);
        BUF_LIT(&b, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"columns\":[\"id\"");
        for (size_t i = 1; i < n; i++)
            BUF_LIT(&b, ",\"id\"");
        BUF_LIT(&b, "]}");
        say(c, b.ptr);
        if (n == 1664)
            expect_type(c, "subscribed");
        else
            expect(expect_type(c, "error"), "code", "\"bad_request\"");
    }
    buf_free(&b);
    client_free(c);
}
END_TEST

/* Each counts, and one that is no good takes what stands behind it along. */
START_TEST(several_messages_may_come_at_once)
{
    play_teardown();
    play_with((struct hub_options){.rate = 5});
    struct client *c = live();
    now += 1000;
    say(c, "{\"type\":\"ping\",\"n\":1}\n{\"type\":\"ping\",\n\"n\":2}\n");
    for (int i = 1; i <= 2; i++)
        expect(expect_type(c, "pong"), "n", i == 1 ? "1" : "2");
    say(c, "{\"type\":\"ping\",\"n\":3}\nx\n{\"type\":\"ping\",\"n\":4}");
    expect(expect_type(c, "pong"), "n", "3");
    expect(expect_type(c, "error"), "code", "\"bad_json\"");
    say(c, "{\"type\":\"ping\",\"n\":5}\n{\"type\":\"ping\",\"n\":6}\n{\"type\":\"ping\",\"n\":7}");
    expect(expect_type(c, "pong"), "n", "5");
    expect_type(c, "heartbeat");
    expect(expect_type(c, "closing"), "code", "4029");
    client_free(c);
}
END_TEST

/* Who asks without reading costs some memory, not all of it. */
START_TEST(answers_that_nobody_reads_end_the_session)
{
    play_teardown();
    play_with((struct hub_options){.rate = 1000000});
    struct client *c = live();
    for (int i = 0; i < 60000; i++)
        say(c, "{\"type\":\"ping\",\"n\":\"" NINETY "\"}");
    struct buf frame = BUF_EMPTY;
    session_gather(c->session, &frame, now);
    ck_assert_uint_lt(frame.len, 5 * 1024 * 1024);
    ck_assert_ptr_nonnull(strstr(frame.ptr, "\"code\":4008"));
    buf_free(&frame);
    client_free(c);
}
END_TEST

START_TEST(requests_are_limited)
{
    play_teardown();
    play_with((struct hub_options){.rate = 5, .max_subscriptions = 1});
    struct client *c = live();
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.other\"}");
    expect(expect_type(c, "error"), "code", "\"too_many_subscriptions\"");
    now += 1000;
    for (int i = 0; i < 6; i++)
        say(c, "{\"type\":\"ping\"}");
    for (int i = 0; i < 5; i++)
        expect_type(c, "pong");
    expect_type(c, "heartbeat");
    expect(expect_type(c, "closing"), "code", "4029");
    client_free(c);
}
END_TEST

START_TEST(shutdown_is_announced_behind_what_waits)
{
    struct client *c = live();
    for (int i = 0; i < 1000; i++) /* more than one frame */
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    hub_end_sessions(hub, CLOSE_SHUTDOWN, "bye");
    for (int i = 0; i < 1000; i++)
        expect_change(c, 'c', i);
    expect(expect_type(c, "heartbeat"), "pos", pos_text(1199, 1));
    struct json_object *message = expect_type(c, "closing");
    expect(message, "code", "4001");
    expect(message, "reason", "\"bye\"");
    publish(items, 'c', 2000, 5, 1);
    expect_nothing(c);
    ck_assert_int_eq(session_closed(c->session), 4001);
    client_free(c);
}
END_TEST

START_TEST(a_removed_connector_says_so)
{
    struct client *c = live();
    hub_source_end(hub, source);
    expect_type(c, "reset");
    expect(expect_type(c, "closing"), "code", "4003");
    client_free(c);
    c = client_new();
    expect(expect_type(c, "closing"), "code", "4013");
    client_free(c);
}
END_TEST

/* A position belongs to one history, so a session follows one connector. */
START_TEST(sessions_follow_one_connector)
{
    int second = hub_source(hub, "stock");
    ck_assert_int_eq(hub_source(hub, "stock"), second);
    hub_epoch(hub, second, "9-1-b", 50);
    struct hub_table_info info = {"public.stock", ITEM_COLUMNS, 1, FIRST, 1};
    hub_table_set(hub, second, &info);
    struct client *c = welcomed();
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.stock\"}");
    struct json_object *message = expect_type(c, "error");
    expect(message, "message", "\"public.stock belongs to another connector: open /ws?connector=stock\"");
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("session");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, welcome_names_tables_and_position);
    tcase_add_test(tcase, without_a_stream_the_client_shall_come_back);
    tcase_add_test(tcase, clients_that_do_not_read_are_cut);
    tcase_add_loop_test(tcase, bad_requests_are_answered, 0, sizeof(REFUSED) / sizeof(*REFUSED));
    tcase_add_test(tcase, pings_are_answered);
    tcase_add_test(tcase, requests_are_limited);
    tcase_add_test(tcase, several_messages_may_come_at_once);
    tcase_add_test(tcase, names_of_columns_are_bounded);
    tcase_add_test(tcase, answers_that_nobody_reads_end_the_session);
    tcase_add_test(tcase, shutdown_is_announced_behind_what_waits);
    tcase_add_test(tcase, a_removed_connector_says_so);
    tcase_add_test(tcase, sessions_follow_one_connector);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
