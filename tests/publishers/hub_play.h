/* hub_play.h - plays what is around the hub: a stream, a reader thread, clients without sockets. */
#ifndef TESTS_HUB_PLAY_H
#define TESTS_HUB_PLAY_H

#include "hub.h"
#include "session.h"

#include <json-c/json.h>
#include <pthread.h>

enum { MESSAGES = 4000 };

struct client {
    struct session *session;
    struct json_object *got[MESSAGES];
    size_t n, read, asked, cut;
    size_t common; /* frames of it that many get */
    bool gathers;  /* it never takes those */
};

extern struct hub *hub;
extern int source;
extern const struct hub_table *items, *other; /* public.items, public.other: id, name, big; key id */
extern int64_t now;
extern const struct hub_column ITEM_COLUMNS[];
extern const uint16_t FIRST[];

void play_setup(void); /* connector "shop", epoch "7-1-a" from position 100 */
void play_with(struct hub_options options);
void play_teardown(void);
struct hub_table *table_of(const char *name, size_t columns);

/* ---- clients ---- */

struct client *client_new(void);
void client_free(struct client *c);
bool client_frame(struct client *c); /* one frame, as a socket that can take it would ask for it */
void client_read(struct client *c);
void say(struct client *c, const char *text);
struct json_object *next(struct client *c);                    /* message; NULL: there is none */
struct json_object *await(struct client *c, const char *type); /* skips others; waits for the other threads */
struct client *welcomed(void);
struct client *subscriber(const char *request, const char *mode);
struct client *live(void); /* subscription 1 to public.items */

const char *text_of(struct json_object *message, const char *member); /* as JSON, or "absent" */
void expect(struct json_object *message, const char *member, const char *json);
struct json_object *expect_type(struct client *c, const char *type);
/* The next message is such a change of this row; op "t" has no key. */
struct json_object *expect_op(struct client *c, const char *op, int id);
void expect_change(struct client *c, char op, int id);
void expect_nothing(struct client *c);

/* ---- the stream ---- */

/* `after` is the row of c and u; before: NULL for none. */
void publish_values(const struct hub_table *table, char op, lsn_t lsn, const struct slice *after,
                    const struct slice *before);
void publish(const struct hub_table *table, char op, lsn_t lsn, uint32_t xid, int id);
const char *pos_text(lsn_t lsn, unsigned ordinal); /* as JSON */

/* ---- the reader ---- */

struct reader {
    pthread_t thread;
    struct hub_visibility visibility[4]; /* of its tries */
    const char *rows;
    size_t times, done; /* done: atomic */
    const char *failure;
    size_t tries;
    bool cancelled;
    char columns[200];
};

void reader_start(struct reader *r);
struct client *snapshot_of(
    struct reader *r); /* subscription 1 to public.items, with a snapshot by this reader */

#endif
