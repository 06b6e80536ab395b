/* kafka_topics.c - topics that are made before their first message. */
#include "kafka_topics.h"

#include "kafka_client.h"
#include "log.h"
#include "pattern.h"
#include "xmalloc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GROUPS = 32, MOST_PARTITIONS = 100000, MOST_REPLICAS = 1000 };

struct group {
    struct pattern_list *include, *exclude; /* both NULL: the default group */
    struct kafka_topic_shape shape;
    struct props *config;
};

struct kafka_topics {
    size_t count; /* 0: nothing is set; the default group is the last one */
    struct group groups[MOST_GROUPS];
};

static bool number_get(const struct props *p, const char *prefix, const char *name, int most, int preset,
                       int *out, struct err *e)
{
    const char *text = props_get(p, name);
    *out = preset;
    if (!text)
        return true;
    char *end;
    long n = strtol(text, &end, 10);
    *out = (int)n;
    if (end != text && !*end && (n == -1 || n >= 1) && n <= most)
        return true;
    return err_set(e, ERR_CONFIG, "%s%s=%s: wanted a number from 1 to %d, or -1 for the broker's own", prefix,
                   name, text, most);
}

static bool group_patterns(struct group *g, const struct props *section, const char *prefix, struct err *e)
{
    const char *include = props_get(section, "include");
    if (!include || !*include)
        return err_set(e, ERR_CONFIG,
                       "%sinclude is not set; it lists the topics of the group, as regular expressions",
                       prefix);
    g->include = pattern_list_new(include, e);
    g->exclude = g->include ? pattern_list_new(props_get(section, "exclude"), e) : NULL;
    return g->exclude || err_prefix(e, "%sinclude, exclude", prefix);
}

/* A group inherits numbers from the default group, but none of its topic settings. */
static bool group_read(struct group *g, const struct props *connector, const char *name,
                       const struct kafka_topic_shape *inherit, bool patterns, struct err *e)
{
    char prefix[200];
    snprintf(prefix, sizeof prefix, "topic.creation.%s.", name);
    g->config = props_section(connector, prefix);
    g->shape.config = g->config;
    if (!number_get(g->config, prefix, "partitions", MOST_PARTITIONS, inherit->partitions,
                    &g->shape.partitions, e) ||
        !number_get(g->config, prefix, "replication.factor", MOST_REPLICAS, inherit->replicas,
                    &g->shape.replicas, e) ||
        (patterns && !group_patterns(g, g->config, prefix, e)))
        return false;
    static const char *const OWN[] = {"partitions", "replication.factor", "include", "exclude"};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        props_set(g->config, OWN[i], NULL);
    return true;
}

static bool groups_read(struct kafka_topics *t, const struct props *connector, const struct group *preset,
                        struct err *e)
{
    char *list = xstrdup(props_get_or(connector, "topic.creation.groups", "")), *rest = list, *name;
    bool ok = true;
    while (ok && (name = strsep(&rest, ","))) {
        while (isspace((unsigned char)*name))
            name++;
        for (size_t len = strlen(name); len && isspace((unsigned char)name[len - 1]);)
            name[--len] = 0;
        if (!*name || strcmp(name, "default") == 0)
            continue;
        if (t->count == MOST_GROUPS - 1)
            ok = err_set(e, ERR_CONFIG, "topic.creation.groups: more than %d groups", MOST_GROUPS - 1);
        else
            ok = group_read(&t->groups[t->count++], connector, name, &preset->shape, true, e);
    }
    free(list);
    return ok;
}

static bool anything_set(const struct props *connector)
{
    struct props *section = props_section(connector, "topic.creation.");
    bool any = props_count(section) > 0 && props_get_bool(section, "enable", true);
    props_free(section);
    return any;
}

struct kafka_topics *kafka_topics_new(const struct props *connector, struct err *e)
{
    struct kafka_topics *t = xcalloc(1, sizeof *t);
    if (!anything_set(connector))
        return t;
    const struct kafka_topic_shape broker = {.partitions = -1, .replicas = -1};
    struct group preset = {0};
    bool ok =
        group_read(&preset, connector, "default", &broker, false, e) && groups_read(t, connector, &preset, e);
    t->groups[t->count++] = preset;
    if (ok)
        return t;
    kafka_topics_free(t);
    return NULL;
}

