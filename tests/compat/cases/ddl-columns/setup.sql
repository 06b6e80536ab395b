create schema d; create table d.t (id int primary key, a int, b text, c numeric(5,2)); insert into d.t values (1, 1, 'one', 1);
