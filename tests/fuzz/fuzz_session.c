/* fuzz_session.c - a client that says anything while anything happens around it: it is answered with JSON, a
 * message a line, or sent away.
 *
 * The first letter of a piece chooses what happens; what is none of them is a message of the client. */
#include "pieces.h"
#include "session.h"

#include "buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hub_column COLUMNS[] = {
    {"id", "int4"}, {"na\"me", "text"}, {"big", "text"}, {"more", "bool"}};
static const uint16_t KEY[] = {0};

struct play {
    struct hub *hub;
    int source;
    struct hub_table *items;
    size_t width; /* columns of the table */
    struct session *session;
    lsn_t lsn;
    uint32_t ordinal;
    int64_t now;
};

static void on_event(void *user)
{
}

static void table_set(struct play *p, size_t width)
{
    p->width = width;
    p->items = hub_table_set(p->hub, p->source,
                             &(struct hub_table_info){"public.items", COLUMNS, width, KEY, width > 1});
}

static void gather(struct play *p)
{
    struct buf frame = BUF_EMPTY;
    hub_turn(p->hub);
    bool more = session_gather(p->session, &frame, p->now);
    struct slice rest = buf_view(&frame);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct slice line = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len};
        json_must_be(line);
        rest = slice_cut(rest, line.len + 1, rest.len);
    }
    if (more && !frame.len)
        abort(); /* it would be asked for ever */
    buf_free(&frame);
}

/* "+c12": a change of the row 12; with "&" at its end in the same transaction as the one before, "#": with an
 * envelope. */
static void publish(struct play *p, struct slice piece)
{
    char op = piece.len > 1 && strchr("cudt", piece.ptr[1]) ? piece.ptr[1] : 'c';
    char id[8];
    snprintf(id, sizeof id, "%d", piece.len > 2 ? piece.ptr[2] : 0);
    struct slice row[] = {slice_of(id), SLICE("\"n\""), {NULL, 0}, SLICE("true")};
    struct slice old[] = {slice_of(id), {NULL, 0}, {NULL, 0}, {NULL, 0}};
    char last = piece.ptr[piece.len - 1];
    p->ordinal = last == '&' ? p->ordinal + 1 : 0;
    p->lsn += last == '&' ? 0 : piece.len;
    bool enveloped = hub_enveloped(p->items);
    hub_publish(p->hub, p->source,
                &(struct hub_change){.table = p->items,
                                     .op = op,
                                     .commit_lsn = p->lsn,
                                     .ordinal = p->ordinal,
                                     .enveloped = enveloped,
                                     .envelope = enveloped && last == '#' ? SLICE("{\"after\":null}")
                                                                          : (struct slice){0},
                                     .xid = (uint32_t)p->lsn,
                                     .ts_ms = 5,
                                     .row = op == 'c' || op == 'u' ? row : NULL,
                                     .old = op == 'd' || op == 'u' ? old : NULL});
}

/* What the reader thread does, at once: ">": rows, and they were all, ">>": the table is gone, ">>>": rows,
 * and there are more. */
static void read_rows(struct play *p, size_t what)
{
    struct hub_request request;
    bool again;
    if (!hub_request_next(p->hub, p->source, 0, &request, &again))
        return;
    struct hub_visibility seen = {.xmin = p->lsn, .xmax = p->lsn + 1, .insert_lsn = p->lsn - 1};
    hub_position(p->hub, p->source, p->lsn, 0);
    hub_turn(p->hub);
    bool well = what != 2 && (again || hub_rows_begin(p->hub, request.id, &seen) == HUB_GO) &&
                hub_rows(p->hub, request.id, SLICE("[{\"id\":1},{\"id\":2}]"), 2);
    if (!well)
        hub_rows_fail(p->hub, request.id, "the\ttable \"is\" gone", what == 2);
    else if (what == 1)
        hub_rows_end(p->hub, request.id);
}

static void happen(struct play *p, struct slice piece)
{
    switch (piece.len ? piece.ptr[0] : 0) {
    case '+':
        publish(p, piece);
        break;
    case '.':
        hub_position(p->hub, p->source, p->lsn + 1, -1);
        hub_turn(p->hub);
        break;
    case '*':
        table_set(p, (size_t[]){3, 3, 1, 4}[piece.len & 3]);
        break;
    case '!':
        hub_epoch(p->hub, p->source, piece.len & 1 ? "7-1-b" : "7-1-a", p->lsn);
        break;
    case '<':
        gather(p);
        break;
    case '>':
        read_rows(p, piece.len);
        break;
    case '~':
        p->now += (int64_t)piece.len * 700;
        hub_tick(p->hub, p->now);
        break;
    case '-':
        session_end(p->session, piece.len & 1 ? CLOSE_SHUTDOWN : CLOSE_PROTOCOL, "bye\n");
        break;
    default:
        if (piece.len <= SESSION_MESSAGE_MAX)
            session_receive(p->session, piece, p->now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play p = {.hub = hub_new(&(struct hub_options){.window_bytes = 4096,
                                                          .message_bytes = 1000,
                                                          .max_subscriptions = 4,
                                                          .rate = 50,
                                                          .heartbeat_ms = 2000}),
                     .lsn = 100,
                     .now = 1000};
    p.source = hub_source(p.hub, "shop");
    hub_epoch(p.hub, p.source, "7-1-a", p.lsn);
    table_set(&p, 3);
    hub_turn(p.hub);
    p.session = session_open(
        p.hub, &(struct session_options){.client = "c", .want_write = on_event, .cut = on_event}, p.now);
    for (struct slice piece; (piece = piece_next(&data, &size)).ptr;) {
        happen(&p, piece);
        free((char *)piece.ptr);
    }
    gather(&p);
    gather(&p);
    session_close(p.session);
    hub_stop(p.hub);
    hub_free(p.hub);
    return 0;
}
