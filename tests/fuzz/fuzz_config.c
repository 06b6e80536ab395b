/* fuzz_config.c - any JSON as a connector's configuration: it is validated, and then refused with a reason or
 * becomes settings from which a connection string and the masked form can be made. */
#include "config.h"
#include "config_table.h"
#include "kafka_settings.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_placeholder(const struct props *p)
{
    for (size_t i = 0; i < props_count(p); i++) {
        const char *name, *value;
        props_at(p, i, &name, &value);
        if (strstr(value, "${"))
            return true;
    }
    return false;
}

/* No secret may show in what REST answers. */
static void masked_check(const struct props *p)
{
    struct buf json = BUF_EMPTY;
    config_json_masked(&json, p);
    json_must_be(buf_view(&json));
    buf_free(&json);
}

static void settings_check(const struct props *p)
{
    struct err e = {0};
    struct config *config = config_new("fuzz", p, NULL, &e);
    if (!config) {
        if (e.kind != ERR_CONFIG || !e.text[0])
            abort();
        return;
    }
    struct buf text = BUF_EMPTY;
    config_conninfo(config, "Debezium Streaming", true, &text);
    if (strlen(text.ptr) != text.len)
        abort();
    (void)config_captures(config, "public", "orders");
    (void)config_captures_column(config, "public", "orders", "id");
    (void)column_rules_find(config->column_rules, "public", "orders", "id", "int4");
    buf_free(&text);
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct props *p = props_new();
    struct err e = {0};
    if (props_read_json(p, (struct slice){(const char *)data, size}, &e) && !has_placeholder(p)) {
        struct findings *found = config_findings("fuzz", p, p, NULL);
        for (size_t i = 0; i < found->count; i++)
            if (!found->items[i].text[0])
                abort();
        findings_free(found);
        masked_check(p);
        settings_check(p);
    }
    props_free(p);
    return 0;
}
