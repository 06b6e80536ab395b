"""What is measured: each case is a row with its sides, each side a function from the rig to numbers."""
import collections, json, os, re, signal, subprocess, sys, threading, time

import growth
from pace import WARM
from peers import wait_until
from rig import INSERT, PATIENCE, STEP, bench_program
from walwire import BINARY
from websocket import WebSocket

ROUNDS = 3  # of the growth cases
TRICKLE = 4096  # bytes
# `extra` are sides that run only when they are named; `rounds` is the most of them.
Case = collections.namedtuple("Case", "title sides extra rounds", defaults=[{}, None])
HERE = os.path.dirname(os.path.abspath(__file__))
STAMP = re.compile(rb'"note": ?"T(\d+\.\d+)"')


# ---- throughput ----

def per_million(usage, rows, main, cpu=None):
    """Processor seconds for a million rows of the side's own process and of those beside it."""
    used = usage.cpu()
    if cpu is not None:
        used[main] = cpu
    names = {main: "cpu_s_per_million", "walsender": "walsender_cpu_s_per_million", "broker": "broker_cpu_s_per_million"}
    return {names[who]: seconds / rows * 1e6 for who, seconds in used.items() if who in names}


def to_kafka(rig, side, schemas=False, snapshot=False, backlog=None, sample=None, **settings):
    backlog = backlog or rig.backlog()
    name = rig.name(side)
    topic = f"{name}.public.bench"
    if not snapshot:
        backlog.copy_slot(name)
    with rig.engine(side) as engine:
        usage = rig.usage(**{side: engine.process.pid})
        spec = rig.spec(side, name, backlog.db, schemas, **{"snapshot.mode": "initial" if snapshot else "no_data", **settings})
        with rig.running(engine, spec):
            got = rig.follow(lambda: rig.topics.end(topic), backlog.rows, usage, None if snapshot else name, lambda: healthy(engine, name))
            got["rows"] = settled(rig, topic, backlog.rows)
            if sample is not None:
                sample.extend(sizes(rig, topic))
    return {**got, **per_million(usage, backlog.rows, side), "peak_rss_mb": usage.peak[side]}


def healthy(engine, name):
    state, trace = engine.status(name)
    if state == "FAILED":
        raise RuntimeError(f"{name} failed: {trace[:500]}")


def settled(rig, topic, rows):
    """As many messages as rows, and no more a little later."""
    time.sleep(0.3)
    n = rig.topics.end(topic)
    if n != rows:
        raise RuntimeError(f"{n} messages for {rows} rows")
    return n


