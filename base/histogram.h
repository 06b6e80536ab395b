/* histogram.h - how long things took, counted in fixed steps from a millisecond to a minute. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 15

extern const double histogram_steps[HISTOGRAM_STEPS]; /* upper ends in seconds, rising */

struct histogram {
    uint64_t counts[HISTOGRAM_STEPS + 1]; /* each up to its step, without those below; the last: longer */
    int64_t sum_us;
};

void histogram_add(struct histogram *h, int64_t us); /* a negative duration, of clocks that differ, is none */

#endif
