"""The checker must be able to fail: made-up histories, each with one thing wrong, are refused with the invariant that it breaks
and a message that names it; sound ones, also with repeats that are allowed, pass. It runs as a row of the table of faults."""
import json

import checker
from trial import fault
from workload import HIDDEN, PHANTOM


class Story:
    """A database and the topics that a faultless engine would write for it, to be spoiled. Positions and times only rise."""

    def __init__(self):
        self.topics = {name: [] for name in ("acc", "truth", "shown", "narrow")}
        self.rows = {name: {} for name in self.topics}
        self.truth, self.commits, self.slots, self.marks, self.broke_off = {}, {}, [], [], False
        self.lsn, self.committed, self.txid, self.now = 0x1000000, 0, 700, 1000000

    def tx(self, *changes):
        """Commits a transaction of changes (op, table, id, ver, columns): its records, its row in truth, its acknowledgement."""
        self.txid += 1
        name, self.txid = f"s-{self.txid}", self.txid
        self.marks.append({"status": "BEGIN", "id": f"{self.txid}:1"})
        for op, table, key, ver, more in changes:
            self.change(op, table, key, {"id": key, "ver": ver, "val": 5, **more})
        self.truth[name] = (self.txid, len(changes), "plain")
        self.change("c", "truth", name, {"id": name, "txid": self.txid, "n_events": len(changes), "kind": "plain"})
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
        rows, name = self.rows[table], checker.name_of({"id": key})
        rows.pop(name, None)
        if op != "d":
            rows[name] = row

    def record(self, table, key, body, headers=()):
        topic = self.topics[table]
        topic.append({"key": json.dumps({"id": key}), "value": json.dumps(body), "headers": list(headers), "partition": 0,
                      "offset": len(topic), "ts": self.now})

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
        return checker.History(self.topics, self.truth, self.rows, self.slots, self.commits, marks, True, final, self.broke_off)


def sound():
    """Creates, updates, a delete and the insert after it, over four transactions; acc's records are 0 to 7."""
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
    n = refused(spoiled(lose, "acc", 7), "I1", '{"id": 1}') + refused(spoiled(lose, "acc", 7), "I2", "2 events and 1 different")
    n += refused(spoiled(lose, "acc", 2), "I2", "transaction 702") + refused(spoiled(lose, "truth", 1), "I2", "s-702) committed")
    s = sound()
    s.edit("acc", 7, lambda b: b["after"].update(pad="other"))
    n += refused(s, "I1", "other")
    s = sound()
    lose(s, "acc", 5)
    s.rows["acc"].pop('{"id": 2}')
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
    n += refused(spoiled(swap, "acc", 2, 3), "I5", "which is later in the log") + refused(spoiled(swap, "acc", 3, 4), "I5", "committed later")
    return n + refused(spoiled(swap, "truth", 1, 2), "I5", "committed before it")


def repeats():
    """A stretch may come again, also twice and also cut short by another repeat; not with a hole, nor in another order, nor with other
    bytes, nor when it was acknowledged."""
    n = 0
    for places in ((4, 5, 6, 7), (7,), (2, 3, 4, 5, 6, 7, 6, 7), (2, 3, 2, 3, 4, 5, 6, 7)):
        s = sound()
        s.slots = []
        s.again("acc", *places)
        n += passes(s)
    for places, said in (((4, 6, 7), "leaves out acc id 2 op d"), ((5, 7), "leaves out acc id 2 op c")):
        n += refused(spoiled(Story.again, "acc", *places), "I4", said)
    s = sound()
    s.again("acc", 2, 3)
    s.tx(("u", "acc", 1, 4, {"pad": "x"}))
    n += refused(s, "I4", "in the middle of a repeat")
    n += refused(spoiled(Story.again, "acc", 6, 7), "I6", "covers it")
    s = sound()
    s.slots = s.slots[:3]  # the last transaction was not acknowledged yet: its repeat is allowed
    s.again("acc", 6, 7)
    n += passes(s)
    s.edit("acc", 9, lambda b: b["after"].update(pad="other"))
    n += refused(s, "I9", "other")
    s = sound()
    s.slots = s.slots[:3]
    s.again("acc", 6, 7)
    s.edit("acc", 9, lambda b: b.update(ts_ms=1))
    return n + passes(s)


def acknowledged_too_early():
    """An event that came after its acknowledgement; on a stop, one that was acknowledged and never came."""
    s = sound()
    s.topics["acc"][7]["ts"] += 5000
    n = refused(s, "I7", "acc id 1 op u ver 3")
    s = sound()
    for table, places in (("acc", (7, 6)), ("truth", (3,))):
        for at in places:
            lose(s, table, at)
    n += refused(s, "I7", "s-704), committed before", final=False)
    s.slots = s.slots[:3]
    return n + passes(s, final=False)


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
    s.edit("acc", 3, lambda b: b["after"].update(pad=checker.UNAVAILABLE))
    s.topics["acc"][3]["headers"] = [("__debezium.oldkey", json.dumps({"id": 1}))]
    n += passes(s)
    s.topics["acc"][3]["headers"] = []
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


@fault("F00c", "the checker is given made-up histories with one thing wrong each", plain=True, short=True)
def checker_can_fail(t):
    """A lost row, a row of a rolled-back transaction, an inversion, a repeat too many: each is refused, and what is right is not."""
    return passes(sound()) + sum(check() for check in (lost, phantoms, disorder, repeats, acknowledged_too_early, broken_snapshot, marks,
                                                       values_not_sent, filters))
