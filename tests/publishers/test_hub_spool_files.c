/* test_hub_spool_files.c - the files of the window, whatever becomes of them: exact, or told to begin anew,
 * and never a reason for the stream or a browser to wait. */
#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "hub_spool.h"
#include "spool_play.h"
#include "xmalloc.h"

/* The suite's own file of results grows with every assertion, so that the limit stands only between them. */
static void files_limit(rlim_t most)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN); /* of this thread: a log that is a file has the limit, too */
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = most;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Until the writer has failed, which takes its time. */
static void await_bytes(bool any)
{
    struct hub_stats stats;
    do {
        hub_turn(hub);
        hub_stats(hub, &stats);
        sched_yield();
    } while ((stats.spool_bytes > 0) != any);
}

START_TEST(the_directory_is_for_one_process)
{
    struct err e = {0};
    begin(100);
    struct hub *second = hub_new(&options);
    ck_assert(!hub_keep(second, dir, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "in use by another process"));
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    hub_free(second);
}
END_TEST

START_TEST(a_directory_that_cannot_be_used_is_an_error)
{
    struct err e = {0};
    char *path = xasprintf("%s/not/there", dir);
    struct hub *h = hub_new(&options);
    ck_assert(!hub_keep(h, path, &e) && strstr(e.text, path) && strstr(e.text, "No such file"));
    hub_free(h);
    begin(100); /* makes the lock, which is a file */
    free(path);
    path = xasprintf("%s/.lock", dir);
    h = hub_new(&options);
    ck_assert(!hub_keep(h, path, &e) && strstr(e.text, "Not a directory"));
    hub_free(h);
    free(path);
}
END_TEST

/* Of a connector that is gone for good nobody else would delete them; what is not walwire's stays. */
START_TEST(what_is_older_than_the_bound_is_deleted_at_the_start)
{
    struct err e = {0};
    options.retention_ms = 60000;
    clock_now = 1; /* the files are of the present, which is long behind it */
    begin(100);
    read_items();
    commits(0, 3);
    end();
    char *foreign = xasprintf("%s/lost+found", dir), *path = shop("");
    ck_assert_int_eq(mkdir(foreign, 0700), 0);
    for (int round = 0; round < 2; round++) {
        clock_now = round ? INT64_C(4000000000000) : 1; /* in the year 2153 */
        struct hub *h = hub_new(&options);
        ck_assert(hub_keep(h, dir, &e));
        hub_free(h);
        ck_assert_int_eq(access(path, F_OK), round ? -1 : 0);
    }
    ck_assert_int_eq(rmdir(foreign), 0);
    free(foreign);
    free(path);
}
END_TEST

START_TEST(only_the_owner_may_read_it)
{
    struct stat st;
    struct kept files[FILES];
    begin(100);
    read_items();
    commits(0, 3);
    end();
    size_t n = files_read(files);
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        char *file = shop(files[i].name);
        ck_assert(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600);
        free(file);
    }
    char *path = shop("");
    ck_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
    free(path);
    files_free(files, n);
}
END_TEST

/* A disk without room: browsers and the stream do not notice, and later it is tried again. */
START_TEST(a_full_disk_stops_only_the_spool)
{
    begin(100);
    struct client *c = live();
    commits(0, 5);
    files_limit(1200);
    commits(5, 50);
    await_bytes(false);
    files_limit(RLIM_INFINITY);
    for (int i = 0; i < 50; i++)
        expect_change(c, 'c', i);
    expect_resume(pos_text(at(3), 1), 4, 50);
    clock_now += 59999;
    hub_turn(hub);
    commits(50, 52);
    clock_now += 1;
    await_bytes(true);
    commits(52, 54);
    client_free(c);
    again(at(53) + 5);
    expect_resume(pos_text(at(52), 1), 53, 54);
    expect_reset("public.items", "7-1-a", pos_text(at(50), 1), "retention");
}
END_TEST

static void wait_at(void *ctx)
{
    pthread_mutex_lock(ctx);
    pthread_mutex_unlock(ctx);
}

static struct spool_block *block_of(struct spool *sp, uint64_t number)
{
    static const struct spool_position position = {RECORD_POSITION, 7};
    const struct spool_frame frame = {.len = sizeof position};
    struct spool_block *b = xcalloc(1, sizeof *b);
    b->spool = sp;
    b->number = number;
    b->lsn = position.lsn;
    buf_append(&b->bytes, &frame, sizeof frame);
    buf_append(&b->bytes, &position, sizeof position);
    return b;
}

