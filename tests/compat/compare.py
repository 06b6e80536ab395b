#!/usr/bin/env -S python3 -B
"""Runs golden cases through walwire and compares every record with what Debezium wrote for the same case.

A case is a directory in cases/: setup.sql runs before the connector starts, config.json holds the connector's settings
(connection, names and prefix are filled in), steps.sql runs once it is streaming. In steps.sql a line `-- wait` waits until
all that was written has arrived, `-- rest METHOD PATH BODY` calls the REST API ({name} and {prefix} are filled in), and
everything else goes to psql, the statements between two such lines in one run. golden/NAME.json holds Debezium's records.

    compare.py [NAME...]      all cases, or some; -n how many differences to show
    compare.py --record URL --postgres-port PORT --kafka HOST:PORT [NAME...]
                              writes golden/ from a Debezium in the Kafka Connect at URL, which uses that Kafka; the
                              server is on 127.0.0.1, with user postgres trusted and wal_level=logical
Debezium was recorded on another server at another time, so positions, transaction ids and times are masked on both sides.
"""
import argparse, json, os, re, sys, time, uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from services import Kafka, Postgres, Walwire, connector, wait_until  # noqa: E402

TIMES = {"ts_ms", "ts_us", "ts_ns"}
POSITION = TIMES | {"lsn", "txId", "xmin", "sequence"}
# Debezium prints a Java object here, with its identity hash; walwire says "message".
JAVA_OBJECT = re.compile(r"io\.debezium\.[\w.]*LogicalDecodingMessageMonitor\$LogicalDecodingMessageId@[0-9a-f]+")


class Run:
    """One case on one connector: its names, which are replaced in the records by words that are the same in every run."""

    def __init__(self, case, postgres):
        run = uuid.uuid4().hex[:8]
        self.prefix, self.name, self.db = f"p{run}", f"{case.replace('-', '_')}_{run}", f"case_{run}"
        text = read_file(os.path.join(HERE, "cases", case, "config.json")) or "{}"
        text = text.replace("{prefix}", self.prefix).replace("{name}", self.name)
        settings = {"topic.prefix": self.prefix, "slot.name": f"slot_{run}", "publication.name": f"pub_{run}", **json.loads(text)}
        self.spec = connector(self.name, postgres, self.db, **settings)
        self.config = self.spec["config"]

    def rename(self, text):
        text = JAVA_OBJECT.sub("message", text)
        for own, word in ((self.name, "NAME"), (self.prefix, "PREFIX"), (self.config["slot.name"], "SLOT"),
                          (self.config["publication.name"], "PUBLICATION"), (self.db, "DB")):
            text = text.replace(own, word)
        return text

    def mask(self, value):
        """Replaces what differs between two right answers."""
        return mask(value, self.rename)

    def parse(self, text):
        if text is None:
            return None
        try:
            return self.mask(json.loads(text))
        except ValueError:
            return self.rename(text)

    def headers(self, pairs):
        return sorted([k, "RUN" if k == "__debezium.context.runId" else self.parse(v)] for k, v in pairs)

    def topics(self, kafka):
        return sorted(t for t in kafka.topics() if self.prefix in t and "heartbeat" not in t)

    def records(self, kafka):
        return {self.rename(t): [{"key": self.parse(m["key"]), "value": self.parse(m["value"]), "headers": self.headers(m["headers"])}
                                 for m in kafka.consume(t)] for t in self.topics(kafka)}


def mask(value, rename):
    if isinstance(value, dict):
        return {k: mask(v, rename) for k, v in mask_object(value).items()}
    if isinstance(value, list):
        return [mask(v, rename) for v in value]
    return rename(value) if isinstance(value, str) else value


def mask_object(value):
    """One JSON object, its members masked by what kind of object it is."""
    keys = set(value)
    if {"connector", "ts_ms", "snapshot"} <= keys:  # a source block
        value = dict(value, version="VERSION")
        hidden, word = POSITION, "POSITION"
    elif {"aggregate_type", "id", "type"} <= keys or keys == {"id"} and re.fullmatch(r"[0-9a-f-]{36}", str(value["id"])):  # notification
        return {k: "NOTE" if k in ("id", "timestamp") else v for k, v in value.items()}
    elif keys == {"id"} and re.fullmatch(r"\d+:\d+", str(value["id"])):  # a transaction record's key
        return {"id": "TRANSACTION"}
    elif keys == {"id", "total_order", "data_collection_order"} or {"status", "id", "event_count"} <= keys:  # transaction
        return {k: "TIME" if k in TIMES else "TRANSACTION" if k == "id" else v for k, v in value.items()}
    elif TIMES & keys and ({"op", "source"} & keys or {"status", "id"} <= keys or keys <= TIMES):  # envelope
        return {k: "TIME" if k in TIMES and isinstance(v, int) else v for k, v in value.items()}
    else:
        return value
    return {k: word if k in hidden and v is not None else v for k, v in value.items()}


