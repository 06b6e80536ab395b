/* config_load.c - a connector's configuration from a file: JSON as it is posted to Kafka Connect, or Java
 * properties. */
#include "config.h"

#include "xmalloc.h"

#include <json-c/json.h>
#include <stdlib.h>

/* {"name":..,"config":{..}} or the flat object alone. */
static bool read_json(struct props *p, const char *path, struct err *e)
{
    struct json_object *root = json_object_from_file(path), *config;
    if (!json_object_is_type(root, json_type_object)) {
        json_object_put(root);
        return err_set(e, ERR_CONFIG, "%s: not a JSON object", path);
    }
    const char *name = NULL;
    struct json_object *member = json_object_object_get(root, "name");
    if (!json_object_object_get_ex(root, "config", &config))
        config = root;
    else if (json_object_is_type(member, json_type_string))
        name = json_object_get_string(member);
    bool ok = props_read_json(p, slice_of(json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN)), e);
    if (ok && name)
        props_set(p, "name", name);
    json_object_put(root);
    return ok || err_prefix(e, "%s", path);
}

/* The file's name without directories and ending. */
static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *at = slash ? slash + 1 : path;
    const char *dot = strrchr(at, '.');
    return xstrndup(at, dot && dot > at ? (size_t)(dot - at) : strlen(at));
}

struct props *config_load(const char *path, char **name, struct err *e)
{
    struct props *p = props_new();
    size_t n = strlen(path);
    bool json = n > 5 && strcmp(path + n - 5, ".json") == 0;
    if (!(json ? read_json(p, path, e) : props_read_file(p, path, e))) {
        props_free(p);
        return NULL;
    }
    const char *own = props_get(p, "name");
    *name = own ? xstrdup(own) : base_name(path);
    props_set(p, "name", *name);
    return p;
}
