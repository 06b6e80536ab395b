/* token.c - JSON Web Tokens: taken apart, held against the keys, and what they must say.
 *
 * Nothing of a token is believed before its signature is good, but `alg`, which must be one that is allowed
 * and fits the key, and `kid`, which is compared with the names of keys and used for nothing else. Where a
 * token says that its key is to be found (jku, jwk, x5u, x5c) is not looked at. */
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "file_stamp.h"
#include "json.h"
#include "json_strict.h"
#include "log.h"
#include "token_impl.h"
#include "xmalloc.h"

enum { FILES = 3, NAMES_MOST = 20 };

static const double TIME_MOST = 9007199254740992.0;

struct key_file {
    char *path; /* NULL: none */
    const char *setting;
    bool (*read)(struct keys *k, struct slice text, struct err *e);
    struct file_stamp stamp;
};

struct names {
    char *items[NAMES_MOST];
    size_t n;
};

struct tokens {
    struct keys *local, *fetched; /* fetched: NULL until it came */
    struct key_file files[FILES];
    struct fetch *fetch; /* NULL: no URL */
    char *secret;        /* NULL: none */
    struct names algorithms, audience, issuer;
    int leeway_s;
};

/* ---- settings ---- */

bool token_keys_given(const struct token_options *o)
{
    return o->secret || o->secret_file || o->public_key_file || o->jwks_file || o->jwks_url;
}

static bool names_take(struct names *names, const char *list, const char *setting, struct err *e)
{
    for (const char *at = list ? list : ""; *at; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        struct slice one = slice_trim((struct slice){at, len});
        at += len;
        if (!one.len)
            continue;
        if (names->n == NAMES_MOST)
            return err_set(e, ERR_CONFIG, "%s: more than %d names", setting, NAMES_MOST);
        names->items[names->n++] = xstrndup(one.ptr, one.len);
    }
    return true;
}

static bool named(const struct names *names, const char *name)
{
    for (size_t i = 0; name && i < names->n; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
}

static bool algorithms_known(const struct names *names, struct err *e)
{
    for (size_t i = 0; i < names->n; i++)
        if (!algorithm_named(names->items[i]))
            return err_set(e, ERR_CONFIG,
                           "websocket.auth.jwt.algorithms: there is no %s here; there are HS256 RS256 PS256 "
                           "ES256, these with 384 and 512, and EdDSA",
                           names->items[i]);
    return true;
}

/* ---- files ---- */

static bool secret_read(struct keys *k, struct slice text, struct err *e)
{
    if (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    return keys_secret(k, text, e);
}

static bool jwks_read(struct keys *k, struct slice text, struct err *e)
{
    return keys_jwks(k, text, true, e);
}

static bool key_file_text(const struct key_file *f, struct buf *out, struct stat *st, struct err *e)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC), why = errno;
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, st) == 0 && st->st_size <= KEY_FILE_MOST)
        n = read(fd, buf_room(out, KEY_FILE_MOST), KEY_FILE_MOST);
    else if (fd >= 0)
        errno = EFBIG;
    why = n < 0 ? errno : why;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return err_set(e, ERR_CONFIG, "it cannot be read: %s", strerror(why));
    buf_added(out, (size_t)n);
    return true;
}

static bool key_file_read(struct key_file *f, struct keys *k, struct err *e)
{
    struct buf text = BUF_EMPTY;
    struct stat st = {0};
    bool ok = key_file_text(f, &text, &st, e) && f->read(k, buf_view(&text), e);
    f->stamp = file_stamp_of(&st);
    if (ok && f->read == secret_read && st.st_mode & S_IROTH)
        log_warn("every user of this machine can read %s=%s: chmod o-r", f->setting, f->path);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    buf_free(&text);
    return ok || err_prefix(e, "%s=%s", f->setting, f->path);
}

static bool key_file_stale(const struct key_file *f)
{
    return f->path && file_stamp_stale(&f->stamp, f->path);
}

