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

#endif
