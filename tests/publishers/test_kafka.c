/* test_kafka.c - the Kafka sink against librdkafka's own mock broker: what is acknowledged is there, what is
 * not is not acknowledged. */
#include "kafka_play.h"

#include "clock.h"
#include "ring.h"
#include "suite.h"
#include "xmalloc.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PRODUCE_API = 0 };

static struct mark mark;

static struct sink *sink_try(void)
{
    static const struct header CONTEXT[] = {
        {{"__debezium.context.connectorName", 32}, {"postgresql", 10}},
        {{"__debezium.context.taskId", 25}, {"0", 1}},
    };
    struct sink_options options = {.worker = worker,
                                   .connector = connector,
                                   .name = "shop",
                                   .context = CONTEXT,
                                   .n_context = 2,
                                   .wake_fd = wake};
    return sink = kafka_sink.open(&options, &e);
}

static void sink_open(void)
{
    ck_assert_msg(sink_try() != NULL, "%s", e.text);
}

static struct message message_of(const char *key, const char *value)
{
    return (struct message){
        .topic = &topic, .key = slice_of(key), .value = slice_of(value), .partition = -1, .mark = &mark};
}

/* While the sink is full: sleeps until it has something to tell, polls, puts again, as the pipeline does. */
static enum sink_result put(const struct message *m)
{
    enum sink_result result;
    while ((result = kafka_sink.put(sink, m, &e)) == SINK_FULL) {
        poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 5000);
        wake_clear(wake);
        if (!kafka_sink.poll(sink, &e))
            return SINK_FAIL;
    }
    return result;
}

static void put_text(const char *key, const char *value)
{
    struct message m = message_of(key, value);
    ck_assert_msg(put(&m) == SINK_OK, "%s", e.text);
}

static void flush(void)
{
    ck_assert_msg(kafka_sink.flush(sink, 10000, &e), "%s", e.text);
}

/* Waits until poll tells of a lost message. */
static void poll_until_failed(void)
{
    int64_t deadline = clock_mono_ms() + 10000;
    while (kafka_sink.poll(sink, &e)) {
        ck_assert_int_lt(clock_mono_ms(), deadline);
        poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 1000);
        wake_clear(wake);
    }
}

struct reader {
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
};

static struct reader reader_open(int partition)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    struct reader r = {.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0)};
    r.rkt = rd_kafka_topic_new(r.rk, topic.name, NULL);
    ck_assert_int_eq(rd_kafka_consume_start(r.rkt, partition, RD_KAFKA_OFFSET_BEGINNING), 0);
    return r;
}

static rd_kafka_message_t *reader_next(struct reader *r, int partition)
{
    rd_kafka_message_t *m = rd_kafka_consume(r->rkt, partition, 10000);
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->err, 0);
    return m;
}

static void reader_close(struct reader *r, int partition)
{
    rd_kafka_consume_stop(r->rkt, partition);
    rd_kafka_topic_destroy(r->rkt);
    rd_kafka_destroy(r->rk);
}

static void expect_bytes(const void *bytes, size_t len, const char *text)
{
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_int_eq(memcmp(bytes, text, len), 0);
}

static void expect_header(rd_kafka_message_t *m, size_t i, const char *name, const char *value)
{
    rd_kafka_headers_t *headers;
    const char *found;
    const void *bytes;
    size_t len;
    ck_assert_int_eq(rd_kafka_message_headers(m, &headers), 0);
    ck_assert_int_eq(rd_kafka_header_get_all(headers, i, &found, &bytes, &len), 0);
    ck_assert_str_eq(found, name);
    expect_bytes(bytes, len, value);
}

/* A change and its tombstone arrive as they were given: key, value or none, own headers before the
 * connector's. */
