/* test_lineage.c - which positions a server's WAL leads on from. What it asks the server is tested live. */
#include "lineage.h"

#include "suite.h"

/* As PostgreSQL writes it: a server that was promoted twice, the second time from its own timeline 2. */
static const char HISTORY[] = "1\t0/3000148\tno recovery target specified\n"
                              "\n"
                              "2\t1/A0000000\tbefore 2026-11-21 10:00:00.000000+00\n";

static struct offset position_of(const char *system, uint32_t timeline)
{
    struct offset o = {.present = true, .lsn = 100, .timeline = timeline};
    snprintf(o.system, sizeof o.system, "%s", system);
    return o;
}

START_TEST(a_fork_is_where_the_timeline_was_left)
{
    lsn_t left = 0;
    ck_assert(lineage_fork(slice_of(HISTORY), 1, &left));
    ck_assert_uint_eq(left, 0x3000148);
    ck_assert(lineage_fork(slice_of(HISTORY), 2, &left));
    ck_assert_uint_eq(left, 0x1A0000000);
}
END_TEST

START_TEST(a_timeline_that_is_no_ancestor_has_no_fork)
{
    lsn_t left = 7;
    ck_assert(!lineage_fork(slice_of(HISTORY), 3, &left));
    ck_assert(!lineage_fork(slice_of(""), 1, &left));
    ck_assert(!lineage_fork(slice_of("12\t0/1\tx"), 1, &left));
    ck_assert(!lineage_fork(slice_of("1"), 1, &left));
    ck_assert(!lineage_fork(slice_of("1\tnonsense\n"), 1, &left));
    ck_assert(!lineage_fork(slice_of("4294967297\t0/1\tx"), 1, &left));
    ck_assert_uint_eq(left, 7);
}
END_TEST

static const struct lineage HERE = {.system = "7300000000000000001", .timeline = 1, .flushed = 1000};

START_TEST(a_position_of_this_server_holds)
{
    struct err e = {0};
    struct offset o = position_of(HERE.system, 1), debezium = position_of("", 0), none = {.present = false};
    ck_assert(lineage_holds(NULL, &HERE, &o, 1000, &e));
    ck_assert(lineage_holds(NULL, &HERE, &debezium, 1000, &e));
    ck_assert(lineage_holds(NULL, &HERE, &none, 5000, &e));
}
END_TEST

static void refused(const struct offset *o, lsn_t at, const char *word)
{
    struct err e = {0};
    ck_assert(!lineage_holds(NULL, &HERE, o, at, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, word));
    ck_assert_ptr_nonnull(strstr(e.text, "offset.mismatch.strategy=trust_slot")); /* what to do */
}

START_TEST(a_position_of_elsewhere_is_refused)
{
    struct offset other = position_of("7300000000000000002", 1), here = position_of(HERE.system, 1),
                  branch = position_of(HERE.system, 3), debezium = position_of("", 0);
    refused(&other, 10, "another PostgreSQL server");
    refused(&branch, 10, "timeline 3");
    refused(&here, 1001, "ahead of the server");
    refused(&debezium, 1001, "ahead of the server");
}
END_TEST

/* After its restart it stands behind for a moment. That it is the right server is known all the same. */
START_TEST(a_standby_that_is_behind_may_catch_up)
{
    struct lineage l = HERE;
    struct offset here = position_of(HERE.system, 1), other = position_of("7300000000000000002", 1);
    struct err e = {0}, elsewhere = {0};
    l.standby = true;
    ck_assert(!lineage_holds(NULL, &l, &here, 1001, &e));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(e.text, "ahead of the server"));
    ck_assert(!lineage_holds(NULL, &l, &other, 1001, &elsewhere));
    ck_assert_int_eq(elsewhere.kind, ERR_CONFIG);
}
END_TEST

/* A standby's timeline changes under an open connection when it is promoted: a position that named the one
 * before would be refused after that. */
START_TEST(a_standby_signs_without_its_timeline)
{
    struct lineage l = HERE;
    struct offset o = {0};
    lineage_sign(&l, &o);
    ck_assert_str_eq(o.system, HERE.system);
    ck_assert_uint_eq(o.timeline, 1);
    l.standby = true;
    lineage_sign(&l, &o);
    ck_assert_uint_eq(o.timeline, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lineage");
    TCase *tc = tcase_create("lineage");
    tcase_add_test(tc, a_fork_is_where_the_timeline_was_left);
    tcase_add_test(tc, a_timeline_that_is_no_ancestor_has_no_fork);
    tcase_add_test(tc, a_position_of_this_server_holds);
    tcase_add_test(tc, a_position_of_elsewhere_is_refused);
    tcase_add_test(tc, a_standby_that_is_behind_may_catch_up);
    tcase_add_test(tc, a_standby_signs_without_its_timeline);
    suite_add_tcase(suite, tc);
    return suite_end(suite);
}
