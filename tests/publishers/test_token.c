/* test_token.c - which tokens are believed. Each attack of RFC 8725 and of the lists that came after it is a
 * row or a test here, beside a token that differs in nothing but that and is good. */
#include "token.h"

#include "suite.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "token_play.h"
#include "xmalloc.h"

enum { NOW = 1800000000 };

#define HS256   "{\"alg\":\"HS256\"}"
#define PAYLOAD "{\"sub\":\"ada\",\"exp\":1800000060,\"org\":7}"

static struct tokens *tokens_of(struct token_options o)
{
    struct err e = {0};
    struct tokens *t = tokens_new(&o, &e);
    ck_assert_msg(t, "%s", e.text);
    return t;
}

static struct tokens *secret_tokens(void)
{
    return tokens_of((struct token_options){.secret = PLAY_SECRET});
}

/* Frees the token. */
static bool good(struct tokens *t, char *token)
{
    struct err e = {0};
    struct claims *claims;
    enum token_verdict v = tokens_verify(t, slice_of(token), NOW, &claims, &e);
    ck_assert_int_eq(v == TOKEN_GOOD, claims != NULL);
    ck_assert_int_eq(v == TOKEN_GOOD, e.text[0] == 0);
    claims_free(claims);
    free(token);
    return v == TOKEN_GOOD;
}

static bool secret_good(const char *header, const char *payload)
{
    struct tokens *t = secret_tokens();
    bool ok = good(t, token_signed(header, payload, "HS256", NULL));
    tokens_free(t);
    return ok;
}

/* One public key, as a file. */
static struct tokens *key_tokens(EVP_PKEY *key, bool jwks, const char *more)
{
    char *one = jwks ? key_jwk(key, more) : key_pem(key), *text = NULL;
    if (jwks)
        ck_assert_int_gt(asprintf(&text, "{\"keys\":[%s]}", one), 0);
    char *path = file_with(jwks ? text : one);
    struct token_options o = {0};
    *(jwks ? &o.jwks_file : &o.public_key_file) = path;
    struct tokens *t = tokens_of(o);
    unlink(path);
    free(path);
    free(one);
    free(text);
    return t;
}

START_TEST(a_good_token_says_who_it_is)
{
    struct tokens *t = secret_tokens();
    struct err e = {0};
    struct claims *c;
    char *token =
        token_signed(HS256, "{\"sub\":\"ada\",\"iss\":\"us\",\"exp\":1800000060.5,\"org\":7}", "HS256", NULL);
    ck_assert_int_eq(tokens_verify(t, slice_of(token), NOW, &c, &e), TOKEN_GOOD);
    ck_assert_str_eq(c->subject, "ada");
    ck_assert_str_eq(c->issuer, "us");
    ck_assert_int_eq(c->expires, 1800000060);
    ck_assert_int_eq(json_object_get_int(json_object_object_get(c->all, "org")), 7);
    ck_assert(tokens_trust(t, c));
    claims_free(c);
    free(token);
    tokens_free(t);
}
END_TEST

/* ---- what a token says, all signed well ---- */

