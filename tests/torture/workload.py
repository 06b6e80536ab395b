"""The seeded writer: sessions that commit transactions of every kind, each with a row in `truth` that says what is to arrive.

Each choice comes from the seed, the interleaving of the sessions from the machine. Keys belong to one session, so that a
transaction's number of events is known before it runs. Every row has a key `id` and a version `ver` that each change raises by
one, also over a delete and the insert after it. What must never arrive (rows of transactions and savepoints that are rolled
back, the column that the publication leaves out) carries a value that the checker looks for.
"""
import random, threading, time

from session import Failed, Session

PHANTOM, HIDDEN = -1, "hidden-from-the-publication"
SCHEMA = """
create table acc(id bigint primary key, ver int not null, val bigint, pad text);
create table truth(id text primary key, txid bigint not null, n_events int not null, kind text not null,
                   begun bigint not null default pg_current_wal_insert_lsn() - '0/0'::pg_lsn);
create table nokey(id bigint not null, ver int not null, val bigint);
create table whole(id bigint not null, ver int not null, val bigint, note text);
alter table whole replica identity full;
create table byindex(id bigint not null, ver int not null, val bigint);
create unique index byindex_id on byindex(id);
alter table byindex replica identity using index byindex_id;
create table shown(id bigint primary key, ver int not null, val bigint, open bool not null);
alter table shown replica identity full;
create table narrow(id bigint primary key, ver int not null, val bigint, secret text);
create table bulk(id bigint primary key, ver int not null, val bigint);
insert into acc select i, 0, 0, repeat('p', 50) from generate_series(1, 200) i;
insert into whole select i, 0, 0, 'first' from generate_series(1, 40) i;
insert into byindex select i, 0, 0 from generate_series(1, 40) i;
insert into shown select i, 0, 0, i % 8 < 4 from generate_series(1, 40) i;
insert into narrow select i, 0, 0, '{hidden}' from generate_series(1, 40) i;
"""
PUBLISHED = "acc, truth, nokey, whole, byindex, bulk"
FILTERED = ", shown where (open), narrow (id, ver, val)"
UNFILTERED = ", shown, narrow"  # before PostgreSQL 15 a publication has whole tables only
LOST = ("08", "57", "53", "58", "40", "55", "XX", "25")  # SQLSTATE classes that a fault may cause; others are ours
KEYED = ("acc", "whole", "byindex", "shown", "narrow")


class Kinds:
    """Kinds of transactions and how often each is chosen, in a thousand."""
    CHOICES = (("plain", 640), ("rollback", 100), ("savepoint", 100), ("rekey", 50), ("again", 50), ("copy", 20), ("toast", 10),
               ("toasted", 30))


class Writer:
    """`more`, `pause` and `resume` are for the rows. A lost connection is made anew; what a COMMIT that got no answer did is read
    from `truth`. `commits` has, for each transaction that was seen to commit, a position of the WAL after its commit."""

    def __init__(self, postgres, db, publication, seed, sessions=4, pace=0.03, ddl=True, big=True, toast=True, copies=True):
        self.postgres, self.db, self.publication, self.sessions = postgres, db, publication, sessions
        self.pace, self.ddl, self.big, self.toast, self.copies = pace, ddl, big, toast, copies
        self.filters = int(postgres.psql("show server_version_num")) >= 150000
        self.commits, self.lost, self.errors, self.lock = {}, 0, [], threading.Lock()
        self.done, self.going = threading.Event(), threading.Event()
        self.going.set()
        postgres.psql(SCHEMA.replace("{hidden}", HIDDEN) + f"create publication {publication} for table {PUBLISHED}"
                      + (FILTERED if self.filters else UNFILTERED), db)
        self.threads = [threading.Thread(target=Hand(self, n, random.Random(f"{seed}/{n}")).run) for n in range(sessions)]

    def start(self):
        for t in self.threads:
            t.start()

    def more(self, n, timeout=30):
        """Waits until n more transactions have committed."""
        end, wanted = time.monotonic() + timeout, len(self.commits) + n
        while len(self.commits) < wanted:
            self._raise()
            assert time.monotonic() < end, f"the writer committed {n - wanted + len(self.commits)} transactions in {timeout} s, not {n}"
            time.sleep(0.01)

    def pause(self):
        self.going.clear()

    def resume(self):
        self.going.set()

    def read(self, sql):
        """The rows of a query in the writer's database."""
        session = Session(self.postgres.conninfo(self.db))
        try:
            return session(sql)
        finally:
            session.close()

    def stop(self):
        """Ends the sessions; what they failed with, other than by the fault, is raised."""
        self.abandon()
        self._raise()

    def abandon(self):
        self.done.set()
        self.going.set()
        for t in self.threads:
            if t.is_alive():
                t.join(60)

    def _raise(self):
        if self.errors:
            raise self.errors[0]


