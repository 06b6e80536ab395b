/* offsets_file.c - positions or connectors in one JSON file, {"key": value, ...}, with Connect's keys.
 *
 * Each save writes a new file beside the old one, has it on the disk, keeps the old one under another name
 * and renames the new one over it: a crash leaves the old or the new one whole. The file is read again before
 * each change, under a lock on its directory, because another process may have changed another connector's
 * position.
 *
 * Its first member tells the version and the digest of what follows it:
 *     {"walwire":{"version":1,"sha256":"..."},"key":value,...}
 * A file without it is an earlier walwire's, or a person's; one that does not match is not
 * believed, and the one before it is read instead.
 *
 * After fsync has failed once, what is on the disk is not known: the kernel may have dropped what it could
 * not write, and tells of it only that once. So nothing more is stored until the next start. */
#include "offsets_store.h"

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS "walwire"

enum {
    MOST_FILE_BYTES = 64 * 1024 * 1024,
    VERSION = 1,
    MOST_HEAD = 160,
    LOCK_MS = 5000,
    LOCK_STEP_US = 2000
};

struct file_store {
    struct offsets_store base;
    const char *setting;
    char *path, *name, *next_name, *previous_name; /* names inside the directory */
    int directory;
    bool lost;     /* fsync has failed */
    bool warned;   /* that the file is damaged */
    bool unsynced; /* its directory cannot be synced, and that was said */
};

static bool cannot(struct file_store *s, const char *what, int why, struct err *e)
{
    bool passing = why == ENOSPC || why == EDQUOT || why == EIO || why == EMFILE || why == ENFILE;
    const char *advice = passing ? ""
                         : why == ELOOP
                             ? "; it is a symbolic link, which is not followed: name the file itself"
                             : "; give the process's user the right to it, or name another file";
    return err_set(e, passing ? ERR_RETRY : ERR_CONFIG, "%s=%s: cannot %s: %s%s", s->setting, s->path, what,
                   strerror(why), advice);
}

