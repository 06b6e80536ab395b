/* test_binary_text.c - values in binary form, as a server's send functions write them, and the server's own
 * text of the same values under the settings of our sessions. Both columns were read from PostgreSQL 15; the
 * live test of big rows compares many more. */
#include "binary_text.h"
#include "hex.h"
#include "suite.h"
#include "xmalloc.h"

#include <stdio.h>

static const struct {
    uint32_t oid;
    const char *name;
    char kind;
    uint32_t element, base;
} TYPES[] = {
    {16, "bool", 'b', 0, 0},
    {17, "bytea", 'b', 0, 0},
    {18, "char", 'b', 0, 0},
    {20, "int8", 'b', 0, 0},
    {21, "int2", 'b', 0, 0},
    {22, "int2vector", 'b', 21, 0},
    {23, "int4", 'b', 0, 0},
    {25, "text", 'b', 0, 0},
    {26, "oid", 'b', 0, 0},
    {27, "tid", 'b', 0, 0},
    {30, "oidvector", 'b', 26, 0},
    {114, "json", 'b', 0, 0},
    {142, "xml", 'b', 0, 0},
    {600, "point", 'b', 0, 0},
    {601, "lseg", 'b', 0, 0},
    {602, "path", 'b', 0, 0},
    {603, "box", 'b', 0, 0},
    {604, "polygon", 'b', 0, 0},
    {628, "line", 'b', 0, 0},
    {650, "cidr", 'b', 0, 0},
    {700, "float4", 'b', 0, 0},
    {701, "float8", 'b', 0, 0},
    {718, "circle", 'b', 0, 0},
    {774, "macaddr8", 'b', 0, 0},
    {790, "money", 'b', 0, 0},
    {829, "macaddr", 'b', 0, 0},
    {869, "inet", 'b', 0, 0},
    {1007, "_int4", 'b', 23, 0},
    {1009, "_text", 'b', 25, 0},
    {1020, "_box", 'b', 603, 0},
    {1082, "date", 'b', 0, 0},
    {1083, "time", 'b', 0, 0},
    {1114, "timestamp", 'b', 0, 0},
    {1184, "timestamptz", 'b', 0, 0},
    {1185, "_timestamptz", 'b', 1184, 0},
    {1186, "interval", 'b', 0, 0},
    {1266, "timetz", 'b', 0, 0},
    {1560, "bit", 'b', 0, 0},
    {1562, "varbit", 'b', 0, 0},
    {1700, "numeric", 'b', 0, 0},
    {2950, "uuid", 'b', 0, 0},
    {3220, "pg_lsn", 'b', 0, 0},
    {3614, "tsvector", 'b', 0, 0},
    {3802, "jsonb", 'b', 0, 0},
    {3904, "int4range", 'r', 0, 0},
    {3906, "numrange", 'r', 0, 0},
    {3908, "tsrange", 'r', 0, 0},
    {3912, "daterange", 'r', 0, 0},
    {4072, "jsonpath", 'b', 0, 0},
    {4451, "int4multirange", 'm', 0, 0},
    {5069, "xid8", 'b', 0, 0},
    {9000, "hstore", 'b', 0, 0},
    {9001, "ltree", 'b', 0, 0},
    {9002, "_mood", 'b', 9003, 0},
    {9003, "mood", 'e', 0, 0},
    {9004, "_pair", 'b', 9005, 0},
    {9005, "pair", 'c', 0, 0},
    {9006, "small", 'd', 0, 1700},
    {9007, "vector", 'b', 0, 0},
    {9008, "halfvec", 'b', 0, 0},
    {9009, "sparsevec", 'b', 0, 0},
};

