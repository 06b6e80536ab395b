/* test_frame.c - frames as RFC 6455 and RFC 7692 have them, byte by byte. */
#include "frame.h"

#include "suite.h"

#include <stdlib.h>

#include "xmalloc.h"

static struct codec *codec;

static void setup(void)
{
    codec = codec_new();
}

static void teardown(void)
{
    codec_free(codec);
}

static void head_is(size_t len, bool deflated, const char *bytes, size_t n)
{
    unsigned char head[FRAME_HEAD_MAX];
    ck_assert_uint_eq(frame_head(head, len, deflated), n);
    ck_assert_mem_eq(head, bytes, n);
}

/* RFC 6455, 5.2: the shortest of three forms of the length, most significant byte first, no mask. */
START_TEST(heads_are_of_the_shortest_form)
{
    head_is(0, false, "\x81\x00", 2);
    head_is(125, false, "\x81\x7d", 2);
    head_is(126, false, "\x81\x7e\x00\x7e", 4);
    head_is(65535, false, "\x81\x7e\xff\xff", 4);
    head_is(65536, false, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
    head_is(0x0102030405, false, "\x81\x7f\x00\x00\x00\x01\x02\x03\x04\x05", 10);
    head_is(5, true, "\xc1\x05", 2);
    head_is(70000, true, "\xc1\x7f\x00\x00\x00\x00\x00\x01\x11\x70", 10);
}
END_TEST

START_TEST(a_frame_is_its_head_and_its_payload)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 200000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char *text = xcalloc(1, sizes[i] + 1);
        unsigned char head[FRAME_HEAD_MAX];
        memset(text, 'x', sizes[i]);
        size_t n = frame_head(head, sizes[i], false);
        struct ws_frame *f = frame_new((struct slice){text, sizes[i]});
        ck_assert_uint_eq(f->len, n + sizes[i]);
        ck_assert_mem_eq(f->bytes, head, n);
        ck_assert(slice_eq(frame_payload(f), (struct slice){text, sizes[i]}));
        frame_release(f);
        free(text);
    }
}
END_TEST

START_TEST(a_frame_lives_until_the_last_lets_go)
{
    struct ws_frame *f = frame_new(SLICE("x"));
    ck_assert_ptr_eq(frame_hold(f), f);
    frame_release(f);
    ck_assert(slice_is(frame_payload(f), "x"));
    frame_release(f);
    frame_release(NULL);
}
END_TEST

/* What is inflated is what was deflated, each frame by itself and in any order: RFC 7692's "no context
 * takeover". */
START_TEST(deflated_frames_need_nothing_before_them)
{
    struct buf text = BUF_EMPTY, out = BUF_EMPTY;
    struct ws_frame *frames[20];
    for (int i = 0; i < 20; i++) {
        buf_reset(&text);
        for (int k = 0; k < 10 << i % 10; k++)
            buf_printf(&text, "{\"n\":%d,\"text\":\"row %d\"}\n", i, k);
        frames[i] = codec_deflate(codec, buf_view(&text));
        ck_assert_ptr_nonnull(frames[i]);
        ck_assert_uint_lt(frames[i]->len, text.len);
        ck_assert_uint_eq(frames[i]->bytes[0], 0xc1);
    }
    for (int i = 19; i >= 0; i--) {
        buf_reset(&text);
        for (int k = 0; k < 10 << i % 10; k++)
            buf_printf(&text, "{\"n\":%d,\"text\":\"row %d\"}\n", i, k);
        buf_reset(&out);
        struct codec *fresh = codec_new();
        ck_assert(codec_inflate(fresh, frame_payload(frames[i]), 1 << 20, &out));
        ck_assert(slice_eq(buf_view(&out), buf_view(&text)));
        codec_free(fresh);
        frame_release(frames[i]);
    }
    buf_free(&text);
    buf_free(&out);
}
END_TEST

START_TEST(what_would_not_be_shorter_is_not_deflated)
{
    char noise[4000];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)((state = state * 1664525 + 1013904223) >> 24);
    ck_assert_ptr_null(codec_deflate(codec, (struct slice){noise, sizeof(noise)}));
    ck_assert_ptr_null(codec_deflate(codec, SLICE("")));
    ck_assert_ptr_null(codec_deflate(codec, SLICE("abcdefgh")));
}
END_TEST

/* RFC 7692, 7.2.3.1 to 7.2.3.4: "Hello" compressed, once as it comes, without compression, and with a last
 * block. */
START_TEST(the_examples_of_the_rfc_are_read)
{
    static const struct slice hello[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13},
    };
    struct buf out = BUF_EMPTY;
    for (size_t i = 0; i < sizeof(hello) / sizeof(*hello); i++) {
        buf_reset(&out);
        ck_assert(codec_inflate(codec, hello[i], 5, &out));
        ck_assert_str_eq(out.ptr, "Hello");
    }
    buf_free(&out);
}
END_TEST

START_TEST(bombs_and_rubbish_are_refused)
{
    struct buf zeros = BUF_EMPTY, out = BUF_EMPTY;
    memset(buf_room(&zeros, 10000000), '0', 10000000);
    buf_added(&zeros, 10000000);
    struct ws_frame *bomb = codec_deflate(codec, buf_view(&zeros));
    ck_assert_uint_lt(bomb->len, 100000);
    ck_assert(!codec_inflate(codec, frame_payload(bomb), 65536, &out));
    ck_assert_uint_lt(out.len, 100000);
    buf_reset(&out);
    ck_assert(!codec_inflate(codec, SLICE("\xff\xff\xff\xff"), 65536, &out));
    buf_reset(&out);
    ck_assert(!codec_inflate(codec, (struct slice){"\xf2\x48\xcd\xc9\xc9\x07\x00", 7}, 4, &out));
    frame_release(bomb);
    buf_free(&zeros);
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("frame");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, heads_are_of_the_shortest_form);
    tcase_add_test(tcase, a_frame_is_its_head_and_its_payload);
    tcase_add_test(tcase, a_frame_lives_until_the_last_lets_go);
    tcase_add_test(tcase, deflated_frames_need_nothing_before_them);
    tcase_add_test(tcase, what_would_not_be_shorter_is_not_deflated);
    tcase_add_test(tcase, the_examples_of_the_rfc_are_read);
    tcase_add_test(tcase, bombs_and_rubbish_are_refused);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
