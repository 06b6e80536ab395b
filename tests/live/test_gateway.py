"""Gateways: nodes that serve browsers from Kafka's topics, of which any may go. docs/GATEWAY.md."""
import json, os, random, re, signal, time, urllib.request

from fold import difference, name_of, table
from process import ROOT, Process, at_exit, free_port, temp_dir, wait_until
from subscriptions import Client, Told, welcomes
from tokens import SECRET, bearer, token
from walwire import BINARY, run
from websocket import Closed, WebSocket
from writer import Writer

METADATA_ON = {"provide.transaction.metadata": "true", "walwire.transaction.position": "true"}
METADATA = {"provide__transaction__metadata": "true", "walwire__transaction__position": "true", "skipped__operations": "none"}


# Three partitions for each table; the topic of transactions has one.
PARTITIONED = {"topic__creation__default__partitions": "3", "topic__creation__default__replication__factor": "1",
               "topic__creation__groups": "tx", "topic__creation__tx__include": r".*\.transaction",
               "topic__creation__tx__partitions": "1", "topic__creation__tx__replication__factor": "1"}


class Gateway:
    """`walwire gateway` for one connector; `settings` override its file's."""

    def __init__(self, ctx, prefix, start=True, **settings):
        self.dir, self.ws_port, self.port = temp_dir("gateway"), free_port(), free_port()
        self.ws, self.base = f"ws://127.0.0.1:{self.ws_port}/ws", f"http://127.0.0.1:{self.port}"
        self.log_path, self.process = os.path.join(self.dir, "log"), None
        settings = {"bootstrap.servers": ctx.kafka.bootstrap, "topic.prefix": prefix, "listeners": self.base,
                    "websocket.listeners": f"http://127.0.0.1:{self.ws_port}", "web.dir": os.path.join(ROOT, "web"),
                    **{k.replace("__", "."): v for k, v in settings.items()}}
        self.file = os.path.join(self.dir, "gateway.properties")
        with open(self.file, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in settings.items())
        at_exit(self.stop)
        if start:
            self.start()

    def start(self, streaming=True):
        self.process = Process([BINARY, "gateway", self.file], self.log_path, cwd=self.dir)
        if streaming:
            wait_until(self.welcomes, 30, "the gateway to stream")
        return self

    def welcomes(self):
        assert self.process.running(), self.process.tail()
        ws = WebSocket(self.ws)
        try:
            return ws.recv(5)["type"] == "welcome"
        except Closed:
            return False
        finally:
            ws.close()

    def stop(self):
        return self.process.stop(signal.SIGTERM, 20) if self.process else None

    def sigkill(self):
        self.process.kill()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()


def connected(ctx, setup, **settings):
    """A fresh database whose changes go to Kafka with all that gateways need."""
    db = ctx.database(setup)
    spec = ctx.connector(db, **{"table__include__list": r"public\..*", **METADATA, **settings})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    return db, spec, engine


class Follower:
    """A client that goes from node to node with epoch and position, and folds strictly: a change that is missing or told
    twice is an error at once."""

    def __init__(self, of, rows, **request):
        self.of, self.rows, self.request, self.at = of, dict(rows), request, None
        self.n, self.ws, self.last = 0, None, ""

    def go(self, node, resume=True):
        if self.ws:
            self.ws.close()
        self.ws = WebSocket(node.ws)
        epoch = self.ws.recv_type("welcome")["epoch"]
        if self.at is None:
            self.at = {"epoch": epoch}
        request = {"type": "subscribe", "id": 1, "table": self.of, **self.request}
        if "pos" in self.at:
            request["from"] = self.at
        self.ws.send(request)
        got = self.ws.recv_type(("subscribed", "reset", "error"))
        assert got["type"] == "subscribed", got
        assert got["mode"] == ("resume" if "pos" in self.at else "live"), got
        self.key, self.at["pos"] = got["key"], got["pos"]
        return self

    def take(self, timeout=10):
        m = self.ws.recv(timeout)
        if m["type"] == "change":
            self._change(m)
            self.at["pos"] = m["pos"]
        elif m["type"] == "heartbeat":
            self.at["pos"] = max(self.at["pos"], m["pos"])
        else:
            assert m["type"] in ("pong",), m
        return m

    def _change(self, m):
        assert m["pos"] > self.last, f"{m['pos']} after {self.last}"
        self.last, self.n = m["pos"], self.n + 1
        if m["op"] == "t":
            self.rows.clear()
            return
        key = name_of(m["key"])
        assert (key in self.rows) == (m["op"] != "c"), f"{m['op']} of {key}, which is {'' if key in self.rows else 'not '}there"
        if m["op"] == "d":
            del self.rows[key]
        else:
            assert m["op"] == "c" or m["row"]["ver"] == self.rows[key]["ver"] + 1 or m["row"]["ver"] == 0, (m, self.rows[key])
            self.rows[key] = m["row"]

    def until(self, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout} s, after {self.n} changes"
            try:
                self.take(1)
            except TimeoutError:
                pass

    def equals(self, ctx, db, name):
        """Reads on until the rows are the table's."""
        wanted = table(ctx.postgres, db, name)
        self.until(lambda: self.rows.keys() == wanted.keys() and not difference(self.rows, wanted))


