/* test_web.c - the web server over real loopback sockets: files, REST, listeners. */
#include "web.h"

#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "web_impl.h"
#include "web_play.h"
#include "xmalloc.h"

/* ---- files ---- */

START_TEST(the_page_is_served)
{
    page("GET", "/", "<!doctype html>");
    page("GET", "/", "content-type: text/html");
    page("GET", "/app.js", "content-type: text/javascript");
    page("GET", "/app.js?v=1", "\r\n\r\napp()");
    page("HEAD", "/app.js", "content-length: 5");
}
END_TEST

/* The library is for other pages; they cannot read this one. */
START_TEST(pages_of_other_origins_may_load_the_library)
{
    page("GET", "/walwire.js", "access-control-allow-origin: *\r\n");
    char *reply = ask(web_page_port(web, 0), "GET", "/app.js", "", "");
    lacks(reply, "access-control");
    free(reply);
}
END_TEST

START_TEST(nothing_else_is_served)
{
    page("GET", "/style.css", "404 "); /* known, but not in this directory */
    page("GET", "/secret", "404 ");
    page("GET", "/../../../../etc/passwd", "404 ");
    page("GET", "/%2e%2e/%2e%2e/etc/passwd", "404 ");
    page("GET", "//etc/passwd", "404 ");
    page("DELETE", "/app.js", "405 ");
}
END_TEST

static void look(const char *path, const char *header, const char *expected)
{
    char *reply = ask(web_page_port(web, 0), "GET", path, header, "");
    has(reply, expected);
    free(reply);
}

/* What REST tells a reader on this machine anyway; and nothing that changes or configures. */
START_TEST(the_page_may_look_at_the_server)
{
    look("/connectors?expand=info", "", "GET /connectors?expand=status [] ");
    look("/metrics", "", "GET /metrics? [] ");
    look("/subscribers.json", "", "{\"sessions\":0,\"subscriptions\":0,");
    look("/subscribers.json", "", "content-type: application/json");
    page("GET", "/connectors/shop", "404 ");
    page("POST", "/connectors", "404 ");
    page("DELETE", "/connectors", "404 ");
    rest("GET", "/subscribers.json", "", "", "GET /subscribers.json? [] ");
    look("/metrics", "X-Forwarded-For: 203.0.113.9\r\n", "404 ");
    look("/subscribers.json", "Via: 1.1 proxy\r\n", "404 ");
}
END_TEST

/* ---- REST ---- */

START_TEST(requests_reach_the_handler)
{
    rest("GET", "/connectors/a%20b?x=1&y=a%26b", "", "", "GET /connectors/a b?x=1&y=a%26b [] ");
    rest("GET", "/connectors/a%25b", "", "", "GET /connectors/a%25b? [] "); /* a%b, encoded once */
    rest("PUT", "/pause", "", "", "PUT /pause? [] ");
    rest("POST", "/connectors", "Content-Type: application/json\r\nContent-Length: 7\r\n", "{\"a\":1}",
         "POST /connectors? [application/json] {\"a\":1}");
    rest("POST", "/connectors", "Content-Length: 0\r\n", "", "POST /connectors? [] ");
    rest("PATCH", "/c", "Content-Length: 1\r\n", "x", "PATCH /c? [] x");
    rest("DELETE", "/none", "", "", "204 ");
    rest("OPTIONS", "/", "", "", "OPTIONS /? [] ");
}
END_TEST

START_TEST(replies_carry_status_type_and_headers)
{
    char *reply = ask(web_rest_port(web, 0), "GET", "/x", "", "");
    has(reply, "HTTP/1.1 200 OK\r\n");
    has(reply, "content-type: application/json\r\n");
    has(reply, "location: /there\r\n");
    lacks(reply, "evil");
    free(reply);
    reply = ask(web_rest_port(web, 0), "HEAD", "/x", "", "");
    has(reply, "content-length: 12\r\n");
    lacks(reply, "HEAD /x");
    free(reply);
    reply = ask(web_rest_port(web, 0), "GET", "/big", "", "");
    ck_assert_uint_gt(strlen(reply), 3000000);
    free(reply);
}
END_TEST

START_TEST(bodies_are_bounded)
{
    char *body = xmalloc(1024 * 1024 + 1);
    memset(body, 'x', 1024 * 1024);
    body[1024 * 1024] = 0;
    rest("POST", "/c", "Content-Length: 1048576\r\n", body, "POST /c? [] xxxx");
    rest("POST", "/c", "Content-Length: 1048577\r\n", "", "413 ");
    rest("POST", "/c", "Content-Length: 99999999999999999999\r\n", "", "413 ");
    rest("POST", "/c", "Transfer-Encoding: chunked\r\n", "", "411 ");
    free(body);
}
END_TEST

START_TEST(connections_are_kept)
{
    const char *requests[] = {"GET /one HTTP/1.1\r\nHost: x\r\n\r\n",
                              "POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
                              "GET /three HTTP/1.1\r\nHost: x\r\n\r\n"};
    const char *expected[] = {"GET /one? [] ", "POST /two? [] abc", "GET /three? [] "};
    int fd = dial(web_rest_port(web, 0));
    for (int i = 0; i < 3; i++) {
        put(fd, requests[i], strlen(requests[i]));
        struct buf reply = reply_of(fd, true);
        has(reply.ptr, expected[i]);
        buf_free(&reply);
    }
    close(fd);
}
END_TEST