static const struct {
    const char *header, *payload;
    bool good;
} SAID[] = {
    {HS256, PAYLOAD, true},
    {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", PAYLOAD, true},
    {"{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", PAYLOAD, true},
    {"{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", PAYLOAD, false},
    {"{\"alg\":\"HS256\",\"typ\":5}", PAYLOAD, false},
    {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", PAYLOAD, false},
    {"{\"alg\":\"HS256\",\"kid\":\"any\"}", PAYLOAD, true}, /* a key without a name may be meant */
    {"{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}", PAYLOAD, true},
    {"{\"alg\":\"HS256\",\"kid\":\"' union select 'x\"}", PAYLOAD, true},
    {"{\"alg\":\"HS256\",\"kid\":[\"any\"]}", PAYLOAD, false},
    {"{\"alg\":\"HS256\",\"kid\":null}", PAYLOAD, false},
    /* no algorithm, another one, or one in another spelling */
    {"{}", PAYLOAD, false},
    {"{\"alg\":\"none\"}", PAYLOAD, false},
    {"{\"alg\":\"hs256\"}", PAYLOAD, false},
    {"{\"alg\":\"HS384\"}", PAYLOAD, false},
    {"{\"alg\":[\"HS256\"]}", PAYLOAD, false},
    {"{\"alg\":\"HS256\\u0000\"}", PAYLOAD, false},
    {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", PAYLOAD, false},
    {"{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}", PAYLOAD, false},
    {"[\"HS256\"]", PAYLOAD, false},
    {" {\"alg\":\"HS256\"}\r\n", PAYLOAD, true},
    {"\v{\"alg\":\"HS256\"}", PAYLOAD, false}, /* a space for C, none for JSON */
    {"{\"alg\":\"HS256\"}\f", PAYLOAD, false},
    {HS256 " x", PAYLOAD, false},
    /* when */
    {HS256, "{\"sub\":\"ada\"}", false},
    {HS256, "{\"exp\":\"1800000060\"}", false},
    {HS256, "{\"exp\":null}", false},
    {HS256, "{\"exp\":1e300}", false},
    {HS256, "{\"exp\":-1}", false},
    {HS256, "{\"exp\":1800000000}", false},
    {HS256, "{\"exp\":1800000001}", true},
    {HS256, "{\"exp\":1800000060,\"nbf\":1800000000}", true},
    {HS256, "{\"exp\":1800000060,\"nbf\":1800000001}", false},
    {HS256, "{\"exp\":1800000060,\"nbf\":\"0\"}", false},
    {HS256, "{\"exp\":1800000060,\"iat\":1800000001}", false},
    /* what is said twice is not said */
    {HS256, "{\"exp\":1800000060,\"sub\":\"ada\",\"sub\":\"bob\"}", false},
    {HS256, "{\"exp\":1800000060,\"sub\":\"ada\",\"s\\u0075b\":\"bob\"}", false},
    {HS256, "{\"exp\":1800000060,\"sub\":\"ada\",\"sub\\u0000\":\"bob\"}", false},
    {HS256, "{\"exp\":1800000060,\"app\":{\"org\":1,\"org\":2}}", false},
    {HS256, "{\"exp\":1800000060,\"app\":[{\"a:b\":\"\\\":\"}]}", true},
    /* for whom: no audience is set here */
    {HS256, "{\"exp\":1800000060,\"aud\":\"shop\"}", false},
    {HS256, "{\"exp\":1800000060,\"sub\":7}", false},
    {HS256, "{\"exp\":1800000060,\"iss\":[\"us\"]}", false},
    {HS256, "{\"exp\":1800000060,\"sub\":\"\\ud800\"}", true},
    {HS256, "{\"exp\":1800000060,\"sub\":\"\xff\"}", false},
    {HS256, "{\"exp\":1800000060}{}", false},
    {HS256, "{\"exp\":1800000060,}", false},
    {HS256, "{'exp':1800000060}", false},
    {HS256, "[1800000060]", false},
    {HS256, "", false},
};

START_TEST(what_it_says_counts)
{
    ck_assert_msg(secret_good(SAID[_i].header, SAID[_i].payload) == SAID[_i].good, "%s %s", SAID[_i].header,
                  SAID[_i].payload);
}
END_TEST

START_TEST(audience_issuer_and_leeway_are_as_set)
{
    static const struct {
        const char *payload;
        bool good;
    } rows[] = {
        {"{\"exp\":1799999991,\"aud\":\"shop\",\"iss\":\"us\"}", true},
        {"{\"exp\":1799999990,\"aud\":\"shop\",\"iss\":\"us\"}", false},
        {"{\"exp\":1800000060,\"nbf\":1800000010,\"aud\":[\"x\",\"store\"],\"iss\":\"us\"}", true},
        {"{\"exp\":1800000060,\"nbf\":1800000011,\"aud\":\"shop\",\"iss\":\"us\"}", false},
        {"{\"exp\":1800000060,\"aud\":\"shop\",\"iss\":\"US\"}", false},
        {"{\"exp\":1800000060,\"aud\":\"shop\"}", false},
        {"{\"exp\":1800000060,\"aud\":\"sho\",\"iss\":\"us\"}", false},
        {"{\"exp\":1800000060,\"aud\":[],\"iss\":\"us\"}", false},
        {"{\"exp\":1800000060,\"aud\":{\"shop\":1},\"iss\":\"us\"}", false},
        {"{\"exp\":1800000060,\"iss\":\"us\"}", false},
    };
    struct tokens *t = tokens_of((struct token_options){
        .secret = PLAY_SECRET, .audience = "shop, store", .issuer = "us", .leeway_s = 10});
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ck_assert_msg(good(t, token_signed(HS256, rows[i].payload, "HS256", NULL)) == rows[i].good, "%s",
                      rows[i].payload);
    tokens_free(t);
}
END_TEST

/* ---- its form ---- */

START_TEST(unsigned_tokens_are_refused_in_any_spelling)
{
    static const char *const none[] = {"none", "None", "NONE", "nOnE", "", "null"};
    struct tokens *t = secret_tokens();
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        char header[60];
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", none[i]);
        ck_assert(!good(t, token_with(header, PAYLOAD, "")));
        ck_assert(!good(t, token_with(header, PAYLOAD, "AAAA")));
        ck_assert(!good(t, token_signed(header, PAYLOAD, "HS256", NULL)));
    }
    ck_assert(!good(t, token_with(HS256, PAYLOAD, "")));
    tokens_free(t);
}
END_TEST

/* The same token with one thing changed in its text. */
static char *changed(int how)
{
    char *token = token_signed(HS256, PAYLOAD, "HS256", NULL), *out = NULL;
    size_t n = strlen(token);
    const char *last = strrchr(token, '.');
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    int ok = 0;
    switch (how) {
    case 0: /* as it was */
        ok = asprintf(&out, "%s", token);
        break;
    case 1: /* padded: base64url of a JWT is not */
        ok = asprintf(&out, "%s=", token);
        break;
    case 2:
        ok = asprintf(&out, " %s", token);
        break;
    case 3:
        ok = asprintf(&out, "%s\n", token);
        break;
    case 4:
        ok = asprintf(&out, "%s.", token);
        break;
    case 5:
        ok = asprintf(&out, "%s.%s", token, last + 1);
        break;
    case 6: /* a shorter MAC is none */
        ok = asprintf(&out, "%.*s", (int)n - 4, token);
        break;
    case 7:
        ok = asprintf(&out, "%.*s", (int)(last - token), token);
        break;
    case 8: /* the bits behind the last byte */
        ok = asprintf(&out, "%.*s%c", (int)n - 1, token, digits[(strchr(digits, token[n - 1]) - digits) ^ 1]);
        break;
    case 9: /* another signature */
        ok = asprintf(&out, "%.*s%c%s", (int)(last + 1 - token), token, last[1] == 'A' ? 'B' : 'A', last + 2);
        break;
    case 10: /* another payload */
        ok = asprintf(&out, "%s", token);
        out[strchr(out, '.') - out + 12] ^= 1;
        break;
    case 11:
        ok = asprintf(&out, ".%s", strchr(token, '.') + 1);
        break;
    default:
        ok = asprintf(&out, "..");
    }
    ck_assert_int_ge(ok, 0);
    free(token);
    return out;
}

START_TEST(its_form_is_strict)
{
    struct tokens *t = secret_tokens();
    ck_assert_int_eq(good(t, changed(_i)), _i == 0);
    tokens_free(t);
}
END_TEST

/* Standard base64 is another alphabet: these texts hold its + and /. */
START_TEST(the_other_alphabet_is_refused)
{
    struct tokens *t = secret_tokens();
    char *token = token_signed(HS256, "{\"exp\":1800000060,\"a\":\"?a?~?b?~>c>~>d>\"}", "HS256", NULL);
    ck_assert_ptr_nonnull(strpbrk(token, "-_"));
    char *other = xstrdup(token);
    for (char *at; (at = strpbrk(other, "-_"));)
        *at = *at == '-' ? '+' : '/';
    ck_assert(good(t, token));
    ck_assert(!good(t, other));
    tokens_free(t);
}
END_TEST

START_TEST(a_large_token_is_refused)
{
    struct buf payload = BUF_EMPTY;
    struct tokens *t = secret_tokens();
    BUF_LIT(&payload, "{\"exp\":1800000060,\"a\":\"");
    for (int i = 0; i < 6000; i++)
        buf_char(&payload, 'a');
    BUF_LIT(&payload, "\"}");
    char *token = token_signed(HS256, payload.ptr, "HS256", NULL);
    ck_assert_uint_lt(strlen(token), TOKEN_MOST);
    ck_assert(good(t, token));
    payload.len -= 2;
    for (int i = 0; i < 200; i++)
        buf_char(&payload, 'a');
    BUF_LIT(&payload, "\"}");
    token = token_signed(HS256, payload.ptr, "HS256", NULL);
    ck_assert_uint_gt(strlen(token), TOKEN_MOST);
    ck_assert(!good(t, token));
    buf_free(&payload);
    tokens_free(t);
}
END_TEST

/* ---- keys ---- */

static const struct {
    const char *kind, *alg;
} PAIRS[] = {{"RSA", "RS256"},   {"RSA", "RS384"},   {"RSA", "RS512"},
             {"RSA", "PS256"},   {"RSA", "PS512"},   {"P-256", "ES256"},
             {"P-384", "ES384"}, {"P-521", "ES512"}, {"Ed25519", "EdDSA"}};

/* Each kind of key, as PEM and as a JSON Web Key; and another key of its kind. */
START_TEST(public_keys_check_their_signatures)
{
    char header[60];
    const char *alg = PAIRS[_i].alg;
    EVP_PKEY *key = key_made(PAIRS[_i].kind), *other = key_made(PAIRS[_i].kind);
    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"k\"}", alg);
    for (int jwks = 0; jwks < 2; jwks++) {
        struct tokens *t = key_tokens(key, jwks, ",\"kid\":\"k\"");
        ck_assert(good(t, token_signed(header, PAYLOAD, alg, key)));
        ck_assert(!good(t, token_signed(header, PAYLOAD, alg, other)));
        ck_assert(!good(t, token_with(header, PAYLOAD, "AAAA")));
        tokens_free(t);
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}
END_TEST

/* Who knows the public key, and that is everybody, may not sign with it as with a secret. */
START_TEST(a_public_key_is_never_a_secret)
{
    EVP_PKEY *key = key_made("RSA");
    struct tokens *t = key_tokens(key, false, "");
    char *pem = key_pem(key);
    EVP_PKEY *mac = EVP_PKEY_new_mac_key(EVP_PKEY_HMAC, NULL, (unsigned char *)pem, (int)strlen(pem));
    ck_assert_ptr_nonnull(mac);
    ck_assert(!good(t, token_signed(HS256, PAYLOAD, "HS256", mac)));
    struct err e = {0};
    ck_assert_ptr_null(tokens_new(&(struct token_options){.secret = pem}, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "public.key.file"));
    EVP_PKEY_free(mac);
    EVP_PKEY_free(key);
    free(pem);
    tokens_free(t);
}
END_TEST

/* A key in the token's own header, or a place where one is to be fetched, is nothing. */
START_TEST(a_token_does_not_bring_its_key)
{
    EVP_PKEY *ours = key_made("P-256"), *theirs = key_made("P-256");
    char *jwk = key_jwk(theirs, ""), *header = NULL;
    struct tokens *t = key_tokens(ours, true, "");
    ck_assert_int_gt(asprintf(&header, "{\"alg\":\"ES256\",\"jwk\":%s,\"jku\":\"http://127.0.0.1:1/\"}", jwk),
                     0);
    ck_assert(!good(t, token_signed(header, PAYLOAD, "ES256", theirs)));
    ck_assert(good(t, token_signed(header, PAYLOAD, "ES256", ours)));
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    free(jwk);
    free(header);
    tokens_free(t);
}
END_TEST

/* Zeros are no ECDSA signature, neither is DER, nor a number of another width. */
START_TEST(ecdsa_signatures_are_two_real_numbers)
{
    EVP_PKEY *key = key_made("P-256");
    struct tokens *t = key_tokens(key, true, "");
    char zeros[87], header[] = "{\"alg\":\"ES256\"}";
    memset(zeros, 'A', 86);
    zeros[86] = 0;
    ck_assert(!good(t, token_with(header, PAYLOAD, zeros)));
    char *token = token_signed(header, PAYLOAD, "ES256", key), *half_zero = xstrdup(token);
    memset(strrchr(half_zero, '.') + 1, 'A', 42);
    ck_assert(!good(t, half_zero));
    ck_assert(!good(t, token_signed(header, PAYLOAD, "RS256", key))); /* as DER */
    token[strlen(token) - 4] = 0;
    ck_assert(!good(t, token));
    EVP_PKEY_free(key);
    tokens_free(t);
}
END_TEST

START_TEST(the_list_of_algorithms_narrows)
{
    EVP_PKEY *key = key_made("RSA");
    char *pem = key_pem(key), *path = file_with(pem);
    struct tokens *t =
        tokens_of((struct token_options){.public_key_file = path, .algorithms = "PS256, ES256"});
    ck_assert(good(t, token_signed("{\"alg\":\"PS256\"}", PAYLOAD, "PS256", key)));
    ck_assert(!good(t, token_signed("{\"alg\":\"RS256\"}", PAYLOAD, "RS256", key)));
    tokens_free(t);
    t = key_tokens(key, true, ",\"alg\":\"RS256\",\"use\":\"sig\",\"key_ops\":[\"verify\"]");
    ck_assert(good(t, token_signed("{\"alg\":\"RS256\"}", PAYLOAD, "RS256", key)));
    ck_assert(!good(t, token_signed("{\"alg\":\"PS256\"}", PAYLOAD, "PS256", key)));
    tokens_free(t);
    unlink(path);
    free(path);
    free(pem);
    EVP_PKEY_free(key);
}
END_TEST

/* `kid` picks a key by its name, and picks none when there is no such name. */
START_TEST(kid_is_a_name_and_nothing_else)
{
    EVP_PKEY *a = key_made("P-256"), *b = key_made("P-256");
    char *ja = key_jwk(a, ",\"kid\":\"a\""), *jb = key_jwk(b, ",\"kid\":\"b\""), *text = NULL, kid[400];
    ck_assert_int_gt(asprintf(&text, "{\"keys\":[%s,%s]}", ja, jb), 0);
    char *path = file_with(text);
    struct tokens *t = tokens_of((struct token_options){.jwks_file = path});
    ck_assert(good(t, token_signed("{\"alg\":\"ES256\",\"kid\":\"b\"}", PAYLOAD, "ES256", b)));
    ck_assert(!good(t, token_signed("{\"alg\":\"ES256\",\"kid\":\"a\"}", PAYLOAD, "ES256", b)));
    ck_assert(!good(t, token_signed("{\"alg\":\"ES256\",\"kid\":\"c\"}", PAYLOAD, "ES256", b)));
    ck_assert(good(t, token_signed("{\"alg\":\"ES256\"}", PAYLOAD, "ES256", b)));
    snprintf(kid, sizeof(kid), "{\"alg\":\"ES256\",\"kid\":\"%0300d\"}", 0);
    ck_assert(!good(t, token_signed(kid, PAYLOAD, "ES256", b)));
    tokens_free(t);
    unlink(path);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    free(ja);
    free(jb);
    free(text);
    free(path);
}
END_TEST

/* Rotation: the file is read again when it changed; one that is no good changes nothing. */
START_TEST(keys_are_read_again)
{
    EVP_PKEY *a = key_made("Ed25519"), *b = key_made("Ed25519");
    char *pa = key_pem(a), *pb = key_pem(b), *path = file_with(pa), header[] = "{\"alg\":\"EdDSA\"}";
    struct tokens *t = tokens_of((struct token_options){.public_key_file = path});
    struct err e = {0};
    struct claims *c;
    bool other;
    char *token = token_signed(header, PAYLOAD, "EdDSA", a);
    ck_assert_int_eq(tokens_verify(t, slice_of(token), NOW, &c, &e), TOKEN_GOOD);
    ck_assert(tokens_turn(t, false, &other, &e) && !other);
    file_rewrite(path, "nonsense");
    ck_assert(!tokens_turn(t, false, &other, &e) && !other && tokens_trust(t, c));
    ck_assert_ptr_nonnull(strstr(e.text, "websocket.auth.jwt.public.key.file"));
    file_rewrite(path, pb);
    ck_assert(tokens_turn(t, false, &other, &e) && other && !tokens_trust(t, c));
    ck_assert(!good(t, token));
    ck_assert(good(t, token_signed(header, PAYLOAD, "EdDSA", b)));
    claims_free(c);
    tokens_free(t);
    unlink(path);
    free(path);
    free(pa);
    free(pb);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}
END_TEST

/* ---- what cannot be a key ---- */

static void refused(struct token_options o, const char *why)
{
    struct err e = {0};
    ck_assert_ptr_null(tokens_new(&o, &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, why), "%s", e.text);
}

START_TEST(weak_keys_are_refused_at_start)
{
    EVP_PKEY *small = key_made("RSA1024"), *point = key_made("P-256");
    char *pem = key_pem(small), *rsa = key_jwk(small, ""), *ec = key_jwk(point, ""), *enc, *set = NULL;
    enc = key_jwk(point, ",\"use\":\"enc\"");
    char *x = strstr(ec, "\"x\":\"") + 5; /* a point beside the curve */
    x[3] = x[3] == 'A' ? 'B' : 'A';
    ck_assert_int_gt(asprintf(&set, "{\"keys\":[%s,%s,%s,5,{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", rsa, ec, enc),
                     0);
    char *weak = file_with(pem), *jwks = file_with(set), *empty = file_with("{\"keys\":[]}");
    refused((struct token_options){.secret = "thirty-one bytes are not enough"}, "31 bytes");
    refused((struct token_options){.secret_file = "/nonexistent"}, "secret.file=/nonexistent");
    refused((struct token_options){.public_key_file = weak}, "RSA of 2048");
    refused((struct token_options){.jwks_file = jwks}, "no key");
    refused((struct token_options){.jwks_file = empty}, "no key");
    refused((struct token_options){.secret = PLAY_SECRET, .algorithms = "HS256,none"}, "none");
    refused((struct token_options){.jwks_url = "http://example.com/keys"}, "https");
    refused((struct token_options){.jwks_url = "http://localhost.example.com/keys"}, "https");
    refused((struct token_options){.jwks_url = "file:///etc/passwd"}, "https");
    unlink(weak);
    unlink(jwks);
    unlink(empty);
    EVP_PKEY_free(small);
    EVP_PKEY_free(point);
    char *all[] = {pem, rsa, ec, enc, set, weak, jwks, empty};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        free(all[i]);
}
END_TEST

/* HS512 needs a longer secret than HS256. */
START_TEST(a_secret_is_as_long_as_its_hash)
{
    struct tokens *t = tokens_of((struct token_options){.secret = "just thirty-two bytes, no more.."});
    ck_assert(!good(t, token_signed("{\"alg\":\"HS512\"}", PAYLOAD, "HS512", NULL)));
    tokens_free(t);
    t = secret_tokens();
    ck_assert(good(t, token_signed("{\"alg\":\"HS512\"}", PAYLOAD, "HS512", NULL)));
    tokens_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token");
    TCase *t = tcase_create("token");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_good_token_says_who_it_is);
    tcase_add_loop_test(t, what_it_says_counts, 0, sizeof(SAID) / sizeof(*SAID));
    tcase_add_test(t, audience_issuer_and_leeway_are_as_set);
    tcase_add_test(t, unsigned_tokens_are_refused_in_any_spelling);
    tcase_add_loop_test(t, its_form_is_strict, 0, 13);
    tcase_add_test(t, the_other_alphabet_is_refused);
    tcase_add_test(t, a_large_token_is_refused);
    tcase_add_loop_test(t, public_keys_check_their_signatures, 0, sizeof(PAIRS) / sizeof(*PAIRS));
    tcase_add_test(t, a_public_key_is_never_a_secret);
    tcase_add_test(t, a_token_does_not_bring_its_key);
    tcase_add_test(t, ecdsa_signatures_are_two_real_numbers);
    tcase_add_test(t, the_list_of_algorithms_narrows);
    tcase_add_test(t, kid_is_a_name_and_nothing_else);
    tcase_add_test(t, keys_are_read_again);
    tcase_add_test(t, weak_keys_are_refused_at_start);
    tcase_add_test(t, a_secret_is_as_long_as_its_hash);
    return suite_end(s);
}
