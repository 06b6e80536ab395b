"""What really happened to tables, as another plugin than walwire's tells it from a slot of its own (test_decoding): the rows of
a table at any position."""
import bisect, json, re

from fold import name_of

VALUE = re.compile(r"(\w+)\[([^\]]+(?:\[\])?)\]:('(?:[^']|'')*'|\S+)")
CHANGE = re.compile(r"table public\.(\w+): (INSERT|UPDATE|DELETE|TRUNCATE): (.*)", re.S)


def lsn_of(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def place(pos):
    """The LSN and the ordinal in a position."""
    return int(pos[:16], 16), int(pos[16:], 16)


def value(kind, text):
    if text == "null":
        return None
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    return int(text) if kind in ("integer", "bigint") else text


def row_of(text):
    return {name: value(kind, v) for name, kind, v in VALUE.findall(text)}


class History:
    """Begins with tables as they are: nobody may write meanwhile. Tables have the key `id`."""

    def __init__(self, postgres, db, tables):
        self.postgres, self.db = postgres, db
        postgres.psql("select pg_create_logical_replication_slot('history', 'test_decoding')", db)
        self.ends, self.xids = [], []  # of the transactions, in the order of their commits: where each ends
        self.versions = {t: {} for t in tables}  # of each key: (from which transaction on, the row or None)
        self.reached = 0
        for t in tables:
            for line in postgres.psql(f"select to_jsonb(t) from {t} t", db).splitlines():
                row = json.loads(line)
                self._set(t, row["id"], row, 0)

    def _set(self, table, key, row, at):
        steps = self.versions[table].setdefault(key, ([], []))
        steps[0].append(at)
        steps[1].append(row)

    def _apply(self, table, op, text, at):
        if op == "DELETE":
            return self._set(table, row_of(text)["id"], None, at)
        if op == "UPDATE" and text.startswith("old-key: "):
            old, text = text[len("old-key: "):].split(" new-tuple: ", 1)
            self._set(table, row_of(old)["id"], None, at)
        row = row_of(text)
        self._set(table, row["id"], row, at)

    def read(self):
        """Everything up to now. The server's position is asked for first: nothing before it is missing then."""
        upto = self.postgres.psql("select pg_current_wal_flush_lsn()", self.db)
        out = self.postgres.psql(
            "select lsn || '|' || replace(data, E'\\n', ' ') from pg_logical_slot_get_changes('history', "
            f"'{upto}', null, 'skip-empty-xacts', '1', 'include-timestamp', '0')", self.db)
        for line in out.splitlines():
            lsn, text = line.split("|", 1)
            if text.startswith("COMMIT"):
                self.ends.append(lsn_of(lsn))
                self.xids.append(int(text.split()[1]))
            elif m := CHANGE.match(text):
                if m[1] in self.versions:
                    self._apply(m[1], m[2], m[3], len(self.ends) + 1)
        self.reached = lsn_of(upto)

    def before(self, lsn):
        """How many transactions committed before this position."""
        return bisect.bisect_right(self.ends, lsn)

    def xid(self, lsn):
        """Of the transaction that committed there."""
        return self.xids[self.before(lsn)]

    def rows(self, table, count):
        """The table after so many transactions."""
        rows = {}
        for key, (at, versions) in self.versions[table].items():
            i = bisect.bisect_right(at, count)
            if i and versions[i - 1] is not None:
                rows[name_of({"id": key})] = versions[i - 1]
        return rows


# ---- filters, judged as SQL would ----

COMPARE = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
           "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "in": lambda a, b: a in b, "nin": lambda a, b: a not in b,
           "prefix": lambda a, b: a.startswith(b)}


def judge(where, row):
    """True, False, or None: not known."""
    if isinstance(where, dict):
        (kind, parts), = where.items()
        if kind == "not":
            inner = judge(parts, row)
            return None if inner is None else not inner
        known = [judge(p, row) for p in parts]
        stops = kind == "or"
        return stops if stops in known else None if None in known else not stops
    column, op, *operand = where
    cell = row[column]
    if op in ("null", "notnull"):
        return (cell is None) == (op == "null")
    return None if cell is None else COMPARE[op](cell, operand[0])
