/* lsn.h - a position in PostgreSQL's write-ahead log. */
#ifndef BASE_LSN_H
#define BASE_LSN_H

#include "slice.h"

#include <stdint.h>

typedef uint64_t lsn_t; /* byte position; 0 = unknown */

#define LSN_TEXT_SIZE 20
#define LSN_FMT       "%X/%X"
#define LSN_ARG(lsn)  (unsigned)((lsn) >> 32), (unsigned)(lsn)

bool lsn_parse(struct slice text, lsn_t *out); /* "16/B374D848" */

#endif
