"""The invariants: what Kafka holds after a trial, compared with what the database committed and with what was acknowledged when.

A History is all that the functions look at, so that test_checker.py can make one up. Each function raises Broken, which names the
key, the position and what is missing. I13, that Debezium writes the same records, is held by tests/compat.

    I1  folded by key, the topics are the tables
    I2  every committed transaction arrived, with as many events as it has
    I3  nothing of a transaction or savepoint that was rolled back did, nor what the publication leaves out
    I4  the version of each key rises by one; what is repeated is a whole stretch in the same order; records have the key of their
        row, and after each delete comes its tombstone
    I5  transactions come in the order of their commits, events in the order of the log
    I6  what was acknowledged is not sent again; with exactly.once.source.support=enabled nothing is
    I7  nothing was acknowledged before it was in Kafka, whole
    I8  BEGIN and END of a transaction count its events
    I9  a repeated event has the bytes of the first
    I10 all is acknowledged soon after the fault, and the server may drop the log (trial.py)
    I11 memory, descriptors and processor time stay within bounds
    I12 it ends with 0 when asked to, and its log shows no secret
"""
import bisect, collections, json, re, time

import consume
from fold import difference, name_of
from process import wait_until
from watch import cpu_seconds, lsn_number, open_files
from workload import HIDDEN, PHANTOM

UNAVAILABLE = "__debezium_unavailable_value"
KEYLESS = ("nokey", "whole")
SLACK_MS = 25  # by which two clocks' readings of one moment may differ


class Broken(AssertionError):
    pass


def broken(invariant, text):
    raise Broken(f"{invariant}: {text}")


class Tombstone:
    """A record without a value."""
    __slots__ = ("table", "partition", "offset", "key")

    def __init__(self, table, record):
        self.table, self.partition, self.offset = table, record["partition"], record["offset"]
        self.key = json.loads(record["key"]) if record["key"] else None

    def __str__(self):
        return f"the tombstone of {self.table} {self.key}, partition {self.partition} offset {self.offset}"


class Event:
    """A record with a value: `row` is its image, after or else before; `first` whether it is the first of its kind in the topic."""
    __slots__ = ("table", "partition", "offset", "ts", "key", "op", "before", "after", "source", "transaction", "oldkey", "text", "first")

    def __init__(self, table, record):
        body = json.loads(record["value"])
        self.table, self.partition, self.offset, self.ts = table, record["partition"], record["offset"], record["ts"]
        self.key = json.loads(record["key"]) if record["key"] else None
        self.op, self.before, self.after = body["op"], body.get("before"), body.get("after")
        self.source, self.transaction = body["source"], body.get("transaction")
        headers = dict(record["headers"])
        self.oldkey = json.loads(headers["__debezium.oldkey"]) if "__debezium.oldkey" in headers else None
        for clock in ("ts_ms", "ts_us", "ts_ns"):  # when it was handled, which a repeat may tell otherwise
            body.pop(clock, None)
        self.text, self.first = json.dumps(body), True

    @property
    def row(self):
        return self.after or self.before or {}

    @property
    def tx(self):
        return self.source.get("txId")

    @property
    def id(self):
        return self.row["id"]

    @property
    def identity(self):
        return (self.tx, self.source["lsn"], self.op, self.id)

    def __str__(self):
        lsn = self.source["lsn"]
        return (f"{self.table} id {self.id} op {self.op} ver {self.row.get('ver')} at {lsn >> 32:X}/{lsn & 0xffffffff:X} in transaction "
                f"{self.tx}, partition {self.partition} offset {self.offset}")


class History:
    """tables: name to its records in the topic's order. truth: id to (txid, n_events, kind). rows: name to id to row, as they are in
    the database. slots: (seconds, acknowledged position). commits: id of `truth` to a position after its commit. begun: the same to
    one before. floor: what was committed behind it the stream has to tell, whatever a later snapshot tells too. marks: the records
    of the transaction topic. again: a snapshot broke off and was taken anew, so that rows of the first one may be ahead of the
    stream, which begins where the slot stood, for some time."""

    def __init__(self, tables, truth, rows, slots=(), commits=None, marks=None, filters=True, final=True, again=False, begun=None,
                 floor=0):
        self.again, self.begun, self.floor = again, begun or {}, floor
        self.records = {name: [Event(name, r) if r["value"] else Tombstone(name, r) for r in records] for name, records in tables.items()}
        self.events = {name: [r for r in records if isinstance(r, Event)] for name, records in self.records.items()}
        self.truth, self.rows, self.slots, self.marks, self.filters, self.final = truth, rows, list(slots), marks, filters, final
        names = {txid: name for name, (txid, _, _) in truth.items()}
        commits = commits or {}
        self.after = {txid: lsn_number(commits[name]) for txid, name in names.items() if name in commits}
        self.names = names
        for events in self.events.values():
            mark_repeats(events)

    def streamed(self, table):
        """First deliveries of the stream, without the snapshot's rows."""
        return [e for e in self.events[table] if e.first and e.op != "r"]

    def of_stream(self, name):
        """Whether a transaction was surely committed behind the position where the stream begins, so that no snapshot excuses it."""
        return self.begun.get(name, 0) >= self.floor

    def all_streamed(self):
        return [e for table in self.events for e in self.streamed(table)]

    @property
    def duplicates(self):
        return sum(not e.first for events in self.events.values() for e in events)