/* All of what is not fetched. */
static struct keys *keys_read(struct tokens *t, struct err *e)
{
    struct keys *k = xcalloc(1, sizeof(*k));
    bool ok =
        !t->secret || keys_secret(k, slice_of(t->secret), e) || err_prefix(e, "websocket.auth.jwt.secret");
    for (size_t i = 0; ok && i < FILES; i++)
        ok = !t->files[i].path || key_file_read(&t->files[i], k, e);
    if (ok)
        return k;
    keys_free(k);
    return NULL;
}

/* ---- life ---- */

static void key_file_name(struct tokens *t, size_t i, const char *path, const char *setting,
                          bool (*take)(struct keys *k, struct slice text, struct err *e))
{
    t->files[i] = (struct key_file){.path = path ? xstrdup(path) : NULL, .setting = setting, .read = take};
}

struct tokens *tokens_new(const struct token_options *o, struct err *e)
{
    struct tokens *t = xcalloc(1, sizeof(*t));
    t->leeway_s = o->leeway_s;
    t->secret = o->secret ? xstrdup(o->secret) : NULL;
    key_file_name(t, 0, o->secret_file, "websocket.auth.jwt.secret.file", secret_read);
    key_file_name(t, 1, o->public_key_file, "websocket.auth.jwt.public.key.file", keys_pem);
    key_file_name(t, 2, o->jwks_file, "websocket.auth.jwt.jwks.file", jwks_read);
    if (names_take(&t->algorithms, o->algorithms, "websocket.auth.jwt.algorithms", e) &&
        algorithms_known(&t->algorithms, e) &&
        names_take(&t->audience, o->audience, "websocket.auth.jwt.audience", e) &&
        names_take(&t->issuer, o->issuer, "websocket.auth.jwt.issuer", e) && (t->local = keys_read(t, e)) &&
        (!o->jwks_url || (t->fetch = fetch_new(o->jwks_url, e))))
        return t;
    tokens_free(t);
    return NULL;
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    fetch_free(t->fetch);
    keys_free(t->local);
    keys_free(t->fetched);
    for (size_t i = 0; i < FILES; i++)
        free(t->files[i].path);
    if (t->secret)
        explicit_bzero(t->secret, strlen(t->secret));
    free(t->secret);
    names_free(&t->algorithms);
    names_free(&t->audience);
    names_free(&t->issuer);
    free(t);
}

bool tokens_turn(struct tokens *t, bool forced, bool *changed, struct err *e)
{
    struct keys *came = t->fetch ? fetch_take(t->fetch) : NULL, *local = NULL;
    bool stale = forced;
    for (size_t i = 0; i < FILES; i++)
        stale = key_file_stale(&t->files[i]) || stale;
    if (came) {
        keys_free(t->fetched);
        t->fetched = came;
    }
    if (forced && t->fetch)
        fetch_again(t->fetch, true);
    if (stale && (local = keys_read(t, e))) {
        keys_free(t->local);
        t->local = local;
    }
    *changed = came || local;
    return !stale || local;
}

bool tokens_trust(const struct tokens *t, const struct claims *c)
{
    const struct keys *sets[] = {t->local, t->fetched};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; sets[s] && i < sets[s]->n; i++)
            if (sets[s]->items[i].id == c->key)
                return true;
    return false;
}

void claims_free(struct claims *c)
{
    if (c)
        json_object_put(c->all);
    free(c);
}

/* ---- the token ---- */

struct jwt {
    struct slice text; /* what is signed */
    struct json_object *header, *payload;
    struct buf signature;
    const struct algorithm *algorithm;
    const char *kid; /* NULL: none */
};

static bool base64url(struct slice part, struct buf *out)
{
    for (size_t i = 0; i < part.len; i++)
        if (!isalnum((unsigned char)part.ptr[i]) && part.ptr[i] != '-' && part.ptr[i] != '_')
            return false;
    return part.len && base64_decode(out, part);
}

static struct json_object *object_of(struct slice part)
{
    struct buf text = BUF_EMPTY;
    struct json_object *o = base64url(part, &text) ? json_strict(buf_view(&text)) : NULL;
    buf_free(&text);
    if (json_object_is_type(o, json_type_object))
        return o;
    json_object_put(o);
    return NULL;
}

