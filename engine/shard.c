/* shard.c - spreads the captured tables over a connector's slots.
 *
 * The publications remember: a table stays in the one it is in, also when it is renamed, and one that is in
 * none goes by the hash of its name. All are brought up to date in one transaction, by whichever task comes
 * first, so that at every point of the log a table is in exactly one of them. A partition tree is never
 * split: a published parent publishes its partitions too. */
#include "shard.h"

#include "log.h"
#include "publication.h"
#include "sql.h"
#include "xmalloc.h"

#include <stdlib.h>

#define ADVICE " (docs/why/several-slots.md tells how to change the number of slots)"

/* ---- by name ---- */

/* FNV-1a, its bits stirred as in MurmurHash3's last step: the remainder must depend on all of them. */
static uint64_t hash_add(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h;
}

int shard_of(const char *schema, const char *table, int slots)
{
    uint64_t h = hash_add(hash_add(hash_add(0xcbf29ce484222325, schema), "."), table);
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
    return (int)((h ^ (h >> 33)) % (unsigned)slots);
}

/* ---- stored positions ---- */

static bool refuse_offset(const struct config *c, int slots, struct err *e)
{
    return err_set(e, ERR_CONFIG,
                   "connector %s has positions that were stored with walwire.slots=%d, but it is %d now: a "
                   "table's changes "
                   "could be lost between its former slot and its new one. Set walwire.slots=%d again, or "
                   "begin anew" ADVICE,
                   c->name, slots, c->slots, slots);
}

/* The positions of others are asked for only where this one has none: reading one may mean reading a whole
 * topic. */
bool shard_check_offset(struct offsets *offsets, const struct config *c, const struct offset *own,
                        struct err *e)
{
    struct offset other;
    if (own->present)
        return (own->slots > 1 ? own->slots : 1) == c->slots ||
               refuse_offset(c, own->slots > 1 ? own->slots : 1, e);
    if (c->slots > 1) {
        if (!offsets_load(offsets, c->name, c->topic_prefix, &other, e))
            return err_prefix(e, "reading the stored offset");
        if (other.present)
            return refuse_offset(c, 1, e);
    }
    char *first = xasprintf("%s/0", c->topic_prefix);
    bool ok = offsets_load(offsets, c->name, first, &other, e) || err_prefix(e, "reading the stored offset");
    free(first);
    return ok && (!other.present || other.slots == c->slots || refuse_offset(c, other.slots, e));
}

/* ---- publications and slots of this name ---- */

enum { OBJECT_KIND, OBJECT_NUMBER, OBJECT_ALL_TABLES };

static bool refuse_publications(const struct config *c, const PGresult *res, struct err *e)
{
    struct buf there = BUF_EMPTY;
    for (int i = 0; i < PQntuples(res); i++)
        if (PQgetvalue(res, i, OBJECT_KIND)[0] == 'p')
            buf_printf(&there, "%s%s_%s", there.len ? ", " : "", c->publication_base,
                       PQgetvalue(res, i, OBJECT_NUMBER));
    err_set(e, ERR_CONFIG,
            "walwire.slots=%d needs the publications %s_0 to %s_%d, but %s %s there: set walwire.slots as it "
            "was" ADVICE,
            c->slots, c->publication_base, c->publication_base, c->slots - 1, there.len ? there.ptr : "none",
            strchr(there.len ? there.ptr : "", ',') ? "are" : "is");
    buf_free(&there);
    return false;
}

