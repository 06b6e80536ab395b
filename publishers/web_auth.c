/* web_auth.c - who may talk to the server: a login for REST, and names by which it may be called.
 *
 * The file of users is htpasswd's: name:hash lines, hashed as crypt(3) knows it. A web page can make its own
 * name resolve to this machine and then passes for a page of ours; what it cannot do is call the server by
 * another name than its own, which is what the Host header says. */
#include "web_impl.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum { FILE_BYTES = 256 * 1024, NAME_MOST = 100 };

struct user {
    char *name, *hash;
    bool known; /* `good` holds what was last found right, so that it need not be hashed again */
    unsigned char good[SHA256_DIGEST_LENGTH];
};

struct users {
    pthread_mutex_t lock; /* of known and good */
    unsigned char secret[32];
    struct user *items;
    size_t n;
};

/* ---- the file ---- */

static bool line_add(struct users *u, const char *path, char *line, struct err *e)
{
    static const char *const methods[] = {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$7$", "$y$", "$gy$"};
    line += strspn(line, " \t");
    line[strcspn(line, "\r")] = 0;
    if (!*line || *line == '#')
        return true;
    char *hash = strchr(line, ':');
    if (!hash || hash == line || hash - line > NAME_MOST)
        return err_set(e, ERR_CONFIG, "%s: a line is not NAME:HASH", path);
    *hash++ = 0;
    bool known = false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        known |= strncmp(hash, methods[i], strlen(methods[i])) == 0;
    if (!known)
        return err_set(
            e, ERR_CONFIG,
            "%s: the password of %s is not hashed with bcrypt, SHA-crypt or yescrypt; make one with "
            "htpasswd -nB %s, or openssl passwd -6",
            path, line, line);
    u->items = xrealloc(u->items, (u->n + 1) * sizeof *u->items);
    u->items[u->n++] = (struct user){.name = xstrdup(line), .hash = xstrdup(hash)};
    return true;
}

static bool text_read(const char *path, struct buf *out, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > FILE_BYTES) {
        int why = fd < 0 ? errno : EFBIG;
        if (fd >= 0)
            close(fd);
        return err_set(e, ERR_CONFIG, "walwire.rest.users.file=%s cannot be read: %s", path, strerror(why));
    }
    ssize_t n = read(fd, buf_room(out, FILE_BYTES), FILE_BYTES);
    close(fd);
    if (n < 0)
        return err_set(e, ERR_CONFIG, "walwire.rest.users.file=%s cannot be read: %s", path, strerror(errno));
    buf_added(out, (size_t)n);
    if (st.st_mode & S_IROTH)
        log_warn("every user of this machine can read walwire.rest.users.file=%s: chmod o-r", path);
    return true;
}

struct users *users_read(const char *path, struct err *e)
{
    struct users *u = xcalloc(1, sizeof *u);
    struct buf text = BUF_EMPTY;
    pthread_mutex_init(&u->lock, NULL);
    bool ok = text_read(path, &text, e);
    if (ok && getrandom(u->secret, sizeof u->secret, 0) != sizeof u->secret)
        ok = err_set(e, ERR_FATAL, "the system gives no random bytes");
    char *rest = text.ptr;
    for (char *line; ok && rest && (line = strsep(&rest, "\n"));)
        ok = line_add(u, path, line, e);
    if (ok && !u->n)
        ok = err_set(e, ERR_CONFIG, "walwire.rest.users.file=%s names no user", path);
    buf_free(&text);
    if (ok)
        return u;
    users_free(u);
    return NULL;
}

void users_free(struct users *u)
{
    for (size_t i = 0; u && i < u->n; i++) {
        free(u->items[i].name);
        explicit_bzero(u->items[i].hash, strlen(u->items[i].hash));
        free(u->items[i].hash);
    }
    if (u) {
        free(u->items);
        pthread_mutex_destroy(&u->lock);
    }
    free(u);
}

/* ---- a login ---- */

static bool password_good(const char *password, const char *hash)
{
    struct crypt_data *data = xcalloc(1, sizeof *data);
    const char *got = crypt_r(password, hash, data);
    bool good = got && strlen(got) == strlen(hash) && CRYPTO_memcmp(got, hash, strlen(hash)) == 0;
    explicit_bzero(data, sizeof *data);
    free(data);
    return good;
}

static void mark_of(const struct users *u, const char *authorization, unsigned char *out)
{
    struct buf text = BUF_EMPTY;
    buf_append(&text, (const char *)u->secret, sizeof u->secret);
    buf_str(&text, authorization);
    SHA256((const unsigned char *)text.ptr, text.len, out);
    explicit_bzero(text.ptr, text.len);
    buf_free(&text);
}

