create schema t; create table t.a (id int primary key, v text); insert into t.a values (1, 'x');
