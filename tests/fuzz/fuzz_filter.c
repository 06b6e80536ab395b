/* fuzz_filter.c - any `where` for a table of any columns, judged on any rows.
 *
 * What must hold: the same tree has the same text and, with its parts in another order, too; then the
 * verdicts are the same. A filter and its opposite are never both true. What is said of a row of which some
 * values are not known stays true when they are. A row that matches has one of the values that filter_equal
 * tells. The SQL has nothing of the client's outside of quotes.
 *
 * Bytes choose the columns' types; then comes the tree, as JSON up to a byte 0xFF or in a short form, and the
 * cells of rows. Columns and cells are in memory of just their size. */
#include "filter.h"
#include "pieces.h"
#include "registry.h"
#include "row_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS_MOST = 6, ROWS_MOST = 8, DEPTH_MOST = 5, CUT = 0xFF };

static const char *const NAMES[COLUMNS_MOST] = {"id", "na\"me", "b c", "\\", "'; --", "é"};

/* For both filters and cells, so that they meet. */
static const char *const WORDS[] = {
    "0",
    "-1",
    "-0.00",
    "32767",
    "9223372036854775807",
    "-9223372036854775808",
    "1.50",
    "1.5",
    "1e2",
    "100",
    "NaN",
    "Infinity",
    "-Infinity",
    "t",
    "f",
    "",
    "a",
    "a  ",
    "a%b_c\\",
    "it's \"x\" \\' é 😀",
    "A\n\t\001",
    "\\x00ff10",
    "AP8Q",
    "6f1d3c4e-0000-4000-8000-00000000abcd",
    "6F1D3C4E-0000-4000-8000-00000000ABCD",
    "2024-02-29",
    "2024-02-29 12:00:00.5+00",
    "2024-02-29T13:00:00.500000+01:00",
    "2024-02-29 12:00:00.5",
    "0044-03-15 BC",
    "infinity",
    "-infinity",
    "24:00:00",
    "12:34:56.789",
    "{1,NULL,3}",
    "{a,\"b c\",NULL}",
    "{{1},{2}}",
    "{\"a\": [1]}",
    "null",
    "sad",
};

enum { WORDS_COUNT = sizeof WORDS / sizeof *WORDS };

struct input {
    const uint8_t *data;
    size_t size;
};

struct table {
    size_t n;
    struct hub_column *columns;
    struct row_style *styles;
    char names[COLUMNS_MOST][40];
};

static unsigned take(struct input *in)
{
    if (!in->size)
        return 0;
    in->size--;
    return *in->data++;
}

/* A word, or as many bytes as the next one says; for the caller to free. */
static char *take_text(struct input *in, size_t *len)
{
    unsigned which = take(in);
    if (which < 200) {
        *len = strlen(WORDS[which % WORDS_COUNT]);
        return strdup(WORDS[which % WORDS_COUNT]);
    }
    *len = take(in) % 32;
    if (*len > in->size)
        *len = in->size;
    char *text = calloc(1, *len + 1);
    memcpy(text, in->data, *len);
    in->data += *len;
    in->size -= *len;
    return text;
}

/* ---- the table ---- */

static struct hub_column column_of(const struct types *types, uint32_t oid, const char *name, char type[40])
{
    const struct type *t = types_find(types, oid), *item = t->element ? types_find(types, t->element) : t;
    snprintf(type, 40, "%s%s", item->name, t->element ? "[]" : "");
    const char *base = item->kind != 'b' ? "" : NULL;
    if (item->base)
        base = t->element ? "numeric[]" : "numeric";
    return (struct hub_column){name, type, base};
}

static void table_take(struct table *t, struct input *in, const struct types *types, struct arena *a)
{
    t->n = take(in) % COLUMNS_MOST + 1;
    t->columns = malloc(t->n * sizeof *t->columns);
    t->styles = malloc(t->n * sizeof *t->styles);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t oid = registry_oid(take(in));
        t->columns[i] = column_of(types, oid, NAMES[i], t->names[i]);
        t->styles[i] = row_style_of(types, oid, a);
    }
}

/* ---- the tree ---- */