ITEMS = """
create table items(id bigint primary key, ver int not null default 0, pad text);
create table other(id bigint generated always as identity primary key, v int);
insert into items (id, pad) select i, 'first' from generate_series(1, 50) i"""

# Also keys that change, and other tables in the same transaction.
CHANGES = """
    insert into items (id, pad) select 1000 * i + k, 'n' from generate_series(1, 1 + i % 5) k;
    insert into other (v) select i from generate_series(1, i % 3);
    update items set ver = ver + 1 where id in (1 + i % 50, 1 + (i * 7) % 50);
    delete from items where id = 1000 * (i - 3) + 1;
    update items set id = id + 500, ver = 0 where id = 1000 * (i - 5) + 2;
    if i % 50 = 25 then
      insert into items (id, pad) select 1000000000 + 1000 * i + k, repeat('p', 100) from generate_series(1, 500) k;
    end if;"""


def test_a_client_that_loses_its_node_resumes_on_the_other(ctx):
    """Two nodes, one killed with SIGKILL under load, again and again: no change is missing, none comes twice."""
    db, spec, engine = connected(ctx, ITEMS, **PARTITIONED)
    ctx.postgres.psql("insert into other (v) values (0); update items set ver = 1 where id = 1", db)
    nodes = [Gateway(ctx, spec["name"]), Gateway(ctx, spec["name"])]
    f = Follower("public.items", table(ctx.postgres, db, "items")).go(nodes[0])
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for turn in range(4):
            seen = f.n
            f.until(lambda: f.n > seen + 400)
            nodes[turn % 2].sigkill()
            f.go(nodes[1 - turn % 2])
            nodes[turn % 2].start()
    f.equals(ctx, db, "items")
    return f"{f.n} changes"


def test_a_client_moves_between_engine_and_gateway(ctx):
    """In the midst of transactions too, some with truncates, messages and skipped updates in them: positions are the same on both
    sides."""
    db, spec, engine = connected(ctx, ITEMS, skipped__operations="t")
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    gateway = Gateway(ctx, spec["name"])
    f = Follower("public.items", table(ctx.postgres, db, "items")).go(engine)
    chance = random.Random(7)
    with Writer(ctx.postgres, db, "truncate other;" + CHANGES +
                "perform pg_logical_emit_message(true, 'app', 'x'); update items set ver = ver + 1 where id = 9;", pause=0.005):
        for turn in range(8):
            seen, more = f.n, chance.randint(50, 150)
            f.until(lambda: f.n > seen + more)
            f.go(gateway if turn % 2 == 0 else engine)
    f.equals(ctx, db, "items")
    return f"{f.n} changes"


def test_an_engine_that_is_killed_repeats_nothing_at_a_gateway(ctx):
    """What it sends again after a restart was taken before: by the transaction, not by the record."""
    db, spec, engine = connected(ctx, ITEMS, **PARTITIONED)
    ctx.postgres.psql("insert into other (v) values (0); update items set ver = 1 where id = 1", db)
    gateway = Gateway(ctx, spec["name"])
    f = Follower("public.items", table(ctx.postgres, db, "items")).go(gateway)
    with Writer(ctx.postgres, db, CHANGES, pause=0.01):
        for _ in range(3):
            seen = f.n
            f.until(lambda: f.n > seen + 200)
            engine.sigkill()
            engine.start()
            engine.wait_running(spec["name"])
    f.equals(ctx, db, "items")
    return f"{f.n} changes"


