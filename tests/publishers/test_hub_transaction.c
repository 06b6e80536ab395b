/* test_hub_transaction.c - begin and commit: around what is seen of a transaction, and around nothing else.
 */
#include "hub.h"

#include "suite.h"

#include <stdio.h>

#include "hub_play.h"

static void change_at(const struct hub_table *table, lsn_t lsn, uint32_t ordinal, int id)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice cells[] = {slice_of(text), SLICE("\"n\""), SLICE("null")};
    hub_publish(hub, source,
                &(struct hub_change){.table = table,
                                     .op = 'c',
                                     .commit_lsn = lsn,
                                     .ordinal = ordinal,
                                     .xid = (uint32_t)lsn / 10,
                                     .ts_ms = 5,
                                     .row = cells});
}

static void committed(lsn_t lsn)
{
    hub_position(hub, source, lsn + 1, 0);
}

static uint64_t channel_of(struct json_object *message)
{
    return (uint64_t)json_object_get_int64(json_object_object_get(message, "channel"));
}

#define SUBSCRIBE(id, table, more)                                                                           \
    "{\"type\":\"subscribe\",\"id\":" #id ",\"table\":\"public." #table "\",\"transactions\":true" more "}"

static struct client *transacted(void)
{
    return subscriber(SUBSCRIBE(1, items, ""), "live");
}

static void expect_begin(struct client *c, const char *tx, const char *pos)
{
    struct json_object *message = expect_type(c, "begin");
    expect(message, "tx", tx);
    expect(message, "pos", pos);
    expect(message, "ts_ms", "5");
}

static void expect_commit(struct client *c, const char *tx, lsn_t lsn, const char *count)
{
    struct json_object *message = expect_type(c, "commit");
    expect(message, "tx", tx);
    expect(message, "pos", pos_text(lsn, UINT32_MAX));
    expect(message, "count", count);
}

/* "transactions": changes come between begin and commit; each says which transaction it is of. */
START_TEST(changes_come_between_begin_and_commit)
{
    struct client *c = transacted();
    change_at(items, 200, 0, 1);
    change_at(items, 200, 1, 2);
    expect_begin(c, "20", pos_text(200, 0));
    expect_change(c, 'c', 1);
    expect(c->got[c->n - 1], "tx", "20");
    expect_change(c, 'c', 2);
    expect_nothing(c); /* it may go on */
    size_t asked = c->asked;
    committed(200);
    hub_turn(hub);
    ck_assert_uint_gt(c->asked, asked); /* nobody else would write it */
    expect_commit(c, "20", 200, "2");
    committed(300);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Of a transaction whose changes are for others nothing is said. */
START_TEST(nothing_is_said_of_what_is_not_seen)
{
    struct client *c = subscriber(SUBSCRIBE(1, items, ",\"where\":[\"id\",\"eq\",7]"), "live");
    change_at(items, 200, 0, 1);
    change_at(other, 200, 1, 7);
    committed(200);
    expect_nothing(c);
    change_at(items, 300, 0, 1);
    change_at(items, 300, 1, 7);
    change_at(items, 300, 2, 2);
    committed(300);
    expect_begin(c, "30", pos_text(300, 1)); /* just before what it sees */
    expect_change(c, 'c', 7);
    expect_commit(c, "30", 300, "1");
    client_free(c);
}
END_TEST

/* Across the subscriptions of a session: what was committed first has ended before the next begins. */
START_TEST(transactions_of_a_session_end_in_order)
{
    struct client *c = transacted();
    say(c, SUBSCRIBE(2, other, ""));
    uint64_t second = channel_of(expect_type(c, "subscribed"));
    say(c, "{\"type\":\"subscribe\",\"id\":3,\"table\":\"public.other\"}");
    uint64_t plain = channel_of(expect_type(c, "subscribed"));
    change_at(items, 200, 0, 1);
    change_at(other, 200, 1, 2);
    change_at(items, 200, 2, 3);
    change_at(other, 300, 0, 4);
    committed(300);
    char seen[32] = "";
    for (struct json_object *m; (m = next(c));) {
        const char *type = json_object_get_string(json_object_object_get(m, "type"));
        size_t at = strlen(seen);
        uint64_t channel = channel_of(m);
        if (channel != plain || *type != 'c')
            snprintf(seen + at, sizeof(seen) - at, "%c%c", strcmp(type, "commit") == 0 ? 'e' : *type,
                     channel == second ? '2' : '1');
        else
            snprintf(seen + at, sizeof(seen) - at, "p");
    }
    /* begin, change and end of items (1) and other (2), changes of the one without transactions (p) */
    const char *either[] = {"b1c1b2c2pc1e", "b1c1pb2c2c1e", "b2c2p", "pb2c2"};
    ck_assert(strncmp(seen, either[0], 12) == 0 || strncmp(seen, either[1], 12) == 0);
    ck_assert(strncmp(seen + 12, "1e2", 3) == 0 || strncmp(seen + 12, "2e1", 3) == 0);
    ck_assert(strncmp(seen + 15, either[2], 5) == 0 || strncmp(seen + 15, either[3], 5) == 0);
    ck_assert_str_eq(seen + 20, "e2");
    client_free(c);
}
END_TEST

/* Inside a transaction: its rest, with a begin; at its end: the next one. */
START_TEST(resume_inside_and_at_the_edges)
{
    static const struct {
        uint32_t ordinal;
        int first; /* 0: the next transaction */
        const char *count;
    } cases[] = {{0, 1, "3"}, {1, 2, "2"}, {2, 3, "1"}, {3, 0, NULL}, {UINT32_MAX, 0, NULL}};
    for (uint32_t i = 0; i < 3; i++)
        change_at(items, 200, i, (int)i + 1);
    change_at(items, 300, 0, 9);
    committed(300);
    hub_turn(hub);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char request[200];
        snprintf(request, sizeof(request), SUBSCRIBE(1, items, ",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}"),
                 pos_text(200, cases[i].ordinal));
        struct client *c = subscriber(request, "resume");
        if (cases[i].first)
            expect_begin(c, "20", pos_text(200, cases[i].ordinal));
        for (int id = cases[i].first; id && id <= 3; id++)
            expect_change(c, 'c', id);
        if (cases[i].first)
            expect_commit(c, "20", 200, cases[i].count);
        expect_begin(c, "30", pos_text(300, 0));
        expect_change(c, 'c', 9);
        expect_commit(c, "30", 300, "1");
        expect_nothing(c);
        client_free(c);
    }
}
END_TEST

