/* test_offsets.c - a position survives in Debezium's own words: in a file, in Connect's topic, and across the
 * two. */
#include "offsets.h"

#include "suite.h"
#include "xmalloc.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct offset STREAMING = {.lsn = 356978792,
                                        .lsn_proc = 356978793,
                                        .lsn_commit = 356978794,
                                        .tx_id = 3272,
                                        .ts_usec = 1795250607595742,
                                        .message_type = "COMMIT"};

static struct props *worker;
static struct offsets *store;
static struct err e;
static char directory[] = "/tmp/test-offsets-XXXXXX", path[64], previous[80];

static void setup(void)
{
    worker = props_new();
    store = NULL;
    memset(&e, 0, sizeof e);
    snprintf(directory, sizeof directory, "/tmp/test-offsets-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/offsets.json", directory);
    snprintf(previous, sizeof previous, "%s.previous", path);
}

static void teardown(void)
{
    offsets_close(store);
    props_free(worker);
    unlink(path);
    unlink(previous);
    rmdir(directory);
}

static void file_put(const char *bytes, size_t len)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void store_open(void)
{
    store = offsets_open(worker, &e);
    ck_assert_msg(store != NULL, "%s", e.text);
}

static void store_open_file(void)
{
    props_set(worker, "offset.storage.file.filename", path);
    store_open();
}

static void save(const char *connector, const char *server, const struct offset *offset)
{
    ck_assert_msg(offsets_save(store, connector, server, offset, &e), "%s", e.text);
}

static struct offset load(const char *connector, const char *server)
{
    struct offset out;
    ck_assert_msg(offsets_load(store, connector, server, &out, &e), "%s", e.text);
    return out;
}

static void expect_same(const struct offset *a, const struct offset *b)
{
    ck_assert_uint_eq(a->lsn, b->lsn);
    ck_assert_uint_eq(a->lsn_proc, b->lsn_proc);
    ck_assert_uint_eq(a->lsn_commit, b->lsn_commit);
    ck_assert_int_eq(a->tx_id, b->tx_id);
    ck_assert_int_eq(a->ts_usec, b->ts_usec);
    ck_assert_str_eq(a->message_type, b->message_type);
    ck_assert_str_eq(a->snapshot, b->snapshot);
    ck_assert_int_eq(a->snapshot_completed, b->snapshot_completed);
    ck_assert_int_eq(a->last_snapshot_record, b->last_snapshot_record);
    ck_assert_uint_eq(a->reached, b->reached);
    ck_assert_str_eq(a->system, b->system);
    ck_assert_uint_eq(a->timeline, b->timeline);
}

/* ---- words ---- */

static void expect_json(const struct offset *offset, const char *text)
{
    struct buf b = BUF_EMPTY;
    offset_json(&b, offset);
    ck_assert_str_eq(b.ptr, text);
    buf_free(&b);
}

/* The members that Debezium wrote at these points, seen on Debezium 3.7. */
START_TEST(positions_have_debezium_members)
{
    expect_json(
        &STREAMING,
        "{\"lsn_proc\":356978793,\"messageType\":\"COMMIT\",\"lsn_commit\":356978794,\"lsn\":356978792,"
        "\"txId\":3272,\"ts_usec\":1795250607595742}");
    expect_json(&(struct offset){.lsn = 54792624,
                                 .tx_id = 857,
                                 .ts_usec = 1795252888520824,
                                 .snapshot = "INITIAL",
                                 .last_snapshot_record = true},
                "{\"lsn\":54792624,\"txId\":857,\"ts_usec\":1795252888520824,\"snapshot\":\"INITIAL\","
                "\"snapshot_completed\":false,\"last_snapshot_record\":true}");
    expect_json(&(struct offset){.lsn = 1, .tx_id = -1}, "{\"lsn\":1}");
    expect_json(&(struct offset){.lsn = 1, .tx_id = 7, .counted = true},
                "{\"lsn\":1,\"txId\":7,\"walwire_events\":0}");
}
END_TEST

