"""Subscriptions over plain HTTP: /v1/stream and /v1/snapshot. Source: docs/PROTOCOL.md, "HTTP beside it"."""
import base64, hashlib, hmac, http.client, json, os, random, subprocess, time

from events import Events, rows_and_place, snapshot
from fold import difference, table
from process import wait_until
from services import WebSocket
from subscriptions import Told, started
from writer import Writer

ITEMS = "create table items(id bigint primary key, v int, note text);"
ROWS = ITEMS + "create sequence fresh start 1000000000; insert into items select i, 0, 'first' from generate_series(1, 2000) i;"
CHANGES = """
    n := 1 + (i * 7919 + seed * 104729) % 2000;
    case i % 5
      when 0 then insert into items values (seed * 100000000 + i, i, 'new');
      when 1 then update items set v = v + 1 where id = n;
      when 2 then delete from items where id = n;
      when 3 then update items set id = nextval('fresh') where id = n;
      else insert into items values (n, i, 'again') on conflict (id) do nothing;
    end case;"""
THE_END = ("insert into items values (-1, 0, 'the end')", '{"id": -1}')
SECRET = "a secret that is long enough for HS256, as its setting asks for"


def token(secret=SECRET, ttl=300, **claims):
    def b64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    text = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"exp": int(time.time()) + ttl, **claims}))
    return {"Authorization": "Bearer " + text + "." + b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}


def follow(events, told, enough):
    """Folds what comes until there is enough of it."""
    while not enough():
        message = events.event()
        assert message, "the stream ended"
        if message["type"] not in ("welcome", "heartbeat"):
            told.take(message)


# ---- exactly ----


def test_a_client_that_is_cut_off_goes_on_where_it_was(ctx):
    """Four clients are cut off fifteen times each while three sessions write, and come back with Last-Event-ID as EventSource
    does, once in the middle of their rows: each, folded strictly, is the table in the end."""
    db, _, engine = started(ctx, ROWS, table__include__list="public.items")
    dice, clients = random.Random(7), []
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2, 3), pause=0.004):
        for n in range(4):
            told, last_id = Told(n), ""
            for cut in range(15):
                if not last_id:
                    told = Told(n)  # rows that were cut off begin anew
                with Events(engine, last_id, table="public.items", snapshot="true") as events:
                    if cut == 0:
                        events.until("rows")
                        assert events.last_id == "", "an id among rows"
                        continue
                    wanted = len(told.changes) + dice.randrange(1, 60)
                    follow(events, told, lambda: len(told.changes) >= wanted)  # noqa: B023
                    last_id = events.last_id
            clients.append((told, last_id))
    ctx.postgres.psql(THE_END[0], db)
    whole = table(ctx.postgres, db, "items")
    for told, last_id in clients:
        with Events(engine, last_id, table="public.items", snapshot="true") as events:
            follow(events, told, lambda: THE_END[1] in told.rows)  # noqa: B023
        assert difference(told.rows, whole) == "", difference(told.rows, whole)


def test_rows_and_then_a_stream_meet_exactly(ctx):
    """A snapshot's position is where a stream goes on, while others write: 25 pairs, each the table in the end."""
    db, _, engine = started(ctx, ROWS, table__include__list="public.items")
    pairs = []
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2, 3), pause=0.004):
        for n in range(25):
            rows, place = rows_and_place(engine, table="public.items")
            told = Told(n)
            pairs.append((told, Events(engine, table="public.items", from_=place)))
            told.take({"type": "subscribed", "mode": "snapshot", "key": ["id"]})
            told.take({"type": "rows", "rows": rows})
            told.take({"type": "ready", "count": len(rows), "pos": place.rpartition("/")[2]})
    ctx.postgres.psql(THE_END[0], db)
    whole = table(ctx.postgres, db, "items")
    for told, events in pairs:
        assert events.until("subscribed")["mode"] == "resume"
        follow(events, told, lambda: THE_END[1] in told.rows)  # noqa: B023
        events.close()
        assert difference(told.rows, whole) == "", difference(told.rows, whole)
    assert sum(len(told.changes) for told, _ in pairs) > 500


def test_filters_and_columns_come_as_parameters(ctx):
    db, _, engine = started(ctx, ROWS + "alter table items replica identity full; insert into items values (5000, 1, 'a+b&c=d%e \"f\" ä')")
    note = ["note", "eq", 'a+b&c=d%e "f" ä']
    rows, place = rows_and_place(engine, table="public.items", where=note, columns="id,v")
    assert rows == [{"id": 5000, "v": 1}]
    with Events(engine, table="public.items", where=note, columns=["v"], ops="ud", old="none", from_=place) as events:
        assert [c["name"] for c in events.until("subscribed")["columns"]] == ["v"]
        ctx.postgres.psql("update items set v = 7 where id in (1, 5000); delete from items where id in (2, 5000)", db)
        first, second = events.until("change"), events.until("change")
        assert (first["op"], first["key"], first["row"]) == ("u", {"id": 5000}, {"v": 7}) and "old" not in first
        assert (second["op"], second["key"]) == ("d", {"id": 5000})
    assert snapshot(engine, table="public.items", where=["v", "eq", "x"])[0] == 400


