"""The log: one JSON object a line with connector and position, and never a row's value or a secret, at the lowest level too."""
import json

from fold import SLIM, events
from services import wait_until

ROW, SECRET = "row-marker-5d1f", "secret-marker-77ab"


def lines(engine):
    return [json.loads(line) for line in engine.log().splitlines()]


def test_json_lines_have_connector_and_position_and_no_data(ctx):
    db = ctx.database(f"""
        create role walwire_logs superuser login password '{SECRET}';
        create table t(id int primary key, v text, at timestamp);
        create table wide(id text primary key, v text);
        insert into t values (1, '{ROW}', '294276-12-31');""")
    settings = {"database.user": "walwire_logs", "database.password": SECRET, "producer.override.sasl.jaas.config":
                f'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="{SECRET}";',
                "time.precision.mode": "nanoseconds", "heartbeat.interval.ms": "300",
                "heartbeat.action.query": f"select {ROW.replace('-', '_')}"}
    spec = ctx.connector(db, **{"table.include.list": "public.t", **settings})
    large = ctx.connector(db, **{"table.include.list": "public.wide", "producer.override.max.request.size": "20000", **settings})
    engine = ctx.walwire(spec, large, **SLIM, **{"log.level": "debug", "log.format": "json"})
    engine.wait_streaming(spec, ctx.postgres)
    engine.wait_streaming(large, ctx.postgres)
    ctx.postgres.psql(f"""
        insert into t values (2, '{ROW}', '2300-01-01'); update t set v = '{ROW}' || v; delete from t where id = 1;
        insert into wide values ('wide-1', repeat('{ROW}', 10000));""", db)
    topic = spec["config"]["topic.prefix"] + ".public.t"
    wait_until(lambda: [e for e in events(ctx.kafka, topic) if e["op"] == "d"], 20, "the rows to be told")
    why = wait_until(lambda: (lambda state, trace: trace if state == "FAILED" else None)(*engine.status(large["name"])), 20,
                     "the large row to be refused")
    assert "LSN" in why and "max.request.size" in why and "wide-1" in why, why
    wait_until(lambda: [line for line in lines(engine) if "checkpoint" in line["message"] and "lsn" in line], 10, "a line with a position")
    for line in lines(engine):
        assert {"time", "level", "message"} <= line.keys() <= {"time", "level", "connector", "lsn", "message"}, line
        assert line["level"] in ("error", "warn", "info", "debug"), line
    assert any(line.get("connector") == spec["name"] for line in lines(engine))
    assert any("is written as null" in line["message"] for line in lines(engine)), "no value was unconvertible: nothing is shown"
    said = {"the log": engine.log(), "status": why, "metrics": engine.rest("GET", "/metrics")[1],
            "connectors": json.dumps(engine.rest("GET", "/connectors?expand=status&expand=info")[1])}
    engine.sigterm()
    said["the log"] = engine.log()
    for where, text in said.items():
        assert SECRET not in text, f"{where} tells a secret"
        assert ROW not in text, f"{where} tells a row's value"


def test_it_is_said_when_nothing_goes_to_kafka(ctx):
    """With a slip such as bootstrap.server= topics would stay empty while the slot moves on."""
    assert "bootstrap.servers is not set: nothing is written to Kafka, changes go to browsers only" in ctx.walwire(kafka=False).log()
    assert "bootstrap.servers is not set" not in ctx.walwire().log()


def test_level_and_format_come_from_the_environment_too(ctx):
    engine = ctx.walwire(kafka=False, env={"WALWIRE_LOG_LEVEL": "warn", "WALWIRE_LOG_FORMAT": "json"})
    engine.sigterm()
    assert engine.log() == "", engine.log()
