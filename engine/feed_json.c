/* feed_json.c - a Kafka record's JSON, cut apart without being parsed. */
#include "feed_json.h"

static void skip_blank(struct slice *s)
{
    size_t n = 0;
    while (n < s->len && strchr(" \t\r\n", s->ptr[n]))
        n++;
    *s = slice_cut(*s, n, s->len);
}

/* The length of the string at the start, with its quotes; 0: none. */
static size_t string_length(struct slice s)
{
    for (size_t i = 1; i < s.len && s.ptr[0] == '"'; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

/* The length of the value at the start; 0: malformed. What is between brackets is not looked at. */
static size_t value_length(struct slice s)
{
    size_t depth = 0, i = 0;
    if (s.len && s.ptr[0] == '"')
        return string_length(s);
    for (; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '"') {
            size_t n = string_length(slice_cut(s, i, s.len));
            if (!n)
                return 0;
            i += n - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']' || c == ',') {
            if (depth == 0)
                return i;
            depth -= c != ',';
            if (depth == 0 && c != ',')
                return i + 1;
        }
    }
    return depth ? 0 : i;
}

static bool take_char(struct slice *s, char c)
{
    skip_blank(s);
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = slice_cut(*s, 1, s->len);
    skip_blank(s);
    return true;
}

static bool take_member(struct slice *s, struct slice *name, struct slice *value)
{
    size_t n = string_length(*s);
    if (n < 2)
        return false;
    *name = (struct slice){s->ptr + 1, n - 2};
    *s = slice_cut(*s, n, s->len);
    if (!take_char(s, ':') || !(n = value_length(*s)))
        return false;
    *value = slice_trim((struct slice){s->ptr, n});
    *s = slice_cut(*s, n, s->len);
    return true;
}

bool feed_json_split(struct slice text, struct slice *schema, struct slice *payload)
{
    struct slice name, value;
    bool found = false;
    *schema = *payload = (struct slice){NULL, 0};
    if (!take_char(&text, '{'))
        return false;
    do {
        if (!take_member(&text, &name, &value))
            return false;
        struct slice *to = slice_is(name, "schema") ? schema : slice_is(name, "payload") ? payload : NULL;
        found = found || to == payload;
        if (to && !slice_is(value, "null"))
            *to = value;
    } while (take_char(&text, ','));
    return take_char(&text, '}') && found;
}

struct json_object *feed_json_parse(struct slice text)
{
    enum { DEPTH = 64 };
    struct json_tokener *t = json_tokener_new_ex(DEPTH);
    struct json_object *o = json_tokener_parse_ex(t, text.ptr, (int)text.len);
    if (json_tokener_get_error(t) == json_tokener_continue) /* a number ends where something else begins */
        o = json_tokener_parse_ex(t, "", 1);
    json_tokener_free(t);
    return o;
}
