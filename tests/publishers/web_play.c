/* web_play.c - a web server on loopback, and what its clients do. */
#include "web_play.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session.h"
#include "xmalloc.h"

struct hub *hub;
struct web *web;
size_t web_threads;
struct access_options web_access;
int frame_bits;
int source;
struct hub_table *items;
char dir[] = "/tmp/test_web_XXXXXX";

/* ---- the server ---- */

static void file_write(const char *name, const char *text)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* Says back what it was given. */
void echo(void *ctx, const struct http_request *r, struct http_reply *reply)
{
    buf_printf(&reply->body, "%s %s?%s [%s] " SLICE_FMT, r->method, r->path, r->query, r->content_type,
               (int)(r->body.len < 100 ? r->body.len : 100), r->body.ptr);
    http_reply_header(reply, "location", "/there\r\nevil: yes");
    if (strcmp(r->path, "/none") == 0)
        reply->status = 204;
    for (int i = 0; strcmp(r->path, "/big") == 0 && i < 300000; i++)
        BUF_LIT(&reply->body, "0123456789");
}

void web_open(const char *origins)
{
    struct err e = {0};
    struct web_options options = {.listeners = "http://127.0.0.1:0",
                                  .websocket_listeners = "127.0.0.1:0",
                                  .allowed_origins = origins,
                                  .allowed_hosts = "x",
                                  .web_dir = dir,
                                  .hub = hub,
                                  .websocket_threads = web_threads,
                                  .access = web_access,
                                  .handler = echo};
    web = web_start(&options, &e);
    ck_assert_msg(web, "%s", e.text);
}

void web_setup(void)
{
    static const struct hub_column columns[] = {{"id", "int4"}};
    static const uint16_t key[] = {0};
    struct hub_table_info info = {"public.items", columns, 1, key, 1};
    struct hub_options options = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    file_write("index.html", "<!doctype html>");
    file_write("app.js", "app()");
    file_write("walwire.js", "lib()");
    hub = hub_new(&options);
    source = hub_source(hub, "shop");
    hub_epoch(hub, source, "7-1-a", 100);
    items = hub_table_set(hub, source, &info);
    hub_turn(hub);
    web_open(NULL);
}

void web_teardown(void)
{
    char path[100];
    web_stop(web);
    hub_free(hub);
    snprintf(path, sizeof(path), "%s/index.html", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/app.js", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/walwire.js", dir);
    unlink(path);
    rmdir(dir);
}

/* ---- a client ---- */

int dial(int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

void put(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    for (ssize_t sent; n > 0; at += sent, n -= (size_t)sent)
        if ((sent = send(fd, at, n, MSG_NOSIGNAL)) <= 0)
            return; /* the server may have refused by now */
}

static void exact(int fd, char *to, size_t n)
{
    for (ssize_t got; n > 0; to += got, n -= (size_t)got) {
        got = recv(fd, to, n, 0);
        ck_assert_msg(got > 0, "the server closed the connection or fell silent");
    }
}

/* The head of a reply, and of its body what Content-Length says. */
struct buf reply_of(int fd, bool body)
{
    struct buf b = BUF_EMPTY;
    char c;
    while (!b.ptr || !strstr(b.ptr, "\r\n\r\n")) {
        exact(fd, &c, 1);
        buf_char(&b, c);
    }
    const char *length = strcasestr(b.ptr, "content-length: ");
    size_t n = body && length ? strtoul(length + 16, NULL, 10) : 0;
    exact(fd, buf_room(&b, n), n);
    buf_added(&b, n);
    return b;
}

/* One request on a connection of its own; the reply's text, for has() and lacks(). */
char *ask(int port, const char *method, const char *path, const char *headers, const char *body)
{
    char head[1000];
    int fd = dial(port);
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", method, path, port,
             headers);
    put(fd, head, strlen(head));
    put(fd, body, strlen(body));
    struct buf reply = reply_of(fd, strcmp(method, "HEAD") != 0);
    close(fd);
    return buf_take(&reply);
}