static const struct {
    const char *type, *hex, *text;
} CASES[] = {
    {"bool", "01", "t"},
    {"bool", "00", "f"},
    {"char", "61", "a"},
    {"char", "00", ""},
    {"int2", "8000", "-32768"},
    {"int2", "0007", "7"},
    {"int4", "80000000", "-2147483648"},
    {"int4", "0000002a", "42"},
    {"int8", "8000000000000000", "-9223372036854775808"},
    {"int8", "0020000000000001", "9007199254740993"},
    {"oid", "ffffffff", "4294967295"},
    {"float4", "00000000", "0"},
    {"float4", "80000000", "-0"},
    {"float4", "3fc00000", "1.5"},
    {"float4", "49742400", "1e+06"},
    {"float4", "47f12000", "123456"},
    {"float4", "3727c5ac", "1e-05"},
    {"float4", "38d1b717", "0.0001"},
    {"float4", "7f7fffff", "3.4028235e+38"},
    {"float4", "00000001", "1e-45"},
    {"float4", "7fc00000", "NaN"},
    {"float4", "ff800000", "-Infinity"},
    {"float4", "4b800000", "1.6777216e+07"},
    {"float8", "0000000000000000", "0"},
    {"float8", "8000000000000000", "-0"},
    {"float8", "3fb999999999999a", "0.1"},
    {"float8", "430c6bf526340000", "1e+15"},
    {"float8", "42dc12218377de40", "123456789012345"},
    {"float8", "3ee4f8b588e368f1", "1e-05"},
    {"float8", "3f1a36e2eb1c432d", "0.0001"},
    {"float8", "7fefffffffffffff", "1.7976931348623157e+308"},
    {"float8", "0000000000000001", "5e-324"},
    {"float8", "0010000000000000", "2.2250738585072014e-308"},
    {"float8", "7ff0000000000000", "Infinity"},
    {"float8", "4340000000000000", "9.007199254740992e+15"},
    {"float8", "3fd3333333333334", "0.30000000000000004"},
    {"float8", "44b52d02c7e14af6", "9.999999999999999e+22"},
    {"numeric", "0000000000000000", "0"},
    {"numeric", "0000000000000002", "0.00"},
    {"numeric", "000200004000000100011388", "-1.5"},
    {"numeric", "000300010000000204d2162e2328", "12345678.90"},
    {"numeric", "00010005000000000001", "100000000000000000000"},
    {"numeric", "0001fffe000000080001", "0.00000001"},
    {"numeric", "00000000c0000000", "NaN"},
    {"numeric", "00000000d0000020", "Infinity"},
    {"numeric", "00000000f0000020", "-Infinity"},
    {"numeric", "00010001000000000001", "10000"},
    {"numeric", "0001000100000000270f", "99990000"},
    {"numeric", "0001ffff000000070001", "0.0001000"},
    {"money", "0000000000000000", "$0.00"},
    {"money", "fffffffffffffffb", "-$0.05"},
    {"money", "00000000075bcd15", "$1,234,567.89"},
    {"money", "8000000000000000", "-$92,233,720,368,547,758.08"},
    {"text", "", ""},
    {"text", "61c39f", "aß"},
    {"jsonb", "017b2261223a205b312c206e756c6c5d7d", "{\"a\": [1, null]}"},
    {"json", "7b226222203a20317d", "{\"b\" : 1}"},
    {"jsonpath", "01242e226122", "$.\"a\""},
    {"xml", "3c612f3e", "<a/>"},
    {"bytea", "00ff", "\\x00ff"},
    {"uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    {"date", "00000000", "2000-01-01"},
    {"date", "ffffffff", "1999-12-31"},
    {"date", "fff49d7b", "0044-03-15 BC"},
    {"date", "7fffffff", "infinity"},
    {"date", "80000000", "-infinity"},
    {"date", "7fda970c", "5874897-12-31"},
    {"date", "00002279", "2024-02-29"},
    {"date", "ffff718f", "1900-03-01"},
    {"date", "ffda97a7", "4714-11-24 BC"},
    {"time", "0000000000000000", "00:00:00"},
    {"time", "000000141dd76000", "24:00:00"},
    {"time", "0000000a8be62608", "12:34:56.789"},
    {"time", "000000141dd75fff", "23:59:59.999999"},
    {"timetz", "0000000a0eebb000ffffb2a8", "12:00:00+05:30"},
    {"timetz", "0000000a0ef3512000009e3b", "12:00:00.5-11:15:07"},
    {"timetz", "000000000000000000000000", "00:00:00+00"},
    {"timestamp", "0000000000000000", "2000-01-01 00:00:00"},
    {"timestamp", "ffffffffffffffff", "1999-12-31 23:59:59.999999"},
    {"timestamp", "ff1af9e8fb4856a0", "0044-03-15 12:00:00.1 BC"},
    {"timestamp", "7fffffffffffffff", "infinity"},
    {"timestamp", "8000000000000000", "-infinity"},
    {"timestamp", "7fffff5bb3b29fff", "294276-12-31 23:59:59.999999"},
    {"timestamp", "0487daf95414a000", "12345-06-07 00:00:00"},
    {"timestamptz", "000242be853b5960", "2020-02-29 23:59:59.9+00"},
    {"timestamptz", "ff1fe2eba7c50000", "0001-12-31 00:00:00+00 BC"},
    {"interval", "00000000000000000000000000000000", "00:00:00"},
    {"interval", "000000036c97ca88000000030000000e", "1 year 2 mons 3 days 04:05:06.789"},
    {"interval", "000000000000000000000001ffffffff", "-1 mons +1 day"},
    {"interval", "ffffffffffffffff0000000000000000", "-00:00:00.000001"},
    {"interval", "0000000000000000000000000000000b", "11 mons"},
    {"interval", "fffffffd7c4514000000000200000000", "2 days -03:00:00"},
    {"interval", "0000000283baec00fffffffd00000000", "-3 days +03:00:00"},
    {"interval", "00000000000000000000000000000001", "1 mon"},
    {"interval", "00000014f46c8aa00000000000000000", "25:00:00.1"},
    {"bit", "0000000180", "1"},
    {"bit", "0000000bb3a0", "10110011101"},
    {"varbit", "00000000", ""},
    {"varbit", "00000003a0", "101"},
    {"varbit", "00000010f0f0", "1111000011110000"},
    {"inet", "020800040a010203", "10.1.2.3/8"},
    {"inet", "02200004c0a80001", "192.168.0.1"},
    {"inet", "0340001020010db8000000000000000000000001", "2001:db8::1/64"},
    {"inet", "0380001000000000000000000000ffff01020304", "::ffff:1.2.3.4"},
    {"inet", "0380001000000000000000000000000000000001", "::1"},
    {"cidr", "020801040a000000", "10.0.0.0/8"},
    {"cidr", "0320011020010db8000000000000000000000000", "2001:db8::/32"},
    {"cidr", "0220010401020304", "1.2.3.4/32"},
    {"macaddr", "08002b010203", "08:00:2b:01:02:03"},
    {"macaddr8", "08002b0102030405", "08:00:2b:01:02:03:04:05"},
    {"pg_lsn", "00000016b374d848", "16/B374D848"},
    {"tid", "000000050006", "(5,6)"},
    {"xid8", "ffffffffffffffff", "18446744073709551615"},
    {"point", "3ff0000000000000c004000000000000", "(1,-2.5)"},
    {"line", "3ff00000000000004000000000000000c008000000000000", "{1,2,-3}"},
    {"lseg", "3ff0000000000000400000000000000040080000000000004010000000000000", "[(1,2),(3,4)]"},
    {"box", "400800000000000040100000000000003ff00000000000004000000000000000", "(3,4),(1,2)"},
    {"path", "01000000023ff0000000000000400000000000000040080000000000004010000000000000", "((1,2),(3,4))"},
    {"path", "00000000013ff00000000000004000000000000000", "[(1,2)]"},
    {"polygon",
     "000000033ff00000000000004000000000000000400800000000000040100000000000004014000000000000401800000000000"
     "0",
     "((1,2),(3,4),(5,6))"},
    {"circle", "3ff00000000000004000000000000000400c000000000000", "<(1,2),3.5>"},
    {"tsvector", "0000000361000002c0018002625c630000006974277300000240030004",
     "'a':1A,2B 'b\\\\c' 'it''s':3C,4"},
    {"tsvector", "00000000", ""},
    {"int2vector", "0000000100000000000000150000000300000000000000020001000000020002000000020003", "1 2 3"},
    {"int2vector", "0000000100000000000000150000000000000000", ""},
    {"oidvector", "00000001000000000000001a000000020000000000000004000000040000000400000005", "4 5"},
    {"_int4", "000000000000000000000017", "{}"},
    {"_int4", "00000001000000010000001700000003000000010000000400000001ffffffff00000004fffffffd",
     "{1,NULL,-3}"},
    {"_int4", "000000010000000000000017000000020000000200000004000000070000000400000008", "[2:3]={7,8}"},
    {"_int4",
     "0000000200000000000000170000000200000001000000020000000100000004000000010000000400000002000000040000000"
     "30000000400000004",
     "{{1,2},{3,4}}"},
    {"_text",
     "0000000100000001000000190000000b00000001000000016100000003622063ffffffff000000044e554c4cffffffff0000000"
     "00000000361226200000003635c6400000003782c79000000037b7a7d0000000109",
     "{a,\"b c\",NULL,\"NULL\",NULL,\"\",\"a\\\"b\",\"c\\\\d\",\"x,y\",\"{z}\",\"\t\"}"},
    {"_box",
     "00000001000000000000025b000000020000000100000020400800000000000040100000000000003ff00000000000004000000"
     "000000000000000203ff00000000000003ff000000000000000000000000000000000000000000000",
     "{(3,4),(1,2);(1,1),(0,0)}"},
    {"_timestamptz", "0000000100000000000004a000000001000000010000000800023e0786c26000",
     "{\"2020-01-01 00:00:00+00\"}"},
    {"int4range", "01", "empty"},
    {"int4range", "0200000004000000010000000400000005", "[1,5)"},
    {"int4range", "080000000400000005", "(,5)"},
    {"int4range", "120000000400000007", "[7,)"},
    {"int4range", "18", "(,)"},
    {"numrange", "040000000c0002000000000002000113880000000a00010000000000000002", "(1.50,2]"},
    {"tsrange", "120000000800023e0786ca0120", "[\"2020-01-01 00:00:00.5\",)"},
    {"daterange", "020000000400001c890000000400001ca8", "[2020-01-01,2020-02-01)"},
    {"int4multirange", "00000000", "{}"},
    {"int4multirange",
     "00000002000000110200000004000000010000000400000003000000110200000004000000050000000400000007",
     "{[1,3),[5,7)}"},
    {"hstore", "000000020000000161000000013100000003622263ffffffff", "\"a\"=>\"1\", \"b\\\"c\"=>NULL"},
    {"hstore", "00000000", ""},
    {"ltree", "01746f702e737562", "top.sub"},
    {"mood", "736164", "sad"},
    {"_mood", "00000001000000010000232b0000000300000001000000026f6bffffffff00000003736164", "{ok,NULL,sad}"},
    {"pair", "000000020000001700000004000000010000001900000008612c20226222205c", "(1,\"a, \"\"b\"\" \\\\\")"},
    {"pair", "0000000200000017ffffffff00000019ffffffff", "(,)"},
    {"pair", "000000020000001700000004000000020000001900000000", "(2,\"\")"},
    {"_pair",
     "00000001000000010000232d00000002000000010000001900000002000000170000000400000001000000190000000178fffff"
     "fff",
     "{\"(1,x)\",NULL}"},
    {"small", "000200000000000300011388", "1.500"},
    {"vector", "000200003fc00000c0000000", "[1.5,-2]"},
    /* 1.5, -2, the largest, the smallest normal, the smallest of all, one below the normals, -0. */
    {"halfvec", "000700003e00c0007bff0400000103ff8000",
     "[1.5,-2,65504,6.1035156e-05,5.9604645e-08,6.097555e-05,-0]"},
    {"sparsevec",
     "0000000500000002000000000000000000000003"
     "3fc00000c0000000",
     "{1:1.5,4:-2}/5"},
    {"sparsevec", "000000050000000000000000", "{}/5"},
};

enum { N_TYPES = sizeof TYPES / sizeof *TYPES, N_CASES = sizeof CASES / sizeof *CASES };

static struct types *types;
static struct arena arena;
static struct err e;

static void setup(void)
{
    types = types_new();
    for (size_t i = 0; i < N_TYPES; i++)
        types_set(types, &(struct type){.oid = TYPES[i].oid,
                                        .schema = "pg_catalog",
                                        .name = TYPES[i].name,
                                        .kind = TYPES[i].kind,
                                        .element = TYPES[i].element,
                                        .base = TYPES[i].base,
                                        .typmod = -1});
    memset(&e, 0, sizeof e);
}

static void teardown(void)
{
    types_free(types);
    arena_free(&arena);
}

static uint32_t oid_of(const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(TYPES[i].name, name) == 0)
            return TYPES[i].oid;
    ck_abort_msg("no type %s", name);
    return 0;
}

