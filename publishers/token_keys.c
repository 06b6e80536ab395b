/* token_keys.c - keys of tokens: from a secret, a PEM file, a set of JSON Web Keys. */
#include "token_impl.h"

#include <json-c/json.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "json.h"
#include "json_strict.h"
#include "xmalloc.h"

enum { RSA_BITS_LEAST = 2048, SECRET_LEAST = 32 };

void keys_free(struct keys *k)
{
    for (size_t i = 0; k && i < k->n; i++) {
        struct key *one = &k->items[i];
        free(one->kid);
        free(one->alg);
        EVP_PKEY_free(one->pkey);
        if (one->secret.ptr)
            explicit_bzero(one->secret.ptr, one->secret.len);
        buf_free(&one->secret);
    }
    free(k);
}

/* The same key under another name is the same key. */
static uint64_t key_id(const struct key *k)
{
    unsigned char hash[SHA256_DIGEST_LENGTH] = {0}, *der = NULL;
    uint64_t id;
    int len = k->pkey ? i2d_PUBKEY(k->pkey, &der) : 0;
    if (der && len > 0)
        SHA256(der, (size_t)len, hash);
    else if (!k->pkey)
        SHA256((const unsigned char *)k->secret.ptr, k->secret.len, hash);
    OPENSSL_free(der);
    memcpy(&id, hash, sizeof(id));
    return id;
}

static bool key_add(struct keys *k, struct key one)
{
    one.id = key_id(&one);
    k->items[k->n++] = one;
    return true;
}

bool keys_secret(struct keys *k, struct slice secret, struct err *e)
{
    struct key one = {.kind = KEY_SECRET};
    if (secret.len < SECRET_LEAST)
        return err_set(e, ERR_CONFIG, "the secret has %zu bytes; HS256 needs at least 32 random ones",
                       secret.len);
    if (memmem(secret.ptr, secret.len, "-----BEGIN", 10))
        return err_set(e, ERR_CONFIG,
                       "the secret is a PEM file: a public key is known to everybody, so set "
                       "websocket.auth.jwt.public.key.file instead");
    buf_slice(&one.secret, secret);
    return key_add(k, one);
}

/* false: a kind of key that no algorithm here is for. */
static bool kind_of(const EVP_PKEY *pkey, enum key_kind *kind)
{
    static const struct {
        const char *group;
        enum key_kind kind;
    } curves[] = {{"prime256v1", KEY_P256}, {"P-256", KEY_P256},     {"secp384r1", KEY_P384},
                  {"P-384", KEY_P384},      {"secp521r1", KEY_P521}, {"P-521", KEY_P521}};
    char group[40] = "";
    if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_LEAST)
        return *kind = KEY_RSA, true;
    if (EVP_PKEY_is_a(pkey, "ED25519"))
        return *kind = KEY_ED25519, true;
    if (!EVP_PKEY_is_a(pkey, "EC") || !EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL))
        return false;
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
        if (strcmp(group, curves[i].group) == 0)
            return *kind = curves[i].kind, true;
    return false;
}

bool keys_pem(struct keys *k, struct slice pem, struct err *e)
{
    struct key one = {0};
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    one.pkey = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    if (!one.pkey && BIO_reset(in) == 1) {
        X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
        one.pkey = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    BIO_free(in);
    ERR_clear_error();
    if (!one.pkey)
        return err_set(e, ERR_CONFIG, "there is no PEM public key or certificate in it");
    if (kind_of(one.pkey, &one.kind))
        return key_add(k, one);
    EVP_PKEY_free(one.pkey);
    return err_set(e, ERR_CONFIG,
                   "the key is of another kind than RSA of 2048 bits, P-256, P-384, P-521 or Ed25519");
}

/* ---- JSON Web Keys ---- */

static bool member_bytes(struct json_object *jwk, const char *name, struct buf *out)
{
    const char *text = json_strict_text(json_object_object_get(jwk, name));
    buf_reset(out);
    return text && *text && base64_decode(out, slice_of(text)) && out->len;
}

static EVP_PKEY *pkey_of(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_key(struct json_object *jwk)
{
    struct buf bytes = BUF_EMPTY;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *n = NULL, *exponent = NULL;
    if (member_bytes(jwk, "n", &bytes))
        n = BN_bin2bn((unsigned char *)bytes.ptr, (int)bytes.len, NULL);
    if (member_bytes(jwk, "e", &bytes))
        exponent = BN_bin2bn((unsigned char *)bytes.ptr, (int)bytes.len, NULL);
    EVP_PKEY *pkey = NULL;
    if (n && exponent && BN_is_odd(exponent) && !BN_is_one(exponent) && BN_num_bits(n) <= 16384 &&
        BN_num_bits(exponent) <= 64 && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, exponent))
        pkey = pkey_of("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(exponent);
    buf_free(&bytes);
    return pkey;
}

/* A point that is not on the curve is none. */
static EVP_PKEY *ec_key(struct json_object *jwk)
{
    const char *curve = json_strict_text(json_object_object_get(jwk, "crv"));
    size_t width = !curve                        ? 0
                   : strcmp(curve, "P-256") == 0 ? 32
                   : strcmp(curve, "P-384") == 0 ? 48
                   : strcmp(curve, "P-521") == 0 ? 66
                                                 : 0;
    struct buf x = BUF_EMPTY, y = BUF_EMPTY, point = BUF_EMPTY;
    EVP_PKEY *pkey = NULL;
    if (width && member_bytes(jwk, "x", &x) && member_bytes(jwk, "y", &y) && x.len == width &&
        y.len == width) {
        OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
        buf_char(&point, 4); /* both numbers follow */
        buf_slice(&point, buf_view(&x));
        buf_slice(&point, buf_view(&y));
        if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) &&
            OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.ptr, point.len))
            pkey = pkey_of("EC", bld);
        OSSL_PARAM_BLD_free(bld);
    }
    EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    if (pkey && EVP_PKEY_public_check(ctx) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    buf_free(&x);
    buf_free(&y);
    buf_free(&point);
    return pkey;
}

