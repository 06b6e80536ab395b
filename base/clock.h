/* clock.h - the clocks: wall time for records, monotonic time for waiting. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 UTC in microseconds since 1970 */

int64_t clock_wall_ns(void);
int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
int64_t clock_boot_ms(void); /* monotonic, and goes on while the machine is suspended */

/* How long to wait between tries: doubles from first_ms to most_ms, less a random part of at most a quarter.
 * tries counts from 0. */
int backoff_ms(unsigned tries, int first_ms, int most_ms);

#endif
