"""Snapshot, then stream, exactly: subscriptions of every kind, folded while others write, are the table at each position.
The other side of the comparison is PostgreSQL's own decoding by another plugin. WALWIRE_FOLD_SECONDS makes it longer,
WALWIRE_FOLD_SEED makes it another one."""
import collections, os, random, select, time

from fold import difference, name_of
from history import History, judge, place
from services import Postgres, WebSocket
from subscriptions import started, started_on
from writer import Writer

SECONDS = float(os.environ.get("WALWIRE_FOLD_SECONDS", "9"))

SETUP = """create table {t}(id bigint primary key, owner int, state text, v int); alter table {t} replica identity {identity};
    insert into {t} select i, i % 9, (array['open', 'done', null])[1 + i % 3], i % 100 from generate_series(1, 400) i;"""

# Each round of a writer is a transaction of one to some changes, in one table or in both; a part of it may be undone.
CHANGES = """
    for step in 1 .. 1 + (i * 31 + seed) % 4 loop
      n := 1 + (i * 7919 + seed * 104729 + step * 31) % 450;
      case (i + seed + step * 3) % 9
        when 0 then insert into whole values (nextval('fresh'), i % 9, 'new', i % 100);
                    insert into keyed values (nextval('fresh'), i % 9, 'new', i % 100);
        when 1 then update whole set owner = (owner + 1) % 9 where id = n;
        when 2 then update keyed set state = (array['open', 'done', 'it''s', null])[1 + i % 4] where id = n;
        when 3 then update keyed set v = v - 40 where id between n and n + 3;
        when 4 then delete from whole where id = n; delete from keyed where id = n;
        when 5 then insert into keyed values (n, i % 9, 'open', i % 100) on conflict (id) do update set owner = excluded.owner;
                    insert into whole values (n, i % 9, 'open', i % 100) on conflict (id) do update set owner = excluded.owner;
        when 6 then update whole set id = nextval('fresh') where id = n; delete from whole where id > 100000 and id % 7 = i % 7;
        when 7 then begin
            update keyed set id = nextval('fresh') where id = n; delete from keyed where id > 100000 and id % 7 = i % 7;
            if i % 3 = 0 then perform 1 / 0; end if;
          exception when division_by_zero then update keyed set v = i where id = n;
          end;
        else update whole set owner = i % 9, state = 'done', v = i % 100 where id in (n, n + 7);
      end case;
    end loop;"""


def condition(rng):
    return rng.choice([["owner", "eq", rng.randrange(9)], ["owner", "in", rng.sample(range(9), 3)], ["owner", "nin", [1, 2]],
                       ["state", "eq", "open"], ["state", "null"], ["state", "notnull"], ["state", "prefix", "d"],
                       ["state", "ne", "it's"], ["v", "lt", rng.randrange(100)], ["v", "ge", rng.randrange(100)],
                       ["id", "le", rng.randrange(450)]])


def tree(rng, depth=0):
    kind = rng.choice(("one", "one", "and", "or", "not")) if depth < 2 else "one"
    if kind == "one":
        return condition(rng)
    return {kind: tree(rng, depth + 1) if kind == "not" else [tree(rng, depth + 1) for _ in range(rng.randint(1, 3))]}