# ---- large, slow, broken off ----

LARGE = "create table items(id int primary key, note text); insert into items select i, repeat(md5(i::text), 30) from generate_series(1, 40000) i;"


def test_a_slow_reader_of_rows_costs_no_memory_and_gets_them_all(ctx):
    """40 MB of rows; the reader takes nothing for a while: what waits for it is a few MiB, and nobody else waits."""
    db, _, engine = started(ctx, LARGE)
    connection = http.client.HTTPConnection("127.0.0.1", engine.ws_port, timeout=30)
    connection.request("GET", "/v1/snapshot?table=public.items")
    reply = connection.getresponse()
    before = engine.rss_kb()
    assert json.loads(reply.readline())["id"] == 1
    with Events(engine, table="public.items") as events:
        events.until("subscribed")
        ctx.postgres.psql("insert into items values (0, 'meanwhile')", db)
        assert events.until("change")["key"] == {"id": 0}
    assert engine.rss_kb() - before < 20000 or "SANITIZE" in os.environ, f"{engine.rss_kb() - before} KiB more"
    assert sum(json.loads(line)["id"] > 1 for line in reply) == 39999
    connection.close()


def ended(ctx, db):
    """A reader was in the middle of the rows."""
    return ctx.postgres.psql("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'walwire live rows' and "
                             f"datname = '{db}' and query ~ 'FETCH' and state = 'idle in transaction'") == "1"


def test_rows_that_break_off_are_no_whole_body(ctx):
    """The statement that reads is ended in the middle: curl and Python say that the body is not whole."""
    db, _, engine = started(ctx, LARGE)
    curl = subprocess.Popen(["curl", "-sS", "--limit-rate", "1M", f"{engine.web}/v1/snapshot?table=public.items"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    connection = http.client.HTTPConnection("127.0.0.1", engine.ws_port, timeout=30)
    wait_until(lambda: ended(ctx, db), 10, "a reader to end")
    assert "transfer closed" in curl.communicate(timeout=30)[1] and curl.returncode == 18
    connection.request("GET", "/v1/snapshot?table=public.items")
    reply = connection.getresponse()
    assert reply.status == 200
    wait_until(lambda: ended(ctx, db), 10, "a reader to end")
    try:
        reply.read()
        raise AssertionError("a part was taken for the whole")
    except http.client.IncompleteRead:
        connection.close()
    assert engine.running()


def test_a_locked_table_is_a_status(ctx):
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 0, 'a');")
    psql = ctx.postgres.held(db, "lock table items in access exclusive mode")
    status, headers, body = snapshot(engine, table="public.items")
    assert (status, body["code"], body["retry"]) == (503, "snapshot_failed", True) and headers["Retry-After"]
    psql.communicate("rollback;\n")
    assert snapshot(engine, table="public.items")[0] == 200


def test_rows_of_a_quiet_server_need_no_other_traffic(ctx):
    """A transaction that wrote and is still open leaves WAL behind that nobody flushes; the rows are more than what may wait."""
    db, _, engine = started(ctx, LARGE)
    psql = ctx.postgres.held(db, "insert into items values (0, 'open')")
    rows, place = rows_and_place(engine, table="public.items", columns="id")
    assert len(rows) == 40000
    rows, place = rows_and_place(engine, table="public.items")
    assert len(rows) == 40000
    psql.communicate("commit;\n")
    with Events(engine, table="public.items", from_=place) as events:
        assert events.until("change")["key"] == {"id": 0}


# ---- who may ----


def test_tokens_rules_and_limits_are_those_of_the_websocket(ctx):
    rules = os.path.join(ctx.temp_dir(), "rules.json")
    with open(rules, "w") as f:
        json.dump({"rules": [{"table": "public.items", "columns": ["id", "v"], "where": ["v", "eq", {"claim": "org"}]}]}, f)
    os.chmod(rules, 0o600)
    db = ctx.database(ITEMS + "alter table items replica identity full; insert into items values (1, 1, 'hers'), (2, 2, 'his');")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, kafka=False, websocket__auth__jwt__leeway__seconds="0", websocket__rules__file=rules,
                         **{"websocket.auth.jwt.secret": SECRET, "websocket.max.connections.per.subject": "2"})
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: snapshot(engine, token(sub="probe", org=0), table="public.items")[0] == 200, 10, "the stream to be open")
    ask = {"table": "public.items"}
    for headers in ({}, token(secret="x" * 40), token(ttl=-1), {"Authorization": "Basic YTpi"}):
        for got in (snapshot(engine, headers, **ask), (Events(engine, headers=headers, **ask).status, {}, {"error": "refused"})):
            assert (got[0], got[2]) == (401, {"error": "refused"}), got
    assert snapshot(engine, token(sub="ada", org=1), **ask)[2] == [{"id": 1, "v": 1}]
    status, _, body = snapshot(engine, token(sub="ada", org=1), **ask, where=["note", "eq", "his"])
    assert status == 400 and "note" in body["message"] and "his" not in body["message"]
    assert snapshot(engine, token(sub="ada"), **ask)[0] == 404, "without the claim there is no table"
    with Events(engine, headers=token(sub="ada", org=1, ttl=3), **ask) as short, Events(engine, headers=token(sub="ada", org=1), **ask) as kept:
        kept.until("subscribed")
        short.until("subscribed")
        assert snapshot(engine, token(sub="ada", org=1), **ask)[0] == 429, "a third connection of one subject"
        ctx.postgres.psql("insert into items values (3, 2, 'his'), (4, 1, 'hers')", db)
        assert kept.until("change")["row"] == {"id": 4, "v": 1}
        assert short.until("closing")["code"] == 4005 and short.event() is None
    assert "v1/stream [" in engine.log() and "subject ada reads public.items: rule 1" in engine.log()


