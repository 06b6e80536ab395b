"""Who may see what over a WebSocket: tokens, rules, limits. Sources: docs/SECURITY.md, docs/PROTOCOL.md."""
import hashlib, hmac, http.server, json, os, random, re, signal, subprocess, threading, time

from fold import difference, name_of, table
from process import wait_until
from services import Closed, Refused, WebSocket
from subscriptions import Client, Told, subscribe
from tokens import SECRET, b64, bearer, token, unsigned
from writer import Writer

REFUSED = '{"error":"refused"}'
ITEMS = "create table items(id int primary key, org int, note text); create table hidden(id int primary key);"
RULES = [{"table": "public.items", "where": ["org", "eq", {"claim": "org"}]}]


def connected(engine, text, **more):
    """With the token in the upgrade; after welcome."""
    ws = WebSocket(engine.ws, headers={**bearer(text), **more})
    ws.welcome = ws.recv_type("welcome")
    return ws


def status(engine, text=None, **headers):
    """101, or the status of the refusal; all refusals have the same body."""
    try:
        WebSocket(engine.ws, headers={**(bearer(text) if text else {}), **headers}).close()
        return 101
    except Refused as refused:
        assert refused.body == REFUSED, refused.body
        return refused.status


def write(path, text):
    with open(path + ".new", "w") as f:
        f.write(text if isinstance(text, str) else json.dumps(text))
    os.chmod(path + ".new", 0o600)
    os.replace(path + ".new", path)
    return path


def rules_file(ctx, rules):
    return write(os.path.join(ctx.temp_dir(), "rules.json"), {"rules": rules})


def welcomes(engine, text):
    try:
        return connected(engine, text).close() is None
    except (Closed, Refused):
        return False


def guarded(ctx, setup, text=None, settings=None, **worker):
    """An engine that asks for tokens, streaming a fresh database, with a welcome for this token."""
    db = ctx.database(setup)
    spec = ctx.connector(db, **(settings or {}))
    if not any("key__file" in name or "jwks" in name for name in worker):
        worker["websocket.auth.jwt.secret"] = SECRET
    engine = ctx.walwire(spec, kafka=False, **worker)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine, text or token(sub="probe", org=0)), 10, "the stream to be open to clients")
    return db, engine


def closes(ws, code, timeout=20):
    assert ws.recv_type("closing", timeout)["code"] == code
    try:
        while True:
            ws.recv(5)
    except Closed as closed:
        assert closed.code == code, closed.code


# ---- tokens ----


def test_bad_tokens_are_refused_before_the_upgrade(ctx):
    """Attacks on the token, each as a header of the upgrade and as a message; foreign pages; all with the same body."""
    db, engine = guarded(ctx, ITEMS, websocket__auth__jwt__leeway__seconds="0", websocket__rules__file=rules_file(ctx, RULES))
    good, now = token(sub="ada", org=1), int(time.time())
    head, body, mac = good.split(".")
    attacks = {
        "another secret": token(secret="x" * 40), "no signature": f"{head}.{body}.", "two parts": f"{head}.{body}", "four parts": good + "." + mac,
        "padding": good + "=", "half a mac": good[:-20], "another payload": f"{head}.{b64({'exp': now + 9, 'org': 2})}.{mac}",
        "expired": token(ttl=-1), "not yet": token(nbf=now + 60), "from the future": token(iat=now + 60), "another audience": token(aud="elsewhere"),
        "critical": token({"crit": ["x"]}), "type": token({"typ": "logout+jwt"}), "hs512": token({"alg": "HS512"}), "kid list": token({"kid": ["a"]}),
        "large": token(pad="a" * 8000), "nothing": "", "rubbish": "\x7f" * 30,
        **{f"alg {alg}": unsigned({"org": 1}, {"alg": alg}) + "." for alg in ("none", "None", "nOnE", "")},
        **{f"alg {alg} with a mac": token({"alg": alg}) for alg in ("none", "RS256", "ES256")},
    }
    twice = b64(b'{"exp":%d,"org":1,"org":2}' % (now + 60))
    attacks["a claim twice"] = f"{head}.{twice}." + b64(hmac.new(SECRET.encode(), f"{head}.{twice}".encode(), hashlib.sha256).digest())
    for name, attack in attacks.items():
        if attack and attack.isprintable():
            assert status(engine, attack) == 401, name
        with WebSocket(engine.ws) as ws:
            ws.send({"type": "auth", "token": attack})
            closes(ws, 4100)
    assert status(engine, good) == 101
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{engine.ws_port}.evil.example", "https://127.0.0.1"):
        assert status(engine, good, Origin=origin) == 403
    assert status(engine, attacks["expired"], Origin="http://evil.example") == 403
    assert status(engine, good, Origin=engine.web) == 101
    try:
        WebSocket(engine.ws, protocols=("walwire.v1", "bearer." + good))
        raise AssertionError("a token among the subprotocols was taken")
    except Refused as refused:
        assert (refused.status, refused.body) == (400, REFUSED)
    log = engine.log()
    assert "its token is refused" in log and good not in log and mac not in log and SECRET not in log
    assert engine.running()


