/* test_worker.c - connectors are kept by name; leaving ones never hold up the caller, and never meet their
 * successors. */
#include "worker.h"

#include "fake_connector.h"
#include "suite.h"

static struct err ignored;

static struct props *props; /* must outlive the workers */

static struct worker *new_worker(void)
{
    struct err e = {0};
    if (!props)
        props = props_new();
    struct worker *w = worker_new(props, NULL, NULL, &e);
    ck_assert_msg(w != NULL, "%s", e.text);
    return w;
}

static enum worker_result add(struct worker *w, const char *name, const char *slot)
{
    struct err e = {0};
    struct props *p = fake_config(slot);
    enum worker_result result = worker_add(w, name, p, STATE_RUNNING, &e);
    props_free(p);
    return result;
}

static enum connector_state state_of(struct worker *w, const char *name)
{
    struct worker_view v;
    ck_assert_int_eq(worker_look(w, name, &v), WORKER_OK);
    enum connector_state state = v.status.state;
    worker_view_free(&v);
    return state;
}

START_TEST(connectors_are_added_listed_and_found)
{
    struct worker *w = new_worker();
    ck_assert_int_eq(add(w, "b", "one"), WORKER_OK);
    ck_assert_int_eq(add(w, "a", "two"), WORKER_OK);
    ck_assert_int_eq(add(w, "b", "three"), WORKER_EXISTS);
    char **names = worker_names(w);
    ck_assert_str_eq(names[0], "b");
    ck_assert_str_eq(names[1], "a");
    ck_assert_ptr_null(names[2]);
    free(names);
    ck_assert_int_eq(state_of(w, "a"), STATE_RUNNING);
    struct worker_view v;
    ck_assert_int_eq(worker_look(w, "nobody", &v), WORKER_UNKNOWN);
    worker_free(w);
    ck_assert_int_eq(fake.freed, 2);
}
END_TEST

START_TEST(a_bad_configuration_is_told_and_leaves_nothing_behind)
{
    struct worker *w = new_worker();
    struct err e = {0};
    struct props *p = fake_config("Bad Slot");
    ck_assert_int_eq(worker_add(w, "a", p, STATE_RUNNING, &e), WORKER_INVALID);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "slot.name"));
    char **names = worker_names(w);
    ck_assert_ptr_null(names[0]);
    free(names);
    props_free(p);
    worker_free(w);
}
END_TEST

START_TEST(removing_returns_while_the_connector_still_drains)
{
    struct worker *w = new_worker();
    struct worker_view v;
    add(w, "a", "one");
    fake_gate(true);
    ck_assert_int_eq(worker_remove(w, "a", &ignored), WORKER_OK); /* would hang if it waited for the gate */
    ck_assert_int_eq(worker_look(w, "a", &v), WORKER_UNKNOWN);
    ck_assert_int_eq(worker_remove(w, "a", &ignored), WORKER_UNKNOWN);
    fake_gate(false);
    worker_free(w);
    ck_assert_int_eq(fake.freed, 1);
}
END_TEST

START_TEST(a_successor_starts_only_when_the_former_one_is_gone)
{
    struct worker *w = new_worker();
    add(w, "a", "one");
    fake_gate(true);
    worker_remove(w, "a", &ignored);
    ck_assert_int_eq(add(w, "a", "two"), WORKER_OK);
    ck_assert_int_eq(state_of(w, "a"), STATE_UNASSIGNED);
    fake_gate(false);
    fake_wait_log("start one;free one;start two;");
    ck_assert_int_eq(state_of(w, "a"), STATE_RUNNING);
    worker_free(w);
}
END_TEST

START_TEST(what_is_asked_of_a_waiting_connector_is_done_later)
{
    struct worker *w = new_worker();
    add(w, "a", "one");
    fake_gate(true);
    worker_remove(w, "a", &ignored);
    add(w, "a", "two");
    ck_assert_int_eq(worker_act(w, "a", ACTION_PAUSE, &ignored), WORKER_OK);
    ck_assert_int_eq(worker_act(w, "a", ACTION_RESTART, &ignored), WORKER_OK);
    fake_gate(false);
    fake_wait_log("start one;free one;pause two;");
    ck_assert_int_eq(state_of(w, "a"), STATE_PAUSED);
    worker_free(w);
}
END_TEST

