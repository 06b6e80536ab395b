/* test_offsets_file.c - a file of positions that was harmed is not believed, and a disk that failed once is
 * not either. */
#include "offsets_store.h"

#include "suite.h"
#include "xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct err e;
static char directory[32], path[64], previous[80], next[80];
static int sync_error, syncs_left; /* fsync fails with it after so many good ones */
static bool unsyncable;            /* a directory; files can be */

/* Taken by the linker before the library's. */
int fsync(int fd)
{
    struct stat st;
    if (unsyncable && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    if (!sync_error || syncs_left-- > 0)
        return (int)syscall(SYS_fsync, fd);
    errno = sync_error;
    sync_error = errno == EINTR ? 0 : sync_error;
    return -1;
}

static void setup(void)
{
    memset(&e, 0, sizeof e);
    sync_error = 0;
    unsyncable = false;
    snprintf(directory, sizeof directory, "/tmp/test-offsets-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/offsets.json", directory);
    snprintf(previous, sizeof previous, "%s.previous", path);
    snprintf(next, sizeof next, "%s.next", path);
}

static void teardown(void)
{
    unlink(path);
    unlink(previous);
    unlink(next);
    rmdir(directory);
}

static void file_put(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static size_t file_get(const char *name, char *out, size_t size)
{
    FILE *f = fopen(name, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    fclose(f);
    return n;
}

static struct offsets_store *file_open(void)
{
    memset(&e, 0, sizeof e);
    return offsets_file_open("offset.storage.file.filename", path, &e);
}

static struct offsets_store *file_opened(void)
{
    struct offsets_store *s = file_open();
    ck_assert_msg(s != NULL, "%s", e.text);
    return s;
}

static bool save(struct offsets_store *s, const char *key, const char *value)
{
    memset(&e, 0, sizeof e);
    return s->type->save(s, slice_of(key), slice_of(value), &e);
}

static void saved(const char *key, const char *value)
{
    struct offsets_store *s = file_opened();
    ck_assert_msg(save(s, key, value), "%s", e.text);
    s->type->close(s);
}

/* NULL: refused, or not there. The caller frees it. */
static char *load(struct offsets_store *s, const char *key)
{
    struct buf value = BUF_EMPTY;
    bool found = false;
    memset(&e, 0, sizeof e);
    char *text = s->type->load(s, slice_of(key), &value, &found, &e) && found ? xstrdup(value.ptr) : NULL;
    buf_free(&value);
    return text;
}

static void expect_loaded(const char *key, const char *value)
{
    struct offsets_store *s = file_opened();
    char *got = load(s, key);
    ck_assert_msg(got != NULL, "%s: %s", key, e.text);
    ck_assert_str_eq(got, value);
    free(got);
    s->type->close(s);
}

static void expect_refused(const char *said)
{
    ck_assert_ptr_null(file_open());
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, said) != NULL, "%s", e.text);
}

/* ---- harm ---- */

START_TEST(file_says_its_version_and_digest)
{
    saved("[\"a\"]", "{\"lsn\":77}");
    char text[400];
    file_get(path, text, sizeof text);
    ck_assert_msg(strncmp(text, "{\"walwire\":{\"version\":1,\"sha256\":\"", 34) == 0, "%s", text);
    static const char REST[] = "\"},\"[\\\"a\\\"]\":{\"lsn\":77}}\n";
    ck_assert_msg(strstr(text, REST) != NULL, "%s", text);
}
END_TEST

/* Any one bit: the position is what was stored, or the one before it, or the file is refused. Never another,
 * and never none, which would begin anew. */
START_TEST(no_flipped_bit_is_believed)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    saved("[\"a\"]", "{\"lsn\":77}");
    char good[400], bad[400];
    size_t len = file_get(path, good, sizeof good);
    int refused = 0;
    for (size_t bit = 0; bit < len * 8; bit++) {
        memcpy(bad, good, len);
        bad[bit / 8] ^= (char)(1 << bit % 8);
        file_put(path, bad, len);
        struct offsets_store *s = file_open();
        refused += !s;
        if (!s)
            continue;
        char *got = load(s, "[\"a\"]");
        ck_assert_msg(got && (strcmp(got, "{\"lsn\":77}") == 0 || strcmp(got, "{\"lsn\":76}") == 0),
                      "bit %zu made it %s", bit, got ? got : "nothing");
        free(got);
        s->type->close(s);
    }
    ck_assert_int_lt(refused, 16); /* of a version that is not known */
}
END_TEST

