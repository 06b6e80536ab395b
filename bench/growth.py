"""What should not slow walwire down or swell it: tables, long and short transactions, columns, connectors, kinds of change.

Every load is read twice, by walwire without Kafka and with nothing decoded, so that it can be told from the walsender. Time counts
from "streaming from" in walwire's log, and likewise from the other's START_REPLICATION, until the last row."""
import calendar, collections, contextlib, json, os, re, subprocess, time

from peers import wait_until
from rig import INSERT, PATIENCE, TABLE, WORKER, Backlog, bench_program
from walwire import Walwire, connector

Load = collections.namedtuple("Load", "make tables connectors columns", defaults=["public.bench", 1, 1])
AHEAD = 120000  # rows of 80 bytes; the ring holds 8 MB
STREAMING = re.compile(r"^(\S+?)\.(\d{3})Z .*\[(\S+)\] streaming from", re.M)
TABLES = {"1": 1, "100": 100, "1,000": 1000, "10,000": 10000}
COLUMNS = {"10": 10, "50": 50, "100": 100, "200": 200}
CONNECTORS = {"1": 1, "5": 5, "20": 20}


# ---- loads ----

def rows_of(rig, part=1):
    return max(rig.options.rows // part, 1000)


def backlog(rig, *args, after="", **more):
    return Backlog(rig.postgres, *args, after=after, **more)


def tables(rig, n):
    """n tables in turn, ten rows of each at a time. What does not count: one row of each, and as much as walwire reads ahead
    while it gets to know the tables."""
    per, ahead = max(rows_of(rig, 2) // n // 10, 1), min(AHEAD, rows_of(rig, 8))
    setup = f"""
        create publication bench_pub for all tables;
        do $$ begin for i in 1..{n} loop
            execute format('create table t%s(id bigserial primary key, cust int, sku text, price numeric(10,2), note text)', i);
            if i % 500 = 0 then commit; end if;
        end loop; end $$;"""
    insert = "insert into t%s(cust, sku, price, note) select g, 'SKU-' || g, g / 100.0, 'note for row number ' || g from generate_series(1, {k}) g"
    fill = "".join(f"""
        do $$ begin for p in 1..{passes} loop for i in 1..{n} loop
            execute format($sql${insert.format(k=k)}$sql$, i);
            if i % 100 = 0 or i = {n} then commit; end if;
        end loop; end loop; end $$;""" for passes, k in ((1, 1), (per, 10)))
    made = backlog(rig, n + per * n * 10, setup=setup, fill=fill)
    made.skip = n + ahead
    return made


def transactions(rig, size, rows):
    one = INSERT.replace("generate_series(1, 1000)", f"generate_series(1, {size})")
    return backlog(rig, max(rows // size, 1) * size, fill=f"do $$ begin for i in 1..{max(rows // size, 1)} loop {one} commit; end loop; end $$;")


def one_transaction(rig):
    rows = 5000000 if rig.options.long else rows_of(rig)
    return transactions(rig, rows, rows)


def columns(rig, n):
    """As many values in all, whatever the number of columns."""
    rows, kinds = max(rows_of(rig) * 5 // n // 100, 1) * 100, ("int", "text", "numeric(10,2)", "timestamptz", "bool")
    values = ("g + {i}", "'value ' || g + {i}", "(g + {i}) / 100.0", "timestamptz '2026-01-01' + g * interval '1s'", "g % 2 = 0")
    definition = ", ".join(f"c{i} {kinds[i % 5]}" for i in range(1, n))
    row = ", ".join(values[i % 5].format(i=i) for i in range(1, n))
    return backlog(rig, rows, setup=f"create table bench(id int primary key, {definition}); create publication bench_pub for table bench;",
                   fill="".join(f"insert into bench select g, {row} from generate_series({at}, {at + 99}) g;" for at in range(1, rows, 100)))


def connectors(rig, n):
    transactions_of_1000 = max(rows_of(rig, n) // 1000, 1)
    return backlog(rig, transactions_of_1000 * 1000, fill=INSERT * transactions_of_1000)


def pgbench(rig):
    """TPC-B like: three updates and an insert in a transaction, eight clients."""
    clients, each = 8, max(rows_of(rig, 5) // 4 // 8, 1)

    def run(db, *args):
        subprocess.run([os.path.join(rig.postgres.bin, "pgbench"), *args, rig.conninfo(db)], check=True, capture_output=True)

    def setup(db):
        run(db, "-iqs", "10")
        rig.postgres.psql("create publication bench_pub for all tables", db)
    return backlog(rig, clients * each * 4, setup=setup, fill=lambda db: run(db, "-nc", str(clients), "-j", "2", "-t", str(each)))


def toast(rig, touched):
    """Rows of 20 KB, updated; without the large value the stream says only that it has not changed."""
    rounds = max(rows_of(rig, 250 if touched else 10) // 200, 1)
    change = "body = repeat(md5((id + {i})::text), 640)" if touched else "n = {i}"
    return backlog(rig, rounds * 200, setup="""
        create table bench(id int primary key, n int, body text); alter table bench alter body set storage external;
        create publication bench_pub for table bench;
        insert into bench select g, 0, repeat(md5(g::text), 640) from generate_series(1, 200) g;""",
        fill="".join(f"update bench set {change.format(i=i)};" for i in range(1, rounds + 1)))


def subtransactions(rig):
    """One transaction; each ten rows in a block with an exception handler."""
    n = max(rows_of(rig, 5) // 10, 1)
    insert = INSERT.replace("generate_series(1, 1000)", "generate_series(1, 10)")
    return backlog(rig, n * 10, fill=f"do $$ begin for i in 1..{n} loop begin {insert} exception when division_by_zero then null; end; end loop; end $$;")


def full_identity(rig):
    """Ten columns of which an update changes one, and the whole old row in the log."""
    n = max(rows_of(rig, 5) // 1000, 1)
    return backlog(rig, n * 1000, setup="""
        create table bench(id int primary key, a int, b text, c text, d numeric(10,2), e timestamptz, f bool, g bigint, h text, i uuid);
        alter table bench replica identity full; create publication bench_pub for table bench;
        insert into bench select g, 0, 'b' || g, 'c' || g, g / 100.0, now(), true, g, 'h' || g, gen_random_uuid() from generate_series(1, 1000) g;""",
        fill="update bench set a = a + 1;" * n)


def deletes(rig):
    n = max(rows_of(rig, 5) // 1000, 1)
    return backlog(rig, n * 1000, setup=TABLE + INSERT * n, fill="".join(
        f"delete from bench where id between {at + 1} and {at + 1000};" for at in range(0, n * 1000, 1000)))


def noise(rig):
    """Of twenty rows in the log one is published."""
    n = max(rows_of(rig) // 20 // 50, 1)
    other = INSERT.replace("into bench", "into noise").replace("(1, 1000)", "(1, 950)")
    return backlog(rig, n * 50, setup=TABLE + "create table noise (like bench including all);",
                   fill=(INSERT.replace("(1, 1000)", "(1, 50)") + other) * n)


# ---- the two readers ----

def events(engine):
    """How many events all connectors have handed over."""
    return sum(int(float(n)) for n in re.findall(r"^walwire_events_total\{.*\} (\S+)$", engine.rest("GET", "/metrics")[1], re.M))


def streaming_since(engine, n):
    """When the first of n connectors began to stream, on the monotonic clock; all have."""
    def told():
        found = STREAMING.findall(engine.log())
        return found if len({name for _, _, name in found}) >= n else None
    at = min(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%S")) + int(ms) / 1e3 for when, ms, _ in wait_until(told, 60, "streaming", every=0.002))
    return time.monotonic() - (time.time() - at)


def check(engine, names):
    for name in names:
        state, trace = engine.status(name)
        if state == "FAILED":
            raise RuntimeError(f"{name} failed: {trace[:500]}")


def watch_walsenders(rig, usage, names):
    if not any(k.startswith("walsender") for k in usage.pids):
        pids = rig.postgres.psql("select active_pid from pg_replication_slots where active and slot_name in ('" + "','".join(names) + "')").split()
        for i, pid in enumerate(pids):
            usage.watch(f"walsender{i}", int(pid), since_start=True)


def follow(rig, engine, names, rows, skip, usage):
    """Until all rows are out. What comes before row `skip` is told apart: seconds for it, and it counts for no speed."""
    start = first = look = streaming_since(engine, len(names))
    base, n = 0, 0
    while n < rows:
        now, n = time.monotonic(), events(engine)
        usage.sample()
        if not base and skip and skip <= n < rows:
            first, base = now, n
            usage.start_again()
        if now - look > 1:
            check(engine, names)
            watch_walsenders(rig, usage, names)
            look = now
        if now - start > PATIENCE:
            raise RuntimeError(f"{n} of {rows} rows after {PATIENCE} s")
        time.sleep(0.005)
    end = time.monotonic()
    usage.sample()
    if n != rows:
        raise RuntimeError(f"{n} events for {rows} rows")
    return {"rows": rows, "total_s": end - start, "rows_per_s": (n - base) / (end - first), "counted": n - base, "first_s": first - start}


@contextlib.contextmanager
def reading(rig, load, made, kafka=False):
    """A walwire whose connectors read copies of the load's slot."""
    name = rig.name("growth")
    names = [f"{name}x{i}" for i in range(load.connectors)]
    specs = [rig.spec("walwire", n, made.db, **{"table.include.list": load.tables}) for n in names]
    for n in names:
        made.copy_slot(n)
    engine = Walwire(specs, rig.broker if kafka else None, **WORKER, **{"websocket.listeners": "none"})
    try:
        yield engine, names
    finally:
        engine.sigterm()
        for n in names:
            rig.drop_slot(n)
            if kafka:
                rig.topics.delete(f"{n}.public.bench")


def walwire(rig, key, load, kafka=False):
    """Without Kafka: all is done for a message but to send it."""
    made = rig.load(key, lambda: load.make(rig))
    rows = made.rows * load.connectors
    with reading(rig, load, made, kafka) as (engine, names):
        usage = rig.usage(walwire=engine.process.pid)
        got = follow(rig, engine, names, rows, made.skip, usage)
        cpu = usage.cpu()
        got["rss_mb"] = engine.rss_kb() / 1024
    counted = got.pop("counted") / 1e6
    walsenders = [s for k, s in cpu.items() if k.startswith("walsender")]
    return {**got, "values_per_s": got["rows_per_s"] * load.columns, "cpu_s_per_million": cpu["walwire"] / counted,
            **({"walsender_cpu_s_per_million": sum(walsenders) / counted} if walsenders else {}), "peak_rss_mb": usage.peak["walwire"]}


def kafka(rig, key, load):
    return walwire(rig, key, load, kafka=True)


def drained(rig, made, rows, n):
    """Seconds until n processes have each read that many inserted rows of a slot of their own, with nothing decoded."""
    names = [rig.name("nothing") for _ in range(n)]
    for name in names:
        made.copy_slot(name)
    children = [subprocess.Popen([bench_program("ceiling"), rig.conninfo(made.db, replication="database"), name, "bench_pub", str(rows)],
                                 stdout=subprocess.PIPE, text=True) for name in names]
    start = time.monotonic()
    try:
        said = [json.loads(child.communicate(timeout=PATIENCE)[0]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    seconds = said[0]["seconds"] if n == 1 else time.monotonic() - start
    for name in names:
        rig.drop_slot(name)
    return seconds, sum(s["cpu_seconds"] for s in said), max(s["peak_rss_kb"] for s in said) / 1024


def ceiling(rig, key, load):
    """Nothing decoded, inserts only. A first part that does not count is read once more, alone, and taken off."""
    made = rig.load(key, lambda: load.make(rig))
    before = drained(rig, made, made.skip, load.connectors) if made.skip else (0, 0, 0)
    seconds, cpu, peak = drained(rig, made, made.rows, load.connectors)
    counted = made.rows * load.connectors - made.skip
    speed = counted / max(seconds - before[0], 1e-3)
    return {"rows": made.rows * load.connectors, "total_s": seconds, "rows_per_s": speed, "values_per_s": speed * load.columns,
            "first_s": before[0], "cpu_s_per_million": (cpu - before[1]) / counted * 1e6, "peak_rss_mb": peak}


def recvlogical(rig, key, load):
    """Nothing decoded, any kind of change."""
    made, name = rig.load(key, lambda: load.make(rig)), rig.name("recvlogical")
    argv = [rig.program("pg_recvlogical"), "-d", rig.conninfo(made.db), "--slot", name, "--start", "--no-loop", "--endpos", made.end,
            "-o", "proto_version=1", "-o", "publication_names=bench_pub", "-f", os.devnull]
    made.copy_slot(name)
    try:
        used, _ = rig.run(argv, rig.usage())
    finally:
        rig.drop_slot(name)
    return {"rows": made.rows, "total_s": used["total_s"], "rows_per_s": made.rows / used["total_s"],
            "cpu_s_per_million": used["cpu_s"] / made.rows * 1e6, "peak_rss_mb": used["peak_rss_mb"]}


def debezium(rig, key, load):
    """To Kafka, as it has no other way; the messages of all tables together."""
    made, name = rig.load(key, lambda: load.make(rig)), rig.name("debezium")
    made.copy_slot(name)
    engine = rig.connect
    usage = rig.usage(debezium=engine.process.pid)
    spec = rig.spec("debezium", name, made.db, **{"table.include.list": load.tables, "tombstones.on.delete": "false"})
    found = rig.postgres.psql("select tablename from pg_publication_tables where pubname = 'bench_pub'", made.db).split()
    topics = [f"{name}.public.{t}" for t in found if re.fullmatch(load.tables, f"public.{t}")]
    try:
        engine.create(spec)
        got = rig.follow(lambda: sum(rig.topics.end(t) or 0 for t in topics), made.rows, usage, None, lambda: check(engine, [name]))
    finally:
        engine.rest("DELETE", f"/connectors/{name}")
        rig.drop_slot(name)
        for t in topics:
            rig.topics.delete(t)
    return {**got, "cpu_s_per_million": usage.cpu()["debezium"] / made.rows * 1e6, "peak_rss_mb": usage.peak["debezium"]}


# ---- killed in the middle ----

def killed(rig, key, load):
    """To Kafka; kill -9 when half is there, started again: all rows must come, and some come twice."""
    made = rig.load(key, lambda: load.make(rig))
    with reading(rig, load, made, kafka=True) as (engine, names):
        topic, first = f"{names[0]}.public.bench", streaming_since(engine, 1)
        wait_until(lambda: (rig.topics.end(topic) or 0) >= made.rows // 2, PATIENCE, "half of the rows", every=0.005)
        engine.sigkill()
        start = time.monotonic()
        before = rig.topics.end(topic)
        engine.start()
        wait_until(lambda: (rig.topics.end(topic) or 0) >= made.rows, PATIENCE, "the rest", every=0.005)
        wait_until(lambda: flushed(rig, names[0], made.end), 60, "the last row to be acknowledged")
        again, end = time.monotonic(), rig.topics.end(topic)
        seen = len(set(keys(rig, topic)))
    if seen != made.rows:
        raise RuntimeError(f"{seen} of {made.rows} rows are in Kafka")
    twice = end - made.rows
    return {"rows": made.rows, "rows_before": before, "catch_up_s": again - start, "duplicates": twice, "duplicates_s": twice / before * (start - first)}


def flushed(rig, slot, end):
    return rig.postgres.psql(f"select confirmed_flush_lsn >= '{end}' from pg_replication_slots where slot_name = '{slot}'") == "t"


def keys(rig, topic):
    argv = ["kcat", "-b", rig.broker.bootstrap, "-C", "-q", "-e", "-o", "beginning", "-t", topic, "-f", "%k\n"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


# ---- at rest ----

def idle(rig, n):
    """Of one core, with n connectors to Kafka whose databases are quiet."""
    made = rig.load("idle", lambda: connectors(rig, 20))
    load = Load(None, connectors=n)
    with reading(rig, load, made, kafka=True) as (engine, names):
        wait_until(lambda: events(engine) >= made.rows * n, PATIENCE, "the connectors to have read")
        time.sleep(3)
        usage, start = rig.usage(walwire=engine.process.pid), time.monotonic()
        time.sleep(rig.options.idle)
        usage.sample()
        return {"cpu_percent": usage.cpu()["walwire"] / (time.monotonic() - start) * 100, "rss_mb": engine.rss_kb() / 1024}


# ---- the cases ----

LOADS = {
    "tables": {size: Load(lambda rig, n=n: tables(rig, n), tables="public[.]t[0-9]+") for size, n in TABLES.items()},
    "transactions": {
        "1": Load(lambda rig: transactions(rig, 1, rows_of(rig, 5))), "100": Load(lambda rig: transactions(rig, 100, rows_of(rig, 2))),
        "10,000": Load(lambda rig: transactions(rig, 10000, rows_of(rig, 2))), "all": Load(one_transaction)},
    "columns": {size: Load(lambda rig, n=n: columns(rig, n), columns=n) for size, n in COLUMNS.items()},
    "connectors": {size: Load(lambda rig, n=n: connectors(rig, n), connectors=n) for size, n in CONNECTORS.items()},
    "workloads": {
        "pgbench": Load(pgbench, tables="public[.]pgbench_.*"), "toast-kept": Load(lambda rig: toast(rig, False)),
        "toast-changed": Load(lambda rig: toast(rig, True)), "subtransactions": Load(subtransactions), "full-identity": Load(full_identity),
        "deletes": Load(deletes), "noise": Load(noise)},
}
KILL = Load(lambda rig: transactions(rig, 100, rows_of(rig)))


def sides(loads, *readers):
    """One side for each size and reader, named "10,000 walwire"."""
    return {f"{size} {reader.__name__}": lambda rig, size=size, load=load, reader=reader: reader(rig, size, load)
            for size, load in loads.items() for reader in readers}
