"""A topic and a table as dicts from key to row, to be compared."""
import json

from process import wait_until

SLIM = {"key__converter__schemas__enable": "false", "value__converter__schemas__enable": "false"}  # for the worker file


def body(text):
    """A record's JSON without its schema; None for a tombstone or a missing key."""
    got = json.loads(text) if text else None
    return got["payload"] if isinstance(got, dict) and got.keys() == {"schema", "payload"} else got


def name_of(key):
    return json.dumps(key, sort_keys=True)


def events(kafka, topic):
    """The envelopes of a topic in partition and offset order, each with its record as `record` and its key as `key`."""
    return [{**body(m["value"]), "key": body(m["key"]), "record": m} for m in kafka.consume(topic) if m["value"]]


def fold(envelopes):
    """What a consumer knows at the end: the last row of each key."""
    rows = {}
    for e in envelopes:
        if e["op"] == "d":
            rows.pop(name_of(e["key"]), None)
        else:
            rows[name_of(e["key"])] = e["after"]
    return rows


def table(postgres, db, name, key=("id",)):
    """A table whose values have the same JSON in PostgreSQL and in an envelope (integers, texts, booleans)."""
    lines = postgres.psql(f"select to_jsonb(t) from {name} t", db).splitlines()
    rows = [json.loads(line) for line in lines]
    return {name_of({k: r[k] for k in key}): r for r in rows}


def difference(got, wanted):
    """One line on how two such dicts differ, empty when they do not."""
    missing, more = sorted(wanted.keys() - got.keys()), sorted(got.keys() - wanted.keys())
    other = sorted(k for k in wanted.keys() & got.keys() if wanted[k] != got[k])
    if not (missing or more or other):
        return ""
    parts = [f"{len(keys)} {what} ({keys[0]})" for what, keys in (("missing", missing), ("too many", more)) if keys]
    if other:
        parts.append(f"{len(other)} other ({other[0]}: {got[other[0]]} instead of {wanted[other[0]]})")
    return ", ".join(parts)


def wait_equal(got, wanted, timeout=30, what="what was told to equal the table"):
    """Until two functions give equal dicts; the difference is the reason when they never do."""
    def equal():
        found = difference(got(), wanted())
        if found:
            raise RuntimeError(found)
        return True
    return wait_until(equal, timeout, what, every=0.3)


def wait_folded(ctx, spec, db, name, key=("id",), timeout=30):
    """Until the topic of a table, folded by key, is the table. Returns the topic's envelopes."""
    topic = f"{spec['config']['topic.prefix']}.{name if '.' in name else 'public.' + name}"
    last = []

    def told():
        last[:] = events(ctx.kafka, topic)
        return fold(last)
    wait_equal(told, lambda: table(ctx.postgres, db, name, key), timeout, f"{topic} to be the table")
    return last
