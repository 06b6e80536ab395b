"""From the numbers of a run to docs/BENCHMARKS.md and bench/results/latest.json."""
import datetime, json, os, platform, re, statistics, subprocess

from cases import CASES
from pace import WARM
from peers import BROKER_HEAP, CONNECT_HEAP, POSTGRES, ROOT, WORKER, version
from release import compiler

DOCUMENT = os.path.join(ROOT, "docs", "BENCHMARKS.md")
RAW = os.path.join(ROOT, "bench", "results", "latest.json")
BEHIND = "\n## Fan-out to browsers\n\n"

NAMES = {
    ("nothing", "walwire"): "walwire, no sink", ("nothing", "stream"): "walwire stream > /dev/null", ("nothing", "ceiling"): "ceiling, reading only",
    ("drain", "ceiling"): "ceiling, as many bytes", ("drain-schemas", "ceiling"): "ceiling, as many bytes",
    ("drain", "pg_recvlogical"): "pg_recvlogical > /dev/null", ("nothing", "pg_recvlogical"): "pg_recvlogical > /dev/null",
    ("snapshot", "null"): "walwire, no sink", ("snapshot", "walwire"): "walwire to Kafka", ("snapshot", "debezium"): "Debezium to Kafka",
    ("snapshot", "copy"): "psql COPY > /dev/null", ("latency", "debezium-10ms"): "Debezium, poll.interval.ms=10",
    ("latency", "walwire"): "walwire to Kafka", ("latency", "websocket"): "walwire to WebSocket", ("load", "walwire"): "walwire to Kafka",
    ("load", "websocket"): "walwire to WebSocket", ("replay", "plain"): "without schemas", ("replay", "schemas"): "with schemas",
    ("filters", "1"): "1 subscription, 50 changes in a turn", ("filters", "100,000"): "100,000 subscriptions, a value each, 50 changes in a turn",
    ("filters", "1 alone"): "1 subscription, each change alone", ("filters", "100,000 alone"): "100,000 subscriptions, each change alone",
    ("filters", "100,000 alone, shared"): "100,000 subscriptions, 100 of a client, each change alone",
    ("idle", "debezium"): "Kafka Connect with Debezium",
}

OURS = ("walwire", "stream", "null", "websocket")

# A column: heading, the number's name, how it is written, and whether more is better (for the ratio to walwire).
COLUMNS = [
    ("rows/s", "rows_per_s", "{:,.0f}", True), ("whole run, s", "total_s", "{:,.1f}", None),
    ("CPU-s per million rows", "cpu_s_per_million", "{:,.2f}", False), ("of the walsender", "walsender_cpu_s_per_million", "{:,.2f}", None),
    ("of the broker", "broker_cpu_s_per_million", "{:,.2f}", None), ("allocations a row", "allocations_per_row", "{:,.4f}", None),
    ("ns a change", "ns_a_change", "{:,.0f}", None),
    ("p50, ms", "p50_ms", "{:,.2f}", False), ("p99, ms", "p99_ms", "{:,.2f}", False), ("worst, ms", "max_ms", "{:,.1f}", None),
    ("sent twice", "duplicates", "{:,.0f}", None), ("... in seconds' rows", "duplicates_s", "{:,.2f}", None),
    ("to the last row after the start, s", "catch_up_s", "{:,.1f}", None),
    ("% of a core", "cpu_percent", "{:,.2f}", False), ("peak RSS, MB", "peak_rss_mb", "{:,.0f}", False),
    ("RSS at the end, MB", "rss_mb", "{:,.0f}", None),
]

# A growth case: what its sizes are, its speed's name and number, and its sides' names.
GROWTH = {
    "tables": ("tables", "rows/s", "rows_per_s"), "transactions": ("rows of a transaction", "rows/s", "rows_per_s"),
    "columns": ("columns", "values/s", "values_per_s"), "connectors": ("connectors", "rows/s of all", "rows_per_s"),
    "workloads": ("", "changes/s", "rows_per_s"),
}
READERS = {"walwire": "walwire", "kafka": "walwire to Kafka", "ceiling": "nothing decoded", "recvlogical": "pg_recvlogical", "debezium": "Debezium to Kafka"}
WORKLOADS = {
    "pgbench": "pgbench: 3 updates, 1 insert a transaction, 8 clients", "toast-kept": "updates that leave 20 KB of TOAST as it was",
    "toast-changed": "updates of 20 KB of TOAST", "subtransactions": "one transaction, 10 rows a subtransaction",
    "full-identity": "REPLICA IDENTITY FULL, 10 columns, 1 changed", "deletes": "deletes, with tombstones", "noise": "19 of 20 rows not published",
    "all": "all in one",
}


