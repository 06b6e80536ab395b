/* test_access.c - what a client gets under rules: nothing beyond them, whatever becomes of the rows, the
 * token and the rules. */
#include "access.h"

#include "suite.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hub_play.h"
#include "token_play.h"
#include "xmalloc.h"

/* public.whole: its old images are whole; public.keyed: they are keys; public.items, .other: no rule. */
static const struct hub_column COLUMNS[] = {
    {"id", "int4"}, {"org", "text"}, {"v", "text"}, {"secret", "text"}};
static const bool ALL[] = {true, true, true, true};
static const struct hub_table *whole, *keyed;
static struct access *doors;
static char *path;

static const char RULES[] = "{\"rules\":[{\"table\":\"public.whole\",\"roles\":[\"all\"]},"
                            "{\"table\":\"public.whole\",\"columns\":[\"id\",\"org\",\"v\"],\"where\":["
                            "\"org\",\"eq\",{\"claim\":\"org\"}]},"
                            "{\"table\":\"public.keyed\",\"where\":[\"org\",\"eq\",{\"claim\":\"org\"}]},"
                            "{\"table\":\"public.other\",\"columns\":[\"name\"]}]}";

static void setup_with(struct access_options o)
{
    struct err e = {0};
    play_with((struct hub_options){.rate = 1000000});
    struct hub_table_info info = {"public.whole", COLUMNS, 4, FIRST, 1, ALL};
    whole = hub_table_set(hub, source, &info);
    info.name = "public.keyed";
    info.identity = NULL;
    keyed = hub_table_set(hub, source, &info);
    hub_turn(hub);
    path = file_with(RULES);
    o.rules_file = path;
    o.token.secret = PLAY_SECRET;
    doors = access_new(&o, &e);
    ck_assert_msg(doors, "%s", e.text);
    hub_set_access(hub, doors);
}

static void setup(void)
{
    setup_with((struct access_options){0});
}

static void teardown(void)
{
    unlink(path);
    free(path);
    play_teardown();
    access_free(doors);
}

static void show_token(struct client *c, const char *claims, int seconds)
{
    char payload[300];
    snprintf(payload, sizeof(payload), "{\"exp\":%lld,%s}", (long long)time(NULL) + seconds, claims);
    char *token = token_signed("{\"alg\":\"HS256\"}", payload, "HS256", NULL), *message = NULL;
    ck_assert_int_gt(asprintf(&message, "{\"type\":\"auth\",\"token\":\"%s\"}", token), 0);
    say(c, message);
    free(token);
    free(message);
}

static struct client *client_with(const char *claims)
{
    struct client *c = client_new();
    show_token(c, claims, 60);
    expect_type(c, "welcome");
    return c;
}

static struct json_object *ask_for(struct client *c, int id, const char *table, const char *more)
{
    char text[600];
    snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"id\":%d,\"table\":\"public.%s\"%s}", id, table,
             more);
    say(c, text);
    return next(c);
}

static struct client *reader_of(const char *table, const char *more)
{
    struct client *c = client_with("\"sub\":\"ada\",\"org\":\"a\"");
    expect(ask_for(c, 1, table, more), "type", "\"subscribed\"");
    return c;
}

/* One change; org and secret before and after as JSON. NULL: no such image; "": not known. */
static void change(const struct hub_table *t, char op, lsn_t lsn, int id, const char *old, const char *row)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice after[] = {slice_of(text), slice_of(row), SLICE("\"v\""), slice_of(row)},
                 before[] = {slice_of(text), {0}, {0}, {0}};
    if (row && !*row)
        after[1] = (struct slice){0};
    if (t == whole && old) {
        before[1] = before[3] = slice_of(old);
        before[2] = SLICE("\"w\"");
    }
    publish_values(t, op, lsn, after, old ? before : NULL);
}

