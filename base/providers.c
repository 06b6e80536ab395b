/* providers.c - what ${env:NAME}, ${file:path:key} and ${dir:path:name} stand for.
 *
 * Who may create connectors may name any file here, so the worker file can say which ones: Kafka Connect's
 * config.providers.NAME.param.allowed.paths and .allowlist.pattern. They hold for the process, and for the
 * provider under all its names: those above, and NAME where config.providers.NAME.class is Kafka's class. */
#include "props.h"

#include "buf.h"
#include "log.h"
#include "pattern.h"
#include "xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1024 * 1024, WARNED_MOST = 32 };

struct limits {
    bool set;
    char **paths; /* real ones, NULL-terminated */
    struct pattern_list *names;
};

struct provider {
    const char *name, *class;
    bool wants_path;
    bool (*resolve)(const struct limits *limits, struct buf *out, const char *path, const char *key,
                    struct err *e);
    struct limits *limits;
};

static struct limits env_limits, file_limits, dir_limits;

/* ---- reading ---- */

static bool inside(const char *path, const char *allowed)
{
    size_t n = strlen(allowed);
    while (n && allowed[n - 1] == '/')
        n--;
    return strncmp(path, allowed, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static bool path_refused(const char *path, struct err *e)
{
    return err_set(e, ERR_CONFIG, "%s is not in one of config.providers' allowed.paths", path);
}

static bool path_allowed(const struct limits *limits, const char *path, struct err *e)
{
    if (!limits->set)
        return true;
    char *real = realpath(path, NULL);
    bool ok = false;
    for (char **allowed = limits->paths; real && *allowed && !ok; allowed++)
        ok = inside(real, *allowed);
    free(real);
    return ok || path_refused(path, e);
}

/* Once a file: configurations are expanded again and again. */
static void warn_open(const char *path, const struct stat *st)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        dev_t dev;
        ino_t ino;
    } warned[WARNED_MOST];
    static size_t n;
    size_t i = 0;
    pthread_mutex_lock(&lock);
    while (i < n && (warned[i].dev != st->st_dev || warned[i].ino != st->st_ino))
        i++;
    bool first = i == n && n < WARNED_MOST;
    if (first) {
        warned[n].dev = st->st_dev;
        warned[n++].ino = st->st_ino;
    }
    pthread_mutex_unlock(&lock);
    if (first)
        log_warn("%s is read for a placeholder, and every user of this machine can read it, too: chmod o-r",
                 path);
}

static bool read_all(int fd, const char *path, struct buf *out, struct err *e)
{
    ssize_t n = 1;
    while (n && out->len <= MOST_BYTES) {
        n = read(fd, buf_room(out, 4096), 4096);
        if (n < 0)
            return err_set(e, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
        buf_added(out, (size_t)n);
    }
    if (out->len > MOST_BYTES)
        return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", path, MOST_BYTES);
    if (out->len && memchr(out->ptr, 0, out->len))
        return err_set(e, ERR_CONFIG, "%s holds a NUL byte: it is not text", path);
    return true;
}

/* What was opened, which need not be what the path led to a moment before. */
static bool opened_allowed(const struct limits *limits, int fd, const char *path, struct err *e)
{
    char opened[40];
    snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
    return path_allowed(limits, opened, e) || path_refused(path, e);
}

/* Plain files only: a pipe or a terminal would hold up whoever asks. */
static bool secret_read(const struct limits *limits, struct buf *out, const char *path, struct err *e)
{
    if (!path_allowed(limits, path, e))
        return false;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!ok)
        err_set(e, ERR_CONFIG, "cannot read %s: it is not a file", path);
    ok = ok && opened_allowed(limits, fd, path, e);
    if (ok && st.st_mode & S_IROTH)
        warn_open(path, &st);
    ok = ok && read_all(fd, path, out, e);
    close(fd);
    return ok;
}

/* ---- the providers ---- */

static bool env_resolve(const struct limits *limits, struct buf *out, const char *path, const char *key,
                        struct err *e)
{
    const char *name = *key ? key : path; /* ${env::NAME} is Kafka's longer way to say ${env:NAME} */
    if (limits->set && !pattern_list_match(limits->names, slice_of(name)))
        return err_set(e, ERR_CONFIG, "%s is not in config.providers.env.param.allowlist.pattern", name);
    const char *value = getenv(name);
    if (!value)
        return err_set(e, ERR_CONFIG, "the environment has no %s", name);
    buf_str(out, value);
    return true;
}

