/* test_kafka_size.c - sizes as a broker measures them, and what refusals teach the next producer. */
#include "kafka_size.h"

#include "clock.h"
#include "kafka_play.h"
#include "suite.h"
#include "xmalloc.h"

#include <stdio.h>

enum { PRODUCE_API = 0, WAIT_MS = 10000 };

static struct mark mark;

/* librdkafka tells in its statistics how large the batches were that it sent. */
static int on_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    const char *at = strstr(json, "\"batchsize\":");
    const char *most = at ? strstr(at, "\"max\":") : NULL;
    if (most && strtoull(most + 6, NULL, 10))
        *(size_t *)opaque = strtoull(most + 6, NULL, 10);
    return 0;
}

static size_t size_as_sent(size_t key_len, size_t value_len, rd_kafka_headers_t *headers)
{
    size_t found = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    rd_kafka_conf_set(conf, "statistics.interval.ms", "50", NULL, 0);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    rd_kafka_conf_set_opaque(conf, &found);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    char *bytes = xcalloc(1, key_len + value_len + 1);
    ck_assert_int_eq(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic.name),
                                       RD_KAFKA_V_KEY(key_len ? bytes : NULL, key_len),
                                       RD_KAFKA_V_VALUE(bytes, value_len), RD_KAFKA_V_HEADERS(headers),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     0);
    for (int64_t end = clock_mono_ms() + WAIT_MS; !found && clock_mono_ms() < end;)
        rd_kafka_poll(rk, 100);
    free(bytes);
    rd_kafka_destroy(rk);
    return found;
}

static rd_kafka_headers_t *some_headers(void)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "__debezium.newkey", -1, "{\"id\":1}", 8);
    rd_kafka_header_add(headers, "empty", -1, NULL, 0);
    return headers;
}

START_TEST(the_size_is_what_is_sent)
{
    static const struct {
        size_t key, value;
        bool headers;
    } messages[] = {{0, 1, false}, {10, 100, false}, {100, 8000, true}, {3, 20000, false}};
    kafka_play_begin();
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        rd_kafka_headers_t *headers = messages[i].headers ? some_headers() : NULL;
        ssize_t key = messages[i].key ? (ssize_t)messages[i].key : -1;
        size_t told = kafka_size(key, (ssize_t)messages[i].value, headers);
        ck_assert_uint_eq(told, size_as_sent(messages[i].key, messages[i].value, headers));
    }
    kafka_play_end();
}
END_TEST

START_TEST(what_is_learned_is_kept_and_only_gets_smaller)
{
    struct limits *l = limits_new();
    ck_assert_uint_eq(limits_of(NULL, "a").batch + limits_of(l, "a").batch + limits_batch(l), 0);
    ck_assert(limits_learn(l, "a", (struct limit){.batch = 20000}));
    ck_assert(!limits_learn(l, "a", (struct limit){.batch = 20000}));
    ck_assert(limits_learn(l, "a", (struct limit){.message = 70000}));
    ck_assert(limits_learn(l, "a", (struct limit){.message = 60000}));
    ck_assert(!limits_learn(l, "a", (struct limit){.message = 65000}));
    ck_assert(limits_learn(l, "b", (struct limit){.batch = 30000}));
    ck_assert_uint_eq(limits_of(l, "a").batch, 20000);
    ck_assert_uint_eq(limits_of(l, "a").message, 60000);
    ck_assert_uint_eq(limits_batch(l), 20000);
    /* A batch is compressed before it is measured, so that then only what was refused counts. */
    ck_assert_uint_eq(kafka_size_most(limits_of(l, "a"), true), 59999);
    ck_assert_uint_eq(kafka_size_most(limits_of(l, "a"), false), 20000);
    ck_assert_uint_eq(kafka_size_most(limits_of(l, "b"), true), 0);
    ck_assert_uint_eq(kafka_size_most(limits_of(l, "c"), false), 0);
    limits_free(l);
}
END_TEST

