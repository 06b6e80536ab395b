"""GET /metrics: valid text, figures that are true, and the same names in docs/METRICS.md and in the dashboard."""
import json, os, re, subprocess

from fold import SLIM
from process import ROOT
from services import wait_until
from walwire import BINARY

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")


def read(text):
    """{(name, labels): value} of Prometheus' text format, read as strictly as the format says."""
    types, helps, found, closed, current = {}, set(), {}, set(), None
    assert text.endswith("\n"), "the last line does not end"
    for line in text[:-1].split("\n"):
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if head:
            kind, name, rest = head.groups()
            if name != current:
                assert name not in closed, f"{name} comes twice"
                closed.add(current)
                current = name
            if kind == "HELP":
                assert name not in helps, f"{name} has two HELP lines"
                helps.add(name)
            else:
                assert name not in types and rest in ("counter", "gauge", "histogram"), line
                types[name] = rest
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, f"not a sample: {line}"
        name, labels, value = sample.groups()
        base = re.sub("_(bucket|sum|count)$", "", name) if re.sub("_(bucket|sum|count)$", "", name) in types and name not in types else name
        assert base == current and types.get(base), f"{name} is not below its TYPE line"
        pairs = LABEL.findall(labels or "")
        assert LABEL.sub("", labels or "") == "", f"labels: {line}"
        assert len({k for k, _ in pairs}) == len(pairs), f"a label twice: {line}"
        key = (name, tuple(sorted(pairs)))
        assert key not in found, f"twice: {line}"
        found[key] = float(value)
    for name, kind in types.items():
        assert name in helps, f"{name} has no HELP"
        if name.startswith("walwire_") and kind == "counter":
            assert name.endswith("_total"), f"{name} is a counter"
    return found, types


def scrape(engine):
    code, text = engine.rest("GET", "/metrics")
    assert code == 200
    return read(text)


def value(samples, metric, /, **labels):
    """The only sample of that name with these labels."""
    got = [v for (n, pairs), v in samples.items() if n == metric and labels.items() <= dict(pairs).items()]
    assert len(got) == 1, f"{metric}{labels}: {len(got)} samples"
    return got[0]


def wait_for(engine, timeout, true):
    """The samples once they are as wanted."""
    def look():
        samples, _ = scrape(engine)
        return samples if true(samples) else None
    return wait_until(look, timeout, "the figures to be as wanted", every=0.2)


def test_the_figures_are_true(ctx):
    db = ctx.database("create table a(id int primary key, v text); create table b(id int primary key); create table hidden(id int);"
                      "insert into a select i, 'x' from generate_series(1, 2500) i; insert into b values (1), (2)")
    spec = ctx.connector(db, **{"table.include.list": "public.a,public.b", "publication.autocreate.mode": "all_tables", "skipped.operations": "none"})
    name = spec["name"]
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("""insert into b values (3), (4), (5); update a set v = 'y' where id <= 7; delete from a where id <= 4;
                         insert into hidden values (1), (2); truncate b; select pg_logical_emit_message(false, 'p', 'x');""", db)

    # the slot's figures are asked for beside the stream: the first ones come a moment later
    samples = wait_for(engine, 20, lambda s: value(s, "walwire_events_total", connector=name, op="message") == 1 and
                       value(s, "walwire_in_flight_messages", connector=name) == 0 and any(n == "walwire_slot_lag_bytes" for n, _ in s))
    ops = {op: value(samples, "walwire_events_total", connector=name, op=op) for op in ("read", "create", "update", "delete", "truncate")}
    assert ops == {"read": 2502, "create": 3, "update": 7, "delete": 4, "truncate": 1}, ops
    assert value(samples, "walwire_events_filtered_total", connector=name) == 2
    assert value(samples, "debezium_metrics_TotalNumberOfEventsSeen", name=name, context="streaming") == 2518
    assert value(samples, "walwire_transactions_total", connector=name) >= 5
    assert value(samples, "walwire_connected", connector=name) == 1
    assert value(samples, "walwire_connector_state", connector=name, state="RUNNING") == 1
    assert 0 <= value(samples, "walwire_lag_seconds", connector=name) < 20
    assert value(samples, "walwire_captured_tables", connector=name) == 2
    assert value(samples, "walwire_snapshot_completed", connector=name) == 1
    assert value(samples, "walwire_snapshot_running", connector=name) == 0
    assert value(samples, "walwire_snapshot_tables", connector=name) == 2
    assert value(samples, "walwire_snapshot_tables_remaining", connector=name) == 0
    assert value(samples, "walwire_snapshot_rows_scanned", connector=name, table="public.a") == 2500
    assert value(samples, "debezium_metrics_RowsScanned", name=name, table="public.b") == 2
    assert value(samples, "walwire_delivery_seconds_count", connector=name) > 0
    assert value(samples, "walwire_transaction_lag_seconds_bucket", connector=name, le="+Inf") == value(
        samples, "walwire_transaction_lag_seconds_count", connector=name)
    lsn = int(ctx.postgres.psql("select pg_current_wal_lsn() - '0/0'"))
    assert lsn - (16 << 20) < value(samples, "walwire_last_event_lsn", connector=name) <= lsn
    check_slot(samples, ctx, spec)
    check_process(samples, engine)
    engine.sigterm()


