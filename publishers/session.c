/* session.c - one client: what waits to be written to it, in which order.
 *
 * A frame holds control messages first (answers, `ready`, `reset`), then rows of snapshots, then changes. A
 * `ready` must stand before the changes behind it and after its rows, which is why the control messages are
 * taken twice. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "hub_impl.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum {
    FRAME_BYTES = 32 * 1024,
    SKIPPED_MOST = 20000,           /* changes passed over in one go: others wait meanwhile */
    CONTROL_MOST = 4 * 1024 * 1024, /* bytes of answers that wait for a client */
    STUCK_MS = 30000,
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 3000,
};

void session_want(struct session *s)
{
    if (s->wanted || s->closed)
        return;
    s->wanted = true;
    s->wanted_ms = clock_mono_ms();
    s->want_write(s->user);
}

void session_line(struct session *s)
{
    if (s->control.len > CONTROL_MOST)
        session_end(s, CLOSE_SLOW, "answers are not read as fast as they are asked for");
    if (s->control.len)
        buf_char(&s->control, '\n');
    session_want(s);
}

void session_error(struct session *s, int64_t id, const char *code, bool retry, const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    session_line(s);
    BUF_LIT(&s->control, "{\"type\":\"error\"");
    if (id >= 0)
        json_field_i64(&s->control, "id", id);
    json_field(&s->control, "code", code);
    json_field(&s->control, "message", text);
    json_key(&s->control, "retry");
    json_boolean(&s->control, retry);
    buf_char(&s->control, '}');
}

/* ---- welcome ---- */

void columns_append(struct buf *b, const struct shape *shape, const uint16_t *indexes, size_t n)
{
    buf_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        const struct hub_column *c = &shape->columns[indexes ? indexes[i] : i];
        json_comma(b);
        buf_char(b, '{');
        json_field(b, "name", c->name);
        json_field(b, "type", c->type);
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

void key_append(struct buf *b, const struct shape *shape)
{
    buf_char(b, '[');
    for (size_t i = 0; i < shape->n_key; i++) {
        json_comma(b);
        json_string(b, slice_of(shape->columns[shape->key[i]].name));
    }
    buf_char(b, ']');
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct hub_table *const *)a)->name, (*(struct hub_table *const *)b)->name);
}

/* Those that it may see; out: NULL to count them. */
static size_t tables_of(const struct source *source, struct hub_table *list, struct hub_table **out)
{
    size_t n = 0;
    for (struct hub_table *t = list; t; t = t->next)
        if (t->source == source && t->known) {
            if (out)
                out[n] = t;
            n++;
        }
    return n;
}

/* What the session may see of it, which may be nothing. */
static void table_append(const struct session *s, struct buf *b, const struct hub_table *t, uint16_t *shown)
{
    struct view view;
    struct err e = {0};
    size_t n = 0;
    if (!view_take(s, t, &view, &e))
        return;
    for (size_t i = 0; i < t->shape.n_columns; i++)
        if (!view.hidden[i])
            shown[n++] = (uint16_t)i;
    view_clear(&view);
    json_comma(b);
    buf_char(b, '{');
    json_field(b, "name", t->name);
    json_key(b, "key");
    key_append(b, &t->shape);
    json_key(b, "columns");
    columns_append(b, &t->shape, shown, n);
    buf_char(b, '}');
}

/* By name; as many as fit in a message. */
void tables_append(struct session *s, struct buf *b)
{
    uint16_t shown[COLUMNS_MAX];
    size_t start = b->len;
    size_t n = tables_of(s->source, s->hub->table_list, NULL);
    struct hub_table **tables = xcalloc(n, sizeof(*tables));
    tables_of(s->source, s->hub->table_list, tables);
    qsort(tables, n, sizeof(*tables), by_name);
    json_key(b, "tables");
    buf_char(b, '[');
    for (size_t i = 0; i < n && b->len - start < s->hub->options.message_bytes / 2; i++)
        table_append(s, b, tables[i], shown);
    buf_char(b, ']');
    free(tables);
}

static void welcome(struct session *s)
{
    const struct hub_options *o = &s->hub->options;
    struct buf *b = &s->control;
    session_line(s);
    BUF_LIT(b, "{\"type\":\"welcome\"");
    json_field(b, "version", "walwire.v1");
    json_field(b, "session", s->name);
    json_field(b, "connector", s->source->name);
    json_field(b, "epoch", s->source->epoch);
    json_key(b, "pos");
    pos_append(b, source_pos(s->source));
    buf_printf(b,
               ",\"limits\":{\"message_bytes\":%zu,\"subscriptions\":%zu,\"rate\":%zu},\"heartbeat_ms\":%d",
               o->message_bytes, o->max_subscriptions, o->rate, o->heartbeat_ms);
    if (s->claims)
        json_field_i64(b, "expires_in_ms", s->claims->expires * 1000 - clock_wall_ms());
    tables_append(s, b);
    buf_char(b, '}');
}

