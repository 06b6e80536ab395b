create schema d; create table d.t (id int primary key, a int default 1); insert into d.t values (1, 1), (2, 2);
