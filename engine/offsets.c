/* offsets.c - the checkpoint in Debezium's own words.
 *
 * Debezium writes its members in a Java HashMap's order and reads them in any. Members that it writes beyond
 * ours (transaction_id, incremental_snapshot_* ...) are left alone when read. */
#include "offsets.h"

#include "json.h"
#include "offsets_store.h"
#include "xmalloc.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

enum { MOST_VALUE_BYTES = 16 * 1024 * 1024, MOST_DEPTH = 64 };

struct offsets {
    pthread_mutex_t lock; /* of a store that takes one call at a time */
    struct offsets_store *store;
};

static void lock(struct offsets *o)
{
    if (!o->store->type->concurrent)
        pthread_mutex_lock(&o->lock);
}

static void unlock(struct offsets *o)
{
    if (!o->store->type->concurrent)
        pthread_mutex_unlock(&o->lock);
}

static void field_lsn(struct buf *b, const char *name, lsn_t lsn)
{
    if (lsn)
        json_field_i64(b, name, (int64_t)lsn);
}

static void field_bool(struct buf *b, const char *name, bool value)
{
    json_key(b, name);
    json_boolean(b, value);
}

void offset_json(struct buf *b, const struct offset *o)
{
    buf_char(b, '{');
    field_lsn(b, "lsn_proc", o->lsn_proc);
    if (o->message_type[0])
        json_field(b, "messageType", o->message_type);
    field_lsn(b, "lsn_commit", o->lsn_commit);
    field_lsn(b, "lsn", o->lsn);
    if (o->lsn_events)
        json_field_i64(b, "lsn_events_processed", o->lsn_events);
    if (o->tx_id >= 0)
        json_field_i64(b, "txId", o->tx_id);
    if (o->ts_usec)
        json_field_i64(b, "ts_usec", o->ts_usec);
    if (o->snapshot[0]) {
        json_field(b, "snapshot", o->snapshot);
        field_bool(b, "snapshot_completed", o->snapshot_completed);
        field_bool(b, "last_snapshot_record", o->last_snapshot_record);
    }
    if (o->transaction)
        buf_str(b, o->transaction);
    field_lsn(b, "walwire_lsn", o->reached);
    if (o->counted)
        json_field_i64(b, "walwire_events", o->events);
    if (o->slots > 1)
        json_field_i64(b, "walwire_slots", o->slots);
    if (o->system[0])
        json_field(b, "walwire_system", o->system);
    if (o->timeline)
        json_field_i64(b, "walwire_timeline", o->timeline);
    buf_char(b, '}');
}

/* An absent or null member leaves *out as it is. */
static bool member_i64(json_object *root, const char *name, int64_t *out, struct err *e)
{
    json_object *member;
    if (!json_object_object_get_ex(root, name, &member) || !member)
        return true;
    if (!json_object_is_type(member, json_type_int) || json_object_get_int64(member) < 0)
        return err_set(e, ERR_DATA, "member %s is not a positive whole number", name);
    *out = json_object_get_int64(member);
    return true;
}

static bool member_lsn(json_object *root, const char *name, lsn_t *out, struct err *e)
{
    int64_t n = 0;
    bool ok = member_i64(root, name, &n, e);
    *out = (lsn_t)n;
    return ok;
}

static bool member_text(json_object *root, const char *name, char *out, size_t size, struct err *e)
{
    json_object *member;
    if (!json_object_object_get_ex(root, name, &member) || !json_object_is_type(member, json_type_string))
        return true;
    if ((size_t)json_object_get_string_len(member) >= size)
        return err_set(e, ERR_DATA, "member %s is too long", name);
    memcpy(out, json_object_get_string(member), (size_t)json_object_get_string_len(member) + 1);
    return true;
}

static bool member_true(json_object *root, const char *name)
{
    json_object *member;
    return json_object_object_get_ex(root, name, &member) && json_object_is_type(member, json_type_boolean) &&
           json_object_get_boolean(member);
}

