insert into i.parent values (4, 'p'); insert into i.child values (5, 'c'); insert into i.grandchild values (6, 'g', 9, 10);
update i.parent set a = upper(a); delete from i.parent where id in (4, 5, 6); truncate i.parent;
