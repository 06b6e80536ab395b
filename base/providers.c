/* providers.c - what ${env:NAME}, ${file:path:key} and ${dir:path:name} stand for.
 *
 * Who may create connectors may name any file here, so the worker file can say which ones: Kafka Connect's
 * config.providers.NAME.param.allowed.paths and .allowlist.pattern. They hold for the process. */
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
    const char *name;
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

static bool path_allowed(const struct limits *limits, const char *path, struct err *e)
{
    if (!limits->set)
        return true;
    char *real = realpath(path, NULL);
    bool ok = false;
    for (char **allowed = limits->paths; real && *allowed && !ok; allowed++)
        ok = inside(real, *allowed);
    free(real);
    return ok || err_set(e, ERR_CONFIG, "%s is not in one of config.providers' allowed.paths", path);
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
    else if (st.st_mode & S_IROTH)
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

static const struct provider PROVIDERS[] = {
    {"env", false, env_resolve, &env_limits},
    {"file", true, file_resolve, &file_limits},
    {"dir", true, dir_resolve, &dir_limits},
    {"directory", true, dir_resolve, &dir_limits},
};

/* "provider:path:key" or "provider:key", which is cut up on the way. */
static bool placeholder_resolve(struct buf *out, char *inside, struct err *e)
{
    char *path = strchr(inside, ':');
    *path++ = 0;
    char *key = strchr(path, ':');
    if (key)
        *key++ = 0;
    for (size_t i = 0; i < sizeof PROVIDERS / sizeof *PROVIDERS; i++) {
        if (strcmp(inside, PROVIDERS[i].name) != 0)
            continue;
        if (PROVIDERS[i].wants_path && !key)
            return err_set(e, ERR_CONFIG, "it must be written ${%s:path:key}", inside);
        return PROVIDERS[i].resolve(PROVIDERS[i].limits, out, path, key ? key : "", e);
    }
    return err_set(e, ERR_CONFIG, "there is no provider \"%s\", only env, file and dir", inside);
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

bool props_confine(const struct props *worker, struct err *e)
{
    static const char *const NAMES[] = {"config.providers.file.param.allowed.paths",
                                        "config.providers.dir.param.allowed.paths",
                                        "config.providers.directory.param.allowed.paths"};
    static struct limits *const LIMITS[] = {&file_limits, &dir_limits, &dir_limits};
    const char *names = props_get(worker, "config.providers.env.param.allowlist.pattern");
    limits_clear(&env_limits);
    limits_clear(&file_limits);
    limits_clear(&dir_limits);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *paths = props_get(worker, NAMES[i]);
        if (paths && LIMITS[i]->set)
            return err_set(e, ERR_CONFIG, "%s: dir and directory are one provider, give one of them",
                           NAMES[i]);
        if (paths && !paths_read(LIMITS[i], NAMES[i], paths, e))
            return false;
    }
    if (!names)
        return true;
    env_limits.set = true;
    return (env_limits.names = pattern_list_new(names, e)) != NULL;
}
