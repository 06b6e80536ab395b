/* preflight.h - `walwire check`: everything that could stand in a connector's way, told before it is started.
 *
 * Each finding is a line "ok    what", "warn  what" or "FAIL  what"; below it, indented, the command that
 * mends it. Nothing is changed on the server. The steps are rows of a table in preflight.c. */
#ifndef ENGINE_PREFLIGHT_H
#define ENGINE_PREFLIGHT_H

#include "catalog.h"
#include "config.h"

#include <stdio.h>

/* walwire check FILE|CONNINFO [--worker FILE]; argv[0] is "check". The exit code: 0 when nothing fails, 1
 * when something does, 2 when the command is wrong. */
int preflight_main(int argc, char **argv);

/* The same for settings in hand; worker may be NULL (Kafka and the offsets are then left out). Returns how
 * many fail. */
int preflight_run(const char *name, const struct props *connector, const struct props *worker, FILE *out);

/* ---- for the steps ---- */

enum preflight_level { PREFLIGHT_OK, PREFLIGHT_WARN, PREFLIGHT_FAIL };

struct preflight {
    const struct config *config;
    const struct props *worker;
    FILE *out;
    int fails;
    PGconn *conn; /* ordinary; NULL: could not connect, the steps on the server are left out */
    struct tables tables;
    int version; /* 150018 */
    bool superuser, may_replicate, may_create, standby;
    int free_slots;
    bool no_kafka;    /* it was asked, and did not answer */
    const char *user; /* of the session */
    PGresult *server;
};

void preflight_say(struct preflight *c, enum preflight_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void preflight_mend(struct preflight *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

void preflight_server(struct preflight *c); /* version, wal_level, senders, slots */
void preflight_role(struct preflight *c);
void preflight_replication(struct preflight *c); /* a replication connection gets through */
void preflight_slot(struct preflight *c);
void preflight_tables(struct preflight *c); /* something is captured, and can be read */
void preflight_identity(struct preflight *c);
void preflight_publication(struct preflight *c);
void preflight_exactly_once(
    struct preflight *c);                   /* where the worker says so: rights and time limits in Kafka */
void preflight_shards(struct preflight *c); /* in its place with walwire.slots */
/* The first release of this one's major version, as server_version_num, that has the fix for changes lost
 * beside ALTER PUBLICATION and ALTER TYPE (PostgreSQL 14.18, 15.13, 16.9, 17.5); 0: it has it. */
int preflight_fixed_in(int version);
/* Whether the role may create publications of the captured tables, or with `there` alter them; says what it
 * lacks. */
void preflight_may_publish(struct preflight *c, bool there);

#endif
