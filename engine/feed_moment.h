/* feed_moment.h - dates and times of Kafka records as PostgreSQL writes them. */
#ifndef ENGINE_FEED_MOMENT_H
#define ENGINE_FEED_MOMENT_H

#include "buf.h"

#include <stdint.h>

/* "2024-01-02", "0044-03-15 BC"; days since 1970-01-01. */
void feed_date_text(struct buf *out, int64_t days);
/* "03:04:05.6"; microseconds of the day, at most 24:00:00. false: out of range. */
bool feed_time_text(struct buf *out, int64_t us);
/* "2024-01-02 03:04:05.6"; microseconds since 1970. */
void feed_timestamp_text(struct buf *out, int64_t us);
/* ISO 8601 in UTC as Debezium writes it ("2024-01-02", "03:04:05.6Z", "+12024-01-02T03:04:05Z"), with `zone`
 * behind the time: "+00" or "". false: malformed. */
bool feed_iso_text(struct buf *out, struct slice iso, const char *zone);
/* "P1Y2M3DT4H5M6.7S" to "1 year 2 mons 3 days 04:05:06.7". false: malformed. */
bool feed_interval_text(struct buf *out, struct slice iso);

#endif
