"""How far back a browser may resume, and that it may over restarts with `websocket.retention.dir`. Source: docs/PROTOCOL.md, "Resume"."""
import os, random, stat

from fold import difference, table
from services import Closed, WebSocket, wait_until
from subscriptions import Client, Told, changes, started, subscribe, welcomes
from writer import Writer

ITEMS = "create table items(id bigint primary key, v int, note text);"

CHANGES = """
    n := 1 + (i * 7919 + seed * 104729) % 500;
    case i % 5
      when 0 then insert into items values (seed * 100000000 + i, i, 'new');
      when 1 then update items set v = v + 1 where id = n;
      when 2 then delete from items where id = n;
      when 3 then update items set note = seed || '-' || i where id between n and n + 20;
      else insert into items values (n, i, 'again') on conflict (id) do nothing;
    end case;"""


def kept(ctx):
    return os.path.join(ctx.temp_dir(), "kept")


def engine_of(ctx, setup, kafka=False, **worker):
    db = ctx.database(setup)
    spec = ctx.connector(db, table__include__list="public.items,public.other", **worker.pop("settings", {}))
    engine = ctx.walwire(spec, kafka=kafka, **worker)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    return db, spec, engine


def again(ctx, spec, engine, kill=False):
    engine.sigkill() if kill else engine.sigterm()
    wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20, "the slot to be free")
    engine.start()
    wait_until(lambda: welcomes(engine), 30, "the stream to be open to clients")


class Returning:
    """A client that comes back after each loss with the last position that it was told, and folds strictly."""

    def __init__(self, engine):
        self.engine, self.told, self.resets = engine, Told(1, snapshot=True), 0
        self.client = Client(engine)
        self.epoch = self.client.welcome["epoch"]
        self.client.subscribe(self.told)
        self.client.read(lambda: self.told.ready)

    def read(self, until, timeout=30):
        """Until then, or until the connection ends."""
        try:
            self.client.read(until, timeout)
            return True
        except (Closed, ConnectionError, AssertionError) as e:
            if isinstance(e, AssertionError) and "'closing'" not in str(e) and "'heartbeat'" not in str(e):
                raise
            return False

    def resume(self):
        self.client = Client(self.engine)
        assert self.client.welcome["epoch"] == self.epoch
        self.told.request = {"type": "subscribe", "id": 1, "table": "public.items", "from": {"epoch": self.epoch, "pos": self.told.pos}}
        self.client.told[1] = self.told
        self.client.ws.send(self.told.request)
        answer = self.client.ws.recv_type(("subscribed", "reset", "error"))
        assert answer["type"] == "subscribed" and answer["mode"] == "resume", f"{answer} for {self.told.pos}:\n{self.engine.log()[-2000:]}"
        self.told.take(answer)
        self.client.channels[answer["channel"]] = self.told


def follow(ctx, rounds, kill, **more):
    db, spec, engine = engine_of(ctx, ITEMS + "insert into items select i, 0, 'first' from generate_series(1, 500) i;",
                                 websocket__retention__dir=kept(ctx), **more)
    chance, browser = random.Random(7), Returning(engine)
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2), pause=0.004):
        for n in range(rounds):
            count = len(browser.told.changes) + chance.randint(50, 300)
            browser.client.read(lambda: len(browser.told.changes) >= count, 30)
            again(ctx, spec, engine, kill)
            browser.resume()
    ctx.postgres.psql("insert into items values (-1, 0, 'the end')", db)
    browser.client.read(lambda: '{"id": -1}' in browser.told.rows, 30)
    assert difference(browser.told.rows, table(ctx.postgres, db, "items")) == ""
    return engine


def test_a_client_resumes_over_restarts_while_others_write(ctx):
    """What the client is told, folded strictly (nothing missing, nothing twice), is the table."""
    follow(ctx, 4, kill=False)


def test_a_client_resumes_over_kills_while_others_write(ctx):
    follow(ctx, 5, kill=True)