static const struct {
    const char *json;
    struct offset offset;
} WRITTEN[] = {
    {"{\"lsn_proc\":82631256,\"transaction_id\":\"973\",\"messageType\":\"COMMIT\",\"lsn_commit\":82631256,"
     "\"lsn\":82631256,"
     "\"txId\":973,\"transaction_data_collection_order_x.a\":1,\"ts_usec\":1795253553369255}",
     {.lsn = 82631256,
      .lsn_proc = 82631256,
      .lsn_commit = 82631256,
      .tx_id = 973,
      .ts_usec = 1795253553369255,
      .message_type = "COMMIT"}},
    {"{\"lsn_proc\":54792824,\"lsn_events_processed\":1,\"messageType\":\"INSERT\",\"lsn\":54792824,\"txId\":"
     "858,"
     "\"ts_usec\":1795252893006427}",
     {.lsn = 54792824,
      .lsn_proc = 54792824,
      .tx_id = 858,
      .ts_usec = 1795252893006427,
      .message_type = "INSERT"}},
    {"{\"last_snapshot_record\":true,\"lsn\":54792624,\"txId\":857,\"ts_usec\":1795252888520824,\"snapshot\":"
     "\"INITIAL\","
     "\"snapshot_completed\":true}",
     {.lsn = 54792624,
      .tx_id = 857,
      .ts_usec = 1795252888520824,
      .snapshot = "INITIAL",
      .snapshot_completed = true,
      .last_snapshot_record = true}},
    {"{\"transaction_id\":null,\"lsn\":24023128,\"txId\":null,\"snapshot\":true}",
     {.lsn = 24023128, .tx_id = -1, .snapshot = "INITIAL"}},
    {" { } ", {.tx_id = -1}},
};

/* What Debezium (the last but one: an old one) has written is understood, members of no concern left aside.
 */
START_TEST(debezium_positions_are_read)
{
    struct offset out;
    ck_assert_msg(offset_parse(slice_of(WRITTEN[_i].json), &out, &e), "%s", e.text);
    ck_assert(out.present);
    expect_same(&out, &WRITTEN[_i].offset);
}
END_TEST

static const char *const BROKEN[] = {
    "{\"messageType\": \"\xf4\x85\xaaM\"}",
    "",
    "null",
    "[]",
    "7",
    "{",
    "{\"lsn\":1}}",
    "{\"lsn\":\"16/B374D848\"}",
    "{\"lsn\":-1}",
    "{\"lsn\":1.5}",
    "{\"txId\":true}",
    "{\"messageType\":\"A_TYPE_THAT_NOBODY_KNOWS\"}",
    "{\"walwire_timeline\":4294967296}",
    "{\"walwire_system\":\"a text of more than 23 bytes\"}",
};

/* A position that is not understood is an error, never position zero. */
START_TEST(broken_positions_are_errors)
{
    struct offset out;
    ck_assert(!offset_parse(slice_of(BROKEN[_i]), &out, &e));
    ck_assert_int_eq(e.kind, ERR_DATA);
}
END_TEST

/* ---- file ---- */

/* Which server a position is of: the same number means another place in another one. */
START_TEST(the_server_comes_back)
{
    struct offset here = STREAMING;
    snprintf(here.system, sizeof here.system, "7300000000000000001");
    here.timeline = 4294967295;
    store_open_file();
    save("shop", "shop", &here);
    struct offset back = load("shop", "shop");
    expect_same(&back, &here);
}
END_TEST

/* How far an idle slot was acknowledged: a start that forgot it would find the slot ahead of its position. */
START_TEST(idle_position_comes_back)
{
    store_open_file();
    struct offset idle = STREAMING;
    idle.reached = STREAMING.lsn_commit + 1000;
    save("c", "s", &idle);
    struct offset back = load("c", "s");
    expect_same(&back, &idle);
}
END_TEST

START_TEST(file_keeps_each_connector)
{
    store_open_file();
    ck_assert(!load("a", "shop").present);
    save("a", "shop", &STREAMING);
    struct offset other = STREAMING;
    other.lsn = 99;
    save("b", "shop", &other);
    save("a", "other", &other);
    offsets_close(store);
    store_open();
    struct offset got = load("a", "shop");
    ck_assert(got.present);
    expect_same(&got, &STREAMING);
    ck_assert_uint_eq(load("b", "shop").lsn, 99);
    ck_assert(offsets_delete(store, "b", "shop", &e));
    ck_assert(!load("b", "shop").present);
    ck_assert(load("a", "other").present);
}
END_TEST

/* A name may hold what JSON escapes; the keys are Connect's bytes, so a file can be put into the topic. */
START_TEST(file_has_connect_keys)
{
    store_open_file();
    save("a \"b\"\\c", "shop", &STREAMING);
    char text[400] = {0};
    FILE *f = fopen(path, "r");
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, f), 0);
    fclose(f);
    static const char KEY[] = "\"[\\\"a \\\\\\\"b\\\\\\\"\\\\\\\\c\\\",{\\\"server\\\":\\\"shop\\\"}]\"";
    ck_assert_msg(strstr(text, KEY) != NULL, "%s", text);
    ck_assert(load("a \"b\"\\c", "shop").present);
}
END_TEST