static struct json_object *take_value(struct input *in)
{
    unsigned kind = take(in);
    size_t len;
    char *text = take_text(in, &len);
    struct json_object *value = NULL, *number = json_tokener_parse(text);
    if (kind % 4 == 0 &&
        (json_object_is_type(number, json_type_int) || json_object_is_type(number, json_type_double)))
        value = json_object_get(number);
    else if (kind % 16 == 1)
        value = json_object_new_boolean(kind & 16);
    else if (kind % 16 != 2)
        value = json_object_new_string_len(text, (int)len);
    json_object_put(number);
    free(text);
    return value;
}

static struct json_object *take_predicate(struct input *in, const struct table *t)
{
    static const char *const ops[] = {"eq", "ne",  "lt",   "le",      "gt",   "ge",
                                      "in", "nin", "null", "notnull", "like", "prefix"};
    unsigned column = take(in), op = take(in) % (sizeof ops / sizeof *ops), n = 0;
    bool array = strchr(t->columns[column % t->n].type, '[');
    struct json_object *tree = json_object_new_array();
    json_object_array_add(tree, json_object_new_string(NAMES[column % t->n]));
    json_object_array_add(tree, json_object_new_string(ops[op]));
    if (ops[op][0] == 'n' && strstr(ops[op], "null"))
        return tree;
    if (array || strcmp(ops[op] + (op == 7), "in") == 0) {
        struct json_object *list = json_object_new_array();
        for (n = take(in) % 5; n; n--)
            json_object_array_add(list, take_value(in));
        json_object_array_add(tree, list);
    } else {
        json_object_array_add(tree, take_value(in));
    }
    return tree;
}

static struct json_object *take_node(struct input *in, const struct table *t, int depth)
{
    unsigned kind = depth ? take(in) % 8 : 7;
    if (kind > 2)
        return take_predicate(in, t);
    struct json_object *tree = json_object_new_object(), *list;
    if (kind == 2) {
        json_object_object_add(tree, "not", take_node(in, t, depth - 1));
        return tree;
    }
    list = json_object_new_array();
    for (unsigned n = take(in) % 4 + 1; n; n--)
        json_object_array_add(list, take_node(in, t, depth - 1));
    json_object_object_add(tree, kind ? "or" : "and", list);
    return tree;
}

/* As hub_client.c reads messages. */
static struct json_object *take_json(struct input *in)
{
    const uint8_t *end = memchr(in->data, CUT, in->size);
    size_t len = end ? (size_t)(end - in->data) : in->size;
    struct json_tokener *tokener = json_tokener_new_ex(100);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *tree = json_tokener_parse_ex(tokener, (const char *)in->data, (int)len);
    json_tokener_free(tokener);
    in->data += len + (end != NULL);
    in->size -= len + (end != NULL);
    return tree;
}

/* The same with the parts of `and`, `or` and `in` in the opposite order. */
static struct json_object *turned(struct json_object *tree, bool list)
{
    if (json_object_is_type(tree, json_type_object)) {
        struct json_object *copy = json_object_new_object();
        json_object_object_foreach(tree, name, value)
            json_object_object_add(copy, name, turned(value, strcmp(name, "not") != 0));
        return copy;
    }
    if (!json_object_is_type(tree, json_type_array))
        return json_object_get(tree);
    struct json_object *copy = json_object_new_array(), *op = json_object_array_get_idx(tree, 1);
    size_t n = json_object_array_length(tree);
    for (size_t i = 0; i < n; i++)
        json_object_array_add(copy, list ? turned(json_object_array_get_idx(tree, n - 1 - i), false)
                                         : json_object_get(json_object_array_get_idx(tree, i)));
    const char *name = json_object_is_type(op, json_type_string) ? json_object_get_string(op) : "";
    if (!list && n == 3 && (strcmp(name, "in") == 0 || strcmp(name, "nin") == 0))
        json_object_array_put_idx(copy, 2, turned(json_object_array_get_idx(tree, 2), true));
    return copy;
}

static struct json_object *member(const char *name, struct json_object *value)
{
    struct json_object *tree = json_object_new_object();
    json_object_object_add(tree, name, value);
    return tree;
}

/* ---- what must hold ---- */

static void must(bool holds, const char *what, const struct filter *f)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, filter_text(f));
    abort();
}

