/* shim.c - a machine that fails: preloaded into walwire (LD_PRELOAD), it makes files, clock and memory go
 * wrong.
 *
 * The file that WALWIRE_SHIM names has a rule a line, and is read again whenever another one has taken its
 * place; an empty one heals everything. Wherever a rule has a pattern, it is a shell's, of the whole path.
 *
 *     open PATTERN ERRNO [FROM [COUNT]]      openat, for writing; ERRNO as a name (ENOSPC), FROM counts from
 * 1 write PATTERN ERRNO|SHORT [FROM [COUNT]]   SHORT writes the half fsync PATTERN ERRNO [FROM [COUNT]]
 * without a COUNT for ever rename PATTERN ERRNO [FROM [COUNT]]    the pattern is of the new name clock
 * SECONDS                          wall time is so much later, or earlier malloc FROM COUNT that allocation,
 * and those behind it, of the whole process
 *
 * What waits for a moment of wall time is given that moment in the true time, as after a clock that was set.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum op { OP_OPEN, OP_WRITE, OP_FSYNC, OP_RENAME, OPS };
static const char *const op_names[] = {"open", "write", "fsync", "rename"};

static const struct {
    const char *name;
    int code;
} errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EINTR", EINTR},   {"EROFS", EROFS},
              {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"EACCES", EACCES}, {"SHORT", -1}};

struct rule {
    enum op op;
    char pattern[200];
    int code; /* -1: half of it */
    long from, count, hits;
};

enum { MOST_RULES = 16, MOST_TEXT = 4096 };

/* Under `mutex`, but for what is atomic. Nothing here allocates: malloc itself is one of those that ask. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MOST_RULES];
static size_t n_rules;
static struct timespec read_at;
static ino_t read_ino;
static atomic_long clock_ahead, malloc_from, malloc_count, mallocs;

/* ---- the true functions ---- */

#define TRUE_FUNCTION(name) ((__typeof__(&(name)))true_function(#name))

static void *true_function(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* ---- rules ---- */

static int error_code(const char *name)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].code;
    return EIO;
}

static void line_parse(const char *line)
{
    char op[16] = "", pattern[200] = "", code[16] = "";
    long from = 1, count = LONG_MAX;
    if (sscanf(line, "clock %ld", &from) == 1) {
        atomic_store(&clock_ahead, from);
    } else if (sscanf(line, "malloc %ld %ld", &from, &count) >= 1) {
        atomic_store(&mallocs, 0);
        atomic_store(&malloc_count, count);
        atomic_store(&malloc_from, from);
    } else if (sscanf(line, "%15s %199s %15s %ld %ld", op, pattern, code, &from, &count) >= 3) {
        struct rule *r = &rules[n_rules];
        *r = (struct rule){.code = error_code(code), .from = from, .count = count};
        memcpy(r->pattern, pattern, sizeof r->pattern);
        for (r->op = 0; r->op < OPS && strcmp(op_names[r->op], op) != 0; r->op++)
            ;
        n_rules += r->op < OPS && n_rules + 1 < MOST_RULES;
    }
}

static void text_parse(char *text)
{
    char *rest = NULL;
    n_rules = 0;
    atomic_store(&clock_ahead, 0);
    atomic_store(&malloc_from, 0);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        line_parse(line);
}

