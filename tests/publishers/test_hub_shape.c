/* test_hub_shape.c - a table that changes its shape: added columns come in their place in the stream,
 * everything else begins anew. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

static const struct hub_column WIDE[] = {
    {"id", "int4"}, {"name", "text"}, {"big", "text"}, {"extra", "int4"}, {"more", "bool"}};
static const bool WHOLE[] = {true, true, true, true, true}, KEY_ONLY[] = {true, false, false, false, false};

static void shape(size_t columns, const bool *identity)
{
    hub_table_set(hub, source, &(struct hub_table_info){"public.items", WIDE, columns, FIRST, 1, identity});
}

static void update(lsn_t lsn, uint32_t ordinal, int id, const char *extra)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice cells[] = {slice_of(text), SLICE("\"n\""), SLICE("null"), slice_of(extra), SLICE("true")};
    hub_publish(hub, source,
                &(struct hub_change){.table = items,
                                     .op = 'u',
                                     .commit_lsn = lsn,
                                     .ordinal = ordinal,
                                     .xid = (uint32_t)lsn / 10,
                                     .ts_ms = 5,
                                     .row = cells});
}

static const char *names(struct json_object *subscribed)
{
    static char text[100];
    struct json_object *columns = json_object_object_get(subscribed, "columns");
    text[0] = 0;
    for (size_t i = 0; i < json_object_array_length(columns); i++) {
        struct json_object *name = json_object_object_get(json_object_array_get_idx(columns, i), "name");
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
                 json_object_get_string(name));
    }
    return text;
}

static uint64_t channel_of(struct json_object *message)
{
    return (uint64_t)json_object_get_int64(json_object_object_get(message, "channel"));
}

static void expect_row(struct client *c, const char *row)
{
    expect(expect_type(c, "change"), "row", row);
}

static void expect_columns(struct client *c, const char *listed, const char *pos)
{
    struct json_object *message = expect_type(c, "subscribed");
    expect(message, "id", "1");
    expect(message, "mode", "\"live\"");
    expect(message, "pos", pos);
    ck_assert_str_eq(names(message), listed);
}

/* An added column appears in a new `subscribed`, just before the first change that has it. */
START_TEST(an_added_column_comes_in_its_place)
{
    struct client *c = live();
    update(200, 0, 1, "");
    shape(4, NULL);
    update(300, 0, 1, "7");
    update(300, 1, 2, "8");
    shape(5, NULL);
    update(400, 0, 1, "9");
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null}");
    expect_columns(c, "id,name,big,extra", pos_text(300, 0));
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null,\"extra\":7}");
    expect_row(c, "{\"id\":2,\"name\":\"n\",\"big\":null,\"extra\":8}");
    expect_columns(c, "id,name,big,extra,more", pos_text(400, 0));
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null,\"extra\":9,\"more\":true}");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Who named columns goes on as if nothing had happened, also when he named all that there were. */
START_TEST(named_columns_go_on_untouched)
{
    struct client *c = subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"columns\":["
                                  "\"id\",\"name\",\"big\"]}",
                                  "live"),
                  *all = live();
    shape(4, NULL);
    update(300, 0, 1, "7");
    struct json_object *message = expect_type(c, "change");
    expect(message, "row", "{\"id\":1,\"name\":\"n\",\"big\":null}");
    expect(message, "unchanged", "absent");
    expect_columns(all, "id,name,big,extra", pos_text(300, 0));
    ck_assert_uint_ne(channel_of(expect_type(all, "change")), channel_of(message));
    expect_nothing(c);
    client_free(c);
    client_free(all);
}
END_TEST

/* Filters go on, of one subscription and of many, and can ask for the new column from then on. */
START_TEST(filters_go_on)
{
    static const char filtered[] =
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"where\":[\"id\",\"eq\",7]}";
    struct client *c = subscriber(filtered, "live"), *same = subscriber(filtered, "live"), *late;
    update(200, 0, 7, "");
    expect_row(c, "{\"id\":7,\"name\":\"n\",\"big\":null}");
    shape(4, NULL);
    for (uint32_t i = 0; i < 10; i++)
        update(300, i, (int)i, "7");
    expect_columns(c, "id,name,big,extra", pos_text(300, 7));
    expect_row(c, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":7}");
    late = subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"where\":[\"extra\","
                      "\"gt\",7]}",
                      "live");
    update(400, 0, 7, "8");
    update(400, 1, 8, "7");
    expect_row(c, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":8}");
    expect_row(late, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":8}");
    expect(expect_type(late, "change"), "op", "\"exit\"");
    expect_row(same, "{\"id\":7,\"name\":\"n\",\"big\":null}"); /* it reads only now */
    expect_columns(same, "id,name,big,extra", pos_text(300, 7));
    expect_row(same, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":7}");
    expect_row(same, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":8}");
    struct hub_stats stats;
    hub_turn(hub);
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.channels, 2); /* c and same share one again; nothing is left of the old one */
    client_free(c);
    client_free(same);
    update(500, 0, 7, "9");
    expect_row(late, "{\"id\":7,\"name\":\"n\",\"big\":null,\"extra\":9}");
    client_free(late);
}
END_TEST

