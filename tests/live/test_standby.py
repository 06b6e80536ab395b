"""Two walwires with one configuration: one has the slot, the other waits for it and goes on when the first is gone."""
import os, signal, time

from fold import SLIM, difference, events, fold, table
from postgres import Postgres
from services import wait_until
from writer import Writer

TABLE = "create table t(id int primary key, v bigint not null); insert into t select i, 0 from generate_series(1, 20) i;"
CHANGES = "for n in 1 .. 5 loop update t set v = v + 1 where id = 1 + (i * 7 + n * 13) % 20; end loop;"
TAKE_OVER = 5


class Pair:
    """A PostgreSQL of its own, whose wal_sender_timeout is the preset minute, and two engines; the first one streams."""

    def __init__(self, ctx, conf=None, setup=TABLE, **settings):
        self.ctx, self.postgres = ctx, Postgres(conf)
        self.postgres.psql("create database d")
        self.postgres.psql(setup, "d")
        self.spec = ctx.connector("d", self.postgres, **{"walwire.standby": "true", "table.include.list": "public.t", **settings})
        self.name, self.slot = self.spec["name"], self.spec["config"]["slot.name"]
        self.topic = f"{self.name}.public.t"

    def start(self, streaming=True):
        self.first = self.ctx.walwire(self.spec, **SLIM)
        if streaming:
            self.first.wait_streaming(self.spec, self.postgres)
        self.second = self.ctx.walwire(self.spec, **SLIM)
        self.waits(self.second)
        return self

    def waits(self, engine):
        """It says so in Connect's words, in its log and in its metrics."""
        wait_until(lambda: engine.status(self.name)[0] == "UNASSIGNED", 30, "the other one to stand by")
        assert f"slot {self.slot} is in use by process" in engine.status(self.name)[1]
        assert "standing by until it is free" in engine.log()
        assert engine.rest("GET", f"/connectors/{self.name}/status")[1]["connector"]["state"] == "UNASSIGNED"
        metrics = engine.rest("GET", "/metrics")[1]
        assert any("walwire_connector_state" in line and 'state="UNASSIGNED"' in line and line.endswith(" 1") for line in metrics.splitlines())

    def takes_over(self, engine, notice=0):
        """`notice`: seconds after which the server frees the slot."""
        engine.wait_state(self.name, "RUNNING", notice + TAKE_OVER)
        wait_until(lambda: self.postgres.streaming(self.slot), TAKE_OVER, "the slot to be in use")
        assert f"slot {self.slot} is free: taking over" in engine.log()

    def all_told(self, ctx):
        """The topic folded is the table, and each key has had every version."""
        want = table(self.postgres, "d", "t")
        wait_until(lambda: fold(events(ctx.kafka, self.topic)) == want, 30, "the topic to be as the table", every=0.5)
        told = events(ctx.kafka, self.topic)
        assert not difference(fold(told), want)
        seen = {}
        for e in told:
            seen.setdefault(e["key"]["id"], set()).add(e["after"]["v"])
        gaps = [k for k, vs in seen.items() if vs != set(range(min(vs), max(vs) + 1))]
        assert not gaps, f"changes of {gaps} are missing"


def test_the_second_goes_on_after_kill_9_of_the_first(ctx):
    """To and fro, under a steady writer."""
    pair = Pair(ctx).start()
    with Writer(pair.postgres, "d", CHANGES):
        for active, other in ((pair.first, pair.second), (pair.second, pair.first)):
            time.sleep(1)
            active.sigkill()
            pair.takes_over(other)
            active.start()
            pair.waits(active)
    pair.all_told(ctx)


def test_the_second_goes_on_when_the_first_is_stopped(ctx):
    """A clean stop leaves nothing to be told twice."""
    pair = Pair(ctx).start()
    with Writer(pair.postgres, "d", CHANGES):
        time.sleep(1)
        assert pair.first.sigterm() == 0
        pair.takes_over(pair.second)
        time.sleep(1)
    pair.all_told(ctx)
    told = [(e["source"]["lsn"], e["key"]["id"], e["after"]["v"]) for e in events(ctx.kafka, pair.topic) if e["op"] != "r"]
    assert len(told) == len(set(told)), "changes were told twice"


def test_a_first_that_stands_still_is_replaced_and_writes_no_more(ctx):
    """SIGSTOP, as when a machine is suspended: the server ends its session after the ten seconds that were asked for. Awake
    again, it finds that out before it writes what it had read, and stands by."""
    pair = Pair(ctx).start()
    with Writer(pair.postgres, "d", CHANGES):
        time.sleep(1)
        os.kill(pair.first.process.pid, signal.SIGSTOP)
        pair.takes_over(pair.second, notice=10)
        time.sleep(2)
        os.kill(pair.first.process.pid, signal.SIGCONT)
        pair.waits(pair.first)
        time.sleep(1)
    pair.all_told(ctx)


def test_a_standby_waits_for_the_snapshot_of_the_first(ctx):
    """The slot is not in use during a snapshot. Two snapshots at once would let old rows follow new changes."""
    rows = 300000
    pair = Pair(ctx, setup=f"create table t(id int primary key, v bigint); insert into t select i, 0 from generate_series(1, {rows}) i",
                snapshot__delay__ms="3000")
    pair.start(streaming=False)
    pair.first.wait_streaming(pair.spec, pair.postgres, 60)
    assert pair.second.status(pair.name)[0] == "UNASSIGNED" and "snapshot" not in pair.second.log()
    ends = sum(ctx.kafka.ends(pair.topic).values())
    assert ends == rows, f"{ends} records of {rows} rows"


def test_a_standby_outlives_a_restart_of_the_server(ctx):
    pair = Pair(ctx).start()
    pair.first.sigkill()
    pair.postgres.stop()
    time.sleep(3)
    pair.postgres.start()
    pair.second.wait_streaming(pair.spec, pair.postgres, 30)
    pair.postgres.psql("update t set v = v + 1", "d")
    pair.all_told(ctx)


def test_without_the_option_it_is_an_error_after_a_while(ctx):
    db = ctx.database(TABLE)
    spec = ctx.connector(db, slot__max__retries="2", slot__retry__delay__ms="500", errors__max__retries="0")
    first = ctx.walwire(spec, **SLIM)
    first.wait_streaming(spec, ctx.postgres)
    second = ctx.walwire(spec, **SLIM)
    second.wait_state(spec["name"], "FAILED")
    assert "is in use by process" in second.status(spec["name"])[1]
