/* test_plan.c - a row's JSON is Debezium's, and both ways to it give the same bytes. */
#include "envelope.h"
#include "plan.h"

#include "suite.h"

#include <malloc.h>

enum {
    INT4 = 23,
    TEXT = 25,
    BOOL = 16,
    NUMERIC = 1700,
    TIMESTAMPTZ = 1184,
    BYTEA = 17,
    INT4_ARRAY = 1007,
    JSONB = 3802
};

static const struct type all_types[] = {
    {INT4, "pg_catalog", "int4", 'b', 0, 0, -1, false, NULL, 0},
    {TEXT, "pg_catalog", "text", 'b', 0, 0, -1, false, NULL, 0},
    {BOOL, "pg_catalog", "bool", 'b', 0, 0, -1, false, NULL, 0},
    {NUMERIC, "pg_catalog", "numeric", 'b', 0, 0, -1, false, NULL, 0},
    {TIMESTAMPTZ, "pg_catalog", "timestamptz", 'b', 0, 0, -1, false, NULL, 0},
    {BYTEA, "pg_catalog", "bytea", 'b', 0, 0, -1, false, NULL, 0},
    {INT4_ARRAY, "pg_catalog", "_int4", 'b', INT4, 0, -1, false, NULL, 0},
    {JSONB, "pg_catalog", "jsonb", 'b', 0, 0, -1, false, NULL, 0},
};

static const struct type_modes modes = {.money_digits = 2,
                                        .placeholder = {"__debezium_unavailable_value", 28}};
static struct types *types;
static struct relation *rel;
static struct plan *plan;
static struct plan_settings settings;
static struct source source;
static struct err e;

static void add(const char *name, uint32_t oid, bool not_null, const char *preset)
{
    struct column *c = &rel->columns[rel->n_columns++];
    *c = (struct column){.name = name, .type_oid = oid, .typmod = -1, .not_null = not_null, .preset = preset};
    if (oid == NUMERIC)
        c->typmod = (10 << 16 | 2) + 4;
}

static void open_plan(bool schemas, bool null_as_default)
{
    static const uint16_t key[] = {0};
    types = types_new();
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++)
        types_set(types, &all_types[i]);
    rel = relation_new();
    rel->schema = "shop";
    rel->name = "orders";
    rel->columns = arena_zero(&rel->arena, 16 * sizeof *rel->columns);
    add("id", INT4, true, "nextval('shop.orders_id_seq'::regclass)");
    add("note", TEXT, false, "'none'::text");
    add("paid", BOOL, true, NULL);
    add("price", NUMERIC, false, NULL);
    add("at", TIMESTAMPTZ, true, NULL);
    add("raw", BYTEA, false, NULL);
    add("list", INT4_ARRAY, false, NULL);
    add("doc", JSONB, false, NULL);
    struct json_style style = {.schemas = schemas, .null_as_default = null_as_default};
    settings = (struct plan_settings){types, &modes, style, style};
    struct plan_choice choice = {.topic = "p.shop.orders", .key = key, .n_key = 1};
    plan = plan_new(&settings, rel, &choice, &e);
    ck_assert_msg(plan != NULL, "%s", e.text);
    source =
        (struct source){.name = "p", .db = "d", .ts_us = 1700000000123456, .lsn = 24023128, .tx_id = 555};
}

static void close_plan(void)
{
    plan_free(plan);
    relation_free(rel);
    types_free(types);
}

#define T(text)                                                                                              \
    {                                                                                                        \
        't',                                                                                                 \
        {                                                                                                    \
            (text), sizeof(text) - 1                                                                         \
        }                                                                                                    \
    }
static const struct cell full_row[] = {
    T("7"),          T("a \"b\"\n"),      T("t"), T("12.50"), T("2024-01-02 03:04:05.6+00"), T("\\x00ff"),
    T("{1,NULL,3}"), T("{\"k\": [1, 2]}")};
static const struct cell key_row[] = {T("7"),     {'n', {0}}, {'n', {0}}, {'n', {0}},
                                      {'n', {0}}, {'n', {0}}, {'n', {0}}, {'n', {0}}};

