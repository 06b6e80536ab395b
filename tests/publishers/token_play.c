/* token_play.c - who issues tokens. */
#include "token_play.h"

#include <check.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"

static void url_append(struct buf *b, const void *bytes, size_t n)
{
    struct buf text = BUF_EMPTY;
    base64_append(&text, (struct slice){bytes, n}, true);
    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    buf_slice(b, buf_view(&text));
    buf_free(&text);
}

static const EVP_MD *digest_of(const char *alg)
{
    return strstr(alg, "384") ? EVP_sha384() : strstr(alg, "512") ? EVP_sha512() : EVP_sha256();
}

/* r and s with fixed width, from DER. */
static void ecdsa_append(struct buf *b, const unsigned char *der, size_t len, int width)
{
    unsigned char pair[132];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    ck_assert_ptr_nonnull(sig);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), pair, width), width);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), pair + width, width), width);
    ECDSA_SIG_free(sig);
    url_append(b, pair, 2 * (size_t)width);
}

static void signature_append(struct buf *b, const char *alg, EVP_PKEY *key, struct slice text)
{
    unsigned char out[1024];
    size_t len = sizeof(out);
    unsigned mac = 0;
    EVP_PKEY_CTX *how = NULL;
    if (!key) {
        HMAC(digest_of(alg), PLAY_SECRET, strlen(PLAY_SECRET), (const unsigned char *)text.ptr, text.len, out,
             &mac);
        url_append(b, out, mac);
        return;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(ctx, &how, strcmp(alg, "EdDSA") ? digest_of(alg) : NULL, NULL, key),
                     1);
    if (alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST);
    }
    ck_assert_int_eq(EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    if (strncmp(alg, "ES", 2) == 0)
        ecdsa_append(b, out, len, (EVP_PKEY_get_bits(key) + 7) / 8);
    else
        url_append(b, out, len);
}

static struct buf half(const char *header, const char *payload)
{
    struct buf b = BUF_EMPTY;
    url_append(&b, header, strlen(header));
    buf_char(&b, '.');
    url_append(&b, payload, strlen(payload));
    return b;
}

char *token_with(const char *header, const char *payload, const char *signature)
{
    struct buf b = half(header, payload);
    buf_char(&b, '.');
    buf_str(&b, signature);
    return buf_take(&b);
}

char *token_signed(const char *header, const char *payload, const char *alg, EVP_PKEY *key)
{
    struct buf b = half(header, payload), signature = BUF_EMPTY;
    signature_append(&signature, alg, key, buf_view(&b));
    buf_char(&b, '.');
    buf_slice(&b, buf_view(&signature));
    buf_free(&signature);
    return buf_take(&b);
}

/* ---- keys ---- */

EVP_PKEY *key_made(const char *kind)
{
    EVP_PKEY *key = NULL;
    if (strncmp(kind, "RSA", 3) == 0)
        key = EVP_RSA_gen(kind[3] ? 1024U : 2048U);
    else if (kind[0] == 'P')
        key = EVP_EC_gen(kind);
    else
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    ck_assert_ptr_nonnull(key);
    return key;
}

char *key_pem(EVP_PKEY *key)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    ck_assert_int_eq(PEM_write_bio_PUBKEY(out, key), 1);
    long n = BIO_get_mem_data(out, &text);
    char *copy = xstrndup(text, (size_t)n);
    BIO_free(out);
    return copy;
}

static void number_member(struct buf *b, EVP_PKEY *key, const char *member, const char *name, int width)
{
    BIGNUM *n = NULL;
    unsigned char bytes[512];
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &n), 1);
    int len = width ? width : BN_num_bytes(n);
    BN_bn2binpad(n, bytes, len);
    buf_printf(b, ",\"%s\":\"", member);
    url_append(b, bytes, (size_t)len);
    buf_char(b, '"');
    BN_free(n);
}

char *key_jwk(EVP_PKEY *key, const char *more)
{
    struct buf b = BUF_EMPTY;
    int width = (EVP_PKEY_get_bits(key) + 7) / 8;
    unsigned char raw[32];
    size_t n = sizeof(raw);
    if (EVP_PKEY_is_a(key, "RSA")) {
        BUF_LIT(&b, "{\"kty\":\"RSA\"");
        number_member(&b, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        number_member(&b, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        buf_printf(&b, "{\"kty\":\"EC\",\"crv\":\"P-%d\"", EVP_PKEY_get_bits(key));
        number_member(&b, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, width);
        number_member(&b, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, width);
    } else {
        ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
        BUF_LIT(&b, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        url_append(&b, raw, n);
        buf_char(&b, '"');
    }
    buf_printf(&b, "%s}", more);
    return buf_take(&b);
}

/* ---- files ---- */

char *file_with(const char *text)
{
    char path[] = "/tmp/test_token_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return xstrdup(path);
}

void file_rewrite(const char *path, const char *text)
{
    static time_t year = 1000000000;
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    year++;
    struct timespec times[2] = {{.tv_sec = year}, {.tv_sec = year}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}
