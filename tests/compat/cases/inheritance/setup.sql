create schema i;
create table i.parent (id int primary key, a text);
create table i.child (b int default 7) inherits (i.parent);
create table i.grandchild (c int, primary key (id)) inherits (i.child);
alter table i.child replica identity full;
insert into i.parent values (1, 'p'); insert into i.child values (2, 'c', 8); insert into i.grandchild values (3, 'g', 9, 10);
