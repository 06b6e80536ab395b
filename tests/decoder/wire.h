/* wire.h - builds pgoutput messages byte by byte for tests. */
#ifndef TESTS_DECODER_WIRE_H
#define TESTS_DECODER_WIRE_H

#include "buf.h"
#include "clock.h"

static inline void wire_u16(struct buf *b, unsigned n)
{
    buf_char(b, (char)(n >> 8));
    buf_char(b, (char)n);
}

static inline void wire_u32(struct buf *b, uint32_t n)
{
    wire_u16(b, n >> 16);
    wire_u16(b, n & 0xffff);
}

static inline void wire_u64(struct buf *b, uint64_t n)
{
    wire_u32(b, (uint32_t)(n >> 32));
    wire_u32(b, (uint32_t)n);
}

static inline void wire_cstr(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text) + 1);
}

static inline void wire_begin(struct buf *b, uint64_t commit_lsn, int64_t commit_us, uint32_t xid)
{
    buf_reset(b);
    buf_char(b, 'B');
    wire_u64(b, commit_lsn);
    wire_u64(b, (uint64_t)(commit_us - PG_EPOCH_US));
    wire_u32(b, xid);
}

static inline void wire_commit(struct buf *b, uint64_t commit_lsn, uint64_t end_lsn)
{
    buf_reset(b);
    buf_char(b, 'C');
    buf_char(b, 0);
    wire_u64(b, commit_lsn);
    wire_u64(b, end_lsn);
    wire_u64(b, 0);
}

/* A leading * marks a column of the replica identity. */
static inline void wire_relation(struct buf *b, uint32_t oid, const char *schema, const char *name,
                                 char identity, const char *const *columns, const uint32_t *types, unsigned n)
{
    buf_reset(b);
    buf_char(b, 'R');
    wire_u32(b, oid);
    wire_cstr(b, schema);
    wire_cstr(b, name);
    buf_char(b, identity);
    wire_u16(b, n);
    for (unsigned i = 0; i < n; i++) {
        bool marked = columns[i][0] == '*';
        buf_char(b, marked);
        wire_cstr(b, columns[i] + marked);
        wire_u32(b, types[i]);
        wire_u32(b, (uint32_t)-1);
    }
}

/* NULL is SQL NULL, "\x01" is an unchanged TOAST value. */
static inline void wire_tuple(struct buf *b, char marker, const char *const *values, unsigned n)
{
    buf_char(b, marker);
    wire_u16(b, n);
    for (unsigned i = 0; i < n; i++) {
        if (!values[i]) {
            buf_char(b, 'n');
        } else if (strcmp(values[i], "\x01") == 0) {
            buf_char(b, 'u');
        } else {
            buf_char(b, 't');
            wire_u32(b, (uint32_t)strlen(values[i]));
            buf_str(b, values[i]);
        }
    }
}

static inline void wire_row(struct buf *b, char tag, uint32_t oid)
{
    buf_reset(b);
    buf_char(b, tag);
    wire_u32(b, oid);
}

#endif