START_TEST(welcome_shows_what_may_be_seen)
{
    struct client *c = client_new();
    expect_nothing(c); /* not before the token */
    say(c, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.whole\"}");
    expect(expect_type(c, "error"), "code", "\"unauthorized\"");
    show_token(c, "\"org\":\"a\"", 60);
    struct json_object *tables = json_object_object_get(expect_type(c, "welcome"), "tables");
    ck_assert_uint_eq(json_object_array_length(tables), 2);
    expect(json_object_array_get_idx(tables, 0), "name", "\"public.keyed\"");
    struct json_object *shown = json_object_array_get_idx(tables, 1);
    expect(shown, "name", "\"public.whole\"");
    expect(shown, "columns",
           "[{\"name\":\"id\",\"type\":\"int4\"},{\"name\":\"org\",\"type\":\"text\"},{\"name\":\"v\","
           "\"type\":\"text\"}]");
    client_free(c);
}
END_TEST

/* Not there, no rule, a rule that lacks a claim, or one that hides the key: the answers differ in the name
 * only. */
START_TEST(forbidden_and_absent_are_the_same)
{
    struct client *c = client_with("\"sub\":\"eve\"");
    static const char *const names[] = {"absnt", "items", "keyed", "whole", "other"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char wanted[200];
        snprintf(wanted, sizeof(wanted), "\"connector shop captures no table public.%s\"", names[i]);
        struct json_object *answer = ask_for(c, 1, names[i], "");
        expect(answer, "code", "\"unknown_table\"");
        expect(answer, "message", wanted);
    }
    client_free(c);
}
END_TEST

START_TEST(a_hidden_column_is_not_there)
{
    struct client *c = client_with("\"org\":\"a\"");
    struct json_object *answer = ask_for(c, 1, "whole", ",\"columns\":[\"id\",\"secret\"]");
    expect(answer, "message", "\"public.whole has no column secret\"");
    expect(ask_for(c, 1, "whole", ",\"where\":[\"secret\",\"eq\",\"x\"]"), "message",
           "\"where: there is no column secret\"");
    expect(ask_for(c, 1, "whole", ",\"where\":[\"absent\",\"eq\",\"x\"]"), "message",
           "\"where: there is no column absent\"");
    expect(ask_for(c, 1, "whole", ",\"old\":\"full\""), "columns",
           "[{\"name\":\"id\",\"type\":\"int4\"},{\"name\":\"org\",\"type\":\"text\"},{\"name\":\"v\","
           "\"type\":\"text\"}]");
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    change(whole, 'u', 201, 1, "\"a\"", "\"a\"");
    expect(expect_op(c, "c", 1), "row", "{\"id\":1,\"org\":\"a\",\"v\":\"v\"}");
    struct json_object *update = expect_op(c, "u", 1);
    expect(update, "row", "{\"id\":1,\"org\":\"a\",\"v\":\"v\"}");
    expect(update, "old", "{\"id\":1,\"org\":\"a\",\"v\":\"w\"}");
    client_free(c);
}
END_TEST

/* An envelope would tell of all columns, and of rows before and after. */
START_TEST(envelopes_are_for_those_who_see_everything)
{
    struct client *c = client_with("\"org\":\"a\"");
    expect(ask_for(c, 1, "whole", ",\"format\":\"debezium\""), "code", "\"unsupported\"");
    expect(ask_for(c, 1, "keyed", ",\"format\":\"debezium\""), "code", "\"unsupported\"");
    ck_assert(!hub_enveloped(whole) && !hub_enveloped(keyed));
    client_free(c);
    c = client_with("\"roles\":[\"all\"]");
    expect(ask_for(c, 1, "whole", ",\"format\":\"debezium\""), "type", "\"subscribed\"");
    client_free(c);
}
END_TEST

/* A rule that names columns hides one that is added: nothing changes, also when the rights are looked at
 * again. One that names none shows it. */