static bool bad(struct err *e, const char *why)
{
    return err_set(e, ERR_DATA, "%s", why);
}

/* Three parts between dots. */
static bool jwt_split(struct jwt *j, struct slice token, struct err *e)
{
    if (token.len > TOKEN_MOST)
        return bad(e, "it is larger than 8 KiB");
    const char *first = memchr(token.ptr, '.', token.len);
    const char *last = memrchr(token.ptr, '.', token.len);
    if (!first || first == last)
        return bad(e, "it is not of three parts");
    const char *end = token.ptr + token.len;
    j->text = (struct slice){token.ptr, (size_t)(last - token.ptr)};
    if (!base64url((struct slice){last + 1, (size_t)(end - last - 1)}, &j->signature))
        return bad(e, "its signature is not base64url");
    j->header = object_of((struct slice){token.ptr, (size_t)(first - token.ptr)});
    j->payload = object_of((struct slice){first + 1, (size_t)(last - first - 1)});
    return (j->header && j->payload) ||
           bad(e, "its header or its claims are not base64url of a JSON object with each name once");
}

static void jwt_clear(struct jwt *j)
{
    json_object_put(j->header);
    json_object_put(j->payload);
    buf_free(&j->signature);
}

/* A token that was made for something else says so in `typ` (RFC 8725, 3.11). */
static bool typ_good(struct json_object *header)
{
    struct json_object *typ = json_object_object_get(header, "typ");
    const char *text = json_strict_text(typ);
    if (!json_object_object_get_ex(header, "typ", NULL))
        return true;
    if (text && strncasecmp(text, "application/", 12) == 0)
        text += 12;
    return text && (strcasecmp(text, "JWT") == 0 || strcasecmp(text, "at+jwt") == 0);
}

static bool header_read(const struct tokens *t, struct jwt *j, struct err *e)
{
    struct json_object *kid;
    const char *alg = json_strict_text(json_object_object_get(j->header, "alg"));
    j->algorithm = alg ? algorithm_named(alg) : NULL;
    if (!j->algorithm || (t->algorithms.n && !named(&t->algorithms, alg)))
        return err_set(e, ERR_DATA, "its algorithm %.20s is not allowed", alg ? alg : "");
    if (json_object_object_get_ex(j->header, "crit", NULL) || !typ_good(j->header))
        return bad(e, "it is of another type than JWT or at+jwt, or has a critical extension");
    if (!json_object_object_get_ex(j->header, "kid", &kid))
        return true;
    j->kid = json_strict_text(kid);
    return (j->kid && strlen(j->kid) <= KID_MOST) || bad(e, "its kid is no text of at most 256 bytes");
}

/* A key without a name may be any token's, unless there is one of that name. */
static bool key_meant(const struct key *k, const char *kid, bool known)
{
    return !kid || (known ? k->kid && strcmp(k->kid, kid) == 0 : !k->kid);
}

static bool kid_known(const struct tokens *t, const char *kid)
{
    const struct keys *sets[] = {t->local, t->fetched};
    for (size_t s = 0; kid && s < 2; s++)
        for (size_t i = 0; sets[s] && i < sets[s]->n; i++)
            if (sets[s]->items[i].kid && strcmp(sets[s]->items[i].kid, kid) == 0)
                return true;
    return false;
}

/* NULL: none of the keys made this signature. *tried: how many could have. */
static const struct key *key_of(const struct tokens *t, const struct jwt *j, size_t *tried)
{
    const struct keys *sets[] = {t->local, t->fetched};
    bool known = kid_known(t, j->kid);
    *tried = 0;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; sets[s] && i < sets[s]->n; i++) {
            const struct key *k = &sets[s]->items[i];
            if (!key_meant(k, j->kid, known) || !algorithm_fits(j->algorithm, k))
                continue;
            ++*tried;
            if (signature_good(j->algorithm, k, j->text, buf_view(&j->signature)))
                return k;
        }
    return NULL;
}

/* ---- what it says ---- */

enum moment { MOMENT_ABSENT, MOMENT_BAD, MOMENT_GOOD };

