/* rewrite.h - a Java regular expression and what its match is replaced by.
 *
 * As Matcher.matches() and then replaceFirst(): the whole text must match, and the first place where the
 * expression is found is replaced. In the replacement $1 and ${name} stand for groups, and a backslash makes
 * the next character literal. */
#ifndef BASE_REWRITE_H
#define BASE_REWRITE_H

#include "buf.h"
#include "err.h"

struct rewrite;

/* NULL and ERR_CONFIG for a bad expression, or a replacement that names a group which is not there. */
struct rewrite *rewrite_new(const char *expression, const char *replacement, struct err *e);
void rewrite_free(struct rewrite *r);
/* Appends the new text. False, with nothing appended, when the expression does not match. Any thread may ask.
 */
bool rewrite_apply(const struct rewrite *r, struct slice text, struct buf *out);

#endif
