/* err.c - the one error type.
 *
 * New text is built beside the old one, because callers pass e->text itself as an argument. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A cut in the middle of a UTF-8 sequence would make the text unfit for JSON. */
static size_t cut_at_char(const char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && (text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return len;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wants = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return len - start + 1 < wants ? start - 1 : len;
}

/* One tidy line of `text`, which is changed on the way. */
static void text_store(struct err *e, char *text)
{
    size_t len = strlen(text);
    if (len >= sizeof e->text)
        len = cut_at_char(text, sizeof e->text - 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = ' ';
    while (len > 0 && text[len - 1] == ' ')
        len--;
    memcpy(e->text, text, len);
    e->text[len] = 0;
}

bool err_set(struct err *e, enum err_kind kind, const char *format, ...)
{
    char text[sizeof e->text + 1]; /* one more, to see that there was more */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->kind = kind;
    text_store(e, text);
    return false;
}

bool err_prefix(struct err *e, const char *format, ...)
{
    char context[sizeof e->text], text[2 * sizeof e->text + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", context, e->text);
    text_store(e, text);
    return false;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const NAMES[] = {"none", "retry", "config", "data", "fatal"};
    return (unsigned)kind < sizeof NAMES / sizeof *NAMES ? NAMES[kind] : "fatal";
}