class Hand:
    """One session of the writer, with the keys that end in its number and what it knows of them."""

    def __init__(self, writer, number, chance):
        self.writer, self.number, self.random, self.session = writer, number, chance, None
        self.count, self.started, self.next_ddl, self.columns, self.tables = 0, time.monotonic(), 2.0, [], 0
        self.known, self.top, self.big_at = {}, 0, chance.randrange(20, 60)

    def run(self):
        try:
            while not self.writer.done.is_set():
                self.writer.going.wait()
                self._step()
                self.writer.done.wait(self.random.uniform(0.2, 1.8) * self.writer.pace)
        except Exception as e:  # pylint: disable=broad-except
            self.writer.errors.append(e)
        finally:
            self._lose()

    def _step(self):
        try:
            if not self.session:
                self._connect()
            self.count += 1
            self._transaction(self._kind())
        except Failed as e:
            if e.state and not e.state.startswith(LOST):
                raise
            self._lose()
            self.writer.lost += 1
            self.writer.done.wait(0.1)

    def _lose(self):
        if self.session:
            self.session.close()
        self.session = None

    def _connect(self):
        """Learns what is there: it may not be what this session thinks when a COMMIT got no answer."""
        session = Session(self.writer.postgres.conninfo(self.writer.db))
        try:
            for table in KEYED:
                rows = session(f"select id{', open' if table == 'shown' else ''} from {table} where id % {self.writer.sessions} = "
                               f"{self.number} order by id")
                self.known[table] = {int(r[0]): r[1:] == ["t"] for r in rows}
            self.columns = [r[0] for r in session("select attname from pg_attribute where attrelid = 'acc'::regclass and attnum > 4 "
                                                  "and not attisdropped order by attnum")]
        except BaseException:
            session.close()
            raise
        self.session = session

    # what a transaction is

    def _kind(self):
        w = self.writer
        if w.ddl and self.number == w.sessions - 1 and time.monotonic() - self.started > self.next_ddl:
            self.next_ddl += 2
            return "ddl"
        if w.big and self.number == 0 and self.count == self.big_at:
            return "big"
        kind = self.random.choices([k for k, _ in Kinds.CHOICES], [n for _, n in Kinds.CHOICES])[0]
        return "plain" if kind == "copy" and not w.copies or kind.startswith("toast") and not w.toast else kind

    def _transaction(self, kind):
        """Runs one and remembers what it changed once it has committed."""
        work = Work(self)
        getattr(work, kind)()
        name = f"{self.number}-{self.count}"
        truth = f"insert into truth values ('{name}', txid_current(), {work.events}, '{kind}');"
        if kind == "rollback":
            self.session(f"begin;{work.sql}{truth}rollback")
            return
        answer = self.session(f"begin;{work.sql}{truth}commit;select pg_current_wal_insert_lsn()", work.copied)
        self.known = {**self.known, **work.known}
        self.writer.commits[name] = answer[0][0]

    def fresh(self):
        """A key of this session's that was never used."""
        self.top += 1
        return (1000000 + self.top) * self.writer.sessions + self.number


