/* hub_spool_read.c - the spool, read back when a source begins to stream.
 *
 * Segments are read from the oldest to the newest. One that cannot be read, or is shorter than the next one
 * says, is left out with all before it: what is behind begins with a state of its own. The last one counts
 * up to its first bad record. Nothing in a file is believed before its checksum and its bounds. */
#include "hub_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "log.h"

enum { CHUNK = 1 << 20, FILES_MOST = 100000 };

struct file {
    int fd;
    struct buf buf;
    size_t at;     /* in buf */
    uint64_t left; /* of the file, behind buf */
    uint64_t good; /* up to here its records were taken */
};

struct reading {
    struct hub *hub;
    struct source *source;
    struct slice epoch;
    lsn_t start;
    int dir;
    struct spooled *out;
    bool alive;      /* the segments read so far are of use */
    uint64_t number; /* of the last of them */
    uint64_t good;   /* bytes of it */
    bool first;      /* it is the first of them */
    lsn_t position;  /* what was committed before it is here */
    size_t *ids;     /* of its tables: indexes into out->tables */
    size_t n_ids, room_ids, room_tables;
    struct map *names; /* of tables: indexes into out->tables, from 1 */
    int64_t now_ms, wall_ms;
};

/* ---- changes: entry.seq is the index of their table ---- */

static void first_drop(struct spooled *x)
{
    struct entry *e = x->first;
    x->first = (struct entry *)e->note.next;
    if (!x->first)
        x->last = NULL;
    x->n--;
    x->bytes -= e->size;
    e->segment->live--;
    free(e);
}

static void changes_drop(struct spooled *x)
{
    while (x->first)
        first_drop(x);
}

/* Those from this LSN on. */
static void changes_cut(struct spooled *x, lsn_t from)
{
    struct spooled kept = {0};
    if (!x->last || x->last->pos.lsn < from)
        return;
    while (x->first->pos.lsn < from) {
        struct entry *e = x->first;
        x->first = (struct entry *)e->note.next;
        kept.n++;
        kept.bytes += e->size;
        kept.first = kept.first ? kept.first : e;
        kept.last = e;
    }
    changes_drop(x);
    if (kept.last)
        kept.last->note.next = NULL;
    x->first = kept.first;
    x->last = kept.last;
    x->n = kept.n;
    x->bytes = kept.bytes;
}

static void floor_set(struct spooled_table *t, struct pos floor, bool reshaped)
{
    if (pos_compare(t->floor, floor) >= 0)
        return;
    t->floor = floor;
    t->reshaped = reshaped;
}

static void changes_add(struct reading *r, struct entry *e)
{
    struct spooled *x = r->out;
    if (x->last)
        x->last->note.next = &e->note;
    else
        x->first = e;
    x->last = e;
    x->n++;
    x->bytes += e->size;
    for (; x->first != x->last && x->bytes > r->hub->options.window_bytes; first_drop(x))
        floor_set(&x->tables[x->first->seq], x->first->pos, false);
}

/* ---- records ---- */

static void segment_forget(struct spooled *x)
{
    struct segment *g = TAILQ_FIRST(&x->segments);
    TAILQ_REMOVE(&x->segments, g, link);
    free(g);
}

/* Nothing that was read so far is of use. */
static void reading_clear(struct reading *r)
{
    struct spooled *x = r->out;
    changes_drop(x);
    while (TAILQ_FIRST(&x->segments))
        segment_forget(x);
    x->n_tables = 0;
    map_free(r->names);
    r->names = map_new();
    r->alive = false;
    r->position = 0;
}

static bool take_header(struct reading *r, struct slice body, uint64_t number)
{
    struct spool_header h;
    struct slice epoch = slice_cut(body, sizeof h, body.len);
    if (body.len < sizeof h)
        return false;
    memcpy(&h, body.ptr, sizeof h);
    if (h.kind != RECORD_HEADER || memcmp(h.magic, SPOOL_MAGIC, sizeof h.magic) != 0 ||
        h.version != SPOOL_VERSION || h.number != number || !slice_eq(epoch, r->epoch))
        return false;
    if (!r->alive || !h.follows || number != r->number + 1 || h.sealed != r->good)
        reading_clear(r);
    r->first = !r->alive;
    r->alive = true;
    r->number = number;
    r->n_ids = 0;
    changes_cut(r->out, h.rewind);
    if (r->position > h.rewind)
        r->position = h.rewind;
    const struct pos rewind = {h.rewind, 0};
    for (size_t i = 0; i < r->out->n_tables; i++) {
        struct spooled_table *t = &r->out->tables[i];
        t->listed = false;
        if (pos_compare(t->floor, rewind) > 0)
            t->floor = rewind;
    }
    if (r->first)
        r->out->floor = (struct pos){h.floor_lsn, h.floor_ordinal};
    struct segment *g = xcalloc(1, sizeof *g);
    g->number = number;
    TAILQ_INSERT_TAIL(&r->out->segments, g, link);
    return true;
}