class Round:
    """A subscription from its snapshot through some resumptions to its end."""

    def __init__(self, rng, run):
        self.run, self.rng, self.table = run, rng, rng.choice(("whole", "keyed"))
        self.request = {"table": f"public.{self.table}", "paced": rng.random() < 0.4, "transactions": rng.random() < 0.5,
                        "old": rng.choice(("key", "full", "none")), "format": rng.choice(("row", "row", "debezium"))}
        if rng.random() < 0.7:
            self.request["where"] = tree(rng)
        if rng.random() < 0.4 and self.request["format"] == "row":
            self.request["columns"] = ["id", *rng.sample(["owner", "state", "v"], rng.randint(0, 2))]
        self.rows, self.pos, self.lsn, self.tx, self.count, self.mode = {}, None, 0, None, 0, None
        self.left, self.resumes, self.turns, self.dawdles, self.batches = rng.randint(0, 25), rng.randint(0, 3), 0, [], 0

    def wanted(self, count):
        columns, where = self.request.get("columns"), self.request.get("where")
        return {k: {c: r[c] for c in columns} if columns else r for k, r in self.run.history.rows(self.table, count).items()
                if where is None or judge(where, r) is True}

    def ask(self, line, number):
        start = {"snapshot": True} if self.pos is None else {"from": {"epoch": line.epoch, "pos": self.pos}}
        self.line, self.mode, self.until = line, "snapshot" if self.pos is None else "resume", None
        line.say({"type": "subscribe", "id": number, **self.request, **start})

    def take(self, m):
        """True: nothing more is expected of it under this number."""
        return getattr(self, "_" + m["type"])(m)

    def _subscribed(self, m):
        assert m["mode"] == self.mode, m
        if self.mode == "resume":
            self._waits()
        assert [c["name"] for c in m["columns"]] == [c for c in ("id", "owner", "state", "v") if c in self.request.get("columns", c)]

    def _rows(self, m):
        self.batches += 1
        for row in m["rows"]:
            key = name_of({"id": row["id"]})
            assert key not in self.rows, f"row {key} was read twice"
            self.rows[key] = row
        if self.request["paced"]:
            assert self.turns == self.batches - 1, "a batch that nobody asked for"
            self.line.later(self, m["id"], self.rng.choice((0, 0, 0, 0.05)))

    def more(self, number):
        self.turns += 1
        self.line.say({"type": "more", "id": number})

    def _ready(self, m):
        assert m["count"] == len(self.rows)
        self.pos, (self.lsn, _) = m["pos"], place(m["pos"])
        self.run.compare(self, self.lsn)
        self._waits()
        return self._enough()

    def _waits(self):
        """Some filters see few changes: it goes on without so many."""
        self.until = time.monotonic() + 1.5

    def _begin(self, m):
        assert self.tx is None, "a transaction in another one"
        self._passed(place(m["pos"])[0])
        self.tx, self.count = m, 0
        self.run.named(m["tx"], place(m["pos"])[0])

    def _commit(self, m):
        assert m["tx"] == self.tx["tx"] and m["count"] == self.count > 0 and place(m["pos"])[0] == place(self.tx["pos"])[0]
        self.tx, self.pos = None, m["pos"]
        return self._enough()

    def _passed(self, lsn):
        """A change of a later transaction is about to come: those before are whole."""
        if lsn > self.lsn:
            if self.rng.random() < self.run.looks:
                self.run.compare(self, lsn)
            self.lsn = lsn

    def _change(self, m):
        assert self.pos and m["pos"] > self.pos, f"{m['pos']} after {self.pos}"
        self._passed(place(m["pos"])[0])
        self.pos, key, op = m["pos"], name_of(m["key"]), m["op"]
        assert (self.tx is not None) == self.request["transactions"] and m.get("tx") == (self.tx or {}).get("tx")
        self.count += 1
        if "where" not in self.request or self.table == "whole":
            assert (key in self.rows) == (op not in ("c", "enter")), f"{op} of {key}"
        if op in ("d", "exit"):
            self.rows.pop(key, None)
        elif self.request["format"] == "row":
            assert "envelope" not in m and "unchanged" not in m
            self.rows[key] = m["row"]
        else:
            assert "row" not in m and m["envelope"]["after"]["id"] == m["key"]["id"], m
            self.rows[key] = m["envelope"]["after"]
        self.left -= 1
        return self._enough()

    def _enough(self):
        return self.left <= 0


