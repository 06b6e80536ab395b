/* fuzz_copy.c - any bytes as rows of COPY text: refused, or cells inside the row that was read.
 *
 * The first byte is the number of columns. */
#include "copy_text.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t n = data[0] % 8, len = size - 1;
    char *rows = malloc(len ? len : 1), *end = rows + len;
    memcpy(rows, data + 1, len);
    struct cell cells[8];
    struct err e = {0};
    for (char *at = rows; at < end;) {
        char *next = copy_text_row(at, end, cells, n, &e);
        if (!next)
            break;
        if (next <= at || next > end)
            abort();
        for (size_t i = 0; i < n; i++)
            if (cells[i].kind == 't' &&
                (cells[i].data.ptr < at || cells[i].data.ptr + cells[i].data.len > next))
                abort();
        at = next;
    }
    free(rows);
    return 0;
}