/* A client that comes back to before the column gets what there was. */
START_TEST(resume_from_before_the_column)
{
    struct client *c = live();
    update(200, 0, 1, "");
    update(210, 0, 2, "");
    shape(4, NULL);
    update(300, 0, 1, "7");
    client_read(c);
    client_free(c);
    char request[200];
    snprintf(request, sizeof(request),
             "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"from\":{\"epoch\":\"7-1-a\","
             "\"pos\":%s}}",
             pos_text(200, 1));
    c = subscriber(request, "resume");
    struct json_object *message = expect_type(c, "change");
    expect(message, "row", "{\"id\":2,\"name\":\"n\",\"big\":null}");
    expect(message, "unchanged", "absent"); /* it had no such column */
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null,\"extra\":7}");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* Within a transaction: it goes on in the new channel, with one begin and one commit. */
START_TEST(a_column_within_a_transaction)
{
    struct client *c = subscriber(
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"transactions\":true}", "live");
    update(200, 0, 1, "");
    shape(4, NULL);
    update(200, 1, 1, "7");
    hub_position(hub, source, 201, 0);
    expect_type(c, "begin");
    expect_type(c, "change");
    expect_columns(c, "id,name,big,extra", pos_text(200, 1));
    uint64_t channel = channel_of(expect_type(c, "change"));
    struct json_object *message = expect_type(c, "commit");
    expect(message, "count", "2");
    ck_assert_uint_eq(channel_of(message), channel);
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* A snapshot that was asked for before goes on, and its changes have the column. */
START_TEST(a_snapshot_goes_on)
{
    struct reader r = {
        .visibility[0] = {.xmin = 29, .xmax = 29, .insert_lsn = 250}, .rows = "[{\"id\":1}]", .times = 1};
    struct client *c = subscriber(
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"snapshot\":true}", "snapshot");
    shape(4, NULL);
    update(300, 0, 1, "7");
    hub_position(hub, source, 301, 0);
    reader_start(&r);
    await(c, "ready");
    expect_columns(c, "id,name,big,extra", pos_text(300, 0));
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null,\"extra\":7}");
    pthread_join(r.thread, NULL);
    ck_assert_str_eq(r.columns, "id,name,big");
    client_free(c);
}
END_TEST

/* With the whole row as replica identity the new column belongs to it too. */
START_TEST(whole_rows_widen)
{
    shape(3, WHOLE);
    struct client *c = live();
    shape(4, WHOLE);
    update(300, 0, 1, "7");
    expect_columns(c, "id,name,big,extra", pos_text(300, 0));
    expect_row(c, "{\"id\":1,\"name\":\"n\",\"big\":null,\"extra\":7}");
    shape(5, KEY_ONLY); /* another replica identity */
    expect(expect_type(c, "reset"), "reason", "\"schema\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

static const struct hub_column
    RETYPED[] = {{"id", "int4"}, {"name", "varchar"}, {"big", "text"}, {"x", "int4"}},
    RENAMED[] = {{"id", "int4"}, {"label", "text"}, {"big", "text"}, {"x", "int4"}},
    DROPPED[] = {{"id", "int4"}, {"big", "text"}, {"x", "int4"}, {"y", "int4"}},
    RESIZED[] = {{"id", "int4"}, {"name", "text", NULL, 1}, {"big", "text"}};
static const uint16_t SECOND[] = {1};
static const struct hub_table_info OTHERS[] = {
    {"public.items", ITEM_COLUMNS, 2, FIRST, 1}, {"public.items", RETYPED, 4, FIRST, 1},
    {"public.items", RENAMED, 4, FIRST, 1},      {"public.items", DROPPED, 4, FIRST, 1},
    {"public.items", WIDE, 4, SECOND, 1},        {"public.items", WIDE, 4, NULL, 0},
    {"public.items", WIDE, 4, FIRST, 1, WHOLE},  {"public.items", RESIZED, 3, FIRST, 1},
};

/* A column that is gone, of another type, of another name, another one of the same name; another key, another
 * replica identity. */
START_TEST(other_differences_reset)
{
    struct client *c = live();
    publish(items, 'c', 200, 20, 1);
    hub_turn(hub);
    hub_table_set(hub, source, &OTHERS[_i]);
    hub_turn(hub);
    expect(expect_type(c, "reset"), "reason", "\"schema\"");
    expect_nothing(c);
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub shape");
    TCase *tcase = tcase_create("hub shape");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, an_added_column_comes_in_its_place);
    tcase_add_test(tcase, named_columns_go_on_untouched);
    tcase_add_test(tcase, filters_go_on);
    tcase_add_test(tcase, resume_from_before_the_column);
    tcase_add_test(tcase, a_column_within_a_transaction);
    tcase_add_test(tcase, a_snapshot_goes_on);
    tcase_add_test(tcase, whole_rows_widen);
    tcase_add_loop_test(tcase, other_differences_reset, 0, sizeof(OTHERS) / sizeof(*OTHERS));
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