START_TEST(messages_arrive_whole_and_in_order)
{
    static const struct header OWN = {{"__debezium.newkey", 17}, {"{\"id\":2}", 8}};
    sink_open();
    struct message m = message_of("4", "{\"op\":\"d\"}");
    m.headers = &OWN;
    m.n_headers = 1;
    m.context = true;
    ck_assert_int_eq(put(&m), SINK_OK);
    m = message_of("4", NULL);
    m.context = true;
    ck_assert_int_eq(put(&m), SINK_OK);
    put_text("4", "{\"op\":\"c\"}");
    flush();
    ck_assert_uint_eq(mark.pending, 0);

    struct reader r = reader_open(1); /* murmur2("4") = 0x5a4b5ca1, four partitions */
    rd_kafka_message_t *got = reader_next(&r, 1);
    expect_bytes(got->key, got->key_len, "4");
    expect_bytes(got->payload, got->len, "{\"op\":\"d\"}");
    expect_header(got, 0, "__debezium.newkey", "{\"id\":2}");
    expect_header(got, 1, "__debezium.context.connectorName", "postgresql");
    expect_header(got, 2, "__debezium.context.taskId", "0");
    rd_kafka_message_destroy(got);
    got = reader_next(&r, 1);
    ck_assert_ptr_null(got->payload);
    expect_header(got, 0, "__debezium.context.connectorName", "postgresql");
    rd_kafka_message_destroy(got);
    got = reader_next(&r, 1);
    rd_kafka_headers_t *none;
    ck_assert_int_eq(rd_kafka_message_headers(got, &none), RD_KAFKA_RESP_ERR__NOENT);
    rd_kafka_message_destroy(got);
    reader_close(&r, 1);
}
END_TEST

static const struct {
    const char *key;
    int partition;
} PLACES[] = {{"kafka", 0}, {"4", 1}, {"234", 2}}; /* murmur2: 0xd067cf64, 0x5a4b5ca1, 0xe7c009ca */

/* Keys lie where Java's producer would have put them, so a table keeps its order through a change of engines.
 */
START_TEST(keys_are_placed_as_by_java)
{
    sink_open();
    put_text(PLACES[_i].key, "x");
    flush();
    struct reader r = reader_open(PLACES[_i].partition);
    rd_kafka_message_t *got = reader_next(&r, PLACES[_i].partition);
    expect_bytes(got->key, got->key_len, PLACES[_i].key);
    rd_kafka_message_destroy(got);
    reader_close(&r, PLACES[_i].partition);
}
END_TEST

/* The pipeline sleeps on the wake descriptor: a report must end that sleep. */
START_TEST(a_report_wakes_the_pipeline)
{
    sink_open();
    wake_clear(wake);
    put_text("1", "x");
    ck_assert_uint_eq(mark.pending, 1);
    int64_t deadline = clock_mono_ms() + 10000;
    while (mark.pending && clock_mono_ms() < deadline) {
        ck_assert_int_eq(poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 5000), 1);
        wake_clear(wake);
        ck_assert(kafka_sink.poll(sink, &e));
    }
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

/* A full buffer is no loss: the message is not taken, and the same call succeeds once reports have come. */
START_TEST(a_full_buffer_asks_for_patience)
{
    props_set(connector, "producer.override.queue.buffering.max.messages", "3");
    sink_open();
    for (int i = 0; i < 3; i++)
        put_text("1", "x");
    struct message m = message_of("1", "y");
    m.context = true;
    ck_assert_int_eq(kafka_sink.put(sink, &m, &e), SINK_FULL);
    ck_assert_uint_eq(mark.pending, 3);
    ck_assert_int_eq(put(&m), SINK_OK);
    flush();
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

/* The error tells which row, how large, which limit and which option; the key is cut. */
START_TEST(a_message_over_the_limit_is_named)
{
    props_set(connector, "producer.override.max.request.size", "2000");
    sink_open();
    char *value = xcalloc(1, 3001), key[201] = {0};
    memset(value, 'v', 3000);
    memset(key, 'k', 200);
    struct message m = message_of(key, value);
    ck_assert_int_eq(kafka_sink.put(sink, &m, &e), SINK_TOO_LARGE);
    ck_assert_int_eq(e.kind, ERR_DATA);
    struct refusal why;
    kafka_sink.refusal(sink, &why);
    ck_assert(why.size >= 3200 && why.size < 3400 && why.limit == 2000);
    static const char *const PARTS[] = {"shop.public.orders", "max.request.size=2000", "k..."};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        ck_assert_msg(strstr(e.text, PARTS[i]) != NULL, "%s", e.text);
    ck_assert_ptr_null(strstr(e.text, "vvv"));
    key[81] = 0;
    ck_assert_ptr_null(strstr(e.text, key));
    ck_assert_uint_eq(mark.pending, 0);
    free(value);
}
END_TEST

static const struct {
    rd_kafka_resp_err_t code;
    enum err_kind kind;
    const char *said;
} LOSSES[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_CONFIG, "grant Write"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, ERR_CONFIG, "cleanup.policy=compact"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_CONFIG, "max.message.bytes"},
};

