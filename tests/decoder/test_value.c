/* test_value.c - values are written as JsonConverter writes them, by their schema. */
#include "suite.h"
#include "value.h"

static const struct schema string = {.type = SCHEMA_STRING},
                           maybe_int = {.type = SCHEMA_INT32, .optional = true},
                           int16 = {.type = SCHEMA_INT16}, real = {.type = SCHEMA_FLOAT64};
static const struct json_style plain = {.null_as_default = true}, keep_null = {.null_as_default = false};

static void writes(const struct schema *s, struct value v, const struct json_style *style, const char *want)
{
    struct buf b = BUF_EMPTY;
    value_json(&b, s, &v, style);
    ck_assert_str_eq(b.ptr, want);
    buf_free(&b);
}

START_TEST(plain_values)
{
    writes(&(struct schema){.type = SCHEMA_BOOLEAN}, value_bool(true), &plain, "true");
    writes(&(struct schema){.type = SCHEMA_INT64}, value_int(INT64_MIN), &plain, "-9223372036854775808");
    writes(&(struct schema){.type = SCHEMA_FLOAT32}, value_real(0.1f), &plain, "0.1");
    writes(&real, value_real(0.1f), &plain, "0.10000000149011612");
    writes(&real, value_real(-__builtin_inf()), &plain, "\"-Infinity\"");
    writes(&string, value_string(SLICE("ü\"\n")), &plain, "\"ü\\\"\\n\"");
    writes(&(struct schema){.type = SCHEMA_BYTES}, value_bytes(SLICE("\xDE\xAD\xBE\xEF")), &plain,
           "\"3q2+7w==\"");
}
END_TEST

START_TEST(lists_maps_and_structs)
{
    struct value items[] = {value_int(1), value_null(), value_int(3)};
    writes(&(struct schema){.type = SCHEMA_ARRAY, .item = &maybe_int}, value_list(items, 3), &plain,
           "[1,null,3]");
    writes(&(struct schema){.type = SCHEMA_ARRAY, .item = &maybe_int}, value_list(NULL, 0), &plain, "[]");
    struct value pairs[] = {value_string(SLICE("a")), value_int(1), value_string(SLICE("b")), value_null()};
    writes(&(struct schema){.type = SCHEMA_MAP, .key = &string, .item = &maybe_int}, value_list(pairs, 4),
           &plain, "{\"a\":1,\"b\":null}");
    struct value sparse[] = {value_int(1), value_real(10), value_int(11), value_real(20)};
    writes(&(struct schema){.type = SCHEMA_MAP, .key = &int16, .item = &real}, value_list(sparse, 4), &plain,
           "[[1,10.0],[11,20.0]]");
    struct schema_field fields[] = {{"x", &int16}, {"y", &maybe_int}};
    writes(&(struct schema){.type = SCHEMA_STRUCT, .fields = fields, .n_fields = 2}, value_list(items, 2),
           &plain, "{\"x\":1,\"y\":null}");
}
END_TEST

START_TEST(a_null_becomes_the_default_if_told_so)
{
    static const struct value preset = {.kind = VALUE_INT, .integer = 42};
    static const struct schema with = {.type = SCHEMA_INT32, .optional = true, .preset = &preset};
    struct schema_field fields[] = {{"n", &with}};
    struct value none = value_null();
    writes(&with, none, &plain, "42");
    writes(&with, none, &keep_null, "null");
    writes(&(struct schema){.type = SCHEMA_STRUCT, .fields = fields, .n_fields = 1}, value_list(&none, 1),
           &plain, "{\"n\":42}");
    writes(&(struct schema){.type = SCHEMA_ARRAY, .item = &with}, value_list(&none, 1), &plain, "[42]");
    writes(&(struct schema){.type = SCHEMA_ARRAY, .item = &with}, value_list(&none, 1), &keep_null, "[null]");
}
END_TEST

