/* pgoutput.c - parses the messages of pgoutput, protocol version 1.
 *
 *   B begin     i64 final_lsn, i64 commit_time, i32 xid
 *   C commit    u8 0, i64 commit_lsn, i64 end_lsn, i64 commit_time
 *   O origin    i64 lsn, cstr name
 *   R relation  u32 oid, cstr schema ("" = pg_catalog), cstr name, u8 identity, i16 n, n x (u8 flags, cstr
 * name, u32 type, i32 typmod) Y type      u32 oid, cstr schema, cstr name I insert    u32 oid, 'N', tuple U
 * update    u32 oid, [('K' | 'O'), tuple], 'N', tuple D delete    u32 oid, ('K' | 'O'), tuple T truncate  i32
 * n, u8 flags, n x u32 oid M message   u8 flags, i64 lsn, cstr prefix, i32 len, bytes tuple       i16 n, n x
 * ('n' | 'u' | ('t' | 'b') i32 len, bytes)
 *
 * Integers are big-endian, times are microseconds since 2000. A COMMIT's frame LSN is the transaction's end;
 * the next BEGIN and its first row may carry that same LSN. */
#include "pgoutput.h"

#include "binary_text.h"
#include "clock.h"
#include "reader.h"
#include "xmalloc.h"

#include <stdlib.h>

#define MOST_COLUMNS 1600 /* PostgreSQL's own limit, MaxTupleAttributeNumber is 1664 */
/* Records tell it in nanoseconds, too: the year 2262. */
#define COMMIT_MOST_US (INT64_MAX / 1000)

struct pgoutput {
    struct relations *relations;
    struct transaction tx;
    bool in_tx;
    char origin[256];
    struct cell before[MOST_COLUMNS], after[MOST_COLUMNS];
    struct relation **truncated;
    size_t truncated_cap;
};

static bool broken(struct err *e, const char *what, const struct reader *r, struct slice m, lsn_t lsn)
{
    return err_set(e, ERR_DATA, "pgoutput: bad %s at byte %zu of %zu of a '%c' message, LSN " LSN_FMT, what,
                   (size_t)(r->at - m.ptr), m.len, m.len ? m.ptr[0] : '?', LSN_ARG(lsn));
}

static const char *parse_begin(struct pgoutput *d, struct reader *r, struct change *out)
{
    if (d->in_tx)
        return "order: BEGIN inside a transaction";
    d->tx = (struct transaction){.commit_lsn = read_u64(r)};
    int64_t since_2000 = (int64_t)read_u64(r);
    if (since_2000 < -COMMIT_MOST_US || since_2000 > COMMIT_MOST_US - PG_EPOCH_US)
        return "commit time";
    d->tx.commit_us = since_2000 + PG_EPOCH_US;
    d->tx.xid = read_u32(r);
    d->in_tx = true;
    out->op = OP_BEGIN;
    return NULL;
}

static const char *parse_commit(struct pgoutput *d, struct reader *r, struct change *out)
{
    if (!d->in_tx)
        return "order: COMMIT without BEGIN";
    uint8_t flags = read_u8(r);
    uint64_t commit_lsn = read_u64(r);
    d->tx.end_lsn = read_u64(r);
    read_u64(r); /* commit time, known from BEGIN */
    if (reader_ok(r) && flags != 0)
        return "flags";
    if (reader_ok(r) && commit_lsn != d->tx.commit_lsn)
        return "commit LSN: not the one that BEGIN announced";
    d->in_tx = false;
    out->op = OP_COMMIT;
    return NULL;
}

static const char *parse_origin(struct pgoutput *d, struct reader *r)
{
    if (!d->in_tx)
        return "order: ORIGIN outside a transaction";
    d->tx.origin_lsn = read_u64(r);
    struct slice name = read_cstr(r);
    if (name.len >= sizeof d->origin)
        return "origin name";
    memcpy(d->origin, name.ptr, name.len);
    d->origin[name.len] = 0;
    d->tx.origin = d->origin;
    return NULL;
}

static char *copy(struct relation *rel, struct slice s)
{
    return (char *)arena_slice(&rel->arena, s).ptr;
}

static bool parse_columns(struct relation *rel, struct reader *r)
{
    for (size_t i = 0; i < rel->n_columns && reader_ok(r); i++) {
        struct column *c = &rel->columns[i];
        c->identity = read_u8(r) & 1;
        c->name = copy(rel, read_cstr(r));
        c->type_oid = read_u32(r);
        c->typmod = (int32_t)read_u32(r);
    }
    return reader_ok(r);
}

static const char *parse_relation(struct pgoutput *d, struct reader *r, struct change *out)
{
    struct relation *rel = relation_new();
    rel->oid = read_u32(r);
    struct slice schema = read_cstr(r), name = read_cstr(r);
    rel->schema = copy(rel, schema.len ? schema : SLICE("pg_catalog"));
    rel->name = copy(rel, name);
    rel->identity = (char)read_u8(r);
    rel->n_columns = read_u16(r);
    bool sane = reader_ok(r) && rel->n_columns <= MOST_COLUMNS;
    if (sane) {
        rel->columns = arena_zero(&rel->arena, sizeof *rel->columns * (rel->n_columns + 1));
        sane = parse_columns(rel, r) && reader_done(r);
    }
    if (!sane) {
        relation_free(rel);
        return "relation";
    }
    relations_put(d->relations, rel);
    out->op = OP_RELATION;
    out->relation = rel;
    return NULL;
}

/* Fills one cell for each column of the relation; a tuple of another width is a protocol error, never a
 * guess. */
