/* token_play.h - who issues tokens: keys of each kind, and signatures with them. */
#ifndef TESTS_TOKEN_PLAY_H
#define TESTS_TOKEN_PLAY_H

#include <openssl/evp.h>

#define PLAY_SECRET "a secret of thirty-two bytes or more, for HS256 and for HS512 as well: 0123456789"

/* The token of these two texts, whatever they are, signed as `alg` says; key: a private one, or NULL for
 * PLAY_SECRET. To be freed. */
char *token_signed(const char *header, const char *payload, const char *alg, EVP_PKEY *key);
/* The same with a signature given as base64url. */
char *token_with(const char *header, const char *payload, const char *signature);
EVP_PKEY *key_made(const char *kind);           /* RSA RSA1024 P-256 P-384 P-521 Ed25519 */
char *key_pem(EVP_PKEY *key);                   /* its public half */
char *key_jwk(EVP_PKEY *key, const char *more); /* an object; more: members such as ,"kid":"a" */
/* A file in a directory that is removed by the system; the path is to be freed. */
char *file_with(const char *text);
void file_rewrite(const char *path, const char *text); /* with another time stamp */

#endif
