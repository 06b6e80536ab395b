create table t (id int primary key default 7, v text, n int, secret text not null default 'x'); create table two (a int, b text default 'q', c text, primary key (b, a));
create table seen (id int primary key, v text, gone text); insert into seen values (1, $$a$$, $$b$$);