void kafka_topics_free(struct kafka_topics *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        pattern_list_free(t->groups[i].include);
        pattern_list_free(t->groups[i].exclude);
        props_free(t->groups[i].config);
    }
    free(t);
}

const struct kafka_topic_shape *kafka_topics_shape(const struct kafka_topics *t, const char *topic)
{
    struct slice name = slice_of(topic);
    for (size_t i = 0; i < t->count; i++) {
        const struct group *g = &t->groups[i];
        if (!g->include || (pattern_list_match(g->include, name) && !pattern_list_match(g->exclude, name)))
            return &g->shape;
    }
    return NULL;
}

static rd_kafka_AdminOptions_t *options_new(rd_kafka_t *rk, rd_kafka_admin_op_t op, int timeout_ms)
{
    char why[200];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, why, sizeof why);
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS)
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, why, sizeof why);
    return options;
}

bool kafka_topic_ask(rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *topic,
                     const struct kafka_topic_shape *shape, int timeout_ms, struct err *e)
{
    char why[300];
    rd_kafka_NewTopic_t *spec =
        rd_kafka_NewTopic_new(topic, shape->partitions, shape->replicas, why, sizeof why);
    if (!spec)
        return err_set(e, ERR_CONFIG, "Kafka topic %s cannot be created: %s", topic, why);
    for (size_t i = 0; shape->config && i < props_count(shape->config); i++) {
        const char *name, *value;
        props_at(shape->config, i, &name, &value);
        rd_kafka_NewTopic_set_config(spec, name, value);
    }
    rd_kafka_AdminOptions_t *options = options_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    rd_kafka_CreateTopics(rk, &spec, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(spec);
    return true;
}

static bool may_still_exist(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE || code == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION;
}

static bool answer_judge(const char *topic, rd_kafka_resp_err_t code, const char *text, struct err *e)
{
    if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return true;
    if (may_still_exist(code)) {
        log_warn("Kafka topic %s cannot be created from here (%s): it must exist, or the broker create it",
                 topic, text);
        return true;
    }
    return kafka_error_set(e, code, text, "Kafka topic %s cannot be created", topic);
}

bool kafka_topic_answer(rd_kafka_event_t *ev, const char **topic, struct err *e)
{
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(ev);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    *topic = count ? rd_kafka_topic_result_name(topics[0]) : NULL;
    if (!count)
        return kafka_error_set(e, rd_kafka_event_error(ev), rd_kafka_event_error_string(ev),
                               "Kafka did not answer the request to create a topic");
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
    const char *text = rd_kafka_topic_result_error_string(topics[0]);
    return answer_judge(*topic, code, text ? text : rd_kafka_err2str(code), e);
}

static bool setting_find(rd_kafka_event_t *ev, const char *name, char *value, size_t size)
{
    size_t n_resources = 0, n_entries = 0;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(ev);
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(result, &n_resources);
    if (!n_resources || rd_kafka_ConfigResource_error(resources[0]))
        return false;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n_entries);
    for (size_t i = 0; i < n_entries; i++) {
        const char *text = rd_kafka_ConfigEntry_value(entries[i]);
        if (text && strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return snprintf(value, size, "%s", text) >= 0;
    }
    return false;
}

static bool setting_ask(rd_kafka_t *rk, rd_kafka_ResourceType_t type, const char *whose, const char *name,
                        int timeout_ms, char *value, size_t size)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = options_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, whose);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    bool found = ev && setting_find(ev, name, value, size);
    if (ev)
        rd_kafka_event_destroy(ev);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return found;
}

bool kafka_topic_setting(rd_kafka_t *rk, const char *topic, const char *name, int timeout_ms, char *value,
                         size_t size)
{
    return setting_ask(rk, RD_KAFKA_RESOURCE_TOPIC, topic, name, timeout_ms, value, size);
}

bool kafka_broker_setting(rd_kafka_t *rk, const char *name, int timeout_ms, char *value, size_t size)
{
    char id[16] = "";
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, NULL, &metadata, timeout_ms))
        return false;
    if (metadata->broker_cnt)
        snprintf(id, sizeof id, "%d", metadata->brokers[0].id);
    rd_kafka_metadata_destroy(metadata);
    return id[0] && setting_ask(rk, RD_KAFKA_RESOURCE_BROKER, id, name, timeout_ms, value, size);
}
