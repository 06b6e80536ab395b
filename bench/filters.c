/* filters.c - what a change costs the browsers' hub, by how many filtered subscriptions there are.
 *
 *     filters [-t CHANGES] [-s EACH] [subscriptions ...]     (-t 50 -s 1 1 100000)
 *
 * Each subscription has a value of its own: column = value; each client has -s of them. Every change is an
 * update whose row matches one of them before and after; it is published, taken in, judged, encoded and
 * gathered by that client, -t changes in a turn: with 1 each comes alone. Prints nanoseconds of processor
 * time a change, the least of several rounds, for each number.
 *
 * What comes before the hub and behind it, the same for any number, is not here: bench/ws measures all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "session.h"
#include "xmalloc.h"

enum { ROUNDS = 7, CHANGES = 20000, FIRST_VALUE = 1000000 /* all are equally long */ };

static const struct hub_column columns[] = {
    {"id", "int8"}, {"owner", "int8"}, {"state", "text"}, {"total", "numeric"}};
static const bool identity[] = {true, true, true, true};
static const uint16_t key[] = {0};

struct client {
    struct session *session;
    bool wanted;
};

static struct client **woken;
static size_t n_woken, turn = 50, each = 1;

static void on_want(void *user)
{
    struct client *c = user;
    if (woken && !c->wanted)
        woken[n_woken++] = c;
    c->wanted = true;
}

static void on_cut(void *user)
{
}

/* What a web server does with those that want to write. */
static size_t write_all(struct buf *frame)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_woken; i++) {
        woken[i]->wanted = false;
        buf_reset(frame);
        while (session_gather(woken[i]->session, frame, 1000))
            ;
        bytes += frame->len;
    }
    n_woken = 0;
    return bytes;
}

/* Asks for the values from `first` on. */
static void client_add(struct hub *h, struct client *c, size_t first, size_t n, struct buf *frame)
{
    char text[200];
    struct session_options options = {.client = "", .want_write = on_want, .cut = on_cut, .user = c};
    c->session = session_open(h, &options, 1000);
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"subscribe\",\"id\":%zu,\"table\":\"public.orders\",\"where\":[\"owner\",\"eq\","
                 "%zu]}",
                 i, FIRST_VALUE + first + i);
        session_receive(c->session, slice_of(text), 1000);
    }
    buf_reset(frame);
    while (session_gather(c->session, frame, 1000))
        ;
    c->wanted = false;
}

static void publish(struct hub *h, int source, const struct hub_table *t, lsn_t lsn, size_t owner)
{
    char id[24], value[24];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)lsn);
    snprintf(value, sizeof(value), "%zu", FIRST_VALUE + owner);
    struct slice row[] = {slice_of(id), slice_of(value), SLICE("\"paid\""), SLICE("\"12.50\"")};
    struct slice old[] = {slice_of(id), slice_of(value), SLICE("\"open\""), SLICE("\"12.50\"")};
    struct hub_change c = {
        .table = t, .op = 'u', .commit_lsn = lsn, .xid = (uint32_t)lsn, .row = row, .old = old};
    hub_publish(h, source, &c);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct bench {
    struct hub *hub;
    int source;
    const struct hub_table *table;
    struct client *clients;
    size_t n, n_clients, published, bytes;
    struct buf frame;
};

static void setup(struct bench *b, size_t n)
{
    struct hub_options options = {.rate = 1000000, .max_subscriptions = each};
    static const struct hub_table_info info = {"public.orders", columns, 4, key, 1, identity};
    *b = (struct bench){.hub = hub_new(&options), .n = n, .n_clients = (n + each - 1) / each};
    b->clients = xcalloc(b->n_clients, sizeof(*b->clients));
    b->source = hub_source(b->hub, "bench");
    hub_epoch(b->hub, b->source, "bench", 100);
    b->table = hub_table_set(b->hub, b->source, &info);
    hub_turn(b->hub);
    for (size_t i = 0, first = 0; i < b->n_clients; i++, first += each)
        client_add(b->hub, &b->clients[i], first, n - first < each ? n - first : each, &b->frame);
    woken = xcalloc(b->n_clients, sizeof(*woken));
}

static void teardown(struct bench *b)
{
    struct hub_stats stats;
    hub_turn(b->hub); /* shows the figures */
    hub_stats(b->hub, &stats);
    if (stats.sent != b->published || stats.resets || b->bytes == 0) {
        fprintf(stderr, "%llu changes of %zu were sent\n", (unsigned long long)stats.sent, b->published);
        exit(1);
    }
    for (size_t i = 0; i < b->n_clients; i++)
        session_close(b->clients[i].session);
    hub_free(b->hub);
    buf_free(&b->frame);
    free(b->clients);
    free(woken);
    woken = NULL;
}

/* A function of its own, so that callgrind can count it alone. */
static __attribute__((noinline)) void play(struct bench *b)
{
    for (size_t i = 1; i <= CHANGES; i++, b->published++) {
        publish(b->hub, b->source, b->table, 1000 + b->published, b->published * 7919 % b->n);
        if (i % turn)
            continue;
        hub_turn(b->hub);
        b->bytes += write_all(&b->frame);
    }
}

static double measure(size_t n)
{
    struct bench b;
    double least = 0;
    setup(&b, n);
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        play(&b);
        double spent = (now_ns() - start) / CHANGES;
        least = round == 0 || spent < least ? spent : least;
    }
    teardown(&b);
    return least;
}

int main(int argc, char **argv)
{
    static const size_t presets[] = {1, 100000};
    for (int o; (o = getopt(argc, argv, "t:s:")) != -1;)
        if (o == 't')
            turn = strtoul(optarg, NULL, 10);
        else if (o == 's')
            each = strtoul(optarg, NULL, 10);
        else
            return 2;
    if (turn == 0 || CHANGES % turn || each == 0) {
        fprintf(stderr, "-t: a divisor of %d; -s: at least 1\n", CHANGES);
        return 2;
    }
    log_set_level(LOG_WARN); /* not a line for each subscription */
    int given = argc - optind, n = given ? given : 2;
    double first = 0;
    for (int i = 0; i < n; i++) {
        size_t subscriptions = given ? strtoul(argv[optind + i], NULL, 10) : presets[i];
        double cost = measure(subscriptions ? subscriptions : 1);
        first = i ? first : cost;
        printf("%zu subscriptions: %.0f ns a change, %.2f times the first\n", subscriptions, cost,
               cost / first);
    }
    return 0;
}
