/* test_web_stream.c - subscriptions over plain HTTP: what comes, where it goes on, how it ends, who is
 * refused. */
#include "web.h"

#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session.h"
#include "web_play.h"
#include "xmalloc.h"

#define STREAM   "/v1/stream?table=public.items"
#define SNAPSHOT "/v1/snapshot?table=public.items"
#define END      "\r\n0\r\n\r\n" /* of a body that is whole */

/* ---- a client ---- */

static int request(const char *method, const char *path, const char *headers)
{
    char head[2000];
    int port = web_page_port(web, 0), fd = dial(port);
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", method, path, port,
             headers);
    put(fd, head, strlen(head));
    return fd;
}

/* Reads until the text is there; what was read before it came stays in front of it. */
static void read_until(int fd, struct buf *got, const char *part)
{
    while (!memmem(buf_view(got).ptr, got->len, part, strlen(part))) {
        ssize_t n = recv(fd, buf_room(got, 65536), 65536, 0);
        ck_assert_msg(n > 0, "%s never came behind:\n%.3000s", part, buf_view(got).ptr);
        buf_added(got, (size_t)n);
    }
}

/* Everything up to the end of the connection. */
static void read_rest(int fd, struct buf *got)
{
    for (ssize_t n; (n = recv(fd, buf_room(got, 65536), 65536, 0)) > 0;)
        buf_added(got, (size_t)n);
    close(fd);
}

static void expect(const char *method, const char *path, const char *headers, const char *status,
                   const char *part)
{
    char *reply = ask(web_page_port(web, 0), method, path, headers, "");
    has(reply, status);
    has(reply, part);
    free(reply);
}

/* ---- a reader of the table ---- */

struct reader {
    pthread_t thread;
    const char *rows[3]; /* batches */
    const char *failure; /* after them */
    uint64_t xmax;
    lsn_t insert_lsn;
    char where[100];
};

static void *reader_run(void *ctx)
{
    struct reader *r = ctx;
    struct hub_request q;
    ck_assert(hub_request_take(hub, source, 10000, &q));
    snprintf(r->where, sizeof(r->where), "%s", q.where ? q.where : "");
    ck_assert(q.place_first);
    struct hub_visibility v = {.xmin = r->xmax, .xmax = r->xmax, .insert_lsn = r->insert_lsn};
    if (hub_rows_begin(hub, q.id, &v) == HUB_GO)
        for (size_t i = 0; i < 3 && r->rows[i]; i++)
            hub_rows(hub, q.id, slice_of(r->rows[i]), 1);
    if (r->failure)
        hub_rows_fail(hub, q.id, r->failure, false);
    else
        hub_rows_end(hub, q.id);
    return NULL;
}

static void reader_start(struct reader *r)
{
    ck_assert_int_eq(pthread_create(&r->thread, NULL, reader_run, r), 0);
}

/* ---- events ---- */

START_TEST(changes_come_as_events)
{
    struct buf got = BUF_EMPTY;
    int fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: subscribed\n");
    has(got.ptr, "HTTP/1.1 200 ");
    has(got.ptr, "content-type: text/event-stream");
    has(got.ptr, "transfer-encoding: chunked");
    has(got.ptr, "cache-control: no-store");
    has(got.ptr, "retry: ");
    has(got.ptr, "event: welcome\ndata: {\"type\":\"welcome\",");
    has(got.ptr, "event: subscribed\nid: 7-1-a/000000000000006400000000\ndata: {\"type\":\"subscribed\",");
    lacks(got.ptr, "access-control-");
    publish(200);
    read_until(fd, &got, "event: change\n");
    read_until(fd, &got, "\"key\":{\"id\":1}");
    has(got.ptr, "event: change\nid: 7-1-a/00000000000000C800000001\ndata: {\"type\":\"change\",");
    buf_free(&got);
    close(fd);
}
END_TEST

