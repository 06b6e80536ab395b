/* test_hub_block.c - frames that many get: the same for all who are at the same place, and no client is told
 * anything else than one that never takes them. */
#include "hub.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub_play.h"
#include "xmalloc.h"

static const char ITEMS[] = "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}";

static void setup(void)
{
    play_with((struct hub_options){.rate = 1000000});
}

/* A window of a few dozen changes. */
static void small_setup(void)
{
    play_with((struct hub_options){.rate = 1000000, .window_bytes = 6000});
}

static void on_want(void *user)
{
}

/* A session that has heard its welcome and that it is subscribed. */
static struct session *reader(const char *request, bool deflate)
{
    struct buf frame = BUF_EMPTY;
    struct session_options options = {
        .client = "", .deflate = deflate, .want_write = on_want, .cut = on_want};
    struct session *s = session_open(hub, &options, now);
    session_receive(s, slice_of(request), now);
    while (session_gather(s, &frame, now))
        ;
    ck_assert_ptr_nonnull(strstr(frame.ptr, "\"subscribed\""));
    buf_free(&frame);
    return s;
}

static struct ws_frame *frame_of(struct session *s)
{
    struct ws_frame *f = session_frame(s, now);
    ck_assert_ptr_nonnull(f);
    return f;
}

static size_t lines(const struct ws_frame *f)
{
    struct slice text = frame_payload(f);
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '\n';
    return n;
}

