/* test_metrics.c - the table is fit for Prometheus, and a meter gives back what it was given. */
#include "metrics.h"

#include "suite.h"

#include <ctype.h>
#include <string.h>

static bool is_name(const char *s)
{
    for (const char *at = s; *at; at++)
        if (!islower((unsigned char)*at) && *at != '_' && (at == s || !isdigit((unsigned char)*at)))
            return false;
    return *s != 0;
}

/* Prometheus' conventions: base units, counters end in _total; rows of one name follow each other. */
START_TEST(names_are_as_prometheus_wants_them)
{
    for (const struct metric *m = metrics_table; m->help; m++) {
        ck_assert_msg(m->name || m->jmx, "%s: no name", m->help);
        if (!m->name)
            continue;
        bool total = strlen(m->name) > 6 && strcmp(m->name + strlen(m->name) - 6, "_total") == 0;
        ck_assert_msg(is_name(m->name) && strncmp(m->name, "walwire_", 8) == 0, "%s", m->name);
        ck_assert_msg(total == (strcmp(m->type, "counter") == 0), "%s is a %s", m->name, m->type);
        ck_assert_msg(m->scale == 1 || strstr(m->name, "_seconds"), "%s", m->name);
        ck_assert_msg(!strstr(m->name, "_ms") && m->help[strlen(m->help) - 1] == '.', "%s", m->name);
        bool apart = false;
        for (const struct metric *later = m + 1; later->help; later++) {
            bool same = later->name && strcmp(later->name, m->name) == 0;
            ck_assert_msg(!same || !apart, "%s is in two places", m->name);
            ck_assert_msg(!same || (later->more && strcmp(later->type, m->type) == 0), "%s twice", m->name);
            apart |= !same;
        }
    }
}
END_TEST

/* One series for each attribute of each of Debezium's beans. */
START_TEST(debezium_names_are_there_once)
{
    for (const struct metric *m = metrics_table; m->help; m++)
        for (const struct metric *later = m + 1; m->jmx && later->help; later++)
            ck_assert_msg(!later->jmx || strcmp(later->jmx, m->jmx) != 0 || strcmp(later->bean, m->bean) != 0,
                          "%s of %s twice", m->jmx, m->bean);
}
END_TEST

START_TEST(a_meter_gives_back_what_it_was_given)
{
    struct metrics *all = metrics_new();
    struct meter *meter = meter_new(all, "a", 0, "slot"), *other = meter_new(all, "b", 0, "slot");
    struct readings r;
    meter_read(meter, &r);
    ck_assert_int_eq(r.v[READ_CREATED], READING_NONE);
    r.v[READ_CREATED] = 7;
    meter_publish(meter, &r);
    meter_read(other, &r);
    ck_assert_int_eq(r.v[READ_CREATED], READING_NONE);
    meter_read(meter, &r);
    ck_assert_int_eq(r.v[READ_CREATED], 7);
    meter_free(meter);
    meter_free(other);
    metrics_free(all);
    meter_publish(NULL, &r); /* nobody measures */
    meter_table(NULL, "s", "t", 1);
    ck_assert_ptr_null(meter_new(NULL, "a", 0, "slot"));
}
END_TEST

SUITE_MAIN("metrics", names_are_as_prometheus_wants_them, debezium_names_are_there_once,
           a_meter_gives_back_what_it_was_given)
