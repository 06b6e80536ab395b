/* test_feed_order.c - transactions come out whole, once, and in commit order, however their records came in.
 */
#include "feed_order.h"

#include "suite.h"
#include "xmalloc.h"

static size_t dropped;

static void drop(struct feed_event *e)
{
    dropped++;
    free(e);
}

static struct feed_event *event(uint64_t total_order, size_t size)
{
    struct feed_event *e = xcalloc(1, sizeof *e);
    e->total_order = total_order;
    e->size = size;
    return e;
}

static enum feed_end_result end(struct feed_order *o, uint32_t xid, lsn_t at, uint64_t events)
{
    return feed_order_end(o, &(struct feed_end){.xid = xid, .end = at, .events = events});
}

/* Takes the next transaction; returns its xid, 0: none. Its events must be 1 to n. */
static uint32_t take(struct feed_order *o, uint64_t n)
{
    struct feed_transaction t;
    if (!feed_order_take(o, &t))
        return 0;
    uint64_t seen = 0;
    for (struct feed_event *e = t.events, *next; e; e = next) {
        next = e->next;
        ck_assert_uint_eq(e->total_order, ++seen);
        free(e);
    }
    ck_assert_uint_eq(seen, n);
    free(t.end.ordinals);
    return t.end.xid;
}

START_TEST(an_end_waits_for_its_events_and_events_for_their_end)
{
    struct feed_order *o = feed_order_new(1000, drop);
    feed_order_event(o, 7, event(2, 1));
    ck_assert_uint_eq(take(o, 0), 0);
    ck_assert_int_eq(end(o, 7, 100, 2), FEED_END_NEW);
    ck_assert_uint_eq(take(o, 0), 0);
    feed_order_event(o, 7, event(1, 1));
    ck_assert_uint_eq(take(o, 2), 7);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    feed_order_free(o);
}
END_TEST

START_TEST(a_later_transaction_waits_for_an_earlier_one)
{
    struct feed_order *o = feed_order_new(1000, drop);
    end(o, 1, 100, 1);
    end(o, 2, 200, 1);
    end(o, 3, 300, 0);
    feed_order_event(o, 2, event(1, 1));
    ck_assert_uint_eq(take(o, 0), 0);
    feed_order_event(o, 1, event(1, 1));
    ck_assert_uint_eq(take(o, 1), 1);
    ck_assert_uint_eq(take(o, 1), 2);
    ck_assert_uint_eq(take(o, 0), 3);
    feed_order_free(o);
}
END_TEST

/* A connector that begins again, or two at a time for a moment. */
START_TEST(what_is_sent_twice_is_taken_once)
{
    struct feed_order *o = feed_order_new(1000, drop);
    dropped = 0;
    feed_order_event(o, 1, event(1, 1));
    feed_order_event(o, 1, event(1, 1));
    feed_order_event(o, 1, event(2, 1));
    ck_assert_int_eq(end(o, 1, 100, 2), FEED_END_NEW);
    ck_assert_int_eq(end(o, 1, 100, 2), FEED_END_AGAIN);
    ck_assert_uint_eq(take(o, 2), 1);
    feed_order_event(o, 1, event(1, 1));
    feed_order_event(o, 1, event(2, 1));
    ck_assert_int_eq(end(o, 1, 100, 2), FEED_END_AGAIN);
    ck_assert_uint_eq(take(o, 0), 0);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    ck_assert_uint_eq(dropped, 3);
    feed_order_free(o);
}
END_TEST

START_TEST(a_position_that_goes_back_is_another_history)
{
    struct feed_order *o = feed_order_new(1000, drop);
    end(o, 1, 100, 0);
    end(o, 2, 200, 0);
    ck_assert_int_eq(end(o, 9, 150, 0), FEED_END_BACKWARD);
    ck_assert_int_eq(end(o, 9, 50, 0), FEED_END_AGAIN); /* of before what is remembered */
    feed_order_renew(o);
    ck_assert_int_eq(end(o, 9, 150, 0), FEED_END_NEW);
    ck_assert_uint_eq(take(o, 0), 9);
    feed_order_free(o);
}
END_TEST