static bool check_object(const struct config *c, const PGresult *res, int row, uint64_t *there, struct err *e)
{
    int number = atoi(PQgetvalue(res, row, OBJECT_NUMBER));
    bool slot = PQgetvalue(res, row, OBJECT_KIND)[0] == 's';
    if (slot && number >= c->slots)
        return err_set(
            e, ERR_CONFIG,
            "slot %s_%d is there, but walwire.slots=%d reads up to %s_%d: it would hold WAL back for ever. "
            "Set "
            "walwire.slots as it was, or drop it with SELECT pg_drop_replication_slot('%s_%d')" ADVICE,
            c->slot_base, number, c->slots, c->slot_base, c->slots - 1, c->slot_base, number);
    if (slot)
        return true;
    if (pg_true(res, row, OBJECT_ALL_TABLES))
        return err_set(e, ERR_CONFIG,
                       "publication %s_%d is FOR ALL TABLES, so every slot would have all changes: drop it, "
                       "or name its tables "
                       "(CREATE PUBLICATION ... FOR TABLE)",
                       c->publication_base, number);
    if (number >= c->slots)
        return refuse_publications(c, res, e);
    *there |= 1ULL << number;
    return true;
}

static bool check_objects(PGconn *conn, const struct config *c, bool *there, struct err *e)
{
    const char *names[] = {c->publication_base, c->slot_base};
    PGresult *res = pg_query(conn, e, SQL_SHARD_OBJECTS, 2, names);
    if (!res)
        return err_prefix(e, "looking at the publications %s_*", c->publication_base);
    uint64_t found = 0, all = ~0ULL >> (64 - c->slots);
    bool ok = true, made = c->publication_mode != PUBLICATION_DISABLED;
    for (int i = 0; ok && i < PQntuples(res); i++)
        ok = check_object(c, res, i, &found, e);
    if (ok && found != all && (found || !made))
        ok = refuse_publications(c, res, e);
    *there = found == all;
    PQclear(res);
    return ok;
}

/* ---- places ---- */

enum { TOP_SCHEMA, TOP_NAME, TOP_SHARDS };

