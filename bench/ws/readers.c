/* readers.c - many WebSocket clients in one process, which count what they get and how late it is.
 *
 *     readers PORT PATH CLIENTS SECONDS [-h HELLO] [-k TIMES] [-s STOPPED] [-w WARM] [-n EVERY] [-m MARK]
 *             [-c EVERY] [-d]
 *
 * -h: a text that each says after the upgrade, -k times; # in it is a number, from 0 up, another one each
 * time. -s: so many more that say it and then never read. -w: seconds before those that count. -n: every so
 * manieth client looks for the moment at which a message was made, behind MARK: CLOCK_MONOTONIC, nanoseconds,
 * and when it came to its socket.
 * -c: every so manieth client looks at what it gets, preset 1; of the others it is taken and thrown away, and
 * they count as much as those. -d: offer permessage-deflate; what comes is counted by frames then.
 *
 * A message is a line of a text frame. Says "ready" when all are connected, then one JSON object. Several
 * source addresses, so that the ports last for tens of thousands. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 20000, READ = 1 << 18, KEPT = 1 << 16, BUCKETS = 40000, BUCKET_NS = 250000, REST_US = 250 };

struct client {
    int fd;
    bool stopped, timed, counts, gone;
    unsigned char head[10];
    unsigned had;  /* bytes of the head */
    uint64_t left; /* of the frame's payload */
    uint64_t messages;
    unsigned char *kept; /* of a timed one: the payload so far */
    size_t n_kept;
};

struct run {
    const char *port, *path, *hello, *mark;
    size_t clients, stopped, every, counting, times;
    double seconds, warm;
    bool deflate, counts; /* counts: the warm time is over */
    struct client *all;
    uint64_t bytes, messages, frames, timed;
    uint64_t arrived;           /* when what is looked at came to its client's socket */
    uint64_t late[BUCKETS + 1]; /* by BUCKET_NS */
    uint64_t worst;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- what is counted ---- */

static void message_time(struct run *r, const char *text, size_t len, uint64_t now)
{
    const char *at = memmem(text, len, r->mark, strlen(r->mark));
    if (!at || !r->counts)
        return;
    uint64_t made = strtoull(at + strlen(r->mark), NULL, 10), late = now > made ? now - made : 0;
    r->late[late / BUCKET_NS < BUCKETS ? late / BUCKET_NS : BUCKETS]++;
    r->worst = late > r->worst ? late : r->worst;
    r->timed++;
}

/* The payload of a timed client's frame, when it is whole. */
static void frame_time(struct run *r, struct client *c)
{
    char *at = (char *)c->kept, *end = at + c->n_kept;
    *end = 0;
    for (char *line; at < end; at = line + 1) {
        line = memchr(at, '\n', (size_t)(end - at));
        line = line ? line : end;
        message_time(r, at, (size_t)(line - at), r->arrived);
    }
    c->n_kept = 0;
}

static uint64_t lines(const unsigned char *p, size_t n)
{
    uint64_t found = 0;
    for (const unsigned char *at = p, *end = p + n; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        found++;
    return found;
}

static void count(struct run *r, struct client *c, uint64_t n)
{
    c->messages += n;
    if (r->counts)
        r->messages += n;
}

static size_t payload(struct run *r, struct client *c, const unsigned char *p, size_t n)
{
    size_t k = n < c->left ? n : c->left;
    bool text = (c->head[0] & 15) < 8;
    if (text && !r->deflate)
        count(r, c, lines(p, k));
    if (text && c->timed && c->n_kept + k < KEPT) {
        memcpy(c->kept + c->n_kept, p, k);
        c->n_kept += k;
    }
    c->left -= k;
    if (c->left == 0 && c->timed)
        frame_time(r, c);
    return k;
}

/* A byte of a frame's head; at its end the payload's length is known. */
static void head(struct run *r, struct client *c, unsigned char byte)
{
    c->head[c->had++] = byte;
    unsigned len = c->had > 1 ? c->head[1] & 127 : 0, whole = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (c->had < 2 || c->had < whole)
        return;
    c->left = whole == 2 ? len : 0;
    for (unsigned i = 2; i < whole; i++)
        c->left = c->left << 8 | c->head[i];
    c->had = 0;
    if ((c->head[0] & 15) >= 8)
        return;
    r->frames += r->counts;
    count(r, c, 1);
}

static void take(struct run *r, struct client *c, const unsigned char *p, size_t n)
{
    r->bytes += r->counts ? n : 0;
    while (n > 0) {
        size_t k = 1;
        if (c->left)
            k = payload(r, c, p, n);
        else
            head(r, c, *p);
        p += k;
        n -= k;
    }
}

/* ---- connecting ---- */

/* The text with the number for each #. */
static void hello_number(char *out, size_t size, const char *text, size_t n)
{
    size_t len = 0;
    for (; *text && len + 24 < size; text++)
        if (*text == '#')
            len += (size_t)snprintf(out + len, size - len, "%zu", n);
        else
            out[len++] = *text;
    out[len] = 0;
}

static void say(int fd, const char *text)
{
    unsigned char f[4096] = {0x81};
    size_t n = strlen(text), at = 2;
    if (n > 4000)
        exit(2);
    f[1] = (unsigned char)(0x80 | (n < 126 ? n : 126));
    if (n >= 126) {
        f[at++] = (unsigned char)(n >> 8);
        f[at++] = (unsigned char)n;
    }
    at += 4; /* a mask of zeros */
    memcpy(f + at, text, n);
    if (write(fd, f, at + n) != (ssize_t)(at + n))
        fail("write");
}

static void upgrade(const struct run *r, int fd)
{
    char text[4096];
    int n = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                     r->path, r->port,
                     r->deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                                : "");
    if (write(fd, text, (size_t)n) != n)
        fail("write");
    for (n = 0; n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0; n++)
        if (n == sizeof(text) || read(fd, text + n, 1) != 1)
            fail("upgrade");
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "refused: %.*s\n", n, text);
        exit(1);
    }
}

