/* utf8.h - bytes that are to be text, whatever they are. */
#ifndef DECODER_UTF8_H
#define DECODER_UTF8_H

#include "arena.h"

/* The text with U+FFFD for each sequence that is not UTF-8, as Java's new String(bytes, UTF_8) reads it: `s`
 * itself, or a copy in the arena. */
struct slice utf8_mended(struct slice s, struct arena *a);
/* Whether that would leave it as it is. */
bool utf8_valid(struct slice s);

#endif
