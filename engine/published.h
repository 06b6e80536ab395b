/* published.h - what a publication has of the captured tables: whose changes come under which name, and with
 * which columns. */
#ifndef ENGINE_PUBLISHED_H
#define ENGINE_PUBLISHED_H

#include "catalog.h"

struct published;
/* NULL on error: it cannot be told. published_free. */
struct published *published_read(PGconn *conn, const char *publication, const struct tables *tables,
                                 struct err *e);
/* Takes out the columns that the publication leaves out. False: no changes come under this name. `p` NULL:
 * everything is there. */
bool published_has(const struct published *p, struct relation *rel);
void published_free(struct published *p);

#endif
