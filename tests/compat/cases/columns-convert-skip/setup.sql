create table t (id int primary key, at timestamp, v text); insert into t values (1, '2024-01-01', 'a'), (2, '3000-01-01', 'b');
