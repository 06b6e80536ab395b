/* test_web_deflate.c - what is written to WebSockets: prepared frames between control frames, deflated or
 * not; to those who stop reading, too.
 *
 * Pinned here, as nothing documents it: LWS_WRITE_RAW sends prepared frames as they are; what a socket did
 * not take goes before a pong; and the answer to an offer of permessage-deflate is where its parameters are
 * added. */
#include "web.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "web_play.h"
#include "xmalloc.h"

static const char SUBSCRIBE[] = "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}";
static const char OFFER[] = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
static struct codec *codec;

static void setup(void)
{
    codec = codec_new();
    web_setup();
}

static void threads_setup(void)
{
    codec = codec_new();
    web_threads = 3;
    web_setup();
    web_threads = 0;
}

static void teardown(void)
{
    web_teardown();
    codec_free(codec);
}

/* ---- what is agreed on ---- */

static void answered(const char *offer, const char *answer)
{
    char header[400], expected[200];
    snprintf(header, sizeof(header), "Sec-WebSocket-Extensions: %s\r\n", offer);
    snprintf(expected, sizeof(expected), "\r\nSec-WebSocket-Extensions: permessage-deflate; %s\r\n", answer);
    int fd;
    char *reply = upgrade(&fd, "/ws", header);
    has(reply, "101 ");
    if (answer[0])
        has(reply, expected);
    else
        lacks(reply, "Sec-WebSocket-Extensions");
    close(fd);
    free(reply);
}

START_TEST(offers_are_answered)
{
    static const char yes[] =
        "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12";
    answered("permessage-deflate", yes);                         /* Firefox */
    answered("permessage-deflate; client_max_window_bits", yes); /* Chromium, ws */
    answered("permessage-deflate; server_no_context_takeover; client_no_context_takeover", yes); /* Go */
    answered("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", yes);   /* Python */
    answered("permessage-deflate;server_max_window_bits=\"15\"", yes);
    answered("permessage-deflate; server_max_window_bits=11", "");
    answered("permessage-deflate; server_max_window_bits=99", "");
    answered("permessage-deflate; server_max_window_bits", "");
    answered("permessage-deflate; something_else", "");
    answered("x-webkit-deflate-frame", "");
    answered("permessage-deflate; server_max_window_bits=9, permessage-deflate", "");
    answered("x-other, permessage-deflate", "");
}
END_TEST

/* ---- what comes ---- */

/* The next message as text, whether it came deflated or not; control frames are answered by NULL. */
static char *message(int fd, bool *deflated)
{
    int opcode;
    size_t len;
    char *payload = frame_get_whole(fd, &opcode, &len);
    *deflated = frame_bits & 0x40;
    ck_assert(!(frame_bits & 0x30));
    if (opcode != 1) {
        free(payload);
        return NULL;
    }
    struct buf text = BUF_EMPTY;
    if (*deflated)
        ck_assert(codec_inflate(codec, (struct slice){payload, len}, 1 << 24, &text));
    else
        buf_append(&text, payload, len);
    free(payload);
    return buf_take(&text);
}

/* Reads changes up to the n-th; says how many frames came deflated, plain, and that were no text. */
static void read_changes(int fd, lsn_t from, size_t n, size_t kinds[3])
{
    bool deflated;
    for (size_t seen = 0; seen < n;) {
        char *text = message(fd, &deflated), *rest_of = text;
        kinds[!text ? 2 : deflated ? 0 : 1]++;
        for (char *line; text && (line = strsep(&rest_of, "\n")); seen++) {
            char pos[60];
            snprintf(pos, sizeof(pos), "\"pos\":\"%016zX00000001\"", (size_t)from + seen);
            has(line, pos);
        }
        free(text);
    }
}

static int subscriber(const char *offer)
{
    int fd;
    free(upgrade(&fd, "/ws", offer));
    hear(fd, "\"welcome\"");
    say(fd, SUBSCRIBE);
    hear(fd, "\"subscribed\"");
    return fd;
}

static void burst(lsn_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        publish(from + i);
}

/* Of four, two read what is deflated: all are told the same, and each pings in between. */
START_TEST(with_and_without_side_by_side)
{
    int fds[] = {subscriber(OFFER), subscriber(""), subscriber(OFFER), subscriber("")};
    size_t kinds[4][3] = {0};
    for (lsn_t round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++)
            frame_put(fds[i], 9, true, "ping", 4);
        burst(1000 + round * 100, 100);
        for (int i = 0; i < 4; i++)
            read_changes(fds[i], 1000 + round * 100, 100, kinds[i]);
    }
    publish(5000);
    for (int i = 0; i < 4; i++)
        read_changes(fds[i], 5000, 1, kinds[i]);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_gt(kinds[i][2], 0); /* pongs; the last may be behind the changes */
        ck_assert_uint_gt(kinds[i][1], 0); /* a small one is never deflated */
        ck_assert(i % 2 ? kinds[i][0] == 0 : kinds[i][0] > 0);
        close(fds[i]);
    }
}
END_TEST