def sizes(rig, topic):
    """Mean bytes of key and of value, of the first thousand messages."""
    argv = ["kcat", "-b", rig.broker.bootstrap, "-C", "-q", "-e", "-o", "beginning", "-c", "1000", "-t", topic, "-f", "%K %S\n"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    numbers = list(map(int, lines))
    return sum(numbers[::2]) / (len(numbers) // 2), sum(numbers[1::2]) / (len(numbers) // 2)


def message_sizes(rig, schemas):
    """What walwire writes for a row, measured once, for the ceiling to write as much."""
    if schemas not in rig.sizes:
        found = []
        to_kafka(rig, "walwire", schemas, backlog=rig.warm_backlog(), sample=found)
        rig.sizes[schemas] = [round(n) for n in found]
    return rig.sizes[schemas]


def to_nothing(rig, snapshot=False, **settings):
    """walwire without Kafka: everything is done for a message but to send it."""
    backlog, name = rig.backlog(), rig.name("null")
    if not snapshot:
        backlog.copy_slot(name)
    with rig.engine("walwire", kafka=False) as engine:
        usage = rig.usage(walwire=engine.process.pid)
        with rig.running(engine, rig.spec("walwire", name, backlog.db, **{"snapshot.mode": "initial" if snapshot else "no_data", **settings})):
            got = rig.follow(lambda: events(engine), backlog.rows, usage, None if snapshot else name, lambda: healthy(engine, name))
    return {**got, **per_million(usage, backlog.rows, "walwire"), "peak_rss_mb": usage.peak["walwire"]}


def events(engine):
    """How many events walwire has handed over, from its metrics."""
    return sum(int(float(n)) for n in re.findall(r"^walwire_events_total\{.*\} (\S+)$", engine.rest("GET", "/metrics")[1], re.M))


def stream(rig):
    """walwire stream into /dev/null. Its slot is temporary, so the backlog comes into being behind a walsender that is held."""
    db, rows = rig.empty(), max(rig.options.rows // STEP, 1) * STEP
    child = subprocess.Popen([BINARY, "stream", rig.conninfo(db)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    walsender = None
    try:
        walsender = int(wait_until(lambda: rig.postgres.psql(
            f"select active_pid from pg_replication_slots where database = '{db}' and active"), 20, "walwire stream to begin"))
        time.sleep(0.5)  # it has told where it is and is waiting
        os.kill(walsender, signal.SIGSTOP)
        rig.postgres.psql(INSERT * (rows // STEP), db)
        usage = rig.usage(walwire=child.pid, walsender=walsender)
        before = written(child.pid)
        os.kill(walsender, signal.SIGCONT)
        got = follow_output(child, usage, before, rows)
    finally:
        if walsender:
            os.kill(walsender, signal.SIGCONT)
        child.terminate()
        child.wait(20)
        rig.postgres.drop_database(db)
    return {**got, **per_million(usage, rows, "walwire"), "peak_rss_mb": usage.peak["walwire"]}


def written(pid):
    with open(f"/proc/{pid}/io") as f:
        return int(re.search(r"^wchar: (\d+)", f.read(), re.M).group(1))


def follow_output(child, usage, before, rows):
    """Until a second brings next to nothing: wake-ups between threads count as writing too. A line has over 500 bytes."""
    start = time.monotonic()
    seen = [(start, before)]
    while seen[-1][1] == before or seen[-1][0] - start < 1 or seen[-1][1] - next(n for t, n in reversed(seen) if t < seen[-1][0] - 1) > TRICKLE:
        if seen[-1][0] - start > PATIENCE:
            raise RuntimeError(f"still writing after {PATIENCE} s")
        time.sleep(0.005)
        seen.append((time.monotonic(), written(child.pid)))
        if seen[-1][1] - seen[-2][1] > TRICKLE:
            usage.sample()
    final = seen[-1][1]
    seconds = next(t for t, n in seen if n >= final - TRICKLE) - start
    if final - before < 500 * rows:
        raise RuntimeError(f"{final - before} bytes for {rows} rows are too few")
    return {"rows": rows, "total_s": seconds, "rows_per_s": rows / seconds, "bytes_per_row": (final - before) / rows}


def ceiling(rig, produce, schemas=False):
    backlog, name = rig.backlog(), rig.name("ceiling")
    argv = [bench_program("ceiling"), rig.conninfo(backlog.db, replication="database"), name, "bench_pub", str(backlog.rows)]
    if produce:
        key, value = message_sizes(rig, schemas)
        argv += ["--broker", rig.broker.bootstrap, "--topic", name, "--key", str(key), "--value", str(value), "--headers"]
        argv += ["-X", f"compression.type={rig.options.compression}"] if rig.options.compression else []
        rig.topics.create(name)
    backlog.copy_slot(name)
    usage = rig.usage()
    try:
        used, output = rig.run(argv, usage, name, stdout=subprocess.PIPE)
    finally:
        rig.drop_slot(name)
        rig.topics.delete(name)
    said = json.loads(output)
    return {"rows": said["rows"], "total_s": used["total_s"], "rows_per_s": said["rows"] / max(said["seconds"], 1e-3),
            **per_million(usage, said["rows"], "ceiling", said["cpu_seconds"]), "peak_rss_mb": used["peak_rss_mb"]}


def recvlogical(rig):
    backlog, name = rig.backlog(), rig.name("recvlogical")
    argv = [rig.program("pg_recvlogical"), "-d", rig.conninfo(backlog.db), "--slot", name, "--start", "--no-loop", "--endpos", backlog.end,
            "-o", "proto_version=1", "-o", "publication_names=bench_pub", "-f", os.devnull]
    backlog.copy_slot(name)
    usage = rig.usage()
    try:
        used, _ = rig.run(argv, usage, name)
    finally:
        rig.drop_slot(name)
    return {"rows": backlog.rows, "total_s": used["total_s"], "rows_per_s": backlog.rows / used["total_s"],
            **per_million(usage, backlog.rows, "pg_recvlogical", used["cpu_s"]), "peak_rss_mb": used["peak_rss_mb"]}


def copy(rig):
    backlog, usage = rig.backlog(), rig.usage()
    argv = [rig.program("psql"), "-qX", "-d", rig.conninfo(backlog.db), "-c", "copy bench to stdout"]
    used, _ = rig.run(argv, usage)
    return {"rows": backlog.rows, "total_s": used["total_s"], "rows_per_s": backlog.rows / used["total_s"],
            **per_million(usage, backlog.rows, "copy", used["cpu_s"]), "peak_rss_mb": used["peak_rss_mb"]}


def replay(rig, *arguments):
    done = subprocess.run([bench_program("replay"), str(max(rig.options.rows * 3, 1000)), *arguments], capture_output=True, text=True, check=True)
    rows, rate, allocations = re.search(r"^(\d+) rows, (\d+) rows/s.* ([\d.]+) allocations", done.stdout).groups()
    return {"rows": int(rows), "rows_per_s": float(rate), "allocations_per_row": float(allocations)}


def filters(subscriptions, turn, each=1):
    argv = [bench_program("filters"), "-t", str(turn), "-s", str(each), str(subscriptions)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {"ns_a_change": float(re.search(r": (\d+) ns a change", done.stdout)[1])}


# ---- latency ----

class Arrivals(threading.Thread):
    """Reads until `count` stamped rows have come, or the time is up; keeps how long each took, in milliseconds."""

    def __init__(self, read, count, seconds):
        super().__init__(daemon=True)
        self.read, self.count, self.end, self.took, self.any = read, count, time.monotonic() + seconds, [], threading.Event()
        self.start()

    def run(self):
        rest = b""
        while len(self.took) < self.count and time.monotonic() < self.end:
            got = self.read()
            now = time.time()
            if not got:
                return
            self.any.set()
            rest += got
            at = 0
            for m in STAMP.finditer(rest):
                self.took.append((now - float(m.group(1))) * 1e3)
                at = m.end()
            rest = rest[max(at, len(rest) - 64):]  # a stamp may come in two parts

    def result(self):
        self.join(max(0, self.end - time.monotonic()))
        if len(self.took) < self.count:
            raise RuntimeError(f"{len(self.took)} of {self.count} came")
        took = sorted(self.took)
        return {"events": len(took), "p50_ms": took[len(took) // 2], "p99_ms": took[len(took) * 99 // 100], "max_ms": took[-1]}


def pace(rig, db, arrivals, rate, rows):
    argv = [sys.executable, "-B", os.path.join(HERE, "pace.py"), rig.program("psql"), rig.conninfo(db), str(rate), str(arrivals.count), str(rows)]
    with subprocess.Popen(argv) as child:
        try:
            return arrivals.result()
        finally:
            child.terminate()


def seconds_for(rig, rate):
    return (WARM + rig.options.tx) / rate + 60


def latency(rig, side, rate=100, rows=1, **settings):
    db, name = rig.empty(), rig.name(side)
    with rig.engine(side) as engine:
        spec = rig.spec(side, name, db, **settings)
        with rig.running(engine, spec):
            engine.wait_streaming(spec, rig.postgres)
            rig.postgres.psql("insert into bench(note) values ('first')", db)
            topic = f"{name}.public.bench"
            wait_until(lambda: rig.topics.end(topic), 60, "the first row in Kafka")
            argv = ["kcat", "-b", rig.broker.bootstrap, "-C", "-q", "-u", "-o", "beginning", "-t", topic, "-f", "%s\n",
                    "-X", "fetch.wait.max.ms=5", "-X", "fetch.min.bytes=1", "-X", "fetch.error.backoff.ms=5"]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as kcat:
                try:
                    arrivals = Arrivals(lambda: os.read(kcat.stdout.fileno(), 1 << 16), rig.options.tx, seconds_for(rig, rate))
                    wait_until(arrivals.any.is_set, 30, "the consumer to read")
                    got = pace(rig, db, arrivals, rate, rows)
                finally:
                    kcat.kill()
    rig.postgres.drop_database(db)
    return got


def latency_websocket(rig, rate=100, rows=1):
    db, name = rig.empty(), rig.name("websocket")
    with rig.engine("walwire") as engine:
        spec = rig.spec("walwire", name, db)
        with rig.running(engine, spec):
            engine.wait_streaming(spec, rig.postgres)
            with WebSocket(engine.ws) as socket:
                socket.recv_type("welcome")
                socket.send({"type": "subscribe", "id": 1, "table": "public.bench"})
                socket.recv_type("subscribed")
                arrivals = Arrivals(lambda: socket.text(60).encode(), rig.options.tx, seconds_for(rig, rate))
                got = pace(rig, db, arrivals, rate, rows)
    rig.postgres.drop_database(db)
    return got


# ---- at rest ----

def idle(rig, side):
    """Of one core, with one connector whose database is quiet."""
    db, name = rig.empty(), rig.name(side)
    with rig.engine(side) as engine:
        spec = rig.spec(side, name, db)
        with rig.running(engine, spec):
            engine.wait_streaming(spec, rig.postgres)
            time.sleep(3)
            usage, start = rig.usage(**{side: engine.process.pid}), time.monotonic()
            time.sleep(rig.options.idle)
            usage.sample()
            got = {"cpu_percent": usage.cpu()[side] / (time.monotonic() - start) * 100, "peak_rss_mb": usage.peak[side]}
    rig.postgres.drop_database(db)
    return got


CASES = {
    "drain": Case("Drain to Kafka, without schemas", {
        "debezium": lambda rig: to_kafka(rig, "debezium"), "walwire": lambda rig: to_kafka(rig, "walwire"),
        "ceiling": lambda rig: ceiling(rig, True), "pg_recvlogical": recvlogical}),
    "drain-schemas": Case("Drain to Kafka, with schemas", {
        "debezium": lambda rig: to_kafka(rig, "debezium", True), "walwire": lambda rig: to_kafka(rig, "walwire", True),
        "ceiling": lambda rig: ceiling(rig, True, True)}),
    "nothing": Case("Drain to nothing, without schemas", {
        "walwire": to_nothing, "stream": stream, "ceiling": lambda rig: ceiling(rig, False), "pg_recvlogical": recvlogical}),
    "replay": Case("Decode and encode alone", {"plain": replay, "schemas": lambda rig: replay(rig, "schemas")}),
    "filters": Case("A change for one of many filtered subscriptions to the browsers' hub", {
        "1": lambda rig: filters(1, 50), "100,000": lambda rig: filters(100000, 50), "1 alone": lambda rig: filters(1, 1),
        "100,000 alone": lambda rig: filters(100000, 1), "100,000 alone, shared": lambda rig: filters(100000, 1, 100)}),
    "snapshot": Case("Initial snapshot", {
        "debezium": lambda rig: to_kafka(rig, "debezium", snapshot=True), "walwire": lambda rig: to_kafka(rig, "walwire", snapshot=True),
        "null": lambda rig: to_nothing(rig, snapshot=True), "copy": copy}),
    "latency": Case("Commit to reader, 100 transactions of one row a second", {
        "debezium": lambda rig: latency(rig, "debezium"),
        "debezium-10ms": lambda rig: latency(rig, "debezium", **{"poll.interval.ms": "10"}),
        "walwire": lambda rig: latency(rig, "walwire"), "websocket": latency_websocket}),
    "load": Case("Commit to reader, 200 transactions of 100 rows a second", {
        "walwire": lambda rig: latency(rig, "walwire", 200, 100), "websocket": lambda rig: latency_websocket(rig, 200, 100)}),
    "idle": Case("At rest", {"debezium": lambda rig: idle(rig, "debezium"), "walwire": lambda rig: idle(rig, "walwire")}),
    "idle-many": Case("At rest, connectors to Kafka", {"1": lambda rig: growth.idle(rig, 1), "20": lambda rig: growth.idle(rig, 20)}, rounds=1),
    "tables": Case("Growth: tables, in turn", growth.sides(growth.LOADS["tables"], growth.walwire, growth.ceiling), rounds=ROUNDS),
    "transactions": Case("Growth: rows of a transaction", growth.sides(growth.LOADS["transactions"], growth.walwire, growth.ceiling), rounds=ROUNDS),
    "columns": Case("Growth: columns", growth.sides(growth.LOADS["columns"], growth.walwire, growth.ceiling), rounds=ROUNDS),
    "connectors": Case("Growth: connectors in one process", growth.sides(growth.LOADS["connectors"], growth.walwire, growth.kafka, growth.ceiling),
                       rounds=ROUNDS),
    "workloads": Case("Growth: kinds of change", growth.sides(growth.LOADS["workloads"], growth.walwire, growth.recvlogical),
                      growth.sides(growth.LOADS["workloads"], growth.debezium), ROUNDS),
    "killed": Case("Killed at half of a drain to Kafka, and started again", {"walwire": lambda rig: growth.killed(rig, "killed", growth.KILL)},
                   rounds=ROUNDS),
}


def warm(rig, debezium):
    """Java compiles what it has run often: drains that do not count, for the broker and for Kafka Connect."""
    for schemas in (False, True) * 2:
        to_kafka(rig, "walwire", schemas, backlog=rig.warm_backlog())
        if debezium:
            to_kafka(rig, "debezium", schemas, backlog=rig.warm_backlog())
