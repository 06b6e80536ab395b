#!/usr/bin/env -S python3 -B
"""Debezium and walwire take one connector over from each other, again and again, under a steady writer.

    takeover.py            with a PostgreSQL, Kafka and Kafka Connect of its own (bench/pom.xml pins the versions)

Same name, prefix, slot and offsets topic; only one of them runs at a time. At the end the topics hold every change: folded by
key they are the tables, each key's versions have no gap, and a clean hand-over has repeated nothing.
"""
import json, os, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "..", "bench")]
from fold import body, difference, fold, table  # noqa: E402
from peers import Connect  # noqa: E402
from services import Kafka, Postgres, Walwire, connector, wait_until  # noqa: E402
from writer import Writer  # noqa: E402

JSON = "org.apache.kafka.connect.json.JsonConverter"
SLIM = {"key.converter": JSON, "value.converter": JSON, "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false"}
OFFSETS = "bench-offset"  # Connect's in bench/peers.py
NAME, DB = "handed", "handed"
LARGE = 40000  # rows of the transaction that is left in the middle
# A slow producer, so that a large transaction lasts; Kafka Connect and walwire read the same names.
SLOW = {"producer.override.batch.size": "1000", "producer.override.linger.ms": "0",
        "producer.override.max.in.flight.requests.per.connection": "1", "producer.override.buffer.memory": "200000"}
SETUP = """
create table counter(id int primary key, v bigint not null);
create table log(id bigserial primary key, v bigint);
create table large(id int primary key, v bigint);
insert into counter select i, 0 from generate_series(1, 50) i;
create publication handed for table counter, log, large;
"""
# Every change of a key raises v by one, so that a lost one leaves a gap.
CHANGES = """
    insert into log(v) select i from generate_series(1, 1 + i % 4);
    for n in 1 .. 1 + i % 7 loop
      update counter set v = v + 1 where id = 1 + (i * 7 + n * 13) % 50;
    end loop;
    if i % 11 = 0 then
      perform pg_logical_emit_message(i % 2 = 0, 'app', 'message ' || i);
    end if;"""


