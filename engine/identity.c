/* identity.c - ALTER TABLE ... REPLICA IDENTITY for the tables that replica.identity.autoset.values names. */
#include "identity.h"

#include "log.h"
#include "sql.h"
#include "xmalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

bool identity_next(const char **list, struct slice *entry)
{
    if (!*list || !**list)
        return false;
    *entry = (struct slice){*list, strcspn(*list, ",")};
    *list += entry->len + ((*list)[entry->len] == ',');
    return true;
}

static bool has_space(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (isspace((unsigned char)s.ptr[i]))
            return true;
    return false;
}

/* One character of any kind, then letters, digits and underscores: Debezium's .\w* */
static bool is_index_name(struct slice s)
{
    for (size_t i = 1; i < s.len; i++)
        if (!isalnum((unsigned char)s.ptr[i]) && s.ptr[i] != '_')
            return false;
    return s.len > 0;
}

bool identity_parse(struct slice entry, struct identity_entry *out)
{
    static const char *const words[] = {"DEFAULT", "FULL", "NOTHING"};
    entry = slice_trim(entry);
    const char *colon = entry.len ? memchr(entry.ptr, ':', entry.len) : NULL;
    if (!colon || colon == entry.ptr)
        return false;
    size_t n = (size_t)(colon - entry.ptr);
    *out = (struct identity_entry){.tables = {entry.ptr, n}};
    struct slice word = slice_cut(entry, n + 1, entry.len);
    if (has_space(out->tables))
        return false;
    for (int i = 0; i < 3; i++)
        if (word.len == strlen(words[i]) && strncasecmp(word.ptr, words[i], word.len) == 0) {
            out->kind = "dfn"[i];
            return true;
        }
    if (word.len < 7 || strncasecmp(word.ptr, "INDEX ", 6) != 0)
        return false;
    out->kind = 'i';
    out->index = slice_cut(word, 6, word.len);
    return is_index_name(out->index);
}

static bool entry_matches(const struct identity_entry *entry, const char *name)
{
    struct err ignored = {0};
    char *text = xstrndup(entry->tables.ptr, entry->tables.len);
    struct pattern_list *p = pattern_list_new(text, &ignored); /* checked with the configuration */
    bool matches = p && pattern_list_match(p, slice_of(name));
    pattern_list_free(p);
    free(text);
    return matches;
}

/* The number of entries that match; the last of them in *out. */
static int find_entry(const struct config *config, const char *name, struct identity_entry *out)
{
    const char *list = config->replica_identities;
    struct slice text;
    struct identity_entry one;
    int found = 0;
    while (identity_next(&list, &text))
        if (identity_parse(text, &one) && entry_matches(&one, name)) {
            *out = one;
            found++;
        }
    return found;
}

static bool is_set(PGconn *conn, const struct table *t, const struct identity_entry *want)
{
    if (t->identity != want->kind)
        return false;
    if (want->kind != 'i')
        return true;
    struct err ignored = {0};
    char oid[16];
    snprintf(oid, sizeof oid, "%u", t->oid);
    const char *param = oid;
    PGresult *res = pg_query(conn, &ignored, SQL_REPLICA_INDEX, 1, &param);
    bool same = res && PQntuples(res) && slice_is(want->index, PQgetvalue(res, 0, 0));
    PQclear(res);
    return same;
}

static void set_identity(PGconn *conn, struct table *t, const struct identity_entry *want)
{
    struct err e = {0};
    struct buf sql = BUF_EMPTY, what = BUF_EMPTY;
    if (want->kind == 'i') {
        char *index = xstrndup(want->index.ptr, want->index.len);
        BUF_LIT(&what, "USING INDEX ");
        pg_ident(&what, index);
        free(index);
    } else {
        buf_str(&what, want->kind == 'd' ? "DEFAULT" : want->kind == 'f' ? "FULL" : "NOTHING");
    }
    BUF_LIT(&sql, "ALTER TABLE ");
    pg_table(&sql, t->schema, t->name);
    buf_printf(&sql, " REPLICA IDENTITY %s", what.ptr);
    if (pg_run(conn, &e, sql.ptr)) {
        t->identity = want->kind;
        log_info("replica identity set to %s for table %s.%s", what.ptr, t->schema, t->name);
    } else {
        log_error("replica.identity.autoset.values: table %s.%s: %s", t->schema, t->name, e.text);
    }
    buf_free(&sql);
    buf_free(&what);
}

void identity_prepare(PGconn *conn, const struct config *config, struct tables *tables)
{
    for (size_t i = 0; config->replica_identities && i < tables->count; i++) {
        struct table *t = &tables->list[i];
        struct identity_entry want;
        char *name = xasprintf("%s.%s", t->schema, t->name);
        int found = find_entry(config, name, &want);
        if (found > 1)
            log_error("replica.identity.autoset.values: more than one expression matches table %s: it is "
                      "left as it is",
                      name);
        else if (found == 1 && !is_set(conn, t, &want))
            set_identity(conn, t, &want);
        free(name);
    }
}