def mark_repeats(events):
    seen = set()
    for e in events:
        if e.op != "r":
            e.first = e.identity not in seen
            seen.add(e.identity)


# the invariants of a history


def complete(h):
    """I1: folded by key the topics are the tables, column by column."""
    for table, rows in h.rows.items():
        got = fold(h.events.get(table, []))
        found = difference({k: project(r, rows.get(k)) for k, r in got.items()}, rows)
        if found:
            key = next((k for k in sorted(rows.keys() | got.keys()) if project(got.get(k), rows.get(k)) != rows.get(k)), None)
            last = next((e for e in reversed(h.events.get(table, [])) if name_of({"id": e.id}) == key), None)
            broken("I1", f"{table}, folded by key, is not the table: {found[:600]}; the last event of {key}: {last or 'there is none'}")


def fold(events):
    """The last row of each key; a value that was not sent is that of the row before, also under the key before."""
    rows = {}
    for e in events:
        key = name_of({"id": e.id})
        if e.op == "d" or unpublished(e):
            rows[key] = ("gone", e.before, rows.get(key))
            continue
        before = rows.get(name_of({"id": e.oldkey["id"]}) if e.oldkey else key)
        while isinstance(before, tuple):
            before = before[2]
        rows[key] = {c: (before or {}).get(c, v) if v == UNAVAILABLE else v for c, v in e.after.items()}
    return {k: r for k, r in rows.items() if not isinstance(r, tuple)}


def unpublished(e):
    """A snapshot, as Debezium's, reads whole tables: a row that the publication's filter leaves out is not there for the stream."""
    return e.op == "r" and e.table == "shown" and not e.after["open"]


def project(got, wanted):
    """What was told of a row, in the columns that the table has now: one that was added since is null there."""
    if not isinstance(got, dict) or not wanted:
        return got
    return {c: got.get(c) for c in wanted}


def committed(h):
    """I2: each row of truth arrived and the transaction's events are as many as it says."""
    counts = collections.Counter(e.tx for e in h.all_streamed() if e.table != "truth")
    told = {e.id for e in h.streamed("truth")}
    in_snapshot = {e.id for e in h.events["truth"] if e.op == "r"}
    for name, (txid, n, kind) in h.truth.items():
        if name in in_snapshot and name not in told and not counts[txid] and not h.of_stream(name):
            continue
        if name not in told:
            broken("I2", f"transaction {txid} ({kind}, {name}) committed and its row in truth did not arrive; {counts[txid]} of its {n} events did")
        if counts[txid] != n:
            lsns = sorted(e.source["lsn"] for e in h.all_streamed() if e.tx == txid)
            where = f", between {lsns[0]:X} and {lsns[-1]:X}" if lsns else ""
            broken("I2", f"transaction {txid} ({kind}, {name}) has {n} events and {counts[txid]} different ones arrived{where}")


def only_committed(h):
    """I3: no event of a transaction that is not in truth, none of a savepoint, nothing that is not published."""
    known = {txid for txid, _, _ in h.truth.values()}
    for events in h.events.values():
        for e in events:
            if e.op == "r":
                continue
            if e.tx not in known:
                broken("I3", f"{e} is of a transaction that did not commit")
            if e.row.get("val") == PHANTOM:
                broken("I3", f"{e} was rolled back")
            if h.filters and HIDDEN in e.text:
                broken("I3", f"{e} shows a column that is not published")
            if h.filters and e.table == "shown" and e.after and not e.after["open"]:
                broken("I3", f"{e} shows a row that the publication's filter leaves out")


