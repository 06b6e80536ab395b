/* main.c - the walwire program: which command, and its help. */
#include "command.h"
#include "config.h"
#include "failpoint.h"
#include "metrics.h"
#include "preflight.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct command {
    const char *name, *args, *text;
    int (*run)(int argc, char **argv);
};

static int command_options(int argc, char **argv)
{
    struct buf b = BUF_EMPTY;
    if (argc > 1 && strcmp(argv[1], "--markdown") == 0)
        config_options_markdown(&b);
    else
        config_options_text(&b);
    fputs(buf_view(&b).ptr, stdout);
    buf_free(&b);
    return 0;
}

static int command_metrics(int argc, char **argv)
{
    struct buf b = BUF_EMPTY;
    metrics_document(&b);
    fputs(buf_view(&b).ptr, stdout);
    buf_free(&b);
    return 0;
}

static int command_version(int argc, char **argv)
{
    printf("walwire %s\n", WALWIRE_VERSION);
    return 0;
}

#ifdef WALWIRE_FAILPOINTS
static int command_failpoints(int argc, char **argv)
{
    struct buf b = BUF_EMPTY;
    failpoints_list(&b);
    fputs(buf_view(&b).ptr, stdout);
    buf_free(&b);
    return 0;
}

static void save_hits(void)
{
    struct buf b = BUF_EMPTY;
    failpoints_hits(&b);
    FILE *f = fopen(getenv("WALWIRE_FAILPOINT_HITS"), "w");
    if (f) {
        fputs(buf_view(&b).ptr, f);
        fclose(f);
    }
    buf_free(&b);
}

/* WALWIRE_FAILPOINT_HITS=FILE: how often each place was reached, written when the process ends. */
static bool arm_failpoints(struct err *e)
{
    const char *spec = getenv("WALWIRE_FAILPOINT"), *file = getenv("WALWIRE_FAILPOINT_HITS");
    if (file)
        atexit(save_hits);
    return (!spec && !file) || failpoints_arm(spec, e);
}
#else
static bool arm_failpoints(struct err *e)
{
    return true;
}
#endif

static int command_help(int argc, char **argv);

static const struct command commands[] = {
    {"serve", "WORKER.properties [CONNECTOR.json ...]",
     "run connectors: to Kafka, to browsers, with Kafka Connect's REST API", command_serve},
    {"gateway", "GATEWAY.properties", "serve browsers from Kafka's topics, on any number of nodes",
     command_gateway},
    {"stream", "CONNINFO [--table SCHEMA.TABLE ...] [--snapshot]",
     "print changes as JSON lines, from a temporary slot; leaves nothing behind", command_stream},
    {"check", "CONNECTOR.json|CONNINFO [--worker WORKER.properties]",
     "tell what would fail, and the command that mends it", preflight_main},
    {"options", "[--markdown]", "list every connector option", command_options},
    {"metrics", "", "list every metric, as docs/METRICS.md", command_metrics},
#ifdef WALWIRE_FAILPOINTS
    {"failpoints", "", "list the places where a test can have it end (this is a build for tests)",
     command_failpoints},
#endif
    {"version", "", "print the version", command_version},
    {"help", "", "print this", command_help},
};

static int command_help(int argc, char **argv)
{
    printf("walwire %s - PostgreSQL changes to Kafka and to browsers\n\nUsage: walwire COMMAND ...\n\n",
           WALWIRE_VERSION);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %s %s\n      %s\n", commands[i].name, commands[i].args, commands[i].text);
    printf("\nwalwire COMMAND --help tells more about serve, gateway, stream and check.\n");
    return 0;
}

int command_fail(const struct err *e)
{
    fprintf(stderr, "walwire: %s\n", e->text);
    return 1;
}

static bool takes_hangup;

static void our_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    if (takes_hangup)
        sigaddset(set, SIGHUP);
}

void command_block_signals(void)
{
    sigset_t set;
    our_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void command_take_hangup(void)
{
    takes_hangup = true;
    command_block_signals();
}

int command_wait_signal(int timeout_ms)
{
    sigset_t set;
    our_signals(&set);
    int sig = 0;
    if (timeout_ms < 0)
        return sigwait(&set, &sig) == 0 ? sig : 0;
    struct timespec t = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
    sig = sigtimedwait(&set, NULL, &t);
    return sig > 0 ? sig : 0;
}

int main(int argc, char **argv)
{
    const char *name = argc < 2 || command_asks_help(argv[1]) ? "help" : argv[1];
    if (strcmp(name, "--version") == 0)
        name = "version";
    struct err e = {0};
    if (!arm_failpoints(&e))
        return command_fail(&e);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv);
    fprintf(stderr, "walwire: unknown command '%s'; walwire help lists them\n", name);
    return 2;
}