def summary(runs):
    """Median, least and most of each number over the rounds that succeeded."""
    good = [r for r in runs if "error" not in r]
    return {k: {"median": statistics.median(r[k] for r in good), "min": min(r[k] for r in good), "max": max(r[k] for r in good)}
            for k in (good[0] if good else ()) if all(k in r for r in good)}


class Results:
    """summaries[case][side][number]; get() is None for what was not measured or failed."""

    def __init__(self, runs):
        self.runs = runs
        self.summaries = {c: {s: summary(r) for s, r in sides.items()} for c, sides in runs.items()}

    def get(self, case, side, number):
        found = self.summaries.get(case, {}).get(side, {}).get(number)
        return found["median"] if found else None

    def errors(self):
        return [(c, s, i + 1, r["error"]) for c, sides in self.runs.items() for s, rs in sides.items() for i, r in enumerate(rs) if "error" in r]


# ---- goals ----

def at_least(case, mine, other, factor):
    """walwire's rows/s is at least `factor` of the other's."""
    def judge(r):
        a, b = r.get(case, mine, "rows_per_s"), r.get(case, other, "rows_per_s")
        return (a, b, f"{a:,.0f} / {b:,.0f} = {a / b:.2f}", a / b >= factor) if a and b else None
    return judge


def smaller(case, mine, other, number, factor, write="{:,.2f}"):
    """The other's number is at least `factor` times walwire's."""
    def judge(r):
        a, b = r.get(case, mine, number), r.get(case, other, number)
        return (a, b, f"{write.format(b)} / {write.format(a)} = {b / a:.1f}", b / a >= factor) if a and b else None
    return judge


def under(case, side, number, limit, unit, write="{:,.2f}"):
    def judge(r):
        a = r.get(case, side, number)
        return (a, limit, f"{write.format(a)} {unit}", a < limit) if a is not None else None
    return judge


def over(case, side, number, limit, unit):
    def judge(r):
        a = r.get(case, side, number)
        return (a, limit, f"{a:,.0f} {unit}", a >= limit) if a is not None else None
    return judge


def no_allocations(side):
    def judge(r):
        a = r.get("replay", side, "allocations_per_row")
        return (a, 0, f"{a:.4f}", a == 0) if a is not None else None
    return judge


def at_most_times(case, more, less, number, unit, factor):
    """The first side's number is at most `factor` times the second's."""
    def judge(r):
        a, b = r.get(case, more, number), r.get(case, less, number)
        return (a / b, factor, f"{a:,.0f} / {b:,.0f} {unit} = {a / b:.2f}", a / b <= factor) if a and b else None
    return judge


def sizes(r, case):
    """{size: {reader: side}} of a growth case, in its order."""
    found = {}
    for side in r.summaries.get(case, {}):
        size, reader = side.rsplit(" ", 1)
        found.setdefault(size, {})[reader] = side
    return found


def steady(case, factor):
    """At every size walwire keeps `factor` of its speed at the first one, or of what the reader without decoding keeps."""
    number = GROWTH[case][2]

    def judge(r):
        worst, first = None, None
        for size in sizes(r, case):
            mine, other = r.get(case, f"{size} walwire", number), r.get(case, f"{size} ceiling", number)
            if not mine or not other:
                continue
            first = first or (mine, other)
            alone, beside = mine / first[0], mine / first[0] * first[1] / other
            worst = min(worst or (9, 0, 0, ""), (max(alone, beside), alone, beside, size))
        return (worst[0], factor, f"least at {worst[3]}: {worst[1]:.2f}, beside the walsender's {worst[2]:.2f}", worst[0] >= factor) if worst else None
    return judge


def swells(case, less, more, units, limit, unit):
    """Peak memory of the second side over the first one's, for each of so many units (KB or MB), is under `limit`."""
    def judge(r):
        a, b = r.get(case, less, "peak_rss_mb"), r.get(case, more, "peak_rss_mb")
        if not a or not b:
            return None
        each = (b - a) / units * (1024 if unit == "KB" else 1)
        return each, limit, f"({b:,.0f} - {a:,.0f} MB) / {units:,} = {each:,.1f} {unit}", each < limit
    return judge


def at_most_everywhere(number, limit, unit, sides):
    """The greatest over (case, side)."""
    def judge(r):
        found = [(r.get(c, s, number), f"{c}, {s}") for c, s in sides]
        found = [f for f in found if f[0] is not None]
        return (max(found)[0], limit, f"most: {max(found)[0]:,.0f} {unit} ({max(found)[1]})", max(found)[0] < limit) if found else None
    return judge


