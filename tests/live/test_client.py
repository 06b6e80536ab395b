"""walwire.js outside the live page: in Node, in React, in a page of its own, and as a package."""
import base64, hmac, json, os, subprocess, threading, time

import node
from process import at_exit
from services import ROOT, wait_until

ORDERS = "create table orders(id int primary key, status text); alter table orders replica identity full; insert into orders values (1, 'new'), (2, 'hidden');"


class Script:
    """A script in Node, whose lines are collected."""

    def __init__(self, name, **env):
        path = os.path.join(ROOT, "tests", "live", name)
        more = {**node.environment(), "NODE_OPTIONS": "--experimental-websocket --no-warnings", **env}
        self.lines, self.child = [], subprocess.Popen([node.program(), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                     stderr=subprocess.PIPE, text=True, env={**os.environ, **more})
        at_exit(self.close)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, wanted, timeout=15):
        """Until fn(line) is true of a line, or the line is there; later calls look behind it."""
        matches = wanted if callable(wanted) else lambda line: line == wanted

        def found():
            for i, line in enumerate(self.lines):
                if matches(line):
                    del self.lines[:i + 1]
                    return line
            if self.child.poll() not in (None, 0):
                raise AssertionError(self.child.stderr.read()[-1500:])
            return None
        return wait_until(found, timeout, f"{wanted} in {self.lines[-5:]}")

    def say(self, message):
        self.child.stdin.write(json.dumps(message) + "\n")
        self.child.stdin.flush()

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(5)


def serving(ctx):
    db = ctx.database(ORDERS)
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    return db, spec, engine


def restart(ctx, engine, spec):
    engine.sigkill()
    wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20)
    engine.start()


def test_a_table_is_iterated_over_in_node(ctx):
    db, spec, engine = serving(ctx)
    script = Script("client_node.mjs", URL=engine.ws)
    script.wait("state live")
    script.wait("ready 1")
    ctx.postgres.psql("insert into orders values (3, 'new'); update orders set status = 'paid' where id = 2; update orders set status = 'hidden' where id = 1", db)
    for line in ("c 3 new", "enter 2 paid", "exit 1 -"):
        script.wait(line)
    restart(ctx, engine, spec)
    script.wait("state waiting")
    ctx.postgres.psql("delete from orders where id = 3", db)
    script.wait("state live", 30)
    ctx.postgres.psql("update orders set status = 'end' where id = 2", db)
    script.wait("u 2 end", 30)
    script.wait("end")
    assert script.child.wait(10) == 0, "nothing keeps the process alive"


def rendered(rows, **more):
    wanted = {"rows": rows, "ready": True, "error": None, **more}
    return lambda line: wanted.items() <= json.loads(line).items()


def test_react_renders_the_table(ctx):
    db, spec, engine = serving(ctx)
    script = Script("client_react.mjs", URL=engine.ws)
    script.wait(rendered(["1 new", "2 hidden"], state="live"))
    ctx.postgres.psql("update orders set status = 'paid' where id = 1; insert into orders values (3, 'new')", db)
    script.wait(rendered(["1 paid", "2 hidden", "3 new"]))
    script.say({"where": ["status", "eq", "paid"]})
    script.wait(rendered(["1 paid"]))
    ctx.postgres.psql("update orders set status = 'paid' where id = 3", db)
    script.wait(rendered(["1 paid", "3 paid"]))
    restart(ctx, engine, spec)
    script.wait(lambda line: json.loads(line)["state"] == "waiting")
    ctx.postgres.psql("delete from orders where id = 1", db)
    script.wait(rendered(["3 paid"], state="live"), 30)
    script.say({"where": ["id", "eq", "seven"]})
    script.wait(lambda line: json.loads(line)["error"] == "bad_filter")
    script.say({"gone": True})
    script.wait('{"gone":true}')
    script.child.stdin.close()
    assert script.child.wait(10) == 0, "nothing keeps the process alive"


def test_a_hundred_changes_at_once_are_few_renderings(ctx):
    db, _, engine = serving(ctx)
    script = Script("client_react.mjs", URL=engine.ws)
    script.wait(rendered(["1 new", "2 hidden"], state="live"))
    ctx.postgres.psql("insert into orders select i, 'many' from generate_series(100, 599) i", db)
    wait_until(lambda: script.lines and len(json.loads(script.lines[-1])["rows"]) == 502, 15, "500 more rows")
    assert len(script.lines) < 250, f"{len(script.lines)} renderings for 500 changes"


def test_a_page_goes_on_where_it_stopped(ctx):
    """In Chromium, away and back again: what was committed meanwhile comes, once each, and nothing is taken back."""
    db, _, engine = serving(ctx)
    browser = ctx.browser()
    browser("open", url=engine.web + "/examples/shop/")
    browser("eval", js="""import("/walwire.js").then(({ connect }) => {
        window.seen = []; window.states = [];
        window.client = connect("/ws", { backoff: { max_ms: 300 } });
        client.on("state", s => states.push(s.state));
        window.orders = client.live("public.orders", { where: ["status", "ne", "hidden"], onReset: m => seen.push("reset " + m.reason),
                                                       onChange: e => seen.push(e.op + e.id) });
    })""")
    ready = "window.orders?.ready && client.state"
    wait_until(lambda: browser("eval", js=ready)["value"] == "live", 10, "the rows")
    ctx.postgres.psql("insert into orders values (3, 'new')", db)
    wait_until(lambda: browser("eval", js="seen.join()")["value"] == "c3", 10, "a change")
    for n in (4, 5):
        browser("eval", js="client.close()")
        ctx.postgres.psql(f"insert into orders values ({n}, 'new'); update orders set status = 'x' where id = 3", db)
        browser("eval", js="client.reconnect()")
        wait_until(lambda: browser("eval", js=f"orders.rows.has('{n}')")["value"], 10, "what was missed")
    wait_until(lambda: browser("eval", js="seen.join()")["value"] == "c3,c4,u3,c5,u3", 10, "each change once")
    assert browser("eval", js="states.filter(s => s === 'live').length")["value"] == 3


