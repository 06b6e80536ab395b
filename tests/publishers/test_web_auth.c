/* test_web_auth.c - who is let in: users with the right password, requests that call the server by a name of
 * its own, and only requests whose length everybody reads alike. */
#include "web.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "web_impl.h"
#include "web_play.h"

/* "secret" of ann, hashed by openssl passwd -6, and of bob by -5. */
#define ANN                                                                                                  \
    "ann:$6$abc$IdWKNKTJEb8LxY7CGg8YBXlvtfZzFw7Mp/r6niK9YB2mdvgY..TKjv1T..8RadRt2qvUHYRLr/TsVArtr91iR1\n"
#define BOB "bob:$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0\n"

/* base64 of ann:secret, ann:Secret, eve:secret, and of "ann" without a password */
#define ANN_RIGHT "Authorization: Basic YW5uOnNlY3JldA==\r\n"
#define ANN_WRONG "Authorization: Basic YW5uOlNlY3JldA==\r\n"
#define EVE       "Authorization: Basic ZXZlOnNlY3JldA==\r\n"
#define NOBODY    "Authorization: Basic YW5u\r\n"

static char file[] = "/tmp/walwire-users-XXXXXX";

static void users_write(const char *text)
{
    FILE *out = fopen(file, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    fclose(out);
    chmod(file, 0600);
}

static void open_with(struct web_options options)
{
    struct err e = {0};
    web_stop(web);
    options.listeners = "http://127.0.0.1:0";
    options.handler = echo;
    web = web_start(&options, &e);
    ck_assert_msg(web, "%s", e.text);
}

static void file_setup(void)
{
    web_setup();
    ck_assert_int_ge(mkstemp(file), 0);
}

static void file_teardown(void)
{
    unlink(file);
    memset(file + strlen(file) - 6, 'X', 6);
    web_teardown();
}

/* The same password again is not hashed again, and a wrong one behind it is still wrong. */
START_TEST(rest_asks_for_a_password)
{
    users_write("# those who may\n\n" ANN BOB);
    open_with((struct web_options){.users_file = file});
    rest("GET", "/c", "", "", "401 ");
    rest("GET", "/c", "", "", "www-authenticate: Basic realm=\"walwire\"");
    for (int i = 0; i < 2; i++) {
        rest("GET", "/c", ANN_RIGHT, "", "GET /c? [] ");
        rest("GET", "/c", ANN_WRONG, "", "401 ");
        rest("GET", "/c", EVE, "", "401 ");
    }
    rest("GET", "/c", NOBODY, "", "401 ");
    rest("GET", "/c", "Authorization: Basic ???\r\n", "", "401 ");
    rest("GET", "/c", "Authorization: Bearer YW5uOnNlY3JldA==\r\n", "", "401 ");
    rest("POST", "/c", ANN_WRONG "Content-Length: 1\r\n", "x", "\"User cannot access the resource.\"");
}
END_TEST

static void expect_file_refused(const char *text, const char *reason)
{
    struct err e = {0};
    users_write(text);
    ck_assert_ptr_null(users_read(file, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    has(e.text, reason);
    lacks(e.text, "geheim");
}

START_TEST(weak_or_broken_user_files_are_refused)
{
    struct err e = {0};
    expect_file_refused("", "names no user");
    expect_file_refused("ann:geheim\n", "the password of ann is not hashed");
    expect_file_refused("ann:$apr1$geheim$x\n", "htpasswd -nB ann");
    expect_file_refused("geheim\n", "not NAME:HASH");
    unlink(file);
    ck_assert(!users_read(file, &e) && strstr(e.text, "No such file"));
}
END_TEST

/* A page whose own name was made to resolve to this machine calls the server by that name. */
START_TEST(other_names_are_refused_on_loopback)
{
    static const struct {
        const char *host, *status;
    } cases[] = {
        {"evil.example", "403 "},     {"evil.example:80", "403 "}, {"localhost.evil.example", "403 "},
        {"127.0.0.1.nip.io", "403 "}, {"localhost", "200 "},       {"LOCALHOST:8083", "200 "},
        {"a.localhost", "200 "},      {"127.0.0.1", "200 "},       {"[::1]:80", "200 "},
        {"good.example:80", "200 "},  {"page.example", "200 "}};
    open_with(
        (struct web_options){.allowed_hosts = "good.example", .allowed_origins = "https://page.example"});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[200];
        int fd = dial(web_rest_port(web, 0));
        snprintf(request, sizeof request, "GET /c HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        put(fd, request, strlen(request));
        struct buf reply = reply_of(fd, true);
        ck_assert_msg(strstr(reply.ptr, cases[i].status), "%s: %s", cases[i].host, reply.ptr);
        buf_free(&reply);
        close(fd);
    }
}
END_TEST

/* Two readings of a length are two readings of where the next request begins. */
START_TEST(unclear_lengths_are_refused)
{
    rest("POST", "/c", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "hello", "400 ");
    rest("POST", "/c", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "411 ");
    rest("POST", "/c", "Content-Length: +5\r\n", "hello", "400 ");
    rest("POST", "/c", "Content-Length: -1\r\n", "hello", "400 ");
    rest("POST", "/c", "Content-Length: 5x\r\n", "hello", "400 ");
    rest("POST", "/c", "Content-Length: 5, 6\r\n", "hello", "400 ");
    rest("POST", "/c", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello", "400 ");
    rest("POST", "/c", "Content-Length: 99999999999999999999\r\n", "hello", "413 ");
}
END_TEST

/* What follows might be the body, and a second request only for us. */
START_TEST(what_follows_an_unclear_length_is_not_read)
{
    static const char *const methods[] = {"HEAD", "GET", "POST"};
    for (size_t i = 0; i < 3; i++) {
        char request[300], more[200];
        int fd = dial(web_rest_port(web, 0));
        snprintf(request, sizeof request,
                 "%s /c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\n"
                 "GET /c HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 methods[i]);
        put(fd, request, strlen(request));
        struct buf reply = reply_of(fd, i > 0);
        has(reply.ptr, "400 ");
        has(reply.ptr, "connection: close");
        ck_assert_msg(read(fd, more, sizeof more) <= 0, "%s: the connection goes on", methods[i]);
        buf_free(&reply);
        close(fd);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("auth");
    Suite *suite = suite_create("web auth");
    tcase_add_checked_fixture(tcase, file_setup, file_teardown);
    tcase_add_test(tcase, rest_asks_for_a_password);
    tcase_add_test(tcase, weak_or_broken_user_files_are_refused);
    tcase_add_test(tcase, other_names_are_refused_on_loopback);
    tcase_add_test(tcase, unclear_lengths_are_refused);
    tcase_add_test(tcase, what_follows_an_unclear_length_is_not_read);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
