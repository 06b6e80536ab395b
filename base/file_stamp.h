/* file_stamp.h - by what it is told that a file is another one than when it was read. */
#ifndef BASE_FILE_STAMP_H
#define BASE_FILE_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>

/* Taken before the file is read: what is written meanwhile is then read again. */
struct file_stamp {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

static inline struct file_stamp file_stamp_of(const struct stat *st)
{
    return (struct file_stamp){st->st_mtim, st->st_size, st->st_ino};
}

/* Of the file that is there now; all 0 when there is none. */
static inline struct file_stamp file_stamp_take(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? file_stamp_of(&st) : (struct file_stamp){0};
}

/* False also while there is no file: what was read stays good. */
static inline bool file_stamp_stale(const struct file_stamp *s, const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 &&
           (st.st_mtim.tv_sec != s->changed.tv_sec || st.st_mtim.tv_nsec != s->changed.tv_nsec ||
            st.st_size != s->size || st.st_ino != s->inode);
}

#endif
