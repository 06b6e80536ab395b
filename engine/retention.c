/* retention.c - how far back browsers may resume: the bounds of the window, and where it is kept. */
#include "retention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "websocket.retention."

#define DAY_MS 86400000LL

struct bound {
    const char *name;
    long long preset, least, most;
};

static const struct bound BYTES = {PREFIX "bytes", 64 << 20, 64 << 10, 1LL << 40};
static const struct bound MS = {PREFIX "ms", 3600000, 0, 366 * DAY_MS};
static const char DIR_NAME[] = PREFIX "dir";

static bool number_of(const struct props *worker, struct bound b, long long *out, struct err *e)
{
    const char *text = props_get(worker, b.name);
    char *end = NULL;
    errno = 0;
    *out = text && *text ? strtoll(text, &end, 10) : b.preset;
    return (errno == 0 && *out >= b.least && *out <= b.most && !(end && *end)) ||
           err_set(e, ERR_CONFIG, "%s=%s: use a number from %lld to %lld", b.name, text, b.least, b.most);
}

static bool name_known(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strcmp(name, BYTES.name) == 0 ||
           strcmp(name, MS.name) == 0 || strcmp(name, DIR_NAME) == 0;
}

bool retention_options(const struct props *worker, struct hub_options *out, struct err *e)
{
    long long bytes, ms;
    for (size_t i = 0; i < props_count(worker); i++) {
        const char *name, *value;
        props_at(worker, i, &name, &value);
        if (!name_known(name))
            return err_set(e, ERR_CONFIG, "%s: there is no such setting", name);
    }
    if (!number_of(worker, BYTES, &bytes, e) || !number_of(worker, MS, &ms, e))
        return false;
    out->window_bytes = (size_t)bytes;
    out->retention_ms = ms;
    return true;
}

bool retention_keep(const struct props *worker, struct hub *hub, struct err *e)
{
    const char *dir = props_get(worker, DIR_NAME);
    return !dir || !*dir || hub_keep(hub, dir, e) || err_prefix(e, "%s", DIR_NAME);
}