static EVP_PKEY *okp_key(struct json_object *jwk)
{
    const char *curve = json_strict_text(json_object_object_get(jwk, "crv"));
    struct buf x = BUF_EMPTY;
    EVP_PKEY *pkey = NULL;
    if (curve && strcmp(curve, "Ed25519") == 0 && member_bytes(jwk, "x", &x) && x.len == 32)
        pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (unsigned char *)x.ptr, x.len);
    buf_free(&x);
    return pkey;
}

static bool for_signatures(struct json_object *jwk)
{
    struct json_object *use = json_object_object_get(jwk, "use"),
                       *ops = json_object_object_get(jwk, "key_ops");
    if (use && (!json_strict_text(use) || strcmp(json_strict_text(use), "sig") != 0))
        return false;
    for (size_t i = 0; json_object_is_type(ops, json_type_array) && i < json_object_array_length(ops); i++) {
        const char *op = json_strict_text(json_object_array_get_idx(ops, i));
        if (op && strcmp(op, "verify") == 0)
            return true;
    }
    return !ops;
}

/* false: not a key for here. */
static bool jwk_read(struct json_object *jwk, bool secrets, struct key *out)
{
    static const struct {
        const char *type;
        EVP_PKEY *(*read)(struct json_object *jwk);
    } types[] = {{"RSA", rsa_key}, {"EC", ec_key}, {"OKP", okp_key}};
    const char *type = json_strict_text(json_object_object_get(jwk, "kty"));
    if (!type || !for_signatures(jwk))
        return false;
    if (secrets && strcmp(type, "oct") == 0) {
        out->kind = KEY_SECRET;
        if (member_bytes(jwk, "k", &out->secret) && out->secret.len >= SECRET_LEAST)
            return true;
        buf_free(&out->secret);
        return false;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(type, types[i].type) == 0)
            out->pkey = types[i].read(jwk);
    ERR_clear_error();
    if (out->pkey && kind_of(out->pkey, &out->kind))
        return true;
    EVP_PKEY_free(out->pkey);
    return false;
}

static void jwk_take(struct keys *k, struct json_object *jwk, bool secrets)
{
    struct key one = {0};
    const char *kid = json_strict_text(json_object_object_get(jwk, "kid")),
               *alg = json_strict_text(json_object_object_get(jwk, "alg"));
    if (k->n == KEYS_MOST || !json_object_is_type(jwk, json_type_object) || (kid && strlen(kid) > KID_MOST) ||
        !jwk_read(jwk, secrets, &one))
        return;
    one.kid = kid ? xstrdup(kid) : NULL;
    one.alg = alg ? xstrdup(alg) : NULL;
    key_add(k, one);
}

bool keys_jwks(struct keys *k, struct slice text, bool secrets, struct err *e)
{
    struct json_object *set = json_strict(text), *list = json_object_object_get(set, "keys");
    size_t before = k->n, n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++)
        jwk_take(k, json_object_array_get_idx(list, i), secrets);
    json_object_put(set);
    return k->n > before ||
           err_set(e, ERR_CONFIG,
                   "there is no key in it that tokens can be checked with: {\"keys\":[...]} with RSA of 2048 "
                   "bits, P-256, P-384, P-521 or Ed25519");
}
