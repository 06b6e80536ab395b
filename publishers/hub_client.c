/* hub_client.c - what a client may say: one row in a table for each message. */
#include "hub_impl.h"

#include <ctype.h>
#include <json-c/json.h>
#include <math.h>

#include "json.h"

enum { DEPTH_MAX = 32, PING_MOST = 100 /* bytes of n */ };
static const int64_t ID_MAX = INT64_C(1) << 53;

static const char *string_of(struct json_object *o)
{
    return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : NULL;
}

int64_t client_id(struct json_object *message)
{
    struct json_object *id = json_object_object_get(message, "id");
    int64_t n = json_object_is_type(id, json_type_int) ? json_object_get_int64(id) : -1;
    return n >= 0 && n <= ID_MAX ? n : -1;
}

/* NULL: there is none. One that is not there any more was reset, or failed, on the way: nothing to say. */
static struct sub *sub_named(struct session *s, struct json_object *message)
{
    int64_t id = client_id(message);
    struct sub *sub;
    LIST_FOREACH(sub, &s->subs, in_session)
    if (sub->id == id)
        return sub;
    if (id < 0)
        session_error(s, -1, "bad_request", false, "id must be a whole number from 0 up");
    return NULL;
}

static void take_unsubscribe(struct session *s, struct json_object *message)
{
    struct sub *sub = sub_named(s, message);
    if (sub)
        sub_free(sub);
}

static void take_more(struct session *s, struct json_object *message)
{
    struct sub *sub = sub_named(s, message);
    if (sub && sub->paced)
        rows_more(sub);
    else if (sub)
        session_error(s, sub->id, "bad_request", false, "this subscription is not paced");
}

/* json-c takes NaN and Infinity for numbers, too; the others it gives back as they were written. */
static bool is_number(struct json_object *n)
{
    return json_object_is_type(n, json_type_int) ||
           (json_object_is_type(n, json_type_double) && isfinite(json_object_get_double(n)));
}

static void take_ping(struct session *s, struct json_object *message)
{
    struct json_object *n = json_object_object_get(message, "n");
    bool text = json_object_is_type(n, json_type_string), number = is_number(n);
    struct slice written = slice_of(number ? json_object_to_json_string(n) : "");
    if (text)
        written = (struct slice){json_object_get_string(n), (size_t)json_object_get_string_len(n)};
    if (written.len > PING_MOST) {
        session_error(s, -1, "bad_request", false, "n has at most %d bytes", PING_MOST);
        return;
    }
    session_line(s);
    BUF_LIT(&s->control, "{\"type\":\"pong\"");
    if (text || number)
        json_key(&s->control, "n");
    if (text)
        json_string(&s->control, written);
    else
        buf_slice(&s->control, written);
    buf_char(&s->control, '}');
}

static void take_auth(struct session *s, struct json_object *message)
{
    struct json_object *token = json_object_object_get(message, "token");
    if (json_object_is_type(token, json_type_string))
        auth_message(s,
                     (struct slice){json_object_get_string(token), (size_t)json_object_get_string_len(token)},
                     s->heard_ms);
    else
        session_error(s, -1, "bad_request", false, "token must be a string");
}

static const struct {
    const char *type;
    void (*take)(struct session *s, struct json_object *message);
    bool early; /* also of a client that has not shown its token */
} messages[] = {
    {"subscribe", subscribe_message},
    {"unsubscribe", take_unsubscribe},
    {"ping", take_ping, true},
    {"auth", take_auth, true},
    {"more", take_more},
};

static void message_take(struct session *s, struct json_object *message)
{
    const char *type = string_of(json_object_object_get(message, "type"));
    for (size_t i = 0; type && i < sizeof(messages) / sizeof(*messages); i++)
        if (strcmp(messages[i].type, type) == 0) {
            if (s->admitted || messages[i].early)
                messages[i].take(s, message);
            else
                session_error(s, client_id(message), "unauthorized", true, "auth comes first");
            return;
        }
    session_error(s, client_id(message), "bad_request", false, "there is no message type %.100s",
                  type ? type : "");
}

/* The white space that it ends with has a newline. */
static bool is_line(struct slice text)
{
    while (text.len && isspace((unsigned char)text.ptr[text.len - 1]))
        if (text.ptr[--text.len] == '\n')
            return true;
    return false;
}

struct slice client_message(struct session *s, struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *message = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    size_t end = json_tokener_get_parse_end(tokener); /* with the white space behind it */
    struct slice rest = slice_cut(text, end, text.len);
    bool good =
        json_object_is_type(message, json_type_object) && (rest.len == 0 || is_line(slice_cut(text, 0, end)));
    if (good)
        message_take(s, message);
    else
        session_error(s, -1, "bad_json", false, "a message is one JSON object");
    json_object_put(message);
    json_tokener_free(tokener);
    return good ? rest : SLICE("");
}
