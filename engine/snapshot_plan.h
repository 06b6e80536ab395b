/* snapshot_plan.h - what a snapshot reads: its tables, in order, and the statements that read them. */
#ifndef ENGINE_SNAPSHOT_PLAN_H
#define ENGINE_SNAPSHOT_PLAN_H

#include "pipeline.h"
#include "scan.h"

struct snapshot_table {
    const struct table *table;
    struct relation *rel;      /* with its capture */
    bool divisible;            /* its blocks can be read apart */
    uint64_t blocks, estimate; /* of rows; only where the plan needs them */
    size_t n_items, items_left;
    /* while it is read */
    uint64_t rows;   /* published */
    int64_t ts_us;   /* of its first row; 0: none yet */
    struct buf held; /* the row that waits for its marker, as COPY text */
};

struct snapshot_plan {
    struct snapshot_table *tables;
    size_t n_tables;
    struct scan_item *items;
    size_t n_items;
    struct buf locks; /* LOCK TABLE for the tables that must not be altered meanwhile; empty: none */
    size_t n_readers; /* sessions with work to do */
};

/* Describes the tables on p->conn, inside the snapshot's transaction, with captures as `settings` say, and
 * decides order, ranges and locks. False: *e; free in any case. */
bool snapshot_plan_make(struct pipeline *p, const struct capture_settings *settings,
                        struct snapshot_plan *out, struct err *e);
void snapshot_plan_free(struct snapshot_plan *plan);

/* Of a table that is not what the snapshot sees (scan_batch.replaced). ERR_RETRY when ALTER TABLE has taken
 * its rows from the snapshot before its turn. */
bool snapshot_whole(struct pipeline *p, const struct table *table, const char *replaced, struct err *e);

/* Runs a statement on p->conn, which may wait long for a lock. NULL: *e, ERR_RETRY when told to stop. */
PGresult *snapshot_query(struct pipeline *p, const char *sql, int n_params, const char *const *params,
                         struct err *e);

#endif
