create schema d; create sequence d.s; create type d.mood as enum ('sad', 'ok', 'gl''ad'); create domain d.pos as int check (value > 0); create domain d.withdef as int default 3; create domain d.ts as timestamptz default now(); create domain d.txt as text; create type d.pair as (a int, b text);
create function d.f(text) returns text language sql immutable as $$select $1$$; create function d."F g"(text) returns text language sql immutable as $$select $1$$; create function d.first_mood() returns d.mood language sql immutable as $$select 'sad'::d.mood$$;
create table d.t00 (
    id int primary key,
    c0 timestamp default (now() at time zone 'utc'),
    c1 timestamp default timezone('UTC'::text, now()),
    c2 timestamp default current_timestamp(3),
    c3 timestamp default localtimestamp(0),
    c4 timestamp default 'epoch',
    c5 timestamp default '-infinity',
    c6 timestamp default 'today'::text::timestamp,
    c7 timestamp default now()::timestamp,
    c8 timestamp default now() + interval '1 day',
    c9 timestamp default date_trunc('day', now()),
    c10 timestamp default to_timestamp(0)::timestamp,
    c11 timestamp default ('2020-01-01'::date + '01:00'::time)
);
create table d.t01 (
    id int primary key,
    c12 timestamp not null default (now() at time zone 'utc'),
    c13 timestamptz default clock_timestamp(),
    c14 timestamptz default now() + '30 days'::interval,
    c15 timestamptz default (now() + '30 days'::interval),
    c16 timestamptz default ('now'::text)::timestamptz,
    c17 timestamptz default current_timestamp,
    c18 timestamptz not null default current_timestamp(0),
    c19 timestamptz default '2020-01-01',
    c20 timestamptz default '2020-01-01 00:00:00-08',
    c21 timestamptz default to_timestamp(0),
    c22 timestamptz not null default 'infinity',
    c23 timestamptz(3) default now()
);
create table d.t02 (
    id int primary key,
    c24 date default ('now'::text)::date,
    c25 date default current_date + 30,
    c26 date default (current_date - '1 day'::interval),
    c27 date default 'epoch'::date,
    c28 date default make_date(2020, 1, 1),
    c29 date not null default now(),
    c30 date default '2020-01-01'::timestamp,
    c31 time default current_time,
    c32 time default localtime(0),
    c33 time default ('now'::text)::time,
    c34 time default '12:00'::time(0),
    c35 timetz default current_time
);
create table d.t03 (
    id int primary key,
    c36 timetz default '10:00+02',
    c37 interval default '30 days',
    c38 interval default '1 year 2 mons'::interval,
    c39 interval default '00:05:00'::interval,
    c40 interval default interval '1' hour,
    c41 interval default 'P1Y2M',
    c42 interval not null default '1 day',
    c43 bigint default extract(epoch from now()),
    c44 bigint default (extract(epoch from now()) * 1000)::bigint,
    c45 bigint default (date_part('epoch', now()))::bigint,
    c46 bigint default ((random() * 1000)::int)::bigint,
    c47 bigint not null default nextval('d.s')
);
create table d.t04 (
    id int primary key,
    c48 bigint default '5'::bigint,
    c49 bigint default (-1),
    c50 bigint default - 7,
    c51 bigint default 1 << 4,
    c52 bigint default txid_current(),
    c53 bigint default 9223372036854775807,
    c54 bigint default '-9223372036854775808'::bigint,
    c55 int default -1,
    c56 int default (0),
    c57 int default 1 + 1,
    c58 int default '-1'::integer,
    c59 int default '007'
);
create table d.t05 (
    id int primary key,
    c60 int default length('abc'),
    c61 int default abs(-5),
    c62 int default coalesce(null, 3),
    c63 int default greatest(1, 2),
    c64 int default nullif(1, 1),
    c65 int default case when 1 > 2 then 1 else 2 end,
    c66 int default (array[1,2])[1],
    c67 int default cast('3' as int),
    c68 int default 1.5,
    c69 int default 2.5::numeric,
    c70 int default true::int,
    c71 int default pg_backend_pid()
);
create table d.t06 (
    id int primary key,
    c72 int not null default floor(random() * 10),
    c73 smallint default 1,
    c74 smallint default '1'::smallint,
    c75 smallint default (1)::smallint,
    c76 smallint not null default -32768,
    c77 numeric default 0,
    c78 numeric default 0.00,
    c79 numeric default 1e3,
    c80 numeric default '1e3',
    c81 numeric default -0.5,
    c82 numeric default (1.0 / 3),
    c83 numeric default 'NaN'
);
create table d.t07 (
    id int primary key,
    c84 numeric default 100::bigint,
    c85 numeric(10,2) default 0,
    c86 numeric(10,2) default 0.005,
    c87 numeric(10,2) default '12.345'::numeric,
    c88 numeric(10,2) default (1 * 2),
    c89 numeric(10,2) not null default 1000,
    c90 numeric(10,2) default 1e2,
    c91 numeric(5,-2) default 1234,
    c92 numeric(3,5) default 0.00123,
    c93 real default 0.1,
    c94 real default 1,
    c95 real default '1.5'::real
);
create table d.t08 (
    id int primary key,
    c96 real default -1.5e-10,
    c97 real not null default 'Infinity',
    c98 double precision default 0,
    c99 double precision default 1e300,
    c100 double precision default '-0',
    c101 double precision default pi(),
    c102 double precision default random(),
    c103 double precision default (1 / 3.0),
    c104 money default 0,
    c105 money default '0',
    c106 money default 12.34,
    c107 boolean default true
);
create table d.t09 (
    id int primary key,
    c108 boolean default 'f',
    c109 boolean default (not true),
    c110 boolean default (1 = 1),
    c111 boolean default 'on'::boolean,
    c112 boolean default 1::boolean,
    c113 boolean not null default false,
    c114 boolean default (null::boolean is null),
    c115 text default '',
    c116 text default 'a' || 'b',
    c117 text default 'it''s',
    c118 text default E'a\nb',
    c119 text default 'x' collate "C"
);
create table d.t10 (
    id int primary key,
    c120 text default current_user,
    c121 text default session_user,
    c122 text default current_database(),
    c123 text default current_setting('server_version', true),
    c124 text default to_char(now(), 'YYYY-MM'),
    c125 text default md5(random()::text),
    c126 text default gen_random_uuid()::text,
    c127 text default (gen_random_uuid())::text,
    c128 text default lpad(nextval('d.s')::text, 5, '0'),
    c129 text default 'PRE-' || nextval('d.s'),
    c130 text default upper('abc'),
    c131 text default substring('abc' from 1 for 2)
);
create table d.t11 (
    id int primary key,
    c132 text default now(),
    c133 text default '{}',
    c134 text default 'null',
    c135 text default 'NULL::text',
    c136 text default 'f(x)',
    c137 text default 'CURRENT_TIMESTAMP',
    c138 text default 5,
    c139 text default 'a''b''''c',
    c140 text default concat('a', 'b'),
    c141 text default array_to_string(array['a','b'], ','),
    c142 text default "left"('abc', 1),
    c143 text default d.f('x')
);
create table d.t12 (
    id int primary key,
    c144 text default d."F g"('x'),
    c145 text not null default 'required',
    c146 text not null default coalesce(null, 'z'),
    c147 varchar(3) default 'abc',
    c148 varchar(3) default 'abc'::text,
    c149 varchar(3) not null default '',
    c150 varchar default 'x'::bpchar,
    c151 char(3) default 'a',
    c152 char(3) not null default 'ab',
    c153 char default 'y'::"char",
    c154 bpchar default 'q ',
    c155 name default 'n'
);
create table d.t13 (
    id int primary key,
    c156 "char" default 'c',
    c157 uuid default gen_random_uuid(),
    c158 uuid default '00000000-0000-0000-0000-000000000000',
    c159 uuid default md5('a')::uuid,
    c160 uuid not null default '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
    c161 json default '{}',
    c162 json default '[]',
    c163 json default '{"a": "it''s"}',
    c164 json default 'null',
    c165 json default json_build_object(),
    c166 json default to_json(now()),
    c167 json not null default '{}'
);
create table d.t14 (
    id int primary key,
    c168 jsonb default '{}'::jsonb,
    c169 jsonb default '[]'::json::jsonb,
    c170 jsonb default jsonb_build_array(1, 2),
    c171 jsonb default '{"a":"b''c"}',
    c172 jsonb not null default '{"b" :  1}',
    c173 jsonb default '"x"',
    c174 xml default '<a/>',
    c175 xml default xmlelement(name a),
    c176 bytea default '\x00',
    c177 bytea default decode('00', 'hex'),
    c178 bytea default 'abc',
    c179 bytea not null default ''
);
create table d.t15 (
    id int primary key,
    c180 bit default '1',
    c181 bit default B'0',
    c182 bit(4) default B'1010',
    c183 bit(4) default '1010'::bit(4),
    c184 bit(4) default 5::bit(4),
    c185 bit(4) not null default X'a',
    c186 varbit default B'11',
    c187 varbit(8) default '101',
    c188 varbit default '',
    c189 varbit not null default B'',
    c190 inet default '127.0.0.1',
    c191 cidr default '10.0.0.0/8'
);
create table d.t16 (
    id int primary key,
    c192 macaddr default '08:00:2b:01:02:03',
    c193 point default '(0,0)',
    c194 point default point(1, 2),
    c195 int4range default '[1,2)',
    c196 int4range default int4range(1, 2),
    c197 tstzrange default tstzrange(now(), null),
    c198 tsvector default '',
    c199 oid default 0,
    c200 oid default '7',
    c201 regclass default 'pg_class',
    c202 int[] default '{}',
    c203 int[] default array[]::int[]
);
create table d.t17 (
    id int primary key,
    c204 int[] default array[1, 2],
    c205 text[] default '{}'::text[],
    c206 text[] default array['a', 'b'],
    c207 text[] not null default '{}',
    c208 d.mood default 'sad',
    c209 d.mood default 'gl''ad'::d.mood,
    c210 d.mood default ('ok'::text)::d.mood,
    c211 d.mood not null default 'ok',
    c212 d.mood[] default '{sad,ok}',
    c213 d.mood[] not null default array['sad']::d.mood[],
    c214 d.mood default d.first_mood(),
    c215 d.pos default 5
);
create table d.t18 (
    id int primary key,
    c216 d.pos default '5'::int,
    c217 d.withdef default null,
    c218 d.withdef not null default 8,
    c219 d.ts default now(),
    c220 d.txt default 't',
    c221 d.pair default '(1,a)',
    c222 d.pair default row(1, 'a')
);
