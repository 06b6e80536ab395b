/* hub_spool_disk.c - the files of the spool, and the thread that writes them.
 *
 * The thread takes blocks in their order. After a failure it takes no more of that source until it is told to
 * clear: what is on disk must never have a hole. */
#include "hub_spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "clock.h"

#define LOCK_NAME ".lock" /* no connector's directory begins with a dot */
#define SUFFIX    ".window"

enum {
    DUE_MS = 20,
    DIR_MOST = 200, /* characters of a connector's directory */
    DIGITS = 16,
};

struct spooler {
    char *dir;
    int lock;
    size_t most;
    void (*due)(void *ctx);
    void *ctx;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* guarded by the mutex */
    STAILQ_HEAD(, spool_block) blocks;
    size_t waiting; /* bytes */
    bool stopping;
    int64_t due_ms; /* 0: nothing is due */
};

/* ---- names ---- */

void segment_name(char name[SEGMENT_NAME], uint64_t number)
{
    snprintf(name, SEGMENT_NAME, "%016llx" SUFFIX, (unsigned long long)number);
}

bool segment_number(const char *name, uint64_t *out)
{
    char again[SEGMENT_NAME], *end = NULL;
    if (strlen(name) != DIGITS + strlen(SUFFIX))
        return false;
    *out = strtoull(name, &end, 16);
    segment_name(again, *out);
    return strcmp(name, again) == 0;
}

/* One that is too long ends in a digest of the whole. */
static char *dir_name(const char *connector)
{
    struct buf b = BUF_EMPTY;
    for (const char *at = connector; *at; at++)
        if (isalnum((unsigned char)*at) || strchr("_-", *at) || (*at == '.' && b.len))
            buf_char(&b, *at);
        else
            buf_printf(&b, "%%%02X", (unsigned char)*at);
    if (b.len > DIR_MOST || b.len == 0) {
        uint8_t digest[SHAPE_DIGEST] = {0};
        EVP_Digest(connector, strlen(connector), digest, NULL, EVP_sha256(), NULL);
        b.len = b.len > DIR_MOST / 2 ? DIR_MOST / 2 : b.len;
        buf_char(&b, '~');
        for (size_t i = 0; i < sizeof digest; i++)
            buf_printf(&b, "%02x", digest[i]);
    }
    return buf_take(&b);
}

int spool_dir_open(const struct spool *sp)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    char *path = xasprintf("%s/%s", sp->spooler->dir, sp->dir);
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT && mkdir(path, 0700) == 0)
        fd = open(path, flags);
    free(path);
    return fd;
}

struct spool *spool_new(struct spooler *p, const char *name)
{
    struct spool *sp = xcalloc(1, sizeof *sp);
    sp->spooler = p;
    sp->dir = dir_name(name);
    sp->kept = UINT64_MAX;
    sp->fd = -1;
    sp->mark = -1;
    sp->next = 1;
    TAILQ_INIT(&sp->segments);
    return sp;
}

/* ---- writing ---- */

/* With the mutex held. */
static bool is_wanted(const struct spool_block *b)
{
    return b->clears == b->spool->clears && !b->spool->failed;
}

static bool block_wanted(struct spool_block *b)
{
    pthread_mutex_lock(&b->spool->spooler->mutex);
    bool wanted = is_wanted(b);
    pthread_mutex_unlock(&b->spool->spooler->mutex);
    return wanted;
}

static void block_failed(struct spool_block *b, const char *what, int error)
{
    struct spool *sp = b->spool;
    pthread_mutex_lock(&sp->spooler->mutex);
    if (is_wanted(b)) {
        snprintf(sp->failure, sizeof sp->failure, "%s: %s", what, strerror(error));
        sp->failed = true;
        sp->kept = UINT64_MAX;
    }
    pthread_mutex_unlock(&sp->spooler->mutex);
}

static void block_kept(struct spool_block *b)
{
    pthread_mutex_lock(&b->spool->spooler->mutex);
    if (b->lsn && is_wanted(b))
        b->spool->kept = b->lsn;
    pthread_mutex_unlock(&b->spool->spooler->mutex);
}

lsn_t spool_kept(struct spool *sp)
{
    pthread_mutex_lock(&sp->spooler->mutex);
    lsn_t lsn = sp->kept;
    pthread_mutex_unlock(&sp->spooler->mutex);
    return lsn;
}

