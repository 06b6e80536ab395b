/* props.h - an ordered set of name = value strings: a Java .properties file, a connector's JSON, a section.
 *
 * Values may hold ${env:NAME} and ${file:/path:key}; props_get expands nothing, props_expand returns an
 * expanded copy, so that what is shown back to a user is what the user wrote. */
#ifndef BASE_PROPS_H
#define BASE_PROPS_H

#include "err.h"
#include "slice.h"

enum { PROPS_MOST = 5000 }; /* that a user may give at once: they are looked up one by one */

struct props;
struct props *props_new(void);
void props_free(struct props *p);
struct props *props_copy(const struct props *p);

/* Reads a Java .properties file (UTF-8, at most 1 MiB): # and ! comments, = : or blank as separator,
 * \ continuation and escapes. Names that are there already get the new value and keep their place.
 * ERR_CONFIG: no such file, a malformed \uXXXX. */
bool props_read_file(struct props *p, const char *path, struct err *e);
/* The same for text that came from `path`. */
bool props_read_text(struct props *p, const char *path, const char *text, struct err *e);
/* A flat JSON object of at most PROPS_MOST members: numbers and booleans become their text, null is left out.
 * ERR_CONFIG: a nested value, more members, bad JSON. */
bool props_read_json(struct props *p, struct slice json, struct err *e);

void props_set(struct props *p, const char *name, const char *value); /* copies; NULL value removes */
const char *props_get(const struct props *p, const char *name); /* NULL: not set. Valid until the next set */
const char *props_get_or(const struct props *p, const char *name, const char *preset);
/* As in Java, "true" in any case is true and all else is false. */
bool props_get_bool(const struct props *p, const char *name, bool preset);
size_t props_count(const struct props *p);
void props_at(const struct props *p, size_t i, const char **name, const char **value);
/* Entries whose name starts with the prefix, with the prefix cut off. The caller frees the copy. */
struct props *props_section(const struct props *p, const char *prefix);
/* A copy with its placeholders replaced, once: what is put in is not expanded again. ${env:NAME}: a variable;
 * ${file:path:key}: from a .properties file; ${dir:path:name} (or directory): a file's content, less a
 * newline at its end.
 * "${x}" without a colon stays. NULL and ERR_CONFIG, naming property and placeholder, if that cannot be. */
struct props *props_expand(const struct props *p, struct err *e);
/* What placeholders may read from now on, by Kafka Connect's names in the worker file:
 * config.providers.file.param.allowed.paths and config.providers.dir.param.allowed.paths (comma separated,
 * links followed), config.providers.env.param.allowlist.pattern (one expression, as in Kafka). Without them
 * anything. config.providers.NAME.class gives one of the three another name. For the whole process; before
 * other threads expand. ERR_CONFIG: no such path, a bad expression, a setting that would confine nothing. */
bool props_confine(const struct props *worker, struct err *e);
/* True for names whose values must not be shown: password, secret, token, jaas, credential, api or ssl key
 * in any case, anywhere in the name. */
bool props_is_secret(const char *name);

#endif