def versions(h):
    """I4: of each key the first event is a create or a snapshot's row, and each further one raises its version by one."""
    for table, events in h.events.items():
        if table == "truth":
            continue
        last = {}
        for e in events:
            if h.again and e.op == "r":
                continue
            if h.again and e.id not in last and e.op != "c":
                last[e.id] = (e.after["ver"], True) if e.op == "u" else (None, False)
            elif e.first:
                last[e.id] = next_version(e, last.get(e.id))


def next_version(e, before):
    """`before` and the result are (version, whether the row is there)."""
    ver, there = before or (None, False)
    if e.op in ("c", "r"):
        if there and e.op == "c":
            broken("I4", f"{e} creates a row that is there already, with version {ver}: its delete is missing")
        jump = e.table == "shown"  # changes outside of the row filter are not told
        if e.op == "c" and ver is not None and not (e.after["ver"] > ver if jump else e.after["ver"] == ver + 1):
            broken("I4", f"{e} comes after version {ver}")
        return (e.after["ver"], not unpublished(e))
    if not there:
        broken("I4", f"{e} is of a row that {'was deleted' if before else 'was never created'}: its create is missing or late")
    if e.op == "u" and e.after["ver"] != ver + 1:
        broken("I4", f"{e} comes after version {ver}: {'one is missing' if e.after['ver'] > ver else 'they are the wrong way round'}")
    return (e.after["ver"], True) if e.op == "u" else (ver, False)


def replays(h):
    """I4: a repeat begins anywhere before and goes on, event by event, to where the stream had been."""
    for events in h.events.values():
        for stream in by_partition(events):
            seen, index, at = [], {}, None
            for e in stream:
                if e.first:
                    if at is not None and at < len(seen):
                        broken("I4", f"{e} came in the middle of a repeat, before {seen[at]} was repeated")
                    index[e.identity], at = len(seen), None
                    seen.append(e)
                    continue
                here = index[e.identity]
                if at is not None and here > at:
                    broken("I4", f"the repeat leaves out {seen[at]}, it goes on with {e}")
                at = here + 1


def by_partition(events):
    streams = collections.defaultdict(list)
    for e in events:
        if e.op != "r":
            streams[e.partition].append(e)
    return streams.values()


def in_order(h):
    """I5: the transactions of each topic follow each other as those of truth do, and positions rise within a transaction."""
    rank, before = {}, None
    for e in h.streamed("truth"):
        commit = int(json.loads(e.source["sequence"])[0] or 0)
        if commit and before and commit < before[0]:  # a snapshot's position, from which a start may go on, has none
            broken("I5", f"{e} says that {commit:X} was committed before it, {before[1]} said {before[0]:X} already")
        rank[e.tx], before = len(rank), (commit, e)
    for table in h.events:
        for stream in by_partition(h.streamed(table)):
            for a, b in zip(stream, stream[1:]):
                if rank.get(a.tx, 0) > rank.get(b.tx, len(rank)):
                    broken("I5", f"{b} comes after {a}, whose transaction was committed later")
                if a.tx == b.tx and a.source["lsn"] > b.source["lsn"]:
                    broken("I5", f"{b} comes after {a}, which is later in the log")


def acknowledged_is_over(h):
    """I6: what was acknowledged when an event was sent again did not cover it."""
    times, most = progress(h)
    for events in h.events.values():
        for e in events:
            at = bisect.bisect_left(times, e.ts - SLACK_MS) - 1
            if not e.first and at >= 0 and h.after.get(e.tx, most[at] + 1) <= most[at]:
                broken("I6", f"{e} was sent again {e.ts - times[at]:.0f} ms after {most[at]:X} was acknowledged, which covers it")


def acknowledged_is_there(h):
    """I7: no position was acknowledged before all up to it was in Kafka; on a stop also what never came."""
    times, most = progress(h)
    for e in h.all_streamed():
        at = bisect.bisect_left(most, h.after.get(e.tx, float("inf")))
        if at < len(most) and e.ts > times[at] + SLACK_MS:
            broken("I7", f"{e} came into Kafka {e.ts - times[at]:.0f} ms after {most[at]:X} was acknowledged, which covers it")
    told = {e.id for e in h.streamed("truth")}
    counts = collections.Counter(e.tx for e in h.all_streamed() if e.table != "truth")
    in_snapshot = {e.id for e in h.events["truth"] if e.op == "r"}
    for txid, after in h.after.items():
        name = h.names[txid]
        if not most or after > most[-1] or after <= most[0]:
            continue
        if not h.of_stream(name) and name not in told and not counts[txid] and (name in in_snapshot or not h.final):
            continue  # it is the snapshot's, which may have been broken off
        if name not in told or counts[txid] != h.truth[name][1]:
            broken("I7", f"transaction {txid} ({name}), committed before {after:X}, is not in Kafka ({counts[txid]} of its {h.truth[name][1]} "
                         f"events and {'its' if name in told else 'no'} row in truth are), and {most[-1]:X} was acknowledged")


