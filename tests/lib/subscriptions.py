"""Clients of walwire.v1 for tests: subscriptions folded strictly, and the engine that they ask."""
from fold import name_of
from process import wait_until
from websocket import Closed, WebSocket


class Told:
    """A subscription folded: strict, so that a change that is missing or told twice is an error at once."""

    def __init__(self, sub_id, **request):
        self.request = {"type": "subscribe", "id": sub_id, "table": "public.items", **request}
        self.subscribed, self.ready, self.rows, self.pos, self.changes = None, None, {}, "", []

    def take(self, m):
        kind = m["type"]
        if kind == "subscribed":
            self.subscribed = m
        elif kind == "rows":
            assert not self.ready
            for row in m["rows"]:
                key = self._key(row)
                assert key not in self.rows, f"row {key} was read twice"
                self.rows[key] = row
        elif kind == "ready":
            assert m["count"] == len(self.rows)
            self.ready, self.pos = m, m["pos"]
        elif kind == "change":
            self._change(m)
        else:
            raise AssertionError(f"not expected: {m}")

    def _key(self, row):
        return name_of({k: row[k] for k in self.subscribed["key"]})

    def _change(self, m):
        assert self.ready or self.subscribed["mode"] != "snapshot", "a change came before ready"
        assert m["pos"] > self.pos, f"{m['pos']} after {self.pos}"
        self.pos, key, op = m["pos"], name_of(m["key"]), m["op"]
        self.changes.append(m)
        assert (key in self.rows) == (op != "c"), f"{op} of {key}, which is {'' if key in self.rows else 'not '}there"
        if op == "d":
            assert m["row"] is None
            del self.rows[key]
        else:
            self.rows[key] = {**self.rows.get(key, {}), **m["row"]}


class Client:
    """A connection with its subscriptions; every message goes to the one that it is for."""

    def __init__(self, engine, path=""):
        self.ws = WebSocket(engine.ws + path)
        self.welcome = self.ws.recv_type("welcome")
        self.told, self.channels = {}, {}

    def subscribe(self, told):
        self.told[told.request["id"]] = told
        self.ws.send(told.request)
        return told

    def read(self, until, timeout=20):
        while not until():
            m = self.ws.recv(timeout)
            if m["type"] == "change":
                self.channels[m["channel"]].take(m)
            elif "id" in m:
                self.told[m["id"]].take(m)
                if m["type"] == "subscribed":
                    self.channels[m["channel"]] = self.told[m["id"]]


def started(ctx, setup, **settings):
    """An engine for browsers only, streaming a fresh database."""
    db = ctx.database(setup)
    return db, *streaming(ctx, ctx.postgres, db, settings)


def started_on(ctx, server, setup, **settings):
    """The same with a server of the test's own, in whose database `shop` the tables are."""
    server.psql("create database shop")
    server.psql(setup, "shop")
    return streaming(ctx, server, "shop", settings)[1]


def streaming(ctx, server, db, settings):
    spec = ctx.connector(db, server, **settings)
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, server)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    return spec, engine


def welcomes(engine):
    """Its browsers' side may be a moment behind its stream: 4013 until then."""
    try:
        return Client(engine).ws.close() is None
    except Closed:
        return False


def subscribe(ws, sub_id=1, **request):
    """Sends it and returns the answer."""
    ws.send({"type": "subscribe", "id": sub_id, **request})
    return ws.recv_type(("subscribed", "error", "reset"))


def changes(ws, count, timeout=10):
    return [ws.recv_type("change", timeout) for _ in range(count)]
