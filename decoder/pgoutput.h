/* pgoutput.h - the decoder of pgoutput's protocol version 1: frames in, changes out. Pure: no sockets, no
 * clock. Source: PostgreSQL documentation, "Logical Replication Message Formats";
 * src/backend/replication/logical/proto.c. */
#ifndef DECODER_PGOUTPUT_H
#define DECODER_PGOUTPUT_H

#include "change.h"
#include "err.h"

struct pgoutput;
struct pgoutput *pgoutput_new(void);
void pgoutput_free(struct pgoutput *d);
struct relations *pgoutput_relations(struct pgoutput *d);

/* Decodes one message. `lsn` is the frame's dataStart (0 for R, Y and some B). Every length is checked;
 * ERR_DATA names the message, the offset and the LSN, and leaves the decoder unusable: the stream must be
 * opened anew. */
bool pgoutput_parse(struct pgoutput *d, lsn_t lsn, struct slice message, struct change *out, struct err *e);

/* Binary cells of at most so many bytes of the change that was parsed last become text, in the arena
 * (binary_cells). ERR_DATA: malformed. */
bool pgoutput_to_text(struct pgoutput *d, const struct change *c, const struct types *types, size_t most,
                      struct arena *a, struct err *e);

#endif
