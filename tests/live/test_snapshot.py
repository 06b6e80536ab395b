"""The initial snapshot, by one session and by several: every row once, every marker in its place, whatever happens meanwhile."""
import collections, json, os, signal, subprocess

from fold import SLIM, events, wait_folded
from services import BINARY, at_exit, temp_dir, wait_until
from writer import Writer

# A tenth of each page is filled: thousands of blocks, which are read in ranges, with few rows.
WIDE = """create table wide (id int primary key, v int, note text) with (fillfactor = 10, autovacuum_enabled = false);
          insert into wide select i, 0, i || repeat('x', 100) from generate_series(1, 30000) i;
          update wide set v = 1 where id % 3 = 0; delete from wide where id % 7 = 0;"""
WIDE_ROWS = 30000 - 30000 // 7
OTHERS = """create table empty (id int primary key); create table one (id int primary key); insert into one values (1);
            create table odd (a text, b int); insert into odd values (E'tab\\t, line\\n, back\\\\slash', null), ('', 0), (E'\\\\N', 1);
            create table nothing (); insert into nothing default values; insert into nothing default values;"""
SLOW = "create table slow (id int primary key); insert into slow values (1);"


def gated(table):
    """Options by which the reader of a table waits while a test holds the advisory lock 42. Not a table's lock: that would
    hold up the slot."""
    name = "snapshot.select.statement.overrides"
    return {name: f"public.{table}", f"{name}.public.{table}": f"select t.* from {table} t, (select pg_advisory_xact_lock_shared(42)) gate"}


def in_ranges(ctx):
    """Whether the server can read a table's parts by themselves."""
    return ctx.postgres.version() >= 14


