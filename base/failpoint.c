/* failpoint.c - the table of places, and what happens there. Only in builds with the option `failpoints`.
 *
 * A row's stage says what a test must do to get there: start a connector that has a position (start), begin a
 * new one (snapshot), write (stream), end it (stop); stores and modes are named after it where they matter.
 */
#include "failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool failpoints_armed;

static const struct place {
    const char *name, *stage;
    bool fails; /* its macro is FAILPOINT_ERROR */
    const char *text;
} places[] = {
    /* slot and snapshot */
    {"slot-create", "snapshot", true, "publication made; before the slot is created"},
    {"slot-created", "snapshot", true, "slot created; before anything is stored of it"},
    {"snapshot-import", "snapshot", true, "snapshot exported; before it is imported"},
    {"snapshot-begin", "snapshot", true, "snapshot imported; before it is stored that one has begun"},
    {"snapshot-read", "snapshot", true, "stored that a snapshot has begun; before its readers open"},
    {"snapshot-row", "snapshot", true, "a row given to the sink; before the next one"},
    {"snapshot-end", "snapshot", true, "last row given to the sink; before all are delivered"},
    {"snapshot-store", "snapshot", true, "all rows delivered; before it is stored that the snapshot is done"},
    {"snapshot-done", "snapshot", true, "stored that the snapshot is done; before the stream starts"},
    /* the start of a stream */
    {"start-position", "start", true, "position and slot known; before the stream's start is chosen"},
    {"stream-start", "start", true, "start chosen; before START_REPLICATION"},
    {"stream-open", "start", false, "stream open; before the stored position is acknowledged again"},
    /* a change's way */
    {"frame-read", "stream", true, "a frame read from the socket; before it is in a batch"},
    {"batch-over", "stream", false, "a batch read; before the pipeline gets it"},
    {"batch-taken", "stream", true, "a batch taken by the pipeline; before its first frame"},
    {"transaction-begin", "stream", true, "BEGIN read; before its first row"},
    {"row", "stream", true, "a row read, in the middle of its transaction; before its records are made"},
    {"produce", "stream", true, "a record made; before the producer gets it"},
    {"produced", "stream", false, "a record with the producer; before its report"},
    {"transaction-end", "stream", true, "COMMIT read; before its mark is closed"},
    {"transaction-ended", "stream", false, "mark closed; before anything else is read"},
    {"reports", "stream", true, "delivery reports there; before they are counted"},
    {"reported", "stream", false, "delivery reports counted; before the ledger looks"},
    {"ledger-safe", "stream", false, "ledger advanced; before the position is made of it"},
    {"checkpoint", "stream", true, "position known; before it is stored"},
    {"checkpoint-stored", "stream", false, "position stored; before the link may acknowledge it"},
    {"acknowledge", "stream", true, "link told of the position; before PostgreSQL is"},
    {"acknowledged", "stream", false, "PostgreSQL told of the position; before anything else"},
    /* stores of positions */
    {"file-write", "stream file", true, "new file created; before its bytes are written"},
    {"file-sync", "stream file", true, "new file written; before its fsync"},
    {"file-link", "stream file", true, "new file synced; before the old one is kept as the previous one"},
    {"file-rename", "stream file", true, "old file kept; before the new one replaces it"},
    {"file-renamed", "stream file", true, "new file in place; before the directory's fsync"},
    {"offset-produce", "stream kafka", true, "producer of positions ready; before it gets one"},
    {"offset-produced", "stream kafka", true, "position with the producer; before its report"},
    {"offset-reported", "stream kafka", false, "position reported as stored; before anyone is told"},
    /* exactly once */
    {"kafka-commit", "stream eos", true,
     "records and position delivered; before their Kafka transaction is committed"},
    {"kafka-committed", "stream eos", false, "Kafka transaction committed; before anyone is told"},
    /* leaving */
    {"drain", "stop", true, "told to stop; before what is on its way is waited for"},
    {"drain-flushed", "stop", true, "all delivered; before the last position is stored"},
    {"drain-stored", "stop", false, "last position stored; before it is acknowledged and all is closed"},
};

enum { PLACES = sizeof places / sizeof *places, MOST_ORDERS = 16 };

