"""Exactly once: with exactly.once.source.support=enabled a consumer that reads committed records sees every change once,
whatever happens to the engine. Source: docs/why/exactly-once.md."""
import collections, json, os, random, signal, subprocess, time

from fold import SLIM, body, difference, fold, table
from process import Skip, Timeout
from services import BINARY, run, wait_until
from transaction import open_transaction
from writer import Writer

TABLE = """
create table each(id bigint generated always as identity primary key, ver int not null default 0, pad text);
insert into each (pad) select 'first' from generate_series(1, 300)"""

# Each event has a pair (id, ver) of its own, or is a delete, of which an id has one.
CHANGES = """
    insert into each (pad) select 'n' || i from generate_series(1, 1 + i % 7);
    update each set ver = ver + 1 where id in (1 + i % 300, 1 + (i * 7) % 300);
    if i % 10 = 0 then
      delete from each where id = (select max(id) from each);
    end if;
    if i % 60 = 30 then
      insert into each (pad) select repeat('p', 200) from generate_series(1, 2000);
    end if;"""

WORKER = {"exactly__once__source__support": "enabled", **SLIM}


def engine_with(ctx, spec, start=True, env=None, **worker):
    engine = ctx.walwire(start=False, **{**WORKER, **worker})
    engine.files.append(engine._write(spec["name"] + ".json", json.dumps(spec)))
    engine.env = env
    if start:
        engine.start()
        engine.wait_streaming(spec, ctx.postgres)
    return engine


def spec_of(ctx, db, **more):
    """Large transactions are committed in pieces after a quarter of the time that Kafka gives them."""
    return ctx.connector(db, table__include__list="public.each",
                         **{"producer__override__transaction__timeout__ms": "2000", "exactly__once__support": "required", **more})


def told(ctx, spec, committed=True):
    records = ctx.kafka.consume(spec["config"]["topic.prefix"] + ".public.each", committed)
    return [{**body(m["value"]), "key": body(m["key"])} for m in records if m["value"]]


def name(e):
    row = e["after"] or e["before"]
    return ("d", row["id"]) if e["op"] == "d" else (row["id"], row["ver"])


def caught_up(ctx, spec, db):
    """Until all is acknowledged; then the topic is the table, no event is there twice, and the versions of a row are in order."""
    slot, last = spec["config"]["slot.name"], {}
    end = ctx.postgres.psql("update each set ver = ver + 1 where id = (select min(id) from each); select pg_current_wal_lsn()", db)
    done = f"select confirmed_flush_lsn >= '{end.strip()}' from pg_replication_slots where slot_name = '{slot}'"
    wait_until(lambda: ctx.postgres.psql(done) == "t", 60, f"slot {slot} to be at {end}", every=0.2)
    seen = told(ctx, spec)
    found = difference(fold(seen), table(ctx.postgres, db, "each"))
    assert not found, found
    twice = [n for n, count in collections.Counter(map(name, seen)).items() if count > 1]
    assert not twice, f"{len(twice)} events came more than once, such as {twice[:5]}"
    for e in seen:
        if e["op"] != "d":
            at = e["after"]["id"]
            assert e["after"]["ver"] == last.get(at, -1) + 1, f"row {at} came with ver {e['after']['ver']} after {last.get(at)}"
            last[at] = e["after"]["ver"]
    return seen


def test_kill_9_repeats_nothing(ctx):
    """Eight times at random moments, under a writer with small transactions and some of 2000 rows."""
    chance, db = random.Random(618), ctx.database(TABLE)
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, spec)
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for _ in range(8):
            time.sleep(chance.uniform(0.1, 1.2))
            engine.sigkill()
            engine.start()
            engine.wait_running(spec["name"])
    n = len(caught_up(ctx, spec, db))
    aborted = len(told(ctx, spec, committed=False)) - n
    assert aborted > 0, "no kill was inside a Kafka transaction: nothing was put to the test"
    return f"{n} events, {aborted} more that no consumer of committed ones sees"


PLACES = ("row:40", "produced:90", "transaction-end:12", "checkpoint:4", "kafka-commit:4", "kafka-committed:4", "checkpoint-stored:5",
          "acknowledge:3", "checkpoint:1", "kafka-committed:1")


def test_kill_9_between_any_two_steps(ctx):
    """Between events and position, before the commit, between commit and acknowledgement."""
    if subprocess.run([BINARY, "failpoints"], capture_output=True).returncode:
        raise Skip("the program was built without failpoints")
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, spec)
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for place in PLACES:
            engine.sigkill()
            engine.env = {"WALWIRE_FAILPOINT": place + ":abort"}
            engine.process = None
            try:
                engine.start()
            except AssertionError:
                pass  # it was there at once
            wait_until(lambda: not engine.running(), 30, f"the engine to end at {place}")
            engine.env = None
            engine.start()
            engine.wait_streaming(spec, ctx.postgres)
    return f"{len(caught_up(ctx, spec, db))} events"


