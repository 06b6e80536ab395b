create schema p; create table p.cols (id int primary key, a text not null, b text default 'b', secret text not null default 's'); create table p.rowsonly (id int primary key, v int); create table p.ful (id int primary key, a text, b text); alter table p.ful replica identity full;
create table p.swap (z int, a text, id int primary key, b text);
create publication own for table p.cols (id, b), p.rowsonly where (id > 10), p.ful, p.swap (b, id) with (publish = 'insert, update, delete');
insert into p.cols values (1, 'a', 'b', 's'); insert into p.rowsonly values (1, 1), (11, 11); insert into p.ful values (1, 'a', 'b'); insert into p.swap values (1, 'a', 1, 'b');