/* An unknown name takes as long as a wrong password. */
static bool user_good(struct users *u, const char *name, const char *password, const char *authorization)
{
    unsigned char mark[SHA256_DIGEST_LENGTH];
    struct user *user = NULL;
    for (size_t i = 0; i < u->n; i++)
        if (strcmp(u->items[i].name, name) == 0)
            user = &u->items[i];
    mark_of(u, authorization, mark);
    pthread_mutex_lock(&u->lock);
    bool good = user && user->known && CRYPTO_memcmp(user->good, mark, sizeof mark) == 0;
    pthread_mutex_unlock(&u->lock);
    if (good)
        return true;
    good = password_good(password, user ? user->hash : u->items[0].hash) && user;
    if (good) {
        pthread_mutex_lock(&u->lock);
        memcpy(user->good, mark, sizeof mark);
        user->known = true;
        pthread_mutex_unlock(&u->lock);
    }
    return good;
}

bool users_allow(struct users *u, const char *authorization)
{
    if (!u)
        return true;
    if (strncasecmp(authorization, "Basic ", 6) != 0)
        return false;
    struct buf plain = BUF_EMPTY;
    const char *code = authorization + 6 + strspn(authorization + 6, " ");
    bool good = base64_decode(&plain, slice_of(code)) && plain.len && !memchr(plain.ptr, 0, plain.len);
    char *colon = good ? strchr(plain.ptr, ':') : NULL;
    if (colon)
        *colon = 0;
    good = colon && user_good(u, plain.ptr, colon + 1, authorization);
    if (plain.ptr)
        explicit_bzero(plain.ptr, plain.len);
    buf_free(&plain);
    return good;
}

/* ---- names ---- */

/* "name:port", "[v6]:port" or either without a port, without the port and brackets. */
static struct slice host_name(const char *host)
{
    if (host[0] == '[')
        return (struct slice){host + 1, strcspn(host + 1, "]")};
    return (struct slice){host, strcspn(host, ":")};
}

static bool same_name(struct slice a, const char *b, size_t len)
{
    return a.len == len && strncasecmp(a.ptr, b, len) == 0;
}

/* Of a list of names, or of origins. */
static bool name_listed(const char *list, struct slice name)
{
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ", \t");
        char *one = xstrndup(at, len), *host = strstr(one, "://");
        struct slice listed = host_name(host ? host + 3 : one);
        bool found = strcmp(one, "*") == 0 || same_name(listed, name.ptr, name.len);
        free(one);
        if (found)
            return true;
        at += len;
        at += strspn(at, ", \t");
    }
    return false;
}

static bool is_address(struct slice name)
{
    unsigned char address[16];
    char text[64];
    snprintf(text, sizeof text, SLICE_FMT, name.len < sizeof text ? (int)name.len : 0, name.ptr);
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

bool address_is_loopback(const struct sockaddr_storage *at)
{
    if (at->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)at)->sin6_addr;
    return at->ss_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127));
}

bool host_allowed(const struct web *w, struct lws *wsi, const char *host)
{
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    char own[256] = "";
    struct slice name = host_name(host);
    if (!name.len || is_address(name) || same_name(name, "localhost", 9) ||
        (name.len > 10 && strncasecmp(name.ptr + name.len - 10, ".localhost", 10) == 0))
        return true;
    if (getsockname(lws_get_socket_fd(wsi), (struct sockaddr *)&at, &size) == 0 && !address_is_loopback(&at))
        return true;
    if (gethostname(own, sizeof own - 1) == 0 && same_name(name, own, strlen(own)))
        return true;
    return name_listed(w->allowed_hosts, name) || name_listed(w->allowed_origins, name);
}

/* ---- what is open ---- */

static bool opened(const struct site *site)
{
    bool open = false;
    for (size_t i = 0; i < site->n; i++)
        open |= site->open[i];
    return open;
}

static bool plain(const struct site *site)
{
    bool found = false;
    for (size_t i = 0; i < site->n; i++)
        found |= site->open[i] && !site->tls[i];
    return found;
}

bool page_guarded(const struct web *w, bool anonymous, struct err *e)
{
    return !opened(&w->page) || access_asks(w->access) || anonymous ||
           err_set(e, ERR_CONFIG,
                   "websocket.listeners: other machines can reach it, and it asks for no token: set "
                   "websocket.auth.jwt.public.key.file or another key, or websocket.auth.anonymous=true if "
                   "everybody who reaches it shall read all captured tables");
}

void web_warn(const struct web *w)
{
    if (opened(&w->rest) && !w->users)
        log_warn(
            "listeners: other machines can reach REST, and it asks for no login; whoever reaches it controls "
            "all connectors and reads what this process can read: set walwire.rest.users.file");
    else if (plain(&w->rest))
        log_warn("listeners: passwords for REST travel unencrypted: use https, or a proxy that does");
    if (opened(&w->page) && w->access && access_open(w->access) && !access_ruled(w->access))
        log_warn(
            "websocket.listeners: other machines can reach it, and it asks for no token; whoever reaches it "
            "reads all captured tables: set websocket.auth.jwt.public.key.file or another key");
    else if (plain(&w->page))
        log_warn("websocket.listeners: rows and tokens travel unencrypted: use https, or a proxy that does");
}