def least_ratio(case, mine, other, factor):
    def judge(r):
        found = [(r.get(case, f"{size} {mine}", "rows_per_s"), r.get(case, f"{size} {other}", "rows_per_s"), size) for size in sizes(r, case)]
        found = [(a / b, size) for a, b, size in found if a and b]
        return (min(found)[0], factor, f"least: {min(found)[0]:.2f} ({min(found)[1]})", min(found)[0] >= factor) if found else None
    return judge


ONE_CONNECTOR = [("connectors", "1 walwire"), ("connectors", "1 kafka"), *((c, f"{size} walwire") for c, list_of in (
    ("transactions", ("1", "100", "10,000", "all")), ("columns", ("10", "50", "100", "200")),
    ("workloads", tuple(WORKLOADS)), ("tables", ("1", "100"))) for size in list_of)]

GOALS = [
    ("Drain to Kafka, without schemas: 0.85 of the ceiling that sends as many bytes", at_least("drain", "walwire", "ceiling", 0.85)),
    ("Drain to Kafka, with schemas: 0.85 of the ceiling that sends as many bytes", at_least("drain-schemas", "walwire", "ceiling", 0.85)),
    ("Drain to Kafka, without schemas: 4.5 times Debezium", at_least("drain", "walwire", "debezium", 4.5)),
    ("Drain to Kafka, with schemas: 14 times Debezium", at_least("drain-schemas", "walwire", "debezium", 14)),
    ("Drain to Kafka: as fast as pg_recvlogical into /dev/null", at_least("drain", "walwire", "pg_recvlogical", 1)),
    ("CPU-seconds per million rows, without schemas: a tenth of Debezium's", smaller("drain", "walwire", "debezium", "cpu_s_per_million", 10)),
    ("CPU-seconds per million rows, with schemas: a tenth of Debezium's", smaller("drain-schemas", "walwire", "debezium", "cpu_s_per_million", 10)),
    ("Peak memory of a drain, without schemas: under 64 MB", under("drain", "walwire", "peak_rss_mb", 64, "MB", "{:,.0f}")),
    ("Peak memory of a drain, with schemas: under 64 MB", under("drain-schemas", "walwire", "peak_rss_mb", 64, "MB", "{:,.0f}")),
    ("Drain to nothing: 0.9 of the ceiling that only reads", at_least("nothing", "walwire", "ceiling", 0.9)),
    ("Decode and encode alone: 1.5 million rows/s on a core", over("replay", "plain", "rows_per_s", 1.5e6, "rows/s")),
    ("Decode and encode alone: no allocation, without schemas", no_allocations("plain")),
    ("Decode and encode alone: no allocation, with schemas", no_allocations("schemas")),
    ("Browsers: a change among 100,000 subscriptions that want a value each costs at most twice what it costs with one",
     at_most_times("filters", "100,000", "1", "ns_a_change", "ns", 2)),
    ("The same of a change that comes alone", at_most_times("filters", "100,000 alone", "1 alone", "ns_a_change", "ns", 2)),
    ("The same with 100 of them for each client", at_most_times("filters", "100,000 alone, shared", "1 alone", "ns_a_change", "ns", 2)),
    ("Commit to Kafka consumer: p50 under 3 ms", under("latency", "walwire", "p50_ms", 3, "ms")),
    ("Commit to Kafka consumer: p99 under 15 ms", under("latency", "walwire", "p99_ms", 15, "ms")),
    ("Commit to Kafka consumer: p50 a hundredth of Debezium's", smaller("latency", "walwire", "debezium", "p50_ms", 100)),
    ("... and a fiftieth with poll.interval.ms=10", smaller("latency", "walwire", "debezium-10ms", "p50_ms", 50)),
    ("Commit to WebSocket client: p50 under 2 ms", under("latency", "websocket", "p50_ms", 2, "ms")),
    ("Commit to WebSocket client: p99 under 10 ms", under("latency", "websocket", "p99_ms", 10, "ms")),
    ("At 20,000 rows/s, Kafka consumer: p99 under 50 ms", under("load", "walwire", "p99_ms", 50, "ms")),
    ("At 20,000 rows/s, WebSocket client: p99 under 50 ms", under("load", "websocket", "p99_ms", 50, "ms")),
    ("At rest: under 0.5% of a core", under("idle", "walwire", "cpu_percent", 0.5, "%")),
    ("Snapshot to Kafka: 10 times Debezium", at_least("snapshot", "walwire", "debezium", 10)),
    ("Snapshot to nothing: half of COPY alone", at_least("snapshot", "null", "copy", 0.5)),
    ("Growth: 1 to 10,000 tables, 0.8 of the speed kept", steady("tables", 0.8)),
    ("Growth: 1 row to a million rows a transaction, 0.8 of the speed kept", steady("transactions", 0.8)),
    ("Growth: 10 to 200 columns, 0.8 of the values a second kept", steady("columns", 0.8)),
    ("Growth: 1 to 20 connectors, 0.8 of the speed of all together kept", steady("connectors", 0.8)),
    ("Growth: any kind of change, 0.9 of pg_recvlogical into /dev/null", least_ratio("workloads", "walwire", "recvlogical", 0.9)),
    ("Growth: peak memory of one connector, whatever it reads: under 64 MB", at_most_everywhere("peak_rss_mb", 64, "MB", ONE_CONNECTOR)),
    ("Growth: memory of a table more: under 24 KB", swells("tables", "1 walwire", "10,000 walwire", 9999, 24, "KB")),
    ("Growth: memory of a connector more, while it drains without Kafka: under 16 MB", swells("connectors", "1 walwire", "20 walwire", 19, 16, "MB")),
    ("Growth: memory of a connector more, while it drains to Kafka: under 32 MB", swells("connectors", "1 kafka", "20 kafka", 19, 32, "MB")),
    ("Growth: at rest with 20 connectors: under 2% of a core", under("idle-many", "20", "cpu_percent", 2, "%")),
    ("Killed at half of a drain: none missing, at most 2 seconds' rows twice", under("killed", "walwire", "duplicates_s", 2, "s")),
    ("More than one slot for a database", None),
]


