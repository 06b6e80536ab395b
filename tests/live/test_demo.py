"""`make demo` as a visitor meets it: one command, a link, changes that keep coming, and nothing left after Ctrl-C."""
import glob, os, re, signal, sys, urllib.request

from services import BINARY, ROOT, Closed, Process, WebSocket, at_exit, free_port, temp_dir, wait_until

DEMO = os.path.join(ROOT, "tools", "demo")


class Demo:
    def __init__(self, **env):
        self.ws, self.rest, folder = free_port(), free_port(), temp_dir("visitor")
        self.temp = os.path.join(folder, "temp")
        os.mkdir(self.temp)
        os.chmod(self.temp, 0o755)
        self.process = Process([sys.executable, "-B", DEMO], os.path.join(folder, "log"), soft=signal.SIGINT,
                               env={"WS_PORT": str(self.ws), "REST_PORT": str(self.rest), "TMPDIR": self.temp,
                                    "WALWIRE_BIN": BINARY, "KAFKA": "", **env})
        at_exit(self.process.stop)

    def output(self):
        with open(self.process.log, errors="replace") as f:
            return f.read()

    def wait_open(self):
        def opened():
            assert self.process.running(), f"the demo ended:\n{self.output()}"
            return re.search(r"Watch it live: +(\S+)", self.output())
        return wait_until(opened, 60, "the demo's link").group(1)

    def left(self):
        """Processes and files of this demo that are still there."""
        running = [p for p in glob.glob("/proc/[0-9]*/cmdline") if self.temp in command_line(p)]
        return running + os.listdir(self.temp)


def command_line(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def test_the_link_shows_changes_that_keep_coming(ctx):
    demo = Demo()
    link = demo.wait_open()
    assert link == f"http://127.0.0.1:{demo.ws}"
    with urllib.request.urlopen(link, timeout=5) as page:
        assert "walwire" in page.read().decode().lower()
    with wait_until(lambda: subscribed(demo), 10, "a subscription") as ws:
        assert ws.recv_type(("ready", "error"))["type"] == "ready"
        for _ in range(3):
            assert ws.recv_type("change", 20)["op"] in "cud"


def test_the_examples_are_told_of_and_move(ctx):
    demo = Demo()
    demo.wait_open()
    links = re.findall(r"http://\S+/examples/\S+", demo.output())
    assert [link.split("/examples/")[1] for link in links] == ["chat/", "shop/"]
    browser = ctx.browser()
    browser("open", url=links[0])
    browser("wait", selector="#talk article[data-op=u] .before .differs", timeout=30000)
    browser("open", url=links[1])
    browser("wait", selector=".totals .moved", timeout=15000)
    assert browser("errors")["errors"] == []


def subscribed(demo):
    """A connection with a subscription; as any client it comes back while the server says "not yet" (4013)."""
    ws = WebSocket(f"ws://127.0.0.1:{demo.ws}/ws")
    try:
        ws.send({"type": "subscribe", "id": 1, "table": "public.orders", "snapshot": True})
        assert ws.recv_type(("subscribed", "error"))["type"] == "subscribed"
        return ws
    except Closed as e:
        ws.sock.close()
        assert e.code == 4013, e
        return None


def test_ctrl_c_leaves_nothing_and_a_second_start_works(ctx):
    for sig in (signal.SIGINT, signal.SIGTERM):
        demo = Demo()
        demo.wait_open()
        assert demo.process.stop(sig, 30) == 0, demo.output()
        assert demo.left() == []


def test_a_taken_port_is_said_with_the_way_out(ctx):
    demo = Demo(REST_PORT=str(ctx.postgres.port))
    assert demo.process.child.wait(20) == 1
    assert f"port {ctx.postgres.port}" in demo.output() and "REST_PORT=" in demo.output()


def test_with_kafka_the_same_changes_are_in_topics(ctx):
    demo = Demo(KAFKA=ctx.kafka.bootstrap)
    demo.wait_open()
    before = len(ctx.kafka.wait_records("shop.public.orders", 40, 60))
    ctx.kafka.wait_records("shop.public.orders", before + 3, 30)
