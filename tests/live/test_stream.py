"""`walwire stream`: one command prints what changes, and leaves nothing behind, however it ends."""
import collections, json, os, signal, subprocess, threading

from services import BINARY, at_exit, run, temp_dir, wait_until

TABLES = """create table orders (id int primary key, note text);
            create table users (id int primary key, name text);
            alter table orders replica identity full;"""


class Stream:
    """A running `walwire stream`; its output so far is in `lines()`."""

    def __init__(self, ctx, db, *args):
        self.postgres, self.db = ctx.postgres, db
        folder = temp_dir("stream")
        self.out, self.err = os.path.join(folder, "out"), os.path.join(folder, "err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen([BINARY, "stream", self.postgres.url(db), *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        at_exit(self.kill)
        wait_until(self._opened, 20, "the stream's slot")

    def _opened(self):
        assert self.child.poll() is None, f"walwire stream ended with {self.child.returncode}: {self.errors()}"
        return [s for s in slots(self) if s.startswith(f"walwire_stream_{self.child.pid}_")]

    def lines(self):
        """The whole lines, parsed: each must be one JSON object."""
        with open(self.out) as f:
            text = f.read()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def wait_lines(self, count, timeout=20):
        return wait_until(lambda: len(self.lines()) >= count and self.lines(), timeout, f"{count} lines in {self.out}")

    def errors(self):
        with open(self.err) as f:
            return f.read()

    def end(self, sig=signal.SIGTERM, timeout=15):
        self.child.send_signal(sig)
        return self.child.wait(timeout)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(10)


def slots(at):
    """The slots of `at` (a stream, or a pair of server and database)."""
    return names(at.postgres, at.db, f"select slot_name from pg_replication_slots where database = '{at.db}'")


def publications(at):
    return names(at.postgres, at.db, "select pubname from pg_publication")


def names(postgres, db, sql):
    return postgres.psql(sql + " order by 1", db).splitlines()


def nothing_left(at):
    wait_until(lambda: not slots(at), 10, "the slot to go")  # the server notices a closed connection a moment later
    assert publications(at) == []


def rows_of(lines, field="after"):
    return [(line["op"], line["source"]["table"], line[field]) for line in lines]


# ---- what is printed ----

def test_a_line_for_each_change(ctx):
    """Debezium's envelope without its schema: insert, update and delete with their old and new rows."""
    db = ctx.database(TABLES)
    stream = Stream(ctx, db, "--set", "skipped.operations=none")  # Debezium's preset leaves truncates out
    ctx.postgres.psql("insert into orders values (1, 'é\n\"x\"'); update orders set note = null; delete from orders; truncate users", db)
    insert, update, delete, truncate = stream.wait_lines(4)
    first, second = {"id": 1, "note": 'é\n"x"'}, {"id": 1, "note": None}
    assert (insert["op"], insert["before"], insert["after"]) == ("c", None, first)
    assert (update["op"], update["before"], update["after"]) == ("u", first, second)
    assert (delete["op"], delete["before"], delete["after"]) == ("d", second, None)
    assert (truncate["op"], truncate["source"]["table"]) == ("t", "users")
    source = insert["source"]
    assert (source["connector"], source["db"], source["schema"], source["table"]) == ("postgresql", db, "public", "orders")
    assert source["snapshot"] == "false" and insert["ts_ms"] >= source["ts_ms"] > 1_600_000_000_000
    assert source["lsn"] < update["source"]["lsn"] < delete["source"]["lsn"]
    assert stream.end() == 0 and stream.errors() == "", stream.errors()


def test_only_the_tables_asked_for(ctx):
    db = ctx.database(TABLES + 'create schema "Odd.One"; create table "Odd.One"."T, 1" (id int primary key)')
    stream = Stream(ctx, db, "--table", "users", "--table", "Odd.One.T, 1")
    ctx.postgres.psql("""insert into orders values (1, 'no'); insert into users values (2, 'yes'); insert into "Odd.One"."T, 1" values (3);""", db)
    assert rows_of(stream.wait_lines(2)) == [("c", "users", {"id": 2, "name": "yes"}), ("c", "T, 1", {"id": 3})]
    assert stream.end() == 0 and len(stream.lines()) == 2


def test_snapshot_then_stream_is_exact(ctx):
    """Rows are inserted all the time: each appears once, the ones of before as r, the ones of after as c."""
    db = ctx.database(TABLES + "insert into orders select i, 'old' from generate_series(1, 5000) i")
    stopped, last = threading.Event(), [5000]

    def write():
        while not stopped.is_set():
            last[0] += 20
            ctx.postgres.psql("".join(f"insert into orders values ({i}, 'new');" for i in range(last[0] - 19, last[0] + 1)), db)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        stream = Stream(ctx, db, "--snapshot", "--table", "public.orders")
        wait_until(lambda: any(line["op"] == "c" for line in stream.lines()), 20, "the first change", every=0.2)
    finally:
        stopped.set()
        writer.join()
    got = stream.wait_lines(last[0])
    ops = collections.Counter(line["op"] for line in got)
    assert [line["after"]["id"] for line in got].count(1) == 1
    assert sorted(line["after"]["id"] for line in got) == list(range(1, last[0] + 1)), ops
    assert set(ops) == {"r", "c"} and ops["r"] >= 5000, ops
    first_change = next(i for i, line in enumerate(got) if line["op"] == "c")
    assert all(line["op"] == "c" for line in got[first_change:]), "a row of the snapshot came after a change"
    assert stream.end() == 0


def test_any_connector_option(ctx):
    db = ctx.database("create table prices (id int primary key, amount numeric(8,2))")
    stream = Stream(ctx, db, "--set", "decimal.handling.mode=string")
    ctx.postgres.psql("insert into prices values (1, 12.50)", db)
    assert stream.wait_lines(1)[0]["after"] == {"id": 1, "amount": "12.50"}


# ---- what is left ----

def test_signals_leave_nothing(ctx):
    db = ctx.database(TABLES + "create table log (line text)")
    for sig in (signal.SIGTERM, signal.SIGINT):
        stream = Stream(ctx, db)
        assert len(slots(stream)) == 1 and len(publications(stream)) == 2  # the second is for the table without a key
        ctx.postgres.psql("insert into log values ('x')", db)
        stream.wait_lines(1)
        assert stream.end(sig) == 0, stream.errors()
        nothing_left(stream)


def test_the_next_run_cleans_up_after_kill_9(ctx):
    db = ctx.database(TABLES)
    killed = Stream(ctx, db)
    left = publications(killed)
    killed.kill()
    wait_until(lambda: not slots(killed), 10, "the killed one's slot to go")
    assert publications(killed) == left != []
    following = Stream(ctx, db)
    assert not set(left) & set(publications(following))
    assert following.end() == 0
    nothing_left(following)


def test_two_at_a_time(ctx):
    """Neither takes the other for one that was killed, and each sees every change."""
    db = ctx.database(TABLES)
    one, two = Stream(ctx, db), Stream(ctx, db, "--table", "orders")
    assert len(slots(one)) == 2 and len(publications(one)) == 2
    ctx.postgres.psql("insert into orders values (1, 'both')", db)
    assert rows_of(one.wait_lines(1)) == rows_of(two.wait_lines(1))
    assert one.end() == 0
    assert publications(two) and len(slots(two)) == 1
    ctx.postgres.psql("insert into orders values (2, 'one')", db)
    assert len(two.wait_lines(2)) == 2 and len(one.lines()) == 1
    assert two.end() == 0
    nothing_left(two)


def test_head_ends_it_quietly(ctx):
    """One change is enough: the end of the reader is noticed without a second one."""
    db = ctx.database(TABLES)
    ctx.db = db
    command = f"set -o pipefail; {BINARY} stream '{ctx.postgres.url(db)}' --snapshot | head -1"
    ctx.postgres.psql("insert into orders values (1, 'first')", db)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20)
    assert json.loads(done.stdout)["after"] == {"id": 1, "note": "first"}
    assert (done.returncode, done.stderr) == (0, ""), done
    nothing_left(ctx)


