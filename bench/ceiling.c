/* ceiling.c - the most that any engine could reach here: one slot drained by libpq, with nothing decoded.
 *
 *   ceiling CONNINFO SLOT PUBLICATION ROWS [OPTION ...]
 *
 * With --topic it also produces, for each inserted row, a message of --value bytes (the row as it came, then
 * filler) under a key of --key bytes. The slot is not advanced, so a run can be repeated. Prints one line of
 * JSON. */
#include "clock.h"
#include "xmalloc.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROW_AT 25 /* where the plugin's message begins in a frame 'w' */

static const char help[] =
    "Usage: ceiling CONNINFO SLOT PUBLICATION ROWS [OPTION ...]\n\n"
    "  --nap US         pause when nothing is there, so that more comes at once (100)\n"
    "  --broker HOSTS   Kafka\n"
    "  --topic NAME     produce a message for each row\n"
    "  --value BYTES    its size (600)\n"
    "  --key BYTES      the size of its key (20)\n"
    "  --headers        with four headers, as Debezium's\n"
    "  -X NAME=VALUE    a setting of librdkafka\n";

struct ceiling {
    const char *broker, *topic_name;
    int nap_us, value_bytes, key_bytes;
    bool with_headers;
    PGconn *conn;
    rd_kafka_conf_t *conf;
    rd_kafka_t *kafka;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *reports;
    rd_kafka_headers_t *headers; /* copied into each message */
    char *key, *value;
    long rows, delivered, waits;
};

/* As walwire's presets (publishers/kafka_settings.c), so that the producer makes no difference. */
static const char *const settings[][2] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"compression.type", "lz4"},
    {"linger.ms", "1"},
    {"batch.size", "1000000"},
    {"batch.num.messages", "100000"},
    {"queue.buffering.max.messages", "12000"},
    {"queue.buffering.max.kbytes", "16384"},
};

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ceiling: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---- producing ---- */

static void set(struct ceiling *c, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(c->conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail("%s", why);
}

static rd_kafka_headers_t *make_headers(void)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "__debezium.context.header%d", i);
        rd_kafka_header_add(headers, name, -1, "0123456789abcdef", 16);
    }
    return headers;
}

static void open_kafka(struct ceiling *c)
{
    char why[256];
    set(c, "bootstrap.servers", c->broker);
    rd_kafka_conf_set_events(c->conf, RD_KAFKA_EVENT_DR);
    c->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, c->conf, why, sizeof why);
    if (!c->kafka)
        fail("%s", why);
    c->topic = rd_kafka_topic_new(c->kafka, c->topic_name, NULL);
    c->reports = rd_kafka_queue_get_main(c->kafka);
    c->headers = c->with_headers ? make_headers() : NULL;
    c->key = xmalloc((size_t)c->key_bytes + 1);
    c->value = xmalloc((size_t)c->value_bytes + 1);
    memset(c->value, 'x', (size_t)c->value_bytes);
}

static void take_reports(struct ceiling *c, int wait_ms)
{
    for (rd_kafka_event_t *event; (event = rd_kafka_queue_poll(c->reports, wait_ms)); wait_ms = 0) {
        const rd_kafka_message_t *m;
        while ((m = rd_kafka_event_message_next(event))) {
            if (m->err)
                fail("a message was not delivered: %s", rd_kafka_err2str(m->err));
            c->delivered++;
        }
        rd_kafka_event_destroy(event);
    }
}

