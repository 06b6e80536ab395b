/* binary_text.h - values in PostgreSQL's binary form, as the text that all rules of types read.
 *
 * The stream is text; it is read in binary only where a row cannot be sent as text (a bytea of more than
 * 512 MB), or where slot.stream.params says so. A test reads values of every type in both forms from a
 * server and compares them. */
#ifndef DECODER_BINARY_TEXT_H
#define DECODER_BINARY_TEXT_H

#include "change.h"
#include "types.h"

/* The text of a value of this type: borrowed from `binary` where it is the same bytes, otherwise in the
 * arena. ERR_CONFIG: there is no such way for the type, which is named. ERR_DATA: malformed. */
bool binary_text(const struct types *types, uint32_t oid, struct slice binary, struct arena *a,
                 struct slice *text, struct err *e);

/* Makes text of the relation's binary cells of at most so many bytes; cells may be NULL. A type without a way
 * to text stays as it is: whoever needs its value says so (binary_lacks). ERR_DATA: malformed. */
bool binary_cells(const struct types *types, const struct relation *rel, struct cell *cells, size_t most,
                  struct arena *a, struct err *e);

/* ERR_DATA: what to do about a column whose type has no way to text. Always false. */
bool binary_lacks(const struct relation *rel, const struct column *column, struct err *e);

#endif
