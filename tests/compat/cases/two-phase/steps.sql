begin; insert into x.a values (1, 'one'); insert into x.b values (1, 'one'); prepare transaction 'cases-tp-1';
begin; insert into x.a values (2, 'two'); prepare transaction 'cases-tp-2';
insert into x.a values (3, 'between');
commit prepared 'cases-tp-1'; rollback prepared 'cases-tp-2';
begin; update x.a set v = 'changed' where id = 1; savepoint s; delete from x.a where id = 3; rollback to s; delete from x.b; prepare transaction 'cases-tp-3'; insert into x.b values (9, 'meanwhile'); commit prepared 'cases-tp-3';
