/* offsets_file.c - positions or connectors in one JSON file, {"key": value, ...}, with Connect's keys.
 *
 * Each save writes a new file beside the old one and renames it over, so a crash leaves the old or the new
 * one whole. The file is read again before each change, under a lock on its directory, because another
 * process (walwire offsets) may have changed another connector's position. */
#include "offsets_store.h"

#include "xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILE_BYTES = 64 * 1024 * 1024 };

struct file_store {
    struct offsets_store base;
    const char *setting;
    char *path, *name, *next_name; /* names inside the directory */
    int directory;
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

static bool text_parse(struct file_store *s, struct slice text, json_object **out, struct err *e)
{
    if (slice_starts(text, "\xAC\xED"))
        return err_set(e, ERR_CONFIG,
                       "%s=%s was written by Java (Kafka Connect standalone, Debezium Server); name another "
                       "file, and set the position there with PATCH /connectors/NAME/offsets",
                       s->setting, s->path);
    json_tokener *tokener = json_tokener_new_ex(64);
    *out = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    json_tokener_free(tokener);
    if (*out && json_object_is_type(*out, json_type_object))
        return true;
    json_object_put(*out);
    *out = NULL;
    return err_set(e, ERR_CONFIG,
                   "%s=%s is damaged (not a JSON object); put back a copy of it, or remove it to let its "
                   "connectors begin anew",
                   s->setting, s->path);
}

/* *out is owned by the caller; an absent file is an empty object. */
static bool file_read(struct file_store *s, json_object **out, struct err *e)
{
    int fd = openat(s->directory, s->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return (*out = json_object_new_object());
    if (fd < 0)
        return cannot(s, "open it", errno, e);
    struct buf text = BUF_EMPTY;
    bool ok = read_all(s, fd, &text, e) && text_parse(s, buf_view(&text), out, e);
    buf_free(&text);
    close(fd);
    return ok;
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

static bool file_write(struct file_store *s, json_object *root, struct err *e)
{
    size_t len;
    const char *text = json_object_to_json_string_length(root, JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    unlinkat(s->directory, s->next_name, 0);
    int fd = openat(s->directory, s->next_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot(s, "create a file beside it", errno, e);
    bool ok = write_all(fd, text, len) && write_all(fd, "\n", 1) && fsync(fd) == 0;
    int why = errno;
    close(fd);
    if (!ok)
        return cannot(s, "write it", why, e);
    if (renameat(s->directory, s->next_name, s->directory, s->name) != 0 || fsync(s->directory) != 0)
        return cannot(s, "replace it", errno, e);
    return true;
}

static bool file_load(struct offsets_store *store, struct slice key, struct buf *value, bool *found,
                      struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    json_object *root, *member;
    if (!file_read(s, &root, e))
        return false;
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
    if (!file_read(s, &root, e)) {
        json_object_put(member);
        return false;
    }
    if (member)
        json_object_object_add(root, key.ptr, member);
    else
        json_object_object_del(root, key.ptr);
    bool ok = file_write(s, root, e);
    json_object_put(root);
    return ok;
}

static bool file_save(struct offsets_store *store, struct slice key, struct slice value, struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    while (flock(s->directory, LOCK_EX) != 0)
        if (errno != EINTR)
            return cannot(s, "lock its directory", errno, e);
    bool ok = file_change(s, key, value, e);
    flock(s->directory, LOCK_UN);
    return ok;
}

static bool file_each(struct offsets_store *store, offsets_each *take, void *ctx, struct err *e)
{
    struct file_store *s = (struct file_store *)store;
    json_object *root;
    if (!file_read(s, &root, e))
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
    free(s);
}

static const struct offsets_store_type FILE_TYPE = {file_load, file_save, file_each, file_cluster,
                                                    file_close};

static bool file_usable(struct file_store *s, struct err *e)
{
    json_object *root;
    if (s->directory < 0)
        return cannot(s, "open its directory", errno, e);
    if (faccessat(s->directory, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return cannot(s, "write into its directory", errno, e);
    if (!file_read(s, &root, e))
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
    s->directory = open(dirname(for_directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = file_usable(s, e);
    free(for_directory);
    free(for_name);
    if (ok)
        return &s->base;
    file_close(&s->base);
    return NULL;
}
