/* api_body.c - reads the bodies of requests, with json-c. */
#include "api.h"

#include "xmalloc.h"

#include <json-c/json.h>
#include <strings.h>

static bool only_blanks(struct slice text, size_t from)
{
    while (from < text.len && strchr(" \t\r\n", text.ptr[from]))
        from++;
    return from >= text.len;
}

struct json_object *api_body_object(struct api_call *call)
{
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    struct slice body = call->request->body;
    struct json_object *root = body.len ? json_tokener_parse_ex(tokener, body.ptr, (int)body.len) : NULL;
    if (!json_object_is_type(root, json_type_object) ||
        !only_blanks(body, json_tokener_get_parse_end(tokener))) {
        enum json_tokener_error error = json_tokener_get_error(tokener);
        api_error(call, 400, "The body is not a JSON object%s%s", error ? ": " : "",
                  error ? json_tokener_error_desc(error) : "");
        json_object_put(root);
        root = NULL;
    }
    json_tokener_free(tokener);
    return root;
}

/* An object of strings; numbers and booleans are their text. Nulls are counted and left out. */
static bool read_props(struct api_call *call, struct json_object *o, struct props *p)
{
    struct err e = {0};
    json_object_object_foreach(o, name, value) call->nulls += name && !value;
    if (props_read_json(p, slice_of(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)), &e))
        return true;
    api_error(call, 400, "%s", e.text);
    return false;
}

struct props *api_body_props(struct api_call *call)
{
    struct json_object *root = api_body_object(call);
    struct props *p = root ? props_new() : NULL;
    if (root && !read_props(call, root, p)) {
        props_free(p);
        p = NULL;
    }
    json_object_put(root);
    return p;
}

/* Strings, numbers and booleans as their text, without blanks around it; "" when there is none. NULL: it is
 * something else. Owned by the caller. */
static char *name_of(struct json_object *root)
{
    struct json_object *member = json_object_object_get(root, "name");
    if (json_object_is_type(member, json_type_object) || json_object_is_type(member, json_type_array))
        return NULL;
    const char *text = member ? json_object_get_string(member) : "";
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    return xstrndup(text, n);
}

static bool parse_state(struct json_object *root, enum connector_state *out)
{
    static const enum connector_state states[] = {STATE_RUNNING, STATE_PAUSED, STATE_STOPPED};
    struct json_object *member = json_object_object_get(root, "initial_state");
    const char *text = json_object_get_string(member);
    *out = STATE_RUNNING;
    for (int i = 0; text && i < 3; i++)
        if (strcasecmp(text, connector_state_name(states[i])) == 0) {
            *out = states[i];
            return true;
        }
    return !text;
}

static const char *unknown_member(struct json_object *root)
{
    json_object_object_foreach(root, name, value)
    {
        (void)value;
        if (strcmp(name, "name") != 0 && strcmp(name, "config") != 0 && strcmp(name, "initial_state") != 0)
            return name;
    }
    return NULL;
}

static bool read_create(struct api_call *call, struct json_object *root, struct api_create *out)
{
    struct json_object *config = json_object_object_get(root, "config");
    const char *unknown = unknown_member(root);
    out->name = name_of(root);
    if (!out->name || !json_object_is_type(config, json_type_object))
        api_error(call, 400, "The body must be {\"name\": ..., \"config\": {...}}");
    else if (unknown)
        api_error(call, 400, "Unrecognized field \"%s\"; known are config, name and initial_state", unknown);
    else if (!parse_state(root, &out->target))
        api_error(call, 400, "initial_state must be RUNNING, PAUSED or STOPPED");
    else
        return read_props(call, config, out->config = props_new());
    return false;
}

bool api_body_create(struct api_call *call, struct api_create *out)
{
    struct json_object *root = api_body_object(call);
    bool ok = root && read_create(call, root, out);
    json_object_put(root);
    return ok;
}

bool api_body_patch(struct api_call *call, struct props *config)
{
    struct json_object *root = api_body_object(call);
    if (!root)
        return false;
    bool flat = json_object_object_length(root) <= PROPS_MOST;
    json_object_object_foreach(root, key, value)
    {
        if (!flat)
            break;
        if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
            flat = false;
        else
            props_set(config, key, value ? json_object_get_string(value) : NULL);
    }
    json_object_put(root);
    if (!flat)
        api_error(call, 400,
                  "The values of options must be texts, numbers, booleans or null, at most %d of them",
                  PROPS_MOST);
    return flat;
}