static bool read_all(struct file_store *s, int fd, struct buf *out, struct err *e)
{
    for (;;) {
        char *room = buf_room(out, 64 * 1024);
        ssize_t n = read(fd, room, 64 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot(s, "read it", errno, e);
        if (n == 0)
            return true;
        buf_added(out, (size_t)n);
        if (out->len > MOST_FILE_BYTES)
            return err_set(e, ERR_CONFIG, "%s=%s: too large for such a file", s->setting, s->path);
    }
}

/* json-c was refused memory: what it made lacks something, and must not be taken for what is stored. */
static void no_memory(void)
{
    fputs("out of memory: positions could not be read or written\n", stderr);
    abort();
}

static bool damaged(struct file_store *s, const char *name, const char *how, struct err *e)
{
    return err_set(e, ERR_DATA, "%s=%s: %s is damaged (%s)", s->setting, s->path, name, how);
}

/* The first member, for a file that has `rest` behind it. */
static void head_write(struct slice rest, char out[MOST_HEAD])
{
    unsigned char digest[32];
    int n = snprintf(out, MOST_HEAD, "{\"" OURS "\":{\"version\":%d,\"sha256\":\"", VERSION);
    if (EVP_Digest(rest.ptr, rest.len, digest, NULL, EVP_sha256(), NULL) != 1)
        no_memory();
    for (size_t i = 0; i < sizeof digest; i++)
        n += snprintf(out + n, (size_t)(MOST_HEAD - n), "%02x", digest[i]);
    snprintf(out + n, (size_t)(MOST_HEAD - n), "\"}");
}

/* Whether our member is there and the digest in it is that of the rest. */
static bool head_matches(struct slice text)
{
    char head[MOST_HEAD];
    head_write((struct slice){"", 0}, head);
    head_write(slice_cut(text, strlen(head), text.len), head);
    return slice_starts(text, head);
}

/* Takes our own member out of *root. */
static bool head_check(struct file_store *s, const char *name, bool matches, json_object *root, struct err *e)
{
    json_object *ours, *version;
    if (!json_object_object_get_ex(root, OURS, &ours))
        return true;
    int v = json_object_object_get_ex(ours, "version", &version) ? json_object_get_int(version) : 0;
    if (v > VERSION)
        return err_set(e, ERR_CONFIG,
                       "%s=%s was written by a newer walwire (version %d of the file, this one knows %d): "
                       "start that one again, or name another file and set the positions there with PATCH "
                       "/connectors/NAME/offsets",
                       s->setting, s->path, v, VERSION);
    if (!matches)
        return damaged(s, name,
                       "its digest is not that of its text; if it was changed by hand, take its "
                       "member \"" OURS "\" out",
                       e);
    json_object_object_del(root, OURS);
    return true;
}

static bool text_parse(struct file_store *s, const char *name, struct slice text, json_object **out,
                       struct err *e)
{
    if (slice_starts(text, "\xAC\xED"))
        return err_set(e, ERR_CONFIG,
                       "%s=%s was written by Java (Kafka Connect standalone, Debezium Server); name another "
                       "file, and set the position there with PATCH /connectors/NAME/offsets",
                       s->setting, s->path);
    bool matches = head_matches(text);
    json_tokener *tokener = json_tokener_new_ex(64);
    if (!tokener)
        no_memory();
    *out = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    bool whole = *out && !slice_trim(slice_cut(text, end, text.len)).len;
    if (matches && !(whole && json_object_object_get_ex(*out, OURS, NULL)))
        no_memory();
    if (whole && json_object_is_type(*out, json_type_object) && head_check(s, name, matches, *out, e))
        return true;
    json_object_put(*out);
    *out = NULL;
    return e->kind ? false : damaged(s, name, "not a JSON object", e);
}

/* *out is owned by the caller; NULL: there is no such file. */
static bool generation_read(struct file_store *s, const char *name, json_object **out, struct err *e)
{
    *out = NULL;
    int fd = openat(s->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || cannot(s, "open it", errno, e);
    struct buf text = BUF_EMPTY;
    bool ok = read_all(s, fd, &text, e) && text_parse(s, name, buf_view(&text), out, e);
    buf_free(&text);
    close(fd);
    return ok;
}

/* A position of before the last save may be one that the slot has left behind: that is found where the two
 * are compared. */
static bool previous_read(struct file_store *s, json_object **out, struct err *e)
{
    struct err of_previous = {0};
    if (!generation_read(s, s->previous_name, out, &of_previous) || !*out) {
        return err_set(e, ERR_CONFIG,
                       "%s, and %s; put back a copy of it, or remove it to let its connectors begin anew",
                       e->text, of_previous.kind ? "so is the one before it" : "there is none before it");
    }
    if (!s->warned)
        log_warn("%s; reading %s, the one before it", e->text, s->previous_name);
    s->warned = true;
    *e = (struct err){0};
    return true;
}

/* *out is owned by the caller; an absent file is an empty object. *previous: it is of the one before, for the
 * newest one is damaged. */
static bool file_read(struct file_store *s, json_object **out, bool *previous, struct err *e)
{
    *previous = false;
    if (generation_read(s, s->name, out, e)) {
        if (!*out)
            *out = json_object_new_object();
        return true;
    }
    *previous = e->kind == ERR_DATA;
    return *previous && previous_read(s, out, e);
}

static bool write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Some file systems know nothing of the kind for a directory: a rename is as safe there as they make it. */
static bool is_unsyncable(struct file_store *s, int fd, int why)
{
    if (fd != s->directory || why != EINVAL)
        return false;
    if (!s->unsynced)
        log_warn("%s=%s: its file system cannot sync a directory: after a crash of the machine an older "
                 "position may be found there",
                 s->setting, s->path);
    s->unsynced = true;
    return true;
}

static bool sync_it(struct file_store *s, int fd, const char *what, struct err *e)
{
    int failed;
    do
        failed = fsync(fd);
    while (failed && errno == EINTR);
    if (!failed || is_unsyncable(s, fd, errno))
        return true;
    if (errno == ENOSPC || errno == EDQUOT) /* the next try is a new file */
        return cannot(s, what, errno, e);
    s->lost = true;
    return err_set(e, ERR_FATAL,
                   "%s=%s: cannot %s: %s: what is on this disk is not known; nothing more is stored until "
                   "walwire is started again, on a sound one",
                   s->setting, s->path, what, strerror(errno));
}

static bool next_write(struct file_store *s, int fd, struct slice text, struct err *e)
{
    char head[MOST_HEAD];
    struct buf rest = BUF_EMPTY;
    buf_str(&rest, text.len > 2 ? "," : ""); /* between our member and the next */
    buf_append(&rest, text.ptr + 1, text.len - 1);
    buf_char(&rest, '\n');
    head_write(buf_view(&rest), head);
    bool ok = write_all(fd, head, strlen(head)) && write_all(fd, rest.ptr, rest.len);
    int why = errno;
    buf_free(&rest);
    if (!ok)
        return cannot(s, "write it", why, e);
    return !FAILPOINT_ERROR("file-sync", e) && sync_it(s, fd, "have it on the disk", e);
}

/* The name has a file behind it at all times. */
static bool next_rename(struct file_store *s, bool keep, struct err *e)
{
    if (FAILPOINT_ERROR("file-link", e))
        return false;
    if (keep) { /* where the file system knows links */
        unlinkat(s->directory, s->previous_name, 0);
        (void)!linkat(s->directory, s->name, s->directory, s->previous_name, 0);
    }
    if (FAILPOINT_ERROR("file-rename", e))
        return false;
    if (renameat(s->directory, s->next_name, s->directory, s->name) != 0)
        return cannot(s, "replace it", errno, e);
    return !FAILPOINT_ERROR("file-renamed", e) && sync_it(s, s->directory, "have it in its directory", e);
}

/* keep: what is there now becomes the previous one. */
static bool file_write(struct file_store *s, json_object *root, bool keep, struct err *e)
{
    size_t len;
    const char *text = json_object_to_json_string_length(root, JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    if (!text)
        no_memory();
    unlinkat(s->directory, s->next_name, 0);
    int fd = openat(s->directory, s->next_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot(s, "create a file beside it", errno, e);
    bool ok = !FAILPOINT_ERROR("file-write", e) && next_write(s, fd, (struct slice){text, len}, e);
    close(fd);
    return ok && next_rename(s, keep, e);
}

static bool is_lost(const struct file_store *s, struct err *e)
{
    if (s->lost)
        err_set(e, ERR_FATAL, "%s=%s: not used any more until the next start, because its disk has failed",
                s->setting, s->path);
    return s->lost;
}

/* A crash may have left a new file whose name is not on the disk yet: what is gone on from must be. */
static bool settle(struct file_store *s, struct err *e)
{
    return !is_lost(s, e) && sync_it(s, s->directory, "have it in its directory", e);
}

static bool file_load(struct offsets_store *store, struct slice key, struct buf *value, bool *found,
                      struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    json_object *root, *member;
    bool previous;
    if (!file_read(s, &root, &previous, e))
        return false;
    if (!settle(s, e)) {
        json_object_put(root);
        return false;
    }
    buf_reset(value);
    *found = json_object_object_get_ex(root, key.ptr, &member) && member;
    if (*found)
        buf_str(value, json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(root);
    return true;
}

static bool file_change(struct file_store *s, struct slice key, struct slice value, struct err *e)
{
    json_object *root, *member = value.ptr ? json_tokener_parse(value.ptr) : NULL;
    if (value.ptr && !member)
        return err_set(e, ERR_FATAL, "what is not JSON was to be stored");
    bool previous;
    if (!file_read(s, &root, &previous, e)) {
        json_object_put(member);
        return false;
    }
    if (member && json_object_object_add(root, key.ptr, member) != 0)
        no_memory();
    if (!member)
        json_object_object_del(root, key.ptr);
    bool ok = file_write(s, root, !previous, e);
    json_object_put(root);
    return ok;
}

/* Held for the time of one save: whoever keeps it longer hangs, and must not hang us too. */
static bool lock_take(struct file_store *s, struct err *e)
{
    int64_t until = clock_mono_ms() + LOCK_MS;
    while (flock(s->directory, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR && errno != EWOULDBLOCK)
            return cannot(s, "lock its directory", errno, e);
        if (clock_mono_ms() >= until)
            return err_set(e, ERR_RETRY, "%s=%s: another process has held the lock on its directory for %d s",
                           s->setting, s->path, LOCK_MS / 1000);
        usleep(LOCK_STEP_US);
    }
    return true;
}

static bool file_save(struct offsets_store *store, struct slice key, struct slice value, struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    if (is_lost(s, e))
        return false;
    if (!lock_take(s, e))
        return false;
    bool ok = file_change(s, key, value, e);
    flock(s->directory, LOCK_UN);
    return ok;
}

static bool file_each(struct offsets_store *store, offsets_each *take, void *ctx, struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    json_object *root;
    bool previous;
    if (!file_read(s, &root, &previous, e))
        return false;
    json_object_object_foreach(root, key, member)
    {
        const char *text =
            json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        take(ctx, slice_of(key), slice_of(text));
    }
    json_object_put(root);
    return true;
}

static char *file_cluster(struct offsets_store *store)
{
    return NULL;
}

static void file_close(struct offsets_store *store)
{
    struct file_store *s = (struct file_store *)store;
    if (s->directory >= 0)
        close(s->directory);
    free(s->path);
    free(s->name);
    free(s->next_name);
    free(s->previous_name);
    free(s);
}

static const struct offsets_store_type FILE_TYPE = {file_load, file_save, file_each, file_cluster,
                                                    file_close};

static bool file_usable(struct file_store *s, struct err *e)
{
    json_object *root;
    bool previous;
    if (s->directory < 0)
        return cannot(s, "open its directory", errno, e);
    if (faccessat(s->directory, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return cannot(s, "write into its directory", errno, e);
    if (!file_read(s, &root, &previous, e))
        return false;
    json_object_put(root);
    return true;
}

struct offsets_store *offsets_file_open(const char *setting, const char *path, struct err *e)
{
    struct file_store *s = xcalloc(1, sizeof *s);
    char *for_directory = xstrdup(path), *for_name = xstrdup(path);
    s->base.type = &FILE_TYPE;
    s->setting = setting;
    s->path = xstrdup(path);
    s->name = xstrdup(basename(for_name));
    s->next_name = xasprintf("%s.next", s->name);
    s->previous_name = xasprintf("%s.previous", s->name);
    s->directory = open(dirname(for_directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = file_usable(s, e);
    free(for_directory);
    free(for_name);
    if (ok)
        return &s->base;
    file_close(&s->base);
    return NULL;
}