def snapshot_of(node, **request):
    """A subscription with a snapshot, its rows read."""
    client = Client(node)
    told = client.subscribe(Told(1, snapshot=True, **request))
    client.read(lambda: told.ready)
    return client, told


def test_snapshots_are_asked_of_the_engine(ctx):
    """Rows, then changes, under a writer: none missed, none twice, by strict folding; with a filter and columns; an empty table."""
    db, spec, engine = connected(ctx, ITEMS + "; create table void(id int primary key)")
    ctx.postgres.psql("update items set ver = 1 where id = 1; insert into void values (1); delete from void", db)
    gateway = Gateway(ctx, spec["name"], gateway__upstream=engine.web)
    with Writer(ctx.postgres, db, CHANGES, pause=0.02):
        open_ones = []
        for turn in range(6):
            where = {} if turn % 2 else {"where": ["id", "lt", 1000], "columns": ["id", "ver"]}
            client, told = snapshot_of(gateway, **where)
            seen = len(told.changes)
            open_ones.append((client, told, where, seen))
        for client, told, _, seen in open_ones:
            client.read(lambda: len(told.changes) > seen + 50)
    for client, told, where, _ in open_ones:
        wanted = {k: r for k, r in table(ctx.postgres, db, "items").items() if not where or r["id"] < 1000}
        if where:
            wanted = {k: {c: r[c] for c in ("id", "ver")} for k, r in wanted.items()}
        client.read(lambda: not difference(told.rows, wanted))
    assert snapshot_of(gateway, table="public.void")[1].ready["count"] == 0


def test_without_an_engine_there_are_no_snapshots(ctx):
    db, spec, engine = connected(ctx, ITEMS)
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    for settings, code, text in (({}, "unsupported", "gateway.upstream"),
                                 ({"gateway__upstream": f"http://127.0.0.1:{free_port()}"}, "snapshot_failed", "gateway.upstream")):
        ws = WebSocket(Gateway(ctx, spec["name"], **settings).ws)
        ws.send({"type": "subscribe", "id": 1, "table": "public.items", "snapshot": True})
        got = ws.recv_type("error")
        assert got["code"] == code and text in got["message"], got


def test_rows_that_cannot_be_asked_for_are_refused_for_good(ctx):
    """More columns than an address can name: nobody is told to try again and again."""
    wide = ", ".join(f"a_rather_long_name_of_a_column_{i} int" for i in range(600))
    db, spec, engine = connected(ctx, f"create table wide(id int primary key, {wide}); insert into wide values (1)")
    ctx.postgres.psql("insert into wide values (2)", db)
    ws = WebSocket(Gateway(ctx, spec["name"], gateway__upstream=engine.web).ws)
    ws.send({"type": "subscribe", "id": 1, "table": "public.wide", "snapshot": True})
    got = ws.recv_type("error")
    assert (got["code"], got["retry"]) == ("snapshot_failed", False) and "too long" in got["message"], got
    ws.send({"type": "subscribe", "id": 2, "table": "public.wide", "snapshot": True, "columns": ["id"]})
    assert [r["id"] for r in ws.recv_type("rows")["rows"]] == [1, 2]


