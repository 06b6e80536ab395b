"""Faults of the network between walwire and its servers (F39 to F44)."""
import os, subprocess, time

from process import at_exit
from proxy import DOWN, UP, Proxy
from trial import fault


@fault("F00", "no fault at all", short=True, idle=True, most_duplicates=0)
def nothing(t):
    """What the other rows are measured against: all arrives, and once."""
    t.writer.more(200)
    t.acknowledged()


@fault("F39", "the replication stream is cut at any of its first 200 bytes, mid-header or mid-tuple", proxies=("postgres",), short=True,
       settings={"retriable.restart.connector.wait.ms": "100"})
def cut_anywhere(t):
    """A frame that came in part is none: nothing of it is told, and all of it after the next connection."""
    proxy = t.proxy("postgres")
    for n in sorted(t.random.sample(range(200), 8)):
        proxy.cut_after(n, DOWN, reset=t.random.random() < 0.5, replication=True)
        proxy.cut()  # the next connection is the one that the bytes are counted in
        t.eventually(lambda: proxy.cut_times == 1, 20, f"the stream to be cut after {n} bytes")
        proxy.heal()
        t.eventually(lambda: t.postgres.streaming(t.slot), 20, "a new connection")


@fault("F39b", "the replication stream is cut or reset deep inside a burst of rows, either way", proxies=("postgres",))
def cut_in_a_burst(t):
    """The same in the middle of transactions of hundreds of rows, and for what walwire sends."""
    proxy = t.proxy("postgres")
    for _ in range(6):
        way = t.random.choice((DOWN, DOWN, UP))
        n = t.random.randrange(1 << 17) if way == DOWN else t.random.randrange(200)
        done = proxy.accepted
        proxy.cut_after(n, way, reset=t.random.random() < 0.5, replication=True)
        t.eventually(lambda: proxy.cut_times == 1, 20, f"the stream to be cut after {n} bytes {way}")
        t.eventually(lambda: proxy.accepted > done and t.postgres.streaming(t.slot), 20, "a new connection")


@fault("F40", "PostgreSQL in a black hole: no packet arrives, none is refused", proxies=("postgres",), timeout=240, catchup=60,
       settings={"retriable.restart.connector.wait.ms": "500"}, workload={"pace": 0.2})
def black_hole(t):
    """A server that says nothing is noticed without a reset, and left; memory stays where it was."""
    proxy = t.proxy("postgres")
    said = len(t.engine.log())
    proxy.blackhole(deaf=True)
    t.eventually(lambda: not t.postgres.streaming(t.slot), 30, "the server to end its side after wal_sender_timeout")
    t.eventually(lambda: "trying again" in t.engine.log()[said:], 90, "walwire to leave the silent connection", every=0.2)


@fault("F40b", "Kafka in a black hole for 10 s", proxies=("kafka",), catchup=60)
def kafka_black_hole(t):
    """The link is kept alive and nothing is acknowledged while Kafka is silent."""
    t.proxy("kafka").blackhole()
    time.sleep(2)
    at = t.confirmed()
    t.writer.more(100)
    time.sleep(6)
    assert t.confirmed() == at, f"{t.confirmed() - at} bytes were acknowledged while Kafka could not be reached"


@fault("F41", "PostgreSQL's bytes trickle: 1 a second, then 2000", proxies=("postgres",), catchup=60)
def trickle(t):
    """A frame that takes seconds to arrive is waited for; keepalives are answered meanwhile."""
    proxy = t.proxy("postgres")
    proxy.trickle(1)
    time.sleep(6)
    proxy.trickle(2000)
    time.sleep(3)


@fault("F41b", "every byte between walwire and both servers is 300 ms late", proxies=("postgres", "kafka"), catchup=60)
def late_bytes(t):
    """Latency costs time and nothing else."""
    for name in ("postgres", "kafka"):
        t.proxy(name).delay(0.3)
    t.writer.more(150)


@fault("F42", "an old replication connection is played back to a new one, byte for byte", proxies=("postgres",), short=True)
def replayed_connection(t):
    """What another connection was told is not believed: nothing of it is told. The end of the connection repeats what any end does."""
    proxy = t.proxy("postgres")
    proxy.replay()
    accepted = proxy.accepted
    t.eventually(lambda: proxy.accepted >= accepted + 3, 20, "three connections that are answered with old bytes")


@fault("F44", "half a close: the server's side of the connection ends, then walwire's, while the other goes on", proxies=("postgres", "kafka"),
       short=True)
def half_closed(t):
    """The end of one direction is an end: the connection is made anew."""
    for name, way in (("postgres", DOWN), ("postgres", UP), ("kafka", DOWN), ("kafka", UP)):
        proxy, accepted = t.proxy(name), t.proxy(name).accepted
        proxy.half_close(way)
        t.eventually(lambda: proxy.accepted > accepted, 20, f"a new connection to {name} after a half close {way}")
        t.eventually(lambda: t.postgres.streaming(t.slot), 20, "the slot to be in use again")


NAMES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that end in .torture are looked up in the file that TORTURE_NAMES names: an address, or nothing. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    size_t len = node ? strlen(node) : 0;
    if (len < 8 || strcmp(node + len - 8, ".torture") != 0)
        return next(node, service, hints, out);
    char address[64] = "";
    FILE *f = fopen(getenv("TORTURE_NAMES"), "r");
    if (f && !fgets(address, sizeof address, f))
        address[0] = 0;
    if (f)
        fclose(f);
    return address[0] ? next(address, service, hints, out) : EAI_AGAIN;
}
"""


@fault("F43", "the name of PostgreSQL's host is not known for a while, and then has another address", start=False, catchup=60)
def another_address(t):
    """A name is looked up anew for each connection: it is waited for, and its new address is used."""
    place = t.temp_dir()
    library, names = os.path.join(place, "names.so"), os.path.join(place, "names")
    done = subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-", "-ldl"], input=NAMES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    old, new = Proxy(t.postgres.port, host="127.0.0.1"), Proxy(t.postgres.port, host="127.0.0.2")
    at_exit(old.close)
    at_exit(new.close)
    tell(names, "127.0.0.1")
    new.refuse()
    t.configure({"database.hostname": "database.torture", "database.port": str(old.port)})
    t.start(env={"LD_PRELOAD": library, "TORTURE_NAMES": names})
    t.writer.more(40)
    tell(names, "")
    old.refuse()
    t.eventually(lambda: "torture" in t.engine.log().split("streaming from")[-1], 20, "the name to be missed")
    t.writer.more(40)
    new.move(old.port)
    tell(names, "127.0.0.2")
    t.eventually(lambda: new.accepted and t.postgres.streaming(t.slot), 20, "a connection to the new address")


def tell(path, text):
    with open(path, "w") as f:
        f.write(text)