/* The event both ways; the text is the caller's to free. */
static char *both_ways(const struct event *event)
{
    struct buf fast = BUF_EMPTY, slow = BUF_EMPTY;
    struct arena a = {0};
    ck_assert_msg(plan_value(plan, event, &fast, &e), "%s", e.text);
    ck_assert_msg(plan_tree_json(plan, event, &a, &slow, &e), "%s", e.text);
    ck_assert_str_eq(fast.ptr, slow.ptr);
    buf_free(&slow);
    arena_free(&a);
    return buf_take(&fast);
}

#define SOURCE(snapshot, sequence)                                                                           \
    "\"source\":{\"version\":\"" DEBEZIUM_VERSION                                                            \
    "\",\"connector\":\"postgresql\",\"name\":\"p\",\"ts_ms\":1700000000123,"                                \
    "\"snapshot\":" snapshot ",\"db\":\"d\",\"sequence\":\"" sequence "\",\"ts_us\":1700000000123456,"       \
    "\"ts_ns\":1700000000123456000,\"schema\":\"shop\",\"table\":\"orders\",\"txId\":555,\"lsn\":24023128,"  \
    "\"xmin\":null,"                                                                                         \
    "\"origin\":null,\"origin_lsn\":null}"

START_TEST(an_insert_is_debeziums_envelope)
{
    open_plan(false, true);
    struct event event = {
        .op = OP_INSERT, .after = full_row, .source = &source, .ts_ns = 1700000001000000001};
    char *text = both_ways(&event);
    ck_assert_str_eq(
        text,
        "{\"before\":null,\"after\":{\"id\":7,\"note\":\"a \\\"b\\\"\\n\",\"paid\":true,\"price\":\"BOI=\","
        "\"at\":\"2024-01-02T03:04:05.600000Z\",\"raw\":\"AP8=\",\"list\":[1,null,3],"
        "\"doc\":\"{\\\"k\\\": [1, 2]}\"}," SOURCE(
            "\"false\"", "[null,\\\"24023128\\\"]") ",\"transaction\":null,\"op\":\"c\",\"ts_ms\":"
                                                    "1700000001000,\"ts_us\":1700000001000000,"
                                                    "\"ts_ns\":1700000001000000001}");
    free(text);
    close_plan();
}
END_TEST

START_TEST(a_key_only_old_row_gets_defaults_and_fallbacks)
{
    open_plan(false, true);
    source.last_commit = 24023119;
    struct order order = {555, 24023128, 3, 2};
    struct event event = {.op = OP_DELETE, .before = key_row, .source = &source, .order = &order};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text,
                                 "{\"before\":{\"id\":7,\"note\":\"none\",\"paid\":false,\"price\":null,"
                                 "\"at\":\"1970-01-01T00:00:00"));
    ck_assert_ptr_nonnull(strstr(text, SOURCE("\"false\"", "[\\\"24023119\\\",\\\"24023128\\\"]")));
    ck_assert_ptr_nonnull(strstr(
        text, "\"transaction\":{\"id\":\"555:24023128\",\"total_order\":3,\"data_collection_order\":2}"));
    free(text);
    close_plan();
}
END_TEST

START_TEST(nulls_stay_null_when_the_converter_is_told_so)
{
    open_plan(false, false);
    struct event event = {.op = OP_DELETE, .before = key_row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"note\":null"));
    ck_assert_ptr_nonnull(strstr(text, "\"snapshot\":null"));
    free(text);
    close_plan();
}
END_TEST

START_TEST(snapshot_rows_carry_their_marker)
{
    open_plan(false, false);
    source.snapshot = "first_in_data_collection";
    struct event event = {.op = OP_READ, .after = full_row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"snapshot\":\"first_in_data_collection\""));
    free(text);
    source.snapshot = "last";
    text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"snapshot\":\"last\""));
    free(text);
    close_plan();
}
END_TEST

START_TEST(an_unchanged_toast_value_becomes_the_placeholder)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[1] = row[5] = row[7] = (struct cell){'u', {0}};
    struct event event = {.op = OP_UPDATE, .after = row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"note\":\"__debezium_unavailable_value\""));
    ck_assert_ptr_nonnull(strstr(text, "\"raw\":\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\""));
    free(text);
    close_plan();
}
END_TEST