def judged(results):
    """(goal, measured in words, met: True, False or None when not measured)."""
    for text, judge in GOALS:
        found = judge(results) if judge else None
        yield (text, found[2], found[3]) if found else (text, "", None)


# ---- the document ----

def machine():
    def first(path, pattern):
        try:
            with open(path) as f:
                m = re.search(pattern, f.read(), re.M)
                return m.group(1).strip() if m else "unknown"
        except OSError:
            return "unknown"
    memory = first("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")
    return {"processor": first("/proc/cpuinfo", r"^model name\s*:(.*)$"), "cores": os.cpu_count(),
            "memory_gb": round(int(memory) / 1024 ** 2, 1) if memory.isdigit() else memory, "kernel": f"{platform.system()} {platform.release()}"}


def said(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    return lines[0].strip() if lines else "unknown"


def versions(rig, binary):
    with open(os.path.join(ROOT, "VERSION")) as f:
        ours = f.read().strip()
    commit = said("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "describe", "--always", "--dirty")
    return {"walwire": f"{ours} ({commit})", "compiler": compiler(), "PostgreSQL": said(rig.program("postgres"), "--version").split(") ", 1)[-1],
            "Kafka, Kafka Connect": version("kafka"), "Debezium": version("debezium"), "librdkafka": rig.topics.version(), "Java": said("java", "-version"),
            "build": "release" if "build-bench" in binary else os.path.relpath(binary, ROOT)}


def settings(options):
    return {
        "rows": f"{options.rows:,} of 8 columns, inserted by transactions of 1,000", "rounds": f"medians of {options.rounds}, sides in turn forwards and backwards",
        "PostgreSQL": ", ".join(f"{k}={v}" for k, v in POSTGRES.items()) + ", fsync=off, wal_level=logical",
        "connection": "a Unix socket for all but Debezium" if options.socket else "TCP on loopback for all",
        "Kafka": f"one broker, one partition, heap {BROKER_HEAP}", "Kafka Connect": f"heap {CONNECT_HEAP}, kept running and warmed",
        "worker of both": ", ".join(f"{k}={v}" for k, v in WORKER.items()),
        "producer": f"compression.type={options.compression} on both sides" if options.compression else
                    "each side's defaults: Kafka Connect does not compress, walwire (and the ceiling) uses lz4",
        "walwire": ", ".join(options.walwire) or "defaults", "latency": f"{options.tx:,} transactions in each round, after {WARM} that do not count"}


def table(rows):
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in body])


def cell(found, write):
    if not found:
        return ""
    text = write.format(found["median"])
    low, high = write.format(found["min"]), write.format(found["max"])
    return text if low == high else f"{text} ({low} to {high})"


def case_table(name, sides):
    """One line a side, with walwire's ratio to each other side."""
    used = [c for c in COLUMNS if any(c[1] in s for s in sides.values())]
    if not used:
        return "Every run failed."
    main = used[0]
    mine = sides.get("walwire", {}).get(main[1]) if len(sides) > 1 else None
    rows = [["", *(c[0] for c in used), *(["walwire is"] if mine else [])]]
    for side, found in sides.items():
        title = NAMES.get((name, side), {"debezium": "Debezium"}.get(side, side))
        row = [title, *(cell(found.get(c[1]), c[2]) for c in used)] if found else [title, "failed", *("" for _ in used[1:])]
        rows.append(row + ([ratio(mine, found.get(main[1]), main[3], side)] if mine else []))
    return table(rows)