void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part), "%s is missing in:\n%.1000s", part, text);
}

void lacks(const char *text, const char *part)
{
    ck_assert_msg(!strstr(text, part), "%s is in:\n%.1000s", part, text);
}

void page(const char *method, const char *path, const char *expected)
{
    char *reply = ask(web_page_port(web, 0), method, path, "", "");
    has(reply, expected);
    has(reply, "x-content-type-options: nosniff");
    has(reply, "content-security-policy: default-src 'none'");
    free(reply);
}

void rest(const char *method, const char *path, const char *headers, const char *body, const char *expected)
{
    char *reply = ask(web_rest_port(web, 0), method, path, headers, body);
    has(reply, expected);
    free(reply);
}

/* ---- a WebSocket client ---- */

char *upgrade(int *fd, const char *path, const char *headers)
{
    char head[1000];
    int port = web_page_port(web, 0);
    *fd = dial(port);
    snprintf(head, sizeof(head),
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
             path, port, headers);
    put(*fd, head, strlen(head));
    struct buf reply = reply_of(*fd, false);
    return buf_take(&reply);
}

void expect_upgrade(const char *path, const char *headers, const char *status)
{
    int fd;
    char *reply = upgrade(&fd, path, headers);
    has(reply, status);
    close(fd);
    free(reply);
}

/* A frame as a client sends it: masked, here with zeros. */
void frame_put(int fd, int opcode, bool last, const char *text, size_t len)
{
    unsigned char head[14] = {(unsigned char)((last ? 0x80 : 0) | opcode), 0x80 | 127};
    bool shortest = len < 126; /* control frames must have it */
    if (shortest)
        head[1] = (unsigned char)(0x80 | len);
    for (int i = 0; i < 8 && !shortest; i++)
        head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    put(fd, head, shortest ? 6 : sizeof(head));
    put(fd, text, len);
}

void say(int fd, const char *text)
{
    frame_put(fd, 1, true, text, strlen(text));
}

char *frame_get_whole(int fd, int *opcode, size_t *size)
{
    unsigned char head[2], more[8];
    exact(fd, (char *)head, 2);
    size_t len = head[1] & 127, wide = len == 126 ? 2 : len == 127 ? 8 : 0;
    exact(fd, (char *)more, wide);
    for (size_t i = 0; i < wide; i++)
        len = (i ? len << 8 : 0) | more[i];
    char *text = xmalloc(len + 1);
    exact(fd, text, len);
    text[len] = 0;
    frame_bits = head[0];
    *opcode = head[0] & 15;
    *size = len;
    return text;
}

/* The next frame's payload; *opcode 1: text, 8: close, whose code is the payload. */
char *frame_get(int fd, int *opcode)
{
    size_t size;
    return frame_get_whole(fd, opcode, &size);
}

void hear(int fd, const char *part)
{
    int opcode;
    char *text = frame_get(fd, &opcode);
    ck_assert_int_eq(opcode, 1);
    has(text, part);
    free(text);
}

void hear_close(int fd, int code)
{
    int opcode;
    char part[40], *text;
    snprintf(part, sizeof(part), "\"closing\",\"code\":%d", code);
    hear(fd, part);
    text = frame_get(fd, &opcode);
    ck_assert_int_eq(opcode, 8);
    ck_assert_int_eq((unsigned char)text[0] << 8 | (unsigned char)text[1], code);
    free(text);
    close(fd);
}

int socket_of(const char *path)
{
    int fd;
    char *reply = upgrade(&fd, path, "Sec-WebSocket-Protocol: walwire.v1\r\n");
    has(reply, "101 ");
    has(reply, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* the answer to our key, from RFC 6455 */
    has(reply, "Sec-WebSocket-Protocol: walwire.v1");
    free(reply);
    return fd;
}

void publish(lsn_t lsn)
{
    struct slice row[] = {SLICE("1")};
    struct hub_change change = {
        .table = items, .op = 'c', .commit_lsn = lsn, .xid = 5, .ts_ms = 6, .row = row};
    hub_publish(hub, source, &change);
}
