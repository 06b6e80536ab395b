/* hub_play.c - plays what is around the hub: a stream, a reader thread, clients without sockets. */
#include "hub_play.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "xmalloc.h"

struct hub *hub;
int source;
const struct hub_table *items, *other;
int64_t now = 1000;

const struct hub_column ITEM_COLUMNS[] = {{"id", "int4"}, {"name", "text"}, {"big", "text"}};
const uint16_t FIRST[] = {0};

static void on_want(void *user)
{
    ((struct client *)user)->asked++;
}

static void on_cut(void *user)
{
    ((struct client *)user)->cut++;
}

struct hub_table *table_of(const char *name, size_t columns)
{
    struct hub_table_info info = {name, ITEM_COLUMNS, columns, FIRST, 1};
    return hub_table_set(hub, source, &info);
}

void play_with(struct hub_options options)
{
    hub = hub_new(&options);
    source = hub_source(hub, "shop");
    hub_epoch(hub, source, "7-1-a", 100);
    items = table_of("public.items", 3);
    other = table_of("public.other", 3);
    hub_turn(hub);
}

void play_setup(void)
{
    play_with((struct hub_options){0});
}

void play_teardown(void)
{
    hub_stop(hub);
    hub_free(hub);
}

struct client *client_new(void)
{
    struct client *c = xcalloc(1, sizeof(*c));
    struct session_options options = {.client = "test", .want_write = on_want, .cut = on_cut, .user = c};
    c->session = session_open(hub, &options, now);
    return c;
}

void client_free(struct client *c)
{
    session_close(c->session);
    for (size_t i = 0; i < c->n; i++)
        json_object_put(c->got[i]);
    free(c);
}

/* One frame, as a socket that can take it would ask for it: the one that many get, or else its own. */
bool client_frame(struct client *c)
{
    struct buf frame = BUF_EMPTY;
    struct ws_frame *common = c->gathers ? NULL : session_frame(c->session, now);
    if (common)
        buf_slice(&frame, frame_payload(common));
    bool more = common ? session_wants(c->session) : session_gather(c->session, &frame, now);
    c->common += common ? 1 : 0;
    frame_release(common);
    char *rest = frame.ptr;
    for (char *line; frame.len && (line = strsep(&rest, "\n"));) {
        struct json_object *message = json_tokener_parse(line);
        ck_assert_msg(message, "not JSON: %s", line);
        ck_assert_uint_lt(c->n, MESSAGES);
        c->got[c->n++] = message;
    }
    buf_free(&frame);
    return more;
}

void client_read(struct client *c)
{
    hub_turn(hub);
    while (client_frame(c))
        ;
}

void say(struct client *c, const char *text)
{
    session_receive(c->session, slice_of(text), now);
}

/* The next message; NULL when there is none. */
struct json_object *next(struct client *c)
{
    if (c->read == c->n)
        client_read(c);
    return c->read < c->n ? c->got[c->read++] : NULL;
}

