/* preflight_exactly_once.c - what exactly once needs of Kafka. Nobody is fenced off: no transaction is begun,
 * so rights are told and not tried. */
#include "preflight.h"

#include "exactly_once.h"
#include "kafka_client.h"
#include "kafka_settings.h"
#include "kafka_topics.h"
#include "offsets.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { ASK_MS = 5000 };

static void check_time(struct preflight *c, rd_kafka_t *kafka)
{
    char most[32];
    int asked = exactly_once_timeout_ms(c->worker, c->config);
    if (!kafka_broker_setting(kafka, "transaction.max.timeout.ms", ASK_MS, most, sizeof most))
        preflight_say(
            c, PREFLIGHT_WARN,
            "exactly once: transaction.max.timeout.ms of the broker is not known; it must be at least "
            "%d (transaction.timeout.ms)",
            asked);
    else if (atoll(most) < asked) {
        preflight_say(
            c, PREFLIGHT_FAIL,
            "exactly once: transaction.timeout.ms=%d, but transaction.max.timeout.ms of the broker is "
            "%s; set in the connector:",
            asked, most);
        preflight_mend(c, "producer.override.transaction.timeout.ms=%s", most);
    }
}

static void check_rights(struct preflight *c)
{
    const char *topic = offsets_topic(c->worker, c->config->offsets_topic);
    char *id = exactly_once_id(c->worker, c->config);
    preflight_say(c, PREFLIGHT_OK,
                  "exactly once: Kafka transactions of transactional.id=%s%s; where Kafka has ACLs they need",
                  id, c->config->slots > 1 ? " and one for each other slot" : "");
    preflight_mend(c,
                   "kafka-acls --add --allow-principal USER --operation Write --operation Describe "
                   "--transactional-id %s",
                   id);
    preflight_mend(c,
                   "kafka-acls --add --allow-principal USER --operation Write --operation Describe "
                   "--operation Read --topic %s",
                   topic);
    free(id);
}

void preflight_exactly_once(struct preflight *c)
{
    struct err e = {0};
    enum exactly_once_support support;
    if (!exactly_once_worker(c->worker, &support, &e)) {
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
        return;
    }
    if (support != SUPPORT_ENABLED || c->no_kafka)
        return;
    check_rights(c);
    rd_kafka_conf_t *conf = kafka_settings_client(c->worker, "walwire-check", &e);
    rd_kafka_t *kafka = conf ? kafka_client_new(RD_KAFKA_PRODUCER, conf, &e) : NULL;
    if (kafka) {
        check_time(c, kafka);
        rd_kafka_destroy(kafka);
    }
}
