create schema t;
create table t.a (id serial primary key, v text); create table t.b (id serial primary key, a int references t.a); create table t.c (id int primary key, b int references t.b); create table t.d (v int); create table t.noid (v int);
insert into t.a (v) values ('x'); insert into t.b (a) values (1); insert into t.c values (1, 1); insert into t.d values (1);
