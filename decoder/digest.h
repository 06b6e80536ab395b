/* digest.h - salted hashes by the names that Java gives the algorithms. */
#ifndef DECODER_DIGEST_H
#define DECODER_DIGEST_H

#include "err.h"
#include "slice.h"

enum { DIGEST_HEX_MOST = 128 };

struct digest;
/* ERR_CONFIG: not an algorithm that Java's MessageDigest has and OpenSSL offers. Owned by the caller. */
struct digest *digest_new(struct slice algorithm, struct slice salt, struct err *e);
void digest_free(struct digest *d);

/* The hash of salt and bytes, in lower-case hexadecimal; returns how many characters. No allocation. */
size_t digest_hex(struct digest *d, struct slice bytes, char out[DIGEST_HEX_MOST]);
/* The same of a Java string's serialised form, as ObjectOutputStream writes it. `text` is UTF-8. */
size_t digest_hex_object(struct digest *d, struct slice text, char out[DIGEST_HEX_MOST]);

#endif