def test_rules_hold_for_rows_of_the_engine(ctx):
    """A gateway with tokens and rules asks an engine that shows everything only for what the client may see."""
    db, spec, engine = connected(ctx, "create table items(id int primary key, org int, note text, secret text); "
                                      "insert into items select i, i % 3, 'n' || i, 's' from generate_series(1, 30) i")
    ctx.postgres.psql("update items set note = 'x' where id = 1", db)
    rules = os.path.join(temp_dir("rules"), "rules.json")
    with open(rules, "w") as f:
        json.dump({"rules": [{"table": "public.items", "columns": ["id", "org", "note"], "where": ["org", "eq", {"claim": "org"}]}]}, f)
    gateway = Gateway(ctx, spec["name"], start=False, gateway__upstream=engine.web, websocket__auth__jwt__secret=SECRET,
                      websocket__rules__file=rules)
    gateway.start(streaming=False)
    shown = bearer(token(sub="a", org=1))

    def welcome():
        ws = WebSocket(gateway.ws, headers=shown)
        try:
            return ws if ws.recv(5)["type"] == "welcome" else None
        except Closed:
            return None
    ws = wait_until(welcome, 30, "the gateway to stream")
    ws.send({"type": "subscribe", "id": 1, "table": "public.items", "snapshot": True, "where": ["id", "le", 20]})
    rows = {r["id"]: r for r in ws.recv_type("rows")["rows"]}
    assert sorted(rows) == [i for i in range(1, 21) if i % 3 == 1], sorted(rows)
    assert all(r.keys() == {"id", "org", "note"} for r in rows.values())
    ws.recv_type("ready")
    ctx.postgres.psql("update items set secret = 't', note = 'y' where id in (2, 4)", db)
    assert ws.recv_type("change")["row"] == {"id": 4, "org": 1, "note": "y"}


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.headers, answer.read().decode()


def test_http_at_a_gateway(ctx):
    """Rows with the engine's position; health and metrics."""
    db, spec, engine = connected(ctx, ITEMS)
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    gateway = Gateway(ctx, spec["name"], gateway__upstream=engine.web)
    head, text = get(f"http://127.0.0.1:{gateway.ws_port}/v1/snapshot?table=public.items")
    rows = {name_of({"id": r["id"]}): r for r in map(json.loads, text.splitlines())}
    assert not difference(rows, table(ctx.postgres, db, "items"))
    f = Follower("public.items", rows)
    f.at = {"epoch": head["walwire-epoch"], "pos": head["walwire-position"]}
    f.go(gateway)
    ctx.postgres.psql("update items set ver = ver + 1 where id = 7", db)
    f.equals(ctx, db, "items")
    health = json.loads(get(gateway.base + "/health")[1])
    assert health["status"] == "UP" and health["connectors"][0]["state"] == "STREAMING", health
    metrics = get(gateway.base + "/metrics")[1]
    assert f'walwire_gateway_transactions_total{{connector="{spec["name"]}"}}' in metrics, metrics
    with open(os.path.join(ROOT, "docs", "GATEWAY.md")) as f:
        document = f.read()
    for name in re.findall(r"^# TYPE (walwire_gateway_\w+)", metrics, re.M):
        assert f"`{name}`" in document, f"docs/GATEWAY.md does not tell of {name}"


def replay(ctx, case):
    """Puts records as Debezium wrote them (tests/compat/golden) into topics of their own, with numbers where the file has words.
    Returns the prefix and how many events of tables there are. The last transaction comes twice, as after a restart."""
    with open(os.path.join(ROOT, "tests/compat/golden", case + ".json")) as f:
        golden = json.load(f)
    prefix = f"g{os.urandom(4).hex()}"
    topics = {name.replace("PREFIX", prefix): list(records) for name, records in golden["topics"].items()}
    ends = [r["value"]["payload"] for r in topics.pop(f"{prefix}.transaction") if r["value"]["payload"]["status"] == "END"]
    position = {"ts_ms": 5, "ts_us": 5, "ts_ns": 5, "lsn": 1, "txId": 1, "sequence": "[]", "name": prefix, "db": "d", "version": "v"}

    def put(topic, record, tx):
        for part in ("key", "value"):
            if record[part] and record[part].get("schema") is not None:
                record[part] = {"schema": golden["schemas"][record[part]["schema"]], "payload": record[part]["payload"]}
        if record["value"]:
            payload = record["value"]["payload"]
            payload["source"] = {**payload["source"], **position}
            payload["transaction"]["id"] = f"{tx}:1"
        ctx.kafka.produce(topic, record["value"] and json.dumps(record["value"]), json.dumps(record["key"]))

    n = 0
    for tx, end in enumerate(ends, 100):
        for c in end["data_collections"]:
            topic = f"{prefix}.{c['data_collection']}"
            for _ in range(c["event_count"]):
                while not topics[topic][0]["value"] or not topics[topic][0]["value"]["payload"]["transaction"]:
                    topics[topic].pop(0)  # tombstones, and messages outside transactions
                for _ in range(2 if tx - 99 == len(ends) else 1):
                    put(topic, json.loads(json.dumps(topics[topic][0])), tx)
                topics[topic].pop(0)
                n += "." in c["data_collection"]
        for _ in range(2 if tx - 99 == len(ends) else 1):
            ctx.kafka.produce(f"{prefix}.transaction", json.dumps({"payload": {**end, "id": f"{tx}:{1000 * tx}", "ts_ms": 5}}), "{}")
    return prefix, n


