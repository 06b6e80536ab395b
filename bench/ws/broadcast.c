/* broadcast.c - walwire's hub and web server with a source of changes beside them, and nothing else.
 *
 *     broadcast CLIENTS RATE [THREADS]     RATE 0: as fast as the clients are served
 *
 * What a broadcast server of another kind does in its own process: it makes messages of 200 bytes and sends
 * each to all. Says its port; begins once CLIENTS have subscribed to public.bench. Ends when standard input
 * does. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "session.h"
#include "web.h"
#include "xmalloc.h"

enum { AHEAD = 512 /* changes that the slowest may have before it */ };

static const struct hub_column columns[] = {{"id", "int8"}, {"at", "int8"}, {"note", "text"}};
static const uint16_t key[] = {0};

struct feed {
    struct hub *hub;
    int source;
    const struct hub_table *table;
    uint64_t clients, rate, published;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void rest(uint64_t ns)
{
    nanosleep(&(struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}, NULL);
}

static void publish(struct feed *f, uint64_t at)
{
    char id[24], made[24];
    uint64_t n = ++f->published;
    snprintf(id, sizeof(id), "%llu", (unsigned long long)(n % 1000));
    snprintf(made, sizeof(made), "\"%llu\"", (unsigned long long)at);
    struct slice row[] = {slice_of(id), slice_of(made), SLICE("\"the shop has taken this order\"")};
    struct hub_change c = {.table = f->table,
                           .op = 'c',
                           .commit_lsn = 1000 + n,
                           .xid = (uint32_t)n,
                           .ts_ms = 1700000000000,
                           .row = row};
    hub_publish(f->hub, f->source, &c);
}

static struct hub_stats stats_of(const struct feed *f)
{
    struct hub_stats stats;
    hub_position(f->hub, f->source, 0, -1); /* the web thread shows them anew */
    hub_stats(f->hub, &stats);
    return stats;
}

/* As fast as it goes: the slowest is never far behind. */
static void flood(struct feed *f)
{
    for (;;) {
        uint64_t ahead = f->published - stats_of(f).sent / f->clients;
        for (; ahead < AHEAD; ahead++)
            publish(f, now_ns());
        rest(100000);
    }
}

static void pace(struct feed *f)
{
    uint64_t start = now_ns();
    for (uint64_t n = 0;; n++) {
        uint64_t due = start + n * 1000000000u / f->rate, now = now_ns();
        if (due > now)
            rest(due - now);
        publish(f, due);
    }
}

static void *feed_run(void *ctx)
{
    struct feed *f = ctx;
    while (stats_of(f).subscriptions < f->clients)
        rest(10000000);
    if (f->rate)
        pace(f);
    else
        flood(f);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct hub_options options = {.window_bytes = 64 << 20};
    static const struct hub_table_info info = {"public.bench", columns, 3, key, 1};
    struct err e = {0};
    pthread_t thread;
    if (argc < 3) {
        fprintf(stderr, "broadcast CLIENTS RATE [THREADS]\n");
        return 2;
    }
    log_set_level(LOG_WARN);
    struct feed f = {.hub = hub_new(&options),
                     .clients = strtoull(argv[1], NULL, 10),
                     .rate = strtoull(argv[2], NULL, 10)};
    f.source = hub_source(f.hub, "bench");
    hub_epoch(f.hub, f.source, "bench", 100);
    f.table = hub_table_set(f.hub, f.source, &info);
    struct web_options web = {.websocket_listeners = "127.0.0.1:0",
                              .web_dir = "web",
                              .hub = f.hub,
                              .websocket_threads = argc > 3 ? strtoul(argv[3], NULL, 10) : 0};
    struct web *w = web_start(&web, &e);
    if (!w) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("port %d\n", web_page_port(w, 0));
    fflush(stdout);
    pthread_create(&thread, NULL, feed_run, &f);
    for (char c; read(0, &c, 1) > 0;)
        ;
    _exit(0);
}
