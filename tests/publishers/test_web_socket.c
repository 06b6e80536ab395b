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
    tcase_add_test(tcase, a_burst_arrives_whole);
    tcase_add_test(tcase, a_stop_is_announced);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
