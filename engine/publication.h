/* publication.h - the publication, as publication.autocreate.mode wants it.
 * Source: io.debezium.connector.postgresql.connection.PostgresReplicationConnection.initPublication. */
#ifndef ENGINE_PUBLICATION_H
#define ENGINE_PUBLICATION_H

#include "catalog.h"
#include "config.h"

/* Creates, alters or checks the publication. ERR_CONFIG: missing in mode disabled, nothing matches in mode
 * filtered, no privilege; with what to do. */
bool publication_prepare(PGconn *conn, const struct config *config, const struct tables *tables,
                         struct err *e);

/* A publication `name` of exactly these tables, created or altered; an empty one is allowed. ERR_CONFIG: it
 * holds all tables, no privilege. */
bool publication_list(PGconn *conn, const struct config *config, const char *name,
                      const struct tables *tables, struct err *e);
bool publication_refuse_empty(struct err *e); /* ERR_CONFIG: nothing matches. Always false */

#endif
