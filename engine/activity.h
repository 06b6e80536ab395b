/* activity.h - which topics each connector has written to: GET /connectors/{name}/topics.
 *
 * Kept while the process runs. Source: org.apache.kafka.connect.runtime.TopicStatus. */
#ifndef ENGINE_ACTIVITY_H
#define ENGINE_ACTIVITY_H

struct activity; /* thread-safe */
struct activity *activity_new(void);
void activity_free(struct activity *a);

/* Changes whenever something is forgotten: a topic noted under another number is to be noted again. Never 0.
 * Hot path. */
unsigned activity_round(const struct activity *a);
/* Returns the round it was noted in. */
unsigned activity_note(struct activity *a, const char *connector, const char *topic);
void activity_forget(struct activity *a, const char *connector);
/* Sorted, ended by NULL, one allocation: free it. */
char **activity_topics(struct activity *a, const char *connector);

#endif
