"""The checker must be able to fail: made-up histories, each with one thing wrong, are refused with the invariant that it breaks
and a message that names it; sound ones, also with repeats that are allowed, pass. It runs as a row of the table of faults."""
import json, random, threading
from types import SimpleNamespace

import checker
from session import Failed
from sweep import position_of
from trial import Engine, fault
from watch import Watch
from workload import HIDDEN, PHANTOM, Hand


class Story:
    """A database and the topics that a faultless engine would write for it, to be spoiled. Positions and times only rise."""

    def __init__(self):
        self.topics = {name: [] for name in ("acc", "truth", "shown", "narrow")}
        self.rows = {name: {} for name in self.topics}
        self.truth, self.commits, self.slots, self.marks, self.broke_off, self.begun = {}, {}, [], [], False, {}
        self.lsn, self.committed, self.txid, self.now = 0x1000000, 0, 700, 1000000
        self.floor = self.lsn

    def tx(self, *changes):
        """Commits a transaction of changes (op, table, id, ver, columns): its records, its row in truth, its acknowledgement."""
        self.txid += 1
        name, self.txid = f"s-{self.txid}", self.txid
        self.marks.append({"status": "BEGIN", "id": f"{self.txid}:1"})
        for op, table, key, ver, more in changes:
            self.change(op, table, key, {"id": key, "ver": ver, "val": 5, **more})
        self.truth[name] = (self.txid, len(changes), "plain")
        self.change("c", "truth", name, {"id": name, "txid": self.txid, "n_events": len(changes), "kind": "plain"})
        self.begun[name] = self.lsn
        self.marks.append({"status": "END", "id": f"{self.txid}:2", "event_count": len(changes) + 1, "data_collections": [
            {"data_collection": "public.truth", "event_count": 1}]})
        self.committed, self.lsn = self.lsn, self.lsn + 0x40
        self.commits[name] = f"0/{self.lsn:X}"
        self.now += 1000
        self.slots.append((self.now / 1000, self.lsn))
        return self

    def change(self, op, table, key, row):
        self.lsn, self.now = self.lsn + 0x10, self.now + 10
        self.record(table, key, {"before": None if op != "d" else {"id": key}, "after": None if op == "d" else row,
                                 "source": {"txId": self.txid, "lsn": self.lsn, "sequence": json.dumps([str(self.committed), str(self.lsn)])},
                                 "op": op, "ts_ms": self.now})
        if op == "d":
            self.tombstone(table, key)
        rows, name = self.rows[table], checker.name_of({"id": key})
        rows.pop(name, None)
        if op != "d":
            rows[name] = row

    def record(self, table, key, body, headers=()):
        topic = self.topics[table]
        topic.append({"key": json.dumps({"id": key}), "value": json.dumps(body), "headers": list(headers), "partition": 0,
                      "offset": len(topic), "ts": self.now})

    def tombstone(self, table, key):
        topic = self.topics[table]
        topic.append({"key": json.dumps({"id": key}), "value": None, "headers": [], "partition": 0, "offset": len(topic), "ts": self.now})

    def snapshot(self, *rows):
        """Rows (table, id, columns) as a snapshot tells them, at the position where the log stands."""
        for table, key, row in rows:
            self.record(table, key, {"before": None, "after": {"id": key, **row}, "op": "r", "ts_ms": self.now,
                                     "source": {"txId": None, "lsn": self.lsn, "snapshot": "true", "sequence": json.dumps([None, str(self.lsn)])}})

    def again(self, table, *places):
        """Records that come a second time, a moment after the last one."""
        for at in places:
            self.now += 2 * checker.SLACK_MS
            self.topics[table].append({**self.topics[table][at], "offset": len(self.topics[table]), "ts": self.now})

    def edit(self, table, at, fn):
        """Changes a record's value in place."""
        record = self.topics[table][at]
        body = json.loads(record["value"])
        fn(body)
        self.topics[table][at] = {**record, "value": json.dumps(body)}

    def history(self, final=True):
        marks = [{"value": json.dumps(m)} for m in self.marks]
        return checker.History(self.topics, self.truth, self.rows, self.slots, self.commits, marks, True, final, self.broke_off, self.begun,
                               self.floor)


