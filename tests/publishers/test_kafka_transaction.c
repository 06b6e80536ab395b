/* test_kafka_transaction.c - the Kafka sink with transactions, against librdkafka's own mock broker: what is
 * committed has its position, who was fenced off says so, and an answer that is late is waited for. */
#include "kafka_play.h"

#include "clock.h"
#include "ring.h"
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCE_API = 0, INIT_PRODUCER_ID_API = 22, ADD_PARTITIONS_API = 24, END_TXN_API = 26, BROKER = 1 };

static struct mark mark;
static const struct slice KEY = SLICE("[\"shop\",{\"server\":\"shop\"}]"), VALUE = SLICE("{\"lsn\":1}");

static bool sink_try(bool standby)
{
    struct sink_options options = {.worker = worker,
                                   .connector = connector,
                                   .name = "shop",
                                   .wake_fd = wake,
                                   .transactional_id = "connect-cluster-shop-0",
                                   .positions_topic = "connect-offsets",
                                   .standby = standby};
    return (sink = kafka_sink.open(&options, &e)) != NULL;
}

static void sink_open(void)
{
    ck_assert_msg(sink_try(false), "%s", e.text);
}

static void sink_again(void)
{
    kafka_sink.close(sink);
    memset(&e, 0, sizeof e);
    memset(&mark, 0, sizeof mark);
    sink_open();
}

static enum sink_result put(const char *value)
{
    const struct message m = {
        .topic = &topic, .key = SLICE("1"), .value = slice_of(value), .partition = -1, .mark = &mark};
    enum sink_result r;
    while ((r = kafka_sink.put(sink, &m, &e)) == SINK_FULL && kafka_sink.poll(sink, &e))
        poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 100);
    return r;
}

/* As the pipeline does: again while it is not done. */
static enum sink_result commit(int *calls)
{
    enum sink_result r = SINK_FULL;
    int64_t until = clock_mono_ms() + 20000;
    for (*calls = 0; r == SINK_FULL && clock_mono_ms() < until; ++*calls)
        r = kafka_sink.commit(sink, KEY, VALUE, 300, &e);
    return r;
}

/* Reads the messages of a topic's partition that are there, as "key=value "; returns their number. */
static int read_all(const char *name, int partition, char *text, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, name, NULL);
    ck_assert_int_eq(rd_kafka_consume_start(rkt, partition, RD_KAFKA_OFFSET_BEGINNING), 0);
    int n = 0;
    for (bool more = true; more;) {
        rd_kafka_message_t *m = rd_kafka_consume(rkt, partition, 10000);
        ck_assert_ptr_nonnull(m);
        more = !m->err;
        size_t at = strlen(text);
        if (more && ++n)
            snprintf(text + at, size - at, "%.*s=%.*s ", (int)m->key_len, (char *)m->key, (int)m->len,
                     (char *)m->payload);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_consume_stop(rkt, partition);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    return n;
}

/* The position goes where Connect's own producer would have put it: murmur2 of its key. */
START_TEST(a_commit_writes_the_position_behind_the_messages)
{
    int calls;
    char text[1000] = "";
    sink_open();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(put("a"), SINK_OK);
        ck_assert_int_eq(put("b"), SINK_OK);
        ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
        ck_assert_uint_eq(mark.pending, 0);
    }
    int n = 0;
    for (int partition = 0; partition < 4; partition++)
        n += read_all("connect-offsets", partition, text, sizeof text);
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(
        text, "[\"shop\",{\"server\":\"shop\"}]={\"lsn\":1} [\"shop\",{\"server\":\"shop\"}]={\"lsn\":1} ");
}
END_TEST

/* A position may move without a message, while other tables are written to. */
START_TEST(a_position_alone_can_be_committed)
{
    int calls;
    sink_open();
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
}
END_TEST

/* Who was fenced off is told why, writes nothing more, and is not started again by itself. */
START_TEST(another_process_is_named_as_the_reason)
{
    int calls;
    sink_open();
    ck_assert_int_eq(put("a"), SINK_OK);
    rd_kafka_mock_push_request_errors(cluster, END_TXN_API, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    ck_assert_int_eq(commit(&calls), SINK_FAIL);
    ck_assert_msg(e.kind == ERR_CONFIG, "%s: %s", err_kind_name(e.kind), e.text);
    ck_assert_msg(strstr(e.text, "another process runs this connector") &&
                      strstr(e.text, "connect-cluster-shop-0"),
                  "%s", e.text);
    ck_assert_int_eq(put("b"), SINK_FAIL);
    ck_assert(!kafka_sink.poll(sink, &e));
    int64_t start = clock_mono_ms();
    kafka_sink.close(sink);
    sink = NULL;
    ck_assert_int_lt(clock_mono_ms() - start, 3000);
}
END_TEST

/* Also when the producer has noticed by itself, between two calls. */
START_TEST(another_process_is_named_when_it_was_noticed_before)
{
    int calls;
    sink_open();
    rd_kafka_mock_push_request_errors(cluster, ADD_PARTITIONS_API, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    ck_assert_int_eq(put("a"), SINK_OK);
    ck_assert_int_eq(poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 10000), 1);
    ck_assert_int_eq(commit(&calls), SINK_FAIL);
    ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, "another process runs this connector"), "%s: %s",
                  err_kind_name(e.kind), e.text);
}
END_TEST

