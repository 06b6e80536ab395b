"""Two walwires with one configuration: one has the slot, the other waits for it and goes on when the first is gone."""
import json, os, signal, subprocess, threading, time

from fold import SLIM, body, difference, events, fold, table
from postgres import Postgres
from process import Skip, at_exit
from proxy import UP, Proxy
from services import BINARY, wait_until
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

    def start(self, streaming=True, first=None, failpoint=None, port=None, **worker):
        """`first`: settings of the first one's worker file only. With `failpoint` it stands still there at some time. `port`:
        where it alone finds PostgreSQL."""
        env = {"WALWIRE_FAILPOINT": failpoint} if failpoint else None
        spec = {**self.spec, "config": {**self.spec["config"], "database.port": str(port or self.postgres.port)}}
        self.first = self.ctx.walwire(spec, env=env, **{**SLIM, **worker, **(first or {})})
        if streaming:
            self.first.wait_streaming(self.spec, self.postgres)
        self.second = self.ctx.walwire(self.spec, **SLIM, **worker)
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

    def position(self, engine):
        code, answer = engine.rest("GET", f"/connectors/{self.name}/offsets")
        assert code == 200 and answer["offsets"], answer
        return answer["offsets"][0]["offset"]["lsn"]

    def positions(self):
        """Every one that was stored, in this order."""
        stored = [json.loads(m["value"]) for m in self.ctx.kafka.consume("connect-offsets")
                  if m["value"] and json.loads(m["key"])[0] == self.name]
        return [max(o["lsn"], o.get("lsn_commit") or 0, o.get("walwire_lsn") or 0) for o in stored]

    def never_back(self):
        got = self.positions()
        back = [(a, b) for a, b in zip(got, got[1:]) if b < a]
        assert got and not back, f"older positions were stored over newer ones: {back}"

    def all_told(self, ctx, told=events):
        """The topic folded is the table, and each key has had every version."""
        want = table(self.postgres, "d", "t")
        wait_until(lambda: fold(told(ctx.kafka, self.topic)) == want, 30, "the topic to be as the table", every=0.5)
        told = told(ctx.kafka, self.topic)
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


def committed(kafka, topic):
    return [{**body(m["value"]), "key": body(m["key"])} for m in kafka.consume(topic, True) if m["value"]]


def needs_failpoints():
    if subprocess.run([BINARY, "failpoints"], capture_output=True).returncode:
        raise Skip("the program was built without failpoints")


def test_with_exactly_once_a_first_that_stands_still_stands_by(ctx):
    """It stands still between two rows that it has read. Awake again it may find that Kafka has fenced it off before it finds
    that its session has ended: that is no failure."""
    needs_failpoints()
    pair = Pair(ctx).start(failpoint="row:60:stop", exactly__once__source__support="enabled")
    with Writer(pair.postgres, "d", CHANGES):
        pair.takes_over(pair.second, notice=30)
        time.sleep(1)
        os.kill(pair.first.process.pid, signal.SIGCONT)
        pair.waits(pair.first)
        time.sleep(1)
    pair.all_told(ctx, committed)
    told = [(e["source"]["lsn"], e["key"]["id"], e["after"]["v"]) for e in committed(ctx.kafka, pair.topic) if e["op"] != "r"]
    assert len(told) == len(set(told)), "changes were told twice"


def test_a_first_that_stands_still_while_it_stops_stores_nothing(ctx):
    """What it has delivered, and would store in the end, is behind what the other one has stored since."""
    needs_failpoints()
    pair = Pair(ctx).start(failpoint="drain:1:stop", first={"offset__flush__interval__ms": "60000"})
    pair.postgres.psql("update t set v = v + 1", "d")
    wait_until(lambda: len(events(ctx.kafka, pair.topic)) == 40, 30, "the first changes")
    threading.Thread(target=pair.first.rest, args=("PUT", f"/connectors/{pair.name}/stop"), daemon=True).start()
    pair.takes_over(pair.second, notice=15)
    before = pair.position(pair.second)
    pair.postgres.psql("update t set v = v + 1", "d")
    stored = wait_until(lambda: pair.position(pair.second) > before and pair.position(pair.second), 20, "a position of the second")
    os.kill(pair.first.process.pid, signal.SIGCONT)
    pair.first.wait_state(pair.name, "NONE")
    assert pair.position(pair.second) >= stored, "an older position was stored over a newer one"
    pair.second.restart()
    pair.second.wait_streaming(pair.spec, pair.postgres)
    pair.all_told(ctx)


def test_a_first_that_is_cut_off_from_the_server_is_replaced(ctx):
    """Nothing goes through between the first one and PostgreSQL, and neither side is told, while Kafka stays in reach. So it cannot
    know that the server has given its slot away. When what was held up on the way arrives, it stores nothing over what the
    second one has stored, and stands by."""
    pair = Pair(ctx)
    way = Proxy(pair.postgres.port)
    at_exit(way.close)
    pair.start(port=way.port)
    with Writer(pair.postgres, "d", CHANGES):
        time.sleep(2)
        way.blackhole()
        pair.takes_over(pair.second, notice=10)
        before = len(pair.positions())
        wait_until(lambda: len(pair.positions()) > before + 5, 20, "positions of the second one")
    pair.all_told(ctx)
    with way.lock:  # what was held up arrives, and only then the end that is behind it
        way.heal()
        way.swallow(UP, replication=True)
        way.trickle(500000)
    pair.waits(pair.first)
    way.heal()
    pair.postgres.psql("update t set v = v + 1", "d")
    pair.all_told(ctx)
    pair.never_back()
    pair.second.sigkill()
    pair.takes_over(pair.first)
    pair.all_told(ctx)


def test_a_first_that_loses_the_slot_in_its_snapshot_leaves_it(ctx):
    """Its sessions that read rows live on, so it could go on to the end, and call the snapshot done."""
    needs_failpoints()
    rows, at, soon = 20000, 500, 3000
    pair = Pair(ctx, setup=f"create table t(id int primary key, v bigint); insert into t select i, 0 from generate_series(1, {rows}) i")
    pair.start(streaming=False, failpoint=f"snapshot-row:{at}:stop")
    ended = pair.postgres.psql("select count(pg_terminate_backend(pid)) from pg_stat_activity where pid in (select pid from pg_locks where "
                               "locktype = 'advisory' and granted)")
    assert ended == "1", ended
    pair.second.wait_streaming(pair.spec, pair.postgres, 30)
    pair.postgres.psql("update t set v = 1 where id <= 10", "d")
    wait_until(lambda: sum(e["op"] == "u" for e in events(ctx.kafka, pair.topic)) == 10, 30, "the changes after the snapshot")
    stored = pair.position(pair.second)
    os.kill(pair.first.process.pid, signal.SIGCONT)
    pair.waits(pair.first)
    told = sum(e["op"] == "r" for e in events(ctx.kafka, pair.topic))
    assert rows <= told < rows + soon, f"{told} rows were read"
    assert pair.position(pair.second) >= stored, "an older position was stored over a newer one"


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
