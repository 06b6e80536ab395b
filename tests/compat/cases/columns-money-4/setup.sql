create table t (id int primary key, m money, a money[], d money default 1.23, n money not null default 2); insert into t values (1, 12.34, '{1.50,-2.25}', 3.99, 4.5);
