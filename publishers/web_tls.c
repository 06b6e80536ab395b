/* web_tls.c - https: what is asked of the server's certificate, and a newer one when its file has changed.
 *
 * libwebsockets reads the file once. The certificate that counts is put into each handshake instead, so that
 * one that was renewed is shown from then on, of whichever kind its key is, and connections that are there go
 * on as they are. */
#include "web_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "file_stamp.h"
#include "log.h"
#include "xmalloc.h"

enum { CHAIN_MOST = 20 };

/* Of one state of the file. */
struct identity {
    X509 *own;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

struct certificate {
    char *path, *password; /* password: NULL for none */
    struct file_stamp stamp;
    struct identity now;
};

/* ---- settings ---- */

bool tls_check(const struct web_tls *tls, const char *setting, struct err *e)
{
    if (!tls->keystore || !*tls->keystore)
        return err_set(
            e, ERR_CONFIG,
            "%s: https needs ssl.keystore.location, a PEM file with certificate chain and private key",
            setting);
    if (tls->keystore_type && strcasecmp(tls->keystore_type, "PEM") != 0)
        return err_set(
            e, ERR_CONFIG,
            "ssl.keystore.type=%s: only PEM serves https here; convert the keystore: openssl pkcs12 -in "
            "%s -nodes -out server.pem",
            tls->keystore_type, tls->keystore);
    if (access(tls->keystore, R_OK) != 0)
        return err_set(e, ERR_CONFIG, "ssl.keystore.location=%s cannot be read: %s", tls->keystore,
                       strerror(errno));
    if (tls->client_required && (!tls->truststore || access(tls->truststore, R_OK) != 0))
        return err_set(e, ERR_CONFIG,
                       "ssl.client.auth=required needs ssl.truststore.location, a PEM file of authorities");
    return true;
}

void tls_apply(const struct web_tls *tls, struct lws_context_creation_info *info)
{
    info->ssl_cert_filepath = info->ssl_private_key_filepath = tls->keystore;
    info->ssl_private_key_password = tls->key_password;
    info->alpn = "http/1.1"; /* the streams of an h2 connection would belong to no site */
    info->ssl_options_set =
        SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
    if (!tls->client_required)
        return;
    info->options |= LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
    info->ssl_ca_filepath = tls->truststore;
}

/* ---- the file ---- */

static void identity_clear(struct identity *i)
{
    X509_free(i->own);
    EVP_PKEY_free(i->key);
    sk_X509_pop_free(i->chain, X509_free);
    *i = (struct identity){0};
}

/* A password that is asked for and not set must not be asked of a terminal. */
static int on_password(char *out, int size, int writing, void *password)
{
    size_t n = password ? strlen(password) : 0;
    if (!password || n > (size_t)size)
        return -1;
    memcpy(out, password, n);
    return (int)n;
}

/* The first certificate is the server's own, the others lead from it to an authority. */
static bool identity_take(struct identity *i, BIO *in, char *password)
{
    X509 *one;
    i->chain = sk_X509_new_null();
    i->own = PEM_read_bio_X509(in, NULL, on_password, password);
    while (i->own && sk_X509_num(i->chain) < CHAIN_MOST &&
           (one = PEM_read_bio_X509(in, NULL, on_password, password)))
        sk_X509_push(i->chain, one);
    if (!i->own || BIO_reset(in) < 0)
        return false;
    i->key = PEM_read_bio_PrivateKey(in, NULL, on_password, password);
    return i->key && X509_check_private_key(i->own, i->key) == 1;
}

static bool identity_read(struct identity *i, const struct certificate *c, struct err *e)
{
    BIO *in = BIO_new_file(c->path, "r");
    bool ok = in && identity_take(i, in, c->password);
    BIO_free(in);
    ERR_clear_error(); /* also what says that there are no more certificates */
    if (ok)
        return true;
    identity_clear(i);
    return err_set(e, ERR_CONFIG,
                   "ssl.keystore.location=%s: no certificate chain and private key of it were found, "
                   "or ssl.key.password is wrong",
                   c->path);
}

static bool certificate_read(struct certificate *c, struct err *e)
{
    struct identity fresh = {0};
    c->stamp = file_stamp_take(c->path);
    if (!identity_read(&fresh, c, e))
        return false;
    identity_clear(&c->now);
    c->now = fresh;
    return true;
}

/* ---- life ---- */

struct certificate *certificate_new(const struct web_tls *tls, struct err *e)
{
    struct certificate *c = xcalloc(1, sizeof *c);
    c->path = xstrdup(tls->keystore);
    c->password = tls->key_password ? xstrdup(tls->key_password) : NULL;
    if (certificate_read(c, e))
        return c;
    certificate_free(c);
    return NULL;
}

void certificate_free(struct certificate *c)
{
    if (!c)
        return;
    identity_clear(&c->now);
    if (c->password)
        explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    free(c->path);
    free(c);
}

/* In each handshake, on the web thread. */
static int on_handshake(SSL *ssl, void *ctx)
{
    const struct identity *i = &((const struct certificate *)ctx)->now;
    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, i->own, i->key, i->chain, 1);
}

void certificate_serve(struct certificate *c, void *ssl_ctx)
{
    SSL_CTX_set_cert_cb(ssl_ctx, on_handshake, c);
}

void certificate_turn(struct certificate *c, bool forced)
{
    struct err e = {0};
    if (!forced && !file_stamp_stale(&c->stamp, c->path))
        return;
    if (certificate_read(c, &e))
        log_info("https: the certificate of %s was read again", c->path);
    else
        log_error("%s; the certificate that was there before stays", e.text);
}
