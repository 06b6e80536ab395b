"""Real input: pgbench at scale 10 with 8 clients for 20 seconds while walwire streams; then every row is compared."""
import collections, json, subprocess

from fold import SLIM
from services import wait_until

KEYS = {"accounts": "aid", "tellers": "tid", "branches": "bid"}
HISTORY = ("select json_build_array(tid, bid, aid, delta, (extract(epoch from mtime) * 1000000)::bigint, filler) "
           "from pgbench_history")


def pgbench(ctx, db, *args):
    argv = [ctx.postgres.program("pgbench"), *args, "-h", ctx.postgres.host, "-p", str(ctx.postgres.port), "-U", ctx.postgres.user, db]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0, out
    return out


def lines(argv):
    """A program's output line by line, never whole in memory."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        yield from process.stdout
    assert process.returncode == 0, argv[0]


def records(ctx, spec, name):
    """Each record's op and row, in the topic's order."""
    topic = f"{spec['config']['topic.prefix']}.public.pgbench_{name}"
    for line in lines(["kcat", "-b", ctx.kafka.bootstrap, "-C", "-e", "-q", "-t", topic, "-f", "%s\n"]):
        envelope = json.loads(line)
        yield envelope["op"], envelope["after"]


def rows(ctx, db, select):
    for line in lines([ctx.postgres.program("psql"), "-qAtX", "-d", ctx.postgres.conninfo(db), "-c", f"copy ({select}) to stdout"]):
        yield json.loads(line)


def check_folded(ctx, spec, db, name, key):
    """Folded by key the topic is the table, row by row and column by column. Returns how often each operation was told."""
    last, ops, shared = {}, collections.Counter(), {}
    for op, row in records(ctx, spec, name):
        ops[op] += 1
        values = tuple(shared.setdefault(v, v) for v in row.values())  # a million fillers are one
        last[row[key]] = values
    for row in rows(ctx, db, f"select row_to_json(t) from pgbench_{name} t"):
        told = last.pop(row[key], None)
        assert told == tuple(row.values()), f"pgbench_{name} {row[key]}: {told} instead of {row}"
    assert not last, f"pgbench_{name}: {len(last)} rows that are not in the table"
    return ops


def test_pgbench_arrives_row_by_row(ctx):
    """The history has no key: its topic and the table hold the same rows, as often."""
    db = ctx.database()
    finished(pgbench(ctx, db, "-i", "-q", "-s", "10"))
    spec = ctx.connector(db, table__include__list="public.pgbench_.*")
    engine = ctx.walwire(spec, **SLIM)
    load = pgbench(ctx, db, "-n", "-c", "8", "-j", "2", "-T", "20", "-P", "60")
    engine.wait_streaming(spec, ctx.postgres)
    finished(load)
    end = ctx.postgres.psql("insert into pgbench_history values (1, 1, 1, 0, now()); select pg_current_wal_lsn()", db)
    slot = spec["config"]["slot.name"]
    wait_until(lambda: ctx.postgres.psql(f"select confirmed_flush_lsn >= '{end}' from pg_replication_slots where slot_name = '{slot}'")
               == "t", 60, "everything to be delivered", every=0.2)
    ops = {name: check_folded(ctx, spec, db, name, key) for name, key in KEYS.items()}
    told = collections.Counter()
    for op, row in records(ctx, spec, "history"):
        told[tuple(row.values())] += 1
    for row in rows(ctx, db, HISTORY):
        told[tuple(row)] -= 1
    wrong = {row: n for row, n in told.items() if n}
    assert not wrong, f"{len(wrong)} rows of the history are not there, or not as often: {list(wrong.items())[:3]}"
    transactions = len(told) - 1
    assert ops["accounts"]["r"] == 1000000 and ops["branches"]["r"] == 10 and transactions > 1000
    assert 0 < ops["accounts"]["u"] == ops["tellers"]["u"] == ops["branches"]["u"] <= transactions


test_pgbench_arrives_row_by_row.timeout = 240
