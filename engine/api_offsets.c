/* api_offsets.c - /connectors/{name}/offsets: reads, sets and deletes stored positions.
 *
 * A position is stored as it was given, in the form in which Debezium's task reads it. Source:
 * org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets. */
#include "api.h"

#include "exactly_once.h"
#include "json.h"

#include <json-c/json.h>

#define PLAIN   (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define MANAGED "The Connect framework-managed offsets for this connector have been "
#define DONE(what)                                                                                           \
    "{\"message\":\"" MANAGED what " successfully. However, if this connector manages offsets externally, "  \
    "they will need to be manually " what " in the system that the connector uses.\"}"

/* Of this connector; to be given back. NULL: *e. */
static struct offsets *offsets_of(struct api_call *call, const struct props *config, struct err *e)
{
    const struct props *worker = worker_props(call->worker);
    const char *topic = offsets_own(worker, props_get(config, "offsets.storage.topic"));
    return topic ? offsets_open_own(worker, topic, e) : worker_offsets(call->worker);
}

static void give_back(struct api_call *call, struct offsets *o)
{
    if (o != worker_offsets(call->worker))
        offsets_close(o);
}

/* ---- reading ---- */

static void append_position(void *ctx, struct slice partition, struct slice value)
{
    struct buf *b = ctx;
    json_comma(b);
    BUF_LIT(b, "{\"partition\":");
    buf_slice(b, partition);
    BUF_LIT(b, ",\"offset\":");
    buf_slice(b, value);
    BUF_LIT(b, "}");
}

static void get_offsets(struct api_call *call)
{
    struct worker_view v;
    struct err e = {0};
    if (worker_look(call->worker, call->params[0], &v) != WORKER_OK) {
        api_error(call, 404, "Connector %s not found", call->params[0]);
        return;
    }
    struct offsets *offsets = offsets_of(call, v.config, &e);
    worker_view_free(&v);
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "{\"offsets\":[");
    if (offsets && offsets_list(offsets, call->params[0], append_position, b, &e))
        BUF_LIT(b, "]}");
    else
        api_error(call, 500, "%s", e.text);
    give_back(call, offsets);
}

/* ---- changing ---- */

struct alteration {
    struct api_call *call;
    struct json_object *offsets; /* to be stored; NULL: all are to be deleted */
    struct offsets *store;
    struct err e;
};

static bool put_position(struct alteration *c, struct json_object *partition, struct json_object *offset)
{
    struct slice key = slice_of(json_object_to_json_string_ext(partition, PLAIN));
    struct slice value = offset ? slice_of(json_object_to_json_string_ext(offset, PLAIN)) : (struct slice){0};
    return offsets_put(c->store, c->call->params[0], key, value, &c->e);
}

/* A process that only sleeps would store its own position after this one. */
static bool begin(struct alteration *c, const struct props *config)
{
    c->store = offsets_of(c->call, config, &c->e);
    return c->store && exactly_once_fence(worker_props(c->call->worker), c->call->params[0], config, &c->e);
}

static enum worker_result store_all(void *ctx, const struct props *config)
{
    struct alteration *c = ctx;
    if (!begin(c, config))
        return WORKER_UNKEPT;
    for (size_t i = 0; i < json_object_array_length(c->offsets); i++) {
        struct json_object *o = json_object_array_get_idx(c->offsets, i);
        if (!put_position(c, json_object_object_get(o, "partition"), json_object_object_get(o, "offset")))
            return WORKER_UNKEPT;
    }
    return WORKER_OK;
}

static void collect(void *ctx, struct slice partition, struct slice value)
{
    json_object_array_add(ctx, json_object_new_string_len(partition.ptr, (int)partition.len));
}