/* Types without a placeholder: null, where the column may be, else what stands for null, and counted. */
START_TEST(an_unchanged_toast_value_without_placeholder_is_never_null_in_a_required_field)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[6] = (struct cell){'n', {0}};
    row[3] = (struct cell){'u', {0}};
    struct event event = {.op = OP_UPDATE, .after = row, .source = &source};
    free(both_ways(&event));
    ck_assert_uint_eq(plan_failures(plan), 0);
    row[2] = (struct cell){'u', {0}};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"paid\":false"));
    ck_assert_uint_gt(plan_failures(plan), 0);
    ck_assert_ptr_nonnull(strstr(plan_last_failure(plan), "shop.orders column paid"));
    free(text);
    close_plan();
}
END_TEST

/* Each event starts with an empty scratch memory, also after one that failed. */
START_TEST(events_that_fail_do_not_pile_up)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[7] = (struct cell){'b', {0}};
    struct event event = {.op = OP_INSERT, .after = row, .source = &source};
    size_t size = 1 << 20;
    char *list = malloc(size);
    memset(list, '1', size);
    for (size_t i = 0; i < size; i += 2)
        list[i] = i ? ',' : '{';
    list[size - 1] = '}';
    list[size - 2] = '1';
    row[6] = (struct cell){'t', {list, size}};
    size_t before = 0;
    for (int i = 0; i < 20; i++) {
        struct buf b = BUF_EMPTY;
        ck_assert(!plan_value(plan, &event, &b, &e));
        buf_free(&b);
        if (i == 1)
            before = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    ck_assert_uint_lt(mallinfo2().uordblks + mallinfo2().hblkhd, before + (1 << 20));
    free(list);
    close_plan();
}
END_TEST

START_TEST(with_schemas_every_record_carries_its_schema)
{
    open_plan(true, true);
    struct event event = {.op = OP_INSERT, .after = full_row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_eq(
        strstr(text, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"fields\":"
                     "[{\"type\":\"int32\",\"optional\":false,\"default\":0,\"field\":\"id\"},"
                     "{\"type\":\"string\",\"optional\":true,\"default\":\"none\",\"field\":\"note\"}"),
        text);
    ck_assert_ptr_nonnull(
        strstr(text, "\"name\":\"p.shop.orders.Envelope\",\"version\":2},\"payload\":{\"before\":null"));
    free(text);
    struct buf key = BUF_EMPTY;
    ck_assert(plan_key(plan, full_row, &key, &e));
    ck_assert_str_eq(
        key.ptr,
        "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"optional\":false,\"default\":0,"
        "\"field\":\"id\"}],\"optional\":false,\"name\":\"p.shop.orders.Key\"},\"payload\":{\"id\":7}}");
    buf_free(&key);
    close_plan();
}
END_TEST

START_TEST(a_value_that_cannot_be_converted_is_null_and_counted)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[3] = (struct cell)T("NaN");
    struct event event = {.op = OP_INSERT, .after = row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"price\":null"));
    ck_assert_uint_ge(plan_failures(plan), 1);
    ck_assert_ptr_nonnull(strstr(plan_last_failure(plan), "shop.orders column price"));
    free(text);
    close_plan();
}
END_TEST

/* Debezium cannot write a required field without a value, and neither a key. */
START_TEST(a_required_value_that_cannot_be_converted_fails_its_event)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[4] = (struct cell)T("no time");
    struct event event = {.op = OP_INSERT, .after = row, .source = &source};
    struct buf b = BUF_EMPTY;
    ck_assert(!plan_value(plan, &event, &b, &e));
    ck_assert_int_eq(e.kind, ERR_DATA);
    ck_assert_ptr_nonnull(strstr(e.text, "shop.orders column at"));
    row[0] = (struct cell)T("no number");
    ck_assert(!plan_key(plan, row, &b, &e));
    ck_assert_int_eq(e.kind, ERR_DATA);
    buf_free(&b);
    close_plan();
}
END_TEST

START_TEST(a_failed_event_is_not_counted)
{
    open_plan(false, true);
    struct envelope_rules rules = {.tombstones = true};
    struct envelope *env = envelope_new(&rules);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[4] = (struct cell)T("no time");
    int64_t collection = 4;
    struct order_counter counter = {555, 9, &collection};
    const struct change change = {.op = OP_INSERT, .relation = rel, .after = row};
    const struct envelope_record *records;
    ck_assert_int_eq(envelope_make(env, plan, &change, &source, &counter, 0, &records, &e), -1);
    ck_assert(counter.total == 9 && collection == 4);
    envelope_free(env);
    close_plan();
}
END_TEST

