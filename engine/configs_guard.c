/* configs_guard.c - is a Kafka Connect cluster at work on these connectors?
 *
 * Its workers are members of the consumer group group.id. walwire is not: it asks once, at start. */
#include "configs.h"

#include "kafka_client.h"
#include "kafka_settings.h"
#include "log.h"

#include <string.h>

enum { REACH_MS = 5000, ASK_MS = 10000 };

static bool at_work(const struct rd_kafka_group_info *g)
{
    return g->member_cnt > 0 && strcmp(g->protocol_type, "connect") == 0;
}

static bool group_idle(rd_kafka_t *rk, const char *group, struct err *e)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(rk, group, &list, ASK_MS);
    if (code || !list) {
        log_warn("whether a Kafka Connect cluster with group.id=%s is running is not known: %s", group,
                 rd_kafka_err2str(code));
        return true;
    }
    int members = 0;
    for (int i = 0; i < list->group_cnt; i++)
        members += at_work(&list->groups[i]) ? list->groups[i].member_cnt : 0;
    rd_kafka_group_list_destroy(list);
    return !members ||
           err_set(e, ERR_CONFIG,
                   "a Kafka Connect cluster with group.id=%s is running (%d worker%s) and owns the "
                   "connectors in config.storage.topic; stop it first, or name another topic",
                   group, members, members == 1 ? "" : "s");
}

bool configs_guard(const struct props *worker, struct err *e)
{
    const char *group = props_get_or(worker, "group.id", "");
    if (!*group)
        return true;
    rd_kafka_conf_t *conf = kafka_settings_client(worker, "walwire-configs", e);
    rd_kafka_t *rk = conf ? kafka_client_new(RD_KAFKA_PRODUCER, conf, e) : NULL;
    if (!rk)
        return false;
    bool ok = kafka_client_reach(rk, REACH_MS, e) && group_idle(rk, group, e);
    rd_kafka_destroy(rk);
    return ok;
}
