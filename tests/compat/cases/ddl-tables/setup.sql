create schema d; create schema elsewhere; create table d.t (id int primary key, a text); create table d.old (id int primary key, v int); insert into d.t values (1, 'one');
