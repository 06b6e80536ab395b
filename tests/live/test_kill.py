"""kill -9 at any moment and a start after it: every committed row is in Kafka, in order for each key."""
import random, subprocess

from fold import SLIM, difference, fold, table, wait_folded
from services import wait_until
from writer import Writer

TABLES = """
create table small(id int primary key, v bigint, note text);
create table moving(id bigint primary key, v bigint);
create table wide(id int primary key, v bigint, pad text);
insert into small select i, 0, 'first' from generate_series(1, 200) i;
insert into moving select i, 0 from generate_series(1, 100) i;
create sequence version;
"""

# Every change takes a higher version, so that each key's rows show in which order they were committed.
CHANGES = """
    update small set v = nextval('version'), note = 'w' || i where id = 1 + (i * 7919) % 200;
    case i % 5
      when 0 then delete from small where id = 1 + (i * 104729) % 200;
      when 1 then insert into small values (1 + (i * 104729) % 200, nextval('version'), 'again') on conflict (id) do nothing;
      when 2 then update moving set id = 1000 + i, v = nextval('version') where id = (select min(id) from moving);
      else null;
    end case;
    if i % 40 = 0 then
      insert into wide select k, nextval('version'), repeat('p', 100) from generate_series(1, 1000) k
        on conflict (id) do update set v = excluded.v;
    elsif i % 90 = 7 then
      delete from wide where id % 3 = 0;
    end if;"""


def check_order(told, boundaries):
    """For each key the versions only rise, but where a start repeats what was told before: at most once a kill, and only back
    to what the same key had before."""
    last, back = {}, {}
    for e in told:
        key, v = e["key"]["id"], (e["after"] or {}).get("v")
        if v is None:
            continue
        if v < last.get(key, -1):
            back[key] = back.get(key, 0) + 1
        last[key] = v
    worst = max(back.values(), default=0)
    assert worst <= boundaries, f"a key went back {worst} times with {boundaries} kills"


def check_replays(told):
    """Within one stretch between two replays positions only rise, and a replay never begins before a position that was
    acknowledged: what it repeats, it repeats whole and in the same order."""
    seen, at, replaying = [], -1, False
    for e in told:
        if e["op"] == "r":
            continue
        here = (e["source"]["lsn"], e["op"], str(e["key"]["id"]))
        if here[0] < at:
            matches = [i for i, s in enumerate(seen) if s == here]
            assert matches, f"after a restart {here} came late: it had never been told"
            replaying = matches[-1]
        if replaying is not False and replaying < len(seen):
            assert seen[replaying] == here, f"a replay told {here} where {seen[replaying]} was told before"
            replaying += 1
        else:
            replaying = False
            seen.append(here)
        at = here[0]
    return len(seen)


def test_kill_9_loses_nothing_and_keeps_the_order(ctx):
    """Eight times under a writer that updates, deletes, changes keys and writes transactions of 1000 rows. Records linger a
    while before they are sent, and positions are stored often: what is acknowledged too early would be lost."""
    chance = random.Random(20240229)
    db = ctx.database(TABLES)
    spec = ctx.connector(db, table__include__list="public.(small|moving|wide)")
    engine = ctx.walwire(spec, producer__linger__ms="250", **{**SLIM, "offset__flush__interval__ms": "20"})
    engine.wait_streaming(spec, ctx.postgres)
    with Writer(ctx.postgres, db, CHANGES):
        for _ in range(8):
            version = int(ctx.postgres.psql("select last_value from version", db)) + chance.randrange(2000)
            wait_until(lambda: int(ctx.postgres.psql("select last_value from version", db)) > version, 30, every=0.01)
            engine.sigkill()
            slot = spec["config"]["slot.name"]
            wait_until(lambda: not ctx.postgres.streaming(slot), 20, "the server to notice")
            engine.start()
            engine.wait_streaming(spec, ctx.postgres)
    for name in ("small", "moving", "wide"):
        told = wait_folded(ctx, spec, db, name, timeout=40)
        check_order(told, 8)
        assert check_replays(told) > 100


def told_so_far(ctx, topic):
    """The number of records in a topic of one partition."""
    done = subprocess.run(["kcat", "-b", ctx.kafka.bootstrap, "-Q", "-t", f"{topic}:0:-1"], capture_output=True, text=True)
    return int(done.stdout.rsplit(" ", 1)[1]) if done.returncode == 0 else 0


def test_kill_9_during_the_snapshot(ctx):
    """A start after it completes the snapshot; rows that were told and are deleted meanwhile are told as deleted."""
    db = ctx.database("create table wide(id int primary key, v int, pad text);"
                      "insert into wide select i, 0, repeat(md5(i::text), 8) from generate_series(1, 150000) i;")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, **SLIM)
    topic = f"{spec['config']['topic.prefix']}.public.wide"
    for n in (1, 2):
        before = told_so_far(ctx, topic)
        wait_until(lambda: told_so_far(ctx, topic) > before + 5000, 30, "a snapshot on its way", every=0.01)
        engine.sigkill()
        assert "snapshot complete" not in engine.log(), "the table is too small for this machine"
        ctx.postgres.psql(f"delete from wide where id <= {n * 200}; update wide set v = {n} where id % 1000 = {n}", db)
        wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20)
        engine.start()
    engine.wait_streaming(spec, ctx.postgres, 60)
    wait_until(lambda: "snapshot complete" in engine.log(), 60, "the snapshot to be complete")
    ctx.postgres.psql("update wide set v = 9 where id = 5000", db)
    told = wait_folded(ctx, spec, db, "wide", timeout=60)
    assert difference(fold(told), table(ctx.postgres, db, "wide")) == ""
    check_replays(told)