def sound():
    """Creates, updates, a delete and the insert after it, over four transactions; acc's records are 0 to 8, of
    which 6 is the tombstone."""
    s = Story()
    s.tx(("c", "acc", 1, 0, {"pad": "x"}), ("c", "acc", 2, 0, {"pad": "y"}))
    s.tx(("u", "acc", 1, 1, {"pad": "x"}), ("u", "acc", 2, 1, {"pad": "y"}))
    s.tx(("u", "acc", 1, 2, {"pad": "x"}), ("d", "acc", 2, 1, {}))
    s.tx(("c", "acc", 2, 2, {"pad": "z"}), ("u", "acc", 1, 3, {"pad": "x"}))
    return s


def refused(story, invariant, said, final=True):
    """That the invariant breaks, and says so in words that name what is wrong."""
    h = story.history(final)
    try:
        for check in checker.FINAL[invariant]:
            check(h)
    except checker.Broken as e:
        assert str(e).startswith(invariant + ": ") and said in str(e), f"{invariant} breaks, and {said!r} is not in: {e}"
        return 1
    raise AssertionError(f"{invariant} does not break where it should say {said!r}")


def passes(story, final=True):
    checker.judge(story.history(final))
    return 1


def spoiled(fn, *args):
    s = sound()
    fn(s, *args)
    return s


def lose(s, table, at):
    del s.topics[table][at]


def swap(s, table, a, b):
    """Two records change places; offsets and times stay with the places."""
    topic = s.topics[table]
    for field in ("key", "value", "headers"):
        topic[a][field], topic[b][field] = topic[b][field], topic[a][field]


def lost():
    """A lost row, a lost transaction, a wrong and a stale column."""
    n = refused(spoiled(lose, "acc", 8), "I1", '{"id": 1}') + refused(spoiled(lose, "acc", 8), "I2", "2 events and 1 different")
    n += refused(spoiled(lose, "acc", 2), "I2", "transaction 702") + refused(spoiled(lose, "truth", 1), "I2", "s-702) committed")
    s = sound()
    s.edit("acc", 8, lambda b: b["after"].update(pad="other"))
    n += refused(s, "I1", "other")
    s = sound()
    s.rows["acc"].pop('{"id": 2}')
    for _ in range(3):
        lose(s, "acc", 5)  # the create after it too, so that only the delete is missing in the fold
    return n + refused(s, "I1", "1 too many")


def phantoms():
    """A row of a transaction that was rolled back, of a savepoint, of a filter, and a column that is not published."""
    s = sound()
    s.txid += 1
    s.change("c", "acc", 77, {"id": 77, "ver": 0, "val": 1})
    n = refused(s, "I3", "acc id 77 op c ver 0")
    for table, row in (("acc", {"val": PHANTOM}), ("narrow", {"secret": HIDDEN}), ("shown", {"open": False})):
        s = Story().tx(("c", table, 78, 0, {"open": True, **row}))
        n += refused(s, "I3", f"{table} id 78")
    return n


def disorder():
    """Versions that miss one or are the wrong way round, and transactions and positions that are."""
    n = refused(spoiled(lose, "acc", 2), "I4", "acc id 1 op u ver 2") + refused(spoiled(lose, "acc", 0), "I4", "never created")
    n += refused(spoiled(lose, "acc", 5), "I4", "its delete is missing") + refused(spoiled(swap, "acc", 2, 4), "I4", "after version 0")
    n += refused(spoiled(lose, "acc", 6), "I4", "is not followed by its tombstone")
    n += refused(spoiled(swap, "acc", 2, 3), "I5", "which is later in the log") + refused(spoiled(swap, "acc", 3, 4), "I5", "committed later")
    return n + refused(spoiled(swap, "truth", 1, 2), "I5", "committed before it")