def compiled(*arguments, **more):
    compiler = os.path.join(node.modules(), "typescript", "bin", "tsc")
    done = subprocess.run([node.program(), compiler, "--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,dom",
                           "--module", "nodenext", "--moduleResolution", "nodenext", *arguments], capture_output=True, text=True, timeout=100, **more)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_types_promise_what_the_package_does(ctx):
    compiled(os.path.join(ROOT, "tests", "live", "client_types.ts"))


def test_the_package_holds_what_it_should(ctx):
    folder = ctx.temp_dir()
    done = subprocess.run(["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder], capture_output=True, text=True,
                          cwd=os.path.join(ROOT, "web"), timeout=60)
    assert done.returncode == 0, done.stderr
    packed = json.loads(done.stdout)[0]
    assert sorted(f["path"] for f in packed["files"]) == ["LICENSE", "README.md", "package.json", "react.d.ts", "react.js", "walwire.d.ts", "walwire.js"]
    project = os.path.join(folder, "project")
    os.makedirs(os.path.join(project, "node_modules", "walwire"))
    subprocess.run(["tar", "xzf", os.path.join(folder, packed["filename"]), "-C", os.path.join(project, "node_modules", "walwire"),
                    "--strip-components=1"], check=True)
    for version, program in node.programs().items():
        done = subprocess.run([program, "--input-type=module", "-e", "import { connect } from 'walwire'; console.log(typeof connect)"],
                              capture_output=True, text=True, cwd=project, timeout=20)
        assert done.stdout == "function\n", f"Node {version}: {done.stderr}"
    with open(os.path.join(ROOT, "tests", "live", "client_types.ts")) as f:  # the same, as somebody who installed it writes it
        text = f.read().replace("../../web/walwire.js", "walwire").replace("../../web/react.js", "walwire/react")
    with open(os.path.join(project, "use.mts"), "w") as f:
        f.write(text)
    compiled("use.mts", cwd=project)


SECRET = "a secret of more than thirty-two characters"
TOKENS = {"websocket.auth.jwt.secret": SECRET, "websocket.auth.jwt.leeway.seconds": "0"}


def guarded(ctx):
    db = ctx.database(ORDERS)
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, kafka=False, **TOKENS)
    engine.wait_streaming(spec, ctx.postgres)
    return db, engine


def token(seconds=3600, secret=SECRET):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")
    signed = b".".join(part(json.dumps(v).encode()) for v in ({"alg": "HS256", "typ": "JWT"}, {"sub": "ada", "exp": int(time.time()) + seconds}))
    return b".".join([signed, part(hmac.digest(secret.encode(), signed, "sha256"))]).decode()


def test_a_token_is_renewed_while_the_table_stays_live(ctx):
    db, engine = guarded(ctx)
    script = Script("client_token.mjs", URL=engine.ws, SECRET=SECRET, SECONDS="4")
    for line in ("token", "state live ", "ready 2", "token", "token"):  # six seconds, and more than the first one lasts
        script.wait(line)
    ctx.postgres.psql("insert into orders values (3, 'new')", db)
    script.wait("c 3")
    assert not any(line.startswith(("state", "reset")) for line in script.lines), script.lines


def test_a_token_that_ended_costs_a_connection_and_no_change(ctx):
    db, engine = guarded(ctx)
    script = Script("client_token.mjs", URL=engine.ws, SECRET=SECRET, SECONDS="3", RENEW="no")
    script.wait("ready 2")
    script.wait("state waiting 4005")
    ctx.postgres.psql("insert into orders values (3, 'new')", db)
    script.wait("token")
    script.wait("state live ")
    script.wait("c 3")
    assert not any(line.startswith("reset") for line in script.lines), script.lines


def test_the_page_asks_for_a_token_where_the_server_does(ctx):
    db, engine = guarded(ctx)
    browser = ctx.browser()
    browser("open", url=f"{engine.web}/#table=public.orders&token={token(secret='another one, as long as the right one')}")
    browser("wait", selector='body[data-state="closed"]')
    assert "token" not in browser("eval", js="location.href")["value"]
    browser("fill", selector="#token", value=token())
    browser("press", key="Enter")
    browser("wait", selector='body[data-state="live"]')
    browser("wait", selector="#count", text="2 rows")
    ctx.postgres.psql("insert into orders values (3, 'new')", db)
    browser("wait", selector='#log article[data-op="c"]')
    assert not browser("eval", js="document.querySelector('#token-form').checkVisibility()")["value"]
    assert not browser("eval", js="document.querySelector('#connectors-tile').checkVisibility()")["value"], "nobody showed it a token"