START_TEST(a_start_gives_up_what_it_has_not_seen_whole)
{
    struct feed_order *o = feed_order_new(1000, drop);
    end(o, 1, 100, 0);
    end(o, 2, 200, 2);
    end(o, 3, 300, 1);
    end(o, 4, 400, 1);
    feed_order_event(o, 2, event(2, 1));
    feed_order_event(o, 3, event(1, 1));
    ck_assert(!feed_order_whole(o, 3));
    ck_assert(feed_order_whole(o, 1));
    ck_assert_uint_eq(feed_order_settle(o, 3), 200); /* the fourth came too late to count */
    ck_assert_uint_eq(take(o, 1), 3);
    feed_order_event(o, 4, event(1, 1));
    ck_assert_uint_eq(take(o, 1), 4);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    feed_order_free(o);
}
END_TEST

START_TEST(memory_is_bounded_and_what_went_is_known)
{
    struct feed_order *o = feed_order_new(1000, drop);
    struct feed_end next;
    uint64_t missing;
    for (uint64_t i = 1; i <= 20; i++)
        feed_order_event(o, 5, event(i, 100));
    ck_assert_uint_le(feed_order_bytes(o), 1000);
    end(o, 5, 500, 20);
    ck_assert(feed_order_missing(o, &missing, &next));
    ck_assert_uint_eq(missing, UINT64_MAX);
    ck_assert_uint_eq(next.xid, 5);
    ck_assert_uint_eq(take(o, 0), 0);
    feed_order_skip(o);
    feed_order_event(o, 6, event(1, 100));
    end(o, 6, 600, 1);
    ck_assert_uint_eq(take(o, 1), 6);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    feed_order_free(o);
}
END_TEST

START_TEST(the_oldest_go_first_when_there_are_many)
{
    struct feed_order *o = feed_order_new(1000, drop);
    for (uint32_t xid = UINT32_MAX - 5; xid != 10; xid++) /* numbers wrap */
        feed_order_event(o, xid, event(1, 100));
    ck_assert_uint_le(feed_order_bytes(o), 1000);
    end(o, 8, 800, 1);
    end(o, 9, 900, 1);
    ck_assert_uint_eq(take(o, 1), 8);
    ck_assert_uint_eq(take(o, 1), 9);
    feed_order_free(o);
}
END_TEST

START_TEST(leftovers_are_swept_away)
{
    struct feed_order *o = feed_order_new(1000, drop);
    feed_order_event(o, 1, event(1, 10)); /* came at 0 */
    feed_order_event(o, 2, event(1, 10));
    end(o, 2, 200, 2);
    feed_order_sweep(o, 100, 50);
    ck_assert_uint_eq(feed_order_bytes(o), 10); /* the one whose END is there waits on */
    feed_order_free(o);
}
END_TEST

/* Random transactions over three partitions, each read at its own pace, some repeated: what comes out is the
 * whole list in order. */
