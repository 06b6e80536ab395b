create schema f;
create function f.seven() returns int language sql immutable as 'select 7';
create sequence f.seq;
create type f.mood as enum ('sad', 'glad');
create table f.constants (
    id int primary key, i2 smallint default 2, i4 int default 42, i8 bigint default 9223372036854775807, neg int default -5, negq int default '-6', paren int default (1 + 2), plus int default +3,
    f4 real default 1.5, f8 double precision default -0.1, fe double precision default 1e10, fnan double precision default 'NaN', finf real default '-Infinity', n numeric default 1.10, n52 numeric(5,2) default 1.5, nneg numeric(5,2) default -1.255, n0 numeric(10,0) default 7, m money default '$1.00', mn money default 5,
    b boolean default true, bf boolean default false, bq boolean default 'yes', t text default 'dflt', tq text default 'it''s "q"', te text default E'tab\tnl\nb\\', tu text default 'é漢😀', tempty text default '', v varchar(10) default 'v', c char(5) default 'c', c1 char default 'x', qc "char" default 'q', nm name default 'nm',
    u uuid default 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', j json default '{"a": 1}', jb jsonb default '{"a": [1, 2]}', x xml default '<a/>', by bytea default '\x00ff', bit1 bit default B'1', bit8 bit(8) default B'00000001', vb varbit(8) default B'101', o oid default 9, inet inet default '10.0.0.1', p point default '(1,2)', r int4range default '[1,2)', e f.mood default 'glad'
);
create table f.times (
    id int primary key, d date default '2024-02-29', dinf date default 'infinity', dold date default '1900-01-01', t time default '12:34:56.789', t3 time(3) default '12:34:56.789', t24 time default '24:00:00', tz timetz default '12:34:56+02', ts timestamp default '2024-05-06 07:08:09.123456', ts3 timestamp(3) default '2024-05-06 07:08:09.123', tz6 timestamptz default '2024-05-06 07:08:09.123456+02', tz0 timestamptz(0) default '2024-05-06 07:08:09+00', iv interval default '1 day 02:03:04.5', ivm interval default '-1 mon', tsinf timestamp default 'infinity', tzinf timestamptz default '-infinity'
);
create table f.computed (
    id int primary key, s int default nextval('f.seq'), fn int default f.seven(), n timestamptz default now(), ct timestamp default current_timestamp, cd date default current_date, lt time default localtime, lts timestamp default localtimestamp, u uuid default gen_random_uuid(), cu text default current_user, su name default session_user, up text default upper('abc'), cat text default 'a' || 'b', conc text default concat('x', 'y'), ca int default 1::int, cb bigint default (2)::bigint, cc numeric(5,2) default 3::numeric, cdt date default '2024-01-01'::date + 1, cnull int default null, cnt text default null::text, cv varchar(5) default 'abc'::varchar, ctx text default 42::text, rnd double precision default random(), len int default length('four'), cse int default case when true then 1 else 2 end, arr int[] default '{1,2}', arrf int[] default array[1,2], js jsonb default jsonb_build_object('a', 1), ivx interval default make_interval(days => 1), tst timestamp default timezone('utc', now()), bo boolean default (not false)
);
insert into f.constants (id) values (1); insert into f.times (id) values (1);
