/* test_shard.c - which shard a table is of, and which stored positions stop a start. */
#include "shard.h"

#include "suite.h"

#include <stdio.h>
#include <unistd.h>

/* Computed by another program from the description in docs/why/several-slots.md: what a release has put
 * somewhere, the next one must find there. */
START_TEST(a_tables_shard_is_the_same_for_ever)
{
    static const struct {
        const char *schema, *table;
        int of2, of3, of64;
    } known[] = {{"public", "orders", 1, 1, 19},
                 {"public", "users", 0, 0, 60},
                 {"inventory", "products_on_hand", 1, 2, 63},
                 {"Größe", "Straße", 1, 0, 1},
                 {"a", "", 0, 0, 46}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_int_eq(shard_of(known[i].schema, known[i].table, 2), known[i].of2);
        ck_assert_int_eq(shard_of(known[i].schema, known[i].table, 3), known[i].of3);
        ck_assert_int_eq(shard_of(known[i].schema, known[i].table, 64), known[i].of64);
        ck_assert_int_eq(shard_of(known[i].schema, known[i].table, 1), 0);
    }
}
END_TEST

/* No shard of many tables has more than twice its part. */
START_TEST(tables_are_spread_evenly)
{
    for (int slots = 2; slots <= 64; slots++) {
        int count[64] = {0};
        for (int i = 0; i < 100 * slots; i++) {
            char name[32];
            snprintf(name, sizeof name, "orders_%04d", i);
            count[shard_of("public", name, slots)]++;
        }
        for (int i = 0; i < slots; i++)
            ck_assert_msg(count[i] > 50 && count[i] < 200, "%d of %d: %d", i, slots, count[i]);
    }
}
END_TEST

/* ---- stored positions ---- */

static struct offsets *store;
static char path[64];

static void open_store(void)
{
    struct err e = {0};
    struct props *p = props_new();
    snprintf(path, sizeof path, "/tmp/test_shard.%d.json", (int)getpid());
    unlink(path);
    props_set(p, "offset.storage.file.filename", path);
    store = offsets_open(p, &e);
    ck_assert_msg(store != NULL, "%s", e.text);
    props_free(p);
}

static void close_store(void)
{
    offsets_close(store);
    unlink(path);
}

static void save(const char *server, int slots)
{
    struct err e = {0};
    struct offset o = {.lsn = 100, .tx_id = -1, .slots = slots};
    ck_assert_msg(offsets_save(store, "c", server, &o, &e), "%s", e.text);
}

/* Whether shard `shard` of `slots` would start, and why not. */
static bool starts(int slots, int shard, struct err *e)
{
    char server[32] = "shop", name[] = "c", prefix[] = "shop";
    struct config c = {.name = name, .topic_prefix = prefix, .slots = slots, .shard = shard};
    if (slots > 1)
        snprintf(server, sizeof server, "shop/%d", shard);
    struct offset own;
    *e = (struct err){0};
    return offsets_load(store, "c", server, &own, e) && shard_check_offset(store, &c, &own, e);
}

static void expect_refused(int slots, int shard, const char *phrase)
{
    struct err e;
    ck_assert(!starts(slots, shard, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, phrase) != NULL, "%s", e.text);
}

START_TEST(a_first_start_and_the_same_number_again_are_fine)
{
    struct err e;
    open_store();
    ck_assert(starts(1, 0, &e) && starts(3, 0, &e) && starts(3, 2, &e));
    save("shop/0", 3);
    save("shop/1", 3);
    ck_assert(starts(3, 0, &e) && starts(3, 1, &e));
    ck_assert(starts(3, 2, &e)); /* it had not got so far */
    close_store();
}
END_TEST

START_TEST(positions_of_another_number_are_refused)
{
    open_store();
    save("shop/0", 3);
    expect_refused(2, 0, "walwire.slots=3");
    expect_refused(2, 1, "walwire.slots=3"); /* which has none of its own */
    expect_refused(1, 0, "walwire.slots=3");
    close_store();
}
END_TEST

/* Also one that Debezium has stored. */
START_TEST(the_position_of_one_slot_is_not_left_behind)
{
    struct err e;
    open_store();
    save("shop", 0);
    ck_assert(starts(1, 0, &e));
    expect_refused(2, 0, "walwire.slots=1");
    expect_refused(2, 1, "walwire.slots=1");
    close_store();
}
END_TEST

SUITE_MAIN("shard", a_tables_shard_is_the_same_for_ever, tables_are_spread_evenly,
           a_first_start_and_the_same_number_again_are_fine, positions_of_another_number_are_refused,
           the_position_of_one_slot_is_not_left_behind)
