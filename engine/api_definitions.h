/* api_definitions.h - how Kafka Connect describes each option of the connector to its clients.
 *
 * What an option means to walwire is in config_options.c; here is what only REST shows. */
#ifndef ENGINE_API_DEFINITIONS_H
#define ENGINE_API_DEFINITIONS_H

#include <stdbool.h>

struct definition {
    const char *name;
    const char *type;
    char importance; /* H, M, L */
    const char *group;
    int order; /* in the group */
    const char *width;
    const char *display;
    const char *preset; /* of what has no row of its own in config_options.c */
    bool required;
    bool hidden;           /* told as not visible */
    const char *dependent; /* an option that shows other choices by this one; NULL: none */
};

/* In the order of a validation's answer, ended by a row without name. The first are Connect's own: for these
 * a validation tells values too. */
extern const struct definition api_definitions[];
extern const int api_definitions_connect;

#endif
