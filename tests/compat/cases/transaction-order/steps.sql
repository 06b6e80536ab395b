begin; insert into x.a values (1, 'a'), (2, 'b'); update x.a set id = 20 where id = 2; insert into x.b values (1, 'b'); delete from x.a where id = 1; truncate x.b; insert into x.b values (2, 'c'); commit;
begin; commit;
begin; update x.a set v = v; commit;
begin; create table x.fresh (id int primary key); insert into x.b values (3, 'd'); commit;