static size_t table_index(struct reading *r, struct slice name)
{
    struct spooled *x = r->out;
    size_t known = (size_t)map_get(r->names, name);
    if (known)
        return known - 1;
    if (x->n_tables == r->room_tables) {
        r->room_tables = r->room_tables ? 2 * r->room_tables : 64;
        x->tables = xrealloc(x->tables, r->room_tables * sizeof *x->tables);
    }
    char *text = xstrndup(name.ptr, name.len);
    x->tables[x->n_tables] =
        (struct spooled_table){.table = hub_table_named(r->hub, r->source->number, text)};
    free(text);
    map_set(r->names, name, (void *)(x->n_tables + 1));
    return x->n_tables++;
}

static bool id_set(struct reading *r, uint32_t id, struct slice name)
{
    if (id > r->n_ids)
        return false;
    if (id == r->n_ids) {
        if (r->n_ids == r->room_ids) {
            r->room_ids = r->room_ids ? 2 * r->room_ids : 64;
            r->ids = xrealloc(r->ids, r->room_ids * sizeof *r->ids);
        }
        r->ids[r->n_ids++] = table_index(r, name);
    }
    return slice_is(name, r->out->tables[r->ids[id]].table->name);
}

static bool take_table(struct reading *r, struct slice body)
{
    struct spool_table s;
    struct slice name = slice_cut(body, sizeof s, body.len);
    if (body.len <= sizeof s || name.len > NAME_MOST || memchr(name.ptr, 0, name.len))
        return false;
    memcpy(&s, body.ptr, sizeof s);
    if (!id_set(r, s.id, name))
        return false;
    struct spooled_table *t = &r->out->tables[r->ids[s.id]];
    memcpy(t->digest, s.digest, sizeof t->digest);
    floor_set(t, (struct pos){s.floor_lsn, s.floor_ordinal}, s.reshaped);
    if (r->first && !r->out->last)
        floor_set(t, (struct pos){s.newest_lsn, s.newest_ordinal}, false);
    t->listed = true;
    t->n_columns = s.n_columns;
    t->unfollowed = s.unfollowed;
    t->read = s.read;
    return true;
}

/* The lengths say exactly how many bytes stand behind them. */
static bool lengths_hold(const struct spool_change *s, struct slice rest)
{
    size_t n = ((size_t)(s->has_row == 1) + (s->has_old == 1)) * s->n_columns, total = n * sizeof(uint32_t);
    if (s->has_row > 1 || s->has_old > 1 || s->n_columns > COLUMNS_MAX || total > rest.len)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t length;
        memcpy(&length, rest.ptr + i * sizeof length, sizeof length);
        if (length < LENGTH_OMITTED)
            total += length;
    }
    if (s->envelope < LENGTH_OMITTED)
        total += s->envelope;
    return total == rest.len;
}

/* None when the wall clock was set back. */
static int64_t age_ms(const struct reading *r, int64_t at_ms)
{
    return at_ms >= r->wall_ms ? 0 : r->wall_ms - (at_ms > 0 ? at_ms : 0);
}

static bool take_change(struct reading *r, struct slice body)
{
    struct spool_change s;
    struct slice rest = slice_cut(body, sizeof s, body.len);
    if (body.len < sizeof s)
        return false;
    memcpy(&s, body.ptr, sizeof s);
    const struct pos pos = {s.lsn, s.ordinal};
    if (s.table >= r->n_ids || !s.op || !strchr("cudt", s.op) || !lengths_hold(&s, rest) ||
        (r->out->last && pos_compare(pos, r->out->last->pos) <= 0))
        return false;
    struct entry *e = xmalloc(sizeof *e + rest.len);
    *e = (struct entry){.note.kind = NOTE_CHANGE,
                        .table = r->out->tables[r->ids[s.table]].table,
                        .seq = r->ids[s.table],
                        .segment = TAILQ_LAST(&r->out->segments, segment_list),
                        .pos = pos,
                        .ts_ms = s.ts_ms,
                        .at_ms = r->now_ms - age_ms(r, s.at_ms),
                        .size = sizeof *e + rest.len,
                        .xid = s.xid,
                        .n_columns = s.n_columns,
                        .envelope = s.envelope,
                        .op = s.op,
                        .has_row = s.has_row,
                        .has_old = s.has_old};
    memcpy(e->lengths, rest.ptr, rest.len);
    e->segment->live++;
    if (e->envelope != LENGTH_UNKNOWN) /* whoever read them may come back */
        atomic_store(&e->table->enveloped, true);
    changes_add(r, e);
    return true;
}

static bool take_position(struct reading *r, struct slice body)
{
    struct spool_position s;
    if (body.len != sizeof s)
        return false;
    memcpy(&s, body.ptr, sizeof s);
    if (s.lsn > r->position)
        r->position = s.lsn;
    return true;
}

static bool take_record(struct reading *r, struct slice body, uint64_t number, bool first)
{
    if (first || *body.ptr == RECORD_HEADER)
        return first && take_header(r, body, number);
    switch (*body.ptr) {
    case RECORD_TABLE:
        return take_table(r, body);
    case RECORD_CHANGE:
        return take_change(r, body);
    case RECORD_POSITION:
        return take_position(r, body);
    }
    return false;
}