/* A position between begin and commit of a transaction that is gone: a reset, not half of it. */
START_TEST(a_transaction_larger_than_the_window_resets)
{
    play_teardown();
    play_with((struct hub_options){.window_bytes = 4096});
    struct client *c = transacted();
    change_at(items, 200, 0, 1);
    hub_turn(hub);
    client_frame(c);
    expect_type(c, "begin");
    expect_change(c, 'c', 1);
    for (uint32_t i = 1; i < 100; i++)
        change_at(items, 200, i, (int)i);
    hub_turn(hub);
    expect(expect_type(c, "reset"), "reason", "\"slow\"");
    committed(200);
    expect_nothing(c); /* no commit of what was not whole */
    char request[200];
    snprintf(request, sizeof(request), SUBSCRIBE(2, items, ",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}"),
             pos_text(200, 2));
    say(c, request);
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    client_free(c);
}
END_TEST

/* Behind a snapshot come those that it did not see, whole. */
START_TEST(transactions_behind_a_snapshot)
{
    struct reader r = {
        .visibility[0] = {.xmin = 30, .xmax = 30, .insert_lsn = 250}, .rows = "[{\"id\":1}]", .times = 1};
    struct client *c = subscriber(SUBSCRIBE(1, items, ",\"snapshot\":true"), "snapshot");
    change_at(items, 200, 0, 1); /* seen */
    change_at(items, 300, 0, 2);
    change_at(items, 300, 1, 3);
    committed(300);
    reader_start(&r);
    await(c, "ready");
    expect_begin(c, "30", pos_text(300, 0));
    expect_change(c, 'c', 2);
    expect_change(c, 'c', 3);
    expect_commit(c, "30", 300, "2");
    expect_nothing(c);
    pthread_join(r.thread, NULL);
    client_free(c);
}
END_TEST

/* Who subscribes while a transaction is on its way gets its rest. */
START_TEST(a_subscription_in_the_middle)
{
    change_at(items, 200, 0, 1);
    change_at(items, 200, 1, 2);
    struct client *c = transacted();
    change_at(items, 200, 2, 3);
    committed(200);
    expect_begin(c, "20", pos_text(200, 2));
    expect_change(c, 'c', 3);
    expect_commit(c, "20", 200, "1");
    client_free(c);
}
END_TEST

/* Those who ask for transactions and those who do not have channels of their own. */
START_TEST(transactions_make_another_channel)
{
    struct client *with = transacted(), *without = live(), *also = transacted();
    change_at(items, 200, 0, 1);
    expect_type(with, "begin");
    expect_type(also, "begin");
    struct json_object *one = next(with), *two = next(without);
    expect(one, "tx", "20");
    expect(two, "tx", "absent");
    ck_assert_uint_ne(channel_of(one), channel_of(two));
    ck_assert_uint_eq(channel_of(one), channel_of(next(also)));
    client_free(with);
    client_free(without);
    client_free(also);
}
END_TEST

/* A heartbeat that is past a transaction comes behind its commit. */
START_TEST(no_heartbeat_passes_a_commit)
{
    struct client *c = transacted();
    change_at(items, 200, 0, 1);
    committed(300);
    hub_turn(hub);
    hub_tick(hub, now + 60000);
    expect_type(c, "begin");
    expect_change(c, 'c', 1);
    expect_commit(c, "20", 200, "1");
    expect(expect_type(c, "heartbeat"), "pos", pos_text(301, 0));
    say(c, "{\"type\":\"unsubscribe\",\"id\":1}");
    change_at(items, 400, 0, 2);
    committed(400);
    expect_nothing(c);
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub transaction");
    TCase *tcase = tcase_create("hub transaction");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, changes_come_between_begin_and_commit);
    tcase_add_test(tcase, nothing_is_said_of_what_is_not_seen);
    tcase_add_test(tcase, transactions_of_a_session_end_in_order);
    tcase_add_test(tcase, resume_inside_and_at_the_edges);
    tcase_add_test(tcase, a_transaction_larger_than_the_window_resets);
    tcase_add_test(tcase, transactions_behind_a_snapshot);
    tcase_add_test(tcase, a_subscription_in_the_middle);
    tcase_add_test(tcase, transactions_make_another_channel);
    tcase_add_test(tcase, no_heartbeat_passes_a_commit);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
