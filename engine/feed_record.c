/* feed_record.c - records to row events and ends of transactions. */
#include "feed_record.h"

#include "feed_json.h"
#include "feed_shape.h"
#include "xmalloc.h"

#include <stdlib.h>

static struct json_object *member(struct json_object *o, const char *name)
{
    return json_object_is_type(o, json_type_object) ? json_object_object_get(o, name) : NULL;
}

static const char *text_of(struct json_object *o)
{
    return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : NULL;
}

/* ---- rows ---- */

struct reading {
    const struct feed_shape *shape;
    struct buf bytes;
    uint32_t *lengths;
    size_t n;
};

static bool read_value(struct reading *r, size_t column, struct json_object *row, bool known, struct err *e)
{
    const struct feed_shape *shape = r->shape;
    size_t start = r->bytes.len;
    struct json_object *v = NULL;
    bool there = known && json_object_object_get_ex(row, shape->columns[column].name, &v);
    enum feed_known is = there ? feed_value(&shape->types[column], v, &r->bytes) : FEED_UNKNOWN;
    r->lengths[r->n++] = is == FEED_KNOWN ? (uint32_t)(r->bytes.len - start) : FEED_NONE;
    return is != FEED_BAD || err_set(e, ERR_DATA, "column %s of table %s: %.60s is not what its schema says",
                                     shape->columns[column].name, shape->table, json_object_get_string(v));
}

static bool read_values(struct reading *r, struct json_object *before, struct json_object *after,
                        struct err *e)
{
    bool ok = true;
    for (size_t i = 0; ok && after && i < r->shape->n_columns; i++)
        ok = read_value(r, i, after, true, e);
    for (size_t i = 0; ok && before && i < r->shape->n_columns; i++)
        ok = read_value(r, i, before, r->shape->identity[i], e);
    return ok;
}

/* The protocol separates messages by line breaks, which in JSON are nothing but blanks. */
static void payload_copy(char *to, struct slice payload)
{
    for (size_t i = 0; i < payload.len; i++)
        to[i] = payload.ptr[i] == '\n' || payload.ptr[i] == '\r' ? ' ' : payload.ptr[i];
}

static struct feed_row *row_new(const struct reading *r, struct slice payload)
{
    size_t size = sizeof(struct feed_row) + r->n * sizeof(uint32_t) + r->bytes.len + payload.len;
    struct feed_row *row = xcalloc(1, size);
    row->event.size = size;
    row->shape = r->shape;
    if (r->n)
        memcpy(row->lengths, r->lengths, r->n * sizeof(uint32_t));
    if (r->bytes.len)
        memcpy(row->lengths + r->n, r->bytes.ptr, r->bytes.len);
    payload_copy((char *)(row->lengths + r->n) + r->bytes.len, payload);
    row->envelope = (uint32_t)payload.len;
    return row;
}

static struct feed_row *row_make(const struct feed_shape *shape, struct json_object *payload,
                                 struct slice text, char op, struct err *e)
{
    struct json_object *before = op == 't' ? NULL : member(payload, "before");
    struct json_object *after = op == 't' || op == 'd' ? NULL : member(payload, "after");
    struct reading r = {.shape = shape};
    r.lengths = xcalloc(2 * shape->n_columns + 1, sizeof *r.lengths);
    struct feed_row *row = read_values(&r, before, after, e) ? row_new(&r, text) : NULL;
    if (row) {
        row->op = op;
        row->has_row = after;
        row->has_old = before;
    }
    buf_free(&r.bytes);
    free(r.lengths);
    return row;
}

/* The letter, when it is of a row: r is one of a snapshot. */
static char op_of(struct json_object *payload)
{
    const char *op = text_of(member(payload, "op"));
    return op && op[0] && !op[1] && strchr("cudtr", op[0]) ? op[0] : 0;
}

static bool row_read(struct feed_shapes *s, const struct feed_schemas *schemas, struct json_object *payload,
                     struct slice text, struct feed_row **out, struct err *e)
{
    struct json_object *source = member(payload, "source"), *tx = member(payload, "transaction");
    const char *schema = text_of(member(source, "schema")), *table = text_of(member(source, "table"));
    const char *id = text_of(member(tx, "id"));
    char op = op_of(payload);
    if (!text_of(member(payload, "op")) || !source)
        return err_set(e, ERR_CONFIG,
                       "no envelope: a transform of the connector took it apart (ExtractNewRecordState)");
    if (!op)
        return true;
    if (!schema || !table)
        return err_set(e, ERR_DATA, "an envelope that names no table");
    char *name = xasprintf("%s.%s", schema, table);
    const struct feed_shape *shape = feed_shape_find(s, name, schemas, e);
    free(name);
    if (shape && op != 'r' && !id)
        feed_shape_loose(s, (lsn_t)json_object_get_int64(member(source, "lsn")));
    if (!shape || op == 'r' || !id)
        return shape;
    if (!(*out = row_make(shape, payload, text, op, e)))
        return false;
    (*out)->xid = (uint32_t)strtoul(id, NULL, 10);
    (*out)->event.total_order = (uint64_t)json_object_get_int64(member(tx, "total_order"));
    (*out)->ts_ms = json_object_get_int64(member(source, "ts_ms"));
    return true;
}