def check_slot(samples, ctx, spec):
    slot = spec["config"]["slot.name"]
    assert 0 <= value(samples, "walwire_slot_lag_bytes", slot=slot) < 64 << 20
    kept = int(ctx.postgres.psql(f"select pg_current_wal_lsn() - restart_lsn from pg_replication_slots where slot_name = '{slot}'"))
    assert 0 < value(samples, "walwire_slot_retained_bytes", slot=slot) <= kept + (16 << 20)
    assert not [1 for n, _ in samples if n == "walwire_slot_safe_bytes"], "the server has no limit"


def check_process(samples, engine):
    assert abs(value(samples, "process_resident_memory_bytes") / 1024 - engine.rss_kb()) < 20000
    assert value(samples, "process_cpu_seconds_total") > 0
    assert abs(value(samples, "process_open_fds") - len(os.listdir(f"/proc/{engine.process.pid}/fd"))) < 8
    assert value(samples, "process_threads") == len(os.listdir(f"/proc/{engine.process.pid}/task"))


def test_a_failed_connector_is_seen_and_counters_go_on(ctx):
    db = ctx.database("create table a(id int primary key)")
    spec = ctx.connector(db, **{"snapshot.mode": "no_data"})
    name, slot = spec["name"], spec["config"]["slot.name"]
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into a values (1), (2)", db)
    wait_for(engine, 20, lambda s: value(s, "walwire_events_total", connector=name, op="create") == 2 and
             value(s, "walwire_flushed_lsn", connector=name) > value(s, "walwire_last_event_lsn", connector=name))
    ctx.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}'")
    wait_for(engine, 20, lambda s: value(s, "walwire_run_failures_total", connector=name) == 1)
    wait_until(lambda: ctx.postgres.streaming(slot), 30, "another try")
    ctx.postgres.psql("insert into a values (3)", db)
    wait_for(engine, 20, lambda s: value(s, "walwire_events_total", connector=name, op="create") == 3)
    assert value(scrape(engine)[0], "walwire_snapshot_skipped", connector=name) == 1
    engine.rest("PUT", f"/connectors/{name}/stop")
    wait_until(lambda: not ctx.postgres.streaming(slot), 20, "the slot to be free")
    ctx.postgres.psql(f"select pg_drop_replication_slot('{slot}')")
    engine.rest("PUT", f"/connectors/{name}/resume")
    samples = wait_for(engine, 30, lambda s: value(s, "walwire_connector_state", connector=name, state="FAILED"))
    assert value(samples, "walwire_connected", connector=name) == 0
    assert value(samples, "walwire_run_failures_total", connector=name) == 2
    assert not [n for n, _ in samples if n == "walwire_slot_lag_bytes"], "there is no slot"
    engine.sigterm()


def test_documents_and_dashboard_name_what_there_is(ctx):
    printed = subprocess.run([BINARY, "metrics"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(ROOT, "docs", "METRICS.md")) as f:
        assert f.read() == printed, "docs/METRICS.md is old: walwire metrics > docs/METRICS.md"
    db = ctx.database("create table a(id int primary key); insert into a values (1)")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    _, types = scrape(engine)
    documented = set(re.findall(r"^\| `((?:walwire|process)_\w+)", printed, re.M))
    assert documented == {n for n in types if not n.startswith("debezium")}, documented ^ set(types)
    jmx = set(re.findall(r"`(\w+)`, (?:streaming|snapshot) \|$", printed, re.M))
    assert {f"debezium_metrics_{n}" for n in jmx} == {n for n in types if n.startswith("debezium")}
    with open(os.path.join(ROOT, "docs", "grafana-dashboard.json")) as f:
        dashboard = json.load(f)
    wanted = {n for target in targets(dashboard["panels"]) for n in re.findall(rf"\b((?:walwire|process|debezium)_{NAME})", target)}
    wanted |= set(re.findall(r"label_values\((\w+),", json.dumps(dashboard["templating"])))
    known = set(types) | {f"{n}_{end}" for n, kind in types.items() if kind == "histogram" for end in ("bucket", "sum", "count")}
    assert wanted and wanted <= known, f"the dashboard names {wanted - known}"
    engine.sigterm()


def targets(panels):
    for panel in panels:
        assert panel["type"] == "row" or panel["targets"], panel["title"]
        yield from (t["expr"] for t in panel.get("targets", ()))
        yield from targets(panel.get("panels", ()))
