/* token.h - JSON Web Tokens: which are believed, and what they say.
 *
 * The key decides which algorithms may be used with it, never the token (RFC 8725). A token is at most 8 KiB.
 * Keys are read from files, or fetched by a thread of their own from a URL. Everything here but that belongs
 * to one thread. Source: docs/SECURITY.md. */
#ifndef PUBLISHERS_TOKEN_H
#define PUBLISHERS_TOKEN_H

#include "err.h"
#include "slice.h"

#include <stdint.h>

struct json_object;
struct tokens; /* the keys, and what is asked of a token */

enum { TOKEN_MOST = 8192, TOKEN_LEEWAY_MOST = 300 };

struct token_options {
    const char *secret, *secret_file; /* of HS256 ...: at least 32 bytes; the file without its last newline */
    const char *public_key_file;      /* PEM: RSA, EC or Ed25519 */
    const char *jwks_file, *jwks_url; /* RFC 7517 */
    const char *algorithms;           /* comma separated; NULL: all that fit a key */
    const char *audience, *issuer;    /* comma separated, one of which the token must name; NULL: see below */
    int leeway_s;                     /* how far clocks may differ */
};

/* True when there is any key, so that tokens can be asked for. */
bool token_keys_given(const struct token_options *o);

/* Copies the options and reads the files; NULL and ERR_CONFIG where one is no good. A URL is asked by another
 * thread: no token is good before it has answered. */
struct tokens *tokens_new(const struct token_options *o, struct err *e);
void tokens_free(struct tokens *t);

/* To be called about once a second: takes over what was fetched, and files that changed (`forced`: all of
 * them). *changed: there are other keys now. false: a file is no good, what was before stays. */
bool tokens_turn(struct tokens *t, bool forced, bool *changed, struct err *e);

struct claims {
    struct json_object *all;
    const char *subject, *issuer; /* "" when the token names none */
    int64_t expires;              /* seconds since 1970 at which it ends, leeway included */
    uint64_t key;                 /* which one it was signed with */
};

enum token_verdict {
    TOKEN_GOOD,
    TOKEN_BAD,
    TOKEN_LATER, /* of a key that is not known: it is being asked for, the same token may be good soon */
};

/* now: seconds since 1970. Good only with a signature by one of the keys, `exp` in the future, `nbf` and
 * `iat` not in it, `iss` and `aud` as set; a token with `aud` is not good when no audience is set. e: why
 * not, for the log: it holds nothing secret. *out: to be freed by claims_free. */
enum token_verdict tokens_verify(struct tokens *t, struct slice token, int64_t now, struct claims **out,
                                 struct err *e);
/* The key that signed it is still one of them. */
bool tokens_trust(const struct tokens *t, const struct claims *c);
void claims_free(struct claims *c);

#endif