class Line:
    """A connection and the rounds on it."""

    def __init__(self, run):
        self.run, self.ws = run, WebSocket(run.engine.ws)
        self.epoch = self.ws.recv_type("welcome")["epoch"]
        self.rounds, self.channels, self.next, self.turns = {}, {}, 1, []
        self.said = collections.deque(maxlen=90)  # when: limits.rate is 100 a second

    def say(self, message):
        if len(self.said) == self.said.maxlen:
            time.sleep(max(0, self.said[0] + 1.1 - time.monotonic()))
        self.said.append(time.monotonic())
        self.ws.send(message)

    def begin(self, a_round):
        self.rounds[self.next] = a_round
        a_round.tx = None
        a_round.ask(self, self.next)
        self.next += 1

    def later(self, a_round, number, delay):
        self.turns.append((time.monotonic() + delay, a_round, number))

    def end(self, number, channel):
        self.say({"type": "unsubscribe", "id": number})
        self.channels.pop(channel, None)
        return self.rounds.pop(number)

    def take(self, m):
        kind, number = m["type"], m.get("id")
        if kind in ("change", "begin", "commit"):
            number = self.channels.get(m["channel"])
        elif kind in ("heartbeat", "pong"):
            return
        a_round = self.rounds.get(number)
        if not a_round:  # what was on its way when it was ended
            return
        if kind == "subscribed":
            self.channels[m["channel"]] = number
        elif kind == "error" and m["code"] == "snapshot_failed" and m["retry"]:
            return self.refused(number)
        assert kind in ("subscribed", "rows", "ready", "change", "begin", "commit"), f"{m} to {a_round.request}"
        if a_round.take(m):
            self.ended(number)

    def refused(self, number):
        """The rows were of commits that became visible in another order: it begins anew."""
        a_round = self.rounds.pop(number)
        a_round.rows, a_round.turns, a_round.batches = {}, 0, 0
        self.run.refused += 1
        self.run.again.append(a_round)

    def ended(self, number):
        channel = next(c for c, n in self.channels.items() if n == number)
        self.run.ended(self.end(number, channel))

    def read(self):
        while True:
            self.take(self.ws.recv(20))
            if not self.ws.lines:
                return

    def tick(self, now):
        due, self.turns = [t for t in self.turns if t[0] <= now], [t for t in self.turns if t[0] > now]
        for _, a_round, number in due:
            if number in self.rounds:
                a_round.more(number)
        for number in [n for n, r in self.rounds.items() if r.until and r.until < now]:
            self.ended(number)


class Run:
    """Rounds on several connections until there were enough of them."""

    def __init__(self, engine, history, rng, looks):
        self.engine, self.history, self.rng, self.looks = engine, history, rng, looks
        self.waiting, self.names, self.fresh, self.again = [], [], [], []
        self.rounds, self.compared, self.resumed, self.refused, self.kinds = 0, 0, 0, 0, set()
        self.lines = [Line(self) for _ in range(4)]

    def compare(self, a_round, lsn):
        self.waiting.append((lsn, a_round, dict(a_round.rows)))

    def named(self, xid, lsn):
        self.names.append((lsn, xid))

    def ended(self, a_round):
        if a_round.resumes:
            a_round.resumes -= 1
            a_round.left = self.rng.randint(1, 10)
            self.resumed += 1
            return self.again.append(a_round)
        self.rounds += 1
        r = a_round.request
        self.kinds.add((a_round.table, r["paced"], r["transactions"], r["format"], "where" in r, "columns" in r))

    def judge(self):
        """What the history has reached by now."""
        self.history.read()
        ready = [w for w in self.waiting if w[0] <= self.history.reached]
        self.waiting = [w for w in self.waiting if w[0] > self.history.reached]
        for lsn, a_round, rows in ready:
            found = difference(rows, a_round.wanted(self.history.before(lsn)))
            assert found == "", f"at {lsn:X} after {a_round.resumes} resumptions, {a_round.request}: {found}"
        for lsn, xid in [n for n in self.names if n[0] < self.history.reached]:
            assert self.history.xid(lsn) == xid, f"transaction {xid} at {lsn:X}"
        self.names = [n for n in self.names if n[0] >= self.history.reached]
        self.compared += len(ready)

    def go(self, until):
        judged = time.monotonic()
        while not until(self):
            for line in self.lines:
                while len(line.rounds) < 6:
                    line.begin(self.again.pop() if self.again else Round(self.rng, self))
            turns = [t[0] for line in self.lines for t in line.turns]
            now = time.monotonic()
            wait = max(0, min([0.2, *(t - now for t in turns)]))
            readable, _, _ = select.select([line.ws.sock for line in self.lines], [], [], wait)
            for line in self.lines:
                if line.ws.sock in readable or len(line.ws.buf) > 2:
                    line.read()
                line.tick(time.monotonic())
            if now - judged > 1:
                self.judge()
                judged = time.monotonic()
            if self.rng.random() < 0.002:  # whoever was on it goes on elsewhere
                self.leave(self.rng.choice(self.lines))

    def leave(self, line):
        line.ws.close()
        self.lines[self.lines.index(line)] = Line(self)
        for a_round in line.rounds.values():
            if a_round.pos is not None:
                self.again.append(a_round)