/* A browser's connection is never made one of HTTP/2. */
START_TEST(other_upgrades_are_refused)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    int ports[] = {web_rest_port(web, 0), web_page_port(web, 0)};
    for (int i = 0; i < 2; i++) {
        char bytes[4096];
        int fd = dial(ports[i]);
        put(fd, request, strlen(request));
        for (ssize_t n; (n = read(fd, bytes, sizeof(bytes) - 1)) > 0;) {
            bytes[n] = 0;
            lacks(bytes, "101 ");
        }
        close(fd);
    }
    rest("GET", "/after", "", "", "GET /after? [] ");
}
END_TEST

/* A page of another origin cannot make a browser change anything. */
START_TEST(foreign_pages_change_nothing)
{
    rest("POST", "/c", "Origin: http://evil.example\r\nContent-Length: 1\r\n", "x", "403 ");
    rest("GET", "/c", "Origin: http://evil.example\r\n", "", "200 ");
    web_stop(web);
    web_open("http://good.example");
    rest("POST", "/c", "Origin: http://good.example\r\nContent-Length: 1\r\n", "x", "200 ");
}
END_TEST

static bool entered; /* atomic */

/* Answers when the web thread has ended and its connections have not. */
static void late(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct web **w = ctx;
    __atomic_store_n(&entered, true, __ATOMIC_RELEASE);
    for (bool ending = false; !ending; sched_yield()) {
        pthread_mutex_lock(&(*w)->pool.lock);
        ending = (*w)->pool.ending;
        pthread_mutex_unlock(&(*w)->pool.lock);
    }
    buf_str(&reply->body, "{}");
}

START_TEST(a_stop_waits_for_what_is_being_answered)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct err e = {0};
    static struct web *w;
    struct web_options options = {
        .listeners = "http://127.0.0.1:0", .web_dir = dir, .handler = late, .handler_ctx = &w};
    w = web_start(&options, &e);
    ck_assert_msg(w, "%s", e.text);
    int fd = dial(web_rest_port(w, 0));
    put(fd, request, strlen(request));
    while (!__atomic_load_n(&entered, __ATOMIC_ACQUIRE))
        sched_yield();
    web_stop(w);
    char byte;
    ck_assert_int_le(read(fd, &byte, 1), 0);
    close(fd);
}
END_TEST

/* ---- listeners ---- */

static void expect_refused(const char *listeners, const char *page_listeners, const char *text)
{
    struct err e = {0};
    struct web_options options = {
        .listeners = listeners, .websocket_listeners = page_listeners, .web_dir = dir, .handler = echo};
    struct web *w = web_start(&options, &e);
    ck_assert_ptr_null(w);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    has(e.text, text);
}

START_TEST(what_cannot_be_opened_is_said)
{
    char taken[60], text[100];
    int port = web_rest_port(web, 0);
    snprintf(taken, sizeof(taken), "http://127.0.0.1:0, http://127.0.0.1:%d", port);
    snprintf(text, sizeof(text), "port %d of 127.0.0.1 is in use: stop the other program or set listeners",
             port);
    expect_refused(taken, NULL, text);
    expect_refused(NULL, "http://192.0.2.1:8000",
                   "192.0.2.1 is not an address of this machine: set websocket.listeners");
    expect_refused("http://127.0.0.1", NULL,
                   "listeners: \"http://127.0.0.1\" is not of the form http://host:port");
    expect_refused("http://127.0.0.1:99999", NULL, "is not of the form");
    expect_refused("https://127.0.0.1:8443", NULL, "https needs ssl.keystore.location");
}
END_TEST

START_TEST(an_unreadable_page_is_said)
{
    struct err e = {0};
    struct web_options options = {
        .websocket_listeners = "127.0.0.1:0", .web_dir = "/nowhere", .handler = echo};
    ck_assert_ptr_null(web_start(&options, &e));
    has(e.text, "/nowhere");
}
END_TEST

START_TEST(escapes_are_decoded)
{
    struct buf b = BUF_EMPTY;
    ck_assert(http_decode(&b, SLICE("a%2Fb+%c3%a4")));
    ck_assert_str_eq(b.ptr, "a/b+\xc3\xa4");
    ck_assert(!http_decode(&b, SLICE("x%2")));
    ck_assert(!http_decode(&b, SLICE("x%zz")));
    ck_assert(!http_decode(&b, SLICE("x%00")));
    ck_assert_str_eq(b.ptr, "a/b+\xc3\xa4");
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web");
    TCase *tcase = tcase_create("web");
    tcase_add_checked_fixture(tcase, web_setup, web_teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, the_page_is_served);
    tcase_add_test(tcase, pages_of_other_origins_may_load_the_library);
    tcase_add_test(tcase, nothing_else_is_served);
    tcase_add_test(tcase, the_page_may_look_at_the_server);
    tcase_add_test(tcase, requests_reach_the_handler);
    tcase_add_test(tcase, replies_carry_status_type_and_headers);
    tcase_add_test(tcase, bodies_are_bounded);
    tcase_add_test(tcase, connections_are_kept);
    tcase_add_test(tcase, other_upgrades_are_refused);
    tcase_add_test(tcase, a_stop_waits_for_what_is_being_answered);
    tcase_add_test(tcase, foreign_pages_change_nothing);
    tcase_add_test(tcase, what_cannot_be_opened_is_said);
    tcase_add_test(tcase, an_unreadable_page_is_said);
    tcase_add_test(tcase, escapes_are_decoded);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