/* Behind the literal or name at `at`. */
static const char *quoted_end(const char *at, const char *end, bool escaped)
{
    char quote = *at++;
    for (; at < end; at++) {
        if (*at == quote && (at + 1 == end || at[1] != quote))
            return at + 1;
        if (*at == quote || (escaped && *at == '\\'))
            at++;
        else if (*at == '\\' && quote == '\'')
            return NULL; /* its meaning depends on a setting */
    }
    return NULL;
}

static void sql_check(const struct filter *f)
{
    struct buf sql = BUF_EMPTY;
    filter_sql(f, &sql);
    const char *at = sql.ptr, *end = at + sql.len;
    int depth = 0;
    if (slice_starts(buf_view(&sql), "NOT ("))
        at += 4; /* which binds closer than what may stand beside it */
    while (at && at < end) {
        bool escaped = at[0] == 'E' && at[1] == '\'';
        if (escaped || *at == '\'' || *at == '"') {
            at = quoted_end(at + escaped, end, escaped);
            continue;
        }
        must(*at && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789 .,:=<>[]()", *at),
             sql.ptr, f);
        depth += (*at == '(') - (*at == ')');
        must(depth > 0 || at == end - 1, sql.ptr, f);
        at++;
    }
    must(at == end && depth == 0, sql.ptr, f);
    buf_free(&sql);
}

struct filters {
    struct filter *one, *same, *turned, *opposite, *both, *ruled;
};

static bool is_true(struct filter *f, const struct slice *cells, bool present)
{
    return f && filter_judge(f, cells, present) == FILTER_YES;
}

/* The index over equalities (hub_filter.c) finds no row that it does not hold. */
static void equal_check(struct filter *f, const struct slice *cells, enum filter_verdict verdict)
{
    struct filter_equal equal;
    struct filter_value value;
    struct buf scratch = BUF_EMPTY;
    bool found = false;
    if (!filter_equal(f, &equal))
        return;
    struct slice cell = cells[equal.column];
    bool known = cell.ptr && !slice_is(cell, "null") && value_read(equal.type.value, cell, &scratch, &value);
    for (size_t i = 0; known && i < equal.n; i++)
        found |= slice_eq(filter_equal_key(f, i), value_key(equal.type.value, &value));
    must(verdict != FILTER_YES || found, "a match without the value", f);
    must(!found || !equal.all || verdict == FILTER_YES, "the value, and no match", f);
    buf_free(&scratch);
}

/* All of the row is null or a value as its type has it: nothing is left undecided. */
static bool is_known(const struct table *t, const struct slice *cells)
{
    struct buf scratch = BUF_EMPTY;
    struct filter_value value;
    bool known = true;
    for (size_t i = 0; i < t->n && known; i++) {
        struct filter_type type = filter_type_of(&t->columns[i]);
        known = cells[i].ptr && (slice_is(cells[i], "null") ||
                                 (!type.array && value_read(type.value, cells[i], &scratch, &value)));
    }
    buf_free(&scratch);
    return known;
}

static void row_check(const struct filters *f, const struct table *t, const struct slice *cells,
                      unsigned mask)
{
    enum filter_verdict verdict = filter_judge(f->one, cells, false), less;
    must(filter_judge(f->same, cells, false) == verdict, "not the same", f->one);
    must(filter_judge(f->turned, cells, false) == verdict, "not the same in another order", f->one);
    must(!(verdict == FILTER_YES && is_true(f->opposite, cells, false)), "both are true", f->one);
    must(!is_true(f->both, cells, false) && !is_true(f->both, cells, true), "true and not true", f->one);
    if (f->ruled)
        must(filter_judge(f->ruled, cells, false) == verdict, "not the same under a rule", f->one);
    must(verdict != FILTER_UNDECIDED || !is_known(t, cells), "undecided, and all is known", f->one);
    equal_check(f->one, cells, verdict);
    bool nulls = false;
    struct slice *fewer = malloc(t->n * sizeof *fewer);
    for (size_t i = 0; i < t->n; i++) {
        fewer[i] = mask >> i & 1 ? (struct slice){NULL, 0} : cells[i];
        nulls |= (mask >> i & 1) && (!cells[i].ptr || slice_is(cells[i], "null"));
    }
    for (int present = 0; present < (nulls ? 1 : 2) && verdict != FILTER_UNDECIDED; present++) {
        less = filter_judge(f->one, fewer, present);
        must(less == verdict || less == FILTER_UNDECIDED, "another answer when less is known", f->one);
    }
    free(fewer);
}