def folded(postgres, db, engine, changes):
    """Filters, columns, formats, paces, transactions, resumptions and lost connections at random, while three sessions write."""
    seed = int(os.environ.get("WALWIRE_FOLD_SEED", random.randrange(10 ** 6)))
    history = History(postgres, db, ["whole", "keyed"])
    holder = WebSocket(engine.ws)  # envelopes are made from now on
    for n, name in enumerate(("whole", "keyed")):
        holder.send({"type": "subscribe", "id": n, "table": f"public.{name}", "format": "debezium", "ops": "t"})
        assert holder.recv_type(("subscribed", "error"))["type"] == "subscribed"
    end = time.monotonic() + SECONDS
    run = Run(engine, history, random.Random(seed), looks=0.5)
    try:
        with Writer(postgres, db, changes, seeds=(1, 2, 3), pause=0.02):
            run.go(lambda r: time.monotonic() > end and (r.rounds >= 20 or time.monotonic() > end + 60))
        run.judge()
    except AssertionError as e:
        raise AssertionError(f"seed {seed}: {e}") from e
    finally:
        for ws in (holder, *(line.ws for line in run.lines)):
            ws.close()
    assert run.rounds >= 20 and run.compared >= 100, f"only {run.rounds} rounds, {run.compared} comparisons"
    return (f"{run.rounds} rounds of {len(run.kinds)} kinds, {run.resumed} resumptions, {run.compared} comparisons with the table, "
            f"{run.refused} snapshots refused, seed {seed}")


TABLES = {"table__include__list": "public.whole,public.keyed"}
SETUPS = SETUP.format(t="whole", identity="full") + SETUP.format(t="keyed", identity="default") + "create sequence fresh start 100000;"


def test_every_subscription_is_the_table_at_every_position(ctx):
    db, _, engine = started(ctx, SETUPS, **TABLES)
    return folded(ctx.postgres, db, engine, CHANGES)


def test_so_it_is_where_commits_are_seen_out_of_order(ctx):
    """One session does not wait for the disk, the others do for 20 ms: its commits are often seen before those in front of them."""
    server = Postgres(name="mixed", conf={"fsync": "on", "commit_delay": 20000, "commit_siblings": 0})
    engine = started_on(ctx, server, SETUPS, **TABLES)
    one_hastens = "if seed = 3 and i = 1 then perform set_config('synchronous_commit', 'off', false); end if;"
    result = folded(server, "shop", engine, one_hastens + CHANGES)
    engine.sigterm()
    return result


for test in (test_every_subscription_is_the_table_at_every_position, test_so_it_is_where_commits_are_seen_out_of_order):
    test.timeout = 120 + int(SECONDS)
