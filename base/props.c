/* props.c - an ordered set of name = value strings.
 *
 * A few dozen entries, read at start: a plain array. Files are read as UTF-8, as Kafka's config providers do.
 */
#include "props.h"

#include "buf.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { MOST_FILE_BYTES = 1024 * 1024, MOST_JSON_BYTES = 16 * 1024 * 1024, JSON_DEPTH = 8 };

struct prop {
    char *name, *value;
};

struct props {
    struct prop *items;
    size_t count, cap;
};

struct props *props_new(void)
{
    return xcalloc(1, sizeof(struct props));
}

void props_free(struct props *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    free(p->items);
    free(p);
}

struct props *props_copy(const struct props *p)
{
    return props_section(p, "");
}

/* ---- Java .properties ---- */

static bool file_read(struct buf *out, const char *path, struct err *e)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(e, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    size_t n = 1;
    errno = 0;
    while (n && out->len <= MOST_FILE_BYTES) {
        n = fread(buf_room(out, 4096), 1, 4096, file);
        buf_added(out, n);
    }
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed)
        return err_set(e, ERR_CONFIG, "cannot read %s: %s", path, strerror(failed));
    if (out->len > MOST_FILE_BYTES)
        return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", path, MOST_FILE_BYTES);
    if (out->len && memchr(out->ptr, 0, out->len))
        return err_set(e, ERR_CONFIG, "%s holds a NUL byte: it is not text", path);
    return true;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\f");
}

static const char *skip_newline(const char *at)
{
    return at + (at[0] == '\r' && at[1] == '\n' ? 2 : *at ? 1 : 0);
}

/* One logical line: continuation lines joined, comments and leading blanks left out, escapes still in. */
static const char *line_next(const char *at, struct buf *line)
{
    at = skip_blanks(at);
    if (*at == '#' || *at == '!')
        return skip_newline(at + strcspn(at, "\r\n"));
    while (*at && *at != '\r' && *at != '\n') {
        if (*at != '\\') {
            buf_char(line, *at++);
        } else if (at[1] == '\r' || at[1] == '\n') {
            at = skip_blanks(skip_newline(at + 1));
        } else {
            buf_append(line, at, at[1] ? 2 : 0);
            at += at[1] ? 2 : 1;
        }
    }
    return skip_newline(at);
}

