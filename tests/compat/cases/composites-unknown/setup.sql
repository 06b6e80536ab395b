create schema c;
create type c.pair as (a int, b text);
create type c.outer_pair as (p c.pair, n numeric(5,2));
create table c.base (x int, y text);
create table c.t (id int primary key, p c.pair, o c.outer_pair, ps c.pair[], row c.base, r int4multirange, v text default 'v', t tsquery, last int not null);
insert into c.t values (1, '(1,x)', '("(2,y)",1.5)', '{"(1,a)","(2,b)"}', '(3,z)', '{[1,2)}', 'w', 'a & b', 1);
insert into c.t (id, last) values (2, 2);