const char *text_of(struct json_object *message, const char *member)
{
    struct json_object *value;
    return json_object_object_get_ex(message, member, &value)
               ? json_object_to_json_string_ext(value,
                                                JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
               : "absent";
}

void expect(struct json_object *message, const char *member, const char *json)
{
    ck_assert_msg(message, "no message with %s = %s", member, json);
    ck_assert_msg(strcmp(text_of(message, member), json) == 0, "%s is not %s in %s", member, json,
                  json_object_to_json_string(message));
}

struct json_object *expect_type(struct client *c, const char *type)
{
    struct json_object *message = next(c);
    char json[40];
    snprintf(json, sizeof(json), "\"%s\"", type);
    expect(message, "type", json);
    return message;
}

void expect_nothing(struct client *c)
{
    struct json_object *message = next(c);
    ck_assert_msg(!message, "unexpected: %s", json_object_to_json_string(message));
}

struct client *welcomed(void)
{
    struct client *c = client_new();
    expect_type(c, "welcome");
    return c;
}

struct client *subscriber(const char *request, const char *mode)
{
    struct client *c = welcomed();
    char json[40];
    snprintf(json, sizeof(json), "\"%s\"", mode);
    say(c, request);
    expect(expect_type(c, "subscribed"), "mode", json);
    return c;
}

struct client *live(void)
{
    return subscriber("{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\"}", "live");
}

/* ---- the stream ---- */

void publish_values(const struct hub_table *table, char op, lsn_t lsn, const struct slice *after,
                    const struct slice *before)
{
    struct hub_change c = {.table = table,
                           .op = op,
                           .commit_lsn = lsn,
                           .xid = (uint32_t)lsn,
                           .ts_ms = 5,
                           .row = op == 'c' || op == 'u' ? after : NULL,
                           .old = before};
    hub_publish(hub, source, &c);
}

void publish(const struct hub_table *table, char op, lsn_t lsn, uint32_t xid, int id)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", id);
    struct slice cells[] = {slice_of(text), SLICE("\"n\""), SLICE("null")},
                 key[] = {slice_of(text), {0}, {0}};
    bool row = op == 'c' || op == 'u';
    struct hub_change change = {.table = table,
                                .op = op,
                                .commit_lsn = lsn,
                                .xid = xid,
                                .ts_ms = 5,
                                .row = row ? cells : NULL,
                                .old = op == 'd' ? key : NULL};
    hub_publish(hub, source, &change);
}

struct json_object *expect_op(struct client *c, const char *op, int id)
{
    char key[40], json[20];
    struct json_object *message = expect_type(c, "change");
    snprintf(json, sizeof(json), "\"%s\"", op);
    snprintf(key, sizeof(key), "{\"id\":%d}", id);
    expect(message, "op", json);
    expect(message, "key", strcmp(op, "t") == 0 ? "null" : key);
    return message;
}

void expect_change(struct client *c, char op, int id)
{
    expect_op(c, (char[]){op, 0}, id);
}

const char *pos_text(lsn_t lsn, unsigned ordinal)
{
    static char text[40];
    snprintf(text, sizeof(text), "\"%016llX%08X\"", (unsigned long long)lsn, ordinal);
    return text;
}

/* ---- the reader: a thread that plays what it is told ---- */

static bool reader_begin(struct reader *r, uint64_t request)
{
    enum hub_verdict verdict = HUB_AGAIN;
    while (verdict == HUB_AGAIN)
        verdict = hub_rows_begin(hub, request, &r->visibility[r->tries++]);
    return verdict == HUB_GO;
}

static void *reader_run(void *ctx)
{
    struct reader *r = ctx;
    struct hub_request request;
    if (!hub_request_take(hub, source, 10000, &request))
        return NULL;
    for (size_t i = 0, at = 0; i < request.n_columns; i++)
        at += (size_t)snprintf(r->columns + at, sizeof(r->columns) - at, "%s%s", i ? "," : "",
                               request.columns[i]);
    bool wanted = reader_begin(r, request.id);
    for (; wanted && r->done < r->times; __atomic_add_fetch(&r->done, wanted, __ATOMIC_RELAXED))
        wanted = hub_rows(hub, request.id, slice_of(r->rows), 1);
    r->cancelled = !wanted;
    if (r->failure)
        hub_rows_fail(hub, request.id, r->failure, true);
    else
        hub_rows_end(hub, request.id);
    return NULL;
}

void reader_start(struct reader *r)
{
    ck_assert_int_eq(pthread_create(&r->thread, NULL, reader_run, r), 0);
}

/* Reads until something of this type came; the other threads need their time. */
struct json_object *await(struct client *c, const char *type)
{
    for (;;) {
        while (c->read < c->n) {
            struct json_object *message = c->got[c->read++];
            if (strcmp(json_object_get_string(json_object_object_get(message, "type")), type) == 0)
                return message;
        }
        client_read(c);
        sched_yield();
    }
}

struct client *snapshot_of(struct reader *r)
{
    struct client *c = subscriber(
        "{\"type\":\"subscribe\",\"id\":1,\"table\":\"public.items\",\"snapshot\":true}", "snapshot");
    reader_start(r);
    return c;
}
