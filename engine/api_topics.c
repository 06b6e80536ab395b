/* api_topics.c - /connectors/{name}/topics: which topics a connector has written to.
 *
 * Connect answers for any name, known or not; so does this. */
#include "api.h"

#include "json.h"

#include <stdlib.h>

/* false: answered 403. */
static bool tracks(struct api_call *call, const char *option, const char *what)
{
    if (props_get_bool(worker_props(call->worker), option, true))
        return true;
    api_error(call, 403, "%s is disabled.", what);
    return false;
}

static void get_topics(struct api_call *call)
{
    if (!tracks(call, "topic.tracking.enable", "Topic tracking"))
        return;
    char **topics = activity_topics(worker_activity(call->worker), call->params[0]);
    struct buf *b = api_json(call, 200);
    BUF_LIT(b, "{");
    json_key(b, call->params[0]);
    BUF_LIT(b, "{\"topics\":[");
    for (size_t i = 0; topics[i]; i++) {
        json_comma(b);
        json_string(b, slice_of(topics[i]));
    }
    BUF_LIT(b, "]}}");
    free(topics);
}

static void put_topics_reset(struct api_call *call)
{
    if (!tracks(call, "topic.tracking.enable", "Topic tracking") ||
        !tracks(call, "topic.tracking.allow.reset", "Topic tracking reset"))
        return;
    activity_forget(worker_activity(call->worker), call->params[0]);
    api_empty(call, 202);
}

const struct api_route api_routes_topics[] = {
    {"GET", "/connectors/{name}/topics", get_topics, "topics written to since the start or the last reset"},
    {"PUT", "/connectors/{name}/topics/reset", put_topics_reset, "forgets them"},
    {NULL},
};
