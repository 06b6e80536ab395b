/* fuzz_props.c - any bytes as a connector's JSON: refused with a reason, or every name has its value. */
#include "frames.h"
#include "props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct props *props = props_new();
    struct err e = {0};
    bool read = props_read_json(props, (struct slice){(const char *)data, size}, &e);
    if (!read && (e.kind != ERR_CONFIG || !e.text[0]))
        abort();
    for (size_t i = 0; i < props_count(props); i++) {
        const char *name, *value;
        props_at(props, i, &name, &value);
        if (!name || !value || !props_get(props, name))
            abort();
        (void)props_is_secret(name);
    }
    props_free(props);
    return 0;
}
