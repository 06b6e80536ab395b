/* moment.h - dates, times of day and intervals: PostgreSQL's ISO text in, numbers and ISO 8601 text out.
 *
 * The calendar is the proleptic Gregorian one throughout, with a year 0 (1 BC); days count from 1970-01-01.
 */
#ifndef DECODER_MOMENT_H
#define DECODER_MOMENT_H

#include "slice.h"

#include <stdint.h>

#define DAY_US INT64_C(86400000000)

struct moment {
    int64_t days; /* since 1970-01-01 */
    int64_t us;   /* of the day; 24:00:00 is DAY_US */
    int offset;   /* seconds east of UTC; 0 when the text has none */
    bool seconds; /* the offset was given to the second */
    int infinity; /* -1, 1: the text was -infinity or infinity, nothing else is set */
};

struct interval {
    int64_t years, months, days, hours, minutes;
    int64_t us; /* of the minute, signed */
};

/* Which parts a text must and may have. */
enum moment_part { MOMENT_DATE = 1, MOMENT_TIME = 2, MOMENT_OFFSET = 4, MOMENT_LAX = 8 };

/* "2020-02-29", "12:34:56.123456", "2020-02-29 12:34:56.5+02 BC", by `parts`; the offset may be missing. With
 * MOMENT_LAX the time may be missing, and its seconds. Infinities only where there is a date. false: anything
 * else. */
bool moment_parse(struct slice text, unsigned parts, struct moment *out);

/* The day that a java.sql.Date of this one tells: the year without its era, and the ten days that the
 * calendar reform left out fall behind it. false: there is no such day, 29 February of a year that is leap
 * only BC. */
bool moment_sql_date(int64_t days, int64_t *out);

/* The day that has the same year, month and day in the Julian calendar, if it is before 1582-10-15. */
int64_t moment_julian(int64_t days);

/* To UTC: days and us move by the offset, which becomes 0; 24:00:00 becomes the next day's 00:00:00. */
void moment_utc(struct moment *m);

enum { MOMENT_TEXT_MOST = 48 };

/* ISO 8601 without a zone; they return the end. Years beyond 9999 have a +, those before 0 a -. */
char *moment_put_date(char *out, int64_t days);
/* `digits` of the fraction: 0 to 6, or -1: as many as needed. us is below DAY_US. */
char *moment_put_time(char *out, int64_t us, int digits);

/* IntervalStyle postgres: "1 year 2 mons -3 days +04:05:06.789". An infinity is zero, as pgjdbc's PGInterval
 * has it. */
bool interval_parse(struct slice text, struct interval *out);

#endif
