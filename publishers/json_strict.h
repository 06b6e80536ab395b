/* json_strict.h - JSON that nobody reads in another way: one value, UTF-8, no member given twice, no NUL. */
#ifndef PUBLISHERS_JSON_STRICT_H
#define PUBLISHERS_JSON_STRICT_H

#include "slice.h"

struct json_object;

/* To be put by the caller; NULL: it is not such a text, or nested deeper than 32. */
struct json_object *json_strict(struct slice text);
/* A string's text; NULL: it is no string, or it is not there. */
const char *json_strict_text(struct json_object *o);

#endif
