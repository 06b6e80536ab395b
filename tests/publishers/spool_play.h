/* spool_play.h - a walwire that keeps its window in files, ends and begins again, and those files. */
#ifndef TESTS_SPOOL_PLAY_H
#define TESTS_SPOOL_PLAY_H

#include "hub_play.h"

enum { WINDOW = 1 << 16, FILES = 64 };

extern char dir[64];
extern int64_t clock_now; /* by the hub's clock, ms */
extern struct hub_options options;

void spool_setup(void); /* a fresh directory */
void spool_teardown(void);

/* ---- a walwire that comes and goes ---- */

void begin(lsn_t start); /* epoch "7-1-a", public.items and public.other with three columns */
void begin_with(const char *epoch, lsn_t start, size_t columns);
void end(void);
void again(lsn_t start);

/* As the stream does it: a transaction with one change. */
void commit(const struct hub_table *table, lsn_t lsn, int id);
lsn_t at(int id); /* ids 0, 1, 2 ... of public.items are at 200, 210, 220 ... */
void commits(int from, int to);

/* ---- who comes back ---- */

void read_items(void); /* somebody reads public.items, and goes */
struct client *back_to(const char *table, const char *epoch, const char *pos);
void expect_resume(const char *pos, int from, int to); /* of public.items, with these ids */
void expect_reset(const char *table, const char *epoch, const char *pos, const char *reason);

/* ---- files ---- */

struct kept {
    char name[40];
    size_t size;
    char *bytes;
};

char *shop(const char *name);        /* the path of a file of the connector's; the caller's */
size_t files_read(struct kept *out); /* the segments, oldest first; at most FILES */
void files_write(const struct kept *files, size_t n); /* in place of what is there */
void files_free(struct kept *files, size_t n);
size_t disk_bytes(void);

#endif
