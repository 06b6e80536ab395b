create table t (id int primary key, a text, "Mixed.Case" text, c text, d text, "Up" text, up2 text, gone1 text, gone22 int, gone text);
create schema s; create table s.x (id int primary key, b1 text, b22 text, b333 text, c text);
alter table s.x replica identity full;
insert into t values (1, 'a', 'm', 'c', 'd', 'U', 'u', 'g', 2, 'g'); insert into s.x values (1, 'b', 'bb', 'bbb', 'c');