def test_before_its_token_a_client_learns_nothing(ctx):
    """No welcome, no table, not even which connectors there are; after ten seconds it is sent away."""
    db, engine = guarded(ctx, ITEMS, websocket__rules__file=rules_file(ctx, RULES))
    waiting = WebSocket(engine.ws + "?connector=none")
    ws, began = WebSocket(engine.ws), time.monotonic()
    ws.send({"type": "subscribe", "id": 1, "table": "public.items"})
    assert ws.recv()["code"] == "unauthorized"
    ws.send({"type": "ping", "n": 1})
    assert ws.recv() == {"type": "pong", "n": 1}
    closes(ws, 4100)
    assert 9 < time.monotonic() - began < 13
    closes(waiting, 4100)
    late = WebSocket(engine.ws)
    late.send({"type": "auth", "token": token(sub="ada", org=1)})
    assert [t["name"] for t in late.recv_type("welcome")["tables"]] == ["public.items"]


def test_tokens_end_and_are_renewed(ctx):
    """4005 at the end; a newer token in time keeps the connection; it stays its subject's; other rights reset."""
    db, engine = guarded(ctx, ITEMS, websocket__auth__jwt__leeway__seconds="0", websocket__rules__file=rules_file(ctx, RULES))
    short, kept = connected(engine, token(sub="ada", org=1, ttl=3)), connected(engine, token(sub="bob", org=2, ttl=3))
    assert 0 < short.welcome["expires_in_ms"] <= 3000
    assert subscribe(kept, 1, table="public.items")["type"] == "subscribed"
    kept.send({"type": "auth", "token": token(sub="eve", org=1)})
    assert kept.recv_type("error")["code"] == "auth_refused"
    kept.send({"type": "auth", "token": token(sub="bob", org=2)})
    assert kept.recv_type("authorized")["expires_in_ms"] > 290000
    closes(short, 4005)
    ctx.postgres.psql("insert into items values (1, 1, 'not his'), (2, 2, 'his')", db)
    assert kept.recv_type("change", 5)["row"]["note"] == "his"
    kept.send({"type": "auth", "token": token(sub="bob", org=3)})
    got = kept.recv_type("reset")
    assert (got["reason"], got["action"]) == ("auth", "resubscribe")
    kept.send({"type": "auth", "token": token(sub="bob", org=3, ttl=-1)})
    closes(kept, 4100)


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


class Issuer:
    """An RSA key by openssl, and tokens with it."""

    def __init__(self, directory, kid):
        self.kid, self.key = kid, os.path.join(directory, kid + ".key")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        self.pem = openssl("pkey", "-in", self.key, "-pubout").decode()

    def token(self, **claims):
        text = unsigned(claims, {"alg": "RS256", "kid": self.kid})
        return text + "." + b64(openssl("dgst", "-sha256", "-sign", self.key, data=text.encode()))

    def jwk(self):
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}


