/* fuzz_envelope.c - any stream of changes through decoder, plan and envelope: records that are JSON and the
 * same by both ways, or a refusal.
 *
 * The first six bytes choose modes, styles and which columns the catalogue calls key and NOT NULL; then
 * pgoutput's messages (frames.h). Type oids are taken as numbers of registry.h. */
#include "envelope.h"
#include "frames.h"
#include "modes.h"
#include "pgoutput.h"
#include "pieces.h"
#include "registry.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct types *types;
    struct type_modes modes;
    struct plan_settings settings;
    struct envelope_rules rules;
    struct envelope *envelope;
    const uint8_t *choice;
};

static void plan_forget(void *plan)
{
    plan_free(plan);
}

/* What the catalogue would have told of the relation. */
static bool relation_plan(struct play *p, struct relation *rel)
{
    uint16_t *key = arena_alloc(&rel->arena, (rel->n_columns + 1) * sizeof *key);
    struct plan_choice choice = {.topic = "shop.public.t", .key = key, .strict = p->choice[2] & 1};
    struct err e = {0};
    for (size_t i = 0; i < rel->n_columns; i++) {
        struct column *c = &rel->columns[i];
        c->type_oid = registry_oid(c->type_oid & 0xff);
        c->not_null = p->choice[3] >> (i & 7) & 1;
        c->dimensions = (int)i & 3;
        c->preset = p->choice[5] >> (i & 7) & 1 ? "'1'::text" : NULL;
        if (p->choice[4] >> (i & 7) & 1 && choice.n_key < 4)
            key[choice.n_key++] = (uint16_t)i;
    }
    struct plan *plan = plan_new(&p->settings, rel, &choice, &e);
    if (!plan && !e.text[0])
        abort();
    rel->plan = plan;
    rel->free_plan = plan ? plan_forget : NULL;
    return plan != NULL;
}

static bool change_write(struct play *p, const struct change *change)
{
    struct plan *plan = change->relation->plan;
    struct source source = {.name = "shop", .db = "d\"b", .lsn = change->lsn, .tx_id = 5};
    const struct envelope_record *records;
    int64_t collection = 0;
    struct order_counter counter = {.xid = 5, .collection = &collection};
    struct err e = {0};
    (void)plan_knows_labels(plan, change->before);
    (void)plan_knows_labels(plan, change->after);
    int n = envelope_make(p->envelope, plan, change, &source, p->choice[2] & 2 ? &counter : NULL, 7, &records,
                          &e);
    if (n < 0 && e.kind != ERR_DATA) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    for (int i = 0; i < n; i++) {
        if (records[i].key.ptr)
            json_must_be(records[i].key);
        if (records[i].value.ptr)
            json_must_be(records[i].value);
    }
    return n >= 0;
}

static bool cells_good(const struct cell *cells, size_t n)
{
    struct arena a = {0};
    bool good = true;
    for (size_t i = 0; cells && i < n; i++)
        if (cells[i].kind == 't')
            good &= utf8_mended(cells[i].data, &a).ptr == cells[i].data.ptr;
    arena_free(&a);
    return good;
}

/* What is not UTF-8 need not come out the same by both ways. */
static bool row_take(struct play *p, const struct change *change)
{
    size_t n = change->relation->n_columns;
    p->rules.check_tree = cells_good(change->before, n) && cells_good(change->after, n);
    return change_write(p, change);
}

static bool change_take(struct play *p, struct change *change)
{
    if (change->op == OP_RELATION)
        return relation_plan(p, change->relation);
    if (change->op == OP_INSERT || change->op == OP_UPDATE || change->op == OP_DELETE)
        return row_take(p, change);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6)
        return 0;
    struct play p = {.types = registry_new(), .modes = modes_of(data[0], data[1]), .choice = data};
    p.settings = (struct plan_settings){p.types, &p.modes, style_of(data[1]), style_of(data[1])};
    p.rules = (struct envelope_rules){
        .tombstones = !(data[2] & 4), .skip_unchanged = data[2] & 8, .check_tree = true};
    p.envelope = envelope_new(&p.rules);
    struct pgoutput *decoder = pgoutput_new();
    struct err e = {0};
    data += 6;
    size -= 6;
    bool good = true;
    for (lsn_t lsn = 1; good; lsn++) {
        struct slice frame = frame_next(&data, &size);
        if (!frame.ptr)
            break;
        struct change change = {0};
        good = pgoutput_parse(decoder, lsn, frame, &change, &e) && change_take(&p, &change);
        free((char *)frame.ptr);
    }
    envelope_free(p.envelope);
    pgoutput_free(decoder);
    types_free(p.types);
    return 0;
}
