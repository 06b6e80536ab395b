/* test_web_socket.c - who may open a WebSocket, what comes through it, how it ends. */
#include "web.h"

#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web_play.h"
#include "xmalloc.h"

START_TEST(foreign_pages_are_refused_before_the_upgrade)
{
    char same[100];
    snprintf(same, sizeof(same), "Origin: http://127.0.0.1:%d\r\n", web_page_port(web, 0));
    expect_upgrade("/ws", "", "101 ");
    expect_upgrade("/ws", same, "101 ");
    expect_upgrade("/ws", "Origin: http://evil.example\r\n", "403 ");
    expect_upgrade("/ws", "Origin: null\r\n", "403 ");
    expect_upgrade("/elsewhere", "", "404 ");
    expect_upgrade("/wsx", "", "404 ");
}
END_TEST

START_TEST(listed_pages_may_come_in)
{
    web_stop(web);
    web_open("https://a.example, https://b.example:8443");
    expect_upgrade("/ws", "Origin: https://b.example:8443\r\n", "101 ");
    expect_upgrade("/ws", "Origin: https://b.example\r\n", "403 ");
    web_stop(web);
    web_open("*");
    expect_upgrade("/ws", "Origin: https://any.example\r\n", "101 ");
}
END_TEST

START_TEST(subscribers_see_changes)
{
    int fd = socket_of("/ws/me");
    hear(fd, "{\"type\":\"welcome\"");
    say(fd, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}");
    hear(fd, "{\"type\":\"subscribed\",\"id\":1,");
    publish(200);
    hear(fd, "{\"type\":\"change\",\"channel\":1,\"pos\":\"00000000000000C800000001\",\"op\":\"c\",\"key\":{"
             "\"id\":1}");
    close(fd);
}
END_TEST

START_TEST(the_connector_can_be_named)
{
    int fd = socket_of("/ws?connector=shop");
    hear(fd, "\"connector\":\"shop\"");
    close(fd);
    hear_close(socket_of("/ws?connector=none"), 4013);
}
END_TEST

START_TEST(messages_may_come_in_pieces)
{
    int fd = socket_of("/ws");
    hear(fd, "welcome");
    frame_put(fd, 1, false, "{\"type\":\"pi", 11);
    frame_put(fd, 0, true, "ng\",\"n\":3}", 10);
    hear(fd, "{\"type\":\"pong\",\"n\":3}");
    close(fd);
}
END_TEST

START_TEST(clients_that_break_the_rules_are_sent_away)
{
    char *large = xcalloc(1, 70000);
    int fd = socket_of("/ws");
    hear(fd, "welcome");
    frame_put(fd, 2, true, "x", 1);
    hear_close(fd, 4101);
    memset(large, 'x', 69999);
    fd = socket_of("/ws");
    hear(fd, "welcome");
    say(fd, large);
    hear_close(fd, 4101);
    fd = socket_of("/ws");
    hear(fd, "welcome");
    for (int i = 0; i < 101; i++)
        say(fd, "{\"type\":\"unsubscribe\",\"id\":1}");
    int opcode;
    char *text = frame_get(fd, &opcode);
    has(text, "\"code\":4029");
    close(fd);
    free(text);
    free(large);
}
END_TEST

/* What counts is the message, not its frames: pieces that never end are ended. */
START_TEST(pieces_that_never_end_are_too_large)
{
    char piece[1000];
    int fd = socket_of("/ws");
    memset(piece, ' ', sizeof(piece));
    hear(fd, "welcome");
    frame_put(fd, 1, false, piece, sizeof(piece));
    for (int i = 0; i < 70; i++)
        frame_put(fd, 0, false, piece, sizeof(piece));
    hear_close(fd, 4101);
}
END_TEST

/* Control frames are none of the messages that are counted: they are answered as far as they are read, kept
 * nowhere, and hold up nobody. */
START_TEST(a_flood_of_pings_holds_up_nobody)
{
    int fd = socket_of("/ws"), other = socket_of("/ws"), opcode;
    hear(fd, "welcome");
    hear(other, "welcome");
    say(other, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}");
    hear(other, "subscribed");
    for (lsn_t lsn = 200; lsn < 220; lsn++) {
        for (int i = 0; i < 1000; i++)
            frame_put(fd, 9, true, "ping", 4);
        publish(lsn);
        hear(other, "\"change\"");
    }
    free(frame_get(fd, &opcode));
    ck_assert_int_eq(opcode, 10);
    close(fd);
    close(other);
}
END_TEST