static void produce(struct ceiling *c, const char *row, size_t len)
{
    size_t size = (size_t)c->value_bytes;
    memcpy(c->value, row, len < size ? len : size);
    snprintf(c->key, (size_t)c->key_bytes + 1, "%0*ld", c->key_bytes, c->rows);
    for (;;) {
        rd_kafka_headers_t *headers = c->headers ? rd_kafka_headers_copy(c->headers) : NULL;
        rd_kafka_resp_err_t code = rd_kafka_producev(
            c->kafka, RD_KAFKA_V_RKT(c->topic), RD_KAFKA_V_VALUE(c->value, size),
            RD_KAFKA_V_KEY(c->key, (size_t)c->key_bytes), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (!code)
            return;
        if (headers)
            rd_kafka_headers_destroy(headers);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            fail("%s", rd_kafka_err2str(code));
        take_reports(c, 1);
    }
}

/* ---- reading ---- */

/* libpq's input buffer starts at 16 KiB, grows for a large message only, and then stays large. */
static void grow_input(PGconn *conn)
{
    PQclear(PQexec(conn, "SELECT repeat(chr(120), 4 << 20)"));
}

static void start_reading(struct ceiling *c, char **args)
{
    c->conn = PQconnectdb(args[0]);
    if (PQstatus(c->conn) != CONNECTION_OK)
        fail("%s", PQerrorMessage(c->conn));
    grow_input(c->conn);
    char *sql =
        xasprintf("START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (proto_version '1', publication_names '\"%s\"')",
                  args[1], args[2]);
    PGresult *res = PQexec(c->conn, sql);
    if (PQresultStatus(res) != PGRES_COPY_BOTH)
        fail("%s", PQerrorMessage(c->conn));
    PQclear(res);
    free(sql);
}

static void wait_for_more(struct ceiling *c)
{
    c->waits++;
    if (c->kafka)
        take_reports(c, 0);
    if (c->nap_us)
        usleep((useconds_t)c->nap_us);
    poll(&(struct pollfd){PQsocket(c->conn), POLLIN, 0}, 1, -1);
    PQconsumeInput(c->conn);
}

static void read_rows(struct ceiling *c, long wanted)
{
    while (c->rows < wanted) {
        char *frame;
        int len = PQgetCopyData(c->conn, &frame, 1);
        if (len < 0)
            fail("the stream ended: %s", PQerrorMessage(c->conn));
        if (len == 0) {
            wait_for_more(c);
            continue;
        }
        if (len > ROW_AT && frame[0] == 'w' && frame[ROW_AT] == 'I') {
            c->rows++;
            if (c->kafka)
                produce(c, frame + ROW_AT, (size_t)len - ROW_AT);
        }
        PQfreemem(frame);
    }
    while (c->kafka && c->delivered < wanted)
        take_reports(c, 100);
}

/* ---- the run ---- */

static void set_pair(struct ceiling *c, char *pair)
{
    char *eq = strchr(pair, '=');
    if (!eq)
        fail("-X %s: write NAME=VALUE", pair);
    *eq = 0;
    set(c, pair, eq + 1);
}

static void read_options(struct ceiling *c, int argc, char **argv)
{
    static const struct option longs[] = {{"nap", required_argument, NULL, 'n'},
                                          {"broker", required_argument, NULL, 'b'},
                                          {"topic", required_argument, NULL, 't'},
                                          {"value", required_argument, NULL, 'v'},
                                          {"key", required_argument, NULL, 'k'},
                                          {"headers", no_argument, NULL, 'h'},
                                          {0}};
    for (int o; (o = getopt_long(argc, argv, "X:", longs, NULL)) != -1;) {
        switch (o) {
        case 'n':
            c->nap_us = atoi(optarg);
            break;
        case 'b':
            c->broker = optarg;
            break;
        case 't':
            c->topic_name = optarg;
            break;
        case 'v':
            c->value_bytes = atoi(optarg);
            break;
        case 'k':
            c->key_bytes = atoi(optarg);
            break;
        case 'h':
            c->with_headers = true;
            break;
        case 'X':
            set_pair(c, optarg);
            break;
        default:
            fputs(help, stderr);
            exit(2);
        }
    }
    if (argc - optind != 4 || !c->broker != !c->topic_name || c->value_bytes < 1 || c->key_bytes < 1) {
        fputs(help, stderr);
        exit(2);
    }
}

static void print_result(const struct ceiling *c, double seconds)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"rows\": %ld, \"delivered\": %ld, \"seconds\": %.3f, \"cpu_seconds\": %.3f, \"peak_rss_kb\": "
           "%ld, \"waits\": %ld}\n",
           c->rows, c->delivered, seconds, cpu, use.ru_maxrss, c->waits);
}

int main(int argc, char **argv)
{
    struct ceiling c = {.nap_us = 100, .value_bytes = 600, .key_bytes = 20, .conf = rd_kafka_conf_new()};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        set(&c, settings[i][0], settings[i][1]);
    read_options(&c, argc, argv);
    char **args = argv + optind;
    if (c.topic_name)
        open_kafka(&c);
    start_reading(&c, args);
    int64_t start = clock_mono_us();
    read_rows(&c, atol(args[3]));
    print_result(&c, (double)(clock_mono_us() - start) / 1e6);
    return 0;
}