START_TEST(a_new_configuration_replaces_the_connector_and_keeps_its_place_and_state)
{
    struct worker *w = new_worker();
    struct err e = {0};
    add(w, "a", "one");
    add(w, "b", "other");
    worker_act(w, "a", ACTION_PAUSE, &ignored);
    struct props *p = fake_config("two");
    props_set(p, "database.password", "********");
    ck_assert_int_eq(worker_update(w, "a", p, &e), WORKER_OK);
    ck_assert_int_eq(worker_update(w, "nobody", p, &e), WORKER_UNKNOWN);
    fake_wait_log("start one;start other;pause one;free one;pause two;");
    struct worker_view v;
    worker_look(w, "a", &v);
    ck_assert_int_eq(v.status.state, STATE_PAUSED);
    ck_assert_str_eq(props_get(v.config, "slot.name"), "two");
    ck_assert_str_eq(props_get(v.config, "database.password"), "geheim");
    worker_view_free(&v);
    char **names = worker_names(w);
    ck_assert_str_eq(names[0], "a");
    free(names);
    props_set(p, "slot.name", "Bad");
    ck_assert_int_eq(worker_update(w, "a", p, &e), WORKER_INVALID);
    ck_assert_int_eq(state_of(w, "a"), STATE_PAUSED);
    props_free(p);
    worker_free(w);
}
END_TEST

START_TEST(only_failed_connectors_are_restarted_when_so_asked)
{
    struct worker *w = new_worker();
    struct err e = {0};
    struct props *p = fake_config("broken");
    props_set(p, "snapshot.delay.ms", "13");
    worker_add(w, "bad", p, STATE_RUNNING, &e);
    add(w, "good", "g");
    ck_assert_int_eq(state_of(w, "bad"), STATE_FAILED);
    worker_act(w, "good", ACTION_RESTART_FAILED, &ignored);
    ck_assert_int_eq(fake.restarted, 0);
    worker_act(w, "bad", ACTION_RESTART_FAILED, &ignored);
    ck_assert_int_eq(fake.restarted, 1);
    worker_act(w, "good", ACTION_RESTART, &ignored);
    ck_assert_int_eq(fake.restarted, 2);
    worker_act(w, "good", ACTION_STOP, &ignored);
    worker_act(w, "good", ACTION_RESTART, &ignored); /* a stopped one stays stopped */
    ck_assert_int_eq(fake.restarted, 2);
    ck_assert_int_eq(worker_act(w, "nobody", ACTION_RESTART, &ignored), WORKER_UNKNOWN);
    props_free(p);
    worker_free(w);
}
END_TEST

static const char *const ids[][4] = {
    /* listeners, advertised host, advertised port, worker id */
    {NULL, NULL, NULL, "127.0.0.1:8083"},
    {"http://0.0.0.0:9000", NULL, NULL, "0.0.0.0:9000"},
    {"http://:9000", NULL, NULL, "127.0.0.1:9000"},
    {"http://10.0.0.1:8083,http://[::1]:8084", NULL, NULL, "10.0.0.1:8083"},
    {"http://[::1]:8084", "box", "443", "box:443"},
    {"none", NULL, NULL, "127.0.0.1:8083"},
    {"nonsense", NULL, NULL, NULL},
};

START_TEST(the_worker_id_is_the_rest_address)
{
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct props *p = props_new();
        struct err e = {0};
        props_set(p, "listeners", ids[i][0]);
        props_set(p, "rest.advertised.host.name", ids[i][1]);
        props_set(p, "rest.advertised.port", ids[i][2]);
        struct worker *w = worker_new(p, NULL, NULL, &e);
        ck_assert_int_eq(w != NULL, ids[i][3] != NULL);
        if (w)
            ck_assert_str_eq(worker_id(w), ids[i][3]);
        else
            ck_assert_int_eq(e.kind, ERR_CONFIG);
        worker_free(w);
        props_free(p);
    }
}
END_TEST

SUITE_MAIN("worker", connectors_are_added_listed_and_found,
           a_bad_configuration_is_told_and_leaves_nothing_behind,
           removing_returns_while_the_connector_still_drains,
           a_successor_starts_only_when_the_former_one_is_gone,
           what_is_asked_of_a_waiting_connector_is_done_later,
           a_new_configuration_replaces_the_connector_and_keeps_its_place_and_state,
           only_failed_connectors_are_restarted_when_so_asked, the_worker_id_is_the_rest_address)
