create table "full" (id int primary key, v text, n numeric, f float8, h int default 5, hidden text, cut text, mask text, arr int[], ts timestamptz, big text);
alter table "full" replica identity full; alter table "full" alter big set storage external;
create table plain (id int primary key, v text, hidden text);
create table idx (id int primary key, k int not null, v text, hidden text); create unique index idx_k on idx (k); alter table idx replica identity using index idx_k;
create table nokey (v text, w text); alter table nokey replica identity full;
create table onlykey (id int primary key, hidden text);
insert into "full" values (1, 'a', 1.5, 1.5, 5, 'h', 'abcdef', 'secret', '{1,2}', '2024-05-06 07:08:09.123456+00', repeat('0123456789', 500)), (2, 'b', 'NaN', 'NaN', null, null, null, null, null, null, null);
insert into plain values (1, 'a', 'h'); insert into idx values (1, 10, 'v', 'h'); insert into nokey values ('a', 'b'); insert into onlykey values (1, 'h');
