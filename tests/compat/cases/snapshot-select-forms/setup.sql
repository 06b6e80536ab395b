create schema q; create table q.a (id int primary key, v text, n numeric(6,2), gone text, at timestamptz default '2020-01-01 00:00+00');
create table q.b (like q.a including all); create table q.c (like q.a including all); create table q.e (like q.a including all); create table q.plain (like q.a including all);
create table q."Mixed Case" (id int primary key, v text);
insert into q.a select g, 'v' || g, g + 0.5, 'x' || g from generate_series(1, 6) g;
insert into q.b select * from q.a; insert into q.c select * from q.a; insert into q.e select * from q.a; insert into q.plain select * from q.a;
insert into q."Mixed Case" values (1, 'a'), (2, 'b');
