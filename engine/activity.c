/* activity.c - sets of topic names by connector, under one lock that the hot path does not take. */
#include "activity.h"

#include "map.h"
#include "xmalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct activity {
    pthread_mutex_t lock;
    struct map *connectors; /* each a map of topics */
    atomic_uint round;
};

struct activity *activity_new(void)
{
    struct activity *a = xcalloc(1, sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    a->connectors = map_new();
    atomic_init(&a->round, 1);
    return a;
}

void activity_free(struct activity *a)
{
    if (!a)
        return;
    struct slice name;
    void *topics;
    for (size_t at = 0; map_next(a->connectors, &at, &name, &topics);)
        map_free(topics);
    map_free(a->connectors);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

unsigned activity_round(const struct activity *a)
{
    return atomic_load_explicit(&a->round, memory_order_relaxed);
}

unsigned activity_note(struct activity *a, const char *connector, const char *topic)
{
    pthread_mutex_lock(&a->lock);
    struct map *topics = map_get(a->connectors, slice_of(connector));
    if (!topics)
        map_set(a->connectors, slice_of(connector), topics = map_new());
    map_set(topics, slice_of(topic), a);
    unsigned round = activity_round(a);
    pthread_mutex_unlock(&a->lock);
    return round;
}

void activity_forget(struct activity *a, const char *connector)
{
    pthread_mutex_lock(&a->lock);
    map_free(map_remove(a->connectors, slice_of(connector)));
    if (atomic_fetch_add(&a->round, 1) + 1 == 0)
        atomic_fetch_add(&a->round, 1);
    pthread_mutex_unlock(&a->lock);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **activity_topics(struct activity *a, const char *connector)
{
    pthread_mutex_lock(&a->lock);
    struct map *topics = map_get(a->connectors, slice_of(connector));
    size_t n = topics ? map_count(topics) : 0, bytes = 0;
    struct slice topic;
    void *unused;
    for (size_t at = 0; n && map_next(topics, &at, &topic, &unused);)
        bytes += topic.len + 1;
    char **names = xmalloc((n + 1) * sizeof *names + bytes), *text = (char *)(names + n + 1);
    size_t i = 0;
    for (size_t at = 0; n && map_next(topics, &at, &topic, &unused); i++) {
        names[i] = text;
        memcpy(text, topic.ptr, topic.len);
        text[topic.len] = 0;
        text += topic.len + 1;
    }
    names[i] = NULL;
    pthread_mutex_unlock(&a->lock);
    qsort(names, i, sizeof *names, name_compare);
    return names;
}