static bool offset_read(json_object *root, struct offset *o, struct err *e)
{
    int64_t slots = 1, timeline = 0, events = -1;
    if (!member_lsn(root, "lsn", &o->lsn, e) || !member_lsn(root, "lsn_proc", &o->lsn_proc, e) ||
        !member_lsn(root, "lsn_commit", &o->lsn_commit, e) ||
        !member_lsn(root, "walwire_lsn", &o->reached, e) || !member_i64(root, "txId", &o->tx_id, e) ||
        !member_i64(root, "lsn_events_processed", &o->lsn_events, e) ||
        !member_i64(root, "ts_usec", &o->ts_usec, e) || !member_i64(root, "walwire_slots", &slots, e) ||
        !member_i64(root, "walwire_timeline", &timeline, e) ||
        !member_i64(root, "walwire_events", &events, e) ||
        !member_text(root, "messageType", o->message_type, sizeof o->message_type, e) ||
        !member_text(root, "snapshot", o->snapshot, sizeof o->snapshot, e) ||
        !member_text(root, "walwire_system", o->system, sizeof o->system, e))
        return false;
    if (timeline > UINT32_MAX)
        return err_set(e, ERR_DATA, "member walwire_timeline is too large");
    o->slots = (int)slots;
    o->counted = events >= 0;
    o->events = o->counted ? events : 0;
    o->timeline = (uint32_t)timeline;
    if (member_true(root, "snapshot")) /* before Debezium 2.5 */
        snprintf(o->snapshot, sizeof o->snapshot, "INITIAL");
    o->snapshot_completed = member_true(root, "snapshot_completed");
    o->last_snapshot_record = member_true(root, "last_snapshot_record");
    return true;
}

bool offset_parse(struct slice json, struct offset *out, struct err *e)
{
    *out = (struct offset){.present = true, .tx_id = -1};
    if (json.len > MOST_VALUE_BYTES)
        return err_set(e, ERR_DATA, "%zu bytes are too many for a position", json.len);
    json_tokener *tokener = json_tokener_new_ex(MOST_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8); /* what is stored again must be the same */
    json_object *root = json_tokener_parse_ex(tokener, json.ptr, (int)json.len);
    if (!root &&
        json_tokener_get_error(tokener) == json_tokener_continue) /* a bare number ends where the text ends */
        root = json_tokener_parse_ex(tokener, "", 1);
    bool whole = root && json_tokener_get_parse_end(tokener) == json.len;
    bool ok = whole && json_object_is_type(root, json_type_object)
                  ? offset_read(root, out, e)
                  : err_set(e, ERR_DATA, "not a JSON object");
    json_object_put(root);
    json_tokener_free(tokener);
    return ok;
}

/* Source: org.apache.kafka.connect.storage.OffsetStorageWriter: [connector, partition map]. */
static void key_write(struct buf *key, const char *connector, const char *server)
{
    buf_char(key, '[');
    json_string(key, slice_of(connector));
    buf_str(key, ",{\"server\":");
    json_string(key, slice_of(server));
    buf_str(key, "}]");
}

const char *offsets_topic(const struct props *worker, const char *own)
{
    if (own)
        return own;
    const char *topic = props_get_or(worker, "offset.storage.topic", "");
    return *topic ? topic : "connect-offsets";
}

static struct offsets_store *store_open(const struct props *worker, struct err *e)
{
    const char *path = props_get_or(worker, "offset.storage.file.filename", "");
    const char *topic = props_get_or(worker, "offset.storage.topic", "");
    const char *servers = props_get_or(worker, "bootstrap.servers", "");
    if (*path && *topic)
        err_set(e, ERR_CONFIG,
                "both offset.storage.file.filename and offset.storage.topic are set; remove one of them");
    else if (*path)
        return offsets_file_open("offset.storage.file.filename", path, e);
    else if (*servers)
        return offsets_kafka_open(
            worker, &(struct offsets_topic){.kind = "offset", .name = offsets_topic(worker, NULL)}, e);
    else
        err_set(e, ERR_CONFIG,
                "there is no place to keep positions in; add to the worker file: "
                "bootstrap.servers=HOST:9092 or offset.storage.file.filename=/var/lib/walwire/offsets.json");
    return NULL;
}

static struct offsets *offsets_of(struct offsets_store *store)
{
    if (!store)
        return NULL;
    struct offsets *o = xcalloc(1, sizeof *o);
    pthread_mutex_init(&o->lock, NULL);
    o->store = store;
    return o;
}

struct offsets *offsets_open(const struct props *worker, struct err *e)
{
    return offsets_of(store_open(worker, e));
}

const char *offsets_own(const struct props *worker, const char *topic)
{
    bool same = !topic || !*topic || !worker || *props_get_or(worker, "offset.storage.file.filename", "") ||
                strcmp(topic, offsets_topic(worker, NULL)) == 0;
    return same ? NULL : topic;
}

