/* token_check.c - the signatures of tokens.
 *
 * An algorithm is for one kind of key, and a key is of one kind from when it is read: a public key is never
 * taken for a secret. */
#include "token_impl.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

struct algorithm {
    const char *name;
    enum key_kind kind;
    const EVP_MD *(*digest)(void);
    size_t bytes; /* of a secret at least; of a number in an ECDSA signature */
    bool pss;
};

static const struct algorithm algorithms[] = {
    {"HS256", KEY_SECRET, EVP_sha256, 32}, {"HS384", KEY_SECRET, EVP_sha384, 48},
    {"HS512", KEY_SECRET, EVP_sha512, 64}, {"RS256", KEY_RSA, EVP_sha256},
    {"RS384", KEY_RSA, EVP_sha384},        {"RS512", KEY_RSA, EVP_sha512},
    {"PS256", KEY_RSA, EVP_sha256, 0, 1},  {"PS384", KEY_RSA, EVP_sha384, 0, 1},
    {"PS512", KEY_RSA, EVP_sha512, 0, 1},  {"ES256", KEY_P256, EVP_sha256, 32},
    {"ES384", KEY_P384, EVP_sha384, 48},   {"ES512", KEY_P521, EVP_sha512, 66},
    {"EdDSA", KEY_ED25519, NULL},
};

const struct algorithm *algorithm_named(const char *name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

const char *algorithm_name(const struct algorithm *a)
{
    return a->name;
}

bool algorithm_fits(const struct algorithm *a, const struct key *k)
{
    return a->kind == k->kind && (!k->alg || strcmp(k->alg, a->name) == 0) &&
           (k->kind != KEY_SECRET || k->secret.len >= a->bytes);
}

static bool mac_good(const struct algorithm *a, const struct key *k, struct slice text,
                     struct slice signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return HMAC(a->digest(), k->secret.ptr, (int)k->secret.len, (const unsigned char *)text.ptr, text.len,
                mac, &n) &&
           n == signature.len && CRYPTO_memcmp(mac, signature.ptr, n) == 0;
}

/* Two numbers of fixed width, neither of them zero, become what OpenSSL reads. NULL: they are not that. */
static unsigned char *ecdsa_der(const struct algorithm *a, struct slice signature, int *len)
{
    if (signature.len != 2 * a->bytes)
        return NULL;
    const unsigned char *at = (const unsigned char *)signature.ptr;
    BIGNUM *r = BN_bin2bn(at, (int)a->bytes, NULL), *s = BN_bin2bn(at + a->bytes, (int)a->bytes, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *der = NULL;
    bool real = r && s && pair && !BN_is_zero(r) && !BN_is_zero(s);
    if (real && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL;
        *len = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return der;
}

static bool pkey_good(const struct algorithm *a, const struct key *k, struct slice text,
                      const unsigned char *signature, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    bool good = ctx && EVP_DigestVerifyInit(ctx, &how, a->digest ? a->digest() : NULL, NULL, k->pkey) == 1 &&
                (!a->pss || (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
                             EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
                EVP_DigestVerify(ctx, signature, len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static bool checked(const struct algorithm *a, const struct key *k, struct slice text, struct slice signature)
{
    if (k->kind == KEY_SECRET)
        return mac_good(a, k, text, signature);
    if (k->kind != KEY_P256 && k->kind != KEY_P384 && k->kind != KEY_P521)
        return pkey_good(a, k, text, (const unsigned char *)signature.ptr, signature.len);
    int len = 0;
    unsigned char *der = ecdsa_der(a, signature, &len);
    bool good = der && len > 0 && pkey_good(a, k, text, der, (size_t)len);
    OPENSSL_free(der);
    return good;
}

/* What OpenSSL leaves in the thread's list of errors would be taken for one of a TLS connection. */
bool signature_good(const struct algorithm *a, const struct key *k, struct slice text, struct slice signature)
{
    bool good = algorithm_fits(a, k) && checked(a, k, text, signature);
    ERR_clear_error();
    return good;
}