def test_a_client_that_was_away_for_long_resumes_where_it_was(ctx):
    """Long before what the stream repeats: it comes from disk. Without the directory it is a reset."""
    where = kept(ctx)
    db, spec, engine = engine_of(ctx, ITEMS + "create table other(id int primary key);", websocket__retention__dir=where)
    with WebSocket(engine.ws) as ws:
        epoch = ws.recv_type("welcome")["epoch"]
        subscribe(ws, table="public.items")
        ctx.postgres.psql("insert into items values (0, 0, 'first')", db)
        pos = ws.recv_type("change")["pos"]
        for i in range(1, 20):
            ctx.postgres.psql(f"insert into items values ({i}, {i}, 'more'); insert into other values ({i})", db)
        told = changes(ws, 19)
        figures = dict(line.split(" ") for line in engine.rest("GET", "/metrics")[1].splitlines() if line.startswith(("walwire_window", "walwire_spool")))
        assert len(figures) == 3 and float(figures["walwire_window_bytes"]) > 0 and float(figures["walwire_spool_bytes"]) > 0, figures
    for kill in (False, True, False):
        again(ctx, spec, engine, kill)
        with WebSocket(engine.ws) as ws:
            ws.recv_type("welcome")
            answer = subscribe(ws, table="public.items", **{"from": {"epoch": epoch, "pos": pos}})
            assert answer["type"] == "subscribed" and answer["mode"] == "resume", answer
            assert [{**m, "channel": 0} for m in changes(ws, 19)] == [{**m, "channel": 0} for m in told]
            answer = subscribe(ws, 2, table="public.items", **{"from": {"epoch": epoch, "pos": "0" * 24}})
            assert answer["type"] == "reset" and answer["reason"] == "retention", answer
    for name in (where, *(os.path.join(d, f) for d, _, files in os.walk(where) for f in files)):
        assert stat.S_IMODE(os.stat(name).st_mode) == (0o700 if os.path.isdir(name) else 0o600), name


def test_a_table_that_changed_while_nobody_looked_begins_anew(ctx):
    """A column of another type, of the same type in another width, and another column of the same name and type."""
    db, spec, engine = engine_of(ctx, ITEMS + "create table other(id int primary key);", websocket__retention__dir=kept(ctx))
    for n, alter in enumerate(("alter v type numeric(9, 2)", "alter v type numeric(9, 1)", "drop note, add note text default 'new'")):
        with WebSocket(engine.ws) as ws:
            epoch = ws.recv_type("welcome")["epoch"]
            subscribe(ws, table="public.items")
            subscribe(ws, 2, table="public.other")
            ctx.postgres.psql(f"insert into items values ({n}, 1, 'a'); insert into other values ({n})", db)
            pos = changes(ws, 2)[0]["pos"]
        engine.sigterm()
        ctx.postgres.psql(f"alter table items {alter}", db)
        engine.start()
        wait_until(lambda: welcomes(engine), 30, "the stream to be open to clients")
        with WebSocket(engine.ws) as ws:
            ws.recv_type("welcome")
            answer = subscribe(ws, table="public.items", **{"from": {"epoch": epoch, "pos": pos}})
            assert answer["type"] == "reset" and answer["reason"] == "schema", (alter, answer)
            answer = subscribe(ws, 2, table="public.other", **{"from": {"epoch": epoch, "pos": pos}})
            assert answer["type"] == "subscribed", answer
            assert changes(ws, 1)[0]["key"] == {"id": n}


def test_beyond_the_window_is_a_reset(ctx):
    """By bytes here; by time in tests/publishers/test_hub_spool.c."""
    db, spec, engine = engine_of(ctx, ITEMS, websocket__retention__dir=kept(ctx), websocket__retention__bytes="65536")
    with WebSocket(engine.ws) as ws:
        epoch = ws.recv_type("welcome")["epoch"]
        subscribe(ws, table="public.items")
        ctx.postgres.psql("insert into items values (0, 0, 'first')", db)
        first = ws.recv_type("change")["pos"]
        for i in range(1, 41):
            ctx.postgres.psql(f"insert into items select {i} * 100 + k, 0, repeat('x', 60) from generate_series(1, 20) k", db)
            last = changes(ws, 20)
    for restart in (False, True):
        if restart:
            again(ctx, spec, engine)
        with WebSocket(engine.ws) as ws:
            ws.recv_type("welcome")
            answer = subscribe(ws, table="public.items", **{"from": {"epoch": epoch, "pos": first}})
            assert answer["type"] == "reset" and answer["reason"] == "retention" and answer["action"] == "resubscribe", answer
            answer = subscribe(ws, table="public.items", **{"from": {"epoch": epoch, "pos": last[4]["pos"]}})
            assert answer["type"] == "subscribed", answer
            assert [m["pos"] for m in changes(ws, 15)] == [m["pos"] for m in last[5:]]


def test_two_processes_do_not_share_a_directory(ctx):
    where = kept(ctx)
    ctx.walwire(kafka=False, websocket__retention__dir=where)
    second = ctx.walwire(kafka=False, websocket__retention__dir=where, start=False)
    try:
        second.start()
        raise AssertionError("the second one is up")
    except AssertionError as e:
        assert "websocket.retention.dir" in str(e) and "in use by another process" in str(e), e


def test_what_is_wrong_with_its_settings_is_said(ctx):
    for name, value, words in (("bytes", "12", "from 65536 to"), ("ms", "soon", "use a number"), ("ms", "-1", "use a number"),
                               ("day", "1", "no such setting"), ("dir", "/dev/null/x", "Not a directory")):
        engine = ctx.walwire(kafka=False, start=False, **{f"websocket.retention.{name}": value})
        try:
            engine.start()
            raise AssertionError(f"{name}={value} was taken")
        except AssertionError as e:
            assert f"websocket.retention.{name}" in str(e) and words in str(e), e