static enum moment moment_of(struct json_object *all, const char *name, int64_t *out)
{
    struct json_object *o;
    if (!json_object_object_get_ex(all, name, &o))
        return MOMENT_ABSENT;
    if (!json_object_is_type(o, json_type_int) && !json_object_is_type(o, json_type_double))
        return MOMENT_BAD;
    double seconds = json_object_get_double(o);
    if (!(seconds >= 0 && seconds <= TIME_MOST))
        return MOMENT_BAD;
    *out = (int64_t)floor(seconds);
    return MOMENT_GOOD;
}

static bool times_good(const struct tokens *t, struct json_object *all, int64_t now, int64_t *expires,
                       struct err *e)
{
    static const char *const starts[] = {"nbf", "iat"};
    int64_t at = 0;
    if (moment_of(all, "exp", &at) != MOMENT_GOOD)
        return bad(e, "it has no exp that is a number");
    *expires = at + t->leeway_s;
    if (now >= *expires)
        return err_set(e, ERR_DATA, "it has expired %lld seconds ago", (long long)(now - at));
    for (size_t i = 0; i < 2; i++) {
        enum moment found = moment_of(all, starts[i], &at);
        if (found == MOMENT_BAD || (found == MOMENT_GOOD && at > now + t->leeway_s))
            return err_set(e, ERR_DATA, "its %s is in the future, or no number", starts[i]);
    }
    return true;
}

static bool audience_good(const struct tokens *t, struct json_object *all, struct err *e)
{
    struct json_object *aud;
    bool there = json_object_object_get_ex(all, "aud", &aud),
         found = named(&t->audience, json_strict_text(aud));
    for (size_t i = 0; json_object_is_type(aud, json_type_array) && i < json_object_array_length(aud); i++)
        found |= named(&t->audience, json_strict_text(json_object_array_get_idx(aud, i)));
    if (there ? found : t->audience.n == 0)
        return true;
    return bad(e, t->audience.n ? "its aud names no audience of websocket.auth.jwt.audience"
                                : "it has an aud, but websocket.auth.jwt.audience is not set");
}

static bool claims_good(const struct tokens *t, struct json_object *all, int64_t now, struct claims *c,
                        struct err *e)
{
    struct json_object *sub = json_object_object_get(all, "sub"), *iss = json_object_object_get(all, "iss");
    if (!times_good(t, all, now, &c->expires, e) || !audience_good(t, all, e))
        return false;
    if ((sub && !json_strict_text(sub)) || (iss && !json_strict_text(iss)))
        return bad(e, "its sub or its iss is no text");
    if (t->issuer.n && !named(&t->issuer, json_strict_text(iss)))
        return bad(e, "its iss is not of websocket.auth.jwt.issuer");
    c->subject = sub ? json_strict_text(sub) : "";
    c->issuer = iss ? json_strict_text(iss) : "";
    c->all = json_object_get(all);
    return true;
}

/* A name that no key has may be one that the URL has meanwhile. */
static enum token_verdict unknown_key(struct tokens *t, const struct jwt *j, size_t tried, struct err *e)
{
    bool may_come = t->fetch && (!t->fetched || (j->kid && !kid_known(t, j->kid)));
    bad(e, tried ? "its signature is wrong" : "there is no key for its algorithm and its kid");
    return may_come && fetch_again(t->fetch, false) ? TOKEN_LATER : TOKEN_BAD;
}

enum token_verdict tokens_verify(struct tokens *t, struct slice token, int64_t now, struct claims **out,
                                 struct err *e)
{
    struct jwt j = {0};
    struct claims c = {0};
    size_t tried = 0;
    enum token_verdict verdict = TOKEN_BAD;
    if (jwt_split(&j, token, e) && header_read(t, &j, e)) {
        const struct key *k = key_of(t, &j, &tried);
        if (!k)
            verdict = unknown_key(t, &j, tried, e);
        else if (claims_good(t, j.payload, now, &c, e))
            verdict = TOKEN_GOOD;
        c.key = k ? k->id : 0;
    }
    jwt_clear(&j);
    *out = NULL;
    if (verdict == TOKEN_GOOD) {
        *out = xmalloc(sizeof(**out));
        **out = c;
    }
    return verdict;
}
