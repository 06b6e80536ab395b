/* token_impl.h - keys, for token*.c only. */
#ifndef PUBLISHERS_TOKEN_IMPL_H
#define PUBLISHERS_TOKEN_IMPL_H

#include "buf.h"
#include "token.h"

#include <openssl/evp.h>

enum key_kind { KEY_SECRET, KEY_RSA, KEY_P256, KEY_P384, KEY_P521, KEY_ED25519 };

struct key {
    enum key_kind kind;
    char *kid, *alg; /* NULL: none; alg: the only algorithm that it is for */
    EVP_PKEY *pkey;  /* NULL of a secret */
    struct buf secret;
    uint64_t id; /* of the key itself */
};

enum { KEYS_MOST = 100, KEY_FILE_MOST = 256 * 1024, KID_MOST = 256 };

struct keys {
    struct key items[KEYS_MOST];
    size_t n;
};

void keys_free(struct keys *k);
/* Each adds to *k; false and ERR_CONFIG: nothing of it can be used. */
bool keys_secret(struct keys *k, struct slice secret, struct err *e);
bool keys_pem(struct keys *k, struct slice pem, struct err *e);
/* Keys of other kinds and uses are passed over. secrets: symmetric keys count. */
bool keys_jwks(struct keys *k, struct slice text, bool secrets, struct err *e);

/* token_check.c: one signature. */
struct algorithm;
const struct algorithm *algorithm_named(const char *name); /* exactly; NULL: none such */
const char *algorithm_name(const struct algorithm *a);
bool algorithm_fits(const struct algorithm *a, const struct key *k);
bool signature_good(const struct algorithm *a, const struct key *k, struct slice text,
                    struct slice signature);

/* token_fetch.c: the thread that asks the URL. */
struct fetch;
struct fetch *fetch_new(const char *url, struct err *e); /* ERR_CONFIG: neither https nor http to loopback */
void fetch_free(struct fetch *f);
/* Asks again, unless that was done a moment ago. false: so it was, there is no use in waiting. forced: in any
 * case. */
bool fetch_again(struct fetch *f, bool forced);
struct keys *fetch_take(struct fetch *f); /* what came since the last call; NULL: nothing. The caller's */

#endif
