/* ring.c - a bounded queue between two threads, under a mutex: it carries about a thousand items a second.
 *
 * The consumer clears the data fd first and pops until NULL after; the other way round would lose a wake-up.
 */
#include "ring.h"

#include "xmalloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ring {
    pthread_mutex_t lock;
    size_t capacity, head, count;
    bool producer_waits; /* a push has failed and no slot has become free since */
    bool owns_data_fd;
    int data_fd, space_fd;
    void *items[];
};

struct ring *ring_new(size_t capacity, int data_fd)
{
    capacity = capacity ? capacity : 1;
    if (capacity > SIZE_MAX / 2 / sizeof(void *))
        capacity = SIZE_MAX / 2 / sizeof(void *); /* which xcalloc refuses */
    struct ring *r = xcalloc(1, sizeof *r + capacity * sizeof(void *));
    pthread_mutex_init(&r->lock, NULL);
    r->capacity = capacity;
    r->owns_data_fd = data_fd < 0;
    r->data_fd = data_fd < 0 ? wake_new() : data_fd;
    r->space_fd = wake_new();
    return r;
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    if (r->owns_data_fd)
        close(r->data_fd);
    close(r->space_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bool ring_push(struct ring *r, void *item)
{
    pthread_mutex_lock(&r->lock);
    bool room = r->count < r->capacity;
    if (room)
        r->items[(r->head + r->count++) % r->capacity] = item;
    r->producer_waits = !room;
    pthread_mutex_unlock(&r->lock);
    if (room)
        wake_signal(r->data_fd);
    return room;
}

void *ring_pop(struct ring *r)
{
    void *item = NULL;
    bool wake = false;
    pthread_mutex_lock(&r->lock);
    if (r->count) {
        item = r->items[r->head];
        r->head = (r->head + 1) % r->capacity;
        r->count--;
        wake = r->producer_waits;
        r->producer_waits = false;
    }
    pthread_mutex_unlock(&r->lock);
    if (wake)
        wake_signal(r->space_fd);
    return item;
}

size_t ring_count(struct ring *r)
{
    pthread_mutex_lock(&r->lock);
    size_t count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

int ring_data_fd(const struct ring *r)
{
    return r->data_fd;
}

int ring_space_fd(const struct ring *r)
{
    return r->space_fd;
}

int wake_new(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "no eventfd to be had: %s\n", strerror(errno));
        abort();
    }
    return fd;
}

void wake_signal(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void wake_clear(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}
