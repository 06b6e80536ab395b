/* access.c - who may open a WebSocket: tokens, rules, and how many at a time.
 *
 * What changes in the files is looked for by time stamp, since who rotates keys seldom thinks of a signal. */
#include "access.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "buf.h"
#include "clock.h"
#include "file_stamp.h"
#include "log.h"
#include "map.h"
#include "xmalloc.h"

enum { LINES_A_SECOND = 20 };

/* An address, or a subject. */
struct peer {
    size_t connections, attempts;
    int64_t second; /* that the attempts were in */
};

struct access {
    struct tokens *tokens; /* NULL: no keys */
    struct rules *rules;   /* NULL: none */
    char *rules_file;
    struct file_stamp rules_stamp;
    bool anonymous;
    size_t most, per_address, per_subject, rate, connections;
    struct map *addresses, *subjects; /* to struct peer */
    int64_t line_second;
    size_t lines;
};

/* ---- life ---- */

static bool rules_stale(const struct access *a)
{
    return a->rules_file && file_stamp_stale(&a->rules_stamp, a->rules_file);
}

static bool rules_take(struct access *a, struct err *e)
{
    a->rules_stamp = file_stamp_take(a->rules_file);
    struct rules *r = rules_read(a->rules_file, e);
    if (!r)
        return false;
    rules_free(a->rules);
    a->rules = r;
    return true;
}

static size_t files_allow(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return limit.rlim_cur / 4 * 3; /* the rest is for PostgreSQL, Kafka and files */
}

struct access *access_new(const struct access_options *o, struct err *e)
{
    struct access *a = xcalloc(1, sizeof(*a));
    a->addresses = map_new();
    a->subjects = map_new();
    a->anonymous = o->anonymous;
    a->most = o->connections;
    a->per_address = o->per_address;
    a->per_subject = o->per_subject;
    a->rate = o->rate;
    a->rules_file = o->rules_file ? xstrdup(o->rules_file) : NULL;
    bool keys = token_keys_given(&o->token), ok = true;
    if (a->rules_file && !keys && !a->anonymous)
        ok = err_set(e, ERR_CONFIG,
                     "websocket.rules.file needs keys to check tokens with, such as "
                     "websocket.auth.jwt.public.key.file, or websocket.auth.anonymous=true");
    if (ok && keys)
        ok = (a->tokens = tokens_new(&o->token, e));
    if (ok && a->rules_file)
        ok = rules_take(a, e);
    if (ok)
        return a;
    access_free(a);
    return NULL;
}

static void peers_free(struct map *m)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(m, &at, &key, &value))
        free(value);
    map_free(m);
}

void access_free(struct access *a)
{
    if (!a)
        return;
    tokens_free(a->tokens);
    rules_free(a->rules);
    peers_free(a->addresses);
    peers_free(a->subjects);
    free(a->rules_file);
    free(a);
}

bool access_asks(const struct access *a)
{
    return a->tokens;
}

bool access_open(const struct access *a)
{
    return !a->tokens || a->anonymous;
}

bool access_ruled(const struct access *a)
{
    return a->rules;
}

/* Addresses that came and went. Nothing may be removed while the map is walked. */
static void peers_sweep(struct access *a)
{
    int64_t now = clock_mono_ms() / 1000;
    struct buf names = BUF_EMPTY;
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(a->addresses, &at, &key, &value)) {
        const struct peer *p = value;
        if (p->connections || now - p->second <= 1)
            continue;
        buf_slice(&names, key);
        buf_char(&names, 0);
    }
    for (const char *name = names.ptr; name && name < names.ptr + names.len; name += strlen(name) + 1)
        free(map_remove(a->addresses, slice_of(name)));
    buf_free(&names);
}

