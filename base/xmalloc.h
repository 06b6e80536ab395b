/* xmalloc.h - allocation that never returns NULL: out of memory ends the process with a message.
 * Sizes that come from the network must be bounded before they get here. */
#ifndef BASE_XMALLOC_H
#define BASE_XMALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, warn_unused_result));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result)); /* checks the product */
void *xrealloc(void *old, size_t size) __attribute__((warn_unused_result));
char *xstrdup(const char *text) __attribute__((malloc, warn_unused_result));
char *xstrndup(const char *text, size_t len) __attribute__((malloc, warn_unused_result));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), malloc, warn_unused_result));

#endif