/* Who comes back gets whole transactions: there is no place inside one to go on from. */
START_TEST(a_transaction_has_its_place_at_its_end)
{
    struct buf got = BUF_EMPTY;
    int fd = request("GET", STREAM "&transactions=true", "");
    read_until(fd, &got, "event: subscribed\nid: 7-1-a/000000000000006400000000\n");
    publish(200);
    hub_position(hub, source, 300, 0);
    read_until(fd, &got, "event: commit\nid: 7-1-a/");
    has(got.ptr, "event: begin\ndata: ");
    has(got.ptr, "event: change\ndata: ");
    buf_free(&got);
    close(fd);
}
END_TEST

/* What EventSource sends when it comes back is where it goes on, whatever its address says. */
START_TEST(the_last_event_id_resumes)
{
    struct buf got = BUF_EMPTY;
    int fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: subscribed\n");
    publish(200);
    publish(201);
    read_until(fd, &got, "00000000000000C900000001");
    close(fd);
    buf_reset(&got);
    fd = request("GET", STREAM "&snapshot=true&from=other/00000000000000C900000001",
                 "Last-Event-ID: 7-1-a/00000000000000C800000001\r\n");
    read_until(fd, &got, "00000000000000C900000001");
    has(got.ptr, "\"mode\":\"resume\"");
    lacks(got.ptr, "\"pos\":\"00000000000000C800000001\",\"op\"");
    close(fd);
    buf_reset(&got);
    fd = request("GET", STREAM "&from=7-1-a/00000000000000C800000001", "");
    read_until(fd, &got, "event: change\nid: 7-1-a/00000000000000C900000001");
    close(fd);
    buf_free(&got);
    expect("GET", STREAM, "Last-Event-ID: nonsense\r\n", " 400 ", "Last-Event-ID must be");
    expect("GET", STREAM, "Last-Event-ID: 7-1-a/nonsense\r\n", " 400 ", "from must be");
}
END_TEST

/* Who comes back after a reset begins anew: its id is taken away. The body is whole, the connection stays. */
START_TEST(a_reset_is_an_event_and_the_end)
{
    struct buf got = BUF_EMPTY;
    int fd = request("GET", STREAM "&from=other/00000000000000C900000001", "");
    read_until(fd, &got, END);
    has(got.ptr, " 200 ");
    has(got.ptr, "event: reset\nid:\ndata: {\"type\":\"reset\",\"id\":1,\"reason\":\"epoch\"");
    put(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
    read_until(fd, &got, "<!doctype html>");
    buf_free(&got);
    close(fd);
}
END_TEST

/* A browser gives up at any status but 200, and shall not at this. */
START_TEST(a_connector_that_does_not_stream_yet_is_an_event)
{
    struct buf got = BUF_EMPTY;
    int fd = request("GET", STREAM "&connector=none", "");
    read_until(fd, &got, END);
    has(got.ptr, " 200 ");
    has(got.ptr, "retry: ");
    has(got.ptr, "event: closing\ndata: {\"type\":\"closing\",\"code\":4013,");
    buf_free(&got);
    close(fd);
    expect("GET", SNAPSHOT "&connector=none", "", " 503 ", "{\"type\":\"closing\",\"code\":4013,");
    expect("GET", SNAPSHOT "&connector=none", "", "retry-after: ", "not streaming");
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
    struct buf got = BUF_EMPTY;
    pthread_t thread;
    int fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: subscribed\n");
    publish(200);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, NULL), 0);
    read_until(fd, &got, END);
    has(got.ptr, "event: change\nid: 7-1-a/00000000000000C800000001\n");
    has(got.ptr, "event: heartbeat\nid: 7-1-a/00000000000000C800000001\n");
    has(got.ptr, "event: closing\ndata: {\"type\":\"closing\",\"code\":4001,");
    pthread_join(thread, NULL);
    buf_free(&got);
    close(fd);
}
END_TEST

/* It would end the line, and with it the event's data. */
START_TEST(a_carriage_return_between_tokens_ends_no_line)
{
    struct buf got = BUF_EMPTY;
    struct slice row[] = {SLICE("{\"a\":\r[1,\r2]}")};
    struct hub_change change = {.table = items, .op = 'c', .commit_lsn = 200, .xid = 5, .row = row};
    int fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: subscribed\n");
    hub_publish(hub, source, &change);
    read_until(fd, &got, "\"row\":{\"id\":{\"a\": [1, 2]}}");
    buf_free(&got);
    close(fd);
}
END_TEST

