/* xmalloc.c - allocation that never returns NULL.
 *
 * Out of memory aborts: the checkpoint is behind whatever was in flight, so a restart loses nothing, whereas
 * every unwinding path of our own would be code that never runs until it matters. */
#include "xmalloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t size)
{
    if (!p) {
        fprintf(stderr, "out of memory: %zu bytes could not be allocated\n", size);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *xcalloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return checked(NULL, SIZE_MAX);
    return checked(calloc(1, total ? total : 1), total);
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1), size);
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t len)
{
    len = strnlen(text, len);
    char *copy = xmalloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

char *xasprintf(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? checked(NULL, strlen(format)) : text;
}