START_TEST(no_cut_file_is_believed)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    saved("[\"a\"]", "{\"lsn\":77}");
    char good[400];
    size_t len = file_get(path, good, sizeof good);
    for (size_t n = 0; n < len - 1; n++) {
        file_put(path, good, n);
        expect_loaded("[\"a\"]", "{\"lsn\":76}");
    }
    memset(good, 0, len);
    file_put(path, good, len);
    expect_loaded("[\"a\"]", "{\"lsn\":76}");
}
END_TEST

START_TEST(without_a_good_one_it_is_refused)
{
    saved("[\"a\"]", "{\"lsn\":77}");
    file_put(path, "", 0);
    expect_refused("is damaged (not a JSON object), and there is none before it");
    file_put(previous, "{\"walwire\":", 11);
    expect_refused("so is the one before it");
}
END_TEST

/* What follows a damaged file is stored as if the good one had been there, which stays the one before. */
START_TEST(a_save_mends_it)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    saved("[\"b\"]", "{\"lsn\":5}");
    file_put(path, "gone", 4);
    saved("[\"b\"]", "{\"lsn\":6}");
    expect_loaded("[\"a\"]", "{\"lsn\":76}");
    expect_loaded("[\"b\"]", "{\"lsn\":6}");
    file_put(path, "gone", 4);
    expect_loaded("[\"a\"]", "{\"lsn\":76}");
}
END_TEST

/* Whoever removes the file wants to begin anew. */
START_TEST(a_removed_file_is_not_looked_for)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    saved("[\"a\"]", "{\"lsn\":77}");
    unlink(path);
    struct offsets_store *s = file_opened();
    ck_assert_ptr_null(load(s, "[\"a\"]"));
    ck_assert_int_eq(e.kind, ERR_NONE);
    s->type->close(s);
}
END_TEST

/* ---- versions ---- */

START_TEST(an_earlier_file_is_read)
{
    static const char EARLIER[] = "{\"[\\\"a\\\",{\\\"server\\\":\\\"s\\\"}]\":{\"lsn\":5}}\n";
    file_put(path, EARLIER, sizeof EARLIER - 1);
    expect_loaded("[\"a\",{\"server\":\"s\"}]", "{\"lsn\":5}");
    saved("[\"b\"]", "{\"lsn\":6}");
    expect_loaded("[\"a\",{\"server\":\"s\"}]", "{\"lsn\":5}");
}
END_TEST

START_TEST(a_later_file_is_refused)
{
    static const char LATER[] = "{\"walwire\":{\"version\":2,\"md\":\"x\"},\"[\\\"a\\\"]\":{\"lsn\":5}}\n";
    saved("[\"a\"]", "{\"lsn\":76}");
    file_put(path, LATER, sizeof LATER - 1);
    expect_refused("written by a newer walwire (version 2 of the file, this one knows 1)");
}
END_TEST

START_TEST(a_hand_may_change_it_without_the_digest)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    static const char BY_HAND[] = "{\n  \"[\\\"a\\\"]\": { \"lsn\": 80 }\n}\n";
    file_put(path, BY_HAND, sizeof BY_HAND - 1);
    expect_loaded("[\"a\"]", "{\"lsn\":80}");
}
END_TEST

static void count_key(void *ctx, struct slice key, struct slice value)
{
    ck_assert(!slice_is(key, "walwire"));
    ++*(int *)ctx;
}

START_TEST(our_member_is_not_shown)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    struct offsets_store *s = file_opened();
    int n = 0;
    ck_assert(s->type->each(s, count_key, &n, &e));
    ck_assert_int_eq(n, 1);
    s->type->close(s);
}
END_TEST

/* ---- the disk ---- */