class Rows:
    """What `walwire stream --snapshot` prints, in its order."""

    def __init__(self, ctx, db, **options):
        folder = temp_dir("rows")
        self.out, self.err = os.path.join(folder, "out"), os.path.join(folder, "err")
        settings = [arg for k, v in options.items() for arg in ("--set", f"{k.replace('__', '.')}={v}")]
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen([BINARY, "stream", ctx.postgres.url(db), "--snapshot", *settings], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=err)
        at_exit(self.kill)

    def lines(self):
        with open(self.out) as f:
            text = f.read()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def wait(self, count, timeout=30):
        def enough():
            assert self.child.poll() is None, open(self.err).read()
            got = self.lines()
            if len(got) < count:
                raise RuntimeError(f"{len(got)} so far")
            return got
        return wait_until(enough, timeout, f"{count} rows", every=0.2)

    def kill(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        self.child.wait(10)


def snapshot(ctx, db, rows, **options):
    """All rows that are read: a change made after the last one ends them."""
    ctx.postgres.psql("drop table if exists sentinel; create table sentinel (id serial primary key)", db)
    stream = Rows(ctx, db, **options)
    stream.wait(rows)
    ctx.postgres.psql("insert into sentinel default values", db)
    got = stream.wait(rows + 1)
    stream.kill()
    assert [line["op"] for line in got] == ["r"] * rows + ["c"], collections.Counter(line["op"] for line in got)
    return got[:rows]


def markers(lines):
    return [(line["source"]["table"], line["source"]["snapshot"]) for line in lines]


def counted(lines):
    return collections.Counter((line["source"]["table"], json.dumps(line["after"], sort_keys=True)) for line in lines)


def check_markers(lines):
    """One first and one last of all; a first and a last of each table; precedence: last, first, last_in, first_in."""
    told = markers(lines)
    assert told[-1][1] == "last" and [m for _, m in told].count("last") == 1
    assert told[0][1] == "first" and [m for _, m in told].count("first") == 1
    for table in {t for t, _ in told}:
        of_table = [m for t, m in told if t == table]
        if len(of_table) > 1:
            assert of_table[0] in ("first_in_data_collection", "first"), (table, of_table[0])
        assert of_table[-1] in ("last_in_data_collection", "last") or of_table == ["first"], (table, of_table[-1])
        assert set(of_table[1:-1]) <= {"true"}, table


def let_go(psql):
    psql.stdin.write("commit;\n\\q\n")
    psql.stdin.flush()
    psql.wait(10)


def readers(ctx, db, condition="true"):
    return ctx.postgres.psql(f"select pid from pg_stat_activity where datname = '{db}' and query like 'COPY %' and {condition}").split()


def waiting(ctx, db):
    return readers(ctx, db, "state = 'active' and wait_event_type = 'Lock'")


def topic(spec, table):
    return f"{spec['config']['topic.prefix']}.public.{table}"


# ---- every row once ----

def test_one_session_reads_table_after_table(ctx):
    db = ctx.database(OTHERS)
    got = snapshot(ctx, db, 6)
    assert markers(got) == [("nothing", "first_in_data_collection"), ("nothing", "last_in_data_collection"),
                            ("odd", "first_in_data_collection"), ("odd", "true"), ("odd", "last_in_data_collection"), ("one", "last")]
    assert [line["after"] for line in got] == [{}, {}, {"a": "tab\t, line\n, back\\slash", "b": None}, {"a": "", "b": 0},
                                               {"a": "\\N", "b": 1}, {"id": 1}]


def test_several_sessions_read_the_same_rows(ctx):
    """Updated, deleted and ordinary rows of a table in ranges, small tables, an empty one: the same as from one session."""
    db = ctx.database(WIDE + OTHERS)
    rows = WIDE_ROWS + 6
    one = snapshot(ctx, db, rows)
    assert len({line["after"]["id"] for line in one if line["source"]["table"] == "wide"}) == WIDE_ROWS
    for threads in (2, 4):
        got = snapshot(ctx, db, rows, snapshot__max__threads=str(threads))
        assert counted(got) == counted(one)
        check_markers(got)


def test_a_row_longer_than_a_batch(ctx):
    db = ctx.database("create table t (id int primary key, body text); insert into t select i, repeat(E'0123456\\t', 500000) from generate_series(1, 3) i")
    for threads in ("1", "3"):
        got = snapshot(ctx, db, 3, snapshot__max__threads=threads)
        assert [(line["after"]["id"], line["after"]["body"] == "0123456\t" * 500000) for line in got] == [(i, True) for i in (1, 2, 3)]


def test_writers_while_several_sessions_read(ctx):
    """Rows move through the table while it is read by ranges: folded by key the topic is the table, and no row is told twice."""
    db = ctx.database(WIDE)
    changes = """
        n := 1 + (i * 7919 + seed * 104729) % 30000;
        case i % 4
          when 0 then insert into wide values (100000000 * seed + i, i, 'new');
          when 1 then update wide set v = v + 1 where id = n;
          when 2 then delete from wide where id = n;
          else update wide set note = repeat('x', 400) where id between n and n + 5;
        end case;"""
    with Writer(ctx.postgres, db, changes, seeds=(1, 2)):
        spec = ctx.connector(db, table__include__list="public.wide", **{"snapshot.max.threads": "4"})
        engine = ctx.walwire(spec, **SLIM)
        engine.wait_streaming(spec, ctx.postgres)
        wait_until(lambda: "c" in {e["op"] for e in events(ctx.kafka, topic(spec, "wide"))}, 30, "changes after the snapshot")
    told = wait_folded(ctx, spec, db, "wide", timeout=40)
    assert ("by 4 sessions" if in_ranges(ctx) else "by 1 sessions") in engine.log()
    ops = "".join(e["op"] for e in told)
    read = ops.rstrip("cud")
    assert set(read) == {"r"}, "a change came before the snapshot's last row"
    assert len({e["key"]["id"] for e in told[:len(read)]}) == len(read), "a row was read twice"
    changed = [(e["source"]["lsn"], e["op"], e["key"]["id"]) for e in told[len(read):]]
    assert len(set(changed)) == len(changed), "a change was told twice"


# ---- trouble ----

def test_a_killed_reader_starts_the_snapshot_again(ctx):
    db = ctx.database(WIDE + SLOW)
    gate = ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
    spec = ctx.connector(db, **gated("slow"), **{"snapshot.max.threads": "3", "retriable.restart.connector.wait.ms": "100"})
    engine = ctx.walwire(spec, **SLIM)
    for pid in wait_until(lambda: waiting(ctx, db), 30, "a reader to wait"):
        ctx.postgres.psql(f"select pg_terminate_backend({pid})")
    wait_until(lambda: "terminating connection" in engine.log(), 20, "the reader's error in the log")
    wait_until(lambda: waiting(ctx, db), 30, "the next snapshot to come as far")
    assert not events(ctx.kafka, topic(spec, "slow"))
    let_go(gate)
    engine.wait_streaming(spec, ctx.postgres)
    wait_folded(ctx, spec, db, "wide")
    wait_folded(ctx, spec, db, "slow")
    assert "snapshot complete" in engine.log()


def test_a_stop_ends_readers_that_wait(ctx):
    """A stop does not wait for the lock that a reader waits for, and leaves no session behind; the next start reads all."""
    db = ctx.database(WIDE + SLOW)
    for threads in ("1", "3"):
        gate = ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
        spec = ctx.connector(db, **gated("slow"), **{"snapshot.max.threads": threads})
        engine = ctx.walwire(spec, **SLIM)
        wait_until(lambda: waiting(ctx, db), 30, "a reader to wait")
        assert engine.sigterm(timeout=4) == 0
        if ctx.postgres.version() < 14:
            let_go(gate)  # before, a session that waits does not look for its client
        wait_until(lambda: not readers(ctx, db), 5, "the readers' sessions to end")
        if gate.poll() is None:
            let_go(gate)
        engine.start()
        engine.wait_streaming(spec, ctx.postgres)
        wait_folded(ctx, spec, db, "wide")
        wait_folded(ctx, spec, db, "slow")
        engine.sigterm()


def test_a_table_altered_before_it_is_read_is_read_as_it_is(ctx):
    """A column that the catalogue no longer has is no reason to give up: the snapshot begins again."""
    db = ctx.database("create table a (id int primary key); insert into a values (1);"
                      "create table b (id int primary key, gone int); insert into b values (1, 1)")
    spec = ctx.connector(db, **gated("a"), **{"retriable.restart.connector.wait.ms": "100"})
    gate = ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: waiting(ctx, db), 30, "a reader to wait")
    ctx.postgres.psql("alter table b drop column gone", db)
    let_go(gate)
    engine.wait_streaming(spec, ctx.postgres)
    wait_folded(ctx, spec, db, "b")
    assert "gone" in engine.log()