def test_topics_of_debezium(ctx):
    """Its records as they are, without walwire's header: positions are those of the gateways, the same on all of them."""
    first = f"{100 * 1000 - 1:016X}{0:08X}"  # one before the end of the first transaction's commit record
    prefix, n = replay(ctx, "transactions")
    nodes = [Gateway(ctx, prefix, gateway__retention__ms="86400000") for _ in range(2)]
    seen = []
    for node in nodes:
        ws = WebSocket(node.ws)
        welcome = ws.recv_type("welcome")
        tables = [t["name"] for t in welcome["tables"]]
        for i, name in enumerate(tables):
            ws.send({"type": "subscribe", "id": i, "table": name,
                     "from": {"epoch": welcome["epoch"], "pos": first}})
        got = [ws.recv_type(("change", "reset", "error")) for _ in range(n)]
        assert {m["type"] for m in got} == {"change"}, got
        got.sort(key=lambda m: m["pos"])
        seen.append((welcome["epoch"], tables, [{k: m[k] for k in ("pos", "op", "key", "row")} for m in got]))
    assert seen[0] == seen[1], seen
    assert prefix in seen[0][0]
    return f"{n} changes"


def test_an_engine_takes_its_window_back_from_kafka(ctx):
    """Clients resume over a restart, clean or by SIGKILL, under a writer and when nothing is written meanwhile."""
    db, spec, engine = connected(ctx, ITEMS)
    wait_until(lambda: welcomes(engine), 20, "the engine to stream")
    f = Follower("public.items", table(ctx.postgres, db, "items")).go(engine)
    for turn, stop in enumerate((engine.sigterm, engine.sigkill, engine.sigterm, engine.sigkill)):
        with Writer(ctx.postgres, db, CHANGES, pause=0.01):
            seen = f.n
            f.until(lambda: f.n > seen + 100)
            if turn < 2:  # the client has seen less than the engine has written, and the writer goes on
                stop()
                engine.start()
                engine.wait_streaming(spec, ctx.postgres)
                wait_until(lambda: welcomes(engine), 20, "the engine to stream")
        if turn >= 2:
            f.until(lambda: not difference(f.rows, table(ctx.postgres, db, "items")))
            stop()
            engine.start()
            engine.wait_streaming(spec, ctx.postgres)
            wait_until(lambda: welcomes(engine), 20, "the engine to stream")
        f.go(engine)
        ctx.postgres.psql("drop schema writer cascade; delete from items where id > 50; update items set ver = ver + 1", db)
        f.equals(ctx, db, "items")
    assert "are back from Kafka" in engine.log()
    return f"{f.n} changes"


def test_a_window_that_may_have_a_gap_is_not_taken_back(ctx):
    """With changes meanwhile that no record tells, clients are reset, also those of a gateway."""
    db, spec, engine = connected(ctx, ITEMS)
    wait_until(lambda: welcomes(engine), 20, "the engine to stream")
    f = Follower("public.items", table(ctx.postgres, db, "items")).go(engine)
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    f.equals(ctx, db, "items")
    gateway = Gateway(ctx, spec["name"])
    there = Follower("public.items", {}).go(gateway)
    for settings in ({"provide.transaction.metadata": "false"}, METADATA_ON):
        engine.rest("PUT", f"/connectors/{spec['name']}/config", {**spec["config"], **settings})
        engine.wait_streaming(spec, ctx.postgres)
        ctx.postgres.psql("update items set ver = ver + 1 where id = 1", db)
        wait_until(lambda: ctx.postgres.psql("select max(confirmed_flush_lsn) >= (select pg_current_wal_lsn()) from pg_replication_slots "
                                             f"where slot_name = '{spec['config']['slot.name']}'") == "t", 20, "it to be confirmed")
        engine.restart()
        engine.wait_streaming(spec, ctx.postgres)
        wait_until(lambda: welcomes(engine), 20, "the engine to stream")
        ws = WebSocket(engine.ws)
        ws.send({"type": "subscribe", "id": 1, "table": "public.items", "from": f.at})
        got = ws.recv_type(("subscribed", "reset"))
        assert (got["type"], got.get("reason")) == ("reset", "retention"), got
    got = there.ws.recv_type(("change", "reset"))
    assert (got["type"], got.get("reason")) == ("reset", "retention"), got


