#!/usr/bin/env -S python3 -B
"""Runs cases through walwire and compares every record with what Debezium writes for the same case.

A case is a directory in cases/: setup.sql runs before the connector starts, config.json holds the connector's settings
(connection, names and prefix are filled in), steps.sql runs once it is streaming. In steps.sql a line `-- wait` waits until
all that was written has arrived, `-- rest METHOD PATH BODY` calls the REST API ({name} and {prefix} are filled in), and
everything else goes to psql, the statements between two such lines in one run. A file `needs` names extensions without which
the case is skipped. golden/NAME.json holds Debezium's records.

    compare.py [NAME...]            walwire against golden/; all cases, or some
    compare.py --live [NAME...]     Debezium and walwire at the same time, on one database
    compare.py --record [NAME...]   Debezium alone: writes golden/
With --live and --record a Kafka Connect with Debezium (bench/pom.xml pins its version) is started, as are PostgreSQL and Kafka,
unless --debezium URL, --postgres-port and --kafka name what runs already; so does --walwire name an engine. -n is how many
differences to show, -j how many cases to run at once.

Golden records come from another server and another time, so positions, transaction ids and times are masked on both sides.
Live, both sides follow one database, and only processing times and what a snapshot says of its position are.
"""
import argparse, concurrent.futures, contextlib, json, os, re, sys, threading, time, uuid
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "..", "bench")]
from records import Masker, abridge_topics, count, differences, read_golden, write_golden  # noqa: E402
from services import Kafka, Postgres, Walwire, connector, wait_until  # noqa: E402

AT_ONCE = 8


class Skip(Exception):
    pass


class Done(NamedTuple):
    """How one case ended."""
    case: str
    seconds: float
    records: int
    found: list  # differences, or what went wrong
    error: Exception | None


class Growth:
    """How many records there are under a prefix, asked for all cases at once."""
    EVERY = 0.3

    def __init__(self, kafka):
        self.kafka, self.lock, self.known, self.at, self.prefixes = kafka, threading.Lock(), {}, 0.0, set()

    def count(self, prefix):
        with self.lock:
            self.prefixes.add(prefix)
            if time.monotonic() - self.at > self.EVERY:
                self.known = self.kafka.all_ends(lambda topic: any(p in topic for p in self.prefixes))
                self.at = time.monotonic()
            return sum(n for topic, n in self.known.items() if prefix in topic and "heartbeat" not in topic)

    def forget(self, prefix):
        with self.lock:
            self.prefixes.discard(prefix)


class Bench:
    """The servers that all cases of a run share."""

    def __init__(self, postgres, kafka):
        self.postgres, self.kafka, self.growth = postgres, kafka, Growth(kafka)


class Side:
    """One connector of a case: its names, which are replaced in the records by words that are the same in every run."""

    def __init__(self, case, bench, db, engine, live=False):
        run = uuid.uuid4().hex[:8]
        self.bench, self.engine, self.prefix, self.name = bench, engine, f"p{run}", f"{case.replace('-', '_')}_{run}"
        text = read_file(case, "config.json") or "{}"
        text = text.replace("{prefix}", self.prefix).replace("{name}", self.name)
        settings = {"topic.prefix": self.prefix, "slot.name": f"slot_{run}", "publication.name": f"pub_{run}", **json.loads(text)}
        self.spec = connector(self.name, bench.postgres, db, **settings)
        config = self.spec["config"]
        self.slot = config["slot.name"]
        self.masker = Masker([(self.name, "NAME"), (self.prefix, "PREFIX"), (self.slot, "SLOT"),
                              (config["publication.name"], "PUBLICATION"), (db, "DB")], live)

    def rest(self, line):
        method, path, *body = line.replace("{name}", self.name).replace("{prefix}", self.prefix).split(" ", 4)[2:]
        code, answer = self.engine.rest(method, path, json.loads(body[0]) if body else None)
        if code >= 400:
            raise RuntimeError(f"{method} {path} answered {code}: {answer}")

    def records(self):
        kafka = self.bench.kafka
        names = sorted(t for t in kafka.topics() if self.prefix in t and "heartbeat" not in t)
        return {self.masker.rename(t): [self.masker.record(m) for m in kafka.consume(t)] for t in names}

    def begun(self):
        """A slot is in use while it is made, too; what is written then may still be the snapshot's."""
        return self.bench.postgres.psql("select 1 from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid "
                                        f"where s.slot_name = '{self.slot}' and r.state in ('catchup', 'streaming')")

    def check(self):
        state, why = self.engine.status(self.name)
        assert state == "RUNNING", f"{self.name} is {state}: {why[:600]}"

    def close(self):
        self.bench.growth.forget(self.prefix)
        with contextlib.suppress(OSError):  # an engine that ended has let go of its slot
            self.engine.rest("DELETE", f"/connectors/{self.name}")


def quiet(sides, expect=0, still=1.5, timeout=60):
    """Waits until nothing more has come for `still` seconds and, within the time, at least `expect` records are there and all
    sides have the same number."""
    growth, end, last, since = sides[0].bench.growth, time.monotonic() + timeout, None, time.monotonic()
    while time.monotonic() < end:
        now = [growth.count(s.prefix) for s in sides]
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > (still if len(set(now)) == 1 else 4 * still) and now[0] >= expect:
            return
        time.sleep(0.1)


