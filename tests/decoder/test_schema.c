/* test_schema.c - schemas are written as JsonConverter writes them, member by member. */
#include "json.h"
#include "schema.h"
#include "suite.h"
#include "value.h"

#include <stdio.h>

static const struct schema string = {.type = SCHEMA_STRING},
                           maybe_int = {.type = SCHEMA_INT32, .optional = true};

static char *written(const struct schema *s, const char *field)
{
    struct buf b = BUF_EMPTY;
    schema_json(&b, s, field);
    return buf_take(&b);
}

#define WRITES(s, field, want)                                                                               \
    do {                                                                                                     \
        char *text = written(s, field);                                                                      \
        ck_assert_str_eq(text, want);                                                                        \
        free(text);                                                                                          \
    } while (0)

START_TEST(types_by_name)
{
    static const char *const names[] = {"boolean", "int8",   "int16",  "int32", "int64",
                                        "float",   "double", "string", "bytes"};
    for (int type = SCHEMA_BOOLEAN; type <= SCHEMA_BYTES; type++) {
        char want[100];
        snprintf(want, sizeof want, "{\"type\":\"%s\",\"optional\":false}", names[type]);
        WRITES(&(struct schema){.type = (enum schema_type)type}, NULL, want);
    }
}
END_TEST

START_TEST(members_in_order)
{
    static const struct value preset = {.kind = VALUE_STRING, .bytes = {"a\"", 2}};
    static const struct schema_param params[] = {{"allowed", "sad,ok"}, {"x", "\n"}};
    struct schema s = {.type = SCHEMA_STRING,
                       .optional = true,
                       .name = "io.debezium.data.Enum",
                       .version = 1,
                       .doc = "a doc",
                       .params = params,
                       .n_params = 2,
                       .preset = &preset};
    WRITES(&s, "mood",
           "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,\"doc\":"
           "\"a doc\","
           "\"parameters\":{\"allowed\":\"sad,ok\",\"x\":\"\\n\"},\"default\":\"a\\\"\",\"field\":\"mood\"}");
}
END_TEST

START_TEST(schemas_inside_schemas)
{
    struct schema list = {.type = SCHEMA_ARRAY, .item = &maybe_int};
    struct schema map = {.type = SCHEMA_MAP, .key = &string, .item = &maybe_int, .optional = true};
    struct schema_field fields[] = {{"a", &list}, {"b\"", &map}};
    struct schema row = {.type = SCHEMA_STRUCT, .fields = fields, .n_fields = 2, .name = "t.Value"};
    WRITES(&list, NULL,
           "{\"type\":\"array\",\"items\":{\"type\":\"int32\",\"optional\":true},\"optional\":false}");
    WRITES(&map, NULL,
           "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":false},"
           "\"values\":{\"type\":\"int32\",\"optional\":true},\"optional\":true}");
    WRITES(&row, "after",
           "{\"type\":\"struct\",\"fields\":[{\"type\":\"array\",\"items\":{\"type\":\"int32\",\"optional\":"
           "true},"
           "\"optional\":false,\"field\":\"a\"},{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":"
           "false},"
           "\"values\":{\"type\":\"int32\",\"optional\":true},\"optional\":true,\"field\":\"b\\\"\"}],"
           "\"optional\":false,\"name\":\"t.Value\",\"field\":\"after\"}");
}
END_TEST

START_TEST(defaults_follow_the_style)
{
    static const struct value preset = {.kind = VALUE_BYTES, .bytes = {"\0\x96", 2}};
    static const struct schema_param scale = {"scale", "2"};
    struct schema s = {.type = SCHEMA_BYTES,
                       .name = "org.apache.kafka.connect.data.Decimal",
                       .params = &scale,
                       .n_params = 1,
                       .preset = &preset};
    struct buf b = BUF_EMPTY;
    schema_json_as(&b, &s, NULL, &(struct json_style){.decimal_as_number = true});
    ck_assert_ptr_nonnull(strstr(b.ptr, "\"default\":1.50}"));
    buf_reset(&b);
    schema_json(&b, &s, NULL);
    ck_assert_ptr_nonnull(strstr(b.ptr, "\"default\":\"AJY=\"}"));
    buf_free(&b);
}
END_TEST

START_TEST(the_optional_copy_leaves_the_original)
{
    struct arena a = {0};
    const struct schema *copy = schema_optional(&string, true, &a);
    ck_assert(copy->optional && copy->type == SCHEMA_STRING && !string.optional);
    arena_free(&a);
}
END_TEST

SUITE_MAIN("schema", types_by_name, members_in_order, schemas_inside_schemas, defaults_follow_the_style,
           the_optional_copy_leaves_the_original)