/* A client may deflate what it says, or not; each message by itself. */
START_TEST(deflated_requests_are_taken)
{
    int fd, opcode;
    struct ws_frame *f =
        codec_deflate(codec, SLICE("{\"type\":\"ping\",\"n\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"));
    struct slice body = frame_payload(f);
    free(upgrade(&fd, "/ws", OFFER));
    hear(fd, "\"welcome\"");
    for (int i = 0; i < 3; i++) {
        frame_put(fd, 0x41, true, body.ptr, body.len);
        hear(fd, "\"pong\",\"n\":\"aaaa");
        say(fd, "{\"type\":\"ping\",\"n\":2}");
        hear(fd, "\"pong\",\"n\":2");
        frame_put(fd, 0x41, false, body.ptr, 9); /* in pieces: only the first says that it is deflated */
        frame_put(fd, 9, true, "x", 1);
        frame_put(fd, 0, true, body.ptr + 9, body.len - 9);
        for (int seen = 0, both = (1 << 1) | (1 << 10); seen != both; seen |= 1 << opcode) {
            char *text = frame_get(fd, &opcode);
            if (opcode == 1)
                has(text, "\"pong\",\"n\":\"aaaa");
            free(text);
        }
    }
    frame_release(f);
    frame_put(fd, 0x41, true, "\xff\xff\xff", 3);
    hear_close(fd, 4101);
}
END_TEST

START_TEST(bombs_are_refused)
{
    int fd;
    char *large = xcalloc(1, 1000001);
    memset(large, ' ', 1000000);
    struct ws_frame *f = codec_deflate(codec, (struct slice){large, 1000000});
    free(upgrade(&fd, "/ws", OFFER));
    hear(fd, "\"welcome\"");
    frame_put(fd, 0x41, true, frame_payload(f).ptr, frame_payload(f).len);
    hear_close(fd, 4101);
    frame_release(f);
    free(large);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    int fd = socket_of("/ws");
    hear(fd, "welcome");
    say(fd, "{\"type\":\"ping\",\"n\":\"\xc3\x28\"}");
    hear_close(fd, 4101);
}
END_TEST

/* ---- who does not read ---- */

/* Two that rest while far more comes than their sockets hold, and ping meanwhile: afterwards they are told
 * all of it, in order, with the pongs between the frames. The third was not held up. */
START_TEST(who_rests_loses_nothing)
{
    enum { MANY = 60000 };
    int resting[] = {subscriber(""), subscriber(OFFER)}, awake = subscriber("");
    size_t kinds[3] = {0};
    for (lsn_t at = 0; at < MANY; at += 1000) {
        burst(1000 + at, 1000);
        read_changes(awake, 1000 + at, 1000, kinds);
        if (at % 20000 == 0)
            for (int i = 0; i < 2; i++)
                frame_put(resting[i], 9, true, "ping", 4);
    }
    for (int i = 0; i < 2; i++) {
        size_t seen[3] = {0};
        read_changes(resting[i], 1000, MANY, seen);
        frame_put(resting[i], 9, true, "last", 4);
        bool last = false; /* those before it may have been too many to be answered */
        while (!last) {
            int opcode;
            char *text = frame_get(resting[i], &opcode);
            ck_assert_int_eq(opcode, 10);
            last = strcmp(text, "last") == 0;
            free(text);
        }
        close(resting[i]);
    }
    close(awake);
}
END_TEST

/* More clients than a thread takes at once, so that several send. */
START_TEST(many_are_all_told)
{
    enum { CLIENTS = 150 };
    int fds[CLIENTS];
    size_t kinds[3] = {0};
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = subscriber(i % 3 ? "" : OFFER);
    for (lsn_t round = 0; round < 10; round++) {
        burst(1000 + round * 10, 10);
        for (int i = 0; i < CLIENTS; i++)
            read_changes(fds[i], 1000 + round * 10, 10, kinds);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web deflate");
    TCase *tcase = tcase_create("one thread"), *threads = tcase_create("three threads");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, offers_are_answered);
    tcase_add_test(tcase, with_and_without_side_by_side);
    tcase_add_test(tcase, deflated_requests_are_taken);
    tcase_add_test(tcase, bombs_are_refused);
    tcase_add_test(tcase, text_that_is_not_utf8_is_refused);
    tcase_add_test(tcase, who_rests_loses_nothing);
    tcase_add_test(tcase, many_are_all_told);
    tcase_add_checked_fixture(threads, threads_setup, teardown);
    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, with_and_without_side_by_side);
    tcase_add_test(threads, who_rests_loses_nothing);
    tcase_add_test(threads, many_are_all_told);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, threads);
    return suite_end(suite);
}
