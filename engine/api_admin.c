/* api_admin.c - /admin/loggers: how much is logged.
 *
 * Connect has a level for each Java package; walwire has one in all. It is the most talkative of root's and
 * of those set for io.debezium and below, which is what a search for a fault turns up. Levels of other names
 * are kept and shown, without effect. Source: org.apache.kafka.connect.runtime.Loggers. */
#include "api.h"

#include "clock.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

enum { MOST_LOGGERS = 1000, MOST_NAME = 200 };

static const struct level {
    const char *name;
    enum log_level ours;
} levels[] = {
    {"OFF", LOG_ERROR}, {"FATAL", LOG_ERROR}, {"ERROR", LOG_ERROR}, {"WARN", LOG_WARN},
    {"INFO", LOG_INFO}, {"DEBUG", LOG_DEBUG}, {"TRACE", LOG_DEBUG}, {"ALL", LOG_DEBUG},
};

struct logger {
    char name[MOST_NAME + 1];
    const struct level *level;
    int64_t modified_ms; /* 0: never */
};

/* One a process, as the log's level is. [0] is root; the others are sorted by name. */
static struct logger loggers[MOST_LOGGERS];
static size_t n_loggers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct level *level_find(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcasecmp(levels[i].name, name) == 0)
            return &levels[i];
    return NULL;
}

/* With the lock held. The worker file's log.level has been set by then. */
static void begin(void)
{
    static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    if (n_loggers)
        return;
    n_loggers = 1;
    loggers[0] = (struct logger){.name = "root", .level = level_find(names[log_get_level()])};
}

static struct logger *logger_find(const char *name)
{
    for (size_t i = 0; i < n_loggers; i++)
        if (strcmp(loggers[i].name, name) == 0)
            return &loggers[i];
    return NULL;
}

/* What a logger without a level of its own goes by: the nearest one above it. */
static const struct level *level_of(const char *name)
{
    char above[MOST_NAME + 1];
    snprintf(above, sizeof above, "%s", name);
    for (char *dot; (dot = strrchr(above, '.'));) {
        *dot = 0;
        const struct logger *l = logger_find(above);
        if (l)
            return l->level;
    }
    return loggers[0].level;
}

/* NULL: too long, or too many. */
static struct logger *logger_get(const char *name)
{
    struct logger *known = logger_find(name);
    if (known || n_loggers == MOST_LOGGERS || strlen(name) > MOST_NAME)
        return known;
    const struct level *level = level_of(name);
    size_t at = n_loggers++;
    for (; at > 1 && strcmp(loggers[at - 1].name, name) > 0; at--)
        loggers[at] = loggers[at - 1];
    loggers[at] = (struct logger){.level = level};
    snprintf(loggers[at].name, sizeof loggers[at].name, "%s", name);
    return &loggers[at];
}

static void apply(void)
{
    enum log_level level = loggers[0].level->ours;
    for (size_t i = 1; i < n_loggers; i++)
        if (slice_starts(slice_of(loggers[i].name), "io.debezium") && loggers[i].level->ours > level)
            level = loggers[i].level->ours;
    log_set_level(level);
}

/* Sets a logger and all below it; appends the names of those that changed. */
static bool level_set(const char *name, const struct level *level, struct buf *changed)
{
    bool root = strcmp(name, "root") == 0;
    if (!logger_get(name))
        return false;
    for (size_t i = 0; i < n_loggers; i++) {
        struct logger *l = &loggers[i];
        if ((!root && !slice_starts(slice_of(l->name), name)) || l->level == level)
            continue;
        l->level = level;
        l->modified_ms = clock_wall_us() / 1000;
        json_comma(changed);
        json_string(changed, slice_of(l->name));
    }
    apply();
    return true;
}

/* ---- routes ---- */

static void append_logger(struct buf *b, const struct logger *l)
{
    BUF_LIT(b, "{");
    json_field(b, "level", l->level->name);
    if (l->modified_ms)
        json_field_i64(b, "last_modified", l->modified_ms);
    else
        json_field(b, "last_modified", NULL);
    BUF_LIT(b, "}");
}

static void get_loggers(struct api_call *call)
{
    struct buf *b = api_json(call, 200);
    pthread_mutex_lock(&lock);
    begin();
    BUF_LIT(b, "{");
    for (size_t i = 0; i < n_loggers; i++) {
        json_key(b, loggers[i].name);
        append_logger(b, &loggers[i]);
    }
    BUF_LIT(b, "}");
    pthread_mutex_unlock(&lock);
}

static void get_logger(struct api_call *call)
{
    pthread_mutex_lock(&lock);
    begin();
    const struct logger *l = logger_find(call->params[0]);
    if (l)
        append_logger(api_json(call, 200), l);
    else
        api_error(call, 404, "Logger %s not found.", call->params[0]);
    pthread_mutex_unlock(&lock);
}

static void set_level(struct api_call *call, const struct level *level)
{
    struct buf changed = {0};
    BUF_LIT(&changed, "[");
    pthread_mutex_lock(&lock);
    begin();
    bool ok = level_set(call->params[0], level, &changed);
    pthread_mutex_unlock(&lock);
    BUF_LIT(&changed, "]");
    if (!ok)
        api_error(call, 400, "This name is too long, or %d loggers have levels already", MOST_LOGGERS);
    else if (api_query(call, "scope", "cluster") || api_query(call, "scope", "CLUSTER"))
        api_empty(call, 204);
    else
        buf_slice(api_json(call, 200), buf_view(&changed));
    buf_free(&changed);
}

static void put_logger(struct api_call *call)
{
    struct json_object *root = api_body_object(call);
    if (!root)
        return;
    const char *name = json_object_get_string(json_object_object_get(root, "level"));
    const struct level *level = name ? level_find(name) : NULL;
    if (!name)
        api_error(call, 400, "Desired 'level' parameter was not specified in request.");
    else if (!level)
        api_error(call, 404, "invalid log level '%s'.", name);
    else
        set_level(call, level);
    json_object_put(root);
}

const struct api_route api_routes_admin[] = {
    {"GET", "/admin/loggers", get_loggers, "levels by name"},
    {"GET", "/admin/loggers/{logger}", get_logger, "one level"},
    {"PUT", "/admin/loggers/{logger}", put_logger, "sets a level until the process ends"},
    {NULL},
};
