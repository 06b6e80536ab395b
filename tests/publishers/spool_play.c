/* spool_play.c - a walwire that keeps its window in files, ends and begins again, and those files. */
#include "spool_play.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xmalloc.h"

char dir[64];
int64_t clock_now;
struct hub_options options;

static int64_t fake_clock(void)
{
    return clock_now;
}

static int64_t fake_wall(void)
{
    return clock_now + 1700000000000;
}

/* ---- files ---- */

char *shop(const char *name)
{
    return xasprintf("%s/shop/%s", dir, name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kept *)a)->name, ((const struct kept *)b)->name);
}

/* The segments, oldest first. */
size_t files_read(struct kept *out)
{
    char *path = shop("");
    DIR *d = opendir(path);
    size_t n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        ck_assert_uint_lt(n, FILES);
        struct kept *k = &out[n++];
        snprintf(k->name, sizeof k->name, "%.39s", entry->d_name);
        char *file = shop(k->name);
        struct stat st;
        FILE *f = fopen(file, "r");
        ck_assert(f && fstat(fileno(f), &st) == 0);
        k->size = (size_t)st.st_size;
        k->bytes = xmalloc(k->size + 1);
        ck_assert_uint_eq(fread(k->bytes, 1, k->size, f), k->size);
        fclose(f);
        free(file);
    }
    if (d)
        closedir(d);
    free(path);
    qsort(out, n, sizeof *out, by_name);
    return n;
}

static void files_clear(void)
{
    struct kept files[FILES];
    size_t n = files_read(files);
    for (size_t i = 0; i < n; i++) {
        char *file = shop(files[i].name);
        unlink(file);
        free(file);
        free(files[i].bytes);
    }
}

void files_write(const struct kept *files, size_t n)
{
    files_clear();
    char *path = shop("");
    mkdir(path, 0700);
    free(path);
    for (size_t i = 0; i < n; i++) {
        char *file = shop(files[i].name);
        FILE *f = fopen(file, "w");
        ck_assert(f && fwrite(files[i].bytes, 1, files[i].size, f) == files[i].size);
        fclose(f);
        free(file);
    }
}

void files_free(struct kept *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(files[i].bytes);
}

size_t disk_bytes(void)
{
    struct kept files[FILES];
    size_t n = files_read(files), total = 0;
    for (size_t i = 0; i < n; i++)
        total += files[i].size;
    files_free(files, n);
    return total;
}

/* ---- a walwire that comes and goes ---- */

void begin_with(const char *epoch, lsn_t start, size_t columns)
{
    struct err e = {0};
    hub = hub_new(&options);
    ck_assert_msg(hub_keep(hub, dir, &e), "%s", e.text);
    source = hub_source(hub, "shop");
    items = table_of("public.items", columns);
    other = table_of("public.other", 3);
    hub_epoch(hub, source, epoch, start);
    hub_turn(hub);
}

void begin(lsn_t start)
{
    begin_with("7-1-a", start, 3);
}

void end(void)
{
    hub_stop(hub);
    hub_free(hub);
    hub = NULL;
}

void again(lsn_t start)
{
    end();
    begin(start);
}

void spool_setup(void)
{
    options = (struct hub_options){.window_bytes = WINDOW, .clock_ms = fake_clock, .wall_ms = fake_wall};
    clock_now = 1000000;
    snprintf(dir, sizeof dir, "/tmp/walwire-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

void spool_teardown(void)
{
    if (hub)
        end();
    files_clear();
    char *path = shop("");
    rmdir(path);
    free(path);
    path = xasprintf("%s/.lock", dir);
    unlink(path);
    free(path);
    rmdir(dir);
}

/* As the stream does it: a transaction with one change. */
void commit(const struct hub_table *table, lsn_t lsn, int id)
{
    if (hub_follows(hub, table, lsn, (uint32_t)lsn))
        publish(table, 'c', lsn, (uint32_t)lsn, id);
    hub_position(hub, source, lsn + 5, 0);
    hub_turn(hub);
}

/* Ids 0 to n - 1 at 200, 210, 220 ... */
lsn_t at(int id)
{
    return 200 + 10 * (lsn_t)id;
}

void commits(int from, int to)
{
    for (int i = from; i < to; i++)
        commit(items, at(i), i);
}

/* ---- who comes back ---- */

struct client *back_to(const char *table, const char *epoch, const char *pos)
{
    char request[300];
    struct client *c = welcomed();
    snprintf(request, sizeof request,
             "{\"type\":\"subscribe\",\"id\":3,\"table\":\"%s\",\"from\":{\"epoch\":\"%s\",\"pos\":%s}}",
             table, epoch, pos);
    say(c, request);
    return c;
}

void expect_resume(const char *pos, int from, int to)
{
    struct client *c = back_to("public.items", "7-1-a", pos);
    expect(expect_type(c, "subscribed"), "mode", "\"resume\"");
    for (int i = from; i < to; i++)
        expect_change(c, 'c', i);
    expect_nothing(c);
    client_free(c);
}

void expect_reset(const char *table, const char *epoch, const char *pos, const char *reason)
{
    struct client *c = back_to(table, epoch, pos);
    char json[40];
    snprintf(json, sizeof json, "\"%s\"", reason);
    expect(expect_type(c, "reset"), "reason", json);
    expect_nothing(c);
    client_free(c);
}

void read_items(void)
{
    client_free(live());
}
