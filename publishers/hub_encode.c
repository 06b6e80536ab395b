/* hub_encode.c - changes as messages, written once for all subscribers of a channel.
 *
 * Messages of channels with several members are kept at the change, until a quarter of the window's size is
 * used up by them. Others are written straight into the frame. */
#include "hub_impl.h"

#include <stdlib.h>

#include "json.h"
#include "xmalloc.h"

static const char *cells_fill(struct slice *cells, bool *omitted, const char *at, const uint32_t *lengths,
                              size_t n)
{
    for (size_t i = 0; i < n; i++) {
        omitted[i] |= lengths[i] == LENGTH_OMITTED;
        cells[i] = lengths[i] < LENGTH_OMITTED ? (struct slice){at, lengths[i]} : (struct slice){NULL, 0};
        at += cells[i].len;
    }
    return at;
}

/* Columns that were added later. */
static void cells_beyond(struct slice *cells, bool *omitted, const struct entry *e)
{
    for (size_t i = e->n_columns; i < e->table->shape.n_columns; i++) {
        cells[i] = (struct slice){NULL, 0};
        omitted[i] = false;
    }
}

static void cells_of(struct cells *c, const struct entry *e)
{
    size_t n_row = e->has_row ? e->n_columns : 0, n_old = e->has_old ? e->n_columns : 0;
    memset(c->omitted, 0, e->n_columns);
    memset(c->old_omitted, 0, e->n_columns);
    const char *at = (const char *)(e->lengths + n_row + n_old);
    at = cells_fill(c->row, c->omitted, at, e->lengths, n_row);
    at = cells_fill(c->old, c->old_omitted, at, e->lengths + n_row, n_old);
    cells_beyond(c->row, c->omitted, e);
    cells_beyond(c->old, c->old_omitted, e);
    c->envelope_omitted = e->envelope == LENGTH_OMITTED;
    c->envelope =
        e->envelope && e->envelope < LENGTH_OMITTED ? (struct slice){at, e->envelope} : (struct slice){0};
}

static void cell_append(struct buf *b, const char *name, struct slice value)
{
    json_comma(b);
    json_string(b, slice_of(name));
    buf_char(b, ':');
    buf_slice(b, value);
}

static void object_append(struct buf *b, const struct shape *s, const uint16_t *indexes, size_t n,
                          const struct slice *cells, const bool *omitted)
{
    buf_char(b, '{');
    for (size_t i = 0; i < n; i++)
        if (cells[indexes[i]].ptr && !(omitted && omitted[indexes[i]]))
            cell_append(b, s->columns[indexes[i]].name, cells[indexes[i]]);
    buf_char(b, '}');
}

/* Of the new row where it has them. What leaves a rule's sight is named by what it was: a key that changed
 * with it is not the client's. */
static const struct slice *key_cell(const struct channel *ch, const struct entry *e, char op,
                                    const struct cells *c, size_t at)
{
    if (op == OP_EXIT && ch->key.rule)
        return e->has_old ? &c->old[at] : ch->table->shape.identity[at] ? &c->row[at] : NULL;
    return e->has_row && c->row[at].ptr ? &c->row[at] : e->has_old ? &c->old[at] : NULL;
}

static void change_key(struct buf *b, const struct channel *ch, const struct entry *e, char op,
                       const struct cells *c)
{
    const struct shape *s = &ch->table->shape;
    if (s->n_key == 0 || !(e->has_row || e->has_old)) {
        BUF_LIT(b, ",\"key\":null");
        return;
    }
    BUF_LIT(b, ",\"key\":{");
    for (size_t i = 0; i < s->n_key; i++) {
        size_t at = s->key[i];
        const struct slice *cell = key_cell(ch, e, op, c, at);
        if (cell && cell->ptr)
            cell_append(b, s->columns[at].name, *cell);
    }
    buf_char(b, '}');
}

static void change_old(struct buf *b, const struct channel *ch, const struct entry *e, const struct cells *c)
{
    const struct shape *s = &ch->table->shape;
    if (ch->key.old == OLD_NONE)
        return;
    BUF_LIT(b, ",\"old\":");
    if (!c->with_old)
        BUF_LIT(b, "null");
    else if (ch->key.old == OLD_KEY && s->n_key)
        object_append(b, s, s->key, s->n_key, c->old, NULL);
    else
        object_append(b, s, ch->key.columns, ch->key.n_columns, c->old, c->old_omitted);
}

/* The old row is written whole, not only its key. */
static bool old_whole(const struct channel *ch, const struct cells *c)
{
    return c->with_old && (ch->key.old == OLD_FULL || (ch->key.old == OLD_KEY && !ch->table->shape.n_key));
}

static bool left_out(const struct channel *ch, const struct cells *c, size_t at)
{
    return (c->with_row && c->omitted[at]) || (old_whole(ch, c) && c->old_omitted[at]);
}

/* A list of columns, when it is not empty: those whose value is unchanged and not known, or those left out.
 */
static void names_append(struct buf *b, const char *member, const struct channel *ch, const struct entry *e,
                         const struct cells *c, bool omitted)
{
    bool any = false;
    for (size_t i = 0; i < ch->key.n_columns; i++) {
        size_t at = ch->key.columns[i];
        if (at >= e->n_columns || (omitted ? !left_out(ch, c, at) : c->row[at].ptr || c->omitted[at]))
            continue;
        if (!any)
            buf_printf(b, ",\"%s\":[", member);
        any = true;
        json_comma(b);
        json_string(b, slice_of(ch->table->shape.columns[at].name));
    }
    if (any)
        buf_char(b, ']');
}