def progress(h):
    """When what had been acknowledged: rising milliseconds and the highest position so far."""
    times, most = [], []
    for when, at in h.slots:
        if not most or at > most[-1]:
            times.append(when * 1000)
            most.append(at)
    return times, most


def keyed(h):
    """I4: a record's key is that of its row; a delete is followed by its tombstone, at the latest when it is told again."""
    most = h.slots[-1][1] if h.slots else 0
    for records in h.records.values():
        streams = collections.defaultdict(list)
        for r in records:
            streams[r.partition].append(r)
        for stream in streams.values():
            for e in torn_deletes(stream):
                if h.final or h.after.get(e.tx, most + 1) <= most:
                    broken("I4", f"{e} is not followed by its tombstone")


def torn_deletes(stream):
    """The deletes of a partition that never came together with their tombstone, which are the last ones before an end."""
    torn = {}
    for before, r in zip([None, *stream], [*stream, None]):
        if isinstance(r, Event) and r.key != (None if r.table in KEYLESS else {"id": r.id}):
            broken("I4", f"{r} has the key {r.key}")
        deleted = before if isinstance(before, Event) and before.op == "d" else None
        ends = isinstance(r, Tombstone) and deleted is not None and r.key == deleted.key
        if isinstance(r, Tombstone) and not ends:
            broken("I4", f"{r} does not follow a delete of that key, but {before or 'nothing'}")
        if deleted:
            torn.pop(deleted.identity, None)
            if not ends:
                torn[deleted.identity] = deleted
    return torn.values()


def marked(h):
    """I8: every transaction with events has a BEGIN and an END, and the END counts them, whole and by table."""
    if h.marks is None:
        return
    counts, by_table = collections.Counter(), collections.Counter()
    for e in h.all_streamed():
        counts[e.tx] += 1
        by_table[e.tx, f"public.{e.table}"] += 1
    began, ended = set(), set()
    for m in (json.loads(r["value"]) for r in h.marks if r["value"]):
        txid = int(m["id"].split(":")[0])
        (began if m["status"] == "BEGIN" else ended).add(txid)
        if m["status"] == "END" and m["event_count"] != counts[txid]:
            broken("I8", f"END of transaction {txid} counts {m['event_count']} events, {counts[txid]} arrived")
        for c in m.get("data_collections") or []:
            if by_table[txid, c["data_collection"]] != c["event_count"]:
                broken("I8", f"END of transaction {txid} counts {c['event_count']} of {c['data_collection']}, "
                             f"{by_table[txid, c['data_collection']]} arrived")
    for txid in counts if h.final else ():
        if txid not in began or txid not in ended:
            broken("I8", f"transaction {txid} has events and no {'END' if txid in began else 'BEGIN'}")


def same_bytes(h):
    """I9: but for the time of handling, an event is the same each time."""
    for events in h.events.values():
        firsts = {e.identity: e for e in events if e.first}
        for e in events:
            first = firsts[e.identity] if not e.first else e
            if e.text != first.text:
                at = next((i for i, (a, b) in enumerate(zip(e.text, first.text)) if a != b), 0)
                broken("I9", f"{e} was ...{first.text[max(at - 60, 0):at + 60]}... the first time and ...{e.text[max(at - 60, 0):at + 60]}... now")


ALWAYS = {"I3": [only_committed], "I4": [versions, replays, keyed], "I5": [in_order], "I6": [acknowledged_is_over],
          "I7": [acknowledged_is_there], "I9": [same_bytes]}
FINAL = {"I1": [complete], "I2": [committed], **ALWAYS, "I8": [marked]}


def judge(h, waive=()):
    """All invariants of a history; those of a connector that stopped on the way when it is not final."""
    for name, checks in (FINAL if h.final else ALWAYS).items():
        for check in checks if name not in waive else ():
            check(h)


# the invariants of a trial