/* ---- the play ---- */

static struct slice exact(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    return (struct slice){copy, len};
}

static struct slice take_cell(struct input *in, struct row_style style)
{
    unsigned kind = take(in) % 16;
    struct buf b = BUF_EMPTY;
    size_t len;
    if (kind == 0)
        return (struct slice){NULL, 0};
    if (kind == 1)
        return exact("null", 4);
    char *text = take_text(in, &len);
    struct slice cell;
    if (kind == 2 && len) {
        cell = exact(text, len); /* whatever it is */
    } else {
        row_json(&b, style, (struct slice){text, len});
        cell = exact(b.ptr, b.len);
    }
    buf_free(&b);
    free(text);
    return cell;
}

static void rows_play(const struct filters *f, const struct table *t, struct input *in)
{
    for (int n = 0; n < ROWS_MOST && in->size; n++) {
        unsigned mask = take(in);
        struct slice *cells = malloc(t->n * sizeof *cells);
        for (size_t i = 0; i < t->n; i++)
            cells[i] = take_cell(in, t->styles[i]);
        row_check(f, t, cells, mask);
        for (size_t i = 0; i < t->n; i++)
            free((char *)cells[i].ptr);
        free(cells);
    }
}

static struct filter *compiled(struct json_object *tree, const struct table *t)
{
    struct err e = {0};
    struct filter *f = filter_new(tree, t->columns, t->n, &e);
    if (!f && (e.kind != ERR_DATA || strncmp(e.text, "where: ", 7) != 0))
        abort();
    json_object_put(tree);
    return f;
}

/* Under itself as a rule, with columns that the client is not to see. */
static void ruled_check(struct filters *f, struct json_object *tree, const struct table *t, unsigned mask)
{
    bool *hidden = malloc(t->n);
    bool reads = false;
    struct err e = {0};
    size_t n;
    const uint16_t *columns = filter_columns(f->one, &n);
    for (size_t i = 0; i < t->n; i++)
        hidden[i] = mask >> i & 1;
    for (size_t i = 0; i < n; i++)
        reads |= hidden[columns[i]];
    f->ruled = filter_ruled(tree, tree, hidden, t->columns, t->n, &e);
    must(reads == !f->ruled, "a hidden column", f->one);
    free(hidden);
}

static void play(struct input *in, const struct table *t, struct json_object *tree, unsigned mask)
{
    struct filters f = {.one = compiled(json_object_get(tree), t)};
    if (!f.one)
        return;
    f.same = compiled(json_object_get(tree), t);
    f.turned = compiled(turned(tree, false), t);
    f.opposite = compiled(member("not", json_object_get(tree)), t);
    struct json_object *both = json_object_new_array();
    json_object_array_add(both, json_object_get(tree));
    json_object_array_add(both, member("not", json_object_get(tree)));
    f.both = compiled(member("and", both), t); /* NULL: too many conditions */
    must(f.same && strcmp(filter_text(f.one), filter_text(f.same)) == 0, "another text", f.one);
    must(f.turned && strcmp(filter_text(f.one), filter_text(f.turned)) == 0, "another text in another order",
         f.one);
    json_must_be(slice_of(filter_text(f.one)));
    sql_check(f.one);
    ruled_check(&f, tree, t, mask);
    rows_play(&f, t, in);
    struct filter *all[] = {f.one, f.same, f.turned, f.opposite, f.both, f.ruled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        filter_free(all[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct types *types; /* once: most of the work of an input would be this */
    struct input in = {data, size};
    struct table t;
    struct arena arena = {0};
    if (!types)
        types = registry_new();
    table_take(&t, &in, types, &arena);
    unsigned mask = take(&in);
    bool json = in.size && (*in.data == '{' || *in.data == '[');
    struct json_object *tree = json ? take_json(&in) : take_node(&in, &t, DEPTH_MOST);
    if (tree)
        play(&in, &t, tree, mask);
    json_object_put(tree);
    free(t.columns);
    free(t.styles);
    arena_free(&arena);
    return 0;
}
