/* json_strict.c - JSON that nobody reads in another way.
 *
 * json-c keeps the last of two members with one name and ends names at a NUL. Neither can be seen in what it
 * returns, but in the number of members: the text has a colon for each. */
#include "json_strict.h"

#include <json-c/json.h>
#include <stdint.h>

enum { DEPTH_MAX = 32 };

/* SIZE_MAX: there is a name in single quotes, which json-c takes even when it is strict. */
static size_t members_told(struct slice text)
{
    size_t n = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && text.ptr[i] == '\'')
            return SIZE_MAX;
        else
            n += !quoted && text.ptr[i] == ':';
    }
    return n;
}

static size_t members_kept(struct json_object *o)
{
    size_t n = 0;
    if (json_object_is_type(o, json_type_array))
        for (size_t i = 0; i < json_object_array_length(o); i++)
            n += members_kept(json_object_array_get_idx(o, i));
    if (json_object_is_type(o, json_type_object)) {
        json_object_object_foreach(o, name, value)
        {
            (void)name;
            n += 1 + members_kept(value);
        }
    }
    return n;
}

static bool has_nul(struct slice text)
{
    for (size_t i = 0; i + 6 <= text.len; i++)
        if (memcmp(text.ptr + i, "\\u0000", 6) == 0)
            return true;
    return memchr(text.ptr, 0, text.len);
}

struct json_object *json_strict(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    bool whole = json_tokener_get_error(tokener) == json_tokener_success &&
                 json_tokener_get_parse_end(tokener) == text.len;
    json_tokener_free(tokener);
    if (whole && !has_nul(text) && members_told(text) == members_kept(o))
        return o;
    json_object_put(o);
    return NULL;
}

const char *json_strict_text(struct json_object *o)
{
    return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : NULL;
}
