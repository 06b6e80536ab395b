create extension if not exists citext;
create type mood as enum ('sad', 'ok', 'happy');
create domain label as varchar(12);
create domain note as text;
create table people (
    id text primary key, plain text, short varchar(5), fixed char(6), one "char", any_char char, wide varchar,
    required text not null, preset text default 'preset', preset_short varchar(8) not null default 'abcdefgh',
    feeling mood, named label, noted note, ci citext, obj name, doc json, docb jsonb, markup xml, uid uuid,
    n int, big bigint, price numeric(9, 2), amount numeric, cash money, flag boolean, day date, at timestamptz, moment timestamp,
    clock time, span interval, raw bytea, bits bit(9), addr inet, mac macaddr, place point, words tsvector, span4 int4range,
    texts text[], shorts varchar(3)[], moods mood[], longs text);
alter table people replica identity full;
alter table people alter longs set storage external;
insert into people values ('k1', 'plain text', 'short', 'fixed', 'c', 'a', 'wide text', 'required', default, default,
    'happy', 'named label', 'noted text', 'CaseText', 'object_name', '{"a": 1, "b": 2}', '{"a": 1, "b": 2}', '<a>b</a>',
    '11111111-2222-3333-4444-555555555555', 12345678, 1234567890123, 1234.56, 98765.4321, 12.34, true, '2024-02-03',
    '2024-02-03 04:05:06.789012+00', '2024-02-03 04:05:06.789', '04:05:06.123456', '1 day 2 hours', '\x0011223344556677', '101010101',
    '10.20.30.40/24', '08:00:2b:01:02:03', '(1.5,2.5)', 'some lexemes here', '[1,10)', '{one,two,three}', '{abc,def}', '{sad,ok}', repeat('0123456789', 500));
insert into people (id, required) values ('k2', '');
insert into people (id, plain, wide, required, texts) values ('k3', E'a\U0001F600b\U0001F600c', 'ünïcödé é', E'\U0001F600\U0001F601\U0001F602', '{}');
create table kinds (id serial primary key, big bigserial, small smallserial, bits varbit(7), one bit, exact numeric(5), plain numeric,
    scaled numeric(20, 5), neg decimal(4, -2), clock time(3), clock_tz timetz(2), at timestamp(0), at_tz timestamptz(4), span interval(1), real real,
    double double precision, o oid, net cidr, lens int4[], nums numeric(7, 3)[], names varchar(9)[], js jsonb[], v box, own "char");
create schema other;
create domain other.positive as numeric(6, 1) check (value > 0);
create type other.color as enum ('red', 'green');
create table other.things (id bigint generated always as identity primary key, p other.positive, c other.color, cs other.color[], ps other.positive[],
    sum int generated always as (1 + 1) stored);
comment on table kinds is 'table comment';
comment on column kinds.id is 'the key';
comment on column kinds.plain is 'a "plain" number';
insert into kinds default values;
insert into other.things (p, c) values (1.5, 'red');
