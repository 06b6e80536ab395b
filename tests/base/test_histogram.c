/* test_histogram.c - a duration is counted at the first step that it does not exceed. */
#include "histogram.h"

#include "suite.h"

START_TEST(a_duration_is_counted_at_its_step)
{
    struct histogram h = {0};
    histogram_add(&h, 1000);     /* exactly a millisecond */
    histogram_add(&h, 1001);     /* the next step */
    histogram_add(&h, 60000001); /* longer than all */
    histogram_add(&h, -5);       /* clocks that differ */
    ck_assert_uint_eq(h.counts[0], 2);
    ck_assert_uint_eq(h.counts[1], 1);
    ck_assert_uint_eq(h.counts[HISTOGRAM_STEPS], 1);
    ck_assert_int_eq(h.sum_us, 60002002);
}
END_TEST

START_TEST(steps_rise)
{
    for (int i = 1; i < HISTOGRAM_STEPS; i++)
        ck_assert(histogram_steps[i - 1] < histogram_steps[i]);
}
END_TEST

SUITE_MAIN("histogram", a_duration_is_counted_at_its_step, steps_rise)
