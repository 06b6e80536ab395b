/* api_body.c - reads the bodies of requests, with json-c. */
#include "api.h"

#include "xmalloc.h"

#include <json-c/json.h>

struct props *api_body_props(struct api_call *call)
{
    struct err e = {0};
    struct props *p = props_new();
    if (props_read_json(p, call->request->body, &e))
        return p;
    api_error(call, 400, "%s", e.text);
    props_free(p);
    return NULL;
}

/* The body as an object; NULL: answered 400. */
static struct json_object *parse_body(struct api_call *call)
{
    struct json_tokener *tokener = json_tokener_new();
    struct slice body = call->request->body;
    struct json_object *root = body.len ? json_tokener_parse_ex(tokener, body.ptr, (int)body.len) : NULL;
    if (!json_object_is_type(root, json_type_object)) {
        enum json_tokener_error error = json_tokener_get_error(tokener);
        api_error(call, 400, "The body is not a JSON object%s%s", error ? ": " : "",
                  error ? json_tokener_error_desc(error) : "");
        json_object_put(root);
        root = NULL;
    }
    json_tokener_free(tokener);
    return root;
}

static const char *member_text(struct json_object *o, const char *key)
{
    struct json_object *member = json_object_object_get(o, key);
    return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : NULL;
}

static bool parse_state(struct json_object *root, enum connector_state *out)
{
    static const enum connector_state states[] = {STATE_RUNNING, STATE_PAUSED, STATE_STOPPED};
    const char *text = member_text(root, "initial_state");
    *out = STATE_RUNNING;
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, connector_state_name(states[i])) == 0) {
            *out = states[i];
            return true;
        }
    return !text;
}

static bool read_create(struct api_call *call, struct json_object *root, struct api_create *out)
{
    struct json_object *config = json_object_object_get(root, "config");
    const char *name = member_text(root, "name");
    struct err e = {0};
    if (!name || !json_object_is_type(config, json_type_object)) {
        api_error(call, 400, "The body must be {\"name\": ..., \"config\": {...}}");
        return false;
    }
    if (!parse_state(root, &out->target)) {
        api_error(call, 400, "initial_state must be RUNNING, PAUSED or STOPPED");
        return false;
    }
    out->name = xstrdup(name);
    out->config = props_new();
    if (props_read_json(out->config, slice_of(json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN)),
                        &e))
        return true;
    api_error(call, 400, "%s", e.text);
    return false;
}

bool api_body_create(struct api_call *call, struct api_create *out)
{
    struct json_object *root = parse_body(call);
    bool ok = root && read_create(call, root, out);
    json_object_put(root);
    return ok;
}

bool api_body_patch(struct api_call *call, struct props *config)
{
    struct json_object *root = parse_body(call);
    if (!root)
        return false;
    json_object_object_foreach(root, key, value)
        props_set(config, key, value ? json_object_get_string(value) : NULL);
    json_object_put(root);
    return true;
}