/* Who is behind a proxy is the proxy's to say, and whoever may connect can say it, too: the address is the
 * peer's. */
START_TEST(a_forwarded_address_is_not_believed)
{
    int fds[2];
    web_stop(web);
    web_access.per_address = 2;
    web_open(NULL);
    for (int i = 0; i < 2; i++)
        hear(fds[i] = socket_of("/ws"), "welcome");
    expect_upgrade("/ws", "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n",
                   " 429 ");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void *producer(void *ctx)
{
    for (lsn_t lsn = 1000; lsn < 4000; lsn++)
        publish(lsn);
    return NULL;
}

/* Another thread publishes: all of it arrives, in order. */
START_TEST(a_burst_arrives_whole)
{
    int fd = socket_of("/ws"), seen = 0, opcode;
    pthread_t thread;
    hear(fd, "welcome");
    say(fd, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}");
    hear(fd, "subscribed");
    ck_assert_int_eq(pthread_create(&thread, NULL, producer, NULL), 0);
    while (seen < 3000) {
        char *text = frame_get(fd, &opcode), *rest_of = text;
        for (char *line; (line = strsep(&rest_of, "\n")); seen++) {
            char pos[60];
            snprintf(pos, sizeof(pos), "\"pos\":\"%016X00000001\"", 1000 + seen);
            has(line, pos);
        }
        free(text);
    }
    pthread_join(thread, NULL);
    close(fd);
}
END_TEST

static void *stop(void *ctx)
{
    web_stop(web);
    web = NULL;
    return NULL;
}

START_TEST(a_stop_is_announced)
{
    int fd = socket_of("/ws");
    pthread_t thread;
    hear(fd, "welcome");
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, NULL), 0);
    hear_close(fd, 4001);
    pthread_join(thread, NULL);
    ck_assert_ptr_null(web);
}
END_TEST

/* libwebsockets 4.1 refuses it by itself, lets go of the headers, and asks us all the same. */
START_TEST(upgrades_to_something_else_are_refused)
{
    static const char *const others[] = {"spam", "h2c", "WebSocketX", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        char head[300], got[1000];
        int port = web_page_port(web, 0), fd = dial(port);
        snprintf(head, sizeof(head),
                 "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
                 "%s\r\n\r\n",
                 port, others[i]);
        put(fd, head, strlen(head));
        ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
        got[n > 0 ? n : 0] = 0;
        lacks(got, " 101 ");
        close(fd);
    }
    close(socket_of("/ws"));
}
END_TEST

/* A token among the subprotocols does not fit in what libwebsockets takes of them: that is said. */
START_TEST(a_token_among_the_subprotocols_is_refused)
{
    expect_upgrade("/ws", "Sec-WebSocket-Protocol: walwire.v1, bearer.x\r\n", " 400 ");
    expect_upgrade("/ws", "Sec-WebSocket-Protocol: walwire.v1, other\r\n", " 101 ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web socket");
    TCase *tcase = tcase_create("web socket");
    tcase_add_checked_fixture(tcase, web_setup, web_teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, foreign_pages_are_refused_before_the_upgrade);
    tcase_add_test(tcase, listed_pages_may_come_in);
    tcase_add_test(tcase, upgrades_to_something_else_are_refused);
    tcase_add_test(tcase, a_token_among_the_subprotocols_is_refused);
    tcase_add_test(tcase, subscribers_see_changes);
    tcase_add_test(tcase, the_connector_can_be_named);
    tcase_add_test(tcase, messages_may_come_in_pieces);
    tcase_add_test(tcase, clients_that_break_the_rules_are_sent_away);
    tcase_add_test(tcase, pieces_that_never_end_are_too_large);
    tcase_add_test(tcase, a_flood_of_pings_holds_up_nobody);
    tcase_add_test(tcase, a_forwarded_address_is_not_believed);
    tcase_add_test(tcase, a_burst_arrives_whole);
    tcase_add_test(tcase, a_stop_is_announced);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
