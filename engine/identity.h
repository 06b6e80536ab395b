/* identity.h - replica.identity.autoset.values: how much of an old row PostgreSQL puts into the stream.
 * Source: io.debezium.connector.postgresql.ReplicaIdentityMapper. */
#ifndef ENGINE_IDENTITY_H
#define ENGINE_IDENTITY_H

#include "catalog.h"
#include "config.h"

/* One entry of the list: a regular expression on schema.table, and what those tables get. Slices of the
 * entry. */
struct identity_entry {
    struct slice tables;
    char kind;          /* as pg_class.relreplident: d f n i */
    struct slice index; /* of i */
};

/* Cuts the next entry off *list. False at its end. */
bool identity_next(const char **list, struct slice *entry);
/* False: not of the form table:DEFAULT|FULL|NOTHING|INDEX name. */
bool identity_parse(struct slice entry, struct identity_entry *out);

/* Alters the captured tables whose identity is another one, here too. What fails is logged only, as by
 * Debezium. */
void identity_prepare(PGconn *conn, const struct config *config, struct tables *tables);

#endif