static enum worker_result delete_all(void *ctx, const struct props *config)
{
    struct alteration *c = ctx;
    struct json_object *keys = json_object_new_array();
    bool ok = begin(c, config) && offsets_list(c->store, c->call->params[0], collect, keys, &c->e);
    for (size_t i = 0; ok && i < json_object_array_length(keys); i++) {
        const char *key = json_object_get_string(json_object_array_get_idx(keys, i));
        ok = offsets_put(c->store, c->call->params[0], slice_of(key), (struct slice){0}, &c->e);
    }
    json_object_put(keys);
    return ok ? WORKER_OK : WORKER_UNKEPT;
}

static void change(struct api_call *call, worker_stopped *fn, struct json_object *offsets, const char *done)
{
    struct alteration c = {.call = call, .offsets = offsets};
    const char *name = call->params[0];
    enum worker_result result = worker_while_stopped(call->worker, name, fn, &c);
    give_back(call, c.store);
    switch (result) {
    case WORKER_OK:
        buf_str(api_json(call, 200), done);
        return;
    case WORKER_UNKNOWN:
        api_error(call, 404, "Connector %s not found", name);
        return;
    case WORKER_RUNS:
        api_error(call, 400,
                  "Connectors must be in the STOPPED state before their offsets can be modified. This can be "
                  "done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' "
                  "endpoint",
                  name);
        return;
    default:
        api_error(call, 500, "%s", c.e.text);
    }
}

static void delete_offsets(struct api_call *call)
{
    change(call, delete_all, NULL, DONE("reset"));
}

/* ---- the body of PATCH ---- */

static bool is_object_or_null(struct json_object *o)
{
    return !o || json_object_is_type(o, json_type_object);
}

/* Connect's rule for what an offsets topic may hold. */
static bool values_plain(struct api_call *call, struct json_object *o)
{
    if (!o)
        return true;
    json_object_object_foreach(o, name, value)
    {
        bool map = json_object_is_type(value, json_type_object);
        if (map || json_object_is_type(value, json_type_array)) {
            api_error(call, 400,
                      "Offsets may only contain primitive types as values, but field %s contains %s", name,
                      map ? "MAP" : "ARRAY");
            return false;
        }
    }
    return true;
}

static bool entry_sound(struct api_call *call, struct json_object *entry)
{
    struct json_object *partition = json_object_object_get(entry, "partition");
    struct json_object *offset = json_object_object_get(entry, "offset");
    if (json_object_is_type(entry, json_type_object) && is_object_or_null(partition) &&
        is_object_or_null(offset))
        return values_plain(call, partition) && values_plain(call, offset);
    api_error(call, 400, "Each of offsets must be {\"partition\": {...}, \"offset\": {...} or null}");
    return false;
}

/* false: answered 400. */
static bool body_sound(struct api_call *call, struct json_object *root, struct json_object **offsets)
{
    *offsets = NULL;
    json_object_object_foreach(root, name, value)
    {
        if (strcmp(name, "offsets") != 0) {
            api_error(call, 400, "Unrecognized field \"%s\"; the one that is known is offsets", name);
            return false;
        }
        *offsets = value;
    }
    if (*offsets && !json_object_is_type(*offsets, json_type_array)) {
        api_error(call, 400, "offsets must be an array");
        return false;
    }
    if (!*offsets || !json_object_array_length(*offsets)) {
        api_error(call, 400, "Partitions / offsets need to be provided for an alter offsets request");
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(*offsets); i++)
        if (!entry_sound(call, json_object_array_get_idx(*offsets, i)))
            return false;
    return true;
}

static void patch_offsets(struct api_call *call)
{
    struct json_object *root = api_body_object(call), *offsets;
    if (root && body_sound(call, root, &offsets))
        change(call, store_all, offsets, DONE("altered"));
    json_object_put(root);
}

const struct api_route api_routes_offsets[] = {
    {"GET", "/connectors/{name}/offsets", get_offsets, "stored positions"},
    {"PATCH", "/connectors/{name}/offsets", patch_offsets, "sets positions of a stopped connector"},
    {"DELETE", "/connectors/{name}/offsets", delete_offsets, "forgets those of a stopped connector"},
    {NULL},
};
