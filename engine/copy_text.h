/* copy_text.h - rows of COPY's text form: tab between columns, newline behind a row, \N for NULL, backslash
 * escapes. Source: PostgreSQL's documentation of COPY, "Text Format". */
#ifndef ENGINE_COPY_TEXT_H
#define ENGINE_COPY_TEXT_H

#include "change.h"
#include "err.h"

/* Splits the row at `at` into n cells, undoing escapes in place: the cells point into the row, which must be
 * writable, and live as long as it does. Returns the position behind the row's newline. NULL and ERR_DATA:
 * the row has another number of columns, or does not end before `end`. */
char *copy_text_row(char *at, char *end, struct cell *cells, size_t n, struct err *e);

#endif