# ---- options ----

def test_legacy_threads_leave_tables_whole(ctx):
    db = ctx.database(WIDE)
    for legacy, parts in (("false", False), ("true", True)):
        spec = ctx.connector(db, **{"snapshot.max.threads": "2", "legacy.snapshot.max.threads": legacy})
        engine = ctx.walwire(spec, **SLIM)
        wait_until(lambda: "snapshot complete" in engine.log(), 30, "the snapshot")
        assert ("in 1 parts by 1 sessions" in engine.log()) == (parts or not in_ranges(ctx)), engine.log()
        engine.sigterm()


def test_tables_by_row_count(ctx):
    db = ctx.database("create table a (id int); insert into a select generate_series(1, 500);"
                      "create table b (id int); insert into b select generate_series(1, 50);"
                      "create table c (id int) partition by range (id); create table c1 partition of c for values from (0) to (9999);"
                      "insert into c select generate_series(1, 5000); analyze;")
    for order, wanted in (("disabled", "abc"), ("ascending", "bac"), ("descending", "cab")):
        got = snapshot(ctx, db, 5550, snapshot__tables__order__by__row__count=order, **{"table.exclude.list": r"public\.c1"})
        assert "".join(dict.fromkeys(t for t, _ in markers(got))) == wanted, order


def test_shared_locks_keep_tables_as_they_are(ctx):
    """While the snapshot is read no table of it can be altered, and a lock that is not to be had ends the try, not the connector."""
    db = ctx.database("create table a (id int primary key); insert into a values (1); create table b (id int primary key); insert into b values (1)")
    spec = ctx.connector(db, **gated("a"), **{"snapshot.locking.mode": "shared", "snapshot.lock.timeout.ms": "100",
                                               "snapshot.mode": "initial_only", "retriable.restart.connector.wait.ms": "100"})
    altering, gate = ctx.postgres.held(db, "lock table b in access exclusive mode"), ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: "locking the snapshot's tables" in engine.log(), 20, "the lock to be given up")
    let_go(altering)
    wait_until(lambda: waiting(ctx, db), 30, "a reader to wait")
    try:
        ctx.postgres.psql("set lock_timeout = 100; alter table b add x int", db)
        raise AssertionError("a table of the snapshot was altered")
    except RuntimeError as e:
        assert "lock timeout" in str(e)
    let_go(gate)
    wait_until(lambda: "snapshot complete" in engine.log(), 30, "the snapshot")
    ctx.postgres.psql("alter table b add x int", db)
    for name in "ab":
        assert len(events(ctx.kafka, topic(spec, name))) == 1