static PGresult *look_at_places(PGconn *conn, const struct config *c, const struct tables *tables,
                                struct err *e)
{
    struct buf oids = BUF_EMPTY, names = BUF_EMPTY;
    buf_char(&oids, '{');
    for (size_t i = 0; i < tables->count; i++)
        buf_printf(&oids, "%s%u", i ? "," : "", tables->list[i].oid);
    buf_char(&oids, '}');
    for (int i = 0; i < c->slots; i++) {
        buf_str(&names, i ? ",\"" : "{\"");
        for (const char *at = c->publication_base; *at; at++)
            buf_printf(&names, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
        buf_printf(&names, "_%d\"", i);
    }
    buf_char(&names, '}');
    const char *params[] = {oids.ptr, names.ptr};
    PGresult *res = pg_query(conn, e, SQL_SHARD_PLACES, 2, params);
    buf_free(&oids);
    buf_free(&names);
    if (!res)
        err_prefix(e, "looking at the tables of the publications %s_*", c->publication_base);
    return res;
}

/* Where nothing may be altered, a table must be where its changes come from. */
static bool check_place(const struct config *c, const struct table *t, const char *shards, struct err *e)
{
    if (!shards)
        return err_set(e, ERR_CONFIG,
                       "%s.%s is in none of the publications %s_0 to %s_%d: put it into one (ALTER "
                       "PUBLICATION ... ADD TABLE), "
                       "or leave it out by table.exclude.list",
                       t->schema, t->name, c->publication_base, c->publication_base, c->slots - 1);
    if (strchr(shards, ','))
        return err_set(e, ERR_CONFIG,
                       "%s.%s, with its partitions, is in several of the publications %s_*: %s. Its changes "
                       "would come twice; "
                       "take it out of all but one",
                       t->schema, t->name, c->publication_base, shards);
    return true;
}

bool shard_places(PGconn *conn, const struct config *c, const struct tables *tables, int *place, bool *there,
                  struct err *e)
{
    bool fixed = c->publication_mode == PUBLICATION_DISABLED && c->snapshot_mode != SNAPSHOT_INITIAL_ONLY;
    *there = false;
    if (c->snapshot_mode != SNAPSHOT_INITIAL_ONLY && !check_objects(conn, c, there, e))
        return false;
    PGresult *res = look_at_places(conn, c, tables, e);
    bool ok = res != NULL;
    for (size_t i = 0; ok && i < tables->count; i++) {
        const struct table *t = &tables->list[i];
        const char *schema = pg_cell(res, (int)i, TOP_SCHEMA), *name = pg_cell(res, (int)i, TOP_NAME);
        const char *shards = pg_cell(res, (int)i, TOP_SHARDS);
        ok = !fixed || check_place(c, t, shards, e);
        place[i] = *there && shards ? atoi(shards)
                                    : shard_of(schema ? schema : t->schema, name ? name : t->name, c->slots);
    }
    PQclear(res);
    return ok;
}

/* ---- preparing ---- */

static bool settle_publications(PGconn *conn, const struct config *c, const struct tables *tables,
                                const int *place, struct err *e)
{
    struct tables part = {xcalloc(tables->count + 1, sizeof *part.list), 0};
    bool ok = true;
    for (int shard = 0; ok && shard < c->slots; shard++) {
        char *name = xasprintf("%s_%d", c->publication_base, shard);
        part.count = 0;
        for (size_t i = 0; i < tables->count; i++)
            if (place[i] == shard)
                part.list[part.count++] = tables->list[i]; /* its strings stay the tables' */
        ok = publication_list(conn, c, name, &part, e);
        free(name);
    }
    free(part.list);
    return ok;
}

static int *places_of(PGconn *conn, const struct config *c, const struct tables *tables, struct err *e)
{
    bool there;
    int *place = xcalloc(tables->count + 1, sizeof *place);
    if (shard_places(conn, c, tables, place, &there, e))
        return place;
    free(place);
    return NULL;
}

static bool lock_publications(PGconn *conn, const struct config *c, struct err *e)
{
    struct buf lock = BUF_EMPTY;
    BUF_LIT(&lock, "SELECT pg_advisory_xact_lock(hashtext(");
    pg_literal(&lock, c->publication_base);
    BUF_LIT(&lock, "))");
    bool ok = pg_run(conn, e, lock.ptr);
    buf_free(&lock);
    return ok;
}

/* The lock lets the tasks do this one after another; the first one leaves nothing to do for the others. Under
 * it the tables are listed anew: an older list would take out what another task has just put in. NULL: *e. */
static int *settle(PGconn *conn, const struct config *c, struct tables *tables, struct err *e)
{
    if (c->publication_mode == PUBLICATION_DISABLED || c->snapshot_mode == SNAPSHOT_INITIAL_ONLY)
        return places_of(conn, c, tables, e);
    if (!pg_run(conn, e, "BEGIN ISOLATION LEVEL READ COMMITTED") || !lock_publications(conn, c, e))
        return NULL;
    tables_free(tables);
    if (!catalog_tables(conn, c, tables, e))
        return NULL;
    if (tables->count == 0)
        return publication_refuse_empty(e), NULL;
    int *place = places_of(conn, c, tables, e);
    if (place && settle_publications(conn, c, tables, place, e) && pg_run(conn, e, "COMMIT"))
        return place;
    free(place);
    return NULL;
}

static void keep_own(struct tables *tables, const int *place, int shard)
{
    size_t kept = 0;
    for (size_t i = 0; i < tables->count; i++) {
        if (place[i] == shard) {
            tables->list[kept++] = tables->list[i];
        } else {
            free(tables->list[i].schema);
            free(tables->list[i].name);
        }
    }
    tables->count = kept;
}

bool shard_prepare(PGconn *conn, const struct config *c, struct tables *tables, struct err *e)
{
    int *place = settle(conn, c, tables, e);
    if (!place)
        return false;
    size_t all = tables->count;
    keep_own(tables, place, c->shard);
    free(place);
    log_info("slot %s has %zu of %zu tables; those that are created from now on come in at the next start",
             c->slot_name, tables->count, all);
    return true;
}
