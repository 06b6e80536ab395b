/* histogram.c - how long things took, counted in fixed steps. */
#include "histogram.h"

const double histogram_steps[HISTOGRAM_STEPS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                 0.5,   1,      2.5,   5,    10,    30,   60};

void histogram_add(struct histogram *h, int64_t us)
{
    us = us > 0 ? us : 0;
    size_t i = 0;
    while (i < HISTOGRAM_STEPS && (double)us > histogram_steps[i] * 1e6)
        i++;
    h->counts[i]++;
    h->sum_us += us;
}