struct offsets *offsets_open_own(const struct props *worker, const char *topic, struct err *e)
{
    struct offsets_store *workers = store_open(worker, e);
    if (!workers || !topic)
        return offsets_of(workers);
    struct offsets_store *own =
        offsets_kafka_open(worker, &(struct offsets_topic){.kind = "offset", .name = topic}, e);
    if (own)
        return offsets_of(offsets_layers_open(own, workers));
    workers->type->close(workers);
    return NULL;
}

void offsets_close(struct offsets *o)
{
    if (!o)
        return;
    o->store->type->close(o->store);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

bool offsets_load(struct offsets *o, const char *connector, const char *server, struct offset *out,
                  struct err *e)
{
    struct buf key = BUF_EMPTY, value = BUF_EMPTY;
    bool found = false;
    key_write(&key, connector, server);
    *out = (struct offset){.tx_id = -1};
    lock(o);
    bool ok = o->store->type->load(o->store, buf_view(&key), &value, &found, e);
    unlock(o);
    if (ok && found && !offset_parse(buf_view(&value), out, e))
        ok = err_prefix(e, "stored position %s", key.ptr);
    buf_free(&key);
    buf_free(&value);
    return ok;
}

static bool value_save(struct offsets *o, const char *connector, const char *server, struct slice value,
                       struct err *e)
{
    struct buf key = BUF_EMPTY;
    key_write(&key, connector, server);
    lock(o);
    bool ok = o->store->type->save(o->store, buf_view(&key), value, e);
    unlock(o);
    buf_free(&key);
    return ok;
}

bool offsets_save(struct offsets *o, const char *connector, const char *server, const struct offset *offset,
                  struct err *e)
{
    struct buf value = BUF_EMPTY;
    offset_json(&value, offset);
    bool ok = value_save(o, connector, server, buf_view(&value), e);
    buf_free(&value);
    return ok;
}

void offsets_record(const char *connector, const char *server, const struct offset *offset, struct buf *key,
                    struct buf *value)
{
    key_write(key, connector, server);
    offset_json(value, offset);
}

bool offsets_delete(struct offsets *o, const char *connector, const char *server, struct err *e)
{
    return value_save(o, connector, server, (struct slice){NULL, 0}, e);
}

/* ---- whole connectors, for REST ---- */

/* ["connector",{partition}]; *partition is the root's. NULL: not a key of this connector. */
static json_object *key_parse(struct slice key, const char *connector, json_object **partition)
{
    json_object *root = json_tokener_parse(key.ptr);
    bool ours = json_object_is_type(root, json_type_array) && json_object_array_length(root) == 2;
    json_object *name = ours ? json_object_array_get_idx(root, 0) : NULL;
    if (json_object_is_type(name, json_type_string) && strcmp(json_object_get_string(name), connector) == 0) {
        *partition = json_object_array_get_idx(root, 1);
        return root;
    }
    json_object_put(root);
    return NULL;
}

struct listing {
    const char *connector;
    offsets_entry *take;
    void *ctx;
};

static void listing_take(void *ctx, struct slice key, struct slice value)
{
    const struct listing *l = ctx;
    json_object *partition, *root = key_parse(key, l->connector, &partition);
    if (!root)
        return;
    const char *text = json_object_to_json_string_ext(partition, PLAIN);
    l->take(l->ctx, slice_of(text), value);
    json_object_put(root);
}

bool offsets_list(struct offsets *o, const char *connector, offsets_entry *take, void *ctx, struct err *e)
{
    struct listing l = {connector, take, ctx};
    lock(o);
    bool ok = o->store->type->each(o->store, listing_take, &l, e);
    unlock(o);
    return ok;
}

bool offsets_put(struct offsets *o, const char *connector, struct slice partition, struct slice value,
                 struct err *e)
{
    struct buf key = BUF_EMPTY;
    buf_char(&key, '[');
    json_string(&key, slice_of(connector));
    buf_char(&key, ',');
    buf_slice(&key, partition);
    buf_char(&key, ']');
    lock(o);
    bool ok = o->store->type->save(o->store, buf_view(&key), value, e);
    unlock(o);
    buf_free(&key);
    return ok;
}

char *offsets_cluster(struct offsets *o)
{
    lock(o);
    char *id = o->store->type->cluster(o->store);
    unlock(o);
    return id;
}
