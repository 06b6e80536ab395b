/* fuzz_token.c - any text as a token, and tokens that were signed here, with any header and claims, and then
 * changed: none is good but those that were signed with one of the keys and not changed, as their header
 * says.
 *
 * The first byte chooses: bits 0 to 3 what signs, bits 4 to 7 what becomes of it. The keys are other ones in
 * each run. The token is in memory of just its size. */
#include "pieces.h"
#include "token.h"
#include "token_play.h"

#include <check.h>
#include <openssl/hmac.h>

#include "buf.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 2000000000, LEEWAY = 10, CHANGES_MOST = 8 };

enum { RAW = 0x10, STRANGER = 0x20, PUBLIC_SECRET = 0x40, PLAIN = 0x80 };

/* kind NULL: the secret */
static const struct {
    const char *alg, *kind, *kid;
} ALGORITHMS[] = {
    {"HS256", NULL, ""},       {"HS384", NULL, ""},     {"HS512", NULL, ""},     {"RS256", "RSA", "r"},
    {"RS384", "RSA", "r"},     {"RS512", "RSA", "r"},   {"PS256", "RSA", "r"},   {"PS384", "RSA", "r"},
    {"PS512", "RSA", "r"},     {"ES256", "P-256", "p"}, {"ES384", "P-384", "q"}, {"ES512", "P-521", "s"},
    {"EdDSA", "Ed25519", "e"},
};

enum { COUNT = sizeof ALGORITHMS / sizeof *ALGORITHMS };

/* Check's own speak to the process that runs tests, and end this one without it. */
void _mark_point(const char *file, int line)
{
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    abort();
}

static EVP_PKEY *keys[COUNT], *strangers[COUNT];
static char *pems[COUNT];
static struct tokens *tokens;

static void keys_make(void)
{
    struct buf set = BUF_EMPTY;
    struct err e = {0};
    BUF_LIT(&set, "{\"keys\":[");
    for (size_t i = 0; i < COUNT; i++) {
        bool same = i && ALGORITHMS[i].kind && ALGORITHMS[i - 1].kind == ALGORITHMS[i].kind;
        keys[i] = same ? keys[i - 1] : ALGORITHMS[i].kind ? key_made(ALGORITHMS[i].kind) : NULL;
        strangers[i] =
            same ? strangers[i - 1] : key_made(ALGORITHMS[i].kind ? ALGORITHMS[i].kind : "Ed25519");
        pems[i] = key_pem(keys[i] ? keys[i] : strangers[i]);
        if (!keys[i] || same)
            continue;
        char kid[20],
            *jwk = (snprintf(kid, sizeof kid, ",\"kid\":\"%s\"", ALGORITHMS[i].kid), key_jwk(keys[i], kid));
        json_comma(&set);
        buf_str(&set, jwk);
        free(jwk);
    }
    BUF_LIT(&set, "]}");
    char *path = file_with(set.ptr);
    tokens = tokens_new(
        &(struct token_options){
            .secret = PLAY_SECRET, .jwks_file = path, .audience = "shop,desk", .leeway_s = LEEWAY},
        &e);
    if (!tokens) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    remove(path);
    free(path);
    buf_free(&set);
}

static void wrong(const char *what, struct slice token)
{
    fprintf(stderr, "%s: " SLICE_FMT "\n", what, SLICE_ARG(token));
    abort();
}

static bool verify(struct slice token)
{
    struct claims *claims;
    struct err e = {0};
    enum token_verdict verdict = tokens_verify(tokens, token, NOW, &claims, &e);
    if (verdict == TOKEN_LATER || (verdict == TOKEN_GOOD) != (claims != NULL))
        wrong("neither", token);
    if (verdict != TOKEN_GOOD && (e.kind != ERR_DATA || !e.text[0]))
        wrong("no reason", token);
    if (claims &&
        (claims->expires <= NOW || !claims->subject || !claims->issuer || !tokens_trust(tokens, claims)))
        wrong("claims", token);
    claims_free(claims);
    return verdict == TOKEN_GOOD;
}

