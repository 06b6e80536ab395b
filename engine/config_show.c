/* config_show.c - the table and the settings for people to read: text, markdown, masked JSON. */
#include "config_table.h"

#include "json.h"

#include <strings.h>

#define MASK "********"

static const char *const kind_names[] = {"text",   "secret", "bool",     "int",  "long",
                                         "choice", "list",   "patterns", "class"};
static const char *const stand_names[] = {"live", "no effect", "refused"};

static void append_words(struct buf *b, const char *words)
{
    for (; *words; words++)
        buf_str(b, *words == '|' ? ", " : (char[]){*words, 0});
}

/* "initial, always (later refused: custom)" or the kind of value. */
static void append_allowed(struct buf *b, const struct option *o)
{
    if (o->kind == OPTION_CHOICE)
        append_words(b, o->words);
    else
        buf_str(b, kind_names[o->kind]);
    if (o->kind == OPTION_CHOICE && o->later) {
        BUF_LIT(b, "; refused: ");
        append_words(b, o->later);
    }
    if ((o->kind == OPTION_INT || o->kind == OPTION_LONG) && o->least != OPTION_ANY)
        buf_printf(b, " >= %d", o->least);
}

/* The table is in the order of Debezium's own endpoint, which goes back and forth between groups. */
static bool first_of_group(const struct option *o)
{
    for (const struct option *before = config_options; before < o; before++)
        if (strcmp(before->group, o->group) == 0)
            return false;
    return true;
}

static void text_row(struct buf *out, const struct option *o)
{
    buf_printf(out, "%s=%s\n    ", o->name, o->preset ? o->preset : "");
    append_allowed(out, o);
    buf_printf(out, "%s [%s]\n    %s\n", o->required ? ", required" : "", stand_names[o->stand], o->text);
    if (o->why)
        buf_printf(out, "    %s: %s\n", stand_names[o->stand], o->why);
}

void config_options_text(struct buf *out)
{
    for (const struct option *o = config_options; o->name; o++) {
        if (!first_of_group(o))
            continue;
        buf_printf(out, "%s# %s\n", o == config_options ? "" : "\n", o->group);
        for (const struct option *row = o; row->name; row++)
            if (strcmp(row->group, o->group) == 0)
                text_row(out, row);
    }
}

/* A | ends a markdown cell. */
static void append_cell(struct buf *b, const char *text)
{
    for (; *text; text++)
        buf_str(b, *text == '|' ? "\\|" : (char[]){*text, 0});
}

static void markdown_row(struct buf *out, const struct option *o)
{
    BUF_LIT(out, "| `");
    append_cell(out, o->name);
    BUF_LIT(out, "` | ");
    if (o->preset && *o->preset)
        buf_printf(out, "`%s`", o->preset);
    BUF_LIT(out, " | ");
    append_allowed(out, o);
    BUF_LIT(out, " | ");
    buf_str(out, o->required ? "Required. " : "");
    append_cell(out, o->text);
    if (o->why) {
        buf_printf(out, " *%s*: ", o->stand == OPTION_REFUSED ? "Refused" : "No effect");
        append_cell(out, o->why);
        buf_char(out, '.');
    }
    BUF_LIT(out, " |\n");
}

static const char markdown_head[] = "# Options of a connector\n\n"
                                    "Written by `walwire options --markdown` from the table in "
                                    "engine/config_options.c. Names and presets are those of\n"
                                    "Debezium's PostgreSQL connector 3.7 and of Kafka Connect 4.3. An option "
                                    "that walwire lacks is *refused* where ignoring it\n"
                                    "would change what is written, and accepted with *no effect* where it "
                                    "would not; unknown names are ignored with a warning in\n"
                                    "the log. Values may hold `${env:NAME}` and `${file:/path:key}`.\n\n"
                                    "Regular expressions are matched against whole names, without regard to "
                                    "case; a comma within one is written `\\,`.\n"
                                    "A kind of list is given as include or as exclude, not both.\n";

void config_options_markdown(struct buf *out)
{
    buf_str(out, markdown_head);
    for (const struct option *o = config_options; o->name; o++) {
        if (!first_of_group(o))
            continue;
        buf_printf(out, "\n## %s\n\n| option | preset | values | what it does |\n|---|---|---|---|\n",
                   o->group);
        for (const struct option *row = o; row->name; row++)
            if (strcmp(row->group, o->group) == 0)
                markdown_row(out, row);
    }
}

/* A reference such as ${env:PGPASSWORD} is not the secret itself. */
static bool is_reference(const char *value)
{
    return slice_starts(slice_of(value), "${") && strchr(value, '}') == value + strlen(value) - 1;
}

static bool is_secret(const char *name)
{
    const struct option *o = option_find(name);
    return (o && o->kind == OPTION_SECRET) || props_is_secret(name);
}

void config_json_masked(struct buf *out, const struct props *connector)
{
    const char *name, *value;
    buf_char(out, '{');
    for (size_t i = 0; i < props_count(connector); i++) {
        props_at(connector, i, &name, &value);
        json_comma(out);
        json_string(out, slice_of(name));
        buf_char(out, ':');
        json_string(out, slice_of(is_secret(name) && !is_reference(value) ? MASK : value));
    }
    buf_char(out, '}');
}

void config_keep_masked(struct props *next, const struct props *stored)
{
    const char *name, *value;
    for (size_t i = 0; i < props_count(next); i++) {
        props_at(next, i, &name, &value);
        const char *kept = strcmp(value, MASK) == 0 && is_secret(name) ? props_get(stored, name) : NULL;
        if (kept)
            props_set(next, name, kept);
    }
}
