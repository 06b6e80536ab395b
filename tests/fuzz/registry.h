/* registry.h - one type of each family, by small numbers, for fuzzers that choose types by a byte. */
#ifndef TESTS_FUZZ_REGISTRY_H
#define TESTS_FUZZ_REGISTRY_H

#include "types.h"

#include <stdio.h>
#include <string.h>

/* name, pg_type.typtype */
static const struct {
    const char *name;
    char kind;
} REGISTRY_BASES[] = {
    {"bool", 'b'},      {"int2", 'b'},     {"int4", 'b'},     {"int8", 'b'},           {"oid", 'b'},
    {"float4", 'b'},    {"float8", 'b'},   {"numeric", 'b'},  {"money", 'b'},          {"text", 'b'},
    {"varchar", 'b'},   {"bpchar", 'b'},   {"char", 'b'},     {"name", 'b'},           {"citext", 'b'},
    {"bytea", 'b'},     {"uuid", 'b'},     {"json", 'b'},     {"jsonb", 'b'},          {"xml", 'b'},
    {"date", 'b'},      {"time", 'b'},     {"timetz", 'b'},   {"timestamp", 'b'},      {"timestamptz", 'b'},
    {"interval", 'b'},  {"bit", 'b'},      {"varbit", 'b'},   {"inet", 'b'},           {"cidr", 'b'},
    {"macaddr", 'b'},   {"macaddr8", 'b'}, {"point", 'b'},    {"circle", 'b'},         {"polygon", 'b'},
    {"hstore", 'b'},    {"ltree", 'b'},    {"isbn", 'b'},     {"geometry", 'b'},       {"geography", 'b'},
    {"int4range", 'r'}, {"numrange", 'r'}, {"tsrange", 'r'},  {"tstzrange", 'r'},      {"daterange", 'r'},
    {"int8range", 'r'}, {"vector", 'b'},   {"halfvec", 'b'},  {"sparsevec", 'b'},      {"tsvector", 'b'},
    {"mood", 'e'},      {"pair", 'c'},     {"positive", 'd'}, {"int4multirange", 'm'}, {"regclass", 'b'},
    {"xid8", 'b'},      {"pg_lsn", 'b'},   {"jsonpath", 'b'}, {"outer", 'c'},
};

enum { REGISTRY_COUNT = sizeof REGISTRY_BASES / sizeof *REGISTRY_BASES, REGISTRY_ARRAYS = 100 };

/* Type i has oid i + 1, its array i + 1 + REGISTRY_ARRAYS. */
static inline uint32_t registry_oid(unsigned byte)
{
    return byte % REGISTRY_COUNT + 1 + (byte >= 128 ? REGISTRY_ARRAYS : 0);
}

static inline struct types *registry_new(void)
{
    static const char *const labels[] = {"sad", "ok", "a,b"};
    static const struct type_field pair[] = {{"a", 3, -1, 0}, {"b c", 10, -1, 0}},
                                   outer[] = {{"pair", 52, -1, 0},
                                              {"list", 3 + REGISTRY_ARRAYS, -1, 1},
                                              {"d", 53, -1, 0},
                                              {"n", 8, (10 << 16 | 2) + 4, 0}};
    struct types *t = types_new();
    for (uint32_t i = 0; i < REGISTRY_COUNT; i++) {
        char array[40];
        snprintf(array, sizeof array, "_%s", REGISTRY_BASES[i].name);
        struct type type = {.oid = i + 1,
                            .schema = i >= 50 && i < 53 ? "public" : "pg_catalog",
                            .name = REGISTRY_BASES[i].name,
                            .kind = REGISTRY_BASES[i].kind,
                            .typmod = -1};
        if (strcmp(type.name, "mood") == 0)
            type.labels = labels, type.n_labels = 3;
        if (strcmp(type.name, "positive") == 0)
            type.base = 8, type.typmod = (6 << 16 | 3) + 4;
        if (strcmp(type.name, "pair") == 0)
            type.fields = pair, type.n_fields = 2;
        if (strcmp(type.name, "outer") == 0)
            type.fields = outer, type.n_fields = 4;
        types_set(t, &type);
        types_set(t, &(struct type){.oid = i + 1 + REGISTRY_ARRAYS,
                                    .schema = type.schema,
                                    .name = array,
                                    .kind = 'b',
                                    .element = i + 1,
                                    .typmod = -1});
    }
    return t;
}

#endif
