create table t (id int primary key, a text, b text not null default 'bb'); create table reg (id int, k1 int, k2 text, z int); create table nokey (x int, y text);
create table miss (id int primary key, v text); create table m1 (id int primary key, v text); create table m2 (id int primary key, v text); create table other (id int, v text);
alter table t replica identity full; alter table reg replica identity full; alter table nokey replica identity full; alter table m2 replica identity full; alter table other replica identity full;
insert into t values (1, 'a', 'b'), (2, null, 'c'); insert into reg values (1, 2, 'k', 3); insert into nokey values (1, 'y'); insert into miss values (1, 'v'); insert into m1 values (1, 'v'); insert into m2 values (1, 'v'); insert into other values (1, 'v');