class Takeover:
    def __init__(self):
        self.postgres, self.kafka = Postgres(), Kafka()
        self.postgres.psql(f"create database {DB}")
        self.postgres.psql(SETUP, DB)
        self.spec = connector(NAME, self.postgres, DB, **{"publication.name": "handed", "publication.autocreate.mode": "disabled", **SLIM, **SLOW})
        # A stop is clean only if the producer gets rid of what it holds within these times.
        self.connect = Connect(self.kafka, **{"task.shutdown.graceful.timeout.ms": "60000", "offset.flush.timeout.ms": "60000"})
        self.connect.start()
        self.walwire = Walwire((self.spec,), self.kafka, start=False, **{"offset.storage.topic": OFFSETS, "offset.flush.interval.ms": "1000"})
        self.created, self.told, self.repeated = False, 0, 0

    # ---- one or the other ----

    def start(self, side):
        if side == "walwire":
            self.walwire.start()
        elif not self.created:
            self.connect.create(self.spec)
            self.created = True
        else:
            self.connect.rest("PUT", f"/connectors/{NAME}/resume")
        wait_until(lambda: self.postgres.streaming(NAME), 60, f"{side} to read the slot")

    def stop(self, side, kill=False):
        if side == "walwire":
            self.walwire.sigkill() if kill else self.walwire.sigterm()
        elif kill:
            self.connect.process.kill()
        else:
            self.connect.rest("PUT", f"/connectors/{NAME}/stop")
            wait_until(self.stopped, 60, "Kafka Connect to have stored its last position")
        wait_until(lambda: not self.postgres.streaming(NAME), 60, f"{side} to leave the slot")

    def stopped(self):
        """The task is gone: the slot may be free before the last position is in the topic."""
        _, status = self.connect.rest("GET", f"/connectors/{NAME}/status")
        return status["connector"]["state"] == "STOPPED" and not status["tasks"]

    # ---- what was told ----

    def records(self):
        found = []
        for topic in ("counter", "log", "large"):
            for m in self.kafka.consume(f"{NAME}.public.{topic}"):
                if m["value"]:
                    found.append({**body(m["value"]), "key": body(m["key"]), "topic": topic})
        for m in self.kafka.consume(f"{NAME}.message"):
            found.append({**body(m["value"]), "key": None, "topic": "message"})
        return found

    def count(self):
        return sum(sum(self.kafka.ends(f"{NAME}.public.{t}").values()) for t in ("counter", "log", "large") if f"{NAME}.public.{t}" in self.kafka.topics())

    def repeats(self):
        """How many records are there twice: the same change at the same position."""
        seen, twice = set(), 0
        for r in self.records():
            what = (r["topic"], r["op"], r["source"]["lsn"], r["source"]["txId"], json.dumps(r["key"]), r["source"]["snapshot"])
            twice += what in seen
            seen.add(what)
        return twice

    def wait_more(self, n=300):
        start = self.count()
        wait_until(lambda: self.count() >= start + n, 120, f"{n} more records", every=0.3)

    def catch_up(self):
        """Until a row written now is out: what a kill repeats comes before it."""
        row = self.postgres.psql("insert into log(v) values (-1) returning id", DB)
        wait_until(lambda: any(body(m["key"])["id"] == int(row) for m in self.kafka.consume(f"{NAME}.public.log")), 240, "the stream to catch up", every=1)

    def wait_quiet(self):
        def still():
            before = self.count()
            time.sleep(4)
            return self.count() == before
        wait_until(still, 180, "the topics to be quiet", every=0)

    def hand_over(self, what, old, new, kill=False):
        self.stop(old, kill)
        offset = self.offset()
        self.start(new)
        self.catch_up() if kill else self.wait_more()
        repeats = self.repeats()
        again, self.repeated = repeats - self.repeated, repeats
        print(f"{what}: {old} -> {new}, position {offset.get('messageType', offset)} with lsn_events_processed "
              f"{offset.get('lsn_events_processed', '-')}, {again} repeated", flush=True)
        assert kill or again == 0, f"{again} records were repeated by a clean hand-over"

    def offset(self):
        key = json.dumps([NAME, {"server": NAME}], separators=(",", ":"))
        values = [m["value"] for m in self.kafka.consume(OFFSETS) if m["key"] == key]
        return json.loads(values[-1]) if values else {}

    def check(self):
        records = self.records()
        for name in ("counter", "log", "large"):
            found = difference(fold([r for r in records if r["topic"] == name]), table(self.postgres, DB, name))
            assert not found, f"{name}: {found}"
        seen = {}
        for r in records:
            if r["topic"] == "counter":
                seen.setdefault(r["key"]["id"], set()).add(r["after"]["v"])
        gaps = [k for k, vs in seen.items() if vs != set(range(min(vs), max(vs) + 1))]
        assert not gaps, f"changes of counter {gaps} are missing"
        return len(records)


def main():
    t = Takeover()
    print(f"PostgreSQL {t.postgres.psql('show server_version')}, Kafka Connect at {t.connect.base}", flush=True)
    with Writer(t.postgres, DB, CHANGES, pause=0.02):
        t.start("debezium")
        t.wait_more()
        t.hand_over("clean", "debezium", "walwire")
        t.hand_over("clean", "walwire", "debezium")
        t.hand_over("clean", "debezium", "walwire")
        t.hand_over("kill -9", "walwire", "debezium", kill=True)
        large(t, "debezium", "walwire", 1)
        large(t, "walwire", "debezium", 1 + LARGE)
        t.hand_over("kill -9", "debezium", "walwire", kill=True)
        t.connect.start()
        wait_until(lambda: t.connect.rest("PUT", f"/connectors/{NAME}/stop")[0] == 204, 60, "Kafka Connect to stop its connector")
        t.hand_over("clean, idle", "walwire", "debezium")
    t.wait_quiet()
    print(f"{t.check()} records: every change is there", flush=True)


def large(t, old, new, first):
    """A hand-over while a large transaction is half out."""
    topic = f"{NAME}.public.large"
    before = t.kafka.ends(topic) if topic in t.kafka.topics() else {}
    before = sum(before.values())
    t.postgres.psql(f"insert into large select i, 0 from generate_series({first}, {first + LARGE - 1}) i", DB)
    wait_until(lambda: topic in t.kafka.topics() and sum(t.kafka.ends(topic).values()) > before + LARGE / 40, 120,
               "the large transaction to begin", every=0.1)
    t.stop(old)
    out = sum(t.kafka.ends(topic).values()) - before
    assert out < LARGE, "the large transaction was over: nothing was in the middle"
    print(f"{out} of {LARGE} rows of a transaction are out", flush=True)
    t.hand_over("in a large transaction", old, new)


if __name__ == "__main__":
    main()
