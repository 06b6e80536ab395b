/* binary_time.h - dates and times from their binary form: microseconds and days since 2000 to the text that
 * the server writes with DateStyle=ISO, IntervalStyle=postgres, TimeZone=UTC. */
#ifndef DECODER_BINARY_TIME_H
#define DECODER_BINARY_TIME_H

#include "buf.h"
#include "reader.h"

void binary_date(struct reader *r, struct buf *b);
void binary_time(struct reader *r, struct buf *b);
void binary_timetz(struct reader *r, struct buf *b);
void binary_timestamp(struct reader *r, struct buf *b);
void binary_timestamptz(struct reader *r, struct buf *b);
void binary_interval(struct reader *r, struct buf *b);

#endif
