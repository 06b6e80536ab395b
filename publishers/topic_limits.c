/* topic_limits.c - what topics were found to take, by name. */
#include "topic_limits.h"

#include "map.h"
#include "xmalloc.h"

#include <stdlib.h>

enum { MOST_KEY_SHOWN = 80 };

struct limits {
    struct map *by_topic; /* struct limit * */
};

struct limits *limits_new(void)
{
    struct limits *l = xcalloc(1, sizeof *l);
    l->by_topic = map_new();
    return l;
}

void limits_free(struct limits *l)
{
    size_t at = 0;
    struct slice topic;
    void *limit;
    while (l && map_next(l->by_topic, &at, &topic, &limit))
        free(limit);
    if (l)
        map_free(l->by_topic);
    free(l);
}

struct limit limits_of(const struct limits *l, const char *topic)
{
    const struct limit *known = l ? map_get(l->by_topic, slice_of(topic)) : NULL;
    return known ? *known : (struct limit){0, 0};
}

size_t limits_batch(const struct limits *l)
{
    size_t at = 0, least = 0;
    struct slice topic;
    void *limit;
    while (l && map_next(l->by_topic, &at, &topic, &limit)) {
        size_t batch = ((struct limit *)limit)->batch;
        if (batch && (!least || batch < least))
            least = batch;
    }
    return least;
}

static bool lower(size_t *known, size_t found)
{
    if (!found || (*known && found >= *known))
        return false;
    *known = found;
    return true;
}

bool limits_learn(struct limits *l, const char *topic, struct limit found)
{
    struct limit *known = map_get(l->by_topic, slice_of(topic));
    if (!known) {
        known = xcalloc(1, sizeof *known);
        map_set(l->by_topic, slice_of(topic), known);
    }
    bool batch = lower(&known->batch, found.batch), message = lower(&known->message, found.message);
    return batch || message;
}

/* A whole number of UTF-8 characters. */
static struct slice key_cut(struct slice key)
{
    size_t n = key.len < MOST_KEY_SHOWN ? key.len : MOST_KEY_SHOWN;
    while (n && n < key.len && ((unsigned char)key.ptr[n] & 0xC0) == 0x80)
        n--;
    return slice_cut(key, 0, n);
}

/* The one way to the row; its values stay out, and the key's schema. */
static struct slice key_shown(struct slice key)
{
    static const char payload[] = "\"payload\":";
    const char *at = key.ptr ? memmem(key.ptr, key.len, payload, sizeof payload - 1) : NULL;
    if (!at || !slice_starts(key, "{\"schema\":"))
        return key;
    size_t from = (size_t)(at - key.ptr) + sizeof payload - 1;
    return slice_cut(key, from, key.len - from - 1);
}

bool refusal_set(const struct refusal *r, const struct message *m, struct err *e)
{
    struct slice whole = key_shown(m->key), key = key_cut(whole);
    return err_set(
        e, ERR_DATA,
        "Kafka topic %s: the message with key " SLICE_FMT "%s has %s%zu bytes, more than %s=%zu allows; %s",
        m->topic->name, SLICE_ARG(key), whole.len > key.len ? "..." : "", r->estimated ? "at least " : "",
        r->size, r->limit_name, r->told ? r->told : r->limit, r->advice);
}