# ---- real clients ----


def test_curl_shows_rows_and_events(ctx):
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 0, 'a'), (2, 0, 'b');")
    def curl(*args):
        return subprocess.run(["curl", "-sS", "--max-time", "20", *args], capture_output=True, text=True)
    done = curl("-i", f"{engine.web}/v1/snapshot?table=public.items&columns=id,note")
    assert done.stdout.endswith('{"id":1,"note":"a"}\n{"id":2,"note":"b"}\n'), done.stdout
    head = dict(line.lower().split(": ", 1) for line in done.stdout.splitlines() if ": " in line and not line.startswith("{"))
    place = head["walwire-epoch"] + "/" + head["walwire-position"].upper()
    ctx.postgres.psql("update items set note = 'c' where id = 1", db)
    stream = subprocess.Popen(["curl", "-sSN", "-H", f"Last-Event-ID: {place}", f"{engine.web}/v1/stream?table=public.items"],
                              stdout=subprocess.PIPE, text=True)
    for line in stream.stdout:
        if line == "event: change\n":
            assert stream.stdout.readline().startswith("id: ")
            assert json.loads(stream.stdout.readline().removeprefix("data: "))["row"]["note"] == "c"
            break
    stream.kill()
    stream.communicate()
    assert curl("-f", f"{engine.web}/v1/snapshot?table=public.none").returncode == 22


PAGE = """new Promise((resolve, reject) => {
  const got = [], source = new EventSource("/v1/stream?table=public.items&snapshot=true");
  const note = e => got.push([e.type, e.lastEventId, JSON.parse(e.data)]);
  for (const type of ["subscribed", "rows", "ready", "change", "closing"]) source.addEventListener(type, note);
  window.got = got;
  window.source = source;
  source.addEventListener("ready", () => resolve(got.length));
  setTimeout(() => reject("no ready"), 15000);
})"""


def test_an_event_source_of_chromium_goes_on_after_a_restart(ctx):
    """The engine ends and comes again: the browser reconnects by itself, with its last id, and misses nothing."""
    db, spec, engine = started(ctx, ITEMS + "insert into items values (1, 0, 'a');")
    browser = ctx.browser()
    browser("open", url=engine.web)
    assert browser("eval", js=PAGE)["value"] == 3
    ctx.postgres.psql("insert into items values (2, 0, 'before')", db)
    wait_until(lambda: browser("eval", js="got.filter(e => e[0] === 'change').length")["value"] == 1, 10, "the first change")
    engine.sigterm()
    ctx.postgres.psql("insert into items values (3, 0, 'meanwhile')", db)
    engine.start()
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (4, 0, 'after')", db)
    wait_until(lambda: browser("eval", js="got.filter(e => e[0] === 'change').length")["value"] >= 3, 30, "the changes after the restart")
    got = browser("eval", js="got")["value"]
    assert [e[2]["key"]["id"] for e in got if e[0] == "change"] == [2, 3, 4], got
    assert [e[2]["mode"] for e in got if e[0] == "subscribed"] == ["snapshot", "resume"], got
    assert browser("eval", js="source.close()") is not None


def test_a_websocket_and_a_stream_tell_the_same(ctx):
    db, _, engine = started(ctx, ITEMS)
    with Events(engine, table="public.items") as events, WebSocket(engine.ws) as ws:
        ws.send({"type": "subscribe", "id": 1, "table": "public.items"})
        ws.recv_type("subscribed")
        events.until("subscribed")
        ctx.postgres.psql("insert into items values (1, 0, 'a'); update items set v = 2; delete from items; truncate items", db)
        for _ in range(4):
            assert {**ws.recv_type("change"), "channel": 0} == {**events.until("change"), "channel": 0}