/* ---- files ---- */

/* n bytes in one piece. */
static bool file_want(struct file *f, size_t n)
{
    size_t have = f->buf.len - f->at;
    if (have >= n)
        return true;
    if (n - have > f->left)
        return false;
    if (have)
        memmove(f->buf.ptr, f->buf.ptr + f->at, have);
    f->buf.len = have;
    f->at = 0;
    while (f->buf.len < n) {
        size_t most = n - f->buf.len > CHUNK ? n - f->buf.len : CHUNK;
        most = most > f->left ? (size_t)f->left : most;
        ssize_t got = read(f->fd, buf_room(&f->buf, most), most);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf_added(&f->buf, (size_t)got);
        f->left -= (uint64_t)got;
    }
    return true;
}

static bool file_record(struct file *f, struct slice *body)
{
    struct spool_frame frame;
    if (!file_want(f, sizeof frame))
        return false;
    memcpy(&frame, f->buf.ptr + f->at, sizeof frame);
    if (frame.len == 0 || frame.len > SPOOL_RECORD_MOST || !file_want(f, sizeof frame + frame.len))
        return false;
    *body = (struct slice){f->buf.ptr + f->at + sizeof frame, frame.len};
    f->at += sizeof frame + frame.len;
    return crc32(0, (const Bytef *)body->ptr, frame.len) == frame.crc;
}

static void segment_read(struct reading *r, struct file *f, uint64_t number)
{
    char name[SEGMENT_NAME];
    struct stat st;
    struct slice body;
    segment_name(name, number);
    f->fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    f->left = (uint64_t)st.st_size;
    for (bool first = true; file_record(f, &body) && take_record(r, body, number, first); first = false)
        f->good += sizeof(struct spool_frame) + body.len;
    if (f->good == 0)
        return;
    r->good = f->good;
    TAILQ_LAST(&r->out->segments, segment_list)->bytes = (size_t)f->good;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t *numbers_list(int dir, size_t *n)
{
    uint64_t *list = xmalloc(FILES_MOST * sizeof *list);
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    *n = 0;
    for (struct dirent *entry; d && *n < FILES_MOST && (entry = readdir(d));)
        if (segment_number(entry->d_name, &list[*n]) && list[*n] < UINT64_MAX / 2)
            (*n)++;
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    qsort(list, *n, sizeof *list, by_number);
    return list;
}

static void segments_read(struct reading *r, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct file f = {.fd = -1};
        segment_read(r, &f, numbers[i]);
        buf_free(&f.buf);
        if (f.fd >= 0)
            close(f.fd);
    }
}

/* ---- the whole ---- */

/* Deletes what is not of use. */
static void segments_sweep(const struct reading *r, const uint64_t *numbers, size_t n)
{
    const struct segment *g = TAILQ_FIRST(&r->out->segments);
    for (size_t i = 0; i < n; i++) {
        char name[SEGMENT_NAME];
        segment_name(name, numbers[i]);
        if (g && g->number == numbers[i])
            g = TAILQ_NEXT(g, link);
        else
            unlinkat(r->dir, name, 0);
    }
}

static bool reaches_start(const struct reading *r, size_t files)
{
    const char *name = r->source->name;
    if (files == 0)
        return false;
    if (!r->alive)
        log_info("connector %s: what was kept of its window belongs to another history, or cannot be read: "
                 "browsers begin anew",
                 name);
    else if (r->start == 0 || r->position < r->start)
        log_info("connector %s: what was kept of its window ends at " LSN_FMT ", before " LSN_FMT
                 " where streaming begins: browsers begin anew",
                 name, LSN_ARG(r->position), LSN_ARG(r->start));
    return r->alive && r->start && r->position >= r->start;
}

static void reading_run(struct reading *r)
{
    size_t n = 0;
    uint64_t *numbers = numbers_list(r->dir, &n);
    segments_read(r, numbers, n);
    r->out->useful = reaches_start(r, n);
    r->out->next = r->alive ? r->number + 1 : n ? numbers[n - 1] + 1 : 1;
    r->out->sealed = r->good;
    if (r->out->useful)
        changes_cut(r->out, r->start);
    else
        reading_clear(r);
    segments_sweep(r, numbers, n);
    free(numbers);
}

struct spooled *spool_read(struct hub *h, struct source *s, const char *epoch, lsn_t start)
{
    struct spooled *x = xcalloc(1, sizeof *x);
    struct reading r = {.hub = h, .source = s, .epoch = slice_of(epoch), .start = start, .out = x};
    TAILQ_INIT(&x->segments);
    x->next = 1;
    r.now_ms = hub_clock(h);
    r.wall_ms = hub_wall(h);
    r.dir = spool_dir_open(s->spool);
    if (r.dir < 0)
        return x;
    r.names = map_new();
    reading_run(&r);
    close(r.dir);
    map_free(r.names);
    free(r.ids);
    return x;
}

void spooled_free(struct spooled *x)
{
    if (!x)
        return;
    changes_drop(x);
    while (TAILQ_FIRST(&x->segments))
        segment_forget(x);
    free(x->tables);
    free(x);
}
