/* digest.c - OpenSSL's digests under Java's names.
 *
 * Java writes strings in an encoding of its own (DataOutput.writeUTF): NUL has two bytes, and a character
 * beyond U+FFFF is two surrogates of three bytes each. */
#include "digest.h"

#include "xmalloc.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

enum { CHUNK = 512, SHORT_MOST = 0xFFFF };

struct digest {
    EVP_MD_CTX *context; /* knows its algorithm */
    char *salt;
    size_t salt_len;
};

static const struct {
    const char *java, *openssl;
} NAMES[] = {
    {"MD5", "MD5"},
    {"SHA", "SHA1"},
    {"SHA1", "SHA1"},
    {"SHA-1", "SHA1"},
    {"SHA224", "SHA224"},
    {"SHA-224", "SHA224"},
    {"SHA256", "SHA256"},
    {"SHA-256", "SHA256"},
    {"SHA384", "SHA384"},
    {"SHA-384", "SHA384"},
    {"SHA512", "SHA512"},
    {"SHA-512", "SHA512"},
    {"SHA512/224", "SHA512-224"},
    {"SHA-512/224", "SHA512-224"},
    {"SHA512/256", "SHA512-256"},
    {"SHA-512/256", "SHA512-256"},
    {"SHA3-224", "SHA3-224"},
    {"SHA3-256", "SHA3-256"},
    {"SHA3-384", "SHA3-384"},
    {"SHA3-512", "SHA3-512"},
};

static const EVP_MD *algorithm_of(struct slice name)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strlen(NAMES[i].java) == name.len && strncasecmp(NAMES[i].java, name.ptr, name.len) == 0)
            return EVP_get_digestbyname(NAMES[i].openssl);
    return NULL;
}

struct digest *digest_new(struct slice name, struct slice salt, struct err *e)
{
    const EVP_MD *algorithm = algorithm_of(name);
    EVP_MD_CTX *context = algorithm ? EVP_MD_CTX_new() : NULL;
    if (!context || !EVP_DigestInit_ex(context, algorithm, NULL)) {
        EVP_MD_CTX_free(context);
        err_set(e, ERR_CONFIG, "the hash algorithm " SLICE_FMT " is not known: SHA-256 is", SLICE_ARG(name));
        return NULL;
    }
    struct digest *d = xcalloc(1, sizeof *d);
    *d = (struct digest){context, xstrndup(salt.ptr, salt.len), salt.len};
    return d;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    free(d->salt);
    free(d);
}

/* A digest in memory, whose context is made, does not fail. */
static void feed(struct digest *d, const void *bytes, size_t n)
{
    if (!EVP_DigestUpdate(d->context, bytes, n))
        abort();
}

static void begin(struct digest *d)
{
    if (!EVP_DigestInit_ex(d->context, NULL, NULL))
        abort();
    feed(d, d->salt, d->salt_len);
}

static size_t end(struct digest *d, char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_DigestFinal_ex(d->context, raw, &n))
        abort();
    for (unsigned i = 0; i < n; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    return 2 * (size_t)n;
}

size_t digest_hex(struct digest *d, struct slice bytes, char out[DIGEST_HEX_MOST])
{
    begin(d);
    feed(d, bytes.ptr, bytes.len);
    return end(d, out);
}

/* One character of the text in Java's encoding; returns its bytes, *at moves behind it. */
static size_t java_bytes(const unsigned char **at, const unsigned char *stop, unsigned char out[6])
{
    const unsigned char *c = *at;
    if (*c == 0) {
        out[0] = 0xC0, out[1] = 0x80;
        *at = c + 1;
        return 2;
    }
    if (*c >= 0xF0 && stop - c >= 4) {
        unsigned point = (c[0] & 7u) << 18 | (c[1] & 63u) << 12 | (c[2] & 63u) << 6 | (c[3] & 63u);
        unsigned units[] = {0xD800 + ((point - 0x10000) >> 10 & 0x3FF), 0xDC00 + (point & 0x3FF)};
        for (int i = 0; i < 2; i++) {
            out[3 * i] = (unsigned char)(0xE0 | units[i] >> 12);
            out[3 * i + 1] = (unsigned char)(0x80 | (units[i] >> 6 & 63));
            out[3 * i + 2] = (unsigned char)(0x80 | (units[i] & 63));
        }
        *at = c + 4;
        return 6;
    }
    out[0] = *c;
    *at = c + 1;
    return 1;
}

static size_t java_length(struct slice text)
{
    size_t n = text.len;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == 0 ? 1 : (unsigned char)text.ptr[i] >= 0xF0 ? 2 : 0;
    return n;
}

static void feed_header(struct digest *d, size_t length)
{
    unsigned char header[13] = {0xAC, 0xED, 0, 5, length > SHORT_MOST ? 0x7C : 0x74};
    int bytes = length > SHORT_MOST ? 8 : 2;
    for (int i = 0; i < bytes; i++)
        header[5 + i] = (unsigned char)((uint64_t)length >> 8 * (bytes - 1 - i));
    feed(d, header, 5 + (size_t)bytes);
}

size_t digest_hex_object(struct digest *d, struct slice text, char out[DIGEST_HEX_MOST])
{
    unsigned char chunk[CHUNK];
    size_t n = 0;
    const unsigned char *at = (const unsigned char *)text.ptr, *stop = at + text.len;
    begin(d);
    feed_header(d, java_length(text));
    while (at < stop) {
        n += java_bytes(&at, stop, chunk + n);
        if (n > CHUNK - 6) {
            feed(d, chunk, n);
            n = 0;
        }
    }
    feed(d, chunk, n);
    return end(d, out);
}
