/* copy_text.c - COPY text to cells, in place: undone, a value is never longer than it was. */
#include "copy_text.h"

static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

static bool is_end(char c)
{
    return c == '\t' || c == '\n';
}

/* The rest of a column that has a backslash at `at`. Returns its end; *to is moved behind what is undone. */
static char *undo(char *at, char *end, char **to)
{
    char *out = at;
    while (at < end && !is_end(*at)) {
        if (*at == '\\' && at + 1 < end) {
            *out++ = unescape(at[1]);
            at += 2;
        } else {
            *out++ = *at++;
        }
    }
    *to = out;
    return at;
}

static char *read_column(char *at, char *end, struct cell *cell)
{
    if (end - at > 2 && at[0] == '\\' && at[1] == 'N' && is_end(at[2])) {
        *cell = (struct cell){'n', {NULL, 0}};
        return at + 2;
    }
    char *from = at;
    while (at < end && !is_end(*at) && *at != '\\')
        at++;
    char *to = at;
    if (at < end && *at == '\\')
        at = undo(at, end, &to);
    *cell = (struct cell){'t', {from, (size_t)(to - from)}};
    return at;
}

char *copy_text_row(char *at, char *end, struct cell *cells, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        at = read_column(at, end, &cells[i]);
        if (at < end && *at == '\t' && i + 1 < n)
            at++;
        else if (i + 1 < n)
            break; /* fewer columns: the check below sees no newline, or too early a one */
        else if (at < end && *at == '\n')
            return at + 1;
    }
    if (n == 0 && at < end && *at == '\n')
        return at + 1;
    err_set(e, ERR_DATA, "a COPY row has not %zu columns", n);
    return NULL;
}