static void small_hub(size_t window, int heartbeat_ms)
{
    static const struct hub_column columns[] = {{"id", "int4"}};
    static const uint16_t key[] = {0};
    struct hub_table_info info = {"public.items", columns, 1, key, 1};
    struct hub_options options = {.window_bytes = window, .heartbeat_ms = heartbeat_ms};
    web_stop(web);
    hub_free(hub);
    hub = hub_new(&options);
    source = hub_source(hub, "shop");
    hub_epoch(hub, source, "7-1-a", 100);
    items = hub_table_set(hub, source, &info);
    hub_turn(hub);
    web_open(NULL);
}

/* Rows of a snapshot have no place to go on from: who is cut off among them begins anew. */
START_TEST(a_heartbeat_among_rows_is_no_place_to_go_on)
{
    struct buf got = BUF_EMPTY;
    small_hub(0, 10);
    int fd = request("GET", STREAM "&snapshot=true", ""); /* nobody reads the rows */
    read_until(fd, &got, "event: heartbeat\n");
    has(got.ptr, "\"mode\":\"snapshot\"");
    has(got.ptr, "event: heartbeat\ndata: ");
    lacks(got.ptr, "\nid:");
    close(fd);
    buf_reset(&got);
    fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: heartbeat\nid: 7-1-a/000000000000006400000000\n");
    close(fd);
    buf_free(&got);
}
END_TEST

/* A server that has started again repeats itself up to where its client was: where it stands meanwhile is no
 * place to come back to. */
START_TEST(a_heartbeat_of_before_is_no_place_to_go_back_to)
{
    struct buf got = BUF_EMPTY;
    small_hub(0, 10);
    int fd = request("GET", STREAM, "Last-Event-ID: 7-1-a/000000000000012C00000001\r\n");
    read_until(fd, &got, "event: subscribed\nid: 7-1-a/000000000000012C00000001\n");
    read_until(fd, &got, "event: heartbeat\n");
    read_until(fd, &got, "\"pos\":\"000000000000006400000000\",\"lag_ms\"");
    lacks(got.ptr, "id: 7-1-a/0000000000000064");
    publish(200);
    publish(400);
    read_until(fd, &got, "event: change\nid: 7-1-a/000000000000019000000001\n");
    lacks(got.ptr, "id: 7-1-a/00000000000000C8");
    hub_position(hub, source, 500, 0);
    read_until(fd, &got, "event: heartbeat\nid: 7-1-a/00000000000001F400000000\n");
    close(fd);
    buf_free(&got);
}
END_TEST

/* What it does not read is kept nowhere but in the window. */
START_TEST(a_client_that_does_not_read_is_reset)
{
    struct buf got = BUF_EMPTY;
    struct hub_stats stats;
    char text[10000];
    memset(text, 'x', sizeof(text));
    text[0] = text[sizeof(text) - 1] = '"';
    struct slice row[] = {{text, sizeof(text)}};
    small_hub(1024 * 1024, 0);
    int fd = request("GET", STREAM, "");
    read_until(fd, &got, "event: subscribed\n");
    for (lsn_t lsn = 200; lsn < 4200; lsn++) {
        struct hub_change change = {.table = items, .op = 'c', .commit_lsn = lsn, .xid = 5, .row = row};
        hub_publish(hub, source, &change);
        do /* the hub's inbox is bounded, too */
            hub_stats(hub, &stats);
        while (stats.published + 50 < lsn - 200);
    }
    ck_assert_uint_le(stats.window_bytes, 2 * 1024 * 1024);
    read_until(fd, &got, END);
    has(got.ptr + got.len - 1000, "\"reset\",\"id\":1,\"reason\":\"slow\"");
    ck_assert_uint_lt(got.len, 30000000); /* of 40: what the sockets hold */
    buf_free(&got);
    close(fd);
}
END_TEST

