"""From the numbers of a run to bench/results/ws.json and the last section of docs/BENCHMARKS.md."""
import datetime, json, os, statistics

import report

SIDES = ("node", "fastapi", "walwire")
NAMES = {"node": "Node, ws", "fastapi": "FastAPI, uvicorn", "walwire": "walwire", "none": "none", "1%": "1 of 100 clients reads nothing",
         "1": "1 subscription", "100,000": "100,000 subscriptions, a value each, of 1,000 clients"}
RAW = os.path.join(report.ROOT, "bench", "results", "ws.json")

COLUMNS = {
    "messages_per_s": ("deliveries/s", "{:,.0f}"), "frames_per_s": ("frames/s", "{:,.0f}"), "cpu_us": ("CPU µs a delivery", "{:,.2f}"),
    "cpu_us_frame": ("CPU µs a frame", "{:,.2f}"), "cpu_percent": ("% of a core", "{:,.0f}"), "p50_ms": ("p50, ms", "{:,.1f}"),
    "p99_ms": ("p99, ms", "{:,.1f}"), "kafka_p50_ms": ("Kafka p50, ms", "{:,.1f}"), "kafka_p99_ms": ("Kafka p99, ms", "{:,.1f}"),
    "changes_per_s": ("changes/s", "{:,.0f}"), "cpu_us_change": ("CPU µs a change", "{:,.2f}"),
    "resting_mb": ("RSS at rest, MB", "{:,.0f}"), "rss_mb": ("RSS, MB", "{:,.0f}"), "bytes_each": ("bytes a client, at rest", "{:,.0f}"),
}
TABLES = {
    "flood": ("Messages of 200 bytes to all, as fast as it goes", ["messages_per_s", "frames_per_s", "cpu_us", "cpu_us_frame", "rss_mb"]),
    "paced": ("100 messages a second to each of 1,000 clients", ["messages_per_s", "cpu_percent", "p50_ms", "p99_ms", "rss_mb"]),
    "many": ("10,000 clients, 100 changes a second to each, from PostgreSQL",
             ["messages_per_s", "frames_per_s", "cpu_percent", "cpu_us_frame", "p50_ms", "p99_ms", "resting_mb", "rss_mb", "bytes_each"]),
    "stopped": ("1,000 clients and those that do not read, 100 changes a second, from PostgreSQL to Kafka as well",
                ["messages_per_s", "p50_ms", "p99_ms", "kafka_p50_ms", "kafka_p99_ms", "rss_mb"]),
    "filters": ("Each change for one of many filtered subscriptions, 2,000 transactions of a row a second, from PostgreSQL",
                ["changes_per_s", "frames_per_s", "cpu_us_change", "cpu_percent", "rss_mb"]),
}


def shown(got):
    return got.get("error") or "  ".join(f"{COLUMNS[k][0]} {COLUMNS[k][1].format(v)}" for k, v in got.items() if k in COLUMNS)


def middle(runs, case, side, number):
    found = [r[number] for r in runs.get(case, {}).get(side, []) if "error" not in r]
    return statistics.median(found) if found else None


def judged(runs):
    """(goal, measured in words, met: True, False, None when not measured)."""
    def of(case, side, number):
        return middle(runs, case, side, number)

    def quotient(text, a, b, most=None, least=None):
        if not a or not b:
            return text, "", None
        return text, f"{a:,.1f} / {b:,.1f} = {a / b:.2f}", a / b <= most if most else a / b >= least

    def below(text, number, most, unit):
        return text, "" if number is None else f"{number:,.1f} {unit}", None if number is None else number < most
    for n in (100, 1000):
        yield quotient(f"{n} clients: 5 times the deliveries a second of Node's ws", of("flood", f"walwire {n}", "messages_per_s"),
                       of("flood", f"node {n}", "messages_per_s"), least=5)
    yield below("10,000 clients: under 150 MB", of("many", "walwire", "rss_mb"), 150, "MB")
    yield below("10,000 clients at 100 changes/s: p99 under 50 ms", of("many", "walwire", "p99_ms"), 50, "ms")
    yield quotient("1% stopped: p99 of the others not more than 20% longer", of("stopped", "1%", "p99_ms"), of("stopped", "none", "p99_ms"), most=1.2)
    yield quotient("1% stopped: the same of Kafka's lag", of("stopped", "1%", "kafka_p99_ms"), of("stopped", "none", "kafka_p99_ms"), most=1.2)
    yield quotient("100,000 subscriptions that want a value each: a change costs at most twice the processor time that it costs with one, in µs",
                   of("filters", "100,000", "cpu_us_change"), of("filters", "1", "cpu_us_change"), most=2)


def cell(runs, number):
    values = sorted(r[number] for r in runs if "error" not in r)
    if not values:
        return "failed"
    form = COLUMNS[number][1]
    text, low, high = form.format(statistics.median(values)), form.format(values[0]), form.format(values[-1])
    return text if low == high else f"{text} ({low} to {high})"


def name(side):
    first, _, clients = side.partition(" ")
    return NAMES[first if first in NAMES else side] + (f", {clients} clients" if clients.isdigit() else "")


def section(data):
    words, machine = {True: "met", False: "**not met**", None: "not measured"}, data["machine"]
    parts = [f"Written by `make bench-ws`; {machine['cores']} cores of {machine['processor']} · {machine['kernel']}. The server has one core, its clients the "
             "other, which they share with all else that runs: a load average above 2 before a case says that its times are not worth much.",
             report.table([["goal", "measured", ""], *([g, m, words[met]] for g, m, met in judged(data["runs"]))]).replace("---:|---:|", "---|---|")]
    for case, by in data["runs"].items():
        (title, columns), when = TABLES[case], data["when"][case]
        rounds = "one round" if when["rounds"] == 1 else f"medians of {when['rounds']} rounds"
        parts += [f"### {title}", f"{when['date']}, load {when['load']} before; {rounds} of {when['seconds']} s.", report.table([["", *(COLUMNS[c][0] for c in columns)], *([name(s), *(cell(runs, c) for c in columns)] for s, runs in by.items())])]
    parts.append("A delivery is a message to a client; walwire puts those that wait into one frame. `at rest`: connected and subscribed, nothing sent yet. Times end "
                 "when the message is at its client's socket, as the kernel stamps it. Clients acknowledge what they have read at once, and are asked in turn instead of being "
                 "woken: over loopback the timers of delayed acknowledgements, and the waking, would be work of the server's core. Of the 10,000 every twentieth "
                 "looks at what it gets and counts for the others.")
    return "\n\n".join(parts) + "\n"


def former(path):
    try:
        with open(path) as f:
            return json.load(f)
    except OSError:
        return {"runs": {}, "when": {}}


def write(runs, options):
    raw = os.path.join(options.out, "ws.json") if options.out else RAW
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    before, this = former(raw), {"date": now, "load": options.load, "rounds": options.rounds, "seconds": options.seconds}
    merged, when = {**before["runs"], **runs}, {**before["when"], **{case: this for case in runs}}
    data = {"machine": report.machine(), "when": when, "runs": {case: merged[case] for case in TABLES if case in merged}}
    with open(raw, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
    report.write_behind(os.path.join(options.out, "BENCHMARKS.md") if options.out else report.DOCUMENT, section(data))
    return data
