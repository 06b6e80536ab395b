"""Kafka is away, for a while or for long, and PostgreSQL shuts down in the middle of it: memory stays what it is, the server is
not kept waiting, and afterwards all is told in order."""
import os, signal, threading, time

from fold import SLIM, events
from kafka import Kafka
from postgres import Postgres
from services import wait_until

OUTAGE = 60  # seconds
SHUTDOWN = 10
TABLE = "create table t(id bigserial primary key, pad text)"
ROWS = "insert into t(pad) select repeat(md5(i::text), 30) from generate_series(1, {}) i"  # of about 1 KB


class Scene:
    """A PostgreSQL that gives up a silent client after 3 s, a Kafka, and a connector between them, all for one test."""

    def __init__(self, ctx, worker=(), **settings):
        self.postgres, self.kafka = Postgres({"wal_sender_timeout": "3s"}), Kafka()
        self.postgres.psql("create database d")
        self.postgres.psql(TABLE, "d")
        self.spec = ctx.connector("d", self.postgres, **{"producer.override.buffer.memory": "8000000", "retriable.restart.connector.wait.ms": "2000", **settings})
        self.slot, self.topic = self.spec["config"]["slot.name"], self.spec["name"] + ".public.t"
        self.engine = ctx.walwire(self.spec, kafka=self.kafka, **{**SLIM, **dict(worker)})
        self.engine.wait_streaming(self.spec, self.postgres)
        self.write(10)
        self.kafka.wait_records(self.topic, 10)

    def write(self, rows):
        self.postgres.psql(ROWS.format(rows), "d")

    def shut_down(self):
        """Seconds that a fast shutdown takes."""
        start = time.monotonic()
        self.postgres.stop()
        return time.monotonic() - start

    def all_told(self, timeout=60):
        """Every row is there; each key once or, behind a new start, again, but never before one that came earlier."""
        rows = int(self.postgres.psql("select count(*) from t", "d"))
        last = int(self.postgres.psql("select max(id) from t", "d"))
        wait_until(lambda: self.told() and self.told()[-1] == last, timeout, "the last row", every=1)
        seen = self.told()
        assert set(seen) == set(range(1, last + 1)) and rows == last, f"{rows - len(set(seen))} of {rows} rows are missing"
        first = list(dict.fromkeys(seen))
        assert first == sorted(first), "rows came in another order than they were written"
        return len(seen) - rows

    def told(self):
        return [e["key"]["id"] for e in events(self.kafka, self.topic)]

    def position_says_all(self):
        end = self.postgres.psql("select pg_current_wal_insert_lsn()")
        wait_until(lambda: self.postgres.psql(f"select confirmed_flush_lsn >= '{end}' from pg_replication_slots where slot_name = '{self.slot}'") == "t",
                   30, "all to be acknowledged")


def test_a_long_outage_of_kafka_under_load(ctx):
    """Far more is written than may wait in memory. The connection to PostgreSQL outlives wal_sender_timeout many times."""
    scene = Scene(ctx)
    pid = scene.postgres.psql("select active_pid from pg_replication_slots")
    scene.kafka.kill()
    end, memory, connected = time.monotonic() + OUTAGE, [], 0
    while time.monotonic() < end:
        scene.write(1500)
        time.sleep(1)
        memory.append(scene.engine.rss_kb())
        connected += scene.postgres.psql("select active_pid from pg_replication_slots") == pid
    assert memory[-1] < memory[len(memory) // 3] + 4000, f"memory grew: {memory[::10]} kB"
    assert connected == len(memory), f"the connection was there {connected} of {len(memory)} times"
    assert scene.engine.status(scene.spec["name"])[0] == "RUNNING"
    scene.kafka.start()
    scene.all_told()
    scene.position_says_all()


test_a_long_outage_of_kafka_under_load.timeout = 240


def test_a_session_that_does_not_answer_holds_nothing_up(ctx):
    """The ordinary session asks for the slot's state every ten seconds. When the server's end of it hangs (its process is stopped), rows
    go on to Kafka, and are acknowledged, as long as nothing else has to be asked."""
    scene = Scene(ctx)
    pid = int(scene.postgres.psql("select pid from pg_stat_activity where application_name = 'Debezium General'"))
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(11)
        start = time.monotonic()
        scene.write(100)
        scene.kafka.wait_records(scene.topic, 110, timeout=15)
        scene.position_says_all()
        took = time.monotonic() - start
    finally:
        os.kill(pid, signal.SIGCONT)
    assert took < 15 and scene.all_told() == 0, took
    return f"{took:.1f} s"


def test_the_server_shuts_down_while_kafka_is_away(ctx):
    """Its fast shutdown waits for what its readers have not acknowledged: not for us, when Kafka does not let us."""
    scene = Scene(ctx)
    for rows in (5, 20000):  # what waits fits into memory, or does not
        scene.kafka.kill()
        scene.write(rows)
        time.sleep(2)
        took = scene.shut_down()
        assert took < SHUTDOWN, f"the shutdown took {took:.1f} s"
        scene.postgres.start()
        time.sleep(1)
        scene.kafka.start()
        scene.engine.wait_streaming(scene.spec, scene.postgres)
        scene.all_told()
        scene.position_says_all()


test_the_server_shuts_down_while_kafka_is_away.timeout = 240


def test_both_go_at_once_and_come_back_in_either_order(ctx):
    scene = Scene(ctx)
    for kafka_first in (True, False):
        scene.write(3000)
        killer = threading.Thread(target=scene.kafka.kill)
        killer.start()
        took = scene.shut_down()
        killer.join()
        assert took < SHUTDOWN, f"the shutdown took {took:.1f} s"
        for service in (scene.kafka, scene.postgres) if kafka_first else (scene.postgres, scene.kafka):
            service.start()
            time.sleep(3)
        scene.write(10)
        scene.engine.wait_streaming(scene.spec, scene.postgres)
        scene.all_told()
        scene.position_says_all()


test_both_go_at_once_and_come_back_in_either_order.timeout = 240


def test_a_shutdown_waits_for_no_interval(ctx):
    """Positions are stored once a minute, but at once when the server shuts down: nothing is told twice after it."""
    scene = Scene(ctx, worker={"offset__flush__interval__ms": "60000"})
    scene.write(100)
    scene.kafka.wait_records(scene.topic, 110)
    took = scene.shut_down()
    assert took < 3, f"the shutdown took {took:.1f} s"
    scene.postgres.start()
    scene.write(1)
    scene.engine.wait_streaming(scene.spec, scene.postgres)
    assert scene.all_told() == 0, "rows were told twice"