/* ---- rows ---- */

START_TEST(a_snapshot_is_lines_behind_its_position)
{
    struct reader r = {.rows = {"[{\"id\":1},{\"id\":2}]", "[{\"id\":3}]"}, .xmax = 10, .insert_lsn = 300};
    struct buf got = BUF_EMPTY;
    int fd = request("GET", SNAPSHOT "&columns=id&where=%5B%22id%22%2C%22lt%22%2C9%5D", "");
    reader_start(&r);
    usleep(1000); /* either order is as good */
    hub_position(hub, source, 300, 0);
    read_until(fd, &got, END);
    pthread_join(r.thread, NULL);
    has(r.where, "< '9'");
    has(got.ptr, " 200 ");
    has(got.ptr, "content-type: application/x-ndjson");
    has(got.ptr, "walwire-epoch: 7-1-a\r\n");
    has(got.ptr, "walwire-position: 000000000000012C00000000\r\n");
    has(got.ptr, "\r\n{\"id\":1}\n{\"id\":2}\n");
    has(got.ptr, "{\"id\":3}\n");
    buf_free(&got);
    close(fd);
    publish(400);
    fd = request("GET", STREAM "&from=7-1-a/000000000000012C00000000", "");
    read_until(fd, &got, "event: change\nid: 7-1-a/000000000000019000000001");
    buf_free(&got);
    close(fd);
}
END_TEST

/* The position belongs before the rows, and is not known before the stream is there. */
START_TEST(rows_wait_for_their_position)
{
    struct reader r = {.rows = {"[{\"id\":1}]"}, .xmax = 10, .insert_lsn = 300};
    struct buf got = BUF_EMPTY;
    int fd = request("GET", SNAPSHOT, "");
    reader_start(&r);
    pthread_join(r.thread, NULL); /* all rows are read */
    ck_assert_int_lt(recv(fd, buf_room(&got, 1), 1, MSG_DONTWAIT), 0);
    struct slice row[] = {SLICE("2")}; /* committed before, and not seen */
    struct hub_change change = {.table = items, .op = 'c', .commit_lsn = 250, .xid = 11, .row = row};
    hub_publish(hub, source, &change);
    hub_position(hub, source, 300, 0);
    read_until(fd, &got, END);
    has(got.ptr, "walwire-position: 00000000000000FA00000000\r\n");
    buf_free(&got);
    close(fd);
}
END_TEST

START_TEST(an_empty_table_is_an_empty_body)
{
    struct reader r = {.xmax = 10, .insert_lsn = 100};
    struct buf got = BUF_EMPTY;
    int fd = request("GET", SNAPSHOT, "");
    reader_start(&r);
    pthread_join(r.thread, NULL);
    read_until(fd, &got, "\r\n\r\n0\r\n\r\n");
    has(got.ptr, "walwire-position: 000000000000006400000000\r\n");
    buf_free(&got);
    close(fd);
}
END_TEST

START_TEST(a_failure_before_the_first_row_is_a_status)
{
    struct reader r = {.failure = "the table is locked", .xmax = 10, .insert_lsn = 300};
    struct buf got = BUF_EMPTY;
    int fd = request("GET", SNAPSHOT, "");
    reader_start(&r);
    pthread_join(r.thread, NULL);
    read_until(fd, &got, "the table is locked");
    has(got.ptr, " 503 ");
    has(got.ptr, "content-type: application/json");
    has(got.ptr, "{\"type\":\"error\",\"id\":1,\"code\":\"snapshot_failed\"");
    buf_free(&got);
    close(fd);
}
END_TEST

/* Nobody may take a part for the whole. */
START_TEST(a_failure_among_the_rows_breaks_the_body_off)
{
    struct reader r = {
        .rows = {"[{\"id\":1}]"}, .failure = "the server is gone", .xmax = 10, .insert_lsn = 100};
    struct buf got = BUF_EMPTY;
    int fd = request("GET", SNAPSHOT, "");
    hub_position(hub, source, 100, 0);
    reader_start(&r);
    read_rest(fd, &got);
    pthread_join(r.thread, NULL);
    if (strstr(got.ptr, " 200 ")) /* else the failure was known before the first row went out */
        lacks(got.ptr, END);
    else
        has(got.ptr, " 503 ");
    buf_free(&got);
}
END_TEST