def test_a_public_key_is_no_secret(ctx):
    """RS256 with a key from a PEM file; HS256 with that file as the secret is refused; another file takes over at once and ends
    what the old key let in."""
    directory = ctx.temp_dir()
    one, two = Issuer(directory, "one"), Issuer(directory, "two")
    path = write(os.path.join(directory, "key.pem"), one.pem)
    db, engine = guarded(ctx, ITEMS, one.token(sub="probe", org=0), websocket__auth__jwt__public__key__file=path)
    for secret in (one.pem, one.pem.strip(), "".join(one.pem.split("\n")[1:-2])):
        assert status(engine, token(secret=secret)) == 401
    assert status(engine, two.token(org=1)) == 401
    ws = connected(engine, one.token(sub="ada", org=1))
    write(path, "nonsense")
    wait_until(lambda: "the keys that were there before stay" in engine.log(), 10, "the bad file to be noticed")
    assert status(engine, one.token(org=1)) == 101
    write(path, two.pem)
    closes(ws, 4005)
    assert status(engine, one.token(org=1)) == 401
    assert status(engine, two.token(org=1)) == 101


class KeyServer(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Keys)
        self.keys, self.asked, self.answer = [], 0, 200
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/keys"


class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked += 1
        body = json.dumps({"keys": server.keys}).encode()
        if server.answer == "large":
            body += b" " * 300000
        self.send_response(server.answer if isinstance(server.answer, int) else 200)
        if server.answer == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_keys_of_a_url_rotate(ctx):
    """A key that is not known is asked for, seldom; a redirect, an error or too large an answer changes nothing."""
    directory, server = ctx.temp_dir(), KeyServer()
    one, two = Issuer(directory, "one"), Issuer(directory, "two")
    server.keys = [one.jwk()]
    db, engine = guarded(ctx, ITEMS, one.token(sub="probe"), websocket__auth__jwt__jwks__url=server.url)
    assert server.asked == 1
    assert {status(engine, two.token()) for _ in range(10)} == {401} and server.asked == 1
    for answer in (302, 500, "large"):
        asked, server.answer, server.keys = server.asked, answer, [two.jwk()]
        engine.process.child.send_signal(signal.SIGHUP)
        wait_until(lambda: server.asked == asked + 1, 10, "the keys to be asked for")
        wait_until(lambda: engine.log().count("no keys came") >= (1, 2, 3)[(302, 500, "large").index(answer)], 10, "the answer to be refused")
        assert status(engine, one.token()) == 101
    server.answer = 200
    held = connected(engine, one.token(sub="ada"))
    began = time.monotonic()
    wait_until(lambda: status(engine, two.token()) == 101, 20, "the new key to be fetched for a token of it", every=0.2)
    assert server.asked <= 6, server.asked
    closes(held, 4005)
    assert status(engine, one.token()) in (401, 503)
    server.shutdown()


# ---- rules ----