START_TEST(random_arrivals_give_commit_order)
{
    enum { TRANSACTIONS = 2000, PARTITIONS = 3 };
    static struct {
        uint32_t xid;
        uint64_t total;
        lsn_t end;
        uint64_t events;
    } queue[PARTITIONS + 1][TRANSACTIONS * 8];
    size_t length[PARTITIONS + 1] = {0}, at[PARTITIONS + 1] = {0};
    static uint64_t events[TRANSACTIONS];
    srand(618);
    for (uint32_t t = 0; t < TRANSACTIONS; t++) {
        bool again = t > 3 && rand() % 20 == 0; /* goes back by three */
        for (uint32_t xid = again ? t - 3 : t; xid <= t; xid++) {
            if (xid == t)
                events[t] = (uint64_t)rand() % 4;
            for (uint64_t i = 1; i <= events[xid]; i++) {
                size_t p = (xid * 7 + i * 3) % PARTITIONS;
                queue[p][length[p]].xid = xid;
                queue[p][length[p]++].total = i;
            }
            queue[PARTITIONS][length[PARTITIONS]].xid = xid;
            queue[PARTITIONS][length[PARTITIONS]].end = 100 + xid;
            queue[PARTITIONS][length[PARTITIONS]++].events = events[xid];
        }
    }
    struct feed_order *o = feed_order_new(1 << 20, drop);
    uint32_t next = 0;
    for (size_t left = PARTITIONS + 1; left;) {
        size_t p = (size_t)rand() % (PARTITIONS + 1);
        for (size_t burst = (size_t)rand() % 9; burst > 0 && at[p] < length[p]; burst--, at[p]++) {
            if (p < PARTITIONS)
                feed_order_event(o, queue[p][at[p]].xid + 1, event(queue[p][at[p]].total, 10));
            else
                end(o, queue[p][at[p]].xid + 1, queue[p][at[p]].end, queue[p][at[p]].events);
        }
        while (next < TRANSACTIONS && take(o, events[next]) == next + 1)
            next++;
        left = 0;
        for (p = 0; p <= PARTITIONS; p++)
            left += at[p] < length[p];
    }
    ck_assert_uint_eq(next, TRANSACTIONS);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    feed_order_free(o);
}
END_TEST

/* A large transaction whose records come from three partitions in turn, some of them twice, takes no longer
 * than one of as many that come in order: seconds would be minutes here. */
START_TEST(a_large_transaction_of_several_partitions_is_put_in_order)
{
    enum { EVENTS = 300000, FETCHED = 400 };
    struct feed_order *o = feed_order_new(SIZE_MAX, drop);
    size_t before = dropped;
    for (uint64_t base = 0; base < EVENTS; base += 3 * FETCHED)
        for (uint64_t partition = 1; partition <= 3; partition++)
            for (uint64_t i = 0; i < FETCHED; i++) {
                feed_order_event(o, 7, event(base + 3 * i + partition, 1));
                if (i % 100 == 0)
                    feed_order_event(o, 7, event(base + 3 * i + partition, 1));
            }
    ck_assert_uint_eq(dropped - before, EVENTS / 100);
    ck_assert_uint_eq(feed_order_bytes(o), EVENTS);
    ck_assert_int_eq(end(o, 7, 100, EVENTS), FEED_END_NEW);
    ck_assert_uint_eq(take(o, EVENTS), 7);
    ck_assert_uint_eq(feed_order_bytes(o), 0);
    feed_order_free(o);
}
END_TEST

START_TEST(ordinals_follow_the_runs)
{
    ck_assert_uint_eq(feed_ordinal(NULL, 1), 0);
    ck_assert_uint_eq(feed_ordinal(NULL, 5), 4);
    ck_assert_uint_eq(feed_ordinal("1:2", 1), 2);     /* two changes without an event came first */
    ck_assert_uint_eq(feed_ordinal("3:2,5:9", 2), 1); /* the runs begin later */
    ck_assert_uint_eq(feed_ordinal("3:1,5:9", 3), 1); /* the second event was a message */
    ck_assert_uint_eq(feed_ordinal("3:1,5:9", 4), 2);
    ck_assert_uint_eq(feed_ordinal("3:1,5:9", 7), 11);
}
END_TEST

SUITE_MAIN("feed_order", an_end_waits_for_its_events_and_events_for_their_end,
           a_later_transaction_waits_for_an_earlier_one, what_is_sent_twice_is_taken_once,
           a_position_that_goes_back_is_another_history, a_start_gives_up_what_it_has_not_seen_whole,
           memory_is_bounded_and_what_went_is_known, the_oldest_go_first_when_there_are_many,
           leftovers_are_swept_away, random_arrivals_give_commit_order,
           a_large_transaction_of_several_partitions_is_put_in_order, ordinals_follow_the_runs)