static bool file_resolve(const struct limits *limits, struct buf *out, const char *path, const char *key,
                         struct err *e)
{
    struct props *file = props_new();
    struct buf text = BUF_EMPTY;
    bool ok = secret_read(limits, &text, path, e) && props_read_text(file, path, buf_view(&text).ptr, e);
    const char *value = ok ? props_get(file, key) : NULL;
    if (value)
        buf_str(out, value);
    else if (ok)
        ok = err_set(e, ERR_CONFIG, "%s has no property %s", path, key);
    buf_free(&text);
    props_free(file);
    return ok;
}

/* The newline that editors leave at the end of a file is no part of a password. */
static bool dir_resolve(const struct limits *limits, struct buf *out, const char *path, const char *key,
                        struct err *e)
{
    if (!*key || strchr(key, '/') || strcmp(key, ".") == 0 || strcmp(key, "..") == 0)
        return err_set(e, ERR_CONFIG, "\"%s\" is not a file's name", key);
    struct buf text = BUF_EMPTY;
    char *name = xasprintf("%s/%s", path, key);
    bool ok = secret_read(limits, &text, name, e);
    if (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    if (ok)
        buf_slice(out, buf_view(&text));
    buf_free(&text);
    free(name);
    return ok;
}

#define KAFKAS "org.apache.kafka.common.config.provider."

static const struct provider PROVIDERS[] = {
    {"env", KAFKAS "EnvVarConfigProvider", false, env_resolve, &env_limits},
    {"file", KAFKAS "FileConfigProvider", true, file_resolve, &file_limits},
    {"dir", KAFKAS "DirectoryConfigProvider", true, dir_resolve, &dir_limits},
    {"directory", KAFKAS "DirectoryConfigProvider", true, dir_resolve, &dir_limits},
};

/* By the worker file, in the words of which a class may be called by any name. */
static struct alias {
    char *name;
    const struct provider *provider; /* NULL: of a class that there is not */
} * aliases;
static size_t n_aliases;

/* NULL: there is none. */
static const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < n_aliases; i++)
        if (strcmp(name, aliases[i].name) == 0)
            return aliases[i].provider;
    for (size_t i = 0; i < sizeof PROVIDERS / sizeof *PROVIDERS; i++)
        if (strcmp(name, PROVIDERS[i].name) == 0)
            return &PROVIDERS[i];
    return NULL;
}

/* "provider:path:key" or "provider:key", which is cut up on the way. */
static bool placeholder_resolve(struct buf *out, char *inside, struct err *e)
{
    char *path = strchr(inside, ':');
    *path++ = 0;
    char *key = strchr(path, ':');
    if (key)
        *key++ = 0;
    const struct provider *p = provider_find(inside);
    if (!p)
        return err_set(e, ERR_CONFIG, "there is no provider \"%s\", only env, file and dir", inside);
    if (p->wants_path && !key)
        return err_set(e, ERR_CONFIG, "it must be written ${%s:path:key}", inside);
    return p->resolve(p->limits, out, path, key ? key : "", e);
}

/* "${name}" without a colon is not ours (it may belong to a topic's pattern) and stays. */
static bool value_expand(struct buf *out, const char *name, const char *value, struct err *e)
{
    for (const char *at = value; *at;) {
        const char *end = at[0] == '$' && at[1] == '{' ? strchr(at, '}') : NULL;
        if (!end || !memchr(at, ':', (size_t)(end - at))) {
            buf_char(out, *at++);
            continue;
        }
        char *inside = xstrndup(at + 2, (size_t)(end - at - 2));
        bool ok = placeholder_resolve(out, inside, e);
        free(inside);
        if (!ok)
            return err_prefix(e, "%s: " SLICE_FMT " cannot be resolved", name, (int)(end + 1 - at), at);
        at = end + 1;
    }
    return true;
}

struct props *props_expand(const struct props *p, struct err *e)
{
    struct props *expanded = props_new();
    bool ok = true;
    for (size_t i = 0; ok && i < props_count(p); i++) {
        struct buf text = BUF_EMPTY;
        const char *name, *value;
        props_at(p, i, &name, &value);
        ok = value_expand(&text, name, value, e);
        if (ok)
            props_set(expanded, name, buf_view(&text).ptr);
        buf_free(&text);
    }
    if (ok)
        return expanded;
    props_free(expanded);
    return NULL;
}

/* ---- limits ---- */

