/* web_play.h - a web server on loopback, and what its clients do. */
#ifndef TESTS_WEB_PLAY_H
#define TESTS_WEB_PLAY_H

#include "web.h"

extern struct hub *hub;
extern int source;
extern struct hub_table *items;
extern struct web *web;
extern size_t web_threads;               /* that write to WebSockets, of the next server */
extern struct access_options web_access; /* of the next server, too */
extern int frame_bits;                   /* the first byte of the last frame that was read */
extern char dir[];                       /* the page's: index.html and app.js */

void web_setup(void); /* connector "shop", table public.items with the key id */
void web_teardown(void);
void web_open(const char *origins);
void echo(void *ctx, const struct http_request *r,
          struct http_reply *reply); /* REST's handler: says what it was given */
void publish(lsn_t lsn);             /* item 1 is created */

void has(const char *text, const char *part);
void lacks(const char *text, const char *part);

/* ---- HTTP ---- */

int dial(int port);
void put(int fd, const void *bytes, size_t n);
struct buf reply_of(int fd, bool body); /* its head, and of its body what Content-Length says */
/* One request on a connection of its own: the reply's text, to be freed. */
char *ask(int port, const char *method, const char *path, const char *headers, const char *body);
void page(const char *method, const char *path, const char *expected);
void rest(const char *method, const char *path, const char *headers, const char *body, const char *expected);

/* ---- WebSockets ---- */

void expect_upgrade(const char *path, const char *headers, const char *status);
int socket_of(const char *path);
void frame_put(int fd, int opcode, bool last, const char *text, size_t len);
void say(int fd, const char *text);
char *upgrade(int *fd, const char *path, const char *headers); /* the answer's head, to be freed */
char *frame_get_whole(int fd, int *opcode, size_t *size);
char *frame_get(int fd, int *opcode); /* the next frame's payload, to be freed */
void hear(int fd, const char *part);  /* in the next frame */
void hear_close(int fd, int code);    /* `closing`, and the end of the connection */

#endif
