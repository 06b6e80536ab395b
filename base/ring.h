/* ring.h - a bounded queue of pointers from one thread to one other, with an eventfd each way.
 *
 * push fails when the ring is full; the producer then waits on ring_space_fd (readable once a slot has become
 * free) beside whatever else it must serve. The consumer waits on ring_data_fd. Neither call blocks.
 * Both call wake_clear on their fd first and push or pop after, the consumer until NULL. */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;
struct ring *ring_new(size_t capacity, int data_fd); /* data_fd: an eventfd of the caller's, or -1: own one */
void ring_free(struct ring *r);                      /* both threads are done; items inside are not freed */
bool ring_push(struct ring *r, void *item);          /* false: full (the space fd will tell); item not NULL */
void *ring_pop(struct ring *r);                      /* NULL: empty */
size_t ring_count(struct ring *r);
int ring_data_fd(const struct ring *r);
int ring_space_fd(const struct ring *r);

/* eventfd helpers, shared with other wake-ups. */
int wake_new(void); /* non-blocking, close-on-exec; ends the process when there is none to be had */
void wake_signal(int fd);
void wake_clear(int fd);

#endif
