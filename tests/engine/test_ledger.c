/* test_ledger.c - a position is safe only when everything before it is durable, whatever order reports come
 * in. */
#include "ledger.h"

#include "suite.h"

#include <malloc.h>

START_TEST(nothing_is_safe_before_the_first_commit)
{
    struct ledger *l = ledger_new();
    ck_assert(ledger_idle(l));
    struct mark *m = ledger_open(l);
    ck_assert_uint_eq(ledger_safe(l).lsn, 0);
    ck_assert(!ledger_idle(l));
    m->pending = 1;
    ledger_close(l, 100, 7, 1);
    ck_assert_uint_eq(ledger_safe(l).lsn, 0);
    m->pending = 0;
    ck_assert_uint_eq(ledger_safe(l).lsn, 100);
    ck_assert_int_eq(ledger_safe(l).tx_id, 7);
    ck_assert(ledger_idle(l));
    ledger_free(l);
}
END_TEST

START_TEST(a_later_transaction_waits_for_an_earlier_one)
{
    struct ledger *l = ledger_new();
    struct mark *first = ledger_open(l);
    first->pending = 2;
    ledger_close(l, 100, 1, 1);
    ledger_open(l);
    ledger_close(l, 200, 2, 2); /* nothing to wait for, but for the first */
    ck_assert_uint_eq(ledger_safe(l).lsn, 0);
    first->pending = 0;
    ck_assert_uint_eq(ledger_safe(l).lsn, 200);
    ledger_free(l);
}
END_TEST

/* Nothing is sent of most transactions, and what was sent is not confirmed: Kafka is away. Memory stays flat,
 * and the position is behind all of them once it is back. */
START_TEST(transactions_without_a_message_take_no_room)
{
    enum { N = 1000000, MOST_BYTES = 64 * 1024 };
    struct ledger *l = ledger_new();
    struct mark *waits = ledger_open(l);
    waits->pending = 1;
    ledger_close(l, 100, 1, 1);
    size_t before = mallinfo2().uordblks;
    lsn_t safe = 0;
    for (unsigned i = 1; i <= N; i++) {
        ledger_open(l);
        ledger_close(l, 100 + i, 1 + (int64_t)i, 0);
        safe |= ledger_safe(l).lsn;
    }
    ck_assert_uint_eq(safe, 0);
    ck_assert_uint_le(mallinfo2().uordblks, before + MOST_BYTES);
    struct mark *open = ledger_open(l);
    waits->pending = 0;
    ck_assert_uint_eq(ledger_safe(l).lsn, 100 + N);
    ck_assert_int_eq(ledger_safe(l).tx_id, 1 + N);
    ck_assert(!ledger_idle(l));
    open->pending = 1;
    ledger_close(l, 200 + N, 2 + N, 0);
    open->pending = 0;
    ck_assert_uint_eq(ledger_safe(l).lsn, 200 + N);
    ck_assert(ledger_idle(l));
    ledger_free(l);
}
END_TEST

/* Random reports against the plain definition: the end of the longest prefix without anything pending. */
START_TEST(random_orders_agree_with_the_definition)
{
    enum { N = 400 };
    struct ledger *l = ledger_new();
    struct mark *marks[N];
    unsigned pending[N], opened = 0, done = 0;
    srand(42);
    while (done < N) {
        if (opened < N && rand() % 3) {
            marks[opened] = ledger_open(l);
            marks[opened]->pending = pending[opened] = (unsigned)rand() % 4;
            ledger_close(l, 1000 + opened, (int64_t)opened, 0);
            opened++;
        } else if (opened) {
            unsigned i = done + (unsigned)rand() % (opened - done + 1);
            if (i < opened && pending[i])
                marks[i]->pending = --pending[i];
        }
        while (done < opened && pending[done] == 0)
            done++;
        ck_assert_uint_eq(ledger_safe(l).lsn, done ? 999 + done : 0);
    }
    ck_assert(ledger_idle(l));
    ledger_free(l);
}
END_TEST

SUITE_MAIN("ledger", nothing_is_safe_before_the_first_commit, a_later_transaction_waits_for_an_earlier_one,
           transactions_without_a_message_take_no_room, random_orders_agree_with_the_definition)