/* ---- life ---- */

static struct source *source_find(struct hub *h, const char *connector)
{
    struct source *found = NULL;
    pthread_mutex_lock(&h->mutex);
    for (struct source *s = h->source_list; s; s = s->next)
        if (connector ? strcmp(s->name, connector) == 0 : s->epoch && (!found || s->number < found->number))
            found = s;
    pthread_mutex_unlock(&h->mutex);
    return found && found->epoch ? found : NULL;
}

static void session_name(struct session *s)
{
    uint64_t bits;
    if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
        bits = (uint64_t)clock_wall_ns();
    snprintf(s->name, sizeof(s->name), "%016llx", (unsigned long long)bits);
}

struct session *session_open(struct hub *h, const struct session_options *options, int64_t now_ms)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->hub = h;
    s->client = xstrdup(options->client);
    s->want_write = options->want_write;
    s->cut = options->cut;
    s->user = options->user;
    s->place_first = options->place_first;
    s->deflate = options->deflate;
    s->heartbeat_ms = now_ms;
    session_name(s);
    LIST_INSERT_HEAD(&h->sessions, s, in_hub);
    hub_turn(h); /* nobody hurried as long as there was no session */
    h->stats.sessions++;
    h->stats.sessions_total++;
    s->connector = options->connector ? xstrdup(options->connector) : NULL;
    auth_open(s, options->claims, now_ms);
    return s;
}

void session_admit(struct session *s)
{
    s->source = source_find(s->hub, s->connector);
    s->admitted = s->source;
    if (s->admitted)
        welcome(s);
    else
        session_end(s, CLOSE_NOT_YET,
                    s->connector ? "this connector is not streaming" : "no connector is streaming yet");
}

void session_close(struct session *s)
{
    struct sub *sub;
    while ((sub = LIST_FIRST(&s->subs)))
        sub_free(sub);
    LIST_REMOVE(s, in_hub);
    s->hub->stats.sessions--;
    auth_close(s);
    buf_free(&s->control);
    free(s->client);
    free(s->connector);
    free(s);
}

void session_end(struct session *s, enum close_code code, const char *reason)
{
    if (s->code)
        return;
    s->code = code;
    snprintf(s->reason, sizeof(s->reason), "%s", reason);
    session_want(s);
}

bool session_wants(const struct session *s)
{
    return s->wanted;
}

int session_closed(const struct session *s)
{
    return s->closed ? (int)s->code : 0;
}

void session_tick(struct session *s, int64_t now_ms)
{
    if (s->wanted && now_ms - s->wanted_ms > STUCK_MS)
        s->cut(s->user);
    auth_tick(s, now_ms);
    if (s->admitted && now_ms - s->heartbeat_ms >= s->hub->options.heartbeat_ms && !s->heartbeat_due) {
        s->heartbeat_due = true;
        session_want(s);
    }
}

const char *session_client(const struct session *s)
{
    return s->client;
}

/* A client that sends too much is gone before it can ask for more. */
void session_receive(struct session *s, struct slice text, int64_t now_ms)
{
    s->heard_ms = now_ms;
    if (now_ms - s->second >= 1000) {
        s->second = now_ms;
        s->received = 0;
    }
    do {
        if (s->code)
            return;
        if (++s->received > s->hub->options.rate)
            session_end(s, CLOSE_TOO_MANY, "more messages a second than limits.rate");
        else
            text = client_message(s, text);
    } while (text.len);
}

/* ---- writing ---- */

static bool frame_full(const struct frame *f)
{
    return f->out->len - f->start >= FRAME_BYTES;
}

/* Two that are at the same change: the newer one first. */
static bool sub_before(const struct sub *a, const struct sub *b)
{
    return a->next_seq != b->next_seq ? a->next_seq < b->next_seq : a->number > b->number;
}

static struct sub *sub_next(const struct session *s)
{
    struct sub *sub, *found = NULL;
    LIST_FOREACH(sub, &s->ready, in_ready)
    if (!found || sub_before(sub, found))
        found = sub;
    return found;
}

static bool sub_sees(struct sub *sub, const struct entry *e)
{
    if (sub->unseen && e->pos.lsn >= sub->unseen->insert_lsn) {
        free(sub->unseen);
        sub->unseen = NULL;
    }
    return pos_compare(e->pos, sub->after) > 0 &&
           !(sub->unseen && visibility_sees(sub->unseen, e->xid, e->pos.lsn));
}

/* What the change at its cursor is to a subscription; 0: nothing. */
static char sub_op(struct sub *sub)
{
    if (!sub_sees(sub, sub->next))
        return 0;
    return sub->hit ? sub->hit->op : channel_op(sub->session->hub, sub->channel, sub->next);
}

/* Everything up to here went out: just before the first change that waits. */
static struct pos delivered_pos(const struct session *s)
{
    const struct sub *sub = sub_next(s);
    if (!sub)
        return source_pos(s->source);
    if (sub_lost(sub))
        return (struct pos){0};
    return (struct pos){sub->next->pos.lsn, sub->next->pos.ordinal - 1};
}