def test_a_snapshot_that_breaks_off_is_not_seen(ctx):
    """One that takes less than a quarter of transaction.timeout.ms is one Kafka transaction."""
    if subprocess.run([BINARY, "failpoints"], capture_output=True).returncode:
        raise Skip("the program was built without failpoints")
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db, producer__override__transaction__timeout__ms="60000")
    engine = engine_with(ctx, spec, start=False, env={"WALWIRE_FAILPOINT": "snapshot-row:200:abort"})
    try:
        engine.start()
    except AssertionError:
        pass  # it was there at once
    wait_until(lambda: not engine.running(), 30, "the engine to end in its snapshot")
    engine.env = None
    engine.start()
    engine.wait_streaming(spec, ctx.postgres)
    assert len(caught_up(ctx, spec, db)) == 301


def offset_of(ctx, spec):
    """The newest committed position."""
    values = [m["value"] for m in ctx.kafka.consume("connect-offsets") if spec["name"] in (m["key"] or "")]
    return json.loads(values[-1]) if values else {}


def test_a_large_transaction_goes_on_where_it_was(ctx):
    """200000 rows in one transaction, most of them with an LSN that they share with others (COPY); killed three times inside. What was
    committed is not repeated, and what was not comes after it."""
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db, provide__transaction__metadata="true", producer__override__queue__buffering__max__messages="500")
    engine = engine_with(ctx, spec)
    ctx.postgres.psql("""begin; insert into each (pad) select 'i' from generate_series(1, 5);
        copy each (pad) from program 'seq 1 199995'; update each set ver = ver + 1 where id <= 300; commit""", db)
    inside = []

    def moved():
        at = offset_of(ctx, spec)
        return at.get("txId") == (inside or [at])[-1].get("txId") and at.get("messageType") not in (None, "INITIAL") and at not in inside and at
    while len(inside) < 3:
        wait_until(moved, 60, "the position to move")
        engine.sigkill()
        last = offset_of(ctx, spec)
        if "walwire_events" in last:
            inside.append(last)
        engine.start()
        engine.wait_running(spec["name"])
        if "walwire_events" not in last:
            break  # it was through
    assert inside, "no kill was inside the transaction"
    seen = caught_up(ctx, spec, db)
    orders = [e["transaction"]["total_order"] for e in seen if e["op"] != "r"]
    assert orders[:-1] == list(range(1, 200301)), "the events of the transaction are not counted from 1 to 200300"
    ends = [json.loads(m["value"]) for m in ctx.kafka.consume(spec["config"]["topic.prefix"] + ".transaction")]
    assert [e["status"] for e in ends] == ["BEGIN", "END"] * 2 and ends[1]["event_count"] == 200300, ends
    return f"killed inside at {[(o['lsn'], o['walwire_events']) for o in inside]}"


def test_a_zombie_writes_nothing(ctx):
    """A stops (SIGSTOP) in the middle of its work, B starts with the same files, A comes to again."""
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    a = engine_with(ctx, spec)
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        time.sleep(0.7)
        os.kill(a.process.pid, signal.SIGSTOP)
        slot = spec["config"]["slot.name"]
        ctx.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}'")
        b = engine_with(ctx, spec)
        before = len(told(ctx, spec, committed=False))
        os.kill(a.process.pid, signal.SIGCONT)
        time.sleep(2)
        assert len(told(ctx, spec)) > 0 and before > 0
    caught_up(ctx, spec, db)
    state, why = a.status(spec["name"])
    assert "is in use by process" in a.log() or "another process runs this connector" in why, (state, why, a.log()[-2000:])
    assert b.status(spec["name"])[0] == "RUNNING"
    return f"A is {state}"


def place_of(ctx, spec):
    """The partition and the key of the connector's position."""
    mine = [m for m in ctx.kafka.consume("connect-offsets") if spec["name"] in (m["key"] or "")]
    return mine[-1]["partition"], mine[-1]["key"]


def test_a_transaction_of_others_that_stays_open_holds_up_nobody(ctx):
    """Such as one that a broker has forgotten to end: the position of this connector is not in it, so it is known all the same."""
    ctx.own_kafka()
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, spec)
    caught_up(ctx, spec, db)
    engine.sigterm()
    with open_transaction(ctx.kafka.bootstrap, "connect-offsets", place_of(ctx, spec)[0], "someone else's", "{}"):
        begun = time.monotonic()
        engine.start()
        engine.wait_streaming(spec, ctx.postgres)
        took = time.monotonic() - begun
        assert took < 20 and "that is open since offset" in engine.log(), (took, engine.log()[-2000:])
    assert len(caught_up(ctx, spec, db)) == 302
    return f"{took:.1f} s"


