/* security_access.c - what the worker file says about who may read what over a WebSocket.
 *
 * A name that is not known here ends the start: a slip of the pen would leave everything open. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "security.h"

enum { NUMBER_MOST = 10000000, LEEWAY_PRESET = 30 };

static const char *given(const struct props *worker, const char *name)
{
    const char *value = props_get(worker, name);
    return value && *value ? value : NULL;
}

static bool number_of(const struct props *worker, const char *name, long preset, long most, size_t *out,
                      struct err *e)
{
    const char *text = given(worker, name);
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : preset;
    *out = (size_t)n;
    return (n >= 0 && n <= most && !(end && *end)) ||
           err_set(e, ERR_CONFIG, "%s=%s: use a number from 0 to %ld", name, text, most);
}

static bool tokens_of(const struct props *worker, struct token_options *out, struct err *e)
{
    size_t leeway;
    *out = (struct token_options){.secret = given(worker, "websocket.auth.jwt.secret"),
                                  .secret_file = given(worker, "websocket.auth.jwt.secret.file"),
                                  .public_key_file = given(worker, "websocket.auth.jwt.public.key.file"),
                                  .jwks_file = given(worker, "websocket.auth.jwt.jwks.file"),
                                  .jwks_url = given(worker, "websocket.auth.jwt.jwks.url"),
                                  .algorithms = given(worker, "websocket.auth.jwt.algorithms"),
                                  .audience = given(worker, "websocket.auth.jwt.audience"),
                                  .issuer = given(worker, "websocket.auth.jwt.issuer")};
    bool ok =
        number_of(worker, "websocket.auth.jwt.leeway.seconds", LEEWAY_PRESET, TOKEN_LEEWAY_MOST, &leeway, e);
    out->leeway_s = (int)leeway;
    return ok;
}

static bool names_known(const struct props *worker, struct err *e)
{
    static const char *const prefixes[] = {"websocket.auth.", "websocket.rules.", "websocket.max."};
    static const char *const known[] = {
        "websocket.auth.jwt.secret",
        "websocket.auth.jwt.secret.file",
        "websocket.auth.jwt.public.key.file",
        "websocket.auth.jwt.jwks.file",
        "websocket.auth.jwt.jwks.url",
        "websocket.auth.jwt.algorithms",
        "websocket.auth.jwt.audience",
        "websocket.auth.jwt.issuer",
        "websocket.auth.jwt.leeway.seconds",
        "websocket.auth.anonymous",
        "websocket.rules.file",
        "websocket.max.connections",
        "websocket.max.connections.per.address",
        "websocket.max.connections.per.subject",
        "websocket.max.connection.rate.per.address",
    };
    for (size_t i = 0; i < props_count(worker); i++) {
        const char *name, *value;
        bool ours = false, found = false;
        props_at(worker, i, &name, &value);
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++)
            ours |= strncmp(name, prefixes[k], strlen(prefixes[k])) == 0;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= strcmp(name, known[k]) == 0;
        if (ours && !found)
            return err_set(e, ERR_CONFIG, "%s: there is no such setting", name);
    }
    return true;
}

bool security_access(const struct props *worker, struct access_options *out, struct err *e)
{
    const char *anonymous = given(worker, "websocket.auth.anonymous");
    *out = (struct access_options){.anonymous = anonymous && strcasecmp(anonymous, "true") == 0,
                                   .rules_file = given(worker, "websocket.rules.file")};
    if (anonymous && !out->anonymous && strcasecmp(anonymous, "false") != 0)
        return err_set(e, ERR_CONFIG, "websocket.auth.anonymous=%s: use true or false", anonymous);
    return names_known(worker, e) && tokens_of(worker, &out->token, e) &&
           number_of(worker, "websocket.max.connections", 0, NUMBER_MOST, &out->connections, e) &&
           number_of(worker, "websocket.max.connections.per.address", 0, NUMBER_MOST, &out->per_address, e) &&
           number_of(worker, "websocket.max.connections.per.subject", 0, NUMBER_MOST, &out->per_subject, e) &&
           number_of(worker, "websocket.max.connection.rate.per.address", 0, NUMBER_MOST, &out->rate, e);
}