/* A refused message stays pending for ever, so its position can never be acknowledged, and the sink takes no
 * more. */
START_TEST(a_refused_message_stops_the_sink)
{
    sink_open();
    put_text("1", "before");
    flush();
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, LOSSES[_i].code);
    put_text("1", "lost");
    poll_until_failed();
    ck_assert_msg(e.kind == LOSSES[_i].kind && strstr(e.text, LOSSES[_i].said), "%s: %s",
                  err_kind_name(e.kind), e.text);
    ck_assert_ptr_nonnull(strstr(e.text, "shop.public.orders"));
    ck_assert_uint_eq(mark.pending, 1);
    struct message m = message_of("1", "after");
    ck_assert_int_eq(kafka_sink.put(sink, &m, &e), SINK_FAIL);
    ck_assert(!kafka_sink.flush(sink, 1000, &e));
    ck_assert_uint_eq(mark.pending, 1);
}
END_TEST

/* When the idempotent producer gives up, a new one started from the checkpoint mends it: no operator is
 * needed. */
START_TEST(a_broken_sequence_means_start_again)
{
    sink_open();
    put_text("1", "before");
    flush();
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    put_text("1", "lost");
    poll_until_failed();
    ck_assert_msg(e.kind == ERR_RETRY, "%s: %s", err_kind_name(e.kind), e.text);
    kafka_sink.close(sink);
    ck_assert_ptr_null(topic.handle);
    memset(&mark, 0, sizeof mark);
    sink_open();
    put_text("1", "lost");
    flush();
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

/* Passing trouble of the broker is not seen above the sink. */
START_TEST(passing_errors_are_retried_inside)
{
    sink_open();
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    put_text("1", "x");
    flush();
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

/* One line says where Kafka was looked for and what to do; it is a matter of trying again. */
START_TEST(kafka_down_at_the_start_is_one_clear_error)
{
    props_set(worker, "bootstrap.servers", "127.0.0.1:1");
    int64_t start = clock_mono_ms();
    ck_assert_ptr_null(sink_try());
    ck_assert_int_lt(clock_mono_ms() - start, 8000);
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_msg(strstr(e.text, "Kafka at 127.0.0.1:1 is not reachable") &&
                      strstr(e.text, "Connection refused") && strstr(e.text, "bootstrap.servers"),
                  "%s", e.text);
}
END_TEST

/* An outage leaves messages pending; flush says so in time, and closing does not wait for the broker. */
START_TEST(an_outage_keeps_messages_pending_and_closing_quick)
{
    sink_open();
    put_text("1", "before");
    flush();
    rd_kafka_mock_broker_set_down(cluster, 1);
    put_text("1", "during");
    ck_assert(!kafka_sink.flush(sink, 300, &e));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_uint_eq(mark.pending, 1);
    int64_t start = clock_mono_ms();
    kafka_sink.close(sink);
    sink = NULL;
    ck_assert_int_lt(clock_mono_ms() - start, 3000);
    ck_assert_uint_eq(mark.pending, 1);
    ck_assert_ptr_null(topic.handle);
}
END_TEST

START_TEST(messages_wait_through_an_outage)
{
    sink_open();
    rd_kafka_mock_broker_set_down(cluster, 1);
    put_text("1", "during");
    ck_assert(!kafka_sink.flush(sink, 300, &e));
    rd_kafka_mock_broker_set_up(cluster, 1);
    flush();
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

/* A request that the broker refused while the one behind it was taken: a broker that does not know the
 * producer yet takes any number first. librdkafka calls both delivered; the first one is not. */
START_TEST(what_is_only_implied_is_not_delivered)
{
    props_set(worker, "producer.batch.num.messages", "1");
    sink_open();
    put_text("k", "warm");
    flush();
    rd_kafka_mock_broker_set_rtt(cluster, 1, 200);
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    put_text("k", "one");
    put_text("k", "two");
    poll_until_failed();
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(e.text, "may not have been written"));
    ck_assert_uint_gt(mark.pending, 0);
}
END_TEST

/* With topic.creation.* the first message of a topic is not taken before the answer, but nothing waits inside
 * put. The mock cannot create topics: the answer never comes, and closing does not wait for it either. */
START_TEST(asking_for_a_topic_does_not_block)
{
    props_set(connector, "topic.creation.default.partitions", "3");
    props_set(connector, "topic.creation.default.replication.factor", "1");
    sink_open();
    int64_t start = clock_mono_ms();
    struct message m = message_of("1", "x");
    ck_assert_int_eq(kafka_sink.put(sink, &m, &e), SINK_FULL);
    ck_assert(kafka_sink.poll(sink, &e));
    ck_assert_int_eq(kafka_sink.put(sink, &m, &e), SINK_FULL);
    kafka_sink.close(sink);
    sink = NULL;
    ck_assert_int_lt(clock_mono_ms() - start, 3000);
    ck_assert_uint_eq(mark.pending, 0);
    ck_assert_ptr_null(topic.handle);
}
END_TEST

/* A topic may go while its messages are on their way. */
START_TEST(a_forgotten_topic_can_be_freed)
{
    struct topic *gone = xcalloc(1, sizeof *gone);
    gone->name = xstrdup("shop.public.gone");
    sink_open();
    struct message m = message_of("1", "x");
    m.topic = gone;
    ck_assert_int_eq(put(&m), SINK_OK);
    kafka_sink.forget(sink, gone);
    free(gone->name);
    free(gone);
    flush();
    ck_assert_uint_eq(mark.pending, 0);
}
END_TEST

static TCase *cases(void)
{
    TCase *tcase = tcase_create("kafka");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, kafka_play_begin, kafka_play_end);
    tcase_add_test(tcase, messages_arrive_whole_and_in_order);
    tcase_add_loop_test(tcase, keys_are_placed_as_by_java, 0, sizeof PLACES / sizeof *PLACES);
    tcase_add_test(tcase, a_report_wakes_the_pipeline);
    tcase_add_test(tcase, a_full_buffer_asks_for_patience);
    tcase_add_test(tcase, a_message_over_the_limit_is_named);
    tcase_add_loop_test(tcase, a_refused_message_stops_the_sink, 0, sizeof LOSSES / sizeof *LOSSES);
    tcase_add_test(tcase, a_broken_sequence_means_start_again);
    tcase_add_test(tcase, passing_errors_are_retried_inside);
    tcase_add_test(tcase, kafka_down_at_the_start_is_one_clear_error);
    tcase_add_test(tcase, an_outage_keeps_messages_pending_and_closing_quick);
    tcase_add_test(tcase, messages_wait_through_an_outage);
    tcase_add_test(tcase, what_is_only_implied_is_not_delivered);
    tcase_add_test(tcase, asking_for_a_topic_does_not_block);
    tcase_add_test(tcase, a_forgotten_topic_can_be_freed);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("kafka");
    suite_add_tcase(suite, cases());
    return suite_end(suite);
}
