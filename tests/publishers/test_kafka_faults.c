/* test_kafka_faults.c - the Kafka sink while librdkafka's mock broker answers with errors, at the first,
 * second or third request: nothing counts as delivered that is not there, and the order is kept. */
#include "kafka_play.h"

#include "clock.h"
#include "ring.h"
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCE_API = 0, MESSAGES = 5, PLACES = 3 };

static struct mark marks[MESSAGES];

static void begin(void)
{
    kafka_play_begin();
    props_set(worker, "producer.retry.backoff.ms", "10");
}

static void sink_open(void)
{
    struct sink_options options = {.worker = worker, .connector = connector, .name = "shop", .wake_fd = wake};
    sink = kafka_sink.open(&options, &e);
    ck_assert_msg(sink != NULL, "%s", e.text);
}

static bool put(int i)
{
    char value[2] = {(char)('a' + i), 0};
    const struct message m = {
        .topic = &topic, .key = SLICE("1"), .value = slice_of(value), .partition = -1, .mark = &marks[i]};
    return kafka_sink.put(sink, &m, &e) == SINK_OK;
}

/* Until the mark has its report, or the sink has failed, which is the answer. */
static bool settled(int i)
{
    int64_t deadline = clock_mono_ms() + 20000;
    while (marks[i].pending && kafka_sink.poll(sink, &e)) {
        ck_assert_int_lt(clock_mono_ms(), deadline);
        poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 100);
        wake_clear(wake);
    }
    return !marks[i].pending;
}

/* What the topic's partition of key 1 holds, a letter a record. */
static void contents(char *out, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic.name, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    const struct rd_kafka_metadata *leaders; /* not to be asked for again after half a second */
    ck_assert_int_eq(rd_kafka_metadata(rk, 0, rkt, &leaders, 5000), 0);
    rd_kafka_metadata_destroy(leaders);
    for (int p = 0; p < 4; p++)
        ck_assert_int_eq(rd_kafka_consume_start_queue(rkt, p, RD_KAFKA_OFFSET_BEGINNING, queue), 0);
    size_t n = 0;
    for (int ends = 0; ends < 4;) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(queue, 10000);
        ck_assert_ptr_nonnull(m);
        ends += m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!m->err && n + 1 < size)
            out[n++] = *(const char *)m->payload;
        rd_kafka_message_destroy(m);
    }
    out[n] = 0;
    for (int p = 0; p < 4; p++)
        rd_kafka_consume_stop(rkt, p);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
}

/* One message a request; the request at `place` is answered with the error, `times` times. */
static bool send_all(rd_kafka_resp_err_t code, int place, int times)
{
    for (int i = 0; i < MESSAGES; i++) {
        for (int n = 0; i == place && n < times; n++)
            rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, code);
        if (!put(i) || !settled(i))
            return false;
    }
    return true;
}

static const rd_kafka_resp_err_t PASSING[] = {
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
};

/* Trouble that passes changes neither the order nor the number, and is not seen above the sink. */
START_TEST(passing_errors_change_nothing)
{
    rd_kafka_resp_err_t code = PASSING[_i];
    char got[MESSAGES * 2];
    sink_open();
    ck_assert_msg(send_all(code, _i % PLACES, 2), "%s: %s", rd_kafka_err2name(code), e.text);
    contents(got, sizeof got);
    ck_assert_msg(strcmp(got, "abcde") == 0, "%s: %s", rd_kafka_err2name(code), got);
}
END_TEST

static const rd_kafka_resp_err_t FATAL[] = {
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,           RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,         RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, RD_KAFKA_RESP_ERR_INVALID_MSG,
};

/* What the producer cannot mend stops the sink: the message stays pending and none after it is taken, so that
 * no position behind it is acknowledged. What librdkafka does mend is there in order. A new sink, as a
 * restart makes it, delivers from there on. */
START_TEST(nothing_counts_as_delivered_after_a_fatal_error)
{
    rd_kafka_resp_err_t code = FATAL[_i];
    int place = _i % PLACES;
    char got[MESSAGES * 3];
    sink_open();
    bool mended = send_all(code, place, 1);
    contents(got, sizeof got);
    if (mended) {
        ck_assert_msg(strcmp(got, "abcde") == 0, "%s: %s", rd_kafka_err2name(code), got);
        return;
    }
    ck_assert_msg(e.kind == ERR_RETRY, "%s: %s", rd_kafka_err2name(code), e.text);
    ck_assert_uint_eq(marks[place].pending, 1);
    ck_assert_int_eq((int)strlen(got), place);
    ck_assert(!put(MESSAGES - 1));
    kafka_sink.close(sink);
    memset(marks, 0, sizeof marks);
    memset(&e, 0, sizeof e);
    sink_open();
    for (int i = place; i < MESSAGES; i++)
        ck_assert_msg(put(i) && settled(i), "%s: %s", rd_kafka_err2name(code), e.text);
    contents(got, sizeof got);
    ck_assert_msg(strcmp(got, "abcde") == 0, "%s: %s", rd_kafka_err2name(code), got);
}
END_TEST

static TCase *group(const char *name, const TTest *test, int count)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, begin, kafka_play_end);
    tcase_add_loop_test(tcase, test, 0, count);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("kafka faults");
    suite_add_tcase(suite,
                    group("passing", passing_errors_change_nothing, (int)(sizeof PASSING / sizeof *PASSING)));
    suite_add_tcase(suite, group("fatal", nothing_counts_as_delivered_after_a_fatal_error,
                                 (int)(sizeof FATAL / sizeof *FATAL)));
    return suite_end(suite);
}