/* The position decides which rows are skipped: it is nobody else's to read or write. */
START_TEST(file_is_private)
{
    store_open_file();
    save("a", "shop", &STREAMING);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

static void expect_refused(const char *said)
{
    store = offsets_open(worker, &e);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, said) != NULL, "%s", e.text);
}

/* A damaged file is not an empty one: going on would take a snapshot nobody asked for. */
START_TEST(damaged_file_is_refused)
{
    props_set(worker, "offset.storage.file.filename", path);
    file_put("{\"[\\\"a\\\"", 8);
    expect_refused("damaged");
    file_put("", 0);
    expect_refused("damaged");
    file_put("\xAC\xED\0\5sr", 6);
    expect_refused("written by Java");
}
END_TEST

START_TEST(link_is_not_followed)
{
    props_set(worker, "offset.storage.file.filename", path);
    ck_assert_int_eq(symlink("/etc/hostname", path), 0);
    expect_refused("symbolic link");
}
END_TEST

START_TEST(missing_directory_is_refused)
{
    props_set(worker, "offset.storage.file.filename", "/nowhere/at/all/offsets.json");
    expect_refused("/nowhere/at/all/offsets.json");
}
END_TEST

START_TEST(the_place_must_be_clear)
{
    expect_refused("offset.storage.file.filename=/");
    props_set(worker, "offset.storage.file.filename", path);
    props_set(worker, "offset.storage.topic", "connect-offsets");
    expect_refused("both");
}
END_TEST

static void *save_often(void *name)
{
    struct err mine = {0};
    bool ok = true;
    for (int i = 0; i < 20; i++)
        ok = ok && offsets_save(store, name, "shop", &STREAMING, &mine);
    return ok ? name : NULL;
}

/* Connectors save at the same time, each from its own thread; none may undo another's. */
START_TEST(threads_do_not_undo_each_other)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    store_open_file();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, save_often, names[i]);
    for (int i = 0; i < 4; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        ck_assert_ptr_nonnull(ok);
    }
    for (int i = 0; i < 4; i++)
        ck_assert(load(names[i], "shop").present);
}
END_TEST

/* ---- topic ---- */

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;

static void setup_kafka(void)
{
    setup();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cluster = rd_kafka_mock_cluster_new(host, 1);
    rd_kafka_mock_topic_create(cluster, "connect-offsets", 25, 1);
    props_set(worker, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster));
}

static void teardown_kafka(void)
{
    teardown();
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

static void topic_keeps_the_newest_body(void)
{
    store_open();
    ck_assert(!load("a", "shop").present);
    struct offset older = STREAMING;
    older.lsn = 5;
    save("a", "shop", &older);
    save("b", "shop", &older);
    save("a", "shop", &STREAMING);
    struct offset got = load("a", "shop");
    expect_same(&got, &STREAMING);
    ck_assert(offsets_delete(store, "a", "shop", &e));
    ck_assert(!load("a", "shop").present);
    ck_assert_uint_eq(load("b", "shop").lsn, 5);
}

START_TEST(topic_keeps_the_newest)
{
    topic_keeps_the_newest_body();
}
END_TEST

static void expect_entries(void *ctx, struct slice partition, struct slice value)
{
    ++*(int *)ctx;
}

/* A connector that is given a topic of its own goes on where the worker's says, writes to its own only, and
 * what is deleted comes back from neither. */
START_TEST(own_topic_comes_before_the_workers)
{
    ck_assert_ptr_null(offsets_own(worker, "connect-offsets"));
    ck_assert_ptr_null(offsets_own(worker, NULL));
    rd_kafka_mock_topic_create(cluster, "own", 3, 1);
    store_open();
    struct offset older = STREAMING;
    older.lsn = 5;
    save("a", "shop", &older);
    struct offsets *workers = store, *own = store = offsets_open_own(worker, offsets_own(worker, "own"), &e);
    ck_assert_uint_eq(load("a", "shop").lsn, 5);
    save("a", "shop", &STREAMING);
    struct offset got = load("a", "shop");
    expect_same(&got, &STREAMING);
    int n = 0;
    ck_assert(offsets_list(own, "a", expect_entries, &n, &e));
    ck_assert_int_eq(n, 1);
    store = workers;
    ck_assert_uint_eq(load("a", "shop").lsn, 5);
    ck_assert(offsets_delete(own, "a", "shop", &e));
    ck_assert(!load("a", "shop").present);
    store = own;
    ck_assert(!load("a", "shop").present);
    offsets_close(workers);
}
END_TEST

/* Where positions are written in Kafka transactions the end of the topic is asked for first. */
START_TEST(committed_positions_are_read)
{
    props_set(worker, "exactly.once.source.support", "enabled");
    topic_keeps_the_newest_body();
}
END_TEST

static rd_kafka_message_t *first_record(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int partition)
{
    ck_assert_ptr_nonnull(rk);
    ck_assert_int_eq(rd_kafka_consume_start(rkt, partition, RD_KAFKA_OFFSET_BEGINNING), 0);
    rd_kafka_message_t *m = rd_kafka_consume(rkt, partition, 10000);
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->err, 0);
    return m;
}

