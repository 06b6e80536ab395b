/* test_hub_index.c - filters found by the value that they want: thousands of values come and go, and each
 * change is for those that want it at that moment, whatever their values look like. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

enum { VALUES = 1200 };

static struct client *client;
static bool wanted[VALUES];
static lsn_t lsn;

static void setup(void)
{
    play_with((struct hub_options){.rate = 1000000, .max_subscriptions = VALUES});
    client = welcomed();
    memset(wanted, 0, sizeof(wanted));
    lsn = 1000;
}

static void teardown(void)
{
    client_free(client);
    play_teardown();
}

/* 1 to 40 bytes, with the same beginnings. */
static const char *value_of(int i)
{
    static char text[60];
    snprintf(text, sizeof(text), "%.*s%d", i % 37, "the same beginning of many of these values", i);
    return text;
}

static void want(int i)
{
    char text[300];
    snprintf(
        text, sizeof(text),
        "{\"type\":\"subscribe\",\"id\":%d,\"table\":\"public.items\",\"where\":[\"name\",\"eq\",\"%s\"]}", i,
        value_of(i));
    say(client, text);
    expect_type(client, "subscribed");
    wanted[i] = true;
}

static void unwant(int i)
{
    char text[100];
    snprintf(text, sizeof(text), "{\"type\":\"unsubscribe\",\"id\":%d}", i);
    say(client, text);
    wanted[i] = false;
}

static void publish_value(int i)
{
    char id[16], name[80];
    snprintf(id, sizeof(id), "%d", i);
    snprintf(name, sizeof(name), "\"%s\"", value_of(i));
    struct slice row[] = {slice_of(id), slice_of(name), SLICE("null")};
    struct hub_change c = {.table = items, .op = 'c', .commit_lsn = lsn++, .xid = 9, .row = row};
    hub_publish(hub, source, &c);
}

/* A row with each of the values, all taken in one turn. */
static void expect_what_is_wanted(void)
{
    for (int i = 0; i < VALUES; i++)
        publish_value(i);
    for (int i = 0; i < VALUES; i++)
        if (wanted[i])
            expect_change(client, 'c', i);
    expect_nothing(client);
}

START_TEST(each_value_is_found)
{
    for (int i = 0; i < VALUES; i++)
        want(i);
    expect_what_is_wanted();
}
END_TEST

/* What is taken out leaves nothing in the way of those that were put in behind it. */
START_TEST(values_come_and_go)
{
    uint32_t dice = 12345;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < VALUES; i++) {
            dice = dice * 1664525 + 1013904223;
            if (dice >> 31 && !wanted[i])
                want(i);
            else if (dice >> 30 & 1 && wanted[i])
                unwant(i);
        }
        if (round == 2)
            expect_what_is_wanted();
    }
    for (int i = 0; i < VALUES; i++)
        if (wanted[i])
            unwant(i);
    expect_what_is_wanted();
}
END_TEST

/* A value that several want is theirs until the last one goes, in whatever order they go. */
START_TEST(a_value_may_be_wanted_by_several)
{
    static const char *const others[] = {"\"columns\":[\"id\"]", "\"old\":\"none\"", "\"ops\":\"c\""};
    char text[300];
    want(7);
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"subscribe\",\"id\":%d,\"table\":\"public.items\",\"where\":[\"name\",\"eq\",\"%"
                 "s\"],%s}",
                 100 + i, value_of(7), others[i]);
        say(client, text);
        expect_type(client, "subscribed");
    }
    static const int leaving[] = {101, 7, 102, 100};
    for (int left = 4, i = 0; i < 4; left--, i++) {
        publish_value(7);
        for (int n = 0; n < left; n++)
            expect_change(client, 'c', 7);
        expect_nothing(client);
        snprintf(text, sizeof(text), "{\"type\":\"unsubscribe\",\"id\":%d}", leaving[i]);
        say(client, text);
    }
}
END_TEST

/* What was not read yet goes with its subscription; the others of the session get theirs. */
START_TEST(some_go_that_have_something_to_read)
{
    for (int i = 0; i < 10; i++)
        want(i);
    for (int i = 0; i < 10; i++)
        publish_value(i);
    hub_turn(hub);
    for (int i = 0; i < 10; i += 3)
        unwant(i);
    for (int i = 0; i < 10; i++)
        if (wanted[i])
            expect_change(client, 'c', i);
    expect_nothing(client);
    expect_what_is_wanted();
}
END_TEST

/* Of a change that two subscriptions of a session get, the newer one's message comes first, each time. */
START_TEST(the_order_within_a_change_stays)
{
    char channel[32];
    want(5);
    say(client, "{\"type\":\"subscribe\",\"id\":100,\"table\":\"public.items\"}");
    snprintf(channel, sizeof(channel), "%s", text_of(expect_type(client, "subscribed"), "channel"));
    for (int i = 0; i < 5; i++) {
        publish_value(5);
        expect(expect_type(client, "change"), "channel", channel);
        ck_assert_str_ne(text_of(expect_type(client, "change"), "channel"), channel);
        expect_nothing(client);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_index");
    TCase *tcase = tcase_create("hub_index");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, each_value_is_found);
    tcase_add_test(tcase, values_come_and_go);
    tcase_add_test(tcase, a_value_may_be_wanted_by_several);
    tcase_add_test(tcase, some_go_that_have_something_to_read);
    tcase_add_test(tcase, the_order_within_a_change_stays);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