/* ---- rules of columns, adjusted names ---- */

static void plan_again(const struct plan_choice *choice)
{
    plan_free(plan);
    plan = plan_new(&settings, rel, choice, &e);
    ck_assert_msg(plan != NULL, "%s", e.text);
}

START_TEST(a_rule_changes_the_value_in_all_its_places_and_not_the_key)
{
    static const uint16_t key[] = {1};
    open_plan(false, true);
    struct props *options = props_new();
    props_set(options, "column.mask.with.2.chars", "shop.orders.note");
    props_set(options, "column.truncate.to.3.chars", "shop.orders.doc");
    struct column_rules *rules = column_rules_new(options, &e);
    plan_again(&(struct plan_choice){.topic = "p.shop.orders", .key = key, .n_key = 1, .rules = rules});
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[7] = (struct cell){'u', {0}};
    struct event event = {.op = OP_UPDATE, .before = key_row, .after = row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"before\":{\"id\":7,\"note\":\"**\",")); /* an absent one */
    ck_assert_ptr_nonnull(strstr(text, "\"after\":{\"id\":7,\"note\":\"**\","));
    ck_assert_ptr_nonnull(strstr(text, "\"doc\":\"__d\"")); /* the placeholder is cut too */
    free(text);
    struct buf b = BUF_EMPTY;
    ck_assert(plan_key(plan, full_row, &b, &e));
    ck_assert_str_eq(b.ptr, "{\"note\":\"a \\\"b\\\"\\n\"}");
    buf_free(&b);
    close_plan();
    column_rules_free(rules);
    props_free(options);
}
END_TEST

START_TEST(names_are_adjusted_in_key_value_and_schemas)
{
    static const uint16_t key[] = {0, 1};
    open_plan(true, true);
    rel->columns[0].name = "order-id";
    rel->columns[1].name = "order_id";
    plan_again(&(struct plan_choice){.topic = "p-q.shop.orders",
                                     .key = key,
                                     .n_key = 2,
                                     .schema_names = NAME_ADJUST_AVRO,
                                     .field_names = NAME_ADJUST_AVRO_UNICODE});
    struct event event = {.op = OP_INSERT, .after = full_row, .source = &source};
    char *text = both_ways(&event);
    ck_assert_ptr_nonnull(strstr(text, "\"after\":{\"order_u002did\":7,\"order_u005fid\":"));
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"p_q.shop.orders.Value\""));
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"p_q.shop.orders.Envelope\""));
    free(text);
    struct plan_choice clash = {.topic = "t", .key = key, .n_key = 1, .field_names = NAME_ADJUST_AVRO};
    ck_assert_ptr_null(plan_new(&settings, rel, &clash, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "both the field order_id"));
    close_plan();
}
END_TEST

/* Debezium does not ask the catalogue for columns that it leaves out. */
START_TEST(a_key_that_is_not_in_the_value_is_optional_in_the_stream)
{
    static const uint16_t key[] = {0};
    static const bool columns[8] = {false, true};
    open_plan(true, true);
    plan_again(&(struct plan_choice){.topic = "t", .columns = columns, .key = key, .n_key = 1});
    struct buf b = BUF_EMPTY;
    ck_assert(plan_key(plan, full_row, &b, &e));
    ck_assert_ptr_nonnull(strstr(b.ptr, "[{\"type\":\"int32\",\"optional\":true,\"field\":\"id\"}]"));
    buf_free(&b);
    close_plan();
}
END_TEST