START_TEST(who_is_at_the_same_place_gets_the_same_frame)
{
    struct session *s[] = {reader(ITEMS, false), reader(ITEMS, false), reader(ITEMS, false)};
    for (int i = 0; i < 10; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    struct ws_frame *first = frame_of(s[0]), *second = frame_of(s[1]), *third = frame_of(s[2]);
    ck_assert_ptr_eq(first, second);
    ck_assert_ptr_eq(first, third);
    ck_assert_uint_eq(lines(first), 10);
    for (int i = 0; i < 3; i++) {
        ck_assert(!session_wants(s[i]));
        ck_assert_ptr_null(session_frame(s[i], now));
        session_close(s[i]);
    }
    frame_release(first);
    frame_release(second);
    frame_release(third);
}
END_TEST

/* One that comes late gets what there is by then in one frame, not the small ones that others got. */
START_TEST(who_comes_late_gets_it_in_one_go)
{
    struct session *quick = reader(ITEMS, false), *late = reader(ITEMS, false);
    for (int i = 0; i < 50; i++) {
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
        hub_turn(hub);
        struct ws_frame *f = frame_of(quick);
        ck_assert_uint_eq(lines(f), 1);
        frame_release(f);
    }
    struct ws_frame *f = frame_of(late);
    ck_assert_uint_eq(lines(f), 50);
    ck_assert(!session_wants(late));
    frame_release(f);
    session_close(quick);
    session_close(late);
}
END_TEST

/* A frame outlives the change that it begins with, the channel, and the session that it was made for. */
START_TEST(a_frame_outlives_what_it_was_made_from)
{
    struct session *s[] = {reader(ITEMS, false), reader(ITEMS, false)};
    publish(items, 'c', 200, 5, 7);
    hub_turn(hub);
    struct ws_frame *f = frame_of(s[0]);
    session_close(s[0]);
    session_close(s[1]);
    hub_epoch(hub, source, "7-2-a", 100);
    hub_turn(hub);
    ck_assert_ptr_nonnull(memmem(frame_payload(f).ptr, frame_payload(f).len, "\"id\":7", 6));
    frame_release(f);
}
END_TEST

/* Deflated once, for two or more who can read it; the others beside them get it plain; small ones all do. */
START_TEST(deflated_for_those_who_asked)
{
    struct session *s[] = {reader(ITEMS, true), reader(ITEMS, false), reader(ITEMS, true),
                           reader(ITEMS, false)};
    struct ws_frame *f[4];
    struct codec *codec = codec_new();
    struct buf text = BUF_EMPTY;
    for (int i = 0; i < 30; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    for (int i = 0; i < 4; i++)
        f[i] = frame_of(s[i]);
    ck_assert_ptr_eq(f[0], f[2]);
    ck_assert_ptr_eq(f[1], f[3]);
    ck_assert_uint_eq(f[0]->bytes[0], 0xc1);
    ck_assert_uint_eq(f[1]->bytes[0], 0x81);
    ck_assert(codec_inflate(codec, frame_payload(f[0]), 1 << 20, &text));
    ck_assert(slice_eq(buf_view(&text), frame_payload(f[1])));
    for (int i = 0; i < 4; i++)
        frame_release(f[i]);
    publish(items, 'c', 300, 5, 1);
    hub_turn(hub);
    f[0] = frame_of(s[0]);
    ck_assert_uint_eq(f[0]->bytes[0], 0x81);
    frame_release(f[0]);
    for (int i = 0; i < 4; i++)
        session_close(s[i]);
    codec_free(codec);
    buf_free(&text);
}
END_TEST

START_TEST(one_who_reads_deflated_alone_gets_it_plain)
{
    struct session *s[] = {reader(ITEMS, true), reader(ITEMS, false), reader(ITEMS, true)};
    session_close(s[2]);
    for (int i = 0; i < 30; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    struct ws_frame *f = frame_of(s[0]);
    ck_assert_uint_eq(f->bytes[0], 0x81);
    frame_release(f);
    session_close(s[0]);
    session_close(s[1]);
}
END_TEST

/* An answer, a heartbeat, the closing word: what is one's own comes before it, in its own frame. */
START_TEST(what_is_ones_own_is_gathered)
{
    struct session *s = reader(ITEMS, false), *other_one = reader(ITEMS, false);
    struct buf text = BUF_EMPTY;
    publish(items, 'c', 200, 5, 1);
    hub_turn(hub);
    session_receive(s, SLICE("{\"type\":\"ping\",\"n\":1}"), now);
    ck_assert_ptr_null(session_frame(s, now));
    session_gather(s, &text, now);
    ck_assert(strstr(text.ptr, "\"pong\"") < strstr(text.ptr, "\"change\""));
    session_end(other_one, CLOSE_SHUTDOWN, "over");
    ck_assert_ptr_null(session_frame(other_one, now));
    buf_reset(&text);
    session_gather(other_one, &text, now);
    ck_assert(strstr(text.ptr, "\"change\"") < strstr(text.ptr, "\"closing\""));
    session_close(s);
    session_close(other_one);
    buf_free(&text);
}
END_TEST

/* Nothing but changes that are not wanted: there is no frame, and nothing is asked for. */
START_TEST(unwanted_changes_make_no_frame)
{
    static const char request[] =
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"ops\":\"d\"}";
    struct session *s[] = {reader(request, false), reader(request, false)};
    struct buf text = BUF_EMPTY;
    for (int i = 0; i < 5; i++)
        publish(items, 'c', 200 + (lsn_t)i, 5, i);
    hub_turn(hub);
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(session_frame(s[i], now));
        ck_assert(!session_wants(s[i]));
        ck_assert(!session_gather(s[i], &text, now));
        ck_assert_uint_eq(text.len, 0);
    }
    session_close(s[0]);
    session_close(s[1]);
    buf_free(&text);
}
END_TEST

/* ---- whatever happens ---- */

static uint32_t state;

static uint32_t roll(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % n;
}

static const char *const REQUESTS[] = {
    ITEMS,
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"ops\":\"ud\"}",
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"where\":[\"id\",\"lt\",5]}",
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"where\":[\"id\",\"eq\",3]}",
    "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.other\",\"columns\":[\"id\"]}",
};
enum { KINDS = 5, EACH = 3 };

static void compare(const struct client *a, const struct client *b, int round)
{
    ck_assert_msg(a->n == b->n, "round %d: %zu messages and %zu", round, a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const char *type = text_of(a->got[i], "type");
        if (strcmp(type, "\"welcome\"") == 0)
            continue;
        char *one = xstrdup(json_object_to_json_string(a->got[i]));
        ck_assert_str_eq(one, json_object_to_json_string(b->got[i]));
        free(one);
    }
}

/* For each kind of subscription one client that takes common frames, one that never does, and one that reads
 * so seldom that the window may pass it by, each at its own pace. */
static void play(int round)
{
    struct client *c[KINDS][EACH];
    lsn_t lsn = 200;
    state = (uint32_t)round;
    for (int k = 0; k < KINDS; k++)
        for (int i = 0; i < EACH; i++) {
            c[k][i] = subscriber(REQUESTS[k], "live");
            c[k][i]->gathers = i == 1;
        }
    for (int step = 0; step < 150; step++) {
        for (uint32_t n = roll(6); n > 0; n--)
            publish(roll(4) ? items : other, "cud"[roll(3)], lsn++, 5, (int)roll(8));
        hub_turn(hub);
        for (int k = 0; k < KINDS; k++) {
            client_frame(c[k][0]);
            client_frame(c[k][1]);
            if (roll(40) == 0)
                client_frame(c[k][2]);
        }
    }
    size_t common = 0;
    for (int k = 0; k < KINDS; k++) {
        client_read(c[k][0]);
        client_read(c[k][1]);
        compare(c[k][0], c[k][1], round);
        common += c[k][0]->common;
        ck_assert_uint_eq(c[k][1]->common, 0);
        for (int i = 0; i < EACH; i++)
            client_free(c[k][i]);
    }
    ck_assert_uint_gt(common, 100);
}

START_TEST(frames_say_what_gathering_says)
{
    play(_i + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub block");
    TCase *tcase = tcase_create("directed"), *random = tcase_create("random"),
          *small = tcase_create("small window");
    tcase_add_checked_fixture(tcase, setup, play_teardown);
    tcase_add_test(tcase, who_is_at_the_same_place_gets_the_same_frame);
    tcase_add_test(tcase, who_comes_late_gets_it_in_one_go);
    tcase_add_test(tcase, a_frame_outlives_what_it_was_made_from);
    tcase_add_test(tcase, deflated_for_those_who_asked);
    tcase_add_test(tcase, one_who_reads_deflated_alone_gets_it_plain);
    tcase_add_test(tcase, what_is_ones_own_is_gathered);
    tcase_add_test(tcase, unwanted_changes_make_no_frame);
    tcase_add_checked_fixture(random, setup, play_teardown);
    tcase_add_loop_test(random, frames_say_what_gathering_says, 0, 20);
    tcase_add_checked_fixture(small, small_setup, play_teardown);
    tcase_add_loop_test(small, frames_say_what_gathering_says, 20, 40);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, random);
    suite_add_tcase(suite, small);
    return suite_end(suite);
}
