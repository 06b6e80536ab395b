/* test_feed_record.c - records of Kafka as row events and ends of transactions. */
#include "feed_record.h"

#include "suite.h"
#include "xmalloc.h"

#define FIELDS                                                                                               \
    "[{\"type\":\"int32\",\"field\":\"id\"},{\"type\":\"string\",\"field\":\"t\"},"                          \
    "{\"type\":\"int64\",\"name\":\"io.debezium.time.MicroDuration\",\"field\":\"lossy\"}]"
#define SCHEMA                                                                                               \
    "{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"fields\":" FIELDS ",\"field\":\"before\"},"     \
    "{\"type\":\"struct\",\"fields\":" FIELDS ",\"field\":\"after\"}]}"
#define KEY                                                                                                  \
    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"field\":\"id\"}]},"                  \
    "\"payload\":{\"id\":1}}"
#define SOURCE          "\"source\":{\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":77}"
#define TX              "\"transaction\":{\"id\":\"5:900\",\"total_order\":3,\"data_collection_order\":1}"
#define RECORD(payload) "{\"schema\":" SCHEMA ",\"payload\":{" payload "}}"

struct fixture {
    struct feed_modes modes;
    struct pattern_list *full;
    struct feed_shapes *shapes;
    struct feed_row *row;
    struct err e;
    struct slice values[2], old[2], payload;
};

static void setup(struct fixture *f, const char *full)
{
    *f = (struct fixture){.modes = {"__gone", "bytes", feed_types_new()}};
    f->full = full ? pattern_list_new(full, &f->e) : NULL;
    f->shapes = feed_shapes_new(&f->modes, f->full);
}

static void teardown(struct fixture *f)
{
    free(f->row);
    feed_shapes_free(f->shapes);
    pattern_list_free(f->full);
    types_free(f->modes.types);
}

static bool record(struct fixture *f, const char *key, const char *value)
{
    free(f->row);
    f->row = NULL;
    f->e = (struct err){0};
    bool ok = feed_row_read(f->shapes, slice_of(key), slice_of(value), &f->row, &f->e);
    if (f->row)
        f->payload = feed_row_cells(f->row, f->values, f->old);
    return ok;
}

static void is(struct slice got, const char *wanted)
{
    ck_assert_msg(wanted ? slice_is(got, wanted) : !got.ptr, "%.*s instead of %s", SLICE_ARG(got),
                  wanted ? wanted : "unknown");
}

START_TEST(an_insert)
{
    struct fixture f;
    setup(&f, NULL);
    ck_assert(record(&f, KEY,
                     RECORD("\"before\":null,\"after\":{\"id\":1,\"t\":\"x\",\"lossy\":5}," SOURCE "," TX
                            ",\"op\":\"c\"")));
    ck_assert_ptr_nonnull(f.row);
    ck_assert_int_eq(f.row->op, 'c');
    ck_assert_uint_eq(f.row->xid, 5);
    ck_assert_uint_eq(f.row->event.total_order, 3);
    ck_assert_int_eq(f.row->ts_ms, 77);
    ck_assert(f.row->has_row && !f.row->has_old);
    is(f.values[0], "1");
    is(f.values[1], "\"x\"");
    const struct feed_shape *s = f.row->shape;
    ck_assert_str_eq(s->table, "public.t");
    ck_assert_uint_eq(s->n_columns, 2); /* the third cannot be told exactly */
    ck_assert_uint_eq(s->n_key, 1);
    ck_assert(s->identity[0] && !s->identity[1]);
    ck_assert(slice_starts(f.payload, "{\"before\":null,"));
    teardown(&f);
}
END_TEST

/* What is not in the replica identity is null in the record, and not known. */
START_TEST(a_delete_knows_the_key_only)
{
    struct fixture f;
    static const char text[] = RECORD("\"before\":{\"id\":1,\"t\":null,\"lossy\":null},\"after\":null," SOURCE
                                      "," TX ",\"op\":\"d\"");
    setup(&f, NULL);
    ck_assert(record(&f, KEY, text));
    ck_assert(!f.row->has_row && f.row->has_old);
    is(f.old[0], "1");
    is(f.old[1], NULL);
    teardown(&f);
    setup(&f, "public\\.t");
    ck_assert(record(&f, KEY, text));
    is(f.old[1], "null");
    teardown(&f);
}
END_TEST

START_TEST(an_unchanged_large_value_is_not_known)
{
    struct fixture f;
    setup(&f, NULL);
    ck_assert(record(&f, KEY,
                     RECORD("\"before\":null,\"after\":{\"id\":1,\"t\":\"__gone\",\"lossy\":1}," SOURCE "," TX
                            ",\"op\":\"u\"")));
    is(f.values[1], NULL);
    teardown(&f);
}
END_TEST

/* A truncate has no key: it is not taken for another table. */
START_TEST(a_truncate_is_of_the_table_as_it_is_known)
{
    struct fixture f;
    setup(&f, NULL);
    ck_assert(record(&f, KEY, RECORD("\"after\":{\"id\":1}," SOURCE "," TX ",\"op\":\"c\"")));
    const struct feed_shape *s = f.row->shape;
    ck_assert(record(&f, NULL, RECORD("\"before\":null,\"after\":null," SOURCE "," TX ",\"op\":\"t\"")));
    ck_assert_ptr_eq(f.row->shape, s);
    ck_assert(!f.row->has_row && !f.row->has_old);
    teardown(&f);
}
END_TEST