def repeats():
    """A stretch may come again, also twice and also cut short by another repeat; not with a hole, nor in another order, nor with other
    bytes, nor when it was acknowledged."""
    n = 0
    for places in ((4, 5, 6, 7, 8), (8,), (2, 3, 4, 5, 6, 7, 8, 7, 8), (2, 3, 2, 3, 4, 5, 6, 7, 8)):
        s = sound()
        s.slots = []
        s.again("acc", *places)
        n += passes(s)
    for places, said in (((4, 7, 8), "leaves out acc id 2 op d"), ((5, 6, 8), "leaves out acc id 2 op c")):
        n += refused(spoiled(Story.again, "acc", *places), "I4", said)
    s = sound()
    s.again("acc", 2, 3)
    s.tx(("u", "acc", 1, 4, {"pad": "x"}))
    n += refused(s, "I4", "in the middle of a repeat")
    n += refused(spoiled(Story.again, "acc", 7, 8), "I6", "covers it")
    s = sound()
    s.slots = s.slots[:3]  # the last transaction was not acknowledged yet: its repeat is allowed
    s.again("acc", 7, 8)
    n += passes(s)
    s.edit("acc", 10, lambda b: b["after"].update(pad="other"))
    n += refused(s, "I9", "other")
    s = sound()
    s.slots = s.slots[:3]
    s.again("acc", 7, 8)
    s.edit("acc", 10, lambda b: b.update(ts_ms=1))
    return n + passes(s)


def acknowledged_too_early():
    """An event that came after its acknowledgement; on a stop, one that was acknowledged and never came, of which `truth` alone did, or
    all but `truth`."""
    s = sound()
    s.topics["acc"][8]["ts"] += 5000
    n = refused(s, "I7", "acc id 1 op u ver 3")
    for lost_ones in ((("acc", 8), ("acc", 7), ("truth", 3)), (("acc", 8),), (("acc", 8), ("acc", 7)), (("truth", 3),)):
        s = sound()
        for table, at in lost_ones:
            lose(s, table, at)
        n += refused(s, "I7", "s-704), committed before", final=False)
        s.slots = s.slots[:3]
        n += passes(s, final=False)
    return n


def hidden_by_a_snapshot():
    """What was committed before the stream began is the snapshot's; behind it a later snapshot excuses nothing, though its rows make the
    fold right."""
    s = sound()
    s.floor = s.begun["s-704"] + 1  # as if the slot had begun behind the last transaction
    s.slots = [(s.now / 1000, s.floor)]
    for name, (_, n, kind) in s.truth.items():
        s.snapshot(("truth", name, {"n_events": n, "kind": kind}))
    s.topics["acc"].clear()
    s.topics["truth"] = s.topics["truth"][4:]
    s.snapshot(*[("acc", key, {c: v for c, v in row.items() if c != "id"}) for key, row in ((r["id"], r) for r in s.rows["acc"].values())])
    s.rows["truth"], s.marks = {}, []
    n = passes_but(s, "I1", "I8")
    s.floor, s.slots = 0x1000000, [(s.now / 1000 - 9, 0x1000000), (s.now / 1000, s.lsn)]
    n += refused(s, "I2", "committed and its row in truth did not arrive") + refused(s, "I7", "is not in Kafka")
    s = sound()
    s.floor = s.begun["s-704"] + 1
    s.snapshot(("truth", "s-704", {}))
    lose(s, "acc", 8)  # some of it came: then all has to
    return n + refused(s, "I2", "2 events and 1 different")


def passes_but(story, *waived):
    checker.judge(story.history(), waived)
    return 1


def keys():
    """A record under another key, under none, under one where the table has none; a tombstone that follows no delete, or another key's."""
    n = 0
    for key in ({"id": 7}, None):
        s = sound()
        s.topics["acc"][2]["key"] = key and json.dumps(key)
        n += refused(s, "I4", "has the key")
    s = sound()
    s.topics["nokey"], s.rows["nokey"] = [], {}
    s.tx(("c", "nokey", 5, 0, {}))
    n += refused(s, "I4", 'has the key {\'id\': 5}')
    s.topics["nokey"][0]["key"] = None
    n += passes(s)
    s = sound()
    s.topics["whole"], s.rows["whole"] = [], {}
    s.tx(("c", "whole", 5, 0, {})).tx(("d", "whole", 5, 0, {}))
    for r in s.topics["whole"]:
        r["key"] = None
    n += passes(s)
    lose(s, "whole", 2)  # a delete without a key has a tombstone too, without one
    n += refused(s, "I4", "is not followed by its tombstone")
    s = sound()
    s.topics["acc"][6]["key"] = json.dumps({"id": 1})
    n += refused(s, "I4", "does not follow a delete of that key")
    s = sound()
    s.tombstone("acc", 1)
    n += refused(s, "I4", "does not follow a delete of that key")
    s = sound()
    swap(s, "acc", 6, 7)
    n += refused(s, "I4", "does not follow a delete of that key")
    for final in (True, False):  # torn by a kill: a later repeat has both
        s = sound()
        s.slots = s.slots[:2]
        lose(s, "acc", 8)
        lose(s, "acc", 7)
        s.tx(("c", "acc", 2, 2, {"pad": "z"}), ("u", "acc", 1, 3, {"pad": "x"}))
        s.slots = s.slots[:2]
        torn = s.topics["acc"].pop(6)
        s.topics["acc"][6:6] = [dict(r) for r in (s.topics["acc"][4], s.topics["acc"][5], torn)]
        for at, r in enumerate(s.topics["acc"]):
            r["offset"] = at
        checker.keyed(s.history(final))
        n += 1
    s = sound()
    s.slots = s.slots[:2]
    for _ in range(3):
        s.topics["acc"].pop()
    checker.keyed(s.history(False))  # the end of a connector that stopped
    n += 1
    s = sound()
    for _ in range(3):
        s.topics["acc"].pop()
    return n + refused(s, "I4", "is not followed by its tombstone", final=False)