def growth_table(name, sides):
    """One line a size; walwire's columns, then those of the others, and walwire's ratio to them."""
    what, speed, number = GROWTH[name]
    grid = {}
    for side, found in sides.items():
        size, reader = side.rsplit(" ", 1)
        grid.setdefault(size, {})[reader] = found
    readers = [r for r in READERS if any(r in by for by in grid.values())]
    rows = [[what, *(f"{speed}, {READERS[r]}" for r in readers), *(f"ratio to {READERS[r]}" for r in readers if r not in ("walwire", "kafka")),
             *(f"{h}, {READERS[r]}" for r in readers if r in ("walwire", "kafka") for h in ("CPU-s per million rows", "peak RSS, MB")),
             *(["s until all tables are known, walwire"] if name == "tables" else [])]]
    for size, by in grid.items():
        def of(reader, key, form):
            return cell(by.get(reader, {}).get(key), form)
        mine = by.get("walwire", {}).get(number)
        row = [WORKLOADS.get(size, size), *(of(r, number, "{:,.0f}") for r in readers)]
        row += [f"{mine['median'] / by[r][number]['median']:.2f}" if mine and by.get(r, {}).get(number) else "" for r in readers if r not in ("walwire", "kafka")]
        for r in readers:
            if r in ("walwire", "kafka"):
                row += [of(r, "cpu_s_per_million", "{:,.2f}"), of(r, "peak_rss_mb", "{:,.0f}")]
        rows.append(row + ([of("walwire", "first_s", "{:,.2f}")] if name == "tables" else []))
    return table(rows)


def ratio(mine, other, more, side):
    if side in OURS or not other or not mine["median"] or not other["median"]:
        return ""
    n = mine["median"] / other["median"] if more else other["median"] / mine["median"]
    return f"{n:.2f} times " + ("as fast" if more else "better")


def document(results, data):
    words = {True: "met", False: "**not met**", None: "not measured"}
    parts = ["# Benchmarks", "Written by `make bench` ([how it measures](../bench/README.md)); the raw numbers are in "
             "[bench/results/latest.json](../bench/results/latest.json). Everything ran on one machine at once, so ratios count and not times. Medians, and in brackets the least and the most of the rounds.",
             f"{data['date']} · {data['machine']['cores']} cores of {data['machine']['processor']} · {data['machine']['memory_gb']} GB · {data['machine']['kernel']}"]
    parts += ["## Goals", table([["goal", "measured", ""], *([g, m, words[met]] for g, m, met in judged(results))]).replace("---:|---:|", "---|---|")]
    for name, sides in results.summaries.items():
        parts += [f"## {CASES[name].title}", growth_table(name, sides) if name in GROWTH else case_table(name, sides)]
    failed = results.errors()
    if failed:
        parts += ["## What failed", "\n".join(f"- {c}, {s}, round {i}: {' '.join(e.split())[:300]}" for c, s, i, e in failed)]
    parts += ["## With what", "\n".join(f"- {k}: {v}" for k, v in {**data["versions"], **{f"{k} settings" if k in data["versions"] else k: v for k, v in data["settings"].items()}}.items())]
    return "\n\n".join(parts) + "\n"


def gather(rig, options, binary, runs):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return {"date": now, "machine": machine(), "versions": versions(rig, binary), "settings": settings(options), "options": vars(options), "runs": runs}


def write(data, document_path, raw_path):
    results = Results(data["runs"])
    os.makedirs(os.path.dirname(raw_path), exist_ok=True)
    with open(raw_path, "w") as f:
        json.dump({**data, "summaries": results.summaries,
                   "goals": [{"goal": g, "measured": m, "met": met} for g, m, met in judged(results)]}, f, indent=1)
        f.write("\n")
    _, behind = parts_of(document_path)
    with open(document_path, "w") as f:
        f.write(document(results, data) + behind)
    return results


def parts_of(path):
    """What `make bench` writes, and what `make bench-ws` does, with the mark between them."""
    try:
        with open(path) as f:
            text = f.read()
    except OSError:
        return "", ""
    at = text.find(BEHIND)
    return (text, "") if at < 0 else (text[:at], text[at:])


def write_behind(path, text):
    before, _ = parts_of(path)
    with open(path, "w") as f:
        f.write(before + BEHIND + text)
