/* fuzz_offsets.c - any text as a stored position, and any bytes as the file of positions: refused with a
 * reason, or read so that what is written from it says the same.
 *
 * The first byte chooses: a position's JSON, or a whole file, which is kept in memory. */
#include "offsets.h"
#include "pieces.h"

#include "xmalloc.h"
#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char dir[] = "/dev/shm/walwire-fuzz-XXXXXX";
static char path[100];

static void forget_files(void)
{
    unlink(path);
    rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    if (!mkdtemp(dir))
        abort();
    snprintf(path, sizeof path, "%s/offsets", dir);
    atexit(forget_files);
    return 0;
}

/* One slot, or none said, is the same. */
static int slots_of(const struct offset *o)
{
    return o->slots > 1 ? o->slots : 1;
}

static void same_or_abort(const struct offset *a, const struct offset *b)
{
    if (a->lsn != b->lsn || a->lsn_proc != b->lsn_proc || a->lsn_commit != b->lsn_commit ||
        a->tx_id != b->tx_id || a->ts_usec != b->ts_usec || a->lsn_events != b->lsn_events ||
        slots_of(a) != slots_of(b) || a->reached != b->reached ||
        strcmp(a->message_type, b->message_type) != 0 || strcmp(a->snapshot, b->snapshot) != 0 ||
        a->snapshot_completed != b->snapshot_completed || a->last_snapshot_record != b->last_snapshot_record)
        abort();
}

static void position_check(struct slice text)
{
    struct offset offset = {0}, again = {0};
    struct err e = {0};
    struct buf json = BUF_EMPTY;
    if (!offset_parse(text, &offset, &e)) {
        if (!e.text[0])
            abort();
        return;
    }
    offset_json(&json, &offset);
    json_must_be(buf_view(&json));
    if (!offset_parse(buf_view(&json), &again, &e))
        abort();
    same_or_abort(&offset, &again);
    buf_free(&json);
}

static void entry_touch(void *ctx, struct slice partition, struct slice value)
{
    json_must_be(partition);
    if (value.ptr)
        json_must_be(value);
}

static void file_write(const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void file_check(void)
{
    struct err e = {0};
    struct offset offset = {0}, again = {0};
    struct props *props = props_new();
    props_set(props, "offset.storage.file.filename", path);
    struct offsets *o = offsets_open(props, &e);
    if (o && offsets_load(o, "shop", "shop", &offset, &e)) {
        (void)offsets_list(o, "shop", entry_touch, NULL, &e);
        offset = (struct offset){.present = true, .lsn = 5, .tx_id = -1};
        if (!offsets_save(o, "shop", "shop", &offset, &e) || !offsets_load(o, "shop", "shop", &again, &e))
            abort();
        if (again.lsn != 5 || again.tx_id != -1 || again.lsn_commit || again.snapshot[0])
            abort();
    } else if (!e.text[0]) {
        abort();
    }
    offsets_close(o);
    props_free(props);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] == 'p') {
        char *exact = xstrndup((const char *)data + 1, size - 1);
        position_check((struct slice){exact, size - 1});
        free(exact);
    } else {
        file_write(data + 1, size - 1);
        file_check();
    }
    return 0;
}