/* With a standby that is how it goes: it may go on later, when the slot is free again. */
START_TEST(a_standby_that_was_fenced_off_tries_again)
{
    int calls;
    ck_assert_msg(sink_try(true), "%s", e.text);
    ck_assert_int_eq(put("a"), SINK_OK);
    rd_kafka_mock_push_request_errors(cluster, END_TXN_API, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    ck_assert_int_eq(commit(&calls), SINK_FAIL);
    ck_assert_msg(e.kind == ERR_RETRY && strstr(e.text, "another process has taken over"), "%s: %s",
                  err_kind_name(e.kind), e.text);
    ck_assert_int_eq(put("b"), SINK_FAIL);
}
END_TEST

/* Kafka ends a transaction that is open for too long in the same way; that is no other process. */
START_TEST(a_transaction_that_took_too_long_is_tried_again)
{
    int calls;
    props_set(connector, "producer.override.transaction.timeout.ms", "1000");
    sink_open();
    ck_assert_int_eq(put("a"), SINK_OK);
    for (int64_t until = clock_mono_ms() + 1000; clock_mono_ms() < until;) { /* so long it is open */
        poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 100);
        ck_assert(kafka_sink.poll(sink, &e));
    }
    rd_kafka_mock_push_request_errors(cluster, END_TXN_API, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    ck_assert_int_eq(commit(&calls), SINK_FAIL);
    ck_assert_msg(e.kind == ERR_RETRY, "%s: %s", err_kind_name(e.kind), e.text);
    sink_again();
    ck_assert_int_eq(put("a"), SINK_OK);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
}
END_TEST

/* The pipeline looks after a wish to stop meanwhile: the same commit goes on at the next call. */
START_TEST(a_late_answer_is_waited_for)
{
    int calls;
    sink_open();
    ck_assert_int_eq(put("a"), SINK_OK);
    ck_assert(kafka_sink.flush(sink, 10000, &e));
    rd_kafka_mock_broker_push_request_error_rtts(cluster, BROKER, END_TXN_API, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 1500);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
    ck_assert_int_gt(calls, 1);
    ck_assert_int_eq(put("b"), SINK_OK);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
}
END_TEST

/* A refused message ends the transaction and the producer; a new one begins where the position says. */
START_TEST(a_refused_message_ends_the_transaction)
{
    int calls;
    sink_open();
    ck_assert_int_eq(put("before"), SINK_OK);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(put("lost"), SINK_OK);
    ck_assert_int_eq(commit(&calls), SINK_FAIL);
    ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, "grant Write"), "%s: %s", err_kind_name(e.kind),
                  e.text);
    sink_again();
    ck_assert_int_eq(put("lost"), SINK_OK);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
}
END_TEST

static const struct {
    rd_kafka_resp_err_t code;
    const char *said;
} REFUSALS[] = {
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "grant Write and Describe"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, "transaction.max.timeout.ms"},
};

START_TEST(what_the_broker_refuses_is_named)
{
    rd_kafka_mock_push_request_errors(cluster, INIT_PRODUCER_ID_API, 1, REFUSALS[_i].code);
    ck_assert(!sink_try(false));
    ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, REFUSALS[_i].said), "%s: %s", err_kind_name(e.kind),
                  e.text);
}
END_TEST

/* Positions are in the worker's cluster: a transaction cannot reach into two. */
START_TEST(other_brokers_are_refused)
{
    props_set(connector, "producer.override.bootstrap.servers", "127.0.0.1:1");
    ck_assert(!sink_try(false));
    ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, "one Kafka cluster"), "%s", e.text);
}
END_TEST

/* Connect overrides it too, with a warning. */
START_TEST(idempotence_cannot_be_switched_off)
{
    int calls;
    props_set(connector, "producer.override.enable.idempotence", "false");
    sink_open();
    ck_assert_int_eq(put("a"), SINK_OK);
    ck_assert_msg(commit(&calls) == SINK_OK, "%s", e.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_transaction");
    TCase *tcase = tcase_create("kafka_transaction");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, kafka_play_begin, kafka_play_end);
    tcase_add_test(tcase, a_commit_writes_the_position_behind_the_messages);
    tcase_add_test(tcase, a_position_alone_can_be_committed);
    tcase_add_test(tcase, another_process_is_named_as_the_reason);
    tcase_add_test(tcase, another_process_is_named_when_it_was_noticed_before);
    tcase_add_test(tcase, a_standby_that_was_fenced_off_tries_again);
    tcase_add_test(tcase, a_transaction_that_took_too_long_is_tried_again);
    tcase_add_test(tcase, a_late_answer_is_waited_for);
    tcase_add_test(tcase, a_refused_message_ends_the_transaction);
    tcase_add_loop_test(tcase, what_the_broker_refuses_is_named, 0, sizeof REFUSALS / sizeof *REFUSALS);
    tcase_add_test(tcase, other_brokers_are_refused);
    tcase_add_test(tcase, idempotence_cannot_be_switched_off);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