def test_rules_decide_what_is_there(ctx):
    """Tables, columns and rows; a snapshot; the answers for what is forbidden and what is absent; the log of who read what."""
    rules = [{"table": "public.items", "roles": ["support"]},
             {"table": "public.items", "columns": ["id", "org"], "where": ["org", "in", {"claim": "app.orgs"}]}]
    db, engine = guarded(ctx, ITEMS + "insert into items select i, i % 4, 'note ' || i from generate_series(1, 40) i;", token(app={"orgs": [9]}),
                         websocket__rules__file=rules_file(ctx, rules))
    ws = connected(engine, token(sub="ada\n2026 forged", app={"orgs": [1, 3]}))
    assert [(t["name"], [c["name"] for c in t["columns"]]) for t in ws.welcome["tables"]] == [("public.items", ["id", "org"])]
    answers = []
    for name in ("public.hidden", "public.absent"):
        got = subscribe(ws, 1, table=name)
        answers.append({**got, "message": got["message"].replace(name, "X")})
    assert answers[0] == answers[1] and answers[0]["code"] == "unknown_table"
    for where in (["note", "eq", "note 1"], ["absent", "eq", "note 1"]):
        assert subscribe(ws, 1, table="public.items", where=where)["message"] == f"where: there is no column {where[0]}"
    assert subscribe(ws, 1, table="public.items", columns=["id", "note"])["code"] == "unknown_column"
    assert subscribe(ws, 1, table="public.items", snapshot=True, where=["id", "lt", 9])["deletes"] == "none"
    assert sorted(r["id"] for r in ws.recv_type("rows")["rows"]) == [1, 3, 5, 7]
    assert ws.recv_type("ready")["count"] == 4
    support = connected(engine, token(sub="sue", role="support"))
    assert subscribe(support, 1, table="public.items", where=["note", "eq", "note 1"])["type"] == "subscribed"
    nobody = connected(engine, token(sub="eve"))
    assert nobody.welcome["tables"] == [] and subscribe(nobody, 1, table="public.items")["code"] == "unknown_table"
    line = next(line for line in engine.log().splitlines() if "subject ada" in line and "reads public.items" in line)
    assert "rule 2, filtered by org,id" in line and "\n2026 forged" not in engine.log(), line
    assert not re.search(r"note 1|\[1, ?3\]", engine.log())


def test_rules_are_read_again(ctx):
    """When the file changes, or on SIGHUP; one that is no good changes nothing; what is narrower is reset."""
    path = rules_file(ctx, RULES)
    db, engine = guarded(ctx, ITEMS, websocket__rules__file=path)
    ws = connected(engine, token(sub="ada", org=1))
    assert subscribe(ws, 1, table="public.items")["type"] == "subscribed"
    write(path, '{"rules": [{"table": "public.items", "wher": []}]}')
    wait_until(lambda: "the rules that were there before stay" in engine.log(), 10, "the bad file to be noticed")
    ctx.postgres.psql("insert into items values (1, 1, 'a'), (2, 2, 'b')", db)
    assert ws.recv_type("change")["key"] == {"id": 1}
    write(path, {"rules": [{**RULES[0], "columns": ["id", "org"]}]})
    assert (ws.recv_type("reset")["reason"], subscribe(ws, 2, table="public.items")["columns"]) == (
        "auth", [{"name": "id", "type": "int4"}, {"name": "org", "type": "int4"}])
    write(path, {"rules": []})
    engine.process.child.send_signal(signal.SIGHUP)
    assert ws.recv_type("reset")["action"] == "stop"
    assert engine.running()


def test_start_refuses_what_is_half(ctx):
    """Settings that would leave open what somebody meant to close end the start."""
    for settings, phrase in ((({"websocket.auth.jwt.secrets": SECRET}), "there is no such setting"),
                             (({"websocket.auth.jwt.secret": "short"}), "32"),
                             (({"websocket.rules.file": rules_file(ctx, RULES)}), "websocket.auth.anonymous"),
                             (({"websocket.auth.anonymous": "yes"}), "true or false"),
                             (({"websocket.auth.jwt.secret": SECRET, "websocket.rules.file": "/nonexistent"}), "cannot be read"),
                             (({"websocket.auth.jwt.secret": SECRET, "websocket.auth.jwt.algorithms": "none"}), "none"),
                             (({"websocket.auth.jwt.jwks.url": "http://example.com/"}), "https"),
                             (({"websocket.auth.jwt.secret": SECRET, "websocket.auth.jwt.leeway.seconds": "3000"}), "300")):
        engine = ctx.walwire(kafka=False, start=False, **settings)
        try:
            engine.start()
            raise AssertionError(f"{settings} started")
        except AssertionError as e:
            assert phrase in str(e) and SECRET not in str(e), str(e)


def tried(engine):
    """A connection, or None while there is no room: a place is free a moment after its client has gone."""
    try:
        return connected(engine, token(sub="any"))
    except Refused:
        return None


