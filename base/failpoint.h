/* failpoint.h - places where a test has the process end, stop or fail.
 *
 * Only in builds with the option `failpoints`; elsewhere both macros are nothing. The environment variable
 * WALWIRE_FAILPOINT=name:nth:action[,...] names a place of the table in failpoint.c, at which of its hits
 * (from 1, counted in the whole process) something happens, and what: `abort` (SIGKILL to itself: nothing is
 * cleaned up), `stop` (SIGSTOP), `error` (the place behaves as if what comes next had failed). */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include "buf.h"
#include "err.h"

#ifdef WALWIRE_FAILPOINTS

extern bool failpoints_armed; /* set once, before there are threads */

/* True when `error` is due: *e is set then, to ERR_RETRY. e may be NULL where the table's row has no `error`.
 */
bool failpoint_hit(const char *name, struct err *e);

#define FAILPOINT(name)                                                                                      \
    do {                                                                                                     \
        if (__builtin_expect(failpoints_armed, 0))                                                           \
            (void)failpoint_hit(name, NULL);                                                                 \
    } while (0)
#define FAILPOINT_ERROR(name, e) (__builtin_expect(failpoints_armed, 0) && failpoint_hit(name, e))

/* spec: as in the environment; NULL: none, all places count their hits only. Once a process. ERR_CONFIG: no
 * such place, action or number. */
bool failpoints_arm(const char *spec, struct err *e);
/* A line for each place: name, stage, actions, what it stands before; with tabs between. */
void failpoints_list(struct buf *b);
/* A line for each place that was reached: name, tab, hits so far. Any thread. */
void failpoints_hits(struct buf *b);

#else

#define FAILPOINT(name)          ((void)0)
#define FAILPOINT_ERROR(name, e) false

#endif
#endif