START_TEST(only_decimals_become_numbers)
{
    static const struct json_style numbers = {.decimal_as_number = true};
    static const struct schema_param scale = {"scale", "2"};
    struct schema decimal = {.type = SCHEMA_BYTES,
                             .name = "org.apache.kafka.connect.data.Decimal",
                             .params = &scale,
                             .n_params = 1};
    writes(&decimal, value_bytes(SLICE("\xCF\xC7")), &numbers, "-123.45");
    writes(&decimal, value_bytes(SLICE("\xCF\xC7")), &plain, "\"z8c=\"");
    writes(&(struct schema){.type = SCHEMA_BYTES}, value_bytes(SLICE("\xCF\xC7")), &numbers, "\"z8c=\"");
}
END_TEST

START_TEST(a_value_of_the_wrong_kind_is_null)
{
    writes(&int16, value_string(SLICE("x")), &plain, "null");
    writes(&string, value_int(1), &plain, "null");
}
END_TEST

static const char *text_of(const struct schema *s, struct value v)
{
    static struct buf b = BUF_EMPTY;
    buf_reset(&b);
    value_text(&b, s, &v);
    buf_char(&b, 0);
    return b.ptr;
}

/* A header's text is Connect's own notation: what looks like JSON is not. */
START_TEST(texts_of_headers)
{
    static const struct value preset = {.kind = VALUE_INT, .integer = 42};
    struct schema_field fields[] = {{"q\"", &string},
                                    {"n", &(struct schema){.type = SCHEMA_INT32, .preset = &preset}},
                                    {"x", &maybe_int}};
    struct value items[] = {value_string(SLICE("a\"\\\n")), value_null(), value_null()};
    ck_assert_str_eq(text_of(&(struct schema){.type = SCHEMA_STRUCT, .fields = fields, .n_fields = 3},
                             value_list(items, 3)),
                     "{\"q\\\"\":\"a\\\"\\\\\n\",\"n\":42,\"x\":null}");
    struct value numbers[] = {value_int(1), value_int(2)};
    ck_assert_str_eq(text_of(&(struct schema){.type = SCHEMA_ARRAY, .item = &int16}, value_list(numbers, 2)),
                     "[1,2]");
    ck_assert_str_eq(text_of(&real, value_real(1e10)), "1.0E10");
    ck_assert_str_eq(text_of(&real, value_real(-__builtin_inf())), "-Infinity");
    struct schema_param scale = {"scale", "2"};
    struct schema decimal = {.type = SCHEMA_BYTES,
                             .name = "org.apache.kafka.connect.data.Decimal",
                             .params = &scale,
                             .n_params = 1};
    ck_assert_str_eq(text_of(&decimal, value_bytes(SLICE("\xFF\x1F"))), "-2.25");
    ck_assert_str_eq(text_of(&(struct schema){.type = SCHEMA_BYTES}, value_bytes(SLICE("\xFF"))), "\"/w==\"");
    ck_assert_str_eq(text_of(&string, value_list(numbers, 2)), "null");
}
END_TEST

START_TEST(texts_of_dates_in_headers)
{
    static const struct schema date = {.type = SCHEMA_INT32, .name = "org.apache.kafka.connect.data.Date"},
                               time = {.type = SCHEMA_INT32, .name = "org.apache.kafka.connect.data.Time"},
                               timestamp = {.type = SCHEMA_INT64,
                                            .name = "org.apache.kafka.connect.data.Timestamp"};
    ck_assert_str_eq(text_of(&date, value_int(19782)), "2024-02-29");
    ck_assert_str_eq(text_of(&date, value_int(-1)), "00:00:00.000Z");
    ck_assert_str_eq(text_of(&date, value_int(2932897)), "10000-01-01");
    ck_assert_str_eq(text_of(&time, value_int(45296500)), "12:34:56.500Z");
    ck_assert_str_eq(text_of(&timestamp, value_int(-1000)), "23:59:59.000Z");
    ck_assert_str_eq(text_of(&timestamp, value_int(1714979289123)), "2024-05-06T07:08:09.123Z");
}
END_TEST

SUITE_MAIN("value", texts_of_headers, texts_of_dates_in_headers, plain_values, lists_maps_and_structs,
           a_null_becomes_the_default_if_told_so, only_decimals_become_numbers,
           a_value_of_the_wrong_kind_is_null)
