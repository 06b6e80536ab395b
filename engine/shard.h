/* shard.h - which table is whose, when walwire.slots spreads a connector over several slots.
 *
 * Every shard has a slot, a publication and a stored position of its own. A table is in exactly one
 * publication, with its whole partition tree. See docs/why/several-slots.md. */
#ifndef ENGINE_SHARD_H
#define ENGINE_SHARD_H

#include "catalog.h"
#include "config.h"
#include "offsets.h"

/* The shard of a table that is in no publication yet: the same in every release, on every machine. */
int shard_of(const char *schema, const char *table, int slots);

/* ERR_CONFIG when positions are stored that belong to another number of slots. own: the shard's, as it was
 * loaded. */
bool shard_check_offset(struct offsets *offsets, const struct config *config, const struct offset *own,
                        struct err *e);

/* The shard of each table, in place[] of tables->count. Looks only. config may be of any shard, or of the
 * whole connector. *there: the publications exist. ERR_CONFIG: publications or slots of another number of
 * slots; in publication.autocreate.mode=disabled also a table that is in none of the publications, or in two.
 */
bool shard_places(PGconn *conn, const struct config *config, const struct tables *tables, int *place,
                  bool *there, struct err *e);

/* Brings all publications of the connector up to date, unless the mode is disabled, and leaves of `tables`
 * those of this shard. snapshot.mode=initial_only: no publication is asked or made. Errors as shard_places,
 * and those of creating. */
bool shard_prepare(PGconn *conn, const struct config *config, struct tables *tables, struct err *e);

#endif
