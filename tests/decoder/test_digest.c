/* test_digest.c - hashes are those that Debezium writes: the expected ones were read from its topics, or made
 * by Python's hashlib over the same bytes. */
#include "digest.h"

#include "buf.h"
#include "suite.h"

static bool hashes_to(const char *algorithm, const char *salt, struct slice text, bool object,
                      const char *expected)
{
    struct err e;
    struct digest *d = digest_new(slice_of(algorithm), slice_of(salt), &e);
    ck_assert_msg(d != NULL, "%s", e.text);
    char first[DIGEST_HEX_MOST], again[DIGEST_HEX_MOST];
    size_t n = object ? digest_hex_object(d, text, first) : digest_hex(d, text, first);
    size_t m = object ? digest_hex_object(d, text, again) : digest_hex(d, text, again);
    digest_free(d);
    ck_assert_msg(n == m && memcmp(first, again, n) == 0, "the second hash is not the first");
    return slice_is((struct slice){first, n}, expected);
}

START_TEST(the_first_version_hashes_javas_serialised_string)
{
    ck_assert(hashes_to("MD5", "a.b-c", SLICE("plain text"), true, "27f3c34821948bce6024ed1621693b0c"));
    ck_assert(hashes_to("SHA-256", "pepper", SLICE("plain text"), true,
                        "d727330ef687ca785bf772110d35f35fd981a314c77d68c8314bca6a5c2378dd"));
}
END_TEST

START_TEST(javas_own_encoding_is_followed)
{
    ck_assert(hashes_to("SHA-256", "pepper",
                        slice_of("a\xF0\x9F\x98\x80"
                                 "b\xF0\x9F\x98\x80"
                                 "c"),
                        true, "8d8e5a303b027d0961746647fb84af3be55a1f146f16e528fe276e1445d0bf36"));
    ck_assert(hashes_to("MD5", "s", SLICE("\0\xC3\xA9"), true, "b03c8e0a2a5169bc254b7e2de2f42799"));
}
END_TEST

START_TEST(a_long_string_has_the_long_header)
{
    struct buf b = BUF_EMPTY;
    for (int i = 0; i < 70000; i++)
        buf_char(&b, 'x');
    ck_assert(hashes_to("MD5", "s", buf_view(&b), true, "f8551e707da84572eed91b623d5c4c5f"));
    buf_free(&b);
}
END_TEST

START_TEST(the_second_version_hashes_the_bytes)
{
    ck_assert(hashes_to("sha-256", "pepper", SLICE("a@b"), false,
                        "919f9740b9487578d6b6fb432de1eee32c7712a2f90105147f08d8f82c7370a9"));
}
END_TEST

START_TEST(an_unknown_algorithm_is_refused)
{
    struct err e;
    ck_assert_ptr_null(digest_new(SLICE("SHA-257"), SLICE("s"), &e));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(e.text, "SHA-257"));
}
END_TEST

SUITE_MAIN("digest", the_first_version_hashes_javas_serialised_string, javas_own_encoding_is_followed,
           a_long_string_has_the_long_header, the_second_version_hashes_the_bytes,
           an_unknown_algorithm_is_refused)