def check(t):
    """What Trial calls once the writer has stopped and, unless a stop was expected, everything is acknowledged."""
    final = t.row.expect is None
    t.watch.check(t.confirmed() if final else None)
    h = history(t, final)
    judge(h, t.row.waive)
    most = 0 if t.exactly_once else t.row.most_duplicates
    if most is not None and h.duplicates > most and "I6" not in t.row.waive:
        broken("I6", f"{h.duplicates} events came twice, not {most}; one is {next(e for es in h.events.values() for e in es if not e.first)}")
    checks = [("I10", log_is_freed if t.row.idle or t.random.random() < 0.1 else lambda t: None), ("I11", within_bounds), ("I12", ends_well)] if final else [("I12", no_secret)]
    for name, fn in checks:
        if name not in t.row.waive:
            fn(t)
    return {"events": sum(map(len, h.events.values())), "duplicates": h.duplicates}


def history(t, final):
    session = t.writer.read
    stories = session("select id, txid, n_events, kind, begun from truth")
    truth, begun = {r[0]: (int(r[1]), int(r[2]), r[3]) for r in stories}, {r[0]: int(r[4]) for r in stories}
    tables = [r[0] for r in session("select relname from pg_class c join pg_publication_tables p on p.tablename = c.relname "
                                    f"where p.pubname = '{t.publication}' order by 1")]
    topics = consume.topics(t.kafka, t.prefix)
    records = {name: topics.get(f"{t.prefix}.public.{name}", []) for name in {*tables, "truth"}}
    rows = {name: published(session, name, t.writer.filters) for name in tables} if final else {}
    marks = topics.get(f"{t.prefix}.transaction", []) if t.settings["provide.transaction.metadata"] == "true" else None
    return History(records, truth, rows, t.watch.slots, t.writer.commits, marks, t.writer.filters, final,
                   getattr(t, "snapshot_again", False) or snapshots(t) > 1, begun, floor(t, records))


def floor(t, records):
    """Where the stream begins: at the slot's first position, or at that of the first snapshot that told anything, unless the engine
    said that it streams from before it. With `t.anew` a snapshot took the place of a lost position: all before it is its own."""
    told = [json.loads(r["value"])["source"] for rs in records.values() for r in rs if r["value"]]
    read = [s["lsn"] for s in told if str(s.get("snapshot", "false")) != "false"]
    if getattr(t, "anew", False):
        return max(read)
    said = re.search(r" streaming from ([0-9A-F]+/[0-9A-F]+)", t.engine.log())
    starts = [*sorted(read)[:1], *([lsn_number(said[1])] if said else [])]
    return max(t.watch.slots[0][1] if t.watch.slots else 0, min(starts, default=0))


def snapshots(t):
    """How many times one was begun; more than one when it broke off."""
    return len(re.findall(r" reading \d+ tables? in ", t.engine.log()))


def published(session, name, filters):
    """A table as its subscribers may see it."""
    what = {"shown": "shown t where open", "narrow": "(select id, ver, val from narrow) t"}.get(name) if filters else None
    rows = [json.loads(r[0]) for r in session(f"select to_jsonb(t) from {what or name + ' t'}")]
    return {name_of({"id": r["id"]}): r for r in rows}


def log_is_freed(t):
    """I10: once all is quiet the server may drop the log that was written during the trial."""
    end = lsn_number(t.sql("select pg_current_wal_lsn()"))

    def freed():
        t.postgres.psql("checkpoint")
        at = t.restart_lsn()
        if at < end:
            raise RuntimeError(f"restart_lsn is {at:X}, the trial ended at {end:X}")
        return True
    wait_until(freed, 30, "I10: restart_lsn to advance on an idle server", every=0.5)


def within_bounds(t):
    """I11: memory within the row's bound, as many descriptors as at the start, and no busy loop when nothing happens."""
    pid = t.engine.process.pid
    if t.watch.peak_kb > t.row.rss_mb * 1024:
        broken("I11", f"the engine took {t.watch.peak_kb >> 10} MB, more than {t.row.rss_mb}")
    files = open_files(pid)
    if t.watch.files and files > t.watch.files + 12:
        broken("I11", f"{files} descriptors are open, {t.watch.files} were when it began to stream")
    before = cpu_seconds(pid)
    time.sleep(1)
    used = cpu_seconds(pid) - before
    if used > 0.15:
        broken("I11", f"idle, it uses {used:.2f} s of processor time in a second")


def ends_well(t):
    """I12: SIGTERM ends it with 0."""
    no_secret(t)
    code = t.engine.sigterm(30)
    if code != 0:
        broken("I12", f"asked to end it ended with {code}:\n{t.engine.process.tail()}")


def no_secret(t):
    if t.secret in t.engine.log():
        broken("I12", "the log shows the password")