static void client_open(struct run *r, size_t i)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000002 + (uint32_t)(i / PORTS))};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(r->port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client *c = &r->all[i];
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("connect");
    upgrade(r, c->fd);
    c->stopped = i >= r->clients;
    c->timed = r->every && !c->stopped && i % r->every == 0;
    c->counts = c->timed || i % r->counting == 0;
    c->kept = c->timed ? malloc(KEPT + 1) : NULL;
    if (c->timed && setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)) != 0)
        fail("SO_TIMESTAMPNS");
    char text[4096];
    for (size_t k = 0; r->hello && k < r->times; k++) {
        hello_number(text, sizeof(text), r->hello, i * r->times + k);
        say(c->fd, text);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void open_all(struct run *r)
{
    size_t n = r->clients + r->stopped;
    struct rlimit limit = {n + 64, n + 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    r->all = calloc(n, sizeof(*r->all));
    for (size_t i = 0; i < n; i++)
        client_open(r, i);
    printf("ready\n");
    fflush(stdout);
}

/* ---- the run ---- */

static uint64_t real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* When it came is what the kernel says: ten thousand clients are ten thousand machines elsewhere, which do
 * not wait for each other to read. */
static ssize_t read_timed(struct run *r, int fd, void *buf, size_t size)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec to = {buf, size};
    struct msghdr m = {
        .msg_iov = &to, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t k = recvmsg(fd, &m, 0);
    struct cmsghdr *c = k > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    struct timespec t;
    r->arrived = now_ns();
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
        return k;
    memcpy(&t, CMSG_DATA(c), sizeof(t));
    r->arrived -= real_ns() - ((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
    return k;
}

static ssize_t client_bytes(struct run *r, const struct client *c, void *buf, size_t size)
{
    if (c->timed)
        return read_timed(r, c->fd, buf, size);
    return recv(c->fd, buf, size, c->counts ? 0 : MSG_TRUNC);
}

/* What comes is acknowledged at once: of a delayed acknowledgement the timer would run on the server's core,
 * which over loopback receives as well as sends. */
static void client_read(struct run *r, struct client *c)
{
    static unsigned char buf[READ];
    ssize_t k = client_bytes(r, c, buf, sizeof(buf));
    if (k > 0) {
        if (c->counts)
            take(r, c, buf, (size_t)k);
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    }
    c->gone = k == 0 || (k < 0 && errno != EAGAIN);
}

/* Each is asked in turn: were they waited for, what wakes them would be the server's work as well. */
static void read_for(struct run *r, double seconds)
{
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < until) {
        for (size_t i = 0; i < r->clients; i++)
            if (!r->all[i].gone)
                client_read(r, &r->all[i]);
        usleep(REST_US);
    }
}

static double percentile(const struct run *r, double part)
{
    uint64_t want = (uint64_t)((double)r->timed * part), sum = 0;
    for (size_t i = 0; i <= BUCKETS; i++)
        if ((sum += r->late[i]) > want)
            return (double)(i + 1) * BUCKET_NS / 1e6;
    return 0;
}

static void report(const struct run *r)
{
    uint64_t least = UINT64_MAX, most = 0, gone = 0, counting = 0;
    for (size_t i = 0; i < r->clients; i++) {
        const struct client *c = &r->all[i];
        gone += c->gone;
        if (!c->counts)
            continue;
        counting++;
        least = c->messages < least ? c->messages : least;
        most = c->messages > most ? c->messages : most;
    }
    double all = (double)r->clients / (double)counting / r->seconds;
    printf("{\"clients\":%zu,\"closed\":%llu,\"messages_per_s\":%.0f,\"frames_per_s\":%.0f,\"mb_per_s\":%.1f,"
           "\"least\":%llu,\"most\":%llu,\"timed\":%llu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
           r->clients, (unsigned long long)gone, (double)r->messages * all, (double)r->frames * all,
           (double)r->bytes * all / 1e6, (unsigned long long)least, (unsigned long long)most,
           (unsigned long long)r->timed, percentile(r, 0.5), percentile(r, 0.99), (double)r->worst / 1e6);
}

int main(int argc, char **argv)
{
    struct run r = {.mark = "\"at\":\"", .warm = 1, .counting = 1, .times = 1};
    for (int o; (o = getopt(argc, argv, "c:h:k:s:w:n:m:d")) != -1;) {
        if (o == 'h')
            r.hello = optarg;
        else if (o == 'k')
            r.times = strtoul(optarg, NULL, 10);
        else if (o == 's')
            r.stopped = strtoul(optarg, NULL, 10);
        else if (o == 'w')
            r.warm = atof(optarg);
        else if (o == 'n')
            r.every = strtoul(optarg, NULL, 10);
        else if (o == 'c')
            r.counting = strtoul(optarg, NULL, 10);
        else if (o == 'm')
            r.mark = optarg;
        else if (o == 'd')
            r.deflate = true;
        else
            return 2;
    }
    if (argc - optind != 4) {
        fprintf(stderr, "readers [options] PORT PATH CLIENTS SECONDS\n");
        return 2;
    }
    r.port = argv[optind];
    r.path = argv[optind + 1];
    r.clients = strtoul(argv[optind + 2], NULL, 10);
    r.seconds = atof(argv[optind + 3]);
    open_all(&r);
    read_for(&r, r.warm);
    r.counts = true;
    read_for(&r, r.seconds);
    report(&r);
    return 0;
}