/* The header says what it was signed with. */
static bool header_says(const char *header, size_t which)
{
    struct json_object *o = json_tokener_parse(header), *kid = NULL;
    const char *alg = json_object_get_string(json_object_object_get(o, "alg"));
    bool says = alg && strcmp(alg, ALGORITHMS[which].alg) == 0;
    if (json_object_object_get_ex(o, "kid", &kid) && ALGORITHMS[which].kind)
        says = says && json_object_is_type(kid, json_type_string) &&
               strcmp(json_object_get_string(kid), ALGORITHMS[which].kid) == 0;
    json_object_put(o);
    return says;
}

/* The public key taken for a secret. */
static char *signed_by_public(const char *header, const char *payload, size_t which)
{
    char *text = token_with(header, payload, "");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf b = BUF_EMPTY;
    HMAC(EVP_sha256(), pems[which], (int)strlen(pems[which]), (unsigned char *)text, strlen(text) - 1, mac,
         &n);
    base64_append(&b, (struct slice){(char *)mac, n}, true);
    free(text);
    b.ptr[strcspn(b.ptr, "=")] = 0;
    text = token_with(header, payload, b.ptr);
    buf_free(&b);
    return text;
}

/* Three bytes each: where, from the end on with the highest bit; what of that character changes, 0: all from
 * there on goes. */
static void changes_make(struct slice *token, const uint8_t *changes, size_t n)
{
    for (size_t i = 0; i + 2 < n && i < 3 * CHANGES_MOST && token->len; i += 3) {
        size_t at = (size_t)((changes[i] & 0x7F) << 8 | changes[i + 1]) % token->len;
        if (changes[i] & 0x80)
            at = token->len - 1 - at;
        ((char *)token->ptr)[at] ^= (char)changes[i + 2];
        if (!changes[i + 2])
            token->len = at;
    }
}

static void signed_check(unsigned how, const char *header, const char *payload, const uint8_t *changes,
                         size_t n)
{
    size_t which = (how & 15) % COUNT;
    bool stranger = how & (STRANGER | PUBLIC_SECRET);
    EVP_PKEY *key = how & STRANGER ? strangers[which] : keys[which];
    const char *alg = how & STRANGER && !keys[which] ? "EdDSA" : ALGORITHMS[which].alg;
    char *text = how & PUBLIC_SECRET ? signed_by_public(header, payload, which)
                                     : token_signed(header, payload, alg, key);
    struct slice token = {strdup(text), strlen(text)};
    changes_make(&token, changes, n);
    char *exact = realloc((char *)token.ptr, token.len ? token.len : 1);
    token.ptr = exact;
    bool changed = !slice_eq(token, slice_of(text)), good = verify(token);
    if (good && (stranger || changed || !header_says(header, which)))
        wrong(stranger ? "of another's key" : changed ? "changed" : "not as its header says", token);
    if (!good && how & PLAIN && !stranger && !changed)
        wrong("it is good", token);
    free(exact);
    free(text);
}

static void raw_check(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    if (verify((struct slice){exact, size}))
        wrong("nobody signed it", (struct slice){exact, size});
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!tokens)
        keys_make();
    if (!size)
        return 0;
    unsigned how = *data++;
    size--;
    if (how & RAW) {
        raw_check(data, size);
        return 0;
    }
    if (how & PLAIN) {
        char header[40];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", ALGORITHMS[(how & 15) % COUNT].alg);
        signed_check(how, header, "{\"exp\":2000000060,\"iat\":2000000005,\"aud\":[\"desk\"],\"sub\":\"a\"}",
                     data, size);
        return 0;
    }
    char *header = piece_text(&data, &size), *payload = piece_text(&data, &size);
    signed_check(how, header, payload, data, size);
    free(header);
    free(payload);
    return 0;
}
