/* command.h - the commands of the walwire program: a row each in main.c, a file each. */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include <string.h>

#include "err.h"

/* argv[0] is the command's name. Returns the process's exit status. */
int command_serve(int argc, char **argv);
int command_gateway(int argc, char **argv);
int command_stream(int argc, char **argv);

/* Every command's first argument may be one of these. */
static inline bool command_asks_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/* Prints "walwire: text" to stderr and returns 1. */
int command_fail(const struct err *e);

/* SIGINT and SIGTERM are blocked in all threads and taken here. Waits at most timeout_ms (-1: for ever); 0:
 * none came. */
void command_block_signals(void);
int command_wait_signal(int timeout_ms);
/* From now on SIGHUP is among them. */
void command_take_hangup(void);

#endif