def two_deletes():
    """A delete that comes twice, in a row, is no repeat when it is of another transaction."""
    s = sound()
    s.tx(("d", "acc", 2, 2, {})).tx(("d", "acc", 2, 2, {}))
    checker.complete(s.history())
    return 1 + refused(s, "I4", "was deleted")


def new_columns():
    """The value of a column that came later is compared as any other."""
    s = sound()
    s.tx(("u", "acc", 1, 4, {"pad": "x", "more5": 12}))
    n = passes(s)
    s.edit("acc", 9, lambda b: b["after"].pop("more5"))
    return n + refused(s, "I1", "more5")


def broken_snapshot():
    """After a snapshot that broke off the changes since its position come first, then it is taken anew; without it they are orphans."""
    s = Story()
    s.tx(("u", "acc", 5, 3, {}))
    n = refused(s, "I4", "never created")
    s.broke_off = True
    s.change("r", "acc", 5, {"id": 5, "ver": 3, "val": 5})
    n += passes(s)
    s.tx(("u", "acc", 5, 5, {}))
    return n + refused(s, "I4", "one is missing")


def marks():
    """BEGIN and END that are missing or count wrong."""
    n = 0
    for at, change, said in ((1, {"event_count": 2}, "counts 2 events, 3 arrived"), (1, None, "no END"), (0, None, "no BEGIN"),
                             (1, {"data_collections": [{"data_collection": "public.acc", "event_count": 9}]}, "counts 9 of public.acc")):
        s = sound()
        s.marks[at:at + 1] = [{**s.marks[at], **change}] if change else []
        n += refused(s, "I8", said)
    return n


def values_not_sent():
    """A large value that did not change is not sent: it is that of before, also under a new key; when it was lost, it is seen."""
    s = Story().tx(("c", "acc", 1, 0, {"pad": "large"}))
    s.tx(("u", "acc", 1, 1, {"pad": "large"}))
    s.edit("acc", 1, lambda b: b["after"].update(pad=checker.UNAVAILABLE))
    n = passes(s)
    s.tx(("d", "acc", 1, 1, {}), ("c", "acc", 9, 2, {"pad": "large"}))
    s.edit("acc", 4, lambda b: b["after"].update(pad=checker.UNAVAILABLE))
    s.topics["acc"][4]["headers"] = [("__debezium.oldkey", json.dumps({"id": 1}))]
    n += passes(s)
    s.topics["acc"][4]["headers"] = []
    return n + refused(s, "I1", checker.UNAVAILABLE)


def filters():
    """A row that leaves the publication's filter is deleted, and created when it comes back, with versions in between that are not told;
    a snapshot reads also what is filtered, which is then as if it were not there."""
    s = Story().tx(("c", "shown", 1, 0, {"open": True}))
    s.tx(("d", "shown", 1, 0, {})).tx(("c", "shown", 1, 4, {"open": True}))
    n = passes(s)
    s = Story()
    s.change("r", "shown", 2, {"id": 2, "ver": 0, "val": 0, "open": False})
    s.rows["shown"].clear()
    n += passes(s)
    s.tx(("c", "shown", 2, 3, {"open": True}))
    return n + passes(s)


