/* test_hub_envelope.c - format debezium: what Kafka gets, in place of the row; made only for those who want
 * it.
 */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"

#define SUBSCRIBE(more)                                                                                      \
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"format\":\"debezium\"" more "}"

/* As the pipeline does: the envelope where it is asked for; NULL: Kafka gets nothing. */
static void change(lsn_t lsn, int id, const char *envelope)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice cells[] = {slice_of(text), SLICE("\"n\""), SLICE("null")};
    bool enveloped = hub_enveloped(items);
    hub_publish(
        hub, source,
        &(struct hub_change){.table = items,
                             .op = 'c',
                             .commit_lsn = lsn,
                             .xid = (uint32_t)lsn / 10,
                             .ts_ms = 5,
                             .row = cells,
                             .enveloped = enveloped,
                             .envelope = enveloped && envelope ? slice_of(envelope) : (struct slice){0}});
}

START_TEST(envelopes_take_the_place_of_rows)
{
    struct client *c = subscriber(SUBSCRIBE(""), "live"), *rows = live();
    change(200, 1, "{\"before\":null,\"op\":\"c\"}");
    change(210, 2, NULL); /* skipped.operations */
    struct json_object *message = expect_type(c, "change");
    expect(message, "op", "\"c\"");
    expect(message, "key", "{\"id\":1}");
    expect(message, "envelope", "{\"before\":null,\"op\":\"c\"}");
    expect(message, "row", "absent");
    expect(message, "old", "absent");
    expect(message, "omitted", "absent");
    expect(message, "ts_ms", "5");
    message = expect_type(c, "change");
    expect(message, "envelope", "null");
    expect(message, "omitted", "absent");
    message = expect_type(rows, "change");
    expect(message, "row", "{\"id\":1,\"name\":\"n\",\"big\":null}");
    expect(message, "envelope", "absent");
    client_free(c);
    client_free(rows);
}
END_TEST

/* A filter chooses among them as among rows. */
START_TEST(envelopes_are_filtered)
{
    struct client *c = subscriber(SUBSCRIBE(",\"where\":[\"id\",\"eq\",2],\"transactions\":true"), "live");
    change(200, 1, "{\"id\":1}");
    change(210, 2, "{\"id\":2}");
    expect_type(c, "begin");
    struct json_object *message = expect_type(c, "change");
    expect(message, "envelope", "{\"id\":2}");
    expect(message, "tx", "21");
    expect_nothing(c);
    client_free(c);
}
END_TEST

/* The change is never dropped: one that does not fit is named. */
START_TEST(large_envelopes_are_omitted)
{
    static char large[2100], fits_not[2000];
    play_teardown();
    play_with((struct hub_options){.message_bytes = 2000});
    snprintf(large, sizeof(large), "\"%02050d\"", 1);
    snprintf(fits_not, sizeof(fits_not), "\"%01980d\"", 1); /* it would, were it not for the rest */
    struct client *c = subscriber(SUBSCRIBE(""), "live");
    change(200, 1, large);
    change(210, 2, fits_not);
    change(220, 3, "{}");
    for (int id = 1; id <= 2; id++) {
        struct json_object *message = expect_type(c, "change");
        expect(message, "envelope", "null");
        expect(message, "omitted", "[\"envelope\"]");
    }
    expect(expect_type(c, "change"), "envelope", "{}");
    client_free(c);
}
END_TEST

/* Nobody pays for what nobody reads; who comes back soon finds what was meanwhile. */
START_TEST(envelopes_are_made_when_somebody_wants_them)
{
    ck_assert(!hub_enveloped(items));
    struct client *rows = live();
    ck_assert(!hub_enveloped(items));
    struct client *c = subscriber(SUBSCRIBE(""), "live");
    ck_assert(hub_enveloped(items));
    ck_assert(!hub_enveloped(other));
    change(200, 1, "{}");
    client_free(c);
    hub_tick(hub, now);
    ck_assert(hub_enveloped(items));
    change(210, 2, "{\"n\":2}");
    char request[200];
    snprintf(request, sizeof(request), SUBSCRIBE(",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}"),
             pos_text(200, 1));
    c = subscriber(request, "resume");
    expect(expect_type(c, "change"), "envelope", "{\"n\":2}");
    client_free(c);
    client_free(rows);
}
END_TEST

/* Changes of before anybody asked have none: a reset, never a gap. */
START_TEST(what_was_before_is_not_there)
{
    struct client *rows = live();
    change(200, 1, "{}");
    change(210, 2, "{}");
    hub_turn(hub);
    char request[200];
    snprintf(request, sizeof(request), SUBSCRIBE(",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}"),
             pos_text(200, 1));
    struct client *c = subscriber(request, "resume");
    expect(expect_type(c, "reset"), "reason", "\"retention\"");
    say(c, SUBSCRIBE(""));
    expect(expect_type(c, "subscribed"), "mode", "\"live\"");
    change(220, 3, "{}");
    expect(expect_type(c, "change"), "envelope", "{}");
    client_free(c);
    client_free(rows);
}
END_TEST

/* An envelope is one thing: columns cannot be chosen. */
START_TEST(columns_of_an_envelope_are_refused)
{
    struct client *c = welcomed();
    say(c, SUBSCRIBE(",\"columns\":[\"id\"]"));
    struct json_object *message = expect_type(c, "error");
    expect(message, "code", "\"bad_request\"");
    expect(message, "message", "\"an envelope has all columns: name none\"");
    ck_assert(!hub_enveloped(items));
    client_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub envelope");
    TCase *tcase = tcase_create("hub envelope");
    tcase_add_checked_fixture(tcase, play_setup, play_teardown);
    tcase_add_test(tcase, envelopes_take_the_place_of_rows);
    tcase_add_test(tcase, envelopes_are_filtered);
    tcase_add_test(tcase, large_envelopes_are_omitted);
    tcase_add_test(tcase, envelopes_are_made_when_somebody_wants_them);
    tcase_add_test(tcase, what_was_before_is_not_there);
    tcase_add_test(tcase, columns_of_an_envelope_are_refused);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
