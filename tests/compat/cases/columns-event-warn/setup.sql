create table t (id int primary key, nn timestamp not null, v text); alter table t replica identity full;
create table k (at timestamp primary key, v text);
create table d (id int primary key, nn timestamp not null default '2020-01-01'); alter table d replica identity full;
insert into t values (1, '2024-01-01', 'a'), (2, '3000-01-01', 'b'), (3, '2024-01-01', 'c'); insert into d values (1, '3000-01-01');
