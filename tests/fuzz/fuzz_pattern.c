/* fuzz_pattern.c - any text as an include list, matched with any name: refused with a reason, or it ends in
 * time. */
#include "frames.h"
#include "pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = frame_next(&data, &size);
    if (!text.ptr)
        return 0;
    char *list = strndup(text.ptr, text.len);
    free((char *)text.ptr);
    struct err e = {0};
    struct pattern_list *patterns = pattern_list_new(list, &e);
    if (patterns)
        pattern_list_match(patterns, (struct slice){(const char *)data, size});
    else if (e.kind != ERR_CONFIG || !e.text[0])
        abort();
    pattern_list_free(patterns);
    free(list);
    return 0;
}