def test_limits(ctx):
    """Too many connections of one address or subject are 429, too many of all 503, and leave room when they go."""
    db, engine = guarded(ctx, ITEMS, websocket__max__connections="4", websocket__max__connections__per__subject="2",
                         websocket__max__connections__per__address="3")
    held = [connected(engine, token(sub="ada")) for _ in range(2)]
    assert status(engine, token(sub="ada")) == 429
    late = WebSocket(engine.ws)
    late.send({"type": "auth", "token": token(sub="ada")})
    closes(late, 4029)
    held.append(connected(engine, token(sub="bob")))
    assert status(engine, token(sub="eve")) == 429
    held.pop().close()
    wait_until(lambda: status(engine, token(sub="eve")) == 101, 5, "the place to be free")
    _, crowded = guarded(ctx, ITEMS, websocket__max__connections="2")
    full = []
    for _ in range(2):
        full.append(wait_until(lambda: tried(crowded), 5, "a free place"))
    assert status(crowded, token(sub="c")) == 503


# ---- tenants ----

TENANTS = """
create table docs(id bigint primary key, org int not null, note text, secret text, v int);
alter table docs replica identity {identity};
create table marker(id int primary key);
create sequence fresh start 1000;
create function canary() returns trigger language plpgsql as $$ begin
  new.note := 'canary-' || new.org || '-' || coalesce(new.v, 0); new.secret := 'hidden-' || new.org; return new; end $$;
create trigger canary before insert or update on docs for each row execute function canary();
insert into docs select i * 10 + i % 4, i % 4, '', '', i from generate_series(1, 200) i;
"""

# An id ends in the tenant that it was born in. Rows move between 0 and 1, and between 2 and 3, never across.
MOVES = """
    n := 1 + (i * 7919 + seed * 104729) % 200;
    case (i + seed) % 8
      when 0 then insert into docs select k * 10 + k % 4, k % 4, '', '', 0 from generate_series(n, n + 15) k on conflict do nothing;
      when 1 then update docs set org = org # 1 where id = n * 10 + n % 4;
      when 2 then update docs set v = v + 1 where id between n * 10 and n * 10 + 200;
      when 3 then update docs set org = org # 1, v = -1 where id between n * 10 and n * 10 + 100;
      when 4 then delete from docs where id between n * 10 and n * 10 + 30;
      when 5 then insert into docs values (n * 10 + n % 4, (n % 4) # (i % 2)::int, '', '', 7) on conflict (id) do update set org = excluded.org;
      when 6 then update docs set id = nextval('fresh') * 10 + id % 10 where id = n * 10 + n % 4;
      else update docs set id = nextval('fresh') * 10 + id % 10, org = org # 1 where id = n * 10 + n % 4;
    end case;"""


class Tenant(Told):
    """Folded by upserts; a key that is not held is ignored."""

    def _change(self, m):
        assert m["pos"] > self.pos, f"{m['pos']} after {self.pos}"
        self.pos = m["pos"]
        self.changes.append(m)
        if m["op"] in ("d", "exit"):
            assert m["row"] is None and (m["op"] == "d" or m.get("old") is None)
            self.rows.pop(name_of(m["key"]), None)
        else:
            self.rows[name_of(m["key"])] = m["row"]


