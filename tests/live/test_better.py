"""The options of docs/BETTER.md: what Debezium loses is lost without them, and is there with them, in snapshot and stream."""
from fold import SLIM, events
from services import wait_until

TYPES = """
    create type pair as (n int, label text);
    create type mood as enum ('sad', 'ok');
    create type place as (street text, at pair, visits pair[], grid int[][], feelings mood[]);
    create type floats as range (subtype = float8);
    create domain posint as int check (value > 0);"""
TABLE = """
    create table t (
        id int primary key, grid int[][], labels text[][], deep int[],
        prices money[], spans interval[], flags bit(3)[], nicks name[], ages posint[],
        moods mood[], owner name not null,
        home place, pairs pair[],
        hours int4multirange, weight floats, lsn pg_lsn, born date, seen timestamp[], stock int default 7);
    alter table t replica identity full;
    insert into t values (
        1, '{{1,2},{3,null}}', '{{a,b},{c,"d e"}}', '{{1,2},{3,4}}',
        '{1.50,null}', '{1 day}', '{101}', '{me,you}', '{1,2}',
        '{sad,null}', 'me',
        row('Main, 1', row(1, 'x "y"'), array[row(2, 'z')::pair, null], '{{1},{2}}', '{ok}'), array[row(3, null)::pair],
        '{[1,3),[5,8)}', '[1.5,2.5)', '16/B374D848', '0044-03-15 BC', '{1500-02-28 12:00}', null);"""
COPY = """insert into t select 2, grid, labels, deep, prices, spans, flags, nicks, ages, moods, owner, home, pairs, hours, weight, lsn,
          born, seen, stock from t where id = 1;"""

OPTIONS = ["arrays.nested", "arrays.all", "arrays.nulls", "names", "composites", "ranges", "types.all", "calendar", "nulls"]
ALL = {f"walwire.{name}": "true" for name in OPTIONS}

BEFORE = {  # in the stream
    "id": 2, "grid": [None, None], "labels": ["{a,b}", '{c,"d e"}'], "deep": [None, None], "flags": None, "moods": None, "owner": "",
    "born": -735160, "seen": [-14825937600000000], "stock": 7}
SNAPSHOT_BEFORE = {**BEFORE, "id": 1, "owner": "me", "born": -703383}
AFTER = {
    "grid": [[1, 2], [3, None]], "labels": [["a", "b"], ["c", "d e"]], "deep": [1, 2, 3, 4],
    "prices": ["1.50", None], "spans": [86400000000], "flags": ["BQ=="], "nicks": ["me", "you"], "ages": [1, 2],
    "moods": ["sad", None], "owner": "me",
    "home": {"street": "Main, 1", "at": {"n": 1, "label": 'x "y"'}, "visits": [{"n": 2, "label": "z"}, None], "grid": [[1], [2]],
             "feelings": ["ok"]},
    "pairs": [{"n": 3, "label": None}],
    "hours": "{[1,3),[5,8)}", "weight": "[1.5,2.5)", "lsn": "16/B374D848", "born": -735160, "seen": [-14826715200000000], "stock": None}
COLUMNS = {  # what each option changes; types.all changes what the others leave
    "arrays.nested": ["grid", "labels", "deep"], "arrays.all": ["prices", "spans", "flags", "nicks", "ages"],
    "arrays.nulls": ["moods"], "names": ["owner"], "composites": ["home", "pairs"], "ranges": ["hours", "weight"],
    "calendar": ["born", "seen"], "nulls": ["stock"]}


def rows(ctx, spec, count):
    topic = f"{spec['name']}.public.t"
    return wait_until(lambda: (lambda got: got if len(got) >= count else None)(events(ctx.kafka, topic)), 30, f"{count} rows")


def test_each_option_alone_and_all_together(ctx):
    db = ctx.database(TYPES + TABLE)
    sets = {"none": {}, "all": ALL, **{name: {f"walwire.{name}": "true"} for name in COLUMNS}}
    specs = {name: ctx.connector(db, **{"decimal.handling.mode": "string", **options}) for name, options in sets.items()}
    engine = ctx.walwire(*specs.values(), **SLIM, env={"WALWIRE_CHECK_TREE": "1"})
    for spec in specs.values():
        engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql(COPY, db)
    for name, spec in specs.items():
        read, streamed = [e["after"] for e in rows(ctx, spec, 2)]
        if name == "none":
            assert (read, streamed) == (SNAPSHOT_BEFORE, BEFORE), (read, streamed)
        elif name == "all":
            assert (read, streamed) == ({"id": 1, **AFTER}, {"id": 2, **AFTER}), (read, streamed)
        else:
            mended = {column: AFTER[column] for column in COLUMNS[name]}
            for got, before in ((read, SNAPSHOT_BEFORE), (streamed, BEFORE)):
                assert got == {**before, **mended}, (name, got)
        assert engine.status(spec["name"])[0] == "RUNNING", engine.status(spec["name"])