/* A disk that hangs: what waits for it is bounded, and nobody waits to be told so. */
START_TEST(what_waits_for_a_slow_disk_is_bounded)
{
    struct err e = {0};
    char why[200];
    size_t taken = 0;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    struct spooler *p = spooler_open(dir, 1000, wait_at, &gate, &e);
    struct spool *sp = spool_new(p, "shop");
    spooler_due(p); /* soon the thread stands still */
    while (spooler_put(p, block_of(sp, 1)))
        taken++;
    ck_assert_uint_gt(taken, 1);
    ck_assert(spool_failed(sp, why, sizeof why) && strstr(why, "too slow"));
    ck_assert_uint_eq(spool_kept(sp), UINT64_MAX);
    ck_assert(!spooler_put(p, block_of(sp, 1)));
    struct spool_block *clear = block_of(sp, 0);
    clear->kind = BLOCK_CLEAR;
    ck_assert(spooler_put(p, clear));
    ck_assert(!spool_failed(sp, why, sizeof why));
    pthread_mutex_unlock(&gate);
    spooler_close(p); /* of what was put before nothing counts */
    char *path = shop("");
    ck_assert_int_ne(access(path, F_OK), 0);
    free(path);
    spool_free(sp);
}
END_TEST

/* What may be stored as a position: no more than what is on disk, whatever can be when nothing is kept. */
START_TEST(it_is_known_what_is_on_disk)
{
    hub = hub_new(&options);
    source = hub_source(hub, "shop");
    ck_assert_uint_eq(hub_kept(hub, source), UINT64_MAX);
    end();
    begin(100);
    read_items();
    for (int i = 0; i < 20; i++) {
        commit(items, at(i), i);
        while (hub_kept(hub, source) != at(i) + 5)
            sched_yield();
    }
    files_limit(10);
    commits(20, 21);
    await_bytes(false);
    files_limit(RLIM_INFINITY);
    ck_assert_uint_eq(hub_kept(hub, source), UINT64_MAX);
}
END_TEST

/* A connector that is removed takes its rows along. */
START_TEST(a_connector_that_is_removed_leaves_no_rows)
{
    begin(100);
    read_items();
    commits(0, 5);
    hub_source_end(hub, source);
    hub_turn(hub);
    end();
    char *path = shop("");
    ck_assert_int_ne(access(path, F_OK), 0);
    free(path);
}
END_TEST

START_TEST(any_name_is_a_directory)
{
    static const char *const names[] = {"../../etc/passwd", "a/b", ".", "..", ".lock", "",
                                        "caf\xc3\xa9",      "%41"};
    struct err e = {0};
    char *lengthy = xmalloc(3000);
    memset(lengthy, '/', 2999);
    lengthy[2999] = 0;
    for (size_t i = 0; i <= sizeof names / sizeof *names; i++) {
        const char *name = i < sizeof names / sizeof *names ? names[i] : lengthy;
        for (int round = 0; round < 2; round++) {
            hub = hub_new(&options);
            ck_assert_msg(hub_keep(hub, dir, &e), "%s", e.text);
            source = hub_source(hub, name);
            items = table_of("public.items", 3);
            hub_epoch(hub, source, "7-1-a", round ? at(4) + 5 : 100);
            hub_turn(hub);
            if (round) {
                expect_resume(pos_text(at(0), 1), 1, 5);
                hub_source_end(hub, source);
                hub_turn(hub);
            } else {
                read_items();
                commits(0, 5);
            }
            end();
        }
    }
    free(lengthy);
}
END_TEST

/* ---- files that are not what they were ---- */

/* What a start makes of them: exact, or a reset. True: it resumed. */
static bool exact_or_reset(lsn_t start, int from, int to)
{
    begin(start);
    struct client *c = back_to("public.items", "7-1-a", pos_text(at(from), 1));
    struct json_object *answer = next(c);
    bool resumed = strcmp(text_of(answer, "type"), "\"subscribed\"") == 0;
    if (!resumed)
        expect(answer, "reason", "\"retention\"");
    for (int i = 0; i < to; i++)
        if (at(i) >= start)
            commit(items, at(i), i);
    for (int i = from + 1; resumed && i < to; i++)
        expect_change(c, 'c', i);
    expect_nothing(c);
    client_free(c);
    end();
    return resumed;
}

static size_t play_and_keep(struct kept *files, int n)
{
    begin(100);
    read_items();
    commits(0, n);
    end();
    return files_read(files);
}

START_TEST(a_torn_tail_is_cut_wherever_it_is_torn)
{
    struct kept files[FILES];
    size_t n = play_and_keep(files, 12), resumed = 0;
    ck_assert_uint_eq(n, 1);
    size_t whole = files[0].size;
    for (size_t size = 0; size <= whole; size++) {
        files[0].size = size;
        files_write(files, n);
        resumed += exact_or_reset(at(8), 3, 12);
    }
    ck_assert_uint_gt(resumed, whole / 8);
    ck_assert_uint_lt(resumed, whole / 2);
    files_free(files, n);
}
END_TEST

