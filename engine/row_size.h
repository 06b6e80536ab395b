/* row_size.h - rows that are too large: for the server to send as text, for the memory that is allowed. */
#ifndef ENGINE_ROW_SIZE_H
#define ENGINE_ROW_SIZE_H

#include "capture.h"
#include "pipeline.h"

#define ROW_LARGE (256 << 10) /* bytes of a row's message: below that nothing needs a second look */

/* The largest row that walwire.memory.max.mb allows; 0: any. */
size_t row_size_most(const struct config *c);
/* A row of more than ROW_LARGE, before it is published. *taken: it is done with (walwire.record.too.large).
 * ERR_CONFIG: more than is allowed. */
bool row_size_check(struct pipeline *p, struct capture *c, const struct change *change, bool *taken,
                    struct err *e);
/* The same, after it: what it has left of memory is given back. */
void row_size_done(struct pipeline *p, struct capture *c);

/* The stream has ended at such a row; *e has the server's words. Always false. ERR_RETRY: the next run, which
 * follows at once, reads in binary form until it is past the transaction; ERR_CONFIG: that does not help. */
bool row_size_switch(struct pipeline *p, struct err *e);
/* Whether this run reads in binary form. */
bool row_size_binary(const struct pipeline *p);
/* False, ERR_RETRY, when the run is to begin anew: once what had to be read in binary form is stored, to read
 * text again; once a very large row is stored and the stream is idle, or some seconds later, to give its
 * memory back. */
bool row_size_past(struct pipeline *p, bool idle, struct err *e);

#endif
