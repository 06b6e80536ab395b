/* records.c - transaction, message and heartbeat records as value trees under fixed schemas. */
#include "records.h"

#include "json.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define STRUCT(schema_name, list)                                                                            \
    {                                                                                                        \
        .type = SCHEMA_STRUCT, .name = (schema_name), .version = 1, .fields = (list),                        \
        .n_fields = COUNT_OF(list)                                                                           \
    }

static const struct schema string_schema = {.type = SCHEMA_STRING}, int64_schema = {.type = SCHEMA_INT64};
static const struct schema optional_string = {.type = SCHEMA_STRING, .optional = true};
static const struct schema optional_int64 = {.type = SCHEMA_INT64, .optional = true};
static const struct schema optional_bytes = {.type = SCHEMA_BYTES, .optional = true};

static const struct schema_field tx_key_fields[] = {{"id", &string_schema}};
static const struct schema tx_key =
    STRUCT("io.debezium.connector.common.TransactionMetadataKey", tx_key_fields);
static const struct schema_field count_fields[] = {{"data_collection", &string_schema},
                                                   {"event_count", &int64_schema}};
static const struct schema count_schema = {.type = SCHEMA_STRUCT,
                                           .optional = true,
                                           .name = "event.collection",
                                           .version = 1,
                                           .fields = count_fields,
                                           .n_fields = 2};
static const struct schema counts_schema = {.type = SCHEMA_ARRAY, .optional = true, .item = &count_schema};
static const struct schema_field tx_fields[] = {{"status", &string_schema},
                                                {"id", &string_schema},
                                                {"event_count", &optional_int64},
                                                {"data_collections", &counts_schema},
                                                {"ts_ms", &int64_schema}};
static const struct schema tx_value =
    STRUCT("io.debezium.connector.common.TransactionMetadataValue", tx_fields);

static const struct schema_field message_key_fields[] = {{"prefix", &optional_string}};
static const struct schema message_key =
    STRUCT("io.debezium.connector.postgresql.MessageKey", message_key_fields);
static const struct schema_field bytes_fields[] = {{"prefix", &optional_string},
                                                   {"content", &optional_bytes}};
static const struct schema_field text_fields[] = {{"prefix", &optional_string},
                                                  {"content", &optional_string}};
static const struct schema message_bytes = STRUCT("io.debezium.connector.postgresql.Message", bytes_fields);
static const struct schema message_text = STRUCT("io.debezium.connector.postgresql.Message", text_fields);
static const struct schema_field message_bytes_fields[] = {{"op", &string_schema},
                                                           {"ts_ms", &optional_int64},
                                                           {"source", &source_schema},
                                                           {"transaction", &order_schema},
                                                           {"message", &message_bytes}};
static const struct schema_field message_text_fields[] = {{"op", &string_schema},
                                                          {"ts_ms", &optional_int64},
                                                          {"source", &source_schema},
                                                          {"transaction", &order_schema},
                                                          {"message", &message_text}};
static const struct schema message_value_bytes =
    STRUCT("io.debezium.connector.postgresql.MessageValue", message_bytes_fields);
static const struct schema message_value_text =
    STRUCT("io.debezium.connector.postgresql.MessageValue", message_text_fields);

static const struct schema_field heartbeat_key_fields[] = {{"serverName", &string_schema}};
static const struct schema heartbeat_key =
    STRUCT("io.debezium.connector.common.ServerNameKey", heartbeat_key_fields);
static const struct schema_field heartbeat_fields[] = {{"ts_ms", &int64_schema}};
static const struct schema heartbeat_value =
    STRUCT("io.debezium.connector.common.Heartbeat", heartbeat_fields);

static void write(struct buf *b, const struct schema *s, struct value v, const struct json_style *style)
{
    if (style->schemas) {
        BUF_LIT(b, "{\"schema\":");
        schema_json_as(b, s, NULL, style);
        BUF_LIT(b, ",\"payload\":");
    }
    value_json(b, s, &v, style);
    if (style->schemas)
        buf_char(b, '}');
}

static struct value list(struct arena *a, const struct value *items, size_t n)
{
    struct value *copy = arena_alloc(a, (n + 1) * sizeof *copy);
    memcpy(copy, items, n * sizeof *copy);
    return value_list(copy, n);
}

static struct value text(const char *s)
{
    return value_string(slice_of(s));
}

static void write_transaction(struct buf *key, struct buf *value, const struct record_style *style,
                              const char *status, const struct order *order, struct value events,
                              struct value counts, int64_t ts_ms, struct arena *a)
{
    struct value id = text(arena_printf(a, "%u:%llu", order->xid, (unsigned long long)order->lsn));
    write(key, &tx_key, list(a, &id, 1), &style->key);
    const struct value all[] = {text(status), id, events, counts, value_int(ts_ms)};
    write(value, &tx_value, list(a, all, COUNT_OF(all)), &style->value);
}

void record_begin(struct buf *key, struct buf *value, const struct record_style *style,
                  const struct order *order, int64_t ts_ms, struct arena *a)
{
    write_transaction(key, value, style, "BEGIN", order, value_null(), value_null(), ts_ms, a);
}

void record_end(struct buf *key, struct buf *value, const struct record_style *style,
                const struct order *order, int64_t ts_ms, const struct collection_count *counts, size_t n,
                struct arena *a)
{
    struct value *items = arena_alloc(a, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = list(a, (struct value[]){text(counts[i].name), value_int(counts[i].events)}, 2);
    write_transaction(key, value, style, "END", order, value_int(order->total), value_list(items, n), ts_ms,
                      a);
}

/* The content under binary.handling.mode. */
static struct value content_value(struct slice content, enum binary_mode mode, struct arena *a)
{
    static const char digits[] = "0123456789abcdef";
    struct buf b = BUF_EMPTY;
    switch (mode) {
    case BINARY_BYTES:
        return value_bytes(content);
    case BINARY_BASE64:
    case BINARY_BASE64_URL:
        base64_append(&b, content, mode == BINARY_BASE64_URL);
        break;
    case BINARY_HEX:
        for (size_t i = 0; i < content.len; i++) {
            buf_char(&b, digits[(unsigned char)content.ptr[i] >> 4]);
            buf_char(&b, digits[(unsigned char)content.ptr[i] & 15]);
        }
        break;
    }
    struct value v = value_string(arena_slice(a, buf_view(&b)));
    buf_free(&b);
    return v;
}

void record_message(struct buf *key, struct buf *value, const struct record_style *style,
                    const struct change *change, const struct source *source, const struct order *order,
                    int64_t ts_ms, struct arena *a)
{
    struct value prefix = value_string(change->prefix);
    write(key, &message_key, list(a, &prefix, 1), &style->key);
    struct source where = *source;
    where.schema = where.table = "";
    const struct value parts[] = {prefix, content_value(change->content, style->binary, a)};
    const struct value all[] = {text("m"), value_int(ts_ms), source_value(&where, a), order_value(order, a),
                                list(a, parts, 2)};
    const struct schema *s = style->binary == BINARY_BYTES ? &message_value_bytes : &message_value_text;
    write(value, s, list(a, all, COUNT_OF(all)), &style->value);
}

void record_heartbeat(struct buf *key, struct buf *value, const struct record_style *style,
                      const char *server, int64_t ts_ms, struct arena *a)
{
    struct value name = text(server), at = value_int(ts_ms);
    write(key, &heartbeat_key, list(a, &name, 1), &style->key);
    write(value, &heartbeat_value, list(a, &at, 1), &style->value);
}