TYPES = """
create type mood as enum ('sad', 'ok'); create domain positive as int check (value > 0);
create table kinds(id int primary key, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,3), t text,
  v varchar(20), c char(6), by bytea, j json, jb jsonb, u uuid, d date, ti time, t3 time(3), ts timestamp, ts3 timestamp(3),
  tz timestamptz, ip inet, r int4range, m mood, p positive, x xml, pt point, iv interval, b1 bit, b9 bit(9), ia int[], ta text[],
  na numeric[], tsa timestamp[], ba bool[]);
alter table kinds replica identity full;
create table loud(a int, b text, primary key (b, a))"""

ROWS = """
insert into kinds values (1, true, -7, 9007199254740993, 1.5, 0.1, 123.45, 12.3, E'tëxt\\n"q" \\\\ \\u0001', 'vc', 'ab', '\\xdeadbeef',
  '{"a": 1,  "b":[1,2]}', '{"b": 1}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2020-02-29', '12:34:56.7', '12:34:56.789',
  '2020-02-29 12:34:56.123456', '2020-02-29 12:34:56.5', '2020-02-29 12:34:56.123+05', '10.0.0.1/24', '[1,10)', 'ok', 5, '<a>x</a>',
  '(1.5,-2)', '1 year 2 mons -3 days 04:05:06.789', '1', '101010101', '{1,NULL,3}', '{a,"b c",NULL,"q\\"x"}', '{1.5,2}',
  '{"2020-01-01 00:00:00.5"}', '{t,f,NULL}');
insert into kinds (id) values (2);
insert into kinds (id, i8, f4, f8, n, d, ts, tz, ti, iv, t) values (3, 42, 1e10, 1e15, -0.000001, 'infinity', '-infinity', 'infinity', '24:00:00',
  '-00:00:01.5', ''), (4, -1, 123456.78, 123456789012345.6, 1e30, '0044-03-15 BC', '0044-03-15 01:02:03 BC', '0044-03-15 01:02:03+00 BC', '00:00:00',
  '0', '__x'), (5, 0, 0.0001, 0.00001, 0, '12024-01-01', '12024-01-01 00:00:00', '12024-01-01 00:00:00+00', '23:59:59.999999', '14 mons', 'x'),
  (6, 0, 'NaN', '-Infinity', 0.1, '9999-12-31', '9999-12-31 23:59:59.999999', '1960-01-01 00:00:00.000001+00', '01:02:03', '-1 day 2 hours', 'x'),
  (7, 0, 3.4028235e38, 5e-324, 100, '0001-01-01', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59+00', '01:02:03.000001', '1 day', 'x');
update kinds set t = 'new', n = n + 1 where id < 4;
update kinds set id = 10 where id = 1;
delete from kinds where id in (2, 10);
insert into loud values (1, 'x'), (2, 'y'); update loud set a = 3 where a = 1; delete from loud where a = 2;
truncate kinds, loud;
insert into kinds (id, t) values (1, repeat('large', 2000))"""

PRECISE = {"interval__handling__mode": "string", "column__propagate__source__type": ".*", "decimal__handling__mode": "precise"}


def raw_type(ws, kind):
    """The next message of a type as it came over the wire."""
    while True:
        while not ws.lines:
            ws.lines = [line for line in ws.text(20).split("\n") if line]
        line = ws.lines.pop(0)
        if json.loads(line)["type"] == kind:
            return line


