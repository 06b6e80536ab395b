/* test_activity.c - the topics that a connector has written to, until they are forgotten. */
#include "activity.h"

#include "suite.h"

#include <stdlib.h>

static void expect(struct activity *a, const char *connector, const char *first, const char *second)
{
    char **topics = activity_topics(a, connector);
    const char *const expected[] = {first, second};
    size_t n = 0;
    for (; topics[n]; n++)
        ck_assert_str_eq(topics[n], expected[n]);
    ck_assert_uint_eq(n, second ? 2 : first ? 1 : 0);
    free(topics);
}

START_TEST(topics_are_sorted_and_each_there_once)
{
    struct activity *a = activity_new();
    expect(a, "c", NULL, NULL);
    activity_note(a, "c", "s.b");
    activity_note(a, "c", "s.a");
    activity_note(a, "c", "s.b");
    activity_note(a, "d", "s.z");
    expect(a, "c", "s.a", "s.b");
    expect(a, "d", "s.z", NULL);
    activity_free(a);
}
END_TEST

/* A writer that noted its topic once notes it again after a reset: the round tells it to. */
START_TEST(a_reset_begins_a_new_round)
{
    struct activity *a = activity_new();
    unsigned noted = activity_note(a, "c", "s.a");
    ck_assert_uint_ne(noted, 0);
    ck_assert_uint_eq(noted, activity_round(a));
    activity_forget(a, "c");
    expect(a, "c", NULL, NULL);
    ck_assert_uint_ne(noted, activity_round(a));
    ck_assert_uint_eq(activity_note(a, "c", "s.a"), activity_round(a));
    expect(a, "c", "s.a", NULL);
    activity_free(a);
}
END_TEST

SUITE_MAIN("activity", topics_are_sorted_and_each_there_once, a_reset_begins_a_new_round)