def raises(kind, fn, said):
    try:
        fn()
    except kind as e:
        assert said in str(e), f"{said!r} is not in: {e}"
        return 1
    raise AssertionError(f"nothing is raised where it should say {said!r}")


class Ended:
    """A process that is over."""

    def __init__(self, code):
        self.child, self.code = self, code

    def poll(self):
        return self.code

    def tail(self):
        return "its log"


def ends():
    """An engine that crashed, or just ended, is not taken for one that was killed; where a stop is expected, an exit code is one."""
    n = 0
    for code, wanted, signalled, found in ((-11, False, False, True), (-11, False, True, True), (-6, False, True, True), (1, False, False, True),
                                           (1, False, True, False), (-9, True, False, False), (None, False, False, False)):
        engine = Engine.__new__(Engine)
        engine.process, engine.may_end, engine.may_be_killed = Ended(code), wanted, False
        if found:
            n += raises(AssertionError, lambda: engine.look(signalled), f"by itself with {code}")  # noqa: B023
        else:
            engine.look(signalled)
            n += 1
    for code in (-9, -11):  # with a failpoint
        engine = Engine.__new__(Engine)
        engine.process, engine.may_end, engine.may_be_killed = Ended(code), False, True
        n += raises(AssertionError, engine.look, "by itself with -11") if code == -11 else engine.look() is None
    return n


def watching():
    """Without anyone who watched, no acknowledgement would ever be too early."""
    def watch(alive=True, looks=50, slots=((1, 5), (2, 9)), error=None):
        w = Watch.__new__(Watch)
        w.thread, w.looks, w.slots, w.error = threading.Thread(target=lambda: None), looks, list(slots), error
        w.thread.is_alive = lambda: alive
        return w
    watch().check(9)
    watch(slots=[(1, 5)]).check()
    return 2 + (raises(AssertionError, watch(alive=False).check, "nobody watched") + raises(AssertionError, watch(slots=[]).check, "0 positions")
                + raises(AssertionError, watch(looks=0).check, "0 times") + raises(ValueError, watch(error=ValueError("odd")).check, "odd")
                + raises(AssertionError, lambda: watch(slots=[(1, 5)]).check(5), "nothing was acknowledged"))


def writing():
    """What the writer does wrong is not a lost connection."""
    n = 0
    for state, ours in (("42601", True), ("23505", True), ("42P01", True), ("22012", True), ("", False), ("57P01", False), ("08006", False)):
        hand = Hand(SimpleNamespace(lost=0, done=threading.Event(), sessions=1, ddl=False, big=False, copies=False, toast=False), 0,
                    random.Random(1))
        hand.writer.done.set()
        hand.session = SimpleNamespace(close=lambda: None)

        def fails(*_):
            raise Failed(state, "made up")  # noqa: B023
        hand._transaction = fails
        if ours:
            n += raises(Failed, hand._step, state)
        else:
            hand._step()
            assert hand.writer.lost == 1
            n += 1
    return n


def positions():
    """A stored position counts as the engine counts it, not by its largest field."""
    for offset, at in (({"lsn": 5}, 5), ({"lsn": 9, "lsn_proc": 7, "lsn_commit": 5}, 5), ({"lsn": 9, "lsn_proc": 7}, 7),
                       ({"lsn": 9, "lsn_commit": 5, "walwire_lsn": 6}, 6), ({"lsn": 9, "lsn_commit": 5, "walwire_lsn": 4}, 5),
                       ({"lsn": 9, "snapshot": "INITIAL", "snapshot_completed": False}, 0),
                       ({"lsn": 9, "snapshot": "INITIAL", "snapshot_completed": True}, 9)):
        assert position_of(offset) == at, f"{offset} is taken for {position_of(offset)}"
    return 7


@fault("F00c", "the checker is given made-up histories with one thing wrong each", plain=True, short=True)
def checker_can_fail(t):
    """A lost row, a row of a rolled-back transaction, an inversion, a repeat too many: each is refused, and what is right is not."""
    return passes(sound()) + sum(check() for check in (lost, phantoms, disorder, repeats, acknowledged_too_early, hidden_by_a_snapshot, keys,
                                                       two_deletes, new_columns, broken_snapshot, marks, values_not_sent, filters, ends,
                                                       watching, writing, positions))
