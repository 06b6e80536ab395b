/* change.h - one event of the stream, decoded: a row change or a boundary. All slices are borrowed from the
 * frame and live until the next frame; relations live in the cache. */
#ifndef DECODER_CHANGE_H
#define DECODER_CHANGE_H

#include "lsn.h"
#include "relation.h"

enum change_op {
    OP_NONE = 0, /* nothing to publish: TYPE and ORIGIN messages */
    OP_BEGIN = 'B',
    OP_COMMIT = 'C',
    OP_RELATION = 'R', /* the cache was replaced; `relation` is the new one */
    OP_READ = 'r',     /* a snapshot row */
    OP_INSERT = 'c',
    OP_UPDATE = 'u',
    OP_DELETE = 'd',
    OP_TRUNCATE = 't',
    OP_MESSAGE = 'm',
};

struct cell {
    char kind; /* n NULL (in a key-only tuple: not sent) · u unchanged TOAST · t text · b binary */
    struct slice data;
};

/* The transaction that a change belongs to. */
struct transaction {
    uint32_t xid;
    lsn_t commit_lsn;   /* start of the commit record, from BEGIN */
    lsn_t end_lsn;      /* from COMMIT: where the next transaction may begin */
    int64_t commit_us;  /* since 1970 */
    const char *origin; /* NULL: local */
    lsn_t origin_lsn;
};

struct change {
    enum change_op op;
    lsn_t lsn;                    /* start of the XLogData frame: what Debezium writes as source.lsn */
    size_t size;                  /* bytes of its message */
    const struct transaction *tx; /* NULL: outside a transaction */
    struct relation *relation;
    char before_kind;          /* K key-only, O full old row, 0 none */
    const struct cell *before; /* relation->n_columns cells, or NULL */
    const struct cell *after;
    bool binary; /* some cells are of kind b */
    /* OP_TRUNCATE */
    struct relation *const *truncated;
    size_t n_truncated;
    /* OP_MESSAGE */
    bool transactional;
    lsn_t message_lsn;
    struct slice prefix, content;
};

#endif