def differences(want, got, path="$"):
    """One line for each place where the two differ, members' order included where a reader could see it."""
    if type(want) is not type(got):
        yield f"{path}: want {short(want)} got {short(got)}"
    elif isinstance(want, dict):
        for k in [*want, *(k for k in got if k not in want)]:
            if k not in got:
                yield f"{path}.{k}: missing (want {short(want[k])})"
            elif k not in want:
                yield f"{path}.{k}: unexpected {short(got[k])}"
            else:
                yield from differences(want[k], got[k], f"{path}.{k}")
        if list(want) != list(got) and set(want) == set(got) and path.endswith(
                ("payload", "value", "key", "before", "after", "source", "transaction")):
            yield f"{path}: field order {list(got)} want {list(want)}"
    elif isinstance(want, list):
        if len(want) != len(got):
            yield f"{path}: {len(got)} entries, want {len(want)}"
        for i, (a, b) in enumerate(zip(want, got)):
            yield from differences(a, b, f"{path}[{i}]")
    elif want != got:
        yield f"{path}: want {short(want)} got {short(got)}"


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else text[:157] + "..."


def read_file(path):
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


def arrived(run, kafka):
    return sum(len(kafka.consume(t)) for t in run.topics(kafka))


def quiet(run, kafka, expect=0, still=1.5, timeout=30):
    """Waits until nothing more has come for `still` seconds and, within the time, at least `expect` records are there."""
    end, last, since = time.monotonic() + timeout, None, time.monotonic()
    while time.monotonic() < end:
        now = arrived(run, kafka)
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > still and now >= expect:
            return
        time.sleep(0.2)


def run_steps(sql, run, postgres, kafka, engine):
    for part in re.split(r"(?m)^(-- (?:wait|rest)\b.*)$", sql):
        if part.startswith("-- wait"):
            quiet(run, kafka)
        elif part.startswith("-- rest"):
            method, path, *body = part.replace("{name}", run.name).replace("{prefix}", run.prefix).split(" ", 4)[2:]
            code, answer = engine.rest(method, path, json.loads(body[0]) if body else None)
            if code >= 400:
                raise RuntimeError(f"{method} {path} answered {code}: {answer}")
        elif part.strip():
            postgres.psql(part, run.db)


def run_case(case, postgres, kafka, engine, expect=0):
    """Runs one case and returns the records, masked. With `expect` it waits for that many before it believes in silence."""
    run, script = Run(case, postgres), lambda name: read_file(os.path.join(HERE, "cases", case, name))
    postgres.psql(f"create database {run.db}")
    try:
        postgres.psql(script("setup.sql"), run.db)
        engine.create(run.spec)
        engine.wait_streaming(run.spec, postgres)
        quiet(run, kafka)
        run_steps(script("steps.sql"), run, postgres, kafka, engine)
        quiet(run, kafka, expect, still=1.5 if expect else 4)
        state, why = engine.status(run.name)
        assert state == "RUNNING", f"{run.name} is {state}: {why[:600]}"
        return run.records(kafka)
    finally:
        engine.rest("DELETE", f"/connectors/{run.name}")
        wait_until(lambda: not postgres.streaming(run.config["slot.name"]), 20, "the slot to be free")
        postgres.drop_database(run.db)


def golden(case):
    return os.path.join(HERE, "golden", case + ".json")


def compare_case(case, postgres, kafka, engine):
    """Returns how many records were compared, and a list of differences."""
    want = mask(json.loads(read_file(golden(case))), lambda text: text)
    count = sum(map(len, want.values()))
    assert count, f"{golden(case)} holds no record: the case tests nothing"
    return count, list(differences(want, run_case(case, postgres, kafka, engine, count)))


def record_case(case, postgres, kafka, engine):
    got = run_case(case, postgres, kafka, engine)
    topics = (json.dumps(t) + ": [\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rs) + "\n]" for t, rs in got.items())
    with open(golden(case), "w") as f:
        f.write("{\n" + ",\n".join(topics) + "\n}\n")
    return sum(map(len, got.values())), []


def cases():
    return sorted(os.listdir(os.path.join(HERE, "cases")))


def services(options):
    if not options.record:
        kafka = Kafka()
        return Postgres(), kafka, Walwire(kafka=kafka)
    return Postgres.at(options.postgres_port), Kafka.at(options.kafka), Walwire.at(options.record)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("names", nargs="*")
    args.add_argument("-n", type=int, default=8, help="differences shown for each case")
    args.add_argument("--record", metavar="URL")
    args.add_argument("--postgres-port", type=int)
    args.add_argument("--kafka")
    options = args.parse_args()
    run, word = (record_case, "recorded") if options.record else (compare_case, "same")
    postgres, kafka, engine = services(options)
    failed = 0
    for case in options.names or cases():
        try:
            count, found = run(case, postgres, kafka, engine)
        except (RuntimeError, AssertionError, OSError) as e:
            count, found = 0, [str(e)]
        failed += bool(found)
        print(f"{case}: FAILED, {len(found)} differences" if found else f"{case}: {word}, {count} records", flush=True)
        print("".join(f"    {line}\n" for line in found[:options.n]), end="")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