static const char *parse_tuple(struct reader *r, const struct relation *rel, struct cell *cells,
                               bool may_be_unchanged, bool *binary)
{
    size_t n = read_u16(r);
    if (!reader_ok(r) || n != rel->n_columns)
        return "number of columns: not the relation's";
    for (size_t i = 0; i < n; i++) {
        char kind = (char)read_u8(r);
        cells[i] = (struct cell){.kind = kind};
        if (kind == 't' || kind == 'b') {
            uint32_t len = read_u32(r);
            if (len > INT32_MAX)
                return "value length";
            cells[i].data = read_bytes(r, len);
            *binary |= kind == 'b';
        } else if (kind != 'n' && !(kind == 'u' && may_be_unchanged)) {
            return "value kind";
        }
        if (!reader_ok(r))
            return "value";
    }
    return NULL;
}

/* An unchanged TOAST value that the old tuple carries (replica identity FULL) is known after all. */
static void fill_unchanged(struct pgoutput *d, const struct change *out)
{
    for (size_t i = 0; i < out->relation->n_columns; i++)
        if (d->after[i].kind == 'u' && (d->before[i].kind == 't' || d->before[i].kind == 'b'))
            d->after[i] = d->before[i];
}

static const char *parse_row(struct pgoutput *d, struct reader *r, struct change *out, enum change_op op)
{
    if (!d->in_tx)
        return "order: row outside a transaction";
    out->op = op;
    out->relation = relations_find(d->relations, read_u32(r));
    if (!out->relation)
        return "relation id: no RELATION message came for it";
    char part = (char)read_u8(r);
    if (op != OP_INSERT && (part == 'K' || part == 'O')) {
        out->before_kind = part;
        out->before = d->before;
        const char *bad = parse_tuple(r, out->relation, d->before, false, &out->binary);
        if (bad || op == OP_DELETE)
            return bad;
        part = (char)read_u8(r);
    }
    if (part != 'N' || op == OP_DELETE)
        return "tuple marker";
    out->after = d->after;
    const char *bad = parse_tuple(r, out->relation, d->after, true, &out->binary);
    if (!bad && out->before)
        fill_unchanged(d, out);
    return bad;
}

static const char *parse_truncate(struct pgoutput *d, struct reader *r, struct change *out)
{
    if (!d->in_tx)
        return "order: TRUNCATE outside a transaction";
    uint32_t n = read_u32(r);
    read_u8(r); /* cascade, restart identity */
    if (!reader_ok(r) || n > (size_t)(r->end - r->at) / 4)
        return "number of relations";
    if (n > d->truncated_cap) {
        d->truncated = xrealloc(d->truncated, n * sizeof(void *));
        d->truncated_cap = n;
    }
    for (uint32_t i = 0; i < n; i++) {
        d->truncated[i] = relations_find(d->relations, read_u32(r));
        if (!d->truncated[i])
            return "relation id: no RELATION message came for it";
    }
    out->op = OP_TRUNCATE;
    out->truncated = d->truncated;
    out->n_truncated = n;
    return NULL;
}

static const char *parse_message(struct pgoutput *d, struct reader *r, struct change *out)
{
    uint8_t flags = read_u8(r);
    out->message_lsn = read_u64(r);
    out->prefix = read_cstr(r);
    uint32_t len = read_u32(r);
    out->content = read_bytes(r, len);
    out->op = OP_MESSAGE;
    out->transactional = flags & 1;
    if (reader_ok(r) && out->transactional && !d->in_tx)
        return "order: transactional MESSAGE outside a transaction";
    return NULL;
}

static const char *parse_by_tag(struct pgoutput *d, struct reader *r, struct change *out)
{
    switch (read_u8(r)) {
    case 'B':
        return parse_begin(d, r, out);
    case 'C':
        return parse_commit(d, r, out);
    case 'O':
        return parse_origin(d, r);
    case 'R':
        return parse_relation(d, r, out);
    case 'Y': /* names of user types; the catalogue tells more */
        read_u32(r), read_cstr(r), read_cstr(r);
        return NULL;
    case 'I':
        return parse_row(d, r, out, OP_INSERT);
    case 'U':
        return parse_row(d, r, out, OP_UPDATE);
    case 'D':
        return parse_row(d, r, out, OP_DELETE);
    case 'T':
        return parse_truncate(d, r, out);
    case 'M':
        return parse_message(d, r, out);
    default:
        return "message type";
    }
}

struct pgoutput *pgoutput_new(void)
{
    struct pgoutput *d = xcalloc(1, sizeof *d);
    d->relations = relations_new();
    return d;
}

void pgoutput_free(struct pgoutput *d)
{
    if (!d)
        return;
    relations_free(d->relations);
    free(d->truncated);
    free(d);
}

bool pgoutput_to_text(struct pgoutput *d, const struct change *c, const struct types *types, size_t most,
                      struct arena *a, struct err *e)
{
    return binary_cells(types, c->relation, c->before ? d->before : NULL, most, a, e) &&
           binary_cells(types, c->relation, c->after ? d->after : NULL, most, a, e);
}

struct relations *pgoutput_relations(struct pgoutput *d)
{
    return d->relations;
}

bool pgoutput_parse(struct pgoutput *d, lsn_t lsn, struct slice message, struct change *out, struct err *e)
{
    struct reader r = reader_of(message);
    bool was_in_tx = d->in_tx;
    *out = (struct change){.op = OP_NONE, .lsn = lsn, .size = message.len};
    const char *bad = parse_by_tag(d, &r, out);
    if (bad)
        return broken(e, bad, &r, message, lsn);
    if (!reader_done(&r))
        return broken(e, reader_ok(&r) ? "length: bytes left over" : "length: message too short", &r, message,
                      lsn);
    bool of_tx = out->op == OP_MESSAGE ? out->transactional : d->in_tx || was_in_tx;
    out->tx = of_tx ? &d->tx : NULL;
    return true;
}
