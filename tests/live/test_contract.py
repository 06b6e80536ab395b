"""Every answer of the REST interface beside the one that Kafka Connect 4.3 with Debezium 3.7 gave to the same request.

The requests are tests/contract/steps.py, Connect's answers tests/contract/golden.json (written by tests/contract/capture.py). Where
the two are meant to differ, the rule is here.
"""
import json, os, sys

from process import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
from contract import GOLDEN, TABLES, Client, base_config

# Values of options that Debezium takes and walwire presets or refuses otherwise; docs/REST.md says so.
PRESETS = {"plugin.name", "connector.plugin.version", "custom.sanitize.pattern"}
# Only these are there to plug in.
PLUGINS = {"io.debezium.connector.postgresql.PostgresConnector", "org.apache.kafka.connect.json.JsonConverter",
           "org.apache.kafka.connect.storage.SimpleHeaderConverter"}


def same(what, theirs, ours):
    return [] if theirs == ours else [f"{what}: {json.dumps(theirs, ensure_ascii=False)[:700]}\n      here: {json.dumps(ours, ensure_ascii=False)[:700]}"]


def without_preset(definitions):
    return {n: d[:-1] if n in PRESETS else d for n, d in definitions.items()}


def definitions(theirs, ours):
    """walwire describes all that Connect does, and some options more that Debezium reads without describing them."""
    return same("definitions", without_preset(theirs), without_preset({n: d for n, d in ours.items() if n in theirs}))


def errors(theirs, ours):
    """The same options, each for a reason that Connect gives too; Connect at times gives two for one."""
    found = same("options in error", sorted(theirs), sorted(ours))
    for name in set(theirs) & set(ours):
        found += [] if set(ours[name]) <= set(theirs[name]) else same(f"errors of {name}", theirs[name], ours[name])
    return found


def validation(theirs, ours):
    found = []
    for part in ("name", "valid", "groups"):
        found += same(part, theirs.get(part), ours.get(part))
    found += errors(theirs["errors"], ours["errors"])
    if "definitions" not in theirs:
        return found
    found += definitions(theirs["definitions"], ours["definitions"])
    for name, (value, visible, recommended) in theirs["values"].items():
        here = ours["values"].get(name, [None, None, []])
        found += [] if name in PRESETS else same(f"value of {name}", [value, visible], here[:2])
        if not set(here[2]) <= set(recommended):
            found.append(f"{name} recommends {here[2]}, Connect {recommended}")
        if recommended and not here[2] and name.removesuffix(".plugin.version") == name:
            found.append(f"{name} recommends nothing")
    return found


def bodies(request, theirs, ours):
    if request.startswith("GET /connector-plugins/") and isinstance(theirs, list) and "Json" in request:
        return [] if ours and set(ours) <= set(theirs) else same("options", theirs, ours)
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return plugins(theirs, ours) if "/connector-plugins?" in request or "/connector-plugins/?" in request else same("body", theirs, ours)
    if "errors" in theirs:
        return validation(theirs, ours)
    if request.startswith("GET /connector-plugins/"):
        return definitions(theirs, ours)
    return same("body", theirs, ours)


def plugins(theirs, ours):
    return same("body", [p for p in theirs if p["class"] in PLUGINS and (p["type"] != "header_converter" or "Simple" in p["class"])], ours)


def differences(step, theirs, ours):
    if "waited" in ours:
        return [ours["waited"]]
    if step["here"]:
        status, part = step["here"]
        return [] if ours["status"] == status and part in json.dumps(ours.get("body")) else [f"is {ours}, not {step['here']}"]
    if theirs["status"] == 500:  # Connect's own mistakes over a body that it cannot read: here they are the client's
        body = ours.get("body") or {}
        good = ours["status"] in (400, 404) and body.get("error_code") == ours["status"] and body.get("message")
        return [] if good else [f"Connect: 500 {theirs.get('body')}\n      here: {ours}"]
    found = same("status", theirs["status"], ours["status"])
    kind = theirs["type"] or ("application/json" if "body" in theirs else None)  # Jersey leaves it out of some errors
    return found + same("type", kind, ours["type"]) + same("location", theirs.get("location"), ours.get("location")) + bodies(
        theirs["request"], theirs.get("body"), ours.get("body"))


def contract(ctx, engine):
    server = ctx.postgres
    with open(GOLDEN) as f:
        golden = json.load(f)
    found = []
    count = 0
    for (step, ours), theirs in zip(Client(engine.base).run(base_config(server.host, server.port, server.user, ctx.database(TABLES))), golden):
        count += 1
        assert ours["request"] == theirs["request"], f"golden.json is of other requests: run tests/contract/capture.py\n{ours}\n{theirs}"
        found += [f"{ours['request']}\n      {d}" for d in differences(step, theirs, ours)]
    assert count == len(golden) > 300, f"{count} of {len(golden)} answers"
    assert not found, f"{len(found)} of {count} answers differ\n" + "\n".join(found)


def test_answers_are_kafka_connects(ctx):
    contract(ctx, ctx.walwire(config__storage__topic="contract-configs", config__storage__replication__factor="1"))


test_answers_are_kafka_connects.timeout = 300
