create schema a; create schema b;
create type a.status as enum ('new', 'old'); create type b.status as enum ('open', 'shut', 'gone');
create domain a.code as varchar(5); create domain b.code as numeric(6,2);
create table a.t (id int primary key, s a.status, sa a.status[], sd a.status default 'old', sn a.status not null default 'new', c a.code, cd a.code default 'abc');
create table b.t (id int primary key, s b.status, sa b.status[], sd b.status default 'shut', sn b.status not null default 'gone', c b.code, cd b.code default 1.5);
create table a.x (id int primary key, other b.status, own a.status);
insert into a.t values (1, 'new', '{new,old}', 'old', 'new', 'x'); insert into b.t values (1, 'open', '{gone,shut}', 'open', 'shut', 2.5); insert into a.x values (1, 'gone', 'old');
