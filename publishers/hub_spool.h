/* hub_spool.h - the window's copy on disk, for hub*.c only: what a client may resume from when walwire has
 * been started again.
 *
 * One directory a source, in it segments: numbered files of records, of which only the last one grows. A
 * segment begins with the state of all tables, so the oldest may be deleted at any time, and goes when the
 * window has none of its changes any more. The web thread appends records to blocks in memory; a thread of
 * the spool's own writes them. Neither the stream nor a browser ever waits for a disk.
 *
 * Nothing is synced: what a process wrote before it was killed is there, and what a power cut takes is found
 * out by checksums and lengths. What was read back counts only when it reaches to where streaming begins, so
 * a loss is a `reset` and never a gap. docs/why/retention.md. */
#ifndef PUBLISHERS_HUB_SPOOL_H
#define PUBLISHERS_HUB_SPOOL_H

#include "hub_impl.h"

#include <sys/types.h>

/* ---- records: a frame, then as many bytes, of which the first is the kind; numbers as this machine has them
 * ---- */

enum {
    SPOOL_VERSION = 1,
    EPOCH_MOST = 200,
    NAME_MOST = 400, /* of a table; PostgreSQL's are at most 63 + 1 + 63 characters */
    SEGMENTS_MOST = 64,
    SEGMENT_NAME = 24, /* bytes of a file's name, with the NUL */
};

#define SPOOL_MAGIC       "walwire" /* without its NUL: seven bytes */
#define SPOOL_NO_REWIND   UINT64_MAX
#define SPOOL_RECORD_MOST ((size_t)16 << 20) /* a larger change is not written, and said to be missing */

struct spool_frame {
    uint32_t len, crc; /* of the bytes that follow */
};

enum { RECORD_HEADER = 'H', RECORD_TABLE = 'T', RECORD_CHANGE = 'C', RECORD_POSITION = 'P' };

/* The first of a segment; the epoch stands behind it. */
struct __attribute__((packed)) spool_header {
    char kind, magic[7];
    uint32_t version;
    uint64_t number;
    uint64_t sealed; /* bytes of the segment before; the writer fills it in */
    uint8_t follows; /* nothing is missing between that one and this */
    uint64_t rewind; /* what it has from this LSN on comes again, here */
    uint64_t floor_lsn;
    uint32_t floor_ordinal; /* the source's */
};

/* A table's state, for all of them behind the header and then for each that changes; the name stands behind
 * it. `id` counts from 0 in each segment. */
struct __attribute__((packed)) spool_table {
    char kind;
    uint32_t id, n_columns;
    uint8_t reshaped, unfollowed, read;
    uint64_t floor_lsn;
    uint32_t floor_ordinal;
    uint64_t newest_lsn; /* of the changes before this record */
    uint32_t newest_ordinal;
    uint8_t digest[SHAPE_DIGEST];
};

/* lengths and values, as in struct entry, stand behind it. */
struct __attribute__((packed)) spool_change {
    char kind, op;
    uint8_t has_row, has_old;
    uint32_t table, n_columns, xid, envelope; /* envelope: its length, as in struct entry */
    uint64_t lsn;
    uint32_t ordinal;
    int64_t ts_ms, at_ms; /* at_ms: when it came, by the wall clock */
};

/* What was committed before it is here. When one follows another the file has only the second. */
struct __attribute__((packed)) spool_position {
    char kind;
    uint64_t lsn;
};

/* ---- what is kept of a source ---- */

struct segment {
    TAILQ_ENTRY(segment) link;
    uint64_t number;
    size_t bytes;
    size_t live;   /* changes of it in the window */
    bool detached; /* in no spool any more: goes with the last of them */
};

TAILQ_HEAD(segment_list, segment);

struct spool_block {
    STAILQ_ENTRY(spool_block) link;
    struct spool *spool;
    enum { BLOCK_WRITE, BLOCK_DELETE, BLOCK_CLEAR } kind;
    uint64_t number;
    lsn_t lsn;       /* of the last position in it; 0: there is none */
    uint64_t clears; /* of the spool, as it was put */
    struct buf bytes;
};