class Work:
    """The statements of one transaction, its number of events, and the keys as they are after it."""

    def __init__(self, hand):
        self.hand, self.random, self.sql, self.events, self.copied = hand, hand.random, "", 0, b""
        self.known = {table: dict(keys) for table, keys in hand.known.items()}

    def plain(self):
        for _ in range(self.random.randrange(1, 5)):
            self.random.choices((self.update, self.insert, self.delete, self.nokey), (60, 15, 10, 15))[0]()

    def rollback(self):
        """Nothing of it may arrive."""
        self.sql += f"insert into nokey values ({self.hand.fresh()}, 0, {PHANTOM});"
        self.plain()

    def savepoint(self):
        """What was done since the savepoint may not arrive, what came before and after it must."""
        self.plain()
        events, known = self.events, {t: dict(k) for t, k in self.known.items()}
        self.sql += f"savepoint s;insert into nokey values ({self.hand.fresh()}, 0, {PHANTOM});"
        self.phantom_update()
        self.sql += "rollback to savepoint s;"
        self.events, self.known = events, known
        self.plain()

    def phantom_update(self):
        key = self.pick("acc")
        if key is not None:
            self.sql += f"update acc set ver = ver + 1, val = {PHANTOM} where id = {key};"

    def rekey(self):
        """A key changes: a delete of the old one and a create of the new one."""
        table = self.random.choice(("acc", "acc", "byindex", "narrow"))
        old = self.pick(table)
        if old is None:
            return self.nokey()
        new = self.hand.fresh()
        self.sql += f"update {table} set id = {new}, ver = ver + 1 where id = {old};"
        del self.known[table][old]
        self.known[table][new] = False
        self.events += 2
        return None

    def again(self):
        """A row is deleted and the same key inserted at once."""
        key = self.pick("acc")
        if key is None:
            return self.nokey()
        self.sql += (f"do $$ declare v int; begin delete from acc where id = {key} returning ver into v; "
                     f"insert into acc(id, ver, val, pad) values ({key}, v + 1, {self.value()}, 'again'); end $$;")
        self.events += 2
        return None

    def copy(self):
        """500 rows of one COPY: they share records of the WAL, so that a position alone does not tell them apart."""
        rows = [f"{self.hand.fresh()}\t0\t{self.value()}\n" for _ in range(500)]
        self.sql, self.copied = self.sql + "copy nokey from stdin;", "".join(rows).encode()
        self.events += len(rows)

    def big(self):
        """A transaction that the server spills (servers.py); F30 has one that no buffer of the engine holds whole."""
        first = self.hand.fresh()
        self.sql += f"insert into bulk select {first} + 1000000::bigint * i, 0, i from generate_series(1, 10000) i;"
        self.events += 10000

    def toast(self):
        """A megabyte that does not compress well, out of line."""
        key, text = self.hand.fresh(), self.random.randrange(1 << 30)
        self.sql += (f"insert into acc(id, ver, val, pad) select {key}, 0, {text}, string_agg(md5({text} || '/' || i), '') "
                     "from generate_series(1, 32768) i;")
        self.known["acc"][key] = True
        self.events += 1

    def toasted(self):
        """The row with the megabyte changes elsewhere: the value is not sent and must stay what it was."""
        keys = [k for k, large in self.known["acc"].items() if large is True]
        if not keys:
            return self.plain()
        self.sql += f"update acc set ver = ver + 1 where id = {self.random.choice(keys)};"
        self.events += 1
        return None

    def ddl(self):
        """A column comes or goes, or a table is made and published and filled, all in the transaction that also writes."""
        what = self.random.choice(("add", "drop", "table")) if self.hand.columns else self.random.choice(("add", "table"))
        if what == "add":
            name = f"more{self.hand.count}"
            kind = self.random.choice(("int", "text", "bool"))
            self.sql += f"alter table acc add column {name} {kind};"
            self.hand.columns.append(name)
            self.set_new_column(name, kind)
        elif what == "drop":
            self.sql += f"alter table acc drop column {self.hand.columns.pop()};"
            self.update("acc")
        else:
            name = f"extra{self.hand.count}"
            self.sql += (f"create table {name}(id bigint primary key, ver int not null, val bigint);"
                         f"alter publication {self.hand.writer.publication} add table {name};"
                         f"insert into {name} select i, 0, i from generate_series(1, 5) i;")
            self.events += 5

    def set_new_column(self, name, kind):
        """In some rows; in the others it is null, until their next change too."""
        n = self.random.randrange(1 << 30)
        value = {"int": n, "text": f"'new {n}'", "bool": n % 2 == 0}[kind]
        for key in self.random.sample(sorted(self.known["acc"]), min(3, len(self.known["acc"]))):
            self.sql += f"update acc set ver = ver + 1, {name} = {value} where id = {key};"
            self.events += 1

    # single changes

    def value(self):
        return self.random.randrange(1 << 40)

    def pick(self, table):
        keys = list(self.known[table])
        return self.random.choice(keys) if keys else None

    def any_table(self):
        return self.random.choices(KEYED, (60, 10, 10, 12, 8))[0]

    def nokey(self):
        self.sql += f"insert into nokey values ({self.hand.fresh()}, 0, {self.value()});"
        self.events += 1

    def insert(self):
        table, key = self.any_table(), self.hand.fresh()
        more, columns = {"acc": (", 'new'", ", pad"), "whole": (", 'new'", ", note"), "narrow": (f", '{HIDDEN}'", ", secret"),
                         "shown": (", true", ", open")}.get(table, ("", ""))
        self.sql += f"insert into {table}(id, ver, val{columns}) values ({key}, 0, {self.value()}{more});"
        self.known[table][key] = table == "shown"
        self.events += 1

    def update(self, table=None):
        table = table or self.any_table()
        key = self.pick(table)
        if key is None:
            return self.nokey()
        if table == "shown":
            return self.update_shown(key)
        more = ", pad = 'w' || ver, val" if table == "acc" and self.known["acc"][key] is not True else ", val"
        self.sql += f"update {table} set ver = ver + 1{more} = {self.value()} where id = {key};"
        self.events += 1
        return None

    def update_shown(self, key):
        """Over the row filter: into it is told as an insert, out of it as a delete, outside of it not at all."""
        was, will = self.known["shown"][key], self.random.random() < 0.6
        self.sql += f"update shown set ver = ver + 1, val = {self.value()}, open = {will} where id = {key};"
        self.known["shown"][key] = will
        self.events += 1 if was or will or not self.hand.writer.filters else 0

    def delete(self):
        table = self.any_table()
        key = self.pick(table)
        if key is None:
            return self.nokey()
        self.sql += f"delete from {table} where id = {key};"
        seen = self.known[table].pop(key)
        self.events += 1 if table != "shown" or seen or not self.hand.writer.filters else 0
        return None