enum action { ACTION_ABORT, ACTION_STOP, ACTION_ERROR, ACTIONS };
static const char *const action_names[] = {"abort", "stop", "error"};

static struct order {
    size_t place;
    unsigned long nth;
    enum action action;
} orders[MOST_ORDERS];
static size_t n_orders;
static atomic_ulong hits[PLACES];

static bool place_find(struct slice name, size_t *at)
{
    for (*at = 0; *at < PLACES; ++*at)
        if (slice_eq(name, slice_of(places[*at].name)))
            return true;
    return false;
}

/* Up to the next `end`, or all. */
static struct slice word_take(const char **at, char end)
{
    const char *from = *at, *to = strchrnul(from, end);
    *at = *to ? to + 1 : to;
    return (struct slice){from, (size_t)(to - from)};
}

static bool order_parse(const char *text, struct order *o, struct err *e)
{
    const char *at = text;
    struct slice name = word_take(&at, ':'), nth = word_take(&at, ':'), action = slice_of(at);
    if (!place_find(name, &o->place))
        return err_set(e, ERR_CONFIG, "WALWIRE_FAILPOINT: there is no " SLICE_FMT ": see walwire failpoints",
                       SLICE_ARG(name));
    char *end;
    o->nth = strtoul(nth.ptr, &end, 10);
    if (!o->nth || end != nth.ptr + nth.len)
        return err_set(e, ERR_CONFIG, "WALWIRE_FAILPOINT: %s: the second word must be a number from 1 on",
                       text);
    for (o->action = 0; o->action < ACTIONS; o->action++)
        if (slice_eq(action, slice_of(action_names[o->action])))
            break;
    if (o->action == ACTIONS || (o->action == ACTION_ERROR && !places[o->place].fails))
        return err_set(e, ERR_CONFIG, "WALWIRE_FAILPOINT: %s: the third word must be abort or stop%s", text,
                       places[o->place].fails ? " or error" : "");
    return true;
}

bool failpoints_arm(const char *spec, struct err *e)
{
    failpoints_armed = true;
    for (const char *at = spec; at && *at;) {
        struct slice one = word_take(&at, ',');
        char text[200];
        if (n_orders == MOST_ORDERS || one.len >= sizeof text)
            return err_set(e, ERR_CONFIG, "WALWIRE_FAILPOINT: too long");
        memcpy(text, one.ptr, one.len);
        text[one.len] = 0;
        if (!order_parse(text, &orders[n_orders], e))
            return false;
        n_orders++;
    }
    return true;
}

/* Not through the log: nothing may be allocated or locked here. */
static void tell(const struct order *o)
{
    char text[200];
    int n = snprintf(text, sizeof text, "walwire: failpoint %s:%lu:%s\n", places[o->place].name, o->nth,
                     action_names[o->action]);
    (void)!write(STDERR_FILENO, text, (size_t)n);
}

static bool order_run(const struct order *o, struct err *e)
{
    tell(o);
    if (o->action == ACTION_ERROR)
        return !err_set(e, ERR_RETRY, "failpoint %s", places[o->place].name);
    kill(getpid(), o->action == ACTION_ABORT ? SIGKILL : SIGSTOP);
    while (o->action == ACTION_ABORT)
        pause(); /* the others may be ended first */
    return false;
}

bool failpoint_hit(const char *name, struct err *e)
{
    size_t place;
    if (!place_find(slice_of(name), &place)) {
        fprintf(stderr, "failpoint %s is not in the table\n", name);
        abort();
    }
    unsigned long nth = atomic_fetch_add(&hits[place], 1) + 1;
    bool fails = false;
    for (size_t i = 0; i < n_orders; i++)
        if (orders[i].place == place && orders[i].nth == nth)
            fails |= order_run(&orders[i], e);
    return fails;
}

void failpoints_list(struct buf *b)
{
    for (size_t i = 0; i < PLACES; i++)
        buf_printf(b, "%s\t%s\tabort,stop%s\t%s\n", places[i].name, places[i].stage,
                   places[i].fails ? ",error" : "", places[i].text);
}

void failpoints_hits(struct buf *b)
{
    for (size_t i = 0; i < PLACES; i++) {
        unsigned long n = atomic_load(&hits[i]);
        if (n)
            buf_printf(b, "%s\t%lu\n", places[i].name, n);
    }
}