static void op_append(struct buf *b, char op)
{
    BUF_LIT(b, ",\"op\":\"");
    if (op == OP_ENTER)
        BUF_LIT(b, "enter");
    else if (op == OP_EXIT)
        BUF_LIT(b, "exit");
    else
        buf_char(b, op);
    buf_char(b, '"');
}

static void envelope_append(struct buf *b, const struct cells *c)
{
    BUF_LIT(b, ",\"envelope\":");
    if (c->envelope.ptr && !c->envelope_omitted)
        buf_slice(b, c->envelope);
    else
        BUF_LIT(b, "null");
    if (c->envelope_omitted)
        BUF_LIT(b, ",\"omitted\":[\"envelope\"]");
}

static void row_append(struct buf *b, const struct channel *ch, const struct entry *e, const struct cells *c)
{
    BUF_LIT(b, ",\"row\":");
    if (c->with_row)
        object_append(b, &ch->table->shape, ch->key.columns, ch->key.n_columns, c->row, c->omitted);
    else
        BUF_LIT(b, "null");
    change_old(b, ch, e, c);
    if (c->with_row)
        names_append(b, "unchanged", ch, e, c, false);
    names_append(b, "omitted", ch, e, c, true);
}

static void message_append(struct buf *b, const struct channel *ch, const struct entry *e, char op,
                           const struct cells *c)
{
    buf_printf(b, "{\"type\":\"change\",\"channel\":%llu,\"pos\":", (unsigned long long)ch->number);
    pos_append(b, e->pos);
    op_append(b, op);
    change_key(b, ch, e, op, c);
    if (ch->key.envelope)
        envelope_append(b, c);
    else
        row_append(b, ch, e, c);
    buf_printf(b, ",\"ts_ms\":%lld", (long long)e->ts_ms);
    if (ch->key.transactions)
        buf_printf(b, ",\"tx\":%u", (unsigned)e->xid);
    buf_char(b, '}');
}

/* Leaves out the channel's largest value that is still there. False: there is none. */
static bool omit_largest(const struct channel *ch, struct cells *c, size_t *freed)
{
    bool *largest = NULL, whole = old_whole(ch, c);
    *freed = 0;
    if (ch->key.envelope) {
        *freed = c->envelope_omitted ? 0 : c->envelope.len;
        c->envelope_omitted |= *freed > 0;
        return *freed > 0;
    }
    for (size_t i = 0; i < ch->key.n_columns; i++) {
        size_t at = ch->key.columns[i];
        if (c->with_row && !c->omitted[at] && c->row[at].len > *freed) {
            *freed = c->row[at].len;
            largest = &c->omitted[at];
        }
        if (whole && !c->old_omitted[at] && c->old[at].len > *freed) {
            *freed = c->old[at].len;
            largest = &c->old_omitted[at];
        }
    }
    if (largest)
        *largest = true;
    return largest;
}

static void change_write(struct hub *h, const struct channel *ch, const struct entry *e, char op,
                         struct buf *out)
{
    struct cells *c = h->cells;
    bool ruled = ch->key.rule;
    c->with_old = e->has_old && !(ruled && (op == OP_ENTER || op == OP_EXIT)) && channel_saw(h, ch, e);
    cells_of(c, e);
    c->with_row = e->has_row && op != OP_EXIT;
    size_t start = out->len, most = h->options.message_bytes;
    message_append(out, ch, e, op, c);
    for (bool more = true; more && out->len - start > most;) {
        size_t excess = out->len - start - most, freed;
        for (size_t sum = 0; sum < excess && (more = omit_largest(ch, c, &freed));)
            sum += freed;
        out->len = start;
        message_append(out, ch, e, op, c);
    }
    h->stats.encoded++;
}

static void encoded_remove(struct hub *h, struct encoded *x)
{
    struct encoded **at = &x->entry->encoded;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    TAILQ_REMOVE(&h->encoded, x, by_age);
    h->encoded_bytes -= sizeof(*x) + x->len;
    free(x);
}

static void encoded_keep(struct hub *h, const struct channel *ch, struct entry *e, struct slice text)
{
    struct encoded *x = xmalloc(sizeof(*x) + text.len);
    x->next = e->encoded;
    x->entry = e;
    x->channel = ch->number;
    x->len = text.len;
    memcpy(x->text, text.ptr, text.len);
    e->encoded = x;
    TAILQ_INSERT_TAIL(&h->encoded, x, by_age);
    h->encoded_bytes += sizeof(*x) + x->len;
    while (h->encoded_bytes > h->options.window_bytes / 4)
        encoded_remove(h, TAILQ_FIRST(&h->encoded));
}

void encoded_free(struct hub *h, struct entry *e)
{
    while (e->encoded)
        encoded_remove(h, e->encoded);
}

void change_append(struct hub *h, struct channel *channel, struct entry *e, char op, struct buf *out)
{
    h->stats.sent++;
    for (struct encoded *x = e->encoded; x; x = x->next)
        if (x->channel == channel->number) {
            buf_append(out, x->text, x->len);
            return;
        }
    size_t start = out->len;
    change_write(h, channel, e, op, out);
    if (channel->members > 1)
        encoded_keep(h, channel, e, (struct slice){out->ptr + start, out->len - start});
}