/* The file is replaced whole by a rename. */
static void rules_look(void)
{
    const char *path = getenv("WALWIRE_SHIM");
    struct stat st;
    if (!path || stat(path, &st) != 0 ||
        (st.st_ino == read_ino && memcmp(&st.st_mtim, &read_at, sizeof read_at) == 0))
        return;
    static char text[MOST_TEXT];
    int fd = TRUE_FUNCTION(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    read_at = st.st_mtim;
    read_ino = st.st_ino;
    text_parse(text);
}

/* The error that is due, or 0. */
static int due(enum op op, const char *path)
{
    int code = 0;
    pthread_mutex_lock(&mutex);
    rules_look();
    for (size_t i = 0; i < n_rules && !code; i++) {
        struct rule *r = &rules[i];
        if (r->op == op && fnmatch(r->pattern, path, 0) == 0 && ++r->hits >= r->from &&
            r->hits - r->from < r->count)
            code = r->code;
    }
    pthread_mutex_unlock(&mutex);
    return code;
}

static bool path_of(int fd, char out[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = 0;
    return n > 0 && out[0] == '/';
}

static int due_fd(enum op op, int fd)
{
    char path[PATH_MAX];
    int before = errno, code = getenv("WALWIRE_SHIM") && path_of(fd, path) ? due(op, path) : 0;
    errno = before;
    return code;
}

static int due_at(enum op op, int directory, const char *name)
{
    char path[PATH_MAX], whole[2 * PATH_MAX];
    int before = errno, code = 0;
    if (name[0] == '/' || directory == AT_FDCWD)
        code = due(op, name);
    else if (path_of(directory, path)) {
        snprintf(whole, sizeof whole, "%s/%s", path, name);
        code = due(op, whole);
    }
    errno = before;
    return code;
}

/* ---- files ---- */

ssize_t write(int fd, const void *bytes, size_t len)
{
    static __typeof__(&write) truly;
    truly = truly ? truly : TRUE_FUNCTION(write);
    int code = due_fd(OP_WRITE, fd);
    if (code > 0) {
        errno = code;
        return -1;
    }
    return truly(fd, bytes, code < 0 && len > 1 ? len / 2 : len);
}

int fsync(int fd)
{
    static __typeof__(&fsync) truly;
    truly = truly ? truly : TRUE_FUNCTION(fsync);
    int code = due_fd(OP_FSYNC, fd);
    errno = code ? code : errno;
    return code ? -1 : truly(fd);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    int code = due_at(OP_RENAME, to_directory, to);
    errno = code ? code : errno;
    return code ? -1 : TRUE_FUNCTION(renameat)(from_directory, from, to_directory, to);
}

static int open_mode(int flags, va_list args)
{
    return flags & O_CREAT ? va_arg(args, int) : 0;
}

int openat64(int directory, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = open_mode(flags, args);
    va_end(args);
    int code = flags & (O_WRONLY | O_RDWR | O_CREAT) ? due_at(OP_OPEN, directory, name) : 0;
    errno = code ? code : errno;
    return code ? -1 : TRUE_FUNCTION(openat)(directory, name, flags, mode);
}

/* ---- the clock ---- */

/* Asked too often for a look at the file each time: a look at each hundredth of a second is enough. */
static long ahead(void)
{
    static atomic_long looked;
    struct timespec now;
    TRUE_FUNCTION(clock_gettime)(CLOCK_MONOTONIC_COARSE, &now);
    long tick = now.tv_sec * 100 + now.tv_nsec / 10000000;
    if (atomic_exchange(&looked, tick) != tick && pthread_mutex_trylock(&mutex) == 0) {
        rules_look();
        pthread_mutex_unlock(&mutex);
    }
    return atomic_load(&clock_ahead);
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    static __typeof__(&clock_gettime) truly;
    truly = truly ? truly : TRUE_FUNCTION(clock_gettime);
    int result = truly(id, out);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        out->tv_sec += ahead();
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    int result = TRUE_FUNCTION(gettimeofday)(out, zone);
    out->tv_sec += ahead();
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *out, int base)
{
    int result = TRUE_FUNCTION(timespec_get)(out, base);
    out->tv_sec += ahead();
    return result;
}

/* Moments of the monotonic clock are small numbers. */
static struct timespec truly_at(const struct timespec *at)
{
    struct timespec moved = *at;
    if (at->tv_sec > 1000000000)
        moved.tv_sec -= ahead();
    return moved;
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict until)
{
    struct timespec at = truly_at(until);
    return ((__typeof__(&pthread_cond_timedwait))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"))(
        c, m, &at);
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
    struct timespec at = truly_at(until);
    return TRUE_FUNCTION(cnd_timedwait)(c, m, &at);
}

/* ---- memory ---- */

/* For those that are asked for while the true ones are looked for. */
static _Alignas(16) char early[65536];
static atomic_size_t early_used;
static _Thread_local bool looking;

static struct {
    void *(*malloc)(size_t), *(*calloc)(size_t, size_t), *(*realloc)(void *, size_t);
    void (*free)(void *);
} truly_memory;

static bool is_early(const void *p)
{
    return (uintptr_t)p >= (uintptr_t)early && (uintptr_t)p < (uintptr_t)early + sizeof early;
}

static void *early_take(size_t size)
{
    size_t at = atomic_fetch_add(&early_used, (size + 15) / 16 * 16);
    return at + size <= sizeof early ? early + at : NULL;
}

static bool memory_ready(void)
{
    if (truly_memory.free)
        return true;
    if (looking)
        return false;
    looking = true;
    truly_memory.malloc = (void *(*)(size_t))true_function("malloc");
    truly_memory.calloc = (void *(*)(size_t, size_t))true_function("calloc");
    truly_memory.realloc = (void *(*)(void *, size_t))true_function("realloc");
    truly_memory.free = (void (*)(void *))true_function("free");
    looking = false;
    return true;
}

static bool memory_fails(void)
{
    long from = atomic_load(&malloc_from);
    if (!from)
        return false;
    long n = atomic_fetch_add(&mallocs, 1) + 1;
    return n >= from && n - from < atomic_load(&malloc_count);
}

void *malloc(size_t size)
{
    if (!memory_ready())
        return early_take(size);
    if (!memory_fails())
        return truly_memory.malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!memory_ready())
        return early_take(count * size);
    if (!memory_fails())
        return truly_memory.calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    if (is_early(old) || !memory_ready()) {
        void *copy = malloc(size);
        if (copy && old)
            memcpy(copy, old, size);
        return copy;
    }
    if (!memory_fails())
        return truly_memory.realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

void free(void *p)
{
    if (p && !is_early(p) && memory_ready())
        truly_memory.free(p);
}
