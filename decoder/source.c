/* source.c - the source block, as a value and as text. The text is put together from pieces that change only
 * from one transaction to the next: a row adds its LSN twice and its table. */
#include "source.h"

#include "json.h"

static const struct schema string_schema = {.type = SCHEMA_STRING};
static const struct schema optional_string = {.type = SCHEMA_STRING, .optional = true};
static const struct schema int64_schema = {.type = SCHEMA_INT64};
static const struct schema optional_int64 = {.type = SCHEMA_INT64, .optional = true};
static const struct value not_a_snapshot = {.kind = VALUE_STRING, .bytes = {"false", 5}};
static const struct schema_param markers[] = {
    {"allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}};
static const struct schema snapshot_schema = {.type = SCHEMA_STRING,
                                              .optional = true,
                                              .name = "io.debezium.data.Enum",
                                              .version = 1,
                                              .params = markers,
                                              .n_params = 1,
                                              .preset = &not_a_snapshot};
static const struct schema_field fields[] = {
    {"version", &string_schema},     {"connector", &string_schema},  {"name", &string_schema},
    {"ts_ms", &int64_schema},        {"snapshot", &snapshot_schema}, {"db", &string_schema},
    {"sequence", &optional_string},  {"ts_us", &optional_int64},     {"ts_ns", &optional_int64},
    {"schema", &string_schema},      {"table", &string_schema},      {"txId", &optional_int64},
    {"lsn", &optional_int64},        {"xmin", &optional_int64},      {"origin", &optional_string},
    {"origin_lsn", &optional_int64},
};
const struct schema source_schema = {.type = SCHEMA_STRUCT,
                                     .name = "io.debezium.connector.postgresql.Source",
                                     .version = 1,
                                     .fields = fields,
                                     .n_fields = sizeof fields / sizeof *fields};

static struct value text(const char *s)
{
    return s ? value_string(slice_of(s)) : value_null();
}

static struct value sequence(const struct source *s, struct arena *a)
{
    if (!s->last_commit)
        return text(arena_printf(a, "[null,\"%llu\"]", (unsigned long long)s->lsn));
    return text(arena_printf(a, "[\"%llu\",\"%llu\"]", (unsigned long long)s->last_commit,
                             (unsigned long long)s->lsn));
}

struct value source_value(const struct source *s, struct arena *a)
{
    const struct value all[] = {
        text(DEBEZIUM_VERSION),
        text("postgresql"),
        text(s->name),
        value_int(s->ts_us / 1000),
        text(s->snapshot),
        text(s->db),
        sequence(s, a),
        value_int(s->ts_us),
        value_int(s->ts_us * 1000),
        text(s->schema),
        text(s->table),
        s->tx_id < 0 ? value_null() : value_int(s->tx_id),
        value_int((int64_t)s->lsn),
        s->xmin ? value_int(s->xmin) : value_null(),
        text(s->origin),
        s->origin ? value_int((int64_t)s->origin_lsn) : value_null(),
    };
    struct value *items = arena_alloc(a, sizeof all);
    memcpy(items, all, sizeof all);
    return value_list(items, sizeof all / sizeof *all);
}

static void fill_head(struct buf *b, const struct source *s, bool null_as_default)
{
    buf_reset(b);
    BUF_LIT(b, "{\"version\":\"" DEBEZIUM_VERSION "\",\"connector\":\"postgresql\",\"name\":");
    json_string(b, slice_of(s->name));
    BUF_LIT(b, ",\"ts_ms\":");
    buf_i64(b, s->ts_us / 1000);
    BUF_LIT(b, ",\"snapshot\":");
    if (s->snapshot)
        json_string(b, slice_of(s->snapshot));
    else if (null_as_default)
        BUF_LIT(b, "\"false\"");
    else
        BUF_LIT(b, "null");
    BUF_LIT(b, ",\"db\":");
    json_string(b, slice_of(s->db));
    BUF_LIT(b, ",\"sequence\":\"[");
    if (s->last_commit) {
        BUF_LIT(b, "\\\"");
        buf_u64(b, s->last_commit);
        BUF_LIT(b, "\\\",\\\"");
    } else {
        BUF_LIT(b, "null,\\\"");
    }
}

static void fill_middle(struct buf *b, const struct source *s)
{
    buf_reset(b);
    BUF_LIT(b, "\\\"]\",\"ts_us\":");
    buf_i64(b, s->ts_us);
    BUF_LIT(b, ",\"ts_ns\":");
    buf_i64(b, s->ts_us * 1000);
    buf_char(b, ',');
}

static void fill_tail(struct buf *b, const struct source *s)
{
    buf_reset(b);
    BUF_LIT(b, ",\"txId\":");
    if (s->tx_id < 0)
        BUF_LIT(b, "null");
    else
        buf_i64(b, s->tx_id);
    BUF_LIT(b, ",\"lsn\":");
}

static bool same_origin(const struct source *a, const struct source *b)
{
    return a->origin == b->origin && a->origin_lsn == b->origin_lsn;
}

static void write_origin(struct buf *b, const struct source *s)
{
    if (!s->origin && !s->xmin) {
        BUF_LIT(b, ",\"xmin\":null,\"origin\":null,\"origin_lsn\":null}");
        return;
    }
    BUF_LIT(b, ",\"xmin\":");
    if (s->xmin)
        buf_i64(b, s->xmin);
    else
        BUF_LIT(b, "null");
    BUF_LIT(b, ",\"origin\":");
    if (!s->origin) {
        BUF_LIT(b, "null,\"origin_lsn\":null}");
        return;
    }
    json_string(b, slice_of(s->origin));
    BUF_LIT(b, ",\"origin_lsn\":");
    buf_u64(b, s->origin_lsn);
    buf_char(b, '}');
}

static bool stamp_holds(const struct stamp *t, const struct source *s, bool null_as_default)
{
    return t->filled && t->null_as_default == null_as_default && t->of.ts_us == s->ts_us &&
           t->of.tx_id == s->tx_id && t->of.last_commit == s->last_commit && t->of.snapshot == s->snapshot &&
           t->of.name == s->name && t->of.db == s->db && same_origin(&t->of, s);
}

void stamp_json(struct stamp *t, struct buf *b, const struct source *s, struct slice table_json,
                bool null_as_default)
{
    if (!stamp_holds(t, s, null_as_default)) {
        fill_head(&t->head, s, null_as_default);
        fill_middle(&t->middle, s);
        fill_tail(&t->tail, s);
        t->of = *s;
        t->null_as_default = null_as_default;
        t->filled = true;
    }
    buf_slice(b, buf_view(&t->head));
    buf_u64(b, s->lsn);
    buf_slice(b, buf_view(&t->middle));
    buf_slice(b, table_json);
    buf_slice(b, buf_view(&t->tail));
    buf_u64(b, s->lsn);
    write_origin(b, s);
}

void stamp_free(struct stamp *t)
{
    buf_free(&t->head);
    buf_free(&t->middle);
    buf_free(&t->tail);
    *t = (struct stamp){0};
}