START_TEST(an_added_column_is_under_the_rule)
{
    static const struct hub_column wide[] = {
        {"id", "int4"}, {"org", "text"}, {"v", "text"}, {"secret", "text"}, {"added", "text"}};
    static const bool all[] = {true, true, true, true, true};
    struct client *c = client_with("\"org\":\"a\"");
    struct json_object *first = ask_for(c, 1, "whole", "");
    expect(ask_for(c, 2, "keyed", ""), "type", "\"subscribed\"");
    struct hub_table_info info = {"public.whole", wide, 5, FIRST, 1, all};
    hub_table_set(hub, source, &info);
    info.name = "public.keyed";
    info.identity = NULL;
    hub_table_set(hub, source, &info);
    struct slice row[] = {SLICE("1"), SLICE("\"a\""), SLICE("\"v\""), SLICE("\"s\""), SLICE("\"new\"")};
    for (int i = 0; i < 2; i++)
        hub_publish(
            hub, source,
            &(struct hub_change){
                .table = i ? keyed : whole, .op = 'c', .commit_lsn = 200 + (lsn_t)i, .xid = 7, .row = row});
    struct json_object *message = expect_op(c, "c", 1);
    int64_t channel = json_object_get_int64(json_object_object_get(first, "channel"));
    ck_assert_int_eq(json_object_get_int64(json_object_object_get(message, "channel")), channel);
    expect(message, "row", "{\"id\":1,\"org\":\"a\",\"v\":\"v\"}");
    expect(expect_type(c, "subscribed"), "id", "2");
    expect(expect_op(c, "c", 1), "row",
           "{\"id\":1,\"org\":\"a\",\"v\":\"v\",\"secret\":\"s\",\"added\":\"new\"}");
    hub_access_changed(hub);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* What comes from another tenant comes without its past, what goes there goes without its future. */
START_TEST(rows_that_move_leave_nothing_behind)
{
    struct client *c = reader_of("whole", ",\"old\":\"full\"");
    change(whole, 'c', 200, 1, NULL, "\"b\"");
    change(whole, 'u', 201, 1, "\"b\"", "\"b\"");
    change(whole, 'u', 202, 1, "\"b\"", "\"a\"");
    change(whole, 'u', 203, 1, "\"a\"", "\"b\"");
    change(whole, 'd', 204, 1, "\"b\"", NULL);
    change(whole, 'c', 205, 2, NULL, "\"a\"");
    change(whole, 'd', 206, 2, "\"a\"", NULL);
    struct json_object *enter = expect_op(c, "enter", 1), *left;
    expect(enter, "row", "{\"id\":1,\"org\":\"a\",\"v\":\"v\"}");
    expect(enter, "old", "null");
    left = expect_op(c, "exit", 1);
    expect(left, "row", "null");
    expect(left, "old", "null");
    expect_op(c, "c", 2);
    expect(expect_op(c, "d", 2), "old", "{\"id\":2,\"org\":\"a\",\"v\":\"w\"}");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* A key of columns that the replica identity lacks may have changed on the way out: it is not told. */
START_TEST(a_key_that_changed_on_the_way_out_is_not_told)
{
    static const uint16_t third[] = {2};
    static const bool two[] = {true, true, false, false};
    struct hub_table_info info = {"public.mailed", COLUMNS, 4, third, 1, two};
    const struct hub_table *mailed = hub_table_set(hub, source, &info);
    file_rewrite(
        path, "{\"rules\":[{\"table\":\"public.mailed\",\"where\":[\"org\",\"eq\",{\"claim\":\"org\"}]}]}");
    ck_assert(access_turn(doors, false));
    hub_turn(hub);
    struct client *c = reader_of("mailed", ",\"old\":\"full\"");
    struct slice row[] = {SLICE("1"), SLICE("\"b\""), SLICE("\"theirs\""), SLICE("null")},
                 old[] = {SLICE("1"), SLICE("\"a\""), {0}, {0}};
    struct hub_change change_of = {
        .table = mailed, .op = 'u', .commit_lsn = 200, .xid = 5, .row = row, .old = old};
    hub_publish(hub, source, &change_of);
    struct json_object *left = expect_type(c, "change");
    expect(left, "op", "\"exit\"");
    ck_assert_ptr_null(strstr(json_object_to_json_string(left), "theirs"));
    client_free(c);
}
END_TEST

/* Where the old row is not known, nothing tells that there was one. */
START_TEST(what_cannot_be_told_is_not_told)
{
    struct client *c = client_with("\"org\":\"a\"");
    expect(ask_for(c, 1, "keyed", ""), "deletes", "\"none\"");
    change(keyed, 'u', 200, 1, NULL, "\"b\"");
    change(keyed, 'd', 201, 1, "\"b\"", NULL);
    change(keyed, 'u', 202, 2, NULL, ""); /* org: an unchanged TOAST value */
    change(keyed, 'u', 203, 3, NULL, "\"a\"");
    change(keyed, 'd', 204, 3, "\"a\"", NULL);
    expect(expect_op(c, "u", 3), "row", "{\"id\":3,\"org\":\"a\",\"v\":\"v\",\"secret\":\"a\"}");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* The client's own filter only narrows, and its deletes are told as before when the rule allows the row. */
START_TEST(a_clients_filter_only_narrows)
{
    struct client *c = reader_of("whole", ",\"where\":{\"or\":[[\"org\",\"eq\",\"b\"],[\"id\",\"gt\",5]]}");
    change(whole, 'c', 200, 1, NULL, "\"b\"");
    change(whole, 'c', 201, 2, NULL, "\"a\"");
    change(whole, 'c', 202, 6, NULL, "\"a\"");
    change(whole, 'c', 203, 7, NULL, "\"b\"");
    change(whole, 'd', 204, 7, "\"b\"", NULL);
    change(whole, 't', 205, 0, NULL, NULL);
    expect_op(c, "c", 6);
    expect(expect_type(c, "change"), "op", "\"t\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* The same filter text as a rule and as a wish are two channels: one of them may tell more. */
START_TEST(a_rule_is_not_shared_with_a_wish)
{
    struct client *boss = client_with("\"sub\":\"boss\",\"role\":\"all\""), *ada;
    ask_for(boss, 1, "whole",
            ",\"columns\":[\"id\",\"org\",\"v\"],\"where\":[\"org\",\"eq\",\"a\"],\"old\":\"full\"");
    ada = reader_of("whole", ",\"old\":\"full\"");
    change(whole, 'u', 200, 1, "\"b\"", "\"a\"");
    expect(expect_op(boss, "enter", 1), "old", "{\"id\":1,\"org\":\"b\",\"v\":\"w\"}");
    expect(expect_op(ada, "enter", 1), "old", "null");
    client_free(boss);
    client_free(ada);
}
END_TEST

START_TEST(a_snapshot_is_under_the_rule)
{
    struct hub_request request;
    struct client *c = client_with("\"org\":\"o'brien\"");
    expect(ask_for(c, 1, "whole", ",\"snapshot\":true,\"where\":[\"id\",\"lt\",9]"), "mode", "\"snapshot\"");
    ck_assert(hub_request_take(hub, source, 0, &request));
    ck_assert_uint_eq(request.n_columns, 3);
    ck_assert_ptr_nonnull(strstr(request.where, "\"org\""));
    ck_assert_ptr_nonnull(strstr(request.where, "'o''brien'"));
    ck_assert_ptr_nonnull(strstr(request.where, "\"id\""));
    hub_rows_fail(hub, request.id, "permission denied for column secret", false);
    hub_turn(hub);
    expect(expect_type(c, "error"), "message", "\"the rows cannot be read\"");
    client_free(c);
}
END_TEST

/* ---- tokens in time ---- */

static void expect_end(struct client *c, const char *code)
{
    struct json_object *message = next(c);
    while (message && strcmp(text_of(message, "type"), "\"closing\"") != 0)
        message = next(c);
    expect(message, "code", code);
}

START_TEST(without_a_token_it_ends)
{
    struct client *c = client_new();
    hub_tick(hub, now + 9999);
    expect_nothing(c);
    hub_tick(hub, now + 10000);
    expect_end(c, "4100");
    client_free(c);
}
END_TEST

START_TEST(a_bad_token_ends_it)
{
    struct client *c = client_with("\"org\":\"a\"");
    show_token(c, "\"org\":\"a\"", -1);
    expect_end(c, "4100");
    client_free(c);
    c = client_new();
    say(c, "{\"type\":\"auth\",\"token\":\"eyJhbGciOiJub25lIn0.e30.\"}");
    expect_end(c, "4100");
    client_free(c);
}
END_TEST

START_TEST(a_token_ends_and_may_be_renewed)
{
    struct client *c = client_with("\"sub\":\"ada\",\"org\":\"a\"");
    hub_tick(hub, now + 58000);
    show_token(c, "\"sub\":\"ada\",\"org\":\"a\"", 3600);
    ck_assert_int_gt(json_object_get_int64(json_object_object_get(await(c, "authorized"), "expires_in_ms")),
                     3590000);
    hub_tick(hub, now + 61000);
    ck_assert_int_eq(session_closed(c->session), 0);
    hub_tick(hub, now + 3601000);
    expect_end(c, "4005");
    client_free(c);
}
END_TEST

/* Each costs a signature: a client that shows one after the other is sent away. */
START_TEST(tokens_are_not_shown_all_the_time)
{
    struct client *c = client_with("\"sub\":\"ada\"");
    for (int i = 0; i < 9; i++)
        show_token(c, "\"sub\":\"ada\"", 60);
    hub_tick(hub, now);
    ck_assert_int_eq(json_object_get_int(json_object_object_get(await(c, "authorized"), "expires_in_ms")) > 0,
                     1);
    show_token(c, "\"sub\":\"ada\"", 60);
    expect_end(c, "4029");
    client_free(c);
}
END_TEST

START_TEST(a_connection_keeps_its_subject)
{
    struct client *c = reader_of("whole", "");
    show_token(c, "\"sub\":\"bob\",\"org\":\"b\"", 60);
    expect(expect_type(c, "error"), "code", "\"auth_refused\"");
    change(whole, 'c', 200, 1, NULL, "\"b\"");
    change(whole, 'c', 201, 2, NULL, "\"a\"");
    expect_op(c, "c", 2);
    client_free(c);
}
END_TEST

/* A newer token with other rights ends what it does not allow, at once, and leaves the rest alone. */
START_TEST(other_rights_reset)
{
    struct client *c = reader_of("whole", "");
    expect(ask_for(c, 2, "keyed", ""), "type", "\"subscribed\"");
    show_token(c, "\"sub\":\"ada\",\"org\":\"a\",\"more\":1", 60);
    expect_type(c, "authorized");
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    expect_op(c, "c", 1); /* nothing that concerns it has changed */
    change(whole, 'c', 201, 2, NULL, "\"a\"");
    hub_turn(hub);
    show_token(c, "\"sub\":\"ada\",\"role\":\"all\"", 60);
    expect_type(c, "authorized");
    struct json_object *one = expect_type(c, "reset"), *two = expect_type(c, "reset");
    expect(one, "reason", "\"auth\"");
    bool first = json_object_get_int(json_object_object_get(one, "id")) == 1;
    expect(first ? one : two, "action", "\"resubscribe\"");
    expect(first ? two : one, "action", "\"stop\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

START_TEST(other_rules_reset)
{
    struct client *c = reader_of("whole", "");
    ck_assert(!access_turn(doors, false));
    file_rewrite(path, "{\"rules\":[{\"table\":\"public.whole\",\"wher\":[]}]}");
    ck_assert(!access_turn(doors, false)); /* logged; what was before stays */
    change(whole, 'c', 200, 1, NULL, "\"a\"");
    expect_op(c, "c", 1);
    file_rewrite(path,
                 "{\"rules\":[{\"table\":\"public.whole\",\"where\":[\"org\",\"eq\",{\"claim\":\"org\"}]}]}");
    ck_assert(access_turn(doors, false));
    hub_access_changed(hub);
    expect(expect_type(c, "reset"), "reason", "\"auth\"");
    expect(ask_for(c, 3, "whole", ""), "type", "\"subscribed\"");
    file_rewrite(path, "{\"rules\":[]}");
    ck_assert(access_turn(doors, false));
    hub_access_changed(hub);
    expect(expect_type(c, "reset"), "action", "\"stop\"");
    client_free(c);
}
END_TEST

START_TEST(nobody_is_somebody_only_when_asked)
{
    teardown();
    setup_with((struct access_options){.anonymous = true});
    file_rewrite(path, "{\"rules\":[{\"table\":\"public.items\"},{\"table\":\"public.whole\",\"where\":["
                       "\"org\",\"eq\",{\"claim\":\"org\"}]}]}");
    access_turn(doors, false);
    struct client *c = client_new();
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(expect_type(c, "welcome"), "tables")),
                      1);
    expect(ask_for(c, 1, "whole", ""), "code", "\"unknown_table\"");
    expect(ask_for(c, 1, "items", ""), "type", "\"subscribed\"");
    show_token(c, "\"org\":\"a\"", 60);
    expect_type(c, "authorized");
    expect(ask_for(c, 2, "whole", ""), "type", "\"subscribed\"");
    client_free(c);
}
END_TEST

START_TEST(connections_of_a_subject_are_counted)
{
    teardown();
    setup_with((struct access_options){.per_subject = 1});
    struct client *ada = client_with("\"sub\":\"ada\",\"org\":\"a\""), *bob = client_with("\"sub\":\"bob\"");
    struct client *more = client_new();
    show_token(more, "\"sub\":\"ada\"", 60);
    expect_end(more, "4029");
    client_free(more);
    client_free(ada);
    client_free(client_with("\"sub\":\"ada\""));
    client_free(bob);
}
END_TEST

START_TEST(connections_of_an_address_are_counted)
{
    struct err e = {0};
    struct access *a = access_new(&(struct access_options){.per_address = 2, .connections = 3}, &e);
    ck_assert_int_eq(access_entry(a, "10.0.0.1"), ENTRY_GRANTED);
    access_entered(a, "10.0.0.1");
    access_entered(a, "10.0.0.1");
    ck_assert_int_eq(access_entry(a, "10.0.0.1"), ENTRY_TOO_MANY);
    ck_assert_int_eq(access_entry(a, "10.0.0.2"), ENTRY_GRANTED);
    access_entered(a, "10.0.0.2");
    ck_assert_int_eq(access_entry(a, "10.0.0.3"), ENTRY_FULL);
    access_left(a, "10.0.0.1");
    ck_assert_int_eq(access_entry(a, "10.0.0.1"), ENTRY_GRANTED);
    access_free(a);
    ck_assert_ptr_null(access_new(&(struct access_options){.rules_file = path}, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "websocket.auth"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, welcome_shows_what_may_be_seen);
    tcase_add_test(t, forbidden_and_absent_are_the_same);
    tcase_add_test(t, a_hidden_column_is_not_there);
    tcase_add_test(t, envelopes_are_for_those_who_see_everything);
    tcase_add_test(t, an_added_column_is_under_the_rule);
    tcase_add_test(t, rows_that_move_leave_nothing_behind);
    tcase_add_test(t, a_key_that_changed_on_the_way_out_is_not_told);
    tcase_add_test(t, what_cannot_be_told_is_not_told);
    tcase_add_test(t, a_clients_filter_only_narrows);
    tcase_add_test(t, a_rule_is_not_shared_with_a_wish);
    tcase_add_test(t, a_snapshot_is_under_the_rule);
    tcase_add_test(t, without_a_token_it_ends);
    tcase_add_test(t, a_bad_token_ends_it);
    tcase_add_test(t, a_token_ends_and_may_be_renewed);
    tcase_add_test(t, tokens_are_not_shown_all_the_time);
    tcase_add_test(t, a_connection_keeps_its_subject);
    tcase_add_test(t, other_rights_reset);
    tcase_add_test(t, other_rules_reset);
    tcase_add_test(t, nobody_is_somebody_only_when_asked);
    tcase_add_test(t, connections_of_a_subject_are_counted);
    tcase_add_test(t, connections_of_an_address_are_counted);
    return suite_end(s);
}