def changes_of(node, n):
    """A function that reads the next n changes of both tables as they come over the wire, and what `subscribed` said."""
    ws = WebSocket(node.ws)
    ws.recv_type("welcome")
    said = []
    for i, name in enumerate(("public.kinds", "public.loud")):
        ws.send({"type": "subscribe", "id": i, "table": name, "old": "full"})
        said.append(ws.recv_type(("subscribed", "error")))
        assert said[-1]["type"] == "subscribed", said[-1]

    def read():
        return [raw_type(ws, "change") for _ in range(n)]
    return read, [{k: s[k] for k in ("key", "columns", "deletes")} for s in said]


def test_envelopes_are_those_of_the_topics(ctx):
    """format debezium: the same bytes at engine and gateway."""
    db, spec, engine = connected(ctx, ITEMS)
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    gateway = Gateway(ctx, spec["name"])
    said = []
    sockets = [WebSocket(node.ws) for node in (engine, gateway)]
    for ws in sockets:
        ws.send({"type": "subscribe", "id": 1, "table": "public.items", "format": "debezium"})
        assert ws.recv_type(("subscribed", "error"))["type"] == "subscribed"
    ctx.postgres.psql("begin; update items set ver = 2 where id = 1; delete from items where id = 2; update items set id = 900 where id = 3; commit",
                      db)
    said = [[raw_type(ws, "change") for _ in range(4)] for ws in sockets]
    assert said[0] == said[1], said
    assert json.loads(said[1][0])["envelope"]["after"]["ver"] == 2, said[1][0]


def compare(ctx, midnight="24:00:00", **settings):
    db, spec, engine = connected(ctx, TYPES, **settings)
    ctx.postgres.psql("insert into kinds (id) values (0); insert into loud values (0, 'first')", db)
    gateway = Gateway(ctx, spec["name"], gateway__identity__full="public.kinds")
    here, there = changes_of(engine, 20), changes_of(gateway, 20)
    ctx.postgres.psql("begin; " + ROWS.replace("24:00:00", midnight) + "; commit", db)
    wanted, got = here[0](), there[0]()
    for a, b in zip(wanted, got):
        assert a == b, f"\n engine  {a}\n gateway {b}"
    return here[1], there[1]


def test_a_gateway_says_what_the_engine_says(ctx):
    """Byte by byte, positions among it; and the columns with the names of their types."""
    said, told = compare(ctx, **PRECISE)
    assert said == told, f"\n engine  {said}\n gateway {told}"


def test_other_ways_to_write_values(ctx):
    """isostring times and decimals as text; without the types' names the values are the same."""
    compare(ctx, midnight="23:00:00", interval__handling__mode="string", decimal__handling__mode="string", time__precision__mode="isostring",
            column__propagate__source__type="public.kinds.b1,public.kinds.b9")


def test_settings_are_checked(ctx):
    for settings, text in (({"gateway__retnetion__ms": "5"}, "gateway.retnetion.ms"), ({"gateway__stall__ms": "soon"}, "gateway.stall.ms"),
                           ({"gateway__names": "a,b"}, "gateway.names"), ({"gateway__upstream": "engine"}, "gateway.upstream"),
                           ({"gateway__topics": "("}, "gateway.topics"), ({"websocket__retention__dir": "/tmp/x"}, "retention.dir")):
        gateway = Gateway(ctx, "any", start=False, **settings)
        done = run("gateway", gateway.file)
        assert done.returncode == 1 and text in done.stderr, (settings, done.stderr)


def test_what_it_needs_is_said(ctx):
    """No topic of transactions: it waits, and says for what. Records without schemas: it ends, and says why."""
    db = ctx.database(ITEMS)
    spec = ctx.connector(db)
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    gateway = Gateway(ctx, spec["name"], start=False).start(streaming=False)
    wait_until(lambda: "provide.transaction.metadata=true" in gateway.log(), 20, "the gateway to say what is missing")
    slim = ctx.connector(db, **METADATA, **{"value__converter": "org.apache.kafka.connect.json.JsonConverter",
                                            "value__converter__schemas__enable": "false"})
    engine.create(slim)
    engine.wait_streaming(slim, ctx.postgres)
    ctx.postgres.psql("update items set ver = 1 where id = 1", db)
    gateway = Gateway(ctx, slim["name"], start=False).start(streaming=False)
    wait_until(lambda: not gateway.process.running(), 30, "the gateway to end")
    assert "value.converter.schemas.enable=true" in gateway.log(), gateway.log()