/* What else it needs before it: the ends of former transactions, its own beginning, columns that are new.
 * False: the subscription is gone. */
static bool change_put(struct sub *sub, char op, const struct frame *f)
{
    struct entry *e = sub->next;
    if (sub->session->n_told)
        told_end(sub->session, e->pos.lsn, f);
    if (sub->channel->key.envelope && e->envelope == LENGTH_UNKNOWN) {
        sub_reset(sub, "retention"); /* of before somebody asked for it */
        return false;
    }
    sub_widen(sub, f);
    told_change(sub, f);
    frame_line(f);
    change_append(sub->session->hub, sub->channel, e, op, f->out);
    return true;
}

static void gather_changes(struct session *s, const struct frame *f)
{
    struct sub *sub;
    for (size_t skipped = 0; skipped < SKIPPED_MOST && !frame_full(f) && (sub = sub_next(s));) {
        bool lost = sub_lost(sub);
        char op = lost ? 0 : sub_op(sub);
        if (lost || op == OP_UNDECIDED) {
            sub_reset(sub, lost ? "slow" : "unknown");
            continue;
        }
        if (op && !change_put(sub, op, f))
            continue;
        skipped += !op;
        sub_advance(sub);
    }
    if (s->n_told)
        told_end(s, delivered_pos(s).lsn, f);
}

static void gather_control(struct session *s, const struct frame *f)
{
    if (s->control.len == 0)
        return;
    frame_line(f);
    buf_slice(f->out, buf_view(&s->control));
    buf_free(&s->control); /* most sessions have nothing to say for long */
}

static bool gather_batch(struct sub *sub, const struct frame *f)
{
    size_t before = f->out->len;
    frame_line(f);
    if (rows_append(sub, f->out))
        return true;
    f->out->len = before;
    buf_append(f->out, "", 0); /* the NUL behind it */
    return false;
}

static void gather_rows(struct session *s, const struct frame *f)
{
    struct sub *next;
    for (struct sub *sub = s->n_requests ? LIST_FIRST(&s->subs) : NULL; sub; sub = next) {
        next = LIST_NEXT(sub, in_session);
        while (sub->request && !frame_full(f) && gather_batch(sub, f))
            ;
        if (sub->request)
            snapshot_turn(sub);
    }
}

static void heartbeat(struct session *s, const struct frame *f, int64_t now_ms)
{
    struct buf *out = f->out;
    s->heartbeat_due = false;
    s->heartbeat_ms = now_ms;
    frame_line(f);
    BUF_LIT(out, "{\"type\":\"heartbeat\",\"pos\":");
    pos_append(out, delivered_pos(s));
    buf_printf(out, ",\"lag_ms\":%lld}", (long long)s->source->lag_ms);
}

/* All clients lose a server at the same moment: chance keeps them from coming back so. */
int session_retry_ms(const struct session *s)
{
    unsigned chance = (unsigned)(clock_wall_ns() ^ (uintptr_t)s) * 2654435761u >> 8;
    return RETRY_FIRST_MS + (int)(chance % (RETRY_MOST_MS - RETRY_FIRST_MS));
}

static void closing(struct session *s, const struct frame *f, int64_t now_ms)
{
    struct buf *out = f->out;
    if (s->source && s->source->epoch && s->code < 4100)
        heartbeat(s, f, now_ms);
    frame_line(f);
    BUF_LIT(out, "{\"type\":\"closing\"");
    json_field_i64(out, "code", s->code);
    json_field(out, "reason", s->reason);
    if (s->code < 4100)
        json_field_i64(out, "retry_after_ms", session_retry_ms(s));
    buf_char(out, '}');
    s->closed = true;
}

static void gather(struct session *s, const struct frame *f)
{
    gather_rows(s, f);
    gather_control(s, f);
    gather_changes(s, f);
    gather_control(s, f); /* a reset: before any heartbeat that is past what it is about */
}

/* Before a shutdown comes what is there: after it the server may not have it any more. */
bool session_gather(struct session *s, struct buf *out, int64_t now_ms)
{
    struct frame f = {out, out->len};
    if (s->closed)
        return false;
    s->wanted = true; /* what comes up meanwhile is taken in this turn or the next */
    s->wanted_ms = now_ms;
    gather_control(s, &f);
    if (!s->code || s->code == CLOSE_SHUTDOWN)
        gather(s, &f);
    if (s->code && (s->code != CLOSE_SHUTDOWN || !sub_next(s))) {
        closing(s, &f, now_ms);
        return false;
    }
    if (s->heartbeat_due)
        heartbeat(s, &f, now_ms);
    s->wanted = s->control.len > 0 || sub_next(s) || s->code || (LIST_FIRST(&s->subs) && frame_full(&f));
    return s->wanted;
}