/* As at the engine, where a change of the type's width resets those who hold rows. */
START_TEST(a_numeric_of_another_scale_is_another_column)
{
    struct fixture f;
    uint64_t versions[2];
    setup(&f, NULL);
    for (int scale = 0; scale < 2; scale++) {
        char *text =
            xasprintf("{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"field\":\"after\","
                      "\"fields\":["
                      "{\"type\":\"int32\",\"field\":\"id\"},{\"type\":\"bytes\",\"field\":\"n\",\"name\":"
                      "\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"%d\"}}]}]},"
                      "\"payload\":{\"after\":{\"id\":1,\"n\":\"Dw==\"}," SOURCE "," TX ",\"op\":\"c\"}}",
                      scale);
        ck_assert(record(&f, KEY, text));
        is(f.values[1], scale ? "\"1.5\"" : "\"15\"");
        versions[scale] = f.row->shape->columns[1].version;
        free(text);
    }
    ck_assert_uint_ne(versions[0], versions[1]);
    teardown(&f);
}
END_TEST

START_TEST(what_the_stream_does_not_have_is_passed_over)
{
    struct fixture f;
    setup(&f, NULL);
    ck_assert(record(&f, KEY, NULL));
    ck_assert_ptr_null(f.row);
    ck_assert(record(&f, KEY, RECORD("\"after\":{\"id\":1}," SOURCE ",\"transaction\":null,\"op\":\"r\"")));
    ck_assert_ptr_null(f.row);
    ck_assert(record(&f, KEY, RECORD("\"after\":{\"id\":1}," SOURCE ",\"transaction\":null,\"op\":\"c\"")));
    ck_assert_ptr_null(f.row);
    ck_assert(record(&f, KEY, RECORD("\"message\":{}," SOURCE ",\"op\":\"m\"")));
    ck_assert_ptr_null(f.row);
    teardown(&f);
}
END_TEST

START_TEST(what_cannot_be_read_says_what_to_set)
{
    struct fixture f;
    setup(&f, NULL);
    ck_assert(!record(&f, "{\"id\":1}", "{\"before\":null,\"op\":\"c\"}"));
    ck_assert_msg(strstr(f.e.text, "schemas.enable=true"), "%s", f.e.text);
    ck_assert(!record(&f, KEY, "{\"schema\":{},\"payload\":{\"id\":1,\"t\":\"x\"}}"));
    ck_assert_msg(strstr(f.e.text, "ExtractNewRecordState"), "%s", f.e.text);
    ck_assert(!record(&f, KEY, "{\"schema\":{},\"payload\":{\"op\""));
    ck_assert(!record(&f, KEY, RECORD("\"after\":{\"id\":\"one\"}," SOURCE "," TX ",\"op\":\"c\"")));
    ck_assert_int_eq(f.e.kind, ERR_DATA);
    teardown(&f);
}
END_TEST

START_TEST(ends_of_transactions)
{
    static const char end[] =
        "{\"schema\":{},\"payload\":{\"status\":\"END\",\"id\":\"571:53195832\",\"event_count\":4,"
        "\"data_collections\":[{\"data_collection\":\"s.a\",\"event_count\":2},{\"data_collection\":\"s.b\","
        "\"event_count\":1},{\"data_collection\":\"message\",\"event_count\":1}],\"ts_ms\":1580390884335}}";
    struct feed_end out;
    struct err e = {0};
    char *epoch;
    bool found;
    ck_assert(feed_end_read(slice_of(end), (struct slice){NULL, 0}, &found, &out, &epoch, &e));
    ck_assert(found && !epoch && !out.commit);
    ck_assert_uint_eq(out.xid, 571);
    ck_assert_uint_eq(out.end, 53195832);
    ck_assert_uint_eq(out.events, 3); /* a message is none of a table */
    ck_assert(feed_end_read(
        slice_of(end),
        SLICE("{\"epoch\":\"e\",\"commit\":53195800,\"after\":7,\"changes\":5,\"ordinals\":\"2:3\"}"), &found,
        &out, &epoch, &e));
    ck_assert_str_eq(epoch, "e");
    ck_assert_uint_eq(out.commit, 53195800);
    ck_assert_uint_eq(out.after, 7);
    ck_assert_uint_eq(out.changes, 5);
    ck_assert_str_eq(out.ordinals, "2:3");
    free(epoch);
    free(out.ordinals);
    ck_assert(feed_end_read(SLICE("{\"status\":\"BEGIN\",\"id\":\"571:1\"}"), (struct slice){NULL, 0}, &found,
                            &out, &epoch, &e));
    ck_assert(!found);
    ck_assert(!feed_end_read(SLICE("{\"id\":1}"), (struct slice){NULL, 0}, &found, &out, &epoch, &e));
}
END_TEST

SUITE_MAIN("feed_record", an_insert, a_delete_knows_the_key_only, an_unchanged_large_value_is_not_known,
           a_truncate_is_of_the_table_as_it_is_known, a_numeric_of_another_scale_is_another_column,
           what_the_stream_does_not_have_is_passed_over, what_cannot_be_read_says_what_to_set,
           ends_of_transactions)