/* Connect 4.3 put this key into partition 24 of 25; it would not find ours anywhere else after a hand-over.
 */
START_TEST(topic_has_connect_key_and_place)
{
    store_open();
    save("dbz_basic_7121896b", "dbz7121896b", &STREAMING);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, "connect-offsets", NULL);
    rd_kafka_message_t *m = first_record(rk, rkt, 24);
    static const char KEY[] = "[\"dbz_basic_7121896b\",{\"server\":\"dbz7121896b\"}]";
    ck_assert_uint_eq(m->key_len, sizeof KEY - 1);
    ck_assert_int_eq(memcmp(m->key, KEY, sizeof KEY - 1), 0);
    rd_kafka_message_destroy(m);
    rd_kafka_consume_stop(rkt, 24);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
}
END_TEST

/* A save that was refused has not happened, and says so; the next one is tried afresh. */
START_TEST(refused_save_is_an_error)
{
    store_open();
    save("a", "shop", &STREAMING);
    rd_kafka_mock_push_request_errors(cluster, 0 /* Produce */, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct offset later = STREAMING;
    later.lsn = 7;
    ck_assert(!offsets_save(store, "a", "shop", &later, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, "connect-offsets") != NULL, "%s", e.text);
    struct offset got = load("a", "shop");
    expect_same(&got, &STREAMING);
    save("a", "shop", &later);
    ck_assert_uint_eq(load("a", "shop").lsn, 7);
}
END_TEST

/* A start without Kafka is possible; only the use fails, and may be tried again. */
START_TEST(kafka_down_is_a_matter_of_trying_again)
{
    props_set(worker, "bootstrap.servers", "127.0.0.1:1");
    store_open();
    struct offset out;
    ck_assert(!offsets_load(store, "a", "shop", &out, &e));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_msg(strstr(e.text, "127.0.0.1:1 is not reachable") != NULL, "%s", e.text);
}
END_TEST

static TCase *cases_file(void)
{
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, positions_have_debezium_members);
    tcase_add_loop_test(tcase, debezium_positions_are_read, 0, sizeof WRITTEN / sizeof *WRITTEN);
    tcase_add_loop_test(tcase, broken_positions_are_errors, 0, sizeof BROKEN / sizeof *BROKEN);
    tcase_add_test(tcase, idle_position_comes_back);
    tcase_add_test(tcase, the_server_comes_back);
    tcase_add_test(tcase, file_keeps_each_connector);
    tcase_add_test(tcase, file_has_connect_keys);
    tcase_add_test(tcase, file_is_private);
    tcase_add_test(tcase, damaged_file_is_refused);
    tcase_add_test(tcase, link_is_not_followed);
    tcase_add_test(tcase, missing_directory_is_refused);
    tcase_add_test(tcase, the_place_must_be_clear);
    tcase_add_test(tcase, threads_do_not_undo_each_other);
    return tcase;
}

static TCase *cases_kafka(void)
{
    TCase *tcase = tcase_create("kafka");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup_kafka, teardown_kafka);
    tcase_add_test(tcase, topic_keeps_the_newest);
    tcase_add_test(tcase, own_topic_comes_before_the_workers);
    tcase_add_test(tcase, committed_positions_are_read);
    tcase_add_test(tcase, topic_has_connect_key_and_place);
    tcase_add_test(tcase, refused_save_is_an_error);
    tcase_add_test(tcase, kafka_down_is_a_matter_of_trying_again);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("offsets");
    suite_add_tcase(suite, cases_file());
    suite_add_tcase(suite, cases_kafka());
    return suite_end(suite);
}
