/* readings.h - what a pipeline tells its meter, and when. All on the pipeline's thread; without a meter
 * nothing is done. */
#ifndef ENGINE_READINGS_H
#define ENGINE_READINGS_H

#include "pipeline.h"

void readings_begin(struct pipeline *p);
void readings_end(struct pipeline *p, bool failed);
void readings_publish(struct pipeline *p); /* once a round */
void readings_look(struct pipeline *p);    /* asks the server for the slot's state, when it is time */
void readings_step(struct pipeline *p, const char *step);

/* A snapshot of n tables begins; so many rows of one have been published; done: all. */
void readings_tables(struct pipeline *p, size_t n);
void readings_snapshot(struct pipeline *p, bool delivered); /* it has ended */
void readings_table(struct pipeline *p, const struct relation *rel, uint64_t rows, bool done);

#endif