def test_composites_that_change_while_streaming(ctx):
    db = ctx.database("""create type inner_pair as (n int); create type pair as (a inner_pair, b text);
                         create table t (id int primary key, p pair, ps inner_pair[])""")
    spec = ctx.connector(db, **{"walwire.composites": "true"})
    engine = ctx.walwire(spec, env={"WALWIRE_CHECK_TREE": "1"})
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("""
        insert into t values (1, row(row(1), 'x'));
        create type mood as enum ('sad');""", db)
    rows(ctx, spec, 1)
    for at, sql in enumerate([
            "alter type pair add attribute c mood[]; insert into t values (2, row(row(2), 'y', '{sad}'))",
            "alter type inner_pair add attribute m int; insert into t values (3, row(row(3, 4), 'z', null))",
            "insert into t values (4, null, array[row(5, 6)::inner_pair])",
            "alter type inner_pair drop attribute n; insert into t values (5, row(row(7), 'v', null), array[row(8)::inner_pair])"]):
        ctx.postgres.psql(sql, db)
        rows(ctx, spec, at + 2)  # what the catalogue says meanwhile is of this row
    got = rows(ctx, spec, 5)
    assert [e["after"] for e in got] == [
        {"id": 1, "p": {"a": {"n": 1}, "b": "x"}, "ps": None},
        {"id": 2, "p": {"a": {"n": 2}, "b": "y", "c": ["sad"]}, "ps": None},
        {"id": 3, "p": {"a": {"n": 3, "m": 4}, "b": "z", "c": None}, "ps": None},
        {"id": 4, "p": None, "ps": [{"n": 5, "m": 6}]},
        {"id": 5, "p": {"a": {"m": 7}, "b": "v", "c": None}, "ps": [{"m": 8}]}], got
    schema = got[1]["record"]["value"]
    assert '"name":"public.inner_pair"' in schema and '"name":"public.pair"' in schema, schema


def test_a_catalogue_ahead_of_the_stream_is_asked_again(ctx):
    """Rows from before an ALTER TYPE that are read after it must not end the asking for good."""
    db = ctx.database("create type pair as (a int); create table t (id int primary key, p pair)")
    spec = ctx.connector(db, **{"walwire.composites": "true"})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    engine.sigterm()
    ctx.postgres.psql("insert into t values (1, row(1))", db)
    ctx.postgres.psql("alter type pair add attribute b int; insert into t values (2, row(2, 3))", db)
    engine.start()
    rows(ctx, spec, 2)
    ctx.postgres.psql("alter type pair add attribute c int; insert into t values (3, row(4, 5, 6))", db)
    assert [e["after"]["p"] for e in rows(ctx, spec, 3)] == [
        {"a": 1, "b": None}, {"a": 2, "b": 3}, {"a": 4, "b": 5, "c": 6}]


def test_what_a_rule_hides_stays_hidden(ctx):
    db = ctx.database(TYPES + TABLE)
    hide = {"column.mask.with.4.chars": "public.t.(home|hours|owner)", "column.mask.hash.v2.SHA-256.with.salt.x": "public.t.(pairs|prices|weight)"}
    spec = ctx.connector(db, **hide, **ALL)
    engine = ctx.walwire(spec, **SLIM, env={"WALWIRE_CHECK_TREE": "1"})
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql(COPY, db)
    for e in rows(ctx, spec, 2):
        row = e["after"]
        assert (row["hours"], row["owner"], len(row["weight"])) == ("****", "****", 64), row
        assert not {"home", "pairs", "prices"} & row.keys() and "grid" in row, row


def test_an_arrays_depth_follows_alter_table(ctx):
    db = ctx.database("create table t as select 1 as id, '{{1,2},{3,4}}'::int[][] as grid; alter table t add primary key (id)")
    spec = ctx.connector(db, **{"walwire.arrays.nested": "true"})
    engine = ctx.walwire(spec, env={"WALWIRE_CHECK_TREE": "1"})
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("alter table t alter grid type int[][]; insert into t select 2, grid from t", db)
    assert [e["after"]["grid"] for e in rows(ctx, spec, 2)] == [[1, 2, 3, 4], [[1, 2], [3, 4]]]