/* ---- who is refused ---- */

START_TEST(what_cannot_be_subscribed_to_is_a_status)
{
    static const char *const paths[] = {STREAM, SNAPSHOT};
    char path[300];
    expect("GET", "/v1/stream", "", " 400 ", "table must be given");
    expect("GET", "/v1/stream?table=public.none", "", " 404 ", "\"code\":\"unknown_table\"");
    for (size_t i = 0; i < 2; i++) {
        static const struct {
            const char *more, *part;
        } bad[] = {
            {"&columns=none", "\"code\":\"unknown_column\""},
            {"&where=%5B%22id%22%2C%22eq%22%2C%22x%22%5D", "\"code\":\"bad_filter\""},
            {"&where=x", "where must be a filter as JSON"},
            {"&where=%5B%22id%22%2C%22eq%22%2C1%5D%2C%22snapshot%22%3Atrue",
             "where must be a filter as JSON"},
            {"&table=public.items", "table is given twice"},
            {"&wher=x", "there is no parameter wher here"},
        };
        for (size_t j = 0; j < sizeof(bad) / sizeof(*bad); j++) {
            snprintf(path, sizeof(path), "%s%s", paths[i], bad[j].more);
            expect("GET", path, "", " 400 ", bad[j].part);
        }
    }
    expect("GET", STREAM "&snapshot=yes", "", " 400 ", "snapshot must be true or false");
    expect("GET", STREAM "&from=here", "", " 400 ", "from must be");
    expect("GET", SNAPSHOT "&from=now", "", " 400 ", "there is no parameter from here");
}
END_TEST

/* A long filter counts to its last byte. */
START_TEST(long_filters_are_taken_whole)
{
    struct buf path = BUF_EMPTY, got = BUF_EMPTY;
    buf_str(&path, STREAM "&where=%5B%22id%22,%22in%22,%5B0");
    for (int i = 1; i < 256; i++)
        buf_printf(&path, ",10000000%03d", i);
    int port = web_page_port(web, 0), fd = dial(port);
    struct buf head = BUF_EMPTY;
    buf_printf(&head, "GET %s,1%%5D%%5D HTTP/1.1\r\nHost: localhost\r\n\r\n", path.ptr);
    put(fd, head.ptr, head.len);
    read_until(fd, &got, "\r\n\r\n");
    read_until(fd, &got, "\"code\":\"bad_filter\""); /* 257 values */
    close(fd);
    buf_free(&path);
    buf_free(&head);
    buf_free(&got);
}
END_TEST

START_TEST(only_get_is_answered)
{
    expect("POST", STREAM, "", " 405 ", "allow: GET, OPTIONS");
    expect("HEAD", STREAM, "", " 405 ", "allow: GET, OPTIONS");
    expect("DELETE", SNAPSHOT, "", " 405 ", "can only be read");
    char *reply = ask(web_page_port(web, 0), "POST", STREAM, "Content-Length: 1\r\n", "x");
    has(reply, " 405 ");
    free(reply);
    reply = ask(web_page_port(web, 0), "GET", STREAM, "Content-Length: 1\r\n", "x");
    has(reply, " 400 ");
    free(reply);
    struct buf got = BUF_EMPTY;
    int fd = dial(web_page_port(web, 0));
    static const char old[] = "GET " SNAPSHOT " HTTP/1.0\r\nHost: localhost\r\n\r\n";
    put(fd, old, sizeof(old) - 1);
    read_until(fd, &got, "HTTP/1.1 is needed");
    has(got.ptr, " 505 ");
    buf_free(&got);
    close(fd);
}
END_TEST

