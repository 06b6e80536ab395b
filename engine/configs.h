/* configs.h - where connectors are kept, so that they are there after a restart.
 *
 * In Kafka Connect's config topic (config.storage.topic), in its own records, so that walwire can go on with
 * a Connect cluster's connectors and Connect with walwire's; or in a file of the same keys
 * (config.storage.file.filename). Connectors of other classes, and keys of other kinds, are never written.
 * Source: org.apache.kafka.connect.storage.KafkaConfigBackingStore. */
#ifndef ENGINE_CONFIGS_H
#define ENGINE_CONFIGS_H

#include "connector.h"

struct configs; /* one a worker; calls may come from any thread, and may block up to some seconds */

/* Chooses the place by the worker file: the topic, the file, or beside offset.storage.file.filename with
 * ".connectors" behind its name. *out NULL: none of them is set, so connectors end with the process.
 * ERR_CONFIG. */
bool configs_open(const struct props *worker, struct configs **out, struct err *e);
void configs_close(struct configs *c);
const char *configs_place(const struct configs *c); /* "config.storage.topic=connect-configs" */

/* Shows each connector of ours, by name. The props are the callback's to keep. Once, before anything is
 * written. ERR_CONFIG also when a Connect cluster of this group.id is running: both would run them. */
typedef void configs_take(void *ctx, const char *name, struct props *config, enum connector_state target);
bool configs_load(struct configs *c, configs_take *take, void *ctx, struct err *e);
/* True for the name of a connector of another class, which is not ours to replace. */
bool configs_foreign(struct configs *c, const char *name);

/* Stores a new or changed connector. target: RUNNING, PAUSED or STOPPED; tasks: how many it has, 0
 * unless it has run since it was last stopped. Durable when it returns. ERR_RETRY. */
bool configs_put(struct configs *c, const char *name, const struct props *config, enum connector_state target,
                 int tasks, bool created, struct err *e);
/* Stores that a connector is to be in another state. */
bool configs_target(struct configs *c, const char *name, const struct props *config,
                    enum connector_state target, int tasks, struct err *e);
bool configs_remove(struct configs *c, const char *name, struct err *e);

/* True for the names that io.debezium.connector.postgresql.PostgresConnector goes by. */
bool configs_our_class(const char *class_name);

/* ---- configs_guard.c ---- */

/* false, ERR_CONFIG: members of a Connect cluster with the worker's group.id are at work. */
bool configs_guard(const struct props *worker, struct err *e);

#endif
