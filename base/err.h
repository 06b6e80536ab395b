/* err.h - the one error type: what went wrong, whether trying again helps, what the operator should do.
 *
 * A function that can fail returns bool and takes `struct err *e` last; false means *e is set. The lowest
 * layer that knows the kind sets it; layers above may prefix context but never log: errors are logged once,
 * at the top. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum err_kind {
    ERR_NONE,
    ERR_RETRY,  /* passing trouble (network, server restarting): the same call may succeed later */
    ERR_CONFIG, /* a setting or a privilege is wrong: an operator must change it first */
    ERR_DATA,   /* input that cannot be decoded, sized or mapped: going on would lose or invent something */
    ERR_FATAL,  /* a broken promise of our own or of a library: stop this connector */
};

struct err {
    enum err_kind kind;
    char text[1000]; /* one line: what was attempted, what came back, what to do */
};

/* Sets kind and text: printf style, cut at the buffer's end, control characters become spaces, those at the
 * end go. Arguments may be e->text itself. Always returns false. */
bool err_set(struct err *e, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text. Always returns false. */
bool err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "retry", "config", "data", "fatal" or "none". */
const char *err_kind_name(enum err_kind kind);

#endif