/* skip.messages.without.change */
START_TEST(an_update_is_unchanged_when_no_written_value_differs)
{
    static const bool columns[8] = {true, true, false, true, true, true, true, true};
    open_plan(false, true);
    plan_again(&(struct plan_choice){.topic = "t", .columns = columns});
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    ck_assert(plan_unchanged(plan, full_row, row));
    row[2] = (struct cell)T("f");
    ck_assert_msg(plan_unchanged(plan, full_row, row), "this column is not written");
    row[3] = (struct cell)T("12.5000");
    ck_assert_msg(plan_unchanged(plan, full_row, row), "the same number");
    row[1] = (struct cell){'n', {0}};
    ck_assert_msg(!plan_unchanged(plan, full_row, row), "a null is no text");
    row[1] = (struct cell){'b', {"\1", 1}}; /* of a type whose text is not known */
    struct cell bytes[8];
    memcpy(bytes, row, sizeof bytes);
    ck_assert(plan_unchanged(plan, bytes, row));
    bytes[1] = (struct cell){'b', {"\2", 1}};
    ck_assert_msg(!plan_unchanged(plan, bytes, row), "other bytes");
    bytes[1] = (struct cell){'n', {0}};
    ck_assert_msg(!plan_unchanged(plan, bytes, row), "bytes are no null");
    row[1] = (struct cell)T("none");
    struct cell before[8];
    memcpy(before, row, sizeof before);
    before[1] = (struct cell){'n', {0}};
    ck_assert_msg(!plan_unchanged(plan, before, row),
                  "a null is not the default, though it may be written so");
    struct envelope_rules rules = {.skip_unchanged = true};
    struct envelope *env = envelope_new(&rules);
    const struct change same = {.op = OP_UPDATE, .relation = rel, .before = full_row, .after = full_row};
    const struct change unknown = {.op = OP_UPDATE, .relation = rel, .after = full_row};
    const struct envelope_record *records;
    ck_assert_int_eq(envelope_make(env, plan, &same, &source, NULL, 0, &records, &e), 0);
    ck_assert_int_eq(envelope_make(env, plan, &unknown, &source, NULL, 0, &records, &e), 1);
    envelope_free(env);
    close_plan();
}
END_TEST

START_TEST(a_binary_value_is_refused)
{
    open_plan(false, true);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[2].kind = 'b';
    struct event event = {.op = OP_INSERT, .after = row, .source = &source};
    struct buf b = BUF_EMPTY;
    ck_assert(!plan_value(plan, &event, &b, &e));
    ck_assert_int_eq(e.kind, ERR_DATA);
    buf_free(&b);
    close_plan();
}
END_TEST

/* ---- envelopes ---- */

static const struct envelope_record *made;

static int make(struct envelope *env, enum change_op op, const struct cell *before, const struct cell *after,
                struct order_counter *counter)
{
    struct change change = {.op = op,
                            .lsn = 24023128,
                            .relation = rel,
                            .before = before,
                            .after = after,
                            .before_kind = before ? 'K' : 0};
    int n = envelope_make(env, plan, &change, &source, counter, 0, &made, &e);
    ck_assert_msg(n >= 0, "%s", e.text);
    return n;
}

static bool key_is(const struct envelope_record *r, const char *text)
{
    return slice_is(r->key, text);
}

/* What is left without the schema: the same with and without one in Kafka. */
START_TEST(payloads_are_values_without_their_schema)
{
    struct buf bare = BUF_EMPTY;
    for (int schemas = 0; schemas < 2; schemas++) {
        open_plan(schemas, true);
        struct envelope_rules rules = {.tombstones = true, .skip_delete = schemas};
        struct envelope *env = envelope_new(&rules);
        make(env, OP_INSERT, NULL, full_row, NULL);
        struct slice payload = envelope_payload(env, OP_INSERT);
        ck_assert(schemas ? payload.len < made[0].value.len : slice_eq(payload, made[0].value));
        if (schemas)
            ck_assert(slice_eq(payload, buf_view(&bare)));
        buf_slice(&bare, payload);
        ck_assert(!envelope_payload(env, OP_UPDATE).ptr);
        struct cell other[8];
        memcpy(other, full_row, sizeof other);
        other[0] = (struct cell)T("8");
        make(env, OP_UPDATE, key_row, other, NULL);
        ck_assert(envelope_key_changed(env));
        ck_assert((envelope_payload(env, OP_DELETE).ptr == NULL) == schemas); /* skipped.operations */
        ck_assert(envelope_payload(env, OP_INSERT).ptr);
        envelope_free(env);
        close_plan();
    }
    buf_free(&bare);
}
END_TEST

START_TEST(a_delete_is_followed_by_its_tombstone)
{
    open_plan(false, true);
    struct envelope_rules rules = {.tombstones = true};
    struct envelope *env = envelope_new(&rules);
    ck_assert_int_eq(make(env, OP_DELETE, key_row, NULL, NULL), 2);
    ck_assert(key_is(&made[0], "{\"id\":7}") && made[0].op == OP_DELETE);
    ck_assert(key_is(&made[1], "{\"id\":7}") && made[1].op == 0 && !made[1].value.ptr);
    rules.tombstones = false;
    ck_assert_int_eq(make(env, OP_DELETE, key_row, NULL, NULL), 1);
    rules.skip_delete = true;
    ck_assert_int_eq(make(env, OP_DELETE, key_row, NULL, NULL), 0);
    envelope_free(env);
    close_plan();
}
END_TEST

