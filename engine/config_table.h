/* config_table.h - the rows behind config.h: what an option is called, takes, means, and whether walwire does
 * it.
 *
 * Adding an option is adding a row in config_options.c (and a field in struct config when it is live). */
#ifndef ENGINE_CONFIG_TABLE_H
#define ENGINE_CONFIG_TABLE_H

#include "config.h"

enum option_kind {
    OPTION_TEXT,
    OPTION_SECRET,
    OPTION_BOOL,
    OPTION_INT,
    OPTION_LONG,
    OPTION_CHOICE,
    OPTION_LIST,     /* comma separated words */
    OPTION_PATTERNS, /* comma separated regular expressions */
    OPTION_CLASS,
};

enum option_stand {
    OPTION_LIVE,    /* walwire does it */
    OPTION_IGNORED, /* accepted without effect: `why` says why that is harmless */
    OPTION_REFUSED, /* anything but the preset is an error: `why` says what to do instead */
};

/* Appends why the value is no good, or nothing. */
typedef void option_check(const struct props *p, const char *value, struct buf *why);

struct option {
    const char *name; /* may hold '*': a family of names */
    enum option_kind kind;
    const char *preset; /* NULL: none */
    int at;             /* where in struct config, or OPTION_NOWHERE */
    const char *group;  /* Debezium's and Connect's groups */
    const char *text;
    char importance; /* H, M, L */
    bool required;
    int least;         /* of numbers: 1, 0, or OPTION_ANY */
    const char *words; /* of choices: "a|b|c", in the order of their C enum */
    const char *later; /* further words that Debezium knows and walwire refuses */
    option_check *check;
    enum option_stand stand;
    const char *why;
};

#define OPTION_NOWHERE (-1)
#define OPTION_ANY     (-2147483647)

extern const struct option config_options[]; /* ended by a row without name */

/* The row of a name, families included; NULL: unknown. */
const struct option *option_find(const char *name);
/* The known name that looks most like this one, or NULL when none is near. */
const char *option_nearest(const char *name);
bool option_is_family(const struct option *o);
/* True when the value says something else than the preset. */
bool option_differs(const struct option *o, const char *value);
/* The word's place in "a|b|c", case-insensitive and trimmed; -1: not among them. NULL words: -1. */
int option_word(const char *words, const char *value);

/* What is wrong with a configuration, an entry an error, in the order of the table. */
struct finding {
    char *option;
    char *text; /* "The 'x' value is invalid: ..." */
};

struct findings {
    struct finding *items;
    size_t count;
};

/* given: the connector's settings as the user wrote them; expanded: the same, expanded. What a placeholder
 * stood for is in no text. worker may be NULL. Never NULL; free with findings_free. */
struct findings *config_findings(const char *name, const struct props *given, const struct props *expanded,
                                 const struct props *worker);
void findings_free(struct findings *f);

/* Where key.converter.* or value.converter.* is read from, by Connect's rule: the connector's own settings
 * count only when the connector names the converter itself; otherwise the worker's do. `which` is
 * "key.converter" or "value.converter". */
const struct props *config_converter_source(const char *which, const struct props *connector,
                                            const struct props *worker);

/* topic.* as the naming strategy reads it. ERR_CONFIG; NULL then. */
struct topic_naming *config_naming(const struct props *p, struct err *e);

/* Checks of single options, named by rows. */
option_check check_class, check_host, check_dbname, check_topic_prefix, check_slot_name, check_plugin,
    check_key_columns, check_skipped, check_placeholder, check_queue, check_schema_exclude,
    check_table_exclude, check_column_exclude, check_column_rule, check_prefix_exclude, check_json_converter,
    check_header_converter, check_name, check_naming, check_key_regex, check_identities, check_slots,
    check_positive, check_topic_creation, check_stream_params, check_topic_name, check_sslfactory,
    check_sslkey, check_driver, check_tags, check_non_empty, check_channels, check_memory;

#endif