bool access_turn(struct access *a, bool forced)
{
    struct err e = {0};
    bool changed = false, ruled = false;
    peers_sweep(a);
    if (a->tokens && !tokens_turn(a->tokens, forced, &changed, &e))
        log_error("%s; the keys that were there before stay", e.text);
    if (a->rules_file && (forced || rules_stale(a))) {
        e = (struct err){0};
        ruled = rules_take(a, &e);
        if (!ruled)
            log_error("%s; the rules that were there before stay", e.text);
    }
    if (changed || ruled)
        log_info("browsers: %s taken over", !ruled ? "keys" : changed ? "keys and rules" : "rules");
    return changed || ruled;
}

/* ---- tokens and rules ---- */

void access_log(struct access *a, const char *format, ...)
{
    int64_t second = clock_mono_ms() / 1000;
    if (second != a->line_second) {
        if (a->lines > LINES_A_SECOND)
            log_info("browsers: %zu more lines such as these were left out", a->lines - LINES_A_SECOND);
        a->line_second = second;
        a->lines = 0;
    }
    if (++a->lines > LINES_A_SECOND)
        return;
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_info("%s", text);
}

enum token_verdict access_verify(struct access *a, struct slice token, const char *who, struct claims **out)
{
    struct err e = {0};
    enum token_verdict verdict = tokens_verify(a->tokens, token, clock_wall_ms() / 1000, out, &e);
    if (verdict != TOKEN_GOOD)
        access_log(a, "browser %.100s: its token is refused: %s", who, e.text);
    return verdict;
}

bool access_trusts(const struct access *a, const struct claims *c)
{
    return tokens_trust(a->tokens, c);
}

bool access_allows(const struct access *a, const char *table, const struct claims *c, struct allowance *out,
                   struct err *e)
{
    *out = (struct allowance){0};
    return !a->rules || rules_allow(a->rules, table, c ? c->all : NULL, out, e);
}

/* ---- limits ---- */

static struct peer *peer_of(struct map *m, struct slice name)
{
    struct peer *p = map_get(m, name);
    if (!p) {
        p = xcalloc(1, sizeof(*p));
        map_set(m, name, p);
    }
    return p;
}

static void peer_left(struct map *m, struct slice name, bool forget)
{
    struct peer *p = map_get(m, name);
    if (p && --p->connections == 0 && forget)
        free(map_remove(m, name));
}

/* Subjects of two issuers are two. */
static struct buf subject_of(const struct claims *c)
{
    struct buf b = BUF_EMPTY;
    buf_str(&b, c->issuer);
    buf_char(&b, 0);
    buf_str(&b, c->subject);
    return b;
}

bool access_subject_full(const struct access *a, const struct claims *c)
{
    if (!a->per_subject)
        return false;
    struct buf name = subject_of(c);
    const struct peer *p = map_get(a->subjects, buf_view(&name));
    buf_free(&name);
    return p && p->connections >= a->per_subject;
}

enum entry_verdict access_entry(struct access *a, const char *address)
{
    struct peer *p = peer_of(a->addresses, slice_of(address));
    int64_t second = clock_mono_ms() / 1000;
    if (p->second != second)
        p->attempts = 0;
    p->second = second;
    p->attempts++;
    if ((a->rate && p->attempts > a->rate) || (a->per_address && p->connections >= a->per_address))
        return ENTRY_TOO_MANY;
    return a->connections >= (a->most ? a->most : files_allow()) ? ENTRY_FULL : ENTRY_GRANTED;
}

void access_entered(struct access *a, const char *address)
{
    a->connections++;
    peer_of(a->addresses, slice_of(address))->connections++;
}

void access_left(struct access *a, const char *address)
{
    a->connections--;
    peer_left(a->addresses, slice_of(address), false);
}

bool access_subject_entered(struct access *a, const struct claims *c)
{
    if (access_subject_full(a, c))
        return false;
    struct buf name = subject_of(c);
    peer_of(a->subjects, buf_view(&name))->connections++;
    buf_free(&name);
    return true;
}

void access_subject_left(struct access *a, const struct claims *c)
{
    struct buf name = subject_of(c);
    peer_left(a->subjects, buf_view(&name), true);
    buf_free(&name);
}