static struct sink *sink_open(struct limits *limits)
{
    struct sink_options options = {
        .worker = worker, .connector = connector, .name = "shop", .wake_fd = -1, .limits = limits};
    struct sink *s = kafka_sink.open(&options, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    return s;
}

static enum sink_result put(struct sink *s, size_t n)
{
    char *value = xcalloc(1, n + 1);
    memset(value, 'v', n);
    const struct message m = {
        .topic = &topic, .key = SLICE("7"), .value = {value, n}, .partition = -1, .mark = &mark};
    enum sink_result r = kafka_sink.put(s, &m, &e);
    free(value);
    return r;
}

static struct limits *settings_make(void)
{
    props_set(connector, "producer.override.compression.type", "gzip");
    struct limits *l = limits_new();
    limits_learn(l, topic.name, (struct limit){.batch = 5000});
    return l;
}

/* The first refusal of a message that is larger than the limit known teaches the size, the second one
 * nothing. */
START_TEST(a_refusal_is_not_tried_for_ever)
{
    kafka_play_begin();
    struct limits *l = settings_make();
    static const enum err_kind kinds[] = {ERR_RETRY, ERR_NONE};
    for (size_t i = 0; i < 2; i++) {
        struct sink *s = sink_open(l);
        if (i == 0)
            rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        enum sink_result r = put(s, 6000);
        ck_assert_int_eq(r, i == 0 ? SINK_OK : SINK_TOO_LARGE);
        ck_assert(i == 1 || !kafka_sink.flush(s, WAIT_MS, &e));
        ck_assert_msg(i == 1 || e.kind == kinds[i], "%s", e.text);
        if (i == 1) {
            struct refusal why;
            kafka_sink.refusal(s, &why);
            ck_assert(why.size > 6000 && why.limit < why.size && why.told == 5000);
            ck_assert(strstr(e.text, "max.message.bytes=5000") && strstr(e.text, "key 7 ") &&
                      !strstr(e.text, "vvv"));
            ck_assert_int_eq(put(s, 5500), SINK_OK);
        }
        kafka_sink.close(s);
        topic.handle = NULL;
    }
    limits_free(l);
    kafka_play_end();
}
END_TEST

/* A topic that takes less than was learned: its messages are not too large for it one by one, and none of
 * their size may be left out from then on. */
START_TEST(a_message_within_the_limit_is_never_too_large)
{
    kafka_play_begin();
    struct limits *l = settings_make();
    struct sink *s = sink_open(l);
    rd_kafka_mock_push_request_errors(cluster, PRODUCE_API, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    ck_assert_int_eq(put(s, 2000), SINK_OK);
    ck_assert(!kafka_sink.flush(s, WAIT_MS, &e));
    ck_assert_msg(e.kind == ERR_CONFIG && strstr(e.text, topic.name), "%s", e.text);
    ck_assert_uint_eq(limits_of(l, topic.name).message, 0);
    kafka_sink.close(s);
    topic.handle = NULL;
    memset(&e, 0, sizeof e);
    s = sink_open(l);
    ck_assert_int_eq(put(s, 2000), SINK_OK);
    ck_assert_msg(kafka_sink.flush(s, WAIT_MS, &e), "%s", e.text);
    kafka_sink.close(s);
    topic.handle = NULL;
    limits_free(l);
    kafka_play_end();
}
END_TEST

/* The message at hand is told by its key, which is cut between its characters. */
START_TEST(a_long_key_is_cut_between_characters)
{
    char key[200];
    memset(key, 'k', 79);
    for (size_t i = 79; i + 3 < sizeof key; i += 3)
        memcpy(key + i, "\xE2\x82\xAC", 3);
    const struct message m = {.topic = &topic, .key = {key, 79 + 3 * 40}};
    const struct refusal r = {.size = 10, .limit = 5, .limit_name = "x", .advice = "raise it"};
    memset(&e, 0, sizeof e);
    ck_assert(!refusal_set(&r, &m, &e));
    ck_assert_msg(strstr(e.text, "kkk... has 10 bytes"), "%s", e.text);
}
END_TEST

SUITE_MAIN("kafka_size", the_size_is_what_is_sent, what_is_learned_is_kept_and_only_gets_smaller,
           a_refusal_is_not_tried_for_ever, a_message_within_the_limit_is_never_too_large,
           a_long_key_is_cut_between_characters)
