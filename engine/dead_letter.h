/* dead_letter.h - what becomes of a record that is larger than the sink takes: walwire.record.too.large. */
#ifndef ENGINE_DEAD_LETTER_H
#define ENGINE_DEAD_LETTER_H

#include "pipeline.h"

/* The sink has answered SINK_TOO_LARGE, *e has its reason. True: the record is left out, or the dead-letter
 * topic tells of it, and *e is clear. False: the connector stops; table and position are in *e. */
bool dead_letter_take(struct pipeline *p, const struct message *m, struct err *e);

/* The same for a large row, before a record is made of it. *taken: the row is done with. */
bool dead_letter_early(struct pipeline *p, struct capture *c, const struct change *change, bool *taken,
                       struct err *e);

#endif