bool spool_failed(struct spool *sp, char *why, size_t size)
{
    pthread_mutex_lock(&sp->spooler->mutex);
    bool failed = sp->failed;
    if (failed)
        snprintf(why, size, "%s", sp->failure);
    pthread_mutex_unlock(&sp->spooler->mutex);
    return failed;
}

static bool write_all(int fd, const char *bytes, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, bytes, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

void spool_file_close(struct spool *sp)
{
    if (sp->fd >= 0)
        close(sp->fd);
    sp->fd = -1;
    sp->mark = -1;
}

static bool file_open(struct spool *sp, uint64_t number)
{
    char name[SEGMENT_NAME];
    if (sp->fd >= 0)
        sp->sealed = (uint64_t)sp->end;
    spool_file_close(sp);
    int dir = spool_dir_open(sp);
    if (dir < 0)
        return false;
    segment_name(name, number);
    sp->fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = errno;
    close(dir);
    errno = error;
    sp->number = number;
    sp->end = 0;
    return sp->fd >= 0;
}

/* Fills in the checksums. Returns where the last record begins. */
static size_t block_finish(struct spool *sp, struct buf *b)
{
    size_t at = 0, last = 0;
    while (at < b->len) {
        struct spool_frame frame;
        memcpy(&frame, b->ptr + at, sizeof frame);
        char *body = b->ptr + at + sizeof frame;
        if (*body == RECORD_HEADER)
            memcpy(body + offsetof(struct spool_header, sealed), &sp->sealed, sizeof sp->sealed);
        frame.crc = (uint32_t)crc32(0, (const Bytef *)body, frame.len);
        memcpy(b->ptr + at, &frame, sizeof frame);
        last = at;
        at += sizeof frame + frame.len;
    }
    return last;
}

static char kind_at(const struct buf *b, size_t at)
{
    return b->ptr[at + sizeof(struct spool_frame)];
}

static void block_write(struct spool_block *b)
{
    struct spool *sp = b->spool;
    if (b->bytes.len == 0 || !block_wanted(b))
        return;
    if ((sp->fd < 0 || sp->number != b->number) && !file_open(sp, b->number)) {
        block_failed(b, "a file cannot be made", errno);
        return;
    }
    size_t last = block_finish(sp, &b->bytes);
    off_t at = sp->mark >= 0 && kind_at(&b->bytes, 0) == RECORD_POSITION ? sp->mark : sp->end;
    if (!write_all(sp->fd, b->bytes.ptr, b->bytes.len, at)) {
        block_failed(b, "a file cannot be written", errno);
        spool_file_close(sp);
        return;
    }
    sp->end = at + (off_t)b->bytes.len;
    sp->mark = kind_at(&b->bytes, last) == RECORD_POSITION ? at + (off_t)last : -1;
    block_kept(b);
}

static void block_delete(struct spool_block *b)
{
    char name[SEGMENT_NAME];
    int dir = spool_dir_open(b->spool);
    segment_name(name, b->number);
    if (dir < 0)
        return;
    unlinkat(dir, name, 0);
    close(dir);
}

/* Those that were last written before that time; 0: all. True: there were some. */
static bool segments_delete(int dir, int64_t before)
{
    uint64_t number;
    struct stat st;
    bool any = false;
    DIR *d = fdopendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (segment_number(entry->d_name, &number) &&
            (!before || (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < before)))
            any |= unlinkat(dir, entry->d_name, 0) == 0;
    if (d)
        closedir(d);
    else
        close(dir);
    return any;
}

static void block_clear(struct spool_block *b)
{
    struct spool *sp = b->spool;
    spool_file_close(sp);
    sp->sealed = 0;
    int dir = spool_dir_open(sp);
    if (dir >= 0)
        segments_delete(dir, 0);
    char *path = xasprintf("%s/%s", sp->spooler->dir, sp->dir);
    (void)rmdir(path);
    free(path);
}

static void block_do(struct spool_block *b)
{
    static void (*const kinds[])(struct spool_block *) = {
        [BLOCK_WRITE] = block_write, [BLOCK_DELETE] = block_delete, [BLOCK_CLEAR] = block_clear};
    kinds[b->kind](b);
    buf_free(&b->bytes);
}

/* ---- the thread ---- */

static void wait_for_work(struct spooler *p)
{
    if (!p->due_ms) {
        pthread_cond_wait(&p->wake, &p->mutex);
        return;
    }
    struct timespec until = {.tv_sec = p->due_ms / 1000, .tv_nsec = p->due_ms % 1000 * 1000000};
    pthread_cond_timedwait(&p->wake, &p->mutex, &until);
}

static void *spooler_run(void *arg)
{
    struct spooler *p = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* SIGXFSZ too: a file that is too large is an error here */
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        struct spool_block *b = STAILQ_FIRST(&p->blocks);
        bool due = p->due_ms && clock_mono_ms() >= p->due_ms;
        if (!b && !due && p->stopping)
            break;
        if (!b && !due) {
            wait_for_work(p);
            continue;
        }
        if (due)
            p->due_ms = 0;
        if (b)
            STAILQ_REMOVE_HEAD(&p->blocks, link);
        pthread_mutex_unlock(&p->mutex);
        if (due)
            p->due(p->ctx);
        size_t bytes = b ? b->bytes.cap : 0;
        if (b)
            block_do(b);
        free(b);
        pthread_mutex_lock(&p->mutex);
        p->waiting -= bytes;
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

bool spooler_put(struct spooler *p, struct spool_block *b)
{
    struct spool *sp = b->spool;
    pthread_mutex_lock(&p->mutex);
    if (b->kind == BLOCK_CLEAR) {
        sp->clears++;
        sp->failed = false;
        sp->kept = UINT64_MAX;
    }
    b->clears = sp->clears;
    if (b->kind == BLOCK_WRITE && !sp->failed && p->waiting > p->most) {
        sp->failed = true;
        sp->kept = UINT64_MAX;
        snprintf(sp->failure, sizeof sp->failure, "the disk is too slow: %zu bytes wait to be written",
                 p->waiting);
    }
    bool taken = b->kind != BLOCK_WRITE || !sp->failed;
    if (taken) {
        p->waiting += b->bytes.cap;
        STAILQ_INSERT_TAIL(&p->blocks, b, link);
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->mutex);
    if (!taken) {
        buf_free(&b->bytes);
        free(b);
    }
    return taken;
}

void spooler_due(struct spooler *p)
{
    pthread_mutex_lock(&p->mutex);
    if (!p->due_ms) {
        p->due_ms = clock_mono_ms() + DUE_MS;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->mutex);
}

/* ---- life ---- */

const char *spooler_path(const struct spooler *p)
{
    return p->dir;
}

static bool dir_take(struct spooler *p, struct err *e)
{
    if (mkdir(p->dir, 0700) != 0 && errno != EEXIST)
        return err_set(e, ERR_CONFIG, "%s cannot be made: %s", p->dir, strerror(errno));
    char *path = xasprintf("%s/%s", p->dir, LOCK_NAME);
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(path);
    if (p->lock < 0)
        return err_set(e, ERR_CONFIG, "%s cannot be written to: %s", p->dir, strerror(errno));
    if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return err_set(e, ERR_CONFIG, "%s is in use by another process: each needs one of its own", p->dir);
    return err_set(e, ERR_CONFIG, "%s cannot be locked: %s", p->dir, strerror(errno));
}

struct spooler *spooler_open(const char *dir, size_t most, void (*due)(void *ctx), void *ctx, struct err *e)
{
    struct spooler *p = xcalloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    p->dir = xstrdup(dir);
    p->most = most;
    p->due = due;
    p->ctx = ctx;
    STAILQ_INIT(&p->blocks);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->lock = -1;
    if (dir_take(p, e)) {
        p->started = pthread_create(&p->thread, NULL, spooler_run, p) == 0;
        if (p->started)
            return p;
        err_set(e, ERR_FATAL, "a thread cannot be started");
    }
    spooler_close(p);
    return NULL;
}

void spooler_close(struct spooler *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    if (p->started)
        pthread_join(p->thread, NULL);
    if (p->lock >= 0)
        close(p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p->dir);
    free(p);
}

void spooler_expire(struct spooler *p, int64_t before)
{
    DIR *d = opendir(p->dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        int fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && segments_delete(fd, before))
            unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR); /* when nothing is left */
    }
    if (d)
        closedir(d);
}
