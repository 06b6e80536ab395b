/* fuzz_pgoutput.c - any bytes as a replication stream: the decoder refuses or decodes, and never reads past a
 * frame. */
#include "frames.h"
#include "pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void cells_touch(const struct cell *cells, size_t count)
{
    for (size_t i = 0; cells && i < count; i++)
        if (cells[i].kind == 't' || cells[i].kind == 'b')
            sink += slice_touch(cells[i].data);
}

static void change_touch(const struct change *c)
{
    if (c->op == OP_INSERT || c->op == OP_UPDATE || c->op == OP_DELETE) {
        cells_touch(c->before, c->relation->n_columns);
        cells_touch(c->after, c->relation->n_columns);
    }
    for (size_t i = 0; c->op == OP_TRUNCATE && i < c->n_truncated; i++)
        sink += c->truncated[i]->oid;
    if (c->op == OP_MESSAGE)
        sink += slice_touch(c->prefix) + slice_touch(c->content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pgoutput *decoder = pgoutput_new();
    struct err e = {0};
    bool good = true;
    for (lsn_t lsn = 1; good; lsn++) {
        struct slice frame = frame_next(&data, &size);
        if (!frame.ptr)
            break;
        struct change change = {0};
        good = pgoutput_parse(decoder, lsn, frame, &change, &e);
        if (good)
            change_touch(&change);
        free((char *)frame.ptr);
    }
    pgoutput_free(decoder);
    return 0;
}