def test_a_table_that_is_written_anew_before_its_turn_is_not_empty(ctx):
    """To an older snapshot it is, and the stream tells nothing of its rows: the snapshot begins again. What comes behind a TRUNCATE
    the stream tells, and CLUSTER leaves the rows in sight: there a warning is enough."""
    for change, again in (("alter table b alter v type bigint", True), ("alter table b add x float8 default random()", True),
                          ("truncate b; insert into b values (7, 7)", False), ("cluster b using b_pkey", False)):
        db = ctx.database("create table a (id int primary key); insert into a values (1); create table b (id int primary key, v int); "
                          "insert into b select i, i from generate_series(1, 3) i")
        spec = ctx.connector(db, **gated("a"), retriable__restart__connector__wait__ms="100")
        gate = ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
        engine = ctx.walwire(spec, **SLIM)
        wait_until(lambda: waiting(ctx, db), 30, "a reader to wait")
        ctx.postgres.psql(change, db)
        let_go(gate)
        engine.wait_streaming(spec, ctx.postgres)
        wait_folded(ctx, spec, db, "b")
        told = "the snapshot begins again" if again else "public.b was truncated, written anew or replaced"
        assert told in engine.log() and ("begins again" in engine.log()) == again, (change, engine.log()[-1000:])
        engine.sigterm()


def test_delays_can_be_stopped(ctx):
    """Before the snapshot there is no slot yet that would hold WAL back; after it the rows are out and the slot is not read."""
    db = ctx.database("create table t (id int primary key); insert into t values (1)")
    spec = ctx.connector(db, **{"snapshot.delay.ms": "600000"})
    slot = spec["config"]["slot.name"]
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: "snapshot.delay.ms" in engine.log(), 20, "the delay")
    assert ctx.postgres.slot(slot) is None
    assert engine.sigterm(timeout=4) == 0
    spec = ctx.connector(db, **{"streaming.delay.ms": "600000"})
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: "streaming.delay.ms" in engine.log(), 20, "the delay")
    assert len(events(ctx.kafka, topic(spec, "t"))) == 1
    assert ctx.postgres.slot(spec["config"]["slot.name"])["active"] == "f"
    assert engine.sigterm(timeout=4) == 0


# ---- what is read ----

def test_a_table_that_comes_while_the_slot_waits_is_read(ctx):
    """Making the slot waits for running transactions. What they make lies before the stream, so the snapshot has it."""
    db = ctx.database("create table t (id int primary key); insert into t values (1)")
    running = ctx.postgres.held(db, "create table late as select 7 as id")
    spec = ctx.connector(db, **{"publication.autocreate.mode": "all_tables"})
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: "creating slot" in engine.log(), 20, "the slot to be waited for")
    let_go(running)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: "snapshot complete" in engine.log(), 20, "the snapshot")
    assert [e["after"]["id"] for e in events(ctx.kafka, topic(spec, "late"))] == [7]


def test_a_snapshot_holds_up_no_other_slot(ctx):
    """Making a slot waits for all transactions that have a number: the snapshot's has none."""
    db = ctx.database(SLOW)
    gate = ctx.postgres.held(db, "select pg_advisory_xact_lock(42)")
    engine = ctx.walwire(ctx.connector(db, **gated("slow"), **{"snapshot.mode": "initial_only"}), **SLIM)
    wait_until(lambda: waiting(ctx, db), 30, "a reader to wait")
    ctx.postgres.psql("set statement_timeout = '10s'; select pg_create_logical_replication_slot('beside', 'pgoutput', true)", db)
    let_go(gate)
    wait_until(lambda: "snapshot complete" in engine.log(), 30, "the snapshot")


def test_a_statement_counts_for_tables_of_the_list_only(ctx):
    """One that is left over in the file changes nothing; a semicolon at the end of one that counts is no harm."""
    db = ctx.database("create table a (id int primary key); insert into a select generate_series(1, 3); "
                      "create table b (id int primary key); insert into b select generate_series(1, 4)")
    name = "snapshot.select.statement.overrides"
    spec = ctx.connector(db, **{name: "public.a", f"{name}.public.a": "select * from a where id < 3 ; ",
                                f"{name}.public.b": "select * from b where false", "snapshot.mode": "initial_only"})
    engine = ctx.walwire(spec, **SLIM)
    wait_until(lambda: "snapshot complete" in engine.log(), 20, "the snapshot")
    assert len(events(ctx.kafka, topic(spec, "a"))) == 2 and len(events(ctx.kafka, topic(spec, "b"))) == 4
