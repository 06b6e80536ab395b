"""What goes to many browsers at once: deflated for those who can read it, and nobody waits for one who does not read."""
import base64, json, os, socket, subprocess

import node
from process import at_exit, free_port
from services import ROOT, wait_until
from subscriptions import Client, Told, started
from walwire import BINARY

DOCS = "create table docs(id int primary key, text text);"
AGREED = {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits=12"}


def rows(sizes):
    return "".join(f"insert into docs values ({i}, repeat('walwire {i} ', {n}));" for i, n in sizes.items())


def followed(ctx, db, url):
    """What two clients of the npm package ws that negotiate permessage-deflate saw, and a third that does not: small and large
    rows are the same to all, and the first two needed a fraction of the bytes."""
    script = subprocess.Popen([node.program(), os.path.join(ROOT, "tests", "live", "client_deflate.mjs")], stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **node.environment(), "URL": url, "END": "99", "NODE_TLS_REJECT_UNAUTHORIZED": "0",
                                   "NODE_NO_WARNINGS": "1"})
    at_exit(script.kill)
    for _ in range(3):
        assert script.stdout.readline() == "subscribed\n"
    sizes = {1: 1, 2: 40, 3: 60, 4: 6500, 5: 7000, 6: 80000, 7: 1, 99: 2}  # around 126, 512, 65536 bytes and far beyond
    for i, n in sizes.items():
        ctx.postgres.psql(rows({i: n}), db)
    got = json.loads(script.stdout.readline())
    assert script.wait(10) == 0
    for one in got:
        assert one["rows"] == {str(i): len(f"walwire {i} ") * n for i, n in sizes.items()}
    assert got[0]["extensions"].startswith("permessage-deflate") and AGREED <= set(got[0]["extensions"].split("; ")), got[0]["extensions"]
    assert got[2]["extensions"] == "" and got[2]["bytes"] > 900000
    assert max(got[0]["bytes"], got[1]["bytes"]) < got[2]["bytes"] / 20, [one["bytes"] for one in got]


def test_deflated_with_node_ws(ctx):
    db, _, engine = started(ctx, DOCS, table__include__list="public.docs")
    followed(ctx, db, engine.ws)


def test_over_tls_it_is_the_same(ctx):
    pem = os.path.join(ctx.temp_dir(), "both.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", pem,
                    "-out", pem + ".crt"], check=True, capture_output=True)
    with open(pem, "a") as both, open(pem + ".crt") as cert:
        both.write(cert.read())
    port, db = free_port(), ctx.database(DOCS)
    spec = ctx.connector(db, table__include__list="public.docs")
    engine = ctx.walwire(spec, kafka=False, websocket__listeners=f"https://127.0.0.1:{port}", **{"ssl.keystore.type": "PEM", "ssl.keystore.location": pem})
    engine.wait_streaming(spec, ctx.postgres)
    followed(ctx, db, f"wss://127.0.0.1:{port}/ws")


IN_PAGE = """
    new Promise((done, fail) => {
        const made = [1, 2].map(() => new WebSocket(URL, "walwire.v1")), sizes = [{}, {}], ends = [];
        window.ready = 0;
        made.forEach((ws, n) => {
            ws.onclose = e => fail(new Error(`closed with ${e.code}`));
            ws.onopen = () => ws.send(JSON.stringify({type: "subscribe", id: 1, table: "public.docs", old: "none"}));
            ws.onmessage = e => e.data.split("\\n").map(JSON.parse).forEach(m => {
                if (m.type === "subscribed") window.ready++;
                if (m.type === "change") sizes[n][m.key.id] = m.row.text.length;
                if (m.type === "change" && m.key.id === 99 && ends.push(n) === 2) done({extensions: made.map(w => w.extensions), sizes});
            });
        });
    })"""


def test_deflated_with_chromium(ctx):
    db, _, engine = started(ctx, DOCS, table__include__list="public.docs")
    browser = ctx.browser()
    browser("open", url=engine.web)
    browser("eval", js=f"window.result = {IN_PAGE.replace('URL', json.dumps(engine.ws))}; 0")
    wait_until(lambda: browser("eval", js="window.ready")["value"] == 2, 15, "both to be subscribed")
    sizes = {1: 1, 2: 60, 3: 7000, 4: 80000, 99: 2}
    ctx.postgres.psql(rows(sizes), db)
    got = browser("eval", js="window.result", patience=30)["value"]
    assert all(AGREED <= set(e.split("; ")) for e in got["extensions"]), got["extensions"]
    assert got["sizes"] == [{str(i): len(f"walwire {i} ") * n for i, n in sizes.items()}] * 2


def idle(engine):
    """A client that says what it wants and never reads."""
    host, port = engine.ws.split("//")[1].split("/")[0].split(":")
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    text = json.dumps({"type": "subscribe", "id": 1, "table": "public.docs"}).encode()
    s.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return s


def test_those_who_do_not_read_hold_up_nobody(ctx):
    """Ten that never read, while 60 MB go to each that does: these get all of it, and the server keeps little for the others."""
    db, _, engine = started(ctx, DOCS, table__include__list="public.docs")
    sleepers = [idle(engine) for _ in range(10)]
    clients = [Client(engine) for _ in range(3)]
    told = [c.subscribe(Told(1, table="public.docs")) for c in clients]
    for c, t in zip(clients, told):
        c.read(lambda: t.subscribed)
    ctx.postgres.psql("insert into docs select i, repeat(md5(i::text), 1000) from generate_series(1, 600) i; ", db)
    ctx.postgres.psql("insert into docs select i, repeat(md5(i::text), 1000) from generate_series(601, 1900) i; ", db)
    for c, t in zip(clients, told):
        c.read(lambda: len(t.changes) == 1900, 60)
        assert [m["key"]["id"] for m in t.changes] == list(range(1, 1901))
    assert engine.rss_kb() < 400 * 1024 or "SANITIZE" in os.environ, f"{engine.rss_kb()} kB"
    for s in sleepers:
        s.close()


def test_the_number_of_threads_is_checked(ctx):
    for wrong in ("0", "65", "many"):
        engine = ctx.walwire(kafka=False, start=False, websocket__threads=wrong)
        done = subprocess.run([BINARY, "serve", *engine.files], capture_output=True, text=True, timeout=30, cwd=engine.dir)
        assert done.returncode != 0 and f"websocket.threads={wrong}: use a number from 1 to 64" in done.stderr, done.stderr
    db = ctx.database(DOCS)
    spec = ctx.connector(db, table__include__list="public.docs")
    engine = ctx.walwire(spec, kafka=False, websocket__threads="3")
    engine.wait_streaming(spec, ctx.postgres)
    clients = [Client(engine) for _ in range(70)]  # as many as are worth a second thread
    told = [c.subscribe(Told(1, table="public.docs")) for c in clients]
    for c, t in zip(clients, told):
        c.read(lambda: t.subscribed)
    ctx.postgres.psql("insert into docs select i, 'text ' || i from generate_series(1, 200) i", db)
    for c, t in zip(clients, told):
        c.read(lambda: len(t.changes) == 200)