bool feed_row_read(struct feed_shapes *s, struct slice key, struct slice value, struct feed_row **out,
                   struct err *e)
{
    struct feed_schemas schemas = {{NULL, 0}, {NULL, 0}};
    struct slice payload, ignored;
    *out = NULL;
    if (!value.ptr)
        return true;
    if (!feed_json_split(value, &schemas.value, &payload) || !schemas.value.ptr ||
        (key.ptr && !feed_json_split(key, &schemas.key, &ignored)))
        return err_set(e, ERR_CONFIG,
                       "records without schemas: set key.converter.schemas.enable=true and "
                       "value.converter.schemas.enable=true (JsonConverter) for the connector");
    struct json_object *o = payload.ptr ? feed_json_parse(payload) : NULL;
    bool ok = o ? row_read(s, &schemas, o, payload, out, e) : err_set(e, ERR_DATA, "malformed JSON");
    json_object_put(o);
    return ok;
}

struct slice feed_row_cells(const struct feed_row *row, struct slice *values, struct slice *old)
{
    size_t n = row->shape->n_columns, n_row = row->has_row ? n : 0, n_old = row->has_old ? n : 0;
    const char *at = (const char *)(row->lengths + n_row + n_old);
    for (size_t i = 0; i < n_row + n_old; i++) {
        struct slice *to = i < n_row ? &values[i] : &old[i - n_row];
        bool known = row->lengths[i] != FEED_NONE;
        *to = (struct slice){known ? at : NULL, known ? row->lengths[i] : 0};
        at += to->len;
    }
    return (struct slice){at, row->envelope};
}

/* ---- ends ---- */

/* Events of tables: a logical message's collection has no dot in its name. */
static uint64_t count_rows(struct json_object *collections)
{
    uint64_t n = 0;
    size_t all =
        json_object_is_type(collections, json_type_array) ? json_object_array_length(collections) : 0;
    for (size_t i = 0; i < all; i++) {
        struct json_object *one = json_object_array_get_idx(collections, i);
        const char *name = text_of(member(one, "data_collection"));
        if (name && strchr(name, '.'))
            n += (uint64_t)json_object_get_int64(member(one, "event_count"));
    }
    return n;
}

static void header_read(struct slice header, struct feed_end *out, char **epoch)
{
    struct json_object *o = header.ptr ? feed_json_parse(header) : NULL;
    const char *text = text_of(member(o, "epoch")), *ordinals = text_of(member(o, "ordinals"));
    struct json_object *commit = member(o, "commit");
    if (text && commit) {
        *epoch = xstrdup(text);
        out->commit = (lsn_t)json_object_get_int64(commit);
        out->after = (lsn_t)json_object_get_int64(member(o, "after"));
        out->changes = (uint64_t)json_object_get_int64(member(o, "changes"));
        out->ordinals = ordinals ? xstrdup(ordinals) : NULL;
        if (ordinals && *ordinals == '?')
            out->events = UINT64_MAX;
    }
    json_object_put(o);
}

bool feed_end_read(struct slice value, struct slice header, bool *found, struct feed_end *out, char **epoch,
                   struct err *e)
{
    struct slice schema, payload = value;
    *found = false;
    *epoch = NULL;
    *out = (struct feed_end){0};
    if (!value.ptr)
        return true;
    if (!feed_json_split(value, &schema, &payload) || !payload.ptr)
        payload = value; /* without a schema it says the same */
    struct json_object *o = feed_json_parse(payload);
    const char *status = text_of(member(o, "status")), *id = text_of(member(o, "id"));
    const char *colon = id ? strchr(id, ':') : NULL;
    bool ok = status && colon;
    if (ok && strcmp(status, "END") == 0) {
        *found = true;
        out->xid = (uint32_t)strtoul(id, NULL, 10);
        out->end = strtoull(colon + 1, NULL, 10);
        out->events = count_rows(member(o, "data_collections"));
        out->ts_ms = json_object_get_int64(member(o, "ts_ms"));
        header_read(header, out, epoch);
    }
    json_object_put(o);
    return ok || err_set(e, ERR_DATA, "not a record of a transaction");
}
