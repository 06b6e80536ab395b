/* preflight_shards.c - the publications of a connector with several slots: who has which table. */
#include "preflight.h"
#include "shard.h"

#include <stdlib.h>

static void list_tables(const struct preflight *c, const int *place, int shard, struct buf *names)
{
    size_t n = 0;
    for (size_t i = 0; i < c->tables.count; i++) {
        if (place[i] != shard)
            continue;
        buf_str(names, n++ ? ", " : "");
        pg_table(names, c->tables.list[i].schema, c->tables.list[i].name);
    }
}

/* The commands are as long as they must be: they are there to be run. */
static void mend_create(struct preflight *c, const int *place)
{
    struct buf name = {0}, tables = {0};
    for (int shard = 0; shard < c->config->slots; shard++) {
        char *plain = xasprintf("%s_%d", c->config->publication_base, shard);
        buf_reset(&name);
        buf_reset(&tables);
        pg_ident(&name, plain);
        list_tables(c, place, shard, &tables);
        preflight_mend(c, "CREATE PUBLICATION %s%s%s;", name.ptr, tables.len ? " FOR TABLE " : "",
                       tables.len ? tables.ptr : "");
        free(plain);
    }
    buf_free(&name);
    buf_free(&tables);
}

static void say_places(struct preflight *c, const int *place, bool there)
{
    for (int shard = 0; shard < c->config->slots; shard++) {
        struct buf tables = {0};
        list_tables(c, place, shard, &tables);
        preflight_say(c, tables.len ? PREFLIGHT_OK : PREFLIGHT_WARN, "publication %s_%d %s: %s",
                      c->config->publication_base, shard, there ? "is there" : "will be created",
                      tables.len ? tables.ptr : "no table, so its slot has nothing to do");
        buf_free(&tables);
    }
}

void preflight_shards(struct preflight *c)
{
    struct err e = {0};
    bool there, made = c->config->publication_mode != PUBLICATION_DISABLED;
    int *place = xcalloc(c->tables.count + 1, sizeof *place);
    if (shard_places(c->conn, c->config, &c->tables, place, &there, &e)) {
        say_places(c, place, there);
        if (made)
            preflight_may_publish(c, there);
    } else {
        preflight_say(c, PREFLIGHT_FAIL, "%s", e.text);
        for (size_t i = 0; i < c->tables.count; i++)
            place[i] = shard_of(c->tables.list[i].schema, c->tables.list[i].name, c->config->slots);
        if (!made && !there)
            mend_create(c, place);
    }
    free(place);
}
