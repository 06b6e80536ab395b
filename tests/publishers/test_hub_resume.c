/* test_hub_resume.c - resuming at every position that a client may hold, while chance changes tables, sends
 * readers away and back, restarts walwire and tears its files: exact, or a reset. A model keeps everything
 * that was ever committed, and is what a client's answer is held against. */
#include "hub.h"

#include "suite.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub_play.h"
#include "xmalloc.h"

enum { TABLES = 3, COMMITS = 3000, GROUPS = 3, MOST_CHANGES = 4, MOST_WISHES = 3, EVERY = 100 };

/* ---- the model ---- */

struct change {
    lsn_t lsn;
    uint32_t ordinal;
    int table, id, group, old_group; /* old_group: of an update; -1: not known */
    char op;
};

static struct change model[COMMITS * MOST_CHANGES];
static size_t n_model;
static lsn_t lsn_now;
static uint64_t state;
static char dir[64];
static struct hub_options options;
static const struct hub_table *tables[TABLES];
static const char *const names[TABLES] = {"public.a", "public.b", "public.c"};
static bool keeps;
static size_t resumed, resets;
static int64_t clock_now = 1000000;

static int64_t fake_clock(void)
{
    return clock_now;
}

static unsigned chance(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* ---- the stream ---- */

/* id, group: all in the replica identity, as with FULL. */
static const struct hub_table *table_new(int t)
{
    static const struct hub_column columns[] = {{"id", "int4"}, {"grp", "int4"}, {"v", "text"}};
    static const uint16_t key[] = {0};
    static const bool identity[] = {true, true, true};
    struct hub_table_info info = {names[t], columns, 3, key, 1, identity};
    return hub_table_set(hub, source, &info);
}

static void tell(const struct change *c)
{
    char id[16], group[16], before[16];
    snprintf(id, sizeof id, "%d", c->id);
    snprintf(group, sizeof group, "%d", c->group);
    snprintf(before, sizeof before, "%d", c->op == 'd' ? c->group : c->old_group);
    struct slice row[] = {slice_of(id), slice_of(group), SLICE("\"some text\"")},
                 old[] = {slice_of(id), slice_of(before), SLICE("\"some text\"")};
    struct hub_change h = {.table = tables[c->table],
                           .op = c->op,
                           .commit_lsn = c->lsn,
                           .ordinal = c->ordinal,
                           .xid = (uint32_t)c->lsn,
                           .ts_ms = 5,
                           .row = c->op == 'd' || c->op == 't' ? NULL : row,
                           .old = c->op == 'd' || c->op == 'u' ? old : NULL};
    hub_publish(hub, source, &h);
}

/* From this LSN on, as a stream does it: whether a table is followed is asked once for a transaction. */
static void stream_from(lsn_t lsn)
{
    int follows[TABLES];
    lsn_t asked = 0;
    size_t first = n_model;
    while (first > 0 && model[first - 1].lsn >= lsn)
        first--;
    for (size_t i = first; i < n_model; i++) {
        const struct change *c = &model[i];
        if (c->lsn != asked)
            memset(follows, -1, sizeof follows);
        asked = c->lsn;
        if (follows[c->table] < 0)
            follows[c->table] = hub_follows(hub, tables[c->table], c->lsn, (uint32_t)c->lsn);
        if (follows[c->table])
            tell(c);
        if (i + 1 == n_model || model[i + 1].lsn != c->lsn)
            hub_position(hub, source, c->lsn + 5, 0);
        if (chance(4) == 0)
            hub_turn(hub);
    }
}

static void commit(void)
{
    static const char ops[] = "ccuuuudt";
    size_t first = n_model;
    lsn_now += 10;
    unsigned n = 1 + chance(MOST_CHANGES);
    for (unsigned i = 0; i < n; i++) {
        char op = ops[chance(chance(10) ? 7 : 8)];
        model[n_model++] = (struct change){.lsn = lsn_now,
                                           .ordinal = i,
                                           .table = (int)chance(TABLES),
                                           .id = (int)(first + i),
                                           .group = (int)chance(GROUPS),
                                           .old_group = (int)chance(GROUPS),
                                           .op = op};
    }
    stream_from(lsn_now);
    if (chance(3) == 0)
        hub_turn(hub);
}

/* ---- walwire ---- */

static void begin(lsn_t start)
{
    struct err e = {0};
    hub = hub_new(&options);
    ck_assert_msg(!keeps || hub_keep(hub, dir, &e), "%s", e.text);
    source = hub_source(hub, "shop");
    for (int t = 0; t < TABLES; t++)
        tables[t] = table_new(t);
    hub_epoch(hub, source, "7-1-a", start);
    hub_turn(hub);
    stream_from(start);
}

static void end(void)
{
    hub_stop(hub);
    hub_free(hub);
    hub = NULL;
}

static char *newest_file(void)
{
    char *path = xasprintf("%s/shop", dir), newest[64] = "";
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%.63s", entry->d_name);
    if (d)
        closedir(d);
    char *file = newest[0] ? xasprintf("%s/%s", path, newest) : NULL;
    free(path);
    return file;
}

/* As if it had been killed before it could write the last bytes. */
static void tear(void)
{
    char *file = newest_file();
    FILE *f = file ? fopen(file, "r+") : NULL;
    if (f) {
        fseek(f, 0, SEEK_END);
        long size = ftell(f), less = (long)chance(chance(2) ? 60 : 400);
        ck_assert_int_eq(ftruncate(fileno(f), size > less ? size - less : 0), 0);
        fclose(f);
    }
    free(file);
}

/* The stream begins again at a transaction that was not confirmed. */
static void restart(void)
{
    end();
    if (chance(2))
        tear();
    lsn_t back = 10 * (lsn_t)chance(12);
    begin(lsn_now + 5 > 100 + back ? lsn_now + 5 - back : 100);
}

/* ---- what a client must be told ---- */

struct wish {
    int table;
    int group;       /* -1: no filter */
    const char *ops; /* NULL: all */
    lsn_t lsn;       /* it has seen everything up to here, */
    uint32_t ordinal;
};

/* NULL: it does not see the change. */
static const char *seen_as(const struct change *c, const struct wish *w)
{
    const char *as = c->op == 'c' ? "c" : c->op == 'u' ? "u" : c->op == 'd' ? "d" : "t";
    if (w->group >= 0 && c->op != 't') {
        bool after = c->op != 'd' && c->group == w->group;
        bool before = c->op == 'd' ? c->group == w->group : c->op == 'u' && c->old_group == w->group;
        if (!after && !before)
            return NULL;
        as = c->op == 'u' ? (after && before ? "u" : after ? "enter" : "exit") : as;
    }
    char letter = strcmp(as, "enter") == 0 ? 'c' : strcmp(as, "exit") == 0 ? 'd' : *as;
    return w->ops && !strchr(w->ops, letter) ? NULL : as;
}

static bool is_behind(const struct change *c, const struct wish *w)
{
    return c->table == w->table && (c->lsn > w->lsn || (c->lsn == w->lsn && c->ordinal + 1 > w->ordinal));
}

static void wish_say(struct client *c, int id, const struct wish *w)
{
    char where[60] = "", ops[30] = "", request[400];
    if (w->group >= 0)
        snprintf(where, sizeof where, ",\"where\":[\"grp\",\"eq\",%d]", w->group);
    if (w->ops)
        snprintf(ops, sizeof ops, ",\"ops\":\"%s\"", w->ops);
    snprintf(
        request, sizeof request,
        "{\"type\":\"subscribe\",\"id\":%d,\"table\":\"%s\",\"from\":{\"epoch\":\"7-1-a\",\"pos\":%s}%s%s}",
        id, names[w->table], pos_text(w->lsn, w->ordinal), where, ops);
    say(c, request);
}

static bool is_seen(const struct change *c, const struct wish *w)
{
    return is_behind(c, w) && seen_as(c, w);
}

static void expect_told(struct json_object *m, const struct change *c, const char *as)
{
    char text[40];
    snprintf(text, sizeof text, "\"%s\"", as);
    expect(m, "op", text);
    expect(m, "pos", pos_text(c->lsn, c->ordinal + 1));
    snprintf(text, sizeof text, "{\"id\":%d}", c->id);
    if (c->op != 't')
        expect(m, "key", text);
}

/* Each subscription that sees the change is told of it, once. */
static void expect_all_told(struct client *c, const struct change *change, const struct wish *wishes, int n,
                            const int *channels)
{
    bool due[MOST_WISHES] = {false};
    int left = 0;
    for (int i = 0; i < n; i++)
        left += due[i] = channels[i] && is_seen(change, &wishes[i]);
    for (; left > 0; left--) {
        struct json_object *m = expect_type(c, "change");
        int channel = atoi(text_of(m, "channel")), i = 0;
        while (i < n && channels[i] != channel)
            i++;
        ck_assert_msg(i < n && due[i], "not for this subscription: %s", json_object_to_json_string(m));
        expect_told(m, change, seen_as(change, &wishes[i]));
        due[i] = false;
    }
}

/* Some subscriptions in one session: what comes is all of what is behind their positions, in the order in
 * which it was committed. */
static void resume(const struct wish *wishes, int n)
{
    struct client *c = welcomed();
    int channels[MOST_WISHES] = {0};
    for (int i = 0; i < n; i++)
        wish_say(c, i, &wishes[i]);
    for (int i = 0; i < n; i++) {
        struct json_object *m = next(c);
        bool granted = strcmp(text_of(m, "type"), "\"subscribed\"") == 0;
        if (granted)
            expect(m, "mode", "\"resume\"");
        else
            expect(m, "reason", "\"retention\"");
        channels[i] = granted ? atoi(text_of(m, "channel")) : 0;
        *(granted ? &resumed : &resets) += 1;
    }
    for (size_t i = 0; i < n_model; i++)
        expect_all_told(c, &model[i], wishes, n, channels);
    expect_nothing(c);
    client_free(c);
}

/* The last one is read so rarely that it is not followed for long times. */
static unsigned table_any(void)
{
    return chance(chance(30) ? TABLES - 1 : TABLES);
}

static struct wish wish_at(const struct change *c)
{
    static const char *const ops[] = {NULL, NULL, "cd", "u", "t"};
    struct wish w = {.table = (int)table_any(),
                     .group = (int)chance(GROUPS + 2) - 2,
                     .ops = ops[chance(5)],
                     .lsn = c->lsn,
                     .ordinal = c->ordinal + 1};
    if (chance(5) == 0)
        w.ordinal = 0; /* before the whole transaction */
    if (chance(5) == 0) {
        w.lsn += 5; /* a heartbeat's */
        w.ordinal = 0;
    }
    if (w.group < -1)
        w.group = -1;
    return w;
}

static void resume_anywhere(void)
{
    struct wish wishes[MOST_WISHES];
    int n = 1 + (int)chance(MOST_WISHES);
    for (int i = 0; i < n; i++) {
        size_t back = chance(chance(2) ? 60 : 1500);
        wishes[i] = wish_at(&model[back < n_model ? n_model - 1 - back : 0]);
    }
    hub_turn(hub);
    resume(wishes, n);
}

/* Somebody reads it, and goes: who may come back. */
static void visit(void)
{
    char request[100];
    snprintf(request, sizeof request, "{\"type\":\"subscribe\",\"id\":1,\"table\":\"%s\"}",
             names[table_any()]);
    client_free(subscriber(request, "live"));
}

static void play(uint64_t seed, bool on_disk)
{
    state = seed;
    keeps = on_disk;
    n_model = resumed = resets = 0;
    lsn_now = 100;
    options = (struct hub_options){.window_bytes = (size_t)8192 << chance(4),
                                   .retention_ms = chance(2) ? 0 : 2000,
                                   .clock_ms = fake_clock,
                                   .wall_ms = fake_clock};
    begin(100);
    for (int i = 0; i < COMMITS; i++) {
        clock_now += chance(20);
        commit();
        if (chance(40) == 0)
            visit();
        if (chance(25) == 0)
            resume_anywhere();
        if (chance(300) == 0 && on_disk)
            restart();
    }
    for (size_t i = n_model > EVERY ? n_model - EVERY : 0; i < n_model; i++)
        for (int t = 0; t < TABLES; t++) {
            struct wish w = wish_at(&model[i]);
            w.table = t;
            resume(&w, 1);
        }
    end();
}

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/walwire-resume-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    char *command = xasprintf("rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

START_TEST(resumes_are_exact_in_memory)
{
    play((uint64_t)_i, false);
    ck_assert_uint_gt(resumed, 200);
    ck_assert_uint_gt(resets, 20);
}
END_TEST

START_TEST(resumes_are_exact_over_restarts)
{
    play((uint64_t)_i + 1000, true);
    ck_assert_uint_gt(resumed, 100);
    ck_assert_uint_gt(resets, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_resume");
    TCase *tcase = tcase_create("hub_resume");
    int seeds = getenv("SEEDS") ? atoi(getenv("SEEDS")) : 6;
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, resumes_are_exact_in_memory, 0, seeds);
    tcase_add_loop_test(tcase, resumes_are_exact_over_restarts, 0, seeds);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