def test_head_ends_it_quietly_in_the_middle_of_a_snapshot(ctx):
    """More is on its way than the pipe takes: that nobody reads it is noticed by a write, and is no error either."""
    db = ctx.database(TABLES + "insert into orders select i, repeat('x', 1000) from generate_series(1, 5000) i")
    ctx.db = db
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {BINARY} stream '{ctx.postgres.url(db)}' --snapshot | head -1"], capture_output=True,
                          text=True, timeout=20)
    assert json.loads(done.stdout)["after"]["id"] == 1 and (done.returncode, done.stderr) == (0, ""), done
    nothing_left(ctx)


def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(ctx):
    """As a pager does that waits at its first page."""
    db = ctx.database(TABLES + "insert into orders select i, repeat('x', 1000) from generate_series(1, 2000) i")
    ctx.db = db
    child = subprocess.Popen([BINARY, "stream", ctx.postgres.url(db), "--snapshot"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    at_exit(lambda: (child.kill(), child.wait(10)))
    wait_until(lambda: slots(ctx), 20, "the slot")
    child.stdout.read(1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(15) == 0
    nothing_left(ctx)


# ---- what the application notices ----

def test_a_table_without_a_key_can_still_be_changed(ctx):
    """Publishing it whole would make the application's UPDATE fail; it is told that only inserts are shown."""
    db = ctx.database("create table log (line text); create table orders (id int primary key)")
    stream = Stream(ctx, db)
    ctx.postgres.psql("insert into log values ('a'); update log set line = 'b'; delete from log; insert into orders values (1); "
                      "update orders set id = 2", db)
    got = rows_of(stream.wait_lines(3))
    assert got[0] == ("c", "log", {"line": "a"}) and got[1] == ("c", "orders", {"id": 1}), got
    assert {table for _, table, _ in got[1:]} == {"orders"}, got
    assert stream.end() == 0
    warning, = stream.errors().splitlines()
    assert "public.log has no replica identity" in warning and "REPLICA IDENTITY FULL" in warning, warning


# ---- what goes wrong ----

def test_an_unknown_table_is_named(ctx):
    db = ctx.database(TABLES)
    ctx.db = db
    for tables, unknown in ((["public.ordres"], "public.ordres"), (["orders", "commerce.orders"], "commerce.orders"), (["ordres"], "public.ordres")):
        done = run("stream", ctx.postgres.url(db), *(arg for table in tables for arg in ("--table", table)))
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr == f"walwire: there is no table {unknown} in database {db}: write --table schema.table\n", done.stderr
    nothing_left(ctx)


def test_the_end_of_the_server_is_an_error(ctx):
    """A gap would be worse than an end: with the connection the temporary slot is gone, so it does not go on from a new one."""
    stream = Stream(ctx, ctx.database(TABLES))
    ctx.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where database = '{stream.db}'")
    assert stream.child.wait(15) == 1
    assert "terminat" in stream.errors() and stream.lines() == [], stream.errors()
    nothing_left(stream)


def test_wrong_usage(ctx):
    for args, phrase in (([], "Usage: walwire stream"), (["--tabel", "x", "dbname=x"], "Usage: walwire stream"),
                         (["dbname=x", "--set", "nonsense"], "NAME=VALUE"), (["dbname=x hostaddr=127.0.0.1"], "hostaddr")):
        done = run("stream", *args)
        assert done.returncode in (1, 2) and phrase in done.stderr and done.stdout == "", done
    done = run("stream", ctx.postgres.url(ctx.database(TABLES)), "--set", "decimal.handling.mode=odd")
    assert done.returncode == 1 and "decimal.handling.mode" in done.stderr and len(done.stderr.splitlines()) == 1, done


def test_what_is_asked_of_the_connection_holds(ctx):
    """What --set and the connection string ask for is insisted upon, whatever libpq's own presets are: this server has no TLS and no SCRAM."""
    url = ctx.postgres.url(ctx.database(TABLES))
    for args, phrase in ((["--set", "database.sslmode=require"], "SSL"), (["--set", "database.channelBinding=require"], "channel binding")):
        done = run("stream", url, *args)
        assert done.returncode == 1 and phrase in done.stderr, done
    done = run("check", url + "?channel_binding=require")
    assert done.returncode == 1 and "channel binding" in done.stdout, done