/* In memory of just its size, so that a read past the end is seen. */
static struct slice bytes_of(const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *bytes = xmalloc(n + 1);
    ck_assert(hex_bytes(hex, n, bytes));
    char *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    free(bytes);
    return (struct slice){exact, n};
}

START_TEST(the_text_is_the_servers)
{
    setup();
    for (size_t i = 0; i < N_CASES; i++) {
        struct slice binary = bytes_of(CASES[i].hex), text;
        ck_assert_msg(binary_text(types, oid_of(CASES[i].type), binary, &arena, &text, &e), "%s %s: %s",
                      CASES[i].type, CASES[i].text, e.text);
        ck_assert_msg(slice_is(text, CASES[i].text), "%s: " SLICE_FMT ", not %s", CASES[i].type,
                      SLICE_ARG(text), CASES[i].text);
        free((char *)binary.ptr);
    }
    teardown();
}
END_TEST

/* Whatever is cut off or changed: an error or some text, never a read past the end. */
START_TEST(malformed_values_are_refused)
{
    setup();
    for (size_t i = 0; i < N_CASES; i++) {
        struct slice whole = bytes_of(CASES[i].hex), text;
        for (size_t n = 0; n < whole.len; n++) {
            char *part = malloc(n ? n : 1);
            memcpy(part, whole.ptr, n);
            (void)binary_text(types, oid_of(CASES[i].type), (struct slice){part, n}, &arena, &text, &e);
            free(part);
            char *changed = (char *)whole.ptr;
            changed[n] ^= (char)0x80;
            (void)binary_text(types, oid_of(CASES[i].type), whole, &arena, &text, &e);
            changed[n] ^= (char)0x80;
        }
        free((char *)whole.ptr);
    }
    static const char *const bad[][2] = {{"int4", "0000"},
                                         {"int4", "0000000100"},
                                         {"uuid", "00"},
                                         {"bool", ""},
                                         {"halfvec", "00010000"},
                                         {"sparsevec", "00000005ffffffff00000000"},
                                         {"sparsevec", "00000005000000010000000000000000"},
                                         {"_int4", "00000001000000000000001700000001"},
                                         {"_int4", "000000010000000000000017000000027fffffff" /* and up */
                                                   "000000040000000100000004ffffffff"},
                                         {"point", "3ff0000000000000"},
                                         {"timestamp", "00"},
                                         {"bit", "00000009ff"},
                                         {"jsonb", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice binary = bytes_of(bad[i][1]), text;
        ck_assert_msg(!binary_text(types, oid_of(bad[i][0]), binary, &arena, &text, &e), "%s %s", bad[i][0],
                      bad[i][1]);
        ck_assert_int_eq(e.kind, ERR_DATA);
        free((char *)binary.ptr);
    }
    teardown();
}
END_TEST

/* An array that says it has a billion elements allocates nothing for them. */
START_TEST(sizes_are_checked_first)
{
    setup();
    struct slice binary = bytes_of("0000000100000000000000173b9aca0000000001"), text;
    ck_assert(!binary_text(types, oid_of("_int4"), binary, &arena, &text, &e));
    free((char *)binary.ptr);
    teardown();
}
END_TEST

/* Composites in composites, 30 deep, and in the innermost a quote: each level would double it. No server has
 * such a type, but a stream could say so. */
START_TEST(quotes_are_not_doubled_for_ever)
{
    setup();
    enum { DEPTH = 30, HEAD = 12 };
    char bytes[HEAD * DEPTH + 1] = {0};
    for (int i = 0; i < DEPTH; i++) {
        char *head = bytes + HEAD * i;
        uint32_t left = HEAD * (DEPTH - 1 - (uint32_t)i) + 1, oid = oid_of(left == 1 ? "text" : "pair");
        head[3] = 1;
        head[6] = (char)(oid >> 8), head[7] = (char)oid;
        head[10] = (char)(left >> 8), head[11] = (char)left;
    }
    bytes[HEAD * DEPTH] = '"';
    struct slice five = {bytes + HEAD * (DEPTH - 5), HEAD * 5 + 1}, text;
    ck_assert(binary_text(types, oid_of("pair"), five, &arena, &text, &e));
    ck_assert(!binary_text(types, oid_of("pair"), (struct slice){bytes, sizeof bytes}, &arena, &text, &e));
    ck_assert(e.kind == ERR_DATA && strstr(e.text, "as text"));
    teardown();
}
END_TEST

static struct relation *relation_of(struct column *columns, size_t n)
{
    static struct relation rel = {.schema = "public", .name = "t"};
    rel.columns = columns;
    rel.n_columns = n;
    return &rel;
}

/* Small cells become text; large ones and those of unknown types stay as they are. */
START_TEST(cells_become_text_in_place)
{
    setup();
    types_set(types,
              &(struct type){.oid = 70, .schema = "public", .name = "strange", .kind = 'b', .typmod = -1});
    struct column columns[] = {{.name = "a", .type_oid = 23},
                               {.name = "b", .type_oid = 17},
                               {.name = "c", .type_oid = 70},
                               {.name = "d", .type_oid = 25}};
    struct cell cells[] = {
        {'b', {"\0\0\0\7", 4}}, {'b', {"0123456789", 10}}, {'b', {"?", 1}}, {'n', {NULL, 0}}};
    struct relation *rel = relation_of(columns, 4);
    ck_assert_msg(binary_cells(types, rel, cells, 9, &arena, &e), "%s", e.text);
    ck_assert(cells[0].kind == 't' && slice_is(cells[0].data, "7"));
    ck_assert(cells[1].kind == 'b' && cells[2].kind == 'b' && cells[3].kind == 'n');
    ck_assert(binary_cells(types, rel, cells, SIZE_MAX, &arena, &e));
    ck_assert(cells[1].kind == 't' && slice_is(cells[1].data, "\\x30313233343536373839"));
    ck_assert_int_eq(e.kind, ERR_NONE);
    ck_assert(!binary_lacks(rel, &columns[2], &e));
    ck_assert(e.kind == ERR_DATA && strstr(e.text, "public.t column c"));
    teardown();
}
END_TEST

SUITE_MAIN("binary_text", the_text_is_the_servers, malformed_values_are_refused, sizes_are_checked_first,
           quotes_are_not_doubled_for_ever, cells_become_text_in_place)