def run_steps(sql, db, sides, still):
    for part in re.split(r"(?m)^(-- (?:wait|rest)\b.*)$", sql):
        if part.startswith("-- wait"):
            quiet(sides, still=still)
        elif part.startswith("-- rest"):
            for side in sides:
                side.rest(part)
        elif part.strip():
            sides[0].bench.postgres.psql(part, db)


def check_needs(case, postgres):
    for extension in read_file(case, "needs").split():
        if not postgres.psql(f"select 1 from pg_available_extensions where name = '{extension}'"):
            raise Skip(f"PostgreSQL has no extension {extension} here")


def run_case(case, bench, engines, expect=0, still=1.5):
    """Runs one case on each engine at once and returns their records, masked. With `expect` it waits for that many before it
    believes in silence."""
    check_needs(case, bench.postgres)
    db, sides, live = f"case_{uuid.uuid4().hex[:8]}", [], len(engines) > 1
    bench.postgres.psql(f"create database {db}")
    try:
        bench.postgres.psql(read_file(case, "setup.sql"), db)
        for engine in engines:
            sides.append(Side(case, bench, db, engine, live))
            engine.create(sides[-1].spec)
        for side in sides:
            side.engine.wait_streaming(side.spec, bench.postgres)
            wait_until(side.begun, 60, f"{side.name} to stream")
        quiet(sides, still=still)
        run_steps(read_file(case, "steps.sql"), db, sides, still)
        quiet(sides, expect, still)
        for side in sides:
            side.check()
        return [side.records() for side in sides]
    finally:
        for side in sides:
            side.close()
        wait_until(lambda: not any(bench.postgres.streaming(side.slot) for side in sides), 20, "the slots to be free")
        bench.postgres.drop_database(db)


def compare_case(case, bench, engine):
    """walwire against the golden file: how many records were compared, and a list of differences."""
    want = read_golden(golden(case))
    total = count(want)
    assert total, f"{golden(case)} holds no record: the case tests nothing"
    got, = run_case(case, bench, [engine], total)
    return total, list(differences(want, abridge_topics(got)))


def live_case(case, bench, debezium, walwire):
    want, got = run_case(case, bench, [debezium, walwire], still=2.5)
    total = count(want)
    assert total, "Debezium wrote no record: the case tests nothing"
    return total, list(differences(want, got))


def record_case(case, bench, debezium):
    got, = run_case(case, bench, [debezium], still=4)
    write_golden(golden(case), abridge_topics(got))
    return count(got), []


def each(names, run, at_once=AT_ONCE):
    """Runs run(case) for all, some at a time; yields a Done for each as it ends."""
    def timed(case):
        start = time.monotonic()
        try:
            records, found = run(case)
            return Done(case, time.monotonic() - start, records, found, None)
        except Exception as e:
            return Done(case, time.monotonic() - start, 0, [str(e)], e)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for done in concurrent.futures.as_completed([pool.submit(timed, case) for case in names]):
            yield done.result()


def golden(case):
    return os.path.join(HERE, "golden", case + ".json")


def read_file(case, name):
    path = os.path.join(HERE, "cases", case, name)
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


def cases():
    return sorted(os.listdir(os.path.join(HERE, "cases")))


def debezium_at(url, kafka):
    if url:
        return Walwire.at(url)
    from peers import Connect
    connect = Connect(kafka)
    connect.start()
    return connect


def runner(options):
    """What to do with a case, and how a good end is called."""
    postgres = Postgres.at(options.postgres_port) if options.postgres_port else Postgres({"max_connections": 200})
    kafka = Kafka.at(options.kafka) if options.kafka else Kafka()
    bench = Bench(postgres, kafka)
    walwire = None
    if not options.record:
        walwire = Walwire.at(options.walwire) if options.walwire else Walwire(kafka=kafka, env={"WALWIRE_CHECK_TREE": "1"})
        if not options.live:
            return lambda case: compare_case(case, bench, walwire), "same"
    debezium = debezium_at(options.debezium, kafka)
    if options.live:
        return lambda case: live_case(case, bench, debezium, walwire), "same"
    return lambda case: record_case(case, bench, debezium), "recorded"


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("names", nargs="*")
    args.add_argument("-n", type=int, default=8)
    args.add_argument("-j", type=int, default=AT_ONCE)
    args.add_argument("--live", action="store_true")
    args.add_argument("--record", action="store_true")
    args.add_argument("--debezium", metavar="URL")
    args.add_argument("--walwire", metavar="URL")
    args.add_argument("--postgres-port", type=int)
    args.add_argument("--kafka", metavar="HOST:PORT")
    options = args.parse_args()
    run, word = runner(options)
    ended = {"FAILED": 0, "skipped": 0, word: 0}
    for done in each(options.names or cases(), run, options.j):
        how = "skipped" if isinstance(done.error, Skip) else "FAILED" if done.found else word
        ended[how] += 1
        what = {"skipped": str(done.error), "FAILED": f"{len(done.found)} differences", word: f"{done.records} records"}[how]
        print(f"{done.case}: {how}, {what}, {done.seconds:.0f} s", flush=True)
        if how == "FAILED":
            print("".join(f"    {line}\n" for line in done.found[:options.n]), end="", flush=True)
    print(", ".join(f"{n} {how}" for how, n in ended.items()))
    return ended["FAILED"] != 0


if __name__ == "__main__":
    sys.exit(main())
