/* filter_sql.c - a filter as a condition of PostgreSQL's, of exactly the same meaning.
 *
 * Text is compared in collation "C", which is bytewise. An equality is also written in the column's own
 * collation, where bytewise equal texts are equal too: so an index serves it. */
#include "filter_impl.h"

static void ident(struct buf *b, const char *name)
{
    buf_char(b, '"');
    for (; *name; name++)
        buf_str(b, *name == '"' ? "\"\"" : (char[]){*name, 0});
    buf_char(b, '"');
}

/* Right also where standard_conforming_strings is off. */
static void quoted(struct buf *b, struct slice text)
{
    bool escaped = text.len && memchr(text.ptr, '\\', text.len);
    buf_str(b, escaped ? " E'" : "'");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'' || text.ptr[i] == '\\')
            buf_char(b, text.ptr[i]);
        buf_char(b, text.ptr[i]);
    }
    buf_char(b, '\'');
}

static const char *sql_type(const struct node *node)
{
    enum value_kind kind = node->type.value->kind;
    return kind == VALUE_TEXT || kind == VALUE_OTHER ? "text" : node->type.value->name;
}

static bool is_text(const struct node *node)
{
    enum value_kind kind = node->type.value->kind;
    return kind == VALUE_TEXT || kind == VALUE_PADDED;
}

static void typed(struct buf *b, const struct node *node, struct slice text)
{
    quoted(b, text);
    buf_printf(b, "::pg_catalog.%s", sql_type(node));
}

/* The column as it is compared. A type's output function is the one sure way to its text: some types' casts
 * to text give another one. A slice of an array begins at 1 whatever the array does. */
static void operand(struct buf *b, const struct filter *f, const struct node *node, bool bytewise)
{
    const char *name = f->names[node->column];
    bool other = node->type.value->kind == VALUE_OTHER;
    if (node->type.array) {
        buf_char(b, '(');
        ident(b, name);
        buf_str(b, node->type.value->kind == VALUE_TEXT ? ")[:]::pg_catalog.text[]" : ")[:]");
    } else if (other) {
        BUF_LIT(b, "(CASE pg_catalog.num_nulls(");
        ident(b, name);
        BUF_LIT(b, ") WHEN 0 THEN pg_catalog.format('%s', ");
        ident(b, name);
        BUF_LIT(b, ") END)");
    } else {
        ident(b, name);
        if (node->type.value->kind == VALUE_TEXT)
            BUF_LIT(b, "::pg_catalog.text");
    }
    if (bytewise && (other || is_text(node)))
        BUF_LIT(b, " COLLATE pg_catalog.\"C\"");
}

static void elements(struct buf *b, const struct node *node)
{
    BUF_LIT(b, "ARRAY[");
    for (size_t i = 0; i < node->n; i++) {
        buf_str(b, i ? ", " : "");
        if (node->values[i].null)
            BUF_LIT(b, "NULL");
        else
            quoted(b, node->values[i].sql);
    }
    buf_printf(b, "]::pg_catalog.%s[]", sql_type(node));
}

static void compared(struct buf *b, const struct filter *f, const struct node *node, bool bytewise)
{
    operand(b, f, node, bytewise);
    if (node->type.array) {
        BUF_LIT(b, " = ");
        elements(b, node);
        return;
    }
    buf_str(b, node->n == 1 ? " = " : " IN (");
    for (size_t i = 0; i < node->n; i++) {
        buf_str(b, i ? ", " : "");
        typed(b, node, node->values[i].sql);
    }
    buf_str(b, node->n == 1 ? "" : ")");
}

static void equality(struct buf *b, const struct filter *f, const struct node *node)
{
    bool twice = is_text(node) && !node->type.array;
    buf_str(b, node->op == COND_NE || node->op == COND_NIN ? "NOT (" : "(");
    compared(b, f, node, true);
    if (twice) {
        BUF_LIT(b, " AND ");
        compared(b, f, node, false);
    }
    buf_char(b, ')');
}

static void null_test(struct buf *b, const struct filter *f, const struct node *node)
{
    const char *name = f->names[node->column];
    enum value_kind kind = node->type.value->kind;
    buf_str(b, node->op == COND_NOTNULL ? "NOT (" : "(");
    if (kind == VALUE_OTHER && !node->type.array) { /* a row of nulls IS NULL, too */
        BUF_LIT(b, "pg_catalog.num_nulls(");
        ident(b, name);
        BUF_LIT(b, ") = 1)");
        return;
    }
    ident(b, name);
    BUF_LIT(b, " IS NULL");
    if (kind == VALUE_JSON && !node->type.array) { /* in a change the two nulls are one */
        BUF_LIT(b, " OR ");
        ident(b, name);
        BUF_LIT(b, "::pg_catalog.text = 'null'");
    }
    buf_char(b, ')');
}

/* As a pattern of LIKE: an index can serve that. */
static void pattern(struct buf *b, const struct filter *f, const struct node *node)
{
    struct slice text = node->values->value.text;
    struct buf escaped = BUF_EMPTY;
    for (size_t i = 0; i < text.len; i++) {
        if (node->op == COND_PREFIX && strchr("\\%_", text.ptr[i]))
            buf_char(&escaped, '\\');
        buf_char(&escaped, text.ptr[i]);
    }
    if (node->op == COND_PREFIX)
        buf_char(&escaped, '%');
    buf_char(b, '(');
    operand(b, f, node, true);
    BUF_LIT(b, " LIKE ");
    quoted(b, buf_view(&escaped));
    BUF_LIT(b, "::pg_catalog.text)");
    buf_free(&escaped);
}

static void ordering(struct buf *b, const struct filter *f, const struct node *node)
{
    static const char *const signs[] = {[COND_LT] = "<", [COND_LE] = "<=", [COND_GT] = ">", [COND_GE] = ">="};
    buf_char(b, '(');
    operand(b, f, node, true);
    buf_printf(b, " %s ", signs[node->op]);
    typed(b, node, node->values->sql);
    buf_char(b, ')');
}

static void node_sql(struct buf *b, const struct filter *f, const struct node *node)
{
    switch (node->op) {
    case COND_AND:
    case COND_OR:
    case COND_NOT:
        buf_str(b, node->op == COND_NOT ? "(NOT " : "(");
        for (size_t i = 0; i < node->n; i++) {
            buf_str(b, i == 0 ? "" : node->op == COND_AND ? " AND " : " OR ");
            node_sql(b, f, node->children[i]);
        }
        buf_char(b, ')');
        break;
    case COND_NULL:
    case COND_NOTNULL:
        null_test(b, f, node);
        break;
    case COND_LIKE:
    case COND_PREFIX:
        pattern(b, f, node);
        break;
    case COND_EQ:
    case COND_NE:
    case COND_IN:
    case COND_NIN:
        equality(b, f, node);
        break;
    default:
        ordering(b, f, node);
    }
}

void filter_sql(const struct filter *f, struct buf *sql)
{
    node_sql(sql, f, f->root);
}
