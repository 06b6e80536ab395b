/* kafka_play.c - the mock lives in a client of its own. */
#include "kafka_play.h"

#include "ring.h"

#include <check.h>
#include <unistd.h>

rd_kafka_mock_cluster_t *cluster;
struct props *worker, *connector;
struct sink *sink;
int wake;
struct err e;
static char topic_name[] = "shop.public.orders";
struct topic topic = {.name = topic_name};
static rd_kafka_t *host;

void kafka_play_begin(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cluster = rd_kafka_mock_cluster_new(host, 1);
    ck_assert_ptr_nonnull(cluster);
    worker = props_new();
    connector = props_new();
    props_set(worker, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster));
    wake = wake_new();
}

void kafka_play_end(void)
{
    if (sink)
        kafka_sink.close(sink);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    props_free(worker);
    props_free(connector);
    close(wake);
}
