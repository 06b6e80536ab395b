/* command_settings.c - what the commands that serve have in common. */
#include "command_settings.h"

#include "log.h"
#include "xmalloc.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MOST = 64 };

const char *settings_listeners(const struct props *p, const char *name, const char *preset)
{
    const char *text = props_get_or(p, name, preset);
    return strcmp(text, "none") == 0 ? "" : text;
}

bool settings_threads(const struct props *p, size_t *out, struct err *e)
{
    static const char name[] = "websocket.threads";
    const char *text = props_get(p, name);
    char *end = NULL;
    long half = sysconf(_SC_NPROCESSORS_ONLN) / 2;
    long n = text && *text ? strtol(text, &end, 10) : half < 1 ? 1 : half > 4 ? 4 : half;
    *out = (size_t)n;
    return (n >= 1 && n <= THREADS_MOST && !(end && *end)) ||
           err_set(e, ERR_CONFIG, "%s=%s: use a number from 1 to %d", name, text, THREADS_MOST);
}

char *settings_web_dir(const struct props *p)
{
    const char *given = props_get(p, "web.dir");
    if (given)
        return xstrdup(given);
    char exe[PATH_MAX], real[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = 0;
    const char *dir = dirname(exe);
    static const char *const places[] = {"../web", "../share/walwire/web"};
    for (size_t i = 0; i < 2; i++) {
        char *path = xasprintf("%s/%s", dir, places[i]);
        bool found = realpath(path, real) && access(real, R_OK) == 0;
        free(path);
        if (found)
            return xstrdup(real);
    }
    return xstrdup("web");
}

static const char *env_or(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value && *value ? value : preset;
}

bool settings_log(const struct props *p, struct err *e)
{
    enum log_level level;
    const char *name = props_get_or(p, "log.level", env_or("WALWIRE_LOG_LEVEL", "info"));
    const char *format = props_get_or(p, "log.format", env_or("WALWIRE_LOG_FORMAT", "text"));
    if (!log_level_parse(name, &level))
        return err_set(e, ERR_CONFIG, "log.level=%s: use error, warn, info or debug", name);
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return err_set(e, ERR_CONFIG, "log.format=%s: use text or json", format);
    log_set_level(level);
    log_set_json(strcmp(format, "json") == 0);
    return true;
}

struct props *settings_read(const char *path, struct err *e)
{
    struct props *raw = props_new(), *expanded = NULL;
    if (props_read_file(raw, path, e) && props_confine(raw, e))
        expanded = props_expand(raw, e);
    props_free(raw);
    return expanded;
}
