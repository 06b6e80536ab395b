/* web_wish.c - the parameters of a stream as the `subscribe` that they stand for.
 *
 * What is not known is refused, as in the protocol: a misspelt `where` would be a subscription to everything.
 */
#include "web_stream.h"

#include <json-c/json.h>

#include "json.h"
#include "json_strict.h"

enum { PARAMETERS_MAX = 32 };

struct parameter {
    const char *name;
    bool (*put)(const struct parameter *p, struct slice text, struct buf *out);
    const char *expected;
    bool rows; /* a snapshot has it, too */
};

static bool put_text(const struct parameter *p, struct slice text, struct buf *out)
{
    json_key(out, p->name);
    json_string(out, text);
    return true;
}

/* As it stands: a parser would change numbers. */
static bool put_json(const struct parameter *p, struct slice text, struct buf *out)
{
    struct json_object *o = json_strict(text);
    json_key(out, p->name);
    buf_slice(out, text);
    json_object_put(o);
    return o;
}

static bool put_flag(const struct parameter *p, struct slice text, struct buf *out)
{
    json_key(out, p->name);
    buf_slice(out, text);
    return slice_is(text, "true") || slice_is(text, "false");
}

static struct slice cut_at(struct slice *rest, char stop)
{
    const char *end = memchr(rest->ptr, stop, rest->len);
    struct slice part = slice_cut(*rest, 0, end ? (size_t)(end - rest->ptr) : rest->len);
    *rest = slice_cut(*rest, part.len + 1, rest->len);
    return part;
}

/* Names with a comma in them come as an array. */
static bool put_names(const struct parameter *p, struct slice text, struct buf *out)
{
    if (slice_starts(text, "["))
        return put_json(p, text, out);
    json_key(out, p->name);
    buf_char(out, '[');
    while (text.len) {
        json_comma(out);
        json_string(out, cut_at(&text, ','));
    }
    buf_char(out, ']');
    return true;
}

/* An epoch may hold any character, a position no slash. */
static bool put_from(const struct parameter *p, struct slice text, struct buf *out)
{
    const char *slash = memrchr(text.ptr, '/', text.len);
    size_t at = slash ? (size_t)(slash - text.ptr) : 0;
    json_key(out, "from");
    if (slice_is(text, "now")) {
        BUF_LIT(out, "\"now\"");
        return true;
    }
    BUF_LIT(out, "{\"epoch\":");
    json_string(out, slice_cut(text, 0, at));
    BUF_LIT(out, ",\"pos\":");
    json_string(out, slice_cut(text, at + 1, text.len));
    buf_char(out, '}');
    return slash;
}

static const struct parameter parameters[] = {
    {"table", put_text, "", .rows = true},
    {"where", put_json, "a filter as JSON", .rows = true},
    {"columns", put_names, "names with commas between them, or an array of names as JSON", .rows = true},
    {"ops", put_text, ""},
    {"old", put_text, ""},
    {"format", put_text, ""},
    {"transactions", put_flag, "true or false"},
    {"snapshot", put_flag, "true or false"},
    {"from", put_from, "\"now\", or an epoch and a position with a slash between them"},
};

static const struct parameter last_event_id = {"Last-Event-ID", put_from, "an id that this server sent"};

static const struct parameter *parameter_find(const struct stream_form *form, struct slice name)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
        if (slice_is(name, parameters[i].name) && (parameters[i].rows || !form->snapshot))
            return &parameters[i];
    return NULL;
}

/* A request on its way to a wish. */
struct wish_reading {
    const struct stream_form *form;
    bool resumed; /* Last-Event-ID was given: `from` is not looked at */
    struct slice seen[PARAMETERS_MAX];
    size_t n_seen;
    struct buf *subscribe, *connector;
};

static bool once(struct wish_reading *r, struct slice name, struct err *e)
{
    for (size_t i = 0; i < r->n_seen; i++)
        if (slice_eq(r->seen[i], name))
            return err_set(e, ERR_CONFIG, "%.*s is given twice", (int)name.len, name.ptr);
    if (r->n_seen == PARAMETERS_MAX)
        return err_set(e, ERR_CONFIG, "there are too many parameters");
    r->seen[r->n_seen++] = name;
    return true;
}

static bool value_put(struct wish_reading *r, const struct parameter *p, struct slice text, struct err *e)
{
    if (r->resumed && p->put == put_from && p != &last_event_id)
        return true;
    return p->put(p, text, r->subscribe) || err_set(e, ERR_CONFIG, "%s must be %s", p->name, p->expected);
}

static bool part_take(struct wish_reading *r, struct slice part, struct err *e)
{
    struct slice name = cut_at(&part, '=');
    const struct parameter *p = parameter_find(r->form, name);
    bool connector = slice_is(name, "connector");
    struct buf value = BUF_EMPTY;
    bool ok = (p || connector ||
               err_set(e, ERR_CONFIG, "there is no parameter %.*s here", name.len < 100 ? (int)name.len : 100,
                       name.ptr)) &&
              once(r, name, e) &&
              ((http_decode(&value, part) && !memchr(buf_view(&value).ptr, 0, value.len)) ||
               err_set(e, ERR_CONFIG, "%.*s is not encoded well", (int)name.len, name.ptr));
    if (ok && connector)
        buf_slice(r->connector, buf_view(&value));
    else if (ok)
        ok = value_put(r, p, buf_view(&value), e);
    buf_free(&value);
    return ok;
}

bool wish_read(const struct stream_form *form, struct slice query, const char *resume, struct buf *subscribe,
               struct buf *connector, struct err *e)
{
    struct wish_reading r = {
        .form = form, .resumed = *resume, .subscribe = subscribe, .connector = connector};
    buf_reset(connector);
    BUF_LIT(subscribe, "{\"type\":\"subscribe\",\"id\":1");
    while (query.len)
        if (!part_take(&r, cut_at(&query, '&'), e))
            return false;
    if (form->snapshot)
        BUF_LIT(subscribe, ",\"snapshot\":true");
    if (r.resumed && !value_put(&r, &last_event_id, slice_of(resume), e))
        return false;
    buf_char(subscribe, '}');
    return true;
}