class Watched(Client):
    """Whatever comes over the wire is looked at, byte by byte, before anything else is done with it."""

    def __init__(self, engine, claims, orgs):
        self.claims, self.orgs, self.lines = claims, orgs, 0
        self.ws, self.told, self.channels = connected(engine, token(**claims)), {}, {}
        groups, take = {o // 2 for o in orgs}, self.ws.text

        def text(timeout=10):
            got = take(timeout)
            self.lines += got.count("\n") + 1
            assert "hidden-" not in got and '"secret"' not in got, got
            assert {int(o) for o in re.findall(r"canary-(\d)", got)} <= orgs, f"{claims}: {got}"
            assert {int(o) for o in re.findall(r'"org":(\d)', got)} <= orgs, f"{claims}: {got}"
            assert {int(i[-1]) // 2 for i in re.findall(r'"id":(\d{2,})', got)} <= groups, f"{claims}: {got}"
            return got
        self.ws.text = text


def isolate(ctx, identity, exact):
    rules = [{"table": "public.docs", "columns": ["id", "org", "note", "v"],
              "where": {"or": [["org", "eq", {"claim": "org"}], ["org", "in", {"claim": "also"}]]}}, {"table": "public.marker"}]
    db, engine = guarded(ctx, TENANTS.format(identity=identity), token(org=9, also=[9]), websocket__rules__file=rules_file(ctx, rules),
                         settings={"table.include.list": "public.docs,public.marker"})
    wanted = [({0}, None), ({1}, None), ({2}, None), ({3}, None), ({0, 1}, None), ({1, 2, 3}, None), ({0}, ["v", "ge", 0]), ({1}, ["v", "lt", 100]),
              ({2}, {"not": ["v", "eq", 7]}), ({3}, ["org", "in", [0, 1, 2, 3]]), ({0}, ["org", "ne", 0]), ({1}, {"or": [["org", "eq", 0], ["v", "gt", 5]]})]
    clients, rng = [], random.Random(7)
    with Writer(ctx.postgres, db, MOVES, seeds=(1, 2), pause=0.003):
        for n, (orgs, where) in enumerate(wanted):
            first, *rest = sorted(orgs)
            claims = {"sub": f"tenant {n}", "org": first, "also": rest or [first]}
            client = Watched(engine, claims, orgs)
            clients.append(client)
            old = rng.choice(["key", "full", "none"])
            told = client.subscribe(Tenant(1, table="public.docs", snapshot=True, old=old, **({"where": where} if where else {})))
            client.read(lambda: told.ready)
            if n % 3 == 0:
                client.ws.send({"type": "auth", "token": token(**claims, again=True)})
        for c in clients[:4]:
            c.read(lambda: len(c.told[1].changes) > 1000, 60)
    for c in clients:
        end = c.subscribe(Tenant(2, table="public.marker"))
        c.read(lambda: end.subscribed)
    ctx.postgres.psql("insert into marker values (1)", db)
    whole, total, ops = table(ctx.postgres, db, "docs"), 0, set()
    for c, (orgs, where) in zip(clients, wanted):
        c.read(lambda: c.told[2].changes, 60)
        told = c.told[1]
        assert told.subscribed["deletes"] == ("filtered" if exact else "none"), told.subscribed
        if exact:
            part = {k: {x: r[x] for x in ("id", "org", "note", "v")} for k, r in whole.items() if r["org"] in orgs and fits(where, r)}
            assert difference(told.rows, part) == "", f"{orgs} {where}: {difference(told.rows, part)}"
        total += len(told.changes)
        ops |= {m["op"] for m in told.changes}
    assert total > 8000 and (ops >= {"c", "u", "d", "enter", "exit"} if exact else not ops & {"d", "exit"}), (total, ops)
    return f"{total} changes"


def fits(where, r):
    if where is None:
        return True
    if isinstance(where, dict):
        return not fits(where["not"], r) if "not" in where else any(fits(w, r) for w in where["or"])
    column, op, value = where
    v = r[column]
    return {"ge": v >= value, "lt": v < value, "gt": v > value, "eq": v == value, "ne": v != value}[op] if op != "in" else v in value


def test_tenants_are_isolated(ctx):
    """Two sessions move rows between tenants, change their keys, delete and insert; twelve clients with claims fold what they are
    told. Nobody ever gets a value of another tenant, and each one's rows are the table's rows of his tenant in the end."""
    return isolate(ctx, "full", True)


def test_tenants_are_isolated_where_old_rows_are_not_known(ctx):
    """With keys only in the replica identity: nothing foreign, and so neither deletes nor exits."""
    return isolate(ctx, "default", False)