struct spool {
    struct spooler *spooler;
    char *dir; /* of the spooler's directory */
    /* the source's thread's, in its first hub_epoch */
    bool read_back;
    /* the web thread's from then on */
    bool on;
    int64_t again_ms; /* when a spool that broke off begins again */
    uint64_t next;    /* number */
    struct segment_list segments;
    size_t n_segments, bytes;
    uint32_t tables; /* of the newest segment */
    size_t state;    /* bytes that it begins with */
    struct spool_block *open;
    bool marked;      /* the last record is a position: */
    lsn_t marked_lsn; /* this one */
    /* guarded by the spooler's mutex */
    uint64_t clears; /* how often it was told to clear: what was put before counts no more */
    bool failed;
    char failure[200];
    lsn_t kept; /* as hub_kept */
    /* the spooler's thread's */
    int fd;
    uint64_t number;
    off_t end, mark; /* mark: where the last record begins, if that is a position; -1 */
    uint64_t sealed; /* of the segment before; first set by spool_read */
};

/* ---- hub_spool.c: the web thread's ---- */

/* A new beginning: everything up to now is only what the window knows. follows: behind what was read back,
 * from `rewind` on. */
void spool_begin(struct hub *h, struct source *s, bool follows, lsn_t rewind);
void spool_change(struct hub *h, struct entry *e);  /* before it is in the window */
void spool_release(struct hub *h, struct entry *e); /* it leaves the window */
void spool_table(struct hub *h, struct hub_table *t);
void spool_drop(struct hub *h, struct source *s); /* the connector is gone: so are its rows */
/* What was appended goes to the writer, and old segments go. The bytes on disk. */
size_t spool_turn(struct hub *h, struct source *s);
void spool_digest(const struct shape *shape, uint8_t digest[SHAPE_DIGEST]);
void spool_free(struct spool *sp);

/* ---- hub_spool_disk.c: files, and the thread that writes them ---- */

/* Takes the directory, which is made when it is not there: ERR_CONFIG when another process has it. most:
 * bytes that may wait to be written. due: called on the thread some milliseconds after spooler_due. */
struct spooler *spooler_open(const char *dir, size_t most, void (*due)(void *ctx), void *ctx, struct err *e);
/* Writes what waits. */
void spooler_close(struct spooler *p);
const char *spooler_path(const struct spooler *p);
struct spool *spool_new(struct spooler *p, const char *name);
/* Takes the block. false: too much waits, or the spool has failed; the block is gone all the same. */
bool spooler_put(struct spooler *p, struct spool_block *b);
bool spool_failed(struct spool *sp, char *why, size_t size); /* why it failed, since it was told to clear */
lsn_t spool_kept(struct spool *sp);
void spooler_due(struct spooler *p);
/* Deletes segments that were last written before that time (seconds since 1970), of all connectors. */
void spooler_expire(struct spooler *p, int64_t before);
void spool_file_close(struct spool *sp);
int spool_dir_open(const struct spool *sp); /* -1: errno */
void segment_name(char name[SEGMENT_NAME], uint64_t number);
bool segment_number(const char *name, uint64_t *out);

/* ---- hub_spool_read.c: the source's thread's ---- */

struct spooled_table {
    struct hub_table *table;
    uint8_t digest[SHAPE_DIGEST];
    size_t n_columns;
    struct pos floor;
    bool listed, reshaped, unfollowed, read;
};

/* Everything of a history up to where streaming begins. */
struct spooled {
    bool useful; /* else there is nothing */
    struct pos floor;
    struct entry *first, *last; /* at_ms: the hub's clock */
    size_t n, bytes;
    struct spooled_table *tables;
    size_t n_tables;
    struct segment_list segments;
    uint64_t next, sealed; /* of struct spool */
};

/* Why nothing is of use stands in the log; it is deleted. epoch must not be longer than EPOCH_MOST. */
struct spooled *spool_read(struct hub *h, struct source *s, const char *epoch, lsn_t start);
void spooled_free(struct spooled *x); /* with the changes that were not taken out */
/* The web thread takes it over. The source is as new. */
void spool_adopt(struct hub *h, struct source *s, struct spooled *x);

#endif