START_TEST(an_update_of_the_key_is_delete_tombstone_create)
{
    open_plan(false, true);
    struct envelope_rules rules = {.tombstones = true, .check_tree = true};
    struct envelope *env = envelope_new(&rules);
    struct cell row[8];
    memcpy(row, full_row, sizeof row);
    row[0] = (struct cell)T("8");
    int64_t collection = 4;
    struct order_counter counter = {555, 9, &collection};
    ck_assert_int_eq(make(env, OP_UPDATE, key_row, row, &counter), 3);
    ck_assert(envelope_key_changed(env));
    ck_assert(made[0].op == OP_DELETE && key_is(&made[0], "{\"id\":7}"));
    ck_assert(slice_is(made[0].header.name, "__debezium.newkey") &&
              slice_is(made[0].header.value, "{\"id\":8}"));
    ck_assert(made[1].op == 0 && slice_is(made[1].header.value, "{\"id\":8}"));
    ck_assert(made[2].op == OP_INSERT && key_is(&made[2], "{\"id\":8}"));
    ck_assert(slice_is(made[2].header.name, "__debezium.oldkey") &&
              slice_is(made[2].header.value, "{\"id\":7}"));
    ck_assert_int_eq(counter.total, 11); /* the tombstone counts for nothing */
    ck_assert_int_eq(collection, 6);
    ck_assert_ptr_nonnull(strstr(made[2].value.ptr, "\"total_order\":11,\"data_collection_order\":6"));
    envelope_free(env);
    close_plan();
}
END_TEST

START_TEST(an_update_with_the_same_key_is_one_event)
{
    open_plan(false, true);
    struct envelope_rules rules = {.tombstones = true};
    struct envelope *env = envelope_new(&rules);
    ck_assert_int_eq(make(env, OP_UPDATE, full_row, full_row, NULL), 1);
    ck_assert(made[0].op == OP_UPDATE && !envelope_key_changed(env) && !made[0].header.name.ptr);
    ck_assert_int_eq(make(env, OP_UPDATE, NULL, full_row, NULL), 1);
    rules.skip_update = true;
    ck_assert_int_eq(make(env, OP_UPDATE, NULL, full_row, NULL), 0);
    envelope_free(env);
    close_plan();
}
END_TEST

START_TEST(a_truncate_has_no_key)
{
    open_plan(false, true);
    struct envelope_rules rules = {0};
    struct envelope *env = envelope_new(&rules);
    ck_assert_int_eq(make(env, OP_TRUNCATE, NULL, NULL, NULL), 1);
    ck_assert_ptr_null(made[0].key.ptr);
    ck_assert_ptr_nonnull(strstr(made[0].value.ptr, "{\"before\":null,\"after\":null,"));
    envelope_free(env);
    close_plan();
}
END_TEST

SUITE_MAIN("plan", an_insert_is_debeziums_envelope, a_key_only_old_row_gets_defaults_and_fallbacks,
           nulls_stay_null_when_the_converter_is_told_so, snapshot_rows_carry_their_marker,
           an_unchanged_toast_value_becomes_the_placeholder,
           an_unchanged_toast_value_without_placeholder_is_never_null_in_a_required_field,
           events_that_fail_do_not_pile_up, with_schemas_every_record_carries_its_schema,
           a_value_that_cannot_be_converted_is_null_and_counted, a_binary_value_is_refused,
           a_required_value_that_cannot_be_converted_fails_its_event, a_failed_event_is_not_counted,
           a_rule_changes_the_value_in_all_its_places_and_not_the_key,
           names_are_adjusted_in_key_value_and_schemas,
           a_key_that_is_not_in_the_value_is_optional_in_the_stream,
           an_update_is_unchanged_when_no_written_value_differs, payloads_are_values_without_their_schema,
           a_delete_is_followed_by_its_tombstone, an_update_of_the_key_is_delete_tombstone_create,
           an_update_with_the_same_key_is_one_event, a_truncate_has_no_key)