static bool hex4_read(const char *at, uint32_t *out)
{
    char digits[5] = "";
    strncpy(digits, at, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4)
        return false;
    *out = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

/* Behind "\u": four hex digits, or a surrogate pair. NULL: malformed, half a pair, or NUL. */
static const char *unicode_read(struct buf *out, const char *at)
{
    uint32_t c, low;
    if (!hex4_read(at, &c) || c == 0 || (c >= 0xDC00 && c < 0xE000))
        return NULL;
    at += 4;
    if (c >= 0xD800 && c < 0xDC00) {
        if (at[0] != '\\' || at[1] != 'u' || !hex4_read(at + 2, &low) || low < 0xDC00 || low > 0xDFFF)
            return NULL;
        c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
        at += 6;
    }
    buf_utf8(out, c);
    return at;
}

/* Unescapes up to one of the stop characters. NULL: a malformed \uXXXX. */
static const char *part_read(struct buf *out, const char *at, const char *stop)
{
    while (at && *at && !strchr(stop, *at)) {
        if (*at != '\\') {
            buf_char(out, *at++);
        } else if (at[1] == 'u') {
            at = unicode_read(out, at + 2);
        } else {
            const char *control = strchr("t\tn\nr\rf\f", at[1]);
            bool known = control && at[1] >= 'a';
            buf_char(out, known ? control[1] : at[1]);
            at += 2;
        }
    }
    return at;
}

static bool line_set(struct props *p, const char *line)
{
    struct buf name = BUF_EMPTY, value = BUF_EMPTY;
    buf_reset(&name);
    const char *at = part_read(&name, line, "=: \t\f");
    if (at) {
        at = skip_blanks(at);
        if (*at == '=' || *at == ':')
            at = skip_blanks(at + 1);
        at = part_read(&value, at, "");
    }
    if (at)
        props_set(p, buf_view(&name).ptr, buf_view(&value).ptr);
    buf_free(&name);
    buf_free(&value);
    return at != NULL;
}

bool props_read_text(struct props *p, const char *path, const char *text, struct err *e)
{
    struct buf line = BUF_EMPTY;
    bool ok = true;
    const char *at = text;
    for (int number = 1; ok && *at;) {
        buf_reset(&line);
        const char *start = at;
        at = line_next(at, &line);
        if (line.len && !line_set(p, line.ptr))
            ok = err_set(e, ERR_CONFIG, "%s line %d: malformed \\uXXXX", path, number);
        for (; start < at; start++)
            number += *start == '\n' || (*start == '\r' && start[1] != '\n');
    }
    buf_free(&line);
    return ok;
}

bool props_read_file(struct props *p, const char *path, struct err *e)
{
    struct buf text = BUF_EMPTY;
    bool ok = file_read(&text, path, e) && props_read_text(p, path, buf_view(&text).ptr, e);
    buf_free(&text);
    return ok;
}

/* ---- JSON ---- */

static bool member_set(struct props *p, const char *name, struct json_object *value, struct err *e)
{
    if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
        return err_set(e, ERR_CONFIG, "\"%s\": the value must be a string, a number or a boolean", name);
    if (value && json_object_is_type(value, json_type_string) &&
        strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
        return err_set(e, ERR_CONFIG, "\"%s\": the value holds a NUL character", name);
    if (value)
        props_set(p, name, json_object_get_string(value));
    return true;
}

static struct json_object *json_parse(struct slice json, struct err *e)
{
    if (json.len > MOST_JSON_BYTES) {
        err_set(e, ERR_CONFIG, "the JSON is larger than %d bytes", MOST_JSON_BYTES);
        return NULL;
    }
    struct json_tokener *reader = json_tokener_new_ex(JSON_DEPTH);
    json_tokener_set_flags(reader, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *root = json_tokener_parse_ex(reader, json.ptr ? json.ptr : "", (int)json.len);
    enum json_tokener_error error = json_tokener_get_error(reader);
    if (error != json_tokener_success)
        err_set(e, ERR_CONFIG, "malformed JSON at byte %zu: %s", json_tokener_get_parse_end(reader),
                error == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(error));
    else if (!json_object_is_type(root, json_type_object))
        err_set(e, ERR_CONFIG, "the JSON must be an object of names and values");
    json_tokener_free(reader);
    if (json_object_is_type(root, json_type_object))
        return root;
    json_object_put(root);
    return NULL;
}

bool props_read_json(struct props *p, struct slice json, struct err *e)
{
    struct json_object *root = json_parse(json, e);
    bool ok = root && (json_object_object_length(root) <= PROPS_MOST ||
                       err_set(e, ERR_CONFIG, "more than %d settings",
                               PROPS_MOST)); /* each is looked for in a list */
    if (ok) {
        json_object_object_foreach(root, name, value)
        {
            ok = ok && member_set(p, name, value, e);
        }
    }
    json_object_put(root);
    return ok;
}

/* ---- names and values ---- */

static size_t index_of(const struct props *p, const char *name)
{
    size_t i = 0;
    while (i < p->count && strcmp(p->items[i].name, name) != 0)
        i++;
    return i;
}

static void item_remove(struct props *p, size_t i)
{
    free(p->items[i].name);
    free(p->items[i].value);
    p->count--;
    memmove(p->items + i, p->items + i + 1, (p->count - i) * sizeof *p->items);
}

void props_set(struct props *p, const char *name, const char *value)
{
    size_t i = index_of(p, name);
    if (!value) {
        if (i < p->count)
            item_remove(p, i);
        return;
    }
    char *copy = xstrdup(value); /* before anything is freed: it may be one of our own */
    if (i < p->count) {
        free(p->items[i].value);
        p->items[i].value = copy;
        return;
    }
    char *name_copy = xstrdup(name);
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->items = xrealloc(p->items, p->cap * sizeof *p->items);
    }
    p->items[p->count++] = (struct prop){name_copy, copy};
}

const char *props_get(const struct props *p, const char *name)
{
    size_t i = index_of(p, name);
    return i < p->count ? p->items[i].value : NULL;
}

const char *props_get_or(const struct props *p, const char *name, const char *preset)
{
    const char *value = props_get(p, name);
    return value ? value : preset;
}

bool props_get_bool(const struct props *p, const char *name, bool preset)
{
    const char *value = props_get(p, name);
    return value ? strcasecmp(value, "true") == 0 : preset;
}

size_t props_count(const struct props *p)
{
    return p->count;
}

void props_at(const struct props *p, size_t i, const char **name, const char **value)
{
    *name = p->items[i].name;
    *value = p->items[i].value;
}

struct props *props_section(const struct props *p, const char *prefix)
{
    struct props *section = props_new();
    size_t len = strlen(prefix);
    for (size_t i = 0; i < p->count; i++)
        if (strncmp(p->items[i].name, prefix, len) == 0)
            props_set(section, p->items[i].name + len, p->items[i].value);
    return section;
}

/* ---- secrets ---- */

bool props_is_secret(const char *name)
{
    static const char *const WORDS[] = {
        "password",    "passwd",       "passphrase",  "secret",      "token",     "jaas",
        "credential",  "api.key",      "apikey",      "api_key",     "api-key",   "sslkey",
        "ssl.key.pem", "keystore.key", "private.key", "private_key", "privatekey"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strcasestr(name, WORDS[i]))
            return true;
    return false;
}