static bool paths_read(struct limits *limits, const char *name, const char *list, struct err *e)
{
    size_t n = 0;
    for (const char *at = list; *at; at += strspn(at, ", \t")) {
        char *path = xstrndup(at, strcspn(at, ",")), *real = realpath(path, NULL);
        at += strlen(path);
        if (!real || path[0] != '/') {
            err_set(e, ERR_CONFIG, "%s: \"%s\" is not the absolute path of something that exists", name,
                    path);
            free(path);
            free(real);
            return false;
        }
        free(path);
        limits->paths = xrealloc(limits->paths, (n + 2) * sizeof *limits->paths);
        limits->paths[n++] = real;
        limits->paths[n] = NULL;
    }
    return (limits->set = n > 0) || err_set(e, ERR_CONFIG, "%s names no path", name);
}

static void limits_clear(struct limits *limits)
{
    for (char **path = limits->paths; path && *path; path++)
        free(*path);
    free(limits->paths);
    pattern_list_free(limits->names);
    *limits = (struct limits){0};
}

static void aliases_clear(void)
{
    for (size_t i = 0; i < n_aliases; i++)
        free(aliases[i].name);
    free(aliases);
    aliases = NULL;
    n_aliases = 0;
}

static void alias_add(struct slice name, const char *class)
{
    const struct provider *provider = NULL;
    for (size_t i = 0; i < sizeof PROVIDERS / sizeof *PROVIDERS && !provider; i++)
        if (strcmp(class, PROVIDERS[i].class) == 0)
            provider = &PROVIDERS[i];
    aliases = xrealloc(aliases, (n_aliases + 1) * sizeof *aliases);
    aliases[n_aliases++] = (struct alias){xstrndup(name.ptr, name.len), provider};
}

/* One expression, as in Kafka: it tells large letters from small ones, and a comma is a comma. */
static bool names_read(struct limits *limits, const char *expression, struct err *e)
{
    struct buf text = BUF_EMPTY;
    BUF_LIT(&text, "(?-i:");
    for (const char *at = expression; *at; at++) {
        if (*at == ',')
            buf_char(&text, '\\');
        buf_char(&text, *at);
        if (*at == '\\' && at[1])
            buf_char(&text, *++at);
    }
    buf_char(&text, ')');
    limits->set = true;
    limits->names = pattern_list_new(buf_view(&text).ptr, e);
    buf_free(&text);
    return limits->names;
}

/* What confines nothing, though somebody thinks so, is an error. */
static bool parameter_take(const char *name, const char *alias, const char *parameter, const char *value,
                           struct err *e)
{
    bool paths = strcmp(parameter, "allowed.paths") == 0;
    const struct provider *p = provider_find(alias);
    if (!p && !paths && strcmp(parameter, "allowlist.pattern") != 0)
        return true; /* of a Java class, of which no placeholder can be resolved */
    if (!p)
        return err_set(e, ERR_CONFIG,
                       "%s confines nothing: \"%s\" is none of env, file and dir, and "
                       "config.providers.%s.class is not the class of one of them",
                       name, alias, alias);
    if (strcmp(parameter, p->wants_path ? "allowed.paths" : "allowlist.pattern") != 0)
        return err_set(e, ERR_CONFIG, "%s confines nothing: this provider has %s", name,
                       p->wants_path ? "allowed.paths" : "allowlist.pattern");
    if (p->limits->set)
        return err_set(e, ERR_CONFIG, "%s: another name of the same provider has one, too: give one of them",
                       name);
    return paths ? paths_read(p->limits, name, value, e) : names_read(p->limits, value, e);
}

bool props_confine(const struct props *worker, struct err *e)
{
    static const char head[] = "config.providers.", middle[] = ".param.", tail[] = ".class";
    const char *name, *value;
    bool ok = true;
    limits_clear(&env_limits);
    limits_clear(&file_limits);
    limits_clear(&dir_limits);
    aliases_clear();
    for (size_t i = 0; i < props_count(worker); i++) {
        props_at(worker, i, &name, &value);
        struct slice s = slice_of(name);
        if (slice_starts(s, head) && s.len > sizeof head + sizeof tail - 2 &&
            strcmp(name + s.len - (sizeof tail - 1), tail) == 0 && !strstr(name, middle))
            alias_add(slice_cut(s, sizeof head - 1, s.len - (sizeof head + sizeof tail - 2)), value);
    }
    for (size_t i = 0; ok && i < props_count(worker); i++) {
        props_at(worker, i, &name, &value);
        const char *at = slice_starts(slice_of(name), head) ? strstr(name, middle) : NULL;
        if (!at || at < name + sizeof head - 1)
            continue;
        const char *from = name + sizeof head - 1;
        char *alias = xstrndup(from, (size_t)(at - from));
        ok = parameter_take(name, alias, at + sizeof middle - 1, value, e);
        free(alias);
    }
    return ok;
}