/* The kernel tells once that it could not write, and forgets: a second fsync would say that all is well. */
static void expect_lost(int after)
{
    struct offsets_store *s = file_opened();
    ck_assert(save(s, "[\"a\"]", "{\"lsn\":76}"));
    sync_error = EIO;
    syncs_left = after;
    ck_assert(!save(s, "[\"a\"]", "{\"lsn\":77}"));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    ck_assert_msg(strstr(e.text, "Input/output error") != NULL, "%s", e.text);
    sync_error = 0;
    ck_assert(!save(s, "[\"a\"]", "{\"lsn\":78}"));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    ck_assert_ptr_null(load(s, "[\"a\"]"));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    s->type->close(s);
}

START_TEST(a_failed_fsync_is_for_good)
{
    expect_lost(0);
    expect_loaded("[\"a\"]", "{\"lsn\":76}");
}
END_TEST

START_TEST(a_failed_fsync_of_the_directory_is_for_good)
{
    expect_lost(1);
}
END_TEST

START_TEST(a_full_disk_is_a_matter_of_trying_again)
{
    struct offsets_store *s = file_opened();
    ck_assert(save(s, "[\"a\"]", "{\"lsn\":76}"));
    sync_error = ENOSPC;
    syncs_left = 0;
    ck_assert(!save(s, "[\"a\"]", "{\"lsn\":77}"));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    sync_error = EINTR;
    ck_assert_msg(save(s, "[\"a\"]", "{\"lsn\":78}"), "%s", e.text);
    s->type->close(s);
    expect_loaded("[\"a\"]", "{\"lsn\":78}");
}
END_TEST

/* As on some network file systems. A file that cannot be synced is another matter. */
START_TEST(a_file_system_may_not_know_fsync_of_a_directory)
{
    struct offsets_store *s = file_opened();
    unsyncable = true;
    ck_assert_msg(save(s, "[\"a\"]", "{\"lsn\":76}"), "%s", e.text);
    ck_assert_msg(save(s, "[\"a\"]", "{\"lsn\":77}"), "%s", e.text);
    char *got = load(s, "[\"a\"]");
    ck_assert_str_eq(got, "{\"lsn\":77}");
    free(got);
    sync_error = EINVAL;
    syncs_left = 0;
    ck_assert(!save(s, "[\"a\"]", "{\"lsn\":78}"));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    s->type->close(s);
}
END_TEST

/* Another process that hangs with the lock in its hands does not hang this one: it says which file, and tries
 * again. */
START_TEST(a_lock_is_not_waited_for_without_end)
{
    struct offsets_store *s = file_opened();
    int other = open(directory, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(other, LOCK_EX), 0);
    ck_assert(!save(s, "[\"a\"]", "{\"lsn\":76}"));
    ck_assert_int_eq(e.kind, ERR_RETRY);
    ck_assert_msg(strstr(e.text, path) && strstr(e.text, "lock"), "%s", e.text);
    close(other);
    ck_assert_msg(save(s, "[\"a\"]", "{\"lsn\":77}"), "%s", e.text);
    s->type->close(s);
    expect_loaded("[\"a\"]", "{\"lsn\":77}");
}
END_TEST

/* What a start goes on from must not be in memory only: the directory is synced before it is told. */
START_TEST(a_start_waits_for_the_disk)
{
    saved("[\"a\"]", "{\"lsn\":76}");
    struct offsets_store *s = file_opened();
    sync_error = EIO;
    syncs_left = 0;
    ck_assert_ptr_null(load(s, "[\"a\"]"));
    ck_assert_int_eq(e.kind, ERR_FATAL);
    s->type->close(s);
}
END_TEST

static TCase *file_case(void)
{
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    const TTest *const tests[] = {file_says_its_version_and_digest,
                                  no_flipped_bit_is_believed,
                                  no_cut_file_is_believed,
                                  without_a_good_one_it_is_refused,
                                  a_save_mends_it,
                                  a_removed_file_is_not_looked_for,
                                  an_earlier_file_is_read,
                                  a_later_file_is_refused,
                                  a_hand_may_change_it_without_the_digest,
                                  our_member_is_not_shown,
                                  a_failed_fsync_is_for_good,
                                  a_failed_fsync_of_the_directory_is_for_good,
                                  a_full_disk_is_a_matter_of_trying_again,
                                  a_file_system_may_not_know_fsync_of_a_directory,
                                  a_lock_is_not_waited_for_without_end,
                                  a_start_waits_for_the_disk};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("offsets_file");
    suite_add_tcase(suite, file_case());
    return suite_end(suite);
}