def test_a_position_that_may_become_the_newest_is_waited_for(ctx):
    """It is the connector's own, in a Kafka transaction that nobody has decided yet: to go on from an older one would tell things twice.
    Another connector of the same process does not wait with it."""
    ctx.own_kafka()
    db = ctx.database(TABLE)
    spec, other = spec_of(ctx, db), spec_of(ctx, db)
    engine = engine_with(ctx, spec)
    caught_up(ctx, spec, db)
    engine.sigterm()
    with open_transaction(ctx.kafka.bootstrap, "connect-offsets", *place_of(ctx, spec), "damaged"):
        engine.start()
        time.sleep(3)
        assert engine.status(spec["name"])[0] == "RUNNING" and not ctx.postgres.streaming(spec["config"]["slot.name"]), engine.log()[-2000:]
        engine.create(other)
        engine.wait_streaming(other, ctx.postgres)
        assert not ctx.postgres.streaming(spec["config"]["slot.name"]), "it has not waited"
    wait_until(lambda: engine.status(spec["name"])[0] == "FAILED", 30, "the position to be read that was committed")
    assert "not a JSON object" in engine.status(spec["name"])[1], engine.status(spec["name"])


def test_a_position_behind_the_transaction_of_others_is_not_forgotten(ctx):
    """A worker without exactly once shares the topic with one that has it, whose transaction hides what stands behind it. An older
    position, or none, would be taken for the newest: the start waits instead."""
    ctx.own_kafka()
    db = ctx.database(TABLE)
    spec = ctx.connector(db, table__include__list="public.each")
    engine = engine_with(ctx, spec, exactly__once__source__support="disabled")
    caught_up(ctx, spec, db)
    with open_transaction(ctx.kafka.bootstrap, "connect-offsets", place_of(ctx, spec)[0], "someone else's", "{}"):
        caught_up(ctx, spec, db)
        engine.sigterm()
        ctx.postgres.psql("delete from each where id = 7", db)
        engine.start()
        time.sleep(3)
        assert engine.status(spec["name"])[0] == "RUNNING" and not ctx.postgres.streaming(spec["config"]["slot.name"]), engine.log()[-2000:]
    engine.wait_streaming(spec, ctx.postgres)
    caught_up(ctx, spec, db)


def test_positions_that_were_deleted_stay_deleted(ctx):
    """Whoever slept meanwhile is shut out before they are, and says that another process has taken over."""
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    a = engine_with(ctx, spec)
    b = ctx.walwire(**WORKER)
    b.create({**spec, "initial_state": "STOPPED"})
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        time.sleep(0.3)
        os.kill(a.process.pid, signal.SIGSTOP)
        code, answer = b.rest("DELETE", f"/connectors/{spec['name']}/offsets")
        assert code == 200, answer
        os.kill(a.process.pid, signal.SIGCONT)
        wait_until(lambda: a.status(spec["name"])[0] == "FAILED", 30, "the other process to notice")
    assert "another process runs this connector" in a.status(spec["name"])[1], a.status(spec["name"])
    code, answer = b.rest("GET", f"/connectors/{spec['name']}/offsets")
    assert (code, answer) == (200, {"offsets": []}), answer


def test_a_topic_of_its_own_for_positions(ctx):
    """A connector gets one while it is stopped: it goes on where the worker's topic says, and from then on its own does. What is
    deleted is deleted in both."""
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    topic = spec["name"] + "-positions"
    engine = ctx.walwire(**WORKER)
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    caught_up(ctx, spec, db)
    engine.rest("PUT", f"/connectors/{spec['name']}/stop")
    engine.wait_state(spec["name"], "NONE")
    wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20, "the slot to be free")
    before = offset_of(ctx, spec)
    code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", {**spec["config"], "offsets.storage.topic": topic})
    assert code == 200, answer
    engine.rest("PUT", f"/connectors/{spec['name']}/resume")
    engine.wait_streaming(spec, ctx.postgres)
    caught_up(ctx, spec, db)
    assert offset_of(ctx, spec) == before, "the worker's topic was written to"
    path = f"/connectors/{spec['name']}/offsets"
    newest = json.loads(ctx.kafka.consume(topic)[-1]["value"])
    assert newest["lsn"] > before["lsn"] and engine.rest("GET", path)[1]["offsets"][0]["offset"]["lsn"] == newest["lsn"]
    engine.rest("PUT", f"/connectors/{spec['name']}/stop")
    engine.wait_state(spec["name"], "NONE")
    wait_until(lambda: engine.rest("DELETE", path)[0] == 200, 20, "the positions to be deleted")
    assert engine.rest("GET", path) == (200, {"offsets": []})