START_TEST(a_byte_that_was_turned_is_noticed)
{
    struct kept files[FILES];
    size_t n = play_and_keep(files, 12), resumed = 0;
    for (size_t i = 0; i < files[0].size; i++) {
        files[0].bytes[i] = (char)~files[0].bytes[i];
        files_write(files, n);
        resumed += exact_or_reset(at(8), 3, 12);
        files[0].bytes[i] = (char)~files[0].bytes[i];
    }
    ck_assert_uint_gt(resumed, files[0].size / 8);
    files_free(files, n);
}
END_TEST

/* Records with checksums that hold, written by somebody else. Nothing is believed: the sanitizers look on. */
START_TEST(hostile_records_do_no_harm)
{
    struct kept files[FILES];
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t n = play_and_keep(files, 3), at_byte = 0;
    while (at_byte + 8 < files[0].size) {
        uint32_t frame[2];
        memcpy(frame, files[0].bytes + at_byte, sizeof frame);
        char *body = files[0].bytes + at_byte + 8, *good = xmalloc(frame[0]);
        memcpy(good, body, frame[0]);
        for (size_t i = 0; i < 5 * (size_t)frame[0]; i++) {
            size_t width = i % 3 == 0 ? 4 : 1;
            for (size_t k = i / 5; k < i / 5 + width && k < frame[0]; k++)
                body[k] = (char)values[i % 5];
            uint32_t crc = (uint32_t)crc32(0, (const Bytef *)body, frame[0]);
            memcpy(files[0].bytes + at_byte + 4, &crc, sizeof crc);
            files_write(files, n);
            begin(at(2));
            client_free(back_to("public.items", "7-1-a", pos_text(at(0), 1)));
            end();
            memcpy(body, good, frame[0]);
        }
        memcpy(files[0].bytes + at_byte + 4, &frame[1], sizeof frame[1]);
        at_byte += 8 + frame[0];
        free(good);
    }
    files_free(files, n);
}
END_TEST

START_TEST(what_stands_behind_a_bad_segment_counts)
{
    struct kept files[FILES];
    options.window_bytes = 1 << 20;
    int count = 3000, kept = 0, lost = 0;
    size_t n = play_and_keep(files, count);
    ck_assert_uint_gt(n, 3);
    files[1].bytes[files[1].size / 2] ^= 1;
    files_write(files, n);
    begin(at(count - 1) + 5);
    for (int from = 0; from < count - 1; from += 50) {
        struct client *c = back_to("public.items", "7-1-a", pos_text(at(from), 1));
        struct json_object *answer = next(c);
        if (strcmp(text_of(answer, "type"), "\"reset\"") == 0) {
            ck_assert_int_eq(kept, 0);
            lost++;
        } else {
            for (int i = from + 1; i < count; i++)
                expect_change(c, 'c', i);
            expect_nothing(c);
            kept++;
        }
        client_free(c);
    }
    ck_assert_int_gt(kept, 5);
    ck_assert_int_gt(lost, 5);
    files_free(files, n);
}
END_TEST

/* Each that is missing, or has lost its end. */
START_TEST(a_segment_that_is_missing_or_short_is_noticed)
{
    struct kept files[FILES], some[FILES];
    options.window_bytes = 1 << 18;
    int count = 700;
    size_t n = play_and_keep(files, count);
    ck_assert_uint_gt(n, 3);
    for (size_t out = 0; out < 2 * n; out++) {
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            if (i != out / 2)
                some[m++] = files[i];
            else if (out % 2) {
                some[m] = files[i];
                some[m++].size -= 17 + 8; /* the last position's record: what is left is whole records */
            }
        }
        files_write(some, m);
        bool resumed = exact_or_reset(at(count - 2), 1, count);
        ck_assert(!resumed || out == 2 * n - 1);
    }
    files_free(files, n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_spool_files");
    TCase *tcase = tcase_create("hub_spool_files");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, spool_setup, spool_teardown);
    tcase_add_test(tcase, the_directory_is_for_one_process);
    tcase_add_test(tcase, a_directory_that_cannot_be_used_is_an_error);
    tcase_add_test(tcase, what_is_older_than_the_bound_is_deleted_at_the_start);
    tcase_add_test(tcase, only_the_owner_may_read_it);
    tcase_add_test(tcase, a_full_disk_stops_only_the_spool);
    tcase_add_test(tcase, what_waits_for_a_slow_disk_is_bounded);
    tcase_add_test(tcase, it_is_known_what_is_on_disk);
    tcase_add_test(tcase, a_connector_that_is_removed_leaves_no_rows);
    tcase_add_test(tcase, any_name_is_a_directory);
    tcase_add_test(tcase, a_torn_tail_is_cut_wherever_it_is_torn);
    tcase_add_test(tcase, a_byte_that_was_turned_is_noticed);
    tcase_add_test(tcase, hostile_records_do_no_harm);
    tcase_add_test(tcase, what_stands_behind_a_bad_segment_counts);
    tcase_add_test(tcase, a_segment_that_is_missing_or_short_is_noticed);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