START_TEST(foreign_pages_are_refused)
{
    struct buf got = BUF_EMPTY;
    expect("GET", STREAM, "Origin: http://evil.example\r\n", " 403 ", "{\"error\":\"refused\"}");
    expect("GET", SNAPSHOT, "Origin: null\r\n", " 403 ", "{\"error\":\"refused\"}");
    expect("OPTIONS", STREAM, "Origin: http://evil.example\r\n", " 403 ", "refused");
    web_stop(web);
    web_open("https://a.example");
    int fd = request("GET", STREAM, "Origin: https://a.example\r\n");
    read_until(fd, &got, "event: subscribed\n");
    has(got.ptr, "access-control-allow-origin: https://a.example\r\n");
    has(got.ptr, "vary: origin\r\n");
    close(fd);
    buf_free(&got);
    expect("GET", STREAM "&wher=x", "Origin: https://a.example\r\n", " 400 ",
           "access-control-allow-origin: https://a.example\r\n");
    expect("OPTIONS", STREAM, "Origin: https://a.example\r\n", " 204 ",
           "access-control-allow-headers: authorization, last-event-id\r\n");
    expect("GET", STREAM, "Origin: http://a.example\r\n", " 403 ", "refused");
}
END_TEST

/* A page that makes its own name resolve to this machine is none of ours. */
START_TEST(unknown_names_are_refused)
{
    struct buf got = BUF_EMPTY;
    int fd = dial(web_page_port(web, 0));
    static const char head[] = "GET " SNAPSHOT " HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    put(fd, head, sizeof(head) - 1);
    read_until(fd, &got, " 403 ");
    buf_free(&got);
    close(fd);
}
END_TEST

/* What a client sends while it is being answered waits in its own socket. */
START_TEST(requests_behind_a_stream_are_not_piled_up)
{
    struct buf got = BUF_EMPTY;
    char *more = xcalloc(1, 1024 * 1024);
    memset(more, 'x', 1024 * 1024);
    int fd = request("GET", STREAM, "");
    struct timeval patience = {.tv_usec = 300000};
    read_until(fd, &got, "event: subscribed\n");
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ssize_t sent = 0, n;
    while (sent < 64 * 1024 * 1024 && (n = send(fd, more, 1024 * 1024, MSG_NOSIGNAL)) > 0)
        sent += n;
    ck_assert_int_lt(sent, 64 * 1024 * 1024);
    free(more);
    buf_free(&got);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web stream");
    TCase *tcase = tcase_create("web stream");
    tcase_add_checked_fixture(tcase, web_setup, web_teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, changes_come_as_events);
    tcase_add_test(tcase, a_transaction_has_its_place_at_its_end);
    tcase_add_test(tcase, the_last_event_id_resumes);
    tcase_add_test(tcase, a_reset_is_an_event_and_the_end);
    tcase_add_test(tcase, a_connector_that_does_not_stream_yet_is_an_event);
    tcase_add_test(tcase, a_stop_is_announced);
    tcase_add_test(tcase, a_carriage_return_between_tokens_ends_no_line);
    tcase_add_test(tcase, a_heartbeat_among_rows_is_no_place_to_go_on);
    tcase_add_test(tcase, a_heartbeat_of_before_is_no_place_to_go_back_to);
    tcase_add_test(tcase, a_client_that_does_not_read_is_reset);
    tcase_add_test(tcase, a_snapshot_is_lines_behind_its_position);
    tcase_add_test(tcase, rows_wait_for_their_position);
    tcase_add_test(tcase, an_empty_table_is_an_empty_body);
    tcase_add_test(tcase, a_failure_before_the_first_row_is_a_status);
    tcase_add_test(tcase, a_failure_among_the_rows_breaks_the_body_off);
    tcase_add_test(tcase, what_cannot_be_subscribed_to_is_a_status);
    tcase_add_test(tcase, long_filters_are_taken_whole);
    tcase_add_test(tcase, only_get_is_answered);
    tcase_add_test(tcase, foreign_pages_are_refused);
    tcase_add_test(tcase, unknown_names_are_refused);
    tcase_add_test(tcase, requests_behind_a_stream_are_not_piled_up);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
