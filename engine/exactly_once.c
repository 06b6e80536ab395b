/* exactly_once.c - the settings of exactly once, and the times that follow from them.
 *
 * A transaction of PostgreSQL's is one of Kafka's, or shares one with others: consumers see it whole. Only
 * one that takes longer than a quarter of transaction.timeout.ms is committed in pieces; the rest of that
 * time is for Kafka. */
#include "exactly_once.h"

#include "config_table.h"
#include "offsets.h"
#include "sink.h"
#include "xmalloc.h"

#include <stdlib.h>
#include <strings.h>

enum {
    POLL_MS = 50,             /* transaction.boundary=poll: docs/why/exactly-once.md has the measurements */
    TIMEOUT_PRESET_MS = 60000 /* Kafka's */
};

static const char WORDS[] = "disabled|preparing|enabled";

static int support_of(const struct props *worker)
{
    const char *text = worker ? props_get(worker, "exactly.once.source.support") : NULL;
    return text ? option_word(WORDS, text) : SUPPORT_DISABLED;
}

bool exactly_once_enabled(const struct props *worker)
{
    return support_of(worker) == SUPPORT_ENABLED;
}

bool exactly_once_worker(const struct props *worker, enum exactly_once_support *out, struct err *e)
{
    int word = support_of(worker);
    if (word < 0)
        return err_set(
            e, ERR_CONFIG,
            "Invalid value %s for configuration exactly.once.source.support: String must be one of: "
            "disabled, preparing, enabled",
            props_get(worker, "exactly.once.source.support"));
    *out = (enum exactly_once_support)word;
    if (word == SUPPORT_ENABLED && (*props_get_or(worker, "offset.storage.file.filename", "") ||
                                    !*props_get_or(worker, "bootstrap.servers", "")))
        return err_set(
            e, ERR_CONFIG,
            "exactly.once.source.support=enabled needs the positions in Kafka: set bootstrap.servers "
            "and offset.storage.topic, and remove offset.storage.file.filename");
    return true;
}

char *exactly_once_id(const struct props *worker, const struct config *config)
{
    return xasprintf("%s-%s-%d", props_get_or(worker, "group.id", "connect-cluster"), config->name,
                     config->shard);
}

int exactly_once_timeout_ms(const struct props *worker, const struct config *config)
{
    const char *own = props_get(config->props, "producer.override.transaction.timeout.ms");
    const char *text = own ? own : props_get(worker, "producer.transaction.timeout.ms");
    int ms = text ? atoi(text) : 0;
    return ms > 0 ? ms : TIMEOUT_PRESET_MS;
}

static bool fence(const struct props *worker, const struct config *config, struct err *e)
{
    char *id = exactly_once_id(worker, config);
    const struct sink_options o = {.worker = worker,
                                   .connector = config->props,
                                   .name = config->name,
                                   .wake_fd = -1,
                                   .transactional_id = id,
                                   .positions_topic = offsets_topic(worker, config->offsets_topic)};
    struct sink *sink = kafka_sink.open(&o, e);
    if (sink)
        kafka_sink.close(sink);
    free(id);
    return sink != NULL;
}

bool exactly_once_fence(const struct props *worker, const char *name, const struct props *connector,
                        struct err *e)
{
    if (!exactly_once_enabled(worker))
        return true;
    struct config *whole = config_new(name, connector, worker, e);
    bool ok = whole != NULL;
    for (int i = 0; ok && i < whole->slots; i++) {
        struct config *one = config_shard(whole, worker, i);
        ok = fence(worker, one, e);
        config_free(one);
    }
    config_free(whole);
    return ok ||
           err_prefix(e, "Failed to perform zombie fencing for source connector prior to modifying offsets");
}

void exactly_once_init(struct exactly_once *x, const struct props *worker, const struct config *config)
{
    int hold = exactly_once_timeout_ms(worker, config) / 4;
    int gap = config->boundary == BOUNDARY_INTERVAL ? config->boundary_interval_ms : POLL_MS;
    *x = (struct exactly_once){.on = true, .gap_ms = gap < hold ? gap : hold, .hold_ms = hold};
}