def test_servers_that_go_away(ctx):
    """The broker is killed and comes back, and PostgreSQL ends the connection, under a writer. A broker that is told to end has been
    seen to note a transaction as committed and to leave out its marker in a partition: no client can end that, and walwire says so."""
    ctx.own_kafka()
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, spec)
    try:
        servers_go_away(ctx, spec, engine, db)
        return f"{len(caught_up(ctx, spec, db))} events"
    except Timeout:
        with open(ctx.kafka.log, errors="replace") as said:
            forgot = "COMPLETE_COMMIT, but received transaction marker result" in said.read()
        if forgot and "the broker has lost it" in engine.log():
            raise Skip("the broker has left a transaction open that it notes as ended") from None
        raise


def servers_go_away(ctx, spec, engine, db):
    slot = spec["config"]["slot.name"]
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for i in range(4):
            time.sleep(0.5)
            if i == 2:
                ctx.kafka.kill()
                ctx.kafka.start()
            else:
                ctx.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}'")
            engine.wait_streaming(spec, ctx.postgres)


def test_a_change_of_the_configuration_repeats_nothing(ctx):
    """Under a writer, what is captured changes and changes back."""
    db = ctx.database(TABLE + "; create table other(id int primary key)")
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, {"name": "none", "config": {}}, start=False)
    engine.files.pop()
    engine.start()
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for i in range(4):
            time.sleep(0.5)
            config = {**spec["config"], "table.include.list": "public.each,public.other" if i % 2 == 0 else "public.each",
                      "transaction.boundary": "interval" if i % 2 else "poll", "transaction.boundary.interval.ms": "40"}
            code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", config)
            assert code == 200, answer
            engine.wait_streaming(spec, ctx.postgres)
        engine.rest("PUT", f"/connectors/{spec['name']}/pause")
        engine.wait_state(spec["name"], "PAUSED")
        engine.rest("PUT", f"/connectors/{spec['name']}/resume")
    return f"{len(caught_up(ctx, spec, db))} events"


def test_a_stop_leaves_no_transaction_open(ctx):
    """A consumer of committed records waits for nothing after a stop, and a start after it begins behind the last record."""
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db, **{"transaction__boundary": "interval", "transaction__boundary__interval__ms": "60000",
                               "producer__override__transaction__timeout__ms": "300000"})
    engine = engine_with(ctx, spec)
    ctx.postgres.psql("insert into each (pad) values ('late')", db)
    wait_until(lambda: len(told(ctx, spec, committed=False)) == 301, 20, "the record to be written")
    assert len(told(ctx, spec)) == 300, "it is visible before its interval is over"
    engine.restart()
    assert len(told(ctx, spec)) == 301
    engine.wait_streaming(spec, ctx.postgres)
    caught_up(ctx, spec, db)


def test_check_tells_what_kafka_must_allow(ctx):
    db = ctx.database(TABLE)
    spec = spec_of(ctx, db)
    engine = engine_with(ctx, spec, start=False)
    done = run("check", engine.files[1], "--worker", engine.files[0])
    assert done.returncode == 0 and f"--transactional-id walwire-test-{spec['name']}-0" in done.stdout, done.stdout
    spec["config"]["producer.override.transaction.timeout.ms"] = "900001"
    engine._write(spec["name"] + ".json", json.dumps(spec))
    done = run("check", engine.files[1], "--worker", engine.files[0])
    assert done.returncode == 1 and "producer.override.transaction.timeout.ms=900000" in done.stdout, done.stdout


REFUSED = (
    ({}, "exactly.once.support", "required", "This worker does not have exactly-once source support enabled."),
    (WORKER, "transaction.boundary", "connector", "The connector does not support connector-defined transaction boundaries with the given "
     "configuration. Please reconfigure it to use a different transaction boundary definition."),
    (WORKER, "transaction.boundary.interval.ms", "-1",
     "Invalid value -1 for configuration transaction.boundary.interval.ms: Value must be at least 0"),
)


def test_what_connect_refuses(ctx):
    """In Connect's words, as it answers a request to validate."""
    db = ctx.database(TABLE)
    for worker, option, value, text in REFUSED:
        engine = ctx.walwire(**worker)
        spec = ctx.connector(db, **{option.replace(".", "__"): value})
        config = {**spec["config"], "name": spec["name"]}
        code, answer = engine.rest("PUT", "/connector-plugins/PostgresConnector/config/validate", config)
        assert code == 200, answer
        errors = {c["value"]["name"]: c["value"]["errors"] for c in answer["configs"] if c["value"]["errors"]}
        assert errors == {option: [text]}, errors
        engine.sigterm()


for slow in (test_kill_9_repeats_nothing, test_kill_9_between_any_two_steps, test_a_large_transaction_goes_on_where_it_was,
             test_a_zombie_writes_nothing, test_servers_that_go_away):
    slow.timeout = 300
